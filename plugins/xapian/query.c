/* SPDX-License-Identifier: MIT */
#include "query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define DEPTH_LIMIT 256
#define NEAR_LIMIT UINT16_MAX

/* What building a node came to. */
enum outcome {
	MADE,	  /* a node */
	WORDLESS, /* none: its text has no word */
	FAILED,	  /* status and error say why */
};

struct build {
	struct plan *plan;
	const struct query_context *context;
	weir_status status;
	struct weir_error *error;
};

/* What reaches a node from above. */
struct place {
	unsigned depth;
	double boost; /* 0: nothing below scores */
};

/* Children as they come. */
struct list {
	int first, last;
	size_t count;
};
static const struct list empty_list = {NO_NODE, NO_NODE, 0};

void plan_finish(struct plan *plan)
{
	bytes_finish(&plan->text);
	bytes_finish(&plan->words);
	free(plan->nodes);
	free(plan->terms);
	free(plan->places);
	*plan = (struct plan){0};
}

static enum outcome no_memory(struct build *build)
{
	build->status = error_no_memory(build->error);
	return FAILED;
}

static enum outcome make(struct build *build, struct node node, int *made)
{
	struct plan *plan = build->plan;
	struct node *nodes =
		array_grow(plan->nodes, plan->node_count, &plan->node_capacity, sizeof(*nodes));
	if (nodes == NULL)
		return no_memory(build);
	plan->nodes = nodes;
	node.next = NO_NODE;
	*made = (int)plan->node_count;
	nodes[plan->node_count++] = node;
	return MADE;
}

static void list_add(struct build *build, struct list *list, int node)
{
	if (list->last == NO_NODE)
		list->first = node;
	else
		build->plan->nodes[list->last].next = node;
	list->last = node;
	list->count++;
}

/* None is needed to join a single one. */
static enum outcome join(struct build *build, enum node_kind kind, const struct list *list,
			 int *made)
{
	if (list->count == 0)
		return make(build, (struct node){.kind = NODE_NOTHING, .child = NO_NODE}, made);
	if (list->count == 1) {
		*made = list->first;
		return MADE;
	}
	return make(build, (struct node){.kind = kind, .child = list->first}, made);
}

static enum outcome make_nothing(struct build *build, int *made)
{
	return join(build, NODE_OR, &empty_list, made);
}

/* The term is what the plan's text has from start on. mask: as struct query_term has it. */
static enum outcome add_term(struct build *build, size_t start, uint32_t mask)
{
	struct plan *plan = build->plan;
	struct query_term *terms =
		array_grow(plan->terms, plan->term_count, &plan->term_capacity, sizeof(*terms));
	if (terms == NULL)
		return no_memory(build);
	plan->terms = terms;
	terms[plan->term_count++] = (struct query_term){start, plan->text.length - start, mask};
	return MADE;
}

/* Fields of one group that are asked for the same words. */
struct asked {
	size_t group;
	uint32_t mask;
	double boosts[TALLY_FIELDS];
};

static enum outcome add_word(struct build *build, const struct asked *asked, const char *word,
			     size_t length)
{
	size_t start = build->plan->text.length;
	if (!term_append(&build->plan->text, TERM_WORD, asked->group, word, length))
		return no_memory(build);
	return add_term(build, start, asked->mask);
}

/* A node of the terms from first on. */
static enum outcome make_words(struct build *build, enum node_kind kind, size_t first,
			       const struct asked *asked, int *made)
{
	struct node node = {
		.kind = kind,
		.child = NO_NODE,
		.first_term = first,
		.term_count = build->plan->term_count - first,
		.group = asked->group,
	};
	memcpy(node.boosts, asked->boosts, sizeof(node.boosts));
	for (size_t i = 0; i < TALLY_FIELDS; i++)
		if (node.boosts[i] > 0)
			build->plan->is_scored = true;
	return make(build, node, made);
}

