/* SPDX-License-Identifier: MIT
 * lists.c - the lists of postings of a plan's terms: cached ones, or Xapian's. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "match.h"

#define BATCH 256
/* With more terms than these, what a list of postings needs is not kept from chunk to chunk. */
#define OPEN_LIMIT 256
/* A list is asked for each candidate when so many of its postings would be passed over for one. */
#define PICK_RATIO 8
#define ASK_TERMS 64 /* terms between two questions whether the search is still wanted */
/* A list so short is kept as soon as it is read, one so long never. */
#define KEPT_AT_ONCE 64
#define KEPT_NEVER (1U << 20)

static const struct query_term *term_of(const struct match_side *side, size_t term)
{
	return &side->plan->terms[term];
}

static const char *text_of(const struct match_side *side, size_t term)
{
	return side->plan->text.data + side->plan->terms[term].offset;
}

/* name: of the term. */
static weir_status look_up(struct match *match, struct match_side *side, size_t segment,
			   size_t term, const struct cache_mark *name, struct weir_error *error)
{
	const struct open_segment *open = &match->segments[segment];
	size_t place = segment * side->plan->term_count + term;
	size_t length = term_of(side, term)->length;
	const char *text = text_of(side, term);
	bool is_absent = false;
	struct cache_mark mark = cache_mark(name, open->segment.number);
	if (open->is_final)
		side->cached[place] = cache_find(match->reader->cache, &mark, &is_absent);
	if (is_absent)
		return WEIR_OK;
	if (side->cached[place] != NULL) {
		side->frequencies[place] = side->cached[place]->frequency;
		return WEIR_OK;
	}
	weir_status status = segment_reader_frequency(open->reader, text, length,
						      &side->frequencies[place], error);
	if (status == WEIR_OK && open->is_final)
		side->cached[place] =
			cache_put(match->reader->cache, &mark, side->frequencies[place]);
	return status;
}

static weir_status look_up_node(struct match *match, struct match_side *side,
				const struct node *node, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < node->term_count && status == WEIR_OK; i++) {
		size_t term = node->first_term + i;
		struct cache_mark name =
			cache_name(text_of(side, term), term_of(side, term)->length);
		for (size_t segment = 0; segment < match->segment_count && status == WEIR_OK;
		     segment++)
			status = look_up(match, side, segment, term, &name, error);
		if (i % ASK_TERMS == ASK_TERMS - 1 && status == WEIR_OK)
			status = match_cancelled(match, error);
	}
	return status;
}

weir_status lists_read(struct match *match, struct match_side *side, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < side->plan->node_count && status == WEIR_OK; i++)
		if (side->plan->nodes[i].kind == NODE_TERMS ||
		    side->plan->nodes[i].kind == NODE_PHRASE)
			status = look_up_node(match, side, &side->plan->nodes[i], error);
	return status;
}

void lists_release(struct match *match, struct match_side *side)
{
	for (size_t i = 0; i < side->cached_count; i++)
		cache_release(match->reader->cache, side->cached[i]);
	side->cached_count = 0;
}

static void close_list(struct list *list)
{
	postings_close(list->postings);
	*list = (struct list){0};
}

void lists_close(struct match_side *side)
{
	for (size_t i = 0; i < side->plan->term_count; i++)
		close_list(&side->lists[i]);
	for (size_t i = 0; i < side->plan->node_count; i++)
		side->nodes[i].is_spread = false;
}

static uint32_t base_of(uint32_t docid)
{
	return (docid - 1) / CHUNK_DOCIDS * CHUNK_DOCIDS + 1;
}

/* Puts the whole list into the cache. Its runs are counted first: all of it is one piece of memory.
 */
static weir_status keep_postings(struct match_task *task, struct cached *cached,
				 const struct posting *postings)
{
	uint32_t count = cached->frequency, run_count = 0, runs_begun = 0;
	for (uint32_t i = 0; i < count; i++)
		run_count += i == 0 || base_of(postings[i].docid) != base_of(postings[i - 1].docid);
	struct cached_run *runs =
		malloc(run_count * sizeof(*runs) + (size_t)count * 2 * sizeof(uint16_t));
	if (runs == NULL)
		return error_no_memory(task->error);
	uint16_t *places = (uint16_t *)(void *)(runs + run_count), *tallies = places + count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t base = base_of(postings[i].docid);
		if (runs_begun == 0 || runs[runs_begun - 1].base != base)
			runs[runs_begun++].base = base;
		runs[runs_begun - 1].end = i + 1;
		places[i] = (uint16_t)(postings[i].docid - base);
		tallies[i] = (uint16_t)postings[i].tally;
	}
	cache_fill(task->match->reader->cache, cached, runs, run_count);
	return WEIR_OK;
}

