/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "moment.h"
#include "suite.h"

/* Reads as the moment that wanted formats to; NULL: it is no date. */
static const struct {
	const char *text, *wanted;
} cases_of_text[] = {
	{"2026-01-31", "2026-01-31T00:00:00Z"},
	{"20260131", "2026-01-31T00:00:00Z"},
	{"2026-01-31T10:20", "2026-01-31T10:20:00Z"},
	{"2026-01-31T10:20Z", "2026-01-31T10:20:00Z"},
	{"2026-01-31T10:20:30", "2026-01-31T10:20:30Z"},
	{"2026-01-31T10:20:30Z", "2026-01-31T10:20:30Z"},
	{"2026-01-31t10:20:30z", "2026-01-31T10:20:30Z"},
	{"2026-01-31 10:20:30Z", "2026-01-31T10:20:30Z"},
	{"20260131T102030Z", "2026-01-31T10:20:30Z"},
	{"20260131T1020+0100", "2026-01-31T09:20:00Z"},
	{"2026-01-31T10:20:30.5", "2026-01-31T10:20:30.5Z"},
	{"2026-01-31T10:20:30,5", "2026-01-31T10:20:30.5Z"},
	{"2026-01-31T10:20:30.50Z", "2026-01-31T10:20:30.5Z"},
	{"2026-01-31T10:20:30.000001Z", "2026-01-31T10:20:30.000001Z"},
	{"2026-01-31T10:20:30.1234567Z", "2026-01-31T10:20:30.123456Z"},
	{"2026-01-31T10:20:30.9999999Z", "2026-01-31T10:20:30.999999Z"},
	{"2026-01-31T10:20:30.123456789Z", "2026-01-31T10:20:30.123456Z"},
	{"2026-01-31T10:20:30.0000000Z", "2026-01-31T10:20:30Z"},
	{"2026-01-31T10:20:30+01:00", "2026-01-31T09:20:30Z"},
	{"2026-01-31T10:20:30.1234567+05:30", "2026-01-31T04:50:30.123456Z"},
	{"2026-01-31T10:20:30-08", "2026-01-31T18:20:30Z"},
	{"2026-01-31T22:20:30-0800", "2026-02-01T06:20:30Z"},
	{"2026-01-31 10:20:30.0000000 +02:00", "2026-01-31T08:20:30Z"},
	{"2024-02-29", "2024-02-29T00:00:00Z"},
	{"2000-02-29", "2000-02-29T00:00:00Z"},
	{"2026-12-31T23:59:60Z", "2027-01-01T00:00:00Z"},
	{"2026-12-31T24:00:00Z", "2027-01-01T00:00:00Z"},
	{"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
	{"0001-01-01T00:00:00", "0001-01-01T00:00:00Z"},
	{"9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59.999999Z"},
	/* DateTime.MinValue and MaxValue where it is not UTC: at the edge, and readable again */
	{"0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z"},
	{"9999-12-31T23:59:59.9999999-05:00", "9999-12-31T23:59:59.999999Z"},
	{"9999-12-31T24:00:00Z", "9999-12-31T23:59:59.999999Z"},
	{"/Date(0)/", "1970-01-01T00:00:00Z"},
	{"/Date(1700000000123)/", "2023-11-14T22:13:20.123Z"},
	{"/Date(1700000000123+0100)/", "2023-11-14T22:13:20.123Z"},
	{"/Date(-62135596800000)/", "0001-01-01T00:00:00Z"},
	{"/Date(-62135600400000+0100)/", "0001-01-01T00:00:00Z"},
	{"/Date(253402300799999)/", "9999-12-31T23:59:59.999Z"},
	{"/Date(999999999999999)/", NULL},
	{"/Date(1234567890123456)/", NULL},
	{"/Date()/", NULL},
	{"/Date(-)/", NULL},
	{"/Date(1)", NULL},
	{"/Date(1x)/", NULL},
	{"", NULL},
	{"2026", NULL},
	{"2026-01", NULL},
	{"2026-1-1", NULL},
	{"2026-13-01", NULL},
	{"2026-00-01", NULL},
	{"2026-01-00", NULL},
	{"2026-01-32", NULL},
	{"2026-04-31", NULL},
	{"2025-02-29", NULL},
	{"1900-02-29", NULL},
	{"0000-01-01", NULL},
	{"10000-01-01", NULL},
	{"-2026-01-01", NULL},
	{"2026-0131", NULL},
	{"2026-01-31Z", NULL},
	{"2026-01-31T", NULL},
	{"2026-01-31T10", NULL},
	{"2026-01-31T10:", NULL},
	{"2026-01-31T10:20:", NULL},
	{"2026-01-31T10:20:30.", NULL},
	{"2026-01-31T10:20:30.1234567890", NULL},
	{"2026-01-31T10:20:30ZZ", NULL},
	{"2026-01-31T10:20:30+1", NULL},
	{"2026-01-31T10:20:30+01:", NULL},
	{"2026-01-31T10:20:30+24:00", NULL},
	{"2026-01-31T10:20:30+01:60", NULL},
	{"2026-01-31T10:20:30 Z", NULL},
	{"2026-01-31T24:00:01Z", NULL},
	{"2026-01-31T25:00:00Z", NULL},
	{"2026-01-31T10:60:00Z", NULL},
	{"2026-01-31T10:20:61Z", NULL},
	{" 2026-01-31", NULL},
	{"2026-01-31 ", NULL},
	{"01/31/2026", NULL},
	{"soon", NULL},
};

START_TEST(texts_are_read)
{
	const char *text = cases_of_text[_i].text, *wanted = cases_of_text[_i].wanted;
	int64_t moment = 42, again = 0;
	bool date_only = false, good = moment_parse(text, strlen(text), &moment, &date_only);
	ck_assert_msg(good == (wanted != NULL), "\"%s\" is %staken", text, good ? "" : "not ");
	if (!good) {
		ck_assert_int_eq(moment, 42);
		return;
	}
	char formatted[MOMENT_TEXT_SIZE];
	moment_format(moment, formatted);
	ck_assert_str_eq(formatted, wanted);
	ck_assert_int_eq(date_only, strlen(text) <= 10 && text[0] != '/');
	ck_assert(moment_parse(formatted, strlen(formatted), &again, NULL));
	ck_assert_int_eq(again, moment);
	/* The text ends where its length says. */
	char longer[64];
	snprintf(longer, sizeof(longer), "%s9", text);
	ck_assert(moment_parse(longer, strlen(text), &again, NULL));
	ck_assert_int_eq(again, moment);
}
END_TEST

START_TEST(every_day_is_what_the_c_library_says)
{
	/* 0001-01-01 to 9999-12-31, a prime number of seconds apart */
	for (int64_t second = -62135596800; second < 253402300800; second += 86400 * 37 + 12347) {
		struct tm time;
		time_t at = second;
		char wanted[64], text[MOMENT_TEXT_SIZE];
		gmtime_r(&at, &time);
		snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT%02d:%02d:%02dZ",
			 time.tm_year + 1900, time.tm_mon + 1, time.tm_mday, time.tm_hour,
			 time.tm_min, time.tm_sec);
		moment_format(second * 1000000, text);
		int64_t moment = 0;
		if (strcmp(text, wanted) != 0 || !moment_parse(text, strlen(text), &moment, NULL) ||
		    moment != second * 1000000)
			ck_abort_msg("%s is %s, and read again %" PRId64, wanted, text, moment);
	}
}
END_TEST

