/* SPDX-License-Identifier: MIT
 * ordering.c - scores, sorting and paging. */
#include "fixture.h"
#include "suite.h"

#include <stdio.h>

START_TEST(test_sort_by_number)
{
	PUT(writer, .id = "e", .price = "10");
	PUT(writer, .id = "d", .price = "-3");
	PUT(writer, .id = "c", .price = "2.5");
	PUT(writer, .id = "b");
	PUT(writer, .id = "a");
	PUT(writer, .id = "f", .price = "10");
	look();
	ck_assert_str_eq(ordered(session, all(), "price", 0, 10), "d c e f a b");
	ck_assert_str_eq(ordered(session, all(), "-price", 0, 10), "e f c d a b");
	ck_assert_str_eq(ordered(session, all(), "-price", 1, 3), "f c d");
}
END_TEST

START_TEST(test_sort_by_date)
{
	PUT(writer, .id = "a", .day = "1152921504606846977");
	PUT(writer, .id = "b", .day = "1152921504606846976");
	PUT(writer, .id = "c", .day = "-5");
	PUT(writer, .id = "d");
	look();
	ck_assert_str_eq(ordered(session, all(), "day", 0, 10), "c b a d");
	ck_assert_str_eq(ordered(session, all(), "-day", 0, 10), "a b c d");
}
END_TEST

START_TEST(test_sort_by_text)
{
	PUT(writer, .id = "a", .tag = "berlin", .title = "Zebra");
	PUT(writer, .id = "b", .tag = "Aarhus", .title = "\xC3\x84pfel");
	PUT(writer, .id = "c", .tag = "aarhus b", .title = "apfel b");
	PUT(writer, .id = "d", .tag = "Berlin");
	PUT(writer, .id = "e", .title = "birne");
	look();
	ck_assert_str_eq(ordered(session, all(), "tag", 0, 10), "b c a d e");
	ck_assert_str_eq(ordered(session, all(), "-tag", 0, 10), "a d c b e");
	ck_assert_str_eq(ordered(session, all(), "title", 0, 10), "b c e a d");
	ck_assert_str_eq(ordered(session, all(), "-title", 0, 10), "a e c b d");
}
END_TEST

START_TEST(test_sort_by_boolean)
{
	PUT(writer, .id = "a", .free = "1");
	PUT(writer, .id = "b", .free = "0");
	PUT(writer, .id = "c");
	look();
	ck_assert_str_eq(ordered(session, all(), "free", 0, 10), "b a c");
	ck_assert_str_eq(ordered(session, all(), "-free", 0, 10), "a b c");
}
END_TEST

START_TEST(test_sort_by_several)
{
	PUT(writer, .id = "a", .tag = "x", .price = "1", .day = "7");
	PUT(writer, .id = "b", .tag = "x", .price = "2");
	PUT(writer, .id = "c", .tag = "w", .price = "1");
	PUT(writer, .id = "d", .tag = "x");
	PUT(writer, .id = "e", .price = "2");
	PUT(writer, .id = "f", .tag = "x", .price = "1", .day = "6");
	look();
	ck_assert_str_eq(ordered(session, all(), "tag price", 0, 10), "c a f b d e");
	ck_assert_str_eq(ordered(session, all(), "-tag -price", 0, 10), "b a f d c e");
	ck_assert_str_eq(ordered(session, all(), "price -tag day", 0, 10), "f a c b e d");
}
END_TEST

START_TEST(test_scores_follow_the_boosts)
{
	PUT(writer, .id = "a", .body = "jazz", .title = "other");
	PUT(writer, .id = "b", .title = "jazz", .body = "other");
	PUT(writer, .id = "c", .title = "other", .body = "other");
	PUT(writer, .id = "d", .title = "rock", .body = "other");
	look();
	ck_assert_str_eq(ordered(session, term(ANY, "jazz"), "", 0, 10), "b a");
	ck_assert_str_eq(ordered(session, term(ANY, "jazz"), "-relevance", 0, 10), "b a");
	ck_assert_str_eq(ordered(session, term(ANY, "jazz"), "relevance", 0, 10), "a b");
	ck_assert_str_eq(ordered(session, OR(boosted(term(TITLE, "jazz"), 9), term(TITLE, "rock")),
				 "", 0, 1),
			 "b");
	ck_assert_str_eq(ordered(session, OR(term(TITLE, "jazz"), boosted(term(TITLE, "rock"), 9)),
				 "", 0, 1),
			 "d");
}
END_TEST

