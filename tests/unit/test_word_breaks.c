/* SPDX-License-Identifier: MIT
 * The words of words.h against the word boundaries of UAX #29 as GNU libunistring finds them: over
 * the texts of the sample events, and lines in many scripts. Where words.h is not UAX #29 on
 * purpose stands in `differences`, each with what both make of it; and as_we_split puts just these
 * aside. */
#include <stdio.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>
#include <uniwbrk.h>
#include <zlib.h>

#include "json_tree.h"
#include "suite.h"
#include "words.h"

static bool add_word(void *context, const char *word, size_t length)
{
	struct buffer *line = context;
	if (line->length > 0)
		buffer_append_char(line, '|');
	buffer_append(line, word, length);
	return true;
}

static bool add_part(void *context, const char *word, size_t length)
{
	buffer_append(context, word, length);
	return true;
}

static void split(const char *text, size_t length, struct buffer *line)
{
	buffer_clear(line);
	buffer_append(line, "", 0);
	words_split(text, length, add_word, line);
}

static bool has_letter(const char *text, size_t length)
{
	ucs4_t point;
	const uint8_t *at = (const uint8_t *)text;
	for (int size; length > 0; at += size, length -= (size_t)size) {
		size = u8_mbtouc(&point, at, length);
		if (uc_is_property_alphabetic(point) ||
		    uc_is_general_category_withtable(point, UC_CATEGORY_MASK_N))
			return true;
	}
	return false;
}

/* What stands between two boundaries and has a letter or a digit, folded by words.h. */
static void split_by_unistring(const char *text, size_t length, struct buffer *line)
{
	WEIR_FREE char *breaks = malloc(length + 1);
	WEIR_CLEANUP(buffer_finish) struct buffer word = BUFFER_INIT;
	ck_assert_ptr_nonnull(breaks);
	u8_wordbreaks((const uint8_t *)text, length, breaks);
	buffer_clear(line);
	buffer_append(line, "", 0);
	for (size_t at = 0, end; at < length; at = end) {
		for (end = at + 1; end < length && !breaks[end];)
			end++;
		buffer_clear(&word);
		if (has_letter(text + at, end - at))
			words_split(text + at, end - at, add_part, &word);
		if (word.length > 0)
			add_word(line, word.data, word.length);
	}
}

/* The deliberate differences; both sides are checked. */
static const struct {
	const char *text, *ours, *unistring, *reason;
} differences[] = {
	{"example.com 3.14 U.S.A.", "example|com|3|14|u|s|a", "examplecom|314|usa",
	 "points split: a part of a name is searched for more often than the whole"},
	{"1,000 a:b", "1|000|a|b", "1000|ab", "so do commas and colons"},
	{"snake_case", "snake|case", "snakecase", "and underscores"},
	{"C++ C# F#", "c++|c#|f#", "c|c|f", "names of languages are no letters"},
	{"H\u2082O m\u00b2", "h2o|m2", "h|2|o|m|2", "folding (NFKC) comes before splitting"},
	{"5\u2160", "5i", "5i", "as it does here, where both agree"},
	{"1\u00bc", "1|1|4", "1|14", "a fraction is two numbers, and joins no third"},
	{"Cloud\u2122", "cloud", "cloud", "said of the word before it, and no word"},
	{"\u24d0b", "a|b", "ab", "symbols stand apart, also those that unfold to letters"},
	{"\u6642\u3005gem", "\u6642|\u3005|gem", "\u6642|\u3005gem",
	 "the mark that repeats an ideograph is one"},
	{"\u30b5\u30fc\u30d3\u30b9", "\u30b5|\u30fc|\u30d3|\u30b9", "\u30b5\u30fc\u30d3\u30b9",
	 "compounds are not spaced, and a part of one should be found, as in Han and Hiragana"},
	{"zero\u200bwidth", "zerowidth", "zero|width", "what cannot be seen is not there"},
	{"\U0001F1E9\U0001F1EA", "", "", "emoji are no words"},
};

START_TEST(differences_are_as_they_are_stated)
{
	WEIR_CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;
	for (size_t i = 0; i < COUNT(differences); i++) {
		const char *text = differences[i].text;
		split(text, strlen(text), &line);
		ck_assert_msg(strcmp(line.data, differences[i].ours) == 0, "%s (%s): %s", text,
			      differences[i].reason, line.data);
		split_by_unistring(text, strlen(text), &line);
		ck_assert_msg(strcmp(line.data, differences[i].unistring) == 0,
			      "%s by unistring: %s", text, line.data);
	}
}
END_TEST

