/* SPDX-License-Identifier: MIT
 * fuzz_event.c - messages of any bytes, to topics of every format and of mappings. What decodes is
 * a change that keeps its promises, the same each time, and the same behind Schema Registry's
 * framing, inside a JSON string and as Kafka Connect's payload; merged in two orders, with the
 * state written and read between, changes give the same bytes; and those, damaged, are refused or
 * read but never crash.
 *
 * The input: six digits that choose (take_choice), and lines: key, type, version, and values, as
 * seeds.py makes them of tests/messages. */
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "fuzz.h"
#include "json.h"
#include "state.h"

enum { CHANGE_LIMIT = 4 };

static const char schema_text[] =
	"{\"name\": \"events\", \"id\": \"eventId\", \"unknownFieldsLimit\": 300, \"messages\": ["
	"{\"type\": \"EventCreatedEvent\", \"topic\": \"events.created\", \"operation\": "
	"\"created\"},"
	"{\"type\": \"EventUpdatedEvent\", \"topic\": \"events.updated\", \"operation\": "
	"\"updated\"},"
	"{\"type\": \"EventDeletedEvent\", \"topic\": \"events.deleted\", \"operation\": "
	"\"deleted\"},"
	"{\"type\": \"order.placed\", \"topic\": \"orders\", \"operation\": \"created\", "
	"\"typeFrom\": {\"header\": \"X-Kind\"}, \"key\": false, \"data\": \"/order\", \"id\": "
	"{\"pointer\": \"/no\"}, \"version\": {\"envelope\": \"/meta/at\", \"unit\": \"date\"}, "
	"\"others\": \"ignore\", \"fields\": {\"title\": \"/article/name\", \"price\": "
	"\"/lines/0/price\", \"startDate\": {\"pointer\": \"/when\", \"unit\": \"s\"}}},"
	"{\"type\": \"order.gone\", \"topic\": \"orders\", \"operation\": \"deleted\", "
	"\"typeFrom\": {\"header\": \"X-Kind\"}, \"key\": false, \"id\": {\"header\": "
	"\"X-Order\"}, "
	"\"version\": {\"header\": \"Version\", \"unit\": \"ns\"}},"
	"{\"type\": \"false\", \"topic\": \"rows\", \"operation\": \"updated\", \"typeFrom\": "
	"{\"pointer\": \"/__deleted\"}, \"key\": \"/no\", \"nullValue\": \"ignore\", \"id\": "
	"{\"pointer\": \"/no\"}, \"version\": {\"pointer\": \"/__source_ts_ms\", \"unit\": "
	"\"ms\"}, "
	"\"nullInUpdate\": \"ignore\", \"fields\": {\"title\": \"/name\", \"createdAt\": "
	"{\"pointer\": "
	"\"/made\", \"unit\": \"days\"}}},"
	"{\"type\": \"inserted\", \"topic\": \"debezium\", \"operation\": \"created\", \"format\": "
	"\"debezium\", \"version\": {\"envelope\": \"/source/lsn\"}, \"fields\": {\"title\": "
	"\"/name\"}},"
	"{\"type\": \"boxed\", \"topic\": \"boxed\", \"operation\": \"created\", \"format\": "
	"\"outbox\"},"
	"{\"type\": \"ce\", \"topic\": \"ce\", \"operation\": \"created\", \"format\": "
	"\"cloudevents\"},"
	"{\"type\": \"connected\", \"topic\": \"connected\", \"operation\": \"created\", "
	"\"format\": "
	"\"connect\"},"
	"{\"type\": \"plain\", \"topic\": \"plain\", \"operation\": \"created\", \"format\": "
	"\"plain\"}],"
	"\"fields\": ["
	"{\"name\": \"title\", \"type\": \"text\", \"required\": true},"
	"{\"name\": \"city\", \"type\": \"keyword\"},"
	"{\"name\": \"price\", \"type\": \"number\"},"
	"{\"name\": \"startDate\", \"type\": \"date\"},"
	"{\"name\": \"createdAt\", \"type\": \"date\"},"
	"{\"name\": \"free\", \"type\": \"boolean\"}]}";

static struct schema *schema;
static struct event_decoder *decoder;

static void set_up(void)
{
	struct weir_error error;
	if (schema != NULL)
		return;
	EXPECT(schema_parse(schema_text, sizeof(schema_text) - 1, "fuzz", &schema, &error) ==
	       WEIR_OK);
	decoder = event_decoder_create(schema);
	EXPECT(decoder != NULL);
}

