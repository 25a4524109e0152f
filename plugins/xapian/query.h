/* SPDX-License-Identifier: MIT
 * query.h - trees of struct weir_query into Xapian's queries.
 *
 * A TERM, PHRASE or PREFIX in which folding leaves no word matches nothing; beside others in an AND
 * or an OR it is as if it were not there. */
#ifndef QUERY_H
#define QUERY_H

#include "fields.h"
#include "xapian_c.h"

/* Memory for one query at a time. */
struct query_builder {
	struct bytes text;
	struct xapian_step *steps;
	size_t step_count, step_capacity;
	/* The words of the text, as they stand and as stems of the language. */
	struct bytes words;
	struct query_word {
		size_t offset, length, stem_offset, stem_length;
	} * places;
	size_t word_count, place_capacity;
	const char *language;
	struct bytes forms; /* of one word */
	bool is_scored;
};

void query_builder_finish(struct query_builder *builder);

/* *out points into builder. WEIR_RETRY: no memory. WEIR_FATAL: not a tree that the header knows. */
weir_status query_build(struct query_builder *builder, const struct fields *fields,
			const struct weir_host *host, struct xapian_database *database,
			const struct weir_query *query, struct xapian_query *out,
			struct weir_error *error);

#endif
