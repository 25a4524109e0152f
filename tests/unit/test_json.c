/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "suite.h"

static struct weir_error error;

static weir_status parse_bytes(const char *text, size_t length, struct jsondoc **document)
{
	/* Exactly as long as the text, so that a read behind it is found. */
	WEIR_FREE char *copy = malloc(length + (length == 0));
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, length);
	error.message[0] = '\0';
	return jsondoc_parse(copy, length, document, &error);
}

static char *canonical(const struct jsondoc *document)
{
	struct buffer out = BUFFER_INIT;
	jsondoc_canonical(document, jsondoc_root(document), &out);
	char *text = buffer_take(&out, NULL);
	ck_assert_ptr_nonnull(text);
	return text;
}

static const struct {
	const char *text, *wanted;
} good[] = {
	{"0", "0"},
	{" \t\r\n[ 1 , 2 ] ", "[1,2]"},
	{"\xEF\xBB\xBF{}", "{}"},
	{"null", "null"},
	{"\"a\"", "\"a\""},
	{"[true,false,null,[],{}]", "[true,false,null,[],{}]"},
	{"{\"b\":1,\"a\":2,\"B\":3,\"\xC3\xA4\":4,\"\":5}",
	 "{\"\":5,\"B\":3,\"a\":2,\"b\":1,\"\xC3\xA4\":4}"},
	{"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
	{"{\"a\":{\"z\":1,\"y\":[{\"d\":1,\"c\":2}]}}",
	 "{\"a\":{\"y\":[{\"c\":2,\"d\":1}],\"z\":1}}"},
	/* numbers, digit for digit */
	{"12.50", "12.50"},
	{"-0", "-0"},
	{"-0.0e-0", "-0.0e-0"},
	{"1E+2", "1E+2"},
	{"79228162514264337593543950335", "79228162514264337593543950335"},
	{"-170141183460469231731687303715884105728.00000000000000000000000000000001",
	 "-170141183460469231731687303715884105728.00000000000000000000000000000001"},
	{"1e999999", "1e999999"},
	{"[3,1,2,1]", "[3,1,2,1]"},
	{"{\"1\":\"2\",\"x\":3.10,\"y\":[4.0,-5]}", "{\"1\":\"2\",\"x\":3.10,\"y\":[4.0,-5]}"},
	{"[\"1 \\\" 2\",\"\\\\\",3]", "[\"1 \\\" 2\",\"\\\\\",3]"},
	/* strings */
	{"\"\\u0041\\/\\b\\f\\n\\r\\t\\\\\\\"\"", "\"A/\\b\\f\\n\\r\\t\\\\\\\"\""},
	{"\"\\u001f\\u007f\"", "\"\\u001f\x7F\""},
	{"\"\\u00e4\\u20AC\\ud83d\\uDE00\"", "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\""},
	{"\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"", "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\""},
	{"\"a\\u0000b\"", "\"a\\u0000b\""},
	{"\"\\u2028<>&'+\"", "\"\xE2\x80\xA8<>&'+\""},
};

START_TEST(what_parses_has_a_canonical_form)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	weir_status status = parse_bytes(good[_i].text, strlen(good[_i].text), &document);
	ck_assert_msg(status == WEIR_OK, "%s: %s", good[_i].text, error.message);
	WEIR_FREE char *once = canonical(document);
	ck_assert_str_eq(once, good[_i].wanted);
	JSONDOC_SCOPED struct jsondoc *second = NULL;
	ck_assert_int_eq(parse_bytes(once, strlen(once), &second), WEIR_OK);
	WEIR_FREE char *twice = canonical(second);
	ck_assert_str_eq(twice, once);
}
END_TEST

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct {
	const char *text;
	size_t length;
	const char *where; /* "line 1 column 2", or NULL where jansson's place is as good as any */
} bad[] = {
	{BYTES(""), "line 1 column 1"},
	{BYTES("  "), NULL},
	{BYTES("{"), NULL},
	{BYTES("[1"), NULL},
	{BYTES("[1,]"), NULL},
	{BYTES("{\"a\":1,}"), NULL},
	{BYTES("{\"a\" 1}"), NULL},
	{BYTES("{a:1}"), NULL},
	{BYTES("{'a':1}"), NULL},
	{BYTES("\"a"), NULL},
	{BYTES("\"a\\"), NULL},
	{BYTES("\"\\x\""), NULL},
	{BYTES("\"\\u12\""), NULL},
	{BYTES("\"\t\""), NULL},
	{BYTES("tru"), NULL},
	{BYTES("TRUE"), NULL},
	{BYTES("NaN"), NULL},
	{BYTES("Infinity"), NULL},
	{BYTES("// no\n1"), NULL},
	/* what is no number, or two of them */
	{BYTES("-"), NULL},
	{BYTES("+1"), NULL},
	{BYTES("01"), NULL},
	{BYTES("-01"), NULL},
	{BYTES("1."), NULL},
	{BYTES(".5"), NULL},
	{BYTES("1.e5"), NULL},
	{BYTES("1e"), NULL},
	{BYTES("1e+"), NULL},
	{BYTES("0x10"), NULL},
	{BYTES("[1-1]"), NULL},
	{BYTES("[--1]"), NULL},
	{BYTES("[1,2,--1]"), NULL},
	{BYTES("[1.5.5]"), NULL},
	{BYTES("[1 2]"), NULL},
	{BYTES("1 2"), NULL},
	{BYTES("[1e5e5]"), NULL},
	/* trailing text */
	{BYTES("{} x"), "line 1 column 4"},
	{BYTES("{}{}"), "line 1 column 3"},
	{BYTES("{}\0"), "line 1 column 3"},
	{BYTES("1\0"), "line 1 column 2"},
	{BYTES("{\"a\":1\0}"), "line 1 column 7"},
	/* surrogates, UTF-8, NUL */
	{BYTES("\"\\ud800\""), NULL},
	{BYTES("\"\\udc00\""), NULL},
	{BYTES("\"\\ud800x\""), NULL},
	{BYTES("\"\\ud800\\ud800\""), NULL},
	{BYTES("\"\xFF\""), NULL},
	{BYTES("\"\xC3\""), NULL},
	{BYTES("\"\xC0\x80\""), NULL},
	{BYTES("\"\xED\xA0\x80\""), NULL},
	{BYTES("\"\xF4\x90\x80\x80\""), NULL},
	{BYTES("\"a\0b\""), NULL},
	{BYTES("{\"a\\u0000b\":1}"), NULL},
	{BYTES("\xFE\xFF"), NULL},
	{BYTES("\xEF\xBB\xBF"), NULL},
};