/* Fractions, circled numbers and letters, and other symbols, which folding would join with their
 * neighbours; and ideographs that UAX #29 has for letters. */
static bool stands_apart(ucs4_t point)
{
	return uc_is_general_category_withtable(point, UC_CATEGORY_MASK_S) ||
	       (point >= 0xBC && point <= 0xBE) || (point >= 0x2150 && point <= 0x215F) ||
	       (point >= 0x2460 && point <= 0x24FF) || (point >= 0x3005 && point <= 0x3007);
}

static bool splits_for_us(ucs4_t point)
{
	return (point < 0x80 && strchr(".,:;_+#", (int)point) != NULL) || point == 0x2044;
}

static void append_point(struct buffer *out, ucs4_t point)
{
	uint8_t bytes[6];
	buffer_append(out, bytes, (size_t)u8_uctomb(bytes, point, sizeof(bytes)));
}

/* The text, unfolded, with spaces where words.h splits and UAX #29 does not. */
static void as_we_split(const char *text, size_t length, struct buffer *out)
{
	WEIR_CLEANUP(buffer_finish) struct buffer apart = BUFFER_INIT;
	const uint8_t *at = (const uint8_t *)text;
	ucs4_t point;
	buffer_append(&apart, "", 0);
	for (int size; length > 0; at += size, length -= (size_t)size) {
		size = u8_mbtouc(&point, at, length);
		bool aside = stands_apart(point);
		if (aside)
			buffer_append_char(&apart, ' ');
		if (point != 0x2120 && point != 0x2122 && point != 0x200B)
			append_point(&apart, point);
		if (aside)
			buffer_append_char(&apart, ' ');
	}
	size_t size = 0;
	WEIR_FREE uint8_t *unfolded =
		u8_normalize(UNINORM_NFKC, (const uint8_t *)apart.data, apart.length, NULL, &size);
	ck_assert_ptr_nonnull(unfolded);
	buffer_clear(out);
	buffer_append(out, "", 0);
	for (at = unfolded; at < unfolded + size;) {
		at += u8_mbtouc(&point, at, (size_t)(unfolded + size - at));
		append_point(out, splits_for_us(point) ? ' ' : point);
		if (point >= 0x30A1 && point <= 0x30FF)
			buffer_append_char(out, ' ');
	}
}

/* The names of languages aside. */
static void drop_signs(struct buffer *line)
{
	size_t kept = 0;
	for (size_t i = 0; i < line->length; i++)
		if (line->data[i] != '+' && line->data[i] != '#')
			line->data[kept++] = line->data[i];
	line->data[line->length = kept] = '\0';
}

static void check_normal(const struct buffer *line)
{
	size_t length = 0;
	WEIR_FREE uint8_t *again = u8_normalize(UNINORM_NFKC, (const uint8_t *)line->data,
						line->length, NULL, &length);
	ck_assert(again != NULL && length == line->length &&
		  memcmp(again, line->data, length) == 0);
}

static size_t texts;

static void compare(const char *text, size_t length)
{
	WEIR_CLEANUP(buffer_finish) struct buffer ours = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer theirs = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer apart = BUFFER_INIT;
	split(text, length, &ours);
	check_normal(&ours);
	drop_signs(&ours);
	as_we_split(text, length, &apart);
	split_by_unistring(apart.data, apart.length, &theirs);
	ck_assert_msg(strcmp(ours.data, theirs.data) == 0, "%.*s\n  ours      %s\n  unistring %s",
		      (int)length, text, ours.data, theirs.data);
	texts++;
}

