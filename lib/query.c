/* SPDX-License-Identifier: MIT
 * query.c - the parser of the query language: recursive descent over the text, one function for
 * each rule.
 *
 *   any    = all { OR all }
 *   all    = one { [ AND ] one }
 *   one    = { NOT | "-" | "+" } clause
 *   clause = [ field ":" ] ( "(" any ")" | phrase | word | value ) [ "^" number ]
 *
 * A rule whose words hold no letter and no digit gives NULL: it takes no part in the query. */
#include "query.h"

#include <string.h>

#include "config.h"
#include "json.h"
#include "query_scan.h"
#include "query_tree.h"

#define BOOST_LIMIT 1000.0
#define DISTANCE_LIMIT 1000
#define FUZZY_LIMIT 2
#define PREFIX_LETTERS 2

static weir_status parse_any(struct parser *parser, int32_t field,
			     const struct weir_query **query) WEIR_MUST_CHECK;

/* Passes on what another module said, with the column in front when the text is to blame. */
static weir_status fail_with(struct parser *parser, size_t offset, weir_status status,
			     const struct weir_error *what)
{
	if (status == WEIR_INVALID)
		return scan_fail(parser, offset, "%s", what->message);
	return err_set(parser->error, status, "%s", what->message);
}

static weir_status count_clause(struct parser *parser, size_t offset)
{
	if (++parser->clauses <= QUERY_CLAUSE_LIMIT)
		return WEIR_OK;
	return scan_fail(parser, offset,
			 "expected at most %d words, phrases and values in one query",
			 QUERY_CLAUSE_LIMIT);
}

static weir_status make_words(struct parser *parser, uint32_t kind, int32_t field,
			      const struct word *word, uint32_t distance,
			      const struct weir_query **query)
{
	weir_status status = count_clause(parser, word->start);
	if (status != WEIR_OK)
		return status;
	struct weir_query *leaf = query_make(parser->arena, kind, field);
	if (leaf == NULL)
		return err_no_memory(parser->error);
	leaf->text = word->text;
	leaf->text_length = word->length;
	leaf->distance = distance;
	*query = leaf;
	return WEIR_OK;
}

/* A number of at most limit; the parser is at its first digit. Without a digit: fallback. */
static weir_status scan_distance(struct parser *parser, uint32_t minimum, uint32_t limit,
				 uint32_t fallback, uint32_t *distance)
{
	size_t start = parser->at;
	uint32_t value = 0;
	for (; scan_at_any(parser, "0123456789"); parser->at++)
		if (value <= limit)
			value = value * 10 + (uint32_t)(parser->text[parser->at] - '0');
	if (parser->at == start)
		value = fallback;
	if (value < minimum || value > limit || !scan_ends_clause(parser))
		return scan_fail(parser, start, "expected a number from %u to %u after ~",
				 (unsigned)minimum, (unsigned)limit);
	*distance = value;
	return WEIR_OK;
}

static weir_status parse_phrase(struct parser *parser, int32_t field,
				const struct weir_query **query)
{
	struct word word;
	uint32_t distance = 0;
	weir_status status = scan_quoted(parser, &word);
	if (status == WEIR_OK && scan_at_char(parser, '*'))
		status = scan_fail(parser, parser->at,
				   "expected * behind a word, not behind a phrase");
	if (status == WEIR_OK && scan_at_char(parser, '~')) {
		parser->at++;
		status = scan_distance(parser, 0, DISTANCE_LIMIT, DISTANCE_LIMIT + 1, &distance);
	}
	if (status != WEIR_OK)
		return status;
	*query = NULL;
	if (scan_letters(word.text, word.length) == 0)
		return WEIR_OK;
	return make_words(parser, WEIR_QUERY_PHRASE, field, &word, distance, query);
}

