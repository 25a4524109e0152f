/* SPDX-License-Identifier: MIT
 * consumer.h - reads every partition of the schema's topics from where the index is.
 *
 * Partitions are assigned, not subscribed to: an index has to hold all of them, and a restart after
 * a crash must not wait for a group to notice. The group's name only carries the committed offsets
 * that lag monitors read. Used by the indexing thread alone. */
#ifndef CONSUMER_H
#define CONSUMER_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "config.h"
#include "progress.h"

struct consumer;

weir_status consumer_create(const struct config *config, struct progress *progress,
			    struct consumer **consumer, struct weir_error *error) WEIR_MUST_CHECK;
void consumer_destroy(struct consumer *consumer); /* takes NULL */
rd_kafka_t *consumer_client(struct consumer *consumer);

/* Assigns what progress knows by now, at the index's positions, when that is not what is assigned.
 * Only between batches: what was fetched and not committed is fetched again. */
void consumer_follow_log(struct consumer *consumer);
/* The next message, or NULL when none came in time. rd_kafka_message_destroy it. */
rd_kafka_message_t *consumer_poll(struct consumer *consumer, int timeout_ms);
/* The ends of partitions that were met since the last time; owned by the consumer and valid until
 * the next poll. Everything read so far has to be committed. */
rd_kafka_topic_partition_list_t *consumer_ends(struct consumer *consumer);
void consumer_forget_ends(struct consumer *consumer);
/* While the index cannot take more: stops fetching, and keeps librdkafka served. */
void consumer_pause(struct consumer *consumer, bool paused);
/* For lag monitors, not waited for; last: waits, at the end of the process. */
void consumer_commit_group(struct consumer *consumer, bool last);

#endif
