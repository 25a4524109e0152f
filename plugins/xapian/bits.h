/* SPDX-License-Identifier: MIT
 * bits.h - a bit for each docid of a chunk. */
#ifndef BITS_H
#define BITS_H

#include "rows.h"

#define BITS_WORDS ((CHUNK_DOCIDS + 63) / 64)

/* Runs the statement behind for each bit that is set, in order. */
#define EACH_BIT(bits, index)                                                                      \
	for (size_t word_ = 0; word_ < BITS_WORDS; word_++)                                        \
		for (uint64_t left_ = (bits)[word_];                                               \
		     left_ != 0 &&                                                                 \
		     ((index) = (uint32_t)(word_ * 64 + (size_t)__builtin_ctzll(left_)), true);    \
		     left_ &= left_ - 1)

static inline bool bit_is_set(const uint64_t *bits, uint32_t index)
{
	return (bits[index / 64] >> index % 64 & 1) != 0;
}
static inline void bit_set(uint64_t *bits, uint32_t index)
{
	bits[index / 64] |= UINT64_C(1) << index % 64;
}
/* Without an instruction for it, which not every machine has, the compiler's own is a call. */
static inline uint32_t word_count(uint64_t word)
{
	word -= word >> 1 & UINT64_C(0x5555555555555555);
	word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
	word = (word + (word >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
	return (uint32_t)(word * UINT64_C(0x0101010101010101) >> 56);
}
static inline uint32_t bits_count(const uint64_t *bits)
{
	uint32_t count = 0;
	for (size_t i = 0; i < BITS_WORDS; i++)
		count += word_count(bits[i]);
	return count;
}
static inline bool bits_any(const uint64_t *bits)
{
	uint64_t any = 0;
	for (size_t i = 0; i < BITS_WORDS; i++)
		any |= bits[i];
	return any != 0;
}

#endif
