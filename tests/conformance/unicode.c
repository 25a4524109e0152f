/* SPDX-License-Identifier: MIT
 * unicode.c - scripts, forms and oddities of text. What is a word is the host's to say
 * (host->split): an engine that has words of its own is found out here. */
#include <stdio.h>

#include "fixture.h"
#include "suite.h"

/* Documents a, b, c, ... with one title each; each query finds the letters beside it. */
struct expectation {
	const char *query, *ids;
};

static void put_titles(const char *const *titles)
{
	for (char id[2] = "a"; *titles != NULL; titles++, id[0]++)
		PUT(writer, .id = id, .title = *titles);
	look();
}

static void check_terms(const struct expectation *expectation)
{
	for (; expectation->query != NULL; expectation++) {
		const char *got = matches(session, term(TITLE, expectation->query));
		ck_assert_msg(strcmp(got, expectation->ids) == 0,
			      "\"%s\": expected \"%s\", got \"%s\"", expectation->query,
			      expectation->ids, got);
		got = matches(session, term(ANY, expectation->query));
		ck_assert_str_eq(got, expectation->ids);
	}
}

static void check(const char *const *titles, const struct expectation *expectations)
{
	put_titles(titles);
	check_terms(expectations);
}

START_TEST(test_composed_and_decomposed)
{
	const char *const titles[] = {
		"Am\u00e9lie",		"Ame\u0301lie", "AMELIE",	 "\u212bngstr\u00f6m",
		"A\u030angstro\u0308m", "\u1e69",	"s\u0323\u0307", NULL};
	const struct expectation expectations[] = {{"am\u00e9lie", "a b c"},
						   {"ame\u0301lie", "a b c"},
						   {"AMELIE", "a b c"},
						   {"angstrom", "d e"},
						   {"\u00c5ngstr\u00f6m", "d e"},
						   {"s\u0307\u0323", "f g"},
						   {NULL, NULL}};
	check(titles, expectations);
	ck_assert_str_eq(matches(session, prefix(TITLE, "am\u00e9")), "a b c");
	ck_assert_str_eq(matches(session, prefix(TITLE, "ame\u0301l")), "a b c");
}
END_TEST

START_TEST(test_keywords_are_bytes)
{
	PUT(writer, .id = "a", .tag = "Am\u00e9lie");
	PUT(writer, .id = "b", .tag = "Ame\u0301lie");
	PUT(writer, .id = "c", .tag = "amelie");
	PUT(writer, .id = "d", .tag = "\U0001f389");
	look();
	ck_assert_str_eq(matches(session, exact(TAG, "Am\u00e9lie")), "a");
	ck_assert_str_eq(matches(session, exact(TAG, "Ame\u0301lie")), "b");
	ck_assert_str_eq(matches(session, exact(TAG, "amelie")), "c");
	ck_assert_str_eq(matches(session, exact(TAG, "\U0001f389")), "d");
	ck_assert_str_eq(matches(session, term(TAG, "AM\u00c9LIE")), "a b c");
}
END_TEST

START_TEST(test_case)
{
	const char *const titles[] = {"\u0130stanbul",
				      "ISPARTA",
				      "\u0131sparta",
				      "Stra\u00dfe",
				      "STRASSE",
				      "\u1e9e",
				      "\u01c5ungla",
				      "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
				      "\u041c\u041e\u0421\u041a\u0412\u0410",
				      NULL};
	const struct expectation expectations[] = {
		{"istanbul", "a"},
		{"\u0130STANBUL", "a"},
		{"isparta", "b"},
		{"\u0131sparta", "c"},
		{"strasse", "d e"},
		{"STRA\u1e9e"
		 "E",
		 "d e"},
		{"SS", "f"},
		{"d\u017eungla", "g"},
		{"\u03a3\u0399\u03a3\u03a5\u03a6\u039f\u03a3", "h"},
		{"\u03c3\u03b9\u03c3\u03c5\u03c6\u03bf\u03c3", "h"},
		{"\u043c\u043e\u0441\u043a\u0432\u0430", "i"},
		{NULL, NULL}};
	check(titles, expectations);
}
END_TEST

START_TEST(test_compatibility_forms)
{
	const char *const titles[] = {"\ufb01nale",
				      "\uff26\uff35\uff2c\uff2c",
				      "x\u00b2",
				      "\u2460",
				      "\U0001d401\U0001d428\U0001d425\U0001d41d",
				      "\u2168",
				      "\u00bd cup",
				      NULL};
	const struct expectation expectations[] = {{"finale", "a"}, {"full", "b"}, {"x2", "c"},
						   {"1", "d g"},    {"bold", "e"}, {"ix", "f"},
						   {"cup", "g"},    {NULL, NULL}};
	check(titles, expectations);
}
END_TEST

