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
	if (harness_can(WEIR_CAN_COMMIT_POSITIONS))
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
		LATER(writer, .id = id, .title = "same");
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
		if (harness_can(WEIR_CAN_COMMIT_POSITIONS))
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

static int on_id(void *context, const struct weir_hit *hit)
{
	char *answer = context;
	strncat(answer, hit->id, hit->id_length);
	strcat(answer, ",");
	return 0;
}

static int on_state_of(void *context, const struct weir_hit *hit)
{
	snprintf(context, 256, "%.*s", (int)hit->state_length, (const char *)hit->state);
	return 0;
}

static int on_scanned(void *context, const char *id, size_t id_length, int64_t version,
		      uint32_t kind)
{
	char *answer = context;
	(void)kind;
	if (id[0] == 'a')
		answer[0] = '\0';
	size_t at = strlen(answer);
	snprintf(answer + at, 256 - at, "%.*s%d", (int)id_length, id, (int)version);
	return 0;
}

/* An engine that cannot hold a generation for long may say so, and nothing else. */
static bool is_same_or_retry(weir_session *session)
{
	struct weir_error error = {""};
	struct weir_search search = {.query = all(), .limit = 10};
	struct weir_search_result result = {0};
	char answer[256] = "";
	weir_status status = backend->search(session, &search, on_id, answer, &result, &error);
	if (status == WEIR_OK) {
		ck_assert_str_eq(answer, "a,b,");
		status = backend->get(session, "a", 1, on_state_of, answer, &error);
	}
	if (status == WEIR_OK) {
		ck_assert_str_eq(answer, "old");
		status = backend->scan(session, "", 0, on_scanned, answer, &error);
	}
	if (status == WEIR_OK) {
		ck_assert_str_eq(answer, "a1b1c1");
		ck_assert_str_eq(session_places(session), "cluster/created/0=1");
		return true;
	}
	ck_assert_msg(status == WEIR_RETRY, "%s", error.message);
	ck_assert_str_ne(error.message, "");
	return false;
}

START_TEST(test_one_generation_for_every_operation)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "red", .version = 1, .state = "old");
	PUT(writer, .id = "b", .title = "red", .version = 1);
	PUT(writer, .id = "c", .hidden = true, .version = 1);
	commit_at(writer, "created", 0, 1);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	uint64_t first = refresh(session);
	ck_assert(is_same_or_retry(session));
	for (int i = 2; i < 8; i++) {
		PUT(writer, .id = "a", .title = "green", .version = i, .state = "new");
		PUT(writer, .id = "b", .hidden = true, .version = i);
		PUT(writer, .id = "c", .title = "red", .version = i);
		commit_at(writer, "created", 0, i);
		is_same_or_retry(session);
	}
	ck_assert_uint_ne(refresh(session), first);
	ck_assert_str_eq(scanned(session, ""), "a@7 b@7h c@7");
	ck_assert_str_eq(matches(session, term(ANY, "red")), "c");
	ck_assert_str_eq(session_places(session), "cluster/created/0=7");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

/* A generation says whether a cached answer still holds: it is another after each commit that
 * changed something, and none comes twice. */
START_TEST(test_generations)
{
	uint64_t seen[12];
	weir_instance *writer = open_writer();
	commit_at(writer, "created", 0, 1);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	for (int i = 0; i < 12; i++) {
		if (i % 3 == 0)
			commit_at(writer, "created", 0, i + 2);
		else
			PUT(writer, .id = "a", .title = "red", .hidden = i % 3 == 1);
		commit(writer);
		seen[i] = refresh(session);
		commit(writer);
		ck_assert_uint_eq(refresh(session), seen[i]);
		for (int j = 0; j < i; j++)
			ck_assert_uint_ne(seen[j], seen[i]);
	}
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

static int ignore_stat(void *context, const char *name, double value)
{
	(void)context;
	(void)name;
	(void)value;
	return 0;
}

/* Of two sessions that have seen the same commit none has less than the other, also where an engine
 * shows what was applied a little before it is committed (and here, because it counts). */
START_TEST(test_sessions_agree)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "red");
	commit_at(writer, "created", 0, 1);
	weir_instance *reader = open_reader();
	weir_session *early = open_session(reader);
	refresh(early);
	PUT(writer, .id = "b", .title = "red");
	MUST(backend->stats(writer, ignore_stat, NULL, &error));
	weir_session *late = open_session(reader);
	ck_assert_uint_eq(refresh(late), refresh(early));
	char seen[64];
	snprintf(seen, sizeof(seen), "%s", matches(late, term(ANY, "red")));
	ck_assert_str_eq(matches(early, term(ANY, "red")), seen);
	commit_at(writer, "created", 0, 2);
	ck_assert_uint_eq(refresh(late), refresh(early));
	ck_assert_str_eq(matches(early, term(ANY, "red")), "a b");
	backend->session_close(early);
	ck_assert_str_eq(matches(late, term(ANY, "red")), "a b");
	backend->session_close(late);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

