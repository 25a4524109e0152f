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

static weir_status evaluate_terms(struct match_task *task, const struct node *node,
				  const struct match_node *state, const uint64_t *within,
				  uint64_t *out, float *scores)
{
	struct match *match = task->match;
	struct taking taking = {state, within, out, NULL, NULL, lengths_of(match), SIZE_MAX, false};
	if (scores != NULL && state->is_scored) {
		taking.scores = scores;
		taking.tallies = node->term_count > 1 ? match->tallies : NULL;
	}
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < node->term_count && status == WEIR_OK; i++)
		status = lists_take(task, node->first_term + i, &taking);
	if (taking.tallies != NULL && taking.has_any)
		memset(match->tallies, 0, sizeof(match->tallies));
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

static weir_status spread_term(struct match_task *task, struct match_node *state, uint32_t mask,
			       bool is_scored, const char *term, size_t length)
{
	struct match *match = task->match;
	struct postings *postings = NULL;
	struct posting batch[BATCH];
	uint32_t first = segment_first(match), limit = first + (uint32_t)segment_places(match);
	uint32_t next;
	uint64_t *bits = (uint64_t *)(void *)state->bits.data;
	uint16_t *tallies = (uint16_t *)(void *)state->tallies.data;
	weir_status status =
		postings_open(match->segment->reader, term, length, &postings, task->error);
	for (size_t taken = BATCH; status == WEIR_OK && postings != NULL && taken == BATCH;) {
		status = postings_take(postings, first, limit, batch, BATCH, &taken, &next,
				       task->error);
		for (size_t i = 0; status == WEIR_OK && i < taken; i++) {
			uint32_t place = batch[i].docid - first;
			/* A chunk's bits begin at a word of their own. */
			uint32_t chunk = place / CHUNK_DOCIDS, index = place % CHUNK_DOCIDS;
			uint32_t tally = tally_within(batch[i].tally, mask);
			if (tally == 0)
				continue;
			bit_set(bits + (size_t)chunk * BITS_WORDS, index);
			if (is_scored)
				tallies[place] = tally_add(tallies[place], tally);
		}
	}
	postings_close(postings);
	return status;
}

/* A beginning may have any number of terms, so each is read once, for the whole segment. */
static weir_status spread(struct match_task *task, const struct node *node,
			  struct match_node *state, bool is_scored)
{
	struct match *match = task->match;
	size_t places = segment_places(match);
	if (!bytes_zeros(&state->bits, places / CHUNK_DOCIDS * BITS_WORDS * sizeof(uint64_t)) ||
	    (is_scored && !bytes_zeros(&state->tallies, places * sizeof(uint16_t))))
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
			status = spread_term(task, state, beginning->mask, is_scored, term, length);
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
	bool is_scored = scores != NULL && state->is_scored;
	weir_status status = state->is_spread ? WEIR_OK : spread(task, node, state, is_scored);
	if (status != WEIR_OK)
		return status;
	uint32_t place = match->base - segment_first(match), index;
	memcpy(out,
	       state->bits.data + (size_t)(place / CHUNK_DOCIDS) * BITS_WORDS * sizeof(uint64_t),
	       BITS_WORDS * sizeof(uint64_t));
	for (size_t i = 0; within != NULL && i < BITS_WORDS; i++)
		out[i] &= within[i];
	if (!is_scored)
		return WEIR_OK;
	const uint16_t *tallies = (const uint16_t *)(void *)state->tallies.data + place;
	const uint32_t *lengths = lengths_of(match);
	EACH_BIT(out, index)
	scores[index] += match_score(match, state, tallies[index], lengths[index]);
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

/* The fields of the tally in which the phrase stands. */
static uint16_t stands(const struct match *match, const struct node *node, uint32_t tally,
		       const struct record *record, const struct phrase *phrase)
{
	const struct fields *fields = match->reader->fields;
	uint32_t mask = 0;
	for (uint32_t left = tally & TALLY_MASK; left != 0; left &= left - 1) {
		size_t place = (size_t)__builtin_ctz(left), length;
		size_t field = fields->worded[node->group * TALLY_FIELDS + place];
		const char *text = record_words(record, field, &length);
		if (text != NULL && phrase_stands(phrase, text, length))
			mask |= left & -left;
	}
	return tally_within(tally, mask);
}

static weir_status verify(struct match_task *task, const struct node *node, uint16_t *tallies,
			  uint64_t *bits)
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
		if (status == WEIR_OK)
			tallies[index] = stands(match, node, tallies[index], &record, &phrase);
		if (tallies[index] == 0)
			bits[index / 64] &= ~(UINT64_C(1) << index % 64);
	}
	free(phrase.words);
	phrase_finish(&phrase);
	return status;
}

