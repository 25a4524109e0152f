/* SPDX-License-Identifier: MIT
 * matching.c - which documents a query finds. */
#include "fixture.h"
#include "suite.h"

#include <stdio.h>

START_TEST(test_term)
{
	PUT(writer, .id = "a", .title = "Jazz night", .body = "A trio plays");
	PUT(writer, .id = "b", .title = "Rock", .body = "Not a jazz band", .tag = "night");
	PUT(writer, .id = "c", .title = "Silence");
	PUT(writer, .id = "d", .hidden = true);
	look();
	ck_assert_str_eq(matches(session, term(TITLE, "jazz")), "a");
	ck_assert_str_eq(matches(session, term(BODY, "jazz")), "b");
	ck_assert_str_eq(matches(session, term(ANY, "jazz")), "a b");
	ck_assert_str_eq(matches(session, term(ANY, "night")), "a b");
	ck_assert_str_eq(matches(session, term(ANY, "jaz")), "");
	ck_assert_str_eq(matches(session, term(PLACE, "jazz")), "");
	ck_assert_str_eq(matches(session, all()), "a b c");
	ck_assert_str_eq(matches(session, none()), "");
}
END_TEST

START_TEST(test_any_field_is_those_searched)
{
	PUT(writer, .id = "a", .place = "Secret garden");
	PUT(writer, .id = "b", .code = "secret");
	look();
	ck_assert_str_eq(matches(session, term(ANY, "secret")), "a");
	ck_assert_str_eq(matches(session, term(CODE, "secret")), "b");
	ck_assert_str_eq(matches(session, prefix(ANY, "secr")), "a");
	ck_assert_str_eq(matches(session, phrase(ANY, "secret")), "a");
}
END_TEST

START_TEST(test_other_forms)
{
	PUT(writer, .id = "a", .title = "Concert");
	PUT(writer, .id = "b", .title = "Two concerts");
	PUT(writer, .id = "c", .place = "Concert hall");
	PUT(writer, .id = "d", .place = "Hall of concerts", .tag = "running");
	look();
	ck_assert_str_eq(matches(session, term(TITLE, "concert")), "a b");
	ck_assert_str_eq(matches(session, term(TITLE, "CONCERTS")), "a b");
	/* place has no language, tag is a keyword */
	ck_assert_str_eq(matches(session, term(PLACE, "concerts")), "d");
	ck_assert_str_eq(matches(session, term(PLACE, "concert")), "c");
	ck_assert_str_eq(matches(session, term(TAG, "run")), "");
	ck_assert_str_eq(matches(session, term(TAG, "Running")), "d");
	ck_assert_str_eq(matches(session, term(ANY, "concerts")), "a b d");
	/* phrases and beginnings: as typed */
	ck_assert_str_eq(matches(session, phrase(TITLE, "concerts")), "b");
	ck_assert_str_eq(matches(session, phrase(TITLE, "two concert")), "");
	ck_assert_str_eq(matches(session, prefix(TITLE, "concerts")), "b");
}
END_TEST

START_TEST(test_other_forms_are_kept)
{
	if (harness_can(WEIR_CAN_COMMIT_POSITIONS)) { /* else it may stay */
		PUT(writer, .id = "a", .title = "running");
		MUST(backend->abandon(writer, &error));
	}
	PUT(writer, .id = "b", .title = "running");
	commit(writer);
	backend->close(writer);
	writer = open_writer();
	PUT(writer, .id = "c", .title = "runs");
	PUT(writer, .id = "d", .body = "run");
	look();
	ck_assert_str_eq(matches(session, term(TITLE, "run")), "b c");
	ck_assert_str_eq(matches(session, term(ANY, "runs")), "b c d");
	ck_assert_str_eq(matches(session, term(BODY, "running")), "d");
}
END_TEST

