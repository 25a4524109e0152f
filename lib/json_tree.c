/* SPDX-License-Identifier: MIT
 * By recursive descent, over the grammar of RFC 8259. */
#include "json_tree.h"

#include <string.h>
#include <utf8proc.h>

#include "json.h"

enum { FEW_MEMBERS = 16 }; /* so many are compared with each other for names that come again */

struct parser {
	const char *at, *end;
	struct arena *arena;
	bool no_memory;
};

static void skip_space(struct parser *parser)
{
	while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\n' ||
					    *parser->at == '\t' || *parser->at == '\r'))
		parser->at++;
}

/* A plain byte of a string stands for itself: ASCII, no control character, no quote, no backslash.
 */
static bool is_plain(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* Over plain bytes, eight at a time: the high bit of a byte of `odd` is set where one is not plain
 * (and, harmlessly, at times behind such a one). The tests for a zero byte and for one less than n
 * are those of Anderson, "Bit Twiddling Hacks". */
static const char *skip_plain(const char *at, const char *end)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	while (end - at >= 8) {
		uint64_t word, quotes, backslashes;
		memcpy(&word, at, sizeof(word));
		quotes = word ^ (ones * '"');
		backslashes = word ^ (ones * '\\');
		uint64_t odd = word | ((word - ones * 0x20) & ~word) | ((quotes - ones) & ~quotes) |
			       ((backslashes - ones) & ~backslashes);
		if ((odd & highs) != 0)
			break;
		at += 8;
	}
	while (at < end && is_plain((unsigned char)*at))
		at++;
	return at;
}

static int hex_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* Four hexadecimal digits; -1: they are not there. */
static int32_t read_unit(const char *at, const char *end)
{
	int32_t unit = 0;
	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(at[i]);
		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

/* at: behind "\u". The code point of one escape, or of two that are a surrogate pair; what it took.
 * 0: neither. */
static size_t read_point(const char *at, const char *end, int32_t *point)
{
	int32_t unit = read_unit(at, end);
	if (unit < 0 || (unit >= 0xDC00 && unit < 0xE000))
		return 0;
	*point = unit;
	if (unit < 0xD800 || unit >= 0xDC00)
		return 4;
	if (end - at < 10 || at[4] != '\\' || at[5] != 'u')
		return 0;
	int32_t low = read_unit(at + 6, end);
	if (low < 0xDC00 || low >= 0xE000)
		return 0;
	*point = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
	return 10;
}

/* at: behind the backslash. What the escape took; 0: it is none. */
static size_t skip_escape(const char *at, const char *end, struct jsonnode *string)
{
	int32_t point;
	string->escaped = true;
	if (at == end)
		return 0;
	if (*at == 'u') {
		string->canonical = false; /* maybe; the rest is for jsonnode_canonical */
		size_t taken = read_point(at + 1, end, &point);
		return taken > 0 ? taken + 1 : 0;
	}
	if (*at == '/')
		string->canonical = false;
	return *at != '\0' && strchr("\"\\/bfnrt", *at) != NULL ? 1 : 0;
}

/* at the opening quote. */
static bool parse_string(struct parser *parser, struct jsonnode *string)
{
	const char *at = parser->at + 1, *end = parser->end;
	string->kind = JSONNODE_STRING;
	string->escaped = false;
	string->canonical = true;
	string->text = at;
	for (;;) {
		at = skip_plain(at, end);
		if (at == end || (unsigned char)*at < 0x20)
			return false;
		if (*at == '"')
			break;
		size_t taken;
		if (*at == '\\') {
			taken = skip_escape(at + 1, end, string);
			if (taken == 0)
				return false;
			taken++;
		} else {
			utf8proc_int32_t point;
			utf8proc_ssize_t size =
				utf8proc_iterate((const utf8proc_uint8_t *)at, end - at, &point);
			if (size <= 0)
				return false;
			taken = (size_t)size;
		}
		at += taken;
	}
	string->length = (size_t)(at - string->text);
	parser->at = at + 1;
	return true;
}

static const char *skip_digits(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at;
}

static bool parse_number(struct parser *parser, struct jsonnode *number)
{
	const char *at = parser->at, *end = parser->end, *digits;
	number->kind = JSONNODE_NUMBER;
	number->text = at;
	at += *at == '-';
	digits = at;
	at = skip_digits(at, end);
	if (at == digits || (*digits == '0' && at - digits > 1))
		return false;
	if (at < end && *at == '.') {
		digits = at + 1;
		at = skip_digits(digits, end);
		if (at == digits)
			return false;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		at += at < end && (*at == '+' || *at == '-');
		digits = at;
		at = skip_digits(digits, end);
		if (at == digits)
			return false;
	}
	number->length = (size_t)(at - number->text);
	parser->at = at;
	return true;
}

static bool parse_word(struct parser *parser, const char *word, size_t length)
{
	if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, word, length) != 0)
		return false;
	parser->at += length;
	return true;
}

