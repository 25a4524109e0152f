/* SPDX-License-Identifier: MIT
 * durability.c - a writer that is killed: what was committed is there, positions too, and nothing
 * half. Engines without WEIR_CAN_COMMIT_POSITIONS may keep more than was committed, never less than
 * the positions promise. */
#include <stdio.h>
#include <unistd.h>

#include "harness.h"
#include "suite.h"
#include "victims.h"

enum { BATCH = 500 };

/* Documents first to first + count - 1, as one batch or a few. */
static void put_numbered(weir_instance *writer, int first, int count)
{
	static struct item items[BATCH];
	static char ids[BATCH][16], titles[BATCH][32];
	uint32_t kinds[BATCH];
	for (int at = 0; at < count; at += BATCH) {
		int here = count - at < BATCH ? count - at : BATCH;
		for (int i = 0; i < here; i++) {
			snprintf(ids[i], sizeof(ids[i]), "id%06d", first + at + i);
			snprintf(titles[i], sizeof(titles[i]), "title number%d", first + at + i);
			items[i] = (struct item){
				.id = ids[i], .title = titles[i], .body = "some words for a body"};
		}
		put_items(writer, items, (size_t)here, kinds);
		for (int i = 0; i < here; i++)
			ck_assert_uint_eq(kinds[i], WEIR_ACCEPTED);
	}
}

static int next_place(weir_instance *writer)
{
	const char *place = strchr(positions(writer), '=');
	return place != NULL ? atoi(place + 1) : 0;
}

static uint64_t count_matches(weir_session *session, const struct weir_query *query)
{
	struct weir_search search = {.query = query};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, NULL, NULL, &result, &error));
	return result.total;
}

static void commit_then_apply(int tell, int number)
{
	(void)number;
	weir_instance *writer = open_writer();
	PUT(writer, .id = "kept", .title = "kept", .state = "old");
	PUT(writer, .id = "grave", .hidden = true);
	commit_at(writer, "created", 0, 5);
	PUT(writer, .id = "kept", .title = "changed", .state = "new");
	PUT(writer, .id = "grave", .title = "risen");
	/* more than any buffer holds */
	put_numbered(writer, 0, 12000);
	victim_tell(tell);
}

