/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "json.h"
#include "moment.h"

static void write_name(struct jsonout *json, const char *camel)
{
	char pascal[SCHEMA_NAME_LIMIT];
	snprintf(pascal, sizeof(pascal), "%s", camel);
	pascal[0] = (char)toupper((unsigned char)pascal[0]);
	jsonout_name(json, pascal);
}

/* Canonical JSON again, with strings escaped as the .NET encoder does. */
static void write_value(struct jsonout *json, const struct event_field *field)
{
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	if (field == NULL || field->clears)
		jsonout_null(json);
	else if (field->json_length > 0 && field->json[0] == '"' &&
		 json_string_decode(field->json, field->json_length, &text))
		jsonout_string(json, text.data != NULL ? text.data : "", text.length);
	else
		jsonout_raw(json, field->json, field->json_length);
	if (buffer_failed(&text))
		json->out->failed = true;
}

static const struct event_field *find(const struct event_field *fields, size_t count,
				      const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

/* The stamps of an operation are written by write_stamp, those of the others not at all. */
static bool is_stamp(const char *name)
{
	static const char *const names[] = {"createdAt", "createdBy", "updatedAt", "updatedBy"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void write_stamp(struct jsonout *json, const char *verb, int64_t at, const char *by,
			size_t by_length)
{
	char name[32], text[MOMENT_TEXT_SIZE];
	snprintf(name, sizeof(name), "%sAt", verb);
	jsonout_name(json, name);
	moment_format(at, text);
	jsonout_text(json, text);
	snprintf(name, sizeof(name), "%sBy", verb);
	jsonout_name(json, name);
	if (by != NULL)
		jsonout_string(json, by, by_length);
	else
		jsonout_null(json);
}

void event_encode(const struct schema *schema, enum schema_operation operation, const char *id,
		  size_t id_length, const struct event_field *fields, size_t field_count,
		  int64_t at, const char *by, size_t by_length, struct buffer *out)
{
	struct jsonout json = {.out = out, .dotnet = true};
	jsonout_begin(&json, '{');
	write_name(&json, schema->id_name);
	jsonout_string(&json, id, id_length);
	for (size_t i = 0; i < schema->abi->field_count && operation != SCHEMA_DELETED; i++) {
		const char *name = schema->abi->fields[i]->name;
		const struct event_field *field = find(fields, field_count, name);
		if (is_stamp(name) || (field == NULL && operation == SCHEMA_UPDATED))
			continue;
		write_name(&json, name);
		write_value(&json, field);
	}
	write_stamp(&json,
		    operation == SCHEMA_CREATED	  ? "Created"
		    : operation == SCHEMA_UPDATED ? "Updated"
						  : "Deleted",
		    at, by, by_length);
	jsonout_end(&json, '}');
}
