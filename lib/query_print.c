/* SPDX-License-Identifier: MIT */
#include "buffer.h"
#include "moment.h"
#include "query.h"

static void print_quoted(struct buffer *out, const char *text, size_t length)
{
	buffer_append_char(out, '"');
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"' || text[i] == '\\')
			buffer_append_char(out, '\\');
		buffer_append_char(out, text[i]);
	}
	buffer_append_char(out, '"');
}

static void print_field(struct buffer *out, const struct schema *schema, int32_t field)
{
	if (field != WEIR_FIELD_DEFAULT)
		buffer_printf(out, " %s", schema->abi->fields[field]->name);
}

static void print_words(struct buffer *out, const struct schema *schema, const char *name,
			const struct weir_query *query)
{
	buffer_printf(out, "(%s", name);
	print_field(out, schema, query->field);
	buffer_append_char(out, ' ');
	print_quoted(out, query->text, query->text_length);
	if (query->kind == WEIR_QUERY_FUZZY || query->distance > 0)
		buffer_printf(out, " %u", (unsigned)query->distance);
	buffer_append_char(out, ')');
}

static void print_value(struct buffer *out, const struct weir_value *value)
{
	char moment[MOMENT_TEXT_SIZE];
	switch (value->type) {
	case WEIR_TYPE_DATE:
		moment_format(value->integer, moment);
		buffer_append_text(out, moment);
		break;
	case WEIR_TYPE_BOOLEAN:
		buffer_append_text(out, value->integer != 0 ? "true" : "false");
		break;
	case WEIR_TYPE_NUMBER:
		buffer_append(out, value->text, value->text_length);
		break;
	default:
		print_quoted(out, value->text, value->text_length);
	}
}

static void print_range(struct buffer *out, const struct schema *schema,
			const struct weir_query *query)
{
	uint32_t flags = query->range_flags;
	buffer_append_text(out, "(range");
	print_field(out, schema, query->field);
	buffer_append_text(out, flags & WEIR_RANGE_LOWER_OPEN ? " {" : " [");
	if (flags & WEIR_RANGE_HAS_LOWER)
		print_value(out, &query->lower);
	else
		buffer_append_char(out, '*');
	buffer_append_char(out, ' ');
	if (flags & WEIR_RANGE_HAS_UPPER)
		print_value(out, &query->upper);
	else
		buffer_append_char(out, '*');
	buffer_append_text(out, flags & WEIR_RANGE_UPPER_OPEN ? "})" : "])");
}

static void print_children(struct buffer *out, const struct schema *schema, const char *name,
			   const struct weir_query *query)
{
	buffer_printf(out, "(%s", name);
	if (query->kind == WEIR_QUERY_BOOST)
		buffer_printf(out, " %g", query->boost);
	for (size_t i = 0; i < query->child_count; i++) {
		buffer_append_char(out, ' ');
		query_print(query->children[i], schema, out);
	}
	buffer_append_char(out, ')');
}

void query_print(const struct weir_query *query, const struct schema *schema, struct buffer *out)
{
	switch (query->kind) {
	case WEIR_QUERY_ALL:
		buffer_append_text(out, "(all)");
		break;
	case WEIR_QUERY_NONE:
		buffer_append_text(out, "(none)");
		break;
	case WEIR_QUERY_TERM:
		print_words(out, schema, "term", query);
		break;
	case WEIR_QUERY_PHRASE:
		print_words(out, schema, "phrase", query);
		break;
	case WEIR_QUERY_PREFIX:
		print_words(out, schema, "prefix", query);
		break;
	case WEIR_QUERY_FUZZY:
		print_words(out, schema, "fuzzy", query);
		break;
	case WEIR_QUERY_EXACT:
		buffer_append_text(out, "(exact");
		print_field(out, schema, query->field);
		buffer_append_char(out, ' ');
		print_value(out, &query->lower);
		buffer_append_char(out, ')');
		break;
	case WEIR_QUERY_RANGE:
		print_range(out, schema, query);
		break;
	case WEIR_QUERY_AND:
		print_children(out, schema, "and", query);
		break;
	case WEIR_QUERY_OR:
		print_children(out, schema, "or", query);
		break;
	case WEIR_QUERY_NOT:
		print_children(out, schema, "not", query);
		break;
	case WEIR_QUERY_BOOST:
		print_children(out, schema, "boost", query);
		break;
	default:
		buffer_printf(out, "(kind %u)", (unsigned)query->kind);
	}
}
