/* SPDX-License-Identifier: MIT
 * facets.c - how many matches have each value of a field. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "evaluate.h"
#include "session.h"

#define FACETS_HAS "weir_has"
/* Looking up one document costs about as much as walking over so many entries of an index. */
#define LOOKUP_COST 8

/* One call under way. */
struct counting {
	struct weir_session *session;
	const struct weir_facets *wanted;
	const struct bits *set; /* NULL: every live document */
	weir_on_facet on_facet;
	void *context;
	bool stopped;
	struct weir_error *error;
};

static void has_number(sqlite3_context *out, int count, sqlite3_value **arguments)
{
	const struct bits *set = sqlite3_value_pointer(arguments[1], FACETS_HAS);
	(void)count;
	sqlite3_result_int(out, set != NULL && bits_has(set, sqlite3_value_int64(arguments[0])));
}

weir_status facets_register(const struct database *database, struct weir_error *error)
{
	if (sqlite3_create_function_v2(database->handle, FACETS_HAS, 2, SQLITE_UTF8, NULL,
				       has_number, NULL, NULL, NULL) != SQLITE_OK)
		return error_no_memory(error);
	return WEIR_OK;
}

/* The value in a row's first column. */
static const char *value_in(sqlite3_stmt *row, size_t *length)
{
	if (sqlite3_column_type(row, 0) == SQLITE_INTEGER) {
		const char *word = sqlite3_column_int(row, 0) != 0 ? "true" : "false";
		*length = strlen(word);
		return word;
	}
	const char *text = sqlite3_column_blob(row, 0);
	*length = (size_t)sqlite3_column_bytes(row, 0);
	return text != NULL ? text : "";
}

static void hand_out(struct counting *counting, size_t index, const char *text, size_t length,
		     uint64_t count)
{
	counting->stopped = counting->on_facet(counting->context, index, text, length, count) != 0;
}

/* Walks over the index of the column, where equal values stand together; a hidden document has no
 * value. */
static weir_status count_by_index(struct counting *counting, size_t index, struct weir_error *error)
{
	const struct weir_facets *wanted = counting->wanted;
	const struct database *database = &counting->session->database;
	int field = (int)wanted->fields[index];
	sqlite3_stmt *row = NULL;
	bool has_row = true;
	char sql[256];
	snprintf(sql, sizeof(sql),
		 "SELECT x%d, count(*) FROM documents WHERE x%d IS NOT NULL%s GROUP BY x%d "
		 "ORDER BY 2 DESC, 1 LIMIT ?1",
		 field, field, counting->set != NULL ? " AND " FACETS_HAS "(number, ?2)" : "",
		 field);
	weir_status status = database_prepare(database, sql, &row, error);
	if (status == WEIR_OK) {
		sqlite3_bind_int64(row, 1,
				   wanted->limit < INT64_MAX ? (int64_t)wanted->limit : INT64_MAX);
		if (counting->set != NULL)
			sqlite3_bind_pointer(row, 2, (void *)counting->set, FACETS_HAS, NULL);
	}
	while (status == WEIR_OK && !counting->stopped) {
		status = database_step(database, row, &has_row, error);
		if (status != WEIR_OK || !has_row)
			break;
		size_t length;
		const char *text = value_in(row, &length);
		hand_out(counting, index, text, length, (uint64_t)sqlite3_column_int64(row, 1));
	}
	sqlite3_finalize(row);
	return status;
}

/* A value of some documents. */
struct tally {
	const char *text;
	size_t at, length;
	uint64_t count;
};

struct tallies {
	struct bytes texts;
	struct tally *items;
	size_t count, capacity;
};

