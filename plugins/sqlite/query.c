/* SPDX-License-Identifier: MIT */
#include "query.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "fulltext.h"

#define DEPTH_LIMIT 256
#define NEST_LIMIT 10 /* FTS5's parser has a stack of 100, of which a join takes up to six */

struct build {
	const struct fields *fields;
	const struct weir_host *host;
	struct query *query;
	bool filters; /* the tree decides only */
	weir_status status;
	struct weir_error *error;
};

static void node_destroy(struct node *node)
{
	if (node == NULL)
		return;
	for (size_t i = 0; i < node->child_count; i++)
		node_destroy(node->children[i]);
	free(node->children);
	bytes_finish(&node->text);
	bytes_finish(&node->weights);
	bytes_finish(&node->wanted);
	free(node);
}

void query_finish(struct query *query)
{
	node_destroy(query->root);
	bytes_finish(&query->text);
	bytes_finish(&query->weights);
	*query = (struct query){0};
}

static struct node *no_memory(struct build *build)
{
	build->status = error_no_memory(build->error);
	return NULL;
}

static struct node *make(struct build *build, enum node_kind kind)
{
	struct node *node = calloc(1, sizeof(*node));
	if (node == NULL)
		return no_memory(build);
	node->kind = kind;
	return node;
}

/* Takes child over, also on failure. */
static bool add_child(struct build *build, struct node *node, struct node *child)
{
	struct node **children = array_grow(node->children, node->child_count,
					    &node->child_capacity, sizeof(struct node *));
	if (children == NULL) {
		node_destroy(child);
		no_memory(build);
		return false;
	}
	node->children = children;
	children[node->child_count++] = child;
	return true;
}

/* Words that a text is split into, one behind the other. */
struct split {
	struct bytes text;
	struct split_word {
		size_t word, word_length, stem, stem_length;
	} * words;
	size_t count, capacity;
};

static void split_finish(struct split *split)
{
	bytes_finish(&split->text);
	free(split->words);
}

static int keep_word(void *context, const char *word, size_t word_length, const char *stem,
		     size_t stem_length)
{
	struct split *split = context;
	struct split_word *words =
		array_grow(split->words, split->count, &split->capacity, sizeof(*words));
	if (words == NULL)
		return -1;
	split->words = words;
	size_t start = split->text.length;
	words[split->count++] =
		(struct split_word){start, word_length, start + word_length, stem_length};
	return bytes_append(&split->text, word, word_length) &&
			       bytes_append(&split->text, stem, stem_length)
		       ? 0
		       : -1;
}

static bool split_text(const struct build *build, const struct weir_query *query,
		       const char *language, struct split *split)
{
	split->count = 0;
	split->text.length = 0;
	return build->host->split(build->host->context, query->text, query->text_length, language,
				  keep_word, split) == 0;
}

/* Inside of quotes only the quote itself means anything to FTS5. */
static bool append_quoted(struct bytes *out, const char *text, size_t length)
{
	bool good = bytes_append(out, "\"", 1);
	for (size_t i = 0; i < length && good; i++)
		good = bytes_append(out, text + i, 1) &&
		       (text[i] != '"' || bytes_append(out, "\"", 1));
	return good && bytes_append(out, "\"", 1);
}

static bool is_asked(const struct build *build, const struct weir_query *query, size_t number)
{
	const struct field *field = &build->fields->fields[number];
	if (!field_has_words(field))
		return false;
	return query->field == WEIR_FIELD_DEFAULT ? (field->flags & WEIR_FIELD_SEARCH) != 0
						  : (size_t)query->field == number;
}

static bool same_language(const struct field *field, const char *language)
{
	if (field->language == NULL || language == NULL)
		return field->language == language;
	return strcmp(field->language, language) == 0;
}

/* "{w0 w2} : ", of the asked fields; in one language when that counts. */
static bool append_columns(const struct build *build, const struct weir_query *query,
			   bool by_language, const char *language, struct bytes *out)
{
	char name[32];
	bool good = bytes_append_text(out, "{");
	for (size_t i = 0; i < build->fields->count && good; i++) {
		const struct field *field = &build->fields->fields[i];
		if (!is_asked(build, query, i) || (by_language && !same_language(field, language)))
			continue;
		snprintf(name, sizeof(name), "w%d ", field->column);
		good = bytes_append_text(out, name);
	}
	return good && bytes_append_text(out, "} : ");
}

