/* SPDX-License-Identifier: MIT
 * What a state becomes: typed values for the index, JSON for people. */
#include <string.h>

#include "json.h"
#include "moment.h"
#include "state.h"

void state_values_finish(struct state_values *values)
{
	free(values->values);
	free((void *)values->pointers);
	buffer_finish(&values->strings);
	*values = (struct state_values)STATE_VALUES_INIT;
}

static bool reserve_values(struct state_values *values, size_t count)
{
	if (count <= values->capacity)
		return true;
	struct weir_value *array = realloc(values->values, count * sizeof(*array));
	if (array == NULL)
		return false;
	values->values = array;
	const struct weir_value **pointers =
		realloc((void *)values->pointers, count * sizeof(*pointers));
	if (pointers == NULL)
		return false;
	values->pointers = pointers;
	values->capacity = count;
	return true;
}

/* The text of a field: where it stands, or, when it has escapes, in strings, whose room was
 * reserved, so that nothing moves. */
static bool take_text(const struct state_field *field, struct buffer *strings,
		      struct weir_value *value)
{
	size_t begin = strings->length;
	bool string = field->json[0] == '"';
	if (!string) { /* strtod wants an end */
		buffer_append(strings, field->json, field->json_length);
		buffer_append_char(strings, '\0');
		value->text = strings->data + begin;
		value->text_length = field->json_length;
		return true;
	}
	if (memchr(field->json, '\\', field->json_length) != NULL ||
	    memchr(field->json + 1, '"', field->json_length - 1) !=
		    field->json + field->json_length - 1) {
		if (!json_string_decode(field->json, field->json_length, strings) ||
		    strings->data == NULL)
			return false;
		value->text = strings->data + begin;
		value->text_length = strings->length - begin;
		buffer_append_char(strings, '\0');
		return true;
	}
	value->text = field->json + 1;
	value->text_length = field->json_length - 2;
	return true;
}

static bool make_value(const struct state_field *field, const struct weir_field *definition,
		       struct buffer *strings, struct weir_value *value)
{
	if (field->json_length == 0 || !take_text(field, strings, value))
		return false;
	bool string = field->json[0] == '"';
	switch (definition->type) {
	case WEIR_TYPE_NUMBER:
		if (!json_is_number_text(value->text, value->text_length))
			return false;
		value->number = strtod(value->text, NULL);
		return true;
	case WEIR_TYPE_DATE:
		return string &&
		       moment_parse(value->text, value->text_length, &value->integer, NULL);
	case WEIR_TYPE_BOOLEAN:
		value->integer = field->json[0] == 't';
		return !string;
	default:
		return string;
	}
}

static const struct state_field *find_value(const struct state *state, const char *name)
{
	const struct state_field *field = state_find(state, name);
	return field != NULL && field->cleared ? NULL : field;
}

weir_status state_values_make(const struct state *state, const struct schema *schema,
			      struct state_values *values, struct weir_error *error)
{
	size_t bytes = 1;
	for (size_t i = 0; i < state->field_count; i++)
		bytes += state->fields[i].json_length + 1;
	values->count = 0;
	buffer_clear(&values->strings);
	if (!reserve_values(values, schema->abi->field_count) ||
	    !buffer_reserve(&values->strings, bytes))
		return err_no_memory(error);
	for (size_t i = 0; i < schema->abi->field_count; i++) {
		const struct weir_field *definition = schema->abi->fields[i];
		const struct state_field *field = find_value(state, definition->name);
		if (field == NULL)
			continue;
		struct weir_value *value = &values->values[values->count];
		*value = (struct weir_value){.field = (int32_t)i, .type = definition->type};
		if (!make_value(field, definition, &values->strings, value))
			return err_set(error, WEIR_FATAL,
				       "the index holds a value of %s that is not of its type: "
				       "rebuild the index",
				       definition->name);
		values->pointers[values->count++] = value;
	}
	return WEIR_OK;
}

weir_status state_document(const struct state *state, const struct schema *schema, int64_t now,
			   struct buffer *blob, struct state_values *values,
			   struct weir_document *document, struct weir_error *error)
{
	bool visible = state_visible(state, schema);
	buffer_clear(blob);
	state_write(state, blob);
	if (buffer_failed(blob))
		return err_no_memory(error);
	values->count = 0;
	weir_status status = visible ? state_values_make(state, schema, values, error) : WEIR_OK;
	if (status != WEIR_OK)
		return status;
	*document = (struct weir_document){
		.kind = visible ? WEIR_KIND_LIVE : WEIR_KIND_HIDDEN,
		.version = state_version(state),
		.applied_at = state->field_count > 0 ? INT64_MAX : now,
		.state = blob->data,
		.state_length = blob->length,
		.values = values->pointers,
		.value_count = values->count,
	};
	return WEIR_OK;
}

static bool wanted(const char *name, size_t length, const char *const *only, size_t only_count)
{
	for (size_t i = 0; i < only_count; i++)
		if (strlen(only[i]) == length && memcmp(only[i], name, length) == 0)
			return true;
	return only == NULL;
}

static void write_member(struct jsonout *json, const struct state_field *field)
{
	jsonout_string(json, field->name, field->name_length);
	buffer_append_char(json->out, ':');
	json->comma = false;
	jsonout_raw(json, field->json, field->json_length);
}

/* For so many it is noted instead of looked up: it is done for every hit. */
enum { NAMED_MOST = 64 };

static bool is_named(const struct schema *schema, const struct state_field *field)
{
	return schema_find_exact(schema, field->name, field->name_length) >= 0;
}

void state_write_event(const struct state *state, const struct schema *schema, const char *id,
		       size_t id_length, const char *const *only, size_t only_count,
		       struct buffer *out)
{
	struct jsonout json = JSONOUT_INIT(out);
	jsonout_begin(&json, '{');
	jsonout_name(&json, "id");
	jsonout_string(&json, id, id_length);
	bool named[NAMED_MOST] = {false}; /* of the state's fields, those that the schema has */
	for (size_t i = 0; i < schema->abi->field_count; i++) {
		const char *name = schema->abi->fields[i]->name;
		const struct state_field *field = find_value(state, name);
		if (field == NULL)
			continue;
		if (field - state->fields < NAMED_MOST)
			named[field - state->fields] = true;
		if (wanted(name, strlen(name), only, only_count))
			write_member(&json, field);
	}
	for (size_t i = 0; i < state->field_count; i++) {
		const struct state_field *field = &state->fields[i];
		if (!field->cleared && !(i < NAMED_MOST ? named[i] : is_named(schema, field)) &&
		    wanted(field->name, field->name_length, only, only_count))
			write_member(&json, field);
	}
	if (wanted("version", 7, only, only_count)) {
		jsonout_name(&json, "version");
		jsonout_integer(&json, state_version(state));
	}
	jsonout_end(&json, '}');
}
