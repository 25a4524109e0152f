/* SPDX-License-Identifier: MIT
 *
 * Concurrency: see progress.h.
 *
 * What the watching thread finds out about the log: where it begins and ends, whether it is still
 * the one that the positions were taken in (lib/witness.h judges), and what is to be done when it
 * is not. The thread decides and says so; the indexing thread commits the new position and reads
 * on from there (progress_next_rewind). */
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "log.h"
#include "moment.h"
#include "progress_internal.h"

/* Of partitions that seem well: a topic made anew within a second of its end shows by nothing
 * else. */
#define CHECK_PERIOD (INT64_C(5) * 1000000)
enum { CHECKS_A_LOOK = 16 };

static void make_gauges(struct partition *partition)
{
	char labels[320];
	snprintf(labels, sizeof(labels), "topic=\"%s\",partition=\"%d\"", partition->topic,
		 partition->number);
	partition->lag_gauge = metric_get(METRIC_GAUGE, "weir_indexer_lag_messages", labels,
					  "Messages in the log that the index does not hold.");
	partition->position_gauge =
		metric_get(METRIC_GAUGE, "weir_indexer_position", labels,
			   "The first offset of the partition that is not in the index.");
}

void progress_look_begins(struct progress *progress)
{
	pthread_mutex_lock(&progress->lock);
	progress->checks = 0;
	progress->looked = moment_now();
	progress->looked_monotonic = moment_monotonic();
	for (size_t i = 0; i < progress->count; i++) {
		progress->partitions[i].seen = progress->partitions[i].position;
		progress->partitions[i].asked = false;
	}
	pthread_mutex_unlock(&progress->lock);
}

static void enter_log(struct progress *progress, struct partition *partition)
{
	partition->in_log = true;
	partition->verified = partition->position == UNKNOWN;
	make_gauges(partition);
	progress->generation++;
}

static void leave_log(struct progress *progress, struct partition *partition)
{
	partition->in_log = partition->verified = false;
	partition->begin = partition->end = UNKNOWN;
	progress->generation++;
}

void progress_set_partitions(struct progress *progress, const char *topic, int32_t count)
{
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->topic_count; i++)
		if (strcmp(progress->topics[i].name, topic) == 0) {
			progress->topics[i].missing = count == 0;
			progress->topics[i].told = true;
		}
	for (int32_t number = 0; number < count; number++) {
		struct partition *partition =
			progress_partition(progress, progress->cluster, topic, number);
		if (partition != NULL && !partition->in_log)
			enter_log(progress, partition);
	}
	for (size_t i = 0; i < progress->count; i++) {
		struct partition *each = &progress->partitions[i];
		if (each->in_log && each->number >= count && strcmp(each->topic, topic) == 0 &&
		    strcmp(each->cluster, progress->cluster) == 0)
			leave_log(progress, each);
	}
	pthread_mutex_unlock(&progress->lock);
}

void progress_set_log(struct progress *progress, const char *topic, int32_t number, int64_t begin,
		      int64_t end)
{
	pthread_mutex_lock(&progress->lock);
	struct partition *partition =
		progress_partition(progress, progress->cluster, topic, number);
	if (partition != NULL) {
		partition->odd =
			partition->odd || end < partition->seen || begin < partition->begin;
		partition->begin = begin;
		partition->end = end;
		partition->looked = progress->looked;
		log_age_see(&partition->age, end, progress->looked_monotonic);
		log_age_reach(&partition->age,
			      partition->position > begin ? partition->position : begin);
	}
	pthread_mutex_unlock(&progress->lock);
}

static bool is_doubtful(struct progress *progress, const struct partition *partition, int64_t now)
{
	if (!progress_is_ours(progress, partition) || partition->end == UNKNOWN ||
	    partition->asked || partition->target != UNKNOWN)
		return false;
	if (!partition->verified || partition->stuck || partition->odd)
		return true;
	if (now - partition->checked < CHECK_PERIOD || progress->checks >= CHECKS_A_LOOK)
		return false;
	progress->checks++;
	return true;
}

bool progress_next_doubt(struct progress *progress, struct log_place *place)
{
	bool found = false;
	int64_t now = moment_monotonic();
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->count && !found; i++) {
		struct partition *each = &progress->partitions[i];
		if (strcmp(each->cluster, progress->cluster) != 0 ||
		    !is_doubtful(progress, each, now))
			continue;
		/* The position of before begin and end were asked for; the marks of now. */
		*place = (struct log_place){.topic = each->topic,
					    .partition = each->number,
					    .position = each->seen,
					    .begin = each->begin,
					    .end = each->end,
					    .marks = each->marks};
		each->asked = found = true;
	}
	pthread_mutex_unlock(&progress->lock);
	return found;
}

static void count_change(const struct partition *partition, const char *kind)
{
	char labels[320];
	snprintf(labels, sizeof(labels), "topic=\"%s\",kind=\"%s\"", partition->topic, kind);
	metric_add(metric_get(METRIC_COUNTER, "weir_indexer_log_changes_total", labels,
			      "Partitions whose log was found to be another one (anew) or to have "
			      "lost its tail (truncated)."),
		   1);
}

