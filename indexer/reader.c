/* SPDX-License-Identifier: MIT
 *
 * Concurrency: reader.h says which thread owns what. Under `lock`: hold, standing, ended, waiting,
 * handed, spare. `news`, `group_waits` and `behind` are atomic, `held` is the indexing thread's.
 * The rest is of whoever owns the batch that is filled.
 *
 * Modes. Live: a batch is handed over when its time is over. Behind: batches fill before, and the
 * more messages a commit takes, the less each costs; so the limit grows to a part of the lag, with
 * batch_count as the upper bound. No further, because what arrives when the lag ends waits for such
 * a commit. A batch that is handed over without being full ends it. */
#include "reader.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
#include "log.h"
#include "metrics.h"
#include "moment.h"
#include "stop_point.h"

enum {
	POLL_MS = 100, /* how long a hold waits at most */
	OVERDUE_POLL_MS = 5,
	SERVE_AFTER_MS = 2000, /* a full batch waits for the engine; then the client is served */
	LIVE_COUNT = 1024,
	LAG_PARTS = 4,
};
/* Without a word of the indexing thread for so long, it hangs in the engine: then Kafka's client is
 * not polled, so that max.poll.interval.ms counts, and the group gives the partitions to others. */
#define DESERTED INT64_C(1000000)
#define TELL_PERIOD (INT64_C(10) * 1000000)

struct reader {
	struct reader_options options;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t to_reading, to_indexing;
	bool hold, standing, ended, waiting;
	struct batch batches[2];
	struct batch *filling, *spare, *handed;
	_Atomic bool news, group_waits;
	_Atomic int64_t attended; /* moment_monotonic: the indexing thread came by */
	bool held;
	size_t batch_count, batch_bytes, limit;
	int64_t batch_time;
	int64_t began; /* moment_monotonic, when the first message came */
	_Atomic bool behind;
	int64_t told;	  /* moment_monotonic, when a change of mode was last logged */
	unsigned changes; /* of mode since then */
	bool starved, serving;
	struct metric *collected, *collect_seconds, *decode_seconds, *behind_gauge;
};

static bool is_full(const struct reader *reader)
{
	return reader->filling->count >= reader->limit ||
	       reader->filling->bytes >= reader->batch_bytes;
}

static bool is_over(const struct reader *reader)
{
	return reader->filling->count > 0 &&
	       moment_monotonic() - reader->began >= reader->batch_time;
}

/* Without memory nothing is asked for: it stays where it is. */
static bool has_room(struct reader *reader, int timeout_ms)
{
	struct weir_error error;
	if (batch_reserve(reader->filling, &error) == WEIR_OK) {
		if (reader->starved)
			health_set_good("memory");
		reader->starved = false;
		return true;
	}
	health_set_bad("memory", "collect: %s", error.message);
	if (!reader->starved)
		log_error("collect", "reason=%s", LOG_TEXT(error.message));
	reader->starved = true;
	nanosleep(&(struct timespec){.tv_nsec = timeout_ms * 1000000L}, NULL);
	return false;
}

static void note_news(struct reader *reader)
{
	const struct consumer *consumer = reader->options.consumer;
	atomic_store(&reader->group_waits, consumer_handover(consumer) != HANDOVER_NONE);
	atomic_store(&reader->news, consumer_has_news(consumer));
}

/* One message from Kafka into the batch; false: none came. */
static bool take_message(struct reader *reader, int timeout_ms)
{
	if (!has_room(reader, timeout_ms))
		return false;
	rd_kafka_message_t *message = consumer_poll(reader->options.consumer, timeout_ms);
	note_news(reader);
	if (message == NULL)
		return false;
	if (reader->filling->count == 0)
		reader->began = moment_monotonic();
	batch_add(reader->filling, message);
	metric_add(reader->collected, 1);
	return true;
}

