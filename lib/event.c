/* SPDX-License-Identifier: MIT
 * A message: which operation, which id, which version. The value is unwrapped by event_envelope.c,
 * its members are read by event_body.c. */
#include "event.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "event_internal.h"
#include "moment.h"

struct event_decoder {
	const struct schema *schema;
	struct arena arena;
	struct event_memory memory; /* of the message that is decoded */
	struct buffer scratch;
	struct event_key keys[EVENT_KEYS];
	bool borrows;
};

struct event_decoder *event_decoder_create(const struct schema *schema)
{
	struct event_decoder *decoder = calloc(1, sizeof(*decoder));
	if (decoder != NULL)
		decoder->schema = schema;
	return decoder;
}

void event_decoder_destroy(struct event_decoder *decoder)
{
	if (decoder == NULL)
		return;
	arena_finish(&decoder->arena);
	arena_finish(&decoder->memory.arena);
	buffer_finish(&decoder->scratch);
	free(decoder);
}

void event_decoder_reset(struct event_decoder *decoder)
{
	arena_reset(&decoder->arena);
}

void event_decoder_borrow(struct event_decoder *decoder)
{
	decoder->borrows = true;
}

static bool is_guid_text(const char *text, size_t length)
{
	if (length != 36)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

/* UTF-8 without control characters. */
static bool is_clean_text(const char *text, size_t length)
{
	for (size_t i = 0; i < length;) {
		if (text[i] >= 0x20 && text[i] < 0x7F) {
			i++;
			continue;
		}
		utf8proc_int32_t point;
		utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
							 (utf8proc_ssize_t)(length - i), &point);
		if (size <= 0 || point < 0x20 || (point >= 0x7F && point < 0xA0))
			return false;
		i += (size_t)size;
	}
	return true;
}

bool event_id_normalize(const char *text, size_t length, char id[EVENT_ID_LIMIT + 1],
			size_t *id_length, bool *is_guid)
{
	if (length >= 2 && (text[0] == '"' || text[0] == '\'') && text[length - 1] == text[0]) {
		text++;
		length -= 2;
	}
	if (length == 38 &&
	    ((text[0] == '{' && text[37] == '}') || (text[0] == '(' && text[37] == ')')) &&
	    is_guid_text(text + 1, 36)) {
		text++;
		length -= 2;
	}
	if (length == 0 || length > EVENT_ID_LIMIT || !is_clean_text(text, length))
		return false;
	bool guid = is_guid_text(text, length);
	memcpy(id, text, length);
	for (size_t i = 0; guid && i < length; i++)
		if (id[i] >= 'A' && id[i] <= 'F')
			id[i] = (char)(id[i] + ('a' - 'A'));
	id[length] = '\0';
	*id_length = length;
	if (is_guid != NULL)
		*is_guid = guid;
	return true;
}

static weir_status refuse(const struct event_decoding *decoding, const char *what)
{
	return err_set(decoding->error, WEIR_INVALID, "%s", what);
}

static const struct schema_message *by_type(const struct schema *schema, const char *type,
					    size_t length)
{
	for (size_t i = 0; i < schema->message_count; i++)
		if (strlen(schema->messages[i].type) == length &&
		    memcmp(schema->messages[i].type, type, length) == 0)
			return &schema->messages[i];
	return NULL;
}

static const struct schema_message *by_topic(const struct schema *schema, const char *topic)
{
	for (size_t i = 0; i < schema->message_count; i++)
		if (strcmp(schema->messages[i].topic, topic) == 0)
			return &schema->messages[i];
	return NULL;
}

bool event_parse_version(const char *text, size_t length, int64_t *version)
{
	char digits[24], *end;
	if (length == 0 || length >= sizeof(digits) || isspace((unsigned char)text[0]))
		return false;
	memcpy(digits, text, length);
	digits[length] = '\0';
	errno = 0;
	long long value = strtoll(digits, &end, 10);
	if (errno != 0 || end != digits + length)
		return false;
	*version = value;
	return true;
}

static weir_status bad_id(const struct event_decoding *decoding, const char *whose)
{
	return err_set(decoding->error, WEIR_INVALID,
		       "the id in the %s is empty, longer than 200 bytes, or has control "
		       "characters",
		       whose);
}

