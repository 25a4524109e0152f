/* SPDX-License-Identifier: MIT */
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

void bytes_finish(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){0};
}

bool bytes_reserve(struct bytes *bytes, size_t wanted)
{
	if (wanted <= bytes->capacity)
		return true;
	size_t capacity = bytes->capacity < 256 ? 256 : bytes->capacity;
	while (capacity < wanted) {
		if (capacity > SIZE_MAX / 2)
			return false;
		capacity *= 2;
	}
	char *grown = realloc(bytes->data, capacity);
	if (grown == NULL)
		return false;
	bytes->data = grown;
	bytes->capacity = capacity;
	return true;
}

bool bytes_append(struct bytes *bytes, const void *data, size_t length)
{
	if (length > SIZE_MAX - bytes->length || !bytes_reserve(bytes, bytes->length + length))
		return false;
	if (length > 0)
		memcpy(bytes->data + bytes->length, data, length);
	bytes->length += length;
	return true;
}

bool bytes_append_u64(struct bytes *bytes, uint64_t number)
{
	char out[8];
	u64_write(out, number);
	return bytes_append(bytes, out, sizeof(out));
}

void *array_grow(void *array, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return array;
	size_t grown = *capacity < 16 ? 16 : *capacity * 2;
	if (grown > SIZE_MAX / size)
		return NULL;
	void *moved = realloc(array, grown * size);
	if (moved != NULL)
		*capacity = grown;
	return moved;
}

void u64_write(char out[8], uint64_t number)
{
	for (int i = 7; i >= 0; i--) {
		out[i] = (char)(number & 0xFF);
		number >>= 8;
	}
}

uint64_t u64_read(const char in[8])
{
	uint64_t number = 0;
	for (int i = 0; i < 8; i++)
		number = number << 8 | (unsigned char)in[i];
	return number;
}

/* The order that two integers share. */
#define ORDER_GAP (UINT64_C(1) << 62)

uint64_t order_of_integer(int64_t integer)
{
	uint64_t order = (uint64_t)integer ^ UINT64_C(1) << 63;
	return order < ORDER_GAP ? order + 1 : order;
}

uint64_t order_of_number(double number)
{
	uint64_t bits = 0;
	if (number != 0)
		memcpy(&bits, &number, sizeof(bits));
	return bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63;
}

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t left, uint64_t right)
{
	wide product = (wide)left * right;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Multiplies and folds, sixteen bytes at a time. The numbers are the fractions of the square roots
 * of 2, 3 and 5. */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t length)
{
	const uint64_t first = UINT64_C(0x6a09e667f3bcc909), second = UINT64_C(0xbb67ae8584caa73b),
		       third = UINT64_C(0x3c6ef372fe94f82b);
	const char *at = data;
	uint64_t state = seed ^ third, pair[2];
	size_t left = length;
	for (; left >= sizeof(pair); left -= sizeof(pair), at += sizeof(pair)) {
		memcpy(pair, at, sizeof(pair));
		state = fold(pair[0] ^ first, pair[1] ^ state);
	}
	memset(pair, 0, sizeof(pair));
	if (left > 0)
		memcpy(pair, at, left);
	state = fold(pair[0] ^ second, pair[1] ^ state);
	return fold(state ^ first, (uint64_t)length ^ third);
}

const struct hash hash_start = {UINT64_C(0x6c62272e07bb0142), UINT64_C(0x62b821756295c58d)};

void hash_add(struct hash *hash, const void *data, size_t length)
{
	const wide prime = (wide)1 << 88 | 0x13B;
	wide state = (wide)hash->high << 64 | hash->low;
	const unsigned char *bytes = data;
	for (size_t i = 0; i < length; i++)
		state = (state ^ bytes[i]) * prime;
	hash->high = (uint64_t)(state >> 64);
	hash->low = (uint64_t)state;
}

void hash_text(const struct hash *hash, char out[HASH_TEXT_LENGTH])
{
	static const char digits[] = "0123456789abcdef";
	for (int i = 0; i < 16; i++) {
		out[i] = digits[hash->high >> (60 - 4 * i) & 0xF];
		out[16 + i] = digits[hash->low >> (60 - 4 * i) & 0xF];
	}
}
