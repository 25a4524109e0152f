/* SPDX-License-Identifier: MIT */
#include "broker.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

enum { PARTITIONS = 3 };

struct broker {
	rd_kafka_t *client; /* librdkafka wants one to own the cluster; it connects to nothing */
	rd_kafka_mock_cluster_t *cluster;
};

static void drop_log(const rd_kafka_t *client, int level, const char *facility, const char *line)
{
	(void)client;
	(void)level;
	(void)facility;
	(void)line;
}

static weir_status create_topic(struct broker *broker, const char *topic, struct weir_error *error)
{
	rd_kafka_resp_err_t code =
		rd_kafka_mock_topic_create(broker->cluster, topic, PARTITIONS, 1);
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		return WEIR_OK;
	return err_set(error, WEIR_SYSTEM, "the development broker cannot make the topic %s: %s",
		       topic, rd_kafka_err2str(code));
}

weir_status broker_start(const struct schema *schema, const char *dead_letter_topic,
			 struct broker **broker, struct weir_error *error)
{
	weir_status status;
	char reason[300];
	struct broker *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set_log_cb(conf, drop_log);
	made->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
	if (made->client == NULL) {
		rd_kafka_conf_destroy(conf);
		status = err_set(error, WEIR_SYSTEM, "the development broker cannot start: %s",
				 reason);
		goto fail;
	}
	made->cluster = rd_kafka_mock_cluster_new(made->client, 1);
	if (made->cluster == NULL) {
		status = err_set(error, WEIR_SYSTEM,
				 "the development broker cannot start: no port of 127.0.0.1 is "
				 "free");
		goto fail;
	}
	status = create_topic(made, dead_letter_topic, error);
	for (size_t i = 0; status == WEIR_OK && i < schema->message_count; i++)
		status = create_topic(made, schema->messages[i].topic, error);
	if (status != WEIR_OK)
		goto fail;
	*broker = made;
	return WEIR_OK;
fail:
	broker_destroy(made);
	return status;
}

const char *broker_address(const struct broker *broker)
{
	return rd_kafka_mock_cluster_bootstraps(broker->cluster);
}

void broker_destroy(struct broker *broker)
{
	if (broker == NULL)
		return;
	if (broker->cluster != NULL)
		rd_kafka_mock_cluster_destroy(broker->cluster);
	if (broker->client != NULL)
		rd_kafka_destroy(broker->client);
	free(broker);
}