static weir_status take_id(struct event_decoding *decoding, const char *whose, const char *text,
			   size_t length)
{
	if (text == NULL || !event_id_normalize(text, length, decoding->change->id,
						&decoding->change->id_length, NULL))
		return bad_id(decoding, whose);
	decoding->has_id = true;
	return WEIR_OK;
}

weir_status event_read_id(struct event_decoding *decoding, const struct jsonnode *node)
{
	size_t length = 0;
	if (node->kind == JSONNODE_NULL)
		return WEIR_OK;
	const char *text = event_text_of(decoding->envelope.memory, node, &length);
	return take_id(decoding, "body", text, length);
}

/* Where the schema says that it is; NULL: nothing is there. */
static const struct jsonnode *find_node(const struct event_decoding *decoding,
					const struct schema_source *source)
{
	const struct jsonnode *from =
		source->origin == SCHEMA_DATA ? decoding->envelope.data : decoding->envelope.outer;
	const struct jsonnode *node = jsonnode_find(from, source->place);
	return jsonnode_is(node, JSONNODE_NULL) ? NULL : node;
}

/* The text that a source names; NULL: nothing is there, or nothing that has a text. */
static const char *find_text(const struct event_decoding *decoding,
			     const struct schema_source *source, size_t *length)
{
	if (source->origin == SCHEMA_HEADER) {
		const struct event_header *header =
			event_find_header(decoding->message, source->place);
		*length = header != NULL ? header->length : 0;
		return *length > 0 ? header->value : NULL;
	}
	const struct jsonnode *found = find_node(decoding, source);
	bool is_true = jsonnode_is(found, JSONNODE_TRUE);
	if (is_true || jsonnode_is(found, JSONNODE_FALSE)) {
		*length = is_true ? 4 : 5;
		return is_true ? "true" : "false";
	}
	return event_text_of(decoding->envelope.memory, found, length);
}

static weir_status id_from_source(struct event_decoding *decoding)
{
	const struct schema_source *source = &decoding->mapping->id;
	size_t length = 0;
	const char *text = find_text(decoding, source, &length);
	if (text != NULL)
		return take_id(decoding, source->origin == SCHEMA_HEADER ? "header" : "body", text,
			       length);
	if (source->origin != SCHEMA_HEADER && find_node(decoding, source) != NULL)
		return bad_id(decoding, "body");
	return WEIR_OK;
}

/* Of an object: what the schema points to, the member with the id's name, or the only one. */
static const struct jsonnode *find_in_key(const struct event_decoding *decoding,
					  const struct jsonnode *object)
{
	const struct schema_message *mapping = decoding->mapping;
	const struct jsonnode *plain = NULL;
	if (mapping != NULL && mapping->key != NULL)
		return jsonnode_find(object, mapping->key);
	for (const struct jsonnode *each = object->first; each != NULL; each = each->next) {
		char camel[SCHEMA_NAME_LIMIT];
		if (!schema_camel(each->name, each->name_length, camel))
			continue;
		if (strcasecmp(camel, decoding->schema->id_name) == 0)
			return each;
		if (strcasecmp(camel, "id") == 0)
			plain = each;
	}
	return plain == NULL && object->count == 1 ? object->first : plain;
}

static weir_status bad_key(const struct event_decoding *decoding)
{
	return refuse(decoding,
		      "the key is no id: empty, longer than 200 bytes, not UTF-8, or with "
		      "control characters");
}

/* The text of a key that is JSON: Kafka Connect's, Debezium's. */
static weir_status read_json_key(const struct event_decoding *decoding, const struct jsonnode *node,
				 char *id, size_t *id_length)
{
	size_t length = 0;
	if (event_is_connect(node))
		node = jsonnode_get(node, "payload");
	if (jsonnode_is(node, JSONNODE_OBJECT))
		node = find_in_key(decoding, node);
	const char *text = event_text_of(decoding->envelope.memory, node, &length);
	if (text == NULL)
		return refuse(decoding, "the key is JSON, but no id can be found in it");
	return event_id_normalize(text, length, id, id_length, NULL) ? WEIR_OK : bad_key(decoding);
}

