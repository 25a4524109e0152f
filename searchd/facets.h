/* SPDX-License-Identifier: MIT
 * facets.h - how many matches have each value of a field: what a request asks for, and its part of
 * the answer. */
#ifndef FACETS_H
#define FACETS_H

#include "err.h"
#include "json.h"
#include "query.h"
#include "schema.h"

enum {
	FACETS_MOST = 16, /* fields of a request */
	FACETS_LIMIT_DEFAULT = 10,
	FACETS_LIMIT_MOST = 1000,
};

struct facets {
	int32_t fields[FACETS_MOST];
	/* Of each field: the request's filters but those on the field itself; NULL: none. */
	const struct weir_query *filters[FACETS_MOST];
	size_t count;
	size_t limit; /* values of a field */
};

/* Adds the fields that the text names, by commas. WEIR_INVALID: one cannot be counted. */
weir_status facets_read(struct facets *facets, const struct schema *schema, const char *text,
			struct weir_error *error) WEIR_MUST_CHECK;
/* Once all parameters are known. whole: the tree of all filters. Trees belong to the arena.
 * WEIR_INVALID: the plug-in has no facets. */
weir_status facets_prepare(struct facets *facets, const struct schema *schema,
			   uint64_t capabilities, struct query_arena *arena,
			   const struct query_filter *filters, size_t filter_count,
			   const struct weir_query *whole,
			   struct weir_error *error) WEIR_MUST_CHECK;

/* What was counted, as elements of a JSON array for each field. */
struct facet_values {
	struct buffer lists[FACETS_MOST];
	size_t bytes;
};
void facet_values_clear(struct facet_values *values);
void facet_values_finish(struct facet_values *values);
/* One call for the fields that all filters narrow, and one for each of the others. WEIR_INVALID:
 * the values are more bytes than an answer may have. */
weir_status facets_count(const struct facets *facets, const struct schema *schema,
			 const struct weir_search *search, const struct weir_operations *operations,
			 weir_session *session, size_t byte_limit, struct facet_values *values,
			 struct weir_error *error) WEIR_MUST_CHECK;
/* The object with a member for each field, in the order asked for. */
void facets_write(const struct facets *facets, const struct schema *schema,
		  const struct facet_values *values, struct jsonout *json);

#endif
