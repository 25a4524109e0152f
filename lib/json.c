/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <stdio.h>
#include <string.h>

/* One number token of the text: where it was, and where its ordinal stands in the rewritten text.
 */
struct number {
	size_t offset, length; /* in digits */
	size_t source;	       /* byte offset in the text as it came */
	size_t rewritten;      /* byte offset just behind the ordinal */
};

struct jsondoc {
	json_t *root;
	struct number *numbers;
	size_t number_count, number_capacity;
	struct buffer digits; /* all numbers, each with a NUL */
};

void jsondoc_destroy(struct jsondoc *document)
{
	if (document == NULL)
		return;
	json_decref(document->root);
	free(document->numbers);
	buffer_finish(&document->digits);
	free(document);
}

/* The length of the JSON number at the beginning of text; 0: there is none. */
static size_t number_length(const char *text, size_t length)
{
	size_t at = 0, digits;
	if (at < length && text[at] == '-')
		at++;
	if (at < length && text[at] == '0') {
		at++;
	} else {
		for (digits = at; at < length && text[at] >= '0' && text[at] <= '9';)
			at++;
		if (at == digits)
			return 0;
	}
	if (at < length && text[at] == '.') {
		for (digits = ++at; at < length && text[at] >= '0' && text[at] <= '9';)
			at++;
		if (at == digits)
			return 0;
	}
	if (at < length && (text[at] == 'e' || text[at] == 'E')) {
		at++;
		if (at < length && (text[at] == '+' || text[at] == '-'))
			at++;
		for (digits = at; at < length && text[at] >= '0' && text[at] <= '9';)
			at++;
		if (at == digits)
			return 0;
	}
	return at;
}

bool json_is_number_text(const char *text, size_t length)
{
	return length > 0 && number_length(text, length) == length;
}

static bool add_number(struct jsondoc *document, const char *text, size_t length, size_t source,
		       size_t rewritten)
{
	if (document->number_count == document->number_capacity) {
		size_t capacity =
			document->number_capacity == 0 ? 8 : 2 * document->number_capacity;
		struct number *numbers =
			realloc(document->numbers, capacity * sizeof(*document->numbers));
		if (numbers == NULL)
			return false;
		document->numbers = numbers;
		document->number_capacity = capacity;
	}
	document->numbers[document->number_count++] =
		(struct number){document->digits.length, length, source, rewritten};
	buffer_append(&document->digits, text, length);
	buffer_append_char(&document->digits, '\0');
	return true;
}

/* Where the string that begins at text[at] ends: behind its closing quote, or at length. */
static size_t skip_string(const char *text, size_t length, size_t at)
{
	for (at++; at < length && text[at] != '"'; at++)
		if (text[at] == '\\')
			at++;
	return at < length ? at + 1 : length;
}

/* What would make one number of itself and an ordinal beside it: "1-1", "01" and "1.5.5" have to
 * stay several tokens, "--1" no number, or the tree would hold ordinals that there are not. */
static bool joins_number(char byte)
{
	return (byte >= '0' && byte <= '9') || byte == '-' || byte == '+' || byte == '.' ||
	       byte == 'e' || byte == 'E';
}

/* Copies text with every number replaced by its ordinal. A malformed number is copied as it is:
 * followed by more of itself it is for jansson to refuse ("01" becomes two tokens, "-" stays). */
static bool rewrite(struct jsondoc *document, const char *text, size_t length, struct buffer *out)
{
	size_t copied = 0, at = 0;
	while (at < length) {
		char byte = text[at];
		if (byte == '"') {
			at = skip_string(text, length, at);
		} else if (byte == '-' || (byte >= '0' && byte <= '9')) {
			size_t number = number_length(text + at, length - at);
			if (number == 0) {
				at++;
				continue;
			}
			buffer_append(out, text + copied, at - copied);
			if (at > 0 && joins_number(text[at - 1]))
				buffer_append_char(out, ' ');
			buffer_printf(out, "%zu", document->number_count);
			if (!add_number(document, text + at, number, at, out->length))
				return false;
			at += number;
			copied = at;
			if (at < length && joins_number(text[at]))
				buffer_append_char(out, ' ');
		} else {
			at++;
		}
	}
	buffer_append(out, text + copied, length - copied);
	return !buffer_failed(out) && !buffer_failed(&document->digits);
}

/* jansson's limit on depth is 2048, and deep trees are walked by recursion here. */
static size_t depth_of(const char *text, size_t length, size_t *where)
{
	size_t depth = 0;
	for (size_t at = 0; at < length; at++) {
		if (text[at] == '"') {
			at = skip_string(text, length, at) - 1;
		} else if (text[at] == '{' || text[at] == '[') {
			if (++depth > JSONDOC_DEPTH) {
				*where = at;
				return depth;
			}
		} else if ((text[at] == '}' || text[at] == ']') && depth > 0) {
			depth--;
		}
	}
	return depth;
}

