/* SPDX-License-Identifier: MIT
 * reading.c - sessions: opening, generations, get, scan, cancelling.
 *
 * Concurrency: test_search_while_commits_happen has one thread that writes to an instance of its
 * own; the main thread reads through another instance. They share nothing but the folder and
 * `written`, which is atomic. */
#include "harness.h"
#include "suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

START_TEST(test_missing_index)
{
	weir_instance *reader = NULL;
	struct weir_error error = {""};
	ck_assert_int_eq(try_open(WEIR_MODE_READER, &collection, &reader, &error), WEIR_RETRY);
	ck_assert_str_ne(error.message, "");
	ck_assert_ptr_null(strchr(error.message, '\n'));
	ck_assert_int_eq(try_open(WEIR_MODE_READER, &collection, &reader, &error), WEIR_RETRY);
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
	ck_assert_str_ne(error.message, "");
	error.message[0] = '\0';
	ck_assert_int_eq(try_open(WEIR_MODE_WRITER, &changed, &other, &error), WEIR_FATAL);
	ck_assert_str_ne(error.message, "");
	writer = open_writer();
	ck_assert_str_eq(fetched(writer, "a"), "a");
	ck_assert_str_eq(positions(writer), "cluster/created/0=1");
	backend->close(writer);
}
END_TEST

START_TEST(test_get)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "One", .version = -7, .state = "one");
	PUT(writer, .id = "b", .hidden = true, .version = 8);
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(found(session, "a"), "one@-7");
	ck_assert_str_eq(found(session, "b"), "-");
	ck_assert_str_eq(found(session, "c"), "-");
	ck_assert_str_eq(found(session, ""), "-");
	PUT(writer, .id = "a", .hidden = true, .version = 9);
	PUT(writer, .id = "b", .title = "Two", .version = 10);
	commit(writer);
	ck_assert_str_eq(found(session, "a"), "one@-7");
	refresh(session);
	ck_assert_str_eq(found(session, "a"), "-");
	ck_assert_str_eq(found(session, "b"), "b@10");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

START_TEST(test_one_generation)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "red");
	commit_at(writer, "created", 0, 1);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	uint64_t first = refresh(session);
	ck_assert_uint_eq(refresh(session), first);
	PUT(writer, .id = "b", .title = "red");
	ck_assert_uint_eq(refresh(session), first);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "a");
	commit_at(writer, "created", 0, 2);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "a");
	ck_assert_str_eq(session_places(session), "cluster/created/0=1");
	ck_assert_str_eq(scanned(session, ""), "a@0");
	uint64_t second = refresh(session);
	ck_assert_uint_ne(second, first);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "a b");
	ck_assert_str_eq(session_places(session), "cluster/created/0=2");
	ck_assert_uint_eq(refresh(session), second);
	weir_session *other = open_session(reader);
	ck_assert_uint_eq(refresh(other), second);
	commit(writer);
	ck_assert_uint_eq(refresh(session), second);
	commit_at(writer, "created", 0, 3);
	ck_assert_uint_ne(refresh(session), second);
	ck_assert_str_eq(session_places(session), "cluster/created/0=3");
	backend->session_close(other);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

START_TEST(test_sessions_see_their_own)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "red");
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *early = open_session(reader);
	PUT(writer, .id = "b", .title = "red");
	commit(writer);
	weir_session *late = open_session(reader);
	ck_assert_str_eq(matches(early, all()), "a");
	ck_assert_str_eq(matches(late, all()), "a b");
	backend->session_close(early);
	ck_assert_str_eq(matches(late, all()), "a b");
	backend->session_close(late);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

static int on_first(void *context, const char *id, size_t id_length, int64_t version, uint32_t kind)
{
	(void)version;
	(void)kind;
	snprintf(context, 16, "%.*s", (int)id_length, id);
	return 1;
}

