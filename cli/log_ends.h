/* SPDX-License-Identifier: MIT
 * log_ends.h - where the logs of a schema's topics begin and end, and how far an index is from
 * there. */
#ifndef LOG_ENDS_H
#define LOG_ENDS_H

#include <librdkafka/rdkafka.h>

#include "config.h"
#include "positions.h"

struct log_ends {
	const struct config *config;
	rd_kafka_t *client;
	char *cluster;
	struct positions begins, ends; /* of the last log_ends_read */
};

/* Asks which cluster it is. WEIR_AWAY: no broker answers. Ends with log_ends_finish, whatever the
 * answer. */
weir_status log_ends_init(struct log_ends *log, const struct config *config,
			  struct weir_error *error) WEIR_MUST_CHECK;
void log_ends_finish(struct log_ends *log);
weir_status log_ends_read(struct log_ends *log, const struct schema *schema,
			  struct weir_error *error) WEIR_MUST_CHECK;

/* Messages that are in the log and not in the index. */
int64_t log_ends_lag(const struct log_ends *log, const struct positions *positions);
/* Messages that the logs hold in all. */
int64_t log_ends_size(const struct log_ends *log);
/* The first partition whose log lost messages that the index has not read; NULL: none did. An index
 * that was never there has read nothing. */
const struct positions_entry *log_ends_lost(const struct log_ends *log,
					    const struct positions *positions);

#endif
