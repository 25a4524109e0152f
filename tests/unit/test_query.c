/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "query.h"
#include "query_schema.h"

static struct schema *schema;
static struct query_arena *arena;

static void set_up(void)
{
	struct weir_error error = {""};
	weir_status status = schema_parse(query_schema_text, strlen(query_schema_text),
					  "query_schema.h", &schema, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	arena = query_arena_create();
	ck_assert_ptr_nonnull(arena);
}

static void tear_down(void)
{
	query_arena_destroy(arena);
	schema_destroy(schema);
}

static char *printed(const struct weir_query *query)
{
	struct buffer out = BUFFER_INIT;
	query_print(query, schema, &out);
	char *text = buffer_take(&out, NULL);
	ck_assert_ptr_nonnull(text);
	return text;
}

/* wanted: the tree, or the beginning of the message "column N: …". */
struct query_case {
	const char *text, *wanted;
};

static const struct query_case words[] = {
	{"", "(all)"},
	{" \t\r\n", "(all)"},
	{"\xC2\xA0\xE3\x80\x80", "(all)"},
	{"*", "(all)"},
	{"jazz", "(term \"jazz\")"},
	{"Jazz night", "(and (term \"Jazz\") (term \"night\"))"},
	{"jazz\xE3\x80\x80night", "(and (term \"jazz\") (term \"night\"))"},
	{"jazz\x01night", "(and (term \"jazz\") (term \"night\"))"},
	{"Z\xC3\xBCrich", "(term \"Z\xC3\xBCrich\")"},
	{"\xE6\x9D\xB1\xE4\xBA\xAC", "(term \"\xE6\x9D\xB1\xE4\xBA\xAC\")"},
	{"and or not", "(and (term \"and\") (term \"or\") (term \"not\"))"},
	{"ORANGE ANDY NOTE", "(and (term \"ORANGE\") (term \"ANDY\") (term \"NOTE\"))"},
	{"\\OR", "(term \"OR\")"},
	{"\"OR\"", "(phrase \"OR\")"},
	/* what people type */
	{"C++", "(term \"C++\")"},
	{"C#", "(term \"C#\")"},
	{"AT&T", "(term \"AT&T\")"},
	{"don't", "(term \"don't\")"},
	{"10:30", "(term \"10:30\")"},
	{"rock-n-roll", "(term \"rock-n-roll\")"},
	{"a@b.example", "(term \"a@b.example\")"},
	{"Jazz: live", "(and (term \"Jazz:\") (term \"live\"))"},
	{"Jazz:", "(term \"Jazz:\")"},
	{"don't:x", "(term \"don't:x\")"},
	{"jazz - blues", "(and (term \"jazz\") (term \"blues\"))"},
	{"jazz -", "(term \"jazz\")"},
	{"jazz +", "(term \"jazz\")"},
	{"jazz && blues || !soul", "(and (term \"jazz\") (term \"blues\") (term \"!soul\"))"},
	{"a -> b", "(and (term \"a\") (term \"b\"))"},
	{"[10 TO 50]", "(and (term \"[10\") (term \"TO\") (term \"50]\"))"},
	{"~/notes", "(term \"~/notes\")"},
	{"a~b", "(term \"a~b\")"},
	{"printf()", "(term \"printf\")"},
	/* nothing to search for */
	{"-", "(none)"},
	{"++", "(none)"},
	{"\"\"", "(none)"},
	{"\"...\"~2", "(none)"},
	{"()", "(none)"},
	{"-(++)", "(none)"},
	{"title:!", "(none)"},
	{"^_^", "column 4: expected a number above 0"},
	{"\xF0\x9F\x8E\xB7", "(none)"},
	{"jazz OR ++", "(term \"jazz\")"},
	{"++ OR jazz", "(term \"jazz\")"},
	{"NOT ++", "(none)"},
	{"jazz (!) ()", "(term \"jazz\")"},
	{"!!^2 jazz", "(term \"jazz\")"},
	/* escapes */
	{"foo\\:bar", "(term \"foo:bar\")"},
	{"\\-jazz", "(term \"-jazz\")"},
	{"jaz\\*", "(term \"jaz*\")"},
	{"\\(a\\)", "(term \"(a)\")"},
	{"a\\\\b", "(term \"a\\\\b\")"},
	{"a\\ b", "(term \"a b\")"},
	{"5\\\"", "(term \"5\\\"\")"},
	{"jazz\\~", "(term \"jazz~\")"},
	{"x\\^2", "(term \"x^2\")"},
	{"a\\\xC2\xA0"
	 "b",
	 "(term \"a\xC2\xA0"
	 "b\")"},
	{"jazz\\", "column 5: expected a character after \\"},
};

static const struct query_case operators[] = {
	{"a AND b", "(and (term \"a\") (term \"b\"))"},
	{"a OR b OR c", "(or (term \"a\") (term \"b\") (term \"c\"))"},
	{"a b OR c d", "(or (and (term \"a\") (term \"b\")) (and (term \"c\") (term \"d\")))"},
	{"a AND b OR NOT c", "(or (and (term \"a\") (term \"b\")) (not (term \"c\")))"},
	{"a (b OR c)", "(and (term \"a\") (or (term \"b\") (term \"c\")))"},
	{"(a)(b)", "(and (term \"a\") (term \"b\"))"},
	{"a(b)\"c d\"e", "(and (term \"a\") (term \"b\") (phrase \"c d\") (term \"e\"))"},
	{"((jazz))", "(term \"jazz\")"},
	{"NOT a b", "(and (not (term \"a\")) (term \"b\"))"},
	{"a AND NOT b", "(and (term \"a\") (not (term \"b\")))"},
	{"-jazz", "(not (term \"jazz\"))"},
	{"a -b +c", "(and (term \"a\") (not (term \"b\")) (term \"c\"))"},
	{"+a b OR c", "(or (and (term \"a\") (term \"b\")) (term \"c\"))"},
	{"-(a b)", "(not (and (term \"a\") (term \"b\")))"},
	{"-\"a b\"", "(not (phrase \"a b\"))"},
	{"-title:a", "(not (term title \"a\"))"},
	{"--help", "(term \"help\")"},
	{"++*", "(all)"},
	{"NOT NOT a", "(term \"a\")"},
	{"NOT -a", "(term \"a\")"},
	{"+-a", "(not (term \"a\"))"},
	{"-*", "(not (all))"},
	{"NOT(a)", "(not (term \"a\"))"},
	{"a OR(b)", "(or (term \"a\") (term \"b\"))"},
	{"-OR", "(not (term \"OR\"))"},
	{"OR", "column 1: expected a word, a \"phrase\" or ( before OR"},
	{"AND a", "column 1: expected a word, a \"phrase\" or ( before AND"},
	{"a OR", "column 5: expected a word, a \"phrase\" or ( after OR"},
	{"a AND ", "column 7: expected a word, a \"phrase\" or ( after AND"},
	{"a NOT", "column 6: expected a word, a \"phrase\" or ( after NOT"},
	{"a OR OR b", "column 6: expected a word, a \"phrase\" or ( after OR"},
	{"a AND OR b", "column 7: expected a word, a \"phrase\" or ( after AND"},
	{"(a OR) b", "column 6: expected a word, a \"phrase\" or ( after OR"},
	{"(OR b)", "column 2: expected a word, a \"phrase\" or ( before OR"},
	{"(a", "column 1: expected a ) for this ("},
	{"\xC3\xA4 ((a)", "column 3: expected a ) for this ("},
	{"a)", "column 2: expected a ( before this )"},
	{":)", "column 2: expected a ( before this )"},
	{"\xC3\xA4 )", "column 3: expected a ( before this )"},
	/* boosts */
	{"word^2", "(boost 2 (term \"word\"))"},
	{"word^0.5 x", "(and (boost 0.5 (term \"word\")) (term \"x\"))"},
	{"\"a b\"~3^2", "(boost 2 (phrase \"a b\" 3))"},
	{"(a OR b)^1000", "(boost 1000 (or (term \"a\") (term \"b\")))"},
	{"title:(a b)^3", "(boost 3 (and (term title \"a\") (term title \"b\")))"},
	{"jaz*^2", "(boost 2 (prefix \"jaz\"))"},
	{"-a^2", "(not (boost 2 (term \"a\")))"},
	{"(a^2 b)^3", "(boost 3 (and (boost 2 (term \"a\")) (term \"b\")))"},
	{"a^0", "column 3: expected a number above 0"},
	{"a^-1", "column 3: expected a number above 0"},
	{"a^", "column 3: expected a number above 0"},
	{"a^b", "column 3: expected a number above 0"},
	{"a^1001", "column 3: expected a number above 0, at most 1000"},
	{"a^1e999", "column 3: expected a number above 0"},
	{"a^nan", "column 3: expected a number above 0"},
	{"a^2^2", "column 3: expected a number above 0"},
	{"(a^100)^100", "column 9: expected a smaller number"},
};

static const struct query_case parts[] = {
	{"\"a phrase\"", "(phrase \"a phrase\")"},
	{"\"running\"", "(phrase \"running\")"},
	{"\"near words\"~3", "(phrase \"near words\" 3)"},
	{"\"near words\"~0", "(phrase \"near words\")"},
	{"\"say \\\"hi\\\" \\\\ OR (x\"", "(phrase \"say \\\"hi\\\" \\\\ OR (x\")"},
	{"\"Jazz\", live", "(and (phrase \"Jazz\") (term \"live\"))"},
	{"\"unclosed", "column 1: expected a closing \""},
	{"TV 55\"", "column 6: expected a closing \""},
	{"\"a\\", "column 3: expected a character after \\"},
	{"\"a b\"~", "column 7: expected a number from 0 to 1000 after ~"},
	{"\"a b\"~x", "column 7: expected a number from 0 to 1000 after ~"},
	{"\"a b\"~1001", "column 7: expected a number from 0 to 1000 after ~"},
	{"\"a b\"~99999999999999999999", "column 7: expected a number from 0 to 1000 after ~"},
	{"\"a b\"*", "column 6: expected * behind a word, not behind a phrase"},
	{"(a b)~2", "column 6: expected ~ behind a word, not behind )"},
	{"(a b)*", "column 6: expected * behind a word, not behind )"},
	{"jaz*", "(prefix \"jaz\")"},
	{"rock-n*", "(prefix \"rock-n\")"},
	{"\xE6\x9D\xB1\xE4\xBA\xAC*", "(prefix \"\xE6\x9D\xB1\xE4\xBA\xAC\")"},
	{"(jaz*)", "(prefix \"jaz\")"},
	{"a*", "column 1: expected at least 2 letters before *"},
	{"x \xC3\xA4*", "column 3: expected at least 2 letters before *"},
	{"e\xCC\x81*", "column 1: expected at least 2 letters before *"},
	{"!!*", "column 1: expected at least 2 letters before *"},
	{"*jazz", "column 1: expected * only at the end of a word"},
	{"ja*zz", "column 3: expected * only at the end of a word"},
	{"**", "column 1: expected * only at the end of a word"},
	{"jaz*~", "column 4: expected * only at the end of a word"},
	{"fuzzy~", "(fuzzy \"fuzzy\" 1)"},
	{"fuzzy~2", "(fuzzy \"fuzzy\" 2)"},
	{"fuzzy~1^3", "(boost 3 (fuzzy \"fuzzy\" 1))"},
	{"title:fuzzy~", "(fuzzy title \"fuzzy\" 1)"},
	{"fuzzy~3", "column 7: expected a number from 1 to 2 after ~"},
	{"fuzzy~0", "column 7: expected a number from 1 to 2 after ~"},
};

static const struct query_case fields[] = {
	{"title:jazz", "(term title \"jazz\")"},
	{"title:jazz night", "(and (term title \"jazz\") (term \"night\"))"},
	{"title:\"jazz night\"", "(phrase title \"jazz night\")"},
	{"title:(a OR b) c", "(and (or (term title \"a\") (term title \"b\")) (term \"c\"))"},
	{"title:(a description:b c)",
	 "(and (term title \"a\") (term description \"b\") (term title \"c\"))"},
	{"city:Oslo", "(term city \"Oslo\")"},
	{"city:\"Cape Town\"", "(phrase city \"Cape Town\")"},
	{"createdBy:alice", "(term createdBy \"alice\")"},
	{"title:10:30", "(term title \"10:30\")"},
	{"title:foo:bar", "(term title \"foo:bar\")"},
	{"title:AND", "(term title \"AND\")"},
	{"title:jaz*", "(prefix title \"jaz\")"},
	{"title:()", "(none)"},
	{"title:+a", "(term title \"+a\")"},
	{"title:*", "column 7: expected at least 2 letters before *"},
	{"foo:bar", "column 1: expected a field before the colon, there is none named \"foo\""},
	{"a titel:b",
	 "column 3: expected a field before the colon, there is none named \"titel\"; did you "
	 "mean \"title\"?"},
	{"Title:b", "column 1: expected a field before the colon, there is none named \"Title\""},
	{"http://a.example",
	 "column 1: expected a field before the colon, there is none named \"http\" (to "
	 "search for a colon"},
	{"foo:(a)", "column 1: expected a field before the colon"},
	{"foo:\"a\"", "column 1: expected a field before the colon"},
	{"title:", "column 7: expected a word, a \"phrase\", a value or ( right after title:"},
	{"title: a", "column 7: expected a word, a \"phrase\", a value or ( right after title:"},
	{"(title:)", "column 8: expected a word, a \"phrase\", a value or ( right after title:"},
	{"title:[a TO b]", "column 7: expected a word or a \"phrase\": title has no ranges"},
	{"city:>a", "column 6: expected a word or a \"phrase\": city has no ranges"},
	{"title:-a", "column 7: expected - before the field, as in -title:word"},
	{"free:true", "(exact free true)"},
	{"free:(false OR \"true\")", "(or (exact free false) (exact free true))"},
	{"free:yes", "column 6: free takes true or false, not \"yes\""},
	{"free:*", "column 6: free takes true or false, not \"*\""},
	{"seats:5", "column 7: expected another field: the schema does not make seats a filter"},
};

static const struct query_case values[] = {
	{"price:10", "(range price [10 10])"},
	{"price:12.50", "(range price [12.50 12.50])"},
	{"price:\"10\"", "(range price [10 10])"},
	{"price:-5", "(range price [-5 -5])"},
	{"price:(10 OR 20)", "(or (range price [10 10]) (range price [20 20]))"},
	{"price:(>=10 <20)", "(and (range price [10 *]) (range price [* 20}))"},
	{"price:([1 TO 2] OR [4 TO 5])", "(or (range price [1 2]) (range price [4 5]))"},
	{"price:[10 TO 50]", "(range price [10 50])"},
	{"price:{10 TO 50}", "(range price {10 50})"},
	{"price:[10 TO 50} x", "(and (range price [10 50}) (term \"x\"))"},
	{"price:[ 10  TO  50 ]", "(range price [10 50])"},
	{"price:[10 TO *]", "(range price [10 *])"},
	{"price:{* TO 50]", "(range price [* 50])"},
	{"price:[* TO *]", "(range price [* *])"},
	{"price:*", "(range price [* *])"},
	{"price:>20", "(range price {20 *])"},
	{"price:>=20", "(range price [20 *])"},
	{"price:<20", "(range price [* 20})"},
	{"price:<= 20.5", "(range price [* 20.5])"},
	{"price:{10 TO 10]", "(none)"},
	{"price:[10 TO 50]^2", "(boost 2 (range price [10 50]))"},
	{"-price:10", "(not (range price [10 10]))"},
	{"price:cheap", "column 7: price takes a number such as 10 or 12.50, not \"cheap\""},
	{"price:+5", "column 7: price takes a number"},
	{"price:.5", "column 7: price takes a number"},
	{"price:1,000", "column 7: price takes a number"},
	{"price:0x10", "column 7: price takes a number"},
	{"price:nan", "column 7: price takes a number"},
	{"price:1e999", "column 7: price takes a smaller number"},
	{"price:\"\"", "column 8: price takes a number"},
	{"price:10*", "column 7: price takes a number"},
	{"price:>", "column 8: expected a value after >"},
	{"price:<= ", "column 10: expected a value after <="},
	{"price:[10 TO 5]", "column 7: the range of price is reversed"},
	{"price:[10 50]", "column 11: expected TO in the range"},
	{"price:[10 to 50]", "column 11: expected TO in the range"},
	{"price:[10", "column 10: expected TO in the range"},
	{"price:[10]", "column 10: expected TO in the range"},
	{"price:[]", "column 8: expected a value or * in the range"},
	{"price:[TO 5]", "column 8: expected a value or * in the range"},
	{"price:[10 TO]", "column 13: expected a value or * in the range"},
	{"price:[10 TO 50", "column 16: expected ] or } at the end of the range"},
	{"price:[10 TO 50)", "column 16: expected ] or } at the end of the range"},
	{"price:[10 TO x]", "column 14: price takes a number such as 10 or 12.50, not \"x\""},
	{"startDate:2026-01-31", "(range startDate [2026-01-31T00:00:00Z 2026-02-01T00:00:00Z})"},
	{"startDate:2026-01-31T18:00:00Z",
	 "(range startDate [2026-01-31T18:00:00Z 2026-01-31T18:00:00Z])"},
	{"startDate:\"2026-01-31 18:00\"",
	 "(range startDate [2026-01-31T18:00:00Z 2026-01-31T18:00:00Z])"},
	{"startDate:[2026-01-01 TO *]", "(range startDate [2026-01-01T00:00:00Z *])"},
	{"startDate:[2026-01-01 TO 2026-01-31]",
	 "(range startDate [2026-01-01T00:00:00Z 2026-02-01T00:00:00Z})"},
	{"startDate:{2026-01-01 TO 2026-01-31}",
	 "(range startDate [2026-01-02T00:00:00Z 2026-01-31T00:00:00Z})"},
	{"startDate:{2026-01-01 TO 2026-01-02}", "(none)"},
	{"startDate:{2026-01-01 TO 2026-01-01}", "(none)"},
	{"startDate:>2026-01-01", "(range startDate [2026-01-02T00:00:00Z *])"},
	{"startDate:>=2026-01-01", "(range startDate [2026-01-01T00:00:00Z *])"},
	{"startDate:<2026-01-01", "(range startDate [* 2026-01-01T00:00:00Z})"},
	{"startDate:<=2026-01-01", "(range startDate [* 2026-01-02T00:00:00Z})"},
	{"startDate:>2026-01-01T12:00+01:00", "(range startDate {2026-01-01T11:00:00Z *])"},
	{"startDate:[2026-01-01T10:00 TO 2026-01-01]",
	 "(range startDate [2026-01-01T10:00:00Z 2026-01-02T00:00:00Z})"},
	{"startDate:[2026-01-02 TO 2026-01-01]", "column 11: the range of startDate is reversed"},
	{"startDate:tomorrow", "column 11: startDate takes a date such as 2026-01-31"},
	{"startDate:2026-02-30", "column 11: startDate takes a date such as 2026-01-31"},
};

/* Parses a copy of exactly the given length, so that a sanitizer sees any read behind it. */
static weir_status parse(uint64_t capabilities, const char *text, size_t length,
			 const struct weir_query **query, size_t *column, struct weir_error *error)
{
	WEIR_FREE char *copy = malloc(length + (length == 0));
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, length);
	return query_parse(arena, schema, capabilities, copy, length, query, column, error);
}

