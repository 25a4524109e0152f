/* SPDX-License-Identifier: MIT
 *
 * Concurrency: one thread asks Kafka and the index once a second, with a client and a reader of its
 * own; what it found is behind `lock`, and so is the wish to stop, with `wake`. Whoever has written
 * what it found compares `looks`, and takes the lock only when there is something new. */
#include "freshness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "kafka.h"
#include "log.h"
#include "log_age.h"
#include "metrics.h"
#include "moment.h"
#include "witness.h"

enum {
	PERIOD_SECONDS = 1,
	ANSWER_TIMEOUT_MS = 1000,
	/* librdkafka's broker thread may notice only a second later that it is to fetch. */
	MESSAGE_TIMEOUT_MS = 3000,
	PARTITION_LIMIT = 1024,
	TOPIC_LIMIT = 64,
};
#define UNKNOWN (-1)
/* Of partitions that seem well, whether they are still of the log that the index has read. */
#define CHECK_PERIOD (INT64_C(5) * 1000000)

struct end {
	const char *topic; /* of freshness->topics */
	int32_t partition;
	int64_t begin, end, position;
	struct log_marks marks;
	bool judged;
	int64_t judged_at;     /* moment_monotonic */
	int64_t true_position; /* what position is worth when it is of another log; UNKNOWN: itself
				*/
};

/* What is remembered of a partition from look to look. */
struct aged {
	const char *topic; /* of freshness->topics */
	int32_t partition;
	struct log_age age;
};

struct lag {
	int64_t messages, ms; /* UNKNOWN */
};

struct freshness {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	int64_t lag_messages, lag_ms, as_of;
	_Atomic uint64_t looks; /* changes with the three; 1 at first */
	/* The thread's own from here on. */
	const struct config *config;
	char *cluster;
	struct reader reader;
	struct witness *witness;
	char *topics[TOPIC_LIMIT];
	size_t topic_count;
	/* Of this look and of the one before. */
	struct end *ends, *before;
	size_t end_count; /* may count beyond the array */
	size_t before_count;
	struct aged *ages;
	size_t age_count;
	struct metric *lag;
	struct log_once unknown;
};

/* The schema's names go with the schema, when another index is served. NULL: no memory, or the
 * topics of too many schemas. */
static const char *keep_topic(struct freshness *freshness, const char *topic)
{
	for (size_t i = 0; i < freshness->topic_count; i++)
		if (strcmp(freshness->topics[i], topic) == 0)
			return freshness->topics[i];
	char *copy = freshness->topic_count < TOPIC_LIMIT ? strdup(topic) : NULL;
	if (copy != NULL)
		freshness->topics[freshness->topic_count++] = copy;
	return copy;
}

static void on_end(void *context, const char *topic, int32_t partition, int64_t begin, int64_t end)
{
	struct freshness *freshness = context;
	const char *kept = keep_topic(freshness, topic);
	if (kept != NULL && freshness->end_count < PARTITION_LIMIT)
		freshness->ends[freshness->end_count] = (struct end){.topic = kept,
								     .partition = partition,
								     .begin = begin,
								     .end = end,
								     .position = UNKNOWN,
								     .marks = LOG_MARKS_NONE,
								     .true_position = UNKNOWN};
	freshness->end_count += kept != NULL ? 1 : PARTITION_LIMIT + 1;
}

static int on_position(void *context, const struct weir_position *position)
{
	struct freshness *freshness = context;
	if (strcmp(position->cluster, freshness->cluster) != 0)
		return 0;
	for (size_t i = 0; i < freshness->end_count; i++) {
		struct end *end = &freshness->ends[i];
		if (end->partition == position->partition &&
		    strcmp(end->topic, position->topic) == 0) {
			end->position = position->next_offset;
			end->marks = log_marks_read(position->topic_id);
		}
	}
	return 0;
}

static weir_status read_positions(void *context, const struct weir_operations *operations,
				  weir_session *session, struct weir_error *error)
{
	return operations->session_positions(session, on_position, context, error);
}

static const struct end *end_before(const struct freshness *freshness, size_t at)
{
	const struct end *end = &freshness->ends[at];
	/* Nearly always at the same place. */
	for (size_t i = 0; i < freshness->before_count; i++) {
		const struct end *each = &freshness->before[(at + i) % freshness->before_count];
		if (each->partition == end->partition && each->topic == end->topic)
			return each;
	}
	return NULL;
}