/* Without memory the indexing thread decodes what is left, and knows what to do about it. */
static void decode(struct reader *reader)
{
	struct batch *batch = reader->filling;
	struct weir_error error;
	size_t from = batch->count;
	while (from > 0 && !batch->items[from - 1].decoded)
		from--;
	if (from == batch->count)
		return;
	int64_t began = moment_monotonic();
	stop_point("indexer.decode.before");
	weir_status status = batch_decode(batch, reader->options.types, from, batch->count, &error);
	stop_point("indexer.decode.after");
	if (status != WEIR_OK)
		log_debug("decode", "reason=%s", LOG_TEXT(error.message));
	metric_observe(reader->decode_seconds, (double)(moment_monotonic() - began) / 1e6);
}

static void tell_mode(struct reader *reader)
{
	int64_t now = moment_monotonic();
	reader->changes++;
	metric_set(reader->behind_gauge, reader->behind ? 1 : 0);
	if (reader->told != 0 && now - reader->told < TELL_PERIOD)
		return;
	log_info("mode", "state=%s batch=%zu changes=%u", reader->behind ? "behind" : "live",
		 reader->limit, reader->changes);
	reader->told = now;
	reader->changes = 0;
}

static size_t at_most(size_t count, size_t limit)
{
	return count < limit ? count : limit;
}

/* The batch is to be handed over: how large may the next one be? */
static void set_limit(struct reader *reader)
{
	bool behind = is_full(reader);
	size_t live = at_most(LIVE_COUNT, reader->batch_count);
	size_t part = behind ? (size_t)consumer_lag(reader->options.consumer) / LAG_PARTS : 0;
	reader->limit = part > live ? at_most(part, reader->batch_count) : live;
	if (behind == reader->behind)
		return;
	reader->behind = behind;
	tell_mode(reader);
}

/* With the lock held, and the indexing thread waiting. */
static void hand_over(struct reader *reader)
{
	assert(reader->handed == NULL && reader->spare != NULL);
	consumer_take_ends(reader->options.consumer, reader->filling->ends);
	if (reader->filling->count > 0) {
		metric_observe(reader->collect_seconds,
			       (double)(moment_monotonic() - reader->began) / 1e6);
		set_limit(reader);
	}
	reader->handed = reader->filling;
	reader->filling = reader->spare;
	reader->spare = NULL;
	reader->waiting = false;
	pthread_cond_signal(&reader->to_indexing);
}

static void wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until)
{
	struct timespec time = {.tv_sec = (time_t)(until / 1000000),
				.tv_nsec = (long)(until % 1000000) * 1000};
	pthread_cond_timedwait(condition, lock, &time);
}

/* Until the indexing thread wants something; false: not in time. */
static bool wait_for_demand(struct reader *reader, int timeout_ms)
{
	int64_t until = moment_monotonic() + timeout_ms * INT64_C(1000);
	pthread_mutex_lock(&reader->lock);
	while (!reader->waiting && !reader->hold && moment_monotonic() < until)
		wait_until(&reader->to_reading, &reader->lock, until);
	bool wanted = reader->waiting || reader->hold;
	pthread_mutex_unlock(&reader->lock);
	return wanted;
}

static bool is_deserted(struct reader *reader)
{
	return moment_monotonic() - atomic_load(&reader->attended) > DESERTED;
}

/* The batch is full. It waits for the engine; when that takes long, Kafka's client is served
 * meanwhile, fetching stopped, and what was on its way is kept. */
static void serve(struct reader *reader)
{
	decode(reader);
	if (!reader->serving)
		reader->serving = !wait_for_demand(reader, SERVE_AFTER_MS);
	if (!reader->serving)
		return;
	consumer_pause(reader->options.consumer, true);
	take_message(reader, POLL_MS);
}

static int poll_time(const struct reader *reader)
{
	if (reader->filling->count == 0)
		return POLL_MS;
	int64_t left = reader->began + reader->batch_time - moment_monotonic();
	if (left <= 0)
		return OVERDUE_POLL_MS;
	return left < POLL_MS * INT64_C(1000) ? (int)((left + 999) / 1000) : POLL_MS;
}

