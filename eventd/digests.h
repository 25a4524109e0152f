/* SPDX-License-Identifier: MIT
 * digests.h - GET /api/v1/digests: what an index has to hold, for weir verify to compare. */
#ifndef DIGESTS_H
#define DIGESTS_H

#include "http.h"
#include "states.h"

/* Answers the request. */
void digests_answer(struct store *store, struct states *states, const struct schema *schema,
		    struct arena *arena, struct http_request *request);

#endif
