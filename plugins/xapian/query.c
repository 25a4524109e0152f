/* SPDX-License-Identifier: MIT */
#include "query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "forms.h"
#include "sequence.h"

#define DEPTH_LIMIT 256

/* What building a node came to. */
enum outcome {
	MADE,	  /* one query more on the stack */
	WORDLESS, /* none: its text has no word */
	FAILED,	  /* status and error say why */
};

struct build {
	struct query_builder *builder;
	const struct fields *fields;
	const struct weir_host *host;
	struct xapian_database *database; /* the forms of a word are asked of it */
	weir_status status;
	struct weir_error *error;
};

void query_builder_finish(struct query_builder *builder)
{
	bytes_finish(&builder->text);
	bytes_finish(&builder->words);
	bytes_finish(&builder->forms);
	free(builder->steps);
	free(builder->places);
	*builder = (struct query_builder){0};
}

static enum outcome no_memory(struct build *build)
{
	build->status = error_no_memory(build->error);
	return FAILED;
}

static enum outcome push(struct build *build, struct xapian_step step)
{
	struct query_builder *builder = build->builder;
	struct xapian_step *steps = array_grow(builder->steps, builder->step_count,
					       &builder->step_capacity, sizeof(*steps));
	if (steps == NULL)
		return no_memory(build);
	builder->steps = steps;
	steps[builder->step_count++] = step;
	return MADE;
}

/* A step over the topmost count queries; none is needed to join a single one. */
static enum outcome push_join(struct build *build, enum xapian_step_kind kind, uint32_t count)
{
	if (count == 0)
		return push(build, (struct xapian_step){.kind = XAPIAN_STEP_NOTHING});
	if (count == 1)
		return MADE;
	return push(build, (struct xapian_step){.kind = kind, .count = count});
}

static enum outcome push_scale(struct build *build, double scale)
{
	if (!isfinite(scale) || scale == 1)
		return MADE;
	if (scale < 0)
		scale = 0;
	return push(build,
		    (struct xapian_step){.kind = XAPIAN_STEP_SCALE, .count = 1, .scale = scale});
}

/* The term is what the builder's text has from start on. */
static enum outcome push_text(struct build *build, enum xapian_step_kind kind, size_t start)
{
	size_t length = build->builder->text.length - start;
	return push(build, (struct xapian_step){
				   .kind = kind,
				   .offset = (uint32_t)start,
				   .length = (uint32_t)length,
			   });
}

static enum outcome push_live(struct build *build)
{
	size_t start = build->builder->text.length;
	if (!bytes_append(&build->builder->text, TERM_LIVE, strlen(TERM_LIVE)))
		return no_memory(build);
	if (push_text(build, XAPIAN_STEP_TERM, start) == FAILED)
		return FAILED;
	return push_scale(build, 0);
}

static int keep_word(void *context, const char *word, size_t length, const char *stem,
		     size_t stem_length)
{
	struct query_builder *builder = context;
	struct query_word *places = array_grow(builder->places, builder->word_count,
					       &builder->place_capacity, sizeof(*places));
	if (places == NULL)
		return 1;
	builder->places = places;
	size_t offset = builder->words.length;
	places[builder->word_count++] =
		(struct query_word){offset, length, offset + length, stem_length};
	return bytes_append(&builder->words, word, length) &&
			       bytes_append(&builder->words, stem, stem_length)
		       ? 0
		       : 1;
}

static enum outcome split(struct build *build, const struct weir_query *query, const char *language)
{
	struct query_builder *builder = build->builder;
	const struct weir_host *host = build->host;
	builder->words.length = 0;
	builder->word_count = 0;
	builder->language = language;
	if (host->split(host->context, query->text, query->text_length, language, keep_word,
			builder) != 0)
		return no_memory(build);
	return builder->word_count == 0 ? WORDLESS : MADE;
}

/* How one field takes the words from first on. */
typedef enum outcome in_field(struct build *build, size_t field, const struct weir_query *query,
			      size_t first);

static enum outcome push_word(struct build *build, enum xapian_step_kind kind, size_t field,
			      const char *word, size_t length)
{
	size_t start = build->builder->text.length;
	if (!term_append(&build->builder->text, TERM_WORD, field, word, length))
		return no_memory(build);
	return push_text(build, kind, start);
}

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
	const struct weir_host *host = build->host;
	return host->split(host->context, stem, length, language, compare_stem, &again) == 0 &&
	       again.same;
}

