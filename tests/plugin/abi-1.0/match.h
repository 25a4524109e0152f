/* SPDX-License-Identifier: MIT
 * match.h - a query against documents, one after the other. */
#ifndef MATCH_H
#define MATCH_H

#include "table.h"

struct field {
	uint32_t flags;
	double boost;
	char language[8]; /* "": not stemmed */
};

struct match {
	struct document *document;
	double score;
};

/* All live documents that match, in the order of the ids. matches is the caller's to free. */
weir_status match_all(const struct table *table, const struct field *fields, size_t field_count,
		      const struct weir_search *search, const struct weir_host *host,
		      struct match **matches, size_t *count, struct weir_error *error);
/* In the order that the search asks for. */
void match_sort(const struct weir_search *search, struct match *matches, size_t count);

#endif
