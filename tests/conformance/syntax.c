/* SPDX-License-Identifier: MIT
 * syntax.c - what is syntax to some engine is plain words here: text crosses the boundary as text.
 * What has to match comes from the oracle. */
#include <stdio.h>

#include "fixture.h"
#include "oracle.h"
#include "suite.h"

static const char *const texts[] = {
	"jazz AND rock",
	"jazz OR rock",
	"NOT rock",
	"jazz NEAR rock",
	"jazz NEAR/2 rock",
	"NEAR(jazz rock, 2)",
	"\"jazz rock\"",
	"\"",
	"\"jazz",
	"'",
	"''",
	"' OR 1=1 --",
	"'; DROP TABLE documents; --",
	"jazz*",
	"*",
	"*jazz",
	"ja?z",
	"jazz~2",
	"jazz^2",
	"+jazz -rock",
	"-jazz",
	"(jazz OR rock)",
	"((",
	")",
	"[1 TO 5]",
	"{a TO b}",
	"title:jazz",
	"title : jazz",
	"_exists_:title",
	"{\"match_all\":{}}",
	"\"}],\"query\":{\"match_all\":{}}",
	"\\",
	"\\\\",
	"\\u0000",
	"\n{\"index\":{}}\n",
	"/j.zz/",
	"/.*/",
	"jazz && rock",
	"jazz || rock",
	"!jazz",
	"^jazz",
	"jazz$",
	"col:jazz",
	"{title body}: jazz",
	"- {title}: jazz",
	"rank MATCH 'jazz'",
	"%",
	"_",
	"ja%",
	"%s%n%d",
	"$(jazz)",
	"`jazz`",
	"<mark>jazz</mark>",
	"&amp;",
	"jazz\trock",
	"\xFF\xFEjazz",
	"a:b:c",
	"@jazz",
	"#rock",
	"jazz,rock",
	"1..2",
	"null",
	"true",
	"NaN",
	"<script>",
	"{case}",
	"id0",
	"weir_state",
	"XTjazz",
	"Sjazz",
	"title",
	"ja\\zz",
	"j\"a\"z",
	"\\\"jazz\\\"",
	"IN (1,2)",
	"==",
	"k:v AND NOT k:w",
	"*:*",
	"_id:1",
};
enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

static void put_texts(void)
{
	char id[16];
	for (int i = 0; i < TEXTS; i++) {
		snprintf(id, sizeof(id), "text%02d", i);
		struct item item = {.id = id, .title = texts[i], .tag = texts[i], .body = "jazz"};
		put_later(writer, &item);
		oracle_put(&item);
	}
	struct item plain = {.id = "plain", .title = "jazz and rock or not near to it"};
	put_later(writer, &plain);
	oracle_put(&plain);
	look();
}

static void check(const struct weir_query *query, const char *kind, const char *text)
{
	const char *expected = oracle_matches(query, NULL), *got = matches(session, query);
	ck_assert_msg(strcmp(expected, got) == 0, "%s of \"%s\": expected \"%s\", got \"%s\"", kind,
		      text, expected, got);
	queries_free();
}

START_TEST(test_words_with_syntax)
{
	put_texts();
	for (int i = 0; i < TEXTS; i++) {
		check(term(ANY, texts[i]), "TERM", texts[i]);
		check(term(TITLE, texts[i]), "TERM of title", texts[i]);
		check(NOT(term(TITLE, texts[i])), "NOT", texts[i]);
		check(AND(term(ANY, texts[i]), term(BODY, "jazz")), "AND", texts[i]);
	}
}
END_TEST

START_TEST(test_phrases_with_syntax)
{
	put_texts();
	for (int i = 0; i < TEXTS; i++) {
		check(phrase(TITLE, texts[i]), "PHRASE", texts[i]);
		check(phrase(ANY, texts[i]), "PHRASE of any", texts[i]);
		check(near(TITLE, texts[i], 2), "NEAR", texts[i]);
	}
}
END_TEST

START_TEST(test_beginnings_with_syntax)
{
	put_texts();
	for (int i = 0; i < TEXTS; i++) {
		check(prefix(TITLE, texts[i]), "PREFIX", texts[i]);
		check(prefix(ANY, texts[i]), "PREFIX of any", texts[i]);
	}
}
END_TEST

START_TEST(test_keywords_with_syntax)
{
	put_texts();
	for (int i = 0; i < TEXTS; i++) {
		check(exact(TAG, texts[i]), "EXACT", texts[i]);
		check(OR(exact(TAG, texts[i]), exact(CODE, texts[i])), "OR of EXACT", texts[i]);
	}
}
END_TEST

START_TEST(test_ids_with_syntax)
{
	for (int i = 0; i < TEXTS; i++)
		PUT(writer, .id = texts[i], .title = "odd", .state = "x");
	look();
	ck_assert_uint_eq(count_of(term(TITLE, "odd")), TEXTS);
	for (int i = 0; i < TEXTS; i++) {
		ck_assert_str_eq(found(session, texts[i]), "x@0");
		ck_assert_str_eq(fetched(writer, texts[i]), "x");
	}
	PUT(writer, .id = texts[0], .hidden = true);
	look();
	ck_assert_uint_eq(count_of(term(TITLE, "odd")), TEXTS - 1);
}
END_TEST

void add_syntax_cases(void)
{
	suite_area("query syntax as words", fixture_setup, fixture_teardown);
	suite_add(test_words_with_syntax, WEIR_CAN_SEARCH);
	suite_add(test_phrases_with_syntax, WEIR_CAN_SEARCH);
	suite_add(test_beginnings_with_syntax, WEIR_CAN_SEARCH);
	suite_add(test_keywords_with_syntax, WEIR_CAN_SEARCH);
	suite_add(test_ids_with_syntax, WEIR_CAN_SEARCH);
}
