/* SPDX-License-Identifier: MIT
 * arena.h - memory that is given back all at once: what a batch's messages decode into, a query's
 * tree. */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* the one in use first */
	struct arena_block *spare;  /* from before the last reset */
};

#define ARENA_INIT                                                                                 \
	{                                                                                          \
		0                                                                                  \
	}

/* Aligned for any type, not cleared; NULL: no memory. */
void *arena_allocate(struct arena *arena, size_t size);
/* A copy with a NUL behind it. */
char *arena_copy(struct arena *arena, const void *bytes, size_t length);
/* Everything is forgotten; as much as was used is kept, so that a batch like the one before costs
 * no malloc, and goes when it is not used until the next reset. */
void arena_reset(struct arena *arena);
void arena_finish(struct arena *arena);

#endif
