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
	for (size_t i = message->header_count; i > 0; i--)
		if (strcasecmp(message->headers[i - 1].name, name) == 0)
			return &message->headers[i - 1];
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

void event_envelope_close(struct event_envelope *envelope)
{
	for (size_t i = 0; i < envelope->document_count; i++)
		jsondoc_destroy(envelope->documents[i]);
	envelope->document_count = 0;
}

static weir_status parse(struct event_envelope *envelope, const char *text, size_t length,
			 struct event_node *root, struct weir_error *error)
{
	struct jsondoc *document = NULL;
	if (envelope->document_count == EVENT_DOCUMENTS)
		return refuse(error, "JSON in strings in JSON is too deep");
	weir_status status = jsondoc_parse(text, length, &document, error);
	if (status != WEIR_OK)
		return status;
	envelope->documents[envelope->document_count++] = document;
	*root = (struct event_node){document, jsondoc_root(document)};
	return WEIR_OK;
}

weir_status event_envelope_parse(struct event_envelope *envelope, const char *text, size_t length,
				 struct event_node *object, struct weir_error *error)
{
	struct event_node root;
	weir_status status = parse(envelope, text, length, &root, error);
	if (status == WEIR_OK && !json_is_object(root.node))
		status = refuse(error, "it is no JSON object");
	if (status == WEIR_OK)
		*object = root;
	return status;
}

/* An object, or the text of one. */
static weir_status take_object(struct event_envelope *envelope, struct event_node from,
			       const char *name, struct event_node *object,
			       struct weir_error *error)
{
	struct weir_error inner;
	if (json_is_object(from.node)) {
		*object = from;
		return WEIR_OK;
	}
	if (!json_is_string(from.node))
		return err_set(error, WEIR_INVALID, "%s is JSON, but not an object", name);
	weir_status status = event_envelope_parse(envelope, json_string_value(from.node),
						  json_string_length(from.node), object, &inner);
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
	const json_t *root = envelope->outer.node;
	struct weir_error ignored;
	if (json_is_string(root) && json_string_length(root) > 0)
		status = event_envelope_parse(envelope, json_string_value(root),
					      json_string_length(root), &envelope->outer, &ignored);
	return status == WEIR_NO_MEMORY ? err_no_memory(error) : WEIR_OK;
}

/* Kafka Connect writes these two and no others. */
bool event_is_connect(const json_t *node)
{
	const json_t *schema = json_object_get(node, "schema");
	return json_object_size(node) == 2 && json_object_get(node, "payload") != NULL &&
	       (json_is_null(schema) || json_is_string(json_object_get(schema, "type")));
}

