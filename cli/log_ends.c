/* SPDX-License-Identifier: MIT */
#include "log_ends.h"

#include "kafka.h"

enum { ANSWER_MS = 10000 };

weir_status log_ends_init(struct log_ends *log, const struct config *config,
			  struct weir_error *error)
{
	rd_kafka_conf_t *conf = NULL;
	char reason[300];
	*log = (struct log_ends){.config = config};
	weir_status status = kafka_configure(config, "rebuild", &conf, error);
	if (status != WEIR_OK)
		return status;
	log->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
	if (log->client == NULL) {
		rd_kafka_conf_destroy(conf);
		return err_set(error, WEIR_INVALID, "[kafka]: %s", reason);
	}
	return kafka_cluster_id(log->client, config, ANSWER_MS, &log->cluster, error);
}

void log_ends_finish(struct log_ends *log)
{
	if (log->client != NULL)
		rd_kafka_destroy(log->client);
	free(log->cluster);
	positions_finish(&log->begins);
	positions_finish(&log->ends);
	*log = (struct log_ends){0};
}

static void on_partition(void *context, const char *topic, int32_t partition, int64_t begin,
			 int64_t end)
{
	struct log_ends *log = context;
	struct weir_position position = {log->cluster, topic, "", partition, begin};
	positions_add(&log->begins, &position);
	position.next_offset = end;
	positions_add(&log->ends, &position);
}

weir_status log_ends_read(struct log_ends *log, const struct schema *schema,
			  struct weir_error *error)
{
	while (rd_kafka_poll(log->client, 0) > 0) /* what it has to tell piles up otherwise */
		;
	positions_finish(&log->begins);
	positions_finish(&log->ends);
	for (size_t i = 0; i < schema->message_count; i++) {
		int32_t partitions;
		weir_status status =
			kafka_topic_ends(log->client, schema->messages[i].topic, ANSWER_MS,
					 on_partition, log, &partitions, error);
		if (status != WEIR_OK)
			return status;
	}
	return log->begins.failed || log->ends.failed ? err_no_memory(error) : WEIR_OK;
}

static int64_t begin_of(const struct log_ends *log, const struct positions_entry *end)
{
	const struct positions_entry *begin =
		positions_find(&log->begins, end->cluster, end->topic, end->partition);
	return begin != NULL ? begin->next_offset : 0;
}

int64_t log_ends_lag(const struct log_ends *log, const struct positions *positions)
{
	int64_t sum = 0;
	for (size_t i = 0; i < log->ends.count; i++) {
		const struct positions_entry *end = &log->ends.entries[i];
		const struct positions_entry *at =
			positions_find(positions, end->cluster, end->topic, end->partition);
		int64_t from = begin_of(log, end);
		if (at != NULL && at->next_offset > from)
			from = at->next_offset;
		if (from < end->next_offset)
			sum += end->next_offset - from;
	}
	return sum;
}

int64_t log_ends_size(const struct log_ends *log)
{
	static const struct positions nothing = POSITIONS_INIT;
	return log_ends_lag(log, &nothing);
}

const struct positions_entry *log_ends_lost(const struct log_ends *log,
					    const struct positions *positions)
{
	for (size_t i = 0; i < log->begins.count; i++) {
		const struct positions_entry *begin = &log->begins.entries[i];
		const struct positions_entry *at =
			positions_find(positions, begin->cluster, begin->topic, begin->partition);
		if ((at != NULL ? at->next_offset : 0) < begin->next_offset)
			return begin;
	}
	return NULL;
}