static int keep_word(void *context, const char *word, size_t length, const char *stem,
		     size_t stem_length)
{
	struct plan *plan = context;
	struct query_word *places =
		array_grow(plan->places, plan->word_count, &plan->place_capacity, sizeof(*places));
	if (places == NULL)
		return 1;
	plan->places = places;
	size_t offset = plan->words.length;
	places[plan->word_count++] =
		(struct query_word){offset, length, offset + length, stem_length};
	return bytes_append(&plan->words, word, length) &&
			       bytes_append(&plan->words, stem, stem_length)
		       ? 0
		       : 1;
}

static enum outcome split(struct build *build, const struct weir_query *query, const char *language)
{
	struct plan *plan = build->plan;
	const struct weir_host *host = build->context->host;
	plan->words.length = 0;
	plan->word_count = 0;
	plan->language = language;
	if (host->split(host->context, query->text, query->text_length, language, keep_word,
			plan) != 0)
		return no_memory(build);
	return plan->word_count == 0 ? WORDLESS : MADE;
}

/* How the fields of a group take the words from first on. */
typedef enum outcome in_fields(struct build *build, const struct asked *asked,
			       const struct weir_query *query, size_t first, int *made);

struct stem_again {
	const char *stem;
	size_t length;
	bool same;
};

static int compare_stem(void *context, const char *word, size_t length, const char *stem,
			size_t stem_length)
{
	struct stem_again *again = context;
	(void)word;
	(void)length;
	again->same = stem_length == again->length && memcmp(stem, again->stem, stem_length) == 0;
	return 0;
}

/* A stem that is its own is a form as well, though it is not written down. */
static bool is_own_stem(struct build *build, const char *language, const char *stem, size_t length)
{
	struct stem_again again = {stem, length, false};
	const struct weir_host *host = build->context->host;
	return host->split(host->context, stem, length, language, compare_stem, &again) == 0 &&
	       again.same;
}

static const struct field *field_of(const struct build *build, const struct asked *asked,
				    size_t place)
{
	const struct fields *fields = build->context->fields;
	return &fields->fields[fields->worded[asked->group * TALLY_FIELDS + place]];
}

struct forms_context {
	struct build *build;
	const struct asked *asked; /* fields of one language */
	size_t first;		   /* term of the word */
	bool found, failed;
};

/* A form in several languages is one term. */
static enum outcome add_form_once(struct forms_context *forms, const char *word, size_t length)
{
	struct plan *plan = forms->build->plan;
	for (size_t i = forms->first; i < plan->term_count; i++) {
		struct query_term *term = &plan->terms[i];
		const char *text = plan->text.data + term->offset + TERM_PREFIX_LENGTH;
		if ((term->mask & forms->asked->mask) == 0 &&
		    term->length == TERM_PREFIX_LENGTH + length &&
		    memcmp(text, word, length) == 0) {
			term->mask |= forms->asked->mask;
			return MADE;
		}
	}
	return add_word(forms->build, forms->asked, word, length);
}

static int add_form(void *context, const char *word, size_t length)
{
	struct forms_context *forms = context;
	forms->found = true;
	forms->failed = add_form_once(forms, word, length) == FAILED;
	return forms->failed;
}

/* The words of the index that come to the same stem. */
static enum outcome add_forms(struct forms_context *forms, const char *language, const char *stem,
			      size_t length)
{
	struct build *build = forms->build;
	names_each_form(build->context->names, language, stem, length, add_form, forms);
	if (forms->failed)
		return FAILED;
	if (!forms->found || is_own_stem(build, language, stem, length))
		return add_form_once(forms, stem, length);
	return MADE;
}

static bool is_same_language(const char *left, const char *right)
{
	return left == right || (left != NULL && right != NULL && strcmp(left, right) == 0);
}

/* Those of the fields that have the language of the first of them. */
static struct asked of_one_language(const struct build *build, const struct asked *asked)
{
	struct asked part = {.group = asked->group};
	const char *language = field_of(build, asked, (size_t)__builtin_ctz(asked->mask))->language;
	for (uint32_t left = asked->mask; left != 0; left &= left - 1) {
		size_t place = (size_t)__builtin_ctz(left);
		if (is_same_language(field_of(build, asked, place)->language, language))
			part.mask |= 1U << place;
	}
	return part;
}

