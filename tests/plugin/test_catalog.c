/* SPDX-License-Identifier: MIT
 * The catalog: where it is, what it says, what is wrong with it; and schemas' differences in words.
 */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog.h"
#include "schema_difference.h"

#define MESSAGES                                                                                   \
	"\"messages\": [{\"type\": \"Noted\", \"topic\": \"notes\", \"operation\": \"created\"}]"
#define NOTES(fields)                                                                              \
	"{\"name\": \"notes\", \"id\": \"noteId\", " MESSAGES ", \"fields\": [" fields "]}"
#define PLAIN NOTES("{\"name\": \"text\", \"type\": \"text\"}")
#define SORTED NOTES("{\"name\": \"text\", \"type\": \"text\", \"sort\": true}")
#define BOOSTED NOTES("{\"name\": \"text\", \"type\": \"text\", \"boost\": 7}")

static char folder[] = "/tmp/weir-catalog-XXXXXX";
static struct config *config;
static struct schema *schema;
static struct catalog *catalog;
static struct weir_error error;

static const char *in_folder(const char *name)
{
	static char paths[8][PATH_MAX];
	static int next;
	char *path = paths[next++ % 8];
	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return path;
}

/* Plug-ins by name: north and south keep files, cluster does not. */
static void link_plugin(const char *name)
{
	char from[PATH_MAX], to[100];
	snprintf(from, sizeof(from), "%s/variant_%s.so", getenv("WEIR_VARIANTS"), name);
	snprintf(to, sizeof(to), "plugins/weir_%s.so", name);
	ck_assert_int_eq(symlink(from, in_folder(to)), 0);
}

static void setup(void)
{
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(mkdir(in_folder("plugins"), 0777), 0);
	link_plugin("north");
	link_plugin("south");
	link_plugin("cluster");
	link_plugin("good");
}

static void forget(void)
{
	catalog_destroy(catalog);
	catalog = NULL;
	schema_destroy(schema);
	schema = NULL;
	config_destroy(config);
	config = NULL;
}