START_TEST(test_east_asia)
{
	const char *const titles[] = {"\u6771\u4eac\u90fd\u5e81",
				      "\u4eac\u6771",
				      "\ud55c\uad6d\uc5b4",
				      "\u30b3\u30f3\u30b5\u30fc\u30c8",
				      "\u3053\u3093\u3055\u3042\u3068",
				      "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165",
				      "\U00020bb7\u91ce\u5bb6",
				      "Tokyo\u6771\u4eac2026",
				      NULL};
	const struct expectation expectations[] = {{"\u6771\u4eac", "a b h"},
						   {"\u90fd", "a"},
						   {"\ud55c\uad6d\uc5b4", "c f"},
						   {"\u30b3\u30f3", "d"},
						   {"\U00020bb7", "g"},
						   {"tokyo", "h"},
						   {"2026", "h"},
						   {"\u3093", "e"},
						   {NULL, NULL}};
	check(titles, expectations);
	ck_assert_str_eq(matches(session, phrase(TITLE, "\u6771\u4eac")), "a h");
	ck_assert_str_eq(matches(session, phrase(TITLE, "\u4eac\u6771")), "b");
	ck_assert_str_eq(matches(session, phrase(TITLE, "tokyo \u6771 \u4eac 2026")), "h");
	ck_assert_str_eq(matches(session, near(TITLE, "\u90fd\u4eac", 1)), "a");
	ck_assert_str_eq(matches(session, prefix(TITLE, "\ud55c\uad6d")), "c f");
}
END_TEST

START_TEST(test_emoji)
{
	const char *const titles[] = {"\U0001f389party\U0001f389",
				      "\U0001f389",
				      "a\U0001f468\u200d\U0001f469\u200d\U0001f467"
				      "b",
				      "flag \U0001f1e9\U0001f1ea day",
				      "keycap 1\ufe0f\u20e3",
				      NULL};
	const struct expectation expectations[] = {{"party", "a"},
						   {"PARTY\U0001f389", "a"},
						   {"\U0001f389", ""},
						   {"b", "c"},
						   {"day", "d"},
						   {"1", "e"},
						   {"\U0001f1e9\U0001f1ea", ""},
						   {NULL, NULL}};
	check(titles, expectations);
	ck_assert_str_eq(matches(session, phrase(TITLE, "flag day")), "d");
	ck_assert_str_eq(matches(session, phrase(TITLE, "flag \U0001f389 day")), "d");
	ck_assert_str_eq(matches(session, AND(term(ANY, "party"), term(ANY, "\U0001f389"))), "a");
}
END_TEST

START_TEST(test_right_to_left)
{
	const char *const titles[] = {"\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
				      "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd",
				      "\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627",
				      "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643",
				      "mixed \u05e9\u05dc\u05d5\u05dd text",
				      NULL};
	const struct expectation expectations[] = {
		{"\u05e9\u05dc\u05d5\u05dd", "a b e"},
		{"\u05e9\u05b8\u05dc\u05d5\u05dd", "a b e"},
		{"\u0645\u0631\u062d\u0628\u0627", "c d"},
		{"\u200f\u05e9\u05dc\u05d5\u05dd\u200e", "a b e"},
		{NULL, NULL}};
	check(titles, expectations);
	ck_assert_str_eq(
		matches(session,
			phrase(TITLE, "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd")),
		"a");
	ck_assert_str_eq(matches(session, phrase(TITLE, "mixed \u05e9\u05dc\u05d5\u05dd")), "e");
	ck_assert_str_eq(matches(session, prefix(TITLE, "\u05e9\u05dc")), "a b e");
}
END_TEST

START_TEST(test_invisible_characters)
{
	const char *const titles[] = {
		"zero\u200bwidth", "sch\u00adule",    "\ufeffmark",    "no\u00a0break",
		"join\u200der",	   "thin\u2009space", "line\u2028end", NULL};
	const struct expectation expectations[] = {
		{"zerowidth", "a"}, {"schule", "b"}, {"sch\u00adu\u00adle", "b"},
		{"mark", "c"},	    {"break", "d"},  {"joiner", "e"},
		{"thin", "f"},	    {"end", "g"},    {NULL, NULL}};
	check(titles, expectations);
	ck_assert_str_eq(matches(session, phrase(TITLE, "no break")), "d");
}
END_TEST

