/* SPDX-License-Identifier: MIT
 * bits.h - a set of documents, by their numbers. */
#ifndef BITS_H
#define BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bits {
	uint64_t *words; /* NULL: not made */
	size_t count;	 /* of words */
};

/* Numbers from 0 to largest; none is in it. False: no memory. */
bool bits_init(struct bits *bits, int64_t largest);
void bits_finish(struct bits *bits);

static inline void bits_add(struct bits *bits, int64_t number)
{
	size_t word = (size_t)number / 64;
	if (number >= 0 && word < bits->count)
		bits->words[word] |= UINT64_C(1) << (number % 64);
}

static inline void bits_remove(struct bits *bits, int64_t number)
{
	size_t word = (size_t)number / 64;
	if (number >= 0 && word < bits->count)
		bits->words[word] &= ~(UINT64_C(1) << (number % 64));
}

static inline bool bits_has(const struct bits *bits, int64_t number)
{
	size_t word = (size_t)number / 64;
	return number >= 0 && word < bits->count && (bits->words[word] >> (number % 64) & 1) != 0;
}

/* Both sides are of the same size. */
void bits_and(struct bits *bits, const struct bits *other);
void bits_or(struct bits *bits, const struct bits *other);
void bits_and_not(struct bits *bits, const struct bits *other);
uint64_t bits_count(const struct bits *bits);
/* The first number in it that is not below from; -1: there is none. */
int64_t bits_next(const struct bits *bits, int64_t from);

#endif
