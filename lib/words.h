/* SPDX-License-Identifier: MIT
 * words.h - text into words: runs of letters, digits and marks, folded for case and accents.
 *
 * Compatibility forms are unfolded first, so a ligature is its letters. An apostrophe inside a word
 * is dropped and joins its sides: "don't" is "dont". A Chinese or Japanese character is a word by
 * itself. One letter with ++ or # behind it keeps it: "C++", "C#". A longer word than WEIR_WORD_CUT
 * is its beginning and a hash, so that it still matches exactly and fits into any engine's term. */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "weir/backend.h"

/* Changes whenever the same text comes to other words or stems. 2: stems of libstemmer 2.2. */
#define WORDS_VERSION 2

/* Returns false to stop. word is not NUL-terminated. */
typedef bool words_on_word(void *context, const char *word, size_t length);

/* False: on_word stopped it. What is not UTF-8 stands between words. */
bool words_split(const char *text, size_t length, words_on_word *on_word, void *context);

/* The folded text, for sorting: at most limit bytes, without bytes below a space. Returns its
 * length. */
size_t words_sort_key(const char *text, size_t length, char *out, size_t limit);

#endif
