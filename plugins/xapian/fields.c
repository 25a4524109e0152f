/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* Bytes of a keyword that stand in its term; NULs count twice, so this is safe for any. */
#define EXACT_LIMIT 96

static bool copy_field(struct field *copy, const struct weir_field *field)
{
	copy->type = field->type;
	copy->flags = field->flags;
	copy->boost = isfinite(field->boost) && field->boost >= 0 ? field->boost : 1;
	copy->name = strdup(field->name);
	if (field->type == WEIR_TYPE_TEXT && field->language != NULL) {
		copy->language = strdup(field->language);
		if (copy->language == NULL)
			return false;
	}
	return copy->name != NULL;
}

weir_status fields_init(struct fields *fields, const struct weir_schema *schema,
			struct weir_error *error)
{
	*fields = (struct fields){0};
	if (schema->field_count > FIELD_LIMIT)
		return error_set(error, WEIR_FATAL,
				 "xapian: the schema %s has %zu fields; at most %d are possible",
				 schema->name, schema->field_count, FIELD_LIMIT);
	fields->collection = strdup(schema->name);
	fields->fingerprint = strdup(schema->fingerprint);
	fields->fields = calloc(schema->field_count + 1, sizeof(*fields->fields));
	fields->worded = calloc(schema->field_count + 1, sizeof(*fields->worded));
	if (fields->collection == NULL || fields->fingerprint == NULL || fields->fields == NULL ||
	    fields->worded == NULL)
		return error_no_memory(error);
	for (size_t i = 0; i < schema->field_count; i++) {
		fields->count++;
		if (!copy_field(&fields->fields[i], schema->fields[i]))
			return error_no_memory(error);
		if (!field_has_words(&fields->fields[i]))
			continue;
		fields->fields[i].place = fields->worded_count;
		fields->worded[fields->worded_count++] = i;
	}
	return WEIR_OK;
}

void fields_finish(struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++) {
		free(fields->fields[i].name);
		free(fields->fields[i].language);
	}
	free(fields->fields);
	free(fields->worded);
	free(fields->collection);
	free(fields->fingerprint);
	*fields = (struct fields){0};
}

bool field_has_words(const struct field *field)
{
	return field->type == WEIR_TYPE_TEXT || field->type == WEIR_TYPE_KEYWORD;
}

bool field_has_exact(const struct field *field)
{
	return (field->type == WEIR_TYPE_KEYWORD || field->type == WEIR_TYPE_BOOLEAN) &&
	       (field->flags & WEIR_FIELD_FILTER) != 0;
}

bool field_has_slot(const struct field *field)
{
	bool ranged = field->type == WEIR_TYPE_NUMBER || field->type == WEIR_TYPE_DATE;
	return (field->flags & WEIR_FIELD_SORT) != 0 ||
	       (ranged && (field->flags & WEIR_FIELD_FILTER) != 0);
}

bool term_append(struct bytes *out, char kind, size_t number, const char *text, size_t length)
{
	char prefix[TERM_PREFIX_LENGTH] = {kind, (char)(number + TERM_FIELD_FIRST)};
	return bytes_append(out, prefix, sizeof(prefix)) && bytes_append(out, text, length);
}

bool term_append_exact(struct bytes *out, size_t field, const char *value, size_t length)
{
	size_t kept = length < EXACT_LIMIT ? length : EXACT_LIMIT;
	if (!term_append(out, TERM_EXACT, field, value, kept))
		return false;
	if (kept == length)
		return true;
	struct hash hash = hash_start;
	char text[HASH_TEXT_LENGTH];
	hash_add(&hash, value, length);
	hash_text(&hash, text);
	return bytes_append(out, text, sizeof(text));
}
