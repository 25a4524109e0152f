/* SPDX-License-Identifier: MIT
 *
 * Concurrency: the indexing thread owns the engine's writer, the applier, the dead letters, and the
 * batch that it took from the reading thread (reader.h), which meanwhile collects and decodes the
 * next. For what the log, the group or the end of the process ask, it has the reading thread hold,
 * commits all that was collected, and then owns the consumer too: so whatever touches positions
 * happens in one thread, with nothing on its way. Batches are committed in the order of the log;
 * one that is not is tried again, or dropped with all behind it. `failed` is written by the
 * indexing thread and read after the join; `leaving` is atomic. */
#include "pipeline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "daemon.h"
#include "log.h"
#include "metrics.h"
#include "moment.h"
#include "reader.h"
#include "stop_point.h"

enum {
	IDLE_WAIT_MS = 100,
	BACKOFF_FIRST_MS = 100,
	BACKOFF_LAST_MS = 10000,
	DOUBTS_TO_CONDEMN = 2,
	UPKEEP_BUDGET_MS = 50,
};
#define SECOND INT64_C(1000000)
#define LOOK_PERIOD (3 * SECOND)
#define SHRINK_AFTER (2 * SECOND)

struct pipeline {
	struct pipeline_options options;
	pthread_t thread;
	struct applier *applier;
	struct type_log *types;
	struct reader *reader;
	struct batch *batch;		       /* taken, and not wholly committed; NULL: none */
	rd_kafka_topic_partition_list_t *ends; /* of partitions; all before them is committed */
	int64_t retention;
	int64_t next_second, next_look, next_minute; /* moment_monotonic */
	int take_tries; /* at reading the positions for partitions that the group gave */
	bool unsynced, ungrouped;
	int64_t shrink_at; /* moment_monotonic; 0: no batch was large since */
	bool failed;
	_Atomic bool leaving; /* the process goes on with another index */
	struct log_once trouble;
	struct metric *messages_histogram, *bytes_histogram, *collected, *failures;
};

/* The document that a batch cannot be committed with, while it is looked for. */
struct search {
	size_t from, count; /* items that are to be committed */
	size_t bad;	    /* [from, bad) cannot be committed together; 0: none is known */
	int doubts;	    /* how often the item at from alone was seen to be at fault */
	int tries;	    /* without getting further */
};

static bool ending(const struct pipeline *pipeline)
{
	return daemon_stopping() || atomic_load(&pipeline->leaving);
}

static void note_trouble(struct pipeline *pipeline, const char *event, const char *reason)
{
	health_set_bad("index", "%s: %s", event, reason);
	if (log_once_failing(&pipeline->trouble))
		log_error(event, "reason=%s", LOG_TEXT(reason));
}

static void note_recovery(struct pipeline *pipeline)
{
	health_set_good("index");
	if (log_once_recovered(&pipeline->trouble))
		log_info("recovered", "after_ms=%lld",
			 (long long)((moment_now() - pipeline->trouble.since) / 1000));
}

/* The engine is damaged or of another version: nobody is helped by trying again. */
static void give_up(struct pipeline *pipeline, const struct weir_error *error)
{
	note_trouble(pipeline, "fatal", error->message);
	pipeline->failed = true;
	daemon_stop();
}

static bool may_write(void *context)
{
	const struct pipeline *pipeline = context;
	return !consumer_lost(pipeline->options.consumer);
}

/* The group moves partitions, and its other members wait for us. */
static bool group_waits(const struct pipeline *pipeline)
{
	return reader_group_waits(pipeline->reader);
}

static bool wait_for_letters(void *context)
{
	const struct pipeline *pipeline = context;
	reader_wait(pipeline->reader, 0);
	return !ending(pipeline) && !group_waits(pipeline);
}

