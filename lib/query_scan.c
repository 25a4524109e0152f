/* SPDX-License-Identifier: MIT */
#include "query_scan.h"

#include <string.h>
#include <utf8proc.h>

#include "query_tree.h"

weir_status scan_fail(struct parser *parser, size_t offset, const char *format, ...)
{
	size_t column = 1;
	for (size_t i = 0; i < offset; i++)
		column += ((unsigned char)parser->text[i] & 0xC0) != 0x80;
	struct weir_error what;
	va_list arguments;
	va_start(arguments, format);
	err_write(&what, format, arguments);
	va_end(arguments);
	*parser->column = column;
	return err_set(parser->error, WEIR_INVALID, "column %zu: %s", column, what.message);
}

bool scan_at_char(const struct parser *parser, char wanted)
{
	return parser->at < parser->length && parser->text[parser->at] == wanted;
}

bool scan_at_any(const struct parser *parser, const char *wanted)
{
	return parser->at < parser->length && strchr(wanted, parser->text[parser->at]) != NULL;
}

size_t scan_blank(const struct parser *parser, size_t offset)
{
	if (offset >= parser->length)
		return 0;
	unsigned char byte = (unsigned char)parser->text[offset];
	if (byte < 0x80)
		return byte <= 0x20 || byte == 0x7F;
	utf8proc_int32_t point;
	utf8proc_ssize_t size =
		utf8proc_iterate((const utf8proc_uint8_t *)parser->text + offset,
				 (utf8proc_ssize_t)(parser->length - offset), &point);
	if (size <= 0)
		return 0;
	utf8proc_category_t category = utf8proc_category(point);
	bool blank = category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
		     category == UTF8PROC_CATEGORY_ZP || category == UTF8PROC_CATEGORY_CC;
	return blank ? (size_t)size : 0;
}

void scan_skip_blanks(struct parser *parser)
{
	for (size_t size; (size = scan_blank(parser, parser->at)) > 0;)
		parser->at += size;
}

bool scan_ends_word(const struct parser *parser, size_t offset)
{
	return offset >= parser->length || strchr("()\"", parser->text[offset]) != NULL ||
	       scan_blank(parser, offset) > 0;
}

bool scan_ends_clause(const struct parser *parser)
{
	return scan_ends_word(parser, parser->at) || scan_at_char(parser, '^');
}

bool scan_at_keyword(const struct parser *parser, const char *keyword)
{
	size_t length = strlen(keyword);
	return parser->length - parser->at >= length &&
	       memcmp(parser->text + parser->at, keyword, length) == 0 &&
	       scan_ends_word(parser, parser->at + length);
}

size_t scan_letters(const char *text, size_t length)
{
	size_t letters = 0;
	for (size_t at = 0; at < length;) {
		utf8proc_int32_t point;
		utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
							 (utf8proc_ssize_t)(length - at), &point);
		if (size <= 0)
			break;
		at += (size_t)size;
		switch (utf8proc_category(point)) {
		case UTF8PROC_CATEGORY_LU:
		case UTF8PROC_CATEGORY_LL:
		case UTF8PROC_CATEGORY_LT:
		case UTF8PROC_CATEGORY_LM:
		case UTF8PROC_CATEGORY_LO:
		case UTF8PROC_CATEGORY_ND:
		case UTF8PROC_CATEGORY_NL:
		case UTF8PROC_CATEGORY_NO:
			letters++;
			break;
		default:
			break;
		}
	}
	return letters;
}

/* True when the ~ at the parser's place ends a word: "jazz~", "jazz~2", but not "a~b". */
static bool at_fuzzy_mark(const struct parser *parser)
{
	struct parser ahead = *parser;
	ahead.at++;
	while (scan_at_any(&ahead, "0123456789"))
		ahead.at++;
	return scan_ends_clause(&ahead);
}

/* A character of stops ends a word; behind nothing, ^ and ~ are characters like others. */
static bool at_stop(const struct parser *parser, size_t start, const char *stops)
{
	if (!scan_at_any(parser, stops))
		return false;
	if (scan_at_char(parser, '^'))
		return parser->at > start;
	if (scan_at_char(parser, '~'))
		return parser->at > start && at_fuzzy_mark(parser);
	return true;
}

/* Copies the text from start to the parser's place without the backslashes. */
static weir_status take_word(struct parser *parser, size_t start, struct word *word)
{
	char *text = query_arena_take(parser->arena, parser->at - start + 1);
	if (text == NULL)
		return err_no_memory(parser->error);
	size_t length = 0;
	for (size_t i = start; i < parser->at; i++) {
		if (parser->text[i] == '\\')
			i++;
		text[length++] = parser->text[i];
	}
	*word = (struct word){text, length, start};
	return WEIR_OK;
}

static weir_status skip_escape(struct parser *parser)
{
	if (parser->at + 1 == parser->length)
		return scan_fail(parser, parser->at,
				 "expected a character after \\ (to search for \\ write \\\\)");
	parser->at += 2;
	return WEIR_OK;
}

weir_status scan_word(struct parser *parser, const char *stops, struct word *word)
{
	size_t start = parser->at;
	while (!scan_ends_word(parser, parser->at) && !at_stop(parser, start, stops)) {
		if (!scan_at_char(parser, '\\')) {
			parser->at++;
			continue;
		}
		weir_status status = skip_escape(parser);
		if (status != WEIR_OK)
			return status;
	}
	return take_word(parser, start, word);
}

weir_status scan_quoted(struct parser *parser, struct word *word)
{
	size_t opening = parser->at++;
	while (parser->at < parser->length && !scan_at_char(parser, '"')) {
		if (!scan_at_char(parser, '\\')) {
			parser->at++;
			continue;
		}
		weir_status status = skip_escape(parser);
		if (status != WEIR_OK)
			return status;
	}
	if (parser->at == parser->length)
		return scan_fail(parser, opening,
				 "expected a closing \" (to search for \" write \\\")");
	weir_status status = take_word(parser, opening + 1, word);
	if (status == WEIR_OK)
		parser->at++;
	return status;
}
