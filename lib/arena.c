/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The first block is small, for those who need little; each further one is twice as large. */
enum { FIRST_BLOCK_SIZE = 2048, LARGEST_BLOCK_SIZE = 65536 };

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	max_align_t data[];
};

/* A block with that much room, in front. */
static struct arena_block *take_block(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->spare;
	if (block != NULL && size <= block->size) {
		arena->spare = block->next;
		block->used = 0;
	} else {
		size_t capacity =
			arena->blocks != NULL ? arena->blocks->size * 2 : FIRST_BLOCK_SIZE;
		if (capacity > LARGEST_BLOCK_SIZE)
			capacity = LARGEST_BLOCK_SIZE;
		if (capacity < size)
			capacity = size;
		block = malloc(sizeof(*block) + capacity);
		if (block == NULL)
			return NULL;
		*block = (struct arena_block){.size = capacity};
	}
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *arena_allocate(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->blocks;
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	if (block == NULL || block->size - block->used < size)
		block = take_block(arena, size);
	if (block == NULL)
		return NULL;
	void *memory = (char *)block->data + block->used;
	block->used += size;
	return memory;
}

char *arena_copy(struct arena *arena, const void *bytes, size_t length)
{
	char *copy = length < SIZE_MAX ? arena_allocate(arena, length + 1) : NULL;
	if (copy == NULL)
		return NULL;
	if (length > 0)
		memcpy(copy, bytes, length);
	copy[length] = '\0';
	return copy;
}

static void free_blocks(struct arena_block *block)
{
	while (block != NULL) {
		struct arena_block *next = block->next;
		free(block);
		block = next;
	}
}

/* Keeps the newest block that is not larger than most are, and of the others those that are alike,
 * so that any of them fits. */
void arena_reset(struct arena *arena)
{
	struct arena_block *kept = NULL, *next;
	free_blocks(arena->spare);
	arena->spare = NULL;
	for (struct arena_block *block = arena->blocks; block != NULL; block = next) {
		next = block->next;
		if (kept == NULL && block->size <= LARGEST_BLOCK_SIZE) {
			kept = block;
			kept->next = NULL;
			kept->used = 0;
		} else if (block->size == LARGEST_BLOCK_SIZE) {
			block->next = arena->spare;
			arena->spare = block;
		} else {
			free(block);
		}
	}
	arena->blocks = kept;
}

void arena_finish(struct arena *arena)
{
	free_blocks(arena->blocks);
	free_blocks(arena->spare);
	arena->blocks = arena->spare = NULL;
}