START_TEST(what_does_not_parse_is_refused_with_its_place)
{
	struct jsondoc *document = NULL;
	ck_assert_int_eq(parse_bytes(bad[_i].text, bad[_i].length, &document), WEIR_INVALID);
	ck_assert_ptr_null(document);
	ck_assert_msg(strncmp(error.message, "not JSON at line 1 column ", 26) == 0 ||
			      strncmp(error.message, "not JSON at line 2 column ", 26) == 0,
		      "%s", error.message);
	ck_assert_ptr_null(strstr(error.message, "near"));
	if (bad[_i].where != NULL)
		ck_assert_msg(strstr(error.message, bad[_i].where) != NULL, "wanted %s: %s",
			      bad[_i].where, error.message);
	for (const char *byte = error.message; *byte != '\0'; byte++)
		ck_assert_int_ge((unsigned char)*byte, 0x20);
}
END_TEST

/* Numbers and characters of several bytes before the place do not shift it. */
START_TEST(places_count_in_lines_and_characters_of_the_text_as_it_came)
{
	static const struct {
		const char *text;
		size_t line, column;
	} cases[] = {
		{"{\"a\": x}", 1, 7},
		{"{\"a\": 123456789012345678901234567890, \"b\": x}", 1, 44},
		{"[1,\n2,\n  x]", 3, 3},
		{"[\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\", xyz]", 1, 9},
		{"[\r\n1.25,\r\n2.25 x]", 3, 6},
		{"[1.00000000000000000000, 2.00000000000000000000 3]", 1, 49},
		{"{\"a\": 1 \"b\": 2}", 1, 9},
		{"[1,\n", 2, 1},
		{"[1.00000000000000000000, 2.00000000000000000000", 1, 48},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct jsondoc *document = NULL;
		size_t line = 0, column = 0;
		ck_assert_int_eq(parse_bytes(cases[i].text, strlen(cases[i].text), &document),
				 WEIR_INVALID);
		ck_assert_int_eq(
			sscanf(error.message, "not JSON at line %zu column %zu:", &line, &column),
			2);
		ck_assert_msg(line == cases[i].line && column == cases[i].column, "%s: %s",
			      cases[i].text, error.message);
	}
}
END_TEST

