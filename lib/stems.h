/* SPDX-License-Identifier: MIT
 * stems.h - what all forms of a word come to, by the Snowball stemmers, with a memory of what they
 * said: stemming is costly, and words come again.
 *
 * Concurrency: a thread has stemmers and a memory of its own, made when it first asks and freed
 * when it ends. */
#ifndef STEMS_H
#define STEMS_H

#include <stdbool.h>
#include <stddef.h>

/* A stemmer for a language, an ISO 639-1 code. NULL: no memory, or a language that is not known
 * (see stems_know). Belongs to the calling thread. */
struct stemmer;
struct stemmer *stems_of(const char *language);
bool stems_know(const char *language);
/* Languages that there are, for messages: "ar, hy, …". */
const char *stems_languages(void);

/* The stem of a folded word; lives until the next call. Words that begin with a digit, or are
 * longer than 64 bytes, are their own stems. */
const char *stems_find(struct stemmer *stemmer, const char *word, size_t length,
		       size_t *stem_length);

#endif
