/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stop_point.h"
#include "suite.h"

static weir_status arm(const char *text, struct weir_error *error)
{
	setenv("WEIR_STOP_AT", text, 1);
	return stop_point_arm(error);
}

START_TEST(unset_does_nothing)
{
	struct weir_error error;
	unsetenv("WEIR_STOP_AT");
	ck_assert_int_eq(stop_point_arm(&error), WEIR_OK);
	ck_assert(!stop_point_armed);
	stop_point("indexer.commit.before");
}
END_TEST

START_TEST(wrong_texts_are_refused)
{
	static const char *const texts[] = {
		"indexer.commit",	    "indexer.commit.before:0",	"indexer.commit.before:x",
		"indexer.commit.before:1x", "indexer.commit.before:-1", ":1",
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct weir_error error = {""};
		ck_assert_msg(arm(texts[i], &error) == WEIR_INVALID, "%s", texts[i]);
		ck_assert_ptr_nonnull(strstr(error.message, texts[i]));
		ck_assert(!stop_point_armed);
	}
}
END_TEST

START_TEST(names_are_different)
{
	for (size_t i = 0; stop_point_names[i] != NULL; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(stop_point_names[i], stop_point_names[j]);
}
END_TEST

/* A child that says by pipe how often it came by. */
START_TEST(stops_at_the_second_time_and_goes_on)
{
	int passed[2];
	char count = 0;
	ck_assert_int_eq(pipe(passed), 0);
	pid_t child = fork();
	if (child == 0) {
		struct weir_error error;
		if (arm("indexer.commit.before:2", &error) != WEIR_OK)
			_exit(1);
		for (char i = 1; i <= 3; i++) {
			stop_point("indexer.commit.after");
			stop_point("indexer.commit.before");
			if (write(passed[1], &i, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	int status;
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	ck_assert(WIFSTOPPED(status));
	ck_assert_int_eq(read(passed[0], &count, 1), 1);
	ck_assert_int_eq(count, 1);
	kill(child, SIGCONT);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert_int_eq(read(passed[0], &count, 1), 1);
	ck_assert_int_eq(count, 2);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("stop_point");
	tcase_add_test(cases, unset_does_nothing);
	tcase_add_test(cases, wrong_texts_are_refused);
	tcase_add_test(cases, names_are_different);
	tcase_add_test(cases, stops_at_the_second_time_and_goes_on);
	return suite_run(cases, "stop_point");
}
