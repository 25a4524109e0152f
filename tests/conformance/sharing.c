/* SPDX-License-Identifier: MIT
 * sharing.c - several writers over one index (WEIR_CAN_SHARE).
 *
 * Concurrency: test_counting_together has a thread a writer, each with an instance of its own; they
 * share nothing but the index. */
#include <pthread.h>
#include <stdio.h>

#include "harness.h"
#include "suite.h"

static weir_instance *left, *right;

static void open_both(void)
{
	left = open_writer();
	right = open_writer();
}

static void close_both(void)
{
	backend->close(left);
	backend->close(right);
}

START_TEST(test_two_writers_see_each_other)
{
	PUT(left, .id = "a", .title = "red", .state = "left");
	commit_at(left, "created", 0, 1);
	PUT(right, .id = "b", .title = "red", .state = "right");
	commit_at(right, "created", 1, 1);
	ck_assert_str_eq(fetched(right, "a"), "left");
	ck_assert_str_eq(fetched(left, "b"), "right");
	PUT(right, .id = "a", .title = "red", .state = "over");
	commit_at(right, "created", 1, 2);
	ck_assert_str_eq(fetched(left, "a"), "over");
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "a b");
	backend->session_close(session);
	backend->close(reader);
}
END_TEST

START_TEST(test_positions_of_each)
{
	commit_at(left, "created", 0, 5);
	commit_at(right, "created", 1, 7);
	commit_at(left, "created", 0, 6);
	commit_at(left, "updated", 0, 1);
	ck_assert_str_eq(positions(right),
			 "cluster/created/0=6 cluster/created/1=7 cluster/updated/0=1");
	/* a rebalance: the partition goes over */
	commit_at(right, "created", 0, 9);
	ck_assert_str_eq(positions(left),
			 "cluster/created/0=9 cluster/created/1=7 cluster/updated/0=1");
}
END_TEST

START_TEST(test_conflict)
{
	struct revision stale, fresh;
	const struct item theirs = {.id = "a", .title = "red", .state = "theirs"};
	const struct item ours = {.id = "a", .title = "green", .state = "ours"};
	PUT(left, .id = "a", .title = "old", .state = "first");
	commit(left);
	fetch_revision(left, "a", &stale);
	ck_assert_uint_eq(put_item(right, &theirs), WEIR_ACCEPTED);
	commit(right);
	ck_assert_uint_eq(put_revised(left, &ours, &stale), WEIR_CONFLICT);
	ck_assert_str_eq(fetched(left, "a"), "theirs");
	fetch_revision(left, "a", &fresh);
	ck_assert_uint_eq(put_revised(left, &ours, &fresh), WEIR_ACCEPTED);
	commit(left);
	ck_assert_str_eq(fetched(right, "a"), "ours");
}
END_TEST

START_TEST(test_conflict_of_two_creations)
{
	struct revision nothing;
	const struct item item = {.id = "new", .title = "red", .state = "left"};
	fetch_revision(left, "new", &nothing);
	ck_assert_uint_eq(nothing.length, 0);
	PUT(right, .id = "new", .title = "red", .state = "right");
	commit(right);
	ck_assert_uint_eq(put_revised(left, &item, &nothing), WEIR_CONFLICT);
	ck_assert_str_eq(fetched(left, "new"), "right");
}
END_TEST

START_TEST(test_conflict_with_a_removal)
{
	struct revision stale;
	uint64_t removed;
	const struct item item = {.id = "grave", .title = "risen", .state = "risen"};
	PUT(left, .id = "grave", .hidden = true, .applied_at = 1);
	commit(left);
	fetch_revision(left, "grave", &stale);
	MUST(backend->expire(right, 100, &removed, &error));
	ck_assert_uint_eq(removed, 1);
	commit(right);
	ck_assert_uint_eq(put_revised(left, &item, &stale), WEIR_CONFLICT);
	ck_assert_uint_eq(put_item(left, &item), WEIR_ACCEPTED);
}
END_TEST

START_TEST(test_no_conflict_with_oneself)
{
	PUT(left, .id = "a", .title = "one", .state = "1");
	PUT(left, .id = "a", .title = "two", .state = "2");
	commit(left);
	PUT(left, .id = "a", .title = "three", .state = "3");
	commit(left);
	ck_assert_str_eq(fetched(right, "a"), "3");
}
END_TEST

enum { EACH = 40 };

/* Raises the number in the state by one, as the host merges: fetch, merge, apply, again. */
static void count_up(weir_instance *writer)
{
	for (uint32_t kind = WEIR_CONFLICT; kind == WEIR_CONFLICT;) {
		struct revision revision;
		char state[16];
		fetch_revision(writer, "counter", &revision);
		snprintf(state, sizeof(state), "%d", atoi(fetched(writer, "counter")) + 1);
		/* the state may be newer than the revision: then it is a conflict */
		kind = put_revised(writer, &(struct item){.id = "counter", .state = state},
				   &revision);
		REQUIRE(kind == WEIR_ACCEPTED || kind == WEIR_CONFLICT);
	}
}

static void *count_all(void *writer)
{
	for (int i = 0; i < EACH; i++) {
		count_up(writer);
		if (i % 10 == 9)
			commit(writer);
	}
	return NULL;
}

START_TEST(test_counting_together)
{
	pthread_t threads[2];
	PUT(left, .id = "counter", .state = "0");
	commit(left);
	ck_assert_int_eq(pthread_create(&threads[0], NULL, count_all, left), 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, count_all, right), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	ck_assert_int_eq(atoi(fetched(left, "counter")), 2 * EACH);
}
END_TEST

START_TEST(test_conflict_spares_the_neighbours)
{
	uint32_t kind;
	struct revision stale;
	PUT(left, .id = "b", .title = "old");
	commit(left);
	fetch_revision(left, "b", &stale);
	PUT(right, .id = "b", .title = "theirs", .state = "theirs");
	commit(right);
	PUT(left, .id = "a", .title = "red");
	kind = put_revised(left, &(struct item){.id = "b", .title = "ours"}, &stale);
	ck_assert_uint_eq(kind, WEIR_CONFLICT);
	PUT(left, .id = "c", .title = "red");
	commit_at(left, "created", 0, 1);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "a c");
	ck_assert_str_eq(matches(session, term(ANY, "theirs")), "b");
	backend->session_close(session);
	backend->close(reader);
}
END_TEST

void add_sharing_cases(void)
{
	suite_area("sharing", open_both, close_both);
	suite_add(test_two_writers_see_each_other, WEIR_CAN_SEARCH | WEIR_CAN_SHARE);
	suite_add(test_positions_of_each, WEIR_CAN_SEARCH | WEIR_CAN_SHARE);
	suite_add(test_conflict, WEIR_CAN_SEARCH | WEIR_CAN_SHARE);
	suite_add(test_conflict_of_two_creations, WEIR_CAN_SEARCH | WEIR_CAN_SHARE);
	suite_add(test_conflict_with_a_removal, WEIR_CAN_SEARCH | WEIR_CAN_SHARE);
	suite_add(test_conflict_spares_the_neighbours, WEIR_CAN_SEARCH | WEIR_CAN_SHARE);
	suite_add(test_no_conflict_with_oneself, WEIR_CAN_SEARCH | WEIR_CAN_SHARE);
	suite_add(test_counting_together, WEIR_CAN_SEARCH | WEIR_CAN_SHARE);
}
