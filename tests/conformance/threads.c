/* SPDX-License-Identifier: MIT
 * threads.c - what the declared thread model allows, done at once.
 *
 * Concurrency: each thread has a session of its own (but where the case says that it shares one),
 * one thread has the writer. They share the reading instance; opening and closing of sessions is
 * done under `opening` unless the model is WEIR_THREADS_PARALLEL. `last` and `stop` are atomic. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "fixture.h"
#include "suite.h"

enum { THREADS = 4, ROUNDS = 60, COMMITS = 40, STEADY = 200 };

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static atomic_int last; /* the newest commit that is over */
static atomic_bool stop;

static void lock_opening(void)
{
	if (manifest->thread_model != WEIR_THREADS_PARALLEL)
		pthread_mutex_lock(&opening);
}

static void unlock_opening(void)
{
	if (manifest->thread_model != WEIR_THREADS_PARALLEL)
		pthread_mutex_unlock(&opening);
}

static void put_steady(void)
{
	char id[16], price[16];
	for (int i = 0; i < STEADY; i++) {
		snprintf(id, sizeof(id), "id%03d", i);
		snprintf(price, sizeof(price), "%d", i % 7);
		LATER(writer, .id = id, .title = "steady words", .body = id, .price = price);
	}
	look();
}

static uint64_t total_of(weir_session *mine, const struct weir_query *query, weir_status *status)
{
	struct weir_error error = {""};
	struct weir_search search = {.query = query};
	struct weir_search_result result = {0};
	*status = backend->search(mine, &search, NULL, NULL, &result, &error);
	if (*status != WEIR_OK && *status != WEIR_RETRY)
		ck_abort_msg("%s", error.message);
	return result.total;
}

/* All kinds of questions; what does not change must be answered rightly. */
static void ask(weir_session *mine, int round)
{
	char id[16], expected[32];
	weir_status status;
	snprintf(id, sizeof(id), "id%03d", round % STEADY);
	snprintf(expected, sizeof(expected), "%s@0", id);
	uint64_t total = total_of(mine, phrase(TITLE, "steady words"), &status);
	REQUIRE(status != WEIR_OK || total == STEADY);
	total = total_of(mine, AND(term(ANY, "steady"), range(PRICE, "[0 3]")), &status);
	REQUIRE(status != WEIR_OK || total == 116);
	total = total_of(mine, term(BODY, id), &status);
	REQUIRE(status != WEIR_OK || total == 1);
	struct weir_error error = {""};
	char state[64] = "";
	size_t length = strlen(id);
	status = backend->get(mine, id, length, found_hit, state, &error);
	REQUIRE(status == WEIR_RETRY || (status == WEIR_OK && strcmp(state, expected) == 0));
	queries_free();
}

static void refresh_mine(weir_session *mine)
{
	struct weir_error error = {""};
	uint64_t generation;
	weir_status status;
	do
		status = backend->refresh(mine, &generation, &error);
	while (status == WEIR_RETRY);
	if (status != WEIR_OK)
		ck_abort_msg("%s", error.message);
}

static weir_session *open_mine(void)
{
	weir_session *mine = NULL;
	struct weir_error error = {""};
	weir_status status;
	lock_opening();
	while ((status = backend->session_open(reader, &host, &mine, &error)) == WEIR_RETRY)
		;
	unlock_opening();
	if (status != WEIR_OK)
		ck_abort_msg("%s", error.message);
	return mine;
}

static void close_mine(weir_session *mine)
{
	lock_opening();
	backend->session_close(mine);
	unlock_opening();
}

static void *ask_for_a_while(void *context)
{
	(void)context;
	weir_session *mine = open_mine();
	for (int round = 0; round < ROUNDS || !atomic_load(&stop); round++) {
		int before = atomic_load(&last);
		refresh_mine(mine);
		weir_status status;
		uint64_t total = total_of(mine, term(ANY, "moving"), &status);
		/* what was committed before the refresh is seen, and seen again */
		REQUIRE(status != WEIR_OK || total >= (uint64_t)before);
		uint64_t again = total_of(mine, term(ANY, "moving"), &status);
		REQUIRE(status != WEIR_OK || again == total || total == 0);
		ask(mine, round);
		if (round % 16 == 7) {
			close_mine(mine);
			mine = open_mine();
		}
	}
	close_mine(mine);
	return NULL;
}

static void *commit_for_a_while(void *context)
{
	char id[16];
	(void)context;
	for (int i = 0; i < COMMITS; i++) {
		snprintf(id, sizeof(id), "moving%02d", i);
		PUT(writer, .id = id, .title = "moving");
		commit_at(writer, "created", 0, i + 1);
		atomic_store(&last, i + 1);
	}
	atomic_store(&stop, true);
	return NULL;
}

static void run_threads(void *(*life)(void *), void *context)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, life, context), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

START_TEST(test_sessions_in_threads)
{
	put_steady();
	atomic_store(&stop, true);
	run_threads(ask_for_a_while, NULL);
}
END_TEST

START_TEST(test_sessions_in_threads_beside_a_writer)
{
	pthread_t thread;
	put_steady();
	ck_assert_int_eq(pthread_create(&thread, NULL, commit_for_a_while, NULL), 0);
	run_threads(ask_for_a_while, NULL);
	pthread_join(thread, NULL);
	refresh(session);
	ck_assert_uint_eq(count_of(term(ANY, "moving")), COMMITS);
}
END_TEST

/* A session goes from thread to thread; never two at once. */
static void *ask_once(void *context)
{
	refresh_mine(context);
	ask(context, 3);
	return NULL;
}

START_TEST(test_a_session_changes_threads)
{
	pthread_t thread;
	put_steady();
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, ask_once, session), 0);
		pthread_join(thread, NULL);
		ask_once(session);
	}
}
END_TEST

static void *ask_the_same(void *context)
{
	for (int round = 0; round < ROUNDS; round++)
		ask(context, round);
	return NULL;
}

START_TEST(test_one_session_in_threads)
{
	put_steady();
	run_threads(ask_the_same, session);
}
END_TEST

/* The writer's thread may be another one from call to call. */
static void *put_and_commit(void *context)
{
	int number = *(int *)context;
	char id[16];
	snprintf(id, sizeof(id), "id%d", number);
	PUT(writer, .id = id, .title = "threaded");
	commit_at(writer, "created", 0, number + 1);
	return NULL;
}

START_TEST(test_a_writer_changes_threads)
{
	pthread_t thread;
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, put_and_commit, &i), 0);
		pthread_join(thread, NULL);
	}
	look();
	ck_assert_uint_eq(count_of(term(ANY, "threaded")), 8);
}
END_TEST

void add_threads_cases(void)
{
	suite_area("threads", fixture_setup, fixture_teardown);
	suite_add(test_a_writer_changes_threads, WEIR_CAN_SEARCH);
	suite_add(test_a_session_changes_threads, WEIR_CAN_SEARCH);
	suite_add(test_sessions_in_threads, WEIR_CAN_SEARCH | NEEDS_THREADS);
	suite_add(test_sessions_in_threads_beside_a_writer, WEIR_CAN_SEARCH | NEEDS_THREADS);
	suite_add(test_one_session_in_threads, WEIR_CAN_SEARCH | NEEDS_PARALLEL);
}
