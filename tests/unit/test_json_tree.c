/* SPDX-License-Identifier: MIT
 * jsontree takes and refuses what jsondoc does, and makes the same of it. */
#include "json_tree.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "suite.h"

static struct arena arena;

static void fresh(void)
{
	arena_finish(&arena);
}

/* Both, on memory that ends where the text ends, so that reading on is seen. */
static bool parses_alike(const char *text, size_t length)
{
	struct weir_error error = {""}, other = {""};
	WEIR_CLEANUP(buffer_finish) struct buffer wanted = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer got = BUFFER_INIT;
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	const struct jsonnode *root = NULL;
	WEIR_FREE char *copy = malloc(length + (length == 0));
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, length);
	arena_reset(&arena);
	weir_status status = jsondoc_parse(copy, length, &document, &error);
	ck_assert_msg(jsontree_parse(copy, length, &arena, &root, &other) == status,
		      "%.*s: jsondoc answers %d", (int)length, text, (int)status);
	if (status != WEIR_OK) {
		ck_assert_str_eq(other.message, error.message);
		ck_assert_ptr_null(root);
		return false;
	}
	jsondoc_canonical(document, jsondoc_root(document), &wanted);
	jsonnode_canonical(root, &got);
	ck_assert(!buffer_failed(&wanted) && !buffer_failed(&got));
	ck_assert_msg(wanted.length == got.length && memcmp(wanted.data, got.data, got.length) == 0,
		      "%.*s: %s, wanted %s", (int)length, text, got.data, wanted.data);
	return true;
}

static const char *const texts[] = {
	"0",
	" [ 1 , 2.50e+10 ] ",
	"\xEF\xBB\xBF{}",
	"{\"a\":1,\"b\":[true,false,null,{}],\"c\":{\"z\":\"\",\"y\":-0.0}}",
	"{\"a\":1,\"b\":2,\"a\":3,\"A\":4,\"b\":{\"a\":1,\"a\":2}}",
	"{\"\\u0061\":1,\"a\":2,\"\xC3\xA4\":3,\"\\u00e4\":4}",
	"\"\\u0041\\/\\b\\f\\n\\r\\t\\\\\\\"\"",
	"\"\\u001f\\u0000\\u0022\\u005c\\u000a\\u00e4\\u20AC\\ud83d\\uDE00\x7F\"",
	"\"an evening of plain text, long enough for whole words \\\" and \xF0\x9F\x98\x80 then "
	"more\"",
	"[\"\\ud800\",\"\\udc00x\",\"\\ud800\\ud800\"]",
	"\"a\\u0000b\"",
	"{\"a\\u0000b\":1}",
	"[01]",
	"[1,]",
	"{\"a\":1,}",
	"{\"a\" 1}",
	"\"\xED\xA0\x80\"",
	"\"\xC0\x80\"",
	"\"tab\there, behind eight bytes\"",
	"[1-1,--1,1.5.5,+1,.5,1.,1e]",
	"{\"EventId\": \"7\", \"Title\": \"Caf\\u00e9\", \"Price\": 12.50, \"City\": null}",
	"\"",
	"",
	"{} x",
	"tru",
	"nullx",
};

START_TEST(a_text_is_taken_or_refused_alike)
{
	for (size_t i = 0; i < COUNT(texts); i++)
		for (size_t length = 0; length <= strlen(texts[i]); length++)
			parses_alike(texts[i], length);
}
END_TEST

/* Bytes of JSON put in, taken out, changed: most are refused, and at every place. */
START_TEST(what_was_changed_at_random_is_taken_or_refused_alike)
{
	static const char bytes[] = "\"\\{}[],:0123456789-+.eE utrnfalsb/\x01\x7F\x80\xC3\xA4\xF0";
	unsigned seed = 7;
	size_t good = 0;
	char text[512];
	for (int round = 0; round < 300000; round++) {
		const char *from = texts[(unsigned)rand_r(&seed) % COUNT(texts)];
		size_t length = strlen(from);
		memcpy(text, from, length);
		for (int change = rand_r(&seed) % 3; change >= 0 && length > 0; change--) {
			size_t at = (unsigned)rand_r(&seed) % length;
			char byte = bytes[(unsigned)rand_r(&seed) % (sizeof(bytes) - 1)];
			int kind = rand_r(&seed) % 3;
			if (kind == 0) {
				text[at] = byte;
			} else if (kind == 1) {
				memmove(text + at + 1, text + at, length++ - at);
				text[at] = byte;
			} else {
				memmove(text + at, text + at + 1, --length - at);
			}
		}
		good += parses_alike(text, length);
	}
	ck_assert_uint_gt(good, 1000);
}
END_TEST

START_TEST(deep_ones_are_refused_alike)
{
	char text[400];
	for (size_t depth = JSONDOC_DEPTH - 1; depth <= JSONDOC_DEPTH + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		ck_assert(parses_alike(text, 2 * depth) == (depth <= JSONDOC_DEPTH));
	}
}
END_TEST

/* More members than are compared with each other. */
START_TEST(of_many_members_the_last_of_a_name_wins)
{
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	for (unsigned names = 1; names < 400; names += 13) {
		buffer_clear(&text);
		for (unsigned i = 0; i < 400; i++)
			buffer_printf(&text, "%c\"%u\":%u", i == 0 ? '{' : ',', i * 7 % names, i);
		buffer_append_char(&text, '}');
		ck_assert(parses_alike(text.data, text.length));
	}
}
END_TEST

START_TEST(nodes_are_found_and_read)
{
	static const char text[] =
		"{\"a\":[1,{\"b/c\":\"x\\u00e4y\"}],\"d\":\"plain\",\"a~\":true}";
	struct weir_error error;
	const struct jsonnode *root = NULL;
	size_t length = 0;
	ck_assert_int_eq(jsontree_parse(text, strlen(text), &arena, &root, &error), WEIR_OK);
	ck_assert_uint_eq(root->count, 3);
	const struct jsonnode *node = jsonnode_find(root, "/a/1/b~1c");
	ck_assert_ptr_nonnull(node);
	ck_assert_str_eq(jsonnode_string(node, &arena, &length), "x\u00e4y");
	ck_assert_uint_eq(length, 4);
	node = jsonnode_get(root, "d");
	ck_assert_int_eq(strncmp(jsonnode_string(node, &arena, &length), "plain\"", 6), 0);
	ck_assert_uint_eq(length, 5);
	ck_assert_int_eq(jsonnode_find(root, "/a~0")->kind, JSONNODE_TRUE);
	ck_assert_ptr_eq(jsonnode_find(root, ""), root);
	ck_assert_ptr_null(jsonnode_find(root, "/a/2"));
	ck_assert_ptr_null(jsonnode_find(root, "/a/-"));
	ck_assert_ptr_null(jsonnode_get(NULL, "a"));
	ck_assert_ptr_null(jsonnode_get(node, "a"));
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("json_tree");
	tcase_add_checked_fixture(cases, NULL, fresh);
	tcase_add_test(cases, a_text_is_taken_or_refused_alike);
	tcase_add_test(cases, what_was_changed_at_random_is_taken_or_refused_alike);
	tcase_add_test(cases, deep_ones_are_refused_alike);
	tcase_add_test(cases, of_many_members_the_last_of_a_name_wins);
	tcase_add_test(cases, nodes_are_found_and_read);
	return suite_run(cases, "json_tree");
}