static void expect(const struct query_case *one)
{
	const struct weir_query *query = NULL;
	struct weir_error error = {""};
	size_t column = 0, wanted_column = 0;
	weir_status status =
		parse(WEIR_CAN_FUZZY, one->text, strlen(one->text), &query, &column, &error);
	if (sscanf(one->wanted, "column %zu:", &wanted_column) == 1) {
		ck_assert_msg(status == WEIR_INVALID && query == NULL, "%s\nis accepted",
			      one->text);
		ck_assert_msg(strncmp(error.message, one->wanted, strlen(one->wanted)) == 0,
			      "%s\ngives  %s\nwanted %s", one->text, error.message, one->wanted);
		ck_assert_msg(column == wanted_column, "%s: column is %zu", one->text, column);
		return;
	}
	ck_assert_msg(status == WEIR_OK, "%s\ngives  %s\nwanted %s", one->text, error.message,
		      one->wanted);
	WEIR_FREE char *tree = printed(query);
	ck_assert_msg(strcmp(tree, one->wanted) == 0, "%s\ngives  %s\nwanted %s", one->text, tree,
		      one->wanted);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

START_TEST(words_and_escapes)
{
	expect(&words[_i]);
}
END_TEST

START_TEST(operators_and_boosts)
{
	expect(&operators[_i]);
}
END_TEST

START_TEST(phrases_prefixes_fuzzy_words)
{
	expect(&parts[_i]);
}
END_TEST

START_TEST(named_fields)
{
	expect(&fields[_i]);
}
END_TEST

START_TEST(numbers_and_dates)
{
	expect(&values[_i]);
}
END_TEST

START_TEST(a_fuzzy_word_needs_the_capability)
{
	const struct weir_query *query = NULL;
	struct weir_error error = {""};
	size_t column = 0;
	uint64_t others = ~(uint64_t)WEIR_CAN_FUZZY;
	ck_assert_int_eq(parse(others, "a jazz~", 7, &query, &column, &error), WEIR_INVALID);
	ck_assert_uint_eq(column, 7);
	ck_assert_ptr_nonnull(strstr(error.message, "fuzzy"));
	ck_assert_int_eq(parse(others, "a jazz", 6, &query, &column, &error), WEIR_OK);
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused)
{
	static const struct {
		const char *text;
		size_t length, column;
	} cases[] = {{"a\0b", 3, 2},	     {"\xC3\xA4\xFF", 3, 2}, {"a\xC3", 2, 2},
		     {"\xED\xA0\x80", 3, 1}, {"\xC0\xAF", 2, 1},     {"\"\0\"", 3, 2}};
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct weir_query *query = NULL;
		struct weir_error error = {""};
		size_t column = 0;
		weir_status status =
			parse(0, cases[i].text, cases[i].length, &query, &column, &error);
		ck_assert_int_eq(status, WEIR_INVALID);
		ck_assert_uint_eq(column, cases[i].column);
		ck_assert_ptr_nonnull(strstr(error.message, "expected UTF-8 text"));
	}
}
END_TEST

