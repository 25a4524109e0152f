/* SPDX-License-Identifier: MIT */
#include "oracle.h"

#include <stdio.h>

enum { DOCUMENT_LIMIT = 8192, ANSWER_SIZE = 1 << 20, SORT_LIMIT = 256 };

/* Every word and stem has a number. */
enum { WORD_LIMIT = 1 << 16 };
static struct {
	char *text;
	size_t length;
} vocabulary[WORD_LIMIT];
static size_t word_count;

struct words {
	uint32_t *words, *stems;
	size_t count, capacity;
};

struct value {
	bool there;
	char *text;
	size_t length;
	struct words words; /* TEXT, KEYWORD */
	double number;
	int64_t integer;
};

struct document {
	char *id;
	bool hidden;
	int64_t version;
	struct value values[FIELD_COUNT];
};

/* In byte order of id; the committed ones are kept apart. */
static struct document *documents[DOCUMENT_LIMIT], *committed[DOCUMENT_LIMIT];
static size_t document_count, committed_count;

static uint32_t number_of(const char *text, size_t length)
{
	static uint32_t slots[WORD_LIMIT * 2];
	uint32_t hash = 2166136261U;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619U;
	for (uint32_t at = hash;; at++) {
		uint32_t *slot = &slots[at % (WORD_LIMIT * 2)];
		if (*slot == 0) {
			REQUIRE(word_count < WORD_LIMIT);
			vocabulary[word_count].text = malloc(length + 1);
			REQUIRE(vocabulary[word_count].text != NULL);
			memcpy(vocabulary[word_count].text, text, length);
			vocabulary[word_count].length = length;
			*slot = (uint32_t)++word_count;
			return *slot - 1;
		}
		if (vocabulary[*slot - 1].length == length &&
		    memcmp(vocabulary[*slot - 1].text, text, length) == 0)
			return *slot - 1;
	}
}

static int on_word(void *context, const char *word, size_t length, const char *stem,
		   size_t stem_length)
{
	struct words *words = context;
	if (words->count == words->capacity) {
		words->capacity = words->capacity * 2 + 8;
		words->words = realloc(words->words, words->capacity * sizeof(uint32_t));
		words->stems = realloc(words->stems, words->capacity * sizeof(uint32_t));
		REQUIRE(words->words != NULL && words->stems != NULL);
	}
	words->words[words->count] = number_of(word, length);
	words->stems[words->count++] = number_of(stem, stem_length);
	return 0;
}

static struct words split(const char *text, size_t length, const char *language)
{
	struct words words = {0};
	REQUIRE(host.split(host.context, text, length, language, on_word, &words) == 0);
	return words;
}

static void words_free(struct words *words)
{
	free(words->words);
	free(words->stems);
}

static void document_free(struct document *document)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		free(document->values[i].text);
		words_free(&document->values[i].words);
	}
	free(document->id);
	free(document);
}

static bool has_words(int field)
{
	uint32_t type = collection.fields[field]->type;
	return type == WEIR_TYPE_TEXT || type == WEIR_TYPE_KEYWORD;
}

static struct document *make_document(const struct item *item)
{
	struct document *made = calloc(1, sizeof(*made));
	struct weir_value values[FIELD_COUNT];
	REQUIRE(made != NULL);
	made->id = strdup(item->id);
	made->hidden = item->hidden;
	made->version = item->version;
	size_t count = item->hidden ? 0 : item_values(item, values);
	for (size_t i = 0; i < count; i++) {
		struct value *value = &made->values[values[i].field];
		value->there = true;
		value->length = values[i].text_length;
		value->text = malloc(value->length + 1);
		REQUIRE(value->text != NULL);
		memcpy(value->text, values[i].text, value->length);
		value->number = values[i].number;
		value->integer = values[i].integer;
		if (has_words(values[i].field))
			value->words = split(value->text, value->length,
					     collection.fields[values[i].field]->language);
	}
	return made;
}

static bool is_committed(const struct document *document)
{
	for (size_t i = 0; i < committed_count; i++)
		if (committed[i] == document)
			return true;
	return false;
}

void oracle_put(const struct item *item)
{
	struct document *made = make_document(item);
	size_t place = 0;
	while (place < document_count && strcmp(documents[place]->id, made->id) < 0)
		place++;
	if (place < document_count && strcmp(documents[place]->id, made->id) == 0) {
		if (!is_committed(documents[place]))
			document_free(documents[place]);
		documents[place] = made;
		return;
	}
	REQUIRE(document_count < DOCUMENT_LIMIT);
	memmove(&documents[place + 1], &documents[place],
		(document_count - place) * sizeof(documents[0]));
	documents[place] = made;
	document_count++;
}