static int64_t wait_before(int tries)
{
	int64_t wait = BACKOFF_FIRST_MS;
	for (int i = 1; i < tries && wait < BACKOFF_LAST_MS; i++)
		wait *= 2;
	return (wait < BACKOFF_LAST_MS ? wait : BACKOFF_LAST_MS) * 1000;
}

/* Sleeps, served; returns early when the process stops or the group waits. */
static void back_off(struct pipeline *pipeline, int tries)
{
	int64_t until = moment_monotonic() + wait_before(tries);
	while (!ending(pipeline) && !group_waits(pipeline) && moment_monotonic() < until)
		reader_wait(pipeline->reader, IDLE_WAIT_MS);
}

/* What the engine refused is dropped, as weir/backend.h asks; the host does it again later. */
static void abandon(struct pipeline *pipeline, const char *event, const struct weir_error *error)
{
	const struct backend *backend = pipeline->options.backend;
	struct weir_error second;
	note_trouble(pipeline, event, error->message);
	if (backend->plugin->operations.abandon(backend->instance, &second) != WEIR_OK)
		log_debug("abandon", "reason=%s", LOG_TEXT(second.message));
}

/* Can the engine commit at all? Then what fails is in the documents. */
static bool engine_commits(struct pipeline *pipeline)
{
	const struct backend *backend = pipeline->options.backend;
	struct weir_error error;
	if (backend->plugin->operations.commit(backend->instance, NULL, 0, &error) == WEIR_OK)
		return true;
	abandon(pipeline, "commit", &error);
	return false;
}

/* Which part of a batch is committed next: everything, or half of what was seen to fail. */
static size_t next_end(const struct search *search)
{
	if (search->bad == 0)
		return search->count;
	return search->from + (search->bad - search->from + 1) / 2;
}

static void note_committed(struct search *search, size_t to)
{
	search->from = to;
	search->tries = 0;
	/* What is left of the part that failed is at fault. When that is one, it is suspected. */
	if (search->bad <= to)
		search->bad = 0;
	search->doubts = search->bad == to + 1 ? 1 : 0;
}

/* The engine refused the items [from, to) and commits otherwise: the document is looked for. Alone
 * and suspected before, it becomes a dead letter. */
static weir_status note_refused(struct pipeline *pipeline, struct search *search, size_t to,
				const char *why, struct weir_error *error)
{
	struct item *item = &pipeline->batch->items[search->from];
	char reason[512];
	search->bad = to;
	if (to - search->from > 1)
		return WEIR_OK;
	search->tries++;
	if (item->letter != NULL || ++search->doubts < DOUBTS_TO_CONDEMN)
		return WEIR_OK;
	snprintf(reason, sizeof(reason), "the index cannot commit it: %.400s", why);
	search->bad = 0;
	search->doubts = search->tries = 0;
	return item_reject(item, reason, error);
}

/* Ours or the engine's, which has no status of its own for it. */
static bool is_no_memory(weir_status status, const struct weir_error *error)
{
	return status == WEIR_NO_MEMORY ||
	       (status == WEIR_RETRY && strstr(error->message, "out of memory") != NULL);
}

/* After a commit that failed; false: leave it for now. */
static bool mend_failure(struct pipeline *pipeline, struct search *search, size_t to,
			 weir_status status, struct weir_error *error)
{
	struct weir_error second;
	metric_add(pipeline->failures, 1);
	if (status == WEIR_FATAL)
		give_up(pipeline, error);
	if (ending(pipeline))
		return false;
	if (!may_write(pipeline)) {
		reader_wait(pipeline->reader, IDLE_WAIT_MS); /* until it is told what was lost */
		return false;
	}
	note_trouble(pipeline, "commit", error->message);
	if (group_waits(pipeline))
		return false;
	bool no_memory = is_no_memory(status, error);
	if (no_memory)
		batch_forget_changes(pipeline->batch);
	if (no_memory && to - search->from > 1) {
		search->bad = to; /* less at a time may fit */
	} else if (status == WEIR_RETRY && !no_memory && engine_commits(pipeline)) {
		if (note_refused(pipeline, search, to, error->message, &second) != WEIR_OK)
			note_trouble(pipeline, "commit", second.message);
	} else {
		search->bad = 0;
		search->doubts = 0;
		search->tries++;
	}
	if (search->tries > 0)
		back_off(pipeline, search->tries);
	return true;
}

