/* SPDX-License-Identifier: MIT
 * What a message's value is wrapped in: Schema Registry framing, JSON in a JSON string, Kafka
 * Connect's schema and payload, CloudEvents, Debezium's envelope and its outbox router's. Each is
 * known by members that no ordinary event has together; docs/contract.md states the rules. */
#include <string.h>
#include <strings.h>

#include "base64.h"
#include "event_internal.h"

enum { FRAME = 5 }; /* Schema Registry: a zero byte and a schema's id, big-endian */

static weir_status refuse(struct weir_error *error, const char *what)
{
	return err_set(error, WEIR_INVALID, "%s", what);
}

const struct event_header *event_find_header(const struct event_message *message, const char *name)
{
	/* Most differ in their first letter. */
	for (size_t i = message->header_count; i > 0; i--) {
		const char *each = message->headers[i - 1].name;
		if (((*each ^ *name) & ~('a' - 'A')) == 0 && strcasecmp(each, name) == 0)
			return &message->headers[i - 1];
	}
	return NULL;
}

const char *event_unframe(const void *bytes, size_t *length, bool *framed, uint32_t *schema_id)
{
	const unsigned char *at = bytes;
	*framed = *length >= FRAME && at[0] == 0;
	if (!*framed)
		return bytes;
	*schema_id = (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
	*length -= FRAME;
	return (const char *)at + FRAME;
}

static weir_status parse(struct event_envelope *envelope, const char *text, size_t length,
			 const struct jsonnode **root, struct weir_error *error)
{
	if (envelope->document_count == EVENT_DOCUMENTS)
		return refuse(error, "JSON in strings in JSON is too deep");
	weir_status status = jsontree_parse(text, length, &envelope->memory->arena, root, error);
	if (status == WEIR_OK)
		envelope->document_count++;
	return status;
}

weir_status event_envelope_parse(struct event_envelope *envelope, const char *text, size_t length,
				 const struct jsonnode **object, struct weir_error *error)
{
	const struct jsonnode *root = NULL;
	weir_status status = parse(envelope, text, length, &root, error);
	if (status == WEIR_OK && root->kind != JSONNODE_OBJECT)
		status = refuse(error, "it is no JSON object");
	if (status == WEIR_OK)
		*object = root;
	return status;
}

/* The text of a node that is a string. */
static weir_status parse_string(struct event_envelope *envelope, const struct jsonnode *string,
				const struct jsonnode **object, struct weir_error *error)
{
	size_t length = 0;
	const char *text = event_string_of(envelope->memory, string, &length);
	return text != NULL ? event_envelope_parse(envelope, text, length, object, error)
			    : err_no_memory(error);
}

/* An object, or the text of one. */
static weir_status take_object(struct event_envelope *envelope, const struct jsonnode *from,
			       const char *name, const struct jsonnode **object,
			       struct weir_error *error)
{
	struct weir_error inner;
	if (jsonnode_is(from, JSONNODE_OBJECT)) {
		*object = from;
		return WEIR_OK;
	}
	if (!jsonnode_is(from, JSONNODE_STRING))
		return err_set(error, WEIR_INVALID, "%s is JSON, but not an object", name);
	weir_status status = parse_string(envelope, from, object, &inner);
	if (status == WEIR_INVALID)
		return err_set(error, WEIR_INVALID, "%s is a text that is no JSON object: %.200s",
			       name, inner.message);
	return status == WEIR_OK ? WEIR_OK : err_no_memory(error);
}

static weir_status parse_value(const struct event_message *message, struct event_envelope *envelope,
			       struct weir_error *error)
{
	size_t length = message->value_length;
	bool framed = false;
	uint32_t schema_id = 0;
	if (length == 0)
		return refuse(error, "the value is empty");
	const char *text = event_unframe(message->value, &length, &framed, &schema_id);
	if (!framed && *text == '\0')
		return refuse(error, "the value begins with a zero byte, but is too short for "
				     "Schema Registry framing");
	weir_status status = parse(envelope, text, length, &envelope->outer, error);
	if (status == WEIR_INVALID && framed)
		return err_set(error, WEIR_INVALID,
			       "Schema Registry framing (schema %u), but what follows is not "
			       "JSON: Avro and Protobuf are not read",
			       (unsigned)schema_id);
	if (status != WEIR_OK)
		return status;
	/* A text that is no object is refused later, as everything is that is no object. */
	const struct jsonnode *root = envelope->outer;
	struct weir_error ignored;
	if (jsonnode_is(root, JSONNODE_STRING) && root->length > 0)
		status = parse_string(envelope, root, &envelope->outer, &ignored);
	return status == WEIR_NO_MEMORY ? err_no_memory(error) : WEIR_OK;
}

/* Kafka Connect writes these two and no others. */
bool event_is_connect(const struct jsonnode *node)
{
	const struct jsonnode *schema = jsonnode_get(node, "schema");
	return schema != NULL && node->count == 2 && jsonnode_get(node, "payload") != NULL &&
	       (schema->kind == JSONNODE_NULL ||
		jsonnode_is(jsonnode_get(schema, "type"), JSONNODE_STRING));
}

static weir_status open_connect(struct event_envelope *envelope, struct weir_error *error)
{
	const struct jsonnode *schema = jsonnode_get(envelope->outer, "schema");
	const struct jsonnode *payload = jsonnode_get(envelope->outer, "payload");
	envelope->format = SCHEMA_CONNECT;
	if (jsonnode_is(payload, JSONNODE_NULL)) {
		envelope->null_value = true;
		return WEIR_OK;
	}
	if (jsonnode_is(payload, JSONNODE_OBJECT) && jsonnode_is(schema, JSONNODE_OBJECT))
		envelope->types = schema;
	return take_object(envelope, payload, "the payload", &envelope->outer, error);
}

/* A media type that is JSON, "application/json; charset=utf-8" or "application/vnd.x+json", or that
 * says nothing. */
static bool is_json_type(const char *text, size_t length)
{
	static const char bytes[] = "application/octet-stream";
	size_t end = 0;
	if (length >= sizeof(bytes) - 1 && strncasecmp(text, bytes, sizeof(bytes) - 1) == 0)
		return true;
	while (end < length && text[end] != ';' && text[end] != ' ')
		end++;
	return end >= 5 && strncasecmp(text + end - 4, "json", 4) == 0 &&
	       (text[end - 5] == '/' || text[end - 5] == '+');
}

static weir_status refuse_type(const char *text, size_t length, struct weir_error *error)
{
	return err_set(error, WEIR_INVALID, "CloudEvents: data of type %.*s is not read, only JSON",
		       length < 80 ? (int)length : 80, text);
}

static weir_status check_version(const char *text, size_t length, struct weir_error *error)
{
	if (length >= 2 && memcmp(text, "1.", 2) == 0)
		return WEIR_OK;
	return err_set(error, WEIR_INVALID, "CloudEvents: specversion %.*s is not read, only 1.0",
		       length < 20 ? (int)length : 20, text);
}

static bool has_text(const struct jsonnode *object, const char *name)
{
	const struct jsonnode *node = jsonnode_get(object, name);
	return jsonnode_is(node, JSONNODE_STRING) && node->length > 0;
}

/* What every CloudEvent has. */
static bool is_cloudevent(const struct jsonnode *node)
{
	return has_text(node, "specversion") && has_text(node, "type") &&
	       has_text(node, "source") && has_text(node, "id");
}

static weir_status open_bytes(struct event_envelope *envelope, const struct jsonnode *node,
			      struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer bytes = BUFFER_INIT;
	struct weir_error inner;
	size_t length = 0;
	const char *text = event_string_of(envelope->memory, node, &length);
	if (text == NULL || !base64_decode(text, length, &bytes))
		return refuse(error, "CloudEvents: data_base64 is no base64");
	text = arena_copy(&envelope->memory->arena, bytes.data != NULL ? bytes.data : "",
			  bytes.length);
	if (buffer_failed(&bytes) || text == NULL)
		return err_no_memory(error);
	weir_status status =
		event_envelope_parse(envelope, text, bytes.length, &envelope->data, &inner);
	if (status == WEIR_INVALID)
		return err_set(error, WEIR_INVALID,
			       "CloudEvents: data_base64 holds no JSON object: %.200s",
			       inner.message);
	return status == WEIR_OK ? WEIR_OK : err_no_memory(error);
}

static void take_subject(struct event_envelope *envelope, const struct jsonnode *node)
{
	if (jsonnode_is(node, JSONNODE_STRING))
		envelope->subject =
			event_string_of(envelope->memory, node, &envelope->subject_length);
}

static void take_type(struct event_envelope *envelope, const struct jsonnode *node)
{
	if (jsonnode_is(node, JSONNODE_STRING) && node->length > 0)
		envelope->type = event_string_of(envelope->memory, node, &envelope->type_length);
}

static weir_status open_structured(struct event_envelope *envelope, struct weir_error *error)
{
	const struct jsonnode *root = envelope->outer;
	const struct jsonnode *data = jsonnode_get(root, "data");
	const struct jsonnode *bytes = jsonnode_get(root, "data_base64");
	size_t length = 0;
	envelope->format = SCHEMA_CLOUDEVENTS;
	if (!has_text(root, "specversion") || !has_text(root, "type"))
		return refuse(error, "CloudEvents: specversion and type have to be texts");
	const char *text =
		event_string_of(envelope->memory, jsonnode_get(root, "specversion"), &length);
	weir_status status =
		text != NULL ? check_version(text, length, error) : err_no_memory(error);
	if (status != WEIR_OK)
		return status;
	text = event_string_of(envelope->memory, jsonnode_get(root, "datacontenttype"), &length);
	if (text != NULL && !is_json_type(text, length))
		return refuse_type(text, length, error);
	take_type(envelope, jsonnode_get(root, "type"));
	take_subject(envelope, jsonnode_get(root, "subject"));
	bool has_data = data != NULL && data->kind != JSONNODE_NULL;
	if (bytes != NULL && bytes->kind != JSONNODE_NULL)
		return has_data ? refuse(error, "CloudEvents: both data and data_base64")
				: open_bytes(envelope, bytes, error);
	if (!has_data)
		return WEIR_OK;
	return take_object(envelope, data, "CloudEvents: data", &envelope->data, error);
}

/* The event's object is the value, and the attributes are headers. */
static weir_status open_binary(const struct event_message *message, struct event_envelope *envelope,
			       struct weir_error *error)
{
	const struct event_header *version = event_find_header(message, "ce_specversion");
	const struct event_header *type = event_find_header(message, "ce_type");
	const struct event_header *subject = event_find_header(message, "ce_subject");
	const struct event_header *content = event_find_header(message, "content-type");
	envelope->format = SCHEMA_CLOUDEVENTS;
	envelope->data = envelope->outer;
	weir_status status =
		check_version(version->value != NULL ? version->value : "", version->length, error);
	if (status != WEIR_OK)
		return status;
	if (content != NULL && content->length > 0 &&
	    !is_json_type(content->value, content->length))
		return refuse_type(content->value, content->length, error);
	if (type != NULL && type->length > 0) {
		envelope->type = type->value;
		envelope->type_length = type->length;
	}
	if (subject != NULL && subject->length > 0) {
		envelope->subject = subject->value;
		envelope->subject_length = subject->length;
	}
	return WEIR_OK;
}

/* What the header says: structured CloudEvents as JSON; refused are batches and other formats. */
static weir_status is_structured(const struct event_message *message, bool *structured,
				 struct weir_error *error)
{
	static const char media[] = "application/cloudevents";
	const size_t length = sizeof(media) - 1;
	const struct event_header *header = event_find_header(message, "content-type");
	if (header == NULL || header->value == NULL || header->length < length ||
	    strncasecmp(header->value, media, length) != 0)
		return WEIR_OK;
	const char *rest = (const char *)header->value + length;
	size_t left = header->length - length;
	if (left >= 6 && strncasecmp(rest, "-batch", 6) == 0)
		return refuse(error, "CloudEvents: a batch is not read, only one event a message");
	if (left > 0 && *rest == '+' && !is_json_type(header->value, header->length))
		return refuse_type(header->value, header->length, error);
	*structured = true;
	return WEIR_OK;
}

static bool is_row(const struct jsonnode *root, const char *name)
{
	const struct jsonnode *row = jsonnode_get(root, name);
	return jsonnode_is(row, JSONNODE_OBJECT) || jsonnode_is(row, JSONNODE_STRING) ||
	       jsonnode_is(row, JSONNODE_NULL);
}

/* A row before or after a change, an operation and where it came from. */
static bool is_debezium(const struct event_envelope *envelope)
{
	const struct jsonnode *root = envelope->outer;
	size_t length = 0;
	return event_string_of(envelope->memory, jsonnode_get(root, "op"), &length) != NULL &&
	       length == 1 && jsonnode_is(jsonnode_get(root, "source"), JSONNODE_OBJECT) &&
	       (is_row(root, "before") || is_row(root, "after") ||
		jsonnode_is(jsonnode_get(root, "message"), JSONNODE_OBJECT));
}

static weir_status open_debezium(struct event_envelope *envelope, struct weir_error *error)
{
	size_t length = 0;
	const char *text =
		event_string_of(envelope->memory, jsonnode_get(envelope->outer, "op"), &length);
	if (text == NULL)
		return err_no_memory(error);
	char op = *text;
	const char *name = op == 'd' ? "before" : "after";
	envelope->format = SCHEMA_DEBEZIUM;
	envelope->op = op;
	if (op == 'm') /* a message of the application's, no change of a row */
		return WEIR_OK;
	if (op == 't')
		return refuse(error, "Debezium: op t (truncate) is not applied: delete the events, "
				     "or rebuild the index");
	if (op == '\0' || strchr("crud", op) == NULL)
		return refuse(error, "Debezium: op is none of c, r, u, d");
	const struct jsonnode *row = jsonnode_get(envelope->outer, name);
	envelope->types = event_member_type(envelope->memory, envelope->types, name);
	if (op == 'd' && (row == NULL || row->kind == JSONNODE_NULL))
		return WEIR_OK;
	return take_object(envelope, row, op == 'd' ? "Debezium: before" : "Debezium: after",
			   &envelope->data, error);
}

bool event_envelope_time(const struct event_envelope *envelope, int64_t *version)
{
	static const struct {
		const char *name;
		enum schema_unit unit;
	} times[] = {{"ts_ns", SCHEMA_NANOSECONDS},
		     {"ts_us", SCHEMA_MICROSECONDS},
		     {"ts_ms", SCHEMA_MILLISECONDS}};
	const struct jsonnode *places[] = {jsonnode_get(envelope->outer, "source"),
					   envelope->outer};
	for (size_t i = 0; i < 6; i++) {
		const struct jsonnode *node = jsonnode_get(places[i / 3], times[i % 3].name);
		if (jsonnode_is(node, JSONNODE_NUMBER) &&
		    event_scale(node->text, node->length, times[i % 3].unit, version))
			return true;
	}
	return false;
}

/* The type and the payload, and of the outbox's other columns those that can be meant. */
static bool is_outbox(const struct jsonnode *root)
{
	static const char *const names[] = {"eventType",   "payload",	    "aggregateType",
					    "aggregateId", "aggregatetype", "aggregateid",
					    "timestamp"};
	const struct jsonnode *payload = jsonnode_get(root, "payload");
	size_t known = 0;
	if (!has_text(root, "eventType") ||
	    (!jsonnode_is(payload, JSONNODE_OBJECT) && !jsonnode_is(payload, JSONNODE_STRING)))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		known += jsonnode_get(root, names[i]) != NULL;
	return known == root->count;
}

static weir_status open_outbox(struct event_envelope *envelope, struct weir_error *error)
{
	const struct jsonnode *outer = envelope->outer;
	const struct jsonnode *payload = jsonnode_get(outer, "payload");
	const struct jsonnode *subject = jsonnode_get(outer, "aggregateId");
	envelope->format = SCHEMA_OUTBOX;
	take_type(envelope, jsonnode_get(outer, "eventType"));
	take_subject(envelope, subject != NULL ? subject : jsonnode_get(outer, "aggregateid"));
	envelope->types = event_member_type(envelope->memory, envelope->types, "payload");
	return take_object(envelope, payload, "the payload", &envelope->data, error);
}

static weir_status open_plain(struct event_envelope *envelope, struct weir_error *error)
{
	envelope->data = envelope->outer;
	return jsonnode_is(envelope->outer, JSONNODE_OBJECT)
		       ? WEIR_OK
		       : refuse(error, "the value is JSON, but not an object");
}

static weir_status check_format(const struct event_envelope *envelope, enum schema_format format,
				struct weir_error *error)
{
	static const struct {
		enum schema_format format;
		const char *missing;
	} formats[] = {
		{SCHEMA_CLOUDEVENTS, "no CloudEvent, as the schema says it is: neither ce_ headers "
				     "nor specversion, type, source and id"},
		{SCHEMA_DEBEZIUM, "no Debezium envelope, as the schema says it is: op, source, and "
				  "before or after"},
		{SCHEMA_OUTBOX, "no envelope of the outbox router, as the schema says it is: "
				"eventType and payload"},
		{SCHEMA_CONNECT, "no Kafka Connect JSON, as the schema says it is: schema and "
				 "payload"},
	};
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (formats[i].format == format && envelope->format != format)
			return refuse(error, formats[i].missing);
	return WEIR_OK;
}

static weir_status open_inner(const struct event_message *message, enum schema_format format,
			      struct event_envelope *envelope, struct weir_error *error)
{
	bool structured = false;
	const struct jsonnode *root = envelope->outer;
	weir_status status = is_structured(message, &structured, error);
	if (status != WEIR_OK)
		return status;
	if (structured || is_cloudevent(root))
		return open_structured(envelope, error);
	if (is_debezium(envelope))
		return open_debezium(envelope, error);
	if (is_outbox(root) || (format == SCHEMA_OUTBOX && jsonnode_get(root, "payload") != NULL))
		return open_outbox(envelope, error);
	status = open_plain(envelope, error);
	if (status == WEIR_OK && event_find_header(message, "ce_specversion") != NULL)
		return open_binary(message, envelope, error);
	return status;
}

weir_status event_envelope_open(const struct event_message *message, enum schema_format format,
				struct event_envelope *envelope, struct weir_error *error)
{
	*envelope = (struct event_envelope){.format = SCHEMA_PLAIN, .memory = envelope->memory};
	weir_status status = parse_value(message, envelope, error);
	if (status != WEIR_OK)
		return status;
	if (format == SCHEMA_PLAIN)
		return open_plain(envelope, error);
	if (event_is_connect(envelope->outer)) {
		status = open_connect(envelope, error);
		if (status != WEIR_OK || envelope->null_value)
			return status;
	}
	if (format == SCHEMA_CONNECT) {
		status = check_format(envelope, format, error);
		return status == WEIR_OK ? open_plain(envelope, error) : status;
	}
	status = open_inner(message, format, envelope, error);
	return status == WEIR_OK ? check_format(envelope, format, error) : status;
}
