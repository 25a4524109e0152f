/* SPDX-License-Identifier: MIT
 * `weir tail`: every message of the schema's topics, a line each.
 *
 * Concurrency: the handler of INT and TERM only sets `ended`. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "event.h"
#include "kafka.h"
#include "moment.h"
#include "terminal.h"

enum {
	METADATA_MS = 8000,
	METADATA_AGAIN_MS = 2000,
	POLL_MS = 200,
	HEADER_LIMIT = 100,
	VALUE_WIDTH = 60
};
static const int64_t look_every = 5000000; /* for partitions that are new */

static volatile sig_atomic_t ended;

struct tail {
	struct settings settings;
	bool from_beginning;
	struct config *config;
	struct schema *schema;
	struct event_decoder *decoder;
	rd_kafka_t *client;
	rd_kafka_topic_partition_list_t *followed;
	bool *said_missing; /* by message of the schema */
	bool looked_once;
	int64_t looked_at;
};

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

static void tail_finish(struct tail *tail)
{
	if (tail->client != NULL) {
		rd_kafka_consumer_close(tail->client);
		rd_kafka_destroy(tail->client);
	}
	if (tail->followed != NULL)
		rd_kafka_topic_partition_list_destroy(tail->followed);
	event_decoder_destroy(tail->decoder);
	free(tail->said_missing);
	schema_destroy(tail->schema);
	config_destroy(tail->config);
	settings_finish(&tail->settings);
}

static weir_status connect_brokers(struct tail *tail, struct weir_error *error)
{
	rd_kafka_conf_t *conf;
	char reason[300];
	weir_status status = kafka_configure(tail->config, "tail", &conf, error);
	if (status != WEIR_OK)
		return status;
	/* Never joined: librdkafka wants a name although partitions are assigned by hand. */
	status = kafka_set(conf, "group.id", "weir-tail", error);
	if (status == WEIR_OK)
		status = kafka_set(conf, "enable.auto.commit", "false", error);
	if (status == WEIR_OK)
		status = kafka_set(conf, "auto.offset.reset",
				   tail->from_beginning ? "earliest" : "latest", error);
	if (status == WEIR_OK)
		status = kafka_set_default(tail->config, conf, "fetch.wait.max.ms", "100", error);
	if (status == WEIR_OK)
		tail->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
	if (tail->client != NULL) {
		rd_kafka_poll_set_consumer(tail->client);
		return WEIR_OK;
	}
	rd_kafka_conf_destroy(conf);
	return status != WEIR_OK ? status : err_set(error, WEIR_INVALID, "librdkafka: %s", reason);
}

static weir_status prepare(struct tail *tail, struct weir_error *error)
{
	weir_status status = settings_load(&tail->settings, &tail->config, error);
	if (status == WEIR_OK)
		status = settings_schema(tail->config, &tail->schema, error);
	if (status == WEIR_OK)
		status = connect_brokers(tail, error);
	if (status != WEIR_OK)
		return status;
	tail->decoder = event_decoder_create(tail->schema);
	tail->said_missing = calloc(tail->schema->message_count + 1, sizeof(bool));
	tail->followed = rd_kafka_topic_partition_list_new(16);
	return tail->decoder != NULL && tail->said_missing != NULL ? WEIR_OK : err_no_memory(error);
}

/* Partitions that come later are read from their beginning: nothing of them was shown yet. */
static bool follow_topic(struct tail *tail, const struct rd_kafka_metadata_topic *topic)
{
	bool any = false;
	for (int i = 0; i < topic->partition_cnt; i++) {
		int32_t number = topic->partitions[i].id;
		if (rd_kafka_topic_partition_list_find(tail->followed, topic->topic, number) !=
		    NULL)
			continue;
		rd_kafka_topic_partition_list_add(tail->followed, topic->topic, number)->offset =
			tail->from_beginning || tail->looked_once ? RD_KAFKA_OFFSET_BEGINNING
								  : RD_KAFKA_OFFSET_END;
		any = true;
	}
	return any;
}

