/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "kafka.h"
#include "table.h"

enum { TIMEOUT_MS = 8000, CREATE_MS = 30000, TOPIC_LIMIT = 64 };

struct topics {
	struct settings settings;
	const char *partitions_text, *replication_text;
	int64_t partitions, replication;
	struct config *config;
	struct schema *schema;
	rd_kafka_t *client;
	const struct rd_kafka_metadata *metadata;
	const char *names[TOPIC_LIMIT]; /* of the schema, and the dead letters' */
	size_t count;
};

static void topics_finish(struct topics *topics)
{
	if (topics->metadata != NULL)
		rd_kafka_metadata_destroy(topics->metadata);
	if (topics->client != NULL)
		rd_kafka_destroy(topics->client);
	schema_destroy(topics->schema);
	config_destroy(topics->config);
	settings_finish(&topics->settings);
}

static void add_name(struct topics *topics, const char *name)
{
	for (size_t i = 0; i < topics->count; i++)
		if (strcmp(topics->names[i], name) == 0)
			return;
	if (topics->count < TOPIC_LIMIT)
		topics->names[topics->count++] = name;
}

static weir_status prepare(struct topics *topics, struct weir_error *error)
{
	rd_kafka_conf_t *conf;
	char reason[300];
	weir_status status = settings_load(&topics->settings, &topics->config, error);
	if (status == WEIR_OK)
		status = settings_schema(topics->config, &topics->schema, error);
	if (status == WEIR_OK)
		status = kafka_configure(topics->config, "topics", &conf, error);
	if (status != WEIR_OK)
		return status;
	for (size_t i = 0; i < topics->schema->message_count; i++)
		add_name(topics, topics->schema->messages[i].topic);
	add_name(topics, config_text(topics->config, "kafka", "dead_letter_topic"));
	topics->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
	if (topics->client == NULL) {
		rd_kafka_conf_destroy(conf);
		return err_set(error, WEIR_INVALID, "librdkafka: %s", reason);
	}
	/* Of all topics: asking for one by name makes some brokers create it. */
	rd_kafka_resp_err_t code =
		rd_kafka_metadata(topics->client, 1, NULL, &topics->metadata, TIMEOUT_MS);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return err_set(error, WEIR_AWAY, "no broker of %s answers: %s",
			       config_text(topics->config, "kafka", "brokers"),
			       rd_kafka_err2str(code));
	return WEIR_OK;
}

static const struct rd_kafka_metadata_topic *find(const struct topics *topics, const char *name)
{
	for (int i = 0; i < topics->metadata->topic_cnt; i++)
		if (strcmp(topics->metadata->topics[i].topic, name) == 0)
			return &topics->metadata->topics[i];
	return NULL;
}

static int list(struct topics *topics)
{
	static const char *const head[] = {"TOPIC", "PARTITIONS", "REPLICATION"};
	WEIR_CLEANUP(table_finish) struct table table = {0};
	struct weir_error error;
	char number[24];
	bool missing = false;
	table_init(&table, 3);
	for (size_t i = 0; i < 3; i++)
		table_add(&table, head[i], strlen(head[i]));
	for (size_t i = 0; i < topics->count; i++) {
		const struct rd_kafka_metadata_topic *topic = find(topics, topics->names[i]);
		table_add(&table, topics->names[i], strlen(topics->names[i]));
		if (topic == NULL || topic->partition_cnt == 0) {
			missing = true;
			table_add(&table, "missing", 7);
			table_add(&table, "", 0);
			continue;
		}
		int length = snprintf(number, sizeof(number), "%d", topic->partition_cnt);
		table_add(&table, number, (size_t)length);
		length = snprintf(number, sizeof(number), "%d", topic->partitions[0].replica_cnt);
		table_add(&table, number, (size_t)length);
	}
	weir_status status = table_print(&table, 0, 6, stdout, &error);
	if (status != WEIR_OK)
		return command_fail("topics", status, &error);
	return missing ? STATUS_NO : STATUS_DONE;
}

