/* SPDX-License-Identifier: MIT
 * best.h - the first so many of the documents that are offered, in the order of the answer. */
#ifndef BEST_H
#define BEST_H

#include "session.h"

struct best_entry {
	int64_t number;
	double score;
	char *key; /* what decides between equal scores; NULL: not asked for yet */
	size_t key_length;
};

struct best {
	struct weir_session *session;
	const struct weir_search *search;
	sqlite3_stmt *values;	    /* of a document: its id and what it is sorted by */
	struct best_entry *entries; /* a heap, the last of the answer at the top */
	size_t count, capacity, wanted;
	int by_score;	    /* before the keys: 1 the higher first, -1 the lower, 0 not at all */
	weir_status status; /* of what went wrong among the comparisons */
	struct weir_error *error;
};

weir_status best_init(struct best *best, struct weir_session *session,
		      const struct weir_search *search, struct weir_error *error);
void best_finish(struct best *best);
void best_clear(struct best *best); /* as if nothing had been offered */
weir_status best_offer(struct best *best, int64_t number, double score);
/* A score below it can be offered in vain. */
double best_threshold(const struct best *best);
/* Puts the entries into the order of the answer; nothing may be offered after it. */
weir_status best_sort(struct best *best);

#endif
