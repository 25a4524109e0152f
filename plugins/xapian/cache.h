/* SPDX-License-Identifier: MIT
 * cache.h - lists of postings that were read before, of segments that do not change any more.
 *
 * To look a term up costs Xapian some blocks read from the page cache for each segment, and a
 * posting some 15 ns to decode. Words that are asked for again and again are kept here: how many
 * documents of a segment have the term, from the first time on; the list itself from the second.
 * What was not used for longest goes when there is too much.
 *
 * Concurrency: all of it may be called by any thread. A list does not change while it is kept. */
#ifndef CACHE_H
#define CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;

/* Stands for a segment and a term: 128 bits, so that no two are the same. */
struct cache_mark {
	uint64_t high, low;
};

/* The postings of a chunk: up to end, from where those of the run before end. */
struct cached_run {
	uint32_t base; /* the chunk's first docid */
	uint32_t end;
};

struct cached {
	uint32_t frequency;
	/* NULL: only counted yet. Read with cached_runs. */
	struct cached_run *runs;
	uint32_t run_count;
	uint16_t *places;  /* of each document: in its chunk */
	uint16_t *tallies; /* and its tally (tally.h) */
	uint32_t uses;
	/* The cache's own. */
	uint32_t users;
	struct cache_mark mark;
	struct cached *same, *newer, *older;
};

struct cache *cache_create(size_t limit); /* in bytes; NULL: no memory */
void cache_destroy(struct cache *cache);  /* takes NULL; nothing is kept any more */

struct cache_mark cache_name(const char *term, size_t length);
/* Of a term, by its name, in a segment. */
struct cache_mark cache_mark(const struct cache_mark *name, uint32_t segment);
/* Kept for the caller. NULL: not known, or *is_absent: no document of the segment has the term. */
struct cached *cache_find(struct cache *cache, const struct cache_mark *mark, bool *is_absent);
/* Puts it in, or finds what another thread has put in; kept. NULL: no memory, or the frequency is
 * 0. */
struct cached *cache_put(struct cache *cache, const struct cache_mark *mark, uint32_t frequency);
/* Adds the list, frequency long. Takes the memory of runs, behind which places and then tallies
 * stand. */
void cache_fill(struct cache *cache, struct cached *cached, struct cached_run *runs,
		uint32_t run_count);
void cache_release(struct cache *cache, struct cached *cached); /* takes NULL */

static inline const struct cached_run *cached_runs(const struct cached *cached)
{
	return __atomic_load_n(&cached->runs, __ATOMIC_ACQUIRE);
}

#endif
