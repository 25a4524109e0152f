/* SPDX-License-Identifier: MIT */
#include "query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define DEPTH_LIMIT 200 /* OpenSearch reads JSON a thousand deep; a node takes up to four */
#define BOOST_LIMIT 1e9 /* scores are floats */
#define GAPS_LIMIT 1000000
/* A cluster takes 1,024 clauses by default (indices.query.bool.max_clause_count), and 256 words
 * over six fields are more. */
#define CLAUSE_LIMIT 1000

/* What building a node came to. */
enum outcome {
	MADE,
	WORDLESS, /* nothing: its text has no word */
	FAILED,	  /* status and error say why */
};

struct word {
	size_t offset, length, stem_offset, stem_length;
};

struct build {
	const struct fields *fields;
	const struct weir_host *host;
	/* The words of the node under way, by one language after the other. */
	struct text text, scratch;
	struct word *words;
	size_t word_count, word_capacity;
	const char *language;
	size_t clauses;
	bool compact; /* as few clauses as it goes; scores are coarser */
	weir_status status;
	struct weir_error *error;
};

/* A made node. Those without a score belong into a filter. */
struct part {
	json_t *json; /* owned */
	bool scored;
};

static enum outcome no_memory(struct build *build)
{
	build->status = error_no_memory(build->error);
	return FAILED;
}

/* json: NULL for no memory. */
static enum outcome make(struct build *build, struct part *out, json_t *json, bool scored)
{
	if (json == NULL)
		return no_memory(build);
	*out = (struct part){json, scored};
	return MADE;
}

static enum outcome make_nothing(struct build *build, struct part *out)
{
	return make(build, out, json_pack("{s:{}}", "match_none"), false);
}

static enum outcome make_everything(struct build *build, struct part *out)
{
	return make(build, out, json_pack("{s:{}}", "match_all"), false);
}

static double clamp(double boost)
{
	if (!isfinite(boost))
		return 1;
	return boost < 0 ? 0 : boost > BOOST_LIMIT ? BOOST_LIMIT : boost;
}

static int keep_word(void *context, const char *word, size_t length, const char *stem,
		     size_t stem_length)
{
	struct build *build = context;
	if (build->word_count == build->word_capacity) {
		size_t capacity = build->word_capacity == 0 ? 16 : 2 * build->word_capacity;
		struct word *words = realloc(build->words, capacity * sizeof(*words));
		if (words == NULL)
			return 1;
		build->words = words;
		build->word_capacity = capacity;
	}
	size_t offset = build->text.length;
	text_append(&build->text, word, length);
	text_append(&build->text, stem, stem_length);
	build->words[build->word_count++] =
		(struct word){offset, length, offset + length, stem_length};
	return build->text.failed;
}

static enum outcome split(struct build *build, const struct weir_query *query, const char *language)
{
	const struct weir_host *host = build->host;
	text_clear(&build->text);
	build->word_count = 0;
	build->language = language;
	if (host->split(host->context, query->text, query->text_length, language, keep_word,
			build) != 0)
		return no_memory(build);
	return build->word_count == 0 ? WORDLESS : MADE;
}

/* As JSON; NULL: no memory. */
static json_t *word_text(struct build *build, size_t offset, size_t length)
{
	text_clear(&build->scratch);
	text_from_word(&build->scratch, build->text.data + offset, length);
	return build->scratch.failed ? NULL
				     : json_stringn(build->scratch.data, build->scratch.length);
}

/* {kind: {"group.field": body}}. Takes body over. */
static json_t *on_field(const char *kind, const char *group, const struct field *field,
			json_t *body)
{
	char name[256];
	snprintf(name, sizeof(name), "%s.%.200s", group, field->name);
	return json_pack("{s:{s:o}}", kind, name, body);
}

/* How one field takes the words from first on. */
typedef json_t *field_query(struct build *build, const struct field *field,
			    const struct weir_query *query, size_t first, double boost);

