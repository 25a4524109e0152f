/* SPDX-License-Identifier: MIT
 * fulltext.h - what FTS5 lacks for us: a tokenizer that only cuts at the spaces between words that
 * the host has split, a score by weights for each phrase and column, and nearness as backend.h
 * defines it.
 *
 * A text is words with a space between. A stem stands at its word's place, so that words in a row
 * are a phrase whatever their stems; it is written behind the word as how much of the word it
 * begins with, and the rest of it. In the index it has a mark before it. */
#ifndef FULLTEXT_H
#define FULLTEXT_H

#include <stdint.h>

#include "bits.h"
#include "bytes.h"
#include "database.h"

#define FULLTEXT_MARK '\x01' /* begins a stem; no word has it */

/* A word of a text, with its stem unless stem is NULL. False: no memory. */
bool fulltext_append(struct bytes *text, const char *word, size_t word_length, const char *stem,
		     size_t stem_length);

/* weir_score(words, ?) with sqlite3_bind_pointer(..., FULLTEXT_SCORE): BM25 as FTS5 has it. NULL
 * for a document that is not among those wanted. */
#define FULLTEXT_SCORE "weir_score"
struct fulltext_score {
	const struct bits *among; /* NULL: all */
	const double *columns;	  /* a weight for each column */
	const double *phrases;	  /* a weight for each phrase of the expression */
	size_t phrase_count;
	const struct weir_host *host;
	/* A document that cannot reach it needs no exact score: it gets one that is higher than its
	 * own, and still below this. */
	double threshold;
	double *rarities;    /* room for one a phrase; filled at the first document */
	double *frequencies; /* the same, of one document */
	double average_length;
	bool is_ready;
};

/* weir_near(words, ?): whether, in one column, the phrases stand within a window. */
#define FULLTEXT_NEAR "weir_near"
struct fulltext_near {
	size_t phrase_count;	/* each is one word */
	const uint32_t *wanted; /* how often, for each phrase */
	uint64_t window;	/* in words */
	uint64_t missing;	/* all that is wanted */
	struct fulltext_place *places;
	size_t place_count, place_capacity;
	uint32_t *lacking; /* room for one a phrase */
};
void fulltext_near_finish(struct fulltext_near *near); /* places only */

/* Makes all of it known to the connection. */
weir_status fulltext_register(const struct database *database, struct weir_error *error);

#endif
