/* SPDX-License-Identifier: MIT
 * What the guide promises of its plug-in, through the loader. Arguments: the plug-in, a folder. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plugin.h"
#include "schema.h"

static const char *plugin_path, *folder;
static struct config *config;
static struct schema *schema;
static struct weir_error error;

#define MUST(call)                                                                                 \
	do {                                                                                       \
		error.message[0] = '\0';                                                           \
		ck_assert_msg((call) == WEIR_OK, "%s: %s", #call, error.message);                  \
	} while (0)

static void setup(void)
{
	char file[PATH_MAX];
	snprintf(file, sizeof(file), "%s/weir.conf", folder);
	FILE *out = fopen(file, "w");
	ck_assert_ptr_nonnull(out);
	fprintf(out, "[backend]\nplugin = %s\n[backend.linear]\npath = index/linear\n",
		plugin_path);
	ck_assert_int_eq(fclose(out), 0);
	MUST(schema_load(getenv("WEIR_SCHEMA"), &schema, &error));
	MUST(config_load(file, NULL, 0, &config, &error));
}

static void teardown(void)
{
	config_destroy(config);
	schema_destroy(schema);
}

static weir_status open_as(uint32_t mode, struct backend *backend)
{
	return backend_open(config, schema->abi, mode, &plugin_default_host, backend, &error);
}

/* One live event with a title and a category. */
static void apply(const struct backend *backend, const char *id, const char *title,
		  const char *category)
{
	struct weir_value values[] = {
		{.field = schema_find(schema, "title", 5),
		 .type = WEIR_TYPE_TEXT,
		 .text = title,
		 .text_length = strlen(title)},
		{.field = schema_find(schema, "category", 8),
		 .type = WEIR_TYPE_KEYWORD,
		 .text = category,
		 .text_length = strlen(category)},
	};
	const struct weir_value *pointers[] = {&values[0], &values[1]};
	struct weir_document document = {.id = id,
					 .id_length = strlen(id),
					 .kind = WEIR_KIND_LIVE,
					 .version = 7,
					 .state = title,
					 .state_length = strlen(title),
					 .values = pointers,
					 .value_count = 2};
	const struct weir_document *documents[] = {&document};
	struct weir_verdict verdict = {0}, *verdicts[] = {&verdict};
	MUST(backend->plugin->operations.apply(backend->instance, documents, 1, verdicts, &error));
	ck_assert_uint_eq(verdict.kind, WEIR_ACCEPTED);
}

static void commit_at(const struct backend *backend, int64_t next_offset)
{
	struct weir_position position = {"cluster", "events.created", "", 0, next_offset};
	const struct weir_position *positions[] = {&position};
	MUST(backend->plugin->operations.commit(backend->instance, positions, 1, &error));
	if (backend->plugin->operations.sync != NULL)
		MUST(backend->plugin->operations.sync(backend->instance, &error));
}

static int on_state(void *context, size_t index, int found, const void *state, size_t length,
		    const void *revision, size_t revision_length)
{
	(void)revision, (void)revision_length;
	ck_assert_uint_eq(index, 0);
	snprintf(context, 200, "%.*s", found ? (int)length : 1, found ? (const char *)state : "-");
	return 0;
}

static const char *fetched(const struct backend *backend, const char *id)
{
	static char answer[200];
	size_t length = strlen(id);
	MUST(backend->plugin->operations.fetch(backend->instance, &id, &length, 1, on_state, answer,
					       &error));
	return answer;
}

static int on_hit(void *context, const struct weir_hit *hit)
{
	char *answer = context;
	size_t used = strlen(answer);
	snprintf(answer + used, 200 - used, "%s%.*s", used > 0 ? " " : "", (int)hit->id_length,
		 hit->id);
	ck_assert_int_eq(hit->version, 7);
	return 0;
}

static const char *searched(const struct backend *backend, weir_session *session,
			    const struct weir_query *query, const struct weir_query *filter)
{
	static char answer[200];
	struct weir_search search = {.query = query, .filter = filter, .limit = 10};
	struct weir_search_result result;
	answer[0] = '\0';
	MUST(backend->plugin->operations.search(session, &search, on_hit, answer, &result, &error));
	return answer;
}

static struct weir_query word(const char *text)
{
	return (struct weir_query){.kind = WEIR_QUERY_TERM,
				   .field = WEIR_FIELD_DEFAULT,
				   .text = text,
				   .text_length = strlen(text)};
}

