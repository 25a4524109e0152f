/* SPDX-License-Identifier: MIT
 * json.h - JSON in (jansson's tree) and JSON out (a writer onto a buffer), numbers kept as written.
 *
 * jansson turns numbers into 64-bit integers and doubles and so loses digits. Before it sees the
 * text, every number token is replaced by its ordinal, and the digits are kept in a table: in a
 * tree of jsondoc every json_integer node is a key to that table, and there are no json_real nodes.
 */
#ifndef JSON_H
#define JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "buffer.h"
#include "err.h"

struct jsondoc;

#define JSONDOC_DEPTH 64 /* arrays and objects inside each other; deeper is WEIR_INVALID */

/* text: UTF-8, borrowed for the call only. A name that occurs twice in an object: the last wins.
 * \u0000 is allowed in strings (take json_string_length); lone surrogates and bytes that are not
 * UTF-8 are WEIR_INVALID. The message names line and column (from 1, in characters). Trailing text
 * is refused; a UTF-8 byte order mark is passed over. Ends with jsondoc_destroy. */
weir_status jsondoc_parse(const char *text, size_t length, struct jsondoc **document,
			  struct weir_error *error) WEIR_MUST_CHECK;
void jsondoc_destroy(struct jsondoc *document); /* takes NULL */
static inline void jsondoc_destroy_pointer(struct jsondoc **document)
{
	jsondoc_destroy(*document);
}
#define JSONDOC_SCOPED WEIR_CLEANUP(jsondoc_destroy_pointer)

/* Borrowed from the document. Never NULL after a parse that answered WEIR_OK. */
const json_t *jsondoc_root(const struct jsondoc *document);
/* The digits of a number node as they were written, NUL-terminated; borrowed. */
const char *jsondoc_number(const struct jsondoc *document, const json_t *node, size_t *length);
/* True when text is one whole JSON number. */
bool json_is_number_text(const char *text, size_t length);

/* What a JSON pointer (RFC 6901) leads to: "" the node itself, "/a/0/b"; NULL: nothing is there.
 * pointer has to be one. */
const json_t *json_find(const json_t *node, const char *pointer);
#define JSON_POINTER_LIMIT 256 /* bytes, with the NUL */
bool json_is_pointer(const char *text);

/* Canonical form of a node, appended: no white space, object names in byte order, strings with the
 * shortest escapes (only ", \ and control characters), numbers as written. */
void jsondoc_canonical(const struct jsondoc *document, const json_t *node, struct buffer *out);

/* Appends the bytes of a canonical JSON string (quotes included in json). False: it is none. */
bool json_string_decode(const char *json, size_t length, struct buffer *out) WEIR_MUST_CHECK;

/* The writer. Commas are its business: after jsonout_name or at an array's element, write one
 * value. */
struct jsonout {
	struct buffer *out;
	bool comma;  /* the next value needs one before it */
	bool dotnet; /* escape as System.Text.Json's default encoder does: see json.c */
};

#define JSONOUT_INIT(buffer_pointer)                                                               \
	{                                                                                          \
		.out = (buffer_pointer)                                                            \
	}

void jsonout_begin(struct jsonout *json, char bracket); /* '{' or '[' */
void jsonout_end(struct jsonout *json, char bracket);	/* '}' or ']' */
void jsonout_name(struct jsonout *json, const char *name);
void jsonout_string(struct jsonout *json, const char *text, size_t length);
/* What stands between the quotes of a string: a part of it. */
void jsonout_escaped(struct jsonout *json, const char *text, size_t length);
void jsonout_text(struct jsonout *json, const char *text); /* NUL-terminated; NULL writes null */
void jsonout_integer(struct jsonout *json, int64_t value);
void jsonout_double(struct jsonout *json, double value, int digits); /* not finite: null */
void jsonout_boolean(struct jsonout *json, bool value);
void jsonout_null(struct jsonout *json);
/* Bytes that are JSON already: a number's digits, a canonical value, a whole object. */
void jsonout_raw(struct jsonout *json, const char *text, size_t length);

#endif