/* Reads the whole list into the cache. */
static weir_status keep_list(struct match_task *task, struct cached *cached,
			     struct postings *postings)
{
	size_t wanted = cached->frequency, count = 0, taken = 1;
	struct posting *all = malloc(wanted * sizeof(*all));
	uint32_t next;
	if (all == NULL)
		return error_no_memory(task->error);
	weir_status status = WEIR_OK;
	while (status == WEIR_OK && taken > 0 && count < wanted) {
		status = postings_take(postings, 1, UINT32_MAX, all + count, wanted - count, &taken,
				       &next, task->error);
		count += status == WEIR_OK ? taken : 0;
	}
	if (status == WEIR_OK && count < wanted)
		status = error_set(task->error, WEIR_RETRY,
				   "xapian: a segment of the index at %s has fewer postings than "
				   "it says; ask again",
				   task->match->reader->path);
	if (status == WEIR_OK)
		status = keep_postings(task, cached, all);
	free(all);
	return status;
}

static bool is_worth_keeping(const struct cached *cached)
{
	return cached->frequency <= KEPT_AT_ONCE ||
	       (cached->uses > 0 && cached->frequency < KEPT_NEVER);
}

static weir_status open_list(struct match_task *task, size_t term, struct cached *cached)
{
	struct match_side *side = task->side;
	struct list *list = &side->lists[term];
	weir_status status = WEIR_OK;
	/* A chunk may be asked for twice, and Xapian's lists only go forward. */
	if (list->postings != NULL && list->limit > task->match->base)
		close_list(list);
	if (list->kept != NULL || list->postings != NULL)
		return WEIR_OK;
	if (cached == NULL || cached_runs(cached) == NULL)
		status = postings_open(task->match->segment->reader, text_of(side, term),
				       term_of(side, term)->length, &list->postings, task->error);
	if (status == WEIR_OK && list->postings != NULL && cached != NULL &&
	    is_worth_keeping(cached)) {
		status = keep_list(task, cached, list->postings);
		postings_close(list->postings);
		list->postings = NULL;
	}
	if (status == WEIR_OK && cached != NULL && cached_runs(cached) != NULL)
		list->kept = cached;
	return status;
}

/* The document has another of the terms: what that one scored is taken back. Rare, so it is a call
 * and leaves the loops small. */
__attribute__((noinline)) static uint32_t
put_again(const struct match *match, const struct taking *taking, uint32_t index, uint32_t tally)
{
	uint32_t before = taking->tallies[index];
	if (taking->scores != NULL)
		taking->scores[index] -=
			match_score(match, taking->node, before, taking->lengths[index]);
	return tally_add(before, tally);
}

static inline void put_word(const struct match *match, const struct taking *taking, uint32_t index,
			    uint32_t tally)
{
	bit_set(taking->out, index);
	if (taking->tallies != NULL) {
		if (taking->tallies[index] != 0)
			tally = put_again(match, taking, index, tally);
		taking->tallies[index] = (uint16_t)tally;
	}
	if (taking->scores != NULL)
		taking->scores[index] +=
			match_score(match, taking->node, tally, taking->lengths[index]);
}

/* mask: of the term. */
static void put(const struct match *match, const struct taking *taking, uint32_t mask,
		uint32_t index, uint32_t tally)
{
	uint32_t counted = tally_within(tally, mask);
	if (mask == 0)
		bit_set(taking->out, index);
	else if (counted != 0)
		put_word(match, taking, index, counted);
}

static void put_postings(const struct match *match, const struct taking *taking, uint32_t mask,
			 const struct posting *batch, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t index = batch[i].docid - match->base;
		if (taking->within == NULL || bit_is_set(taking->within, index))
			put(match, taking, mask, index, batch[i].tally);
	}
}

static weir_status take_all(struct match_task *task, struct list *list, uint32_t mask,
			    const struct taking *taking)
{
	struct match *match = task->match;
	struct posting batch[BATCH];
	size_t taken = BATCH;
	while (taken == BATCH) {
		weir_status status = postings_take(list->postings, match->base, list->limit, batch,
						   BATCH, &taken, &list->next, task->error);
		if (status != WEIR_OK)
			return status;
		put_postings(match, taking, mask, batch, taken);
	}
	return WEIR_OK;
}

static weir_status pick(struct match_task *task, struct list *list, uint32_t mask,
			const struct taking *taking)
{
	struct posting batch[BATCH];
	uint32_t docids[BATCH], index;
	size_t count = 0, taken;
	weir_status status = WEIR_OK;
	EACH_BIT(taking->within, index)
	{
		docids[count++] = task->match->base + index;
		if (count < BATCH)
			continue;
		status = postings_pick(list->postings, docids, count, batch, &taken, &list->next,
				       task->error);
		if (status != WEIR_OK)
			return status;
		put_postings(task->match, taking, mask, batch, taken);
		count = 0;
	}
	status = postings_pick(list->postings, docids, count, batch, &taken, &list->next,
			       task->error);
	if (status == WEIR_OK)
		put_postings(task->match, taking, mask, batch, taken);
	return status;
}

