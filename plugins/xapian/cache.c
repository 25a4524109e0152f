/* SPDX-License-Identifier: MIT
 * cache.c
 *
 * Concurrency: `lock` guards the table, the order of use and the counts of users. A list is written
 * once, with release, and read without the lock by who keeps it. */
#include "cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "bytes.h"

#define BUCKETS (1U << 15)
/* Most words are in few of the segments: what is not there is asked for most. */
#define ABSENT (1U << 17)
#define SEED UINT64_C(0x9E3779B97F4A7C15)
#define POSTING_BYTES (2 * sizeof(uint16_t))

struct cache {
	pthread_mutex_t lock;
	size_t bytes, limit;
	struct cached *newest, *oldest; /* by use */
	struct cached *buckets[BUCKETS];
	struct cache_mark absent[ABSENT]; /* the newest at each place */
};

struct cache *cache_create(size_t limit)
{
	struct cache *cache = calloc(1, sizeof(*cache));
	if (cache == NULL)
		return NULL;
	pthread_mutex_init(&cache->lock, NULL);
	cache->limit = limit;
	return cache;
}

static size_t bytes_of(const struct cached *cached)
{
	size_t list =
		cached->frequency * POSTING_BYTES + cached->run_count * sizeof(struct cached_run);
	return sizeof(*cached) + 32 + (cached->runs != NULL ? list : 0); /* 32: what malloc adds */
}

static void destroy(struct cached *cached)
{
	free(cached->runs);
	free(cached);
}

void cache_destroy(struct cache *cache)
{
	if (cache == NULL)
		return;
	for (struct cached *cached = cache->newest, *older; cached != NULL; cached = older) {
		older = cached->older;
		destroy(cached);
	}
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static void unlink_used(struct cache *cache, struct cached *cached)
{
	*(cached->newer != NULL ? &cached->newer->older : &cache->newest) = cached->older;
	*(cached->older != NULL ? &cached->older->newer : &cache->oldest) = cached->newer;
}

static void link_newest(struct cache *cache, struct cached *cached)
{
	cached->newer = NULL;
	cached->older = cache->newest;
	*(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = cached;
	cache->newest = cached;
}

static void drop(struct cache *cache, struct cached *cached)
{
	struct cached **link = &cache->buckets[cached->mark.low % BUCKETS];
	while (*link != cached)
		link = &(*link)->same;
	*link = cached->same;
	unlink_used(cache, cached);
	cache->bytes -= bytes_of(cached);
	destroy(cached);
}

/* What is kept by somebody stays. */
static void make_room(struct cache *cache)
{
	for (struct cached *cached = cache->oldest, *newer;
	     cached != NULL && cache->bytes > cache->limit; cached = newer) {
		newer = cached->newer;
		if (cached->users == 0)
			drop(cache, cached);
	}
}

struct cache_mark cache_name(const char *term, size_t length)
{
	return (struct cache_mark){hash_bytes(SEED, term, length), hash_bytes(~SEED, term, length)};
}

/* The term first: as seeds, two segments would differ by as little as two terms do. */
struct cache_mark cache_mark(const struct cache_mark *name, uint32_t segment)
{
	return (struct cache_mark){hash_bytes(name->high, &segment, sizeof(segment)),
				   hash_bytes(name->low, &segment, sizeof(segment))};
}

static bool is_same(const struct cache_mark *left, const struct cache_mark *right)
{
	return left->high == right->high && left->low == right->low;
}

static struct cached *find(struct cache *cache, const struct cache_mark *mark)
{
	struct cached *cached = cache->buckets[mark->low % BUCKETS];
	while (cached != NULL && !is_same(&cached->mark, mark))
		cached = cached->same;
	if (cached == NULL)
		return NULL;
	cached->users++;
	cached->uses++;
	unlink_used(cache, cached);
	link_newest(cache, cached);
	return cached;
}

struct cached *cache_find(struct cache *cache, const struct cache_mark *mark, bool *is_absent)
{
	pthread_mutex_lock(&cache->lock);
	*is_absent = is_same(&cache->absent[mark->high % ABSENT], mark);
	struct cached *cached = *is_absent ? NULL : find(cache, mark);
	pthread_mutex_unlock(&cache->lock);
	return cached;
}

static void put_absent(struct cache *cache, const struct cache_mark *mark)
{
	pthread_mutex_lock(&cache->lock);
	cache->absent[mark->high % ABSENT] = *mark;
	pthread_mutex_unlock(&cache->lock);
}

struct cached *cache_put(struct cache *cache, const struct cache_mark *mark, uint32_t frequency)
{
	if (frequency == 0) {
		put_absent(cache, mark);
		return NULL;
	}
	struct cached *made = malloc(sizeof(*made));
	if (made == NULL)
		return NULL;
	*made = (struct cached){.frequency = frequency, .users = 1, .mark = *mark};
	pthread_mutex_lock(&cache->lock);
	struct cached *there = find(cache, mark);
	if (there == NULL) {
		struct cached **bucket = &cache->buckets[mark->low % BUCKETS];
		made->same = *bucket;
		*bucket = made;
		link_newest(cache, made);
		cache->bytes += bytes_of(made);
		make_room(cache);
	}
	pthread_mutex_unlock(&cache->lock);
	if (there == NULL)
		return made;
	free(made);
	return there;
}

void cache_fill(struct cache *cache, struct cached *cached, struct cached_run *runs,
		uint32_t run_count)
{
	pthread_mutex_lock(&cache->lock);
	if (cached->runs == NULL) {
		cache->bytes -= bytes_of(cached);
		cached->run_count = run_count;
		cached->places = (uint16_t *)(void *)(runs + run_count);
		cached->tallies = cached->places + cached->frequency;
		__atomic_store_n(&cached->runs, runs, __ATOMIC_RELEASE);
		cache->bytes += bytes_of(cached);
		runs = NULL;
		make_room(cache);
	}
	pthread_mutex_unlock(&cache->lock);
	free(runs);
}

void cache_release(struct cache *cache, struct cached *cached)
{
	if (cached == NULL)
		return;
	pthread_mutex_lock(&cache->lock);
	cached->users--;
	pthread_mutex_unlock(&cache->lock);
}
