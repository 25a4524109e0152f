/* SPDX-License-Identifier: MIT
 * writing.c - fetch, apply, commit, abandon, positions, expire, stats. */
#include "harness.h"
#include "suite.h"

#include <stdio.h>

START_TEST(test_fetch_of_the_unknown)
{
	weir_instance *writer = open_writer();
	ck_assert_str_eq(fetched(writer, "nobody"), "-");
	backend->close(writer);
}
END_TEST

START_TEST(test_apply_commit_stats)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "One");
	PUT(writer, .id = "b", .hidden = true);
	commit(writer);
	if (backend->sync != NULL)
		MUST(backend->sync(writer, &error));
	if (backend->maintain != NULL)
		MUST(backend->maintain(writer, 1, &error));
	ck_assert(stat_of(writer, "documents_live") >= 0);
	ck_assert(stat_of(writer, "documents_hidden") >= 0);
	ck_assert(stat_of(writer, "bytes_on_disk") >= 0);
	backend->close(writer);
}
END_TEST

START_TEST(test_positions_of_this_run)
{
	weir_instance *writer = open_writer();
	ck_assert_str_eq(positions(writer), "");
	commit_at(writer, "created", 0, 17);
	commit_at(writer, "created", 1, 5);
	commit_at(writer, "updated", 0, 9);
	commit_at(writer, "created", 0, 18);
	ck_assert_str_eq(positions(writer),
			 "cluster/created/0=18 cluster/created/1=5 cluster/updated/0=9");
	backend->close(writer);
}
END_TEST

START_TEST(test_abandon_nothing)
{
	weir_instance *writer = open_writer();
	MUST(backend->abandon(writer, &error));
	PUT(writer, .id = "a", .title = "One");
	MUST(backend->abandon(writer, &error));
	MUST(backend->abandon(writer, &error));
	commit(writer);
	ck_assert_str_eq(fetched(writer, "a"), "-");
	backend->close(writer);
}
END_TEST

struct order {
	size_t next, stop_at;
	char seen[64];
};

static int on_state_in_order(void *context, size_t index, int is_found, const void *state,
			     size_t state_length, const void *revision, size_t revision_length)
{
	struct order *order = context;
	(void)revision;
	(void)revision_length;
	ck_assert_uint_eq(index, order->next++);
	strncat(order->seen, is_found ? state : "-", is_found ? state_length : 1);
	return order->next == order->stop_at;
}

START_TEST(test_fetch_in_order)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "One", .state = "A");
	PUT(writer, .id = "b", .hidden = true, .state = "B");
	commit(writer);
	PUT(writer, .id = "c", .title = "Three", .state = "C");
	const char *ids[] = {"c", "nobody", "a", "b", "a"};
	const size_t lengths[] = {1, 6, 1, 1, 1};
	struct order order = {0};
	MUST(backend->fetch(writer, ids, lengths, 5, on_state_in_order, &order, &error));
	ck_assert_str_eq(order.seen, "C-ABA");
	struct order stopped = {.stop_at = 2};
	MUST(backend->fetch(writer, ids, lengths, 5, on_state_in_order, &stopped, &error));
	ck_assert_uint_eq(stopped.next, 2);
	MUST(backend->fetch(writer, NULL, NULL, 0, on_state_in_order, &order, &error));
	backend->close(writer);
}
END_TEST

START_TEST(test_fetch_sees_the_newest)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "One", .state = "first");
	ck_assert_str_eq(fetched(writer, "a"), "first");
	PUT(writer, .id = "a", .title = "Two", .state = "second");
	ck_assert_str_eq(fetched(writer, "a"), "second");
	commit(writer);
	ck_assert_str_eq(fetched(writer, "a"), "second");
	PUT(writer, .id = "a", .hidden = true, .state = "third");
	ck_assert_str_eq(fetched(writer, "a"), "third");
	ck_assert_double_eq(stat_of(writer, "documents_live"), 0);
	ck_assert_double_eq(stat_of(writer, "documents_hidden"), 1);
	backend->close(writer);
}
END_TEST

START_TEST(test_abandon)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "kept", .title = "One", .state = "old");
	commit_at(writer, "created", 0, 1);
	PUT(writer, .id = "kept", .title = "Two", .state = "new");
	PUT(writer, .id = "dropped", .title = "Three");
	MUST(backend->abandon(writer, &error));
	ck_assert_str_eq(fetched(writer, "kept"), "old");
	ck_assert_str_eq(fetched(writer, "dropped"), "-");
	ck_assert_str_eq(positions(writer), "cluster/created/0=1");
	PUT(writer, .id = "later", .title = "Four");
	commit_at(writer, "created", 0, 2);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, all()), "kept later");
	ck_assert_str_eq(matches(session, term(TITLE, "two")), "");
	ck_assert_str_eq(matches(session, term(TITLE, "one")), "kept");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

