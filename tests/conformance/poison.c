/* SPDX-License-Identifier: MIT
 * poison.c - verdicts, and documents that an engine may not be able to take: they are rejected, or
 * found by halving as the indexer does it; their neighbours get in. */
#include <stdio.h>

#include "harness.h"
#include "suite.h"

START_TEST(test_rejection_spares_the_neighbours)
{
	weir_instance *writer = open_writer();
	const struct item items[] = {{.id = "a", .title = "red", .state = "A"},
				     {.id = "", .title = "red", .state = "?"},
				     {.id = "c", .title = "red", .state = "C"}};
	uint32_t kinds[3];
	put_items(writer, items, 3, kinds);
	ck_assert_uint_eq(kinds[0], WEIR_ACCEPTED);
	ck_assert_uint_eq(kinds[1], WEIR_REJECTED);
	ck_assert_uint_eq(kinds[2], WEIR_ACCEPTED);
	commit(writer);
	backend->close(writer);
	writer = open_writer();
	ck_assert_str_eq(fetched(writer, "a"), "A");
	ck_assert_str_eq(fetched(writer, "c"), "C");
	backend->close(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, term(ANY, "red")), "a c");
	backend->session_close(session);
	backend->close(reader);
}
END_TEST

START_TEST(test_a_verdict_for_each)
{
	enum { COUNT = 1000 };
	static struct item items[COUNT];
	static char ids[COUNT][16];
	static uint32_t kinds[COUNT];
	weir_instance *writer = open_writer();
	for (int i = 0; i < COUNT; i++) {
		snprintf(ids[i], sizeof(ids[i]), "id%04d", i);
		items[i] = (struct item){
			.id = i % 100 == 50 ? "" : ids[i], .title = "red", .hidden = i % 10 == 1};
	}
	put_items(writer, items, COUNT, kinds);
	for (int i = 0; i < COUNT; i++)
		ck_assert_uint_eq(kinds[i], i % 100 == 50 ? WEIR_REJECTED : WEIR_ACCEPTED);
	put_items(writer, items, 0, kinds);
	commit(writer);
	ck_assert_double_eq(stat_of(writer, "documents_live"), 890);
	ck_assert_double_eq(stat_of(writer, "documents_hidden"), 100);
	backend->close(writer);
}
END_TEST

/* What may be poison to some engine. */
enum { POISONS = 16, LONG = 300000 };
static struct item poisons[POISONS];
static size_t poison_count;

static char *repeated(const char *text, size_t length)
{
	size_t piece = strlen(text);
	char *made = malloc(length + 1);
	ck_assert_ptr_nonnull(made);
	for (size_t i = 0; i < length; i++)
		made[i] = text[i % piece];
	made[length] = '\0';
	return made;
}

static void add_poison(struct item item)
{
	static char ids[POISONS][32];
	ck_assert_uint_lt(poison_count, POISONS);
	if (item.id == NULL) {
		snprintf(ids[poison_count], sizeof(ids[0]), "poison%02zu", poison_count);
		item.id = ids[poison_count];
	}
	item.state = "poison";
	poisons[poison_count++] = item;
}

static void make_poisons(void)
{
	char *words = malloc((size_t)20000 * 8 + 1);
	ck_assert_ptr_nonnull(words);
	for (int i = 0; i < 20000; i++)
		snprintf(words + (size_t)i * 8, 9, "w%06d ", i);
	add_poison((struct item){.title = repeated("w", LONG)});
	add_poison((struct item){.tag = repeated("k", LONG)});
	add_poison((struct item){.tag = repeated("\x01\xFF", LONG)});
	add_poison((struct item){.title = repeated("\xC3\xA4\xCC\x81", LONG)});
	add_poison((struct item){.body = words});
	add_poison((struct item){.title = repeated("\xFF\xFE\x80", LONG)});
	add_poison((struct item){.title = repeated("a\xCC\x81", LONG)});
	add_poison((struct item){.id = repeated("i", 600), .title = "long id"});
	add_poison((struct item){.id = repeated("j", 70000), .title = "longer id"});
	add_poison((struct item){.id = "\xFF\xC3(", .title = "id that is not UTF-8"});
	add_poison((struct item){.id = "nul\0id", .id_length = 6, .title = "id with a NUL"});
	add_poison((struct item){.price = "1e999"});
	add_poison((struct item){.price = "-1e999"});
	add_poison((struct item){.tag = "\0", .tag_length = 1, .title = repeated("x ", LONG)});
}

