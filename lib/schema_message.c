/* SPDX-License-Identifier: MIT
 * The schema's "messages": which there are, and where in them things are when other producers write
 * them. */
#include <stdio.h>
#include <string.h>

#include "schema_reader.h"

#define MESSAGE_LIMIT 64
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A word of the file and what it stands for. */
struct word {
	const char *text;
	int value;
};

static const struct word operations[] = {
	{"created", SCHEMA_CREATED}, {"updated", SCHEMA_UPDATED}, {"deleted", SCHEMA_DELETED}};
static const struct word nulls[] = {{"clear", false}, {"ignore", true}};
static const struct word null_values[] = {{"delete", false}, {"ignore", true}};
static const struct word others[] = {{"keep", false}, {"ignore", true}};
static const struct word formats[] = {{"auto", SCHEMA_AUTO},
				      {"plain", SCHEMA_PLAIN},
				      {"cloudevents", SCHEMA_CLOUDEVENTS},
				      {"debezium", SCHEMA_DEBEZIUM},
				      {"outbox", SCHEMA_OUTBOX},
				      {"connect", SCHEMA_CONNECT}};
static const struct word version_units[] = {
	{"number", SCHEMA_AS_IS},    {"s", SCHEMA_SECONDS},	 {"ms", SCHEMA_MILLISECONDS},
	{"us", SCHEMA_MICROSECONDS}, {"ns", SCHEMA_NANOSECONDS}, {"date", SCHEMA_ISO_DATE}};
static const struct word date_units[] = {{"days", SCHEMA_DAYS},
					 {"s", SCHEMA_SECONDS},
					 {"ms", SCHEMA_MILLISECONDS},
					 {"us", SCHEMA_MICROSECONDS},
					 {"ns", SCHEMA_NANOSECONDS}};

/* One of the words; *value is untouched when the member is absent. */
static weir_status read_word(const struct schema_reader *reader, const json_t *object,
			     const char *where, const char *name, const struct word *words,
			     size_t count, int *value)
{
	const json_t *node = json_object_get(object, name);
	char what[160];
	if (node == NULL)
		return WEIR_OK;
	int length = snprintf(what, sizeof(what), "\"%s\" is ", name);
	for (size_t i = 0; i < count; i++) {
		if (json_is_string(node) && strcmp(json_string_value(node), words[i].text) == 0) {
			*value = words[i].value;
			return WEIR_OK;
		}
		length += snprintf(what + length, sizeof(what) - (size_t)length, "%s%s",
				   i == 0	    ? ""
				   : i + 1 == count ? " or "
						    : ", ",
				   words[i].text);
	}
	return schema_refuse(reader, where, what);
}

static weir_status copy_pointer(const struct schema_reader *reader, const json_t *node,
				const char *where, const char *name, char **pointer)
{
	char what[160];
	if (!json_is_string(node) || strlen(json_string_value(node)) != json_string_length(node) ||
	    !json_is_pointer(json_string_value(node))) {
		snprintf(what, sizeof(what),
			 "\"%s\" has to be a JSON pointer such as \"/order/name\", at most 255 "
			 "bytes",
			 name);
		return schema_refuse(reader, where, what);
	}
	*pointer = strdup(json_string_value(node));
	return *pointer != NULL ? WEIR_OK : err_no_memory(reader->error);
}

static weir_status copy_header(const struct schema_reader *reader, const json_t *object,
			       const char *where, char **header)
{
	const char *text = NULL;
	weir_status status = schema_read_text(reader, object, where, "header", true, &text);
	if (status != WEIR_OK)
		return status;
	*header = strdup(text);
	return *header != NULL ? WEIR_OK : err_no_memory(reader->error);
}

/* {"pointer": …}, {"envelope": …} or {"header": …}; with units, {"unit": …} beside it. */
static weir_status read_source(const struct schema_reader *reader, const json_t *message,
			       const char *where, const char *name, bool units,
			       struct schema_source *source)
{
	static const char *const members[] = {"pointer", "envelope", "header", "unit"};
	const json_t *object = json_object_get(message, name);
	char place[96];
	if (object == NULL)
		return WEIR_OK;
	snprintf(place, sizeof(place), "%s.%s", where, name);
	const json_t *pointer = json_object_get(object, "pointer");
	const json_t *envelope = json_object_get(object, "envelope");
	const json_t *header = json_object_get(object, "header");
	if (!json_is_object(object) ||
	    (pointer != NULL) + (envelope != NULL) + (header != NULL) != 1)
		return schema_refuse(reader, place,
				     "an object with one of \"pointer\", \"envelope\" and "
				     "\"header\" is needed");
	weir_status status = schema_only_members(reader, object, place, members, units ? 4 : 3);
	int unit = SCHEMA_AS_IS;
	if (status == WEIR_OK && units)
		status = read_word(reader, object, place, "unit", version_units,
				   COUNT(version_units), &unit);
	source->unit = (enum schema_unit)unit;
	source->origin = pointer != NULL    ? SCHEMA_DATA
			 : envelope != NULL ? SCHEMA_ENVELOPE
					    : SCHEMA_HEADER;
	if (status == WEIR_OK && header != NULL)
		return copy_header(reader, object, place, &source->place);
	if (status == WEIR_OK)
		status = copy_pointer(reader, pointer != NULL ? pointer : envelope, place,
				      pointer != NULL ? "pointer" : "envelope", &source->place);
	return status;
}

