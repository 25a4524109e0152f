/* SPDX-License-Identifier: MIT
 * query.h - the query tree as OpenSearch's query DSL. */
#ifndef QUERY_H
#define QUERY_H

#include <jansson.h>

#include "fields.h"

/* What a search asks: query decides and scores, filter (NULL: none) decides; both among live
 * documents only. *scored: some part of it has a score. */
weir_status query_build(const struct fields *fields, const struct weir_host *host,
			const struct weir_query *query, const struct weir_query *filter,
			json_t **out, bool *scored, struct weir_error *error);

#endif