/* The log is not the one of the position. */
static void turn_back(struct partition *partition, const struct log_place *place, bool anew)
{
	partition->target = anew ? place->begin : place->marks.anchor.offset + 1;
	partition->target_marks = LOG_MARKS_NONE;
	if (!anew)
		partition->target_marks.anchor = partition->target_marks.last = place->marks.anchor;
	count_change(partition, anew ? "anew" : "truncated");
	log_warning("log",
		    "state=%s topic=%s partition=%d position=%lld begin=%lld end=%lld "
		    "goes_on_at=%lld reason=%s",
		    anew ? "anew" : "truncated", partition->topic, partition->number,
		    (long long)place->position, (long long)place->begin, (long long)place->end,
		    (long long)partition->target,
		    anew ? LOG_TEXT("this is not the log that the index's position was taken in: "
				    "the topic was made anew, and is read from its beginning")
			 : LOG_TEXT("the log lost messages at its end that the index had read: it "
				    "is read again from the last message that is known"));
}

/* Retention (or DeleteRecords) was faster. Offsets of markers and of compacted messages are among
 * those between, so there may have been fewer messages. */
static void tell_lost(struct partition *partition, const struct log_place *place, int64_t from)
{
	char labels[320];
	long long count = (long long)(place->begin - from);
	snprintf(labels, sizeof(labels), "topic=\"%s\"", partition->topic);
	metric_add(metric_get(METRIC_COUNTER, "weir_indexer_lost_messages_total", labels,
			      "Offsets that were removed from the log before they were indexed."),
		   count);
	log_error("lost",
		  "topic=%s partition=%d from=%lld to=%lld messages=%lld goes_on_at=%lld reason=%s",
		  partition->topic, partition->number, (long long)from, (long long)place->begin - 1,
		  count, (long long)place->begin,
		  LOG_TEXT("they were removed from the log before they were indexed: retention is "
			   "too short"));
	health_set_note("lost",
			"%lld messages of %s partition %d, offsets %lld to %lld, were "
			"removed from the log before they were indexed",
			count, partition->topic, partition->number, (long long)from,
			(long long)place->begin - 1);
	partition->target = place->begin;
	partition->target_marks = LOG_MARKS_NONE;
}

/* The position belongs to this log. */
static void go_on(struct partition *partition, const struct log_place *place, bool last_seen)
{
	if (last_seen || partition->marks.anchor.offset < place->begin)
		partition->marks.anchor = place->marks.last;
	/* Until it is stuck, the client may still have messages that the log has no more. */
	bool may_tell = partition->stuck || !partition->verified;
	if (may_tell && partition->position != UNKNOWN && partition->position < place->begin)
		tell_lost(partition, place, partition->position);
	else if (partition->stuck) { /* it was there in time again */
		partition->target =
			partition->position != UNKNOWN ? partition->position : place->begin;
		partition->target_marks = partition->marks;
	}
}

/* Rewound, or given away and back, since the question. */
static bool is_past(const struct partition *partition, const struct log_place *place)
{
	return partition->target != UNKNOWN || partition->position < place->position ||
	       !log_mark_equal(&partition->marks.anchor, &place->marks.anchor);
}

void progress_judged(struct progress *progress, const struct log_place *place,
		     enum log_verdict verdict, bool last_seen)
{
	if (verdict == LOG_AWAY)
		return;
	pthread_mutex_lock(&progress->lock);
	struct partition *partition =
		progress_partition(progress, progress->cluster, place->topic, place->partition);
	if (partition != NULL && !is_past(partition, place)) {
		bool was_verified = partition->verified;
		if (verdict == LOG_SAME)
			go_on(partition, place, last_seen);
		else
			turn_back(partition, place, verdict == LOG_ANEW);
		partition->checked = moment_monotonic();
		partition->stuck = partition->odd = false;
		partition->verified = true;
		if (!was_verified && partition->target == UNKNOWN)
			progress->generation++;
	}
	pthread_mutex_unlock(&progress->lock);
}

void progress_set_stuck(struct progress *progress, const char *topic, int32_t number)
{
	pthread_mutex_lock(&progress->lock);
	struct partition *partition =
		progress_partition(progress, progress->cluster, topic, number);
	if (partition != NULL)
		partition->stuck = true;
	pthread_mutex_unlock(&progress->lock);
}

bool progress_next_rewind(struct progress *progress, struct log_place *place)
{
	bool found = false;
	if (progress->cluster == NULL)
		return false;
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->count && !found; i++) {
		const struct partition *each = &progress->partitions[i];
		found = each->target != UNKNOWN && progress_is_ours(progress, each);
		if (found)
			*place = (struct log_place){.topic = each->topic,
						    .partition = each->number,
						    .position = each->target,
						    .begin = each->begin,
						    .end = each->end,
						    .marks = each->target_marks};
	}
	pthread_mutex_unlock(&progress->lock);
	return found;
}

void progress_rewound(struct progress *progress, const struct log_place *place)
{
	pthread_mutex_lock(&progress->lock);
	struct partition *partition =
		progress_partition(progress, progress->cluster, place->topic, place->partition);
	if (partition != NULL) {
		partition->position = place->position;
		partition->marks = place->marks;
		partition->target = UNKNOWN;
		partition->whole = INT64_MIN;
		log_age_init(&partition->age);
		partition->moved = moment_monotonic();
		progress->rewinds++;
		progress->generation++;
	}
	pthread_mutex_unlock(&progress->lock);
}

unsigned progress_rewinds(struct progress *progress)
{
	pthread_mutex_lock(&progress->lock);
	unsigned rewinds = progress->rewinds;
	pthread_mutex_unlock(&progress->lock);
	return rewinds;
}
