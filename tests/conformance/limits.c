/* SPDX-License-Identifier: MIT
 * limits.c - long, large, many, deep, empty; numbers and dates at their ends. */
#include <stdio.h>

#include "fixture.h"
#include "suite.h"

START_TEST(test_odd_ids)
{
	char longest[201];
	memset(longest, 'x', 200);
	longest[200] = '\0';
	const char *ids[] = {"a", "ab", "a b", "A", "\xC3\xA4", "a/b?c=d&e", "Q", longest};
	for (size_t i = 0; i < 8; i++)
		PUT(writer, .id = ids[i], .title = "Odd", .version = (int64_t)i);
	commit(writer);
	for (size_t i = 0; i < 8; i++)
		ck_assert_str_eq(fetched(writer, ids[i]), ids[i]);
	ck_assert_str_eq(fetched(writer, "abc"), "-");
	longest[199] = 'y';
	ck_assert_str_eq(fetched(writer, longest), "-");
	ck_assert_double_eq(stat_of(writer, "documents_live"), 8);
}
END_TEST

START_TEST(test_ids_with_anything_in_them)
{
	static const struct {
		const char *id;
		size_t length;
	} ids[] = {{" ", 1},	    {"a b ", 4},      {"a\0b", 3},     {"a\0", 2},
		   {"\n", 1},	    {"\x01", 1},      {"\xFF\xFE", 2}, {"\U0001f389", 4},
		   {"a\"b'c\\", 6}, {"{\"x\":1}", 7}, {"../../x", 7},  {"%00", 3}};
	enum { COUNT = sizeof(ids) / sizeof(ids[0]) };
	uint32_t kinds[COUNT];
	for (int i = 0; i < COUNT; i++)
		kinds[i] = put_item(writer, &(struct item){.id = ids[i].id,
							   .id_length = ids[i].length,
							   .title = "odd",
							   .version = i,
							   .state = "here"});
	look();
	uint64_t accepted = 0;
	for (int i = 0; i < COUNT; i++) {
		char answer[64] = "", expected[16];
		snprintf(expected, sizeof(expected), "here@%d", i);
		ck_assert(kinds[i] == WEIR_ACCEPTED || kinds[i] == WEIR_REJECTED);
		MUST(backend->get(session, ids[i].id, ids[i].length, found_hit, answer, &error));
		ck_assert_str_eq(answer, kinds[i] == WEIR_ACCEPTED ? expected : "");
		accepted += kinds[i] == WEIR_ACCEPTED;
	}
	/* those that eventd and Kafka can bring must be taken */
	ck_assert_uint_eq(kinds[1], WEIR_ACCEPTED);
	ck_assert_uint_eq(kinds[7], WEIR_ACCEPTED);
	ck_assert_uint_eq(kinds[8], WEIR_ACCEPTED);
	ck_assert_uint_eq(kinds[9], WEIR_ACCEPTED);
	ck_assert_uint_eq(kinds[10], WEIR_ACCEPTED);
	ck_assert_uint_eq(count_of(term(ANY, "odd")), accepted);
}
END_TEST

/* Rejected or kept; never cut and mixed up. */
START_TEST(test_long_ids)
{
	static const size_t lengths[] = {255,  256,  511,   512,   513,
					 1024, 4096, 32767, 65536, 1000000};
	char *id = malloc(1000001);
	ck_assert_ptr_nonnull(id);
	memset(id, 'i', 1000000);
	for (size_t i = 0; i < 10; i++) {
		char last = id[lengths[i]];
		id[lengths[i]] = '\0';
		uint32_t kind =
			put_item(writer, &(struct item){.id = id, .title = "long", .state = "s"});
		ck_assert_uint_eq(put_item(writer, &(struct item){.id = "n", .title = "near"}),
				  WEIR_ACCEPTED);
		look();
		ck_assert_str_eq(found(session, id), kind == WEIR_ACCEPTED ? "s@0" : "-");
		ck_assert_str_eq(fetched(writer, id), kind == WEIR_ACCEPTED ? "s" : "-");
		id[lengths[i]] = last;
	}
	free(id);
}
END_TEST