/* Commits the first count items, however often it takes, and answers how many it did: fewer when
 * the process stops or the group moves partitions. A document that the engine cannot commit is
 * found by halving, so that it does not take its neighbours with it: of n, 1 + log2(n) commits find
 * it, one more makes sure, and one commits the rest. */
static size_t commit_items(struct pipeline *pipeline, size_t count)
{
	struct search search = {.count = count};
	struct weir_error error = {""};
	while (search.from < count) {
		size_t to = next_end(&search);
		weir_status status =
			applier_run(pipeline->applier, pipeline->batch, search.from, to, &error);
		if (status == WEIR_OK)
			note_committed(&search, to);
		else if (!mend_failure(pipeline, &search, to, status, &error))
			return search.from;
		if (status == WEIR_OK && search.bad == 0)
			note_recovery(pipeline);
	}
	return count;
}

/* The batch is empty: the reading thread may fill it. */
static void give_back(struct pipeline *pipeline)
{
	reader_give_back(pipeline->reader, pipeline->batch);
	pipeline->batch = NULL;
}

static void forget_ends(struct pipeline *pipeline)
{
	for (int i = pipeline->ends->cnt - 1; i >= 0; i--)
		rd_kafka_topic_partition_list_del_by_idx(pipeline->ends, i);
}

/* Everything before them is committed now. */
static void note_ends(struct pipeline *pipeline)
{
	const rd_kafka_topic_partition_list_t *met = pipeline->batch->ends;
	for (int i = 0; i < met->cnt; i++) {
		const rd_kafka_topic_partition_t *each = &met->elems[i];
		rd_kafka_topic_partition_t *end = rd_kafka_topic_partition_list_find(
			pipeline->ends, each->topic, each->partition);
		if (end == NULL)
			end = rd_kafka_topic_partition_list_add(pipeline->ends, each->topic,
								each->partition);
		end->offset = each->offset;
	}
}

/* Takes a batch, unless there is one that was not wholly committed. */
static bool take_batch(struct pipeline *pipeline, int timeout_ms)
{
	if (pipeline->batch != NULL)
		return true;
	pipeline->batch = reader_take(pipeline->reader, timeout_ms);
	if (pipeline->batch == NULL)
		return false;
	if (pipeline->batch->count > 0) {
		metric_observe(pipeline->messages_histogram, (double)pipeline->batch->count);
		metric_observe(pipeline->bytes_histogram, (double)pipeline->batch->bytes);
	}
	return true;
}

/* False: it is not committed wholly, and kept. */
static bool commit_batch(struct pipeline *pipeline)
{
	struct batch *batch = pipeline->batch;
	size_t committed = commit_items(pipeline, batch->count);
	if (committed > 0)
		pipeline->unsynced = pipeline->ungrouped = true;
	metric_add(pipeline->collected, -(int64_t)committed);
	if (committed == batch->count)
		note_ends(pipeline);
	batch_drop(batch, committed);
	if (batch->count > 0)
		return false;
	give_back(pipeline);
	return true;
}

/* Held: everything that was collected, in its order. False: something is left. */
static bool commit_collected(struct pipeline *pipeline)
{
	while (take_batch(pipeline, 0))
		if (!commit_batch(pipeline))
			return false;
	return true;
}

/* Held: what is left of it. */
static size_t count_collected(const struct pipeline *pipeline)
{
	return reader_collected(pipeline->reader) +
	       (pipeline->batch != NULL ? pipeline->batch->count : 0);
}

