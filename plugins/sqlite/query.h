/* SPDX-License-Identifier: MIT
 * query.h - the host's tree, made ready to be answered: what FTS5 can say is joined into as few of
 * its expressions as possible, what it cannot is left to sets. */
#ifndef QUERY_H
#define QUERY_H

#include "bits.h"
#include "bytes.h"
#include "fields.h"

enum node_kind {
	NODE_EVERYTHING,
	NODE_NOTHING,
	NODE_MATCH, /* an expression of FTS5 */
	NODE_NEAR,  /* the same, and the words have to stand within a window */
	NODE_EXACT,
	NODE_RANGE,
	NODE_AND,
	NODE_OR,
	NODE_NOT, /* one child */
};

struct node {
	enum node_kind kind;
	struct bytes text;    /* MATCH, NEAR: the expression, not NUL-terminated */
	struct bytes weights; /* MATCH, NEAR: a double for each of its phrases */
	struct bytes wanted;  /* NEAR: how often each phrase has to stand there, as uint32_t */
	unsigned nested;      /* MATCH: joins within joins */
	uint64_t window;      /* NEAR */
	size_t scoring;	      /* how many of the query's scoring leaves are in the expression */
	const struct weir_query *query; /* EXACT, RANGE */
	struct node **children;
	size_t child_count, child_capacity;
};

struct query {
	struct node *root;
	/* Every scoring leaf, one or the other. */
	struct bytes text, weights;
	size_t scoring;
};

/* filter may be NULL. The query borrows from both trees; on failure there is nothing to finish. */
weir_status query_create(const struct fields *fields, const struct weir_host *host,
			 const struct weir_query *tree, const struct weir_query *filter,
			 struct query *query, struct weir_error *error);
void query_finish(struct query *query);

#endif
