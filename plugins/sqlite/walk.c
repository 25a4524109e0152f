/* SPDX-License-Identifier: MIT */
#include "walk.h"

#include <stdio.h>

#include "error.h"

/* What the answer is sorted by first, scores aside; NULL: the id. */
static const struct weir_sort_key *first_key(const struct weir_search *search)
{
	for (size_t i = 0; i < search->sort_count; i++)
		if (search->sort[i]->field != WEIR_FIELD_DEFAULT)
			return search->sort[i];
	return NULL;
}

/* False: no index has this order. */
static bool write_sql(const struct weir_session *session, const struct weir_search *search,
		      bool only_live, char *sql, size_t size)
{
	const struct fields *fields = &session->instance->fields;
	const struct weir_sort_key *key = first_key(search);
	if (key == NULL) {
		snprintf(sql, size, "SELECT number, NULL FROM documents%s ORDER BY id",
			 only_live ? " WHERE live = 1" : "");
		return true;
	}
	if (key->field < 0 || (size_t)key->field >= fields->count ||
	    field_sort_column(&fields->fields[key->field]) != 'v')
		return false;
	/* A hidden document has no values. */
	snprintf(sql, size,
		 "SELECT number, v%d FROM documents WHERE v%d IS NOT NULL ORDER BY v%d%s",
		 (int)key->field, (int)key->field, (int)key->field,
		 key->descending != 0 ? " DESC" : "");
	return true;
}

/* Rows to walk over against documents to look at. */
static bool is_quicker(const struct weir_session *session, const struct bits *set, size_t wanted)
{
	double all = (double)(session->record.live + session->record.hidden);
	double matches = set != NULL ? (double)bits_count(set) : (double)session->record.live;
	return (double)wanted <= matches && all * (double)wanted < matches * matches;
}

/* Walks until enough were offered, and to the end of those that are equal by the first key. */
static weir_status offer(struct weir_session *session, sqlite3_stmt *row, const struct bits *set,
			 struct best *best, bool by_id, bool *done, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	size_t offered = 0;
	double last = 0;
	bool has_row = true;
	while (status == WEIR_OK) {
		status = database_step(&session->database, row, &has_row, error);
		if (status != WEIR_OK || !has_row)
			break;
		int64_t number = sqlite3_column_int64(row, 0);
		/* Dates that are the same as a double only make the walk a little longer. */
		double now = sqlite3_column_double(row, 1);
		if (offered >= best->wanted && (by_id || now != last)) {
			*done = true;
			break;
		}
		if (set != NULL && !bits_has(set, number))
			continue;
		status = best_offer(best, number, 0);
		last = now;
		offered++;
	}
	/* By id the walk has come by every document. */
	*done = *done || (status == WEIR_OK && (by_id || offered >= best->wanted));
	return status;
}

weir_status walk(struct weir_session *session, const struct weir_search *search,
		 const struct bits *set, struct best *best, bool *done, struct weir_error *error)
{
	char sql[160];
	sqlite3_stmt *row = NULL;
	*done = false;
	if (!is_quicker(session, set, best->wanted) ||
	    !write_sql(session, search, set == NULL, sql, sizeof(sql)))
		return WEIR_OK;
	weir_status status = database_prepare(&session->database, sql, &row, error);
	if (status == WEIR_OK)
		status = offer(session, row, set, best, first_key(search) == NULL, done, error);
	sqlite3_finalize(row);
	if (status == WEIR_OK && !*done)
		best_clear(best);
	return status;
}
