/* SPDX-License-Identifier: MIT
 * query_scan.h - the characters of a query: where words, blanks and keywords begin and end. For
 * lib/query*.c alone. */
#ifndef QUERY_SCAN_H
#define QUERY_SCAN_H

#include "query.h"

struct parser {
	struct query_arena *arena;
	const struct schema *schema;
	uint64_t capabilities;
	const char *text;
	size_t length, at;
	size_t depth, clauses;
	size_t *column;
	struct weir_error *error;
};

/* A piece of the text without its backslashes; start is where it begins in the text. */
struct word {
	const char *text;
	size_t length, start;
};

/* WEIR_INVALID, with the column of offset in front of the message. */
weir_status scan_fail(struct parser *parser, size_t offset, const char *format, ...)
	WEIR_PRINTF(3, 4) WEIR_MUST_CHECK;

bool scan_at_char(const struct parser *parser, char wanted);
bool scan_at_any(const struct parser *parser, const char *wanted);
/* Capital letters that stand as a word of their own. */
bool scan_at_keyword(const struct parser *parser, const char *keyword);
/* Bytes of the blank or control character at offset; 0: there is none. */
size_t scan_blank(const struct parser *parser, size_t offset);
void scan_skip_blanks(struct parser *parser);
/* At the end of the text, a blank, a parenthesis or a quotation mark. */
bool scan_ends_word(const struct parser *parser, size_t offset);
/* The same, or before a boost. */
bool scan_ends_clause(const struct parser *parser);
/* How many letters and digits there are. */
size_t scan_letters(const char *text, size_t length);

/* Up to the end of the word or one of stops (of "*~^]}"); may be empty. */
weir_status scan_word(struct parser *parser, const char *stops, struct word *word) WEIR_MUST_CHECK;
/* What stands between quotation marks; the parser is at the first one. */
weir_status scan_quoted(struct parser *parser, struct word *word) WEIR_MUST_CHECK;

#endif
