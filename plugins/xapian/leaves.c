/* SPDX-License-Identifier: MIT
 * leaves.c - the parts of a query that read: lists of postings, columns, and words in records. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "match.h"
#include "phrase.h"

#define BATCH 256
#define PHRASE_ASKS 64 /* records between two questions whether the search is still wanted */

static const char no_words[1];

static const uint32_t *lengths_of(const struct match *match)
{
	return (const uint32_t *)(const void *)rows_at(&match->reader->rows, COLUMN_WORDS,
						       match->base, sizeof(uint32_t));
}

/* Turns what was counted into scores, and leaves the counts 0. */
static void settle_counts(struct match *match, const struct taking *taking)
{
	const uint32_t *lengths = taking->lengths;
	uint32_t index;
	EACH_BIT(taking->out, index)
	{
		taking->scores[index] +=
			match_score(match, taking->weight, taking->counts[index], lengths[index]);
		taking->counts[index] = 0;
	}
}

static weir_status evaluate_terms(struct match_task *task, const struct node *node,
				  const struct match_node *state, const uint64_t *within,
				  uint64_t *out, float *scores)
{
	struct match *match = task->match;
	struct taking taking = {within, out, NULL, NULL, state->weight, lengths_of(match), 0};
	if (scores != NULL && state->weight > 0)
		taking.scores = scores;
	if (taking.scores != NULL && node->term_count > 1)
		taking.counts = match->counts;
	if (within != NULL)
		taking.within_count = bits_count(within);
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < node->term_count && status == WEIR_OK; i++)
		status = lists_take(task, node->first_term + i, &taking);
	if (status != WEIR_OK)
		memset(match->counts, 0, sizeof(match->counts));
	else if (taking.counts != NULL)
		settle_counts(match, &taking);
	return status;
}

/* The column says it for a candidate; and for all, where the list of postings is long. */
static void evaluate_ordinal(const struct match *match, const struct node *node,
			     const uint64_t *within, uint64_t *out)
{
	const uint32_t *values = (const uint32_t *)(const void *)rows_at(
		&match->reader->rows, node->column, match->base, sizeof(uint32_t));
	uint32_t wanted = (uint32_t)node->lower, index;
	if (within != NULL && bits_count(within) < CHUNK_DOCIDS / 8) {
		EACH_BIT(within, index)
		if (values[index] == wanted)
			bit_set(out, index);
		return;
	}
	for (index = 0; index < CHUNK_DOCIDS; index++)
		out[index / 64] |= (uint64_t)(values[index] == wanted) << index % 64;
	for (size_t i = 0; within != NULL && i < BITS_WORDS; i++)
		out[i] &= within[i];
}

static void evaluate_range(const struct match *match, const struct node *node,
			   const uint64_t *within, uint64_t *out)
{
	const uint64_t *values = (const uint64_t *)(const void *)rows_at(
		&match->reader->rows, node->column, match->base, sizeof(uint64_t));
	uint64_t lower = node->lower, width = node->upper - lower;
	uint32_t index;
	if (within != NULL && bits_count(within) < CHUNK_DOCIDS / 8) {
		EACH_BIT(within, index)
		if (values[index] - lower <= width)
			bit_set(out, index);
		return;
	}
	for (index = 0; index < CHUNK_DOCIDS; index++)
		out[index / 64] |= (uint64_t)(values[index] - lower <= width) << index % 64;
	for (size_t i = 0; within != NULL && i < BITS_WORDS; i++)
		out[i] &= within[i];
}

/* What is not visible is taken away at the end, from all. */
static void evaluate_all(const struct match *match, const uint64_t *within, uint64_t *out)
{
	const uint64_t *locations = (const uint64_t *)(const void *)rows_at(
		&match->reader->rows, COLUMN_LOCATION, match->base, sizeof(uint64_t));
	uint32_t index;
	if (within != NULL)
		memcpy(out, within, BITS_WORDS * sizeof(*out));
	else
		for (size_t i = 0; i < BITS_WORDS; i++)
			out[i] = CHUNK_DOCIDS % 64 == 0 ? UINT64_MAX
							: (UINT64_C(1) << CHUNK_DOCIDS % 64) - 1;
	if (match->head->hidden == 0)
		return;
	EACH_BIT(out, index)
	out[index / 64] &= ~(locations[index] >> 63 << index % 64);
}

