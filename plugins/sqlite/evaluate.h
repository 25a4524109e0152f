/* SPDX-License-Identifier: MIT
 * evaluate.h - a query's nodes into sets of documents. */
#ifndef EVALUATE_H
#define EVALUATE_H

#include "query.h"
#include "session.h"

/* The documents that the node matches; the caller finishes the set. */
weir_status evaluate(struct weir_session *session, const struct node *node, struct bits *out,
		     struct weir_error *error);

#endif