static char *make_text(size_t length, unsigned word_variety)
{
	char *text = malloc(length + 16);
	ck_assert_ptr_nonnull(text);
	size_t at = 0;
	for (unsigned i = 0; at < length; i++)
		at += (size_t)snprintf(text + at, 16, "w%u ", i % word_variety);
	text[at] = '\0';
	return text;
}

START_TEST(test_a_megabyte_of_text)
{
	char *text = make_text(1 << 20, 50000), *few = make_text(1 << 20, 7);
	PUT(writer, .id = "a", .title = "long", .body = text, .state = text);
	PUT(writer, .id = "b", .title = "long", .body = few);
	PUT(writer, .id = "c", .title = "short", .body = "w1 w2");
	look();
	ck_assert_str_eq(matches(session, term(BODY, "w49999")), "a");
	ck_assert_str_eq(matches(session, term(ANY, "w1")), "a b c");
	ck_assert_str_eq(matches(session, phrase(BODY, "w49998 w49999 w0")), "a");
	ck_assert_str_eq(matches(session, phrase(BODY, "w6 w0")), "b");
	ck_assert_str_eq(matches(session, near(BODY, "w5 w3", 1)), "a b");
	ck_assert_str_eq(matches(session, prefix(BODY, "w4999")), "a");
	ck_assert_str_eq(matches(session, term(ANY, "short")), "c");
	free(text);
	free(few);
}
END_TEST

START_TEST(test_long_queries)
{
	char *text = make_text(3000, 1000), *longer = make_text(3000, 1000);
	strcat(longer, "x");
	PUT(writer, .id = "a", .body = text);
	PUT(writer, .id = "b", .body = "w1 w2 w3");
	look();
	ck_assert_str_eq(matches(session, term(BODY, text)), "a");
	ck_assert_str_eq(matches(session, phrase(BODY, text)), "a");
	ck_assert_str_eq(matches(session, phrase(BODY, longer)), "");
	ck_assert_str_eq(matches(session, near(BODY, text, 5)), "a");
	ck_assert_str_eq(matches(session, prefix(BODY, text)), "a");
	free(text);
	free(longer);
}
END_TEST

START_TEST(test_256_clauses)
{
	static char words[256][16];
	char *text = make_text(2000, 300);
	const struct weir_query *terms[256];
	PUT(writer, .id = "a", .body = text);
	PUT(writer, .id = "b", .body = "w255");
	PUT(writer, .id = "c", .body = "x");
	look();
	for (int i = 0; i < 256; i++) {
		snprintf(words[i], sizeof(words[i]), "w%d", i);
		terms[i] = i % 2 == 0 ? term(ANY, words[i]) : phrase(BODY, words[i]);
	}
	ck_assert_str_eq(matches(session, join(WEIR_QUERY_AND, terms, 256)), "a");
	ck_assert_str_eq(matches(session, join(WEIR_QUERY_OR, terms, 256)), "a b");
	ck_assert_str_eq(matches(session, NOT(join(WEIR_QUERY_OR, terms, 256))), "c");
	for (int i = 0; i < 256; i++)
		terms[i] = NOT(terms[i]);
	ck_assert_str_eq(matches(session, join(WEIR_QUERY_AND, terms, 256)), "c");
	ck_assert_str_eq(matches(session, join(WEIR_QUERY_OR, terms, 256)), "b c");
	free(text);
}
END_TEST

/* The host's parser nests no deeper than its 256 clauses. */
START_TEST(test_deep_trees)
{
	PUT(writer, .id = "a", .title = "red", .price = "1");
	PUT(writer, .id = "b", .title = "blue", .price = "2");
	look();
	const struct weir_query *query = term(ANY, "red");
	for (int i = 0; i < 120; i++)
		query = i % 3 == 0   ? AND(NOT(query), range(PRICE, "[* *]"))
			: i % 3 == 1 ? OR(query, none())
				     : boosted(query, 1.5);
	ck_assert_str_eq(matches(session, query), "a");
	query = term(ANY, "red");
	for (int i = 0; i < 200; i++)
		query = NOT(query);
	ck_assert_str_eq(matches(session, query), "a");
}
END_TEST