/* What only the one table holds goes with it. */
static void drop(struct document **from, size_t count, struct document **kept, size_t kept_count)
{
	for (size_t i = 0, j = 0; i < count; i++) {
		while (j < kept_count && strcmp(kept[j]->id, from[i]->id) < 0)
			j++;
		if (j == kept_count || kept[j] != from[i])
			document_free(from[i]);
	}
}

void oracle_commit(void)
{
	drop(committed, committed_count, documents, document_count);
	memcpy(committed, documents, document_count * sizeof(documents[0]));
	committed_count = document_count;
}

void oracle_abandon(void)
{
	drop(documents, document_count, committed, committed_count);
	memcpy(documents, committed, committed_count * sizeof(documents[0]));
	document_count = committed_count;
}

void oracle_clear(void)
{
	document_count = 0;
	oracle_commit();
}

/* What a node comes to for one document. */
enum verdict {
	MISSES,
	MATCHES,
	WORDLESS, /* as if it were not there */
};

/* A query with its words. */
struct node {
	const struct weir_query *query;
	struct words words[FIELD_COUNT]; /* by the language of each field */
	const char *last; /* PREFIX: of the last word, as much as is sure to be there */
	size_t last_length;
	struct node *children;
};

static void node_init(struct node *node, const struct weir_query *query)
{
	*node = (struct node){.query = query};
	bool worded = query->kind == WEIR_QUERY_TERM || query->kind == WEIR_QUERY_PHRASE ||
		      query->kind == WEIR_QUERY_PREFIX;
	for (int field = 0; worded && field < FIELD_COUNT; field++)
		node->words[field] =
			split(query->text, query->text_length, collection.fields[field]->language);
	if (worded && node->words[0].count > 0) {
		uint32_t last = node->words[0].words[node->words[0].count - 1];
		node->last = vocabulary[last].text;
		node->last_length = vocabulary[last].length;
		if (node->last_length > WEIR_WORD_CUT)
			node->last_length = WEIR_WORD_CUT;
	}
	if (query->child_count > 0) {
		node->children = calloc(query->child_count, sizeof(struct node));
		REQUIRE(node->children != NULL);
	}
	for (size_t i = 0; i < query->child_count; i++)
		node_init(&node->children[i], query->children[i]);
}

static void node_finish(struct node *node)
{
	for (size_t i = 0; i < node->query->child_count; i++)
		node_finish(&node->children[i]);
	for (size_t i = 0; i < FIELD_COUNT; i++)
		words_free(&node->words[i]);
	free(node->children);
}

static bool is_named(const struct weir_query *query, int field)
{
	if (query->field != WEIR_FIELD_DEFAULT)
		return query->field == field;
	return (collection.fields[field]->flags & WEIR_FIELD_SEARCH) != 0;
}

static bool holds_stem(const struct words *words, uint32_t stem)
{
	for (size_t i = 0; i < words->count; i++)
		if (words->stems[i] == stem)
			return true;
	return false;
}

static bool holds_beginning(const struct words *words, const struct node *node)
{
	for (size_t i = 0; i < words->count; i++)
		if (vocabulary[words->words[i]].length >= node->last_length &&
		    memcmp(vocabulary[words->words[i]].text, node->last, node->last_length) == 0)
			return true;
	return false;
}

/* Each word in one of the fields; of a PREFIX the last is a beginning. */
static bool terms_fit(const struct document *document, const struct node *node)
{
	size_t count = node->words[0].count;
	for (size_t i = 0; i < count; i++) {
		bool beginning = node->query->kind == WEIR_QUERY_PREFIX && i + 1 == count;
		bool found = false;
		for (int field = 0; field < FIELD_COUNT && !found; field++) {
			const struct words *here = &document->values[field].words;
			if (is_named(node->query, field))
				found = beginning ? holds_beginning(here, node)
						  : holds_stem(here, node->words[field].stems[i]);
		}
		if (!found)
			return false;
	}
	return true;
}

/* Whether the places from first on, so many, hold all wanted words, each as often as wanted. */
static bool window_holds(const struct words *here, size_t first, uint64_t size,
			 const struct words *wanted)
{
	bool used[1024];
	size_t end = size < here->count - first ? first + (size_t)size : here->count;
	REQUIRE(end - first <= sizeof(used));
	memset(used, 0, end - first);
	for (size_t i = 0; i < wanted->count; i++) {
		size_t place = first;
		while (place < end &&
		       (used[place - first] || here->words[place] != wanted->words[i]))
			place++;
		if (place == end)
			return false;
		used[place - first] = true;
	}
	return true;
}

static bool has_phrase(const struct words *here, const struct words *wanted, uint32_t distance)
{
	for (size_t first = 0; first < here->count; first++) {
		if (distance > 0) {
			if (window_holds(here, first, (uint64_t)wanted->count + distance, wanted))
				return true;
			continue;
		}
		size_t same = 0;
		while (same < wanted->count && first + same < here->count &&
		       here->words[first + same] == wanted->words[same])
			same++;
		if (same == wanted->count)
			return true;
	}
	return false;
}

