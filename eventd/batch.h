/* SPDX-License-Identifier: MIT
 * batch.h - POST /api/v1/events/batch: lines in, a line of result for each, in the same order.
 *
 * The writer takes a batch in pieces, one transaction each, so that other requests are not held up
 * by it for long. A batch belongs to the writer's thread. */
#ifndef BATCH_H
#define BATCH_H

#include "command.h"
#include "http.h"

#define BATCH_LINE_LIMIT 10000		   /* lines with something on them */
#define BATCH_LINE_BYTES ((size_t)1 << 20) /* of one line */
#define BATCH_BODY_BYTES ((size_t)64 << 20)

struct batch;

/* Takes the request over. NULL: it was answered already (too many lines, no memory). */
struct batch *batch_create(struct http_request *request);
/* Performs the next lines inside the transaction, up to limit; *changes: outbox rows written. A
 * failure that ended the transaction is answered; then call batch_failed. */
weir_status batch_step(struct batch *batch, struct store *store, struct arena *arena, size_t limit,
		       size_t *changes, struct weir_error *error) WEIR_MUST_CHECK;
void batch_committed(struct batch *batch);
/* The lines of the last step were not kept: each gets the failure as its result. */
void batch_failed(struct batch *batch, weir_status status);
bool batch_ended(const struct batch *batch);
/* Answers and frees. */
void batch_finish(struct batch *batch);

#endif
