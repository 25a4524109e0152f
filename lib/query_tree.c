/* SPDX-License-Identifier: MIT */
#include "query_tree.h"

#include <math.h>
#include <string.h>
#include <utf8proc.h>

#include "arena.h"
#include "json.h"
#include "moment.h"

#define DAY (INT64_C(86400) * 1000000)

struct query_arena {
	struct arena memory;
};

struct query_arena *query_arena_create(void)
{
	return calloc(1, sizeof(struct query_arena));
}

void query_arena_destroy(struct query_arena *arena)
{
	if (arena == NULL)
		return;
	arena_finish(&arena->memory);
	free(arena);
}

void *query_arena_take(struct query_arena *arena, size_t size)
{
	void *taken = arena_allocate(&arena->memory, size);
	return taken == NULL ? NULL : memset(taken, 0, size);
}

char *query_arena_copy(struct query_arena *arena, const char *text, size_t length)
{
	return arena_copy(&arena->memory, text, length);
}

struct weir_query *query_make(struct query_arena *arena, uint32_t kind, int32_t field)
{
	struct weir_query *query = query_arena_take(arena, sizeof(*query));
	if (query != NULL) {
		query->kind = kind;
		query->field = field;
	}
	return query;
}

bool query_list_add(struct query_arena *arena, struct query_list *list,
		    const struct weir_query *query)
{
	if (query == NULL)
		return true;
	struct query_item *item = query_arena_take(arena, sizeof(*item));
	if (item == NULL)
		return false;
	item->query = query;
	if (list->last == NULL)
		list->first = item;
	else
		list->last->next = item;
	list->last = item;
	list->count++;
	return true;
}

weir_status query_list_join(struct query_arena *arena, uint32_t kind, const struct query_list *list,
			    const struct weir_query **query, struct weir_error *error)
{
	if (list->count <= 1) {
		*query = list->count == 0 ? NULL : list->first->query;
		return WEIR_OK;
	}
	struct weir_query *joined = query_make(arena, kind, WEIR_FIELD_DEFAULT);
	const struct weir_query **children =
		query_arena_take(arena, list->count * sizeof(struct weir_query *));
	if (joined == NULL || children == NULL)
		return err_no_memory(error);
	size_t count = 0;
	for (const struct query_item *item = list->first; item != NULL; item = item->next)
		children[count++] = item->query;
	joined->children = children;
	joined->child_count = count;
	*query = joined;
	return WEIR_OK;
}

/* How many bytes of a value a message shows: whole characters only. */
static int shown(const char *text, size_t length)
{
	if (length <= 60)
		return (int)length;
	int bytes = 60;
	while (bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80)
		bytes--;
	return bytes;
}

static weir_status read_number(struct query_arena *arena, const struct weir_field *field,
			       const char *text, size_t length, struct weir_value *value,
			       struct weir_error *error)
{
	const char *digits = query_arena_copy(arena, text, length);
	if (digits == NULL)
		return err_no_memory(error);
	if (!json_is_number_text(digits, length))
		return err_set(error, WEIR_INVALID,
			       "%s takes a number such as 10 or 12.50, not \"%.*s\"", field->name,
			       shown(text, length), text);
	value->number = strtod(digits, NULL);
	if (!isfinite(value->number))
		return err_set(error, WEIR_INVALID, "%s takes a smaller number than \"%.*s\"",
			       field->name, shown(text, length), text);
	value->text = digits;
	value->text_length = length;
	return WEIR_OK;
}

weir_status query_read_bound(struct query_arena *arena, const struct schema *schema, int32_t field,
			     const char *text, size_t length, struct query_bound *bound,
			     struct weir_error *error)
{
	const struct weir_field *about = schema->abi->fields[field];
	struct query_bound made = {.given = true, .value = {.field = field, .type = about->type}};
	if (about->type == WEIR_TYPE_NUMBER) {
		weir_status status = read_number(arena, about, text, length, &made.value, error);
		if (status != WEIR_OK)
			return status;
	} else if (!moment_parse(text, length, &made.value.integer, &made.whole_day)) {
		return err_set(error, WEIR_INVALID,
			       "%s takes a date such as 2026-01-31 or 2026-01-31T18:00:00Z, not "
			       "\"%.*s\"",
			       about->name, shown(text, length), text);
	}
	*bound = made;
	return WEIR_OK;
}

