/* SPDX-License-Identifier: MIT */
#include "witness.h"

#include <stdlib.h>
#include <string.h>

#include "kafka.h"
#include "moment.h"

struct witness {
	rd_kafka_t *client;
	rd_kafka_topic_t **topics; /* asked about before; kept, each costs a question */
	size_t count;
};

enum sight {
	SIGHT_SAME,
	SIGHT_OTHER,
	SIGHT_GONE, /* removed by retention, compaction, or not there yet */
	SIGHT_AWAY,
};

static weir_status configure(const struct config *config, const char *process,
			     rd_kafka_conf_t **conf, struct weir_error *error)
{
	/* One message is wanted, and what comes with it is thrown away. */
	static const char *const settings[][2] = {
		{"enable.partition.eof", "true"},
		{"auto.offset.reset", "error"},
		{"allow.auto.create.topics", "false"},
		{"queued.min.messages", "1"},
		{"fetch.message.max.bytes", "1"},
		{"fetch.error.backoff.ms", "100"},
		{"topic.metadata.refresh.interval.ms", "-1"},
	};
	rd_kafka_conf_t *made = NULL;
	weir_status status = kafka_configure(config, process, &made, error);
	for (size_t i = 0; status == WEIR_OK && i < sizeof(settings) / sizeof(settings[0]); i++)
		status = kafka_set(made, settings[i][0], settings[i][1], error);
	if (status == WEIR_OK)
		status = kafka_set_default(config, made, "reconnect.backoff.max.ms", "1000", error);
	if (status == WEIR_OK)
		status = kafka_set_default(config, made, "socket.timeout.ms", "3000", error);
	if (status != WEIR_OK) {
		if (made != NULL)
			rd_kafka_conf_destroy(made);
		return status;
	}
	*conf = made;
	return WEIR_OK;
}

weir_status witness_create(const struct config *config, const char *process,
			   struct witness **witness, struct weir_error *error)
{
	rd_kafka_conf_t *conf = NULL;
	char reason[300];
	struct witness *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	weir_status status = configure(config, process, &conf, error);
	if (status != WEIR_OK) {
		free(made);
		return status;
	}
	made->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
	if (made->client == NULL) {
		rd_kafka_conf_destroy(conf);
		free(made);
		return err_set(error, WEIR_INVALID, "[kafka]: %s", reason);
	}
	*witness = made;
	return WEIR_OK;
}

void witness_destroy(struct witness *witness)
{
	if (witness == NULL)
		return;
	for (size_t i = 0; i < witness->count; i++)
		rd_kafka_topic_destroy(witness->topics[i]);
	free((void *)witness->topics);
	kafka_destroy(witness->client);
	free(witness);
}

rd_kafka_t *witness_client(const struct witness *witness)
{
	return witness->client;
}

void witness_serve(struct witness *witness)
{
	while (rd_kafka_poll(witness->client, 0) > 0) /* it piles up otherwise */
		;
}

/* NULL: no memory. */
static rd_kafka_topic_t *find_topic(struct witness *witness, const char *name)
{
	for (size_t i = 0; i < witness->count; i++)
		if (strcmp(rd_kafka_topic_name(witness->topics[i]), name) == 0)
			return witness->topics[i];
	rd_kafka_topic_t **topics =
		realloc((void *)witness->topics, (witness->count + 1) * sizeof(*topics));
	if (topics == NULL)
		return NULL;
	witness->topics = topics;
	rd_kafka_topic_t *topic = rd_kafka_topic_new(witness->client, name, NULL);
	if (topic != NULL)
		witness->topics[witness->count++] = topic;
	return topic;
}

static enum sight compare(const rd_kafka_message_t *message, const struct log_mark *mark)
{
	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
	    message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
	    message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
		return SIGHT_GONE;
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return SIGHT_AWAY;
	if (message->offset != mark->offset)
		return SIGHT_GONE;
	struct log_mark there = log_mark_of(message);
	return log_mark_equal(&there, mark) ? SIGHT_SAME : SIGHT_OTHER;
}

static enum sight look(struct witness *witness, const struct log_place *place,
		       const struct log_mark *mark, int timeout_ms)
{
	if (mark->offset < place->begin || mark->offset >= place->end)
		return SIGHT_GONE;
	rd_kafka_topic_t *topic = find_topic(witness, place->topic);
	if (topic == NULL || rd_kafka_consume_start(topic, place->partition, mark->offset) != 0)
		return SIGHT_AWAY;
	rd_kafka_message_t *message = rd_kafka_consume(topic, place->partition, timeout_ms);
	enum sight sight = message != NULL ? compare(message, mark) : SIGHT_AWAY;
	if (message != NULL)
		rd_kafka_message_destroy(message);
	rd_kafka_consume_stop(topic, place->partition);
	return sight;
}

enum log_verdict witness_judge(struct witness *witness, const struct log_place *place,
			       int timeout_ms, bool *last_seen)
{
	const struct log_marks *marks = &place->marks;
	enum sight anchor = SIGHT_GONE, last = SIGHT_GONE;
	if (place->position > 0) {
		anchor = look(witness, place, &marks->anchor, timeout_ms);
		last = log_mark_equal(&marks->anchor, &marks->last) || anchor == SIGHT_AWAY
			       ? anchor
			       : look(witness, place, &marks->last, timeout_ms);
	}
	if (anchor == SIGHT_AWAY || last == SIGHT_AWAY)
		return LOG_AWAY;
	if (last_seen != NULL)
		*last_seen = last == SIGHT_SAME;
	if (anchor == SIGHT_OTHER)
		return LOG_ANEW;
	if (last != SIGHT_OTHER && place->position <= place->end)
		return LOG_SAME;
	return anchor == SIGHT_SAME ? LOG_TRUNCATED : LOG_ANEW;
}