/* The segment's docids: first, and how many places. */
static uint32_t segment_first(const struct match *match)
{
	return match->segment->segment.first_chunk * CHUNK_DOCIDS + 1;
}

static size_t segment_places(const struct match *match)
{
	const struct segment *segment = &match->segment->segment;
	return ((size_t)segment->last_chunk - segment->first_chunk + 1) * CHUNK_DOCIDS;
}

static bool bytes_zeros(struct bytes *bytes, size_t length)
{
	bytes->length = 0;
	if (bytes->capacity < length) {
		bytes_finish(bytes);
		bytes->data = calloc(1, length);
		if (bytes->data == NULL)
			return false;
		bytes->capacity = length;
	} else {
		memset(bytes->data, 0, length);
	}
	bytes->length = length;
	return true;
}

static weir_status spread_term(struct match_task *task, struct match_node *state, bool is_counted,
			       const char *term, size_t length)
{
	struct match *match = task->match;
	struct postings *postings = NULL;
	struct posting batch[BATCH];
	uint32_t first = segment_first(match), limit = first + (uint32_t)segment_places(match);
	uint64_t *bits = (uint64_t *)(void *)state->bits.data;
	unsigned char *counted = (unsigned char *)state->counted.data;
	weir_status status =
		postings_open(match->segment->reader, term, length, &postings, task->error);
	for (size_t taken = BATCH; status == WEIR_OK && postings != NULL && taken == BATCH;) {
		status = postings_take(postings, first, limit, batch, BATCH, &taken, task->error);
		for (size_t i = 0; status == WEIR_OK && i < taken; i++) {
			uint32_t place = batch[i].docid - first;
			/* A chunk's bits begin at a word of their own. */
			uint32_t chunk = place / CHUNK_DOCIDS, index = place % CHUNK_DOCIDS;
			bit_set(bits + (size_t)chunk * BITS_WORDS, index);
			if (!is_counted)
				continue;
			uint32_t sum = counted[place] + batch[i].count;
			counted[place] = (unsigned char)(sum < UINT8_MAX ? sum : UINT8_MAX);
		}
	}
	postings_close(postings);
	return status;
}

/* A beginning may have any number of terms, so each is read once, for the whole segment. */
static weir_status spread(struct match_task *task, const struct node *node,
			  struct match_node *state, bool is_counted)
{
	struct match *match = task->match;
	size_t places = segment_places(match);
	if (!bytes_zeros(&state->bits, places / CHUNK_DOCIDS * BITS_WORDS * sizeof(uint64_t)) ||
	    (is_counted && !bytes_zeros(&state->counted, places)))
		return error_no_memory(task->error);
	const struct plan *plan = task->side->plan;
	const struct query_term *beginning = &plan->terms[node->first_term];
	struct terms *terms = NULL;
	weir_status status = terms_open(match->segment->reader, plan->text.data + beginning->offset,
					beginning->length, &terms, task->error);
	const char *term = no_words;
	size_t length, seen = 0;
	while (status == WEIR_OK) {
		status = terms_next(terms, &term, &length, task->error);
		if (status != WEIR_OK || term == NULL)
			break;
		if (seen++ % BATCH == 0)
			status = match_cancelled(match, task->error);
		if (status == WEIR_OK)
			status = spread_term(task, state, is_counted, term, length);
	}
	terms_close(terms);
	state->is_spread = status == WEIR_OK;
	return status;
}

static weir_status evaluate_beginning(struct match_task *task, const struct node *node,
				      struct match_node *state, const uint64_t *within,
				      uint64_t *out, float *scores)
{
	struct match *match = task->match;
	bool is_counted = scores != NULL && state->weight > 0;
	weir_status status = state->is_spread ? WEIR_OK : spread(task, node, state, is_counted);
	if (status != WEIR_OK)
		return status;
	uint32_t place = match->base - segment_first(match), index;
	memcpy(out,
	       state->bits.data + (size_t)(place / CHUNK_DOCIDS) * BITS_WORDS * sizeof(uint64_t),
	       BITS_WORDS * sizeof(uint64_t));
	for (size_t i = 0; within != NULL && i < BITS_WORDS; i++)
		out[i] &= within[i];
	if (!is_counted)
		return WEIR_OK;
	const unsigned char *counted = (const unsigned char *)state->counted.data + place;
	const uint32_t *lengths = lengths_of(match);
	EACH_BIT(out, index)
	scores[index] += match_score(match, state->weight, counted[index], lengths[index]);
	return WEIR_OK;
}