weir_status leaf_phrase(struct match_task *task, const struct node *node, struct match_node *state,
			uint64_t *bits, float *scores)
{
	struct match *match = task->match;
	uint16_t *tallies = (uint16_t *)(void *)state->tallies.data;
	const uint32_t *lengths = lengths_of(match);
	uint32_t index;
	weir_status status = task->is_hopeful ? WEIR_OK : verify(task, node, tallies, bits);
	if (status != WEIR_OK || scores == NULL || !state->is_scored)
		return status;
	EACH_BIT(bits, index)
	scores[index] += match_score(match, state, tallies[index], lengths[index]);
	return WEIR_OK;
}

/* Takes another word of the phrase: of the bits, those stay whose fields have it as well. */
static weir_status take_word(struct match_task *task, size_t term, bool is_first,
			     const uint64_t *within, uint64_t *out, uint16_t *tallies)
{
	struct match *match = task->match;
	uint64_t bits[BITS_WORDS] = {0};
	struct taking taking = {NULL, within, bits, NULL, match->tallies, NULL, SIZE_MAX, false};
	uint32_t index;
	weir_status status = lists_take(task, term, &taking);
	if (status != WEIR_OK) {
		memset(match->tallies, 0, sizeof(match->tallies));
		return status;
	}
	EACH_BIT(bits, index)
	{
		uint16_t tally = match->tallies[index];
		match->tallies[index] = 0;
		tallies[index] = is_first ? tally : tally_least(tallies[index], tally);
		if (tallies[index] == 0)
			bits[index / 64] &= ~(UINT64_C(1) << index % 64);
	}
	memcpy(out, bits, sizeof(bits));
	return WEIR_OK;
}

weir_status leaf_words(struct match_task *task, const struct node *node, struct match_node *state,
		       const uint64_t *within, uint64_t *out)
{
	const struct match_side *side = task->side;
	size_t segment = (size_t)(task->match->segment - task->match->segments), rarest = 0;
	const uint32_t *frequencies =
		side->frequencies + segment * side->plan->term_count + node->first_term;
	if (!bytes_reserve(&state->tallies, CHUNK_DOCIDS * sizeof(uint16_t)))
		return error_no_memory(task->error);
	uint16_t *tallies = (uint16_t *)(void *)state->tallies.data;
	for (size_t i = 0; i < node->term_count; i++)
		rarest = frequencies[i] < frequencies[rarest] ? i : rarest;
	weir_status status = take_word(task, node->first_term + rarest, true, within, out, tallies);
	for (size_t i = 0; i < node->term_count && status == WEIR_OK && bits_any(out); i++)
		if (i != rarest)
			status = take_word(task, node->first_term + i, false, out, out, tallies);
	return status;
}

float match_score_often(const struct match_node *node, uint32_t tally, float norm)
{
	uint32_t left = tally & TALLY_MASK, more = tally >> TALLY_FIELDS;
	unsigned width = tally_width(left);
	float score = 0;
	for (; left != 0; left &= left - 1, more >>= width) {
		float often = (float)(1 + (more & ((1U << width) - 1)));
		score += node->weights[__builtin_ctz(left)] * often / (often + norm);
	}
	return score * (float)(BM25_K1 + 1);
}
