/* SPDX-License-Identifier: MIT */
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

void bytes_finish(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){0};
}

bool bytes_append(struct bytes *bytes, const void *data, size_t length)
{
	if (length > bytes->capacity - bytes->length) {
		size_t capacity = bytes->capacity < 256 ? 256 : bytes->capacity;
		while (capacity - bytes->length < length) {
			if (capacity > SIZE_MAX / 2)
				return false;
			capacity *= 2;
		}
		char *grown = realloc(bytes->data, capacity);
		if (grown == NULL)
			return false;
		bytes->data = grown;
		bytes->capacity = capacity;
	}
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

uint64_t order_of_integer(int64_t integer)
{
	return (uint64_t)integer ^ UINT64_C(1) << 63;
}

uint64_t order_of_number(double number)
{
	uint64_t bits = 0;
	if (number != 0)
		memcpy(&bits, &number, sizeof(bits));
	return bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63;
}

__extension__ typedef unsigned __int128 wide;

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