static void take_value(struct jsonnode *to, const struct jsonnode *from)
{
	to->kind = from->kind;
	to->escaped = from->escaped;
	to->canonical = from->canonical;
	to->count = from->count;
	to->text = from->text;
	to->length = from->length;
	to->first = from->first;
}

static bool same_name(const struct jsonnode *left, const struct jsonnode *right)
{
	return left->name_length == right->name_length &&
	       memcmp(left->name, right->name, left->name_length) == 0;
}

/* A member whose name came before gives that one its value, and goes: the last wins, at the place
 * of the first. */
static void merge_few(struct jsonnode *object)
{
	struct jsonnode **link = (struct jsonnode **)&object->first;
	while (*link != NULL) {
		struct jsonnode *member = *link, *other = (struct jsonnode *)object->first;
		while (other != member && !same_name(other, member))
			other = (struct jsonnode *)other->next;
		if (other == member) {
			link = (struct jsonnode **)&member->next;
			continue;
		}
		take_value(other, member);
		*link = (struct jsonnode *)member->next;
		object->count--;
	}
}

/* A member and its place in the text. */
struct entry {
	struct jsonnode *member;
	size_t place;
};

static int by_name(const void *left, const void *right)
{
	const struct entry *one = left, *other = right;
	size_t length = one->member->name_length, other_length = other->member->name_length;
	size_t common = length < other_length ? length : other_length;
	int order = memcmp(one->member->name, other->member->name, common);
	if (order != 0)
		return order;
	if (length != other_length)
		return length < other_length ? -1 : 1;
	return one->place < other->place ? -1 : one->place > other->place;
}

/* The members in order of name, equal ones in that of the text; free() them. NULL: no memory. */
static struct entry *sort_members(const struct jsonnode *object)
{
	size_t count = 0;
	struct entry *entries = malloc((object->count + 1) * sizeof(*entries));
	if (entries == NULL)
		return NULL;
	for (const struct jsonnode *each = object->first; each != NULL; each = each->next) {
		entries[count] = (struct entry){(struct jsonnode *)each, count};
		count++;
	}
	qsort(entries, count, sizeof(*entries), by_name);
	return entries;
}

/* As merge_few; of equal names the first takes the last one's value, and the others go. */
static bool merge_many(struct jsonnode *object)
{
	WEIR_FREE struct entry *entries = sort_members(object);
	if (entries == NULL)
		return false;
	size_t count = object->count;
	for (size_t i = 0, next; i < count; i = next) {
		for (next = i + 1;
		     next < count && same_name(entries[i].member, entries[next].member); next++)
			entries[next].member->name = NULL; /* after the comparison with the first */
		if (next - i > 1)
			take_value(entries[i].member, entries[next - 1].member);
		object->count -= (uint32_t)(next - i - 1);
	}
	for (const struct jsonnode **link = &object->first; *link != NULL;)
		if ((*link)->name == NULL)
			*link = (*link)->next;
		else
			link = (const struct jsonnode **)&(*link)->next;
	return true;
}