/* The next part, copied to memory that ends where it ends; NULL: there is none. */
static char *take_part(const uint8_t **data, size_t *size, size_t *length)
{
	if (*size == 0)
		return NULL;
	const uint8_t *end = memchr(*data, '\n', *size);
	*length = end != NULL ? (size_t)(end - *data) : *size;
	char *part = malloc(*length + (*length == 0));
	EXPECT(part != NULL);
	memcpy(part, *data, *length);
	size_t taken = *length + (end != NULL);
	*data += taken;
	*size -= taken;
	return part;
}

static void check_field(const struct event_field *field)
{
	WEIR_CLEANUP(buffer_finish) struct buffer canonical = BUFFER_INIT;
	struct weir_error error;
	EXPECT(field->name_length > 0 && strlen(field->name) == field->name_length);
	EXPECT(field->number == schema_find_exact(schema, field->name, field->name_length));
	if (field->clears)
		return;
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	EXPECT(jsondoc_parse(field->json, field->json_length, &document, &error) == WEIR_OK);
	jsondoc_canonical(document, jsondoc_root(document), &canonical);
	EXPECT(canonical.length == field->json_length);
	EXPECT(memcmp(canonical.data, field->json, canonical.length) == 0);
}

static void check_change(const struct event_change *change)
{
	char id[EVENT_ID_LIMIT + 1];
	size_t length = 0;
	EXPECT(change->id_length > 0 && strlen(change->id) == change->id_length);
	/* quotes within quotes may come off once more, but it stays an id or becomes none */
	if (change->id[0] != '"' && change->id[0] != '\'') {
		EXPECT(event_id_normalize(change->id, change->id_length, id, &length, NULL));
		EXPECT(strcmp(id, change->id) == 0);
	}
	EXPECT(change->field_count == 0 || change->operation != SCHEMA_DELETED);
	for (size_t i = 0; i < change->field_count; i++) {
		check_field(&change->fields[i]);
		EXPECT(i == 0 || strcmp(change->fields[i - 1].name, change->fields[i].name) < 0);
	}
}

/* NULL: it is no change. */
static struct event_change *decode_once(const struct event_message *message)
{
	enum event_outcome outcome = EVENT_CHANGE;
	struct event_change *change = NULL;
	const char *type = NULL;
	struct weir_error error = {""};
	EXPECT(event_decode(decoder, message, &outcome, &change, &type, &error) == WEIR_OK);
	if (outcome == EVENT_PASSED_OVER)
		EXPECT(type != NULL);
	if (outcome == EVENT_DEAD_LETTER)
		EXPECT(error.message[0] != '\0' && strpbrk(error.message, "\r\n") == NULL);
	if (outcome != EVENT_CHANGE)
		return NULL;
	check_change(change);
	return change;
}

static void expect_same(const struct event_change *left, const struct event_change *right)
{
	EXPECT((left == NULL) == (right == NULL));
	if (left == NULL)
		return;
	EXPECT(left->operation == right->operation && left->version == right->version);
	EXPECT(strcmp(left->id, right->id) == 0 && left->field_count == right->field_count);
	for (size_t i = 0; i < left->field_count; i++) {
		const struct event_field *one = &left->fields[i], *other = &right->fields[i];
		EXPECT(strcmp(one->name, other->name) == 0 && one->clears == other->clears);
		EXPECT(one->json_length == other->json_length &&
		       memcmp(one->json, other->json, one->json_length) == 0);
	}
}

static void expect_same_wrapped(const struct event_message *message, const struct buffer *value,
				const struct event_change *change)
{
	struct event_message wrapped = *message;
	EXPECT(!buffer_failed(value));
	wrapped.value = value->data;
	wrapped.value_length = value->length;
	expect_same(decode_once(&wrapped), change);
}

/* Would a payload of that text be read as the text itself is? Not where its topic has a format, nor
 * when it is a payload with its schema already, nor when it would nest too deeply. */
static bool may_be_payload(const struct event_message *message)
{
	size_t nested = 0;
	struct weir_error error;
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	const char *text = message->value;
	for (size_t i = 0; i < message->value_length; i++)
		nested += text[i] == '{' || text[i] == '[';
	EXPECT(jsondoc_parse(text, message->value_length, &document, &error) == WEIR_OK);
	const json_t *root = jsondoc_root(document);
	return nested < JSONDOC_DEPTH && strncmp(message->topic, "events.", 7) == 0 &&
	       (json_object_get(root, "schema") == NULL ||
		json_object_get(root, "payload") == NULL);
}

