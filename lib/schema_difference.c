/* SPDX-License-Identifier: MIT */
#include "schema_difference.h"

#include <string.h>

static const char *type_name(uint32_t type)
{
	switch (type) {
	case WEIR_TYPE_TEXT:
		return "text";
	case WEIR_TYPE_KEYWORD:
		return "keyword";
	case WEIR_TYPE_NUMBER:
		return "number";
	case WEIR_TYPE_DATE:
		return "date";
	default:
		return "boolean";
	}
}

static const struct {
	const char *name;
	uint32_t flag;
} flags[] = {
	{"search", WEIR_FIELD_SEARCH}, {"filter", WEIR_FIELD_FILTER},	{"sort", WEIR_FIELD_SORT},
	{"facet", WEIR_FIELD_FACET},   {"suggest", WEIR_FIELD_SUGGEST},
};

static void begin(struct buffer *out, size_t start, const char *name)
{
	buffer_printf(out, "%sfield %s: ", out->length > start ? "; " : "", name);
}

static void compare_fields(const struct weir_field *was, const struct weir_field *is, size_t start,
			   struct buffer *out)
{
	const char *before = was->language != NULL ? was->language : "none";
	const char *now = is->language != NULL ? is->language : "none";
	if (was->type != is->type) {
		begin(out, start, is->name);
		buffer_printf(out, "type was %s and is %s", type_name(was->type),
			      type_name(is->type));
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (((was->flags ^ is->flags) & flags[i].flag) == 0)
			continue;
		begin(out, start, is->name);
		buffer_printf(out, "%s was %s", flags[i].name,
			      (is->flags & flags[i].flag) != 0 ? "added" : "taken away");
	}
	if (strcmp(before, now) != 0) {
		begin(out, start, is->name);
		buffer_printf(out, "language was %s and is %s", before, now);
	}
}

static const struct weir_field *find(const struct schema *schema, const char *name)
{
	int32_t number = schema_find_exact(schema, name, strlen(name));
	return number < 0 ? NULL : schema->abi->fields[number];
}

void schema_difference(const struct schema *was, const struct schema *is, struct buffer *out)
{
	size_t start = out->length;
	if (strcmp(was->abi->fingerprint, is->abi->fingerprint) == 0)
		return;
	for (size_t i = 0; i < is->abi->field_count; i++) {
		const struct weir_field *field = is->abi->fields[i];
		const struct weir_field *before = find(was, field->name);
		if (before != NULL) {
			compare_fields(before, field, start, out);
			continue;
		}
		begin(out, start, field->name);
		buffer_printf(out, "is new (%s)", type_name(field->type));
	}
	for (size_t i = 0; i < was->abi->field_count; i++) {
		if (find(is, was->abi->fields[i]->name) != NULL)
			continue;
		begin(out, start, was->abi->fields[i]->name);
		buffer_append_text(out, "is gone");
	}
	if (out->length == start)
		buffer_append_text(out, "the fields stand in another order");
}
