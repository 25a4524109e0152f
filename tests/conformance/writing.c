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
	/* without atomic commits it may be there all the same */
	if (!harness_can(WEIR_CAN_SEARCH) || harness_can(WEIR_CAN_COMMIT_POSITIONS))
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
	commit(writer);
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

static void put_graves(weir_instance *writer)
{
	PUT(writer, .id = "live", .title = "One", .applied_at = -50);
	PUT(writer, .id = "old", .hidden = true, .applied_at = -5);
	PUT(writer, .id = "limit", .hidden = true, .applied_at = 100);
	PUT(writer, .id = "young", .hidden = true, .applied_at = 101);
	PUT(writer, .id = "revived", .hidden = true, .applied_at = 1);
	commit(writer);
	PUT(writer, .id = "revived", .title = "Two", .applied_at = 2);
}

START_TEST(test_expire)
{
	weir_instance *writer = open_writer();
	uint64_t removed = 99;
	put_graves(writer);
	MUST(backend->expire(writer, 100, &removed, &error));
	ck_assert_uint_eq(removed, 1);
	commit(writer);
	ck_assert_str_eq(fetched(writer, "old"), "-");
	ck_assert_str_eq(fetched(writer, "revived"), "revived");
	MUST(backend->expire(writer, 100, &removed, &error));
	ck_assert_uint_eq(removed, 0);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(scanned(session, ""), "limit@0h live@0 revived@0 young@0h");
	ck_assert_double_eq(stat_of(writer, "documents_hidden"), 2);
	MUST(backend->expire(writer, INT64_MAX, &removed, &error));
	ck_assert_uint_eq(removed, 2);
	commit(writer);
	refresh(session);
	ck_assert_str_eq(scanned(session, ""), "live@0 revived@0");
	ck_assert_str_eq(matches(session, term(ANY, "one")), "live");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

START_TEST(test_expire_waits_for_the_commit)
{
	weir_instance *writer = open_writer();
	uint64_t removed = 99;
	put_graves(writer);
	MUST(backend->expire(writer, 100, &removed, &error));
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

START_TEST(test_a_document_again_in_one_commit)
{
	weir_instance *writer = open_writer();
	PUT(writer, .id = "a", .title = "red", .state = "1");
	PUT(writer, .id = "a", .hidden = true, .state = "2");
	PUT(writer, .id = "a", .title = "green", .state = "3");
	PUT(writer, .id = "b", .title = "green", .state = "4");
	PUT(writer, .id = "b", .hidden = true, .state = "5");
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "");
	ck_assert_str_eq(matches(session, term(ANY, "green")), "a");
	ck_assert_str_eq(scanned(session, ""), "a@0 b@0h");
	ck_assert_str_eq(fetched(writer, "b"), "5");
	ck_assert_double_eq(stat_of(writer, "documents_live"), 1);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

START_TEST(test_maintain)
{
	weir_instance *writer = open_writer();
	char id[16];
	for (int i = 0; i < 60; i++) {
		snprintf(id, sizeof(id), "id%02d", i % 40);
		PUT(writer, .id = id, .title = "kept", .hidden = i % 7 == 0);
		commit_at(writer, "created", 0, i + 1);
	}
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	char *before = strdup(matches(session, term(ANY, "kept")));
	ck_assert_ptr_nonnull(before);
	for (int i = 0; i < 3; i++)
		MUST(backend->maintain(writer, 50, &error));
	/* told to stop it may say so, and nothing is lost */
	host_cancel_at(1);
	struct weir_error failure = {""};
	weir_status status = backend->maintain(writer, 1000, &failure);
	ck_assert(status == WEIR_OK || status == WEIR_RETRY);
	host_cancel_at(0);
	if (status == WEIR_RETRY)
		MUST(backend->abandon(writer, &error));
	ck_assert_str_eq(matches(session, term(ANY, "kept")), before);
	PUT(writer, .id = "later", .title = "later");
	commit(writer);
	refresh(session);
	ck_assert_str_eq(matches(session, term(ANY, "kept")), before);
	ck_assert_str_eq(matches(session, term(ANY, "later")), "later");
	ck_assert_str_eq(positions(writer), "cluster/created/0=60");
	free(before);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

START_TEST(test_sync)
{
	weir_instance *writer = open_writer();
	MUST(backend->sync(writer, &error));
	PUT(writer, .id = "a", .title = "One");
	MUST(backend->sync(writer, &error)); /* of the last commit; what was applied stays so */
	commit_at(writer, "created", 0, 1);
	MUST(backend->sync(writer, &error));
	MUST(backend->sync(writer, &error));
	ck_assert_str_eq(positions(writer), "cluster/created/0=1");
	backend->close(writer);
}
END_TEST

static int on_name(void *context, const char *name, double value)
{
	size_t length = strlen(name);
	size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	ck_assert_msg(length > 0 && good == length, "statistic \"%s\"", name);
	ck_assert_msg(value == value, "statistic %s is not a number", name);
	++*(int *)context;
	return 0;
}

static int on_first_name(void *context, const char *name, double value)
{
	(void)name, (void)value;
	++*(int *)context;
	return 1;
}

START_TEST(test_stats)
{
	weir_instance *writer = open_writer();
	int names = 0, first = 0;
	ck_assert_double_eq(stat_of(writer, "documents_live"), 0);
	if (harness_can(WEIR_CAN_SEARCH)) {
		PUT(writer, .id = "a", .title = "One");
		PUT(writer, .id = "b", .title = "Two");
		PUT(writer, .id = "c", .hidden = true);
		commit(writer);
		ck_assert_double_eq(stat_of(writer, "documents_live"), 2);
		ck_assert_double_eq(stat_of(writer, "documents_hidden"), 1);
		ck_assert_double_gt(stat_of(writer, "bytes_on_disk"), 0);
	}
	MUST(backend->stats(writer, on_name, &names, &error));
	ck_assert_int_ge(names, 3);
	MUST(backend->stats(writer, on_first_name, &first, &error));
	ck_assert_int_eq(first, 1);
	backend->close(writer);
}
END_TEST

void add_writing_cases(void)
{
	enum { SEARCH = WEIR_CAN_SEARCH, ATOMIC = WEIR_CAN_SEARCH | WEIR_CAN_COMMIT_POSITIONS };
	suite_area("fetch and apply", NULL, NULL);
	suite_add(test_fetch_of_the_unknown, 0);
	suite_add(test_fetch_in_order, SEARCH);
	suite_add(test_fetch_sees_the_newest, SEARCH);
	suite_add(test_a_document_again_in_one_commit, SEARCH);
	suite_add(test_state_is_untouched, SEARCH);
	suite_area("commit and abandon", NULL, NULL);
	suite_add(test_apply_commit_stats, 0);
	suite_add(test_abandon_nothing, 0);
	suite_add(test_abandon, ATOMIC);
	suite_add(test_close_drops_the_uncommitted, ATOMIC);
	suite_add(test_sync, WEIR_CAN_SYNC);
	suite_area("positions", NULL, NULL);
	suite_add(test_positions_of_this_run, 0);
	suite_add(test_positions_stay, SEARCH);
	suite_add(test_a_position_replaces_its_topic_id, SEARCH);
	suite_area("expire, maintain, stats", NULL, NULL);
	suite_add(test_expire, SEARCH);
	suite_add(test_expire_waits_for_the_commit, ATOMIC);
	suite_add(test_maintain, WEIR_CAN_SEARCH | WEIR_CAN_MAINTAIN);
	suite_add(test_stats, 0);
}