static void nest(struct buffer *text, size_t depth, const char *open, char close)
{
	buffer_clear(text);
	for (size_t i = 0; i < depth; i++)
		buffer_append_text(text, open);
	buffer_append_text(text, "1");
	for (size_t i = 0; i < depth; i++)
		buffer_append_char(text, close);
}

START_TEST(depth_is_limited)
{
	static const struct {
		const char *open;
		char close;
	} kinds[] = {{"[", ']'}, {"{\"a\":", '}'}};
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		JSONDOC_SCOPED struct jsondoc *document = NULL;
		nest(&text, JSONDOC_DEPTH, kinds[i].open, kinds[i].close);
		ck_assert_int_eq(parse_bytes(text.data, text.length, &document), WEIR_OK);
		struct jsondoc *none = NULL;
		nest(&text, JSONDOC_DEPTH + 1, kinds[i].open, kinds[i].close);
		ck_assert_int_eq(parse_bytes(text.data, text.length, &none), WEIR_INVALID);
		ck_assert_ptr_nonnull(strstr(error.message, "64 deep"));
		nest(&text, 100000, kinds[i].open, kinds[i].close);
		ck_assert_int_eq(parse_bytes(text.data, text.length, &none), WEIR_INVALID);
	}
	/* Brackets in strings and beside each other are not depth. */
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	buffer_clear(&text);
	buffer_append_text(&text, "[\"\\\"");
	for (int i = 0; i < 200; i++)
		buffer_append_text(&text, "[{");
	buffer_append_text(&text, "\"");
	for (int i = 0; i < 200; i++)
		buffer_append_text(&text, ",[]");
	buffer_append_text(&text, "]");
	ck_assert_int_eq(parse_bytes(text.data, text.length, &document), WEIR_OK);
}
END_TEST

START_TEST(a_number_node_gives_its_digits)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	static const char text[] = "{\"a\": [10, -2.50], \"b\": 1e-3}";
	ck_assert_int_eq(parse_bytes(text, strlen(text), &document), WEIR_OK);
	const json_t *root = jsondoc_root(document), *list = json_object_get(root, "a");
	size_t length = 0;
	ck_assert_str_eq(jsondoc_number(document, json_array_get(list, 0), &length), "10");
	ck_assert_uint_eq(length, 2);
	ck_assert_str_eq(jsondoc_number(document, json_array_get(list, 1), NULL), "-2.50");
	ck_assert_str_eq(jsondoc_number(document, json_object_get(root, "b"), &length), "1e-3");
	ck_assert_uint_eq(length, 4);
}
END_TEST

START_TEST(many_numbers_are_kept_apart)
{
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	buffer_append_char(&text, '[');
	for (int i = 0; i < 5000; i++)
		buffer_printf(&text, "%s%d.%03d", i > 0 ? "," : "", i % 7, i);
	buffer_append_char(&text, ']');
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	ck_assert_int_eq(parse_bytes(text.data, text.length, &document), WEIR_OK);
	WEIR_FREE char *again = canonical(document);
	ck_assert_str_eq(again, text.data);
}
END_TEST

START_TEST(number_texts)
{
	static const char *const numbers[] = {"0",   "-0",   "10",   "1.0",	 "1e5",
					      "1E5", "1e+5", "1e-5", "-12.50e07"};
	static const char *const others[] = {"",   "-",	 "+1", "01",  "1.",  ".5",  "1e",
					     " 1", "1 ", "1x", "0x1", "NaN", "1,5", "1e5.5"};
	for (size_t i = 0; i < COUNT(numbers); i++)
		ck_assert_msg(json_is_number_text(numbers[i], strlen(numbers[i])), "%s",
			      numbers[i]);
	for (size_t i = 0; i < COUNT(others); i++)
		ck_assert_msg(!json_is_number_text(others[i], strlen(others[i])), "%s", others[i]);
	ck_assert(json_is_number_text("12x", 2));
	ck_assert(!json_is_number_text("1\0", 2));
}
END_TEST

