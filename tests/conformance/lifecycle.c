/* SPDX-License-Identifier: MIT
 * lifecycle.c - opening, closing, opening again, and what stands in the way. */
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "suite.h"
#include "target.h"

/* One line, and it says something. */
static void check_message(const struct weir_error *error)
{
	ck_assert_ptr_nonnull(memchr(error->message, '\0', sizeof(error->message)));
	ck_assert_str_ne(error->message, "");
	ck_assert_ptr_null(strchr(error->message, '\n'));
}

START_TEST(test_close_takes_nothing)
{
	backend->close(NULL);
	if (backend->session_close != NULL)
		backend->session_close(NULL);
}
END_TEST

START_TEST(test_missing_index)
{
	weir_instance *reader = NULL;
	struct weir_error error = {""};
	ck_assert_int_eq(try_open(WEIR_MODE_READER, &collection, &reader, &error), WEIR_RETRY);
	check_message(&error);
	ck_assert_int_eq(try_open(WEIR_MODE_READER, &collection, &reader, &error), WEIR_RETRY);
	ck_assert_ptr_null(reader);
	if (target_is_in_files())
		ck_assert_int_ne(access(target_path(), F_OK), 0);
	backend->close(open_writer());
	reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, all()), "");
	ck_assert_str_eq(matches(session, term(ANY, "x")), "");
	ck_assert_str_eq(ordered(session, all(), "-price", 0, 10), "");
	ck_assert_str_eq(scanned(session, ""), "");
	ck_assert_str_eq(session_places(session), "");
	backend->session_close(session);
	backend->close(reader);
}
END_TEST

START_TEST(test_another_schema)
{
	weir_instance *writer = open_writer(), *other = NULL;
	PUT(writer, .id = "a", .title = "One");
	commit_at(writer, "created", 0, 1);
	backend->close(writer);
	struct weir_schema changed = collection;
	changed.fingerprint = "0ther";
	struct weir_error error = {""};
	ck_assert_int_eq(try_open(WEIR_MODE_READER, &changed, &other, &error), WEIR_FATAL);
	check_message(&error);
	error.message[0] = '\0';
	ck_assert_int_eq(try_open(WEIR_MODE_WRITER, &changed, &other, &error), WEIR_FATAL);
	check_message(&error);
	writer = open_writer();
	ck_assert_str_eq(fetched(writer, "a"), "a");
	ck_assert_str_eq(positions(writer), "cluster/created/0=1");
	backend->close(writer);
}
END_TEST

START_TEST(test_second_writer)
{
	weir_instance *first = open_writer(), *second = NULL;
	struct weir_error error = {""};
	ck_assert_int_eq(try_open(WEIR_MODE_WRITER, &collection, &second, &error), WEIR_RETRY);
	check_message(&error);
	ck_assert_ptr_null(second);
	PUT(first, .id = "a", .title = "One");
	commit(first);
	backend->close(first);
	second = open_writer();
	ck_assert_str_eq(fetched(second, "a"), "a");
	backend->close(second);
}
END_TEST

START_TEST(test_opened_again_and_again)
{
	char id[16], expected[256] = "";
	for (int round = 0; round < 6; round++) {
		weir_instance *writer = open_writer();
		snprintf(id, sizeof(id), "id%d", round);
		PUT(writer, .id = id, .title = "again", .state = id);
		commit_at(writer, "created", 0, round + 1);
		backend->close(writer);
		snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected),
			 round > 0 ? " %s" : "%s", id);
		weir_instance *reader = open_reader();
		weir_session *session = open_session(reader);
		ck_assert_str_eq(matches(session, term(ANY, "again")), expected);
		backend->session_close(session);
		backend->close(reader);
	}
	weir_instance *writer = open_writer();
	ck_assert_str_eq(positions(writer), "cluster/created/0=6");
	ck_assert_str_eq(fetched(writer, "id0"), "id0");
	backend->close(writer);
}
END_TEST

