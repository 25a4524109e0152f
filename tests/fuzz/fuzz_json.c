/* SPDX-License-Identifier: MIT
 * fuzz_json.c - what parses has a canonical form, which parses and is its own canonical form;
 * jsontree takes and refuses the same, and makes the same of it. */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "json.h"
#include "json_tree.h"

static weir_status canonical(const char *text, size_t length, struct buffer *out,
			     struct weir_error *error)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	weir_status status = jsondoc_parse(text, length, &document, error);
	if (status == WEIR_OK)
		jsondoc_canonical(document, jsondoc_root(document), out);
	return status;
}

static void expect_same_tree(const char *text, size_t length, weir_status wanted,
			     const struct buffer *canonical_form)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	struct arena arena = ARENA_INIT;
	struct weir_error error;
	const struct jsonnode *root = NULL;
	EXPECT(jsontree_parse(text, length, &arena, &root, &error) == wanted);
	if (wanted == WEIR_OK) {
		jsonnode_canonical(root, &out);
		EXPECT(out.length == canonical_form->length &&
		       memcmp(out.data, canonical_form->data, out.length) == 0);
	}
	arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WEIR_CLEANUP(buffer_finish) struct buffer once = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer twice = BUFFER_INIT;
	struct weir_error error = {""};
	/* Exactly as long as the text, so that a read behind it is found. */
	WEIR_FREE char *text = malloc(size + (size == 0));
	EXPECT(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	weir_status status = canonical(text, size, &once, &error);
	expect_same_tree(text, size, status, &once);
	if (status != WEIR_OK) {
		EXPECT(status == WEIR_INVALID && error.message[0] != '\0');
		EXPECT(strpbrk(error.message, "\r\n") == NULL);
		return 0;
	}
	EXPECT(!buffer_failed(&once) && once.length > 0);
	EXPECT(canonical(once.data, once.length, &twice, &error) == WEIR_OK);
	EXPECT(!buffer_failed(&twice) && once.length == twice.length);
	EXPECT(memcmp(once.data, twice.data, once.length) == 0);
	return 0;
}