/* Decodes it, and it once more in wrappings that say nothing of it. */
static struct event_change *decode(const struct event_message *message)
{
	WEIR_CLEANUP(buffer_finish) struct buffer value = BUFFER_INIT;
	struct jsonout json = JSONOUT_INIT(&value);
	struct event_change *change = decode_once(message);
	expect_same(decode_once(message), change);
	const char *text = message->value;
	if (change == NULL || text == NULL || text[0] != '{')
		return change;
	buffer_append(&value, "\0\0\0\0\7", 5);
	buffer_append(&value, text, message->value_length);
	expect_same_wrapped(message, &value, change);
	buffer_clear(&value);
	jsonout_string(&json, text, message->value_length);
	expect_same_wrapped(message, &value, change);
	if (!may_be_payload(message))
		return change;
	buffer_clear(&value);
	buffer_append_text(&value, "{\"schema\":null,\"payload\":");
	buffer_append(&value, text, message->value_length);
	buffer_append_text(&value, "}");
	expect_same_wrapped(message, &value, change);
	return change;
}

/* Merges in this order, or backwards through a written state each time. */
static void merge(struct event_change *const *changes, size_t count, bool backwards,
		  struct buffer *blob)
{
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	struct buffer stored[2] = {BUFFER_INIT, BUFFER_INIT};
	struct weir_error error;
	bool changed = false;
	for (size_t i = 0; i < count; i++) {
		if (backwards) {
			struct buffer *one = &stored[i % 2];
			buffer_clear(one);
			state_write(&state, one);
			EXPECT(state_read(&state, one->data, one->length, &error) == WEIR_OK);
		}
		const struct event_change *change = changes[backwards ? count - 1 - i : i];
		EXPECT(state_merge(&state, change, &changed, &error) == WEIR_OK);
		EXPECT(state_merge(&state, change, &changed, &error) == WEIR_OK && !changed);
	}
	state_write(&state, blob);
	EXPECT(!buffer_failed(blob));
	buffer_finish(&stored[0]);
	buffer_finish(&stored[1]);
}

/* Of a blob that nobody damaged, everything has to work. */
static void use_state(const char *bytes, size_t length, bool damaged)
{
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	WEIR_CLEANUP(state_values_finish) struct state_values values = STATE_VALUES_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	struct weir_error error;
	weir_status status = state_read(&state, bytes, length, &error);
	EXPECT(status == WEIR_OK || (damaged && status == WEIR_FATAL));
	if (status != WEIR_OK)
		return;
	(void)state_visible(&state, schema);
	(void)state_version(&state);
	status = state_values_make(&state, schema, &values, &error);
	EXPECT(status == WEIR_OK || (damaged && status == WEIR_FATAL));
	state_write_event(&state, schema, "7", 1, NULL, 0, &out);
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	status = jsondoc_parse(out.data, out.length, &document, &error);
	EXPECT(status == WEIR_OK || damaged);
}

static void use_blob(struct buffer *blob, const uint8_t *data, size_t size)
{
	use_state(blob->data, blob->length, false);
	WEIR_FREE char *copy = malloc(blob->length + 1);
	EXPECT(copy != NULL);
	memcpy(copy, blob->data, blob->length);
	for (size_t i = 0; i + 1 < size && i < 8; i += 2)
		copy[data[i] % blob->length] ^= (char)data[i + 1];
	use_state(copy, blob->length, true);
	WEIR_FREE char *part = malloc(blob->length + 1);
	EXPECT(part != NULL);
	size_t length = size > 0 ? data[0] % blob->length : 0;
	memcpy(part, blob->data, length);
	use_state(part, length, true);
}

/* What the digits choose. */
struct choice {
	unsigned topic, has_timestamp, has_key, has_tombstone, headers, framed;
};

static unsigned take_choice(const uint8_t **data, size_t *size, unsigned count)
{
	if (*size == 0)
		return 0;
	unsigned chosen = (unsigned)(**data - '0') % count;
	(*data)++;
	(*size)--;
	return chosen;
}

