/* SPDX-License-Identifier: MIT
 * What plugin_load refuses, and that the message names the file, what was expected and what was
 * found. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin.h"

static char folder[] = "/tmp/weir-plugin-XXXXXX";

static void setup(void)
{
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
	ck_assert_int_eq(rmdir(folder), 0);
}

static const char *variant(const char *name)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/variant_%s.so", getenv("WEIR_VARIANTS"), name);
	ck_assert_msg(access(path, R_OK) == 0, "%s was not built", path);
	return path;
}

/* The plug-in is refused with a message that holds all of these parts, in this order. */
static void refuse_path(const char *path, const char *const *parts)
{
	struct plugin *plugin = NULL;
	struct weir_error error = {""};
	ck_assert_int_eq(plugin_load(path, NULL, &plugin, &error), WEIR_INVALID);
	ck_assert_ptr_null(plugin);
	ck_assert_ptr_null(strchr(error.message, '\n'));
	const char *at = strstr(error.message, path);
	ck_assert_msg(at != NULL, "\"%s\" does not name %s", error.message, path);
	for (; *parts != NULL; parts++) {
		at = strstr(at, *parts);
		ck_assert_msg(at != NULL, "\"%s\" lacks, in its place, \"%s\"", error.message,
			      *parts);
		at += strlen(*parts);
	}
}

#define REFUSE_PATH(path, ...) refuse_path(path, (const char *const[]){__VA_ARGS__, NULL})
#define REFUSE(name, ...) REFUSE_PATH(variant(name), __VA_ARGS__)

