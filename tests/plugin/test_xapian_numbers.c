/* SPDX-License-Identifier: MIT
 * What the xapian plug-in computes without a file: tallies, orders, hashes, and which segments are
 * to be merged. */

#include "bytes.h"
#include "fields.h"
#include "merges.h"
#include "parts.h"
#include "tally.h"

/* What a tally can hold of these counts. */
static void saturate(uint32_t counts[TALLY_FIELDS])
{
	static const uint32_t most[] = {0, 256, 16, 4, 4, 2, 2, 2, 2};
	size_t fields = 0;
	for (size_t i = 0; i < TALLY_FIELDS; i++)
		fields += counts[i] > 0;
	for (size_t i = 0; i < TALLY_FIELDS; i++)
		counts[i] = counts[i] < most[fields] ? counts[i] : most[fields];
}

/* Few fields, and small counts, are most of it. */
static void make_counts(uint32_t counts[TALLY_FIELDS])
{
	uint32_t fields = next_number(TALLY_FIELDS + 1), below = 1U << next_number(12);
	memset(counts, 0, TALLY_FIELDS * sizeof(*counts));
	for (uint32_t i = 0; i < fields; i++)
		counts[next_number(TALLY_FIELDS)] = 1 + next_number(below);
}

static void expect_tally(uint32_t tally, uint32_t counts[TALLY_FIELDS])
{
	uint32_t found[TALLY_FIELDS];
	saturate(counts);
	tally_unpack(tally, found);
	ck_assert_mem_eq(found, counts, sizeof(found));
	ck_assert_uint_eq(tally_pack(found), tally);
}

START_TEST(test_tallies)
{
	for (int round = 0; round < 5000; round++) {
		uint32_t left[TALLY_FIELDS], right[TALLY_FIELDS], wanted[TALLY_FIELDS];
		uint32_t mask = next_number(TALLY_MASK + 1);
		make_counts(left);
		make_counts(right);
		uint16_t first = tally_pack(left), second = tally_pack(right);
		expect_tally(first, left);
		expect_tally(second, right);
		for (size_t i = 0; i < TALLY_FIELDS; i++)
			wanted[i] = (mask >> i & 1) != 0 ? left[i] : 0;
		expect_tally(tally_within(first, mask), wanted);
		for (size_t i = 0; i < TALLY_FIELDS; i++)
			wanted[i] = left[i] + right[i];
		expect_tally(tally_add(first, second), wanted);
		for (size_t i = 0; i < TALLY_FIELDS; i++)
			wanted[i] = left[i] < right[i] ? left[i] : right[i];
		expect_tally(tally_least(first, second), wanted);
	}
	ck_assert_uint_eq(tally_pack((uint32_t[TALLY_FIELDS]){0, 1, 0, 0, 1}), 0x12);
	ck_assert_uint_eq(tally_pack((uint32_t[TALLY_FIELDS]){0, 3}), 0x202);
	ck_assert_uint_eq(tally_pack((uint32_t[TALLY_FIELDS]){2, 3}), 0x2103);
}
END_TEST

START_TEST(test_order_of_integers)
{
	static const int64_t numbers[] = {
		INT64_MIN,     INT64_MIN + 1, -INT64_C(62135596800000000), -1, 0, 1,
		INT64_MAX - 1, INT64_MAX};
	ck_assert_uint_ge(order_of_integer(INT64_MIN), 1);
	for (size_t i = 1; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		ck_assert(order_of_integer(numbers[i - 1]) < order_of_integer(numbers[i]));
}
END_TEST

START_TEST(test_a_hash_sees_every_byte)
{
	char text[70];
	memset(text, 'x', sizeof(text));
	uint64_t whole = hash_bytes(1, text, sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] ^= 1;
		ck_assert(hash_bytes(1, text, sizeof(text)) != whole);
		text[i] ^= 1;
		ck_assert(hash_bytes(1, text, i) != whole);
	}
	ck_assert(hash_bytes(2, text, sizeof(text)) != whole);
	ck_assert(hash_bytes(0, "", 0) != hash_bytes(0, "\0", 1));
}
END_TEST

/* Sealed segments of so many chunks each, one behind the other. */
static size_t make_segments(struct segment *segments, const uint32_t *chunks, size_t count)
{
	uint32_t next = 0;
	for (size_t i = 0; i < count; i++) {
		segments[i] = (struct segment){(uint32_t)i + 1, SEGMENT_SEALED, next,
					       next + chunks[i] - 1};
		next += chunks[i];
	}
	return count;
}

START_TEST(test_neighbours_of_a_level_are_merged)
{
	static const uint32_t chunks[] = {64, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct segment segments[11];
	bool taken[11] = {false};
	size_t first, count, all = make_segments(segments, chunks, 11);
	ck_assert(merges_choose(segments, all, taken, &first, &count));
	ck_assert_uint_eq(first, 2);
	ck_assert_uint_eq(count, MERGE_FAN_IN);
	/* The large ones do not have to come along. */
	ck_assert(!merges_choose(segments, 9, taken, &first, &count));
	taken[5] = true; /* no eight neighbours are left */
	ck_assert(!merges_choose(segments, all, taken, &first, &count));
	taken[5] = false;
	segments[6].state = SEGMENT_FILLED;
	ck_assert(!merges_choose(segments, all, taken, &first, &count));
	segments[6].state = SEGMENT_SEALED;
	for (size_t i = 6; i < all; i++) { /* a free chunk between */
		segments[i].first_chunk++;
		segments[i].last_chunk++;
	}
	ck_assert(!merges_choose(segments, all, taken, &first, &count));
}
END_TEST

START_TEST(test_too_many_segments_are_merged_by_fewer)
{
	enum { ALL = SEGMENT_CAP };
	struct segment segments[ALL];
	uint32_t chunks[ALL];
	bool taken[ALL] = {false};
	size_t first, count;
	for (size_t i = 0; i < ALL; i++) /* never eight that may be merged */
		chunks[i] = i % 7 == 0 ? 512 : i % 7 == 3 ? 2 : 8;
	make_segments(segments, chunks, ALL);
	ck_assert(!merges_choose(segments, 15, taken, &first, &count));
	ck_assert_uint_gt(merges_left(segments, ALL), SEGMENT_PRESSURE);
	ck_assert(merges_choose(segments, ALL, taken, &first, &count));
	ck_assert_uint_ge(count, 2);
	ck_assert_uint_lt(count, MERGE_FAN_IN);
	for (size_t i = first; i < first + count; i++)
		ck_assert_uint_lt(chunks[i], 512);
}
END_TEST

START_TEST(test_the_largest_segments_are_left_alone)
{
	static const uint32_t chunks[] = {512, 512, 512, 512, 512, 512, 512, 512, 512};
	struct segment segments[9];
	bool taken[9] = {false};
	size_t first, count;
	make_segments(segments, chunks, 9);
	ck_assert_uint_eq(merges_left(segments, 9), 0);
	ck_assert(!merges_choose(segments, 9, taken, &first, &count));
	ck_assert(merges_is_large(64));
	ck_assert(!merges_is_large(63));
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("numbers");
	tcase_add_test(cases, test_tallies);
	tcase_add_test(cases, test_order_of_integers);
	tcase_add_test(cases, test_a_hash_sees_every_byte);
	tcase_add_test(cases, test_neighbours_of_a_level_are_merged);
	tcase_add_test(cases, test_too_many_segments_are_merged_by_fewer);
	tcase_add_test(cases, test_the_largest_segments_are_left_alone);
	return suite_run(cases, "xapian numbers");
}