START_TEST(test_a_reader_outlives_the_writer)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "red");
	commit(writer);
	weir_instance *reader = open_reader(), *other = open_reader();
	weir_session *session = open_session(reader), *late = open_session(other);
	backend->close(writer);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "a");
	backend->session_close(late);
	backend->close(other);
	writer = open_writer();
	PUT(writer, .id = "b", .title = "red");
	commit(writer);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "a");
	refresh(session);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "a b");
	backend->close(writer);
	refresh(session);
	ck_assert_str_eq(found(session, "b"), "b@0");
	backend->session_close(session);
	backend->close(reader);
}
END_TEST

START_TEST(test_many_sessions)
{
	enum { SESSIONS = 40 };
	weir_session *sessions[SESSIONS];
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "red");
	commit(writer);
	weir_instance *reader = open_reader();
	for (int i = 0; i < SESSIONS; i++)
		sessions[i] = open_session(reader);
	for (int i = 0; i < SESSIONS; i++)
		ck_assert_str_eq(matches(sessions[i], term(ANY, "red")), "a");
	for (int i = 0; i < SESSIONS; i++)
		backend->session_close(sessions[i]);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

/* The host's memory is its own again when open has answered. */
START_TEST(test_inputs_are_borrowed)
{
	struct weir_field fields[FIELD_COUNT];
	const struct weir_field *pointers[FIELD_COUNT];
	char names[FIELD_COUNT][16], languages[FIELD_COUNT][4], name[] = "things";
	char fingerprint[] = "c0ffee01";
	for (int i = 0; i < FIELD_COUNT; i++) {
		fields[i] = *collection.fields[i];
		snprintf(names[i], sizeof(names[i]), "%s", fields[i].name);
		fields[i].name = names[i];
		if (fields[i].language != NULL) {
			snprintf(languages[i], sizeof(languages[i]), "%s", fields[i].language);
			fields[i].language = languages[i];
		}
		pointers[i] = &fields[i];
	}
	struct weir_schema schema = {name, fingerprint, pointers, FIELD_COUNT};
	weir_instance *writer = NULL, *reader = NULL;
	MUST(try_open(WEIR_MODE_WRITER, &schema, &writer, &error));
	MUST(try_open(WEIR_MODE_READER, &schema, &reader, &error));
	memset(fields, 0x55, sizeof(fields));
	memset(names, 'x', sizeof(names));
	memset(languages, 'x', sizeof(languages));
	memset((void *)pointers, 0x55, sizeof(pointers));
	memset(&schema, 0x55, sizeof(schema));
	memset(fingerprint, 'x', sizeof(fingerprint));
	PUT(writer, .id = "a", .title = "Concerts", .tag = "x", .price = "1");
	commit(writer);
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, term(TITLE, "concert")), "a");
	ck_assert_str_eq(matches(session, AND(exact(TAG, "x"), range(PRICE, "[1 1]"))), "a");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
	writer = open_writer();
	ck_assert_str_eq(fetched(writer, "a"), "a");
	backend->close(writer);
}
END_TEST

static uint64_t content;
static size_t garbled;

static int add_file(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)walk;
	if (type != FTW_F || strstr(path, "lock") != NULL)
		return 0;
	FILE *file = fopen(path, "rb");
	for (const char *at = path; *at != '\0'; at++)
		content = content * 31 + (unsigned char)*at;
	for (int byte; file != NULL && (byte = getc(file)) != EOF;)
		content = content * 1099511628211U + (unsigned)byte + 1;
	if (file != NULL)
		fclose(file);
	return 0;
}

/* A number for what is in the case's folder; locks do not count. */
static uint64_t content_of_folder(void)
{
	content = 0;
	nftw(target_folder(), add_file, 16, FTW_PHYS);
	return content;
}

