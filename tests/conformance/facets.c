/* SPDX-License-Identifier: MIT
 * facets.c - how many matches have each value of a field, for engines that can count them. */
#include <stdio.h>

#include "fixture.h"
#include "suite.h"

START_TEST(test_facets_count_values)
{
	const int32_t fields[] = {FREE, TAG, LABEL};
	PUT(writer, .id = "a", .title = "jazz", .tag = "music", .free = "1", .label = "x");
	PUT(writer, .id = "b", .title = "jazz", .tag = "music", .free = "0");
	PUT(writer, .id = "c", .title = "jazz", .tag = "art", .free = "1", .label = "y");
	PUT(writer, .id = "d", .title = "rock", .tag = "music", .label = "x");
	PUT(writer, .id = "e", .title = "rock");
	look();
	ck_assert_str_eq(counted(session, all(), TAG, 10), "tag: music=3 art=1");
	ck_assert_str_eq(counted(session, term(ANY, "jazz"), TAG, 10), "tag: music=2 art=1");
	ck_assert_str_eq(counted_filtered(session, all(), NULL, fields, 3, 10),
			 "free: true=2 false=1; tag: music=3 art=1; label: x=2 y=1");
	ck_assert_str_eq(counted_filtered(session, term(ANY, "rock"), NULL, fields, 3, 10),
			 "tag: music=1; label: x=1");
	ck_assert_str_eq(counted(session, none(), TAG, 10), "");
	ck_assert_str_eq(counted(session, term(ANY, "&"), TAG, 10), "");
	ck_assert_str_eq(counted_filtered(session, all(), NULL, fields, 0, 10), "");
}
END_TEST

START_TEST(test_facets_in_order)
{
	char id[16];
	const char *tags[] = {"c", "b", "b", "a", "a", "B", "b ", "ab", "\xC3\xA4", "\xC3\xA4"};
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		snprintf(id, sizeof(id), "%zu", i);
		PUT(writer, .id = id, .tag = tags[i]);
	}
	look();
	ck_assert_str_eq(counted(session, all(), TAG, 100),
			 "tag: a=2 b=2 %C3%A4=2 B=1 ab=1 b%20=1 c=1");
	ck_assert_str_eq(counted(session, all(), TAG, 4), "tag: a=2 b=2 %C3%A4=2 B=1");
	ck_assert_str_eq(counted(session, all(), TAG, 2), "tag: a=2 b=2");
	ck_assert_str_eq(counted(session, all(), TAG, 1), "tag: a=2");
	ck_assert_str_eq(counted(session, all(), TAG, 0), "");
	ck_assert_str_eq(counted(session, all(), TAG, SIZE_MAX),
			 "tag: a=2 b=2 %C3%A4=2 B=1 ab=1 b%20=1 c=1");
}
END_TEST

/* Byte for byte: case, accents, spaces, NULs and what is empty. */
START_TEST(test_facets_of_odd_values)
{
	PUT(writer, .id = "a", .label = "Oslo");
	PUT(writer, .id = "b", .label = "oslo");
	PUT(writer, .id = "c", .label = " oslo");
	PUT(writer, .id = "d", .label = "");
	PUT(writer, .id = "e", .label = "");
	PUT(writer, .id = "f", .label = "a\0b", .label_length = 3);
	PUT(writer, .id = "g", .label = "a\0c", .label_length = 3);
	PUT(writer, .id = "h", .label = "caf\xC3\xA9");
	PUT(writer, .id = "i", .label = "cafe\xCC\x81");
	PUT(writer, .id = "j", .label = "\"x\\");
	PUT(writer, .id = "k", .label = "\U0001f389");
	PUT(writer, .id = "l", .label = "&");
	look();
	ck_assert_str_eq(counted(session, all(), LABEL, 100),
			 "label: =2 %20oslo=1 %22x%5C=1 %26=1 Oslo=1 a%00b=1 a%00c=1 "
			 "cafe%CC%81=1 caf%C3%A9=1 oslo=1 %F0%9F%8E%89=1");
}
END_TEST

/* Kept whole and told apart to the last byte, or rejected. */
START_TEST(test_facets_of_long_values)
{
	static const size_t lengths[] = {246, 300, 8001, 20000};
	static char value[20001], other[20001], expected[65536];
	char ids[3][16], word[16];
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(value, 'v', lengths[i]);
		memset(other, 'v', lengths[i]);
		other[lengths[i] - 1] = 'w';
		for (int j = 0; j < 3; j++)
			snprintf(ids[j], sizeof(ids[j]), "%zu-%d", lengths[i], j);
		snprintf(word, sizeof(word), "of%zu", lengths[i]);
		uint32_t kinds[3];
		for (int j = 0; j < 3; j++)
			kinds[j] =
				put_item(writer, &(struct item){.id = ids[j],
								.title = word,
								.label = j == 1 ? other : value});
		ck_assert(kinds[0] == kinds[1] && kinds[1] == kinds[2]);
		look();
		snprintf(expected, sizeof(expected), "label: %s=2 %s=1", value, other);
		ck_assert_str_eq(counted(session, term(ANY, word), LABEL, 5),
				 kinds[0] == WEIR_ACCEPTED ? expected : "");
	}
}
END_TEST