/* Braces and quotes may be those of a GUID, so what is no JSON is a plain text. */
static weir_status read_key(const struct event_decoding *decoding, char *id, size_t *id_length)
{
	const struct jsonnode *node = NULL;
	size_t length = decoding->message->key_length;
	bool framed = false;
	uint32_t schema_id;
	struct weir_error ignored;
	const char *text = event_unframe(decoding->message->key, &length, &framed, &schema_id);
	weir_status status = WEIR_INVALID;
	if (length > 1 && (text[0] == '{' || text[0] == '"'))
		status = jsontree_parse(text, length, &decoding->envelope.memory->arena, &node,
					&ignored);
	if (status == WEIR_OK)
		return read_json_key(decoding, node, id, id_length);
	if (status != WEIR_INVALID)
		return err_no_memory(decoding->error);
	if (!event_id_normalize(text, length, id, id_length, NULL))
		return bad_key(decoding);
	return WEIR_OK;
}

/* The body's id counts; a key beside it has to be the same. */
static weir_status id_from_key(struct event_decoding *decoding)
{
	const struct event_message *message = decoding->message;
	const bool ignored = decoding->mapping != NULL && decoding->mapping->key_ignored;
	char id[EVENT_ID_LIMIT + 1];
	size_t length = 0;
	if (ignored || message->key == NULL || message->key_length == 0)
		return decoding->has_id ? WEIR_OK
		       : ignored	? refuse(decoding, "no id: the body has none, and the key "
								  "is none, as the schema says")
					: refuse(decoding, "no id: neither body nor key has one");
	weir_status status = read_key(decoding, id, &length);
	if (status != WEIR_OK)
		return status;
	if (!decoding->has_id) {
		memcpy(decoding->change->id, id, length + 1);
		decoding->change->id_length = length;
		decoding->has_id = true;
		return WEIR_OK;
	}
	if (strcasecmp(id, decoding->change->id) != 0)
		return err_set(decoding->error, WEIR_INVALID,
			       "the key %.60s and the id %.60s in the body differ", id,
			       decoding->change->id);
	return WEIR_OK;
}

static weir_status settle_id(struct event_decoding *decoding)
{
	weir_status status = WEIR_OK;
	if (decoding->mapping != NULL && decoding->mapping->id.origin != SCHEMA_NOWHERE)
		status = id_from_source(decoding);
	if (status == WEIR_OK && !decoding->has_id && decoding->envelope.subject != NULL)
		status = take_id(decoding, "subject", decoding->envelope.subject,
				 decoding->envelope.subject_length);
	return status == WEIR_OK ? id_from_key(decoding) : status;
}

static weir_status version_from_header(struct event_decoding *decoding)
{
	const struct event_header *header = event_find_header(decoding->message, "Version");
	if (header == NULL || event_version_is_mapped(decoding))
		return WEIR_OK;
	if (header->value == NULL ||
	    !event_parse_version(header->value, header->length, &decoding->change->version))
		return refuse(decoding, "header Version is not a 64-bit decimal number");
	decoding->has_version = true;
	return WEIR_OK;
}

static bool parse_unit(const char *text, size_t length, enum schema_unit unit, int64_t *version)
{
	if (unit == SCHEMA_AS_IS)
		return event_parse_version(text, length, version);
	if (unit == SCHEMA_ISO_DATE)
		return moment_parse(text, length, version, NULL);
	return event_scale(text, length, unit, version);
}

/* Where the schema says that the version is, there it has to be: one from elsewhere would count in
 * another unit. */
static weir_status version_from_source(struct event_decoding *decoding)
{
	const struct schema_source *source = &decoding->mapping->version;
	const char *where = source->origin == SCHEMA_HEADER ? "header " : "";
	size_t length = 0;
	const char *text = find_text(decoding, source, &length);
	if (text == NULL)
		return err_set(decoding->error, WEIR_INVALID,
			       "no version in %s%s, where the schema says it is", where,
			       source->place);
	if (!parse_unit(text, length, source->unit, &decoding->change->version))
		return err_set(decoding->error, WEIR_INVALID,
			       "the version in %s%s is not of its unit: %.*s", where, source->place,
			       length < 60 ? (int)length : 60, text);
	return WEIR_OK;
}

static weir_status settle_version(struct event_decoding *decoding)
{
	int64_t *version = &decoding->change->version;
	if (event_version_is_mapped(decoding))
		return version_from_source(decoding);
	if (decoding->has_version ||
	    (decoding->envelope.op != '\0' && event_envelope_time(&decoding->envelope, version)))
		return WEIR_OK;
	if (decoding->has_stamp)
		*version = decoding->stamp;
	else if (decoding->message->timestamp != INT64_MIN)
		*version = decoding->message->timestamp;
	else
		return refuse(decoding, "no version: no Version, no time of its own, no timestamp");
	return WEIR_OK;
}

