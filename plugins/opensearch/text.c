/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* Of a keyword that stands as it is, and of one whose bytes do; Lucene's terms have 32,766. */
#define KEYWORD_LIMIT 8000

void text_finish(struct text *text)
{
	free(text->data);
	*text = (struct text){0};
}

void text_clear(struct text *text)
{
	text->length = 0;
	text->failed = false;
}

static bool make_room(struct text *text, size_t length)
{
	if (length <= text->capacity - text->length)
		return true;
	size_t capacity = text->capacity < 256 ? 256 : text->capacity;
	while (capacity - text->length < length && capacity <= SIZE_MAX / 2)
		capacity *= 2;
	char *grown = capacity - text->length < length ? NULL : realloc(text->data, capacity);
	if (grown == NULL) {
		text->failed = true;
		return false;
	}
	text->data = grown;
	text->capacity = capacity;
	return true;
}

void text_append(struct text *text, const void *data, size_t length)
{
	if (length == 0 || !make_room(text, length))
		return;
	memcpy(text->data + text->length, data, length);
	text->length += length;
}

void text_add(struct text *text, const char *string)
{
	text_append(text, string, strlen(string));
}

void text_integer(struct text *text, int64_t number)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%lld", (long long)number);
	text_append(text, digits, (size_t)length);
}

void text_escape(struct text *text, const char *data, size_t length)
{
	size_t plain = 0;
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)data[i];
		if (byte >= 0x20 && byte != '"' && byte != '\\')
			continue;
		char escaped[8];
		text_append(text, data + plain, i - plain);
		int size = snprintf(escaped, sizeof(escaped), "\\u%04x", byte);
		text_append(text, escaped, (size_t)size);
		plain = i + 1;
	}
	text_append(text, data + plain, length - plain);
}

void text_quote(struct text *text, const char *data, size_t length)
{
	text_append(text, "\"", 1);
	text_escape(text, data, length);
	text_append(text, "\"", 1);
}

void text_percent(struct text *text, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)data[i];
		bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
			     (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' ||
			     byte == '.';
		char escaped[4];
		if (!plain)
			snprintf(escaped, sizeof(escaped), "%%%02X", byte);
		text_append(text, plain ? data + i : escaped, plain ? 1 : 3);
	}
}

void text_from_bytes(struct text *text, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)data[i];
		char two[2] = {(char)(0xC0 | byte >> 6), (char)(0x80 | (byte & 0x3F))};
		text_append(text, byte < 0x80 ? data + i : two, byte < 0x80 ? 1 : 2);
	}
}

bool text_to_bytes(struct text *text, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)data[i];
		if (byte >= 0x80) {
			if ((byte != 0xC2 && byte != 0xC3) || i + 1 == length)
				return false;
			byte = (unsigned char)(byte << 6 | ((unsigned char)data[++i] & 0x3F));
		}
		text_append(text, &byte, 1);
	}
	return true;
}

/* The bytes of the UTF-8 character at the front; 0: there is none. */
static size_t character_length(const char *data, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)data;
	size_t size = bytes[0] < 0x80	? 1
		      : bytes[0] < 0xC2 ? 0
		      : bytes[0] < 0xE0 ? 2
		      : bytes[0] < 0xF0 ? 3
		      : bytes[0] < 0xF5 ? 4
					: 0;
	if (size == 0 || size > length)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((bytes[i] & 0xC0) != 0x80)
			return 0;
	bool overlong = (bytes[0] == 0xE0 && bytes[1] < 0xA0) ||
			(bytes[0] == 0xF0 && bytes[1] < 0x90) ||
			(bytes[0] == 0xF4 && bytes[1] > 0x8F);
	bool surrogate = bytes[0] == 0xED && bytes[1] > 0x9F;
	return overlong || surrogate ? 0 : size;
}

void text_from_word(struct text *text, const char *word, size_t length)
{
	for (size_t i = 0; i < length;) {
		size_t size = character_length(word + i, length - i);
		if (size > 0) {
			text_append(text, word + i, size);
			i += size;
			continue;
		}
		unsigned code = 0xF700U + (unsigned char)word[i++];
		char three[3] = {(char)(0xE0 | code >> 12), (char)(0x80 | (code >> 6 & 0x3F)),
				 (char)(0x80 | (code & 0x3F))};
		text_append(text, three, 3);
	}
}