static weir_status parse_repeated(const char *head, const char *piece, size_t count,
				  const char *tail, size_t *column, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	const struct weir_query *query = NULL;
	buffer_append_text(&text, head);
	for (size_t i = 0; i < count; i++)
		buffer_append_text(&text, piece);
	for (size_t i = 0; i < count && *tail != '\0'; i++)
		buffer_append_text(&text, tail);
	ck_assert(!buffer_failed(&text));
	return parse(0, text.data, text.length, &query, column, error);
}

START_TEST(limits_hold_exactly)
{
	struct weir_error error = {""};
	size_t column = 0;
	ck_assert_int_eq(parse_repeated("", "a", 4096, "", &column, &error), WEIR_OK);
	ck_assert_int_eq(parse_repeated("", "a", 4097, "", &column, &error), WEIR_INVALID);
	ck_assert_uint_eq(column, 4097);
	ck_assert_ptr_nonnull(strstr(error.message, "4097 bytes, at most 4096"));
	ck_assert_int_eq(parse_repeated("", "a ", 256, "", &column, &error), WEIR_OK);
	ck_assert_int_eq(parse_repeated("", "a ", 257, "", &column, &error), WEIR_INVALID);
	ck_assert_uint_eq(column, 513);
	ck_assert_ptr_nonnull(strstr(error.message, "at most 256"));
	ck_assert_int_eq(parse_repeated("", "price:1 ", 257, "", &column, &error), WEIR_INVALID);
	ck_assert_int_eq(parse_repeated("x ", "+ ", 2000, "", &column, &error), WEIR_OK);
	ck_assert_int_eq(parse_repeated("", "(a ", 32, ")", &column, &error), WEIR_OK);
	ck_assert_int_eq(parse_repeated("", "(a ", 33, ")", &column, &error), WEIR_INVALID);
	ck_assert_uint_eq(column, 97);
	ck_assert_ptr_nonnull(strstr(error.message, "at most 32"));
	ck_assert_int_eq(parse_repeated("", "-", 4095, "", &column, &error), WEIR_OK);
	ck_assert_int_eq(parse_repeated("x", "()", 2000, "", &column, &error), WEIR_OK);
}
END_TEST