/* "/pointer", or for dates that are numbers {"pointer": "/pointer", "unit": "ms"}. */
static weir_status read_mapped(const struct schema_reader *reader, const char *where,
			       const struct schema *schema, const char *name, const json_t *node,
			       struct schema_mapped_field *mapped)
{
	static const char *const members[] = {"pointer", "unit"};
	int unit = SCHEMA_AS_IS;
	const json_t *pointer = node;
	mapped->field = schema_find_exact(schema, name, strlen(name));
	if (mapped->field < 0) {
		char what[160];
		snprintf(what, sizeof(what), "the schema has no field \"%.80s\"", name);
		return schema_refuse(reader, where, what);
	}
	if (json_is_object(node)) {
		weir_status status = schema_only_members(reader, node, where, members, 2);
		if (status == WEIR_OK)
			status = read_word(reader, node, where, "unit", date_units,
					   COUNT(date_units), &unit);
		if (status != WEIR_OK)
			return status;
		pointer = json_object_get(node, "pointer");
	}
	mapped->unit = (enum schema_unit)unit;
	if (unit != SCHEMA_AS_IS && schema->abi->fields[mapped->field]->type != WEIR_TYPE_DATE)
		return schema_refuse(reader, where, "\"unit\" is for date fields");
	return copy_pointer(reader, pointer, where, name, &mapped->pointer);
}