/* Whether an asked field before this one has the same language. */
static bool language_is_done(const struct build *build, const struct weir_query *query,
			     size_t number)
{
	const char *language = build->fields->fields[number].language;
	for (size_t i = 0; i < number; i++)
		if (is_asked(build, query, i) && same_language(&build->fields->fields[i], language))
			return true;
	return false;
}

static bool any_asked(const struct build *build, const struct weir_query *query)
{
	for (size_t i = 0; i < build->fields->count; i++)
		if (is_asked(build, query, i))
			return true;
	return false;
}

/* One more phrase in the node's expression. */
static bool count_phrase(struct node *node, double weight)
{
	return bytes_append(&node->weights, &weight, sizeof(weight));
}

/* One word of a TERM: by its stem, which is another in each language. */
static bool append_term(const struct build *build, const struct weir_query *query, size_t index,
			double weight, struct split *split, struct node *node)
{
	bool any = false;
	const char mark = FULLTEXT_MARK;
	struct bytes token = {0};
	bool good = bytes_append_text(&node->text, "(");
	for (size_t i = 0; i < build->fields->count && good; i++) {
		const struct field *field = &build->fields->fields[i];
		if (!is_asked(build, query, i) || language_is_done(build, query, i))
			continue;
		good = split_text(build, query, field->language, split);
		if (!good || index >= split->count)
			break;
		const struct split_word *word = &split->words[index];
		token.length = 0;
		if (field->language != NULL)
			good = bytes_append(&token, &mark, 1) &&
			       bytes_append(&token, split->text.data + word->stem,
					    word->stem_length);
		else
			good = bytes_append(&token, split->text.data + word->word,
					    word->word_length);
		good = good && (!any || bytes_append_text(&node->text, " OR ")) &&
		       append_columns(build, query, true, field->language, &node->text) &&
		       append_quoted(&node->text, token.data, token.length) &&
		       count_phrase(node, weight);
		any = true;
	}
	bytes_finish(&token);
	return good && bytes_append_text(&node->text, ")");
}

/* One word as typed, or the beginning of one. */
static bool append_word(const struct build *build, const struct weir_query *query, const char *text,
			size_t length, bool beginning, double weight, struct node *node)
{
	/* Of a word that is cut, only so much is sure to stand in the index. */
	if (beginning && length > WEIR_WORD_CUT)
		length = WEIR_WORD_CUT;
	return append_columns(build, query, false, NULL, &node->text) &&
	       append_quoted(&node->text, text, length) &&
	       (!beginning || bytes_append_text(&node->text, " *")) && count_phrase(node, weight);
}

/* Every word of a TERM; of a PREFIX all but the last, which is a beginning. */
static bool append_words(const struct build *build, const struct weir_query *query, double weight,
			 struct split *split, struct node *node)
{
	size_t count = split->count;
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && !bytes_append_text(&node->text, " AND "))
			return false;
		bool good;
		if (query->kind == WEIR_QUERY_PREFIX && i + 1 == count) {
			good = split_text(build, query, NULL, split) &&
			       append_word(build, query, split->text.data + split->words[i].word,
					   split->words[i].word_length, true, weight, node);
		} else {
			good = append_term(build, query, i, weight, split, node);
		}
		if (!good)
			return false;
	}
	return true;
}

static bool append_phrase(const struct build *build, const struct weir_query *query, double weight,
			  const struct split *split, struct node *node)
{
	struct bytes phrase = {0};
	bool good = true;
	for (size_t i = 0; i < split->count && good; i++)
		good = (i == 0 || bytes_append(&phrase, " ", 1)) &&
		       bytes_append(&phrase, split->text.data + split->words[i].word,
				    split->words[i].word_length);
	good = good && append_word(build, query, phrase.data, phrase.length, false, weight, node);
	bytes_finish(&phrase);
	return good;
}