START_TEST(a_long_wrong_value_leaves_a_whole_message)
{
	struct weir_error error = {""};
	size_t column = 0;
	weir_status status = parse_repeated("price:x", "\xC3\xA4", 1000, "", &column, &error);
	ck_assert_int_eq(status, WEIR_INVALID);
	/* 60 bytes would end inside a character */
	ck_assert_ptr_nonnull(strstr(error.message, "\xC3\xA4\""));
	status = parse_repeated("a", "b", 1000, ":c", &column, &error);
	ck_assert_int_eq(status, WEIR_INVALID);
	ck_assert_uint_eq(column, 1);
}
END_TEST

START_TEST(values_are_typed)
{
	const struct weir_query *query = NULL;
	struct weir_error error = {""};
	size_t column = 0;
	ck_assert_int_eq(parse(0, "price:12.50", 11, &query, &column, &error), WEIR_OK);
	ck_assert_int_eq(query->field, schema_find_exact(schema, "price", 5));
	ck_assert_int_eq(query->lower.field, query->field);
	ck_assert_uint_eq(query->lower.type, WEIR_TYPE_NUMBER);
	ck_assert(query->lower.number == 12.5 && query->upper.number == 12.5);
	ck_assert_uint_eq(query->lower.text_length, 5);
	ck_assert_int_eq(parse(0, "free:true", 9, &query, NULL, NULL), WEIR_OK);
	ck_assert_uint_eq(query->lower.type, WEIR_TYPE_BOOLEAN);
	ck_assert_int_eq(query->lower.integer, 1);
	ck_assert_int_eq(parse(0, "(", 1, &query, NULL, NULL), WEIR_INVALID);
}
END_TEST