/* The parser is at the * behind word. */
static weir_status parse_prefix(struct parser *parser, int32_t field, const struct word *word,
				const struct weir_query **query)
{
	size_t star = parser->at++;
	if (!scan_ends_clause(parser))
		return scan_fail(parser, star,
				 "expected * only at the end of a word (to search for * "
				 "write \\*)");
	if (word->length == 0 && field == WEIR_FIELD_DEFAULT)
		return make_words(parser, WEIR_QUERY_ALL, field, word, 0, query);
	if (scan_letters(word->text, word->length) < PREFIX_LETTERS)
		return scan_fail(parser, word->start, "expected at least %d letters before *",
				 PREFIX_LETTERS);
	return make_words(parser, WEIR_QUERY_PREFIX, field, word, 0, query);
}

/* The parser is at the ~ behind word. */
static weir_status parse_fuzzy(struct parser *parser, int32_t field, const struct word *word,
			       const struct weir_query **query)
{
	uint32_t distance = 0;
	if ((parser->capabilities & WEIR_CAN_FUZZY) == 0)
		return scan_fail(parser, parser->at,
				 "expected no fuzzy word (~): this index cannot search for similar "
				 "words (to search for ~ write \\~)");
	parser->at++;
	weir_status status = scan_distance(parser, 1, FUZZY_LIMIT, 1, &distance);
	if (status != WEIR_OK || scan_letters(word->text, word->length) == 0)
		return status;
	return make_words(parser, WEIR_QUERY_FUZZY, field, word, distance, query);
}

static weir_status parse_word(struct parser *parser, int32_t field, const struct weir_query **query)
{
	struct word word;
	weir_status status = scan_word(parser, "*~^", &word);
	*query = NULL;
	if (status != WEIR_OK)
		return status;
	if (scan_at_char(parser, '*'))
		return parse_prefix(parser, field, &word, query);
	if (scan_at_char(parser, '~'))
		return parse_fuzzy(parser, field, &word, query);
	if (scan_letters(word.text, word.length) == 0)
		return WEIR_OK;
	return make_words(parser, WEIR_QUERY_TERM, field, &word, 0, query);
}

/* A value of a range or comparison, quoted or not. */
static weir_status parse_bound(struct parser *parser, int32_t field, const char *stops,
			       struct query_bound *bound)
{
	struct word word;
	struct weir_error what;
	weir_status status = scan_at_char(parser, '"') ? scan_quoted(parser, &word)
						       : scan_word(parser, stops, &word);
	if (status != WEIR_OK)
		return status;
	status = query_read_bound(parser->arena, parser->schema, field, word.text, word.length,
				  bound, &what);
	return status == WEIR_OK ? WEIR_OK : fail_with(parser, word.start, status, &what);
}

static weir_status make_range(struct parser *parser, size_t offset, int32_t field,
			      const struct query_bound *lower, const struct query_bound *upper,
			      const struct weir_query **query)
{
	struct weir_error what;
	weir_status status =
		query_make_range(parser->arena, parser->schema, field, lower, upper, query, &what);
	return status == WEIR_OK ? WEIR_OK : fail_with(parser, offset, status, &what);
}

/* One side of a range in brackets: a value, or * for no limit. */
static weir_status parse_side(struct parser *parser, int32_t field, struct query_bound *bound)
{
	scan_skip_blanks(parser);
	struct parser ahead = *parser;
	ahead.at++;
	if (scan_at_char(parser, '*') &&
	    (scan_ends_word(&ahead, ahead.at) || scan_at_any(&ahead, "]}"))) {
		parser->at++;
		return WEIR_OK;
	}
	if (!scan_at_char(parser, '"') &&
	    (scan_ends_word(parser, parser->at) || scan_at_any(parser, "]}") ||
	     scan_at_keyword(parser, "TO")))
		return scan_fail(
			parser, parser->at,
			"expected a value or * in the range, as in [10 TO 50] or [10 TO *]");
	return parse_bound(parser, field, "]}", bound);
}