static json_t *word_in_field(struct build *build, const struct field *field,
			     const struct weir_query *query, size_t index, double boost)
{
	if (field->language == NULL)
		return on_field("term", "words", field,
				json_pack("{s:o, s:f}", "value",
					  word_text(build, build->words[index].offset,
						    build->words[index].length),
					  "boost", boost));
	if ((build->language == NULL || strcmp(build->language, field->language) != 0) &&
	    split(build, query, field->language) != MADE)
		return NULL;
	const struct word *word = &build->words[index];
	return on_field("term", "stems", field,
			json_pack("{s:o, s:f}", "value",
				  word_text(build, word->stem_offset, word->stem_length), "boost",
				  boost));
}

static json_t *beginning_in_field(struct build *build, const struct field *field,
				  const struct weir_query *query, size_t index, double boost)
{
	(void)query;
	const struct word *word = &build->words[index];
	size_t length = word->length > WEIR_WORD_CUT ? WEIR_WORD_CUT : word->length;
	return on_field("prefix", "words", field,
			json_pack("{s:o, s:f}", "value", word_text(build, word->offset, length),
				  "boost", boost));
}

/* All of the words in any order within so many places: intervals count each as often as it is
 * wanted. */
static json_t *near_in_field(struct build *build, const struct field *field,
			     const struct weir_query *query, size_t first, double boost)
{
	uint32_t gaps = query->distance < GAPS_LIMIT ? query->distance : GAPS_LIMIT;
	json_t *intervals = json_array();
	for (size_t i = first; i < build->word_count && intervals != NULL; i++) {
		json_t *word =
			json_pack("{s:{s:o}}", "match", "query",
				  word_text(build, build->words[i].offset, build->words[i].length));
		if (json_array_append_new(intervals, word) != 0) {
			json_decref(intervals);
			intervals = NULL;
		}
	}
	return on_field("intervals", "words", field,
			json_pack("{s:{s:b, s:i, s:o}, s:f}", "all_of", "ordered", 0, "max_gaps",
				  (int)gaps, "intervals", intervals, "boost", boost));
}

static json_t *phrase_in_field(struct build *build, const struct field *field,
			       const struct weir_query *query, size_t first, double boost)
{
	const struct word *words = build->words;
	if (build->word_count - first == 1)
		return on_field(
			"term", "words", field,
			json_pack("{s:o, s:f}", "value",
				  word_text(build, words[first].offset, words[first].length),
				  "boost", boost));
	if (query->distance > 0)
		return near_in_field(build, field, query, first, boost);
	text_clear(&build->scratch);
	for (size_t i = first; i < build->word_count; i++) {
		text_append(&build->scratch, " ", i > first);
		text_from_word(&build->scratch, build->text.data + words[i].offset,
			       words[i].length);
	}
	json_t *phrase = build->scratch.failed
				 ? NULL
				 : json_stringn(build->scratch.data, build->scratch.length);
	return on_field("match_phrase", "words", field,
			json_pack("{s:o, s:f}", "query", phrase, "boost", boost));
}

/* {"bool": {"should": [...]}} of at least one; takes parts over. One part stands for itself. */
static json_t *any_of(json_t *parts)
{
	if (json_array_size(parts) != 1)
		return json_pack("{s:{s:o, s:i}}", "bool", "should", parts, "minimum_should_match",
				 1);
	json_t *only = json_incref(json_array_get(parts, 0));
	json_decref(parts);
	return only;
}

/* The names of the searched fields of one language (NULL: of none), as a word is looked up there.
 */