START_TEST(test_close_drops_the_uncommitted)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "One");
	commit(writer);
	PUT(writer, .id = "b", .title = "Two");
	backend->close(writer);
	writer = open_writer();
	ck_assert_str_eq(fetched(writer, "a"), "a");
	ck_assert_str_eq(fetched(writer, "b"), "-");
	ck_assert_double_eq(stat_of(writer, "documents_live"), 1);
	backend->close(writer);
}
END_TEST

static const char *commit_odd_position(weir_instance *writer, const char *cluster,
				       const char *topic, int32_t partition, int64_t next_offset)
{
	struct weir_position position = {cluster, topic, "", partition, next_offset};
	const struct weir_position *pointers[] = {&position};
	MUST(backend->commit(writer, pointers, 1, &error));
	return positions(writer);
}

START_TEST(test_positions_stay)
{
	char topic[250];
	memset(topic, 't', 249);
	topic[249] = '\0';
	weir_instance *writer = open_writer();
	commit_at(writer, "created", 0, 1);
	commit_odd_position(writer, "", "created", 0, 0);
	commit_odd_position(writer, "c", "reated", 0, INT64_MAX);
	commit_odd_position(writer, topic, topic, INT32_MAX, 3);
	commit_odd_position(writer, topic, topic, INT32_MAX - 1, 4);
	backend->close(writer);
	writer = open_writer();
	char expected[2048];
	snprintf(expected, sizeof(expected),
		 "/created/0=0 c/reated/0=9223372036854775807 cluster/created/0=1 "
		 "%s/%s/2147483646=4 %s/%s/2147483647=3",
		 topic, topic, topic, topic);
	ck_assert_str_eq(positions(writer), expected);
	backend->close(writer);
}
END_TEST

static int on_topic_id(void *context, const struct weir_position *position)
{
	snprintf(context, 64, "%s", position->topic_id);
	return 1;
}

START_TEST(test_a_position_replaces_its_topic_id)
{
	weir_instance *writer = open_writer();
	char topic_id[64] = "";
	commit_at(writer, "created", 0, 1);
	MUST(backend->positions(writer, on_topic_id, topic_id, &error));
	ck_assert_str_eq(topic_id, "topic-id");
	commit_odd_position(writer, "cluster", "created", 0, 2);
	MUST(backend->positions(writer, on_topic_id, topic_id, &error));
	ck_assert_str_eq(topic_id, "");
	ck_assert_str_eq(positions(writer), "cluster/created/0=2");
	backend->close(writer);
}
END_TEST

START_TEST(test_second_writer)
{
	weir_instance *first = open_writer(), *second = NULL;
	struct weir_error error = {""};
	ck_assert_int_eq(try_open(WEIR_MODE_WRITER, &collection, &second, &error), WEIR_RETRY);
	ck_assert_str_ne(error.message, "");
	ck_assert_ptr_null(second);
	PUT(first, .id = "a", .title = "One");
	commit(first);
	backend->close(first);
	second = open_writer();
	ck_assert_str_eq(fetched(second, "a"), "a");
	backend->close(second);
}
END_TEST

