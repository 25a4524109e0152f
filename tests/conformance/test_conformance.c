/* SPDX-License-Identifier: MIT
 * test_conformance.c - the cases that every backend must pass: test_conformance PLUGIN.so. Cases
 * about searching are left out for one that cannot (WEIR_CAN_SEARCH). */
#include "harness.h"

#include <stdio.h>

START_TEST(test_manifest)
{
	ck_assert_uint_eq(manifest->magic, WEIR_BACKEND_MAGIC);
	ck_assert_uint_eq(manifest->abi_major, WEIR_ABI_MAJOR);
	ck_assert_uint_le(manifest->abi_minor, WEIR_ABI_MINOR);
	ck_assert_str_ne(manifest->name, "");
	ck_assert_uint_eq(strspn(manifest->name, "abcdefghijklmnopqrstuvwxyz0123456789-"),
			  strlen(manifest->name));
	ck_assert_str_ne(manifest->version, "");
	ck_assert_str_ne(manifest->license, "");
	ck_assert_str_ne(manifest->description, "");
	for (size_t i = 0; i < manifest->parameter_count; i++) {
		ck_assert_str_ne(manifest->parameters[i]->key, "");
		ck_assert_str_ne(manifest->parameters[i]->help, "");
	}
	ck_assert_uint_eq(backend->size, sizeof(struct weir_operations));
}
END_TEST

START_TEST(test_close_takes_nothing)
{
	backend->close(NULL);
	if (backend->session_close != NULL)
		backend->session_close(NULL);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *cases = tcase_create(name);
	tcase_add_checked_fixture(cases, harness_setup, harness_teardown);
	suite_add_tcase(suite, cases);
	return cases;
}

int main(int count, char **arguments)
{
	if (count != 2) {
		fprintf(stderr, "usage: test_conformance PLUGIN.so\n");
		return 2;
	}
	harness_load(arguments[1]);
	Suite *suite = suite_create(manifest->name);
	TCase *cases = add_case(suite, "manifest");
	tcase_add_test(cases, test_manifest);
	tcase_add_test(cases, test_close_takes_nothing);
	add_writing_cases(add_case(suite, "writing"));
	if (harness_can(WEIR_CAN_SEARCH)) {
		add_matching_cases(add_case(suite, "matching"));
		add_ordering_cases(add_case(suite, "ordering"));
		add_reading_cases(add_case(suite, "reading"));
		add_random_cases(add_case(suite, "random"));
		add_crashing_cases(add_case(suite, "crashing"));
	}
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