static weir_status pass_over(struct event_decoding *decoding, const char *type, size_t length,
			     const char **unknown_type)
{
	*unknown_type = arena_copy(decoding->arena, type, length);
	return *unknown_type != NULL ? WEIR_OK : err_no_memory(decoding->error);
}

/* A name that a header, an envelope or the schema's own place says. Kafka Connect's header
 * converter may put it in quotes. */
static weir_status take_type(struct event_decoding *decoding, const char *type, size_t length,
			     const char **unknown_type)
{
	if (length > 2 && type[0] == '"' && type[length - 1] == '"') {
		type++;
		length -= 2;
	}
	const struct schema_message *found = by_type(decoding->schema, type, length);
	if (found == NULL)
		return pass_over(decoding, type, length, unknown_type);
	decoding->mapping = found;
	decoding->change->operation = found->operation;
	return WEIR_OK;
}

/* "com.example.EventCreatedEvent": whole, or what is behind the last dot. */
static weir_status take_dotted_type(struct event_decoding *decoding, const char **unknown_type)
{
	const char *type = decoding->envelope.type;
	size_t length = decoding->envelope.type_length;
	const char *dot = memrchr(type, '.', length);
	if (decoding->envelope.format == SCHEMA_CLOUDEVENTS && dot != NULL &&
	    by_type(decoding->schema, type, length) == NULL) {
		size_t behind = length - (size_t)(dot + 1 - type);
		if (by_type(decoding->schema, dot + 1, behind) != NULL)
			return take_type(decoding, dot + 1, behind, unknown_type);
	}
	return take_type(decoding, type, length, unknown_type);
}

/* Debezium's op says the operation; what else the schema says of it is of the topic's message with
 * that operation, or of the topic's first. */
static void take_op(struct event_decoding *decoding)
{
	const struct schema *schema = decoding->schema;
	const char *topic = decoding->message->topic;
	char op = decoding->envelope.op;
	decoding->change->operation = op == 'd'	  ? SCHEMA_DELETED
				      : op == 'u' ? SCHEMA_UPDATED
						  : SCHEMA_CREATED;
	decoding->mapping = by_topic(schema, topic);
	for (size_t i = 0; i < schema->message_count; i++)
		if (schema->messages[i].operation == decoding->change->operation &&
		    strcmp(schema->messages[i].topic, topic) == 0)
			decoding->mapping = &schema->messages[i];
}

/* Which operation: what Debezium says; else the type where the schema says that it is; else the
 * header's, the envelope's, the topic's. */
static weir_status find_operation(struct event_decoding *decoding, const char **unknown_type)
{
	const struct event_envelope *envelope = &decoding->envelope;
	const struct event_header *header = event_find_header(decoding->message, "EventType");
	const char *type = NULL;
	size_t length = 0;
	if (envelope->op == 'm')
		return pass_over(decoding, "Debezium op m", 13, unknown_type);
	if (envelope->op != '\0') {
		take_op(decoding);
		return WEIR_OK;
	}
	if (decoding->mapping != NULL && decoding->mapping->type_from.origin != SCHEMA_NOWHERE)
		type = find_text(decoding, &decoding->mapping->type_from, &length);
	if (type != NULL && length > 0)
		return take_type(decoding, type, length, unknown_type);
	if (header != NULL && header->value != NULL && header->length > 0)
		return take_type(decoding, header->value, header->length, unknown_type);
	if (envelope->type != NULL)
		return take_dotted_type(decoding, unknown_type);
	if (decoding->mapping == NULL)
		return refuse(decoding, "no EventType header, and the schema has no message "
					"for this topic");
	decoding->change->operation = decoding->mapping->operation;
	return WEIR_OK;
}

/* A type that a header says and the schema does not know is passed over whatever the value is. */
static bool is_passed_over(const struct event_decoding *decoding)
{
	const struct event_header *header = event_find_header(decoding->message, "EventType");
	if (header == NULL || header->value == NULL || header->length == 0 ||
	    (decoding->mapping != NULL && decoding->mapping->type_from.origin != SCHEMA_NOWHERE))
		return false;
	const char *type = header->value;
	bool quoted = header->length > 2 && type[0] == '"' && type[header->length - 1] == '"';
	return by_type(decoding->schema, type + quoted, header->length - 2 * (size_t)quoted) ==
	       NULL;
}

