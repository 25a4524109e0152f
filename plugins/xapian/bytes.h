/* SPDX-License-Identifier: MIT
 * bytes.h - arrays that grow at the end, and numbers in an order that memcmp keeps. */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bytes {
	char *data;
	size_t length, capacity;
};

void bytes_finish(struct bytes *bytes);
/* False: no memory, and nothing changed. */
bool bytes_append(struct bytes *bytes, const void *data, size_t length);
/* Makes room for so many in all; length stays. False: no memory. */
bool bytes_reserve(struct bytes *bytes, size_t capacity);
bool bytes_append_u64(struct bytes *bytes, uint64_t number); /* big endian */

/* Makes room for one more element of size bytes in an array; NULL: no memory, array unchanged. */
void *array_grow(void *array, size_t count, size_t *capacity, size_t size);

void u64_write(char out[8], uint64_t number); /* big endian */
uint64_t u64_read(const char in[8]);

/* Numbers whose unsigned order is that of the values; -0 is 0. Never 0, which stands for no value:
 * of the integers one microsecond of the year 144,168 BC is taken for the next. */
uint64_t order_of_integer(int64_t integer);
uint64_t order_of_number(double number);

/* 64 bits, quick, and the same on every machine of one byte order: checksums, and hashes of ids.
 * Who wants to finds two texts of one hash. seed: the hash of what stands in front. */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t length);

#define HASH_TEXT_LENGTH 32
/* FNV-1a over 128 bits, for values and words that are too long for a term. */
struct hash {
	uint64_t high, low;
};
extern const struct hash hash_start;
void hash_add(struct hash *hash, const void *data, size_t length);
void hash_text(const struct hash *hash, char out[HASH_TEXT_LENGTH]); /* hexadecimal, no NUL */

#ifdef __cplusplus
}
#endif

#endif
