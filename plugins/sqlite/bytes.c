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

bool bytes_append_text(struct bytes *bytes, const char *text)
{
	return bytes_append(bytes, text, strlen(text));
}

bool bytes_append_u64(struct bytes *bytes, uint64_t number)
{
	char out[8];
	for (int i = 7; i >= 0; i--) {
		out[i] = (char)(number & 0xFF);
		number >>= 8;
	}
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
