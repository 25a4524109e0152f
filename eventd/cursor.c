/* SPDX-License-Identifier: MIT */
#include "cursor.h"

#include <assert.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void cursor_write(const char *text, char cursor[CURSOR_SIZE])
{
	size_t length = strlen(text);
	assert(length <= CURSOR_TEXT_LIMIT);
	unsigned bits = 0, count = 0;
	for (size_t i = 0; i < length; i++) {
		bits = bits << 8 | (unsigned char)text[i];
		for (count += 8; count >= 6; count -= 6)
			*cursor++ = alphabet[bits >> (count - 6) & 63];
	}
	if (count > 0)
		*cursor++ = alphabet[bits << (6 - count) & 63];
	*cursor = '\0';
}

bool cursor_read(const char *cursor, char text[CURSOR_TEXT_LIMIT + 1])
{
	char again[CURSOR_SIZE];
	unsigned bits = 0, count = 0;
	size_t length = 0;
	for (const char *at = cursor; *at != '\0'; at++) {
		const char *found = strchr(alphabet, *at);
		if (found == NULL)
			return false;
		bits = bits << 6 | (unsigned)(found - alphabet);
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		if (length == CURSOR_TEXT_LIMIT)
			return false;
		text[length++] = (char)(bits >> count & 0xFF);
	}
	text[length] = '\0';
	if (length == 0 || strlen(text) != length)
		return false;
	cursor_write(text, again);
	return strcmp(again, cursor) == 0;
}