static json_t *fields_of_language(const struct fields *fields, const char *language)
{
	json_t *names = json_array();
	for (size_t i = 0; i < fields->count && names != NULL; i++) {
		const struct field *field = &fields->fields[i];
		bool same = language == NULL ? field->language == NULL
					     : field->language != NULL &&
						       strcmp(field->language, language) == 0;
		char name[256];
		if (!same || (field->flags & WEIR_FIELD_SEARCH) == 0 || !field_has_words(field))
			continue;
		snprintf(name, sizeof(name), "%s.%.200s", language == NULL ? "words" : "stems",
			 field->name);
		if (json_array_append_new(names, json_string(name)) != 0) {
			json_decref(names);
			names = NULL;
		}
	}
	return names;
}

/* A clause for all the fields of a language that are searched; NULL: no memory. */
static json_t *word_in_language(struct build *build, const struct weir_query *query,
				const char *language, size_t index, double boost)
{
	bool again = language != NULL &&
		     (build->language == NULL || strcmp(build->language, language) != 0);
	if (again && split(build, query, language) != MADE)
		return NULL;
	const struct word *word = &build->words[index];
	json_t *text = language == NULL ? word_text(build, word->offset, word->length)
					: word_text(build, word->stem_offset, word->stem_length);
	build->clauses++;
	return json_pack("{s:{s:o, s:o, s:f}}", "combined_fields", "query", text, "fields",
			 fields_of_language(build->fields, language), "boost", boost);
}

/* Whether an earlier field that is searched has the same language. */
static bool was_asked(const struct fields *fields, size_t index)
{
	const char *language = fields->fields[index].language;
	for (size_t i = 0; i < index; i++) {
		const struct field *field = &fields->fields[i];
		bool same = language == NULL ? field->language == NULL
					     : field->language != NULL &&
						       strcmp(field->language, language) == 0;
		if (same && (field->flags & WEIR_FIELD_SEARCH) != 0 && field_has_words(field))
			return true;
	}
	return false;
}

static enum outcome over_languages(struct build *build, const struct weir_query *query,
				   size_t index, double boost, struct part *out)
{
	json_t *parts = json_array();
	bool good = parts != NULL;
	for (size_t i = 0; i < build->fields->count && good; i++) {
		const struct field *field = &build->fields->fields[i];
		if ((field->flags & WEIR_FIELD_SEARCH) != 0 && field_has_words(field) &&
		    !was_asked(build->fields, i))
			good = json_array_append_new(parts,
						     word_in_language(build, query, field->language,
								      index, boost)) == 0;
	}
	if (!good || json_array_size(parts) == 0) {
		json_decref(parts);
		return good ? make_nothing(build, out) : no_memory(build);
	}
	return make(build, out, any_of(parts), true);
}

/* The field that the query names, or any of those that are searched. */
static enum outcome over_fields(struct build *build, const struct weir_query *query,
				field_query *in_field, size_t first, double boost, struct part *out)
{
	if (build->compact && query->field == WEIR_FIELD_DEFAULT && in_field == word_in_field)
		return over_languages(build, query, first, boost, out);
	json_t *parts = json_array();
	bool good = parts != NULL;
	for (size_t i = 0; i < build->fields->count && good; i++) {
		const struct field *field = &build->fields->fields[i];
		bool named = query->field == WEIR_FIELD_DEFAULT
				     ? (field->flags & WEIR_FIELD_SEARCH) != 0
				     : (size_t)query->field == i;
		build->clauses += named;
		if (named && field_has_words(field))
			good = json_array_append_new(parts,
						     in_field(build, field, query, first,
							      clamp(boost * field->boost))) == 0;
	}
	if (good && json_array_size(parts) == 0) {
		json_decref(parts);
		return make_nothing(build, out);
	}
	if (!good) {
		json_decref(parts);
		return no_memory(build);
	}
	return make(build, out, any_of(parts), true);
}