/* Asks the log when there is reason to, and now and then. */
static weir_status judge(struct freshness *freshness, size_t at, struct weir_error *error)
{
	struct end *end = &freshness->ends[at];
	const struct end *before = end_before(freshness, at);
	int64_t now = moment_monotonic();
	/* The index may have gone on since the end was asked for; what it was before has not. */
	bool shorter =
		before != NULL && before->position > end->end && end->position >= before->position;
	bool odd = shorter || (before != NULL &&
			       (end->position < before->position || end->begin < before->begin));
	bool stands = before != NULL && before->judged && !odd;
	if (stands) {
		end->judged = true;
		end->judged_at = before->judged_at;
		end->true_position = before->true_position;
	}
	if (stands && now - before->judged_at < CHECK_PERIOD)
		return WEIR_OK;
	struct log_place place = {.topic = end->topic,
				  .partition = end->partition,
				  .position = shorter || end->position < end->end ? end->position
										  : end->end,
				  .begin = end->begin,
				  .end = end->end,
				  .marks = end->marks};
	if (end->position <= 0)
		place.position = 0;
	else if (place.position == 0) /* the log is empty, and the marks tell nothing */
		place.position = end->position;
	enum log_verdict verdict =
		witness_judge(freshness->witness, &place, MESSAGE_TIMEOUT_MS, NULL);
	if (verdict == LOG_AWAY && stands)
		return WEIR_OK; /* an answer that is late takes nothing back */
	if (verdict == LOG_AWAY)
		return err_set(error, WEIR_AWAY, "topic %s partition %d cannot be read", end->topic,
			       end->partition);
	end->judged = true;
	end->judged_at = now;
	end->true_position = UNKNOWN;
	if (verdict == LOG_ANEW)
		end->true_position = end->begin;
	else if (verdict == LOG_TRUNCATED)
		end->true_position = end->marks.anchor.offset + 1;
	return WEIR_OK;
}

static void begin_look(struct freshness *freshness)
{
	struct end *ends = freshness->before;
	freshness->before = freshness->ends;
	freshness->before_count = freshness->end_count;
	if (freshness->before_count > PARTITION_LIMIT)
		freshness->before_count = 0;
	freshness->ends = ends;
	freshness->end_count = 0;
}

/* at: where it is, nearly always. NULL: no memory. */
static struct log_age *age_of(struct freshness *freshness, const struct end *end, size_t at)
{
	for (size_t i = 0; i < freshness->age_count; i++) {
		struct aged *each = &freshness->ages[(at + i) % freshness->age_count];
		if (each->partition == end->partition && each->topic == end->topic)
			return &each->age;
	}
	struct aged *ages =
		realloc(freshness->ages, (freshness->age_count + 1) * sizeof(*freshness->ages));
	if (ages == NULL)
		return NULL;
	freshness->ages = ages;
	struct aged *made = &ages[freshness->age_count++];
	*made = (struct aged){.topic = end->topic, .partition = end->partition};
	log_age_init(&made->age);
	return &made->age;
}

/* Adds a partition's lag, which is known. */
static void add_lag(struct freshness *freshness, size_t at, int64_t began, struct lag *lag)
{
	const struct end *end = &freshness->ends[at];
	int64_t position = end->true_position != UNKNOWN ? end->true_position : end->position;
	int64_t from = position > end->begin ? position : end->begin;
	struct log_age *age = age_of(freshness, end, at);
	if (age != NULL) {
		log_age_see(age, end->end, began);
		log_age_reach(age, from);
	}
	if (from >= end->end)
		return;
	lag->messages += end->end - from;
	int64_t ms = age != NULL ? log_age_ms(age, moment_monotonic()) : UNKNOWN;
	if (ms == UNKNOWN)
		lag->ms = UNKNOWN;
	else if (lag->ms != UNKNOWN && lag->ms < ms)
		lag->ms = ms;
}

static void follow_cluster(struct freshness *freshness)
{
	char *changed = NULL;
	kafka_cluster_changed(witness_client(freshness->witness), freshness->config,
			      freshness->cluster, &changed);
	if (changed == NULL)
		return;
	free(freshness->cluster);
	freshness->cluster = changed;
	freshness->end_count = freshness->age_count = 0; /* nothing seen before is true of it */
}

/* The ends first, then the positions: the lag may come out a moment too small, never too large for
 * an index that keeps up. */
static weir_status measure(struct freshness *freshness, struct lag *lag, struct weir_error *error)
{
	int64_t began = moment_monotonic();
	weir_status status = WEIR_OK;
	if (freshness->cluster == NULL)
		status = kafka_cluster_id(witness_client(freshness->witness), freshness->config,
					  ANSWER_TIMEOUT_MS, &freshness->cluster, error);
	else
		follow_cluster(freshness);
	begin_look(freshness);
	reader_follow(&freshness->reader);
	const struct schema *schema = reader_schema(&freshness->reader);
	for (size_t i = 0; i < schema->message_count && status == WEIR_OK; i++) {
		int32_t partitions;
		status = kafka_topic_ends(witness_client(freshness->witness),
					  schema->messages[i].topic, ANSWER_TIMEOUT_MS, on_end,
					  freshness, &partitions, error);
	}
	if (status == WEIR_OK && freshness->end_count > PARTITION_LIMIT)
		status = err_set(error, WEIR_SYSTEM, "the topics have more than %d partitions",
				 PARTITION_LIMIT);
	if (status == WEIR_OK)
		status = reader_run(&freshness->reader, moment_monotonic() + 1000000,
				    read_positions, freshness, error);
	for (size_t i = 0; i < freshness->end_count && status == WEIR_OK; i++)
		status = judge(freshness, i, error);
	if (status != WEIR_OK)
		return status;
	kafka_note_reached();
	*lag = (struct lag){0};
	for (size_t i = 0; i < freshness->end_count; i++)
		add_lag(freshness, i, began, lag);
	return WEIR_OK;
}

