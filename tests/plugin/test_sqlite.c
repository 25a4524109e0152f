/* SPDX-License-Identifier: MIT
 * What is particular to the sqlite plug-in, beside the conformance cases whose harness it borrows:
 * locks of other programs, files of something else, damage, a full disk, a long log. Argument: the
 * plug-in. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../conformance/harness.h"
#include "../conformance/target.h"

static char run_folder[] = "/tmp/weir-sqlite-XXXXXX";

static void setup(void)
{
	struct weir_error error = {""};
	ck_assert_msg(target_begin((size_t)getpid(), &error) == WEIR_OK, "%s", error.message);
	harness_setup();
}

static void teardown(void)
{
	harness_teardown();
}

#define EXPECT(status, call, ...)                                                                  \
	do {                                                                                       \
		struct weir_error error = {""};                                                    \
		ck_assert_int_eq((call), (status));                                                \
		check_line(&error, (const char *const[]){__VA_ARGS__, NULL});                      \
	} while (0)

static void check_line(const struct weir_error *error, const char *const *parts)
{
	ck_assert_ptr_null(strchr(error->message, '\n'));
	for (; *parts != NULL; parts++)
		ck_assert_msg(strstr(error->message, *parts) != NULL, "\"%s\" lacks \"%s\"",
			      error->message, *parts);
}

static weir_status apply(weir_instance *writer, const char *id, struct weir_error *error)
{
	struct weir_document document = {
		.id = id,
		.id_length = strlen(id),
		.kind = WEIR_KIND_LIVE,
		.state = id,
		.state_length = strlen(id),
	};
	const struct weir_document *documents[] = {&document};
	struct weir_verdict verdict = {0};
	struct weir_verdict *const verdicts[] = {&verdict};
	return backend->apply(writer, documents, 1, verdicts, error);
}

/* Another program's connection. */
static sqlite3 *connect_to(const char *path)
{
	sqlite3 *handle = NULL;
	ck_assert_int_eq(sqlite3_open(path, &handle), SQLITE_OK);
	return handle;
}

static void run(sqlite3 *handle, const char *sql)
{
	char *reason = NULL;
	ck_assert_msg(sqlite3_exec(handle, sql, NULL, NULL, &reason) == SQLITE_OK, "%s: %s", sql,
		      reason);
}

START_TEST(test_a_second_writer_is_told_who_has_it)
{
	char process[64];
	weir_instance *first = open_writer(), *second = NULL;
	snprintf(process, sizeof(process), "process %ld", (long)getpid());
	EXPECT(WEIR_RETRY, try_open(WEIR_MODE_WRITER, &collection, &second, &error), target_path(),
	       process);
	backend->close(first);
}
END_TEST

START_TEST(test_locked_by_another_program)
{
	weir_instance *writer = open_writer();
	sqlite3 *other = connect_to(target_path());
	PUT(writer, .id = "a", .title = "red");
	commit(writer);
	run(other, "BEGIN IMMEDIATE; UPDATE record SET live = live");
	EXPECT(WEIR_RETRY, apply(writer, "b", &error), target_path(), "locked by another program");
	MUST(backend->abandon(writer, &error));
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "a");
	run(other, "ROLLBACK");
	sqlite3_close(other);
	MUST(apply(writer, "b", &error));
	commit(writer);
	refresh(session);
	ck_assert_str_eq(matches(session, all()), "a b");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

static void make_parents(void)
{
	char parent[PATH_MAX];
	snprintf(parent, sizeof(parent), "%s", target_path());
	*strrchr(parent, '/') = '\0';
	ck_assert_int_eq(mkdir(parent, 0700), 0);
}

START_TEST(test_a_database_of_another_program)
{
	static const uint32_t modes[] = {WEIR_MODE_READER, WEIR_MODE_WRITER};
	make_parents();
	sqlite3 *other = connect_to(target_path());
	run(other,
	    "PRAGMA journal_mode=WAL; CREATE TABLE events(id); INSERT INTO events VALUES(7)");
	for (size_t i = 0; i < 2; i++) {
		weir_instance *instance = NULL;
		EXPECT(WEIR_FATAL, try_open(modes[i], &collection, &instance, &error),
		       target_path(), "no index of Weir's", "weir rebuild");
	}
	run(other, "INSERT INTO events VALUES(8); PRAGMA integrity_check");
	sqlite3_close(other);
}
END_TEST

