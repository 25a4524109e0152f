/* SPDX-License-Identifier: MIT
 * fuzzy.c - WEIR_QUERY_FUZZY and suggestions, for engines that offer them. An edit is a letter put
 * in, left out or replaced; whether two letters that changed places are one or two is the engine's.
 */
#include "fixture.h"
#include "suite.h"

static const struct weir_query *fuzzy(int32_t field, const char *text, uint32_t distance)
{
	struct weir_query *query = (struct weir_query *)near(field, text, distance);
	query->kind = WEIR_QUERY_FUZZY;
	return query;
}

START_TEST(test_fuzzy)
{
	PUT(writer, .id = "a", .place = "marathon");
	PUT(writer, .id = "b", .place = "marothon");
	PUT(writer, .id = "c", .place = "marthon");
	PUT(writer, .id = "d", .place = "marathonx");
	PUT(writer, .id = "e", .place = "maratxyon");
	PUT(writer, .id = "f", .place = "zebra");
	look();
	ck_assert_str_eq(matches(session, fuzzy(PLACE, "marathon", 1)), "a b c d");
	ck_assert_str_eq(matches(session, fuzzy(ANY, "MARATHON", 1)), "a b c d");
	ck_assert_str_eq(matches(session, fuzzy(PLACE, "marathon", 2)), "a b c d e");
	ck_assert_str_eq(matches(session, fuzzy(PLACE, "zebras", 1)), "f");
	ck_assert_str_eq(matches(session, fuzzy(PLACE, "giraffe", 2)), "");
	ck_assert_str_eq(matches(session, fuzzy(TITLE, "marathon", 1)), "");
	ck_assert_str_eq(matches(session, NOT(fuzzy(PLACE, "marathon", 2))), "f");
	ck_assert_str_eq(matches(session, AND(fuzzy(PLACE, "marathon", 2), term(PLACE, "marthon"))),
			 "c");
}
END_TEST

START_TEST(test_fuzzy_folds_and_counts_letters)
{
	PUT(writer, .id = "a", .place = "Caf\u00e9s");
	PUT(writer, .id = "b", .place = "\u041c\u043e\u0441\u043a\u0432\u0430");
	look();
	ck_assert_str_eq(matches(session, fuzzy(PLACE, "cafes", 1)), "a");
	ck_assert_str_eq(matches(session, fuzzy(PLACE, "caf\u00e9", 1)), "a");
	/* one letter, though it is two bytes */
	ck_assert_str_eq(matches(session, fuzzy(PLACE, "\u041c\u0430\u0441\u043a\u0432\u0430", 1)),
			 "b");
	ck_assert_str_eq(matches(session, fuzzy(PLACE, "&", 1)), "");
}
END_TEST

struct suggestions {
	char text[1024];
	size_t count;
	bool stop;
};

static int on_suggestion(void *context, const char *text, size_t length, uint64_t documents)
{
	struct suggestions *got = context;
	ck_assert_uint_ge(documents, 1);
	ck_assert_uint_gt(length, 0);
	strcat(got->text, "|");
	strncat(got->text, text, length);
	got->count++;
	return got->stop;
}

static struct suggestions suggested(const char *text, size_t limit, bool stop)
{
	struct suggestions got = {.stop = stop};
	MUST(backend->suggest(session, text, strlen(text), limit, on_suggestion, &got, &error));
	ck_assert_uint_le(got.count, limit);
	return got;
}

START_TEST(test_suggest)
{
	PUT(writer, .id = "a", .title = "Marathon");
	PUT(writer, .id = "b", .title = "Marathon");
	PUT(writer, .id = "c", .title = "Market");
	PUT(writer, .id = "d", .title = "Zebra");
	PUT(writer, .id = "e", .hidden = true);
	look();
	struct suggestions got = suggested("mar", 10, false);
	ck_assert_uint_eq(got.count, 2);
	ck_assert_ptr_nonnull(strcasestr(got.text, "marathon"));
	ck_assert_ptr_nonnull(strcasestr(got.text, "market"));
	ck_assert_ptr_nonnull(strcasestr(suggested("MARA", 10, false).text, "marathon"));
	ck_assert_uint_eq(suggested("mar", 1, false).count, 1);
	ck_assert_uint_eq(suggested("mar", 10, true).count, 1);
	ck_assert_uint_eq(suggested("mar", 0, false).count, 0);
	ck_assert_uint_eq(suggested("xylo", 10, false).count, 0);
}
END_TEST

void add_fuzzy_cases(void)
{
	suite_area("query FUZZY", fixture_setup, fixture_teardown);
	suite_add(test_fuzzy, WEIR_CAN_SEARCH | WEIR_CAN_FUZZY);
	suite_add(test_fuzzy_folds_and_counts_letters, WEIR_CAN_SEARCH | WEIR_CAN_FUZZY);
	suite_area("suggestions", fixture_setup, fixture_teardown);
	suite_add(test_suggest, WEIR_CAN_SEARCH | WEIR_CAN_SUGGEST);
}
