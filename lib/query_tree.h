/* SPDX-License-Identifier: MIT
 * query_tree.h - what the parser and the filters build trees with; for lib/query*.c alone. */
#ifndef QUERY_TREE_H
#define QUERY_TREE_H

#include "query.h"

/* Zeroed; NULL: no memory. */
void *query_arena_take(struct query_arena *arena, size_t size);
/* NUL-terminated copy; NULL: no memory. */
char *query_arena_copy(struct query_arena *arena, const char *text, size_t length);

struct weir_query *query_make(struct query_arena *arena, uint32_t kind, int32_t field);

struct query_item {
	const struct weir_query *query;
	struct query_item *next;
};
struct query_list {
	struct query_item *first, *last;
	size_t count;
};
/* query may be NULL: nothing to add. False: no memory. */
bool query_list_add(struct query_arena *arena, struct query_list *list,
		    const struct weir_query *query) WEIR_MUST_CHECK;
/* A node of that kind over the list; of one item the item itself, of none NULL. */
weir_status query_list_join(struct query_arena *arena, uint32_t kind, const struct query_list *list,
			    const struct weir_query **query,
			    struct weir_error *error) WEIR_MUST_CHECK;

/* One end of a range as it was written. */
struct query_bound {
	bool given;	/* false: no limit on this side */
	bool open;	/* the value itself does not match */
	bool whole_day; /* a date without a time */
	struct weir_value value;
};

/* Of a NUMBER or DATE field. Messages name the field and what it takes. */
weir_status query_read_bound(struct query_arena *arena, const struct schema *schema, int32_t field,
			     const char *text, size_t length, struct query_bound *bound,
			     struct weir_error *error) WEIR_MUST_CHECK;
/* A range that nothing can be in becomes WEIR_QUERY_NONE; lower above upper is WEIR_INVALID. */
weir_status query_make_range(struct query_arena *arena, const struct schema *schema, int32_t field,
			     const struct query_bound *lower, const struct query_bound *upper,
			     const struct weir_query **query,
			     struct weir_error *error) WEIR_MUST_CHECK;
/* Of a KEYWORD or BOOLEAN field. */
weir_status query_make_exact(struct query_arena *arena, const struct schema *schema, int32_t field,
			     const char *text, size_t length, const struct weir_query **query,
			     struct weir_error *error) WEIR_MUST_CHECK;

/* Where text stops being UTF-8 without NUL; length: nowhere. */
size_t query_valid_length(const char *text, size_t length);

#endif