START_TEST(test_scan)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "b", .title = "x", .version = 2);
	PUT(writer, .id = "a\xFF", .title = "x", .version = 5);
	PUT(writer, .id = "B", .hidden = true, .version = -1);
	PUT(writer, .id = "a", .title = "x", .version = 1);
	commit(writer);
	PUT(writer, .id = "ab", .title = "x", .version = 3);
	PUT(writer, .id = "\xC3\xA4", .title = "x", .version = 4);
	PUT(writer, .id = "a", .hidden = true, .version = 6);
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(scanned(session, ""), "B@-1h a@6h ab@3 a\xFF@5 b@2 \xC3\xA4@4");
	ck_assert_str_eq(scanned(session, "a"), "a@6h ab@3 a\xFF@5 b@2 \xC3\xA4@4");
	ck_assert_str_eq(scanned(session, "aa"), "ab@3 a\xFF@5 b@2 \xC3\xA4@4");
	ck_assert_str_eq(scanned(session, "c"), "\xC3\xA4@4");
	ck_assert_str_eq(scanned(session, "\xFF"), "");
	char first[16] = "";
	MUST(backend->scan(session, "a", 1, on_first, first, &error));
	ck_assert_str_eq(first, "a");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

/* 3,000 documents are enough to ask twice. */
static int ignore_hit(void *context, const struct weir_hit *hit)
{
	(void)context, (void)hit;
	return 0;
}

START_TEST(test_cancel)
{
	weir_instance *writer = open_writer();
	char id[16];
	for (int i = 0; i < 3000; i++) {
		snprintf(id, sizeof(id), "id%04d", i);
		PUT(writer, .id = id, .title = "same");
	}
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	struct weir_search search = {.query = term(ANY, "same"), .limit = 10};
	struct weir_search_result result = {0};
	struct weir_error error = {""};
	for (int asking = 1; asking <= 2; asking++) {
		host_cancel_at(asking);
		error.message[0] = '\0';
		ck_assert_int_eq(
			backend->search(session, &search, ignore_hit, NULL, &result, &error),
			WEIR_RETRY);
		ck_assert_str_ne(error.message, "");
	}
	host_cancel_at(0);
	ck_assert_str_eq(ordered(session, all(), "", 0, 2), "id0000 id0001");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

#define ROUNDS 60

static atomic_int written;

/* Each commit brings a pair: a reader that sees an odd number saw half a commit. */
static void *write_pairs(void *context)
{
	weir_instance *writer = context;
	char id[16];
	for (int round = 0; round < ROUNDS; round++) {
		for (int half = 0; half < 2; half++) {
			snprintf(id, sizeof(id), "id%03d%c", round, 'a' + half);
			put_item(writer, &(struct item){.id = id, .title = "pair", .body = id});
		}
		commit_at(writer, "created", 0, round + 1);
		atomic_fetch_add(&written, 1);
	}
	return NULL;
}

static int on_counted(void *context, const struct weir_hit *hit)
{
	(void)hit;
	++*(int *)context;
	return 0;
}

START_TEST(test_search_while_commits_happen)
{
	weir_instance *writer = open_writer();
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, write_pairs, writer), 0);
	struct weir_search search = {.query = term(ANY, "pair"), .limit = 1000};
	uint64_t seen = 0, generation;
	while (seen < 2 * ROUNDS) {
		struct weir_search_result result = {0};
		struct weir_error error = {""};
		int hits = 0;
		bool over = atomic_load(&written) == ROUNDS;
		weir_status status = backend->refresh(session, &generation, &error);
		if (status == WEIR_OK)
			status = backend->search(session, &search, on_counted, &hits, &result,
						 &error);
		if (status == WEIR_RETRY) {
			ck_assert_int_eq(hits, 0);
			continue;
		}
		ck_assert_msg(status == WEIR_OK, "%s", error.message);
		ck_assert_uint_eq(result.total, (uint64_t)hits);
		ck_assert_uint_eq(result.total % 2, 0);
		ck_assert_uint_ge(result.total, seen);
		seen = result.total;
		ck_assert(!over || seen == 2 * ROUNDS);
	}
	pthread_join(thread, NULL);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

void add_reading_cases(void)
{
	suite_area("reading", NULL, NULL);
	suite_add(test_missing_index, WEIR_CAN_SEARCH);
	suite_add(test_another_schema, WEIR_CAN_SEARCH);
	suite_add(test_get, WEIR_CAN_SEARCH);
	suite_add(test_one_generation, WEIR_CAN_SEARCH);
	suite_add(test_sessions_see_their_own, WEIR_CAN_SEARCH);
	suite_add(test_scan, WEIR_CAN_SEARCH);
	suite_add(test_cancel, WEIR_CAN_SEARCH);
	suite_add(test_search_while_commits_happen, WEIR_CAN_SEARCH);
}
