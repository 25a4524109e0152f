/* SPDX-License-Identifier: MIT
 * Straight to Kafka: each line becomes the EventCreatedEvent that eventd would have sent.
 *
 * Concurrency: delivery reports come on this thread, out of rd_kafka_poll. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "json.h"
#include "kafka.h"
#include "load.h"
#include "moment.h"

enum { POLL_MS = 100, FLUSH_MS = 500, METADATA_MS = 8000 };

struct producing {
	struct load *load;
	struct schema *schema;
	const struct schema_message *message; /* what a create is in this schema */
	struct event_decoder *decoder;
	rd_kafka_t *client;
	struct buffer value;
	uint64_t failed;
	char failure[200]; /* the first one */
};

static void producing_finish(struct producing *producing)
{
	if (producing->client != NULL)
		rd_kafka_destroy(producing->client);
	event_decoder_destroy(producing->decoder);
	schema_destroy(producing->schema);
	buffer_finish(&producing->value);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
	struct producing *producing = opaque;
	(void)client;
	bool acknowledged = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
	if (acknowledged && message->offset >= 0) {
		producing->load->created++;
		return;
	}
	if (producing->failed++ == 0)
		snprintf(producing->failure, sizeof(producing->failure), "%s",
			 acknowledged ? "the broker took it for one that it has already"
				      : rd_kafka_err2str(message->err));
}

static weir_status find_message(struct producing *producing, struct weir_error *error)
{
	for (size_t i = 0; i < producing->schema->message_count; i++)
		if (producing->schema->messages[i].operation == SCHEMA_CREATED) {
			producing->message = &producing->schema->messages[i];
			return WEIR_OK;
		}
	return err_set(error, WEIR_INVALID, "the schema names no message that creates");
}

static weir_status connect_brokers(struct producing *producing, const struct config *config,
				   struct weir_error *error)
{
	rd_kafka_conf_t *conf;
	char reason[300];
	weir_status status = kafka_configure(config, "load", &conf, error);
	if (status != WEIR_OK)
		return status;
	status = kafka_set(conf, "enable.idempotence", "true", error);
	if (status == WEIR_OK) /* as eventd/relay.c, for the same reason */
		status = kafka_set(conf, "max.in.flight.requests.per.connection", "1", error);
	if (status == WEIR_OK)
		status = kafka_set_default(config, conf, "linger.ms", "20", error);
	if (status == WEIR_OK)
		status = kafka_set_default(config, conf, "message.timeout.ms", "60000", error);
	rd_kafka_conf_set_opaque(conf, producing);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	if (status == WEIR_OK)
		producing->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
	if (producing->client == NULL) {
		rd_kafka_conf_destroy(conf);
		return status != WEIR_OK ? status
					 : err_set(error, WEIR_INVALID, "librdkafka: %s", reason);
	}
	const struct rd_kafka_metadata *metadata;
	if (rd_kafka_metadata(producing->client, 1, NULL, &metadata, METADATA_MS) !=
	    RD_KAFKA_RESP_ERR_NO_ERROR)
		return err_set(error, WEIR_AWAY, "no broker of %s answers",
			       config_text(config, "kafka", "brokers"));
	rd_kafka_metadata_destroy(metadata);
	return WEIR_OK;
}

static const struct event_field *find_field(const struct event_change *change, const char *name)
{
	for (size_t i = 0; i < change->field_count; i++)
		if (strcmp(change->fields[i].name, name) == 0)
			return &change->fields[i];
	return NULL;
}

static weir_status encode(struct producing *producing, const struct event_change *change,
			  int64_t now, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer by = BUFFER_INIT;
	const struct event_field *creator = find_field(change, "createdBy");
	bool has_creator = creator != NULL && !creator->clears &&
			   json_string_decode(creator->json, creator->json_length, &by);
	const char *who = !has_creator ? NULL : by.data != NULL ? by.data : "";
	buffer_clear(&producing->value);
	event_encode(producing->schema, SCHEMA_CREATED, change->id, change->id_length,
		     change->fields, change->field_count, now, who, by.length, &producing->value);
	return buffer_failed(&producing->value) || buffer_failed(&by) ? err_no_memory(error)
								      : WEIR_OK;
}

