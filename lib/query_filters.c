/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "buffer.h"
#include "query.h"
#include "query_tree.h"

#define SORT_KEY_LIMIT 8

/* "10..50", "10..", "..50" or one value, both ends included. */
static weir_status make_values(struct query_arena *arena, const struct schema *schema,
			       const struct query_filter *filter, const struct weir_query **query,
			       struct weir_error *error)
{
	struct query_bound lower = {0}, upper = {0};
	const char *dots = memmem(filter->value, filter->length, "..", 2);
	size_t left = dots != NULL ? (size_t)(dots - filter->value) : filter->length;
	size_t right = dots != NULL ? filter->length - left - 2 : 0;
	weir_status status = WEIR_OK;
	if (dots != NULL && left == 0 && right == 0)
		return err_set(error, WEIR_INVALID,
			       "%s takes a value or a range such as 10..50, 10.. or ..50",
			       schema->abi->fields[filter->field]->name);
	if (left > 0 || dots == NULL)
		status = query_read_bound(arena, schema, filter->field, filter->value, left, &lower,
					  error);
	if (status == WEIR_OK && right > 0)
		status = query_read_bound(arena, schema, filter->field, dots + 2, right, &upper,
					  error);
	if (status != WEIR_OK)
		return status;
	return query_make_range(arena, schema, filter->field, &lower,
				dots != NULL ? &upper : &lower, query, error);
}

static weir_status make_filter(struct query_arena *arena, const struct schema *schema,
			       const struct query_filter *filter, const struct weir_query **query,
			       struct weir_error *error)
{
	const struct weir_field *field = schema->abi->fields[filter->field];
	if ((field->flags & WEIR_FIELD_FILTER) == 0 || field->type == WEIR_TYPE_TEXT)
		return err_set(error, WEIR_INVALID,
			       "%s is no filter: the schema does not make it one", field->name);
	if (filter->length > QUERY_LENGTH_LIMIT)
		return err_set(error, WEIR_INVALID, "%s has %zu bytes, at most %d are allowed",
			       field->name, filter->length, QUERY_LENGTH_LIMIT);
	if (filter->length == 0)
		return err_set(error, WEIR_INVALID,
			       "%s is empty: give a value, or leave the filter out", field->name);
	if (query_valid_length(filter->value, filter->length) < filter->length)
		return err_set(error, WEIR_INVALID, "%s takes UTF-8 text without NUL", field->name);
	if (field->type == WEIR_TYPE_KEYWORD || field->type == WEIR_TYPE_BOOLEAN)
		return query_make_exact(arena, schema, filter->field, filter->value, filter->length,
					query, error);
	return make_values(arena, schema, filter, query, error);
}

/* All filters on the field of filters[first], which is where that field occurs first. */
static weir_status make_alternatives(struct query_arena *arena, const struct schema *schema,
				     const struct query_filter *filters, size_t count, size_t first,
				     const struct weir_query **query, struct weir_error *error)
{
	struct query_list list = {0};
	for (size_t i = first; i < count; i++) {
		if (filters[i].field != filters[first].field)
			continue;
		const struct weir_query *one = NULL;
		weir_status status = make_filter(arena, schema, &filters[i], &one, error);
		if (status != WEIR_OK)
			return status;
		if (!query_list_add(arena, &list, one))
			return err_no_memory(error);
	}
	return query_list_join(arena, WEIR_QUERY_OR, &list, query, error);
}

static bool occurs_before(const struct query_filter *filters, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (filters[i].field == filters[index].field)
			return true;
	return false;
}

weir_status query_filters(struct query_arena *arena, const struct schema *schema,
			  const struct query_filter *filters, size_t count,
			  const struct weir_query **query, struct weir_error *error)
{
	struct query_list list = {0};
	if (count > QUERY_CLAUSE_LIMIT)
		return err_set(error, WEIR_INVALID,
			       "there are %zu filter values, at most %d are allowed", count,
			       QUERY_CLAUSE_LIMIT);
	for (size_t i = 0; i < count; i++) {
		assert(filters[i].field >= 0 &&
		       (size_t)filters[i].field < schema->abi->field_count);
		if (occurs_before(filters, i))
			continue;
		const struct weir_query *field = NULL;
		weir_status status =
			make_alternatives(arena, schema, filters, count, i, &field, error);
		if (status != WEIR_OK)
			return status;
		if (!query_list_add(arena, &list, field))
			return err_no_memory(error);
	}
	return query_list_join(arena, WEIR_QUERY_AND, &list, query, error);
}