static weir_status read_mapped_fields(const struct schema_reader *reader, const json_t *object,
				      const char *where, const struct schema *schema,
				      struct schema_message *message)
{
	const json_t *map = json_object_get(object, "fields");
	char place[96];
	if (map == NULL)
		return WEIR_OK;
	snprintf(place, sizeof(place), "%s.fields", where);
	if (!json_is_object(map))
		return schema_refuse(reader, place,
				     "an object of field names and JSON pointers is needed");
	message->fields = calloc(json_object_size(map) + 1, sizeof(*message->fields));
	if (message->fields == NULL)
		return err_no_memory(reader->error);
	for (void *at = json_object_iter((json_t *)map); at != NULL;
	     at = json_object_iter_next((json_t *)map, at)) {
		weir_status status = read_mapped(reader, place, schema, json_object_iter_key(at),
						 json_object_iter_value(at),
						 &message->fields[message->field_count++]);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

/* A pointer into the key's JSON, or false: the key is no id. */
static weir_status read_key(const struct schema_reader *reader, const json_t *object,
			    const char *where, struct schema_message *message)
{
	const json_t *node = json_object_get(object, "key");
	if (json_is_false(node))
		message->key_ignored = true;
	if (node == NULL || json_is_false(node))
		return WEIR_OK;
	if (!json_is_string(node))
		return schema_refuse(reader, where,
				     "\"key\" is false or a JSON pointer into the key");
	return copy_pointer(reader, node, where, "key", &message->key);
}

static weir_status read_words(const struct schema_reader *reader, const json_t *object,
			      const char *where, const struct schema *schema,
			      struct schema_message *message)
{
	int operation = 0, format = SCHEMA_AUTO, null_value = false, other = false;
	int null_in_update = schema->null_in_update_ignored;
	const char *given = NULL;
	weir_status status = schema_read_text(reader, object, where, "operation", true, &given);
	if (status == WEIR_OK)
		status = read_word(reader, object, where, "operation", operations,
				   COUNT(operations), &operation);
	if (status == WEIR_OK)
		status = read_word(reader, object, where, "format", formats, COUNT(formats),
				   &format);
	if (status == WEIR_OK)
		status = read_word(reader, object, where, "nullInUpdate", nulls, COUNT(nulls),
				   &null_in_update);
	if (status == WEIR_OK)
		status = read_word(reader, object, where, "nullValue", null_values,
				   COUNT(null_values), &null_value);
	if (status == WEIR_OK)
		status = read_word(reader, object, where, "others", others, COUNT(others), &other);
	message->operation = (enum schema_operation)operation;
	message->format = (enum schema_format)format;
	message->null_in_update_ignored = null_in_update;
	message->null_value_ignored = null_value;
	message->others_ignored = other;
	return status;
}

static weir_status read_names(const struct schema_reader *reader, const json_t *object,
			      const char *where, struct schema_message *message)
{
	const char *type = NULL, *topic = NULL;
	weir_status status = schema_read_text(reader, object, where, "type", true, &type);
	if (status == WEIR_OK)
		status = schema_read_text(reader, object, where, "topic", true, &topic);
	if (status != WEIR_OK)
		return status;
	if (strlen(topic) > 249 || strspn(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
						 "XYZ0123456789._-") != strlen(topic))
		return schema_refuse(
			reader, where,
			"\"topic\" has ASCII letters, digits, dots, underscores and dashes, "
			"at most 249");
	message->type = strdup(type);
	message->topic = strdup(topic);
	return message->type != NULL && message->topic != NULL ? WEIR_OK
							       : err_no_memory(reader->error);
}

static weir_status fill_message(const struct schema_reader *reader, const json_t *object,
				const char *where, const struct schema *schema,
				struct schema_message *message)
{
	static const char *const members[] = {
		"type", "topic", "operation", "format", "typeFrom", "key",	   "nullValue",
		"data", "id",	 "version",   "fields", "others",   "nullInUpdate"};
	weir_status status = schema_only_members(reader, object, where, members, COUNT(members));
	if (status == WEIR_OK)
		status = read_names(reader, object, where, message);
	if (status == WEIR_OK)
		status = read_words(reader, object, where, schema, message);
	if (status == WEIR_OK)
		status = read_key(reader, object, where, message);
	if (status == WEIR_OK && json_object_get(object, "data") != NULL)
		status = copy_pointer(reader, json_object_get(object, "data"), where, "data",
				      &message->data);
	if (status == WEIR_OK)
		status = read_source(reader, object, where, "typeFrom", false, &message->type_from);
	if (status == WEIR_OK)
		status = read_source(reader, object, where, "id", false, &message->id);
	if (status == WEIR_OK)
		status = read_source(reader, object, where, "version", true, &message->version);
	if (status == WEIR_OK)
		status = read_mapped_fields(reader, object, where, schema, message);
	return status;
}

static bool same_text(const char *left, const char *right)
{
	return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

/* What has to be known before the type is. */
static bool read_alike(const struct schema_message *left, const struct schema_message *right)
{
	return left->format == right->format && left->key_ignored == right->key_ignored &&
	       left->null_value_ignored == right->null_value_ignored &&
	       left->type_from.origin == right->type_from.origin &&
	       same_text(left->type_from.place, right->type_from.place) &&
	       same_text(left->key, right->key);
}

static weir_status compare_with_others(const struct schema_reader *reader, const char *where,
				       const struct schema *schema, size_t number)
{
	const struct schema_message *message = &schema->messages[number];
	for (size_t i = 0; i < number; i++) {
		const struct schema_message *other = &schema->messages[i];
		if (strcmp(other->type, message->type) == 0)
			return schema_refuse(reader, where, "the type occurs twice");
		if (strcmp(other->topic, message->topic) == 0 && !read_alike(other, message))
			return schema_refuse(reader, where,
					     "messages of one topic have the same \"format\", "
					     "\"typeFrom\", \"key\" and \"nullValue\"");
	}
	return WEIR_OK;
}

weir_status schema_read_messages(const struct schema_reader *reader, const json_t *root,
				 struct schema *schema)
{
	const json_t *list = json_object_get(root, "messages");
	size_t count = json_array_size(list);
	if (!json_is_array(list) || count == 0 || count > MESSAGE_LIMIT)
		return schema_refuse(reader, "messages", "an array of 1 to 64 messages is needed");
	schema->messages = calloc(count, sizeof(*schema->messages));
	if (schema->messages == NULL)
		return err_no_memory(reader->error);
	for (size_t i = 0; i < count; i++) {
		char where[64];
		const json_t *object = json_array_get(list, i);
		snprintf(where, sizeof(where), "messages[%zu]", i);
		if (!json_is_object(object))
			return schema_refuse(reader, where, "an object is needed");
		schema->message_count = i + 1;
		weir_status status =
			fill_message(reader, object, where, schema, &schema->messages[i]);
		if (status == WEIR_OK)
			status = compare_with_others(reader, where, schema, i);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

void schema_free_messages(struct schema *schema)
{
	for (size_t i = 0; i < schema->message_count; i++) {
		struct schema_message *message = &schema->messages[i];
		for (size_t field = 0; field < message->field_count; field++)
			free(message->fields[field].pointer);
		free(message->fields);
		free(message->type_from.place);
		free(message->id.place);
		free(message->version.place);
		free(message->key);
		free(message->data);
		free(message->type);
		free(message->topic);
	}
	free(schema->messages);
}