START_TEST(test_what_is_there_is_said)
{
	weir_instance *instance = NULL;
	make_parents();
	ck_assert_int_eq(mkdir(target_path(), 0700), 0);
	EXPECT(WEIR_FATAL, try_open(WEIR_MODE_WRITER, &collection, &instance, &error),
	       "is a folder", "weir rebuild");
	ck_assert_int_eq(rmdir(target_path()), 0);
	FILE *file = fopen(target_path(), "w");
	ck_assert_ptr_nonnull(file);
	for (int i = 0; i < 1000; i++)
		fputs("once upon a time ", file);
	ck_assert_int_eq(fclose(file), 0);
	EXPECT(WEIR_FATAL, try_open(WEIR_MODE_WRITER, &collection, &instance, &error),
	       "not a database of SQLite", "weir rebuild");
	ck_assert_int_eq(unlink(target_path()), 0);
	backend->close(open_writer());
	struct weir_schema changed = collection;
	changed.fingerprint = "0ther";
	EXPECT(WEIR_FATAL, try_open(WEIR_MODE_READER, &changed, &instance, &error), "c0ffee01",
	       "0ther", "weir rebuild");
	sqlite3 *other = connect_to(target_path());
	run(other, "PRAGMA user_version=99");
	sqlite3_close(other);
	EXPECT(WEIR_FATAL, try_open(WEIR_MODE_READER, &collection, &instance, &error), "format 99",
	       "weir rebuild");
}
END_TEST

static int pass_over(void *context, const char *id, size_t id_length, int64_t version,
		     uint32_t kind, const void *state, size_t state_length)
{
	(void)context, (void)id, (void)id_length, (void)version, (void)kind, (void)state;
	(void)state_length;
	return 0;
}

/* The head of the file is whole, what is behind it is not. */
START_TEST(test_damage_is_said_where_it_is_met)
{
	char id[16], filler[2001], garbage[4096];
	memset(filler, 'x', 2000);
	filler[2000] = '\0';
	weir_instance *writer = open_writer();
	for (int i = 0; i < 500; i++) {
		snprintf(id, sizeof(id), "id%d", i);
		PUT(writer, .id = id, .title = id, .state = filler);
	}
	commit(writer);
	backend->close(writer);
	struct stat status;
	memset(garbage, 0xA5, sizeof(garbage));
	int file = open(target_path(), O_WRONLY);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(fstat(file, &status), 0);
	for (off_t at = 40 * 4096; at < status.st_size; at += 4096)
		ck_assert_int_eq(pwrite(file, garbage, sizeof(garbage), at), sizeof(garbage));
	close(file);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	EXPECT(WEIR_FATAL, backend->scan_states(session, "", 0, pass_over, NULL, &error),
	       target_path(), "damaged", "weir rebuild");
	backend->session_close(session);
	backend->close(reader);
}
END_TEST

static bool mount_small_disk(void)
{
	make_parents();
	char parent[PATH_MAX];
	snprintf(parent, sizeof(parent), "%s", target_path());
	*strrchr(parent, '/') = '\0';
	if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", parent, "tmpfs", 0, "size=6m") == 0;
}

static weir_status put_filled(weir_instance *writer, int number, struct weir_error *error)
{
	static char state[20000];
	char id[16];
	snprintf(id, sizeof(id), "id%05d", number);
	memset(state, 'a' + number % 26, sizeof(state));
	struct weir_value value = {
		.field = TITLE,
		.type = WEIR_TYPE_TEXT,
		.text = "filled",
		.text_length = 6,
	};
	const struct weir_value *values[] = {&value};
	struct weir_document document = {
		.id = id,
		.id_length = strlen(id),
		.kind = WEIR_KIND_LIVE,
		.state = state,
		.state_length = sizeof(state),
		.values = values,
		.value_count = 1,
	};
	const struct weir_document *documents[] = {&document};
	struct weir_verdict verdict = {0};
	struct weir_verdict *const verdicts[] = {&verdict};
	weir_status status = backend->apply(writer, documents, 1, verdicts, error);
	ck_assert(status != WEIR_OK || verdict.kind == WEIR_ACCEPTED);
	return status;
}