static bool phrase_fits(const struct document *document, const struct node *node)
{
	for (int field = 0; field < FIELD_COUNT; field++)
		if (is_named(node->query, field) &&
		    has_phrase(&document->values[field].words, &node->words[field],
			       node->query->distance))
			return true;
	return false;
}

#define IN_RANGE(query, member, value)                                                             \
	((((query)->range_flags & WEIR_RANGE_HAS_LOWER) == 0 ||                                    \
	  (((query)->range_flags & WEIR_RANGE_LOWER_OPEN) != 0                                     \
		   ? (value) > (query)->lower.member                                               \
		   : (value) >= (query)->lower.member)) &&                                         \
	 (((query)->range_flags & WEIR_RANGE_HAS_UPPER) == 0 ||                                    \
	  (((query)->range_flags & WEIR_RANGE_UPPER_OPEN) != 0                                     \
		   ? (value) < (query)->upper.member                                               \
		   : (value) <= (query)->upper.member)))

static bool range_fits(const struct value *value, const struct weir_query *query)
{
	if (!value->there)
		return false;
	if (collection.fields[query->field]->type == WEIR_TYPE_NUMBER)
		return IN_RANGE(query, number, value->number);
	return IN_RANGE(query, integer, value->integer);
}

static bool exact_fits(const struct value *value, const struct weir_query *query)
{
	if (!value->there)
		return false;
	if (collection.fields[query->field]->type == WEIR_TYPE_BOOLEAN)
		return value->integer == query->lower.integer;
	return value->length == query->lower.text_length &&
	       memcmp(value->text, query->lower.text, value->length) == 0;
}

static enum verdict judge(const struct document *document, const struct node *node);

static enum verdict judge_children(const struct document *document, const struct node *node)
{
	size_t matching = 0, missing = 0, count = node->query->child_count;
	for (size_t i = 0; i < count; i++) {
		enum verdict verdict = judge(document, &node->children[i]);
		matching += verdict == MATCHES;
		missing += verdict == MISSES;
	}
	if (count > 0 && matching + missing == 0)
		return WORDLESS;
	bool matches = node->query->kind == WEIR_QUERY_OR ? matching > 0 : missing == 0;
	return matches ? MATCHES : MISSES;
}

static enum verdict judge(const struct document *document, const struct node *node)
{
	const struct weir_query *query = node->query;
	bool matches = false;
	switch (query->kind) {
	case WEIR_QUERY_ALL:
		return MATCHES;
	case WEIR_QUERY_NONE:
		return MISSES;
	case WEIR_QUERY_AND:
	case WEIR_QUERY_OR:
		return judge_children(document, node);
	case WEIR_QUERY_NOT:
		return judge(document, &node->children[0]) == MATCHES ? MISSES : MATCHES;
	case WEIR_QUERY_BOOST:
		return judge(document, &node->children[0]);
	case WEIR_QUERY_RANGE:
		matches = range_fits(&document->values[query->field], query);
		break;
	case WEIR_QUERY_EXACT:
		matches = exact_fits(&document->values[query->field], query);
		break;
	default:
		if (node->words[0].count == 0)
			return WORDLESS;
		matches = query->kind == WEIR_QUERY_PHRASE ? phrase_fits(document, node)
							   : terms_fit(document, node);
		break;
	}
	return matches ? MATCHES : MISSES;
}

/* Those that match, in order of id. */
static size_t find(const struct weir_query *query, const struct weir_query *filter,
		   const struct document **found)
{
	struct node node, filter_node;
	size_t count = 0;
	node_init(&node, query);
	if (filter != NULL)
		node_init(&filter_node, filter);
	for (size_t i = 0; i < document_count; i++) {
		bool matches = !documents[i]->hidden && judge(documents[i], &node) == MATCHES;
		if (matches && filter != NULL)
			matches = judge(documents[i], &filter_node) == MATCHES;
		if (matches)
			found[count++] = documents[i];
	}
	node_finish(&node);
	if (filter != NULL)
		node_finish(&filter_node);
	return count;
}

static const struct document *results[DOCUMENT_LIMIT];
static char answer[ANSWER_SIZE];

static const char *write_ids(size_t offset, size_t end)
{
	size_t at = 0;
	answer[0] = '\0';
	for (size_t i = offset; i < end; i++)
		at += (size_t)snprintf(answer + at, ANSWER_SIZE - at, "%s%s", at > 0 ? " " : "",
				       results[i]->id);
	return answer;
}

const char *oracle_matches(const struct weir_query *query, const struct weir_query *filter)
{
	return write_ids(0, find(query, filter, results));
}

