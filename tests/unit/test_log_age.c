/* SPDX-License-Identifier: MIT */
#include "log_age.h"

#include "suite.h"

#define MS INT64_C(1000)

START_TEST(unknown_until_an_end_is_reached)
{
	struct log_age age;
	log_age_init(&age);
	ck_assert_int_eq(log_age_ms(&age, 5 * MS), LOG_AGE_UNKNOWN);
	log_age_see(&age, 100, 10 * MS);
	log_age_reach(&age, 99);
	ck_assert_int_eq(log_age_ms(&age, 20 * MS), LOG_AGE_UNKNOWN);
	log_age_reach(&age, 100);
	ck_assert_int_eq(log_age_ms(&age, 20 * MS), 10);
	ck_assert_int_eq(log_age_ms(&age, 5 * MS), 0);
}
END_TEST

START_TEST(grows_while_the_index_stands_still)
{
	struct log_age age;
	log_age_init(&age);
	log_age_see(&age, 5, 1 * MS);
	log_age_reach(&age, 5);
	for (int64_t i = 2; i < 1000; i++) {
		log_age_see(&age, 4 + i, i * MS);
		log_age_reach(&age, 5);
		ck_assert_int_eq(log_age_ms(&age, i * MS), i - 1);
	}
}
END_TEST

/* Under a steady stream the index never holds everything, and is never old. */
START_TEST(stays_small_under_a_stream_that_never_ends)
{
	struct log_age age;
	log_age_init(&age);
	for (int64_t i = 0; i < 1000; i++) {
		log_age_see(&age, 100 * i, i * 1000 * MS);
		log_age_reach(&age, 100 * i - 10);
		if (i > 1)
			ck_assert_int_eq(log_age_ms(&age, i * 1000 * MS), 1000);
	}
}
END_TEST

START_TEST(shrinks_as_the_index_catches_up)
{
	struct log_age age;
	log_age_init(&age);
	log_age_see(&age, 0, 0);
	log_age_reach(&age, 0);
	int64_t now = 0;
	for (int64_t i = 1; i <= 10000; i++)
		log_age_see(&age, i, now = i * 1000 * MS);
	ck_assert_int_eq(log_age_ms(&age, now), 10000000);
	for (int64_t position = 0; position <= 10000; position += 50) {
		log_age_reach(&age, position);
		int64_t truth = (10000 - position) * 1000, told = log_age_ms(&age, now);
		/* never too small, and too large by no more than what was thinned out */
		ck_assert_int_ge(told, truth);
		ck_assert_int_le(told, truth + 10000000 / 16);
	}
	ck_assert_int_eq(log_age_ms(&age, now), 0);
}
END_TEST

START_TEST(the_same_end_later_counts_from_later)
{
	struct log_age age;
	log_age_init(&age);
	log_age_see(&age, 7, 1 * MS);
	log_age_see(&age, 7, 9 * MS);
	ck_assert_uint_eq(age.count, 1);
	log_age_reach(&age, 8);
	ck_assert_int_eq(log_age_ms(&age, 10 * MS), 1);
}
END_TEST

START_TEST(another_log_or_index_begins_anew)
{
	struct log_age age;
	log_age_init(&age);
	log_age_see(&age, 100, 1 * MS);
	log_age_reach(&age, 100);
	log_age_see(&age, 10, 2 * MS); /* the log was cut off: what is beyond counts no more */
	log_age_reach(&age, 3);
	ck_assert_int_eq(log_age_ms(&age, 5 * MS), LOG_AGE_UNKNOWN);
	log_age_reach(&age, 10);
	ck_assert_int_eq(log_age_ms(&age, 5 * MS), 3);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("log_age");
	tcase_add_test(cases, unknown_until_an_end_is_reached);
	tcase_add_test(cases, grows_while_the_index_stands_still);
	tcase_add_test(cases, stays_small_under_a_stream_that_never_ends);
	tcase_add_test(cases, shrinks_as_the_index_catches_up);
	tcase_add_test(cases, the_same_end_later_counts_from_later);
	tcase_add_test(cases, another_log_or_index_begins_anew);
	return suite_run(cases, "log_age");
}