/* The words of the index that come to the same stem, as one. */
static enum outcome push_forms(struct build *build, size_t field, const char *stem, size_t length)
{
	const char *language = build->fields->fields[field].language;
	struct bytes *forms = &build->builder->forms;
	uint32_t made = 0;
	forms->length = 0;
	build->status = forms_read(build->database, language, stem, length, forms, build->error);
	if (build->status != WEIR_OK)
		return FAILED;
	for (size_t at = 0; at < forms->length; made++) {
		const char *form = forms->data + at;
		size_t form_length = strlen(form);
		if (push_word(build, XAPIAN_STEP_TERM, field, form, form_length) == FAILED)
			return FAILED;
		at += form_length + 1;
	}
	if (made == 0 || is_own_stem(build, language, stem, length)) {
		if (push_word(build, XAPIAN_STEP_TERM, field, stem, length) == FAILED)
			return FAILED;
		made++;
	}
	return push_join(build, XAPIAN_STEP_SYNONYMS, made);
}

static enum outcome word_in_field(struct build *build, size_t field, const struct weir_query *query,
				  size_t index)
{
	struct query_builder *builder = build->builder;
	const char *language = build->fields->fields[field].language;
	if (language != NULL && language != builder->language &&
	    split(build, query, language) == FAILED)
		return FAILED;
	const struct query_word *place = &builder->places[index];
	if (language != NULL)
		return push_forms(build, field, builder->words.data + place->stem_offset,
				  place->stem_length);
	return push_word(build, XAPIAN_STEP_TERM, field, builder->words.data + place->offset,
			 place->length);
}

static enum outcome beginning_in_field(struct build *build, size_t field,
				       const struct weir_query *query, size_t index)
{
	(void)query;
	const struct query_word *place = &build->builder->places[index];
	size_t length = place->length > WEIR_WORD_CUT ? WEIR_WORD_CUT : place->length;
	return push_word(build, XAPIAN_STEP_BEGINNING, field,
			 build->builder->words.data + place->offset, length);
}

/* The documents with all of these words, in the wanted order. */
static enum outcome push_check(struct build *build, size_t field, const struct weir_query *query)
{
	struct query_builder *builder = build->builder;
	uint32_t count = (uint32_t)builder->word_count;
	uint32_t more = query->distance < UINT16_MAX ? query->distance : UINT16_MAX;
	struct sequence_wanted wanted = {(uint32_t)field, count, more == 0 ? 0 : count + more};
	size_t start = builder->text.length;
	if (!bytes_append(&builder->text, &wanted, sizeof(wanted)))
		return no_memory(build);
	for (size_t i = 0; i < count; i++)
		if (!sequence_add(&builder->text, builder->words.data + builder->places[i].offset,
				  builder->places[i].length))
			return no_memory(build);
	return push(build, (struct xapian_step){
				   .kind = XAPIAN_STEP_CHECK,
				   .slot = SLOT_WORDS,
				   .accepts = sequence_accepts,
				   .offset = (uint32_t)start,
				   .length = (uint32_t)(builder->text.length - start),
			   });
}

static enum outcome phrase_in_field(struct build *build, size_t field,
				    const struct weir_query *query, size_t first)
{
	struct query_builder *builder = build->builder;
	uint32_t count = (uint32_t)(builder->word_count - first);
	for (size_t i = first; i < builder->word_count; i++)
		if (push_word(build, XAPIAN_STEP_TERM, field,
			      builder->words.data + builder->places[i].offset,
			      builder->places[i].length) == FAILED)
			return FAILED;
	if (count == 1)
		return MADE;
	if (push_check(build, field, query) == FAILED)
		return FAILED;
	return push_join(build, XAPIAN_STEP_AND, count + 1);
}

/* The field that the query names, or any of those that are searched. */
static enum outcome over_fields(struct build *build, const struct weir_query *query, in_field *make,
				size_t first)
{
	uint32_t made = 0;
	for (size_t i = 0; i < build->fields->count; i++) {
		const struct field *field = &build->fields->fields[i];
		bool named = query->field == WEIR_FIELD_DEFAULT
				     ? (field->flags & WEIR_FIELD_SEARCH) != 0
				     : (size_t)query->field == i;
		if (!named || !field_has_words(field))
			continue;
		if (make(build, i, query, first) == FAILED ||
		    push_scale(build, field->boost) == FAILED)
			return FAILED;
		made++;
		build->builder->is_scored = true;
	}
	return push_join(build, XAPIAN_STEP_OR, made);
}