/* names and values in turn, NULL ends. */
struct filter_case {
	const char *pairs[9], *wanted;
};

static const struct filter_case filter_cases[] = {
	{{NULL}, ""},
	{{"city", "Cape Town"}, "(exact city \"Cape Town\")"},
	{{"city", "A", "city", "B"}, "(or (exact city \"A\") (exact city \"B\"))"},
	{{"city", "A", "free", "true", "city", "B"},
	 "(and (or (exact city \"A\") (exact city \"B\")) (exact free true))"},
	{{"city", "a OR \"b"}, "(exact city \"a OR \\\"b\")"},
	{{"price", "10"}, "(range price [10 10])"},
	{{"price", "10..50"}, "(range price [10 50])"},
	{{"price", "10.."}, "(range price [10 *])"},
	{{"price", "..50.5"}, "(range price [* 50.5])"},
	{{"price", "..5", "price", "10..20"}, "(or (range price [* 5]) (range price [10 20]))"},
	{{"startDate", "2026-01-31"},
	 "(range startDate [2026-01-31T00:00:00Z 2026-02-01T00:00:00Z})"},
	{{"startDate", "2026-01-01..2026-01-31"},
	 "(range startDate [2026-01-01T00:00:00Z 2026-02-01T00:00:00Z})"},
	{{"startDate", "2026-01-01T10:00:00Z..2026-01-01T11:00:00Z"},
	 "(range startDate [2026-01-01T10:00:00Z 2026-01-01T11:00:00Z])"},
	{{"startDate", "2026-01-01.."}, "(range startDate [2026-01-01T00:00:00Z *])"},
	{{"startDate", "2026-01-02..2026-01-01"}, "!the range of startDate is reversed"},
	{{"price", "50..10"}, "!the range of price is reversed"},
	{{"price", ".."}, "!price takes a value or a range such as 10..50"},
	{{"price", "x..10"}, "!price takes a number such as 10 or 12.50, not \"x\""},
	{{"price", "10...50"}, "!price takes a number such as 10 or 12.50, not \".50\""},
	{{"price", "1e999"}, "!price takes a smaller number"},
	{{"price", ""}, "!price is empty"},
	{{"city", ""}, "!city is empty"},
	{{"city", "\xFF"}, "!city takes UTF-8 text"},
	{{"free", "1"}, "!free takes true or false, not \"1\""},
	{{"title", "a"}, "!title is no filter"},
	{{"seats", "5"}, "!seats is no filter"},
	{{"startDate", "soon"}, "!startDate takes a date"},
};