static void expect_refusals(void)
{
	uint64_t before = content_of_folder();
	static const uint32_t modes[] = {WEIR_MODE_READER, WEIR_MODE_WRITER, WEIR_MODE_READER};
	for (size_t i = 0; i < 3; i++) {
		weir_instance *instance = NULL;
		struct weir_error error = {""};
		weir_status status = try_open(modes[i], &collection, &instance, &error);
		ck_assert_msg(status == WEIR_FATAL, "expected WEIR_FATAL as %s, got %d: %s",
			      modes[i] == WEIR_MODE_READER ? "reader" : "writer", (int)status,
			      error.message);
		ck_assert_ptr_null(instance);
		check_message(&error);
	}
	ck_assert_msg(content_of_folder() == before, "what was there was changed");
}

static void write_garbage(const char *path)
{
	FILE *file = fopen(path, "wb");
	ck_assert_ptr_nonnull(file);
	for (unsigned i = 0; i < 20000; i++)
		putc((int)(i * 2654435761U >> 20 & 0xff), file);
	ck_assert_int_eq(fclose(file), 0);
}

static void make_parents(void)
{
	char parent[4096];
	snprintf(parent, sizeof(parent), "%s", target_path());
	*strrchr(parent, '/') = '\0';
	ck_assert_int_eq(mkdir(parent, 0700), 0);
}

START_TEST(test_a_file_of_something_else)
{
	make_parents();
	write_garbage(target_path());
	expect_refusals();
}
END_TEST

START_TEST(test_a_folder_of_something_else)
{
	char file[4200];
	make_parents();
	ck_assert_int_eq(mkdir(target_path(), 0700), 0);
	snprintf(file, sizeof(file), "%s/holiday.txt", target_path());
	write_garbage(file);
	expect_refusals();
}
END_TEST

static int garble(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)walk;
	if (type == FTW_F && status->st_size > 0) {
		write_garbage(path);
		garbled++;
	}
	return 0;
}

/* Not one byte of it is left: whatever the engine finds first, it has to find out. */
START_TEST(test_a_garbled_index)
{
	weir_instance *writer = open_writer(), *reader = NULL;
	for (int i = 0; i < 50; i++) {
		char id[16];
		snprintf(id, sizeof(id), "id%d", i);
		PUT(writer, .id = id, .title = "garbled");
	}
	commit_at(writer, "created", 0, 7);
	backend->close(writer);
	nftw(target_folder(), garble, 16, FTW_PHYS);
	ck_assert_uint_gt(garbled, 0);
	struct weir_error error = {""};
	ck_assert_int_ne(try_open(WEIR_MODE_READER, &collection, &reader, &error), WEIR_OK);
	check_message(&error);
	ck_assert_int_ne(try_open(WEIR_MODE_WRITER, &collection, &writer, &error), WEIR_OK);
	check_message(&error);
}
END_TEST

void add_lifecycle_cases(void)
{
	suite_area("lifecycle", NULL, NULL);
	suite_add(test_close_takes_nothing, 0);
	suite_add(test_missing_index, WEIR_CAN_SEARCH);
	suite_add(test_another_schema, WEIR_CAN_SEARCH);
	suite_add(test_second_writer, WEIR_CAN_SEARCH | NEEDS_LOCK);
	suite_add(test_opened_again_and_again, WEIR_CAN_SEARCH);
	suite_add(test_a_reader_outlives_the_writer, WEIR_CAN_SEARCH);
	suite_add(test_many_sessions, WEIR_CAN_SEARCH);
	suite_add(test_inputs_are_borrowed, WEIR_CAN_SEARCH);
	suite_add(test_a_file_of_something_else, WEIR_CAN_SEARCH | NEEDS_PATH);
	suite_add(test_a_folder_of_something_else, WEIR_CAN_SEARCH | NEEDS_PATH);
	suite_add(test_a_garbled_index, WEIR_CAN_SEARCH | NEEDS_PATH);
}