START_TEST(test_case_and_accents)
{
	PUT(writer, .id = "a",
	    .title = "Caf\xC3\xA9 \xC3\x9C"
		     "ber");
	PUT(writer, .id = "b", .title = "CAFE uber");
	PUT(writer, .id = "c", .title = "Cafe\xCC\x81"); /* e and a combining accent */
	PUT(writer, .id = "d",
	    .title = "Stra\xC3\x9F"
		     "e",
	    .tag = "\xC3\x89lan");
	PUT(writer, .id = "e", .title = "\xEF\xAC\x81nale");	     /* the ligature fi */
	PUT(writer, .id = "f", .title = "\xCE\xA3\xCE\x91\xCE\xA3"); /* Greek, final sigma */
	look();
	ck_assert_str_eq(matches(session, term(TITLE, "cafe")), "a b c");
	ck_assert_str_eq(matches(session, term(TITLE, "CAF\xC3\x89")), "a b c");
	ck_assert_str_eq(matches(session, term(ANY, "\xC3\xBC"
						    "ber")),
			 "a b");
	ck_assert_str_eq(matches(session, term(TITLE, "STRASSE")), "d");
	ck_assert_str_eq(matches(session, term(TAG, "elan")), "d");
	ck_assert_str_eq(matches(session, term(TITLE, "finale")), "e");
	ck_assert_str_eq(matches(session, phrase(TITLE, "\xCF\x83\xCE\xB1\xCF\x82")), "f");
	ck_assert_str_eq(matches(session, phrase(TITLE, "cafe UBER")), "a b");
	ck_assert_str_eq(matches(session, prefix(TITLE, "CAF\xC3\x89")), "a b c");
}
END_TEST

START_TEST(test_words)
{
	PUT(writer, .id = "a",
	    .title = "Don't stop, O\xE2\x80\x99"
		     "Brien!");
	PUT(writer, .id = "b", .title = "C++ and C# for e-mail");
	PUT(writer, .id = "c",
	    .title = "\xE6\x9D\xB1\xE4\xBA\xAC\xE9\x83\xBD"); /* three ideographs */
	PUT(writer, .id = "d", .title = "PyCon 2026/07 in Z\xC3\xBCrich (CH)");
	PUT(writer, .id = "e",
	    .title = "\xD0\x9C\xD0\xBE\xD1\x81\xD0\xBA\xD0\xB2\xD0\xB0"); /* Moskva */
	look();
	ck_assert_str_eq(matches(session, term(PLACE, "dont")), "");
	ck_assert_str_eq(matches(session, term(TITLE, "don't")), "a");
	ck_assert_str_eq(matches(session, term(TITLE, "obrien")), "a");
	ck_assert_str_eq(matches(session, term(TITLE, "C++")), "b");
	ck_assert_str_eq(matches(session, term(TITLE, "c#")), "b");
	ck_assert_str_eq(matches(session, term(TITLE, "c")), "");
	ck_assert_str_eq(matches(session, term(TITLE, "mail")), "b");
	ck_assert_str_eq(matches(session, term(TITLE, "e-mail")), "b");
	ck_assert_str_eq(matches(session, term(TITLE, "mail-e")), "b");
	ck_assert_str_eq(matches(session, term(TITLE, "e-post")), "");
	ck_assert_str_eq(matches(session, term(TITLE, "\xE4\xBA\xAC")), "c");
	ck_assert_str_eq(matches(session, phrase(TITLE, "\xE6\x9D\xB1\xE4\xBA\xAC")), "c");
	ck_assert_str_eq(matches(session, phrase(TITLE, "\xE4\xBA\xAC\xE6\x9D\xB1")), "");
	ck_assert_str_eq(matches(session, term(TITLE, "07")), "d");
	ck_assert_str_eq(matches(session, phrase(TITLE, "pycon 2026-07")), "d");
	ck_assert_str_eq(matches(session, term(TITLE, "ZURICH")), "d");
	ck_assert_str_eq(
		matches(session, term(TITLE, "\xD0\x9C\xD0\x9E\xD0\xA1\xD0\x9A\xD0\x92\xD0\x90")),
		"e");
}
END_TEST