/* The first from at on that is not below; leaps, as it is often near. */
static size_t seek(const uint16_t *places, size_t at, size_t count, uint32_t place)
{
	size_t step = 1, low = at;
	while (low + step < count && places[low + step] < place) {
		low += step;
		step *= 2;
	}
	size_t high = low + step < count ? low + step : count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (places[middle] < place)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t within_count(struct taking *taking)
{
	if (taking->within_count == SIZE_MAX)
		taking->within_count = bits_count(taking->within);
	return taking->within_count;
}

static void pick_cached(const struct match *match, const struct cached *kept, uint32_t mask,
			size_t at, size_t end, const struct taking *taking)
{
	uint32_t index;
	EACH_BIT(taking->within, index)
	{
		at = seek(kept->places, at, end, index);
		if (at < end && kept->places[at] == index)
			put(match, taking, mask, index, kept->tallies[at]);
	}
}

/* One of the candidates, where there are any. */
static inline bool is_within(const struct taking *taking, uint32_t index)
{
	return taking->within == NULL || bit_is_set(taking->within, index);
}

static void put_bits(const struct cached *kept, uint32_t mask, size_t at, size_t end,
		     const struct taking *taking)
{
	for (; at < end; at++) {
		uint32_t index = kept->places[at];
		uint64_t has =
			(mask == 0 || (kept->tallies[at] & mask) != 0) && is_within(taking, index);
		taking->out[index / 64] |= has << index % 64;
	}
}

static void put_words(const struct match *match, const struct cached *kept, uint32_t mask,
		      size_t at, size_t end, const struct taking *taking)
{
	const struct taking all = *taking; /* nothing that is written to can be it */
	for (; at < end; at++) {
		uint32_t index = kept->places[at], tally = kept->tallies[at];
		if (!is_within(&all, index))
			continue;
		if ((tally & TALLY_MASK & ~mask) != 0 && (tally = tally_within(tally, mask)) == 0)
			continue;
		put_word(match, &all, index, tally);
	}
}

/* The list stays at the chunk's run: a chunk may be asked for twice. */
static void take_cached(const struct match *match, struct list *list, uint32_t mask,
			struct taking *taking)
{
	const struct cached *kept = list->kept;
	while (list->run < kept->run_count && kept->runs[list->run].base < match->base)
		list->run++;
	if (list->run == kept->run_count || kept->runs[list->run].base != match->base)
		return;
	size_t at = list->run > 0 ? kept->runs[list->run - 1].end : 0;
	size_t end = kept->runs[list->run].end;
	taking->has_any = true;
	if (taking->within != NULL && end - at > within_count(taking) * PICK_RATIO)
		pick_cached(match, kept, mask, at, end, taking);
	else if (taking->tallies != NULL || taking->scores != NULL)
		put_words(match, kept, mask, at, end, taking);
	else
		put_bits(kept, mask, at, end, taking);
}

static weir_status take_postings(struct match_task *task, struct list *list, uint32_t mask,
				 uint64_t frequency, struct taking *taking)
{
	const struct match *match = task->match;
	list->limit = match->base + CHUNK_DOCIDS;
	if (list->postings == NULL || list->next >= list->limit)
		return WEIR_OK;
	/* How many postings a chunk has, if they are spread evenly. */
	uint64_t here = frequency * CHUNK_DOCIDS / (match->segment_documents + 1);
	taking->has_any = true;
	return taking->within != NULL && here > within_count(taking) * PICK_RATIO
		       ? pick(task, list, mask, taking)
		       : take_all(task, list, mask, taking);
}

weir_status lists_take(struct match_task *task, size_t term, struct taking *taking)
{
	struct match *match = task->match;
	struct match_side *side = task->side;
	struct list *list = &side->lists[term];
	size_t segment = (size_t)(match->segment - match->segments);
	size_t place = segment * side->plan->term_count + term;
	uint32_t frequency = side->frequencies[place], mask = term_of(side, term)->mask;
	if (frequency == 0)
		return WEIR_OK;
	weir_status status = open_list(task, term, side->cached[place]);
	if (status != WEIR_OK)
		return status;
	if (list->kept != NULL)
		take_cached(match, list, mask, taking);
	else
		status = take_postings(task, list, mask, frequency, taking);
	if (side->plan->term_count > OPEN_LIMIT)
		close_list(list);
	return status;
}
