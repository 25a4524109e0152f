/* SPDX-License-Identifier: MIT
 * deadletter.h - messages that cannot be read or indexed go to [kafka] dead_letter_topic with their
 * key, value and headers, and weir-error, weir-topic, weir-partition, weir-offset, weir-timestamp.
 * Used by the indexing thread alone. */
#ifndef DEADLETTER_H
#define DEADLETTER_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "config.h"

struct deadletters;

/* With [indexer] beside none is sent: each was, when the live index met its message. */
weir_status deadletters_create(const struct config *config, struct deadletters **deadletters,
			       struct weir_error *error) WEIR_MUST_CHECK;
void deadletters_destroy(struct deadletters *deadletters); /* takes NULL */

/* One dead letter on its way; the caller's, and it stays where it is until it is acknowledged. */
struct deadletter {
	const rd_kafka_message_t *message; /* borrowed */
	char reason[512];
	enum { DEADLETTER_NEW, DEADLETTER_SENT, DEADLETTER_ACKNOWLEDGED } state;
	size_t cut; /* bytes of the value to send; the whole length at first */
	bool bare;  /* without its own headers and key: they alone are too large */
};
void deadletter_init(struct deadletter *letter, const rd_kafka_message_t *message,
		     const char *reason);

/* Sends what is new, again what failed; true when all count letters are acknowledged. Waits up to
 * timeout_ms. Sets the health condition "dead_letters". */
bool deadletters_deliver(struct deadletters *deadletters, struct deadletter *const *letters,
			 size_t count, int timeout_ms);

#endif