/* Applies and commits; where that fails, does the same with either half, as the indexer does.
 * False: one item alone cannot be committed. */
static void isolate(weir_instance *writer, const struct item *items, size_t count, size_t *bad)
{
	uint32_t kinds[POISONS * 3];
	struct weir_error failure = {""};
	put_items(writer, items, count, kinds);
	weir_status status = backend->commit(writer, NULL, 0, &failure);
	if (status == WEIR_OK) {
		for (size_t i = 0; i < count; i++)
			*bad += kinds[i] != WEIR_ACCEPTED;
		return;
	}
	ck_assert_msg(status == WEIR_RETRY, "%s", failure.message);
	MUST(backend->abandon(writer, &error));
	if (count == 1) {
		*bad += 1;
		return;
	}
	isolate(writer, items, count / 2, bad);
	isolate(writer, items + count / 2, count - count / 2, bad);
}

static size_t put_with_neighbours(weir_instance *writer)
{
	static struct item items[POISONS * 3];
	static char ids[POISONS * 2][32];
	size_t bad = 0, count = 0;
	for (size_t i = 0; i < poison_count; i++) {
		snprintf(ids[2 * i], sizeof(ids[0]), "before%02u", (unsigned)i % 100);
		snprintf(ids[2 * i + 1], sizeof(ids[0]), "behind%02u", (unsigned)i % 100);
		items[count++] = (struct item){.id = ids[2 * i], .title = "neighbour"};
		items[count++] = poisons[i];
		items[count++] = (struct item){.id = ids[2 * i + 1], .title = "neighbour"};
	}
	isolate(writer, items, count, &bad);
	return bad;
}

START_TEST(test_neighbours_of_poison)
{
	weir_instance *writer = open_writer();
	make_poisons();
	size_t bad = put_with_neighbours(writer);
	backend->close(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	struct weir_search search = {.query = term(ANY, "neighbours")};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, NULL, NULL, &result, &error));
	ck_assert_uint_eq(result.total, 2 * poison_count);
	search.query = all();
	MUST(backend->search(session, &search, NULL, NULL, &result, &error));
	ck_assert_uint_eq(result.total, 3 * poison_count - bad);
	backend->session_close(session);
	backend->close(reader);
}
END_TEST

static int on_poison(void *context, const struct weir_hit *hit)
{
	ck_assert_uint_eq(hit->state_length, 6);
	ck_assert_int_eq(memcmp(hit->state, "poison", 6), 0);
	++*(int *)context;
	return 0;
}

/* What was accepted is there, whatever it is; what was rejected left its earlier version. */
START_TEST(test_poison_over_an_earlier_version)
{
	weir_instance *writer = open_writer();
	uint32_t kinds[POISONS] = {0};
	make_poisons();
	for (size_t i = 0; i < poison_count; i++) {
		struct item healthy = {.id = poisons[i].id,
				       .id_length = poisons[i].id_length,
				       .title = "healthy",
				       .state = "healthy"};
		kinds[i] = put_item(writer, &healthy);
	}
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	for (size_t i = 0; i < poison_count; i++) {
		int poisonous = 0;
		size_t bad = 0, length = poisons[i].id_length;
		if (kinds[i] != WEIR_ACCEPTED)
			continue;
		isolate(writer, &poisons[i], 1, &bad);
		refresh(session);
		const char *id = poisons[i].id;
		if (bad > 0)
			ck_assert_str_eq(found(session, id), "healthy@0");
		else
			MUST(backend->get(session, id, length > 0 ? length : strlen(id), on_poison,
					  &poisonous, &error));
		ck_assert_int_eq(poisonous, bad == 0);
	}
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

void add_poison_cases(void)
{
	suite_area("verdicts", NULL, NULL);
	suite_add(test_rejection_spares_the_neighbours, WEIR_CAN_SEARCH);
	suite_add(test_a_verdict_for_each, WEIR_CAN_SEARCH);
	suite_area("poison isolation", NULL, NULL);
	suite_add(test_neighbours_of_poison, WEIR_CAN_SEARCH);
	suite_add(test_poison_over_an_earlier_version, WEIR_CAN_SEARCH);
}