/* The broker's answer for each topic that was asked for. */
static weir_status read_results(rd_kafka_event_t *event, const struct topics *topics,
				struct weir_error *error)
{
	size_t count;
	const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
		rd_kafka_event_CreateTopics_result(event), &count);
	weir_status status = WEIR_OK;
	if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return err_set(error, WEIR_AWAY, "the broker makes no topics: %s",
			       rd_kafka_event_error_string(event));
	for (size_t i = 0; i < count; i++) {
		rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
		const char *name = rd_kafka_topic_result_name(results[i]);
		if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
			printf("%s: made, %" PRId64 " partitions\n", name, topics->partitions);
		else if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			printf("%s: exists\n", name);
		else
			status = err_set(error, WEIR_AWAY, "the topic %s was not made: %s", name,
					 rd_kafka_topic_result_error_string(results[i]));
	}
	return status;
}

static weir_status create_on_broker(const struct topics *topics, rd_kafka_NewTopic_t **wanted,
				    size_t count, struct weir_error *error)
{
	char reason[300];
	rd_kafka_AdminOptions_t *options =
		rd_kafka_AdminOptions_new(topics->client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(topics->client);
	if (rd_kafka_AdminOptions_set_request_timeout(options, CREATE_MS, reason, sizeof(reason)) ==
	    RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_AdminOptions_set_operation_timeout(options, CREATE_MS, reason,
							    sizeof(reason));
	rd_kafka_CreateTopics(topics->client, wanted, count, options, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * CREATE_MS);
	weir_status status = event != NULL
				     ? read_results(event, topics, error)
				     : err_set(error, WEIR_AWAY, "the broker does not answer");
	if (event != NULL)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	return status;
}

static weir_status create(struct topics *topics, struct weir_error *error)
{
	rd_kafka_NewTopic_t *wanted[TOPIC_LIMIT];
	char reason[300];
	size_t count = 0;
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < topics->count && status == WEIR_OK; i++) {
		const struct rd_kafka_metadata_topic *topic = find(topics, topics->names[i]);
		if (topic != NULL) {
			printf("%s: exists, %d partitions\n", topics->names[i],
			       topic->partition_cnt);
			continue;
		}
		wanted[count] =
			rd_kafka_NewTopic_new(topics->names[i], (int)topics->partitions,
					      (int)topics->replication, reason, sizeof(reason));
		if (wanted[count] == NULL)
			status = err_set(error, WEIR_INVALID, "the topic %s: %s", topics->names[i],
					 reason);
		else
			count++;
	}
	if (status == WEIR_OK && count > 0)
		status = create_on_broker(topics, wanted, count, error);
	rd_kafka_NewTopic_destroy_array(wanted, count);
	return status;
}

static int run(struct topics *topics, const char *verb)
{
	struct weir_error error;
	bool creates = strcmp(verb, "create") == 0;
	topics->partitions = 3;
	topics->replication = 1;
	if (!creates && strcmp(verb, "list") != 0)
		return command_wrong_use("topics", "there is no topics %s: create, list", verb);
	if ((topics->partitions_text != NULL &&
	     !arguments_number("topics", "--partitions", topics->partitions_text, 1, 10000,
			       &topics->partitions)) ||
	    (topics->replication_text != NULL &&
	     !arguments_number("topics", "--replication", topics->replication_text, 1, 100,
			       &topics->replication)))
		return STATUS_WRONG_USE;
	weir_status status = prepare(topics, &error);
	if (status == WEIR_OK && !creates)
		return list(topics);
	if (status == WEIR_OK)
		status = create(topics, &error);
	return status == WEIR_OK ? STATUS_DONE : command_fail("topics", status, &error);
}

int command_topics(int argc, char **argv)
{
	struct topics topics = {0};
	const struct argument options[] = {
		SETTINGS_BROKERS_OPTION(topics.settings),
		{.name = "--partitions",
		 .value = "N",
		 .text = &topics.partitions_text,
		 .help = "of each topic that is made (3)"},
		{.name = "--replication",
		 .value = "N",
		 .text = &topics.replication_text,
		 .help = "replicas of each topic that is made (1)"},
		SETTINGS_CONFIG_OPTION(topics.settings),
		SETTINGS_SET_OPTION(topics.settings),
	};
	const struct usage usage = {
		.command = "topics",
		.positions = "create | list",
		.summary = "create makes the schema's topics and the dead letters'; those that "
			   "exist stay as they are.\nlist shows them, with status 1 when one is "
			   "missing.",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
		.minimum = 1,
		.maximum = 1,
	};
	struct argument_list rest;
	int exit_status;
	if (arguments_read(&usage, argc, argv, &rest, &exit_status)) {
		exit_status = run(&topics, rest.items[0]);
		argument_list_finish(&rest);
	}
	topics_finish(&topics);
	return exit_status;
}