START_TEST(test_text_without_words)
{
	PUT(writer, .id = "a", .title = "Rock & roll");
	PUT(writer, .id = "b", .title = "");
	PUT(writer, .id = "c", .title = "!!!", .body = " \t\n");
	look();
	ck_assert_str_eq(matches(session, term(ANY, "&")), "");
	ck_assert_str_eq(matches(session, term(ANY, "")), "");
	ck_assert_str_eq(matches(session, phrase(TITLE, "!!!")), "");
	ck_assert_str_eq(matches(session, prefix(ANY, "-")), "");
	/* beside words it is as if it were not there */
	ck_assert_str_eq(
		matches(session, AND(term(ANY, "rock"), term(ANY, "&"), term(ANY, "roll"))), "a");
	ck_assert_str_eq(matches(session, OR(term(ANY, "rock"), term(ANY, "&"))), "a");
	ck_assert_str_eq(matches(session, AND(term(ANY, "&"), phrase(ANY, "-"))), "");
	ck_assert_str_eq(matches(session, all()), "a b c");
}
END_TEST

START_TEST(test_phrase)
{
	PUT(writer, .id = "a", .title = "New York City marathon");
	PUT(writer, .id = "b", .title = "York has a new city");
	PUT(writer, .id = "c", .title = "The new", .body = "York");
	PUT(writer, .id = "d", .title = "new new york");
	look();
	ck_assert_str_eq(matches(session, phrase(TITLE, "new york")), "a d");
	ck_assert_str_eq(matches(session, phrase(ANY, "new york")), "a d");
	ck_assert_str_eq(matches(session, phrase(TITLE, "york new")), "");
	ck_assert_str_eq(matches(session, phrase(TITLE, "new-york, CITY")), "a");
	ck_assert_str_eq(matches(session, phrase(TITLE, "new new")), "d");
	ck_assert_str_eq(matches(session, phrase(TITLE, "new york city marathon")), "a");
	ck_assert_str_eq(matches(session, phrase(BODY, "new york")), "");
}
END_TEST

START_TEST(test_near)
{
	PUT(writer, .id = "a", .title = "one two");
	PUT(writer, .id = "b", .title = "two one");
	PUT(writer, .id = "c", .title = "one x two");
	PUT(writer, .id = "d", .title = "two x y one");
	PUT(writer, .id = "e", .title = "one x y z two");
	PUT(writer, .id = "f", .title = "one", .body = "two");
	look();
	ck_assert_str_eq(matches(session, near(TITLE, "one two", 0)), "a");
	ck_assert_str_eq(matches(session, near(TITLE, "one two", 1)), "a b c");
	ck_assert_str_eq(matches(session, near(TITLE, "one two", 2)), "a b c d");
	ck_assert_str_eq(matches(session, near(ANY, "two one", 3)), "a b c d e");
	ck_assert_str_eq(matches(session, near(ANY, "two one", UINT32_MAX)), "a b c d e");
	ck_assert_str_eq(matches(session, near(TITLE, "one two x", 1)), "c d");
}
END_TEST

START_TEST(test_near_needs_each_word_it_names)
{
	PUT(writer, .id = "a", .title = "one");
	PUT(writer, .id = "b", .title = "one x one");
	look();
	ck_assert_str_eq(matches(session, near(TITLE, "one one", 2)), "b");
}
END_TEST

START_TEST(test_prefix)
{
	PUT(writer, .id = "a", .title = "Marathon", .tag = "Market-Place");
	PUT(writer, .id = "b", .title = "March", .body = "marble");
	PUT(writer, .id = "c", .title = "Summer");
	look();
	ck_assert_str_eq(matches(session, prefix(TITLE, "mar")), "a b");
	ck_assert_str_eq(matches(session, prefix(TITLE, "MARA")), "a");
	ck_assert_str_eq(matches(session, prefix(ANY, "mark")), "a");
	ck_assert_str_eq(matches(session, prefix(ANY, "marb")), "b");
	ck_assert_str_eq(matches(session, prefix(TITLE, "mart")), "");
	ck_assert_str_eq(matches(session, prefix(TITLE, "marathon")), "a");
	ck_assert_str_eq(matches(session, prefix(TAG, "market-pl")), "a");
	ck_assert_str_eq(matches(session, prefix(TAG, "place-mar")), "a");
}
END_TEST

