/* SPDX-License-Identifier: MIT
 * json_tree.h - JSON in without copies, for what is read once and in great numbers: a tree in an
 * arena whose texts point into what was parsed. It takes what jsondoc takes and refuses what that
 * refuses, and its canonical form is the same; a test and a fuzzer compare the two. */
#ifndef JSON_TREE_H
#define JSON_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "buffer.h"
#include "err.h"

enum jsonnode_kind {
	JSONNODE_NULL,
	JSONNODE_FALSE,
	JSONNODE_TRUE,
	JSONNODE_NUMBER,
	JSONNODE_STRING,
	JSONNODE_ARRAY,
	JSONNODE_OBJECT,
};

/* A value. Everything is borrowed from the text and the arena. */
struct jsonnode {
	enum jsonnode_kind kind;
	bool escaped;	/* STRING: text has escapes, see jsonnode_string */
	bool canonical; /* STRING: text between quotes is its canonical form */
	uint32_t count; /* ARRAY, OBJECT: children */
	const char
		*text; /* NUMBER: the digits as written. STRING: what stands between the quotes */
	size_t length;
	const char *name; /* of a member of an object, decoded; NUL-terminated */
	size_t name_length;
	const struct jsonnode *first, *next; /* child, and sibling, in the order of the text */
};

/* As jsondoc_parse, with the same messages. text and arena live as long as the tree is used. */
weir_status jsontree_parse(const char *text, size_t length, struct arena *arena,
			   const struct jsonnode **root, struct weir_error *error) WEIR_MUST_CHECK;

/* The member of that name, NUL-terminated; NULL: there is none, or node is no object, or NULL. */
const struct jsonnode *jsonnode_get(const struct jsonnode *node, const char *name);
/* What a JSON pointer leads to, as json_find. */
const struct jsonnode *jsonnode_find(const struct jsonnode *node, const char *pointer);
/* The bytes of a string; decoded into the arena, when it has escapes. NULL: no memory. */
const char *jsonnode_string(const struct jsonnode *node, struct arena *arena, size_t *length);
/* As jsondoc_canonical. */
void jsonnode_canonical(const struct jsonnode *node, struct buffer *out);

/* False for NULL. */
static inline bool jsonnode_is(const struct jsonnode *node, enum jsonnode_kind kind)
{
	return node != NULL && node->kind == kind;
}

#endif