static weir_status parse_brackets(struct parser *parser, int32_t field,
				  const struct weir_query **query)
{
	struct query_bound lower = {0}, upper = {0};
	size_t opening = parser->at;
	bool open = scan_at_char(parser, '{');
	parser->at++;
	weir_status status = parse_side(parser, field, &lower);
	if (status != WEIR_OK)
		return status;
	lower.open = open;
	scan_skip_blanks(parser);
	if (!scan_at_keyword(parser, "TO") &&
	    (parser->length - parser->at < 3 || memcmp(parser->text + parser->at, "TO", 2) != 0 ||
	     strchr("]}", parser->text[parser->at + 2]) == NULL))
		return scan_fail(parser, parser->at, "expected TO in the range, as in [10 TO 50]");
	parser->at += 2;
	status = parse_side(parser, field, &upper);
	if (status != WEIR_OK)
		return status;
	scan_skip_blanks(parser);
	if (!scan_at_any(parser, "]}"))
		return scan_fail(parser, parser->at, "expected ] or } at the end of the range");
	upper.open = scan_at_char(parser, '}');
	parser->at++;
	return make_range(parser, opening, field, &lower, &upper, query);
}

static weir_status parse_comparison(struct parser *parser, int32_t field,
				    const struct weir_query **query)
{
	struct query_bound bound, none = {0};
	size_t start = parser->at;
	bool above = scan_at_char(parser, '>');
	parser->at++;
	bool closed = scan_at_char(parser, '=');
	parser->at += closed;
	scan_skip_blanks(parser);
	if (!scan_at_char(parser, '"') && scan_ends_word(parser, parser->at))
		return scan_fail(parser, parser->at, "expected a value after %.*s", closed ? 2 : 1,
				 parser->text + start);
	weir_status status = parse_bound(parser, field, "^", &bound);
	if (status != WEIR_OK)
		return status;
	bound.open = !closed;
	return above ? make_range(parser, start, field, &bound, &none, query)
		     : make_range(parser, start, field, &none, &bound, query);
}

static weir_status parse_boolean(struct parser *parser, int32_t field,
				 const struct weir_query **query)
{
	struct word word;
	struct weir_error what;
	weir_status status = scan_at_char(parser, '"') ? scan_quoted(parser, &word)
						       : scan_word(parser, "^", &word);
	if (status != WEIR_OK)
		return status;
	status = query_make_exact(parser->arena, parser->schema, field, word.text, word.length,
				  query, &what);
	return status == WEIR_OK ? WEIR_OK : fail_with(parser, word.start, status, &what);
}

/* Of a NUMBER, DATE or BOOLEAN field. */
static weir_status parse_value(struct parser *parser, int32_t field,
			       const struct weir_query **query)
{
	const struct weir_field *about = parser->schema->abi->fields[field];
	struct query_bound bound = {0};
	size_t start = parser->at;
	if ((about->flags & WEIR_FIELD_FILTER) == 0)
		return scan_fail(parser, start,
				 "expected another field: the schema does not make %s "
				 "a filter",
				 about->name);
	weir_status status = count_clause(parser, start);
	if (status != WEIR_OK)
		return status;
	if (about->type == WEIR_TYPE_BOOLEAN)
		return parse_boolean(parser, field, query);
	if (scan_at_any(parser, "[{"))
		return parse_brackets(parser, field, query);
	if (scan_at_any(parser, "<>"))
		return parse_comparison(parser, field, query);
	struct parser ahead = *parser;
	ahead.at++;
	if (scan_at_char(parser, '*') && scan_ends_clause(&ahead))
		parser->at++;
	else
		status = parse_bound(parser, field, "^", &bound);
	if (status != WEIR_OK)
		return status;
	return make_range(parser, start, field, &bound, &bound, query);
}