START_TEST(any_number_can_be_formatted)
{
	static const int64_t moments[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX, -1, 0};
	for (size_t i = 0; i < COUNT(moments); i++) {
		char text[MOMENT_TEXT_SIZE];
		moment_format(moments[i], text);
		ck_assert_ptr_nonnull(memchr(text, '\0', sizeof(text)));
	}
}
END_TEST

START_TEST(milliseconds_outside_the_calendar_are_at_its_edge)
{
	char text[MOMENT_TEXT_SIZE];
	ck_assert_int_eq(moment_of_milliseconds(1), 1000);
	ck_assert_int_eq(moment_of_milliseconds(-1), -1000);
	moment_format(moment_of_milliseconds(INT64_MAX), text);
	ck_assert_str_eq(text, "9999-12-31T23:59:59.999999Z");
	moment_format(moment_of_milliseconds(INT64_MIN), text);
	ck_assert_str_eq(text, "0001-01-01T00:00:00Z");
}
END_TEST

START_TEST(clocks_do_not_go_backwards)
{
	int64_t before = moment_monotonic(), wall = moment_now();
	ck_assert_int_ge(moment_monotonic(), before);
	ck_assert_int_gt(wall, INT64_C(1700000000) * 1000000);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("moment");
	tcase_add_loop_test(cases, texts_are_read, 0, (int)COUNT(cases_of_text));
	tcase_add_test(cases, every_day_is_what_the_c_library_says);
	tcase_add_test(cases, any_number_can_be_formatted);
	tcase_add_test(cases, milliseconds_outside_the_calendar_are_at_its_edge);
	tcase_add_test(cases, clocks_do_not_go_backwards);
	return suite_run(cases, "moment");
}
