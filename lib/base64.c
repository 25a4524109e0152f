/* SPDX-License-Identifier: MIT */
#include "base64.h"

static int value_of(char byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return byte - 'A';
	if (byte >= 'a' && byte <= 'z')
		return byte - 'a' + 26;
	if (byte >= '0' && byte <= '9')
		return byte - '0' + 52;
	return byte == '+' ? 62 : byte == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t length, struct buffer *out)
{
	unsigned bits = 0;
	int count = 0;
	if (length % 4 == 0 && length > 0 && text[length - 1] == '=')
		length -= text[length - 2] == '=' ? 2 : 1;
	if (length % 4 == 1)
		return false;
	for (size_t i = 0; i < length; i++) {
		int value = value_of(text[i]);
		if (value < 0)
			return false;
		bits = bits << 6 | (unsigned)value;
		count += 6;
		if (count >= 8) {
			count -= 8;
			buffer_append_char(out, (char)(bits >> count & 0xFF));
		}
	}
	return true;
}