START_TEST(test_words_of_a_term_in_several_fields)
{
	PUT(writer, .id = "a", .title = "wi", .body = "fi");
	PUT(writer, .id = "b", .title = "wi fi");
	PUT(writer, .id = "c", .title = "wi");
	look();
	ck_assert_str_eq(matches(session, term(ANY, "wi-fi")), "a b");
	ck_assert_str_eq(matches(session, term(TITLE, "wi-fi")), "b");
	ck_assert_str_eq(matches(session, prefix(ANY, "wi-f")), "a b");
	ck_assert_str_eq(matches(session, phrase(ANY, "wi-fi")), "b");
}
END_TEST

START_TEST(test_many_words_with_one_beginning)
{
	char title[32], id[16];
	for (int i = 0; i < 3000; i++) {
		snprintf(id, sizeof(id), "id%04d", i);
		snprintf(title, sizeof(title), "word%04d", i);
		LATER(writer, .id = id, .title = title);
	}
	look();
	struct weir_search search = {.query = prefix(ANY, "word")};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, NULL, NULL, &result, &error));
	ck_assert_uint_eq(result.total, 3000);
	ck_assert_str_eq(matches(session, prefix(ANY, "word299")),
			 "id2990 id2991 id2992 id2993 id2994 id2995 id2996 id2997 id2998 id2999");
}
END_TEST

START_TEST(test_exact)
{
	PUT(writer, .id = "a", .tag = "Music", .code = "X-1");
	PUT(writer, .id = "b", .tag = "music", .code = "");
	PUT(writer, .id = "c", .tag = "music ");
	PUT(writer, .id = "d", .tag = "Music festival");
	PUT(writer, .id = "e", .tag = "\0\x01music", .tag_length = 7);
	PUT(writer, .id = "f", .tag = "\0", .tag_length = 1);
	PUT(writer, .id = "g", .tag = "\0\0", .tag_length = 2);
	look();
	ck_assert_str_eq(matches(session, exact(TAG, "Music")), "a");
	ck_assert_str_eq(matches(session, exact(TAG, "music")), "b");
	ck_assert_str_eq(matches(session, exact(TAG, "music ")), "c");
	ck_assert_str_eq(matches(session, exact(TAG, "Music festival")), "d");
	ck_assert_str_eq(matches(session, exact(TAG, "MUSIC")), "");
	ck_assert_str_eq(matches(session, exact_bytes(TAG, "\0\x01music", 7)), "e");
	ck_assert_str_eq(matches(session, exact_bytes(TAG, "\0", 1)), "f");
	ck_assert_str_eq(matches(session, exact_bytes(TAG, "\0\0", 2)), "g");
	ck_assert_str_eq(matches(session, exact(CODE, "X-1")), "a");
	ck_assert_str_eq(matches(session, exact(CODE, "")), "b");
	ck_assert_str_eq(matches(session, term(TAG, "music")), "a b c d e");
}
END_TEST

