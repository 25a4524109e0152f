/* SPDX-License-Identifier: MIT
 * facets.c - how many of the matches have each value of a field. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "session.h"

/* The values of a field, counted by ordinal. */
struct tally {
	size_t field;
	enum column_kind kind;
	uint32_t *counts;
	uint32_t size;
	uint32_t *best; /* ordinals of the values to hand out */
	size_t best_count;
};

struct tallies {
	const weir_session *session;
	struct tally *tallies;
	size_t count;
};

static const char *const booleans[] = {"false", "true"};

static const char *value_of(const struct tallies *tallies, const struct tally *tally,
			    uint32_t ordinal, size_t *length)
{
	if (tally->kind == COLUMN_ORDINAL) {
		const char *value =
			names_value(tallies->session->reader->names, tally->field, ordinal, length);
		return value != NULL ? value : "";
	}
	*length = strlen(booleans[ordinal]);
	return booleans[ordinal];
}

static weir_status begin(const weir_session *session, int32_t field, struct tally *tally,
			 struct weir_error *error)
{
	const struct fields *fields = &session->instance->fields;
	bool is_there = field >= 0 && (size_t)field < fields->count;
	uint32_t type = is_there ? fields->fields[field].type : 0;
	if (!is_there || (fields->fields[field].flags & WEIR_FIELD_FACET) == 0 ||
	    (type != WEIR_TYPE_KEYWORD && type != WEIR_TYPE_BOOLEAN))
		return error_set(error, WEIR_FATAL, "xapian: field number %d cannot have facets",
				 (int)field);
	tally->field = (size_t)field;
	tally->kind = session->reader->layout.kinds[field];
	tally->size = tally->kind == COLUMN_ORDINAL
			      ? names_count(session->reader->names, (size_t)field)
			      : 2;
	tally->counts = calloc((size_t)tally->size + 1, sizeof(*tally->counts));
	return tally->counts != NULL ? WEIR_OK : error_no_memory(error);
}

static void count_ordinals(const struct tally *tally, const struct rows *rows,
			   const struct match_chunk *chunk)
{
	const uint32_t *values = (const uint32_t *)(const void *)rows_at(
		rows, COLUMN_FIELDS + tally->field, chunk->base, sizeof(uint32_t));
	uint32_t index;
	EACH_BIT(chunk->bits, index)
	{
		uint32_t ordinal = values[index] - 1; /* 0: it has none */
		if (ordinal < tally->size)
			tally->counts[ordinal]++;
	}
}

static void count_booleans(const struct tally *tally, const struct rows *rows,
			   const struct match_chunk *chunk)
{
	const uint64_t *values = (const uint64_t *)(const void *)rows_at(
		rows, COLUMN_FIELDS + tally->field, chunk->base, sizeof(uint64_t));
	uint64_t no = order_of_integer(0), yes = order_of_integer(1);
	uint32_t index;
	EACH_BIT(chunk->bits, index)
	{
		tally->counts[0] += values[index] == no;
		tally->counts[1] += values[index] == yes;
	}
}

static int count_chunk(void *context, const struct match_chunk *chunk)
{
	const struct tallies *tallies = context;
	const struct rows *rows = &tallies->session->reader->rows;
	for (size_t i = 0; i < tallies->count; i++)
		if (tallies->tallies[i].kind == COLUMN_ORDINAL)
			count_ordinals(&tallies->tallies[i], rows, chunk);
		else
			count_booleans(&tallies->tallies[i], rows, chunk);
	return 0;
}

/* Whether the value comes before the other: it has more, or is lower in byte order. */
static bool is_before(const struct tallies *tallies, const struct tally *tally, uint32_t one,
		      uint32_t other)
{
	if (tally->counts[one] != tally->counts[other])
		return tally->counts[one] > tally->counts[other];
	size_t length, other_length;
	const char *value = value_of(tallies, tally, one, &length);
	const char *other_value = value_of(tallies, tally, other, &other_length);
	size_t shared = length < other_length ? length : other_length;
	int order = shared > 0 ? memcmp(value, other_value, shared) : 0;
	return order != 0 ? order < 0 : length < other_length;
}