START_TEST(test_manifest)
{
	struct plugin *plugin = NULL;
	MUST(plugin_load(plugin_path, NULL, &plugin, &error));
	ck_assert_str_eq(plugin->manifest->name, "linear");
	ck_assert_str_eq(plugin->manifest->license, "MIT");
	plugin_destroy(plugin);
}
END_TEST

START_TEST(test_it_answers)
{
	struct backend writer = {0}, reader = {0}, second = {0};
	weir_session *session = NULL;
	uint64_t before, after;
	ck_assert_int_eq(open_as(WEIR_MODE_READER, &reader), WEIR_RETRY);
	MUST(open_as(WEIR_MODE_WRITER, &writer));
	ck_assert_int_eq(open_as(WEIR_MODE_WRITER, &second), WEIR_RETRY);
	MUST(open_as(WEIR_MODE_READER, &reader));
	const struct weir_operations *operations = &reader.plugin->operations;
	MUST(operations->session_open(reader.instance, &plugin_default_host, &session, &error));
	MUST(operations->refresh(session, &before, &error));
	apply(&writer, "b", "Night of the Bandoneon", "Tango");
	apply(&writer, "a", "Day of the bandoneon", "Jazz");
	ck_assert_str_eq(fetched(&writer, "b"), "Night of the Bandoneon");
	ck_assert_str_eq(fetched(&writer, "c"), "-");
	commit_at(&writer, 2);
	struct weir_query bandoneon = word("bandoneon"), night = word("night"), part = word("band");
	ck_assert_str_eq(searched(&reader, session, &bandoneon, NULL), "");
	MUST(operations->refresh(session, &after, &error));
	ck_assert_uint_ne(before, after);
	ck_assert_str_eq(searched(&reader, session, &bandoneon, NULL), "a b");
	ck_assert_str_eq(searched(&reader, session, &night, NULL), "b");
	ck_assert_str_eq(searched(&reader, session, &part, NULL), "");
	/* the host's words: other forms, case and accents */
	struct weir_query nights = word("NIGHTS"), accent = word("bandone\xC3\xB3n");
	struct weir_query wanted = word("of the bandoneon");
	wanted.kind = WEIR_QUERY_PHRASE;
	ck_assert_str_eq(searched(&reader, session, &nights, NULL), "b");
	ck_assert_str_eq(searched(&reader, session, &accent, NULL), "a b");
	ck_assert_str_eq(searched(&reader, session, &wanted, NULL), "a b");
	wanted.text = "bandoneon of the", wanted.text_length = 16;
	ck_assert_str_eq(searched(&reader, session, &wanted, NULL), "");
	struct weir_query jazz = {
		.kind = WEIR_QUERY_EXACT,
		.field = schema_find(schema, "category", 8),
		.lower = {.type = WEIR_TYPE_KEYWORD, .text = "Jazz", .text_length = 4}};
	ck_assert_str_eq(searched(&reader, session, &bandoneon, &jazz), "a");
	operations->session_close(session);
	backend_close(&reader);
	backend_close(&writer);
}
END_TEST

static int on_position(void *context, const struct weir_position *position)
{
	*(int64_t *)context = position->next_offset;
	return 0;
}

START_TEST(test_it_remembers)
{
	struct backend writer = {0};
	int64_t offset = -1;
	MUST(open_as(WEIR_MODE_WRITER, &writer));
	const struct weir_operations *operations = &writer.plugin->operations;
	apply(&writer, "kept", "Kept", "Music");
	commit_at(&writer, 10);
	apply(&writer, "lost", "Lost", "Music");
	MUST(operations->abandon(writer.instance, &error));
	ck_assert_str_eq(fetched(&writer, "lost"), "-");
	apply(&writer, "lost", "Lost", "Music");
	backend_close(&writer);
	MUST(open_as(WEIR_MODE_WRITER, &writer));
	ck_assert_str_eq(fetched(&writer, "kept"), "Kept");
	ck_assert_str_eq(fetched(&writer, "lost"), "-");
	operations = &writer.plugin->operations;
	MUST(operations->positions(writer.instance, on_position, &offset, &error));
	ck_assert_int_eq(offset, 10);
	backend_close(&writer);
}
END_TEST

int main(int count, char **arguments)
{
	if (count != 3)
		return 2;
	plugin_path = arguments[1];
	folder = arguments[2];
	Suite *suite = suite_create("guide");
	TCase *cases = tcase_create("guide");
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, test_manifest);
	tcase_add_test(cases, test_it_answers);
	tcase_add_test(cases, test_it_remembers);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