static bool follow_topics(struct tail *tail, const struct rd_kafka_metadata *metadata)
{
	bool any = false;
	for (size_t i = 0; i < tail->schema->message_count; i++) {
		const char *name = tail->schema->messages[i].topic;
		bool found = false;
		for (int j = 0; j < metadata->topic_cnt; j++) {
			if (strcmp(metadata->topics[j].topic, name) != 0)
				continue;
			found = metadata->topics[j].partition_cnt > 0;
			any = follow_topic(tail, &metadata->topics[j]) || any;
		}
		if (!found && !tail->said_missing[i])
			command_say("there is no topic %s yet: it is waited for", name);
		tail->said_missing[i] = !found;
	}
	return any;
}

/* What was followed already goes on where it is. */
static weir_status assign(struct tail *tail, struct weir_error *error)
{
	rd_kafka_topic_partition_list_t *now = rd_kafka_topic_partition_list_copy(tail->followed);
	rd_kafka_position(tail->client, now);
	for (int i = 0; i < now->cnt; i++)
		if (now->elems[i].offset < 0)
			now->elems[i].offset = tail->followed->elems[i].offset;
	rd_kafka_resp_err_t code = rd_kafka_assign(tail->client, now);
	rd_kafka_topic_partition_list_destroy(now);
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return WEIR_OK;
	return err_set(error, WEIR_AWAY, "the partitions cannot be read: %s",
		       rd_kafka_err2str(code));
}

static weir_status look(struct tail *tail, struct weir_error *error)
{
	const struct rd_kafka_metadata *metadata;
	tail->looked_at = moment_monotonic();
	rd_kafka_resp_err_t code = rd_kafka_metadata(tail->client, 1, NULL, &metadata, METADATA_MS);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return err_set(error, WEIR_AWAY, "no broker of %s answers: %s",
			       config_text(tail->config, "kafka", "brokers"),
			       rd_kafka_err2str(code));
	bool any = follow_topics(tail, metadata);
	rd_kafka_metadata_destroy(metadata);
	tail->looked_once = true;
	return any ? assign(tail, error) : WEIR_OK;
}

/* A look that fails later on is no reason to end: brokers come back. True: one answered. */
static bool look_again(struct tail *tail)
{
	struct weir_error error;
	return moment_monotonic() - tail->looked_at >= look_every && look(tail, &error) == WEIR_OK;
}

