/* SPDX-License-Identifier: MIT
 * witness.h - looks again at single messages of the log, with a Kafka client of its own, to tell
 * whether the log is still the one that a position was taken in.
 *
 * Used by one thread. Each question reads one message (what is kept of a batch around it is bounded
 * by its size), so asking now and then costs next to nothing. */
#ifndef WITNESS_H
#define WITNESS_H

#include "config.h"
#include "err.h"
#include "log_mark.h"

struct witness;

weir_status witness_create(const struct config *config, const char *process,
			   struct witness **witness, struct weir_error *error) WEIR_MUST_CHECK;
void witness_destroy(struct witness *witness); /* takes NULL */

/* For questions to the brokers. An answer that does not come is given up after three seconds; other
 * clients may wait for a minute, whatever timeout they are told, while a broker cannot be reached.
 */
rd_kafka_t *witness_client(const struct witness *witness);

/* Takes what its client has to tell; once a second or so. */
void witness_serve(struct witness *witness);

/* Where a position was taken, and where the log begins and ends now (asked after the position was
 * known, else a log that grew would look shorter). */
struct log_place {
	const char *topic;
	int32_t partition;
	int64_t position, begin, end;
	struct log_marks marks;
};

enum log_verdict {
	LOG_SAME,      /* or nothing shows the contrary */
	LOG_ANEW,      /* another log: nothing of the position is true */
	LOG_TRUNCATED, /* the same log up to the anchor; its tail is gone or another */
	LOG_AWAY,      /* the brokers did not tell */
};

/* Waits up to timeout_ms for each answer of the brokers. last_seen (may be NULL): the message of
 * marks.last is in the log. */
enum log_verdict witness_judge(struct witness *witness, const struct log_place *place,
			       int timeout_ms, bool *last_seen);

#endif