static weir_status refuse(const char *text, size_t length, size_t offset, const char *what,
			  struct weir_error *error)
{
	size_t line = 1, column = 1;
	for (size_t i = 0; i < offset && i < length; i++) {
		if (text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)text[i] & 0xC0) != 0x80) {
			column++;
		}
	}
	return err_set(error, WEIR_INVALID, "not JSON at line %zu column %zu: %s", line, column,
		       what);
}

/* The offset in the text as it came for an offset in the rewritten one. */
static size_t source_offset(const struct jsondoc *document, size_t rewritten)
{
	size_t source = rewritten;
	for (size_t i = 0; i < document->number_count; i++) {
		const struct number *number = &document->numbers[i];
		if (number->rewritten > rewritten)
			break;
		source = number->source + number->length + (rewritten - number->rewritten);
	}
	return source;
}

static weir_status parse_rewritten(struct jsondoc *document, const char *text, size_t length,
				   const struct buffer *rewritten, struct weir_error *error)
{
	json_error_t problem;
	document->root = json_loadb(rewritten->data, rewritten->length,
				    JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
	if (document->root != NULL)
		return WEIR_OK;
	if (json_error_code(&problem) == json_error_out_of_memory)
		return err_no_memory(error);
	/* jansson's place is behind the token, and what it shows is of the rewritten text. */
	size_t offset = problem.position > 0 ? (size_t)problem.position : 0;
	char *near = strstr(problem.text, " near ");
	if (near != NULL) {
		size_t token = strncmp(near, " near '", 7) == 0 ? strlen(near) - 8 : 0;
		offset -= token < offset ? token : offset;
		*near = '\0';
	}
	return refuse(text, length, source_offset(document, offset), problem.text, error);
}

weir_status jsondoc_parse(const char *text, size_t length, struct jsondoc **document,
			  struct weir_error *error)
{
	if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
		text += 3;
		length -= 3;
	}
	/* jansson passes over one behind a number. */
	const char *nul = memchr(text, '\0', length);
	if (nul != NULL)
		return refuse(text, length, (size_t)(nul - text), "a NUL byte", error);
	size_t where = 0;
	if (depth_of(text, length, &where) > JSONDOC_DEPTH)
		return refuse(text, length, where, "arrays and objects nest more than 64 deep",
			      error);
	WEIR_CLEANUP(buffer_finish) struct buffer rewritten = BUFFER_INIT;
	JSONDOC_SCOPED struct jsondoc *made = calloc(1, sizeof(*made));
	if (made == NULL || !rewrite(made, text, length, &rewritten))
		return err_no_memory(error);
	weir_status status = parse_rewritten(made, text, length, &rewritten, error);
	if (status != WEIR_OK)
		return status;
	*document = made;
	made = NULL;
	return WEIR_OK;
}

const json_t *jsondoc_root(const struct jsondoc *document)
{
	return document->root;
}

const char *jsondoc_number(const struct jsondoc *document, const json_t *node, size_t *length)
{
	const struct number *number = &document->numbers[json_integer_value(node)];
	if (length != NULL)
		*length = number->length;
	return document->digits.data + number->offset;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void canonical_object(const struct jsondoc *document, const json_t *node, struct buffer *out)
{
	size_t count = json_object_size(node), next = 0;
	WEIR_FREE const char **names = calloc(count + 1, sizeof(*names));
	if (names == NULL) {
		out->failed = true;
		return;
	}
	for (void *at = json_object_iter((json_t *)node); at != NULL;
	     at = json_object_iter_next((json_t *)node, at))
		names[next++] = json_object_iter_key(at);
	qsort(names, count, sizeof(*names), by_name);
	struct jsonout json = JSONOUT_INIT(out);
	jsonout_begin(&json, '{');
	for (size_t i = 0; i < count; i++) {
		jsonout_name(&json, names[i]);
		jsondoc_canonical(document, json_object_get(node, names[i]), out);
		json.comma = true;
	}
	jsonout_end(&json, '}');
}

void jsondoc_canonical(const struct jsondoc *document, const json_t *node, struct buffer *out)
{
	struct jsonout json = JSONOUT_INIT(out);
	size_t length;
	switch (json_typeof(node)) {
	case JSON_OBJECT:
		canonical_object(document, node, out);
		break;
	case JSON_ARRAY:
		buffer_append_char(out, '[');
		for (size_t i = 0; i < json_array_size(node); i++) {
			if (i > 0)
				buffer_append_char(out, ',');
			jsondoc_canonical(document, json_array_get(node, i), out);
		}
		buffer_append_char(out, ']');
		break;
	case JSON_STRING:
		jsonout_string(&json, json_string_value(node), json_string_length(node));
		break;
	case JSON_INTEGER:
		buffer_append_text(out, jsondoc_number(document, node, &length));
		break;
	case JSON_REAL: /* there are none: see json.h */
	case JSON_NULL:
		buffer_append_text(out, "null");
		break;
	case JSON_TRUE:
		buffer_append_text(out, "true");
		break;
	case JSON_FALSE:
		buffer_append_text(out, "false");
		break;
	}
}