static enum outcome word_in_fields(struct build *build, const struct asked *asked,
				   const struct weir_query *query, size_t index, int *made)
{
	struct plan *plan = build->plan;
	size_t first = plan->term_count;
	enum outcome outcome = MADE;
	for (struct asked left = *asked; left.mask != 0 && outcome == MADE;) {
		struct asked part = of_one_language(build, &left);
		struct forms_context forms = {build, &part, first, false, false};
		const char *language =
			field_of(build, &part, (size_t)__builtin_ctz(part.mask))->language;
		left.mask &= ~part.mask;
		if (language != NULL && language != plan->language &&
		    split(build, query, language) == FAILED)
			return FAILED;
		const struct query_word *word = &plan->places[index];
		outcome = language != NULL ? add_forms(&forms, language,
						       plan->words.data + word->stem_offset,
						       word->stem_length)
					   : add_form_once(&forms, plan->words.data + word->offset,
							   word->length);
	}
	return outcome == MADE ? make_words(build, NODE_TERMS, first, asked, made) : outcome;
}

static enum outcome beginning_in_fields(struct build *build, const struct asked *asked,
					const struct weir_query *query, size_t index, int *made)
{
	(void)query;
	const struct query_word *place = &build->plan->places[index];
	size_t length = place->length > WEIR_WORD_CUT ? WEIR_WORD_CUT : place->length;
	size_t first = build->plan->term_count;
	if (add_word(build, asked, build->plan->words.data + place->offset, length) == FAILED)
		return FAILED;
	return make_words(build, NODE_BEGINNING, first, asked, made);
}

static enum outcome phrase_in_fields(struct build *build, const struct asked *asked,
				     const struct weir_query *query, size_t first, int *made)
{
	struct plan *plan = build->plan;
	size_t first_term = plan->term_count, count = plan->word_count - first;
	for (size_t i = first; i < plan->word_count; i++)
		if (add_word(build, asked, plan->words.data + plan->places[i].offset,
			     plan->places[i].length) == FAILED)
			return FAILED;
	enum outcome outcome =
		make_words(build, count == 1 ? NODE_TERMS : NODE_PHRASE, first_term, asked, made);
	if (outcome == MADE)
		plan->nodes[*made].distance =
			query->distance < NEAR_LIMIT ? query->distance : NEAR_LIMIT;
	return outcome;
}

/* The field that the query names, or those that are searched; of one group. */
static struct asked asked_of(const struct build *build, const struct weir_query *query,
			     const struct place *place, size_t group)
{
	const struct fields *fields = build->context->fields;
	struct asked asked = {.group = group};
	size_t first = group * TALLY_FIELDS;
	for (size_t i = 0; i < TALLY_FIELDS && first + i < fields->worded_count; i++) {
		size_t number = fields->worded[first + i];
		const struct field *field = &fields->fields[number];
		bool named = query->field == WEIR_FIELD_DEFAULT
				     ? (field->flags & WEIR_FIELD_SEARCH) != 0
				     : (size_t)query->field == number;
		if (!named)
			continue;
		asked.mask |= 1U << i;
		asked.boosts[i] = place->boost * field->boost;
	}
	return asked;
}

static enum outcome over_fields(struct build *build, const struct weir_query *query,
				const struct place *place, in_fields *take, size_t first, int *made)
{
	struct list groups = empty_list;
	for (size_t group = 0; group * TALLY_FIELDS < build->context->fields->worded_count;
	     group++) {
		struct asked asked = asked_of(build, query, place, group);
		if (asked.mask == 0)
			continue;
		int one = NO_NODE;
		if (take(build, &asked, query, first, &one) == FAILED)
			return FAILED;
		list_add(build, &groups, one);
	}
	return join(build, NODE_OR, &groups, made);
}