static weir_status open_connect(struct event_envelope *envelope, struct weir_error *error)
{
	struct event_node *outer = &envelope->outer;
	const json_t *schema = json_object_get(outer->node, "schema");
	struct event_node payload = {outer->document, json_object_get(outer->node, "payload")};
	envelope->format = SCHEMA_CONNECT;
	if (json_is_null(payload.node)) {
		envelope->null_value = true;
		return WEIR_OK;
	}
	if (json_is_object(payload.node) && json_is_object(schema))
		envelope->types = schema;
	return take_object(envelope, payload, "the payload", outer, error);
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

static bool has_text(const json_t *object, const char *name)
{
	return json_string_length(json_object_get(object, name)) > 0;
}

/* What every CloudEvent has. */
static bool is_cloudevent(const json_t *node)
{
	return has_text(node, "specversion") && has_text(node, "type") &&
	       has_text(node, "source") && has_text(node, "id");
}

static weir_status open_bytes(struct event_envelope *envelope, const json_t *node,
			      struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer bytes = BUFFER_INIT;
	struct weir_error inner;
	if (!json_is_string(node) ||
	    !base64_decode(json_string_value(node), json_string_length(node), &bytes))
		return refuse(error, "CloudEvents: data_base64 is no base64");
	if (buffer_failed(&bytes))
		return err_no_memory(error);
	weir_status status = event_envelope_parse(envelope, bytes.data != NULL ? bytes.data : "",
						  bytes.length, &envelope->data, &inner);
	if (status == WEIR_INVALID)
		return err_set(error, WEIR_INVALID,
			       "CloudEvents: data_base64 holds no JSON object: %.200s",
			       inner.message);
	return status == WEIR_OK ? WEIR_OK : err_no_memory(error);
}

static void take_subject(struct event_envelope *envelope, const json_t *node)
{
	if (!json_is_string(node))
		return;
	envelope->subject = json_string_value(node);
	envelope->subject_length = json_string_length(node);
}

static void take_type(struct event_envelope *envelope, const json_t *node)
{
	if (!json_is_string(node) || json_string_length(node) == 0)
		return;
	envelope->type = json_string_value(node);
	envelope->type_length = json_string_length(node);
}

static weir_status open_structured(struct event_envelope *envelope, struct weir_error *error)
{
	const json_t *root = envelope->outer.node;
	const json_t *data = json_object_get(root, "data");
	const json_t *bytes = json_object_get(root, "data_base64");
	const json_t *version = json_object_get(root, "specversion");
	const json_t *type = json_object_get(root, "datacontenttype");
	envelope->format = SCHEMA_CLOUDEVENTS;
	if (!has_text(root, "specversion") || !has_text(root, "type"))
		return refuse(error, "CloudEvents: specversion and type have to be texts");
	weir_status status =
		check_version(json_string_value(version), json_string_length(version), error);
	if (status != WEIR_OK)
		return status;
	if (json_is_string(type) &&
	    !is_json_type(json_string_value(type), json_string_length(type)))
		return refuse_type(json_string_value(type), json_string_length(type), error);
	take_type(envelope, json_object_get(root, "type"));
	take_subject(envelope, json_object_get(root, "subject"));
	bool has_data = data != NULL && !json_is_null(data);
	if (bytes != NULL && !json_is_null(bytes))
		return has_data ? refuse(error, "CloudEvents: both data and data_base64")
				: open_bytes(envelope, bytes, error);
	if (!has_data)
		return WEIR_OK;
	return take_object(envelope, (struct event_node){envelope->outer.document, data},
			   "CloudEvents: data", &envelope->data, error);
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

static bool is_row(const json_t *root, const char *name)
{
	const json_t *row = json_object_get(root, name);
	return json_is_object(row) || json_is_string(row) || json_is_null(row);
}

/* A row before or after a change, an operation and where it came from. */
static bool is_debezium(const json_t *root)
{
	return json_string_length(json_object_get(root, "op")) == 1 &&
	       json_is_object(json_object_get(root, "source")) &&
	       (is_row(root, "before") || is_row(root, "after") ||
		json_is_object(json_object_get(root, "message")));
}

static weir_status open_debezium(struct event_envelope *envelope, struct weir_error *error)
{
	struct event_node *outer = &envelope->outer;
	char op = *json_string_value(json_object_get(outer->node, "op"));
	const char *name = op == 'd' ? "before" : "after";
	envelope->format = SCHEMA_DEBEZIUM;
	envelope->op = op;
	if (op == 'm') /* a message of the application's, no change of a row */
		return WEIR_OK;
	if (op == 't')
		return refuse(error, "Debezium: op t (truncate) is not applied: delete the events, "
				     "or rebuild the index");
	if (strchr("crud", op) == NULL)
		return refuse(error, "Debezium: op is none of c, r, u, d");
	struct event_node row = {outer->document, json_object_get(outer->node, name)};
	envelope->types = event_member_type(envelope->types, name);
	if (op == 'd' && (row.node == NULL || json_is_null(row.node)))
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
	const json_t *places[] = {json_object_get(envelope->outer.node, "source"),
				  envelope->outer.node};
	for (size_t i = 0; i < 6; i++) {
		const json_t *node = json_object_get(places[i / 3], times[i % 3].name);
		size_t length = 0;
		const char *text = json_is_integer(node)
					   ? jsondoc_number(envelope->outer.document, node, &length)
					   : NULL;
		if (text != NULL && event_scale(text, length, times[i % 3].unit, version))
			return true;
	}
	return false;
}

/* The type and the payload, and of the outbox's other columns those that can be meant. */
static bool is_outbox(const json_t *root)
{
	static const char *const names[] = {"eventType",   "payload",	    "aggregateType",
					    "aggregateId", "aggregatetype", "aggregateid",
					    "timestamp"};
	const json_t *payload = json_object_get(root, "payload");
	size_t known = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		known += json_object_get(root, names[i]) != NULL;
	return has_text(root, "eventType") &&
	       (json_is_object(payload) || json_is_string(payload)) &&
	       known == json_object_size(root);
}

static weir_status open_outbox(struct event_envelope *envelope, struct weir_error *error)
{
	struct event_node *outer = &envelope->outer;
	struct event_node payload = {outer->document, json_object_get(outer->node, "payload")};
	const json_t *subject = json_object_get(outer->node, "aggregateId");
	envelope->format = SCHEMA_OUTBOX;
	take_type(envelope, json_object_get(outer->node, "eventType"));
	take_subject(envelope,
		     subject != NULL ? subject : json_object_get(outer->node, "aggregateid"));
	envelope->types = event_member_type(envelope->types, "payload");
	return take_object(envelope, payload, "the payload", &envelope->data, error);
}

static weir_status open_plain(struct event_envelope *envelope, struct weir_error *error)
{
	envelope->data = envelope->outer;
	return json_is_object(envelope->outer.node)
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
	const json_t *root = envelope->outer.node;
	weir_status status = is_structured(message, &structured, error);
	if (status != WEIR_OK)
		return status;
	if (structured || is_cloudevent(root))
		return open_structured(envelope, error);
	if (is_debezium(root))
		return open_debezium(envelope, error);
	if (is_outbox(root) ||
	    (format == SCHEMA_OUTBOX && json_object_get(root, "payload") != NULL))
		return open_outbox(envelope, error);
	status = open_plain(envelope, error);
	if (status == WEIR_OK && event_find_header(message, "ce_specversion") != NULL)
		return open_binary(message, envelope, error);
	return status;
}

weir_status event_envelope_open(const struct event_message *message, enum schema_format format,
				struct event_envelope *envelope, struct weir_error *error)
{
	*envelope = (struct event_envelope){.format = SCHEMA_PLAIN};
	weir_status status = parse_value(message, envelope, error);
	if (status != WEIR_OK)
		return status;
	if (format == SCHEMA_PLAIN)
		return open_plain(envelope, error);
	if (event_is_connect(envelope->outer.node)) {
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