enum { MANY = 100 };

/* A document with a word of its own in each of many fields. */
static void put_wide(weir_instance *wide, const struct weir_schema *schema)
{
	static char words[MANY][16];
	struct weir_value values[MANY];
	const struct weir_value *pointers[MANY];
	for (int i = 0; i < MANY; i++) {
		snprintf(words[i], sizeof(words[i]), "word%d", i);
		values[i] = (struct weir_value){.field = i,
						.type = schema->fields[i]->type,
						.text = words[i],
						.text_length = strlen(words[i])};
		pointers[i] = &values[i];
	}
	struct weir_document document = {.id = "wide",
					 .id_length = 4,
					 .kind = WEIR_KIND_LIVE,
					 .state = "s",
					 .state_length = 1,
					 .values = pointers,
					 .value_count = MANY};
	const struct weir_document *documents[] = {&document};
	struct weir_verdict verdict = {0}, *const verdicts[] = {&verdict};
	MUST(backend->apply(wide, documents, 1, verdicts, &error));
	ck_assert_uint_eq(verdict.kind, WEIR_ACCEPTED);
	commit(wide);
}

START_TEST(test_many_fields)
{
	static struct weir_field fields[MANY];
	static char names[MANY][16];
	const struct weir_field *pointers[MANY];
	weir_instance *wide = NULL, *wide_reader = NULL;
	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "field%d", i);
		fields[i] =
			(struct weir_field){.name = names[i],
					    .type = i % 2 == 0 ? WEIR_TYPE_TEXT : WEIR_TYPE_KEYWORD,
					    .flags = WEIR_FIELD_SEARCH | WEIR_FIELD_SORT |
						     (i % 2 == 0 ? 0 : WEIR_FIELD_FILTER),
					    .boost = 1,
					    .language = i % 4 == 0 ? "en" : NULL};
		pointers[i] = &fields[i];
	}
	const struct weir_schema schema = {"wide", "f1e1d5", pointers, MANY};
	MUST(try_open(WEIR_MODE_WRITER, &schema, &wide, &error));
	put_wide(wide, &schema);
	MUST(try_open(WEIR_MODE_READER, &schema, &wide_reader, &error));
	session = open_session(wide_reader);
	ck_assert_str_eq(matches(session, term(ANY, "word0")), "wide");
	ck_assert_str_eq(matches(session, term(ANY, "word99")), "wide");
	ck_assert_str_eq(matches(session, term(98, "word98")), "wide");
	ck_assert_str_eq(matches(session, term(98, "word97")), "");
	ck_assert_str_eq(matches(session, AND(term(ANY, "word1"), term(ANY, "word50"))), "wide");
	ck_assert_str_eq(matches(session, phrase(ANY, "word1 word2")), "");
	ck_assert_str_eq(matches(session, prefix(ANY, "wor")), "wide");
	backend->session_close(session);
	backend->close(wide_reader);
	backend->close(wide);
}
END_TEST

START_TEST(test_offsets_and_limits)
{
	char id[16];
	for (int i = 0; i < 25; i++) {
		snprintf(id, sizeof(id), "id%02d", i);
		LATER(writer, .id = id, .title = "same", .price = "1");
	}
	look();
	const struct weir_query *same = term(ANY, "same");
	ck_assert_str_eq(ordered(session, same, "", 0, 0), "");
	ck_assert_str_eq(ordered(session, same, "price", 0, 0), "");
	ck_assert_str_eq(ordered(session, same, "", 24, 10), "id24");
	ck_assert_str_eq(ordered(session, same, "-price", 24, 10), "id24");
	ck_assert_str_eq(ordered(session, same, "", 25, 10), "");
	ck_assert_str_eq(ordered(session, same, "", 10000, 1000), "");
	ck_assert_str_eq(ordered(session, same, "price", 10000, 1000), "");
	ck_assert_str_eq(ordered(session, all(), "", SIZE_MAX, 1), "");
	ck_assert_str_eq(ordered(session, all(), "", 24, SIZE_MAX), "id24");
	ck_assert_str_eq(ordered(session, none(), "price", 0, 10), "");
	ck_assert_uint_eq(count_of(same), 25);
}
END_TEST