static const char *const lines[] = {
	"LT'16 '70s 1'000 a'1 \u30a2'\u30d1 1\u00b72 x\u2019y\u2019z",
	"Don't \u2018tis l\u2019\u00e9t\u00e9 O\u2018Neil rock'n'roll 'quoted'",
	"na\u00efve NAI\u0308VE Stra\u00dfe \u0130stanbul \u0131ss\u0131z \ufb01n \u01c6",
	"\u039f\u0394\u039f\u03a3 \u03bf\u03b4\u03cc\u03c2 \u03ba\u03cd\u03c1\u03b9\u03bf",
	"\u041d\u043e\u0432\u044b\u0439 \u0433\u043e\u0434 \u0419\u043e\u0433\u0430 "
	"\u0451\u043b\u043a\u0430",
	"\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab\u1100\u116e\u11a8 2026\ub144",
	"\u30b5\u30fc\u30d3\u30b9\u3068\uff7b\uff70\uff8b\uff9e\uff7d Ruby\u30b5\u30fc\u30d3\u30b9 "
	"\u30ab\u3099",
	"\u3089\u30fc\u3081\u3093 \u304c\u304b\u3099 \u7b2c3\u56de \u4e2dA\u6587 \u6642\u3005",
	"\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u0e51\u0e52\u0e53 abc\u0e44\u0e17\u0e22abc",
	"\u0e9e\u0eb2\u0eaa\u0eb2\u0ea5\u0eb2\u0ea7 \u1019\u103c\u1014\u103a\u1019\u102c",
	"\u1797\u17b6\u179f\u17b6\u1781\u17d2\u1798\u17c2\u179a",
	"\u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u094d\u092f\u093e "
	"\u0ba4\u0bae\u0bbf\u0bb4\u0bcd",
	"\u0995\u09cb \u0995\u09c7\u09be \u0d2e\u0d32\u0d2f\u0d3e\u0d33\u0d02",
	"\u0627\u0644\u0639\u064e\u0631\u064e\u0628\u0650\u064a\u0651\u064e\u0629 "
	"\u0645\u0643\u062a\u0628\u0629",
	"\u05e6\u05d4\"\u05dc \u05e6\u05d4\u05f4\u05dc \u05d2\u05f3\u05d9\u05e8\u05e3 "
	"\"\u05e9\u05dc\u05d5\u05dd\" \u05d0\"a",
	"col\u00b7lecci\u00f3 paral\u00b7lel",
	"a\u200bb c\u200cd e\u200df soft\u00adhyphen x\u2060y caf\u00e9\u200dau",
	"party\U0001F389time 1\ufe0f\u20e3 \u2764\ufe0f \U0001F469\u200d\U0001F4BB",
	"\U00010400\U00010401\U00010428 \uff10\uff11\uff21\uff22 \U0001D518\U0001D52B\U0001D526",
	"\u1230\u120b\u121d\u1361\u12d3\u1208\u121d \u0f56\u0f7c\u0f51\u0f0b\u0f61\u0f72\u0f42",
	"\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8 \u1c90 "
	"\u0570\u0561\u0575\u0565\u0580\u0565\u0576 \u0587",
	"\U0001E900\U0001E923 \uabc3\uabe5\uabcf\uabe9",
	"b2b 4x4 A1 x86 1st 2nd \u2160\u2161 \u2167 \u338f5 5\u338f \u2460\u2461 \u00bd 1\u00bd "
	"\u21165",
	"C/C++ a+b C#x --option @name #tag",
};

START_TEST(many_scripts_split_as_uax_29_does)
{
	for (size_t i = 0; i < COUNT(lines); i++)
		compare(lines[i], strlen(lines[i]));
}
END_TEST

static void compare_event(const char *line, size_t length, struct arena *arena)
{
	const struct jsonnode *root = NULL;
	struct weir_error error;
	arena_reset(arena);
	ck_assert_int_eq(jsontree_parse(line, length, arena, &root, &error), WEIR_OK);
	for (const struct jsonnode *each = root->first; each != NULL; each = each->next) {
		size_t size = 0;
		if (each->kind != JSONNODE_STRING)
			continue;
		const char *text = jsonnode_string(each, arena, &size);
		ck_assert_ptr_nonnull(text);
		compare(text, size);
	}
}

START_TEST(sample_events_split_as_uax_29_does)
{
	static char line[1 << 20];
	struct arena arena = ARENA_INIT;
	gzFile events = gzopen(getenv("WEIR_EVENTS"), "rb");
	ck_assert_msg(events != NULL, "WEIR_EVENTS names the sample events");
	while (gzgets(events, line, sizeof(line)) != NULL)
		compare_event(line, strlen(line), &arena);
	gzclose(events);
	arena_finish(&arena);
	ck_assert_uint_gt(texts, 1000);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("word_breaks");
	tcase_add_test(cases, differences_are_as_they_are_stated);
	tcase_add_test(cases, many_scripts_split_as_uax_29_does);
	tcase_add_test(cases, sample_events_split_as_uax_29_does);
	return suite_run(cases, "word_breaks");
}
