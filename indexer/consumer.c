/* SPDX-License-Identifier: MIT
 *
 * The group's protocol is the eager one with range assignment. Range gives partition n of every
 * topic to the same member, so all messages of an event, which share its key, meet in one indexer
 * and the indexers hardly ever conflict. (librdkafka 2.0.2, Debian 12's, can also crash when a
 * cooperative member closes before its first rebalance.) */
#include "consumer.h"

#include <string.h>

#include "daemon.h"
#include "kafka.h"
#include "log.h"
#include "metrics.h"
#include "stop_point.h"

struct consumer {
	rd_kafka_t *client;
	const struct schema *schema;
	struct progress *progress;
	bool shared, subscribed, closing;
	unsigned generation, rewinds; /* of progress, that are assigned */
	bool paused;
	bool silent;	    /* commits no offsets of the group: [indexer] beside */
	bool revoked, lost; /* told by the group, and not yet answered */
	rd_kafka_topic_partition_list_t *assigned; /* likewise; NULL: none */
	rd_kafka_topic_partition_list_t *ends;	   /* met, and not yet told */
	rd_kafka_topic_partition_list_t *stuck;	   /* likewise */
	struct log_once uncommitted;		   /* the group's offsets */
	struct log_once refused;		   /* something may not be read */
	struct metric *errors;
};

static weir_status configure(const struct config *config, bool shared, rd_kafka_conf_t **conf,
			     struct weir_error *error)
{
	static const char *const settings[][2] = {
		{"enable.auto.commit", "false"},
		{"enable.auto.offset.store", "false"},
		/* A position that the log no longer has: progress finds out what was lost, or
		 * whether it is another log, and says where to go on. */
		{"auto.offset.reset", "error"},
		{"enable.partition.eof", "true"},
		{"allow.auto.create.topics", "false"},
		{"fetch.error.backoff.ms", "100"},
		{"reconnect.backoff.max.ms", "1000"},
		{"partition.assignment.strategy", "range"},
	};
	/* Given ones win. */
	static const char *const defaults[][3] = {
		/* name, assigned, shared. Bounds on fetched and not yet indexed: */
		{"queued.max.messages.kbytes", "16384", "16384"},
		{"queued.min.messages", "20000", "20000"},
		/* Compressed; messages of some bytes each take fifty times as much when unpacked.
		 */
		{"fetch.message.max.bytes", "131072", "131072"},
		{"fetch.wait.max.ms", "100", "100"},
		/* Assigned: nobody joins the group; it is how long a commit waits for its
		 * coordinator. Shared: how long a dead member's partitions wait; brokers want 6 s
		 * at least. */
		{"session.timeout.ms", "3000", "6000"},
		{"heartbeat.interval.ms", "1000", "500"},
		/* One member that hangs in its engine does not hold up the others for minutes. */
		{"max.poll.interval.ms", "60000", "60000"},
		/* How soon a member sees new topics and partitions. */
		{"topic.metadata.refresh.interval.ms", "300000", "5000"},
	};
	rd_kafka_conf_t *made = NULL;
	weir_status status = kafka_configure(config, "indexer", &made, error);
	if (status != WEIR_OK)
		return status;
	status = kafka_set(made, "group.id", config_text(config, "kafka", "group"), error);
	for (size_t i = 0; status == WEIR_OK && i < sizeof(settings) / sizeof(settings[0]); i++)
		status = kafka_set(made, settings[i][0], settings[i][1], error);
	for (size_t i = 0; status == WEIR_OK && i < sizeof(defaults) / sizeof(defaults[0]); i++)
		status = kafka_set_default(config, made, defaults[i][0],
					   defaults[i][shared ? 2 : 1], error);
	if (status != WEIR_OK) {
		rd_kafka_conf_destroy(made);
		return status;
	}
	*conf = made;
	return WEIR_OK;
}

/* Only notes what is wanted: this is called from the middle of any poll, and a batch may be on its
 * way to the index. librdkafka waits for the answer. */
