/* SPDX-License-Identifier: MIT
 * tally.h - in which fields of a group a document has a word, and how often, as one number: what
 * Xapian keeps beside a docid as the term's frequency.
 *
 *   bits 0 to 7    which of the group's 8 fields have the word
 *   bits 8 to 15   how often each of those has it, less one, in equal shares, the lowest field's
 *                  lowest: 8 bits for one field, 4 for two, 2 for three or four, 1 for more.
 *                  What does not fit is the largest that does.
 *
 * Less one, because most words stand once in a field: then the number is one byte in Xapian's
 * list. BM25 gives what is above 16 little weight. 0: not a word, or none. */
#ifndef TALLY_H
#define TALLY_H

#include <stdint.h>

#define TALLY_FIELDS 8U
#define TALLY_MASK 0xFFU

/* Bits of a count. */
static inline unsigned tally_width(uint32_t mask)
{
	static const uint8_t widths[TALLY_FIELDS + 1] = {8, 8, 4, 2, 2, 1, 1, 1, 1};
	unsigned fields = 0;
	for (; mask != 0; mask &= mask - 1)
		fields++;
	return widths[fields];
}

static inline uint16_t tally_pack(const uint32_t counts[TALLY_FIELDS])
{
	uint32_t mask = 0, tally, at = TALLY_FIELDS;
	for (uint32_t field = 0; field < TALLY_FIELDS; field++)
		mask |= (uint32_t)(counts[field] > 0) << field;
	unsigned width = tally_width(mask);
	uint32_t most = (1U << width) - 1;
	tally = mask;
	for (; mask != 0; mask &= mask - 1, at += width) {
		uint32_t count = counts[__builtin_ctz(mask)] - 1;
		tally |= (count < most ? count : most) << at;
	}
	return (uint16_t)tally;
}

static inline void tally_unpack(uint32_t tally, uint32_t counts[TALLY_FIELDS])
{
	uint32_t mask = tally & TALLY_MASK, at = TALLY_FIELDS;
	unsigned width = tally_width(mask);
	for (uint32_t field = 0; field < TALLY_FIELDS; field++) {
		counts[field] = 0;
		if ((mask >> field & 1) == 0)
			continue;
		counts[field] = 1 + (tally >> at & ((1U << width) - 1));
		at += width;
	}
}

static inline uint16_t tally_cut(uint32_t tally, uint32_t mask)
{
	uint32_t counts[TALLY_FIELDS];
	if (tally <= TALLY_MASK)
		return (uint16_t)(tally & mask);
	tally_unpack(tally, counts);
	for (uint32_t field = 0; field < TALLY_FIELDS; field++)
		counts[field] = (mask >> field & 1) != 0 ? counts[field] : 0;
	return tally_pack(counts);
}

/* Only those fields. */
static inline uint16_t tally_within(uint32_t tally, uint32_t mask)
{
	return (tally & TALLY_MASK & ~mask) == 0 ? (uint16_t)tally : tally_cut(tally, mask);
}

/* Of two words that count as one. */
static inline uint16_t tally_add(uint32_t left, uint32_t right)
{
	uint32_t counts[TALLY_FIELDS], more[TALLY_FIELDS], mask = left & TALLY_MASK;
	if (mask == (right & TALLY_MASK) && (mask & (mask - 1)) == 0) {
		uint32_t sum = (left >> TALLY_FIELDS) + (right >> TALLY_FIELDS) + (mask != 0);
		return (uint16_t)(mask | (sum < TALLY_MASK ? sum : TALLY_MASK) << TALLY_FIELDS);
	}
	if (left <= TALLY_MASK && right <= TALLY_MASK && (left & right) == 0)
		return (uint16_t)(left | right);
	tally_unpack(left, counts);
	tally_unpack(right, more);
	for (uint32_t field = 0; field < TALLY_FIELDS; field++)
		counts[field] += more[field];
	return tally_pack(counts);
}

/* The fields that have both words, and how often each has both. */
static inline uint16_t tally_least(uint32_t left, uint32_t right)
{
	uint32_t counts[TALLY_FIELDS], more[TALLY_FIELDS];
	uint32_t mask = left & right & TALLY_MASK;
	if (mask == 0 || left <= TALLY_MASK || right <= TALLY_MASK)
		return (uint16_t)mask;
	tally_unpack(left, counts);
	tally_unpack(right, more);
	for (uint32_t field = 0; field < TALLY_FIELDS; field++)
		counts[field] = counts[field] < more[field] ? counts[field] : more[field];
	return tally_pack(counts);
}

#endif