START_TEST(test_long_keywords)
{
	enum { LENGTH = 10000 };
	char *text = malloc(LENGTH + 2);
	ck_assert_ptr_nonnull(text);
	for (int kind = 0; kind < 3; kind++) {
		memset(text, "k \0"[kind], LENGTH + 1);
		for (size_t length = 1; length <= LENGTH; length = length * 2 + 3) {
			char id[32];
			snprintf(id, sizeof(id), "%c%zu", 'a' + kind, length);
			PUT(writer, .id = id, .tag = text, .tag_length = length);
		}
		char id[8] = {(char)('a' + kind), '-', 'l', 'o', 'n', 'g'};
		PUT(writer, .id = id, .tag = text, .tag_length = LENGTH);
		text[LENGTH - 1] = 'z';
		id[1] = '+';
		PUT(writer, .id = id, .tag = text, .tag_length = LENGTH);
	}
	look();
	memset(text, 'k', LENGTH + 1);
	ck_assert_str_eq(matches(session, exact_bytes(TAG, text, LENGTH)), "a-long");
	ck_assert_str_eq(matches(session, exact_bytes(TAG, text, LENGTH - 1)), "");
	ck_assert_str_eq(matches(session, exact_bytes(TAG, text, 253)), "a253");
	text[LENGTH - 1] = 'z';
	ck_assert_str_eq(matches(session, exact_bytes(TAG, text, LENGTH)), "a+long");
	memset(text, 0, LENGTH);
	ck_assert_str_eq(matches(session, exact_bytes(TAG, text, LENGTH)), "c-long");
	ck_assert_str_eq(matches(session, exact_bytes(TAG, text, 61)), "c61");
	free(text);
}
END_TEST

START_TEST(test_long_words)
{
	char one[301], other[301];
	memset(one, 'w', 300);
	one[300] = '\0';
	memcpy(other, one, 301);
	other[299] = 'v';
	PUT(writer, .id = "a", .title = one);
	PUT(writer, .id = "b", .title = other, .body = "neighbour");
	PUT(writer, .id = "c", .title = "w");
	look();
	ck_assert_str_eq(matches(session, term(TITLE, one)), "a");
	ck_assert_str_eq(matches(session, term(ANY, other)), "b");
	ck_assert_str_eq(matches(session, phrase(TITLE, other)), "b");
	ck_assert_str_eq(matches(session, prefix(TITLE, "wwwwww")), "a b");
	one[100] = '\0';
	ck_assert_str_eq(matches(session, prefix(TITLE, one)), "a b");
	ck_assert_str_eq(matches(session, term(TITLE, one)), "");
}
END_TEST

START_TEST(test_text_that_is_not_utf8)
{
	PUT(writer, .id = "a", .title = "left\xFF\xC3right\xE2\x80", .tag = "\xFF\xFE");
	look();
	ck_assert_str_eq(matches(session, term(TITLE, "right")), "a");
	ck_assert_str_eq(matches(session, exact(TAG, "\xFF\xFE")), "a");
	ck_assert_str_eq(matches(session, term(TITLE, "\xFF")), "");
}
END_TEST

START_TEST(test_number_range)
{
	PUT(writer, .id = "a", .price = "-12.5");
	PUT(writer, .id = "b", .price = "0");
	PUT(writer, .id = "c", .price = "-0");
	PUT(writer, .id = "d", .price = "0.1");
	PUT(writer, .id = "e", .price = "10");
	PUT(writer, .id = "f", .price = "1e300");
	PUT(writer, .id = "g", .title = "no price");
	PUT(writer, .id = "h", .hidden = true);
	look();
	ck_assert_str_eq(matches(session, range(PRICE, "[0 10]")), "b c d e");
	ck_assert_str_eq(matches(session, range(PRICE, "(0 10]")), "d e");
	ck_assert_str_eq(matches(session, range(PRICE, "[0 10)")), "b c d");
	ck_assert_str_eq(matches(session, range(PRICE, "(0 10)")), "d");
	ck_assert_str_eq(matches(session, range(PRICE, "[* 0]")), "a b c");
	ck_assert_str_eq(matches(session, range(PRICE, "[* 0)")), "a");
	ck_assert_str_eq(matches(session, range(PRICE, "[0.1 *]")), "d e f");
	ck_assert_str_eq(matches(session, range(PRICE, "(0.1 *]")), "e f");
	ck_assert_str_eq(matches(session, range(PRICE, "[* *]")), "a b c d e f");
	ck_assert_str_eq(matches(session, range(PRICE, "[10 0]")), "");
	ck_assert_str_eq(matches(session, range(PRICE, "(10 10)")), "");
	ck_assert_str_eq(matches(session, range(PRICE, "[-1e308 -1]")), "a");
	ck_assert_str_eq(matches(session, NOT(range(PRICE, "[* *]"))), "g");
}
END_TEST