/* The first of the words that is the same as this one. */
static size_t first_of(const struct split *split, size_t index)
{
	const struct split_word *word = &split->words[index];
	for (size_t i = 0; i < index; i++)
		if (split->words[i].word_length == word->word_length &&
		    memcmp(split->text.data + split->words[i].word, split->text.data + word->word,
			   word->word_length) == 0)
			return i;
	return index;
}

static bool append_near(const struct build *build, const struct weir_query *query, double weight,
			const struct split *split, struct node *node)
{
	node->window = (uint64_t)split->count + query->distance;
	for (size_t i = 0; i < split->count; i++) {
		const struct split_word *word = &split->words[i];
		uint32_t wanted = 0;
		if (first_of(split, i) != i)
			continue;
		for (size_t j = i; j < split->count; j++)
			wanted += first_of(split, j) == i;
		if ((i > 0 && !bytes_append_text(&node->text, " AND ")) ||
		    !bytes_append(&node->wanted, &wanted, sizeof(wanted)) ||
		    !append_word(build, query, split->text.data + word->word, word->word_length,
				 false, weight, node))
			return false;
	}
	return true;
}

/* A scoring leaf is noted once more, beside the tree. */
static bool note_scoring(struct build *build, struct node *leaf)
{
	struct query *query = build->query;
	if (build->filters)
		return true;
	leaf->scoring = 1;
	query->scoring++;
	return (query->text.length == 0 || bytes_append_text(&query->text, " OR ")) &&
	       bytes_append_text(&query->text, "(") &&
	       bytes_append(&query->text, leaf->text.data, leaf->text.length) &&
	       bytes_append_text(&query->text, ")") &&
	       bytes_append(&query->weights, leaf->weights.data, leaf->weights.length);
}

/* TERM, PHRASE, PREFIX. NULL with status WEIR_OK: its text has no word. */
static struct node *build_leaf(struct build *build, const struct weir_query *query, double weight)
{
	struct split split = {0};
	struct node *node = NULL;
	bool good = split_text(build, query, NULL, &split);
	if (good && split.count > 0) {
		bool asked = any_asked(build, query);
		bool near =
			query->kind == WEIR_QUERY_PHRASE && query->distance > 0 && split.count > 1;
		node = make(build, !asked ? NODE_NOTHING : near ? NODE_NEAR : NODE_MATCH);
		if (node == NULL || !asked)
			good = node != NULL;
		else if (near)
			good = append_near(build, query, weight, &split, node);
		else if (query->kind == WEIR_QUERY_PHRASE)
			good = append_phrase(build, query, weight, &split, node);
		else
			good = append_words(build, query, weight, &split, node);
		good = good && (!asked || weight == 0 || note_scoring(build, node));
	}
	split_finish(&split);
	if (good)
		return node;
	node_destroy(node);
	return no_memory(build);
}

/* Whether the field that a filter names is one that can be asked so. */
static struct node *build_filter(struct build *build, const struct weir_query *query)
{
	bool exact = query->kind == WEIR_QUERY_EXACT, good = false;
	if (query->field >= 0 && (size_t)query->field < build->fields->count) {
		const struct field *field = &build->fields->fields[query->field];
		good = exact ? field_has_exact(field)
			     : field_has_number(field) && field->type != WEIR_TYPE_BOOLEAN;
	}
	struct node *node = make(build, !good ? NODE_NOTHING : exact ? NODE_EXACT : NODE_RANGE);
	if (node != NULL)
		node->query = query;
	return node;
}

static bool is_match(const struct node *node)
{
	return node->kind == NODE_MATCH && node->nested < NEST_LIMIT;
}

static bool is_not_match(const struct node *node)
{
	return node->kind == NODE_NOT && is_match(node->children[0]);
}

/* The join's part that is wanted, or the one that is not: all such children with a word between. */
static bool append_matches(const struct node *node, bool negated, const char *between,
			   struct node *joined, size_t *count)
{
	for (size_t i = 0; i < node->child_count; i++) {
		const struct node *match = node->children[i];
		if (negated ? !is_not_match(match) : !is_match(match))
			continue;
		if (negated)
			match = match->children[0];
		if (((*count)++ > 0 && !bytes_append_text(&joined->text, between)) ||
		    !bytes_append_text(&joined->text, "(") ||
		    !bytes_append(&joined->text, match->text.data, match->text.length) ||
		    !bytes_append_text(&joined->text, ")") ||
		    !bytes_append(&joined->weights, match->weights.data, match->weights.length))
			return false;
		joined->scoring += match->scoring;
		if (match->nested >= joined->nested)
			joined->nested = match->nested + 1;
	}
	return true;
}

