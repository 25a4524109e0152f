/* SPDX-License-Identifier: MIT */
#include "event.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "arena.h"
#include "json.h"
#include "moment.h"

struct event_decoder {
	const struct schema *schema;
	struct arena arena;
	struct buffer scratch;
};

/* One message on its way through the decoder. */
struct decoding {
	struct event_decoder *decoder;
	const struct event_message *message;
	const struct jsondoc *document;
	struct event_change *change;
	struct event_field *fields;
	size_t field_count;
	size_t unknown_bytes;
	const json_t *plain_id; /* "id", which counts when the schema's own name is not there */
	bool has_id, has_version;
	bool has_stamp; /* CreatedAt of a create, and so on */
	int64_t stamp;
	struct weir_error *error;
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
	buffer_finish(&decoder->scratch);
	free(decoder);
}

void event_decoder_reset(struct event_decoder *decoder)
{
	arena_reset(&decoder->arena);
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
	for (size_t i = 0; i < length; i++)
		id[i] = guid ? (char)tolower((unsigned char)text[i]) : text[i];
	id[length] = '\0';
	*id_length = length;
	if (is_guid != NULL)
		*is_guid = guid;
	return true;
}

static weir_status refuse(const struct decoding *decoding, const char *what)
{
	return err_set(decoding->error, WEIR_INVALID, "%s", what);
}

