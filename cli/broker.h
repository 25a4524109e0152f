/* SPDX-License-Identifier: MIT
 * broker.h - the development broker: librdkafka's mock cluster, in memory, gone with the process.
 *
 * Concurrency: the cluster answers on a thread of librdkafka's own. */
#ifndef BROKER_H
#define BROKER_H

#include "err.h"
#include "schema.h"

struct broker;

/* One broker on a free port of 127.0.0.1, with the schema's topics and the dead letters'. */
weir_status broker_start(const struct schema *schema, const char *dead_letter_topic,
			 struct broker **broker, struct weir_error *error) WEIR_MUST_CHECK;
const char *broker_address(const struct broker *broker); /* "127.0.0.1:43210"; borrowed */
void broker_destroy(struct broker *broker);		 /* takes NULL */

#endif
