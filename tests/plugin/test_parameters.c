/* SPDX-License-Identifier: MIT
 * The section of a plug-in: read, checked by its table, handed to open. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plugin.h"
#include "schema.h"

enum { FOLDER, BUFFER_SIZE, OFFSET, COMPRESS, PASSWORD, LABEL, PARAMETER_COUNT };

static char folder[] = "/tmp/weir-parameters-XXXXXX";
static struct config *config;
static struct schema *schema;
static struct weir_error error;

static void setup(void)
{
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(schema_load(getenv("WEIR_SCHEMA"), &schema, &error), WEIR_OK);
}

static void forget_config(void)
{
	char path[PATH_MAX];
	config_destroy(config);
	config = NULL;
	snprintf(path, sizeof(path), "%s/weir.conf", folder);
	unlink(path);
}

static void teardown(void)
{
	forget_config();
	schema_destroy(schema);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* The configuration: [backend] plugin is the variant's file, then these lines. */
static void configure_plugin(const char *plugin, const char *lines)
{
	char path[PATH_MAX];
	forget_config();
	snprintf(path, sizeof(path), "%s/weir.conf", folder);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "[backend]\nplugin = %s\n[backend.variant]\n%s", plugin, lines);
	ck_assert_int_eq(fclose(file), 0);
	error.message[0] = '\0';
	ck_assert_msg(config_load(path, NULL, 0, &config, &error) == WEIR_OK, "%s", error.message);
}

static void configure(const char *variant, const char *lines)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/variant_%s.so", getenv("WEIR_VARIANTS"), variant);
	configure_plugin(path, lines);
}

static weir_status open_it(struct backend *backend)
{
	return backend_open(config, schema->abi, WEIR_MODE_WRITER, &plugin_default_host, backend,
			    &error);
}

static struct backend open_with(const char *lines)
{
	struct backend backend = {0};
	configure("good", lines);
	weir_status status = open_it(&backend);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	ck_assert_uint_eq(backend.parameters->count, PARAMETER_COUNT);
	return backend;
}

static void refuse(const char *lines, const char *first, const char *second)
{
	struct backend backend = {0};
	configure("good", lines);
	ck_assert_int_eq(open_it(&backend), WEIR_INVALID);
	ck_assert_ptr_null(backend.plugin);
	ck_assert_msg(strstr(error.message, first) != NULL, "\"%s\" lacks \"%s\"", error.message,
		      first);
	ck_assert_msg(strstr(error.message, second) != NULL, "\"%s\" lacks \"%s\"", error.message,
		      second);
}

START_TEST(test_defaults)
{
	struct backend backend = open_with("label = one\n");
	struct weir_parameter_value **values = backend.parameters->values;
	ck_assert_int_eq(values[BUFFER_SIZE]->integer, 64);
	ck_assert_int_eq(values[OFFSET]->integer, -5);
	ck_assert_int_eq(values[COMPRESS]->integer, 0);
	ck_assert_str_eq(values[PASSWORD]->text, "");
	ck_assert_str_eq(values[LABEL]->text, "one");
	backend_close(&backend);
	ck_assert_ptr_null(backend.plugin);
	backend_close(&backend);
}
END_TEST

START_TEST(test_given)
{
	struct backend backend = open_with("label = two words\nbuffer_size = 1000\n"
					   "offset = -9223372036854775808\ncompress = Yes\n"
					   "password = open sesame\n");
	struct weir_parameter_value **values = backend.parameters->values;
	ck_assert_int_eq(values[BUFFER_SIZE]->integer, 1000);
	ck_assert_int_eq(values[OFFSET]->integer, INT64_MIN);
	ck_assert_int_eq(values[COMPRESS]->integer, 1);
	ck_assert_str_eq(values[PASSWORD]->text, "open sesame");
	ck_assert_str_eq(values[LABEL]->text, "two words");
	backend_close(&backend);
}
END_TEST

START_TEST(test_unknown_key)
{
	refuse("label = x\nbuffer_sise = 3\n",
	       "weir.conf:5: [backend.variant] has no key "
	       "buffer_sise",
	       "did you mean buffer_size?");
	refuse("label = x\nzzzzzzzzzzzz = 3\n", "has no key zzzzzzzzzzzz", "");
	ck_assert_ptr_null(strstr(error.message, "did you mean"));
}
END_TEST

START_TEST(test_integer)
{
	refuse("label = x\nbuffer_size = many\n",
	       "weir.conf:5: [backend.variant] buffer_size = many", "expected an integer");
	refuse("label = x\nbuffer_size = 10x\n", "buffer_size = 10x", "expected an integer");
	refuse("label = x\nbuffer_size =\n", "buffer_size = ", "expected an integer");
	refuse("label = x\noffset = 9223372036854775808\n", "offset = 9223372036854775808",
	       "expected an integer");
	refuse("label = x\nbuffer_size = 0\n", "buffer_size = 0", "allowed is 1 to 1000");
	refuse("label = x\nbuffer_size = 1001\n", "buffer_size = 1001", "allowed is 1 to 1000");
}
END_TEST

START_TEST(test_boolean)
{
	refuse("label = x\ncompress = maybe\n", "[backend.variant] compress = maybe",
	       "expected true or false");
}
END_TEST

