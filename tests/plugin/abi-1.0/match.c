/* SPDX-License-Identifier: MIT */
#include "match.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stems.h"
#include "words.h"

enum { WANTED_LIMIT = 2048, KEY_LIMIT = 100 }; /* a query of 4,096 bytes has no more words */

struct wanted {
	struct word words[WANTED_LIMIT];
	size_t count;
};

struct matcher {
	const struct field *fields;
	size_t field_count;
	const struct table *table;
	bool no_memory, cannot;
};

enum answer { NO, YES, WORDLESS };

struct splitting {
	struct word **words;
	size_t *count;
	struct stemmer *stemmer;
	bool no_memory;
};

static bool keep_word(void *context, const char *text, size_t length)
{
	struct splitting *splitting = context;
	struct word *words = *splitting->words;
	size_t count = *splitting->count;
	if ((count & (count - 1)) == 0) { /* it is full at every power of two */
		words = realloc(words, (count == 0 ? 1 : 2 * count) * sizeof(*words));
		if (words == NULL)
			return !(splitting->no_memory = true);
		*splitting->words = words;
	}
	size_t stem_length = length;
	const char *stem = text;
	if (splitting->stemmer != NULL)
		stem = stems_find(splitting->stemmer, text, length, &stem_length);
	struct word made = {strndup(text, length), strndup(stem, stem_length), length, stem_length};
	words[(*splitting->count)++] = made;
	splitting->no_memory = made.text == NULL || made.stem == NULL;
	return !splitting->no_memory;
}

static bool split(const char *text, size_t length, const char *language, struct word **words,
		  size_t *count)
{
	struct stemmer *stemmer = language[0] != '\0' ? stems_of(language) : NULL;
	struct splitting splitting = {words, count, stemmer, false};
	words_split(text, length, keep_word, &splitting);
	return !splitting.no_memory;
}

static bool is_text(uint32_t type)
{
	return type == WEIR_TYPE_TEXT || type == WEIR_TYPE_KEYWORD;
}

static bool split_value(const struct matcher *matcher, struct value *value)
{
	if (value->is_split || !is_text(value->type))
		return true;
	const char *language =
		value->type == WEIR_TYPE_TEXT ? matcher->fields[value->field].language : "";
	value->is_split = true;
	return split(value->text, value->length, language, &value->words, &value->word_count);
}

static bool same(const char *left, size_t left_length, const char *right, size_t right_length)
{
	return left_length == right_length && memcmp(left, right, left_length) == 0;
}

static bool same_word(const struct word *left, const struct word *right)
{
	return same(left->text, left->length, right->text, right->length);
}

/* A word of a cut one's length: only its beginning is sure to stand in the value. */
static bool begins(const struct word *here, const struct word *wanted)
{
	size_t length = wanted->length < WEIR_WORD_CUT ? wanted->length : WEIR_WORD_CUT;
	return here->length >= length && memcmp(here->text, wanted->text, length) == 0;
}

/* Whether the places from first on, so many, hold all wanted words, each as often as wanted. */
static bool window_holds(const struct value *value, size_t first, size_t size,
			 const struct wanted *wanted)
{
	size_t end = size < value->word_count - first ? first + size : value->word_count;
	for (size_t i = 0; i < wanted->count; i++) {
		size_t needed = 0, there = 0;
		for (size_t j = 0; j < wanted->count; j++)
			needed += same_word(&wanted->words[i], &wanted->words[j]);
		for (size_t j = first; j < end; j++)
			there += same_word(&wanted->words[i], &value->words[j]);
		if (there < needed)
			return false;
	}
	return true;
}

static bool holds_phrase(const struct value *value, const struct wanted *wanted, uint32_t distance)
{
	for (size_t first = 0; first < value->word_count; first++) {
		if (distance > 0) {
			if (window_holds(value, first, wanted->count + distance, wanted))
				return true;
			continue;
		}
		size_t at = 0;
		while (at < wanted->count && first + at < value->word_count &&
		       same_word(&value->words[first + at], &wanted->words[at]))
			at++;
		if (at == wanted->count)
			return true;
	}
	return false;
}

