/* SPDX-License-Identifier: MIT
 * suite.h - the main of a test program: one suite of one case, run in a child for each test. */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline int suite_run(TCase *cases, const char *name)
{
	Suite *suite = suite_create(name);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

#endif