weir_status leaf_evaluate(struct match_task *task, const struct node *node,
			  struct match_node *state, const uint64_t *within, uint64_t *out,
			  float *scores)
{
	struct match *match = task->match;
	memset(out, 0, BITS_WORDS * sizeof(*out));
	switch (node->kind) {
	case NODE_ALL:
		evaluate_all(match, within, out);
		return WEIR_OK;
	case NODE_RANGE:
		evaluate_range(match, node, within, out);
		return WEIR_OK;
	case NODE_BEGINNING:
		return evaluate_beginning(task, node, state, within, out, scores);
	case NODE_TERMS:
		if (node->column != 0 &&
		    (within != NULL || state->expected > match->segment_documents / 16)) {
			evaluate_ordinal(match, node, within, out);
			return WEIR_OK;
		}
		return evaluate_terms(task, node, state, within, out, scores);
	default:
		return WEIR_OK;
	}
}

static weir_status make_phrase(const struct match_task *task, const struct node *node,
			       struct phrase *phrase)
{
	const struct plan *plan = task->side->plan;
	struct phrase_word *words = malloc((node->term_count + 1) * sizeof(*words));
	if (words == NULL)
		return error_no_memory(task->error);
	for (size_t i = 0; i < node->term_count; i++) {
		const struct query_term *term = &plan->terms[node->first_term + i];
		words[i] = (struct phrase_word){plan->text.data + term->offset + TERM_PREFIX_LENGTH,
						term->length - TERM_PREFIX_LENGTH};
	}
	return phrase_init(phrase, words, node->term_count, node->distance)
		       ? WEIR_OK
		       : error_no_memory(task->error);
}

/* Of a segment that is not sealed they may be unfinished. */
static struct pairs *pairs_of_segment(struct match *match)
{
	struct open_segment *open = match->segment;
	char path[PATH_MAX];
	if (open->has_asked || open->segment.state != SEGMENT_SEALED)
		return open->pairs;
	snprintf(path, sizeof(path), "%s/s.%06u", match->reader->path,
		 (unsigned)open->segment.number);
	open->pairs = pairs_open(path);
	open->has_asked = true;
	return open->pairs;
}

bool leaf_promising(struct match_task *task, const struct node *node, uint64_t *bits)
{
	const struct plan *plan = task->side->plan;
	struct pairs *pairs = node->distance == 0 ? pairs_of_segment(task->match) : NULL;
	uint32_t chunk = task->match->base / CHUNK_DOCIDS;
	uint64_t left = 0;
	bool is_known = pairs != NULL;
	for (size_t i = 0; i < node->term_count && is_known && bits_any(bits); i++) {
		const struct query_term *term = &plan->terms[node->first_term + i];
		uint64_t word = pairs_of_word(plan->text.data + term->offset + TERM_PREFIX_LENGTH,
					      term->length - TERM_PREFIX_LENGTH);
		is_known = i == 0 || pairs_keep(pairs, chunk, pairs_join(left, word), bits);
		left = word;
	}
	return is_known;
}

static bool stands(const struct node *node, const struct record *record,
		   const struct phrase *phrase)
{
	size_t length;
	const char *text = record_words(record, node->field, &length);
	return text != NULL && phrase_stands(phrase, text, length);
}

weir_status leaf_phrase(struct match_task *task, const struct node *node, uint64_t *bits)
{
	struct match *match = task->match;
	struct phrase phrase = {0};
	uint32_t index, seen = 0;
	match_mask(match, match->base, bits);
	if (!bits_any(bits))
		return WEIR_OK;
	weir_status status = make_phrase(task, node, &phrase);
	EACH_BIT(bits, index)
	{
		struct record record;
		if (status == WEIR_OK && ++seen % PHRASE_ASKS == 0)
			status = match_cancelled(match, task->error);
		if (status == WEIR_OK)
			status = match_record(match, match->base + index, &record, task->error);
		if (status == WEIR_OK && !stands(node, &record, &phrase))
			bits[index / 64] &= ~(UINT64_C(1) << index % 64);
	}
	free(phrase.words);
	phrase_finish(&phrase);
	return status;
}