START_TEST(test_many_marks)
{
	char zalgo[2048] = "";
	static const char *const letters[] = {"j", "a", "z", "z"};
	for (int letter = 0; letter < 4; letter++) {
		strcat(zalgo, letters[letter]);
		for (int i = 0; i < 40; i++)
			strcat(zalgo, i % 2 == 0 ? "\u0300" : "\u0489");
	}
	PUT(writer, .id = "a", .title = zalgo);
	PUT(writer, .id = "b", .title = "\u0301\u0302 lonely");
	PUT(writer, .id = "c",
	    .title = "\u0939\u093f\u0928\u094d\u0926\u0940"); /* vowel signs stay */
	look();
	ck_assert_str_eq(matches(session, term(TITLE, "jazz")), "a");
	ck_assert_str_eq(matches(session, term(TITLE, zalgo)), "a");
	ck_assert_str_eq(matches(session, term(TITLE, "lonely")), "b");
	ck_assert_str_eq(matches(session, term(TITLE, "\u0939\u093f\u0928\u094d\u0926\u0940")),
			 "c");
	ck_assert_str_eq(matches(session, term(TITLE, "\u0939\u0928\u0926")), "");
}
END_TEST

/* Each kind of byte that is not UTF-8 stands between words, in documents as in queries. */
START_TEST(test_bytes_that_are_not_utf8)
{
	static const char *const bad[] = {"\x80",     "\xBF\xBF",     "\xC0\xAF",
					  "\xE2\x82", "\xED\xA0\x80", "\xF4\x90\x80\x80",
					  "\xFE\xFF", "\xF0\x9F\x8E", "\xC3"};
	enum { BAD = sizeof(bad) / sizeof(bad[0]) };
	char id[8], text[64];
	for (int i = 0; i < BAD; i++) {
		snprintf(id, sizeof(id), "%c", 'a' + i);
		snprintf(text, sizeof(text), "left%sright", bad[i]);
		PUT(writer, .id = id, .title = text, .tag = text, .state = "x");
	}
	look();
	ck_assert_str_eq(matches(session, term(TITLE, "left")), "a b c d e f g h i");
	ck_assert_str_eq(matches(session, phrase(TITLE, "left right")), "a b c d e f g h i");
	ck_assert_str_eq(matches(session, term(TITLE, "leftright")), "");
	for (int i = 0; i < BAD; i++) {
		snprintf(id, sizeof(id), "%c", 'a' + i);
		snprintf(text, sizeof(text), "left%sright", bad[i]);
		ck_assert_str_eq(matches(session, exact(TAG, text)), id);
		ck_assert_str_eq(matches(session, term(TITLE, text)), "a b c d e f g h i");
		ck_assert_str_eq(matches(session, prefix(TITLE, bad[i])), "");
	}
	ordered(session, all(), "title tag", 0, 20);
}
END_TEST

START_TEST(test_nul_in_text)
{
	PUT(writer, .id = "a", .title = "left\0right", .title_length = 10, .tag = "one\0two",
	    .tag_length = 7);
	PUT(writer, .id = "b", .title = "left");
	look();
	ck_assert_str_eq(matches(session, term(TITLE, "right")), "a");
	ck_assert_str_eq(matches(session, phrase(TITLE, "left right")), "a");
	ck_assert_str_eq(matches(session, exact_bytes(TAG, "one\0two", 7)), "a");
	ck_assert_str_eq(matches(session, exact(TAG, "one")), "");
	ck_assert_str_eq(matches(session, term(TAG, "two")), "a");
	ck_assert_str_eq(ordered(session, all(), "title", 0, 5), "b a");
}
END_TEST

START_TEST(test_sorting_folds)
{
	const char *const titles[] = {"\u00c4pfel",  "apfel",	 "Zebra",
				      "\u00e9clair", "Eclair b", "\u0416\u0443\u043a",
				      "\u4eac",	     "  spaced", NULL};
	put_titles(titles);
	ck_assert_str_eq(ordered(session, all(), "title", 0, 10), "a b d e h c f g");
	ck_assert_str_eq(ordered(session, all(), "-title", 0, 10), "g f c h e d a b");
}
END_TEST

void add_unicode_cases(void)
{
	suite_area("unicode", fixture_setup, fixture_teardown);
	suite_add(test_composed_and_decomposed, WEIR_CAN_SEARCH);
	suite_add(test_keywords_are_bytes, WEIR_CAN_SEARCH);
	suite_add(test_case, WEIR_CAN_SEARCH);
	suite_add(test_compatibility_forms, WEIR_CAN_SEARCH);
	suite_add(test_east_asia, WEIR_CAN_SEARCH);
	suite_add(test_emoji, WEIR_CAN_SEARCH);
	suite_add(test_right_to_left, WEIR_CAN_SEARCH);
	suite_add(test_invisible_characters, WEIR_CAN_SEARCH);
	suite_add(test_many_marks, WEIR_CAN_SEARCH);
	suite_add(test_bytes_that_are_not_utf8, WEIR_CAN_SEARCH);
	suite_add(test_nul_in_text, WEIR_CAN_SEARCH);
	suite_add(test_sorting_folds, WEIR_CAN_SEARCH);
}
