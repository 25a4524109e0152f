/* SPDX-License-Identifier: MIT
 * kafka.h - the little that eventd, indexer and weir share over librdkafka. */
#ifndef KAFKA_H
#define KAFKA_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "config.h"
#include "err.h"

/* A configuration with [kafka] brokers, client.id = "weir-<process>" and every rdkafka.* key; the
 * caller sets what it needs beyond that before or after. Log and error callbacks go to lib/log: one
 * line when brokers are away and one when they are back, and a line a minute at most that says why
 * no connection comes about. Ends with rd_kafka_conf_destroy, unless
 * rd_kafka_new took it. An unknown or wrong property: WEIR_INVALID naming it and its origin. */
weir_status kafka_configure(const struct config *config, const char *process,
			    rd_kafka_conf_t **conf, struct weir_error *error) WEIR_MUST_CHECK;
weir_status kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value,
		      struct weir_error *error) WEIR_MUST_CHECK;

/* The same, unless [kafka] rdkafka.<name> is given. */
weir_status kafka_set_default(const struct config *config, rd_kafka_conf_t *conf, const char *name,
			      const char *value, struct weir_error *error) WEIR_MUST_CHECK;

/* The cluster's id: [kafka] cluster when set, else asked of the broker (timeout in milliseconds;
 * WEIR_AWAY when it does not answer). free() it. */
weir_status kafka_cluster_id(rd_kafka_t *client, const struct config *config, int timeout_ms,
			     char **cluster, struct weir_error *error) WEIR_MUST_CHECK;

/* The brokers at the same address say another id by now than `cluster`: it is in *changed (free()
 * it), else NULL. Asks nobody. */
void kafka_cluster_changed(rd_kafka_t *client, const struct config *config, const char *cluster,
			   char **changed);

/* Asks the brokers where the log of a topic begins and ends, a call of on_partition for each of its
 * partitions. *partitions: 0, the topic does not exist. timeout in milliseconds for each answer;
 * WEIR_AWAY when one does not come. Blocks: for threads that nobody waits for. */
typedef void (*kafka_on_partition)(void *context, const char *topic, int32_t partition,
				   int64_t begin, int64_t end);
weir_status kafka_topic_ends(rd_kafka_t *client, const char *topic, int timeout_ms,
			     kafka_on_partition on_partition, void *context, int32_t *partitions,
			     struct weir_error *error) WEIR_MUST_CHECK;

/* rd_kafka_destroy, but waits for three seconds at most: librdkafka 2.0.2 never ends a client whose
 * topic was made anew with fewer partitions. Takes NULL. */
void kafka_destroy(rd_kafka_t *client);

/* False from "all brokers are down" until something succeeds. librdkafka tells the first and not
 * the second, so whoever sees a delivery, a fetch or an answer says so; both log once. Any thread.
 */
bool kafka_reachable(void);
void kafka_note_reached(void);

#endif
