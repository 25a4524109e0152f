/* SPDX-License-Identifier: MIT
 * arena.h - memory that is given back all at once. */
#ifndef XAPIAN_ARENA_H
#define XAPIAN_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *blocks; /* the one in use first */
};

void arena_finish(struct arena *arena);
/* Everything is free again; the memory of usual blocks is kept. */
void arena_reset(struct arena *arena);
/* Aligned for any type; NULL: no memory. */
void *arena_take(struct arena *arena, size_t size);
void *arena_copy(struct arena *arena, const void *data, size_t length);

#endif
