/* SPDX-License-Identifier: MIT
 * query.h - trees of struct weir_query into plans: which lists of postings and columns are asked.
 *
 * A TERM, PHRASE or PREFIX in which folding leaves no word matches nothing; beside others in an AND
 * or an OR it is as if it were not there. */
#ifndef QUERY_H
#define QUERY_H

#include "fields.h"
#include "names.h"
#include "rows.h"

enum node_kind {
	NODE_NOTHING,
	NODE_ALL,	/* what is live */
	NODE_TERMS,	/* any of the terms, in its fields; scored as one */
	NODE_BEGINNING, /* any term that begins with the one term */
	NODE_RANGE,	/* the column's value is lower to upper, both included; never absent */
	NODE_PHRASE,	/* all of the terms in one field, and they stand there as is wanted */
	NODE_AND,
	NODE_OR,
	NODE_NOT, /* live, and its one child does not match; a child of AND only takes away */
};

#define NO_NODE (-1)

struct node {
	enum node_kind kind;
	int child, next; /* first child, next sibling; or NO_NODE */
	size_t first_term, term_count;
	/* Of words, that is TERMS but for keywords', BEGINNING and PHRASE: the group of their
	 * terms, and what each of its fields adds to the score; 0: nothing. */
	size_t group;
	double boosts[TALLY_FIELDS];
	size_t column; /* RANGE, and TERMS of a keyword with ordinals; 0: none */
	uint64_t lower, upper;
	size_t distance; /* PHRASE */
};

struct query_term {
	size_t offset, length; /* in the plan's text */
	uint32_t mask;	       /* a word: which fields of the group count; 0: it is not one */
};

/* A built plan, and memory for the next one. */
struct plan {
	struct node *nodes;
	size_t node_count, node_capacity;
	struct query_term *terms;
	size_t term_count, term_capacity;
	struct bytes text;
	int root;
	bool is_scored; /* false: every score is 0 */

	/* The words of the text under way, as they stand and as stems of the language. */
	struct bytes words;
	struct query_word {
		size_t offset, length, stem_offset, stem_length;
	} * places;
	size_t word_count, place_capacity;
	const char *language;
};

struct query_context {
	const struct fields *fields;
	const struct rows_layout *layout;
	const struct names *names;
	const struct weir_host *host;
	bool is_filter; /* decides, does not score */
};

void plan_finish(struct plan *plan);
/* WEIR_RETRY: no memory. WEIR_FATAL: not a tree that the header knows. */
weir_status plan_build(struct plan *plan, const struct query_context *context,
		       const struct weir_query *query, struct weir_error *error);

#endif
