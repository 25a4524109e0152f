/* SPDX-License-Identifier: MIT
 * found.h - all matches of a session's last search, a bit each: to count the values that they have
 * they need not be found again.
 *
 * Concurrency: as the session, one thread at a time. */
#ifndef FOUND_H
#define FOUND_H

#include "match.h"

/* What was asked, of which commit. */
struct question {
	uint64_t generation;
	const struct fields *fields;
	const struct weir_query *query, *filter; /* filter: NULL for none */
};

struct found {
	struct bytes key, chunks; /* the question; what was found */
	struct bytes asked;	  /* scratch */
	bool is_whole, has_failed;
};

void found_finish(struct found *found);
/* Forgets what was found, for the question's answer. */
void found_begin(struct found *found, const struct question *question);
/* Without memory for it, or where it is too much, nothing is kept. */
void found_add(struct found *found, const struct match_chunk *chunk);
/* All matches were added. */
void found_end(struct found *found);
/* Calls on_chunk, without scores, for all matches. False: they are not known. */
bool found_each(struct found *found, const struct question *question, match_on_chunk *on_chunk,
		void *context);

#endif
