/* SPDX-License-Identifier: MIT
 * walk.h - an answer in the order of an index: quicker than looking at every match where matches
 * are many. */
#ifndef WALK_H
#define WALK_H

#include "best.h"

/* Offers the first of the set (NULL: every live document) in the order of the answer, when every
 * score is the same. *done: best has all that is wanted; else nothing, and the set has to be
 * offered whole. */
weir_status walk(struct weir_session *session, const struct weir_search *search,
		 const struct bits *set, struct best *best, bool *done, struct weir_error *error);

#endif
