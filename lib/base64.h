/* SPDX-License-Identifier: MIT
 * base64.h - RFC 4648 base64, as JSON carries bytes. */
#ifndef BASE64_H
#define BASE64_H

#include "buffer.h"

/* Appends the bytes. The padding may be left out; anything else that is not of the alphabet, or a
 * last group of one character, is refused: false. */
bool base64_decode(const char *text, size_t length, struct buffer *out) WEIR_MUST_CHECK;

#endif
