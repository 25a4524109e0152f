/* SPDX-License-Identifier: MIT
 * atomicity.c - documents and positions belong together, in every generation that a reader can see.
 * Without WEIR_CAN_COMMIT_POSITIONS documents may run ahead of the positions, never the reverse.
 *
 * Concurrency: one thread writes to an instance of its own; the main thread reads through another
 * instance. They share nothing but the index and `over`, which is atomic. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "harness.h"
#include "suite.h"
#include "victims.h"

enum { COMMITS = 80 };

static atomic_bool over;

/* Commit n brings document n, the counter's state n and the position n. */
static void commit_number(weir_instance *writer, int number)
{
	char id[16], state[16];
	snprintf(id, sizeof(id), "id%04d", number);
	snprintf(state, sizeof(state), "%d", number);
	PUT(writer, .id = id, .title = "counted", .price = state);
	PUT(writer, .id = "counter", .title = "counter", .state = state, .price = state);
	commit_at(writer, "created", 0, number);
}

static void *commit_numbers(void *writer)
{
	for (int number = 1; number <= COMMITS; number++)
		commit_number(writer, number);
	atomic_store(&over, true);
	return NULL;
}

static int on_offset(void *context, const struct weir_position *position)
{
	*(int64_t *)context = position->next_offset;
	return 0;
}

static int on_number(void *context, const struct weir_hit *hit)
{
	char text[16];
	snprintf(text, sizeof(text), "%.*s", (int)hit->state_length, (const char *)hit->state);
	*(int64_t *)context = strtoll(text, NULL, 10);
	return 0;
}

struct seen {
	int64_t position, counter, documents;
};

/* WEIR_RETRY: the index moved under the session. */
static weir_status see(weir_session *session, struct seen *seen)
{
	struct weir_error error;
	struct weir_search search = {.query = term(ANY, "counted")};
	struct weir_search_result result = {0};
	*seen = (struct seen){0};
	weir_status status =
		backend->session_positions(session, on_offset, &seen->position, &error);
	if (status == WEIR_OK)
		status = backend->search(session, &search, NULL, NULL, &result, &error);
	if (status == WEIR_OK)
		status = backend->get(session, "counter", 7, on_number, &seen->counter, &error);
	seen->documents = (int64_t)result.total;
	queries_free();
	return status;
}

static void check_seen(const struct seen *seen)
{
	if (!harness_can(WEIR_CAN_COMMIT_POSITIONS)) {
		ck_assert_int_ge(seen->documents, seen->position);
		ck_assert_int_ge(seen->counter, seen->position);
		return;
	}
	ck_assert_int_eq(seen->documents, seen->position);
	ck_assert_int_eq(seen->counter, seen->position);
}