/* Every word of a TERM; of a PREFIX all but the last, which is a beginning. */
static enum outcome build_words(struct build *build, const struct weir_query *query, double boost,
				struct part *out)
{
	enum outcome outcome = split(build, query, NULL);
	if (outcome != MADE)
		return outcome;
	size_t count = build->word_count;
	json_t *all = json_array();
	for (size_t i = 0; i < count && all != NULL && outcome == MADE; i++) {
		struct part part;
		bool beginning = query->kind == WEIR_QUERY_PREFIX && i + 1 == count;
		outcome = over_fields(build, query, beginning ? beginning_in_field : word_in_field,
				      i, boost, &part);
		if (outcome == MADE && json_array_append_new(all, part.json) != 0)
			outcome = no_memory(build);
	}
	if (outcome != MADE) {
		json_decref(all);
		return outcome;
	}
	if (count == 1) {
		json_t *only = json_incref(json_array_get(all, 0));
		json_decref(all);
		return make(build, out, only, true);
	}
	return make(build, out, json_pack("{s:{s:o}}", "bool", "must", all), true);
}

static enum outcome build_phrase(struct build *build, const struct weir_query *query, double boost,
				 struct part *out)
{
	enum outcome outcome = split(build, query, NULL);
	return outcome == MADE ? over_fields(build, query, phrase_in_field, 0, boost, out)
			       : outcome;
}

static const struct field *named_field(const struct build *build, const struct weir_query *query)
{
	return query->field >= 0 && (size_t)query->field < build->fields->count
		       ? &build->fields->fields[query->field]
		       : NULL;
}

static enum outcome build_exact(struct build *build, const struct weir_query *query,
				struct part *out)
{
	const struct field *field = named_field(build, query);
	if (field == NULL || !field_has_exact(field))
		return make_nothing(build, out);
	text_clear(&build->scratch);
	if (field->type == WEIR_TYPE_BOOLEAN)
		text_add(&build->scratch, query->lower.integer != 0 ? "true" : "false");
	else
		text_from_keyword(&build->scratch, query->lower.text, query->lower.text_length);
	if (build->scratch.failed)
		return no_memory(build);
	build->clauses++;
	const char *value = build->scratch.data != NULL ? build->scratch.data : "";
	return make(
		build, out,
		on_field("term", "exact", field,
			 json_pack("{s:o}", "value", json_stringn(value, build->scratch.length))),
		false);
}

static int64_t order_of(const struct field *field, const struct weir_value *value)
{
	return field->type == WEIR_TYPE_NUMBER ? order_of_number(value->number) : value->integer;
}

static enum outcome build_range(struct build *build, const struct weir_query *query,
				struct part *out)
{
	const struct field *field = named_field(build, query);
	if (field == NULL || !field_has_value(field))
		return make_nothing(build, out);
	uint32_t flags = query->range_flags;
	bool has_lower = (flags & WEIR_RANGE_HAS_LOWER) != 0;
	bool has_upper = (flags & WEIR_RANGE_HAS_UPPER) != 0;
	if (field->type == WEIR_TYPE_NUMBER && ((has_lower && isnan(query->lower.number)) ||
						(has_upper && isnan(query->upper.number))))
		return make_nothing(build, out);
	int64_t lower = has_lower ? order_of(field, &query->lower) : INT64_MIN;
	int64_t upper = has_upper ? order_of(field, &query->upper) : INT64_MAX;
	/* The orders of two neighbouring values are neighbours: an open end is the next one. */
	bool lower_open = has_lower && (flags & WEIR_RANGE_LOWER_OPEN) != 0;
	bool upper_open = has_upper && (flags & WEIR_RANGE_UPPER_OPEN) != 0;
	if ((lower_open && lower++ == INT64_MAX) || (upper_open && upper-- == INT64_MIN) ||
	    lower > upper)
		return make_nothing(build, out);
	build->clauses++;
	return make(build, out,
		    on_field("range", "value", field,
			     json_pack("{s:I, s:I}", "gte", (json_int_t)lower, "lte",
				       (json_int_t)upper)),
		    false);
}

static enum outcome build_node(struct build *build, const struct weir_query *query, double boost,
			       unsigned depth, struct part *out);