START_TEST(test_killed_before_commit)
{
	struct victim victim;
	victims_prepare(&victim, 1, commit_then_apply);
	victim_kill(&victim, 1, 0);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	bool atomic = harness_can(WEIR_CAN_COMMIT_POSITIONS);
	ck_assert_str_eq(session_places(session), "cluster/created/0=5");
	if (atomic) {
		ck_assert_str_eq(matches(session, all()), "kept");
		ck_assert_str_eq(matches(session, term(ANY, "some")), "");
		ck_assert_str_eq(found(session, "kept"), "old@0");
		ck_assert_str_eq(scanned(session, ""), "grave@0h kept@0");
	}
	weir_instance *writer = open_writer();
	if (atomic)
		ck_assert_str_eq(fetched(writer, "id000000"), "-");
	ck_assert_str_eq(positions(writer), "cluster/created/0=5");
	PUT(writer, .id = "kept", .title = "changed", .state = "new");
	put_numbered(writer, 0, 100);
	commit_at(writer, "created", 0, 6);
	refresh(session);
	ck_assert_str_eq(session_places(session), "cluster/created/0=6");
	ck_assert_str_eq(found(session, "kept"), "new@0");
	if (atomic)
		ck_assert_double_eq(stat_of(writer, "documents_live"), 101);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

/* Goes on from what is there, as the indexer does; each a few commits more than the one before. */
static void commit_a_few(int tell, int number)
{
	weir_instance *writer = open_writer();
	int next = next_place(writer);
	for (int end = next + 3 + 2 * number; next < end; next++) {
		put_numbered(writer, 2 * next, 2);
		commit_at(writer, "created", 0, next + 1);
		victim_tell(tell);
	}
}

/* What is there agrees with the position, for each document that it promises. */
static int check_promise(int each)
{
	weir_instance *writer = open_writer();
	int there = next_place(writer);
	double live = stat_of(writer, "documents_live");
	if (harness_can(WEIR_CAN_COMMIT_POSITIONS))
		ck_assert_double_eq(live, (double)each * there);
	else
		ck_assert_double_ge(live, (double)each * there);
	backend->close(writer);
	return there;
}

START_TEST(test_killed_between_commits)
{
	struct victim victims[8];
	int committed = 0;
	victims_prepare(victims, 8, commit_a_few);
	for (int round = 0; round < 8; round++) {
		victim_kill(&victims[round], 3 + 2 * round, 0);
		committed += 3 + 2 * round;
		ck_assert_int_eq(check_promise(2), committed);
	}
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	uint64_t total = count_matches(session, term(ANY, "words"));
	ck_assert_uint_ge(total, (uint64_t)(2 * committed));
	if (harness_can(WEIR_CAN_COMMIT_POSITIONS))
		ck_assert_uint_eq(total, (uint64_t)(2 * committed));
	backend->session_close(session);
	backend->close(reader);
}
END_TEST

enum { BIG = 250, MIDDLES = 16 };

/* Tells before each commit, so that it is killed within one. */
static void commit_big_ones(int tell, int number)
{
	(void)number;
	weir_instance *writer = open_writer();
	for (int next = next_place(writer);; next++) {
		put_numbered(writer, BIG * next, BIG);
		victim_tell(tell);
		commit_at(writer, "created", 0, next + 1);
	}
}

START_TEST(test_killed_in_a_commit)
{
	struct victim victims[MIDDLES];
	victims_prepare(victims, MIDDLES, commit_big_ones);
	for (int round = 0; round < MIDDLES; round++) {
		victim_kill(&victims[round], 1 + round % 3, (unsigned)(round * round));
		int there = check_promise(BIG);
		if (there == 0)
			continue;
		weir_instance *reader = open_reader();
		weir_session *session = open_session(reader);
		char last[32];
		snprintf(last, sizeof(last), "number%d", BIG * there - 1);
		ck_assert_uint_eq(count_matches(session, term(TITLE, last)), 1);
		ck_assert_uint_ge(count_matches(session, term(BODY, "word")),
				  (uint64_t)BIG * (uint64_t)there);
		backend->session_close(session);
		backend->close(reader);
	}
}
END_TEST

static void open_only(int tell, int number)
{
	(void)number;
	victim_tell(tell);
	backend->close(open_writer());
}

START_TEST(test_killed_while_opening)
{
	struct victim victims[MIDDLES];
	victims_prepare(victims, MIDDLES, open_only);
	for (int round = 0; round < MIDDLES; round++)
		victim_kill(&victims[round], 1, (unsigned)(round * round));
	weir_instance *writer = open_writer();
	ck_assert_str_eq(positions(writer), "");
	PUT(writer, .id = "a", .title = "red");
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, all()), "a");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

static void read_for_ever(int tell, int number)
{
	(void)number;
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_uint_ge(count_matches(session, all()), 1);
	victim_tell(tell);
}

START_TEST(test_a_killed_reader_harms_nobody)
{
	struct victim victim;
	victims_prepare(&victim, 1, read_for_ever);
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "red");
	commit(writer);
	victim_kill(&victim, 1, 0);
	PUT(writer, .id = "b", .title = "red");
	commit_at(writer, "created", 0, 1);
	backend->close(writer);
	writer = open_writer();
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "a b");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

static void commit_then_sync(int tell, int number)
{
	(void)number;
	weir_instance *writer = open_writer();
	put_numbered(writer, 0, 10);
	commit_at(writer, "created", 0, 1);
	MUST(backend->sync(writer, &error));
	victim_tell(tell);
}

START_TEST(test_killed_after_sync)
{
	struct victim victim;
	victims_prepare(&victim, 1, commit_then_sync);
	victim_kill(&victim, 1, 0);
	ck_assert_int_eq(check_promise(10), 1);
}
END_TEST

void add_durability_cases(void)
{
	suite_area("durability", NULL, NULL);
	suite_add(test_killed_before_commit, WEIR_CAN_SEARCH);
	suite_add(test_killed_between_commits, WEIR_CAN_SEARCH);
	suite_add(test_killed_in_a_commit, WEIR_CAN_SEARCH);
	suite_add(test_killed_while_opening, WEIR_CAN_SEARCH);
	suite_add(test_killed_after_sync, WEIR_CAN_SEARCH | WEIR_CAN_SYNC);
	suite_add(test_a_killed_reader_harms_nobody, WEIR_CAN_SEARCH);
}