static void teardown(void)
{
	char command[PATH_MAX];
	forget();
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void parse_schema(const char *text)
{
	schema_destroy(schema);
	schema = NULL;
	ck_assert_msg(schema_parse(text, strlen(text), "notes.json", &schema, &error) == WEIR_OK,
		      "%s", error.message);
}

/* plugin, and lines for the file weir.conf in the folder. */
static weir_status read_with(const char *schema_text, const char *plugin, const char *lines)
{
	forget();
	FILE *file = fopen(in_folder("weir.conf"), "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "[backend]\nplugin = %s\nplugin_dir = plugins\n%s", plugin, lines);
	ck_assert_int_eq(fclose(file), 0);
	error.message[0] = '\0';
	ck_assert_msg(config_load(in_folder("weir.conf"), NULL, 0, &config, &error) == WEIR_OK,
		      "%s", error.message);
	parse_schema(schema_text);
	return catalog_read(config, schema, &catalog, &error);
}

static void read_well(const char *schema_text, const char *plugin, const char *lines)
{
	weir_status status = read_with(schema_text, plugin, lines);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
}

#define NORTH "[backend.north]\npath = data/index\n"
#define BOTH NORTH "[backend.south]\npath = data/index.south\n"

/* An index of north at data/index is live. */
static void make_live(const char *schema_text)
{
	struct catalog_choice *choice;
	ck_assert_int_eq(mkdir(in_folder("data"), 0777), 0);
	ck_assert_int_eq(mkdir(in_folder("data/index"), 0777), 0);
	read_well(schema_text, "north", NORTH);
	ck_assert(!catalog->exists);
	ck_assert_int_eq(catalog_choose(catalog, CATALOG_WRITER, &choice, &error), WEIR_OK);
	ck_assert(!choice->entered);
	ck_assert_msg(catalog_enter(catalog, choice, &error) == WEIR_OK, "%s", error.message);
	catalog_choice_destroy(choice);
}

static struct catalog_choice *choose(enum catalog_role role)
{
	struct catalog_choice *choice;
	weir_status status = catalog_choose(catalog, role, &choice, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	return choice;
}

static void expect_choice(enum catalog_role role, const char *plugin, const char *location,
			  const char *fingerprint_of, const char *notice)
{
	struct catalog_choice *choice = choose(role);
	struct schema *wanted;
	ck_assert_str_eq(choice->index->plugin, plugin);
	ck_assert_str_eq(choice->index->location, in_folder(location));
	ck_assert_int_eq(schema_parse(fingerprint_of, strlen(fingerprint_of), "", &wanted, &error),
			 WEIR_OK);
	ck_assert_str_eq(choice->schema->abi->fingerprint, wanted->abi->fingerprint);
	if (notice[0] == '\0')
		ck_assert_str_eq(choice->notice.message, "");
	else
		ck_assert_msg(strstr(choice->notice.message, notice) != NULL, "gives %s",
			      choice->notice.message);
	schema_destroy(wanted);
	catalog_choice_destroy(choice);
}

START_TEST(an_index_is_entered_and_found_again)
{
	make_live(PLAIN);
	read_well(PLAIN, "north", NORTH);
	ck_assert(catalog->exists);
	ck_assert_str_eq(catalog->path, in_folder("data/notes.catalog.json"));
	ck_assert_str_eq(catalog->live->plugin, "north");
	ck_assert_str_eq(catalog->live->parameter, "path");
	ck_assert_str_eq(catalog->live->location, in_folder("data/index"));
	ck_assert_str_eq(catalog->live->schema, PLAIN);
	ck_assert_ptr_null(catalog->writer);
	struct catalog_choice *choice = choose(CATALOG_WRITER);
	ck_assert(choice->entered);
	catalog_choice_destroy(choice);
	expect_choice(CATALOG_LIVE, "north", "data/index", PLAIN, "");
}
END_TEST

START_TEST(another_engine_or_schema_changes_nothing_and_is_told)
{
	make_live(PLAIN);
	read_well(PLAIN, "south", BOTH);
	expect_choice(CATALOG_LIVE, "north", "data/index", PLAIN,
		      "[backend] plugin is south, the index at ");
	expect_choice(CATALOG_WRITER, "north", "data/index", PLAIN, "`weir rebuild`");
	read_well(SORTED, "north", NORTH);
	expect_choice(CATALOG_LIVE, "north", "data/index", PLAIN, "field text: sort was added");
	/* What is no part of the fingerprint may change at a restart. */
	read_well(BOOSTED, "north", NORTH);
	struct catalog_choice *choice = choose(CATALOG_LIVE);
	ck_assert(choice->schema->abi->fields[0]->boost == 7);
	ck_assert_str_eq(choice->notice.message, "");
	catalog_choice_destroy(choice);
}
END_TEST

START_TEST(the_same_engine_somewhere_else_is_another_index)
{
	make_live(PLAIN);
	read_well(PLAIN, "north", "[backend.north]\npath = data/other\n");
	expect_choice(CATALOG_LIVE, "north", "data/other", PLAIN, "names another one");
	struct catalog_choice *choice = choose(CATALOG_WRITER);
	ck_assert(choice->entered); /* the catalog of the other one is left alone */
	catalog_choice_destroy(choice);
	/* In another folder there is another catalog. */
	read_well(PLAIN, "north", "[backend.north]\npath = elsewhere/index\n");
	ck_assert(!catalog->exists);
	ck_assert_str_eq(catalog->path, in_folder("elsewhere/notes.catalog.json"));
}
END_TEST

START_TEST(an_engine_without_files_finds_the_catalog_beside_the_others)
{
	make_live(PLAIN);
	read_well(PLAIN, "cluster", BOTH "[backend.cluster]\nindex = notes\n");
	ck_assert_str_eq(catalog->path, in_folder("data/notes.catalog.json"));
	expect_choice(CATALOG_LIVE, "north", "data/index", PLAIN, "plugin is cluster");
	/* south is configured in another folder than north: the catalog is the one that is there.
	 */
	read_well(PLAIN, "south", NORTH "[backend.south]\npath = more/index\n");
	ck_assert_str_eq(catalog->path, in_folder("data/notes.catalog.json"));
	read_well(PLAIN, "south", NORTH "catalog_dir = cat\n[backend.south]\npath = more/index\n");
}
END_TEST

START_TEST(a_folder_can_be_said)
{
	read_well(PLAIN, "cluster", "catalog_dir = cat/.//\n[backend.cluster]\nindex = notes\n");
	ck_assert_str_eq(catalog->path, in_folder("cat/notes.catalog.json"));
	ck_assert_str_eq(catalog->wanted->location, "notes");
	/* A plug-in that keeps nothing has none. */
	read_well(PLAIN, "good", "[backend.variant]\nlabel = x\n");
	ck_assert_ptr_null(catalog->path);
}
END_TEST

START_TEST(searches_move_once_the_writer_is_as_far)
{
	make_live(PLAIN);
	read_well(SORTED, "south", BOTH);
	catalog->writer = catalog_index_copy(catalog->wanted);
	ck_assert_msg(catalog_write(catalog, &error) == WEIR_OK, "%s", error.message);
	ck_assert_int_eq(mkdir(in_folder("data/index.south"), 0777), 0);
	read_well(SORTED, "south", BOTH);
	expect_choice(CATALOG_LIVE, "north", "data/index", PLAIN, "plugin is south");
	expect_choice(CATALOG_NEXT, "south", "data/index.south", SORTED, "");
	expect_choice(CATALOG_WRITER, "south", "data/index.south", SORTED, "");
	/* What is gone is not made anew while another one is there. */
	ck_assert_int_eq(rmdir(in_folder("data/index.south")), 0);
	expect_choice(CATALOG_WRITER, "north", "data/index", PLAIN, "plugin is south");
	expect_choice(CATALOG_NEXT, "south", "data/index.south", SORTED, "");
	ck_assert_int_eq(rmdir(in_folder("data/index")), 0);
	struct catalog_choice *choice = choose(CATALOG_WRITER);
	ck_assert(!choice->entered);
	ck_assert_ptr_nonnull(strstr(choice->notice.message, "is gone"));
	ck_assert_str_eq(choice->index->plugin, "south");
	ck_assert_int_eq(catalog_enter(catalog, choice, &error), WEIR_OK);
	catalog_choice_destroy(choice);
	read_well(SORTED, "south", BOTH);
	ck_assert_str_eq(catalog->live->plugin, "south");
	ck_assert_ptr_null(catalog->writer);
}
END_TEST

START_TEST(the_folder_can_be_moved)
{
	make_live(PLAIN);
	ck_assert_int_eq(rename(in_folder("data"), in_folder("moved")), 0);
	read_well(PLAIN, "north", "[backend.north]\npath = moved/index\n");
	expect_choice(CATALOG_LIVE, "north", "moved/index", PLAIN, "");
}
END_TEST

START_TEST(a_change_is_noticed)
{
	make_live(PLAIN);
	ck_assert(!catalog_changed(catalog));
	read_well(PLAIN, "north", NORTH);
	ck_assert(!catalog_changed(catalog));
	CATALOG_SCOPED struct catalog *other = NULL;
	ck_assert_int_eq(catalog_read(config, schema, &other, &error), WEIR_OK);
	ck_assert_int_eq(catalog_write(other, &error), WEIR_OK);
	ck_assert(catalog_changed(catalog));
	ck_assert(!catalog_changed(other));
	ck_assert_int_eq(unlink(other->path), 0);
	ck_assert(catalog_changed(other));
}
END_TEST

START_TEST(one_writer_at_a_time)
{
	int lock, second;
	make_live(PLAIN);
	ck_assert_int_eq(catalog_lock(catalog, &lock, &error), WEIR_OK);
	ck_assert_int_eq(catalog_lock(catalog, &second, &error), WEIR_AWAY);
	ck_assert_ptr_nonnull(strstr(error.message, "another weir rebuild"));
	close(lock);
	ck_assert_int_eq(catalog_lock(catalog, &second, &error), WEIR_OK);
	close(second);
}
END_TEST

START_TEST(what_is_damaged_is_not_guessed)
{
	static const char *const files[][2] = {
		{"", "not JSON"},
		{"{\"format\":1", "not JSON"},
		{"[]", "it has no \"format\""},
		{"{\"format\":1}", "it has no \"live\""},
		{"{\"format\":0,\"live\":{}}", "its \"format\" is none"},
		{"{\"format\":1,\"live\":{\"plugin\":\"north\"}}", "\"live\" is no complete index"},
		{"{\"format\":1,\"live\":7}", "\"live\" is no complete index"},
	};
	make_live(PLAIN);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *file = fopen(in_folder("data/notes.catalog.json"), "w");
		fputs(files[i][0], file);
		ck_assert_int_eq(fclose(file), 0);
		ck_assert_int_eq(read_with(PLAIN, "north", NORTH), WEIR_INVALID);
		ck_assert_ptr_nonnull(strstr(error.message, in_folder("data/notes.catalog.json")));
		ck_assert_msg(strstr(error.message, files[i][1]) != NULL, "%s gives %s",
			      files[i][0], error.message);
		ck_assert_ptr_nonnull(strstr(error.message, "it is damaged"));
	}
	FILE *file = fopen(in_folder("data/notes.catalog.json"), "w");
	fputs("{\"format\":2,\"lively\":{}}", file);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(read_with(PLAIN, "north", NORTH), WEIR_INVALID);
	ck_assert_ptr_nonnull(strstr(error.message, "expected format 1, found 2"));
}
END_TEST

static void expect_difference(const char *was, const char *is, const char *wanted)
{
	struct buffer text = BUFFER_INIT;
	struct schema *before;
	parse_schema(is);
	ck_assert_msg(schema_parse(was, strlen(was), "", &before, &error) == WEIR_OK, "%s",
		      error.message);
	buffer_append_text(&text, "> ");
	schema_difference(before, schema, &text);
	ck_assert_str_eq(text.data + 2, wanted);
	buffer_finish(&text);
	schema_destroy(before);
}

START_TEST(differences_in_words)
{
	expect_difference(PLAIN, BOOSTED, "");
	expect_difference(PLAIN, SORTED, "field text: sort was added");
	expect_difference(SORTED, PLAIN, "field text: sort was taken away");
	expect_difference(PLAIN,
			  NOTES("{\"name\": \"text\", \"type\": \"text\", \"language\": \"de\"}"),
			  "field text: language was none and is de");
	expect_difference(
		NOTES("{\"name\": \"text\", \"type\": \"text\"}, "
		      "{\"name\": \"size\", \"type\": \"keyword\", \"filter\": true}, "
		      "{\"name\": \"old\", \"type\": \"date\"}"),
		NOTES("{\"name\": \"size\", \"type\": \"number\", \"sort\": true}, "
		      "{\"name\": \"text\", \"type\": \"text\"}, "
		      "{\"name\": \"open\", \"type\": \"boolean\"}"),
		"field size: type was keyword and is number; field size: filter was taken away; "
		"field size: sort was added; field open: is new (boolean); field old: is gone");
	expect_difference(NOTES("{\"name\": \"a\", \"type\": \"text\"}, "
				"{\"name\": \"b\", \"type\": \"text\"}"),
			  NOTES("{\"name\": \"b\", \"type\": \"text\"}, "
				"{\"name\": \"a\", \"type\": \"text\"}"),
			  "the fields stand in another order");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("catalog");
	TCase *cases = tcase_create("catalog");
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, an_index_is_entered_and_found_again);
	tcase_add_test(cases, another_engine_or_schema_changes_nothing_and_is_told);
	tcase_add_test(cases, the_same_engine_somewhere_else_is_another_index);
	tcase_add_test(cases, an_engine_without_files_finds_the_catalog_beside_the_others);
	tcase_add_test(cases, a_folder_can_be_said);
	tcase_add_test(cases, searches_move_once_the_writer_is_as_far);
	tcase_add_test(cases, the_folder_can_be_moved);
	tcase_add_test(cases, a_change_is_noticed);
	tcase_add_test(cases, one_writer_at_a_time);
	tcase_add_test(cases, what_is_damaged_is_not_guessed);
	tcase_add_test(cases, differences_in_words);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