/* The parts of a bool, each owned or NULL. */
struct clauses {
	json_t *must, *filter, *must_not, *should;
};

static void drop_clauses(struct clauses *clauses)
{
	json_decref(clauses->must);
	json_decref(clauses->filter);
	json_decref(clauses->must_not);
	json_decref(clauses->should);
}

/* Takes json over, also on failure. */
static bool add_clause(json_t **list, json_t *json)
{
	if (*list == NULL)
		*list = json_array();
	if (*list == NULL) {
		json_decref(json);
		return false;
	}
	return json_array_append_new(*list, json) == 0;
}

/* {"bool": ...}; takes the clauses over. NULL: no memory. */
static json_t *join(struct clauses *clauses)
{
	json_t *body = json_pack("{s:o*, s:o*, s:o*, s:o*}", "must", clauses->must, "filter",
				 clauses->filter, "must_not", clauses->must_not, "should",
				 clauses->should);
	bool good = body != NULL;
	if (good && clauses->should != NULL)
		good = json_object_set_new(body, "minimum_should_match", json_integer(1)) == 0;
	if (good)
		return json_pack("{s:o}", "bool", body);
	json_decref(body);
	return NULL;
}

/* A child of AND goes where it costs least. Of a NOT its own child is taken. */
static enum outcome add_child(struct build *build, const struct weir_query *child, double boost,
			      unsigned depth, struct clauses *clauses)
{
	bool negated = child->kind == WEIR_QUERY_NOT && child->child_count == 1;
	struct part part;
	enum outcome outcome =
		build_node(build, negated ? child->children[0] : child, boost, depth + 1, &part);
	if (outcome != MADE)
		return outcome;
	json_t **list = part.scored ? &clauses->must : &clauses->filter;
	if (negated)
		list = &clauses->must_not;
	return add_clause(list, part.json) ? MADE : no_memory(build);
}

static enum outcome build_and(struct build *build, const struct weir_query *query, double boost,
			      unsigned depth, struct part *out)
{
	struct clauses clauses = {0};
	bool made = query->child_count == 0;
	for (size_t i = 0; i < query->child_count; i++) {
		enum outcome outcome = add_child(build, query->children[i], boost, depth, &clauses);
		if (outcome == FAILED) {
			drop_clauses(&clauses);
			return FAILED;
		}
		/* What is not wordless matches everything. */
		made = made || outcome == MADE || query->children[i]->kind == WEIR_QUERY_NOT;
	}
	if (!made)
		return WORDLESS;
	if (clauses.must == NULL && clauses.filter == NULL && clauses.must_not == NULL)
		return make_everything(build, out);
	bool scored = clauses.must != NULL;
	return make(build, out, join(&clauses), scored);
}

static enum outcome build_or(struct build *build, const struct weir_query *query, double boost,
			     unsigned depth, struct part *out)
{
	struct clauses clauses = {0};
	bool scored = false;
	for (size_t i = 0; i < query->child_count; i++) {
		struct part part;
		enum outcome outcome =
			build_node(build, query->children[i], boost, depth + 1, &part);
		if (outcome == WORDLESS)
			continue;
		json_t *json = NULL;
		if (outcome == MADE) {
			/* Without a score it must not add one. */
			json = part.scored ? part.json
					   : json_pack("{s:{s:[o]}}", "bool", "filter", part.json);
			scored = scored || part.scored;
		}
		if (json == NULL || !add_clause(&clauses.should, json)) {
			drop_clauses(&clauses);
			return outcome == MADE ? no_memory(build) : FAILED;
		}
	}
	if (clauses.should == NULL)
		return query->child_count > 0 ? WORDLESS : make_nothing(build, out);
	return make(build, out, join(&clauses), scored);
}