START_TEST(test_empty_things)
{
	PUT(writer, .id = "a");
	PUT(writer, .id = "b", .title = "", .body = "", .place = "", .tag = "", .code = "");
	PUT(writer, .id = "c", .title = "x", .tag = "x");
	look();
	ck_assert_str_eq(matches(session, all()), "a b c");
	ck_assert_str_eq(matches(session, exact(TAG, "")), "b");
	ck_assert_str_eq(matches(session, NOT(exact(TAG, ""))), "a c");
	ck_assert_str_eq(matches(session, term(ANY, "x")), "c");
	/* an empty text is a value, and the first; no value is the last */
	ck_assert_str_eq(ordered(session, all(), "tag", 0, 9), "b c a");
	ck_assert_str_eq(ordered(session, all(), "-tag", 0, 9), "c b a");
	ck_assert_str_eq(ordered(session, all(), "title", 0, 9), "b c a");
}
END_TEST

START_TEST(test_many_documents_in_one_commit)
{
	char id[16], price[16];
	for (int i = 0; i < 12000; i++) {
		snprintf(id, sizeof(id), "id%05d", i);
		snprintf(price, sizeof(price), "%d", i % 10);
		LATER(writer, .id = id, .title = i % 3 == 0 ? "fizz" : "buzz", .price = price);
	}
	look();
	ck_assert_uint_eq(count_of(all()), 12000);
	ck_assert_uint_eq(count_of(term(ANY, "fizz")), 4000);
	ck_assert_uint_eq(count_of(AND(term(ANY, "buzz"), range(PRICE, "[3 4]"))), 1600);
	/* as deep as searchd's offset goes */
	ck_assert_str_eq(ordered(session, all(), "", 10000, 2), "id10000 id10001");
	ck_assert_str_eq(ordered(session, all(), "price", 10000, 2), "id04008 id04018");
	ck_assert_double_eq(stat_of(writer, "documents_live"), 12000);
}
END_TEST

START_TEST(test_numbers_at_their_ends)
{
	static const char *const numbers[] = {
		"-1.7976931348623157e308",
		"-9007199254740993",
		"-1",
		"-2.2250738585072014e-308",
		"-5e-324",
		"0",
		"5e-324",
		"2.2250738585072014e-308",
		"0.1",
		"0.30000000000000004",
		"1",
		"9007199254740992",
		"9007199254740994",
		"79228162514264337593543950335",
		"1.7976931348623157e308",
	};
	enum { COUNT = sizeof(numbers) / sizeof(numbers[0]) };
	char id[2] = "a", ends[128], ascending[64] = "", from_here[64];
	for (int i = COUNT - 1; i >= 0; i--) {
		id[0] = (char)('a' + i);
		PUT(writer, .id = id, .price = numbers[i]);
	}
	look();
	for (int i = 0; i < COUNT; i++)
		snprintf(ascending + strlen(ascending), 4, "%s%c", i > 0 ? " " : "", 'a' + i);
	ck_assert_str_eq(ordered(session, all(), "price", 0, 20), ascending);
	for (int i = 0; i < COUNT; i++) {
		id[0] = (char)('a' + i);
		snprintf(ends, sizeof(ends), "[%s %s]", numbers[i], numbers[i]);
		ck_assert_str_eq(matches(session, range(PRICE, ends)), id);
		snprintf(ends, sizeof(ends), "[%s *]", numbers[i]);
		ck_assert_str_eq(matches(session, range(PRICE, ends)), ascending + 2 * (size_t)i);
		snprintf(ends, sizeof(ends), "[* %s)", numbers[i]);
		snprintf(from_here, sizeof(from_here), "%.*s", i > 0 ? 2 * i - 1 : 0, ascending);
		ck_assert_str_eq(matches(session, range(PRICE, ends)), from_here);
	}
	/* beyond a double's integers: the nearest one counts */
	ck_assert_str_eq(matches(session, range(PRICE, "[9007199254740993 9007199254740993]")),
			 "l");
}
END_TEST