static struct jsonnode *add_child(struct parser *parser, struct jsonnode *parent,
				  struct jsonnode *last)
{
	struct jsonnode *child = arena_allocate(parser->arena, sizeof(*child));
	if (child == NULL || parent->count == UINT32_MAX) {
		parser->no_memory = true;
		return NULL;
	}
	*child = (struct jsonnode){0};
	if (last == NULL)
		parent->first = child;
	else
		last->next = child;
	parent->count++;
	return child;
}

/* "name" and the colon behind it. A NUL in a name is refused, as jansson does. */
static bool parse_name(struct parser *parser, struct jsonnode *member)
{
	struct jsonnode string;
	if (parser->at == parser->end || *parser->at != '"' || !parse_string(parser, &string))
		return false;
	member->name = string.escaped
			       ? jsonnode_string(&string, parser->arena, &member->name_length)
			       : arena_copy(parser->arena, string.text, string.length);
	if (!string.escaped)
		member->name_length = string.length;
	if (member->name == NULL) {
		parser->no_memory = true;
		return false;
	}
	skip_space(parser);
	return memchr(member->name, '\0', member->name_length) == NULL &&
	       parse_word(parser, ":", 1);
}

static bool parse_value(struct parser *parser, struct jsonnode *node, unsigned depth);

/* at the opening bracket. */
static bool parse_children(struct parser *parser, struct jsonnode *parent, unsigned depth)
{
	bool object = *parser->at++ == '{';
	const char *close = object ? "}" : "]";
	struct jsonnode *last = NULL;
	parent->kind = object ? JSONNODE_OBJECT : JSONNODE_ARRAY;
	skip_space(parser);
	if (parse_word(parser, close, 1))
		return true;
	for (;;) {
		last = add_child(parser, parent, last);
		skip_space(parser);
		if (last == NULL || (object && !parse_name(parser, last)) ||
		    !parse_value(parser, last, depth))
			return false;
		if (parse_word(parser, close, 1))
			break;
		if (!parse_word(parser, ",", 1))
			return false;
	}
	if (!object)
		return true;
	if (parent->count <= FEW_MEMBERS)
		merge_few(parent);
	else if (!merge_many(parent))
		parser->no_memory = true;
	return !parser->no_memory;
}

/* With white space around it. */
static bool parse_value(struct parser *parser, struct jsonnode *node, unsigned depth)
{
	bool good = false;
	skip_space(parser);
	if (parser->at == parser->end)
		return false;
	switch (*parser->at) {
	case '"':
		good = parse_string(parser, node);
		break;
	case '{':
	case '[':
		good = depth < JSONDOC_DEPTH && parse_children(parser, node, depth + 1);
		break;
	case 't':
		node->kind = JSONNODE_TRUE;
		good = parse_word(parser, "true", 4);
		break;
	case 'f':
		node->kind = JSONNODE_FALSE;
		good = parse_word(parser, "false", 5);
		break;
	case 'n':
		node->kind = JSONNODE_NULL;
		good = parse_word(parser, "null", 4);
		break;
	default:
		good = parse_number(parser, node);
	}
	skip_space(parser);
	return good;
}

/* What is wrong with it, and where, jsondoc says. */
static weir_status explain(const char *text, size_t length, struct weir_error *error)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	weir_status status = jsondoc_parse(text, length, &document, error);
	return status != WEIR_OK ? status : err_set(error, WEIR_INVALID, "not JSON");
}

