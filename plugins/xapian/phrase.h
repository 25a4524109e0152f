/* SPDX-License-Identifier: MIT
 * phrase.h - whether words stand in a field as a phrase wants them. */
#ifndef PHRASE_H
#define PHRASE_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

struct phrase_word {
	const char *bytes;
	size_t length;
};

/* What is looked for. distance 0: the words next to each other and in order; else that many other
 * words may stand between them, in any order. */
struct phrase {
	struct phrase_word *words; /* point to what was given */
	size_t count, distance;
	struct bytes whole; /* as a text would have them: NUL, a word, NUL, a word, NUL */
};

/* words: borrowed as long as the phrase is used. False: no memory. */
bool phrase_init(struct phrase *phrase, struct phrase_word *words, size_t count, size_t distance);
void phrase_finish(struct phrase *phrase);
/* text: a record's words of a field, in the same form. */
bool phrase_stands(const struct phrase *phrase, const char *text, size_t length);

#endif
