/* SPDX-License-Identifier: MIT
 * relay.h - from the outbox to Kafka: at least once, in order per event and topic, for ever.
 *
 * Each topic is a lane of its own: rows are produced in order of their sequence, by an idempotent
 * producer that waits for all replicas. When a lane fails, it waits until nothing of it is in
 * flight and every report is on disk, and begins again at its oldest waiting row; the others go on.
 */
#ifndef RELAY_H
#define RELAY_H

#include "config.h"
#include "marks.h"
#include "schema.h"
#include "writer.h"

struct relay;

/* All borrowed until relay_stop. */
struct relay_options {
	const struct config *config;
	const struct schema *schema;
	struct marks *marks;
};

/* Every operation has a topic, and librdkafka takes every property. */
weir_status relay_check(const struct config *config, const struct schema *schema,
			struct weir_error *error) WEIR_MUST_CHECK;

weir_status relay_create(const struct relay_options *options, struct relay **relay,
			 struct weir_error *error) WEIR_MUST_CHECK;
/* The writer keeps delivery reports, and does the relay's few other writes. */
weir_status relay_start(struct relay *relay, struct writer *writer,
			struct weir_error *error) WEIR_MUST_CHECK;
/* There is something new in the outbox. Any thread. */
void relay_notify(void *relay);
/* Goes on for up to five seconds while Kafka takes something, then ends; what is left waits for the
 * next start. */
void relay_stop(struct relay *relay);
void relay_destroy(struct relay *relay); /* takes NULL */

#endif
