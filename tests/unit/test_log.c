/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "moment.h"
#include "suite.h"

static int pipe_ends[2], saved;

static void begin(void)
{
	ck_assert_int_eq(pipe(pipe_ends), 0);
	saved = dup(STDERR_FILENO);
	ck_assert_int_ge(saved, 0);
	ck_assert_int_ge(dup2(pipe_ends[1], STDERR_FILENO), 0);
}

/* What was logged since begin. */
static const char *end(void)
{
	static char text[16384];
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipe_ends[1]);
	size_t length = 0;
	ssize_t got;
	while ((got = read(pipe_ends[0], text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	close(pipe_ends[0]);
	text[length] = '\0';
	return text;
}

START_TEST(a_line_says_when_and_who)
{
	log_open("tester", WEIR_LOG_INFO);
	begin();
	int64_t before = moment_now(), at = 0;
	log_info("commit", "documents=%d ms=%d", 500, 41);
	int64_t after = moment_now();
	const char *line = end(), *blank = strchr(line, ' ');
	ck_assert_ptr_nonnull(blank);
	ck_assert(moment_parse(line, (size_t)(blank - line), &at, NULL));
	ck_assert(before <= at && at <= after);
	ck_assert_str_eq(blank, " level=info process=tester event=commit documents=500 ms=41\n");
}
END_TEST

START_TEST(lines_below_the_level_are_dropped)
{
	static const uint32_t levels[] = {WEIR_LOG_DEBUG, WEIR_LOG_INFO, WEIR_LOG_WARNING,
					  WEIR_LOG_ERROR};
	for (size_t i = 0; i < COUNT(levels); i++) {
		log_open("tester", WEIR_LOG_ERROR);
		log_set_level(levels[i]);
		begin();
		log_debug("a", "n=%d", 1);
		log_info("b", "n=%d", 2);
		log_warning("c", "n=%d", 3);
		log_error("d", "n=%d", 4);
		const char *text = end();
		ck_assert_int_eq(strstr(text, "level=debug process=tester event=a n=1\n") != NULL,
				 i == 0);
		ck_assert_int_eq(strstr(text, "level=info process=tester event=b n=2\n") != NULL,
				 i <= 1);
		ck_assert_int_eq(strstr(text, "level=warning process=tester event=c n=3\n") != NULL,
				 i <= 2);
		ck_assert_ptr_nonnull(strstr(text, "level=error process=tester event=d n=4\n"));
	}
}
END_TEST

START_TEST(levels_have_names)
{
	uint32_t level = 7;
	ck_assert(log_level_parse("debug", &level) && level == WEIR_LOG_DEBUG);
	ck_assert(log_level_parse("info", &level) && level == WEIR_LOG_INFO);
	ck_assert(log_level_parse("warning", &level) && level == WEIR_LOG_WARNING);
	ck_assert(log_level_parse("error", &level) && level == WEIR_LOG_ERROR);
	ck_assert(!log_level_parse("warn", &level) && !log_level_parse("", &level));
	ck_assert_uint_eq(level, WEIR_LOG_ERROR);
}
END_TEST

START_TEST(a_long_line_is_cut_and_still_a_line)
{
	char text[8000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_open("tester", WEIR_LOG_INFO);
	begin();
	log_info("long", "text=%s", text);
	log_info(text, "text=%s", text);
	log_info("next", "n=%d", 1);
	const char *line = end();
	for (int i = 0; i < 2; i++) {
		const char *newline = strchr(line, '\n');
		ck_assert_ptr_nonnull(newline);
		ck_assert_int_eq(newline - line, 4094);
		line = newline + 1;
	}
	ck_assert_ptr_nonnull(strstr(line, "event=next n=1\n"));
}
END_TEST

START_TEST(free_text_is_quoted)
{
	ck_assert_str_eq(LOG_TEXT("plain text"), "\"plain text\"");
	ck_assert_str_eq(LOG_TEXT(""), "\"\"");
	ck_assert_str_eq(LOG_TEXT("a \"b\" \\ c"), "\"a \\\"b\\\" \\\\ c\"");
	ck_assert_str_eq(LOG_TEXT("a\nb\r\x1B[0m\x7F"), "\"a\\x0ab\\x0d\\x1b[0m\\x7f\"");
	ck_assert_str_eq(LOG_TEXT("\xC3\xA4"), "\"\xC3\xA4\"");
}
END_TEST

START_TEST(quoted_text_is_cut_between_characters)
{
	static const char *const characters[] = {"x",	     "\n",	     "\"",
						 "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
	for (size_t one = 0; one < COUNT(characters); one++) {
		for (size_t before = 0; before < 4; before++) {
			char text[2000] = "";
			size_t width = strlen(characters[one]), length = before;
			memset(text, '.', before);
			for (; length + width < sizeof(text); length += width)
				memcpy(text + length, characters[one], width);
			struct log_quoted quoted = log_quote(text);
			size_t kept = strlen(quoted.text);
			ck_assert_uint_ge(kept, 390);
			ck_assert_uint_le(kept, 406);
			ck_assert_int_eq(quoted.text[kept - 1], '"');
			if (width > 1)
				ck_assert_uint_eq((kept - 2 - before) % width, 0);
		}
	}
}
END_TEST

START_TEST(a_run_of_failures_is_told_once)
{
	struct log_once once = {0};
	ck_assert(!log_once_recovered(&once));
	int64_t before = moment_now();
	ck_assert(log_once_failing(&once));
	ck_assert(once.since >= before && once.since <= moment_now());
	int64_t since = once.since;
	ck_assert(!log_once_failing(&once));
	ck_assert_int_eq(once.since, since);
	ck_assert(log_once_recovered(&once));
	ck_assert(!log_once_recovered(&once));
	ck_assert(log_once_failing(&once));
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("log");
	tcase_add_test(cases, a_line_says_when_and_who);
	tcase_add_test(cases, lines_below_the_level_are_dropped);
	tcase_add_test(cases, levels_have_names);
	tcase_add_test(cases, a_long_line_is_cut_and_still_a_line);
	tcase_add_test(cases, free_text_is_quoted);
	tcase_add_test(cases, quoted_text_is_cut_between_characters);
	tcase_add_test(cases, a_run_of_failures_is_told_once);
	return suite_run(cases, "log");
}
