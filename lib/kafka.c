/* SPDX-License-Identifier: MIT
 *
 * Concurrency: librdkafka calls on_log and on_error from threads of its own; what they share is
 * `down`, behind its lock. */
#include "kafka.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "moment.h"

static pthread_mutex_t down_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_once down;

/* librdkafka repeats connection failures for as long as they last; on_error says it once. It also
 * repeats that brokers without a newer Metadata call may make topics: the development broker. */
static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *line)
{
	(void)client;
	bool repeated = strcmp(facility, "FAIL") == 0 || strcmp(facility, "ERROR") == 0 ||
			strcmp(facility, "AUTOCREATE") == 0;
	uint32_t ours = level <= 3   ? WEIR_LOG_ERROR
			: level <= 5 ? WEIR_LOG_WARNING
				     : WEIR_LOG_DEBUG;
	log_line(repeated ? WEIR_LOG_DEBUG : ours, "kafka", "facility=%s line=%s", facility,
		 LOG_TEXT(line));
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
	(void)client;
	(void)opaque;
	if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
		log_debug("kafka", "error=%s reason=%s", rd_kafka_err2name(code), LOG_TEXT(reason));
		return;
	}
	pthread_mutex_lock(&down_lock);
	bool first = log_once_failing(&down);
	pthread_mutex_unlock(&down_lock);
	if (first)
		log_warning("kafka", "state=away reason=%s", LOG_TEXT(reason));
}

bool kafka_reachable(void)
{
	pthread_mutex_lock(&down_lock);
	bool reachable = !down.failing;
	pthread_mutex_unlock(&down_lock);
	return reachable;
}

void kafka_note_reached(void)
{
	pthread_mutex_lock(&down_lock);
	int64_t since = down.since;
	bool first = log_once_recovered(&down);
	pthread_mutex_unlock(&down_lock);
	if (first)
		log_info("kafka", "state=back after_ms=%lld",
			 (long long)((moment_now() - since) / 1000));
}

weir_status kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value,
		      struct weir_error *error)
{
	char reason[300];
	if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) == RD_KAFKA_CONF_OK)
		return WEIR_OK;
	return err_set(error, WEIR_INVALID, "librdkafka: %s", reason);
}

static weir_status pass_through(void *context, const char *key, const char *value,
				const char *origin, struct weir_error *error)
{
	weir_status status = kafka_set(context, key + strlen("rdkafka."), value, error);
	if (status != WEIR_OK)
		return err_set(error, status, "%s: [kafka] %s: %s", origin, key, error->message);
	return WEIR_OK;
}

static weir_status is_given(void *context, const char *key, const char *value, const char *origin,
			    struct weir_error *error)
{
	(void)value;
	(void)origin;
	(void)error;
	const char **name = context;
	if (*name != NULL && strcmp(key + strlen("rdkafka."), *name) == 0)
		*name = NULL;
	return WEIR_OK;
}

weir_status kafka_set_default(const struct config *config, rd_kafka_conf_t *conf, const char *name,
			      const char *value, struct weir_error *error)
{
	const char *wanted = name;
	weir_status status = config_each(config, "kafka", "rdkafka.", is_given, &wanted, error);
	if (status != WEIR_OK || wanted == NULL)
		return status;
	return kafka_set(conf, name, value, error);
}

weir_status kafka_configure(const struct config *config, const char *process,
			    rd_kafka_conf_t **conf, struct weir_error *error)
{
	rd_kafka_conf_t *made = rd_kafka_conf_new();
	char client_id[64];
	snprintf(client_id, sizeof(client_id), "weir-%s", process);
	rd_kafka_conf_set_log_cb(made, on_log);
	rd_kafka_conf_set_error_cb(made, on_error);
	weir_status status = kafka_set(made, "bootstrap.servers",
				       config_text(config, "kafka", "brokers"), error);
	if (status == WEIR_OK)
		status = kafka_set(made, "client.id", client_id, error);
	if (status == WEIR_OK)
		status = config_each(config, "kafka", "rdkafka.", pass_through, made, error);
	if (status != WEIR_OK) {
		rd_kafka_conf_destroy(made);
		return status;
	}
	*conf = made;
	return WEIR_OK;
}

weir_status kafka_cluster_id(rd_kafka_t *client, const struct config *config, int timeout_ms,
			     char **cluster, struct weir_error *error)
{
	const char *given = config_text(config, "kafka", "cluster");
	if (given != NULL && given[0] != '\0') {
		*cluster = strdup(given);
		return *cluster != NULL ? WEIR_OK : err_no_memory(error);
	}
	char *id = rd_kafka_clusterid(client, timeout_ms);
	if (id == NULL)
		return err_set(error, WEIR_AWAY, "no broker of %s told its cluster id",
			       config_text(config, "kafka", "brokers"));
	*cluster = strdup(id);
	rd_kafka_mem_free(client, id);
	return *cluster != NULL ? WEIR_OK : err_no_memory(error);
}

