/* SPDX-License-Identifier: MIT
 * waits.h - requests that wait until the index holds what they ask for (waitFor). They occupy no
 * worker: they are parked here, and go back into the queue when the index seems to have come that
 * far. Whether it has is for the worker to see, in the session that it searches. */
#ifndef WAITS_H
#define WAITS_H

#include "http.h"
#include "index.h"
#include "tokens.h"

struct waits;

/* queue: where requests go back to; has to outlive the waits. */
weir_status waits_start(const struct config *config, struct index *index, struct http_queue *queue,
			struct waits **waits, struct weir_error *error) WEIR_MUST_CHECK;
/* Takes the request over, until: moment_monotonic. Replies 503 when too many wait or the service
 * stops. missing: what it waits for. */
void waits_park(struct waits *waits, struct http_request *request, int64_t until,
		const struct tokens *missing);
/* Replies 504 and says what is missing. */
void waits_give_up(struct waits *waits, struct http_request *request, const struct tokens *missing);
/* Answers those that wait with 503, and whoever comes later. Before http_stop. Takes NULL. */
void waits_stop(struct waits *waits);
void waits_destroy(struct waits *waits); /* when nobody parks any more; takes NULL */

#endif