START_TEST(filters_make_a_tree)
{
	const struct filter_case *one = &filter_cases[_i];
	struct query_filter filters[4];
	size_t count = 0;
	for (; one->pairs[2 * count] != NULL; count++) {
		const char *name = one->pairs[2 * count], *value = one->pairs[2 * count + 1];
		filters[count] = (struct query_filter){
			schema_find_exact(schema, name, strlen(name)), value, strlen(value)};
	}
	const struct weir_query *query = NULL;
	struct weir_error error = {""};
	weir_status status = query_filters(arena, schema, filters, count, &query, &error);
	if (one->wanted[0] == '!') {
		ck_assert_int_eq(status, WEIR_INVALID);
		ck_assert_msg(strncmp(error.message, one->wanted + 1, strlen(one->wanted) - 1) == 0,
			      "gives  %s\nwanted %s", error.message, one->wanted + 1);
		return;
	}
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	WEIR_FREE char *tree = query != NULL ? printed(query) : calloc(1, 1);
	ck_assert_str_eq(tree, one->wanted);
}
END_TEST

START_TEST(filters_are_limited)
{
	struct query_filter filters[257];
	const struct weir_query *query = NULL;
	struct weir_error error = {""};
	for (size_t i = 0; i < COUNT(filters); i++)
		filters[i] = (struct query_filter){2, "x", 1};
	ck_assert_int_eq(query_filters(arena, schema, filters, 256, &query, &error), WEIR_OK);
	ck_assert_uint_eq(query->child_count, 256);
	ck_assert_int_eq(query_filters(arena, schema, filters, 257, &query, &error), WEIR_INVALID);
	WEIR_FREE char *value = malloc(4097);
	ck_assert_ptr_nonnull(value);
	memset(value, 'x', 4097);
	filters[0] = (struct query_filter){2, value, 4097};
	ck_assert_int_eq(query_filters(arena, schema, filters, 1, &query, &error), WEIR_INVALID);
	filters[0].length = 4096;
	ck_assert_int_eq(query_filters(arena, schema, filters, 1, &query, &error), WEIR_OK);
}
END_TEST