static size_t count_children(const struct node *node, bool (*is_one)(const struct node *))
{
	size_t count = 0;
	for (size_t i = 0; i < node->child_count; i++)
		count += is_one(node->children[i]);
	return count;
}

/* (a) AND (b) NOT ((c) OR (d)) */
static bool append_join(const struct node *node, bool negated, struct node *joined)
{
	size_t count = 0;
	if (!append_matches(node, false, node->kind == NODE_AND ? " AND " : " OR ", joined, &count))
		return false;
	if (!negated)
		return true;
	count = 0;
	if (!bytes_append_text(&joined->text, " NOT (") ||
	    !append_matches(node, true, " OR ", joined, &count))
		return false;
	joined->nested++;
	return bytes_append_text(&joined->text, ")");
}

/* Replaces the children that are MATCH, and in an AND those that deny one, by one that joins them.
 */
static bool join_matches(struct build *build, struct node *node)
{
	size_t wanted = count_children(node, is_match), kept = 0;
	bool negated =
		node->kind == NODE_AND && wanted > 0 && count_children(node, is_not_match) > 0;
	if (wanted < 2 && !negated)
		return true;
	struct node *joined = make(build, NODE_MATCH);
	if (joined == NULL)
		return false;
	if (!append_join(node, negated, joined)) {
		node_destroy(joined);
		no_memory(build);
		return false;
	}
	for (size_t i = 0; i < node->child_count; i++) {
		struct node *child = node->children[i];
		if (is_match(child) || (negated && is_not_match(child)))
			node_destroy(child);
		else
			node->children[kept++] = child;
	}
	node->child_count = kept;
	return add_child(build, node, joined);
}

/* Takes the node apart: its only child, or what it says when it has none. */
static struct node *only_child(struct node *node)
{
	struct node *child = node->children[0];
	node->child_count = 0;
	node_destroy(node);
	return child;
}

static struct node *turn_into(struct node *node, enum node_kind kind)
{
	for (size_t i = 0; i < node->child_count; i++)
		node_destroy(node->children[i]);
	node->child_count = 0;
	node->kind = kind;
	return node;
}

/* Removes what changes nothing, and joins what FTS5 can answer at once. */
static struct node *simplify(struct build *build, struct node *node)
{
	bool and = node->kind == NODE_AND;
	enum node_kind neutral = and? NODE_EVERYTHING : NODE_NOTHING;
	enum node_kind decisive = and? NODE_NOTHING : NODE_EVERYTHING;
	size_t kept = 0;
	for (size_t i = 0; i < node->child_count; i++)
		if (node->children[i]->kind == decisive)
			return turn_into(node, decisive);
	for (size_t i = 0; i < node->child_count; i++) {
		if (node->children[i]->kind == neutral)
			node_destroy(node->children[i]);
		else
			node->children[kept++] = node->children[i];
	}
	node->child_count = kept;
	if (kept == 0)
		return turn_into(node, neutral);
	if (!join_matches(build, node)) {
		node_destroy(node);
		return NULL;
	}
	return node->child_count == 1 ? only_child(node) : node;
}

static struct node *build_node(struct build *build, const struct weir_query *query, double weight,
			       unsigned depth);

static struct node *build_join(struct build *build, const struct weir_query *query, double weight,
			       unsigned depth)
{
	struct node *node = make(build, query->kind == WEIR_QUERY_AND ? NODE_AND : NODE_OR);
	for (size_t i = 0; i < query->child_count && node != NULL; i++) {
		struct node *child = build_node(build, query->children[i], weight, depth + 1);
		if (build->status != WEIR_OK || (child != NULL && !add_child(build, node, child))) {
			node_destroy(node);
			return NULL;
		}
	}
	if (node == NULL)
		return NULL;
	if (node->child_count == 0 && query->child_count > 0) {
		node_destroy(node);
		return NULL; /* no child has a word */
	}
	return simplify(build, node);
}

