/* SPDX-License-Identifier: MIT
 * message.h - from a row of the outbox to a Kafka message, as docs/contract.md has it. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <librdkafka/rdkafka.h>

#include "schema.h"
#include "store.h"

/* Type and topic of an operation's messages; never NULL in a schema that relay_check took. */
const struct schema_message *message_of(const struct schema *schema,
					enum schema_operation operation);
/* The value of a change's message, appended. WEIR_INVALID: the row cannot be read. */
weir_status message_value(const struct schema *schema, const struct store_change *change,
			  struct arena *arena, struct buffer *value,
			  struct weir_error *error) WEIR_MUST_CHECK;
/* EventType, Timestamp, Version; taken over by rd_kafka_producev or rd_kafka_headers_destroy. */
rd_kafka_headers_t *message_headers(const struct schema_message *message,
				    const struct store_change *change);

#endif