static int compare_texts(const void *left, const void *right)
{
	const struct tally *a = left, *b = right;
	size_t shorter = a->length < b->length ? a->length : b->length;
	int order = shorter > 0 ? memcmp(a->text, b->text, shorter) : 0;
	return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_counts(const void *left, const void *right)
{
	const struct tally *a = left, *b = right;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return compare_texts(left, right);
}

static bool add_value(struct tallies *tallies, sqlite3_stmt *row)
{
	size_t length;
	const char *text = value_in(row, &length);
	struct tally *items =
		array_grow(tallies->items, tallies->count, &tallies->capacity, sizeof(*items));
	if (items == NULL)
		return false;
	tallies->items = items;
	items[tallies->count++] =
		(struct tally){.at = tallies->texts.length, .length = length, .count = 1};
	return length == 0 || bytes_append(&tallies->texts, text, length);
}

static weir_status look_up(struct counting *counting, int field, struct tallies *tallies,
			   struct weir_error *error)
{
	const struct database *database = &counting->session->database;
	sqlite3_stmt *row = NULL;
	char sql[128];
	snprintf(sql, sizeof(sql),
		 "SELECT x%d FROM documents WHERE number = ?1 AND x%d IS NOT NULL", field, field);
	weir_status status = database_prepare(database, sql, &row, error);
	for (int64_t number = bits_next(counting->set, 0); number >= 0 && status == WEIR_OK;
	     number = bits_next(counting->set, number + 1)) {
		bool has_row = false;
		sqlite3_bind_int64(row, 1, number);
		status = database_step(database, row, &has_row, error);
		if (status == WEIR_OK && has_row && !add_value(tallies, row))
			status = error_no_memory(error);
		sqlite3_reset(row);
	}
	sqlite3_finalize(row);
	return status;
}

/* Equal values become one, the most frequent first. */
static void sum_up(struct tallies *tallies)
{
	size_t kept = 0;
	if (tallies->count == 0)
		return;
	for (size_t i = 0; i < tallies->count; i++)
		tallies->items[i].text = tallies->items[i].length > 0
						 ? tallies->texts.data + tallies->items[i].at
						 : "";
	qsort(tallies->items, tallies->count, sizeof(*tallies->items), compare_texts);
	for (size_t i = 1; i < tallies->count; i++) {
		if (compare_texts(&tallies->items[kept], &tallies->items[i]) == 0)
			tallies->items[kept].count++;
		else
			tallies->items[++kept] = tallies->items[i];
	}
	tallies->count = kept + 1;
	qsort(tallies->items, tallies->count, sizeof(*tallies->items), compare_counts);
}

static weir_status count_by_lookup(struct counting *counting, size_t index,
				   struct weir_error *error)
{
	struct tallies tallies = {0};
	weir_status status =
		look_up(counting, (int)counting->wanted->fields[index], &tallies, error);
	if (status == WEIR_OK)
		sum_up(&tallies);
	for (size_t i = 0; status == WEIR_OK && i < tallies.count && i < counting->wanted->limit &&
			   !counting->stopped;
	     i++)
		hand_out(counting, index, tallies.items[i].text, tallies.items[i].length,
			 tallies.items[i].count);
	bytes_finish(&tallies.texts);
	free(tallies.items);
	return status;
}

static weir_status count_fields(struct counting *counting)
{
	const struct record *record = &counting->session->record;
	weir_status status = WEIR_OK;
	bool few = counting->set != NULL && bits_count(counting->set) * LOOKUP_COST <
						    (uint64_t)(record->live + record->hidden);
	for (size_t i = 0; i < counting->wanted->field_count && status == WEIR_OK &&
			   !counting->stopped && counting->wanted->limit > 0;
	     i++)
		status = few ? count_by_lookup(counting, i, counting->error)
			     : count_by_index(counting, i, counting->error);
	return status;
}

static weir_status check_fields(const struct fields *fields, const struct weir_facets *wanted,
				struct weir_error *error)
{
	for (size_t i = 0; i < wanted->field_count; i++) {
		int32_t field = wanted->fields[i];
		if (field < 0 || (size_t)field >= fields->count ||
		    !field_has_facet(&fields->fields[field]))
			return error_set(error, WEIR_FATAL,
					 "sqlite: field number %d cannot have facets; the schema "
					 "says which can",
					 (int)field);
	}
	return WEIR_OK;
}

static weir_status count_matches(struct counting *counting)
{
	struct weir_session *session = counting->session;
	const struct weir_facets *wanted = counting->wanted;
	struct query query;
	struct bits set = {0};
	weir_status status = query_create(&session->instance->fields, session->host, wanted->query,
					  wanted->filter, &query, counting->error);
	if (status != WEIR_OK)
		return status;
	bool everything = query.root->kind == NODE_EVERYTHING;
	if (query.root->kind != NODE_NOTHING && !everything) {
		status = evaluate(session, query.root, &set, counting->error);
		counting->set = &set;
	}
	if (status == WEIR_OK && query.root->kind != NODE_NOTHING)
		status = count_fields(counting);
	counting->set = NULL;
	bits_finish(&set);
	query_finish(&query);
	return status;
}

weir_status session_facets(weir_session *session, const struct weir_facets *wanted,
			   weir_on_facet on_facet, void *context, struct weir_error *error)
{
	struct counting counting = {
		.session = session,
		.wanted = wanted,
		.on_facet = on_facet,
		.context = context,
		.error = error,
	};
	weir_status status = check_fields(&session->instance->fields, wanted, error);
	if (status == WEIR_OK)
		status = session_enter(session, error);
	if (status != WEIR_OK)
		return status;
	status = count_matches(&counting);
	session_leave(session);
	return status;
}
