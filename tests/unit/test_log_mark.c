/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "log_mark.h"
#include "suite.h"

static const struct log_mark one = {7, 1795489842375, UINT64_C(0xfedcba9876543210)};
static const struct log_mark two = {INT64_MAX, -1, 3};

START_TEST(marks_survive_being_a_topic_id)
{
	char text[LOG_MARKS_SIZE];
	struct log_marks marks = {one, two};
	struct log_marks read = log_marks_read(log_marks_write(&marks, text));
	ck_assert_str_eq(text, "mark 7:1795489842375:fedcba9876543210 "
			       "9223372036854775807:-1:0000000000000003");
	ck_assert(log_mark_equal(&read.anchor, &one) && log_mark_equal(&read.last, &two));
}
END_TEST

START_TEST(other_topic_ids_have_no_marks)
{
	static const char *const others[] = {"", "mark", "mark 7:8:9", "Uu-3xN2pQKyt0sHmDFO3Fw",
					     "mark 7:8:9 x"};
	char text[LOG_MARKS_SIZE];
	for (size_t i = 0; i < COUNT(others); i++) {
		struct log_marks marks = log_marks_read(others[i]);
		ck_assert_int_lt(marks.anchor.offset, 0);
		ck_assert_int_lt(marks.last.offset, 0);
		ck_assert_str_eq(log_marks_write(&marks, text), "");
	}
}
END_TEST

START_TEST(the_first_mark_is_the_anchor)
{
	struct log_marks marks = LOG_MARKS_NONE;
	log_marks_move(&marks, &one);
	log_marks_move(&marks, &two);
	ck_assert(log_mark_equal(&marks.anchor, &one) && log_mark_equal(&marks.last, &two));
}
END_TEST

START_TEST(a_mark_tells_messages_apart)
{
	static const char *const parts[][2] = {{"a", "b"},   {"ab", ""},   {"", "ab"}, {"ab", NULL},
					       {NULL, "ab"}, {NULL, NULL}, {"", NULL}, {"a", "c"}};
	struct log_mark marks[COUNT(parts)];
	for (size_t i = 0; i < COUNT(parts); i++) {
		rd_kafka_message_t message = {.key = (void *)parts[i][0],
					      .key_len = parts[i][0] ? strlen(parts[i][0]) : 0,
					      .payload = (void *)parts[i][1],
					      .len = parts[i][1] ? strlen(parts[i][1]) : 0};
		marks[i].hash = log_mark_hash(&message);
		for (size_t j = 0; j < i; j++)
			ck_assert_uint_ne(marks[i].hash, marks[j].hash);
	}
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("log_mark");
	tcase_add_test(cases, marks_survive_being_a_topic_id);
	tcase_add_test(cases, other_topic_ids_have_no_marks);
	tcase_add_test(cases, the_first_mark_is_the_anchor);
	tcase_add_test(cases, a_mark_tells_messages_apart);
	return suite_run(cases, "log_mark");
}
