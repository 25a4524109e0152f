/* SPDX-License-Identifier: MIT */
#include "message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "validate.h"

const struct schema_message *message_of(const struct schema *schema,
					enum schema_operation operation)
{
	for (size_t i = 0; i < schema->message_count; i++)
		if (schema->messages[i].operation == operation)
			return &schema->messages[i];
	return NULL;
}

weir_status message_value(const struct schema *schema, const struct store_change *change,
			  struct arena *arena, struct buffer *value, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer by = BUFFER_INIT;
	struct value members[MEMBER_COUNT];
	struct event_field fields[MEMBER_COUNT];
	size_t count = 0;
	if (!validate_read(&change->fields, members, arena) ||
	    (change->by.bytes != NULL &&
	     !json_string_decode(change->by.bytes, change->by.length, &by)))
		return err_set(error, WEIR_INVALID, "change %" PRId64 " of event %s cannot be read",
			       change->sequence, change->id);
	for (size_t i = 0; i < MEMBER_COUNT; i++) {
		if (!members[i].given)
			continue;
		fields[count++] = (struct event_field){
			.name = member_names[i],
			.name_length = strlen(member_names[i]),
			.number = -1,
			.clears = members[i].json.bytes == NULL,
			.json = members[i].json.bytes,
			.json_length = members[i].json.length,
		};
	}
	const char *who = change->by.bytes == NULL ? NULL : by.data != NULL ? by.data : "";
	event_encode(schema, change->operation, change->id, strlen(change->id), fields, count,
		     change->at, who, by.length, value);
	return buffer_failed(value) || buffer_failed(&by) ? err_no_memory(error) : WEIR_OK;
}

rd_kafka_headers_t *message_headers(const struct schema_message *message,
				    const struct store_change *change)
{
	char produced[MOMENT_TEXT_SIZE], version[24];
	moment_format(moment_now(), produced);
	snprintf(version, sizeof(version), "%" PRId64, change->version);
	rd_kafka_headers_t *headers = rd_kafka_headers_new(3);
	rd_kafka_header_add(headers, "EventType", -1, message->type, -1);
	rd_kafka_header_add(headers, "Timestamp", -1, produced, -1);
	rd_kafka_header_add(headers, "Version", -1, version, -1);
	return headers;
}
