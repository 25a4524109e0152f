/* SPDX-License-Identifier: MIT
 * What is particular to the sqlite plug-in, beside the conformance cases whose harness it borrows:
 * locks of other programs, files of something else, damage, a full disk, a long log. Argument: the
 * plug-in. */
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "particular.h"

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

START_TEST(test_a_full_disk_is_waited_out)
{
	check_full_disk("6m", 3 << 20, "full");
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
	TCase *cases = tcase_create("sqlite");
	tcase_add_test(cases, test_a_second_writer_is_told_who_has_it);
	tcase_add_test(cases, test_locked_by_another_program);
	tcase_add_test(cases, test_a_database_of_another_program);
	tcase_add_test(cases, test_what_is_there_is_said);
	tcase_add_test(cases, test_damage_is_said_where_it_is_met);
	tcase_add_test(cases, test_a_full_disk_is_waited_out);
	tcase_add_test(cases, test_an_idle_session_does_not_hold_the_log);
	tcase_add_test(cases, test_nothing_typed_is_syntax);
	tcase_add_test(cases, test_deep_and_wide_queries);
	return particular_main(count, arguments, "sqlite", cases);
}
