/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "err.h"
#include "harness.h"

enum { AREA_LIMIT = 64, CASE_LIMIT = 512 };

const char *const result_names[RESULT_COUNT] = {"not run", "passed", "failed", "not offered",
						"skipped"};

static struct area areas[AREA_LIMIT];
static size_t area_count;
static struct test_case cases[CASE_LIMIT];
static size_t case_count;

void suite_area(const char *name, SFun setup, SFun teardown)
{
	if (area_count == AREA_LIMIT)
		abort();
	areas[area_count++] = (struct area){name, setup, teardown};
}

void suite_add(const TTest *test, uint64_t needs)
{
	if (case_count == CASE_LIMIT || area_count == 0)
		abort();
	cases[case_count++] =
		(struct test_case){.area = &areas[area_count - 1], .test = test, .needs = needs};
}

void suite_has_no_fixture(void)
{
	cases[case_count - 1].has_no_fixture = true;
}

void suite_may_take(double seconds)
{
	cases[case_count - 1].limit = seconds;
}

size_t suite_area_count(void)
{
	return area_count;
}

const struct area *suite_area_at(size_t index)
{
	return &areas[index];
}

size_t suite_count(void)
{
	return case_count;
}

const struct test_case *suite_at(size_t index)
{
	return &cases[index];
}

const char *suite_case_name(const struct test_case *one)
{
	return one->test->name + strlen("test_");
}

size_t suite_results(const struct area *area, enum result result)
{
	size_t count = 0;
	for (size_t i = 0; i < case_count; i++)
		count += cases[i].result == result && (area == NULL || cases[i].area == area);
	return count;
}

static bool is_wanted(const struct test_case *one, const char *only)
{
	char name[256];
	snprintf(name, sizeof(name), "%s: %s", one->area->name, suite_case_name(one));
	return only == NULL || strstr(name, only) != NULL;
}

static bool is_skipped(struct test_case *one, uint64_t offered)
{
	uint64_t missing = one->needs & ~offered;
	if (missing == 0)
		return false;
	one->result = RESULT_NOT_OFFERED;
	if (missing == NEEDS_PATH) {
		one->result = RESULT_SKIPPED;
		snprintf(one->reason, sizeof(one->reason),
			 "it needs an index in the file system (a parameter path)");
	}
	return true;
}

/* One line of what check says: the file without its folder. */
static void describe(struct test_case *one, TestResult *result)
{
	const char *file = tr_lfile(result) != NULL ? tr_lfile(result) : "";
	const char *slash = strrchr(file, '/');
	struct weir_error line; /* err_format leaves only UTF-8 of one line */
	err_format(&line, "%s:%d: %s", slash != NULL ? slash + 1 : file, tr_lno(result),
		   tr_msg(result));
	snprintf(one->reason, sizeof(one->reason), "%s", line.message);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void run(struct test_case *one)
{
	Suite *suite = suite_create(one->area->name);
	TCase *group = tcase_create(suite_case_name(one));
	tcase_add_checked_fixture(group, harness_setup, harness_teardown);
	if (one->area->setup != NULL && !one->has_no_fixture)
		tcase_add_checked_fixture(group, one->area->setup, one->area->teardown);
	tcase_add_test(group, one->test);
	if (one->limit > 0)
		tcase_set_timeout(group, one->limit);
	suite_add_tcase(suite, group);
	SRunner *runner = srunner_create(suite);
	double begun = now();
	srunner_run_all(runner, CK_SILENT);
	one->seconds = now() - begun;
	one->result = srunner_ntests_failed(runner) == 0 ? RESULT_PASSED : RESULT_FAILED;
	if (one->result == RESULT_FAILED) {
		TestResult **results = srunner_failures(runner);
		describe(one, results[0]);
		free(results);
	}
	srunner_free(runner);
}

/* How far it is, for somebody who waits. */
static void show_progress(size_t done, bool over)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (over)
		fprintf(stderr, "\r\033[K");
	else
		fprintf(stderr, "\r\033[K%zu of %zu cases, %zu failed; now %s", done, case_count,
			suite_results(NULL, RESULT_FAILED), cases[done].area->name);
}

size_t suite_run(const char *only, uint64_t offered, void (*before)(size_t number))
{
	for (size_t i = 0; i < case_count; i++) {
		show_progress(i, false);
		if (!is_wanted(&cases[i], only) || is_skipped(&cases[i], offered))
			continue;
		before(i);
		run(&cases[i]);
	}
	show_progress(case_count, true);
	return suite_results(NULL, RESULT_FAILED);
}
