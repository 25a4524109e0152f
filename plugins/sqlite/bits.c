/* SPDX-License-Identifier: MIT */
#include "bits.h"

#include <stdlib.h>

bool bits_init(struct bits *bits, int64_t largest)
{
	size_t count = (size_t)(largest < 0 ? 0 : largest) / 64 + 1;
	bits->words = calloc(count, sizeof(*bits->words));
	bits->count = bits->words != NULL ? count : 0;
	return bits->words != NULL;
}

void bits_finish(struct bits *bits)
{
	free(bits->words);
	*bits = (struct bits){0};
}

void bits_and(struct bits *bits, const struct bits *other)
{
	for (size_t i = 0; i < bits->count; i++)
		bits->words[i] &= other->words[i];
}

void bits_or(struct bits *bits, const struct bits *other)
{
	for (size_t i = 0; i < bits->count; i++)
		bits->words[i] |= other->words[i];
}

void bits_and_not(struct bits *bits, const struct bits *other)
{
	for (size_t i = 0; i < bits->count; i++)
		bits->words[i] &= ~other->words[i];
}

uint64_t bits_count(const struct bits *bits)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < bits->count; i++)
		sum += (uint64_t)__builtin_popcountll(bits->words[i]);
	return sum;
}

int64_t bits_next(const struct bits *bits, int64_t from)
{
	size_t word = (size_t)from / 64;
	if (word >= bits->count)
		return -1;
	uint64_t rest = bits->words[word] & ~UINT64_C(0) << (from % 64);
	while (rest == 0) {
		if (++word == bits->count)
			return -1;
		rest = bits->words[word];
	}
	return (int64_t)(word * 64) + __builtin_ctzll(rest);
}