static bool holds_word(const struct value *value, const struct word *wanted, bool is_beginning)
{
	for (size_t i = 0; i < value->word_count; i++) {
		const struct word *here = &value->words[i];
		if (is_beginning ? begins(here, wanted)
				 : same(here->stem, here->stem_length, wanted->stem,
					wanted->stem_length))
			return true;
	}
	return false;
}

static bool is_asked(const struct matcher *matcher, const struct weir_query *query,
		     const struct value *value)
{
	if (!is_text(value->type))
		return false;
	if (query->field != WEIR_FIELD_DEFAULT)
		return query->field == value->field;
	return (matcher->fields[value->field].flags & WEIR_FIELD_SEARCH) != 0;
}

static void wanted_finish(struct wanted *wanted)
{
	for (size_t i = 0; i < wanted->count; i++) {
		free(wanted->words[i].text);
		free(wanted->words[i].stem);
	}
	wanted->count = 0;
}

/* The query's words as the language of a field has them. */
static void want(struct matcher *matcher, const struct weir_query *query, const char *language,
		 struct wanted *wanted)
{
	struct word *words = NULL;
	size_t count = 0;
	matcher->no_memory |= !split(query->text, query->text_length, language, &words, &count);
	for (size_t i = 0; i < count; i++) {
		if (i < WANTED_LIMIT) {
			wanted->words[wanted->count++] = words[i];
			continue;
		}
		matcher->cannot = true;
		free(words[i].text);
		free(words[i].stem);
	}
	free(words);
}

/* Whether the value has the words, or the one of this number; WANTED_LIMIT: the whole phrase. */
static bool value_holds(struct matcher *matcher, const struct weir_query *query,
			struct value *value, size_t number)
{
	struct wanted wanted;
	wanted.count = 0;
	matcher->no_memory |= !split_value(matcher, value);
	want(matcher, query,
	     value->type == WEIR_TYPE_TEXT ? matcher->fields[value->field].language : "", &wanted);
	bool is_last = number + 1 == wanted.count;
	bool holds = number == WANTED_LIMIT
			     ? holds_phrase(value, &wanted, query->distance)
			     : holds_word(value, &wanted.words[number],
					  query->kind == WEIR_QUERY_PREFIX && is_last);
	wanted_finish(&wanted);
	return holds;
}

static bool any_value_holds(struct matcher *matcher, const struct weir_query *query,
			    struct document *document, size_t number, double *score)
{
	bool holds = false;
	for (size_t i = 0; i < document->value_count; i++) {
		struct value *value = &document->values[i];
		if (!is_asked(matcher, query, value) || !value_holds(matcher, query, value, number))
			continue;
		holds = true;
		*score += matcher->fields[value->field].boost;
	}
	return holds;
}

static enum answer text_matches(struct matcher *matcher, const struct weir_query *query,
				struct document *document, double *score)
{
	struct wanted wanted;
	wanted.count = 0;
	want(matcher, query, "", &wanted);
	size_t count = wanted.count;
	wanted_finish(&wanted);
	if (count == 0)
		return WORDLESS;
	if (query->kind == WEIR_QUERY_PHRASE)
		return any_value_holds(matcher, query, document, WANTED_LIMIT, score) ? YES : NO;
	for (size_t i = 0; i < count; i++)
		if (!any_value_holds(matcher, query, document, i, score))
			return NO;
	return YES;
}

static struct value *value_of(const struct document *document, int32_t field)
{
	for (size_t i = 0; i < document->value_count; i++)
		if (document->values[i].field == field)
			return &document->values[i];
	return NULL;
}

static bool exact_matches(const struct weir_query *query, const struct value *value)
{
	if (value == NULL)
		return false;
	if (value->type == WEIR_TYPE_BOOLEAN)
		return (value->integer != 0) == (query->lower.integer != 0);
	return same(value->text, value->length, query->lower.text, query->lower.text_length);
}

/* Below zero: value is less than the end. */
static int compare_end(const struct value *value, const struct weir_value *end)
{
	if (value->type == WEIR_TYPE_NUMBER)
		return (value->number > end->number) - (value->number < end->number);
	return (value->integer > end->integer) - (value->integer < end->integer);
}