/* Every word of a TERM; of a PREFIX all but the last, which is a beginning. */
static enum outcome build_words(struct build *build, const struct weir_query *query,
				const struct place *place, int *made)
{
	enum outcome outcome = split(build, query, NULL);
	if (outcome != MADE)
		return outcome;
	struct list words = empty_list;
	size_t count = build->plan->word_count;
	for (size_t i = 0; i < count; i++) {
		bool beginning = query->kind == WEIR_QUERY_PREFIX && i + 1 == count;
		int word = NO_NODE;
		if (over_fields(build, query, place,
				beginning ? beginning_in_fields : word_in_fields, i,
				&word) == FAILED)
			return FAILED;
		list_add(build, &words, word);
	}
	return join(build, NODE_AND, &words, made);
}

static enum outcome build_phrase(struct build *build, const struct weir_query *query,
				 const struct place *place, int *made)
{
	enum outcome outcome = split(build, query, NULL);
	return outcome == MADE ? over_fields(build, query, place, phrase_in_fields, 0, made)
			       : outcome;
}

/* The field that a filter names; NULL when it is not one that can be filtered. */
static const struct field *filter_field(struct build *build, const struct weir_query *query)
{
	if (query->field < 0 || (size_t)query->field >= build->context->fields->count)
		return NULL;
	return &build->context->fields->fields[query->field];
}

static enum outcome build_exact(struct build *build, const struct weir_query *query, int *made)
{
	const struct field *field = filter_field(build, query);
	if (field == NULL || !field_has_exact(field))
		return make_nothing(build, made);
	const char *text = query->lower.text;
	size_t length = query->lower.text_length, number = (size_t)query->field;
	if (field->type == WEIR_TYPE_BOOLEAN) {
		text = query->lower.integer != 0 ? "1" : "0";
		length = 1;
	}
	size_t start = build->plan->text.length, first = build->plan->term_count;
	if (!term_append_exact(&build->plan->text, number, text, length))
		return no_memory(build);
	if (add_term(build, start, 0) == FAILED ||
	    make_words(build, NODE_TERMS, first, &(struct asked){0}, made) == FAILED)
		return FAILED;
	uint32_t ordinal;
	if (build->context->layout->kinds[number] != COLUMN_ORDINAL)
		return MADE;
	struct node *node = &build->plan->nodes[*made];
	if (!names_ordinal(build->context->names, number, text, length, &ordinal)) {
		node->kind = NODE_NOTHING;
		return MADE;
	}
	node->column = COLUMN_FIELDS + number;
	node->lower = (uint64_t)ordinal + 1;
	return MADE;
}

static uint64_t order_of(const struct field *field, const struct weir_value *value)
{
	return field->type == WEIR_TYPE_NUMBER ? order_of_number(value->number)
					       : order_of_integer(value->integer);
}

static enum outcome build_range(struct build *build, const struct weir_query *query, int *made)
{
	const struct field *field = filter_field(build, query);
	if (field == NULL || build->context->layout->kinds[query->field] != COLUMN_ORDER)
		return make_nothing(build, made);
	uint64_t lower = 1, upper = UINT64_MAX;
	uint32_t flags = query->range_flags;
	bool has_lower = (flags & WEIR_RANGE_HAS_LOWER) != 0;
	bool has_upper = (flags & WEIR_RANGE_HAS_UPPER) != 0;
	if (field->type == WEIR_TYPE_NUMBER && ((has_lower && isnan(query->lower.number)) ||
						(has_upper && isnan(query->upper.number))))
		return make_nothing(build, made);
	if (has_lower)
		lower = order_of(field, &query->lower);
	if (has_upper)
		upper = order_of(field, &query->upper);
	/* The orders of two neighbouring values are neighbours: an open end is the next one. */
	if (has_lower && (flags & WEIR_RANGE_LOWER_OPEN) != 0 && lower++ == UINT64_MAX)
		return make_nothing(build, made);
	if (has_upper && (flags & WEIR_RANGE_UPPER_OPEN) != 0)
		upper--;
	if (lower > upper)
		return make_nothing(build, made);
	return make(build,
		    (struct node){.kind = NODE_RANGE,
				  .child = NO_NODE,
				  .column = COLUMN_FIELDS + (size_t)query->field,
				  .lower = lower,
				  .upper = upper},
		    made);
}

static enum outcome build_node(struct build *build, const struct weir_query *query,
			       struct place place, int *made);