static enum outcome build_not(struct build *build, const struct weir_query *query, unsigned depth,
			      struct part *out)
{
	struct part part;
	enum outcome outcome = build_node(build, query->children[0], 1, depth + 1, &part);
	if (outcome == WORDLESS)
		return make_everything(build, out);
	if (outcome == FAILED)
		return FAILED;
	return make(build, out, json_pack("{s:{s:[o]}}", "bool", "must_not", part.json), false);
}

static enum outcome refuse(struct build *build, const char *what)
{
	build->status = error_set(build->error, WEIR_FATAL, "opensearch: the query %s", what);
	return FAILED;
}

static enum outcome build_node(struct build *build, const struct weir_query *query, double boost,
			       unsigned depth, struct part *out)
{
	if (depth > DEPTH_LIMIT)
		return refuse(build, "is nested too deeply; use fewer parentheses");
	bool single = query->kind == WEIR_QUERY_NOT || query->kind == WEIR_QUERY_BOOST;
	if (single && query->child_count != 1)
		return refuse(build, "has a NOT or BOOST without its one child");
	switch (query->kind) {
	case WEIR_QUERY_ALL:
		return make_everything(build, out);
	case WEIR_QUERY_NONE:
		return make_nothing(build, out);
	case WEIR_QUERY_TERM:
	case WEIR_QUERY_PREFIX:
		return build_words(build, query, boost, out);
	case WEIR_QUERY_PHRASE:
		return build_phrase(build, query, boost, out);
	case WEIR_QUERY_EXACT:
		return build_exact(build, query, out);
	case WEIR_QUERY_RANGE:
		return build_range(build, query, out);
	case WEIR_QUERY_AND:
		return build_and(build, query, boost, depth, out);
	case WEIR_QUERY_OR:
		return build_or(build, query, boost, depth, out);
	case WEIR_QUERY_NOT:
		return build_not(build, query, depth, out);
	case WEIR_QUERY_BOOST:
		return build_node(build, query->children[0], clamp(boost * clamp(query->boost)),
				  depth + 1, out);
	default:
		return refuse(build, "has a part that this backend cannot do");
	}
}

static enum outcome build_side(struct build *build, const struct weir_query *query,
			       struct part *out)
{
	enum outcome outcome = build_node(build, query, 1, 0, out);
	return outcome == WORDLESS ? make_nothing(build, out) : outcome;
}

/* Live, and both sides. */
static enum outcome build_whole(struct build *build, const struct weir_query *query,
				const struct weir_query *filter, struct part *out)
{
	struct clauses clauses = {0};
	struct part part;
	enum outcome outcome = build_side(build, query, &part);
	if (outcome != MADE)
		return outcome;
	bool scored = part.scored, good;
	good = add_clause(scored ? &clauses.must : &clauses.filter, part.json);
	if (good && filter != NULL) {
		outcome = build_side(build, filter, &part);
		good = outcome == MADE && add_clause(&clauses.filter, part.json);
	}
	good = good && add_clause(&clauses.filter, json_pack("{s:{s:s}}", "term", "kind", "live"));
	if (good)
		return make(build, out, join(&clauses), scored);
	drop_clauses(&clauses);
	return outcome == MADE ? no_memory(build) : FAILED;
}

weir_status query_build(const struct fields *fields, const struct weir_host *host,
			const struct weir_query *query, const struct weir_query *filter,
			json_t **out, bool *scored, struct weir_error *error)
{
	struct build build = {.fields = fields, .host = host, .error = error};
	struct part part = {NULL, false};
	enum outcome outcome = build_whole(&build, query, filter, &part);
	if (outcome == MADE && build.clauses > CLAUSE_LIMIT) {
		json_decref(part.json);
		build.compact = true;
		outcome = build_whole(&build, query, filter, &part);
	}
	text_finish(&build.text);
	text_finish(&build.scratch);
	free(build.words);
	if (outcome == FAILED)
		return build.status;
	*out = part.json;
	*scored = part.scored;
	return WEIR_OK;
}