/* Held: the partitions are assigned anew, or the process ends. */
static void drop_collected(struct pipeline *pipeline)
{
	if (pipeline->batch != NULL) {
		metric_add(pipeline->collected, -(int64_t)pipeline->batch->count);
		batch_drop(pipeline->batch, pipeline->batch->count);
		give_back(pipeline);
	}
	reader_drop(pipeline->reader);
	forget_ends(pipeline);
}

static weir_status commit_position(struct pipeline *pipeline, const char *topic, int32_t partition,
				   int64_t offset, const struct log_marks *marks,
				   struct weir_error *error)
{
	char topic_id[LOG_MARKS_SIZE];
	const struct backend *backend = pipeline->options.backend;
	struct progress *progress = pipeline->options.progress;
	struct weir_position position = {.cluster = progress_cluster(progress),
					 .topic = topic,
					 .topic_id = log_marks_write(marks, topic_id),
					 .partition = partition,
					 .next_offset = offset};
	const struct weir_position *pointer = &position;
	weir_status status =
		backend->plugin->operations.commit(backend->instance, &pointer, 1, error);
	if (status != WEIR_OK)
		return status;
	pipeline->unsynced = pipeline->ungrouped = true;
	return WEIR_OK;
}

/* The position alone moves; the last message before it is the same. */
static weir_status move_position(struct pipeline *pipeline, const rd_kafka_topic_partition_t *place,
				 struct weir_error *error)
{
	struct progress *progress = pipeline->options.progress;
	struct log_marks marks = progress_marks(progress, place->topic, place->partition);
	weir_status status = commit_position(pipeline, place->topic, place->partition,
					     place->offset, &marks, error);
	if (status == WEIR_OK)
		progress_committed(progress, place->topic, place->partition, place->offset, &marks);
	return status;
}

/* The log is not what it was at the index's position, and the watching thread found where to go on.
 * The index says so before anything is read there: a reader that compares it with the log is never
 * told that nothing is missing. */
static bool rewind_positions(struct pipeline *pipeline)
{
	struct progress *progress = pipeline->options.progress;
	struct log_place place;
	struct weir_error error;
	while (may_write(pipeline) && progress_next_rewind(progress, &place)) {
		if (commit_position(pipeline, place.topic, place.partition, place.position,
				    &place.marks, &error) != WEIR_OK) {
			abandon(pipeline, "commit", &error);
			return false;
		}
		progress_rewound(progress, &place);
	}
	return true;
}

/* Ends of partitions beyond the last message, as after a transaction: the index should know, or the
 * lag would never be nothing. Done when nothing else is to be committed. */
static bool settle_ends(struct pipeline *pipeline)
{
	struct weir_error error;
	for (int i = 0; i < pipeline->ends->cnt && may_write(pipeline); i++) {
		const rd_kafka_topic_partition_t *end = &pipeline->ends->elems[i];
		if (!progress_at_end(pipeline->options.progress, end->topic, end->partition,
				     end->offset))
			continue;
		if (move_position(pipeline, end, &error) != WEIR_OK) {
			abandon(pipeline, "commit", &error);
			return false;
		}
	}
	forget_ends(pipeline);
	return true;
}

static bool sync_index(struct pipeline *pipeline)
{
	const struct backend *backend = pipeline->options.backend;
	struct weir_error error;
	if (!pipeline->unsynced)
		return true;
	stop_point("indexer.sync.before");
	if (backend->plugin->operations.sync != NULL &&
	    backend->plugin->operations.sync(backend->instance, &error) != WEIR_OK) {
		note_trouble(pipeline, "sync", error.message);
		return false;
	}
	stop_point("indexer.sync.after");
	pipeline->unsynced = false;
	return true;
}

/* Tombstones go when they are old enough by our clock and every partition was read to its end since
 * they were applied: no older create can still be on its way. */