__extension__ typedef unsigned __int128 wide;

static void append_hash128(struct text *text, const char *data, size_t length)
{
	const wide prime = (wide)1 << 88 | 0x13B;
	wide hash = (wide)UINT64_C(0x6c62272e07bb0142) << 64 | UINT64_C(0x62b821756295c58d);
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)data[i]) * prime;
	for (int shift = 124; shift >= 0; shift -= 4)
		text_append(text, &"0123456789abcdef"[(unsigned)(hash >> shift) & 0xF], 1);
}

static bool is_plain(const char *value, size_t length)
{
	if (length > KEYWORD_LIMIT || (length > 0 && (unsigned char)value[0] < 0x20))
		return false;
	for (size_t i = 0; i < length;) {
		size_t size = character_length(value + i, length - i);
		if (size == 0 || value[i] == '\0')
			return false;
		i += size;
	}
	return true;
}

void text_from_keyword(struct text *text, const char *value, size_t length)
{
	if (is_plain(value, length)) {
		text_append(text, value, length);
	} else if (length <= KEYWORD_LIMIT) {
		text_append(text, "\x01", 1);
		text_from_bytes(text, value, length);
	} else {
		text_append(text, "\x02", 1);
		append_hash128(text, value, length);
		text_append(text, " ", 1);
		text_from_bytes(text, value, 64);
	}
}

bool text_to_keyword(struct text *text, const char *term, size_t length, bool *is_whole)
{
	*is_whole = length == 0 || term[0] != '\x02';
	if (!*is_whole)
		return true;
	if (length > 0 && term[0] == '\x01')
		return text_to_bytes(text, term + 1, length - 1);
	text_append(text, term, length);
	return true;
}

bool text_keyword_is_whole(size_t length)
{
	return length <= KEYWORD_LIMIT;
}

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_to_base64(struct text *text, const void *data, size_t length)
{
	const unsigned char *bytes = data;
	if (length > SIZE_MAX / 2 || !make_room(text, (length + 2) / 3 * 4))
		return;
	char *out = text->data + text->length;
	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t group = (uint32_t)bytes[i] << 16 |
				 (uint32_t)(left > 1 ? bytes[i + 1] : 0) << 8 |
				 (uint32_t)(left > 2 ? bytes[i + 2] : 0);
		*out++ = base64_digits[group >> 18];
		*out++ = base64_digits[group >> 12 & 0x3F];
		*out++ = left > 1 ? base64_digits[group >> 6 & 0x3F] : '=';
		*out++ = left > 2 ? base64_digits[group & 0x3F] : '=';
	}
	text->length = (size_t)(out - text->data);
}

static int base64_value(char digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A';
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52;
	return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

bool text_from_base64(struct text *text, const char *data, size_t length)
{
	if (length % 4 != 0)
		return false;
	while (length > 0 && data[length - 1] == '=')
		length--;
	if (!make_room(text, length / 4 * 3 + 3))
		return true; /* failed says why */
	uint32_t group = 0;
	unsigned bits = 0;
	for (size_t i = 0; i < length; i++) {
		int value = base64_value(data[i]);
		if (value < 0)
			return false;
		group = group << 6 | (uint32_t)value;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			text->data[text->length++] = (char)(group >> bits & 0xFF);
		}
	}
	return true;
}

int64_t order_of_number(double number)
{
	int64_t bits = 0;
	if (number != 0)
		memcpy(&bits, &number, sizeof(bits));
	return bits < 0 ? bits ^ INT64_MAX : bits;
}

void name_make(char out[NAME_SIZE])
{
	uint64_t number = 0;
	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		number = hash64_add(HASH64_START, &now, sizeof(now));
	}
	snprintf(out, NAME_SIZE, "%016llx", (unsigned long long)number);
}

uint64_t hash64_add(uint64_t hash, const void *data, size_t length)
{
	const unsigned char *bytes = data;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}