static const struct query_case sort_cases[] = {
	{"relevance", "-1 desc"},
	{"startDate,-price", "5 asc, 4 desc"},
	{" startDate , -price ", "5 asc, 4 desc"},
	{"-title,relevance", "0 desc, -1 desc"},
	{"", "!sort takes fields separated by commas"},
	{"price,", "!sort takes fields separated by commas"},
	{"-",
	 "!sort by \"-\" is not possible; fields are title, city, price, startDate, relevance"},
	{"seats", "!sort by \"seats\" is not possible; fields are title,"},
	{"-relevance", "!sort by \"-relevance\" is not possible"},
	{"price,-price", "!sort names price twice"},
	{"relevance,relevance", "!sort names relevance twice"},
	{"\xFF", "!sort takes fields separated by commas"},
};

START_TEST(sort_keys)
{
	const struct query_case *one = &sort_cases[_i];
	const struct weir_sort_key *const *keys = NULL;
	size_t count = 0;
	struct weir_error error = {""};
	weir_status status = query_sort(arena, schema, one->text, &keys, &count, &error);
	if (one->wanted[0] == '!') {
		ck_assert_int_eq(status, WEIR_INVALID);
		ck_assert_msg(strncmp(error.message, one->wanted + 1, strlen(one->wanted) - 1) == 0,
			      "gives  %s\nwanted %s", error.message, one->wanted + 1);
		return;
	}
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	for (size_t i = 0; i < count; i++)
		buffer_printf(&text, "%s%d %s", i > 0 ? ", " : "", (int)keys[i]->field,
			      keys[i]->descending ? "desc" : "asc");
	ck_assert_str_eq(text.data, one->wanted);
}
END_TEST