START_TEST(test_date_range)
{
	PUT(writer, .id = "a", .day = "-62135596800000000"); /* year 1 */
	PUT(writer, .id = "b", .day = "1152921504606846976");
	PUT(writer, .id = "c", .day = "1152921504606846977"); /* the same as a double */
	PUT(writer, .id = "d", .day = "9223372036854775807");
	PUT(writer, .id = "e", .day = "-9223372036854775808");
	PUT(writer, .id = "f", .day = "0");
	look();
	ck_assert_str_eq(matches(session, range(DAY, "[1152921504606846977 1152921504606846977]")),
			 "c");
	ck_assert_str_eq(matches(session, range(DAY, "(1152921504606846976 *]")), "c d");
	ck_assert_str_eq(matches(session, range(DAY, "[* 1152921504606846977)")), "a b e f");
	ck_assert_str_eq(matches(session, range(DAY, "[* -1]")), "a e");
	ck_assert_str_eq(matches(session, range(DAY, "(9223372036854775807 *]")), "");
	ck_assert_str_eq(matches(session, range(DAY, "[* -9223372036854775808)")), "");
	ck_assert_str_eq(matches(session, range(DAY, "[-9223372036854775808 *]")), "a b c d e f");
}
END_TEST

START_TEST(test_booleans)
{
	PUT(writer, .id = "a", .free = "1");
	PUT(writer, .id = "b", .free = "0");
	PUT(writer, .id = "c", .title = "neither");
	look();
	ck_assert_str_eq(matches(session, is(FREE, 1)), "a");
	ck_assert_str_eq(matches(session, is(FREE, 0)), "b");
	ck_assert_str_eq(matches(session, NOT(is(FREE, 1))), "b c");
}
END_TEST

START_TEST(test_and_or_not)
{
	PUT(writer, .id = "a", .title = "red");
	PUT(writer, .id = "b", .title = "red green");
	PUT(writer, .id = "c", .title = "red green blue");
	PUT(writer, .id = "d", .title = "blue");
	PUT(writer, .id = "h", .hidden = true);
	look();
	const struct weir_query *red = term(ANY, "red"), *green = term(ANY, "green"),
				*blue = term(ANY, "blue");
	ck_assert_str_eq(matches(session, AND(red, green)), "b c");
	ck_assert_str_eq(matches(session, OR(green, blue)), "b c d");
	ck_assert_str_eq(matches(session, AND(red, NOT(green))), "a");
	ck_assert_str_eq(matches(session, AND(NOT(green), red)), "a");
	ck_assert_str_eq(matches(session, NOT(red)), "d");
	ck_assert_str_eq(matches(session, NOT(NOT(red))), "a b c");
	ck_assert_str_eq(matches(session, AND(NOT(red), NOT(blue))), "");
	ck_assert_str_eq(matches(session, AND(NOT(green), NOT(blue))), "a");
	ck_assert_str_eq(matches(session, OR(NOT(red), green)), "b c d");
	ck_assert_str_eq(matches(session, NOT(OR(green, blue))), "a");
	ck_assert_str_eq(matches(session, NOT(AND(red, green))), "a d");
	ck_assert_str_eq(matches(session, AND(OR(red, blue), NOT(AND(green, blue)))), "a b d");
	ck_assert_str_eq(matches(session, combine(WEIR_QUERY_AND, NO_MORE)), "a b c d");
	ck_assert_str_eq(matches(session, combine(WEIR_QUERY_OR, NO_MORE)), "");
	ck_assert_str_eq(matches(session, NOT(none())), "a b c d");
	ck_assert_str_eq(matches(session, NOT(all())), "");
	ck_assert_str_eq(matches(session, AND(red)), "a b c");
	ck_assert_str_eq(matches(session, AND(red, none())), "");
	ck_assert_str_eq(matches(session, OR(red, none(), all())), "a b c d");
	ck_assert_str_eq(matches(session, boosted(AND(red, boosted(green, 0)), 2.5)), "b c");
	ck_assert_str_eq(filtered(session, red, NOT(green)), "a");
	ck_assert_str_eq(filtered(session, all(), OR(green, blue)), "b c d");
	ck_assert_str_eq(filtered(session, red, none()), "");
}
END_TEST

