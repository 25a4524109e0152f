/* SPDX-License-Identifier: MIT */
#include "deadletter.h"

#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "kafka.h"
#include "letter.h"
#include "log.h"
#include "metrics.h"
#include "moment.h"
#include "stop_point.h"

struct deadletters {
	rd_kafka_t *producer; /* NULL: none is sent */
	const char *topic;
	struct metric *total;
	struct log_once away;
	int64_t wait_until; /* moment_monotonic: after a failure, before it is tried again */
};
#define RETRY_WAIT INT64_C(200000)

static void note_failure(struct deadletters *deadletters, rd_kafka_resp_err_t failure)
{
	if (log_once_failing(&deadletters->away))
		log_error("dead_letter", "topic=%s reason=%s", deadletters->topic,
			  rd_kafka_err2name(failure));
	health_set_bad("dead_letters", "dead letters do not reach %s: %s", deadletters->topic,
		       rd_kafka_err2str(failure));
	deadletters->wait_until = moment_monotonic() + RETRY_WAIT;
}

/* The broker will not take it whole: half of the value each time, then nothing but ours. When that
 * is too much, it is for somebody to raise the limit, and then for the whole. */
static void cut_letter(struct deadletters *deadletters, struct deadletter *letter)
{
	if (letter->bare) {
		note_failure(deadletters, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
		letter->bare = false;
		letter->cut = letter->message->len;
		return;
	}
	letter->bare = letter->cut == 0;
	letter->cut /= 2;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *report, void *opaque)
{
	(void)client;
	struct deadletters *deadletters = opaque;
	struct deadletter *letter = report->_private;
	if (report->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		letter->state = DEADLETTER_ACKNOWLEDGED;
		metric_add(deadletters->total, 1);
		return;
	}
	letter->state = DEADLETTER_NEW;
	if (report->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
		cut_letter(deadletters, letter);
	else
		note_failure(deadletters, report->err);
}

weir_status deadletters_create(const struct config *config, struct deadletters **deadletters,
			       struct weir_error *error)
{
	rd_kafka_conf_t *conf = NULL;
	char reason[300];
	struct deadletters *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	if (config_boolean(config, "indexer", "beside")) {
		*deadletters = made;
		return WEIR_OK;
	}
	weir_status status = kafka_configure(config, "indexer-dead-letters", &conf, error);
	if (status == WEIR_OK)
		status = kafka_set(conf, "acks", "all", error);
	if (status == WEIR_OK)
		status = kafka_set(conf, "linger.ms", "0", error);
	/* Tried again by us, so that a stop does not wait for five minutes. */
	if (status == WEIR_OK)
		status = kafka_set(conf, "message.timeout.ms", "5000", error);
	if (status != WEIR_OK) {
		if (conf != NULL)
			rd_kafka_conf_destroy(conf);
		free(made);
		return status;
	}
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_opaque(conf, made);
	made->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
	if (made->producer == NULL) {
		rd_kafka_conf_destroy(conf);
		free(made);
		return err_set(error, WEIR_INVALID, "[kafka]: %s", reason);
	}
	made->topic = config_text(config, "kafka", "dead_letter_topic");
	made->total = metric_get(METRIC_COUNTER, "weir_indexer_dead_letters_total", NULL,
				 "Dead letters that the broker acknowledged.");
	*deadletters = made;
	return WEIR_OK;
}

void deadletters_destroy(struct deadletters *deadletters)
{
	if (deadletters == NULL)
		return;
	if (deadletters->producer == NULL) {
		free(deadletters);
		return;
	}
	/* What is under way belongs to letters that may be gone: drop it without reports. */
	rd_kafka_purge(deadletters->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
						      RD_KAFKA_PURGE_F_NON_BLOCKING);
	kafka_destroy(deadletters->producer);
	free(deadletters);
}

void deadletter_init(struct deadletter *letter, const rd_kafka_message_t *message,
		     const char *reason)
{
	*letter = (struct deadletter){.message = message, .cut = message->len};
	snprintf(letter->reason, sizeof(letter->reason), "%s", reason);
}

static rd_kafka_headers_t *make_headers(const struct deadletter *letter)
{
	const rd_kafka_message_t *message = letter->message;
	rd_kafka_headers_t *original = NULL, *headers;
	rd_kafka_timestamp_type_t type;
	char number[32];
	if (!letter->bare &&
	    rd_kafka_message_headers(message, &original) == RD_KAFKA_RESP_ERR_NO_ERROR)
		headers = rd_kafka_headers_copy(original);
	else
		headers = rd_kafka_headers_new(8);
	rd_kafka_header_add(headers, LETTER_ERROR, -1, letter->reason, -1);
	rd_kafka_header_add(headers, LETTER_TOPIC, -1, rd_kafka_topic_name(message->rkt), -1);
	snprintf(number, sizeof(number), "%d", message->partition);
	rd_kafka_header_add(headers, LETTER_PARTITION, -1, number, -1);
	snprintf(number, sizeof(number), "%lld", (long long)message->offset);
	rd_kafka_header_add(headers, LETTER_OFFSET, -1, number, -1);
	snprintf(number, sizeof(number), "%lld",
		 (long long)rd_kafka_message_timestamp(message, &type));
	rd_kafka_header_add(headers, LETTER_TIMESTAMP, -1, number, -1);
	if (letter->cut < message->len || letter->bare) {
		snprintf(number, sizeof(number), "%zu", message->len);
		rd_kafka_header_add(headers, LETTER_TRUNCATED, -1, number, -1);
	}
	return headers;
}

/* A null value stays null, an empty one empty: librdkafka tells them by the pointer. */
static void send_letter(struct deadletters *deadletters, struct deadletter *letter)
{
	const rd_kafka_message_t *message = letter->message;
	rd_kafka_headers_t *headers = make_headers(letter);
	rd_kafka_resp_err_t failure = rd_kafka_producev(
		deadletters->producer, RD_KAFKA_V_TOPIC(deadletters->topic),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		RD_KAFKA_V_KEY(letter->bare ? NULL : message->key,
			       letter->bare ? 0 : message->key_len),
		RD_KAFKA_V_VALUE(message->payload, letter->cut), RD_KAFKA_V_HEADERS(headers),
		RD_KAFKA_V_OPAQUE(letter), RD_KAFKA_V_END);
	if (failure == RD_KAFKA_RESP_ERR_NO_ERROR) {
		letter->state = DEADLETTER_SENT;
		return;
	}
	rd_kafka_headers_destroy(headers);
	if (failure == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
		cut_letter(deadletters, letter);
	else
		note_failure(deadletters, failure);
}

bool deadletters_deliver(struct deadletters *deadletters, struct deadletter *const *letters,
			 size_t count, int timeout_ms)
{
	size_t done = 0;
	if (deadletters->producer == NULL)
		return true;
	for (size_t i = 0; i < count; i++) {
		if (letters[i]->state == DEADLETTER_NEW &&
		    moment_monotonic() >= deadletters->wait_until)
			send_letter(deadletters, letters[i]);
		if (letters[i]->state == DEADLETTER_ACKNOWLEDGED)
			done++;
	}
	if (done < count) {
		stop_point("indexer.letters.produced");
		rd_kafka_poll(deadletters->producer, timeout_ms);
		for (done = 0; done < count && letters[done]->state == DEADLETTER_ACKNOWLEDGED;)
			done++;
	}
	if (done < count)
		return false;
	if (count > 0)
		stop_point("indexer.letters.acknowledged");
	if (log_once_recovered(&deadletters->away))
		log_info("dead_letter", "topic=%s state=back", deadletters->topic);
	health_set_good("dead_letters");
	return true;
}