weir_status jsontree_parse(const char *text, size_t length, struct arena *arena,
			   const struct jsonnode **root, struct weir_error *error)
{
	struct parser parser = {.at = text, .end = text + length, .arena = arena};
	struct jsonnode *made = arena_allocate(arena, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	*made = (struct jsonnode){0};
	parse_word(&parser, "\xEF\xBB\xBF", 3);
	bool good = parse_value(&parser, made, 0) && parser.at == parser.end;
	if (parser.no_memory)
		return err_no_memory(error);
	if (!good)
		return explain(text, length, error);
	*root = made;
	return WEIR_OK;
}

const struct jsonnode *jsonnode_get(const struct jsonnode *node, const char *name)
{
	size_t length = strlen(name);
	if (!jsonnode_is(node, JSONNODE_OBJECT))
		return NULL;
	for (const struct jsonnode *each = node->first; each != NULL; each = each->next)
		if (each->name_length == length && memcmp(each->name, name, length) == 0)
			return each;
	return NULL;
}

/* One escape, decoded; what it took, from the backslash on. */
static size_t decode_escape(const char *at, const char *end, char bytes[4], size_t *length)
{
	static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	int32_t point = 0;
	if (at[1] != 'u') {
		bytes[0] = meant[strchr(names, at[1]) - names];
		*length = 1;
		return 2;
	}
	size_t taken = read_point(at + 2, end, &point);
	*length = (size_t)utf8proc_encode_char(point, (utf8proc_uint8_t *)bytes);
	return taken + 2;
}

const char *jsonnode_string(const struct jsonnode *node, struct arena *arena, size_t *length)
{
	const char *at = node->text, *end = node->text + node->length;
	if (!node->escaped) {
		*length = node->length;
		return node->text;
	}
	/* No escape is shorter than what it stands for. */
	char *decoded = arena_allocate(arena, node->length + 1), *to = decoded;
	if (decoded == NULL)
		return NULL;
	while (at < end) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		size_t plain = (size_t)((escape != NULL ? escape : end) - at), made = 0;
		memcpy(to, at, plain);
		to += plain;
		at += plain;
		if (escape == NULL)
			break;
		at += decode_escape(at, end, to, &made);
		to += made;
	}
	*to = '\0';
	*length = (size_t)(to - decoded);
	return decoded;
}

static void canonical_string(const struct jsonnode *node, struct buffer *out)
{
	const char *at = node->text, *end = node->text + node->length;
	struct jsonout json = JSONOUT_INIT(out);
	if (node->canonical) {
		buffer_append(out, at - 1, node->length + 2);
		return;
	}
	buffer_append_char(out, '"');
	while (at < end) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		size_t plain = (size_t)((escape != NULL ? escape : end) - at), made = 0;
		buffer_append(out, at, plain);
		at += plain;
		if (escape == NULL)
			break;
		char bytes[4];
		at += decode_escape(at, end, bytes, &made);
		jsonout_escaped(&json, bytes, made);
	}
	buffer_append_char(out, '"');
}

static void canonical_object(const struct jsonnode *node, struct buffer *out)
{
	struct jsonout json = JSONOUT_INIT(out);
	WEIR_FREE struct entry *entries = sort_members(node);
	if (entries == NULL) {
		out->failed = true;
		return;
	}
	jsonout_begin(&json, '{');
	for (size_t i = 0; i < node->count; i++) {
		jsonout_name(&json, entries[i].member->name);
		jsonnode_canonical(entries[i].member, out);
		json.comma = true;
	}
	jsonout_end(&json, '}');
}

void jsonnode_canonical(const struct jsonnode *node, struct buffer *out)
{
	switch (node->kind) {
	case JSONNODE_OBJECT:
		canonical_object(node, out);
		break;
	case JSONNODE_ARRAY:
		buffer_append_char(out, '[');
		for (const struct jsonnode *each = node->first; each != NULL; each = each->next) {
			if (each != node->first)
				buffer_append_char(out, ',');
			jsonnode_canonical(each, out);
		}
		buffer_append_char(out, ']');
		break;
	case JSONNODE_STRING:
		canonical_string(node, out);
		break;
	case JSONNODE_NUMBER:
		buffer_append(out, node->text, node->length);
		break;
	case JSONNODE_TRUE:
		buffer_append_text(out, "true");
		break;
	case JSONNODE_FALSE:
		buffer_append_text(out, "false");
		break;
	case JSONNODE_NULL:
		buffer_append_text(out, "null");
		break;
	}
}