START_TEST(test_deep_nests)
{
	PUT(writer, .id = "a", .title = "red");
	PUT(writer, .id = "b", .title = "blue");
	look();
	const struct weir_query *query = term(ANY, "red");
	for (int i = 0; i < 32; i++)
		query = i % 2 == 0 ? AND(NOT(query), all()) : OR(NOT(query), none());
	ck_assert_str_eq(matches(session, query), "a");
}
END_TEST

START_TEST(test_a_replaced_document)
{
	PUT(writer, .id = "a", .title = "Old jazz", .tag = "x", .price = "1", .free = "1");
	PUT(writer, .id = "b", .title = "Old stone");
	commit(writer);
	PUT(writer, .id = "a", .title = "New folk", .price = "2");
	PUT(writer, .id = "b", .hidden = true);
	look();
	ck_assert_str_eq(matches(session, term(ANY, "old")), "");
	ck_assert_str_eq(matches(session, term(ANY, "new")), "a");
	ck_assert_str_eq(matches(session, exact(TAG, "x")), "");
	ck_assert_str_eq(matches(session, is(FREE, 1)), "");
	ck_assert_str_eq(matches(session, range(PRICE, "[* 1]")), "");
	ck_assert_str_eq(matches(session, range(PRICE, "[2 2]")), "a");
	ck_assert_str_eq(matches(session, all()), "a");
	ck_assert_str_eq(matches(session, NOT(term(ANY, "new"))), "");
}
END_TEST

void add_matching_cases(void)
{
	suite_area("query TERM", fixture_setup, fixture_teardown);
	suite_add(test_term, WEIR_CAN_SEARCH);
	suite_add(test_any_field_is_those_searched, WEIR_CAN_SEARCH);
	suite_add(test_other_forms, WEIR_CAN_SEARCH);
	suite_add(test_other_forms_are_kept, WEIR_CAN_SEARCH);
	suite_add(test_case_and_accents, WEIR_CAN_SEARCH);
	suite_add(test_words, WEIR_CAN_SEARCH);
	suite_add(test_words_of_a_term_in_several_fields, WEIR_CAN_SEARCH);
	suite_add(test_text_without_words, WEIR_CAN_SEARCH);
	suite_add(test_long_words, WEIR_CAN_SEARCH);
	suite_add(test_text_that_is_not_utf8, WEIR_CAN_SEARCH);
	suite_area("query PHRASE", fixture_setup, fixture_teardown);
	suite_add(test_phrase, WEIR_CAN_SEARCH);
	suite_add(test_near, WEIR_CAN_SEARCH);
	suite_add(test_near_needs_each_word_it_names, WEIR_CAN_SEARCH);
	suite_area("query PREFIX", fixture_setup, fixture_teardown);
	suite_add(test_prefix, WEIR_CAN_SEARCH);
	suite_add(test_many_words_with_one_beginning, WEIR_CAN_SEARCH);
	suite_area("query EXACT", fixture_setup, fixture_teardown);
	suite_add(test_exact, WEIR_CAN_SEARCH);
	suite_add(test_long_keywords, WEIR_CAN_SEARCH);
	suite_add(test_booleans, WEIR_CAN_SEARCH);
	suite_area("query RANGE", fixture_setup, fixture_teardown);
	suite_add(test_number_range, WEIR_CAN_SEARCH);
	suite_add(test_date_range, WEIR_CAN_SEARCH);
	suite_area("query AND, OR, NOT, ALL, BOOST", fixture_setup, fixture_teardown);
	suite_add(test_and_or_not, WEIR_CAN_SEARCH);
	suite_add(test_deep_nests, WEIR_CAN_SEARCH);
	suite_add(test_a_replaced_document, WEIR_CAN_SEARCH);
}
