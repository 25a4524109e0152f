/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (256U << 10)
#define KEPT_BLOCKS 32

struct arena_block {
	struct arena_block *next; /* behind the one in use: full ones, then those that are free */
	size_t used, size;
	max_align_t bytes[];
};

void arena_finish(struct arena *arena)
{
	for (struct arena_block *block = arena->blocks, *next; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	arena->blocks = NULL;
}

void arena_reset(struct arena *arena)
{
	struct arena_block *block = arena->blocks;
	size_t kept = 0;
	arena->blocks = NULL;
	for (struct arena_block *next; block != NULL; block = next) {
		next = block->next;
		if (block->size != BLOCK_BYTES || kept >= KEPT_BLOCKS) {
			free(block);
			continue;
		}
		block->used = 0;
		block->next = arena->blocks;
		arena->blocks = block;
		kept++;
	}
}

/* Puts a block with room in front. */
static struct arena_block *next_block(struct arena *arena, size_t size)
{
	struct arena_block *first = arena->blocks;
	if (first != NULL && first->next != NULL && first->next->used == 0 &&
	    first->next->size >= size) {
		/* The free one comes in front, the full one behind all that are free. */
		struct arena_block *free_one = first->next, *last = free_one;
		while (last->next != NULL && last->next->used == 0)
			last = last->next;
		first->next = last->next;
		last->next = first;
		arena->blocks = free_one;
		return free_one;
	}
	size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
	struct arena_block *made = malloc(sizeof(*made) + room);
	if (made == NULL)
		return NULL;
	made->next = first;
	made->used = 0;
	made->size = room;
	arena->blocks = made;
	return made;
}

void *arena_take(struct arena *arena, size_t size)
{
	const size_t unit = sizeof(max_align_t);
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + unit - 1) / unit * unit;
	struct arena_block *block = arena->blocks;
	if (block == NULL || block->size - block->used < size)
		block = next_block(arena, size);
	if (block == NULL)
		return NULL;
	void *made = (char *)block->bytes + block->used;
	block->used += size;
	return made;
}

void *arena_copy(struct arena *arena, const void *data, size_t length)
{
	void *made = arena_take(arena, length > 0 ? length : 1);
	if (made != NULL && length > 0)
		memcpy(made, data, length);
	return made;
}