START_TEST(canonical_strings_are_decoded)
{
	static const struct {
		const char *json;
		size_t length;
		const char *wanted;
		size_t wanted_length;
	} cases[] = {
		{BYTES("\"\""), BYTES("")},
		{BYTES("\"abc\""), BYTES("abc")},
		{BYTES("\"a\\u0000b\""), BYTES("a\0b")},
		{BYTES("\"\\\"\\\\\\b\\f\\n\\r\\t\\u001f\""), BYTES("\"\\\b\f\n\r\t\x1F")},
		{BYTES("\"\xC3\xA4\""), BYTES("\xC3\xA4")},
		{BYTES(""), NULL, 0},
		{BYTES("\""), NULL, 0},
		{BYTES("a"), NULL, 0},
		{BYTES("\"a"), NULL, 0},
		{BYTES("\"a\\\""), NULL, 0},
		{BYTES("\"a\"b\""), NULL, 0},
		{BYTES("\"ab\\x\""), NULL, 0},
		{BYTES("\"ab\\u00\""), NULL, 0},
		{BYTES("\"ab\\u+041\""), NULL, 0},
		{BYTES("\"ab\\u 041\""), NULL, 0},
		{BYTES("\"ab\\u00e4\""), NULL, 0},
		{BYTES("\"ab\\\0\""), NULL, 0},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
		buffer_append_text(&out, "before ");
		bool done = json_string_decode(cases[i].json, cases[i].length, &out);
		ck_assert_msg(done == (cases[i].wanted != NULL), "%s", cases[i].json);
		ck_assert_uint_eq(out.length, 7 + cases[i].wanted_length);
		if (done)
			ck_assert_mem_eq(out.data + 7, cases[i].wanted, cases[i].wanted_length);
	}
}
END_TEST

static void expect_double(double value, int digits)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	char wanted[400];
	snprintf(wanted, sizeof(wanted), "%.*f", digits, value);
	struct jsonout json = JSONOUT_INIT(&out);
	jsonout_double(&json, value, digits);
	ck_assert_str_eq(out.data, wanted);
}

START_TEST(numbers_are_written_as_printf_does)
{
	static const int64_t whole[] = {0,  1,	 -1,	       9,	  10,	    -10,
					99, 100, 123456789012, INT64_MAX, INT64_MIN};
	static const double doubles[] = {0,
					 1e-9,
					 0.4999,
					 0.95,
					 0.9999,
					 9.9996,
					 99.9995,
					 999999999.9994,
					 999999999.9999,
					 1e9,
					 123456789012.5,
					 1e300,
					 -0.25,
					 -0.00001,
					 -1.0625,
					 -9.99999,
					 -0.0};
	for (size_t i = 0; i < COUNT(whole); i++) {
		WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
		char wanted[32];
		snprintf(wanted, sizeof(wanted), "%lld", (long long)whole[i]);
		struct jsonout json = JSONOUT_INIT(&out);
		jsonout_integer(&json, whole[i]);
		ck_assert_str_eq(out.data, wanted);
	}
	for (int digits = 0; digits <= 6; digits++)
		for (size_t i = 0; i < COUNT(doubles); i++)
			expect_double(doubles[i], digits);
	for (int i = -40000; i < 40000; i++)
		expect_double(i / 16.0, 4);
}
END_TEST