/* Collects a little, without the lock; true: what there is may be handed over. */
static bool collect(struct reader *reader)
{
	if (is_deserted(reader)) {
		wait_for_demand(reader, POLL_MS);
		return true;
	}
	if (is_full(reader)) {
		serve(reader);
		return true;
	}
	reader->serving = false;
	consumer_pause(reader->options.consumer, false);
	bool came = take_message(reader, poll_time(reader));
	bool due = is_full(reader) || is_over(reader) || atomic_load(&reader->news) ||
		   daemon_stopping() || (!came && reader->filling->count == 0);
	/* Else in one go, when it is asked for. */
	if (due && (!came || is_full(reader)))
		decode(reader);
	return due;
}

static bool is_empty(const struct reader *reader)
{
	return reader->filling->count == 0 && !consumer_has_ends(reader->options.consumer);
}

static void *run(void *context)
{
	struct reader *reader = context;
	pthread_mutex_lock(&reader->lock);
	while (!reader->ended) {
		if (reader->hold) {
			reader->standing = true;
			pthread_cond_signal(&reader->to_indexing);
			pthread_cond_wait(&reader->to_reading, &reader->lock);
			continue;
		}
		pthread_mutex_unlock(&reader->lock);
		bool due = collect(reader) && !is_empty(reader);
		pthread_mutex_lock(&reader->lock);
		if (atomic_load(&reader->news)) /* whoever waits is to look */
			pthread_cond_signal(&reader->to_indexing);
		if (!due || !reader->waiting)
			continue;
		pthread_mutex_unlock(&reader->lock);
		decode(reader);
		pthread_mutex_lock(&reader->lock);
		if (reader->waiting)
			hand_over(reader);
	}
	pthread_mutex_unlock(&reader->lock);
	return NULL;
}

static void attend(struct reader *reader)
{
	atomic_store(&reader->attended, moment_monotonic());
}

void reader_hold(struct reader *reader)
{
	attend(reader);
	pthread_mutex_lock(&reader->lock);
	reader->hold = true;
	pthread_cond_signal(&reader->to_reading);
	while (!reader->standing)
		pthread_cond_wait(&reader->to_indexing, &reader->lock);
	pthread_mutex_unlock(&reader->lock);
	reader->held = true;
}

void reader_release(struct reader *reader)
{
	attend(reader);
	note_news(reader);
	reader->held = false;
	pthread_mutex_lock(&reader->lock);
	reader->hold = reader->standing = false;
	pthread_cond_signal(&reader->to_reading);
	pthread_mutex_unlock(&reader->lock);
}

/* Held, so the caller has both batches. */
static struct batch *take_collected(struct reader *reader)
{
	if (is_empty(reader))
		return NULL;
	decode(reader);
	pthread_mutex_lock(&reader->lock);
	hand_over(reader);
	struct batch *batch = reader->handed;
	reader->handed = NULL;
	pthread_mutex_unlock(&reader->lock);
	return batch;
}

struct batch *reader_take(struct reader *reader, int timeout_ms)
{
	int64_t until = moment_monotonic() + timeout_ms * INT64_C(1000);
	if (reader->held)
		return take_collected(reader);
	attend(reader);
	pthread_mutex_lock(&reader->lock);
	reader->waiting = true;
	pthread_cond_signal(&reader->to_reading);
	while (reader->handed == NULL && !atomic_load(&reader->news) && moment_monotonic() < until)
		wait_until(&reader->to_indexing, &reader->lock, until);
	reader->waiting = false;
	struct batch *batch = reader->handed;
	reader->handed = NULL;
	pthread_mutex_unlock(&reader->lock);
	return batch;
}

void reader_give_back(struct reader *reader, struct batch *batch)
{
	assert(batch_is_empty(batch));
	attend(reader);
	pthread_mutex_lock(&reader->lock);
	assert(reader->spare == NULL);
	reader->spare = batch;
	pthread_mutex_unlock(&reader->lock);
}