static struct plugin *load(const char *name)
{
	struct plugin *plugin = NULL;
	struct weir_error error = {""};
	weir_status status = plugin_load(variant(name), NULL, &plugin, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	return plugin;
}

START_TEST(test_good)
{
	struct plugin *plugin = load("good");
	ck_assert_str_eq(plugin->manifest->name, "variant");
	ck_assert_str_eq(plugin->path, variant("good"));
	ck_assert(plugin->operations.apply != NULL);
	ck_assert(plugin->operations.search == NULL);
	plugin_destroy(plugin);
	plugin_destroy(NULL);
}
END_TEST

START_TEST(test_manifest)
{
	REFUSE("null", "expected a manifest from weir_backend_manifest", "found NULL");
	REFUSE("magic", "expected magic 31444e4542524557", "found 000000004b4f4f42");
	REFUSE("major", "expected ABI 1.0 to 1.2", "found 2.2", "weir/backend.h");
	REFUSE("minor", "expected ABI 1.0 to 1.2", "found 1.7", "weir/backend.h");
	REFUSE("threads", "expected thread model 10, 20 or 30", "found 15");
	REFUSE("name", "expected a name of a-z, 0-9 and -", "found \"Bad_Name\"");
	REFUSE("longname", "at most 60", "found \"a-name-that-goes-on");
	REFUSE("noname", "expected a name", "found \"\"");
	REFUSE("version", "expected version, license and description", "found one that is NULL");
	REFUSE("symbol", "expected the symbol weir_backend_manifest", "found none");
}
END_TEST

START_TEST(test_operations)
{
	REFUSE("notable", "expected an operations table", "found none");
	REFUSE("tablesize", "expected an operations table with its size", "found the size 13");
	REFUSE("emptytable", "expected an operations table with its size", "found the size 0");
	REFUSE("operation", "expected the operation apply", "found none");
	/* the function is there, but the table says that it ends before it */
	REFUSE("shortest", "expected the operation expire", "found none");
}
END_TEST

START_TEST(test_capabilities)
{
	REFUSE("cansync", "expected the operation sync", "WEIR_CAN_SYNC", "found none");
	REFUSE("canmaintain", "expected the operation maintain", "WEIR_CAN_MAINTAIN", "found none");
	REFUSE("cansuggest", "expected the operation suggest", "WEIR_CAN_SUGGEST", "found none");
	REFUSE("cansearch", "expected the operation session_open", "WEIR_CAN_SEARCH", "found none");
	REFUSE("canfacet", "expected the operation facets", "WEIR_CAN_FACET", "found none");
	/* the function is there, behind the end of a table of 1.1 */
	REFUSE("minor1facet", "expected the operation facets", "WEIR_CAN_FACET", "found none");
}
END_TEST

START_TEST(test_other_minors)
{
	struct plugin *older = load("older");
	ck_assert(older->operations.stats != NULL);
	ck_assert(older->operations.session_open == NULL);
	ck_assert(older->operations.session_close == NULL);
	plugin_destroy(older);
	older = load("minor1");
	ck_assert(older->operations.stats != NULL);
	ck_assert(older->operations.facets == NULL);
	plugin_destroy(older);
	struct plugin *newer = load("newer");
	ck_assert_uint_gt(newer->manifest->operations->size, sizeof(newer->operations));
	ck_assert(newer->operations.stats != NULL);
	ck_assert(newer->operations.suggest == NULL);
	plugin_destroy(newer);
}
END_TEST

START_TEST(test_what_no_capability_promises)
{
	struct plugin *plugin = load("unpromised");
	ck_assert(plugin->manifest->operations->session_close != NULL);
	ck_assert(plugin->operations.session_close == NULL);
	ck_assert(plugin->operations.facets == NULL);
	plugin_destroy(plugin);
}
END_TEST

START_TEST(test_parameter_table)
{
	REFUSE("parameters", "expected a table of 6 parameters", "found NULL");
	REFUSE("parametertype", "expected key, type and help of parameter 0", "unknown");
	REFUSE("parameterhelp", "expected key, type and help of parameter 0", "missing");
	REFUSE("parameterkey", "expected a key of a-z, 0-9 and _", "found \"Key One\"");
	REFUSE("parameterfile", "expected a key", "not end in _file", "found \"word_file\"");
}
END_TEST

START_TEST(test_files)
{
	char path[PATH_MAX];
	REFUSE_PATH(folder, "expected a shared object", "irectory");
	snprintf(path, sizeof(path), "%s/none.so", folder);
	REFUSE_PATH(path, "expected a shared object", "found nothing that can be read",
		    "No such file");
	snprintf(path, sizeof(path), "%s/text.so", folder);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs("a poem, not a program, and long enough that there is a header's worth of it\n",
	      file);
	fclose(file);
	REFUSE_PATH(path, "expected a shared object", "invalid ELF header");
	ck_assert_int_eq(truncate(path, 0), 0);
	REFUSE_PATH(path, "expected a shared object", "file too short");
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(test_undefined_symbol)
{
	REFUSE("unlocated", "expected a shared object that loads",
	       "undefined symbol: weir_function_of_no_host");
}
END_TEST

START_TEST(test_names)
{
	struct plugin *plugin = NULL;
	struct weir_error error;
	ck_assert_int_eq(plugin_load("Zapian", NULL, &plugin, &error), WEIR_INVALID);
	ck_assert_ptr_nonnull(strstr(error.message, "plug-in \"Zapian\": expected a name of a-z"));
	ck_assert_int_eq(plugin_load("", NULL, &plugin, &error), WEIR_INVALID);
	ck_assert_ptr_nonnull(strstr(error.message, "plug-in \"\": expected a name of a-z"));
	ck_assert_int_eq(plugin_load("nonesuch", folder, &plugin, &error), WEIR_INVALID);
	ck_assert_ptr_nonnull(strstr(error.message, folder));
	ck_assert_ptr_nonnull(strstr(error.message, "/weir_nonesuch.so: expected a shared"));
	/* never in the working directory, whoever owns that */
	ck_assert_int_eq(plugin_load("nonesuch", NULL, &plugin, &error), WEIR_INVALID);
	ck_assert_ptr_nonnull(strstr(error.message, "plug-in /"));
	ck_assert_ptr_nonnull(strstr(error.message, "/weir/weir_nonesuch.so: expected a shared"));
	ck_assert_ptr_null(plugin);
}
END_TEST

START_TEST(test_name_in_folder)
{
	char path[PATH_MAX];
	struct plugin *plugin = NULL;
	struct weir_error error = {""};
	snprintf(path, sizeof(path), "%s/weir_good.so", folder);
	ck_assert_int_eq(symlink(variant("good"), path), 0);
	weir_status status = plugin_load("good", folder, &plugin, &error);
	unlink(path);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	ck_assert_str_eq(plugin->path, path);
	plugin_destroy(plugin);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plugin load");
	TCase *cases = tcase_create("load");
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, test_good);
	tcase_add_test(cases, test_manifest);
	tcase_add_test(cases, test_operations);
	tcase_add_test(cases, test_capabilities);
	tcase_add_test(cases, test_other_minors);
	tcase_add_test(cases, test_what_no_capability_promises);
	tcase_add_test(cases, test_parameter_table);
	tcase_add_test(cases, test_files);
	tcase_add_test(cases, test_undefined_symbol);
	tcase_add_test(cases, test_names);
	tcase_add_test(cases, test_name_in_folder);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