static void look(struct freshness *freshness)
{
	struct weir_error error;
	struct lag lag = {UNKNOWN, UNKNOWN};
	int64_t began = moment_now();
	witness_serve(freshness->witness);
	if (measure(freshness, &lag, &error) == WEIR_OK) {
		metric_set(freshness->lag, (double)lag.messages);
		if (log_once_recovered(&freshness->unknown))
			log_info("freshness", "state=known");
	} else if (log_once_failing(&freshness->unknown)) {
		log_warning("freshness", "state=unknown reason=%s", LOG_TEXT(error.message));
	}
	pthread_mutex_lock(&freshness->lock);
	freshness->lag_messages = lag.messages;
	freshness->lag_ms = lag.ms;
	freshness->as_of = began;
	atomic_fetch_add(&freshness->looks, 1);
	pthread_mutex_unlock(&freshness->lock);
}

static void *run(void *context)
{
	struct freshness *freshness = context;
	pthread_mutex_lock(&freshness->lock);
	while (!freshness->stopping) {
		pthread_mutex_unlock(&freshness->lock);
		look(freshness);
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += PERIOD_SECONDS;
		pthread_mutex_lock(&freshness->lock);
		if (!freshness->stopping)
			pthread_cond_timedwait(&freshness->wake, &freshness->lock, &until);
	}
	pthread_mutex_unlock(&freshness->lock);
	return NULL;
}

static void destroy(struct freshness *freshness)
{
	reader_finish(&freshness->reader);
	witness_destroy(freshness->witness);
	for (size_t i = 0; i < freshness->topic_count; i++)
		free(freshness->topics[i]);
	free(freshness->ages);
	free(freshness->ends);
	free(freshness->before);
	free(freshness->cluster);
	pthread_cond_destroy(&freshness->wake);
	pthread_mutex_destroy(&freshness->lock);
	free(freshness);
}

weir_status freshness_start(const struct config *config, struct index *index,
			    struct freshness **freshness, struct weir_error *error)
{
	struct freshness *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->config = config;
	made->lag_messages = made->lag_ms = UNKNOWN;
	made->as_of = moment_now();
	made->looks = 1;
	pthread_mutex_init(&made->lock, NULL);
	moment_condition_init(&made->wake);
	reader_init(&made->reader, index);
	made->lag = metric_get(METRIC_GAUGE, "weir_searchd_lag_messages", NULL,
			       "Messages in the log that the index does not hold.");
	made->ends = calloc(PARTITION_LIMIT, sizeof(*made->ends));
	made->before = calloc(PARTITION_LIMIT, sizeof(*made->before));
	weir_status status = made->ends != NULL && made->before != NULL
				     ? witness_create(config, "searchd", &made->witness, error)
				     : err_no_memory(error);
	int failure = status == WEIR_OK ? pthread_create(&made->thread, NULL, run, made) : 0;
	if (failure != 0)
		status = err_set(error, WEIR_SYSTEM, "a thread cannot be made: %s",
				 strerror(failure));
	if (status != WEIR_OK) {
		destroy(made);
		return status;
	}
	*freshness = made;
	return WEIR_OK;
}

void freshness_stop(struct freshness *freshness)
{
	if (freshness == NULL)
		return;
	pthread_mutex_lock(&freshness->lock);
	freshness->stopping = true;
	pthread_cond_signal(&freshness->wake);
	pthread_mutex_unlock(&freshness->lock);
	pthread_join(freshness->thread, NULL);
	destroy(freshness);
}

static void write_known(struct jsonout *json, const char *name, int64_t value)
{
	jsonout_name(json, name);
	if (value == UNKNOWN)
		jsonout_null(json);
	else
		jsonout_integer(json, value);
}

static void write_text(struct freshness *freshness, struct freshness_text *text)
{
	char as_of[MOMENT_TEXT_SIZE];
	buffer_clear(&text->json);
	struct jsonout json = JSONOUT_INIT(&text->json);
	pthread_mutex_lock(&freshness->lock);
	int64_t messages = freshness->lag_messages, ms = freshness->lag_ms, at = freshness->as_of;
	text->look = atomic_load(&freshness->looks);
	pthread_mutex_unlock(&freshness->lock);
	moment_format(at, as_of);
	jsonout_begin(&json, '{');
	write_known(&json, "lagMessages", messages);
	write_known(&json, "lagMs", ms);
	jsonout_name(&json, "asOf");
	jsonout_text(&json, as_of);
	jsonout_end(&json, '}');
	if (buffer_failed(&text->json))
		text->look = 0;
}

void freshness_write(struct freshness *freshness, struct freshness_text *text, struct jsonout *json)
{
	if (text->look != atomic_load(&freshness->looks))
		write_text(freshness, text);
	if (text->look != 0)
		jsonout_raw(json, text->json.data, text->json.length);
	else
		jsonout_null(json); /* no memory for it */
}