START_TEST(test_get_of_odd_ids)
{
	const char *ids[] = {"a b", "A", "\xC3\xA4", "a/b?c=d&e", "\"quoted\"", "a'b", "100%", "*"};
	weir_instance *writer = open_writer();
	for (size_t i = 0; i < 8; i++)
		PUT(writer, .id = ids[i], .title = "odd");
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	char expected[64];
	for (size_t i = 0; i < 8; i++) {
		snprintf(expected, sizeof(expected), "%s@0", ids[i]);
		ck_assert_str_eq(found(session, ids[i]), expected);
	}
	ck_assert_str_eq(found(session, "a"), "-");
	ck_assert_str_eq(found(session, "a*"), "-");
	ck_assert_str_eq(found(session, "**"), "-");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

static int on_page(void *context, const char *id, size_t id_length, int64_t version, uint32_t kind)
{
	char *last = context;
	ck_assert_uint_eq(id_length, 6);
	ck_assert_int_gt(memcmp(id, last, 6), 0);
	char number[5] = ""; /* what is handed out has no NUL behind it */
	memcpy(number, id + 2, 4);
	ck_assert_int_eq(version, strtoll(number, NULL, 10));
	ck_assert_uint_eq(kind, version % 3 == 0 ? WEIR_KIND_HIDDEN : WEIR_KIND_LIVE);
	memcpy(last, id, 6);
	return version % 100 == 99; /* the page is full */
}

/* As `weir verify` reads it: on from behind the last id, page by page, over many commits. */
START_TEST(test_scan_by_pages)
{
	enum { COUNT = 1500 };
	char id[16], last[8] = "id", from[16] = "";
	weir_instance *writer = open_writer();
	for (int i = 0; i < COUNT; i++) {
		int number = i * 607 % COUNT;
		snprintf(id, sizeof(id), "id%04d", number);
		LATER(writer, .id = id, .title = "scanned", .version = number,
		      .hidden = number % 3 == 0);
		if (i % 300 == 0)
			commit(writer);
	}
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	for (int page = 0; page < COUNT / 100; page++) {
		MUST(backend->scan(session, from, page == 0 ? 0 : 7, on_page, last, &error));
		ck_assert_int_eq(atoi(last + 2), page * 100 + 99);
		memcpy(from, last, 6);
		from[6] = '\0'; /* the next id in byte order */
	}
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

static int on_state_line(void *context, const char *id, size_t id_length, int64_t version,
			 uint32_t kind, const void *state, size_t state_length)
{
	char *answer = context;
	size_t at = strlen(answer);
	snprintf(answer + at, 512 - at, "%s%.*s@%d%s=%.*s", at > 0 ? " " : "", (int)id_length, id,
		 (int)version, kind == WEIR_KIND_HIDDEN ? "h" : "", (int)state_length,
		 (const char *)state);
	return strstr(answer, "stop") != NULL;
}

static const char *states(weir_session *session, const char *from)
{
	static char answers[4][512];
	static unsigned next;
	char *answer = answers[next++ % 4];
	answer[0] = '\0';
	MUST(backend->scan_states(session, from, strlen(from), on_state_line, answer, &error));
	return answer;
}

START_TEST(test_scan_states)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "b", .title = "x", .version = 2, .state = "two");
	PUT(writer, .id = "a", .hidden = true, .version = -1, .state = "one");
	PUT(writer, .id = "c", .title = "x", .version = 3, .state = "three");
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(states(session, ""), "a@-1h=one b@2=two c@3=three");
	PUT(writer, .id = "b", .hidden = true, .version = 4, .state = "stop");
	PUT(writer, .id = "a", .title = "x", .version = 5, .state = "risen");
	commit(writer);
	ck_assert_str_eq(states(session, "b"), "b@2=two c@3=three");
	refresh(session);
	ck_assert_str_eq(states(session, ""), "a@5=risen b@4h=stop");
	ck_assert_str_eq(states(session, "b\x01"), "c@3=three");
	ck_assert_str_eq(states(session, "d"), "");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

void add_reading_cases(void)
{
	suite_area("snapshot reads", NULL, NULL);
	suite_add(test_one_generation, WEIR_CAN_SEARCH);
	suite_add(test_one_generation_for_every_operation, WEIR_CAN_SEARCH);
	suite_add(test_sessions_see_their_own, WEIR_CAN_SEARCH);
	suite_add(test_generations, WEIR_CAN_SEARCH);
	suite_add(test_sessions_agree, WEIR_CAN_SEARCH);
	suite_add(test_search_while_commits_happen, WEIR_CAN_SEARCH);
	suite_area("get", NULL, NULL);
	suite_add(test_get, WEIR_CAN_SEARCH);
	suite_add(test_get_of_odd_ids, WEIR_CAN_SEARCH);
	suite_area("scan", NULL, NULL);
	suite_add(test_scan, WEIR_CAN_SEARCH);
	suite_add(test_scan_by_pages, WEIR_CAN_SEARCH);
	suite_area("scan of states", NULL, NULL);
	suite_add(test_scan_states, WEIR_CAN_SCAN_STATES);
	suite_area("cancelling", NULL, NULL);
	suite_add(test_cancel, WEIR_CAN_SEARCH);
}