static bool is_reversed(const struct query_bound *lower, const struct query_bound *upper)
{
	if (lower->value.type == WEIR_TYPE_NUMBER)
		return lower->value.number > upper->value.number;
	return lower->value.integer > upper->value.integer + (upper->whole_day ? DAY - 1 : 0);
}

static bool holds_nothing(const struct weir_query *range)
{
	uint32_t both = WEIR_RANGE_HAS_LOWER | WEIR_RANGE_HAS_UPPER;
	if ((range->range_flags & both) != both)
		return false;
	bool open = (range->range_flags & (WEIR_RANGE_LOWER_OPEN | WEIR_RANGE_UPPER_OPEN)) != 0;
	if (range->lower.type == WEIR_TYPE_NUMBER)
		return open ? range->lower.number >= range->upper.number
			    : range->lower.number > range->upper.number;
	return open ? range->lower.integer >= range->upper.integer
		    : range->lower.integer > range->upper.integer;
}

weir_status query_make_range(struct query_arena *arena, const struct schema *schema, int32_t field,
			     const struct query_bound *lower, const struct query_bound *upper,
			     const struct weir_query **query, struct weir_error *error)
{
	if (lower->given && upper->given && is_reversed(lower, upper))
		return err_set(error, WEIR_INVALID,
			       "the range of %s is reversed: the lower end comes first",
			       schema->abi->fields[field]->name);
	struct weir_query *range = query_make(arena, WEIR_QUERY_RANGE, field);
	if (range == NULL)
		return err_no_memory(error);
	if (lower->given) {
		range->range_flags |= WEIR_RANGE_HAS_LOWER;
		range->lower = lower->value;
		if (lower->open && lower->whole_day)
			range->lower.integer += DAY;
		else if (lower->open)
			range->range_flags |= WEIR_RANGE_LOWER_OPEN;
	}
	if (upper->given) {
		range->range_flags |= WEIR_RANGE_HAS_UPPER;
		range->upper = upper->value;
		if (!upper->open && upper->whole_day)
			range->upper.integer += DAY;
		if (upper->open || upper->whole_day)
			range->range_flags |= WEIR_RANGE_UPPER_OPEN;
	}
	if (holds_nothing(range))
		*range = (struct weir_query){.kind = WEIR_QUERY_NONE, .field = WEIR_FIELD_DEFAULT};
	*query = range;
	return WEIR_OK;
}

weir_status query_make_exact(struct query_arena *arena, const struct schema *schema, int32_t field,
			     const char *text, size_t length, const struct weir_query **query,
			     struct weir_error *error)
{
	const struct weir_field *about = schema->abi->fields[field];
	struct weir_query *exact = query_make(arena, WEIR_QUERY_EXACT, field);
	const char *copy = query_arena_copy(arena, text, length);
	if (exact == NULL || copy == NULL)
		return err_no_memory(error);
	exact->lower.field = field;
	exact->lower.type = about->type;
	if (about->type == WEIR_TYPE_KEYWORD) {
		exact->lower.text = copy;
		exact->lower.text_length = length;
	} else if (length == 4 && memcmp(text, "true", 4) == 0) {
		exact->lower.integer = 1;
	} else if (length != 5 || memcmp(text, "false", 5) != 0) {
		return err_set(error, WEIR_INVALID, "%s takes true or false, not \"%.*s\"",
			       about->name, shown(text, length), text);
	}
	*query = exact;
	return WEIR_OK;
}

size_t query_valid_length(const char *text, size_t length)
{
	size_t at = 0;
	while (at < length && text[at] != '\0') {
		utf8proc_int32_t point;
		utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
							 (utf8proc_ssize_t)(length - at), &point);
		if (size <= 0)
			break;
		at += (size_t)size;
	}
	return at;
}