/* A heap of the best, the last of them first. */
static void sink(const struct tallies *tallies, const struct tally *tally, size_t count, size_t at)
{
	uint32_t *best = tally->best;
	for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
		if (child + 1 < count && is_before(tallies, tally, best[child], best[child + 1]))
			child++;
		if (!is_before(tallies, tally, best[at], best[child]))
			return;
		uint32_t lower = best[child];
		best[child] = best[at];
		best[at] = lower;
		at = child;
	}
}

static weir_status choose(const struct tallies *tallies, struct tally *tally, size_t limit,
			  struct weir_error *error)
{
	size_t there = 0;
	for (uint32_t i = 0; i < tally->size; i++)
		there += tally->counts[i] > 0;
	size_t wanted = limit < there ? limit : there;
	tally->best = calloc(wanted + 1, sizeof(*tally->best));
	if (tally->best == NULL)
		return error_no_memory(error);
	for (uint32_t i = 0; i < tally->size && wanted > 0; i++) {
		if (tally->counts[i] == 0)
			continue;
		if (tally->best_count < wanted) {
			tally->best[tally->best_count++] = i;
			for (size_t at = wanted; tally->best_count == wanted && at-- > 0;)
				sink(tallies, tally, wanted, at);
		} else if (is_before(tallies, tally, i, tally->best[0])) {
			tally->best[0] = i;
			sink(tallies, tally, wanted, 0);
		}
	}
	for (size_t left = wanted; left > 1; left--) { /* the last one goes to the end */
		uint32_t last = tally->best[0];
		tally->best[0] = tally->best[left - 1];
		tally->best[left - 1] = last;
		sink(tallies, tally, left - 1, 0);
	}
	return WEIR_OK;
}

static void hand_out(const struct tallies *tallies, weir_on_facet on_facet, void *context)
{
	for (size_t i = 0; i < tallies->count; i++) {
		const struct tally *tally = &tallies->tallies[i];
		for (size_t k = 0; k < tally->best_count; k++) {
			size_t length;
			const char *value = value_of(tallies, tally, tally->best[k], &length);
			if (on_facet(context, i, value, length, tally->counts[tally->best[k]]) != 0)
				return;
		}
	}
}

static void finish(struct tallies *tallies)
{
	for (size_t i = 0; i < tallies->count; i++) {
		free(tallies->tallies[i].counts);
		free(tallies->tallies[i].best);
	}
	free(tallies->tallies);
}

weir_status session_facets(weir_session *session, const struct weir_facets *wanted,
			   weir_on_facet on_facet, void *context, struct weir_error *error)
{
	struct tallies tallies = {session, NULL, wanted->field_count};
	weir_status status = session_prepare(session, wanted->query, wanted->filter, false, error);
	if (status != WEIR_OK)
		return status;
	tallies.tallies = calloc(wanted->field_count + 1, sizeof(*tallies.tallies));
	if (tallies.tallies == NULL) {
		match_end(&session->match);
		return error_no_memory(error);
	}
	for (size_t i = 0; i < tallies.count && status == WEIR_OK; i++)
		status = begin(session, wanted->fields[i], &tallies.tallies[i], error);
	if (status == WEIR_OK)
		status = match_run(&session->match, count_chunk, &tallies, error);
	for (size_t i = 0; i < tallies.count && status == WEIR_OK; i++)
		status = choose(&tallies, &tallies.tallies[i], wanted->limit, error);
	status = session_check(session, status, error);
	if (status == WEIR_OK)
		hand_out(&tallies, on_facet, context);
	finish(&tallies);
	match_end(&session->match);
	return status;
}