/* Ten documents and the position behind them. */
static weir_status commit_ten(weir_instance *writer, int first, struct weir_error *error)
{
	struct weir_position position = {"cluster", "created", "", 0, first + 10};
	const struct weir_position *positions_of[] = {&position};
	weir_status status = WEIR_OK;
	for (int i = 0; i < 10 && status == WEIR_OK; i++)
		status = put_filled(writer, first + i, error);
	return status == WEIR_OK ? backend->commit(writer, positions_of, 1, error) : status;
}

START_TEST(test_a_full_disk_is_waited_out)
{
	char ballast[PATH_MAX], expected[64];
	if (!mount_small_disk()) {
		fprintf(stderr,
			"skipped: a full disk cannot be had, mounting a tmpfs is not "
			"allowed here (%s)\n",
			strerror(errno));
		return;
	}
	snprintf(ballast, sizeof(ballast), "%s-ballast", target_path());
	int file = open(ballast, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(posix_fallocate(file, 0, 3 << 20), 0);
	close(file);
	weir_instance *writer = open_writer();
	struct weir_error failure = {""};
	int done = 0;
	while (commit_ten(writer, done, &failure) == WEIR_OK)
		done += 10;
	ck_assert_int_gt(done, 0);
	ck_assert_int_lt(done, 1000);
	check_line(&failure, (const char *const[]){target_path(), "full", NULL});
	/* As the indexer does: abandons and tries again, at last with nothing but the position. */
	struct weir_position position = {"cluster", "created", "", 0, done + 10};
	const struct weir_position *positions_of[] = {&position};
	for (int i = 0; i < 5; i++) {
		MUST(backend->abandon(writer, &error));
		ck_assert_int_eq(commit_ten(writer, done, &failure), WEIR_RETRY);
		MUST(backend->abandon(writer, &error));
		ck_assert_int_eq(backend->commit(writer, positions_of, 1, &failure), WEIR_RETRY);
	}
	MUST(backend->abandon(writer, &error));
	snprintf(expected, sizeof(expected), "cluster/created/0=%d", done);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(session_places(session), expected);
	ck_assert_double_eq(stat_of(writer, "documents_live"), done);
	ck_assert_int_eq(unlink(ballast), 0);
	ck_assert_msg(commit_ten(writer, done, &failure) == WEIR_OK, "%s", failure.message);
	refresh(session);
	ck_assert_double_eq(stat_of(writer, "documents_live"), done + 10);
	struct weir_search search = {.query = term(ANY, "filled")};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, NULL, NULL, &result, &error));
	ck_assert_uint_eq(result.total, (uint64_t)done + 10);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

static int ignore_hit(void *context, const struct weir_hit *hit)
{
	(void)context, (void)hit;
	return 0;
}

static off_t log_length(void)
{
	char path[PATH_MAX];
	struct stat status;
	snprintf(path, sizeof(path), "%s-wal", target_path());
	return stat(path, &status) == 0 ? status.st_size : 0;
}

/* A session that nobody uses does not let the log grow for ever: it gives up its commit, says so,
 * and sees the newest after a refresh. */