/* Every word of a TERM; of a PREFIX all but the last, which is a beginning. */
static enum outcome build_words(struct build *build, const struct weir_query *query)
{
	enum outcome outcome = split(build, query, NULL);
	if (outcome != MADE)
		return outcome;
	size_t count = build->builder->word_count;
	for (size_t i = 0; i < count; i++) {
		bool beginning = query->kind == WEIR_QUERY_PREFIX && i + 1 == count;
		if (over_fields(build, query, beginning ? beginning_in_field : word_in_field, i) ==
		    FAILED)
			return FAILED;
	}
	return push_join(build, XAPIAN_STEP_AND, (uint32_t)count);
}

static enum outcome build_phrase(struct build *build, const struct weir_query *query)
{
	enum outcome outcome = split(build, query, NULL);
	return outcome == MADE ? over_fields(build, query, phrase_in_field, 0) : outcome;
}

static enum outcome push_nothing(struct build *build)
{
	return push_join(build, XAPIAN_STEP_OR, 0);
}

/* The field that a filter names; NULL when it is not one that can be filtered. */
static const struct field *filter_field(struct build *build, const struct weir_query *query)
{
	if (query->field < 0 || (size_t)query->field >= build->fields->count)
		return NULL;
	return &build->fields->fields[query->field];
}

static enum outcome build_exact(struct build *build, const struct weir_query *query)
{
	const struct field *field = filter_field(build, query);
	if (field == NULL || !field_has_exact(field))
		return push_nothing(build);
	const char *text = query->lower.text;
	size_t length = query->lower.text_length;
	if (field->type == WEIR_TYPE_BOOLEAN) {
		text = query->lower.integer != 0 ? "1" : "0";
		length = 1;
	}
	size_t start = build->builder->text.length;
	if (!term_append_exact(&build->builder->text, (size_t)query->field, text, length))
		return no_memory(build);
	if (push_text(build, XAPIAN_STEP_TERM, start) == FAILED)
		return FAILED;
	return push_scale(build, 0);
}

static uint64_t order_of(const struct field *field, const struct weir_value *value)
{
	return field->type == WEIR_TYPE_NUMBER ? order_of_number(value->number)
					       : order_of_integer(value->integer);
}

static enum outcome push_range(struct build *build, uint32_t slot, uint64_t lower, uint64_t upper)
{
	size_t start = build->builder->text.length;
	if (!bytes_append_u64(&build->builder->text, lower) ||
	    !bytes_append_u64(&build->builder->text, upper))
		return no_memory(build);
	return push(build, (struct xapian_step){
				   .kind = XAPIAN_STEP_RANGE,
				   .slot = slot,
				   .offset = (uint32_t)start,
				   .length = 8,
				   .upper_offset = (uint32_t)start + 8,
				   .upper_length = 8,
			   });
}

static enum outcome build_range(struct build *build, const struct weir_query *query)
{
	const struct field *field = filter_field(build, query);
	if (field == NULL || !field_has_slot(field) || field_has_words(field))
		return push_nothing(build);
	uint64_t lower = 0, upper = UINT64_MAX;
	uint32_t flags = query->range_flags;
	bool has_lower = (flags & WEIR_RANGE_HAS_LOWER) != 0;
	bool has_upper = (flags & WEIR_RANGE_HAS_UPPER) != 0;
	if (field->type == WEIR_TYPE_NUMBER && ((has_lower && isnan(query->lower.number)) ||
						(has_upper && isnan(query->upper.number))))
		return push_nothing(build);
	if (has_lower)
		lower = order_of(field, &query->lower);
	if (has_upper)
		upper = order_of(field, &query->upper);
	/* The orders of two neighbouring values are neighbours: an open end is the next one. */
	if (has_lower && (flags & WEIR_RANGE_LOWER_OPEN) != 0 && lower++ == UINT64_MAX)
		return push_nothing(build);
	if (has_upper && (flags & WEIR_RANGE_UPPER_OPEN) != 0 && upper-- == 0)
		return push_nothing(build);
	if (lower > upper)
		return push_nothing(build);
	return push_range(build, (uint32_t)(SLOT_FIELDS + (size_t)query->field), lower, upper);
}

static enum outcome build_node(struct build *build, const struct weir_query *query, unsigned depth);

/* Builds the children that are, or are not, a NOT; of a NOT its child. Counts those made. */
static enum outcome build_children(struct build *build, const struct weir_query *query, bool not,
				   unsigned depth, uint32_t *made)
{
	for (size_t i = 0; i < query->child_count; i++) {
		const struct weir_query *child = query->children[i];
		if ((child->kind == WEIR_QUERY_NOT) != not )
			continue;
		if (not &&child->child_count == 1)
			child = child->children[0];
		enum outcome outcome = build_node(build, child, depth + 1);
		if (outcome == FAILED)
			return FAILED;
		*made += outcome == MADE;
	}
	return MADE;
}