static bool expire(struct pipeline *pipeline)
{
	const struct backend *backend = pipeline->options.backend;
	struct weir_error error;
	uint64_t removed = 0;
	int64_t before = moment_now() - pipeline->retention;
	int64_t all_read = progress_all_read(pipeline->options.progress);
	if (all_read < before)
		before = all_read;
	if (all_read == INT64_MIN)
		return true;
	stop_point("indexer.expire.before");
	weir_status status =
		backend->plugin->operations.expire(backend->instance, before, &removed, &error);
	stop_point("indexer.expire.after");
	if (status == WEIR_OK && removed > 0)
		status = backend->plugin->operations.commit(backend->instance, NULL, 0, &error);
	if (status != WEIR_OK)
		abandon(pipeline, "expire", &error);
	else if (removed > 0)
		log_info("expire", "tombstones=%llu", (unsigned long long)removed);
	stop_point("indexer.expire.committed");
	return status == WEIR_OK;
}

static int on_stat(void *context, const char *name, double value)
{
	(void)context;
	char metric[128];
	snprintf(metric, sizeof(metric), "weir_index_%.100s", name);
	metric_set(metric_get(METRIC_GAUGE, metric, NULL, "Told by the engine."), value);
	return 0;
}

/* The index's positions are looked at now and then: others' tell how far they are, and ours may
 * have been overwritten by an indexer that was stopped, lost its partitions and does not know it
 * yet. What it wrote is true and old; ours are written again, for those who read them. */
static bool watch_positions(struct pipeline *pipeline)
{
	struct progress *progress = pipeline->options.progress;
	struct weir_error error;
	weir_status status = progress_load(progress, pipeline->options.backend, &error);
	if (status != WEIR_OK) {
		note_trouble(pipeline, "positions", error.message);
		return false;
	}
	rd_kafka_topic_partition_list_t *list = progress_overwritten(progress);
	for (int i = 0; i < list->cnt && status == WEIR_OK && may_write(pipeline); i++) {
		const rd_kafka_topic_partition_t *each = &list->elems[i];
		log_info("positions", "topic=%s partition=%d position=%lld state=written_again",
			 each->topic, each->partition, (long long)each->offset);
		status = move_position(pipeline, each, &error);
	}
	rd_kafka_topic_partition_list_destroy(list);
	if (status != WEIR_OK)
		abandon(pipeline, "commit", &error);
	return status == WEIR_OK;
}

/* What large batches had is given back when they are over: malloc itself keeps most of it. */
static void shrink(struct pipeline *pipeline, int64_t now)
{
	if (reader_is_behind(pipeline->reader)) {
		pipeline->shrink_at = now + SHRINK_AFTER;
	} else if (pipeline->shrink_at != 0 && now >= pipeline->shrink_at) {
		pipeline->shrink_at = 0;
#ifdef __GLIBC__
		malloc_trim(0);
#endif
	}
}

/* Between batches, about once a second. False: something failed, and health says what. */
static bool keep_house(struct pipeline *pipeline, bool idle)
{
	const struct backend *backend = pipeline->options.backend;
	struct weir_error error;
	int64_t now = moment_monotonic();
	bool good = true;
	if (idle && backend->plugin->operations.maintain != NULL &&
	    backend->plugin->operations.maintain(backend->instance, UPKEEP_BUDGET_MS, &error) !=
		    WEIR_OK) {
		abandon(pipeline, "maintain", &error);
		good = false;
	}
	if (now < pipeline->next_second)
		return good;
	pipeline->next_second = now + SECOND;
	good = sync_index(pipeline) && good;
	if (!pipeline->unsynced && pipeline->ungrouped) {
		consumer_commit_group(pipeline->options.consumer, false);
		pipeline->ungrouped = false;
	}
	if (pipeline->options.shared && now >= pipeline->next_look) {
		pipeline->next_look = now + LOOK_PERIOD;
		good = watch_positions(pipeline) && good;
	}
	progress_report(pipeline->options.progress);
	shrink(pipeline, now);
	if (now < pipeline->next_minute)
		return good;
	int64_t period = pipeline->retention < 60 * SECOND ? pipeline->retention : 60 * SECOND;
	pipeline->next_minute = now + period;
	good = expire(pipeline) && good;
	if (backend->plugin->operations.stats(backend->instance, on_stat, NULL, &error) != WEIR_OK)
		log_debug("stats", "reason=%s", LOG_TEXT(error.message));
	return good;
}