static weir_status parse_group(struct parser *parser, int32_t field,
			       const struct weir_query **query)
{
	size_t opening = parser->at;
	if (parser->depth == QUERY_DEPTH_LIMIT)
		return scan_fail(parser, opening,
				 "expected at most %d parentheses inside each other",
				 QUERY_DEPTH_LIMIT);
	parser->depth++;
	parser->at++;
	*query = NULL;
	scan_skip_blanks(parser);
	if (parser->at < parser->length && !scan_at_char(parser, ')')) {
		weir_status status = parse_any(parser, field, query);
		if (status != WEIR_OK)
			return status;
	}
	if (!scan_at_char(parser, ')'))
		return scan_fail(parser, opening,
				 "expected a ) for this ( (to search for ( write \\()");
	parser->at++;
	parser->depth--;
	if (scan_at_any(parser, "*~"))
		return scan_fail(parser, parser->at, "expected %c behind a word, not behind )",
				 parser->text[parser->at]);
	return WEIR_OK;
}

static weir_status unknown_field(struct parser *parser, size_t length)
{
	const struct weir_schema *schema = parser->schema->abi;
	const char *names[SCHEMA_FIELD_LIMIT], *nearest = NULL;
	size_t count = 0;
	while (count < schema->field_count && count < SCHEMA_FIELD_LIMIT) {
		names[count] = schema->fields[count]->name;
		count++;
	}
	/* The scheme of a URL is no misspelt field. */
	size_t rest = parser->at + length + 1;
	bool url = parser->length - rest >= 2 && memcmp(parser->text + rest, "//", 2) == 0;
	if (!url && length <= SCHEMA_NAME_LIMIT) {
		const char *name =
			query_arena_copy(parser->arena, parser->text + parser->at, length);
		if (name == NULL)
			return err_no_memory(parser->error);
		nearest = config_nearest(name, names, count);
	}
	return scan_fail(
		parser, parser->at,
		"expected a field before the colon, there is none named \"%.*s\"%s%s%s (to search "
		"for a colon write \\: or use quotation marks)",
		(int)(length <= SCHEMA_NAME_LIMIT ? length : SCHEMA_NAME_LIMIT),
		parser->text + parser->at, nearest != NULL ? "; did you mean \"" : "",
		nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* "title:" moves the parser behind the colon; "10:30" and "Jazz: live" name no field. */
static weir_status parse_field(struct parser *parser, int32_t *field, bool *named)
{
	struct parser ahead = *parser;
	if (!is_letter(parser->text[parser->at]))
		return WEIR_OK;
	while (ahead.at < ahead.length &&
	       (is_letter(ahead.text[ahead.at]) || scan_at_any(&ahead, "0123456789_")))
		ahead.at++;
	if (!scan_at_char(&ahead, ':'))
		return WEIR_OK;
	size_t length = ahead.at - parser->at;
	int32_t found = schema_find_exact(parser->schema, parser->text + parser->at, length);
	ahead.at++;
	bool nothing = scan_ends_word(&ahead, ahead.at) && !scan_at_any(&ahead, "(\"");
	if (found < 0)
		return nothing ? WEIR_OK : unknown_field(parser, length);
	if (nothing)
		return scan_fail(parser, ahead.at,
				 "expected a word, a \"phrase\", a value or ( right after %.*s:",
				 (int)length, parser->text + parser->at);
	parser->at = ahead.at;
	*field = found;
	*named = true;
	return WEIR_OK;
}

/* What looks like another part of the language right behind the colon of a field of words. */
static weir_status check_word_start(struct parser *parser, int32_t field)
{
	const char *name = parser->schema->abi->fields[field]->name;
	if (scan_at_any(parser, "[{<>"))
		return scan_fail(
			parser, parser->at,
			"expected a word or a \"phrase\": %s has no ranges (to search for %c "
			"write \\%c)",
			name, parser->text[parser->at], parser->text[parser->at]);
	if (scan_at_char(parser, '-') && !scan_ends_word(parser, parser->at + 1))
		return scan_fail(
			parser, parser->at,
			"expected - before the field, as in -%s:word (to search for - write "
			"\\-)",
			name);
	return WEIR_OK;
}

static weir_status make_parent(struct parser *parser, uint32_t kind, double boost,
			       const struct weir_query **query)
{
	struct weir_query *parent = query_make(parser->arena, kind, WEIR_FIELD_DEFAULT);
	const struct weir_query **child =
		query_arena_take(parser->arena, sizeof(struct weir_query *));
	if (parent == NULL || child == NULL)
		return err_no_memory(parser->error);
	*child = *query;
	parent->children = child;
	parent->child_count = 1;
	parent->boost = boost;
	*query = parent;
	return WEIR_OK;
}

/* The product of the boosts on the way from query to the leaf where it is largest. */
static double largest_boost(const struct weir_query *query)
{
	double largest = query->child_count == 0 ? 1 : 0;
	for (size_t i = 0; i < query->child_count; i++) {
		double boost = largest_boost(query->children[i]);
		largest = boost > largest ? boost : largest;
	}
	return query->kind == WEIR_QUERY_BOOST ? largest * query->boost : largest;
}

static weir_status parse_boost(struct parser *parser, const struct weir_query **query)
{
	if (!scan_at_char(parser, '^'))
		return WEIR_OK;
	size_t start = ++parser->at;
	struct word word;
	weir_status status = scan_word(parser, "", &word);
	if (status != WEIR_OK)
		return status;
	double boost = json_is_number_text(word.text, word.length) ? strtod(word.text, NULL) : 0;
	if (!(boost > 0 && boost <= BOOST_LIMIT))
		return scan_fail(
			parser, start,
			"expected a number above 0, at most %g, after ^ (to search for ^ write "
			"\\^)",
			BOOST_LIMIT);
	if (*query == NULL)
		return WEIR_OK;
	/* An engine may count in single precision, where thousands of thousands overflow. */
	if (boost * largest_boost(*query) > BOOST_LIMIT)
		return scan_fail(
			parser, start,
			"expected a smaller number: boosts inside each other make more than "
			"%g",
			BOOST_LIMIT);
	return make_parent(parser, WEIR_QUERY_BOOST, boost, query);
}

static weir_status parse_clause(struct parser *parser, int32_t field,
				const struct weir_query **query)
{
	bool named = false;
	weir_status status = parse_field(parser, &field, &named);
	if (status != WEIR_OK)
		return status;
	uint32_t type = field == WEIR_FIELD_DEFAULT ? WEIR_TYPE_TEXT
						    : parser->schema->abi->fields[field]->type;
	if (scan_at_char(parser, '('))
		status = parse_group(parser, field, query);
	else if (type != WEIR_TYPE_TEXT && type != WEIR_TYPE_KEYWORD)
		status = parse_value(parser, field, query);
	else if (scan_at_char(parser, '"'))
		status = parse_phrase(parser, field, query);
	else if (named && (status = check_word_start(parser, field)) != WEIR_OK)
		return status;
	else
		status = parse_word(parser, field, query);
	return status == WEIR_OK ? parse_boost(parser, query) : status;
}

static weir_status expect_operand(struct parser *parser, const char *keyword)
{
	scan_skip_blanks(parser);
	if (parser->at < parser->length && !scan_at_char(parser, ')') &&
	    !scan_at_keyword(parser, "AND") && !scan_at_keyword(parser, "OR"))
		return WEIR_OK;
	return scan_fail(
		parser, parser->at,
		"expected a word, a \"phrase\" or ( after %s (to search for the word itself, "
		"use small letters)",
		keyword);
}

/* A sign belongs to what follows it directly; by itself it is punctuation. */
static bool at_sign(const struct parser *parser)
{
	size_t next = parser->at + 1;
	return scan_at_any(parser, "+-") && next < parser->length && parser->text[next] != ')' &&
	       scan_blank(parser, next) == 0;
}

static weir_status parse_one(struct parser *parser, int32_t field, const struct weir_query **query)
{
	bool negative = false, more = true;
	while (more) {
		if (scan_at_keyword(parser, "NOT")) {
			negative = !negative;
			parser->at += strlen("NOT");
			weir_status status = expect_operand(parser, "NOT");
			if (status != WEIR_OK)
				return status;
		} else if (at_sign(parser)) {
			negative ^= scan_at_char(parser, '-');
			parser->at++;
		} else {
			more = false;
		}
	}
	weir_status status = parse_clause(parser, field, query);
	if (status != WEIR_OK || !negative || *query == NULL)
		return status;
	return make_parent(parser, WEIR_QUERY_NOT, 0, query);
}

static weir_status parse_all(struct parser *parser, int32_t field, const struct weir_query **query)
{
	struct query_list list = {0};
	for (bool first = true;; first = false) {
		scan_skip_blanks(parser);
		bool end = parser->at == parser->length || scan_at_char(parser, ')');
		bool is_and = scan_at_keyword(parser, "AND"), is_or = scan_at_keyword(parser, "OR");
		if (first && (is_and || is_or))
			return scan_fail(
				parser, parser->at,
				"expected a word, a \"phrase\" or ( before %s (to search for "
				"the word itself, use small letters)",
				is_and ? "AND" : "OR");
		if (end || is_or)
			break;
		const struct weir_query *one = NULL;
		weir_status status = WEIR_OK;
		if (is_and) {
			parser->at += strlen("AND");
			status = expect_operand(parser, "AND");
		}
		if (status == WEIR_OK)
			status = parse_one(parser, field, &one);
		if (status != WEIR_OK)
			return status;
		if (!query_list_add(parser->arena, &list, one))
			return err_no_memory(parser->error);
	}
	return query_list_join(parser->arena, WEIR_QUERY_AND, &list, query, parser->error);
}

static weir_status parse_any(struct parser *parser, int32_t field, const struct weir_query **query)
{
	struct query_list list = {0};
	for (bool more = true; more;) {
		const struct weir_query *all = NULL;
		weir_status status = parse_all(parser, field, &all);
		if (status != WEIR_OK)
			return status;
		if (!query_list_add(parser->arena, &list, all))
			return err_no_memory(parser->error);
		more = scan_at_keyword(parser, "OR");
		if (!more)
			break;
		parser->at += strlen("OR");
		status = expect_operand(parser, "OR");
		if (status != WEIR_OK)
			return status;
	}
	return query_list_join(parser->arena, WEIR_QUERY_OR, &list, query, parser->error);
}

static weir_status parse_text(struct parser *parser, const struct weir_query **query)
{
	scan_skip_blanks(parser);
	bool blank = parser->at == parser->length;
	*query = NULL;
	if (!blank) {
		weir_status status = parse_any(parser, WEIR_FIELD_DEFAULT, query);
		if (status != WEIR_OK)
			return status;
	}
	if (parser->at < parser->length)
		return scan_fail(parser, parser->at,
				 "expected a ( before this ) (to search for ) write "
				 "\\))");
	if (*query == NULL)
		*query = query_make(parser->arena, blank ? WEIR_QUERY_ALL : WEIR_QUERY_NONE,
				    WEIR_FIELD_DEFAULT);
	return *query == NULL ? err_no_memory(parser->error) : WEIR_OK;
}

weir_status query_parse(struct query_arena *arena, const struct schema *schema,
			uint64_t capabilities, const char *text, size_t length,
			const struct weir_query **query, size_t *column, struct weir_error *error)
{
	size_t unwanted = 0;
	struct parser parser = {.arena = arena,
				.schema = schema,
				.capabilities = capabilities,
				.text = text,
				.length = length,
				.column = column != NULL ? column : &unwanted,
				.error = error};
	if (length > QUERY_LENGTH_LIMIT)
		return scan_fail(
			&parser, QUERY_LENGTH_LIMIT,
			"expected the end: the query has %zu bytes, at most %d are allowed", length,
			QUERY_LENGTH_LIMIT);
	size_t valid = query_valid_length(text, length);
	if (valid < length)
		return scan_fail(&parser, valid, "expected UTF-8 text, found %s",
				 text[valid] == '\0' ? "a NUL character" : "bytes that are none");
	const struct weir_query *parsed = NULL;
	weir_status status = parse_text(&parser, &parsed);
	if (status == WEIR_OK)
		*query = parsed;
	return status;
}
