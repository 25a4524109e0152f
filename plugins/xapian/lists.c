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
#define COUNT_LIMIT UINT16_MAX
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

static weir_status look_up(struct match *match, struct match_side *side, size_t segment,
			   size_t term, struct weir_error *error)
{
	const struct open_segment *open = &match->segments[segment];
	size_t place = segment * side->plan->term_count + term;
	size_t length = term_of(side, term)->length;
	const char *text = text_of(side, term);
	bool is_absent = false;
	if (open->is_final)
		side->cached[place] = cache_find(match->reader->cache, open->segment.number, text,
						 length, &is_absent);
	if (is_absent)
		return WEIR_OK;
	if (side->cached[place] != NULL) {
		side->frequencies[place] = side->cached[place]->frequency;
		return WEIR_OK;
	}
	weir_status status = segment_reader_frequency(open->reader, text, length,
						      &side->frequencies[place], error);
	if (status == WEIR_OK && open->is_final)
		side->cached[place] = cache_put(match->reader->cache, open->segment.number, text,
						length, side->frequencies[place]);
	return status;
}

static weir_status look_up_node(struct match *match, struct match_side *side,
				const struct node *node, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < node->term_count && status == WEIR_OK; i++) {
		for (size_t segment = 0; segment < match->segment_count && status == WEIR_OK;
		     segment++)
			status = look_up(match, side, segment, node->first_term + i, error);
		if (i % ASK_TERMS == ASK_TERMS - 1 && status == WEIR_OK)
			status = match_cancelled(match, error);
	}
	return status;
}

weir_status lists_read(struct match *match, struct match_side *side, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < side->plan->node_count && status == WEIR_OK; i++)
		if (side->plan->nodes[i].kind == NODE_TERMS)
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

/* Reads the whole list into the cache. */
static weir_status keep_list(struct match_task *task, struct cached *cached,
			     struct postings *postings)
{
	uint32_t *docids = malloc((size_t)cached->frequency * (sizeof(uint32_t) + 1));
	struct posting batch[BATCH];
	size_t count = 0, taken = BATCH;
	if (docids == NULL)
		return error_no_memory(task->error);
	uint8_t *counts = (uint8_t *)(docids + cached->frequency);
	weir_status status = WEIR_OK;
	while (status == WEIR_OK && taken == BATCH) {
		status = postings_take(postings, 1, UINT32_MAX, batch, BATCH, &taken, task->error);
		for (size_t i = 0; status == WEIR_OK && i < taken && count < cached->frequency;
		     i++, count++) {
			docids[count] = batch[i].docid;
			counts[count] =
				(uint8_t)(batch[i].count < CACHED_COUNT_LIMIT ? batch[i].count
									      : CACHED_COUNT_LIMIT);
		}
	}
	if (status == WEIR_OK && count < cached->frequency)
		status = error_set(task->error, WEIR_RETRY,
				   "xapian: a segment of the index at %s has fewer postings than "
				   "it says; ask again",
				   task->match->reader->path);
	if (status == WEIR_OK)
		cache_fill(task->match->reader->cache, cached, docids, counts);
	else
		free(docids);
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
	if (list->docids != NULL || list->postings != NULL)
		return WEIR_OK;
	if (cached == NULL || cached_docids(cached) == NULL)
		status = postings_open(task->match->segment->reader, text_of(side, term),
				       term_of(side, term)->length, &list->postings, task->error);
	if (status == WEIR_OK && list->postings != NULL && cached != NULL &&
	    is_worth_keeping(cached)) {
		status = keep_list(task, cached, list->postings);
		postings_close(list->postings);
		list->postings = NULL;
	}
	if (status == WEIR_OK && cached != NULL) {
		list->docids = cached_docids(cached);
		list->counts = cached->counts;
	}
	return status;
}

static void put(const struct taking *taking, const struct match *match, uint32_t index,
		uint32_t count)
{
	bit_set(taking->out, index);
	if (taking->counts != NULL) {
		uint32_t sum = taking->counts[index] + count;
		taking->counts[index] = (uint16_t)(sum < COUNT_LIMIT ? sum : COUNT_LIMIT);
	} else if (taking->scores != NULL) {
		taking->scores[index] +=
			match_score(match, taking->weight, count, taking->lengths[index]);
	}
}