START_TEST(test_dates_at_their_ends)
{
	static const char *const days[] = {
		"-9223372036854775808",
		"-9223372036854775807",
		"-62135596800000000",
		"-1",
		"0",
		"1",
		"253402300799999999",
		"9007199254740993",
		"1152921504606846976",
		"1152921504606846977",
		"9223372036854775806",
		"9223372036854775807",
	};
	static const int order[] = {0, 1, 2, 3, 4, 5, 7, 6, 8, 9, 10, 11};
	enum { COUNT = sizeof(days) / sizeof(days[0]) };
	char id[2] = "a", ends[128], ascending[64] = "";
	for (int i = 0; i < COUNT; i++) {
		id[0] = (char)('a' + i);
		PUT(writer, .id = id, .day = days[i]);
	}
	look();
	for (int i = 0; i < COUNT; i++)
		snprintf(ascending + strlen(ascending), 4, "%s%c", i > 0 ? " " : "",
			 'a' + order[i]);
	ck_assert_str_eq(ordered(session, all(), "day", 0, 20), ascending);
	for (int i = 0; i < COUNT; i++) {
		id[0] = (char)('a' + i);
		snprintf(ends, sizeof(ends), "[%s %s]", days[i], days[i]);
		ck_assert_str_eq(matches(session, range(DAY, ends)), id);
	}
	ck_assert_str_eq(matches(session, range(DAY, "(9223372036854775806 *]")), "l");
	ck_assert_str_eq(matches(session, range(DAY, "[* -9223372036854775807)")), "a");
}
END_TEST

START_TEST(test_versions_at_their_ends)
{
	PUT(writer, .id = "a", .title = "x", .version = INT64_MIN, .applied_at = INT64_MIN);
	PUT(writer, .id = "b", .title = "x", .version = INT64_MAX, .applied_at = INT64_MAX);
	PUT(writer, .id = "c", .hidden = true, .version = INT64_MAX, .applied_at = INT64_MAX);
	PUT(writer, .id = "d", .hidden = true, .version = 9007199254740993,
	    .applied_at = INT64_MIN);
	look();
	ck_assert_str_eq(scanned(session, ""),
			 "a@-9223372036854775808 b@9223372036854775807 c@9223372036854775807h "
			 "d@9007199254740993h");
	uint64_t removed = 9;
	MUST(backend->expire(writer, INT64_MIN, &removed, &error));
	ck_assert_uint_eq(removed, 0);
	MUST(backend->expire(writer, INT64_MAX, &removed, &error));
	ck_assert_uint_eq(removed, 1);
	look();
	ck_assert_str_eq(fetched(writer, "d"), "-");
	ck_assert_str_eq(fetched(writer, "c"), "c");
}
END_TEST

void add_limits_cases(void)
{
	suite_area("limits", fixture_setup, fixture_teardown);
	suite_add(test_odd_ids, WEIR_CAN_SEARCH);
	suite_add(test_ids_with_anything_in_them, WEIR_CAN_SEARCH);
	suite_add(test_long_ids, WEIR_CAN_SEARCH);
	suite_add(test_a_megabyte_of_text, WEIR_CAN_SEARCH);
	suite_add(test_long_queries, WEIR_CAN_SEARCH);
	suite_add(test_256_clauses, WEIR_CAN_SEARCH);
	suite_add(test_deep_trees, WEIR_CAN_SEARCH);
	suite_add(test_offsets_and_limits, WEIR_CAN_SEARCH);
	suite_add(test_empty_things, WEIR_CAN_SEARCH);
	suite_add(test_many_documents_in_one_commit, WEIR_CAN_SEARCH);
	suite_add(test_many_fields, WEIR_CAN_SEARCH);
	suite_has_no_fixture(); /* another schema */
	suite_area("numbers and dates", fixture_setup, fixture_teardown);
	suite_add(test_numbers_at_their_ends, WEIR_CAN_SEARCH);
	suite_add(test_dates_at_their_ends, WEIR_CAN_SEARCH);
	suite_add(test_versions_at_their_ends, WEIR_CAN_SEARCH);
}
