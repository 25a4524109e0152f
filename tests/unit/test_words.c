/* SPDX-License-Identifier: MIT */
#include "words.h"

#include <stdio.h>
#include <string.h>

#include "suite.h"

static char line[4096];

static bool append(void *context, const char *word, size_t length)
{
	(void)context;
	size_t at = strlen(line);
	snprintf(line + at, sizeof(line) - at, "%s%.*s", at > 0 ? "|" : "", (int)length, word);
	return true;
}

static const char *split(const char *text, size_t length)
{
	line[0] = '\0';
	words_split(text, length, append, NULL);
	return line;
}

START_TEST(text_becomes_folded_words)
{
	static const char *const cases[][2] = {
		{"", ""},
		{" -- & ", ""},
		{"Night of the Bandoneón", "night|of|the|bandoneon"},
		{"NAI\u0308VE na\u00efve", "naive|naive"},
		{"Don't don\u2019t 'quoted'", "dont|dont|quoted"},
		{"C++ c# a+b", "c++|c#|a|b"},
		{"Stra\u00dfe \ufb01n", "strasse|fin"},
		{"\u6771\u4eac tower", "\u6771|\u4eac|tower"},
		{"caf\u00e9\u200dau", "cafeau"},
		{"2026-11-25", "2026|11|25"},
		{"\u1112\u1161\u11ab\uae00", "\ud55c\uae00"},
		{"\uff76\uff9e\u30ab\u3099", "\u30ac|\u30ac"},
		{"\u041d\u043e\u0432\u044b\u0439 \u0451\u043b\u043a\u0430",
		 "\u043d\u043e\u0432\u044b\u0439|\u0435\u043b\u043a\u0430"},
		{"1\u00bd Cloud\u2122 \u21165 col\u00b7lecci\u00f3 1\u00b72",
		 "1|1|2|cloud|no|5|colleccio|1|2"},
		{"LT'16 1'000 \u05d0\"\u05d1 \u05d0\"a", "lt|16|1000|\u05d0\u05d1|\u05d0|a"},
		{"\u0e44\u0e17\u0e22", "\u0e44|\u0e17|\u0e22"},
		{"\u0130stanbul", "istanbul"},
		{"\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u05e9\u05dc\u05d5\u05dd"},
		{"a\xff"
		 "b",
		 "a|b"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_str_eq(split(cases[i][0], strlen(cases[i][0])), cases[i][1]);
}
END_TEST

START_TEST(a_long_word_is_its_beginning_and_a_hash)
{
	char text[1000];
	memset(text, 'a', sizeof(text));
	ck_assert_uint_eq(strlen(split(text, WEIR_WORD_CUT)), WEIR_WORD_CUT);
	ck_assert_uint_eq(strlen(split(text, WEIR_WORD_CUT + 1)), WEIR_WORD_LIMIT);
	char first[sizeof(line)];
	strcpy(first, split(text, 900));
	ck_assert_str_eq(split(text, 900), first);
	ck_assert_str_ne(split(text, 901), first);
	ck_assert_int_eq(strncmp(first, text, WEIR_WORD_CUT), 0);
}
END_TEST

START_TEST(folding_again_changes_nothing)
{
	const char *text = "Stra\u00dfe \ufb01n NAI\u0308VE c++ \u6771\u4eac \u0130x don't \u1e9e";
	char once[sizeof(line)], spaced[sizeof(line)];
	strcpy(once, split(text, strlen(text)));
	strcpy(spaced, once);
	for (char *at = spaced; *at != '\0'; at++)
		*at = *at == '|' ? ' ' : *at;
	ck_assert_str_eq(split(spaced, strlen(spaced)), once);
}
END_TEST

START_TEST(sort_keys_keep_the_order_that_people_expect)
{
	char key[8];
	ck_assert_uint_eq(words_sort_key("\u00c9a\tb", 5, key, sizeof(key)), 4);
	ck_assert_int_eq(memcmp(key, "ea b", 4), 0);
	ck_assert_uint_eq(words_sort_key("  x", 3, key, sizeof(key)), 1);
	ck_assert_uint_eq(words_sort_key("0123456789", 10, key, sizeof(key)), 8);
	/* A character that does not fit whole is left out. */
	ck_assert_uint_eq(words_sort_key("0123456\u6771", 10, key, sizeof(key)), 7);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("words");
	tcase_add_test(cases, text_becomes_folded_words);
	tcase_add_test(cases, a_long_word_is_its_beginning_and_a_hash);
	tcase_add_test(cases, folding_again_changes_nothing);
	tcase_add_test(cases, sort_keys_keep_the_order_that_people_expect);
	return suite_run(cases, "words");
}