START_TEST(test_required)
{
	refuse("", "[backend.variant] label is needed", "What it is called.");
}
END_TEST

START_TEST(test_path_of_file)
{
	char expected[PATH_MAX];
	struct backend backend = open_with("label = x\nfolder = there/index\n");
	snprintf(expected, sizeof(expected), "%s/there/index", folder);
	ck_assert_str_eq(backend.parameters->values[FOLDER]->text, expected);
	backend_close(&backend);
	backend = open_with("label = x\nfolder = /there/index\n");
	ck_assert_str_eq(backend.parameters->values[FOLDER]->text, "/there/index");
	backend_close(&backend);
}
END_TEST

START_TEST(test_default_path)
{
	char expected[PATH_MAX], *here = getcwd(NULL, 0);
	ck_assert_ptr_nonnull(here);
	struct backend backend = open_with("label = x\n");
	snprintf(expected, sizeof(expected), "%s/data/index", here);
	ck_assert_str_eq(backend.parameters->values[FOLDER]->text, expected);
	backend_close(&backend);
	free(here);
}
END_TEST

START_TEST(test_other_sources)
{
	struct backend backend = {0};
	char set[PATH_MAX];
	snprintf(set, sizeof(set), "backend.plugin=%s/variant_good.so", getenv("WEIR_VARIANTS"));
	const char *const sets[] = {set, "backend.variant.label=from the line"};
	ck_assert_int_eq(setenv("WEIR_BACKEND_VARIANT_BUFFER_SIZE", "12", 1), 0);
	ck_assert_int_eq(config_load(NULL, sets, 2, &config, &error), WEIR_OK);
	ck_assert_msg(open_it(&backend) == WEIR_OK, "%s", error.message);
	ck_assert_str_eq(backend.parameters->values[LABEL]->text, "from the line");
	ck_assert_int_eq(backend.parameters->values[BUFFER_SIZE]->integer, 12);
	backend_close(&backend);
}
END_TEST

START_TEST(test_secret)
{
	char path[PATH_MAX], lines[PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/secret", folder);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs("hunter2\n", file);
	fclose(file);
	snprintf(lines, sizeof(lines), "label = x\npassword_file = %s\n", path);
	struct backend backend = open_with(lines);
	ck_assert_str_eq(backend.parameters->values[PASSWORD]->text, "hunter2");
	backend_close(&backend);
	/* whatever is wrong around it, the message does not show it */
	refuse("label = x\npassword = hunter2\ncompress = maybe\n", "compress", "maybe");
	ck_assert_ptr_null(strstr(error.message, "hunter2"));
	refuse("label = x\npasword = hunter2\n", "has no key pasword", "did you mean password?");
	ck_assert_ptr_null(strstr(error.message, "hunter2"));
	refuse("password = hunter2\n", "label is needed", "");
	ck_assert_ptr_null(strstr(error.message, "hunter2"));
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* A relative path in [backend] plugin counts from the configuration's folder, as others do. */
START_TEST(test_plugin_beside_configuration)
{
	char target[PATH_MAX], path[PATH_MAX];
	struct backend backend = {0};
	snprintf(target, sizeof(target), "%s/variant_good.so", getenv("WEIR_VARIANTS"));
	snprintf(path, sizeof(path), "%s/mine.so", folder);
	ck_assert_int_eq(symlink(target, path), 0);
	configure_plugin("./mine.so", "label = x\n");
	weir_status status = open_it(&backend);
	unlink(path);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	backend_close(&backend);
}
END_TEST

/* A plug-in that writes no NUL into its message, more than a line, or an answer that there is not.
 */
START_TEST(test_open_that_fails)
{
	struct backend backend = {0};
	configure("retries", "label = x\n");
	ck_assert_int_eq(open_it(&backend), WEIR_RETRY);
	ck_assert_ptr_nonnull(memchr(error.message, '\0', sizeof(error.message)));
	ck_assert_ptr_null(strchr(error.message, '\n'));
	ck_assert_ptr_nonnull(strstr(error.message, "xxxx"));
	ck_assert_int_eq(backend_open(config, schema->abi, WEIR_MODE_WRITER, &plugin_default_host,
				      &backend, NULL),
			 WEIR_RETRY);
	configure("answers", "label = x\n");
	ck_assert_int_eq(open_it(&backend), WEIR_FATAL);
	ck_assert_ptr_nonnull(strstr(error.message, "variant_answers.so"));
	ck_assert_ptr_nonnull(strstr(error.message, "found 77"));
	ck_assert_ptr_null(backend.plugin);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plugin parameters");
	TCase *cases = tcase_create("parameters");
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, test_defaults);
	tcase_add_test(cases, test_given);
	tcase_add_test(cases, test_unknown_key);
	tcase_add_test(cases, test_integer);
	tcase_add_test(cases, test_boolean);
	tcase_add_test(cases, test_required);
	tcase_add_test(cases, test_path_of_file);
	tcase_add_test(cases, test_default_path);
	tcase_add_test(cases, test_other_sources);
	tcase_add_test(cases, test_secret);
	tcase_add_test(cases, test_plugin_beside_configuration);
	tcase_add_test(cases, test_open_that_fails);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