/* Takes the children that are words or filters; *made: how many of them are nodes. */
static enum outcome build_children(struct build *build, const struct weir_query *query,
				   const struct place *place, struct list *list)
{
	struct place below = {place->depth + 1, place->boost};
	for (size_t i = 0; i < query->child_count; i++) {
		int child = NO_NODE;
		enum outcome outcome = build_node(build, query->children[i], below, &child);
		if (outcome == FAILED)
			return FAILED;
		if (outcome == MADE)
			list_add(build, list, child);
	}
	return MADE;
}

static enum outcome make_all(struct build *build, int *made)
{
	return make(build, (struct node){.kind = NODE_ALL, .child = NO_NODE}, made);
}

static enum outcome build_group(struct build *build, const struct weir_query *query,
				const struct place *place, int *made)
{
	bool is_and = query->kind == WEIR_QUERY_AND;
	if (is_and && query->child_count == 0)
		return make_all(build, made);
	struct list children = empty_list;
	if (build_children(build, query, place, &children) == FAILED)
		return FAILED;
	if (children.count == 0 && query->child_count > 0)
		return WORDLESS;
	return join(build, is_and ? NODE_AND : NODE_OR, &children, made);
}

static enum outcome build_not(struct build *build, const struct weir_query *query,
			      const struct place *place, int *made)
{
	int child = NO_NODE;
	enum outcome outcome =
		build_node(build, query->children[0], (struct place){place->depth + 1, 0}, &child);
	if (outcome == WORDLESS)
		return make_all(build, made);
	if (outcome == FAILED)
		return FAILED;
	return make(build, (struct node){.kind = NODE_NOT, .child = child}, made);
}

static enum outcome unknown(struct build *build, const char *what)
{
	build->status = error_set(build->error, WEIR_FATAL, "xapian: the query %s", what);
	return FAILED;
}

static double boost_of(const struct weir_query *query)
{
	if (!isfinite(query->boost))
		return 1;
	return query->boost < 0 ? 0 : query->boost;
}

static enum outcome build_node(struct build *build, const struct weir_query *query,
			       struct place place, int *made)
{
	if (place.depth > DEPTH_LIMIT)
		return unknown(build, "is nested too deeply; use fewer parentheses");
	bool single = query->kind == WEIR_QUERY_NOT || query->kind == WEIR_QUERY_BOOST;
	if (single && query->child_count != 1)
		return unknown(build, "has a NOT or BOOST without its one child");
	switch (query->kind) {
	case WEIR_QUERY_ALL:
		return make_all(build, made);
	case WEIR_QUERY_NONE:
		return make_nothing(build, made);
	case WEIR_QUERY_TERM:
	case WEIR_QUERY_PREFIX:
		return build_words(build, query, &place, made);
	case WEIR_QUERY_PHRASE:
		return build_phrase(build, query, &place, made);
	case WEIR_QUERY_EXACT:
		return build_exact(build, query, made);
	case WEIR_QUERY_RANGE:
		return build_range(build, query, made);
	case WEIR_QUERY_AND:
	case WEIR_QUERY_OR:
		return build_group(build, query, &place, made);
	case WEIR_QUERY_NOT:
		return build_not(build, query, &place, made);
	case WEIR_QUERY_BOOST:
		return build_node(build, query->children[0],
				  (struct place){place.depth + 1, place.boost * boost_of(query)},
				  made);
	default:
		return unknown(build, "has a part that this backend cannot do");
	}
}

weir_status plan_build(struct plan *plan, const struct query_context *context,
		       const struct weir_query *query, struct weir_error *error)
{
	plan->text.length = 0;
	plan->node_count = plan->term_count = 0;
	plan->is_scored = false;
	struct build build = {plan, context, WEIR_OK, error};
	struct place top = {0, context->is_filter ? 0 : 1};
	enum outcome outcome = build_node(&build, query, top, &plan->root);
	if (outcome == WORDLESS)
		outcome = make_nothing(&build, &plan->root);
	return outcome == FAILED ? build.status : WEIR_OK;
}