static bool range_matches(const struct weir_query *query, const struct value *value)
{
	uint32_t flags = query->range_flags;
	if (value == NULL || (value->type != WEIR_TYPE_NUMBER && value->type != WEIR_TYPE_DATE))
		return false;
	if ((flags & WEIR_RANGE_HAS_LOWER) != 0) {
		int order = compare_end(value, &query->lower);
		if (order < 0 || (order == 0 && (flags & WEIR_RANGE_LOWER_OPEN) != 0))
			return false;
	}
	if ((flags & WEIR_RANGE_HAS_UPPER) == 0)
		return true;
	int order = compare_end(value, &query->upper);
	return order < 0 || (order == 0 && (flags & WEIR_RANGE_UPPER_OPEN) == 0);
}

static enum answer matches(struct matcher *matcher, const struct weir_query *query,
			   struct document *document, double *score);

/* AND and OR. What has no word counts only when nothing else is there. */
static enum answer children_match(struct matcher *matcher, const struct weir_query *query,
				  struct document *document, double *score)
{
	size_t yes = 0, no = 0;
	for (size_t i = 0; i < query->child_count; i++) {
		double own = 0;
		enum answer answer = matches(matcher, query->children[i], document, &own);
		yes += answer == YES;
		no += answer == NO;
		if (answer == YES)
			*score += own;
	}
	if (yes + no == 0 && query->child_count > 0)
		return WORDLESS;
	return (query->kind == WEIR_QUERY_AND ? no == 0 : yes > 0) ? YES : NO;
}

static enum answer matches(struct matcher *matcher, const struct weir_query *query,
			   struct document *document, double *score)
{
	double own = 0;
	enum answer answer;
	switch (query->kind) {
	case WEIR_QUERY_ALL:
		return YES;
	case WEIR_QUERY_NONE:
		return NO;
	case WEIR_QUERY_TERM:
	case WEIR_QUERY_PHRASE:
	case WEIR_QUERY_PREFIX:
		return text_matches(matcher, query, document, score);
	case WEIR_QUERY_EXACT:
		return exact_matches(query, value_of(document, query->field)) ? YES : NO;
	case WEIR_QUERY_RANGE:
		return range_matches(query, value_of(document, query->field)) ? YES : NO;
	case WEIR_QUERY_AND:
	case WEIR_QUERY_OR:
		return children_match(matcher, query, document, score);
	case WEIR_QUERY_NOT:
		return matches(matcher, query->children[0], document, &own) == YES ? NO : YES;
	case WEIR_QUERY_BOOST:
		answer = matches(matcher, query->children[0], document, &own);
		*score += own * query->boost;
		return answer;
	default:
		matcher->cannot = true;
		return NO;
	}
}

/* How rare what a leaf asks for is: multiplies the score of each, in the order of the tree. */
static bool is_leaf(const struct weir_query *query)
{
	return query->kind == WEIR_QUERY_TERM || query->kind == WEIR_QUERY_PHRASE ||
	       query->kind == WEIR_QUERY_PREFIX;
}

static double rarity(struct matcher *matcher, const struct weir_query *leaf)
{
	size_t hits = 0;
	double ignored = 0;
	for (size_t i = 0; i < matcher->table->count; i++)
		hits += matches(matcher, leaf, matcher->table->documents[i], &ignored) == YES;
	return log(1 + ((double)matcher->table->count + 1) / ((double)hits + 1));
}

/* The sum over the leaves that the document matches. A boost of a tree is that of its leaves. */
static double score_of(struct matcher *matcher, const struct weir_query *query,
		       struct document *document, const double *rarities, size_t *leaf,
		       double boost)
{
	double score = 0;
	if (is_leaf(query)) {
		double rare = rarities[(*leaf)++];
		return matches(matcher, query, document, &score) == YES ? score * boost * rare : 0;
	}
	if (query->kind == WEIR_QUERY_BOOST)
		boost *= query->boost;
	if (query->kind == WEIR_QUERY_NOT)
		boost = 0;
	for (size_t i = 0; i < query->child_count; i++)
		score += score_of(matcher, query->children[i], document, rarities, leaf, boost);
	return score;
}

enum { LEAF_LIMIT = 512 };

static void collect_rarities(struct matcher *matcher, const struct weir_query *query,
			     double *rarities, size_t *count)
{
	if (is_leaf(query) && *count < LEAF_LIMIT)
		rarities[(*count)++] = rarity(matcher, query);
	else if (is_leaf(query))
		matcher->cannot = true;
	for (size_t i = 0; i < query->child_count; i++)
		collect_rarities(matcher, query->children[i], rarities, count);
}

