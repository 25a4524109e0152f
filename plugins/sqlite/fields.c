/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

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
				 "sqlite: the schema %s has %zu fields; at most %d are possible",
				 schema->name, schema->field_count, FIELD_LIMIT);
	fields->collection = strdup(schema->name);
	fields->fingerprint = strdup(schema->fingerprint);
	fields->fields = calloc(schema->field_count + 1, sizeof(*fields->fields));
	if (fields->collection == NULL || fields->fingerprint == NULL || fields->fields == NULL)
		return error_no_memory(error);
	for (size_t i = 0; i < schema->field_count; i++) {
		struct field *field = &fields->fields[fields->count++];
		if (!copy_field(field, schema->fields[i]))
			return error_no_memory(error);
		field->column = field_has_words(field) ? (int)fields->column_count++ : -1;
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
	free(fields->collection);
	free(fields->fingerprint);
	*fields = (struct fields){0};
}

bool field_has_words(const struct field *field)
{
	return field->type == WEIR_TYPE_TEXT || field->type == WEIR_TYPE_KEYWORD;
}

static bool is_whole(const struct field *field)
{
	return field->type == WEIR_TYPE_KEYWORD || field->type == WEIR_TYPE_BOOLEAN;
}

bool field_has_exact(const struct field *field)
{
	return is_whole(field) && (field->flags & (WEIR_FIELD_FILTER | WEIR_FIELD_FACET)) != 0;
}

bool field_has_facet(const struct field *field)
{
	return is_whole(field) && (field->flags & WEIR_FIELD_FACET) != 0;
}

bool field_has_number(const struct field *field)
{
	bool ranged = field->type == WEIR_TYPE_NUMBER || field->type == WEIR_TYPE_DATE;
	bool sorted = (field->flags & WEIR_FIELD_SORT) != 0;
	return (ranged && (sorted || (field->flags & WEIR_FIELD_FILTER) != 0)) ||
	       (field->type == WEIR_TYPE_BOOLEAN && sorted);
}

bool field_has_sort_text(const struct field *field)
{
	return field_has_words(field) && (field->flags & WEIR_FIELD_SORT) != 0;
}

char field_sort_column(const struct field *field)
{
	if ((field->flags & WEIR_FIELD_SORT) == 0)
		return 0;
	return field_has_words(field) ? 's' : 'v';
}