/* The headers that a choice stands for; key, type and version are the values. */
static size_t make_headers(unsigned choice, const struct event_message *key,
			   const struct event_header *type, const struct event_header *version,
			   struct event_header *headers)
{
	static const char *const names[][4] = {
		{NULL},
		{"EventType", "VERSION"},
		{NULL, "Version"},
		{"ce_type", "content-type", "ce_subject", "ce_specversion"},
		{NULL, "Content-Type"},
		{"X-Kind", "Version", "X-Order"},
	};
	const struct event_header *values[] = {type, version};
	size_t count = 0;
	for (size_t i = 0; i < 4; i++) {
		if (names[choice][i] == NULL)
			continue;
		struct event_header *header = &headers[count++];
		if (i < 2)
			*header = *values[i];
		else if (i == 2)
			*header = (struct event_header){NULL, key->key, key->key_length};
		else
			*header = (struct event_header){NULL, "1.0", 3};
		header->name = names[choice][i];
		if (header->value == NULL)
			header->length = 0;
	}
	return count;
}

/* Schema Registry's five bytes before what was there. */
static void put_frame(char **bytes, size_t *length)
{
	char *framed = malloc(*length + 5);
	EXPECT(framed != NULL);
	memset(framed, 0, 5);
	memcpy(framed + 5, *bytes, *length);
	free(*bytes);
	*bytes = framed;
	*length += 5;
}

static const char *const topics[] = {"events.created", "events.updated", "events.deleted", "orders",
				     "rows",	       "debezium",	 "boxed",	   "ce",
				     "connected",      "plain",		 "other"};

/* Decodes every value as a message; answers how many are changes. */
static size_t decode_values(const struct choice *choice, const struct event_message *common,
			    char *const *parts, const size_t *lengths, size_t values,
			    struct event_change **changes)
{
	size_t count = 0;
	for (size_t i = 0; i < values; i++) {
		struct event_message message = *common;
		message.topic = topics[choice->topic];
		message.timestamp = choice->has_timestamp ? (int64_t)i : INT64_MIN;
		message.value = choice->has_tombstone && i == 1 ? NULL : parts[i];
		message.value_length = lengths[i];
		changes[count] = decode(&message);
		count += changes[count] != NULL;
	}
	return count;
}

static void merge_both_ways(struct event_change *const *changes, size_t count, const uint8_t *data,
			    size_t size)
{
	WEIR_CLEANUP(buffer_finish) struct buffer forwards = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer backwards = BUFFER_INIT;
	merge(changes, count, false, &forwards);
	merge(changes, count, true, &backwards);
	EXPECT(forwards.length == backwards.length);
	EXPECT(memcmp(forwards.data, backwards.data, forwards.length) == 0);
	use_blob(&forwards, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *begin = data;
	size_t whole = size, values = 0, key_length = 0, lengths[CHANGE_LIMIT];
	char *parts[CHANGE_LIMIT];
	struct event_change *changes[CHANGE_LIMIT];
	set_up();
	use_state((const char *)begin, whole, true);
	struct choice choice = {
		.topic = take_choice(&data, &size, sizeof(topics) / sizeof(topics[0])),
		.has_timestamp = take_choice(&data, &size, 2),
		.has_key = take_choice(&data, &size, 2),
		.has_tombstone = take_choice(&data, &size, 2),
		.headers = take_choice(&data, &size, 6),
		.framed = take_choice(&data, &size, 3)};
	struct event_header type = {0}, version = {0}, headers[4];
	WEIR_FREE char *key = take_part(&data, &size, &key_length);
	WEIR_FREE char *type_text = take_part(&data, &size, &type.length);
	WEIR_FREE char *version_text = take_part(&data, &size, &version.length);
	type.value = type_text;
	version.value = version_text;
	if (key != NULL && choice.framed == 2)
		put_frame(&key, &key_length);
	for (; values < CHANGE_LIMIT &&
	       (parts[values] = take_part(&data, &size, &lengths[values])) != NULL;
	     values++)
		if (choice.framed == 1)
			put_frame(&parts[values], &lengths[values]);
	struct event_message common = {
		.key = choice.has_key ? key : NULL, .key_length = key_length, .headers = headers};
	common.header_count = make_headers(choice.headers, &common, &type, &version, headers);
	size_t count = decode_values(&choice, &common, parts, lengths, values, changes);
	merge_both_ways(changes, count, begin, whole);
	event_decoder_reset(decoder);
	for (size_t i = 0; i < values; i++)
		free(parts[i]);
	return 0;
}