static weir_status say(struct weir_error *error, weir_status status, const char *what)
{
	snprintf(error->message, sizeof(error->message), "frozen: %s", what);
	return status;
}

weir_status match_all(const struct table *table, const struct field *fields, size_t field_count,
		      const struct weir_search *search, const struct weir_host *host,
		      struct match **out, size_t *count, struct weir_error *error)
{
	struct matcher matcher = {fields, field_count, table, false, false};
	double rarities[LEAF_LIMIT], ignored;
	size_t leaves = 0, found = 0;
	struct match *hits = calloc(table->count + 1, sizeof(*hits));
	if (hits == NULL)
		return say(error, WEIR_RETRY, "out of memory");
	if (search->limit > 0)
		collect_rarities(&matcher, search->query, rarities, &leaves);
	bool cancelled = false;
	for (size_t i = 0; i < table->count && !matcher.cannot && !cancelled; i++) {
		struct document *one = table->documents[i];
		size_t leaf = 0;
		cancelled = host->cancelled(host->context) != 0;
		if (one->kind != WEIR_KIND_LIVE ||
		    matches(&matcher, search->query, one, &ignored) != YES ||
		    (search->filter != NULL &&
		     matches(&matcher, search->filter, one, &ignored) != YES))
			continue;
		hits[found].document = one;
		if (search->limit > 0)
			hits[found].score =
				score_of(&matcher, search->query, one, rarities, &leaf, 1);
		found++;
	}
	if (!cancelled && !matcher.cannot && !matcher.no_memory) {
		*out = hits;
		*count = found;
		return WEIR_OK;
	}
	free(hits);
	if (matcher.cannot)
		return say(error, WEIR_FATAL, "it cannot do a part of the query");
	return say(error, WEIR_RETRY, cancelled ? "the search was cancelled" : "out of memory");
}

static int compare_value(const struct value *left, const struct value *right)
{
	if (left->type == WEIR_TYPE_NUMBER)
		return (left->number > right->number) - (left->number < right->number);
	if (!is_text(left->type))
		return (left->integer > right->integer) - (left->integer < right->integer);
	char keys[2][KEY_LIMIT];
	size_t lengths[2] = {words_sort_key(left->text, left->length, keys[0], KEY_LIMIT),
			     words_sort_key(right->text, right->length, keys[1], KEY_LIMIT)};
	int order = memcmp(keys[0], keys[1], lengths[0] < lengths[1] ? lengths[0] : lengths[1]);
	return order != 0 ? order : (lengths[0] > lengths[1]) - (lengths[0] < lengths[1]);
}

static int compare_by(const struct weir_sort_key *key, const struct match *left,
		      const struct match *right)
{
	int sign = key->descending != 0 ? -1 : 1;
	if (key->field == WEIR_FIELD_DEFAULT)
		return sign * ((left->score > right->score) - (left->score < right->score));
	const struct value *values[] = {value_of(left->document, key->field),
					value_of(right->document, key->field)};
	if (values[0] == NULL || values[1] == NULL)
		return (values[0] == NULL) - (values[1] == NULL);
	return sign * compare_value(values[0], values[1]);
}

static int compare_matches(const void *left, const void *right, void *context)
{
	static const struct weir_sort_key by_score = {WEIR_FIELD_DEFAULT, 1};
	const struct weir_search *search = context;
	const struct match *sides[] = {left, right};
	int order = search->sort_count == 0 ? compare_by(&by_score, left, right) : 0;
	for (size_t i = 0; order == 0 && i < search->sort_count; i++)
		order = compare_by(search->sort[i], left, right);
	if (order != 0)
		return order;
	const struct document *a = sides[0]->document, *b = sides[1]->document;
	order = memcmp(a->id, b->id, a->id_length < b->id_length ? a->id_length : b->id_length);
	return order != 0 ? order : (a->id_length > b->id_length) - (a->id_length < b->id_length);
}

void match_sort(const struct weir_search *search, struct match *hits, size_t count)
{
	qsort_r(hits, count, sizeof(*hits), compare_matches, (void *)search);
}