START_TEST(test_facets_of_matches_only)
{
	PUT(writer, .id = "a", .title = "jazz", .tag = "music", .price = "1");
	PUT(writer, .id = "b", .title = "jazz", .tag = "music", .price = "2");
	PUT(writer, .id = "c", .title = "jazz rock", .tag = "art", .price = "3");
	PUT(writer, .id = "d", .hidden = true, .tag = "music");
	look();
	const int32_t tag = TAG;
	ck_assert_str_eq(
		counted_filtered(session, term(ANY, "jazz"), range(PRICE, "[2 *"), &tag, 1, 10),
		"tag: art=1 music=1");
	ck_assert_str_eq(counted_filtered(session, all(), exact(TAG, "art"), &tag, 1, 10),
			 "tag: art=1");
	ck_assert_str_eq(counted(session, NOT(term(ANY, "rock")), TAG, 10), "tag: music=2");
	ck_assert_str_eq(counted(session, OR(term(ANY, "rock"), range(PRICE, "[1 1]")), TAG, 10),
			 "tag: art=1 music=1");
	ck_assert_str_eq(counted(session, phrase(ANY, "jazz rock"), TAG, 10), "tag: art=1");
	ck_assert_str_eq(counted(session, prefix(ANY, "ja"), TAG, 10), "tag: music=2 art=1");
	ck_assert_str_eq(counted(session, boosted(term(ANY, "jazz"), 0), TAG, 10),
			 "tag: music=2 art=1");
}
END_TEST

START_TEST(test_facets_follow_changes)
{
	PUT(writer, .id = "a", .title = "x", .tag = "red", .version = 1);
	PUT(writer, .id = "b", .title = "x", .tag = "red", .version = 1);
	PUT(writer, .id = "c", .title = "x", .tag = "blue", .version = 1);
	look();
	ck_assert_str_eq(counted(session, all(), TAG, 9), "tag: red=2 blue=1");
	PUT(writer, .id = "a", .title = "x", .tag = "blue", .version = 2);
	PUT(writer, .id = "b", .hidden = true, .version = 2);
	PUT(writer, .id = "d", .title = "x", .tag = "blue", .version = 2);
	look();
	ck_assert_str_eq(counted(session, all(), TAG, 9), "tag: blue=3");
	ck_assert_str_eq(counted(session, term(ANY, "x"), TAG, 9), "tag: blue=3");
	PUT(writer, .id = "a", .title = "x", .version = 3);
	PUT(writer, .id = "b", .title = "x", .tag = "green", .version = 3);
	PUT(writer, .id = "c", .title = "x", .tag = "green", .version = 3);
	look();
	ck_assert_str_eq(counted(session, all(), TAG, 9), "tag: green=2 blue=1");
	for (int i = 0; i < 30; i++) {
		PUT(writer, .id = "e", .title = "x", .tag = i % 2 == 0 ? "odd" : "even",
		    .version = i);
		if (i % 3 == 0)
			commit(writer);
	}
	look();
	ck_assert_str_eq(counted(session, all(), TAG, 9), "tag: green=2 blue=1 even=1");
}
END_TEST

START_TEST(test_facets_of_one_generation)
{
	PUT(writer, .id = "a", .tag = "red");
	PUT(writer, .id = "b", .tag = "red");
	look();
	ck_assert_str_eq(counted(session, all(), TAG, 9), "tag: red=2");
	PUT(writer, .id = "a", .tag = "blue");
	PUT(writer, .id = "c", .tag = "red");
	if (harness_can(WEIR_CAN_COMMIT_POSITIONS))
		ck_assert_str_eq(counted(session, all(), TAG, 9), "tag: red=2");
	commit(writer);
	ck_assert_str_eq(counted(session, all(), TAG, 9), "tag: red=2");
	ck_assert_str_eq(matches(session, exact(TAG, "red")), "a b");
	refresh(session);
	ck_assert_str_eq(counted(session, all(), TAG, 9), "tag: red=2 blue=1");
	ck_assert_str_eq(matches(session, exact(TAG, "red")), "b c");
	if (!harness_can(WEIR_CAN_COMMIT_POSITIONS))
		return;
	PUT(writer, .id = "d", .tag = "lost");
	MUST(backend->abandon(writer, &error));
	look();
	ck_assert_str_eq(counted(session, all(), TAG, 9), "tag: red=2 blue=1");
}
END_TEST