START_TEST(the_writer_puts_the_commas)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	struct jsonout json = JSONOUT_INIT(&out);
	jsonout_begin(&json, '{');
	jsonout_name(&json, "a");
	jsonout_begin(&json, '[');
	jsonout_integer(&json, INT64_MIN);
	jsonout_integer(&json, INT64_MAX);
	jsonout_double(&json, 0.125, 2);
	jsonout_double(&json, -1.5, 3);
	jsonout_double(&json, NAN, 3);
	jsonout_double(&json, -INFINITY, 3);
	jsonout_boolean(&json, true);
	jsonout_boolean(&json, false);
	jsonout_null(&json);
	jsonout_text(&json, NULL);
	jsonout_begin(&json, '{');
	jsonout_end(&json, '}');
	jsonout_begin(&json, '[');
	jsonout_end(&json, ']');
	jsonout_raw(&json, "12.50", 5);
	jsonout_end(&json, ']');
	jsonout_name(&json, "b\n\"");
	jsonout_string(&json, "c\0d\x7F\xC3\xA4", 6);
	jsonout_name(&json, "e");
	jsonout_text(&json, "</script>");
	jsonout_end(&json, '}');
	ck_assert_uint_eq(strlen(out.data), out.length);
	ck_assert_str_eq(out.data, "{\"a\":[-9223372036854775808,9223372036854775807,0.12,-1.500,"
				   "null,null,true,false,null,null,{},[],12.50],"
				   "\"b\\n\\\"\":\"c\\u0000d\x7F\xC3\xA4\",\"e\":\"</script>\"}");
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	ck_assert_int_eq(parse_bytes(out.data, out.length, &document), WEIR_OK);
}
END_TEST

/* JavaScriptEncoder.Default: Basic Latin goes through but for control characters, ", &, ', +, <, >,
 * backslash and grave; hexadecimal digits in capitals. */
