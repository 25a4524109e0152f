/* SPDX-License-Identifier: MIT
 * text.h - bytes that grow at the end, JSON among them, and the forms in which bytes of any kind
 * travel inside JSON. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* failed stays set once memory was short; whoever sends or reads the text asks it. */
struct text {
	char *data;
	size_t length, capacity;
	bool failed;
};

void text_finish(struct text *text);
void text_clear(struct text *text);
void text_append(struct text *text, const void *data, size_t length);
void text_add(struct text *text, const char *string);
void text_integer(struct text *text, int64_t number);
/* As the inside of a JSON string, and as a whole one; data is UTF-8. */
void text_escape(struct text *text, const char *data, size_t length);
void text_quote(struct text *text, const char *data, size_t length);
/* A part of a URL's path, or of a key. */
void text_percent(struct text *text, const char *data, size_t length);

/* Every byte as the code point of its number: UTF-8 whose order is that of the bytes. */
void text_from_bytes(struct text *text, const char *data, size_t length);
bool text_to_bytes(struct text *text, const char *data, size_t length); /* false: it is not that */

/* A word of host->split: where it was cut inside a character, the rest of that is spelled in code
 * points for private use, which no word has. */
void text_from_word(struct text *text, const char *word, size_t length);

/* A keyword's value as one term, injective up to a hash of 128 bits. */
void text_from_keyword(struct text *text, const char *value, size_t length);
/* The value again; *is_whole: false where the term is a hash and so does not tell it. False: the
 * term is not of that form. */
bool text_to_keyword(struct text *text, const char *term, size_t length, bool *is_whole);
/* Whether the term of a value of that length tells it. */
bool text_keyword_is_whole(size_t length);

void text_to_base64(struct text *text, const void *data, size_t length);
bool text_from_base64(struct text *text, const char *data, size_t length);

/* An integer whose order is that of the numbers; -0 is 0. */
int64_t order_of_number(double number);

/* 16 random hexadecimal digits and a NUL: a name that nothing else has. */
#define NAME_SIZE 17
void name_make(char out[NAME_SIZE]);

#define HASH64_START UINT64_C(0xcbf29ce484222325)
uint64_t hash64_add(uint64_t hash, const void *data, size_t length); /* FNV-1a */

#endif
