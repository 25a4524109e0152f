/* SPDX-License-Identifier: MIT
 * words.h - text into words: the words of UAX #29, folded for case (NFKC_Casefold) and accents.
 * Where it is not UAX #29, tests/unit/test_word_breaks.c says so, compares and gives the reason:
 *
 * Folding comes first, so a ligature is its letters and a superscript a digit. An apostrophe inside
 * a word is dropped and joins its sides: "don't" is "dont". Points, commas, colons and underscores
 * split: "example.com" is two words. Katakana is one word a character, as Han and Hiragana are. One
 * letter with ++ or # behind it keeps it: "C++", "C#". Emoji are no words. A longer word than
 * WEIR_WORD_CUT is its beginning and a hash, so that it still matches exactly and fits into any
 * engine's term.
 *
 * Concurrency: any number of threads at once; nothing is shared. */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "weir/backend.h"

/* Changes whenever the same text comes to other words or stems. 2: stems of libstemmer 2.2. 3:
 * words are composed (NFKC); Thai and its like are split; symbols and fractions join nothing. */
#define WORDS_VERSION 3

/* Returns false to stop. word is not NUL-terminated. */
typedef bool words_on_word(void *context, const char *word, size_t length);

/* False: on_word stopped it. What is not UTF-8 stands between words. */
bool words_split(const char *text, size_t length, words_on_word *on_word, void *context);

/* The folded text, for sorting: at most limit bytes, without bytes below a space. Returns its
 * length. */
size_t words_sort_key(const char *text, size_t length, char *out, size_t limit);

#endif
