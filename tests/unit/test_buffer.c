/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>

#include "buffer.h"
#include "suite.h"

START_TEST(bytes_are_appended_and_a_nul_follows)
{
	WEIR_CLEANUP(buffer_finish) struct buffer buffer = BUFFER_INIT;
	buffer_append_text(&buffer, "ab");
	buffer_append(&buffer, "c\0d", 3);
	buffer_append_char(&buffer, 'e');
	buffer_printf(&buffer, "%d-%s", 7, "x");
	buffer_append(&buffer, NULL, 0);
	ck_assert(!buffer_failed(&buffer));
	ck_assert_uint_eq(buffer.length, 9);
	ck_assert_mem_eq(buffer.data, "abc\0de7-x\0", 10);
}
END_TEST

START_TEST(growth_keeps_what_was_there)
{
	WEIR_CLEANUP(buffer_finish) struct buffer buffer = BUFFER_INIT;
	for (int i = 0; i < 10000; i++)
		buffer_printf(&buffer, "%04d", i);
	ck_assert_uint_eq(buffer.length, 40000);
	ck_assert_uint_eq(strlen(buffer.data), 40000);
	for (int i = 0; i < 10000; i++) {
		char number[5] = {0};
		memcpy(number, buffer.data + (size_t)i * 4, 4);
		ck_assert_int_eq(atoi(number), i);
	}
}
END_TEST

START_TEST(the_capacity_holds_the_nul_too)
{
	/* one byte around every power of two */
	for (size_t length = 1; length < 300; length++) {
		WEIR_CLEANUP(buffer_finish) struct buffer buffer = BUFFER_INIT;
		WEIR_FREE char *text = malloc(length + 1);
		ck_assert_ptr_nonnull(text);
		memset(text, 'x', length);
		text[length] = '\0';
		buffer_append(&buffer, text, length);
		ck_assert_uint_gt(buffer.capacity, length);
		ck_assert_str_eq(buffer.data, text);
		buffer_printf(&buffer, "%s", text);
		ck_assert_uint_gt(buffer.capacity, 2 * length);
	}
}
END_TEST

START_TEST(a_failure_is_kept_until_the_buffer_is_cleared)
{
	WEIR_CLEANUP(buffer_finish) struct buffer buffer = BUFFER_INIT;
	buffer_append_text(&buffer, "kept");
	ck_assert(!buffer_reserve(&buffer, SIZE_MAX));
	ck_assert(buffer_failed(&buffer));
	ck_assert(!buffer_reserve(&buffer, 1));
	buffer_append_text(&buffer, "lost");
	buffer_append_char(&buffer, 'x');
	buffer_printf(&buffer, "%d", 1);
	ck_assert_str_eq(buffer.data, "kept");
	buffer_clear(&buffer);
	ck_assert(!buffer_failed(&buffer));
	ck_assert_uint_eq(buffer.length, 0);
	ck_assert_str_eq(buffer.data, "");
	buffer_append_text(&buffer, "again");
	ck_assert_str_eq(buffer.data, "again");
}
END_TEST

START_TEST(reserving_leaves_the_content)
{
	WEIR_CLEANUP(buffer_finish) struct buffer buffer = BUFFER_INIT;
	ck_assert(buffer_reserve(&buffer, 1000));
	const char *data = buffer.data;
	ck_assert_uint_eq(buffer.length, 0);
	for (int i = 0; i < 1000; i++)
		buffer_append_char(&buffer, 'x');
	ck_assert_ptr_eq(buffer.data, data);
}
END_TEST

START_TEST(printing_fits_whatever_the_length)
{
	char text[201];
	memset(text, 'x', 200);
	text[200] = '\0';
	for (int before = 0; before < 70; before++)
		for (int length = 0; length <= 200; length++) {
			WEIR_CLEANUP(buffer_finish) struct buffer buffer = BUFFER_INIT;
			buffer_append(&buffer, text, (size_t)before);
			buffer_printf(&buffer, "%.*s", length, text);
			if (buffer.length != (size_t)(before + length) ||
			    buffer.length >= buffer.capacity ||
			    strlen(buffer.data) != buffer.length)
				ck_abort_msg("%d behind %d", length, before);
		}
}
END_TEST

START_TEST(taking_empties_the_buffer)
{
	struct buffer buffer = BUFFER_INIT;
	size_t length = 99;
	buffer_append_text(&buffer, "text");
	WEIR_FREE char *text = buffer_take(&buffer, &length);
	ck_assert_str_eq(text, "text");
	ck_assert_uint_eq(length, 4);
	ck_assert_ptr_null(buffer.data);
	ck_assert_uint_eq(buffer.length, 0);
	WEIR_FREE char *nothing = buffer_take(&buffer, &length);
	ck_assert_str_eq(nothing, "");
	ck_assert_uint_eq(length, 0);
	buffer_append_text(&buffer, "lost");
	buffer.failed = true;
	ck_assert_ptr_null(buffer_take(&buffer, NULL));
	ck_assert(!buffer_failed(&buffer));
	ck_assert_ptr_null(buffer.data);
	buffer_clear(&buffer);
	buffer_finish(&buffer);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("buffer");
	tcase_add_test(cases, bytes_are_appended_and_a_nul_follows);
	tcase_add_test(cases, growth_keeps_what_was_there);
	tcase_add_test(cases, the_capacity_holds_the_nul_too);
	tcase_add_test(cases, a_failure_is_kept_until_the_buffer_is_cleared);
	tcase_add_test(cases, reserving_leaves_the_content);
	tcase_add_test(cases, printing_fits_whatever_the_length);
	tcase_add_test(cases, taking_empties_the_buffer);
	return suite_run(cases, "buffer");
}
