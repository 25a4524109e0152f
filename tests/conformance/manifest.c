/* SPDX-License-Identifier: MIT
 * manifest.c - what a plug-in says of itself. */
#include "harness.h"
#include "suite.h"

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
}
END_TEST

void add_manifest_cases(void)
{
	suite_area("manifest", NULL, NULL);
	suite_add(test_manifest, 0);
}