START_TEST(test_readers_see_both_or_neither)
{
	weir_instance *writer = open_writer(), *reader = open_reader();
	weir_session *session = open_session(reader);
	pthread_t thread;
	struct seen seen = {0};
	int64_t last = 0;
	ck_assert_int_eq(pthread_create(&thread, NULL, commit_numbers, writer), 0);
	while (last < COMMITS) {
		struct weir_error error = {""};
		uint64_t generation;
		bool was_over = atomic_load(&over);
		weir_status status = backend->refresh(session, &generation, &error);
		if (status == WEIR_OK)
			status = see(session, &seen);
		if (status == WEIR_RETRY)
			continue;
		ck_assert_msg(status == WEIR_OK, "%s", error.message);
		check_seen(&seen);
		ck_assert_int_ge(seen.position, last);
		ck_assert(!was_over || seen.position == COMMITS);
		last = seen.position;
	}
	pthread_join(thread, NULL);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

enum { KILLED = 16 };

static void commit_for_ever(int tell, int victim)
{
	(void)victim;
	weir_instance *writer = open_writer();
	const char *place = strchr(positions(writer), '=');
	for (int number = place != NULL ? atoi(place + 1) + 1 : 1;; number++) {
		commit_number(writer, number);
		victim_tell(tell);
	}
}

/* Killed somewhere in a commit that brings little, as most are. */
START_TEST(test_killed_with_both_or_neither)
{
	struct victim victims[KILLED];
	struct seen seen;
	victims_prepare(victims, KILLED, commit_for_ever);
	for (int round = 0; round < KILLED; round++) {
		victim_kill(&victims[round], 1 + round % 3, (unsigned)(round * 7));
		backend->close(open_writer());
		weir_instance *reader = open_reader();
		weir_session *session = open_session(reader);
		ck_assert_int_eq(see(session, &seen), WEIR_OK);
		check_seen(&seen);
		backend->session_close(session);
		backend->close(reader);
	}
	ck_assert_int_ge(seen.position, KILLED);
}
END_TEST

START_TEST(test_each_commit_leaves_both)
{
	struct seen seen;
	for (int number = 1; number <= 5; number++) {
		weir_instance *writer = open_writer();
		commit_number(writer, number);
		backend->close(writer);
		weir_instance *reader = open_reader();
		weir_session *session = open_session(reader);
		ck_assert_int_eq(see(session, &seen), WEIR_OK);
		ck_assert_int_eq(seen.position, number);
		ck_assert_int_eq(seen.counter, number);
		ck_assert_int_eq(seen.documents, number);
		backend->session_close(session);
		backend->close(reader);
	}
}
END_TEST

/* What is abandoned leaves neither a document nor a moved position. */
START_TEST(test_abandoned_with_their_documents)
{
	weir_instance *writer = open_writer();
	commit_number(writer, 1);
	for (int round = 0; round < 3; round++) {
		PUT(writer, .id = "id0002", .title = "counted");
		PUT(writer, .id = "counter", .title = "counter", .state = "2");
		MUST(backend->abandon(writer, &error));
	}
	commit_at(writer, "updated", 0, 9);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(session_places(session), "cluster/created/0=1 cluster/updated/0=9");
	ck_assert_str_eq(matches(session, term(ANY, "counted")), "id0001");
	ck_assert_str_eq(found(session, "counter"), "1@0");
	commit_number(writer, 2);
	refresh(session);
	ck_assert_str_eq(session_places(session), "cluster/created/0=2 cluster/updated/0=9");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

/* 300 partitions in one commit, then some of them again. */
START_TEST(test_many_positions_at_once)
{
	enum { PARTITIONS = 300 };
	static struct weir_position places[PARTITIONS];
	const struct weir_position *pointers[PARTITIONS];
	weir_instance *writer = open_writer();
	for (int i = 0; i < PARTITIONS; i++) {
		places[i] = (struct weir_position){"cluster", "created", "", i, 1000 + i};
		pointers[i] = &places[i];
	}
	PUT(writer, .id = "a", .title = "red");
	MUST(backend->commit(writer, pointers, PARTITIONS, &error));
	commit_at(writer, "created", 7, 5);
	backend->close(writer);
	writer = open_writer();
	const char *there = positions(writer);
	ck_assert_ptr_nonnull(strstr(there, "cluster/created/7=5"));
	ck_assert_ptr_nonnull(strstr(there, "cluster/created/0=1000"));
	ck_assert_ptr_nonnull(strstr(there, "cluster/created/299=1299"));
	size_t count = 1;
	for (; *there != '\0'; there++)
		count += *there == ' ';
	ck_assert_uint_eq(count, PARTITIONS);
	backend->close(writer);
}
END_TEST

void add_atomicity_cases(void)
{
	suite_area("positions with documents", NULL, NULL);
	suite_add(test_each_commit_leaves_both, WEIR_CAN_SEARCH);
	suite_add(test_readers_see_both_or_neither, WEIR_CAN_SEARCH);
	suite_add(test_killed_with_both_or_neither, WEIR_CAN_SEARCH);
	suite_add(test_abandoned_with_their_documents, WEIR_CAN_SEARCH | WEIR_CAN_COMMIT_POSITIONS);
	suite_add(test_many_positions_at_once, WEIR_CAN_SEARCH);
}