/* The group moves partitions. What was collected is committed before they are given up, in one try:
 * the others wait. What could not be is dropped, and read again by whoever gets them. */
static void give_up_partitions(struct pipeline *pipeline, bool lost)
{
	struct consumer *consumer = pipeline->options.consumer;
	if (!lost)
		commit_collected(pipeline);
	if (count_collected(pipeline) > 0)
		log_info("revoke", "dropped=%zu reason=%s", count_collected(pipeline),
			 LOG_TEXT("not committed; whoever has the partitions reads them again"));
	drop_collected(pipeline);
	if (!lost && sync_index(pipeline))
		consumer_commit_group(consumer, false);
	consumer_give_up(consumer);
}

static void follow_group(struct pipeline *pipeline)
{
	struct consumer *consumer = pipeline->options.consumer;
	struct weir_error error;
	enum handover handover = consumer_handover(consumer);
	if (handover == HANDOVER_REVOKED || handover == HANDOVER_LOST)
		give_up_partitions(pipeline, handover == HANDOVER_LOST);
	if (consumer_handover(consumer) != HANDOVER_ASSIGNED)
		return;
	weir_status status =
		progress_load(pipeline->options.progress, pipeline->options.backend, &error);
	if (status == WEIR_OK)
		status = consumer_take(consumer, &error);
	if (status == WEIR_OK) {
		pipeline->take_tries = 0;
		return;
	}
	if (status == WEIR_FATAL || status == WEIR_NO_MEMORY) {
		give_up(pipeline, &error);
		return;
	}
	note_trouble(pipeline, "positions", error.message);
	int64_t until = moment_monotonic() + wait_before(++pipeline->take_tries);
	while (!ending(pipeline) && consumer_handover(consumer) == HANDOVER_ASSIGNED &&
	       moment_monotonic() < until)
		reader_wait(pipeline->reader, IDLE_WAIT_MS);
}

static bool has_cluster(const struct pipeline *pipeline)
{
	return progress_cluster(pipeline->options.progress) != NULL;
}

/* TERM: what was collected is committed, and the group is told. */
static void end_run(struct pipeline *pipeline)
{
	reader_hold(pipeline->reader);
	if (!pipeline->failed)
		commit_collected(pipeline);
	if (count_collected(pipeline) > 0)
		log_warning("stop", "state=leaves messages=%zu reason=%s",
			    count_collected(pipeline),
			    LOG_TEXT("not committed; they are read again"));
	drop_collected(pipeline);
	if (sync_index(pipeline) && has_cluster(pipeline))
		consumer_commit_group(pipeline->options.consumer, true);
}

/* Does the log or the group ask for something that is done with nothing on its way? */
static bool is_asked(const struct pipeline *pipeline)
{
	struct log_place place;
	if (reader_has_news(pipeline->reader) || progress_has_offer(pipeline->options.progress))
		return true;
	return has_cluster(pipeline) && (consumer_is_behind(pipeline->options.consumer) ||
					 progress_next_rewind(pipeline->options.progress, &place));
}

/* What was read and where logs end may be of either cluster. Whatever is not in the index is read
 * again. */
static void follow_cluster(struct pipeline *pipeline)
{
	if (!progress_has_offer(pipeline->options.progress))
		return;
	drop_collected(pipeline);
	if (has_cluster(pipeline))
		consumer_let_go(pipeline->options.consumer);
	progress_take_offer(pipeline->options.progress);
}