static int compare_values(int field, const struct value *left, const struct value *right)
{
	char keys[2][SORT_LIMIT];
	if (collection.fields[field]->type == WEIR_TYPE_NUMBER)
		return (left->number > right->number) - (left->number < right->number);
	if (!has_words(field))
		return (left->integer > right->integer) - (left->integer < right->integer);
	size_t lengths[2] = {
		host.sort_key(host.context, left->text, left->length, keys[0], SORT_LIMIT),
		host.sort_key(host.context, right->text, right->length, keys[1], SORT_LIMIT),
	};
	size_t shorter = lengths[0] < lengths[1] ? lengths[0] : lengths[1];
	int order = memcmp(keys[0], keys[1], shorter);
	return order != 0 ? order : (lengths[0] > lengths[1]) - (lengths[0] < lengths[1]);
}

static struct weir_sort_key sort_keys[8];
static size_t sort_count;

static int compare_documents(const void *one, const void *other)
{
	const struct document *left = *(const struct document *const *)one;
	const struct document *right = *(const struct document *const *)other;
	for (size_t i = 0; i < sort_count; i++) {
		int field = sort_keys[i].field;
		const struct value *first = &left->values[field], *second = &right->values[field];
		if (first->there != second->there)
			return first->there ? -1 : 1;
		int order = first->there ? compare_values(field, first, second) : 0;
		if (order != 0)
			return sort_keys[i].descending ? -order : order;
	}
	return strcmp(left->id, right->id);
}

const char *oracle_ordered(const struct weir_query *query, const struct weir_query *filter,
			   const char *sort, size_t offset, size_t limit)
{
	size_t count = find(query, filter, results);
	sort_count = read_sort(sort, sort_keys);
	qsort(results, count, sizeof(results[0]), compare_documents);
	size_t end = offset < count && limit < count - offset ? offset + limit : count;
	return write_ids(offset, end);
}

/* A value of some of the results. */
struct counted {
	const char *text;
	size_t length;
	uint64_t count;
};

static int compare_texts(const void *left, const void *right)
{
	const struct counted *one = left, *other = right;
	size_t shorter = one->length < other->length ? one->length : other->length;
	int order = memcmp(one->text, other->text, shorter);
	return order != 0 ? order : (one->length > other->length) - (one->length < other->length);
}

static int compare_counts(const void *left, const void *right)
{
	const struct counted *one = left, *other = right;
	if (one->count != other->count)
		return one->count > other->count ? -1 : 1;
	return compare_texts(left, right);
}

static struct counted counts[DOCUMENT_LIMIT];

static size_t count_values(int32_t field, size_t result_count)
{
	size_t count = 0, kept = 0;
	for (size_t i = 0; i < result_count; i++) {
		const struct value *value = &results[i]->values[field];
		struct counted one = {value->text, value->length, 1};
		if (!value->there)
			continue;
		if (collection.fields[field]->type == WEIR_TYPE_BOOLEAN) {
			one.text = value->integer != 0 ? "true" : "false";
			one.length = strlen(one.text);
		}
		counts[count++] = one;
	}
	qsort(counts, count, sizeof(counts[0]), compare_texts);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && compare_texts(&counts[kept - 1], &counts[i]) == 0)
			counts[kept - 1].count++;
		else
			counts[kept++] = counts[i];
	}
	qsort(counts, kept, sizeof(counts[0]), compare_counts);
	return kept;
}

const char *oracle_counted(const struct weir_query *query, const struct weir_query *filter,
			   const int32_t *fields, size_t field_count, size_t limit)
{
	static char text[65536];
	size_t result_count = find(query, filter, results), at = 0;
	answer[0] = '\0';
	for (size_t i = 0; i < field_count; i++) {
		size_t count = count_values(fields[i], result_count);
		if (count == 0 || limit == 0)
			continue;
		at += (size_t)snprintf(answer + at, ANSWER_SIZE - at, "%s%s:", at > 0 ? "; " : "",
				       collection.fields[fields[i]]->name);
		for (size_t j = 0; j < count && j < limit; j++) {
			write_value(text, counts[j].text, counts[j].length);
			at += (size_t)snprintf(answer + at, ANSWER_SIZE - at, " %s=%llu", text,
					       (unsigned long long)counts[j].count);
		}
	}
	return answer;
}

const char *oracle_scan(void)
{
	size_t at = 0;
	answer[0] = '\0';
	for (size_t i = 0; i < document_count; i++)
		at += (size_t)snprintf(answer + at, ANSWER_SIZE - at, "%s%s@%lld%s",
				       at > 0 ? " " : "", documents[i]->id,
				       (long long)documents[i]->version,
				       documents[i]->hidden ? "h" : "");
	return answer;
}
