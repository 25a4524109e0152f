/* SPDX-License-Identifier: MIT
 * progress.h - how far the index is in every partition, against where the log ends.
 *
 * Concurrency: one lock inside; the indexing thread tells what was committed, the watching thread
 * where the log ends, the HTTP thread reads. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "buffer.h"
#include "err.h"
#include "json.h"
#include "plugin.h"
#include "schema.h"
#include "witness.h"

struct progress;

/* ready_lag: microseconds, [indexer] ready_lag. */
struct progress *progress_create(const struct schema *schema, int64_t ready_lag);
void progress_destroy(struct progress *progress); /* takes NULL */

/* Takes the positions that the index holds; of partitions that are owned, its own stay. */
weir_status progress_load(struct progress *progress, const struct backend *backend,
			  struct weir_error *error) WEIR_MUST_CHECK;

/* Another cluster answers at the address, or the first one does. Nothing changes before the offer
 * is taken: what is on its way may be of either. */
weir_status progress_offer_cluster(struct progress *progress, const char *cluster,
				   struct weir_error *error) WEIR_MUST_CHECK;
bool progress_has_offer(struct progress *progress);
/* From now on the positions of the cluster that was offered count; there is no partition any more
 * until the next look, but for those that are owned. Whoever calls it has nothing on its way. */
void progress_take_offer(struct progress *progress);
/* Valid until progress_destroy; NULL: none was taken yet. */
const char *progress_cluster(const struct progress *progress);

/* Other indexers feed the same index, in this group: only partitions that are owned count for
 * health and lag. */
void progress_share(struct progress *progress, const char *group);
/* Those that the group gave; the index's positions were loaded after it did. */
weir_status progress_own(struct progress *progress, const rd_kafka_topic_partition_list_t *list,
			 struct weir_error *error) WEIR_MUST_CHECK;
/* Why the group does not answer; reason lives for ever. */
void progress_group_trouble(struct progress *progress, const char *reason);
void progress_disown(struct progress *progress); /* all of them, until the group answers */
/* Owned partitions for which the last progress_load found an older position than was committed:
 * somebody who had lost them wrote his. */
rd_kafka_topic_partition_list_t *progress_overwritten(struct progress *progress);

/* A look of the watching thread begins; what it sees later is compared with the positions of now.
 */
void progress_look_begins(struct progress *progress);
/* What it saw: count partitions of the topic (0: it does not exist). */
void progress_set_partitions(struct progress *progress, const char *topic, int32_t count);
void progress_set_log(struct progress *progress, const char *topic, int32_t partition,
		      int64_t begin, int64_t end);

/* A number that changes when there are partitions that were not there before. */
unsigned progress_generation(struct progress *progress);
/* Every partition known (shared: owned), each at the index's position or at the log's beginning. */
rd_kafka_topic_partition_list_t *progress_assignment(struct progress *progress);

/* The end of a partition was read at that offset, and everything before it is committed. True: the
 * index's position is behind it all the same (transaction markers, compaction) and should move. */
bool progress_at_end(struct progress *progress, const char *topic, int32_t partition,
		     int64_t offset);
/* marks: as they went into the index. */
void progress_committed(struct progress *progress, const char *topic, int32_t partition,
			int64_t next_offset, const struct log_marks *marks);
/* By which the log is known at the index's position. */
struct log_marks progress_marks(struct progress *progress, const char *topic, int32_t partition);

/* Is the log still the one that the positions were taken in? Before the first message of a
 * partition is read, when something about it is odd, and every five seconds or so, the watching
 * thread is to have it judged. Each look gives each partition once, and a limited number of those
 * that are only due. place->topic stays valid until progress_destroy. */
bool progress_next_doubt(struct progress *progress, struct log_place *place);
/* The judgement. What it means is said in one line and counted. */
void progress_judged(struct progress *progress, const struct log_place *place,
		     enum log_verdict verdict, bool last_seen);
/* The brokers do not have the position any more. Everything read before was committed. */
void progress_set_stuck(struct progress *progress, const char *topic, int32_t partition);
/* A partition where the index has to go on at another position than its own, the reason having been
 * said: commit place->position with place->marks, tell progress_rewound, and read from there. */
bool progress_next_rewind(struct progress *progress, struct log_place *place);
void progress_rewound(struct progress *progress, const struct log_place *place);
/* A number that changes with each progress_rewound. */
unsigned progress_rewinds(struct progress *progress);

/* The newest moment of which this is sure: all that every partition held then is in the index.
 * INT64_MIN: of none. */
int64_t progress_all_read(struct progress *progress);

/* Messages of this indexer's partitions that the index does not hold; those of which the log's end
 * is not known count as none. */
int64_t progress_lag(struct progress *progress);
/* The index holds no position at all. */
bool progress_is_empty(struct progress *progress);
/* "positions":[{"cluster":…,"topic":…,"partition":…,"assigned":…,"position":…,"end":…,
 * "lagMessages":…,"lagMs":…}], a member of the object that is being written; what is unknown is
 * null. */
void progress_write(struct progress *progress, struct jsonout *json);
/* Sets the health conditions "topics", "group" and "lag", and the gauges. */
void progress_report(struct progress *progress);

#endif
