/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <stdarg.h>
#include <stdio.h>

#define ROOM_COUNT 4096
static _Thread_local void *rooms[ROOM_COUNT];
static _Thread_local size_t room_count;

static void *room(size_t size)
{
	REQUIRE(room_count < ROOM_COUNT);
	void *made = calloc(1, size);
	REQUIRE(made != NULL);
	rooms[room_count++] = made;
	return made;
}

void queries_free(void)
{
	while (room_count > 0)
		free(rooms[--room_count]);
}

static struct weir_query *make(uint32_t kind, int32_t field, const char *text, size_t length)
{
	struct weir_query *query = room(sizeof(*query));
	query->kind = kind;
	query->field = field;
	query->text = text;
	query->text_length = length;
	query->boost = 1;
	return query;
}

const struct weir_query *all(void)
{
	return make(WEIR_QUERY_ALL, ANY, "", 0);
}

const struct weir_query *none(void)
{
	return make(WEIR_QUERY_NONE, ANY, "", 0);
}

const struct weir_query *term(int32_t field, const char *text)
{
	return make(WEIR_QUERY_TERM, field, text, strlen(text));
}

const struct weir_query *phrase(int32_t field, const char *text)
{
	return make(WEIR_QUERY_PHRASE, field, text, strlen(text));
}

const struct weir_query *near(int32_t field, const char *text, uint32_t distance)
{
	struct weir_query *query = make(WEIR_QUERY_PHRASE, field, text, strlen(text));
	query->distance = distance;
	return query;
}

const struct weir_query *prefix(int32_t field, const char *text)
{
	return make(WEIR_QUERY_PREFIX, field, text, strlen(text));
}

const struct weir_query *exact_bytes(int32_t field, const char *text, size_t length)
{
	struct weir_query *query = make(WEIR_QUERY_EXACT, field, "", 0);
	query->lower = (struct weir_value){
		.field = field,
		.type = collection.fields[field]->type,
		.text = text,
		.text_length = length,
	};
	return query;
}

const struct weir_query *exact(int32_t field, const char *text)
{
	return exact_bytes(field, text, strlen(text));
}

const struct weir_query *is(int32_t field, int value)
{
	struct weir_query *query = make(WEIR_QUERY_EXACT, field, "", 0);
	query->lower =
		(struct weir_value){.field = field, .type = WEIR_TYPE_BOOLEAN, .integer = value};
	return query;
}

static struct weir_value end_value(int32_t field, const char *text)
{
	uint32_t type = collection.fields[field]->type;
	return (struct weir_value){
		.field = field,
		.type = type,
		.text = text,
		.text_length = strlen(text),
		.number = type == WEIR_TYPE_NUMBER ? strtod(text, NULL) : 0,
		.integer = type == WEIR_TYPE_DATE ? strtoll(text, NULL, 10) : 0,
	};
}

const struct weir_query *range(int32_t field, const char *ends)
{
	struct weir_query *query = make(WEIR_QUERY_RANGE, field, "", 0);
	char *lower = room(64), *upper = room(64);
	char open = '\0', close = '\0';
	int read = sscanf(ends, "%c%31s %31[^])]%c", &open, lower, upper, &close);
	REQUIRE(read >= 3);
	if (strcmp(lower, "*") != 0) {
		query->range_flags |=
			WEIR_RANGE_HAS_LOWER | (open == '(' ? WEIR_RANGE_LOWER_OPEN : 0);
		query->lower = end_value(field, lower);
	}
	if (strcmp(upper, "*") != 0) {
		query->range_flags |=
			WEIR_RANGE_HAS_UPPER | (close == ')' ? WEIR_RANGE_UPPER_OPEN : 0);
		query->upper = end_value(field, upper);
	}
	return query;
}

const struct weir_query *combine(uint32_t kind, ...)
{
	const struct weir_query **children = room(300 * sizeof(*children)), *child;
	struct weir_query *query = make(kind, ANY, "", 0);
	va_list arguments;
	va_start(arguments, kind);
	while ((child = va_arg(arguments, const struct weir_query *)) != NULL)
		children[query->child_count++] = child;
	va_end(arguments);
	query->children = children;
	return query;
}

const struct weir_query *boosted(const struct weir_query *child, double boost)
{
	struct weir_query *query = (struct weir_query *)combine(WEIR_QUERY_BOOST, child, NO_MORE);
	query->boost = boost;
	return query;
}

const struct weir_query *join(uint32_t kind, const struct weir_query *const *children, size_t count)
{
	struct weir_query *query = make(kind, ANY, "", 0);
	const struct weir_query **copies = room((count + 1) * sizeof(*copies));
	memcpy(copies, children, count * sizeof(*copies));
	query->children = copies;
	query->child_count = count;
	return query;
}