/* The last header of that name, in any case; NULL: there is none. */
static const struct event_header *find_header(const struct event_message *message, const char *name)
{
	for (size_t i = message->header_count; i > 0; i--)
		if (strcasecmp(message->headers[i - 1].name, name) == 0)
			return &message->headers[i - 1];
	return NULL;
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

static bool parse_version(const char *text, size_t length, int64_t *version)
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

static weir_status version_from_header(struct decoding *decoding)
{
	const struct event_header *header = find_header(decoding->message, "Version");
	if (header == NULL)
		return WEIR_OK;
	if (header->value == NULL ||
	    !parse_version(header->value, header->length, &decoding->change->version))
		return refuse(decoding, "header Version is not a 64-bit decimal number");
	decoding->has_version = true;
	return WEIR_OK;
}

static weir_status version_from_body(struct decoding *decoding, const json_t *node)
{
	const char *text = NULL;
	size_t length = 0;
	int64_t version;
	if (json_is_null(node))
		return WEIR_OK;
	if (json_is_integer(node))
		text = jsondoc_number(decoding->document, node, &length);
	else if (json_is_string(node)) {
		text = json_string_value(node);
		length = json_string_length(node);
	}
	if (text == NULL || !parse_version(text, length, &version))
		return refuse(decoding, "Version in the body is not a 64-bit decimal number");
	if (!decoding->has_version)
		decoding->change->version = version;
	decoding->has_version = true;
	return WEIR_OK;
}

static weir_status id_from_body(struct decoding *decoding, const json_t *node)
{
	const char *text = NULL;
	size_t length = 0;
	if (json_is_null(node))
		return WEIR_OK;
	if (json_is_integer(node))
		text = jsondoc_number(decoding->document, node, &length);
	else if (json_is_string(node)) {
		text = json_string_value(node);
		length = json_string_length(node);
	}
	if (text == NULL || !event_id_normalize(text, length, decoding->change->id,
						&decoding->change->id_length, NULL))
		return refuse(decoding,
			      "the id in the body is empty, longer than 200 bytes, or has "
			      "control characters");
	decoding->has_id = true;
	return WEIR_OK;
}

/* The body's id counts; a key beside it has to be the same. */
static weir_status id_from_key(struct decoding *decoding)
{
	const struct event_message *message = decoding->message;
	char id[EVENT_ID_LIMIT + 1];
	size_t length = 0;
	if (message->key == NULL || message->key_length == 0)
		return decoding->has_id ? WEIR_OK
					: refuse(decoding, "no id: neither body nor key has one");
	if (!event_id_normalize(message->key, message->key_length, id, &length, NULL))
		return refuse(decoding, "the key is no id: longer than 200 bytes, not UTF-8, or "
					"with control characters");
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

static weir_status wrong_type(const struct decoding *decoding, const struct weir_field *field,
			      const char *expected)
{
	return err_set(decoding->error, WEIR_INVALID, "field %s: expected %s", field->name,
		       expected);
}

static weir_status write_date(const struct decoding *decoding, const struct weir_field *field,
			      const json_t *node, struct buffer *out)
{
	int64_t moment;
	char text[MOMENT_TEXT_SIZE];
	if (!json_is_string(node) ||
	    !moment_parse(json_string_value(node), json_string_length(node), &moment, NULL))
		return wrong_type(decoding, field, "a date such as 2026-01-01T10:00:00Z");
	moment_format(moment, text);
	buffer_printf(out, "\"%s\"", text);
	return WEIR_OK;
}

static weir_status write_number(const struct decoding *decoding, const struct weir_field *field,
				const json_t *node, struct buffer *out)
{
	if (json_is_integer(node)) {
		buffer_append_text(out, jsondoc_number(decoding->document, node, NULL));
		return WEIR_OK;
	}
	if (!json_is_string(node) ||
	    !json_is_number_text(json_string_value(node), json_string_length(node)))
		return wrong_type(decoding, field, "a number");
	buffer_append(out, json_string_value(node), json_string_length(node));
	return WEIR_OK;
}

/* The canonical JSON of a value of a named field. */
static weir_status write_value(const struct decoding *decoding, const struct weir_field *field,
			       const json_t *node, struct buffer *out)
{
	switch (field->type) {
	case WEIR_TYPE_NUMBER:
		return write_number(decoding, field, node, out);
	case WEIR_TYPE_DATE:
		return write_date(decoding, field, node, out);
	case WEIR_TYPE_BOOLEAN:
		if (!json_is_boolean(node))
			return wrong_type(decoding, field, "true or false");
		break;
	default:
		if (!json_is_string(node))
			return wrong_type(decoding, field, "a string");
	}
	jsondoc_canonical(decoding->document, node, out);
	return WEIR_OK;
}

static bool is_stamp(enum schema_operation operation, const char *camel)
{
	return strcasecmp(camel, operation == SCHEMA_CREATED   ? "createdAt"
				 : operation == SCHEMA_UPDATED ? "updatedAt"
							       : "deletedAt") == 0;
}

/* The message's own time stands in for a version that nobody sent. */
static weir_status read_stamp(struct decoding *decoding, const char *camel, const json_t *node)
{
	if (!is_stamp(decoding->change->operation, camel) || json_is_null(node))
		return WEIR_OK;
	if (!json_is_string(node) ||
	    !moment_parse(json_string_value(node), json_string_length(node), &decoding->stamp,
			  NULL))
		return err_set(decoding->error, WEIR_INVALID,
			       "field %s: expected a date such as 2026-01-01T10:00:00Z", camel);
	decoding->has_stamp = true;
	return WEIR_OK;
}

static weir_status add_field(struct decoding *decoding, const char *name, int32_t number,
			     const json_t *node)
{
	struct event_decoder *decoder = decoding->decoder;
	const struct schema *schema = decoder->schema;
	bool clears = json_is_null(node);
	if (clears && decoding->change->operation == SCHEMA_UPDATED &&
	    schema->null_in_update_ignored)
		return WEIR_OK;
	struct buffer *scratch = &decoder->scratch;
	buffer_clear(scratch);
	weir_status status = WEIR_OK;
	if (!clears && number >= 0)
		status = write_value(decoding, schema->abi->fields[number], node, scratch);
	else if (!clears)
		jsondoc_canonical(decoding->document, node, scratch);
	if (status != WEIR_OK)
		return status;
	if (number < 0) {
		decoding->unknown_bytes += strlen(name) + scratch->length;
		if (decoding->unknown_bytes > schema->unknown_limit)
			return err_set(decoding->error, WEIR_INVALID,
				       "fields that the schema does not name have more than %zu "
				       "bytes (unknownFieldsLimit)",
				       schema->unknown_limit);
	}
	struct event_field *field = &decoding->fields[decoding->field_count];
	*field = (struct event_field){.number = number, .clears = clears};
	field->name_length = strlen(name);
	field->name = arena_copy(&decoder->arena, name, field->name_length);
	field->json_length = scratch->length;
	field->json = arena_copy(&decoder->arena, scratch->length > 0 ? scratch->data : "",
				 scratch->length);
	if (buffer_failed(scratch) || field->name == NULL || field->json == NULL)
		return err_no_memory(decoding->error);
	decoding->field_count++;
	return WEIR_OK;
}

static weir_status read_member(struct decoding *decoding, const char *key, const json_t *node)
{
	char camel[SCHEMA_NAME_LIMIT];
	const struct schema *schema = decoding->decoder->schema;
	if (!schema_camel(key, strlen(key), camel))
		return err_set(decoding->error, WEIR_INVALID,
			       "a field's name is empty or longer than 63 bytes: %.80s", key);
	if (strcasecmp(camel, schema->id_name) == 0)
		return id_from_body(decoding, node);
	if (strcasecmp(camel, "id") == 0) {
		decoding->plain_id = node;
		return WEIR_OK;
	}
	if (strcasecmp(camel, "version") == 0)
		return version_from_body(decoding, node);
	weir_status status = read_stamp(decoding, camel, node);
	if (status != WEIR_OK || decoding->change->operation == SCHEMA_DELETED)
		return status;
	int32_t number = schema_find(schema, key, strlen(key));
	return add_field(decoding, number >= 0 ? schema->abi->fields[number]->name : camel, number,
			 node);
}

/* By name; of a name that occurs in two styles the last counts. */
static void sort_fields(struct decoding *decoding)
{
	size_t kept = 0;
	/* Insertion keeps equal names in their order; there are about a dozen fields. */
	for (size_t i = 1; i < decoding->field_count; i++) {
		struct event_field field = decoding->fields[i];
		size_t at = i;
		for (; at > 0 && strcmp(decoding->fields[at - 1].name, field.name) > 0; at--)
			decoding->fields[at] = decoding->fields[at - 1];
		decoding->fields[at] = field;
	}
	for (size_t i = 0; i < decoding->field_count; i++) {
		if (kept > 0 &&
		    strcmp(decoding->fields[kept - 1].name, decoding->fields[i].name) == 0)
			kept--;
		decoding->fields[kept++] = decoding->fields[i];
	}
	decoding->change->fields = decoding->fields;
	decoding->change->field_count = kept;
}

static weir_status read_body(struct decoding *decoding)
{
	const json_t *root = jsondoc_root(decoding->document);
	if (!json_is_object(root))
		return refuse(decoding, "the value is JSON, but not an object");
	if (json_object_size(root) > EVENT_MEMBER_LIMIT)
		return refuse(decoding, "the value has more than 1000 members");
	decoding->fields = arena_allocate(&decoding->decoder->arena,
					  (json_object_size(root) + 1) * sizeof(*decoding->fields));
	if (decoding->fields == NULL)
		return err_no_memory(decoding->error);
	for (void *at = json_object_iter((json_t *)root); at != NULL;
	     at = json_object_iter_next((json_t *)root, at)) {
		weir_status status =
			read_member(decoding, json_object_iter_key(at), json_object_iter_value(at));
		if (status != WEIR_OK)
			return status;
	}
	sort_fields(decoding);
	if (decoding->plain_id != NULL && !decoding->has_id)
		return id_from_body(decoding, decoding->plain_id);
	return WEIR_OK;
}

static weir_status decode_body(struct decoding *decoding)
{
	const struct event_message *message = decoding->message;
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	if (message->value_length == 0)
		return refuse(decoding, "the value is empty");
	weir_status status =
		jsondoc_parse(message->value, message->value_length, &document, decoding->error);
	if (status != WEIR_OK)
		return status;
	decoding->document = document;
	return read_body(decoding);
}

static weir_status settle_version(struct decoding *decoding)
{
	if (decoding->has_version)
		return WEIR_OK;
	if (decoding->has_stamp)
		decoding->change->version = decoding->stamp;
	else if (decoding->message->timestamp != INT64_MIN)
		decoding->change->version = decoding->message->timestamp;
	else
		return refuse(decoding, "no version: no Version, no time of its own, no timestamp");
	return WEIR_OK;
}

/* Which operation: a tombstone deletes; else the header's type; without one, the topic's. */
static weir_status find_operation(struct decoding *decoding, const char **unknown_type)
{
	const struct event_message *message = decoding->message;
	const struct schema *schema = decoding->decoder->schema;
	decoding->change->operation = SCHEMA_DELETED;
	if (message->value == NULL)
		return WEIR_OK;
	const struct event_header *header = find_header(message, "EventType");
	const struct schema_message *found;
	if (header != NULL && header->value != NULL && header->length > 0) {
		found = by_type(schema, header->value, header->length);
		if (found == NULL) {
			*unknown_type = arena_copy(&decoding->decoder->arena, header->value,
						   header->length);
			return *unknown_type != NULL ? WEIR_OK : err_no_memory(decoding->error);
		}
	} else {
		found = by_topic(schema, message->topic);
		if (found == NULL)
			return refuse(decoding,
				      "no EventType header, and the schema has no message "
				      "for this topic");
	}
	decoding->change->operation = found->operation;
	return WEIR_OK;
}

static weir_status decode(struct decoding *decoding, const char **unknown_type)
{
	weir_status status = find_operation(decoding, unknown_type);
	if (status != WEIR_OK || *unknown_type != NULL)
		return status;
	status = version_from_header(decoding);
	if (status == WEIR_OK && decoding->message->value != NULL)
		status = decode_body(decoding);
	if (status == WEIR_OK)
		status = id_from_key(decoding);
	if (status == WEIR_OK)
		status = settle_version(decoding);
	return status;
}

weir_status event_decode(struct event_decoder *decoder, const struct event_message *message,
			 enum event_outcome *outcome, struct event_change **change,
			 const char **type, struct weir_error *error)
{
	struct event_change *made = arena_allocate(&decoder->arena, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	*made = (struct event_change){0};
	struct decoding decoding = {
		.decoder = decoder, .message = message, .change = made, .error = error};
	const char *unknown_type = NULL;
	weir_status status = decode(&decoding, &unknown_type);
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
