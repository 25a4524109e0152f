/* SPDX-License-Identifier: MIT
 * words.h - text into words: runs of letters, digits and marks, folded for case and accents.
 *
 * Compatibility forms are unfolded first, so a ligature is its letters. An apostrophe inside a word
 * is dropped and joins its sides: "don't" is "dont". A Chinese or Japanese character is a word by
 * itself. One letter with ++ or # behind it keeps it: "C++", "C#". */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

/* A longer word is its first WORD_LIMIT bytes and a hash of all of it, so that it still matches
 * exactly, and fits into a term. */
#define WORD_LIMIT 128
#define WORD_LENGTH_MAX (WORD_LIMIT + HASH_TEXT_LENGTH)

/* Returns false to stop. word is not NUL-terminated. */
typedef bool words_on_word(void *context, const char *word, size_t length);

/* False: on_word stopped it. What is not UTF-8 stands between words. */
bool words_split(const char *text, size_t length, words_on_word *on_word, void *context);

/* The folded text, for sorting: at most limit bytes, without bytes below a space. Returns its
 * length. */
size_t words_sort_key(const char *text, size_t length, char *out, size_t limit);

#endif