START_TEST(test_scores_of_rare_words)
{
	char id[16];
	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "m%02d", i);
		PUT(writer, .id = id, .body = "common filler");
	}
	PUT(writer, .id = "rare", .body = "seldom filler");
	look();
	ck_assert_str_eq(ordered(session, OR(term(ANY, "common"), term(ANY, "seldom")), "", 0, 3),
			 "rare m00 m01");
	/* a filter decides and does not score */
	struct weir_search search = {.query = all(), .filter = term(ANY, "common"), .limit = 0};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, NULL, NULL, &result, &error));
	ck_assert_uint_eq(result.total, 20);
}
END_TEST

START_TEST(test_equal_scores_by_id)
{
	char id[16], expected[1024] = "";
	for (int i = 49; i >= 0; i--) {
		snprintf(id, sizeof(id), "id%02d", i * 7 % 50);
		PUT(writer, .id = id, .title = "same words");
	}
	look();
	for (int i = 0; i < 50; i++)
		snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected),
			 "%sid%02d", i > 0 ? " " : "", i);
	ck_assert_str_eq(ordered(session, term(ANY, "same"), "", 0, 100), expected);
	ck_assert_str_eq(ordered(session, all(), "", 0, 100), expected);
	ck_assert_str_eq(ordered(session, all(), "price", 0, 100), expected);
	ck_assert_str_eq(ordered(session, term(ANY, "same"), "-price -relevance", 0, 100),
			 expected);
}
END_TEST

START_TEST(test_score_among_keys)
{
	PUT(writer, .id = "a", .body = "jazz", .price = "1", .day = "1");
	PUT(writer, .id = "b", .title = "jazz", .price = "2", .day = "2");
	PUT(writer, .id = "c", .body = "jazz", .price = "2", .day = "4");
	PUT(writer, .id = "d", .body = "jazz", .price = "2", .day = "3");
	look();
	const struct weir_query *jazz = term(ANY, "jazz");
	ck_assert_str_eq(ordered(session, jazz, "-relevance day", 0, 10), "b a d c");
	ck_assert_str_eq(ordered(session, jazz, "-relevance -day", 0, 10), "b c d a");
	ck_assert_str_eq(ordered(session, jazz, "-price -relevance day", 0, 10), "b d c a");
	ck_assert_str_eq(ordered(session, jazz, "price relevance -day", 0, 10), "a c d b");
	ck_assert_str_eq(ordered(session, jazz, "price relevance -day", 1, 2), "c d");
	ck_assert_str_eq(ordered(session, jazz, "price relevance -day", 9, 2), "");
}
END_TEST

/* Pages of 7 hold every hit once, in the order of one long page. */
static void check_pages(const struct weir_query *query, const char *sort)
{
	char pages[8192] = "";
	char *whole = strdup(ordered(session, query, sort, 0, 1000));
	ck_assert_ptr_nonnull(whole);
	for (size_t offset = 0; offset < 112; offset += 7) {
		const char *page = ordered(session, query, sort, offset, 7);
		if (page[0] == '\0')
			continue;
		if (pages[0] != '\0')
			strcat(pages, " ");
		strcat(pages, page);
	}
	ck_assert_str_eq(pages, whole);
	free(whole);
}

START_TEST(test_pages)
{
	char id[16], price[16], body[64];
	for (int i = 0; i < 100; i++) {
		snprintf(id, sizeof(id), "id%02d", i * 37 % 100);
		snprintf(price, sizeof(price), "%d", i % 7);
		snprintf(body, sizeof(body), "common %s %s", i % 3 == 0 ? "fizz fizz" : "fizz",
			 i % 5 == 0 ? "buzz" : "");
		LATER(writer, .id = id, .body = body, .price = i % 4 == 0 ? NULL : price);
	}
	look();
	check_pages(all(), "");
	check_pages(all(), "-price");
	check_pages(term(ANY, "fizz"), "");
	check_pages(OR(term(ANY, "fizz"), term(ANY, "buzz")), "");
	check_pages(OR(term(ANY, "fizz"), term(ANY, "buzz")), "price -relevance");
	ck_assert_str_eq(ordered(session, all(), "", 100, 10), "");
	ck_assert_str_eq(ordered(session, all(), "", SIZE_MAX, SIZE_MAX), "");
}
END_TEST