START_TEST(sort_takes_eight_fields)
{
	struct weir_error error = {""};
	const struct weir_sort_key *const *keys = NULL;
	size_t count = 0;
	static const char text[] =
		"{\"name\": \"many\", \"id\": \"key\", \"messages\": [{\"type\": \"Created\", "
		"\"topic\": \"t\", \"operation\": \"created\"}], \"fields\": [";
	WEIR_CLEANUP(buffer_finish) struct buffer many = BUFFER_INIT;
	buffer_append_text(&many, text);
	for (char name = 'a'; name <= 'i'; name++)
		buffer_printf(&many, "%s{\"name\": \"%c\", \"type\": \"number\", \"sort\": true}",
			      name > 'a' ? "," : "", name);
	buffer_append_text(&many, "]}");
	schema_destroy(schema);
	schema = NULL;
	weir_status status = schema_parse(many.data, many.length, "many", &schema, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	status = query_sort(arena, schema, "a,b,c,d,e,f,g,h", &keys, &count, &error);
	ck_assert_int_eq(status, WEIR_OK);
	ck_assert_uint_eq(count, 8);
	status = query_sort(arena, schema, "a,b,c,d,e,f,g,h,i", &keys, &count, &error);
	ck_assert_int_eq(status, WEIR_INVALID);
	ck_assert_ptr_nonnull(strstr(error.message, "at most 8"));
}
END_TEST

START_TEST(the_installed_schema_answers_the_documented_examples)
{
	static const char *const examples[] = {
		"jazz (oslo OR bergen) -\"sold out\"",
		"category:music city:\"Cape Town\" price:[10 TO 50]",
		"startDate:[2026-01-01 TO *] title:confer*^2",
		"country:(norway OR sweden) startDate:>=2026-06-01 NOT category:sport",
	};
	struct weir_error error = {""};
	const struct weir_query *query = NULL;
	struct schema *installed = NULL;
	size_t column = 0;
	weir_status status = schema_load(getenv("WEIR_SCHEMA"), &installed, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	for (size_t i = 0; i < COUNT(examples); i++) {
		status = query_parse(arena, installed, 0, examples[i], strlen(examples[i]), &query,
				     &column, &error);
		ck_assert_msg(status == WEIR_OK, "%s", error.message);
	}
	schema_destroy(installed);
}
END_TEST

static void add_cases(TCase *cases)
{
	tcase_add_loop_test(cases, words_and_escapes, 0, (int)COUNT(words));
	tcase_add_loop_test(cases, operators_and_boosts, 0, (int)COUNT(operators));
	tcase_add_loop_test(cases, phrases_prefixes_fuzzy_words, 0, (int)COUNT(parts));
	tcase_add_loop_test(cases, named_fields, 0, (int)COUNT(fields));
	tcase_add_loop_test(cases, numbers_and_dates, 0, (int)COUNT(values));
	tcase_add_loop_test(cases, filters_make_a_tree, 0, (int)COUNT(filter_cases));
	tcase_add_loop_test(cases, sort_keys, 0, (int)COUNT(sort_cases));
}

int main(void)
{
	Suite *suite = suite_create("query");
	TCase *cases = tcase_create("query");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	add_cases(cases);
	tcase_add_test(cases, a_fuzzy_word_needs_the_capability);
	tcase_add_test(cases, bytes_that_are_no_text_are_refused);
	tcase_add_test(cases, limits_hold_exactly);
	tcase_add_test(cases, a_long_wrong_value_leaves_a_whole_message);
	tcase_add_test(cases, values_are_typed);
	tcase_add_test(cases, filters_are_limited);
	tcase_add_test(cases, sort_takes_eight_fields);
	tcase_add_test(cases, the_installed_schema_answers_the_documented_examples);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