static weir_status count_partitions(rd_kafka_t *client, const char *name, int timeout_ms,
				    int32_t *partitions, struct weir_error *error)
{
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
	if (topic == NULL)
		return err_no_memory(error);
	rd_kafka_resp_err_t failure = rd_kafka_metadata(client, 0, topic, &metadata, timeout_ms);
	rd_kafka_topic_destroy(topic);
	if (failure != RD_KAFKA_RESP_ERR_NO_ERROR)
		return err_set(error, WEIR_AWAY, "topic %s: %s", name, rd_kafka_err2str(failure));
	failure = metadata->topic_cnt == 1 ? metadata->topics[0].err
					   : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	int32_t count =
		failure == RD_KAFKA_RESP_ERR_NO_ERROR ? metadata->topics[0].partition_cnt : 0;
	rd_kafka_metadata_destroy(metadata);
	/* Not allowed to see it, or no leader just now: that is not "there is none". */
	if (failure != RD_KAFKA_RESP_ERR_NO_ERROR &&
	    failure != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
	    failure != RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
		return err_set(error, WEIR_AWAY, "topic %s: %s", name, rd_kafka_err2str(failure));
	*partitions = count;
	return WEIR_OK;
}

/* Where every partition begins (RD_KAFKA_OFFSET_BEGINNING) or ends, into list. Not
 * rd_kafka_query_watermark_offsets: librdkafka 2.0.2 tries for as long as the broker is away,
 * whatever the timeout, when the connection breaks under the question. */
static weir_status ask_offsets(rd_kafka_t *client, rd_kafka_topic_partition_list_t *list,
			       int64_t which, int64_t until, struct weir_error *error)
{
	int64_t left = (until - moment_monotonic()) / 1000;
	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = which;
	rd_kafka_resp_err_t failure =
		rd_kafka_offsets_for_times(client, list, left > 1 ? (int)left : 1);
	if (failure != RD_KAFKA_RESP_ERR_NO_ERROR)
		return err_set(error, WEIR_AWAY, "topic %s: %s", list->elems[0].topic,
			       rd_kafka_err2str(failure));
	for (int i = 0; i < list->cnt; i++)
		if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR || list->elems[i].offset < 0)
			return err_set(error, WEIR_AWAY, "topic %s partition %d: %s",
				       list->elems[i].topic, list->elems[i].partition,
				       rd_kafka_err2str(list->elems[i].err));
	return WEIR_OK;
}

static weir_status ask_ends(rd_kafka_t *client, rd_kafka_topic_partition_list_t *begins,
			    rd_kafka_topic_partition_list_t *ends, int64_t until,
			    struct weir_error *error)
{
	weir_status status = ask_offsets(client, begins, RD_KAFKA_OFFSET_BEGINNING, until, error);
	return status == WEIR_OK ? ask_offsets(client, ends, RD_KAFKA_OFFSET_END, until, error)
				 : status;
}

weir_status kafka_topic_ends(rd_kafka_t *client, const char *topic, int timeout_ms,
			     kafka_on_partition on_partition, void *context, int32_t *partitions,
			     struct weir_error *error)
{
	int32_t count = 0;
	int64_t until = moment_monotonic() + (int64_t)timeout_ms * 1000;
	weir_status status = count_partitions(client, topic, timeout_ms, &count, error);
	if (status != WEIR_OK)
		return status;
	rd_kafka_topic_partition_list_t *begins = rd_kafka_topic_partition_list_new(count + 1);
	rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_new(count + 1);
	rd_kafka_topic_partition_list_add_range(begins, topic, 0, count - 1);
	rd_kafka_topic_partition_list_add_range(ends, topic, 0, count - 1);
	if (count > 0)
		status = ask_ends(client, begins, ends, until, error);
	for (int32_t i = 0; status == WEIR_OK && i < count; i++)
		on_partition(context, topic, i,
			     rd_kafka_topic_partition_list_find(begins, topic, i)->offset,
			     rd_kafka_topic_partition_list_find(ends, topic, i)->offset);
	rd_kafka_topic_partition_list_destroy(begins);
	rd_kafka_topic_partition_list_destroy(ends);
	if (status == WEIR_OK)
		*partitions = count;
	return status;
}
