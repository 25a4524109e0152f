/* SPDX-License-Identifier: MIT
 * fuzz_query.c - the first byte is the backend's capabilities, the second chooses the filter's
 * field; the rest is read as a query, as a filter's value and as a sort. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "buffer.h"
#include "fuzz.h"
#include "query.h"
#include "query_schema.h"

static struct schema *the_schema(void)
{
	static struct schema *schema;
	struct weir_error error = {""};
	if (schema == NULL)
		EXPECT(schema_parse(query_schema_text, strlen(query_schema_text), "query_schema.h",
				    &schema, &error) == WEIR_OK);
	return schema;
}

static void check_utf8(const char *text, size_t length)
{
	for (size_t at = 0; at < length;) {
		utf8proc_int32_t point;
		utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
							 (utf8proc_ssize_t)(length - at), &point);
		EXPECT(step > 0 && point != 0);
		at += (size_t)step;
	}
}

static void check_error(weir_status status, const struct weir_error *error)
{
	EXPECT(status == WEIR_INVALID);
	EXPECT(error->message[0] != '\0');
	EXPECT(strpbrk(error->message, "\r\n") == NULL);
}

static void check_range(const struct weir_query *query, const struct weir_field *field)
{
	uint32_t both = WEIR_RANGE_HAS_LOWER | WEIR_RANGE_HAS_UPPER;
	EXPECT(field->type == WEIR_TYPE_NUMBER || field->type == WEIR_TYPE_DATE);
	EXPECT(isfinite(query->lower.number) && isfinite(query->upper.number));
	if ((query->range_flags & both) != both)
		return;
	EXPECT(query->lower.type == field->type && query->upper.type == field->type);
	EXPECT(query->lower.number <= query->upper.number);
	EXPECT(query->lower.integer <= query->upper.integer);
}

static void check_field(const struct weir_query *query, const struct schema *schema)
{
	if (query->field == WEIR_FIELD_DEFAULT) {
		EXPECT(query->kind != WEIR_QUERY_RANGE && query->kind != WEIR_QUERY_EXACT);
		return;
	}
	EXPECT(query->field >= 0 && (size_t)query->field < schema->abi->field_count);
	const struct weir_field *field = schema->abi->fields[query->field];
	if (query->kind == WEIR_QUERY_RANGE || query->kind == WEIR_QUERY_EXACT)
		EXPECT(field->flags & WEIR_FIELD_FILTER);
	else
		EXPECT(field->type == WEIR_TYPE_TEXT || field->type == WEIR_TYPE_KEYWORD);
	if (query->kind == WEIR_QUERY_RANGE)
		check_range(query, field);
}

/* Returns the number of leaves. boost: the product of those above. */
static size_t check_tree(const struct weir_query *query, const struct schema *schema,
			 uint64_t capabilities, size_t depth, double boost)
{
	size_t leaves = 0;
	/* parentheses, and in each: OR, AND, NOT, BOOST */
	EXPECT(query != NULL && depth <= 4 * (QUERY_DEPTH_LIMIT + 1));
	check_field(query, schema);
	switch (query->kind) {
	case WEIR_QUERY_FUZZY:
		EXPECT(capabilities & WEIR_CAN_FUZZY);
		EXPECT(query->distance == 1 || query->distance == 2);
		/* fall through */
	case WEIR_QUERY_TERM:
	case WEIR_QUERY_PHRASE:
	case WEIR_QUERY_PREFIX:
		EXPECT(query->text_length > 0 && query->distance <= 1000);
		check_utf8(query->text, query->text_length);
		return 1;
	case WEIR_QUERY_ALL:
	case WEIR_QUERY_NONE:
	case WEIR_QUERY_EXACT:
	case WEIR_QUERY_RANGE:
		return 1;
	case WEIR_QUERY_BOOST:
		boost *= query->boost;
		EXPECT(query->boost > 0 && boost <= 1000.001 && query->child_count == 1);
		break;
	case WEIR_QUERY_NOT:
		EXPECT(query->child_count == 1);
		break;
	default:
		EXPECT(query->kind == WEIR_QUERY_AND || query->kind == WEIR_QUERY_OR);
		EXPECT(query->child_count >= 2);
	}
	for (size_t i = 0; i < query->child_count; i++)
		leaves += check_tree(query->children[i], schema, capabilities, depth + 1, boost);
	return leaves;
}

static void check_printed(const struct weir_query *query, const struct schema *schema)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	query_print(query, schema, &out);
	EXPECT(!buffer_failed(&out) && out.length > 0 && out.data[0] == '(');
	check_utf8(out.data, out.length);
}

static void parse_query(struct query_arena *arena, uint64_t capabilities, const char *text,
			size_t length)
{
	const struct weir_query *query = NULL;
	struct weir_error error = {""};
	size_t column = 0;
	weir_status status = query_parse(arena, the_schema(), capabilities, text, length, &query,
					 &column, &error);
	if (status != WEIR_OK) {
		check_error(status, &error);
		EXPECT(query == NULL && column >= 1 && column <= length + 1);
		EXPECT(strncmp(error.message, "column ", strlen("column ")) == 0);
		return;
	}
	EXPECT(length <= QUERY_LENGTH_LIMIT);
	EXPECT(check_tree(query, the_schema(), capabilities, 0, 1) <= QUERY_CLAUSE_LIMIT);
	check_printed(query, the_schema());
}

static void read_filter(struct query_arena *arena, uint8_t choice, const char *text, size_t length)
{
	const struct weir_query *query = NULL;
	struct weir_error error = {""};
	int32_t field = choice % (int32_t)the_schema()->abi->field_count;
	struct query_filter filter = {field, text, length};
	weir_status status = query_filters(arena, the_schema(), &filter, 1, &query, &error);
	if (status != WEIR_OK) {
		check_error(status, &error);
		return;
	}
	EXPECT(check_tree(query, the_schema(), 0, 0, 1) == 1);
	check_printed(query, the_schema());
}

static void read_sort(struct query_arena *arena, const char *text)
{
	const struct weir_sort_key *const *keys = NULL;
	struct weir_error error = {""};
	size_t count = 0;
	weir_status status = query_sort(arena, the_schema(), text, &keys, &count, &error);
	if (status != WEIR_OK)
		check_error(status, &error);
	else
		EXPECT(count >= 1 && count <= 8 && keys[count - 1]->descending <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	/* Exactly as long as the text, so that a read behind it is found. */
	size_t length = size - 2;
	WEIR_FREE char *text = malloc(length + (length == 0));
	WEIR_FREE char *terminated = calloc(1, length + 1);
	struct query_arena *arena = query_arena_create();
	EXPECT(text != NULL && terminated != NULL && arena != NULL);
	memcpy(text, data + 2, length);
	memcpy(terminated, data + 2, length);
	parse_query(arena, data[0], text, length);
	read_filter(arena, data[1], text, length);
	read_sort(arena, terminated);
	query_arena_destroy(arena);
	return 0;
}
