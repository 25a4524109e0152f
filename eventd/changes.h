/* SPDX-License-Identifier: MIT
 * changes.h - GET /api/v1/changes: the store's changes in the order in which they were made, for
 * whoever builds a copy from them (weir rebuild --from-store). */
#ifndef CHANGES_H
#define CHANGES_H

#include "http.h"
#include "message.h"

/* schema: for as=messages. Answers the request. */
void changes_answer(struct store *store, const struct schema *schema, struct arena *arena,
		    struct http_request *request);

#endif