static struct node *build_not(struct build *build, const struct weir_query *query, unsigned depth)
{
	struct node *child = build_node(build, query->children[0], 0, depth + 1);
	if (build->status != WEIR_OK)
		return NULL;
	if (child == NULL)
		return make(build, NODE_EVERYTHING);
	if (child->kind == NODE_EVERYTHING || child->kind == NODE_NOTHING) {
		child->kind = child->kind == NODE_NOTHING ? NODE_EVERYTHING : NODE_NOTHING;
		return child;
	}
	if (child->kind == NODE_NOT)
		return only_child(child);
	struct node *node = make(build, NODE_NOT);
	if (node == NULL) {
		node_destroy(child);
		return NULL;
	}
	if (add_child(build, node, child))
		return node;
	node_destroy(node);
	return NULL;
}

static struct node *unknown(struct build *build, const char *what)
{
	build->status = error_set(build->error, WEIR_FATAL, "sqlite: the query %s", what);
	return NULL;
}

/* NULL with status WEIR_OK: its text has no word. */
static struct node *build_node(struct build *build, const struct weir_query *query, double weight,
			       unsigned depth)
{
	if (depth > DEPTH_LIMIT)
		return unknown(build, "is nested too deeply; use fewer parentheses");
	bool single = query->kind == WEIR_QUERY_NOT || query->kind == WEIR_QUERY_BOOST;
	if (single && query->child_count != 1)
		return unknown(build, "has a NOT or BOOST without its one child");
	switch (query->kind) {
	case WEIR_QUERY_ALL:
		return make(build, NODE_EVERYTHING);
	case WEIR_QUERY_NONE:
		return make(build, NODE_NOTHING);
	case WEIR_QUERY_TERM:
	case WEIR_QUERY_PREFIX:
	case WEIR_QUERY_PHRASE:
		return build_leaf(build, query, weight);
	case WEIR_QUERY_EXACT:
	case WEIR_QUERY_RANGE:
		return build_filter(build, query);
	case WEIR_QUERY_AND:
	case WEIR_QUERY_OR:
		return build_join(build, query, weight, depth);
	case WEIR_QUERY_NOT:
		return build_not(build, query, depth);
	case WEIR_QUERY_BOOST:
		if (isfinite(query->boost))
			weight *= query->boost > 0 ? query->boost : 0;
		return build_node(build, query->children[0], weight, depth + 1);
	default:
		return unknown(build, "has a part that this backend cannot do");
	}
}

/* A tree by itself: text without words matches nothing. */
static struct node *build_tree(struct build *build, const struct weir_query *tree, double weight)
{
	struct node *root = build_node(build, tree, weight, 0);
	if (root == NULL && build->status == WEIR_OK)
		root = make(build, NODE_NOTHING);
	return root;
}

/* Takes an AND's children over instead of itself. */
static bool add_conjuncts(struct build *build, struct node *node, struct node *child)
{
	if (child->kind != NODE_AND)
		return add_child(build, node, child);
	bool good = true;
	for (size_t i = 0; i < child->child_count; i++)
		if (good)
			good = add_child(build, node, child->children[i]);
		else
			node_destroy(child->children[i]);
	child->child_count = 0;
	node_destroy(child);
	return good;
}

weir_status query_create(const struct fields *fields, const struct weir_host *host,
			 const struct weir_query *tree, const struct weir_query *filter,
			 struct query *query, struct weir_error *error)
{
	*query = (struct query){0};
	struct build build = {fields, host, query, false, WEIR_OK, error};
	struct node *root = build_tree(&build, tree, 1);
	if (root != NULL && filter != NULL) {
		struct node *both = make(&build, NODE_AND);
		build.filters = true;
		struct node *second = both != NULL ? build_tree(&build, filter, 0) : NULL;
		if (second == NULL) {
			node_destroy(both);
			node_destroy(root);
			root = NULL;
		} else if (!add_conjuncts(&build, both, root)) {
			node_destroy(second);
			node_destroy(both);
			root = NULL;
		} else if (!add_conjuncts(&build, both, second)) {
			node_destroy(both);
			root = NULL;
		} else {
			root = simplify(&build, both);
		}
	}
	query->root = root;
	if (root == NULL)
		query_finish(query);
	return build.status;
}