START_TEST(dotnet_escapes)
{
	static const struct {
		const char *text;
		size_t length;
		const char *wanted;
	} cases[] = {
		{BYTES("plain /;:=?#[]{}()|~^$%*-_.,!@ 09AZaz"),
		 "plain /;:=?#[]{}()|~^$%*-_.,!@ 09AZaz"},
		{BYTES("\"&'+<>`"), "\\u0022\\u0026\\u0027\\u002B\\u003C\\u003E\\u0060"},
		{BYTES("\\\b\f\n\r\t"), "\\\\\\b\\f\\n\\r\\t"},
		{BYTES("\0\x01\x0B\x1F\x7F"), "\\u0000\\u0001\\u000B\\u001F\\u007F"},
		{BYTES("caf\xC3\xA9"), "caf\\u00E9"},
		{BYTES("\xC2\x80\xC2\xA0\xE2\x82\xAC\xEF\xBF\xBF"), "\\u0080\\u00A0\\u20AC\\uFFFF"},
		{BYTES("\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF"), "\\uD83D\\uDE00\\uDBFF\\uDFFF"},
		{BYTES("a\xFF"
		       "b"),
		 "a\\uFFFDb"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
		struct jsonout json = {.out = &out, .dotnet = true};
		jsonout_string(&json, cases[i].text, cases[i].length);
		ck_assert_uint_eq(strlen(out.data), out.length);
		ck_assert_uint_gt(out.length, 2);
		out.data[out.length - 1] = '\0';
		ck_assert_str_eq(out.data + 1, cases[i].wanted);
	}
}
END_TEST

/* Every code point of the Basic Multilingual Plane and beyond reads back as itself. */
START_TEST(escapes_read_back)
{
	for (int dotnet = 0; dotnet < 2; dotnet++) {
		WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
		WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
		for (unsigned point = 0; point < 0x10FFFF; point += point < 0x3000 ? 1 : 251) {
			if (point >= 0xD800 && point < 0xE000)
				continue;
			if (point >= 0x10000)
				buffer_append_char(&text, (char)(0xF0 | point >> 18));
			if (point >= 0x800)
				buffer_append_char(
					&text, (char)(point >= 0x10000 ? 0x80 | (point >> 12 & 0x3F)
								       : 0xE0 | point >> 12));
			if (point >= 0x80)
				buffer_append_char(
					&text, (char)(point >= 0x800 ? 0x80 | (point >> 6 & 0x3F)
								     : 0xC0 | point >> 6));
			buffer_append_char(&text,
					   (char)(point >= 0x80 ? 0x80 | (point & 0x3F) : point));
		}
		struct jsonout json = {.out = &out, .dotnet = dotnet != 0};
		jsonout_string(&json, text.data, text.length);
		JSONDOC_SCOPED struct jsondoc *document = NULL;
		weir_status status = parse_bytes(out.data, out.length, &document);
		ck_assert_msg(status == WEIR_OK, "%s", error.message);
		ck_assert_uint_eq(json_string_length(jsondoc_root(document)), text.length);
		ck_assert_mem_eq(json_string_value(jsondoc_root(document)), text.data, text.length);
	}
}
END_TEST

/* The examples of RFC 6901, and what leads nowhere. */
START_TEST(pointers_lead_to_a_node)
{
	static const char text[] = "{\"foo\": [\"bar\", \"baz\"], \"\": 0, \"a/b\": 1, \"c%d\": 2, "
				   "\"m~n\": 8, \"~1\": 9, \"o\": {\"foo\": {\"\": true}}}";
	static const char *const found[][2] = {
		{"/foo", "[\"bar\",\"baz\"]"},
		{"/foo/0", "\"bar\""},
		{"/foo/1", "\"baz\""},
		{"/", "0"},
		{"/a~1b", "1"},
		{"/c%d", "2"},
		{"/m~0n", "8"},
		{"/~01", "9"},
		{"/o/foo/", "true"},
	};
	static const char *const nowhere[] = {"/foo/2",	 "/foo/-",	    "/foo/01", "/foo/",
					      "/foo/1x", "/foo/9999999999", "/bar",    "/o/bar",
					      "//",	 "/a~1b/x"};
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	ck_assert_int_eq(jsondoc_parse(text, strlen(text), &document, &error), WEIR_OK);
	ck_assert_ptr_eq(json_find(jsondoc_root(document), ""), jsondoc_root(document));
	for (size_t i = 0; i < COUNT(found); i++) {
		const json_t *node = json_find(jsondoc_root(document), found[i][0]);
		ck_assert_msg(node != NULL, "%s", found[i][0]);
		buffer_clear(&out);
		jsondoc_canonical(document, node, &out);
		ck_assert_str_eq(out.data, found[i][1]);
	}
	for (size_t i = 0; i < COUNT(nowhere); i++)
		ck_assert_msg(json_find(jsondoc_root(document), nowhere[i]) == NULL, "%s",
			      nowhere[i]);
	ck_assert_ptr_null(json_find(NULL, "/a"));
}
END_TEST

START_TEST(pointers_begin_with_a_slash)
{
	char text[JSON_POINTER_LIMIT + 1];
	ck_assert(json_is_pointer("") && json_is_pointer("/") && json_is_pointer("/a~0~1/b"));
	ck_assert(!json_is_pointer("a") && !json_is_pointer("#/a") && !json_is_pointer("/~") &&
		  !json_is_pointer("/~2"));
	memset(text, '/', sizeof(text));
	text[JSON_POINTER_LIMIT] = '\0';
	ck_assert(!json_is_pointer(text));
	text[JSON_POINTER_LIMIT - 1] = '\0';
	ck_assert(json_is_pointer(text));
	ck_assert_ptr_null(json_find(NULL, text));
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("json");
	tcase_add_loop_test(cases, what_parses_has_a_canonical_form, 0, (int)COUNT(good));
	tcase_add_loop_test(cases, what_does_not_parse_is_refused_with_its_place, 0,
			    (int)COUNT(bad));
	tcase_add_test(cases, places_count_in_lines_and_characters_of_the_text_as_it_came);
	tcase_add_test(cases, depth_is_limited);
	tcase_add_test(cases, a_number_node_gives_its_digits);
	tcase_add_test(cases, many_numbers_are_kept_apart);
	tcase_add_test(cases, number_texts);
	tcase_add_test(cases, canonical_strings_are_decoded);
	tcase_add_test(cases, numbers_are_written_as_printf_does);
	tcase_add_test(cases, the_writer_puts_the_commas);
	tcase_add_test(cases, dotnet_escapes);
	tcase_add_test(cases, escapes_read_back);
	tcase_add_test(cases, pointers_lead_to_a_node);
	tcase_add_test(cases, pointers_begin_with_a_slash);
	return suite_run(cases, "json");
}