START_TEST(test_expire)
{
	weir_instance *writer = open_writer();
	uint64_t removed = 99;
	PUT(writer, .id = "live", .title = "One", .applied_at = -50);
	PUT(writer, .id = "old", .hidden = true, .applied_at = -5);
	PUT(writer, .id = "limit", .hidden = true, .applied_at = 100);
	PUT(writer, .id = "young", .hidden = true, .applied_at = 101);
	PUT(writer, .id = "revived", .hidden = true, .applied_at = 1);
	commit(writer);
	PUT(writer, .id = "revived", .title = "Two", .applied_at = 2);
	MUST(backend->expire(writer, 100, &removed, &error));
	ck_assert_uint_eq(removed, 1);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(scanned(session, ""), "limit@0h live@0 old@0h revived@0h young@0h");
	MUST(backend->abandon(writer, &error));
	ck_assert_str_eq(fetched(writer, "old"), "old");
	MUST(backend->expire(writer, 100, &removed, &error));
	ck_assert_uint_eq(removed, 2);
	commit(writer);
	refresh(session);
	ck_assert_str_eq(scanned(session, ""), "limit@0h live@0 young@0h");
	ck_assert_str_eq(fetched(writer, "old"), "-");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

START_TEST(test_rejection_spares_the_neighbours)
{
	weir_instance *writer = open_writer();
	struct weir_document documents[3] = {
		{.id = "a",
		 .id_length = 1,
		 .kind = WEIR_KIND_LIVE,
		 .state = "A",
		 .state_length = 1},
		{.id = "", .id_length = 0, .kind = WEIR_KIND_LIVE, .state = "?", .state_length = 1},
		{.id = "c",
		 .id_length = 1,
		 .kind = WEIR_KIND_LIVE,
		 .state = "C",
		 .state_length = 1},
	};
	const struct weir_document *pointers[] = {&documents[0], &documents[1], &documents[2]};
	struct weir_verdict verdicts[3] = {{0}, {0}, {0}};
	struct weir_verdict *const answers[] = {&verdicts[0], &verdicts[1], &verdicts[2]};
	MUST(backend->apply(writer, pointers, 3, answers, &error));
	ck_assert_uint_eq(verdicts[0].kind, WEIR_ACCEPTED);
	ck_assert_uint_eq(verdicts[1].kind, WEIR_REJECTED);
	ck_assert_str_ne(verdicts[1].reason, "");
	ck_assert_uint_eq(verdicts[2].kind, WEIR_ACCEPTED);
	commit(writer);
	backend->close(writer);
	writer = open_writer();
	ck_assert_str_eq(fetched(writer, "a"), "A");
	ck_assert_str_eq(fetched(writer, "c"), "C");
	backend->close(writer);
}
END_TEST

struct blob {
	const char *bytes;
	size_t length;
	bool seen;
};

static int on_blob(void *context, size_t index, int is_found, const void *state,
		   size_t state_length, const void *revision, size_t revision_length)
{
	struct blob *blob = context;
	(void)index;
	(void)revision;
	(void)revision_length;
	ck_assert_int_eq(is_found, 1);
	ck_assert_uint_eq(state_length, blob->length);
	ck_assert_int_eq(memcmp(state, blob->bytes, blob->length), 0);
	blob->seen = true;
	return 0;
}

START_TEST(test_state_is_untouched)
{
	enum { LENGTH = 1 << 20 };
	char *bytes = malloc(LENGTH);
	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < LENGTH; i++)
		bytes[i] = (char)(i * 2654435761U >> 13);
	weir_instance *writer = open_writer();
	const size_t lengths[] = {LENGTH, 0, 1, 65536};
	for (size_t i = 0; i < 4; i++) {
		char id[8];
		snprintf(id, sizeof(id), "id%zu", i);
		struct weir_document document = {
			.id = id,
			.id_length = 3,
			.kind = i % 2 == 0 ? WEIR_KIND_LIVE : WEIR_KIND_HIDDEN,
			.state = bytes,
			.state_length = lengths[i],
		};
		const struct weir_document *pointers[] = {&document};
		struct weir_verdict verdict = {0}, *const verdicts[] = {&verdict};
		MUST(backend->apply(writer, pointers, 1, verdicts, &error));
		ck_assert_uint_eq(verdict.kind, WEIR_ACCEPTED);
	}
	commit(writer);
	backend->close(writer);
	writer = open_writer();
	for (size_t i = 0; i < 4; i++) {
		char name[8];
		snprintf(name, sizeof(name), "id%zu", i);
		const char *id = name;
		const size_t three = 3;
		struct blob blob = {bytes, lengths[i], false};
		MUST(backend->fetch(writer, &id, &three, 1, on_blob, &blob, &error));
		ck_assert(blob.seen);
	}
	backend->close(writer);
	free(bytes);
}
END_TEST

START_TEST(test_odd_ids)
{
	char longest[201];
	memset(longest, 'x', 200);
	longest[200] = '\0';
	const char *ids[] = {"a", "ab", "a b", "A", "\xC3\xA4", "a/b?c=d&e", "Q", longest};
	weir_instance *writer = open_writer();
	for (size_t i = 0; i < 8; i++)
		PUT(writer, .id = ids[i], .title = "Odd", .version = (int64_t)i);
	commit(writer);
	for (size_t i = 0; i < 8; i++)
		ck_assert_str_eq(fetched(writer, ids[i]), ids[i]);
	ck_assert_str_eq(fetched(writer, "abc"), "-");
	longest[199] = 'y';
	ck_assert_str_eq(fetched(writer, longest), "-");
	ck_assert_double_eq(stat_of(writer, "documents_live"), 8);
	backend->close(writer);
}
END_TEST

void add_writing_cases(void)
{
	suite_area("writing", NULL, NULL);
	suite_add(test_fetch_of_the_unknown, 0);
	suite_add(test_apply_commit_stats, 0);
	suite_add(test_positions_of_this_run, 0);
	suite_add(test_abandon_nothing, 0);
	suite_add(test_fetch_in_order, WEIR_CAN_SEARCH);
	suite_add(test_fetch_sees_the_newest, WEIR_CAN_SEARCH);
	suite_add(test_abandon, WEIR_CAN_SEARCH);
	suite_add(test_close_drops_the_uncommitted, WEIR_CAN_SEARCH);
	suite_add(test_positions_stay, WEIR_CAN_SEARCH);
	suite_add(test_a_position_replaces_its_topic_id, WEIR_CAN_SEARCH);
	suite_add(test_second_writer, WEIR_CAN_SEARCH);
	suite_add(test_expire, WEIR_CAN_SEARCH);
	suite_add(test_rejection_spares_the_neighbours, WEIR_CAN_SEARCH);
	suite_add(test_state_is_untouched, WEIR_CAN_SEARCH);
	suite_add(test_odd_ids, WEIR_CAN_SEARCH);
}