START_TEST(test_an_idle_session_does_not_hold_the_log)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "first", .title = "red");
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	struct weir_error error = {""};
	off_t longest = 0;
	int done = 0;
	/* A busy session keeps its commit, however long the log. */
	while (log_length() < (off_t)70 << 20) {
		ck_assert_int_eq(commit_ten(writer, done, &error), WEIR_OK);
		ck_assert_str_eq(matches(session, all()), "first");
		done += 10;
	}
	while (log_length() >= longest) {
		longest = log_length();
		ck_assert_int_lt(longest, 1 << 30);
		ck_assert_int_eq(commit_ten(writer, done, &error), WEIR_OK);
		done += 10;
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
	weir_status status = backend->get(session, "first", 5, ignore_hit, NULL, &error);
	ck_assert_int_eq(status, WEIR_RETRY);
	check_line(&error, (const char *const[]){"refresh", NULL});
	refresh(session);
	ck_assert_str_eq(found(session, "first"), "first@0");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

/* Whatever a user types is only ever words. */
START_TEST(test_nothing_typed_is_syntax)
{
	static const char *const typed[] = {
		"\"",
		"red\" OR \"blue",
		"w0:red",
		"{w0} : red",
		"red*",
		"NEAR(red blue)",
		"^red",
		"(",
		"red AND",
		"NOT",
		"'",
		"red\\\"",
		"; DROP TABLE x",
		"-",
		"\x01"
		"red",
		"red\nblue",
		"%s%n",
		"?1",
	};
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "red");
	PUT(writer, .id = "b", .title = "blue");
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		matches(session, term(ANY, typed[i]));
		matches(session, phrase(ANY, typed[i]));
		matches(session, near(ANY, typed[i], 2));
		matches(session, prefix(ANY, typed[i]));
		matches(session, exact(TAG, typed[i]));
	}
	ck_assert_str_eq(matches(session, term(ANY, "red\" OR \"blue")), "");
	ck_assert_str_eq(matches(session, term(ANY, "red*")), "a");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

/* Joins within joins, more than FTS5's parser can stack, and many clauses. */
START_TEST(test_deep_and_wide_queries)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "red one");
	PUT(writer, .id = "b", .title = "blue one");
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	const struct weir_query *deep = term(ANY, "red");
	for (int i = 0; i < 200; i++)
		deep = i % 2 == 0 ? AND(deep, term(ANY, "one")) : OR(deep, term(ANY, "green"));
	ck_assert_str_eq(matches(session, deep), "a");
	ck_assert_str_eq(ordered(session, deep, "", 0, 10), "a");
	deep = term(ANY, "red");
	for (int i = 0; i < 60; i++)
		deep = AND(term(ANY, "one"), NOT(AND(deep, term(ANY, "one"))));
	ck_assert_str_eq(matches(session, deep), "a");
	const struct weir_query *children[256];
	struct weir_query wide = {.kind = WEIR_QUERY_OR, .children = children, .child_count = 256};
	for (int i = 0; i < 256; i++)
		children[i] = i == 128 ? term(ANY, "blue") : near(ANY, "green two", 3);
	ck_assert_str_eq(matches(session, &wide), "b");
	for (int i = 0; i < 256; i++)
		children[i] = i == 0 ? term(ANY, "one") : NOT(term(ANY, i == 7 ? "red" : "green"));
	wide.kind = WEIR_QUERY_AND;
	ck_assert_str_eq(matches(session, &wide), "b");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

int main(int count, char **arguments)
{
	struct target_options options = {.plugin = count == 2 ? arguments[1] : ""};
	struct weir_error error = {""};
	if (mkdtemp(run_folder) == NULL ||
	    target_load(&options, run_folder, "sqlite", &error) != WEIR_OK) {
		fprintf(stderr, "test_sqlite PLUGIN.so: %s\n", error.message);
		return 2;
	}
	harness_use(target_plugin(), 1);
	Suite *suite = suite_create("sqlite");
	TCase *cases = tcase_create("sqlite");
	suite_add_tcase(suite, cases);
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, test_a_second_writer_is_told_who_has_it);
	tcase_add_test(cases, test_locked_by_another_program);
	tcase_add_test(cases, test_a_database_of_another_program);
	tcase_add_test(cases, test_what_is_there_is_said);
	tcase_add_test(cases, test_damage_is_said_where_it_is_met);
	tcase_add_test(cases, test_a_full_disk_is_waited_out);
	tcase_add_test(cases, test_an_idle_session_does_not_hold_the_log);
	tcase_add_test(cases, test_nothing_typed_is_syntax);
	tcase_add_test(cases, test_deep_and_wide_queries);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	harness_remove(run_folder);
	return failed != 0;
}
