/* SPDX-License-Identifier: MIT
 * order.h - the page of matches that is asked for, in order.
 *
 * While matches come, only those are kept that may stand in the page by the first key: the bound is
 * the key of the last wanted one so far. Then ties are decided key by key, only where they reach
 * into the page. Whole sort keys of text, and ids, stand in the records. */
#ifndef ORDER_H
#define ORDER_H

#include "match.h"

struct order_item {
	uint64_t key;
	uint32_t docid;
	float score;
};

/* What is compared in turn. */
struct order_level {
	enum { LEVEL_SCORE, LEVEL_COLUMN, LEVEL_ORDINAL, LEVEL_TEXT, LEVEL_ID } kind;
	bool descending;
	size_t field, column;
	struct ranks *ranks; /* ORDINAL */
};

struct order {
	struct match *match; /* borrowed */
	struct order_level *levels;
	size_t level_count, level_capacity;
	struct order_item *items;
	size_t count, capacity, compacted;
	uint64_t *bounds; /* a heap of the lowest keys, the highest of them first */
	size_t bound_count, bound_capacity;
	size_t wanted; /* matches from the first on that the page needs */
	uint64_t total;
	bool has_phrase; /* which is dear to find */
	bool failed;	 /* no memory */
	struct bytes texts, record;
};

/* wanted: offset and limit together. WEIR_FATAL: a field that cannot be sorted by. */
weir_status order_begin(struct order *order, struct match *match, const struct fields *fields,
			const struct weir_search *search, size_t wanted, struct weir_error *error);
match_on_chunk order_take; /* context: the order */
/* The page begins at order->items[from]; *to: where it ends. */
weir_status order_settle(struct order *order, size_t from, size_t *to, struct weir_error *error);
/* Gives back what the search needed. To be called after each order_begin. */
void order_end(struct order *order);
void order_finish(struct order *order);

#endif