static bool has_not(const struct weir_query *query)
{
	for (size_t i = 0; i < query->child_count; i++)
		if (query->children[i]->kind == WEIR_QUERY_NOT)
			return true;
	return false;
}

/* a AND NOT b AND NOT c is (a) but not (b or c): cheaper than every live document but b. */
static enum outcome build_and(struct build *build, const struct weir_query *query, unsigned depth)
{
	uint32_t wanted = 0, unwanted = 0;
	if (build_children(build, query, false, depth, &wanted) == FAILED)
		return FAILED;
	if (wanted == 0) {
		if (query->child_count > 0 && !has_not(query))
			return WORDLESS;
		wanted = 1;
		if (push_live(build) == FAILED)
			return FAILED;
	}
	if (push_join(build, XAPIAN_STEP_AND, wanted) == FAILED ||
	    build_children(build, query, true, depth, &unwanted) == FAILED)
		return FAILED;
	if (unwanted == 0)
		return MADE;
	if (push_join(build, XAPIAN_STEP_OR, unwanted) == FAILED)
		return FAILED;
	return push(build, (struct xapian_step){.kind = XAPIAN_STEP_BUT, .count = 2});
}

static enum outcome build_or(struct build *build, const struct weir_query *query, unsigned depth)
{
	uint32_t made = 0;
	for (size_t i = 0; i < query->child_count; i++) {
		enum outcome outcome = build_node(build, query->children[i], depth + 1);
		if (outcome == FAILED)
			return FAILED;
		made += outcome == MADE;
	}
	if (made == 0 && query->child_count > 0)
		return WORDLESS;
	return push_join(build, XAPIAN_STEP_OR, made);
}

static enum outcome build_not(struct build *build, const struct weir_query *query, unsigned depth)
{
	if (push_live(build) == FAILED)
		return FAILED;
	enum outcome outcome = build_node(build, query->children[0], depth + 1);
	if (outcome != MADE)
		return outcome == WORDLESS ? MADE : FAILED;
	return push(build, (struct xapian_step){.kind = XAPIAN_STEP_BUT, .count = 2});
}

static enum outcome unknown(struct build *build, const char *what)
{
	build->status = error_set(build->error, WEIR_FATAL, "xapian: the query %s", what);
	return FAILED;
}

static enum outcome build_node(struct build *build, const struct weir_query *query, unsigned depth)
{
	if (depth > DEPTH_LIMIT)
		return unknown(build, "is nested too deeply; use fewer parentheses");
	bool single = query->kind == WEIR_QUERY_NOT || query->kind == WEIR_QUERY_BOOST;
	if (single && query->child_count != 1)
		return unknown(build, "has a NOT or BOOST without its one child");
	switch (query->kind) {
	case WEIR_QUERY_ALL:
		return push_live(build);
	case WEIR_QUERY_NONE:
		return push_nothing(build);
	case WEIR_QUERY_TERM:
	case WEIR_QUERY_PREFIX:
		return build_words(build, query);
	case WEIR_QUERY_PHRASE:
		return build_phrase(build, query);
	case WEIR_QUERY_EXACT:
		return build_exact(build, query);
	case WEIR_QUERY_RANGE:
		return build_range(build, query);
	case WEIR_QUERY_AND:
		return build_and(build, query, depth);
	case WEIR_QUERY_OR:
		return build_or(build, query, depth);
	case WEIR_QUERY_NOT:
		return build_not(build, query, depth);
	case WEIR_QUERY_BOOST: {
		enum outcome outcome = build_node(build, query->children[0], depth + 1);
		return outcome == MADE ? push_scale(build, query->boost) : outcome;
	}
	default:
		return unknown(build, "has a part that this backend cannot do");
	}
}

weir_status query_build(struct query_builder *builder, const struct fields *fields,
			const struct weir_host *host, struct xapian_database *database,
			const struct weir_query *query, struct xapian_query *out,
			struct weir_error *error)
{
	builder->text.length = 0;
	builder->step_count = 0;
	builder->is_scored = false;
	struct build build = {builder, fields, host, database, WEIR_OK, error};
	enum outcome outcome = build_node(&build, query, 0);
	if (outcome == WORDLESS)
		outcome = push_nothing(&build);
	if (outcome == FAILED)
		return build.status;
	*out = (struct xapian_query){builder->text.data, builder->steps, builder->step_count,
				     builder->is_scored};
	return WEIR_OK;
}