bool reader_has_news(const struct reader *reader)
{
	return atomic_load(&reader->news);
}

bool reader_group_waits(const struct reader *reader)
{
	return reader->held ? consumer_handover(reader->options.consumer) != HANDOVER_NONE
			    : atomic_load(&reader->group_waits);
}

void reader_wait(struct reader *reader, int timeout_ms)
{
	int64_t until = moment_monotonic() + timeout_ms * INT64_C(1000);
	if (reader->held) {
		consumer_pause(reader->options.consumer, true);
		take_message(reader, timeout_ms);
		return;
	}
	attend(reader);
	pthread_mutex_lock(&reader->lock);
	while (!atomic_load(&reader->group_waits) && moment_monotonic() < until)
		wait_until(&reader->to_indexing, &reader->lock, until);
	pthread_mutex_unlock(&reader->lock);
}

bool reader_is_behind(const struct reader *reader)
{
	return atomic_load(&reader->behind);
}

size_t reader_collected(const struct reader *reader)
{
	return reader->filling->count;
}

void reader_drop(struct reader *reader)
{
	metric_add(reader->collected, -(int64_t)reader->filling->count);
	batch_drop(reader->filling, reader->filling->count);
}

static void make_metrics(struct reader *reader)
{
	const char *step = "Time that a batch spends in each step.";
	reader->collect_seconds =
		metric_get(METRIC_HISTOGRAM, "weir_indexer_step_seconds", "step=\"collect\"", step);
	reader->decode_seconds =
		metric_get(METRIC_HISTOGRAM, "weir_indexer_step_seconds", "step=\"decode\"", step);
	reader->collected = metric_get(METRIC_GAUGE, "weir_indexer_collected_messages", NULL,
				       "Messages read and not yet committed.");
	reader->behind_gauge = metric_get(METRIC_GAUGE, "weir_indexer_behind", NULL,
					  "1: batches fill before their time is over, and may grow "
					  "to batch_count; 0: each is committed in batch_time.");
}

static void free_reader(struct reader *reader)
{
	for (size_t i = 0; i < 2; i++)
		batch_finish(&reader->batches[i]);
	pthread_cond_destroy(&reader->to_reading);
	pthread_cond_destroy(&reader->to_indexing);
	pthread_mutex_destroy(&reader->lock);
	free(reader);
}

weir_status reader_create(const struct reader_options *options, struct reader **reader,
			  struct weir_error *error)
{
	struct reader *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->options = *options;
	pthread_mutex_init(&made->lock, NULL);
	moment_condition_init(&made->to_reading);
	moment_condition_init(&made->to_indexing);
	made->hold = true;
	attend(made);
	made->filling = &made->batches[0];
	made->spare = &made->batches[1];
	made->batch_count = (size_t)config_integer(options->config, "indexer", "batch_count");
	made->batch_bytes = (size_t)config_size(options->config, "indexer", "batch_bytes");
	made->batch_time = config_duration(options->config, "indexer", "batch_time");
	made->limit = at_most(LIVE_COUNT, made->batch_count);
	make_metrics(made);
	weir_status status = batch_init(&made->batches[0], options->schema, error);
	if (status == WEIR_OK)
		status = batch_init(&made->batches[1], options->schema, error);
	int failure = status == WEIR_OK ? pthread_create(&made->thread, NULL, run, made) : 0;
	if (failure != 0)
		status = err_set(error, WEIR_SYSTEM, "a thread cannot be made: %s",
				 strerror(failure));
	if (status != WEIR_OK) {
		free_reader(made);
		return status;
	}
	*reader = made;
	return WEIR_OK;
}

void reader_destroy(struct reader *reader)
{
	if (reader == NULL)
		return;
	pthread_mutex_lock(&reader->lock);
	reader->ended = true;
	pthread_cond_signal(&reader->to_reading);
	pthread_mutex_unlock(&reader->lock);
	pthread_join(reader->thread, NULL);
	free_reader(reader);
}
