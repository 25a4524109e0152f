/* SPDX-License-Identifier: MIT
 * consumer.h - reads the partitions of the schema's topics from where the index is.
 *
 * An index with one writer has to hold every partition, so all of them are assigned, and a restart
 * after a crash need not wait for a group to notice; the group's name only carries the committed
 * offsets that lag monitors read. An index that several indexers share (WEIR_CAN_SHARE) is fed by
 * the members of the group, each with partitions of its own.
 *
 * Concurrency: one thread at a time (reader.h says which); but consumer_lost, consumer_is_behind
 * and consumer_commit_group are the indexing thread's at any time: they ask librdkafka, progress,
 * and what only consumer_follow_log and its like write, which that thread calls itself. */
#ifndef CONSUMER_H
#define CONSUMER_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "config.h"
#include "progress.h"

struct consumer;

/* shared: partitions come from the group. */
weir_status consumer_create(const struct config *config, const struct schema *schema,
			    struct progress *progress, bool shared, struct consumer **consumer,
			    struct weir_error *error) WEIR_MUST_CHECK;
/* Takes NULL. Leaves the group, so that others need not wait for its timeout. */
void consumer_destroy(struct consumer *consumer);

/* The cluster is known to progress. Assigns what progress knows by now, at the index's positions,
 * when that is not what is assigned; shared: joins the group. Only between batches: what was
 * fetched and not committed is fetched again. */
void consumer_follow_log(struct consumer *consumer);
/* consumer_follow_log would do something. */
bool consumer_is_behind(const struct consumer *consumer);

/* Shared: what the group wants of this indexer. The others wait until it is answered. */
enum handover {
	HANDOVER_NONE,
	HANDOVER_REVOKED,  /* to be given up, and may be committed before: consumer_give_up */
	HANDOVER_LOST,	   /* somebody else may have them already: consumer_give_up */
	HANDOVER_ASSIGNED, /* progress_load, then consumer_take */
};
enum handover consumer_handover(const struct consumer *consumer);
void consumer_give_up(struct consumer *consumer);
weir_status consumer_take(struct consumer *consumer, struct weir_error *error) WEIR_MUST_CHECK;
/* Nothing is read any more until partitions are assigned anew. */
void consumer_let_go(struct consumer *consumer);
/* The partitions are somebody else's by now; the next polls bring HANDOVER_LOST. */
bool consumer_lost(const struct consumer *consumer);

/* The next message, or NULL when none came in time. rd_kafka_message_destroy it. */
rd_kafka_message_t *consumer_poll(struct consumer *consumer, int timeout_ms);
/* Adds the ends of partitions that were met since the last time. */
bool consumer_has_ends(const struct consumer *consumer);
void consumer_take_ends(struct consumer *consumer, rd_kafka_topic_partition_list_t *ends);
/* Something came up that is dealt with when nothing is collected: the group wants something, or the
 * brokers do not have a position any more. */
bool consumer_has_news(const struct consumer *consumer);
/* Tells progress of partitions where the brokers do not have the position any more. Everything read
 * so far has to be committed. */
void consumer_tell_stuck(struct consumer *consumer);
/* Messages of the log that the index does not hold, as far as is known. */
int64_t consumer_lag(const struct consumer *consumer);
/* While the index cannot take more: stops fetching, and keeps librdkafka served. */
void consumer_pause(struct consumer *consumer, bool paused);
/* For lag monitors, not waited for; last: waits, at the end of the process. */
void consumer_commit_group(struct consumer *consumer, bool last);

#endif
