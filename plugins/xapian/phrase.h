/* SPDX-License-Identifier: MIT
 * phrase.h - whether words stand in a field as a phrase wants them. */
#ifndef PHRASE_H
#define PHRASE_H

#include <stdbool.h>
#include <stddef.h>

struct phrase_word {
	const char *bytes;
	size_t length;
};

/* text: a record's words of a field: NUL, a word, NUL, a word, NUL. distance 0: next to each other
 * and in order; else that many other words may stand between them, in any order. */
bool phrase_stands(const char *text, size_t length, const struct phrase_word *words, size_t count,
		   size_t distance);

#endif
