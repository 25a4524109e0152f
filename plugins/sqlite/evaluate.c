/* SPDX-License-Identifier: MIT */
#include "evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "fulltext.h"

static weir_status match(struct weir_session *session, const struct node *node, struct bits *out,
			 struct weir_error *error)
{
	sqlite3_stmt *statement = NULL;
	weir_status status =
		database_prepare(&session->database, "SELECT rowid FROM words WHERE words MATCH ?1",
				 &statement, error);
	if (status == WEIR_OK) {
		sqlite3_bind_text64(statement, 1, node->text.data, node->text.length, SQLITE_STATIC,
				    SQLITE_UTF8);
		status = session_gather(session, statement, out, error);
	}
	sqlite3_finalize(statement);
	return status;
}

static weir_status near(struct weir_session *session, const struct node *node, struct bits *out,
			struct weir_error *error)
{
	const uint32_t *wanted = (const uint32_t *)(const void *)node->wanted.data;
	struct fulltext_near near = {
		.phrase_count = node->wanted.length / sizeof(uint32_t),
		.wanted = wanted,
		.window = node->window,
	};
	sqlite3_stmt *statement = NULL;
	for (size_t i = 0; i < near.phrase_count; i++)
		near.missing += wanted[i];
	near.lacking = calloc(near.phrase_count + 1, sizeof(*near.lacking));
	weir_status status = near.lacking != NULL ? WEIR_OK : error_no_memory(error);
	if (status == WEIR_OK)
		status = database_prepare(&session->database,
					  "SELECT rowid FROM words WHERE words MATCH ?1 "
					  "AND weir_near(words, ?2)",
					  &statement, error);
	if (status == WEIR_OK) {
		sqlite3_bind_text64(statement, 1, node->text.data, node->text.length, SQLITE_STATIC,
				    SQLITE_UTF8);
		sqlite3_bind_pointer(statement, 2, &near, FULLTEXT_NEAR, NULL);
		status = session_gather(session, statement, out, error);
	}
	sqlite3_finalize(statement);
	free(near.lacking);
	fulltext_near_finish(&near);
	return status;
}

static weir_status exact(struct weir_session *session, const struct weir_query *query,
			 struct bits *out, struct weir_error *error)
{
	size_t field = (size_t)query->field;
	const struct weir_value *value = &query->lower;
	char sql[128];
	weir_status status = WEIR_OK;
	if (session->exact[field] == NULL) {
		snprintf(sql, sizeof(sql), "SELECT number FROM documents WHERE x%zu = ?1", field);
		status = database_prepare(&session->database, sql, &session->exact[field], error);
	}
	if (status != WEIR_OK)
		return status;
	if (session->instance->fields.fields[field].type == WEIR_TYPE_BOOLEAN)
		sqlite3_bind_int(session->exact[field], 1, value->integer != 0);
	else
		sqlite3_bind_blob64(session->exact[field], 1,
				    value->text_length > 0 ? value->text : "", value->text_length,
				    SQLITE_STATIC);
	return session_gather(session, session->exact[field], out, error);
}

/* An open end is compared as its neighbour, which the least and the greatest do not have. */
static bool date_range(const struct weir_query *query, sqlite3_stmt *statement)
{
	uint32_t flags = query->range_flags;
	int64_t lower = INT64_MIN, upper = INT64_MAX;
	if ((flags & WEIR_RANGE_HAS_LOWER) != 0) {
		bool open = (flags & WEIR_RANGE_LOWER_OPEN) != 0;
		if (open && query->lower.integer == INT64_MAX)
			return false;
		lower = query->lower.integer + open;
	}
	if ((flags & WEIR_RANGE_HAS_UPPER) != 0) {
		bool open = (flags & WEIR_RANGE_UPPER_OPEN) != 0;
		if (open && query->upper.integer == INT64_MIN)
			return false;
		upper = query->upper.integer - open;
	}
	sqlite3_bind_int64(statement, 1, lower);
	sqlite3_bind_int64(statement, 2, upper);
	return lower <= upper;
}