/* Waits while librdkafka's queue is full: that is the pressure of a broker that is slow or away. */
static weir_status send_message(struct producing *producing, const char *id, int64_t now,
				struct weir_error *error)
{
	char produced[MOMENT_TEXT_SIZE], version[24];
	moment_format(now, produced);
	snprintf(version, sizeof(version), "%" PRId64, now);
	for (;;) {
		rd_kafka_resp_err_t code = rd_kafka_producev(
			producing->client, RD_KAFKA_V_TOPIC(producing->message->topic),
			RD_KAFKA_V_KEY(id, strlen(id)),
			RD_KAFKA_V_VALUE(producing->value.data, producing->value.length),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
			RD_KAFKA_V_HEADER("EventType", producing->message->type, -1),
			RD_KAFKA_V_HEADER("Timestamp", produced, -1),
			RD_KAFKA_V_HEADER("Version", version, -1), RD_KAFKA_V_END);
		rd_kafka_poll(producing->client,
			      code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? POLL_MS : 0);
		load_draw(producing->load);
		if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
			return WEIR_OK;
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			return err_set(error, WEIR_AWAY, "a message was not taken: %s",
				       rd_kafka_err2str(code));
		if (producing->failed > 0)
			return err_set(error, WEIR_AWAY, "messages were not delivered: %s",
				       producing->failure);
	}
}

/* Read as the indexer would read it: what would be a dead letter is a bad line here. */
static weir_status produce(struct producing *producing, const struct buffer *event, const char *id,
			   uint64_t number, struct weir_error *error)
{
	struct event_change *change;
	enum event_outcome outcome;
	const char *type;
	int64_t now = moment_now();
	const struct event_header header = {"EventType", producing->message->type,
					    strlen(producing->message->type)};
	const struct event_message message = {
		.topic = producing->message->topic,
		.timestamp = now / 1000 * 1000,
		.key = id,
		.key_length = strlen(id),
		.value = event->data,
		.value_length = event->length,
		.headers = &header,
		.header_count = 1,
	};
	event_decoder_reset(producing->decoder);
	weir_status status =
		event_decode(producing->decoder, &message, &outcome, &change, &type, error);
	if (status != WEIR_OK)
		return status;
	if (outcome == EVENT_CHANGE && find_field(change, "title") == NULL) {
		err_set(error, WEIR_INVALID, "title: is required");
		outcome = EVENT_DEAD_LETTER;
	}
	if (outcome != EVENT_CHANGE) {
		load_report_bad(producing->load, number, error->message);
		return WEIR_OK;
	}
	status = encode(producing, change, now, error);
	return status == WEIR_OK ? send_message(producing, id, now, error) : status;
}

static weir_status produce_all(struct producing *producing, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer event = BUFFER_INIT;
	char id[LOAD_ID_SIZE];
	uint64_t number;
	weir_status status = WEIR_OK;
	while (status == WEIR_OK) {
		if (load_allowed(producing->load) == 0) {
			rd_kafka_poll(producing->client, 10);
			continue;
		}
		buffer_clear(&event);
		enum load_line kind = load_take(producing->load, &event, id, &number, error);
		if (kind == LOAD_END)
			break;
		status = kind == LOAD_BROKEN ? WEIR_INVALID
					     : produce(producing, &event, id, number, error);
	}
	while (rd_kafka_flush(producing->client, FLUSH_MS) == RD_KAFKA_RESP_ERR__TIMED_OUT)
		load_draw(producing->load);
	if (status == WEIR_OK && producing->failed > 0)
		return err_set(error, WEIR_AWAY, "%" PRIu64 " messages were not delivered: %s",
			       producing->failed, producing->failure);
	return status;
}

weir_status load_to_kafka(struct load *load, struct weir_error *error)
{
	CONFIG_SCOPED struct config *config = NULL;
	WEIR_CLEANUP(producing_finish) struct producing producing = {.load = load};
	weir_status status = settings_load(&load->settings, &config, error);
	if (status == WEIR_OK)
		status = settings_schema(config, &producing.schema, error);
	if (status == WEIR_OK)
		status = find_message(&producing, error);
	if (status == WEIR_OK)
		status = connect_brokers(&producing, config, error);
	if (status != WEIR_OK)
		return status;
	producing.decoder = event_decoder_create(producing.schema);
	return producing.decoder != NULL ? produce_all(&producing, error) : err_no_memory(error);
}