/* With the reading thread held. */
static bool follow(struct pipeline *pipeline)
{
	bool good = true;
	follow_cluster(pipeline);
	/* While it fails, Kafka's client is served, and what was on its way comes behind. */
	if (has_cluster(pipeline) && !group_waits(pipeline) && commit_collected(pipeline) &&
	    count_collected(pipeline) == 0 && (good = settle_ends(pipeline))) {
		consumer_tell_stuck(pipeline->options.consumer);
		good = rewind_positions(pipeline);
		consumer_follow_log(pipeline->options.consumer);
	}
	follow_group(pipeline);
	return good;
}

static void *run(void *context)
{
	struct pipeline *pipeline = context;
	reader_release(pipeline->reader);
	while (!ending(pipeline)) {
		bool good = true;
		if (is_asked(pipeline)) {
			reader_hold(pipeline->reader);
			good = follow(pipeline);
			reader_release(pipeline->reader);
		}
		bool taken = take_batch(pipeline, IDLE_WAIT_MS);
		if (taken)
			commit_batch(pipeline);
		else
			good = settle_ends(pipeline) && good;
		good = keep_house(pipeline, !taken) && good;
		if (!taken && good)
			note_recovery(pipeline);
	}
	end_run(pipeline);
	return NULL;
}

static void make_metrics(struct pipeline *pipeline)
{
	pipeline->messages_histogram = metric_get(METRIC_HISTOGRAM, "weir_indexer_batch_messages",
						  NULL, "Messages in a batch.");
	pipeline->bytes_histogram = metric_get(METRIC_HISTOGRAM, "weir_indexer_batch_bytes", NULL,
					       "Bytes of values in a batch.");
	pipeline->failures = metric_get(METRIC_COUNTER, "weir_indexer_commit_failures_total", NULL,
					"Commits that failed and were, or will be, tried again.");
	pipeline->collected = metric_get(METRIC_GAUGE, "weir_indexer_collected_messages", NULL,
					 "Messages read and not yet committed.");
}

static void pipeline_destroy(struct pipeline *pipeline)
{
	reader_destroy(pipeline->reader);
	applier_destroy(pipeline->applier);
	type_log_destroy(pipeline->types);
	rd_kafka_topic_partition_list_destroy(pipeline->ends);
	free(pipeline);
}

static weir_status start_threads(struct pipeline *pipeline, struct weir_error *error)
{
	const struct pipeline_options *options = &pipeline->options;
	struct applier_options applier = {options->schema,	options->backend, options->progress,
					  options->deadletters, pipeline->types,  may_write,
					  wait_for_letters,	pipeline};
	struct reader_options reader = {options->config, options->schema, options->consumer,
					pipeline->types};
	if (pipeline->types == NULL)
		return err_no_memory(error);
	weir_status status = applier_create(&applier, &pipeline->applier, error);
	if (status == WEIR_OK)
		status = reader_create(&reader, &pipeline->reader, error);
	int failure =
		status == WEIR_OK ? pthread_create(&pipeline->thread, NULL, run, pipeline) : 0;
	return failure == 0 ? status
			    : err_set(error, WEIR_SYSTEM, "a thread cannot be made: %s",
				      strerror(failure));
}

weir_status pipeline_start(const struct pipeline_options *options, struct pipeline **pipeline,
			   struct weir_error *error)
{
	struct pipeline *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->options = *options;
	made->retention = config_duration(options->config, "indexer", "tombstone_retention");
	made->ends = rd_kafka_topic_partition_list_new(16);
	made->types = type_log_create();
	make_metrics(made);
	weir_status status = start_threads(made, error);
	if (status != WEIR_OK) {
		pipeline_destroy(made);
		return status;
	}
	*pipeline = made;
	return WEIR_OK;
}

bool pipeline_end(struct pipeline *pipeline)
{
	atomic_store(&pipeline->leaving, true);
	pthread_join(pipeline->thread, NULL);
	bool good = !pipeline->failed;
	pipeline_destroy(pipeline);
	return good;
}