static void on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t event,
			 rd_kafka_topic_partition_list_t *partitions, void *context)
{
	struct consumer *consumer = context;
	if (consumer->closing) {
		rd_kafka_assign(client, NULL);
		return;
	}
	if (consumer->assigned != NULL)
		rd_kafka_topic_partition_list_destroy(consumer->assigned);
	consumer->assigned = NULL;
	if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		consumer->assigned = rd_kafka_topic_partition_list_copy(partitions);
		return;
	}
	consumer->revoked = true;
	consumer->lost = consumer->lost || rd_kafka_assignment_lost(client) ||
			 event != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS;
}

/* Nothing rests on the group's offsets, so this is no reason to be not ready. */
static void note_uncommitted(struct consumer *consumer, rd_kafka_resp_err_t failure)
{
	health_set_note("group_offsets", "lag monitors do not see how far this index is: %s",
			rd_kafka_err2str(failure));
	if (log_once_failing(&consumer->uncommitted))
		log_warning("group_commit", "reason=%s", LOG_TEXT(rd_kafka_err2str(failure)));
}

static void on_commit(rd_kafka_t *client, rd_kafka_resp_err_t failure,
		      rd_kafka_topic_partition_list_t *offsets, void *context)
{
	(void)client;
	(void)offsets;
	struct consumer *consumer = context;
	if (failure == RD_KAFKA_RESP_ERR_NO_ERROR) {
		log_once_recovered(&consumer->uncommitted);
		health_set_good("group_offsets");
		return;
	}
	log_debug("group_commit", "reason=%s", rd_kafka_err2name(failure));
	if (failure == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
	    failure == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
		note_uncommitted(consumer, failure);
}

weir_status consumer_create(const struct config *config, const struct schema *schema,
			    struct progress *progress, bool shared, struct consumer **consumer,
			    struct weir_error *error)
{
	rd_kafka_conf_t *conf = NULL;
	char reason[300];
	weir_status status = configure(config, shared, &conf, error);
	if (status != WEIR_OK)
		return status;
	struct consumer *made = calloc(1, sizeof(*made));
	if (made == NULL) {
		rd_kafka_conf_destroy(conf);
		return err_no_memory(error);
	}
	rd_kafka_conf_set_opaque(conf, made);
	rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
	if (shared) {
		rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
		progress_share(progress, config_text(config, "kafka", "group"));
	}
	made->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
	if (made->client == NULL) {
		rd_kafka_conf_destroy(conf);
		free(made);
		return err_set(error, WEIR_INVALID, "[kafka]: %s", reason);
	}
	rd_kafka_poll_set_consumer(made->client);
	made->schema = schema;
	made->progress = progress;
	made->shared = shared;
	made->silent = config_boolean(config, "indexer", "beside");
	made->ends = rd_kafka_topic_partition_list_new(16);
	made->stuck = rd_kafka_topic_partition_list_new(1);
	made->errors = metric_get(METRIC_COUNTER, "weir_indexer_consumer_errors_total", NULL,
				  "Errors that the Kafka consumer reported.");
	*consumer = made;
	return WEIR_OK;
}

void consumer_destroy(struct consumer *consumer)
{
	if (consumer == NULL)
		return;
	consumer->closing = true;
	if (consumer_handover(consumer) != HANDOVER_NONE)
		rd_kafka_assign(consumer->client, NULL);
	rd_kafka_consumer_close(consumer->client);
	if (consumer->assigned != NULL)
		rd_kafka_topic_partition_list_destroy(consumer->assigned);
	rd_kafka_topic_partition_list_destroy(consumer->ends);
	rd_kafka_topic_partition_list_destroy(consumer->stuck);
	kafka_destroy(consumer->client);
	free(consumer);
}

static void join_group(struct consumer *consumer)
{
	if (consumer->subscribed)
		return;
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(4);
	for (size_t i = 0; i < consumer->schema->message_count; i++) {
		const char *topic = consumer->schema->messages[i].topic;
		if (!rd_kafka_topic_partition_list_find(topics, topic, RD_KAFKA_PARTITION_UA))
			rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
	}
	rd_kafka_resp_err_t failure = rd_kafka_subscribe(consumer->client, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	consumer->subscribed = failure == RD_KAFKA_RESP_ERR_NO_ERROR;
	if (!consumer->subscribed)
		log_error("join", "reason=%s", rd_kafka_err2name(failure));
}

enum handover consumer_handover(const struct consumer *consumer)
{
	if (consumer->revoked)
		return consumer->lost ? HANDOVER_LOST : HANDOVER_REVOKED;
	return consumer->assigned != NULL ? HANDOVER_ASSIGNED : HANDOVER_NONE;
}

bool consumer_lost(const struct consumer *consumer)
{
	return consumer->shared && rd_kafka_assignment_lost(consumer->client);
}

static void forget_ends(struct consumer *consumer)
{
	rd_kafka_topic_partition_list_destroy(consumer->ends);
	consumer->ends = rd_kafka_topic_partition_list_new(16);
}

/* librdkafka keeps a partition paused across assignments. */
static rd_kafka_resp_err_t assign(struct consumer *consumer,
				  const rd_kafka_topic_partition_list_t *list)
{
	consumer_pause(consumer, false);
	forget_ends(consumer);
	rd_kafka_topic_partition_list_destroy(consumer->stuck);
	consumer->stuck = rd_kafka_topic_partition_list_new(1);
	consumer->rewinds = progress_rewinds(consumer->progress);
	return rd_kafka_assign(consumer->client, list);
}

void consumer_give_up(struct consumer *consumer)
{
	rd_kafka_resp_err_t failure = assign(consumer, NULL);
	progress_disown(consumer->progress);
	log_info("revoke", "state=%s", consumer->lost ? "lost" : "given_up");
	if (failure != RD_KAFKA_RESP_ERR_NO_ERROR)
		log_error("revoke", "reason=%s", rd_kafka_err2name(failure));
	consumer->revoked = consumer->lost = false;
}

void consumer_let_go(struct consumer *consumer)
{
	forget_ends(consumer);
	/* An answer to the group would be one to what it asks now. */
	if (consumer_handover(consumer) != HANDOVER_NONE)
		return;
	rd_kafka_resp_err_t failure = assign(consumer, NULL);
	if (failure != RD_KAFKA_RESP_ERR_NO_ERROR)
		log_error("assign", "reason=%s", rd_kafka_err2name(failure));
}

weir_status consumer_take(struct consumer *consumer, struct weir_error *error)
{
	log_once_recovered(&consumer->refused);
	weir_status status = progress_own(consumer->progress, consumer->assigned, error);
	if (status != WEIR_OK)
		return status;
	rd_kafka_topic_partition_list_t *list = progress_assignment(consumer->progress);
	rd_kafka_resp_err_t failure = assign(consumer, list);
	if (failure == RD_KAFKA_RESP_ERR_NO_ERROR)
		log_info("assign", "partitions=%d", list->cnt);
	else
		log_error("assign", "reason=%s", rd_kafka_err2name(failure));
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_topic_partition_list_destroy(consumer->assigned);
	consumer->assigned = NULL;
	return WEIR_OK;
}

/* Something was to be read from another position: the same partitions, from where they are now. */
static bool was_rewound(const struct consumer *consumer)
{
	return consumer->rewinds != progress_rewinds(consumer->progress) &&
	       consumer_handover(consumer) == HANDOVER_NONE && !consumer_lost(consumer);
}

bool consumer_is_behind(const struct consumer *consumer)
{
	if (!consumer->shared)
		return consumer->generation != progress_generation(consumer->progress);
	return !consumer->subscribed || consumer->rewinds != progress_rewinds(consumer->progress);
}

void consumer_follow_log(struct consumer *consumer)
{
	unsigned generation = progress_generation(consumer->progress);
	if (consumer->shared)
		join_group(consumer);
	if (consumer->shared ? !was_rewound(consumer) : generation == consumer->generation)
		return;
	rd_kafka_topic_partition_list_t *list = progress_assignment(consumer->progress);
	rd_kafka_resp_err_t failure = assign(consumer, list);
	if (failure == RD_KAFKA_RESP_ERR_NO_ERROR) {
		consumer->generation = generation;
		log_info("assign", "partitions=%d", list->cnt);
		stop_point("indexer.assign.after");
	} else {
		log_error("assign", "reason=%s", rd_kafka_err2name(failure));
	}
	rd_kafka_topic_partition_list_destroy(list);
}

static void note_place(rd_kafka_topic_partition_list_t *list, const rd_kafka_message_t *message)
{
	const char *topic = rd_kafka_topic_name(message->rkt);
	rd_kafka_topic_partition_t *place =
		rd_kafka_topic_partition_list_find(list, topic, message->partition);
	if (place == NULL)
		place = rd_kafka_topic_partition_list_add(list, topic, message->partition);
	place->offset = message->offset;
}

/* The group's say on it is told nowhere else; that of topics the watching thread hears too. */
static void note_refusal(struct consumer *consumer, const rd_kafka_message_t *message)
{
	if (message->err != RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
		return;
	if (!consumer->shared) {
		note_uncommitted(consumer, message->err);
		return;
	}
	progress_group_trouble(consumer->progress, rd_kafka_err2str(message->err));
	if (log_once_failing(&consumer->refused))
		log_error("join", "reason=%s", LOG_TEXT(rd_kafka_message_errstr(message)));
}

rd_kafka_message_t *consumer_poll(struct consumer *consumer, int timeout_ms)
{
	rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->client, timeout_ms);
	if (message == NULL || message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		return message;
	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		note_place(consumer->ends, message);
	} else {
		if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && message->rkt != NULL)
			note_place(consumer->stuck, message);
		/* librdkafka tries again by itself; the watching thread sets the health. */
		metric_add(consumer->errors, 1);
		note_refusal(consumer, message);
		log_debug("kafka", "error=%s reason=%s", rd_kafka_err2name(message->err),
			  LOG_TEXT(rd_kafka_message_errstr(message)));
	}
	rd_kafka_message_destroy(message);
	return NULL;
}

bool consumer_has_ends(const struct consumer *consumer)
{
	return consumer->ends->cnt > 0;
}

void consumer_take_ends(struct consumer *consumer, rd_kafka_topic_partition_list_t *ends)
{
	for (int i = 0; i < consumer->ends->cnt; i++) {
		const rd_kafka_topic_partition_t *end = &consumer->ends->elems[i];
		rd_kafka_topic_partition_list_add(ends, end->topic, end->partition)->offset =
			end->offset;
	}
	if (consumer->ends->cnt > 0)
		forget_ends(consumer);
}

bool consumer_has_news(const struct consumer *consumer)
{
	return consumer->stuck->cnt > 0 || consumer_handover(consumer) != HANDOVER_NONE;
}

int64_t consumer_lag(const struct consumer *consumer)
{
	return progress_lag(consumer->progress);
}

void consumer_tell_stuck(struct consumer *consumer)
{
	for (int i = consumer->stuck->cnt - 1; i >= 0; i--) {
		progress_set_stuck(consumer->progress, consumer->stuck->elems[i].topic,
				   consumer->stuck->elems[i].partition);
		rd_kafka_topic_partition_list_del_by_idx(consumer->stuck, i);
	}
}

void consumer_pause(struct consumer *consumer, bool paused)
{
	rd_kafka_topic_partition_list_t *list = NULL;
	if (consumer->paused == paused ||
	    rd_kafka_assignment(consumer->client, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	(paused ? rd_kafka_pause_partitions : rd_kafka_resume_partitions)(consumer->client, list);
	rd_kafka_topic_partition_list_destroy(list);
	consumer->paused = paused;
}

void consumer_commit_group(struct consumer *consumer, bool last)
{
	if (consumer->silent)
		return;
	rd_kafka_topic_partition_list_t *list = progress_assignment(consumer->progress);
	for (int i = list->cnt - 1; i >= 0; i--)
		if (list->elems[i].offset < 0)
			rd_kafka_topic_partition_list_del_by_idx(list, i);
	rd_kafka_resp_err_t failure = RD_KAFKA_RESP_ERR_NO_ERROR;
	if (list->cnt > 0 && !(last && !kafka_reachable()))
		failure = rd_kafka_commit(consumer->client, list, last ? 0 : 1);
	stop_point("indexer.group.after");
	if (failure != RD_KAFKA_RESP_ERR_NO_ERROR)
		log_debug("group_commit", "reason=%s", rd_kafka_err2name(failure));
	rd_kafka_topic_partition_list_destroy(list);
}
