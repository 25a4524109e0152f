/* SPDX-License-Identifier: MIT
 * crashing.c - a writer that is killed: what was committed is there, and nothing else. */
#include "harness.h"
#include "suite.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void put_numbered(weir_instance *writer, int number)
{
	char id[16], title[64];
	snprintf(id, sizeof(id), "id%06d", number);
	snprintf(title, sizeof(title), "title number%d", number);
	PUT(writer, .id = id, .title = title, .body = "some words for a body");
}

/* Runs child in a process of its own, which tells through the pipe that it has come to a point
 * (a byte for each); kills it after so many of them. */
static void kill_after(void (*child)(int tell), int points)
{
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	pid_t process = fork();
	ck_assert_int_ge(process, 0);
	if (process == 0) {
		close(ends[0]);
		child(ends[1]);
		for (;;)
			pause();
	}
	close(ends[1]);
	char byte;
	for (int i = 0; i < points; i++)
		ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	ck_assert_int_eq(kill(process, SIGKILL), 0);
	int status;
	ck_assert_int_eq(waitpid(process, &status, 0), process);
	close(ends[0]);
}

static void tell_parent(int tell)
{
	ck_assert_int_eq(write(tell, "x", 1), 1);
}

static void commit_then_apply(int tell)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "kept", .title = "kept", .state = "old");
	PUT(writer, .id = "grave", .hidden = true);
	commit_at(writer, "created", 0, 5);
	PUT(writer, .id = "kept", .title = "changed", .state = "new");
	PUT(writer, .id = "grave", .title = "risen");
	/* more than any buffer holds */
	for (int i = 0; i < 12000; i++)
		put_numbered(writer, i);
	tell_parent(tell);
}

START_TEST(test_killed_before_commit)
{
	kill_after(commit_then_apply, 1);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, all()), "kept");
	ck_assert_str_eq(matches(session, term(ANY, "some")), "");
	ck_assert_str_eq(found(session, "kept"), "old@0");
	ck_assert_str_eq(scanned(session, ""), "grave@0h kept@0");
	ck_assert_str_eq(session_places(session), "cluster/created/0=5");
	weir_instance *writer = open_writer();
	ck_assert_str_eq(fetched(writer, "id000000"), "-");
	ck_assert_str_eq(positions(writer), "cluster/created/0=5");
	for (int i = 0; i < 100; i++)
		put_numbered(writer, i);
	commit_at(writer, "created", 0, 6);
	refresh(session);
	ck_assert_str_eq(session_places(session), "cluster/created/0=6");
	ck_assert_double_eq(stat_of(writer, "documents_live"), 101);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

/* Goes on from what is there, as the indexer does. */
static void commit_for_ever(int tell)
{
	weir_instance *writer = open_writer();
	int next = 0;
	const char *place = strchr(positions(writer), '=');
	if (place != NULL)
		next = atoi(place + 1);
	for (;; next++) {
		put_numbered(writer, 2 * next);
		put_numbered(writer, 2 * next + 1);
		commit_at(writer, "created", 0, next + 1);
		tell_parent(tell);
	}
}

START_TEST(test_killed_among_commits)
{
	int committed = 0;
	for (int round = 1; round <= 8; round++) {
		kill_after(commit_for_ever, round * 3);
		committed += round * 3;
		weir_instance *writer = open_writer();
		const char *place = strchr(positions(writer), '=');
		ck_assert_ptr_nonnull(place);
		int there = atoi(place + 1);
		ck_assert_int_ge(there, committed);
		ck_assert_double_eq(stat_of(writer, "documents_live"), 2.0 * there);
		committed = there;
		backend->close(writer);
	}
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	struct weir_search search = {.query = term(ANY, "words")};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, NULL, NULL, &result, &error));
	ck_assert_uint_eq(result.total, (uint64_t)(2 * committed));
	backend->session_close(session);
	backend->close(reader);
}
END_TEST

void add_crashing_cases(void)
{
	suite_area("crashing", NULL, NULL);
	suite_add(test_killed_before_commit, WEIR_CAN_SEARCH);
	suite_add(test_killed_among_commits, WEIR_CAN_SEARCH);
}
