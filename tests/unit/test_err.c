/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "err.h"
#include "suite.h"

START_TEST(a_message_is_formatted_and_the_status_comes_back)
{
	struct weir_error error = {"before"};
	ck_assert_int_eq(err_set(&error, WEIR_INVALID, "%s:%d: %s", "weir.conf", 7, "no"),
			 WEIR_INVALID);
	ck_assert_str_eq(error.message, "weir.conf:7: no");
	ck_assert_int_eq(err_set(NULL, WEIR_AWAY, "%s", "nobody listens"), WEIR_AWAY);
	ck_assert_int_eq(err_no_memory(&error), WEIR_NO_MEMORY);
	ck_assert_str_eq(error.message, "out of memory");
}
END_TEST

START_TEST(an_argument_may_be_the_message_itself)
{
	struct weir_error error = {"no such file"};
	err_set(&error, WEIR_SYSTEM, "opening the index: %s", error.message);
	ck_assert_str_eq(error.message, "opening the index: no such file");
}
END_TEST

START_TEST(a_message_is_one_line_of_text)
{
	struct weir_error error;
	err_set(&error, WEIR_INVALID, "a\r\nb\tc\x1B[0m\x7F%c", '\x01');
	ck_assert_str_eq(error.message, "a  b c [0m  ");
	err_set(&error, WEIR_INVALID, "a\xFF\xC3x\xED\xA0\x80\xC3\xA4");
	ck_assert_str_eq(error.message, "a??x???\xC3\xA4");
	/* what a precision cuts in the middle of a character */
	err_set(&error, WEIR_INVALID, "%.2s and more", "a\xC3\xA4");
	ck_assert_str_eq(error.message, "a? and more");
}
END_TEST

START_TEST(a_long_message_is_cut_between_characters)
{
	static const char *const characters[] = {"x", "\xC3\xA4", "\xE2\x82\xAC",
						 "\xF0\x9F\x98\x80"};
	for (size_t one = 0; one < COUNT(characters); one++) {
		for (size_t before = 0; before < 4; before++) {
			char text[2000];
			size_t width = strlen(characters[one]), length = before;
			memset(text, '.', before);
			for (; length + width < sizeof(text); length += width)
				memcpy(text + length, characters[one], width);
			text[length] = '\0';
			struct weir_error error;
			err_set(&error, WEIR_INVALID, "%s", text);
			size_t room = sizeof(error.message) - 1;
			size_t wanted = before + (room - before) / width * width;
			ck_assert_uint_eq(strlen(error.message), wanted);
			ck_assert_int_eq(memcmp(error.message, text, wanted), 0);
		}
	}
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("err");
	tcase_add_test(cases, a_message_is_formatted_and_the_status_comes_back);
	tcase_add_test(cases, an_argument_may_be_the_message_itself);
	tcase_add_test(cases, a_message_is_one_line_of_text);
	tcase_add_test(cases, a_long_message_is_cut_between_characters);
	return suite_run(cases, "err");
}
