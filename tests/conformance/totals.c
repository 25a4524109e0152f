/* SPDX-License-Identifier: MIT
 * totals.c - that a total is exact up to WEIR_TOTAL_EXACT matches and where no hit is asked for,
 * and above that never too high; that giving up counting costs no hit; and that a short page is the
 * beginning of a long one, whatever an engine passes over to find it. */
#include <stdio.h>

#include "fixture.h"
#include "suite.h"

enum { DOCUMENTS = WEIR_TOTAL_EXACT + 2200, COMMIT_EVERY = 4000, PAGE = 20, LONG_PAGE = 5000 };

/* Of "most" there are WEIR_TOTAL_EXACT, of "fewer" one less, of "many" more; each with other
 * scores, and of equal ones the last to come has the first id. */
static void put_documents(void)
{
	char id[16], title[256];
	for (int i = 0; i < DOCUMENTS; i++) {
		snprintf(id, sizeof(id), "id%05d", DOCUMENTS - 1 - i);
		snprintf(title, sizeof(title), "same %s %s %s%s%.*s",
			 i < WEIR_TOTAL_EXACT ? "most" : "",
			 i < WEIR_TOTAL_EXACT - 1 ? "fewer" : "", i >= 1000 ? "many" : "",
			 i % 11 == 0 ? " same same" : "", i * 7919 % 53 * 4,
			 " few few few few few few few few few few few few few few few few "
			 "few few few few few few few few few few few few few few few few "
			 "few few few few few few few few few few few few few few few few "
			 "few few few few ");
		LATER(writer, .id = id, .title = title, .tag = i % 2 == 0 ? "even" : "odd",
		      .hidden = i % 1000 == 999 && i >= WEIR_TOTAL_EXACT);
		if (i % COMMIT_EVERY == 0)
			commit(writer);
	}
	look();
}

struct page {
	char ids[256];
	size_t hits;
};

static int on_hit(void *context, const struct weir_hit *hit)
{
	struct page *page = context;
	size_t at = strlen(page->ids);
	if (page->hits++ < PAGE)
		snprintf(page->ids + at, sizeof(page->ids) - at, " %.*s", (int)hit->id_length,
			 hit->id);
	return 0;
}

static void check(const struct weir_query *query, const struct weir_query *filter, const char *sort,
		  uint64_t count)
{
	static const size_t limits[] = {0, 1, LONG_PAGE, PAGE};
	char beginning[sizeof(((struct page *)0)->ids)] = "";
	struct weir_sort_key keys[8];
	const struct weir_sort_key *pointers[8];
	for (size_t i = 0; i < 8; i++)
		pointers[i] = &keys[i];
	for (size_t i = 0; i < 4; i++) {
		struct weir_search search = {.query = query,
					     .filter = filter,
					     .sort = pointers,
					     .sort_count = read_sort(sort, keys),
					     .limit = limits[i]};
		struct weir_search_result result = {0};
		struct page page = {"", 0};
		MUST(backend->search(session, &search, on_hit, &page, &result, &error));
		ck_assert_uint_eq(page.hits, limits[i]);
		check_total(&result, limits[i], count);
		if (limits[i] == PAGE)
			ck_assert_str_eq(page.ids, beginning);
		memcpy(beginning, page.ids, sizeof(beginning));
	}
}

START_TEST(test_totals_of_many)
{
	put_documents();
	const uint64_t live = DOCUMENTS - 2;
	check(all(), NULL, "", live);
	check(all(), NULL, "tag", live);
	check(term(ANY, "same"), NULL, "", live);
	check(term(ANY, "same"), NULL, "-tag", live);
	check(term(ANY, "most"), NULL, "", WEIR_TOTAL_EXACT);
	check(term(ANY, "fewer"), NULL, "", WEIR_TOTAL_EXACT - 1);
	check(OR(term(ANY, "most"), term(ANY, "many")), NULL, "", live);
	check(AND(term(ANY, "most"), term(ANY, "many")), NULL, "", WEIR_TOTAL_EXACT - 1000);
	check(AND(term(ANY, "same"), term(ANY, "many")), NULL, "", live - 1000);
	check(term(ANY, "same"), term(ANY, "many"), "", live - 1000);
	check(term(ANY, "same"), exact(TAG, "even"), "", DOCUMENTS / 2);
	check(NOT(term(ANY, "nothing")), NULL, "", live);
	check(prefix(ANY, "sa"), NULL, "", live);
}
END_TEST

/* Behind so many hits that the count was given up long before. */
START_TEST(test_hits_behind_an_inexact_total)
{
	struct weir_search search = {
		.query = term(ANY, "same"), .offset = WEIR_TOTAL_EXACT + 1000, .limit = 3};
	struct weir_search_result result = {0};
	struct page page = {"", 0};
	const struct weir_sort_key by_id = {TAG, 1};
	const struct weir_sort_key *sort = &by_id;
	put_documents();
	search.sort = &sort;
	search.sort_count = 1;
	MUST(backend->search(session, &search, on_hit, &page, &result, &error));
	/* the odd ones come first, and those that are hidden are odd */
	const int even = (WEIR_TOTAL_EXACT + 1000 - (DOCUMENTS / 2 - 2)) * 2 + 1;
	char expected[64];
	snprintf(expected, sizeof(expected), " id%05d id%05d id%05d", even, even + 2, even + 4);
	ck_assert_str_eq(page.ids, expected);
	check_total(&result, 3, DOCUMENTS - 2);
}
END_TEST

void add_total_cases(void)
{
	suite_area("totals", fixture_setup, fixture_teardown);
	suite_add(test_totals_of_many, WEIR_CAN_SEARCH);
	suite_add(test_hits_behind_an_inexact_total, WEIR_CAN_SEARCH);
}
