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
	fields->collection = strdup(schema->name);
	fields->fingerprint = strdup(schema->fingerprint);
	fields->fields = calloc(schema->field_count + 1, sizeof(*fields->fields));
	if (fields->collection == NULL || fields->fingerprint == NULL || fields->fields == NULL)
		return error_no_memory(error);
	for (size_t i = 0; i < schema->field_count; i++) {
		fields->count++;
		if (!copy_field(&fields->fields[i], schema->fields[i]))
			return error_no_memory(error);
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

bool field_has_value(const struct field *field)
{
	return (field->type == WEIR_TYPE_NUMBER || field->type == WEIR_TYPE_DATE) &&
	       (field->flags & WEIR_FIELD_FILTER) != 0;
}

bool field_has_sort(const struct field *field)
{
	return (field->flags & WEIR_FIELD_SORT) != 0;
}

static bool has_stems(const struct field *field)
{
	return field->language != NULL;
}

/* Words come split: a token is what stands between spaces, and nothing changes it. */
static json_t *map_words(const struct field *field)
{
	(void)field;
	return json_pack("{s:s, s:s}", "type", "text", "analyzer", "whitespace");
}

/* Phrases ask the words. */
static json_t *map_stems(const struct field *field)
{
	(void)field;
	return json_pack("{s:s, s:s, s:s}", "type", "text", "analyzer", "whitespace",
			 "index_options", "freqs");
}

/* Terms alone, for filters: neither order nor score is asked of them; columns only to count. */
static json_t *map_exact(const struct field *field)
{
	return json_pack("{s:s, s:b, s:b}", "type", "keyword", "doc_values", field_has_facet(field),
			 "norms", 0);
}

static json_t *map_value(const struct field *field)
{
	(void)field;
	return json_pack("{s:s, s:b}", "type", "long", "doc_values", 0);
}

static json_t *map_sort(const struct field *field)
{
	return json_pack("{s:s, s:b}", "type", field_has_words(field) ? "keyword" : "long", "index",
			 0);
}

struct group {
	const char *name;
	bool (*has)(const struct field *field);
	json_t *(*map)(const struct field *field);
};

static const struct group groups[] = {
	{"words", field_has_words, map_words}, {"stems", has_stems, map_stems},
	{"exact", field_has_exact, map_exact}, {"value", field_has_value, map_value},
	{"sort", field_has_sort, map_sort},
};
#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

static json_t *map_group(const struct fields *fields, const struct group *group)
{
	json_t *members = json_object();
	bool good = members != NULL;
	for (size_t i = 0; i < fields->count && good; i++)
		if (group->has(&fields->fields[i]))
			good = json_object_set_new(members, fields->fields[i].name,
						   group->map(&fields->fields[i])) == 0;
	if (!good) {
		json_decref(members);
		return NULL;
	}
	return json_pack("{s:s, s:o}", "dynamic", "strict", "properties", members);
}

json_t *fields_mapping(const struct fields *fields)
{
	json_t *properties = json_pack("{s:{s:s}, s:{s:s}, s:{s:s, s:b}, s:{s:s, s:b}, s:{s:s}, "
				       "s:{s:s, s:b}, s:{s:s, s:b}}",		      /**/
				       "id", "type", "keyword",			      /**/
				       "kind", "type", "keyword",		      /**/
				       "version", "type", "long", "index", 0,	      /**/
				       "applied_at", "type", "long", "doc_values", 0, /**/
				       "state", "type", "binary",		      /**/
				       "long", "type", "object", "enabled", 0,	      /**/
				       "head", "type", "object", "enabled", 0);
	bool good = properties != NULL;
	for (size_t i = 0; i < GROUP_COUNT && good; i++)
		good = json_object_set_new(properties, groups[i].name,
					   map_group(fields, &groups[i])) == 0;
	if (!good) {
		json_decref(properties);
		return NULL;
	}
	return json_pack("{s:s, s:{s:[s, s, s, s, s, s, s]}, s:o}", "dynamic", "strict", "_source",
			 "includes", "id", "kind", "version", "applied_at", "state", "long", "head",
			 "properties", properties);
}
