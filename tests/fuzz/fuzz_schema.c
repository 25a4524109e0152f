/* SPDX-License-Identifier: MIT
 * fuzz_schema.c - schema files of any bytes, and messages read by what such a file says of them.
 * What is refused has a reason in one line; what is taken has a fingerprint that only fields make,
 * and reads any message without harm.
 *
 * The input: a line that is the schema, and behind it the value of a message. */
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "fuzz.h"

/* Memory that ends where the bytes end. */
static char *copy(const uint8_t *data, size_t size)
{
	char *made = malloc(size + (size == 0));
	EXPECT(made != NULL);
	if (size > 0)
		memcpy(made, data, size);
	return made;
}

static void decode(struct event_decoder *decoder, const struct schema *schema,
		   const struct schema_message *mapping, const char *value, size_t length)
{
	const char *header =
		mapping->type_from.origin == SCHEMA_HEADER ? mapping->type_from.place : "EventType";
	const struct event_header headers[] = {
		{header, mapping->type, strlen(mapping->type)},
		{mapping->version.origin == SCHEMA_HEADER ? mapping->version.place : "x", "5", 1}};
	const struct event_message message = {.topic = mapping->topic,
					      .timestamp = 1,
					      .key = "{\"id\":7}",
					      .key_length = 8,
					      .value = value,
					      .value_length = length,
					      .headers = headers,
					      .header_count = 2};
	enum event_outcome outcome = EVENT_CHANGE;
	struct event_change *change = NULL;
	const char *type = NULL;
	struct weir_error error = {""};
	EXPECT(event_decode(decoder, &message, &outcome, &change, &type, &error) == WEIR_OK);
	EXPECT(outcome != EVENT_PASSED_OVER || type != NULL);
	EXPECT(outcome != EVENT_DEAD_LETTER ||
	       (error.message[0] != '\0' && strpbrk(error.message, "\r\n") == NULL));
	for (size_t i = 0; outcome == EVENT_CHANGE && i < change->field_count; i++)
		EXPECT(change->fields[i].number ==
		       schema_find_exact(schema, change->fields[i].name,
					 change->fields[i].name_length));
	event_decoder_reset(decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t length = end != NULL ? (size_t)(end - data) : size;
	size_t left = end != NULL ? size - length - 1 : 0;
	WEIR_FREE char *text = copy(data, length);
	WEIR_FREE char *value = copy(data + size - left, left);
	struct schema *schema = NULL;
	struct weir_error error = {""};
	weir_status status = schema_parse(text, length, "fuzz", &schema, &error);
	if (status != WEIR_OK) {
		EXPECT(status == WEIR_INVALID && schema == NULL && error.message[0] != '\0');
		EXPECT(strpbrk(error.message, "\r\n") == NULL);
		return 0;
	}
	struct event_decoder *decoder = event_decoder_create(schema);
	EXPECT(decoder != NULL && strlen(schema->abi->fingerprint) == 16);
	for (size_t i = 0; i < schema->message_count; i++)
		decode(decoder, schema, &schema->messages[i], value, left);
	event_decoder_destroy(decoder);
	schema_destroy(schema);
	return 0;
}