static bool number_range(const struct weir_query *query, sqlite3_stmt *statement)
{
	uint32_t flags = query->range_flags;
	double lower = -INFINITY, upper = INFINITY;
	if ((flags & WEIR_RANGE_HAS_LOWER) != 0) {
		lower = query->lower.number;
		if ((flags & WEIR_RANGE_LOWER_OPEN) != 0) {
			if (lower == INFINITY)
				return false;
			lower = nextafter(lower, INFINITY);
		}
	}
	if ((flags & WEIR_RANGE_HAS_UPPER) != 0) {
		upper = query->upper.number;
		if ((flags & WEIR_RANGE_UPPER_OPEN) != 0) {
			if (upper == -INFINITY)
				return false;
			upper = nextafter(upper, -INFINITY);
		}
	}
	sqlite3_bind_double(statement, 1, lower);
	sqlite3_bind_double(statement, 2, upper);
	return lower <= upper; /* not so with NaN */
}

static weir_status range(struct weir_session *session, const struct weir_query *query,
			 struct bits *out, struct weir_error *error)
{
	size_t field = (size_t)query->field;
	char sql[128];
	weir_status status = WEIR_OK;
	if (session->range[field] == NULL) {
		snprintf(sql, sizeof(sql),
			 "SELECT number FROM documents WHERE v%zu BETWEEN ?1 AND ?2", field);
		status = database_prepare(&session->database, sql, &session->range[field], error);
	}
	if (status != WEIR_OK)
		return status;
	bool any = session->instance->fields.fields[field].type == WEIR_TYPE_NUMBER
			   ? number_range(query, session->range[field])
			   : date_range(query, session->range[field]);
	return any ? session_gather(session, session->range[field], out, error) : WEIR_OK;
}

static weir_status join(struct weir_session *session, const struct node *node, struct bits *out,
			struct weir_error *error)
{
	bool and = node->kind == NODE_AND;
	weir_status status = evaluate(session, node->children[0], out, error);
	for (size_t i = 1; i < node->child_count && status == WEIR_OK; i++) {
		const struct node *child = node->children[i];
		bool negated = and&&child->kind == NODE_NOT;
		struct bits more = {0};
		status = evaluate(session, negated ? child->children[0] : child, &more, error);
		if (status == WEIR_OK && negated)
			bits_and_not(out, &more);
		else if (status == WEIR_OK && and)
			bits_and(out, &more);
		else if (status == WEIR_OK)
			bits_or(out, &more);
		bits_finish(&more);
	}
	return status;
}

static weir_status all_but(struct weir_session *session, const struct node *node, struct bits *out,
			   struct weir_error *error)
{
	const struct bits *live = NULL;
	weir_status status = session_live(session, &live, error);
	if (status != WEIR_OK)
		return status;
	bits_or(out, live);
	if (node == NULL)
		return WEIR_OK;
	struct bits less = {0};
	status = evaluate(session, node, &less, error);
	if (status == WEIR_OK)
		bits_and_not(out, &less);
	bits_finish(&less);
	return status;
}

static weir_status evaluate_into(struct weir_session *session, const struct node *node,
				 struct bits *out, struct weir_error *error)
{
	switch (node->kind) {
	case NODE_MATCH:
		return match(session, node, out, error);
	case NODE_NEAR:
		return near(session, node, out, error);
	case NODE_EXACT:
		return exact(session, node->query, out, error);
	case NODE_RANGE:
		return range(session, node->query, out, error);
	case NODE_EVERYTHING:
		return all_but(session, NULL, out, error);
	case NODE_NOT:
		return all_but(session, node->children[0], out, error);
	default:
		return WEIR_OK;
	}
}

weir_status evaluate(struct weir_session *session, const struct node *node, struct bits *out,
		     struct weir_error *error)
{
	if (node->kind == NODE_AND || node->kind == NODE_OR)
		return join(session, node, out, error);
	int64_t largest = 0;
	struct bits made = {0};
	weir_status status = session_largest(session, &largest, error);
	if (status == WEIR_OK && !bits_init(&made, largest))
		status = error_no_memory(error);
	if (status == WEIR_OK)
		status = evaluate_into(session, node, &made, error);
	if (status == WEIR_OK)
		*out = made;
	else
		bits_finish(&made);
	return status;
}
