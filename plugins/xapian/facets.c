/* SPDX-License-Identifier: MIT
 * facets.c - how many of the matches have each value of a field. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "session.h"

/* Of how many values counts are kept LANES times: else a document of the same value as the one
 * before would wait until that is counted. */
#define LANES 4U
#define LANES_LIMIT 1024U

/* The values of a field, counted by ordinal. */
struct tally {
	size_t field;
	enum column_kind kind;
	uint32_t *counts; /* by ordinal; while counting: by what the column holds, lane by lane */
	uint32_t size, lanes;
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
	tally->lanes = tally->size < LANES_LIMIT ? LANES : 1;
	tally->counts = calloc(((size_t)tally->size + 1) * tally->lanes, sizeof(*tally->counts));
	return tally->counts != NULL ? WEIR_OK : error_no_memory(error);
}

/* The matches of a chunk: places, or NULL for all of them. */
struct places {
	const uint16_t *places;
	uint32_t count;
};

static inline void count_value(const struct tally *tally, uint32_t *lane, uint32_t value)
{
	lane[value <= tally->size ? value : 0]++; /* 0: it has none */
}

static void count_ordinals(const struct tally *tally, const struct rows *rows, uint32_t base,
			   const struct places *matches)
{
	const uint32_t *values = (const uint32_t *)(const void *)rows_at(
		rows, COLUMN_FIELDS + tally->field, base, sizeof(uint32_t));
	const uint16_t *places = matches->places;
	uint32_t step = tally->lanes > 1 ? tally->size + 1 : 0, i = 0;
	uint32_t *lanes[LANES] = {tally->counts, tally->counts + step, tally->counts + 2 * step,
				  tally->counts + 3 * step};
	for (; i + LANES <= matches->count; i += LANES)
		for (uint32_t lane = 0; lane < LANES; lane++)
			count_value(tally, lanes[lane],
				    values[places != NULL ? places[i + lane] : i + lane]);
	for (; i < matches->count; i++)
		count_value(tally, lanes[0], values[places != NULL ? places[i] : i]);
}

static void count_booleans(const struct tally *tally, const struct rows *rows, uint32_t base,
			   const struct places *matches)
{
	const uint64_t *values = (const uint64_t *)(const void *)rows_at(
		rows, COLUMN_FIELDS + tally->field, base, sizeof(uint64_t));
	uint64_t no = order_of_integer(0), yes = order_of_integer(1);
	for (uint32_t i = 0; i < matches->count; i++) {
		uint64_t value = values[matches->places != NULL ? matches->places[i] : i];
		tally->counts[1] += value == no;
		tally->counts[2] += value == yes;
	}
}

static int count_chunk(void *context, const struct match_chunk *chunk)
{
	const struct tallies *tallies = context;
	const struct rows *rows = &tallies->session->reader->rows;
	uint16_t places[CHUNK_DOCIDS];
	struct places matches = {NULL, bits_count(chunk->bits)};
	uint32_t index, count = 0;
	if (matches.count < CHUNK_DOCIDS) {
		EACH_BIT(chunk->bits, index)
		places[count++] = (uint16_t)index;
		matches.places = places;
		matches.count = count;
	}
	for (size_t i = 0; i < tallies->count; i++)
		if (tallies->tallies[i].kind == COLUMN_ORDINAL)
			count_ordinals(&tallies->tallies[i], rows, chunk->base, &matches);
		else
			count_booleans(&tallies->tallies[i], rows, chunk->base, &matches);
	return 0;
}

/* The sums of the lanes, by ordinal. */
static void settle(struct tally *tally)
{
	uint32_t step = tally->size + 1;
	for (uint32_t i = 0; i < tally->size; i++) {
		uint32_t sum = 0;
		for (uint32_t lane = 0; lane < tally->lanes; lane++)
			sum += tally->counts[(size_t)lane * step + i + 1];
		tally->counts[i] = sum;
	}
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

/* Of what the last search has found, where that was the same. */
static weir_status count(weir_session *session, const struct weir_facets *wanted,
			 struct tallies *tallies, struct weir_error *error)
{
	struct question question = session_question(session, wanted->query, wanted->filter);
	if (found_each(&session->found, &question, count_chunk, tallies))
		return match_cancelled(&session->match, error);
	weir_status status = session_prepare(session, wanted->query, wanted->filter, false, error);
	if (status != WEIR_OK)
		return status;
	status = match_run(&session->match, count_chunk, tallies, error);
	match_end(&session->match);
	return status;
}

weir_status session_facets(weir_session *session, const struct weir_facets *wanted,
			   weir_on_facet on_facet, void *context, struct weir_error *error)
{
	struct tallies tallies = {session, NULL, wanted->field_count};
	weir_status status = WEIR_OK;
	tallies.tallies = calloc(wanted->field_count + 1, sizeof(*tallies.tallies));
	if (tallies.tallies == NULL)
		return error_no_memory(error);
	for (size_t i = 0; i < tallies.count && status == WEIR_OK; i++)
		status = begin(session, wanted->fields[i], &tallies.tallies[i], error);
	if (status == WEIR_OK)
		status = count(session, wanted, &tallies, error);
	for (size_t i = 0; i < tallies.count && status == WEIR_OK; i++) {
		settle(&tallies.tallies[i]);
		status = choose(&tallies, &tallies.tallies[i], wanted->limit, error);
	}
	status = session_check(session, status, error);
	if (status == WEIR_OK)
		hand_out(&tallies, on_facet, context);
	finish(&tallies);
	return status;
}
