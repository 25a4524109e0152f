/* SPDX-License-Identifier: MIT
 * query.h - the query language (docs/query.md), parsed into the tree that crosses the plug-in
 * boundary. All of a tree's memory belongs to its arena. */
#ifndef QUERY_H
#define QUERY_H

#include <stdbool.h>

#include "err.h"
#include "schema.h"

#define QUERY_LENGTH_LIMIT 4096
#define QUERY_CLAUSE_LIMIT 256
#define QUERY_DEPTH_LIMIT 32

struct query_arena;
struct query_arena *query_arena_create(void);	     /* NULL: no memory */
void query_arena_destroy(struct query_arena *arena); /* takes NULL */

/* text: UTF-8. Empty or blank gives WEIR_QUERY_ALL. WEIR_INVALID: error->message says the column
 * (from 1, in characters) and what was expected; column is filled too. capabilities: of the backend
 * (WEIR_CAN_*); a part that it cannot do is WEIR_INVALID and the message names the part. */
weir_status query_parse(struct query_arena *arena, const struct schema *schema,
			uint64_t capabilities, const char *text, size_t length,
			const struct weir_query **query, size_t *column,
			struct weir_error *error) WEIR_MUST_CHECK;

/* Filters of the search API: ?name=value. KEYWORD, BOOLEAN: exact, and several values of one field
 * are alternatives; NUMBER, DATE: "10..50", "10..", "..50" or one value; a date without time means
 * the whole day. Collects into the arena; query_filters makes the tree (NULL: no filters). */
struct query_filter {
	int32_t field;
	const char *value; /* borrowed for the call */
	size_t length;
};
weir_status query_filters(struct query_arena *arena, const struct schema *schema,
			  const struct query_filter *filters, size_t count,
			  const struct weir_query **query,
			  struct weir_error *error) WEIR_MUST_CHECK;

/* "relevance" or "startDate,-price"; the keys belong to the arena. */
weir_status query_sort(struct query_arena *arena, const struct schema *schema, const char *text,
		       const struct weir_sort_key *const **keys, size_t *count,
		       struct weir_error *error) WEIR_MUST_CHECK;

/* For tests and logs: the tree as an S-expression, "(and (term title \"jazz\") (all))". */
struct buffer;
void query_print(const struct weir_query *query, const struct schema *schema, struct buffer *out);

#endif
