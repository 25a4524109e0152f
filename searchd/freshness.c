/* SPDX-License-Identifier: MIT
 *
 * Concurrency: one thread asks Kafka and the index once a second, with a client and a reader of its
 * own; what it found is behind `lock`, and so is the wish to stop, with `wake`. */
#include "freshness.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "kafka.h"
#include "log.h"
#include "metrics.h"
#include "moment.h"

enum { PERIOD_SECONDS = 1, ANSWER_TIMEOUT_MS = 1000, PARTITION_LIMIT = 1024 };
#define UNKNOWN (-1)

struct end {
	const char *topic; /* the schema's */
	int32_t partition;
	int64_t begin, end, position;
};

struct freshness {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	int64_t lag_messages, lag_ms, as_of;
	/* The thread's own from here on. */
	const struct config *config;
	rd_kafka_t *client;
	char *cluster;
	struct reader reader;
	struct end ends[PARTITION_LIMIT];
	size_t end_count;  /* may count beyond the array */
	int64_t caught_up; /* moment_now when nothing was missing last; INT64_MIN: not seen yet */
	struct metric *lag;
};

static void on_end(void *context, const char *topic, int32_t partition, int64_t begin, int64_t end)
{
	struct freshness *freshness = context;
	if (freshness->end_count < PARTITION_LIMIT)
		freshness->ends[freshness->end_count] =
			(struct end){topic, partition, begin, end, UNKNOWN};
	freshness->end_count++;
}

static int on_position(void *context, const struct weir_position *position)
{
	struct freshness *freshness = context;
	if (strcmp(position->cluster, freshness->cluster) != 0)
		return 0;
	for (size_t i = 0; i < freshness->end_count; i++) {
		struct end *end = &freshness->ends[i];
		if (end->partition == position->partition &&
		    strcmp(end->topic, position->topic) == 0)
			end->position = position->next_offset;
	}
	return 0;
}

static weir_status read_positions(void *context, const struct weir_operations *operations,
				  weir_session *session, struct weir_error *error)
{
	return operations->session_positions(session, on_position, context, error);
}

/* The ends first, then the positions: the lag may come out a moment too small, never too large for
 * an index that keeps up. */
static weir_status measure(struct freshness *freshness, int64_t *lag, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (freshness->cluster == NULL)
		status = kafka_cluster_id(freshness->client, freshness->config, ANSWER_TIMEOUT_MS,
					  &freshness->cluster, error);
	freshness->end_count = 0;
	reader_follow(&freshness->reader);
	const struct schema *schema = reader_schema(&freshness->reader);
	for (size_t i = 0; i < schema->message_count && status == WEIR_OK; i++) {
		int32_t partitions;
		status = kafka_topic_ends(freshness->client, schema->messages[i].topic,
					  ANSWER_TIMEOUT_MS, on_end, freshness, &partitions, error);
	}
	if (status == WEIR_OK && freshness->end_count > PARTITION_LIMIT)
		status = err_set(error, WEIR_SYSTEM, "the topics have more than %d partitions",
				 PARTITION_LIMIT);
	if (status == WEIR_OK)
		status = reader_run(&freshness->reader, moment_monotonic() + 1000000,
				    read_positions, freshness, error);
	if (status != WEIR_OK)
		return status;
	kafka_note_reached();
	*lag = 0;
	for (size_t i = 0; i < freshness->end_count; i++) {
		const struct end *end = &freshness->ends[i];
		int64_t from = end->position > end->begin ? end->position : end->begin;
		if (from < end->end)
			*lag += end->end - from;
	}
	return WEIR_OK;
}

static void look(struct freshness *freshness)
{
	struct weir_error error;
	int64_t lag = UNKNOWN, lag_ms = UNKNOWN, began = moment_now();
	while (rd_kafka_poll(freshness->client, 0) > 0) /* what it has to tell piles up otherwise */
		;
	if (measure(freshness, &lag, &error) != WEIR_OK)
		log_debug("freshness", "state=unknown reason=%s", LOG_TEXT(error.message));
	if (lag == 0) {
		freshness->caught_up = began;
		lag_ms = 0;
	} else if (lag > 0 && freshness->caught_up != INT64_MIN) {
		lag_ms = (moment_now() - freshness->caught_up) / 1000;
	}
	if (lag != UNKNOWN)
		metric_set(freshness->lag, (double)lag);
	pthread_mutex_lock(&freshness->lock);
	freshness->lag_messages = lag;
	freshness->lag_ms = lag_ms;
	freshness->as_of = began;
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
		clock_gettime(CLOCK_REALTIME, &until);
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
	if (freshness->client != NULL)
		rd_kafka_destroy(freshness->client);
	free(freshness->cluster);
	pthread_cond_destroy(&freshness->wake);
	pthread_mutex_destroy(&freshness->lock);
	free(freshness);
}

static weir_status make_client(struct freshness *freshness, struct weir_error *error)
{
	rd_kafka_conf_t *conf = NULL;
	char reason[300];
	weir_status status = kafka_configure(freshness->config, "searchd", &conf, error);
	if (status == WEIR_OK)
		status = kafka_set_default(freshness->config, conf, "reconnect.backoff.max.ms",
					   "1000", error);
	if (status != WEIR_OK) {
		if (conf != NULL)
			rd_kafka_conf_destroy(conf);
		return status;
	}
	freshness->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
	if (freshness->client != NULL)
		return WEIR_OK;
	rd_kafka_conf_destroy(conf);
	return err_set(error, WEIR_INVALID, "[kafka]: %s", reason);
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
	made->caught_up = INT64_MIN;
	pthread_mutex_init(&made->lock, NULL);
	pthread_cond_init(&made->wake, NULL);
	reader_init(&made->reader, index);
	made->lag = metric_get(METRIC_GAUGE, "weir_searchd_lag_messages", NULL,
			       "Messages in the log that the index does not hold.");
	weir_status status = make_client(made, error);
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

void freshness_write(struct freshness *freshness, struct jsonout *json)
{
	char as_of[MOMENT_TEXT_SIZE];
	pthread_mutex_lock(&freshness->lock);
	int64_t messages = freshness->lag_messages, ms = freshness->lag_ms, at = freshness->as_of;
	pthread_mutex_unlock(&freshness->lock);
	moment_format(at, as_of);
	jsonout_begin(json, '{');
	write_known(json, "lagMessages", messages);
	write_known(json, "lagMs", ms);
	jsonout_name(json, "asOf");
	jsonout_text(json, as_of);
	jsonout_end(json, '}');
}