/* Where the schema says that the event's object is. */
static weir_status follow_data(struct event_decoding *decoding)
{
	const char *pointer = decoding->mapping != NULL ? decoding->mapping->data : NULL;
	struct event_envelope *envelope = &decoding->envelope;
	struct weir_error inner;
	if (pointer == NULL || envelope->data == NULL)
		return WEIR_OK;
	const struct jsonnode *node = jsonnode_find(envelope->data, pointer);
	envelope->types = event_type_at(envelope->memory, envelope->types, pointer);
	weir_status status = WEIR_OK;
	size_t length = 0;
	const char *text = event_string_of(envelope->memory, node, &length);
	if (jsonnode_is(node, JSONNODE_OBJECT))
		envelope->data = node;
	else if (text != NULL)
		status = event_envelope_parse(envelope, text, length, &envelope->data, &inner);
	else
		status = WEIR_INVALID;
	if (status == WEIR_INVALID)
		return err_set(decoding->error, WEIR_INVALID,
			       "no JSON object at %s, where the schema says it is", pointer);
	return status == WEIR_OK ? WEIR_OK : err_no_memory(decoding->error);
}

/* Null deletes the key's event, whatever the headers. */
static weir_status decode_null(struct event_decoding *decoding, const char **unknown_type)
{
	decoding->change->operation = SCHEMA_DELETED;
	if (decoding->mapping != NULL && decoding->mapping->null_value_ignored)
		return pass_over(decoding, "null value", 10, unknown_type);
	weir_status status = version_from_header(decoding);
	if (status == WEIR_OK)
		status = id_from_key(decoding);
	return status == WEIR_OK ? settle_version(decoding) : status;
}

static weir_status decode_value(struct event_decoding *decoding, const char **unknown_type)
{
	weir_status status = find_operation(decoding, unknown_type);
	if (status != WEIR_OK || *unknown_type != NULL)
		return status;
	status = version_from_header(decoding);
	if (status == WEIR_OK)
		status = follow_data(decoding);
	if (status == WEIR_OK && decoding->envelope.data != NULL)
		status = event_body_read(decoding);
	if (status == WEIR_OK)
		status = settle_id(decoding);
	return status == WEIR_OK ? settle_version(decoding) : status;
}

static weir_status decode(struct event_decoding *decoding, const char **unknown_type)
{
	const struct event_message *message = decoding->message;
	decoding->mapping = by_topic(decoding->schema, message->topic);
	if (message->value == NULL)
		return decode_null(decoding, unknown_type);
	if (is_passed_over(decoding)) {
		const struct event_header *header = event_find_header(message, "EventType");
		return pass_over(decoding, header->value, header->length, unknown_type);
	}
	enum schema_format format =
		decoding->mapping != NULL ? decoding->mapping->format : SCHEMA_AUTO;
	weir_status status =
		event_envelope_open(message, format, &decoding->envelope, decoding->error);
	if (status != WEIR_OK)
		return status;
	return decoding->envelope.null_value ? decode_null(decoding, unknown_type)
					     : decode_value(decoding, unknown_type);
}

weir_status event_decode(struct event_decoder *decoder, const struct event_message *message,
			 enum event_outcome *outcome, struct event_change **change,
			 const char **type, struct weir_error *error)
{
	struct event_change *made = arena_allocate(&decoder->arena, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	*made = (struct event_change){0};
	struct event_decoding decoding = {.schema = decoder->schema,
					  .message = message,
					  .change = made,
					  .envelope.memory = &decoder->memory,
					  .keys = decoder->keys,
					  .arena = &decoder->arena,
					  .scratch = &decoder->scratch,
					  .borrows = decoder->borrows,
					  .error = error};
	const char *unknown_type = NULL;
	arena_reset(&decoder->memory.arena);
	decoder->memory.failed = false;
	weir_status status = decode(&decoding, &unknown_type);
	if (decoder->memory.failed)
		return err_no_memory(error);
	if (status == WEIR_INVALID) {
		*outcome = EVENT_DEAD_LETTER;
		return WEIR_OK;
	}
	if (status != WEIR_OK)
		return status;
	if (unknown_type != NULL) {
		*outcome = EVENT_PASSED_OVER;
		*type = unknown_type;
		return WEIR_OK;
	}
	*outcome = EVENT_CHANGE;
	*change = made;
	return WEIR_OK;
}
