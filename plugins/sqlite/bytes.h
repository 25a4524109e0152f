/* SPDX-License-Identifier: MIT
 * bytes.h - arrays that grow at the end, and numbers in an order that memcmp keeps. */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	char *data;
	size_t length, capacity;
};

void bytes_finish(struct bytes *bytes);
/* False: no memory, and nothing changed. */
bool bytes_append(struct bytes *bytes, const void *data, size_t length);
bool bytes_append_text(struct bytes *bytes, const char *text);
bool bytes_append_u64(struct bytes *bytes, uint64_t number); /* big endian */

/* Makes room for one more element of size bytes in an array; NULL: no memory, array unchanged. */
void *array_grow(void *array, size_t count, size_t *capacity, size_t size);

/* Numbers whose unsigned order is that of the values; -0 is 0. */
uint64_t order_of_integer(int64_t integer);
uint64_t order_of_number(double number);

#endif