/* Exact also where there are more values than anybody would guess: 1,460 are rare, 20 occur 38
 * times, 20 occur 39 times. */
START_TEST(test_facets_of_many_values)
{
	enum { VALUES = 1500 };
	char id[16], label[16], expected[2048] = "label:";
	for (int i = 0; i < VALUES * 2; i++) {
		snprintf(id, sizeof(id), "id%05d", i);
		snprintf(label, sizeof(label), "v%04d", i < VALUES ? i : i % 40 * 37);
		LATER(writer, .id = id, .title = i % 2 == 0 ? "even" : "odd", .label = label);
	}
	look();
	for (int i = 0; i < 25; i++) {
		size_t at = strlen(expected);
		snprintf(expected + at, sizeof(expected) - at, " v%04d=%d",
			 (i < 20 ? i + 20 : i - 20) * 37, i < 20 ? 39 : 38);
	}
	ck_assert_str_eq(counted(session, all(), LABEL, 25), expected);
	size_t values = 0;
	for (const char *at = counted(session, term(ANY, "even"), LABEL, VALUES); *at != '\0'; at++)
		values += *at == '=';
	ck_assert_uint_eq(values, VALUES / 2);
}
END_TEST

static int count_calls(void *context, size_t index, const char *value, size_t length,
		       uint64_t count)
{
	(void)index, (void)value, (void)length, (void)count;
	return ++*(int *)context == 2;
}

START_TEST(test_facets_stop)
{
	const int32_t fields[] = {TAG, LABEL};
	int calls = 0;
	PUT(writer, .id = "a", .tag = "x", .label = "x");
	PUT(writer, .id = "b", .tag = "y", .label = "y");
	PUT(writer, .id = "c", .tag = "z", .label = "z");
	look();
	struct weir_facets wanted = {all(), NULL, fields, 2, 10};
	MUST(backend->facets(session, &wanted, count_calls, &calls, &error));
	ck_assert_int_eq(calls, 2);
	wanted.limit = 2;
	calls = -10;
	MUST(backend->facets(session, &wanted, count_calls, &calls, &error));
	ck_assert_int_eq(calls, -6);
}
END_TEST

START_TEST(test_facets_of_unfit_fields)
{
	static const int32_t unfit[] = {
		TITLE,	     PLACE,	CODE,	   PRICE, DAY, WEIR_FIELD_DEFAULT,
		FIELD_COUNT, INT32_MAX, INT32_MIN,
	};
	PUT(writer, .id = "a", .title = "x", .tag = "y", .code = "z", .price = "1", .day = "1");
	look();
	for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++) {
		const int32_t fields[] = {TAG, unfit[i]};
		struct weir_facets wanted = {all(), NULL, fields, 2, 10};
		struct weir_error error = {""};
		int calls = 0;
		ck_assert_int_eq(backend->facets(session, &wanted, count_calls, &calls, &error),
				 WEIR_FATAL);
		ck_assert_int_eq(calls, 0);
		ck_assert_str_ne(error.message, "");
		ck_assert_ptr_null(strchr(error.message, '\n'));
	}
	ck_assert_str_eq(counted(session, all(), TAG, 10), "tag: y=1");
}
END_TEST

START_TEST(test_facets_cancel)
{
	char id[16];
	const int32_t fields[] = {TAG, LABEL, FREE};
	for (int i = 0; i < 3000; i++) {
		snprintf(id, sizeof(id), "id%04d", i);
		LATER(writer, .id = id, .title = "same", .tag = id, .label = "same", .free = "1");
	}
	look();
	struct weir_facets wanted = {term(ANY, "same"), NULL, fields, 3, 5};
	struct weir_error error = {""};
	int calls = 0;
	host_cancel_at(1);
	ck_assert_int_eq(backend->facets(session, &wanted, count_calls, &calls, &error),
			 WEIR_RETRY);
	ck_assert_str_ne(error.message, "");
	host_cancel_at(0);
	ck_assert_str_eq(counted(session, term(ANY, "same"), LABEL, 5), "label: same=3000");
}
END_TEST

void add_facet_cases(void)
{
	const uint64_t needs = WEIR_CAN_SEARCH | WEIR_CAN_FACET;
	suite_area("facets", fixture_setup, fixture_teardown);
	suite_add(test_facets_count_values, needs);
	suite_add(test_facets_in_order, needs);
	suite_add(test_facets_of_odd_values, needs);
	suite_add(test_facets_of_long_values, needs);
	suite_add(test_facets_of_matches_only, needs);
	suite_add(test_facets_follow_changes, needs);
	suite_add(test_facets_of_one_generation, needs);
	suite_add(test_facets_of_many_values, needs);
	suite_add(test_facets_stop, needs);
	suite_add(test_facets_of_unfit_fields, needs);
	suite_add(test_facets_cancel, needs);
}