static size_t read_headers(const rd_kafka_message_t *message, struct event_header *headers)
{
	rd_kafka_headers_t *list;
	size_t count = 0;
	if (rd_kafka_message_headers(message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return 0;
	while (count < HEADER_LIMIT &&
	       rd_kafka_header_get_all(list, count, &headers[count].name, &headers[count].value,
				       &headers[count].length) == RD_KAFKA_RESP_ERR_NO_ERROR)
		count++;
	return count;
}

static const char *operation_name(enum schema_operation operation)
{
	return operation == SCHEMA_CREATED   ? "created"
	       : operation == SCHEMA_UPDATED ? "updated"
					     : "deleted";
}

static bool is_title(const struct event_field *field)
{
	return strcmp(field->name, "title") == 0 && !field->clears && field->json_length >= 2;
}

static void write_json(const struct event_field *field, struct buffer *line)
{
	bool long_one = terminal_columns(field->json, field->json_length) > VALUE_WIDTH;
	terminal_cell(line, field->json, field->json_length, long_one ? VALUE_WIDTH : 0);
}

/* A create by its title, an update by the fields that it changes. */
static void write_change(const struct event_change *change, struct buffer *line)
{
	buffer_printf(line, "%-8s ", operation_name(change->operation));
	terminal_cell(line, change->id, change->id_length, 0);
	for (size_t i = 0; i < change->field_count; i++) {
		const struct event_field *field = &change->fields[i];
		if (change->operation == SCHEMA_CREATED) {
			if (!is_title(field))
				continue;
			buffer_append_text(line, " ");
			write_json(field, line);
		} else if (change->operation == SCHEMA_UPDATED && !field->clears) {
			buffer_append_text(line, " ");
			terminal_cell(line, field->name, field->name_length, 0);
			buffer_append_char(line, '=');
			write_json(field, line);
		} else if (change->operation == SCHEMA_UPDATED) {
			buffer_append_text(line, " ");
			terminal_cell(line, field->name, field->name_length, 0);
			buffer_append_text(line, "=null");
		}
	}
}

static weir_status write_message(struct tail *tail, const rd_kafka_message_t *message,
				 struct buffer *line, struct weir_error *error)
{
	struct event_header headers[HEADER_LIMIT];
	struct event_change *change;
	enum event_outcome outcome;
	const char *type;
	rd_kafka_timestamp_type_t timestamp_type;
	int64_t timestamp = rd_kafka_message_timestamp(message, &timestamp_type);
	char when[MOMENT_TEXT_SIZE] = "-";
	const char *topic = rd_kafka_topic_name(message->rkt);
	if (timestamp_type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
		moment_format(moment_of_milliseconds(timestamp), when);
	const struct event_message decoded = {
		.topic = topic,
		.partition = message->partition,
		.offset = message->offset,
		.timestamp = timestamp >= 0 ? moment_of_milliseconds(timestamp) : INT64_MIN,
		.key = message->key,
		.key_length = message->key_len,
		.value = message->payload,
		.value_length = message->len,
		.headers = headers,
		.header_count = read_headers(message, headers),
	};
	buffer_printf(line, "%-24s %s/%" PRId32 "/%" PRId64 " ", when, topic, message->partition,
		      message->offset);
	event_decoder_reset(tail->decoder);
	weir_status status = event_decode(tail->decoder, &decoded, &outcome, &change, &type, error);
	if (status != WEIR_OK)
		return status;
	if (outcome == EVENT_CHANGE) {
		write_change(change, line);
	} else {
		const char *reason = outcome == EVENT_PASSED_OVER ? type : error->message;
		buffer_append_text(line,
				   outcome == EVENT_PASSED_OVER ? "unknown type " : "unreadable: ");
		terminal_cell(line, reason, strlen(reason), 0);
	}
	buffer_append_char(line, '\n');
	return buffer_failed(line) ? err_no_memory(error) : WEIR_OK;
}

/* Says once that brokers went away, and once that they are back. */
static void tell_reachable(bool *away)
{
	bool now = !kafka_reachable();
	if (now && !*away)
		command_say("no broker answers any more: waiting for one");
	else if (!now && *away)
		command_say("a broker answers again");
	*away = now;
}

static weir_status follow(struct tail *tail, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;
	weir_status status = look(tail, error);
	bool away = false;
	while (status == WEIR_OK && !ended) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(tail->client, POLL_MS);
		if (message != NULL && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
			buffer_clear(&line);
			status = write_message(tail, message, &line, error);
			if (status == WEIR_OK &&
			    (fwrite(line.data, 1, line.length, stdout) == 0 || fflush(stdout) != 0))
				ended = 1; /* nobody reads on */
			kafka_note_reached();
		} else if (look_again(tail)) {
			kafka_note_reached();
		}
		if (message != NULL)
			rd_kafka_message_destroy(message);
		tell_reachable(&away);
	}
	return status;
}

static int run(struct tail *tail)
{
	struct weir_error error;
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	weir_status status = prepare(tail, &error);
	if (status == WEIR_OK)
		status = follow(tail, &error);
	return status == WEIR_OK || ended ? STATUS_DONE : command_fail("tail", status, &error);
}

int command_tail(int argc, char **argv)
{
	struct tail tail = {0};
	const struct argument options[] = {
		SETTINGS_BROKERS_OPTION(tail.settings),
		{.name = "--from-beginning",
		 .flag = &tail.from_beginning,
		 .help = "what is in the topics already, too"},
		SETTINGS_CONFIG_OPTION(tail.settings),
		SETTINGS_SET_OPTION(tail.settings),
	};
	const struct usage usage = {
		.command = "tail",
		.positions = "",
		.summary =
			"Follows the schema's topics until Ctrl-C: time, topic/partition/offset, "
			"what happened, id,\ntitle or changed fields. What the indexer cannot "
			"read is shown with the reason.",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
	};
	struct argument_list rest;
	int exit_status;
	if (arguments_read(&usage, argc, argv, &rest, &exit_status)) {
		exit_status = run(&tail);
		argument_list_finish(&rest);
	}
	tail_finish(&tail);
	return exit_status;
}