static weir_status refuse_sort(const struct schema *schema, const char *name, size_t length,
			       struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer allowed = BUFFER_INIT;
	for (size_t i = 0; i < schema->abi->field_count; i++)
		if (schema->abi->fields[i]->flags & WEIR_FIELD_SORT)
			buffer_printf(&allowed, "%s, ", schema->abi->fields[i]->name);
	buffer_append_text(&allowed, "relevance");
	if (buffer_failed(&allowed))
		return err_no_memory(error);
	if (length == 0 || length > SCHEMA_NAME_LIMIT || query_valid_length(name, length) < length)
		return err_set(error, WEIR_INVALID,
			       "sort takes fields separated by commas, each at most once, - for "
			       "descending; fields are %s",
			       allowed.data);
	return err_set(error, WEIR_INVALID, "sort by \"%.*s\" is not possible; fields are %s",
		       (int)length, name, allowed.data);
}

static weir_status read_sort_key(const struct schema *schema, const char *text, size_t length,
				 struct weir_sort_key *key, struct weir_error *error)
{
	bool descending = length > 0 && text[0] == '-';
	const char *name = text + descending;
	size_t name_length = length - descending;
	if (length == strlen("relevance") && memcmp(text, "relevance", length) == 0) {
		*key = (struct weir_sort_key){.field = WEIR_FIELD_DEFAULT, .descending = 1};
		return WEIR_OK;
	}
	int32_t field = schema_find_exact(schema, name, name_length);
	if (field < 0 || (schema->abi->fields[field]->flags & WEIR_FIELD_SORT) == 0)
		return refuse_sort(schema, text, length, error);
	*key = (struct weir_sort_key){.field = field, .descending = descending};
	return WEIR_OK;
}

static const char *key_name(const struct schema *schema, int32_t field)
{
	return field == WEIR_FIELD_DEFAULT ? "relevance" : schema->abi->fields[field]->name;
}

static weir_status read_sort(const struct schema *schema, const char *text,
			     struct weir_sort_key keys[SORT_KEY_LIMIT], size_t *count,
			     struct weir_error *error)
{
	size_t made = 0;
	for (bool more = true; more;) {
		text += strspn(text, " ");
		size_t length = strcspn(text, ","), name = length;
		while (name > 0 && text[name - 1] == ' ')
			name--;
		if (made == SORT_KEY_LIMIT)
			return err_set(error, WEIR_INVALID, "sort takes at most %d fields",
				       SORT_KEY_LIMIT);
		weir_status status = read_sort_key(schema, text, name, &keys[made], error);
		if (status != WEIR_OK)
			return status;
		for (size_t i = 0; i < made; i++)
			if (keys[i].field == keys[made].field)
				return err_set(error, WEIR_INVALID,
					       "sort names %s twice: once is enough",
					       key_name(schema, keys[made].field));
		made++;
		more = text[length] == ',';
		text += length + more;
	}
	*count = made;
	return WEIR_OK;
}

weir_status query_sort(struct query_arena *arena, const struct schema *schema, const char *text,
		       const struct weir_sort_key *const **keys, size_t *count,
		       struct weir_error *error)
{
	struct weir_sort_key read[SORT_KEY_LIMIT] = {0};
	size_t made = 0;
	weir_status status = read_sort(schema, text, read, &made, error);
	if (status != WEIR_OK)
		return status;
	struct weir_sort_key *copies = query_arena_take(arena, made * sizeof(*copies));
	const struct weir_sort_key **pointers =
		query_arena_take(arena, made * sizeof(struct weir_sort_key *));
	if (copies == NULL || pointers == NULL)
		return err_no_memory(error);
	for (size_t i = 0; i < made; i++) {
		copies[i] = read[i];
		pointers[i] = &copies[i];
	}
	*keys = pointers;
	*count = made;
	return WEIR_OK;
}