static void put_postings(const struct match *match, const struct taking *taking,
			 const struct posting *batch, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t index = batch[i].docid - match->base;
		if (taking->within == NULL || bit_is_set(taking->within, index))
			put(taking, match, index, batch[i].count);
	}
}

static weir_status take_all(struct match_task *task, struct postings *postings,
			    const struct taking *taking)
{
	struct match *match = task->match;
	struct posting batch[BATCH];
	size_t taken = BATCH;
	while (taken == BATCH) {
		weir_status status =
			postings_take(postings, match->base, match->base + CHUNK_DOCIDS, batch,
				      BATCH, &taken, task->error);
		if (status != WEIR_OK)
			return status;
		put_postings(match, taking, batch, taken);
	}
	return WEIR_OK;
}

static weir_status pick(struct match_task *task, struct postings *postings,
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
		status = postings_pick(postings, docids, count, batch, &taken, task->error);
		if (status != WEIR_OK)
			return status;
		put_postings(task->match, taking, batch, taken);
		count = 0;
	}
	status = postings_pick(postings, docids, count, batch, &taken, task->error);
	if (status == WEIR_OK)
		put_postings(task->match, taking, batch, taken);
	return status;
}

/* The first place from at on whose docid is not below; leaps, as it is often near. */
static size_t seek(const uint32_t *docids, size_t at, size_t count, uint32_t docid)
{
	size_t step = 1, low = at;
	while (low + step < count && docids[low + step] < docid) {
		low += step;
		step *= 2;
	}
	size_t high = low + step < count ? low + step : count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (docids[middle] < docid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void pick_cached(const struct match *match, const struct list *list, size_t end,
			const struct taking *taking)
{
	size_t at = list->at;
	uint32_t index;
	EACH_BIT(taking->within, index)
	{
		uint32_t docid = match->base + index;
		at = seek(list->docids, at, end, docid);
		if (at < end && list->docids[at] == docid)
			put(taking, match, index, list->counts[at]);
	}
}

/* The list stays at the chunk's beginning: a chunk may be asked for twice. */
static void take_cached(const struct match *match, struct list *list, size_t count,
			const struct taking *taking)
{
	uint32_t base = match->base;
	const uint32_t *docids = list->docids;
	size_t at = seek(docids, list->at, count, base);
	size_t end = seek(docids, at, count, base + CHUNK_DOCIDS);
	list->at = at;
	if (taking->within != NULL && end - at > taking->within_count * PICK_RATIO) {
		pick_cached(match, list, end, taking);
	} else if (taking->within == NULL && taking->scores == NULL) {
		for (; at < end; at++)
			bit_set(taking->out, docids[at] - base);
	} else {
		for (; at < end; at++)
			if (taking->within == NULL || bit_is_set(taking->within, docids[at] - base))
				put(taking, match, docids[at] - base, list->counts[at]);
	}
}

weir_status lists_take(struct match_task *task, size_t term, const struct taking *taking)
{
	struct match *match = task->match;
	struct match_side *side = task->side;
	struct list *list = &side->lists[term];
	size_t segment = (size_t)(match->segment - match->segments);
	size_t place = segment * side->plan->term_count + term;
	uint64_t frequency = side->frequencies[place];
	if (frequency == 0)
		return WEIR_OK;
	weir_status status = open_list(task, term, side->cached[place]);
	if (status != WEIR_OK)
		return status;
	if (list->docids != NULL) {
		take_cached(match, list, (size_t)frequency, taking);
		return WEIR_OK;
	}
	if (list->postings == NULL)
		return WEIR_OK;
	list->limit = match->base + CHUNK_DOCIDS;
	/* How many postings a chunk has, if they are spread evenly. */
	uint64_t here = frequency * CHUNK_DOCIDS / (match->segment_documents + 1);
	status = taking->within != NULL && here > taking->within_count * PICK_RATIO
			 ? pick(task, list->postings, taking)
			 : take_all(task, list->postings, taking);
	if (side->plan->term_count > OPEN_LIMIT)
		close_list(list);
	return status;
}