/* Near the front and far from it, with hidden documents between. */
START_TEST(test_pages_of_everything)
{
	char id[16], expected[64];
	for (int i = 0; i < 400; i++) {
		snprintf(id, sizeof(id), "id%03d", i);
		LATER(writer, .id = id, .title = "same", .hidden = i % 2 == 1);
	}
	look();
	for (size_t offset = 0; offset < 190; offset += 3) {
		snprintf(expected, sizeof(expected), "id%03zu id%03zu", offset * 2, offset * 2 + 2);
		ck_assert_str_eq(ordered(session, all(), "", offset, 2), expected);
		ck_assert_str_eq(ordered(session, term(ANY, "same"), "", offset, 2), expected);
	}
	struct weir_search search = {.query = all(), .limit = 0};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, NULL, NULL, &result, &error));
	ck_assert_uint_eq(result.total, 200);
}
END_TEST

static int on_any_hit(void *context, const struct weir_hit *hit)
{
	(void)hit;
	return ++*(int *)context == 2;
}

START_TEST(test_counts_and_stops)
{
	char id[16];
	for (int i = 0; i < 30; i++) {
		snprintf(id, sizeof(id), "id%02d", i);
		PUT(writer, .id = id, .title = "same");
	}
	look();
	int hits = 0;
	struct weir_search search = {.query = all()};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, on_any_hit, &hits, &result, &error));
	ck_assert_int_eq(hits, 0);
	ck_assert_uint_eq(result.total, 30);
	search.limit = 10;
	MUST(backend->search(session, &search, on_any_hit, &hits, &result, &error));
	ck_assert_int_eq(hits, 2);
	ck_assert_uint_eq(result.total, 30);
}
END_TEST

struct wanted_hit {
	int seen;
	double score;
};

static int on_whole_hit(void *context, const struct weir_hit *hit)
{
	struct wanted_hit *wanted = context;
	ck_assert_uint_eq(hit->id_length, 1);
	ck_assert_int_eq(hit->id[0], 'a');
	ck_assert_int_eq(hit->version, INT64_MIN);
	ck_assert_uint_eq(hit->state_length, 5);
	ck_assert_int_eq(memcmp(hit->state, "state", 5), 0);
	wanted->score = hit->score;
	wanted->seen++;
	return 0;
}

START_TEST(test_what_a_hit_brings)
{
	PUT(writer, .id = "a", .title = "Jazz", .version = INT64_MIN, .state = "state");
	PUT(writer, .id = "b", .title = "Other", .version = INT64_MAX);
	look();
	struct wanted_hit wanted = {0, 0};
	struct weir_search search = {.query = term(ANY, "jazz"), .limit = 5};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, on_whole_hit, &wanted, &result, &error));
	ck_assert_int_eq(wanted.seen, 1);
	ck_assert(wanted.score > 0);
	ck_assert_str_eq(found(session, "b"), "b@9223372036854775807");
}
END_TEST

void add_ordering_cases(void)
{
	suite_area("scores", fixture_setup, fixture_teardown);
	suite_add(test_scores_follow_the_boosts, WEIR_CAN_SEARCH);
	suite_add(test_scores_of_rare_words, WEIR_CAN_SEARCH);
	suite_add(test_equal_scores_by_id, WEIR_CAN_SEARCH);
	suite_add(test_what_a_hit_brings, WEIR_CAN_SEARCH);
	suite_area("sorting", fixture_setup, fixture_teardown);
	suite_add(test_sort_by_number, WEIR_CAN_SEARCH);
	suite_add(test_sort_by_date, WEIR_CAN_SEARCH);
	suite_add(test_sort_by_text, WEIR_CAN_SEARCH);
	suite_add(test_sort_by_boolean, WEIR_CAN_SEARCH);
	suite_add(test_sort_by_several, WEIR_CAN_SEARCH);
	suite_add(test_score_among_keys, WEIR_CAN_SEARCH);
	suite_area("paging", fixture_setup, fixture_teardown);
	suite_add(test_pages, WEIR_CAN_SEARCH);
	suite_add(test_pages_of_everything, WEIR_CAN_SEARCH);
	suite_add(test_counts_and_stops, WEIR_CAN_SEARCH);
}
