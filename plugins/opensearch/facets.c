/* SPDX-License-Identifier: MIT
 * facets.c - how many matches have each value of a field.
 *
 * By composite aggregations, which page through all values in one order on every shard, so counts
 * are exact whatever the number of shards and values is. A terms aggregation would only know the
 * most frequent values of each shard. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "instance.h"
#include "query.h"

#define PAGE 10000 /* values of one request; search.max_buckets is 65,535 */

struct value {
	char *key, *text; /* owned; as it stands in the index, and what it was (NULL: not known) */
	size_t key_length, length;
	uint64_t count;
};

struct counting {
	struct weir_session *session;
	const struct weir_facets *wanted;
	json_t *query;		   /* owned */
	const struct field *field; /* the one that is counted, and from here on its own */
	json_t *after;		   /* owned; NULL: from the first value on */
	size_t page;
	struct value *values;
	size_t count, capacity;
	bool over;
};

static void forget_values(struct counting *counting)
{
	for (size_t i = 0; i < counting->count; i++) {
		free(counting->values[i].key);
		free(counting->values[i].text);
	}
	free(counting->values);
	json_decref(counting->after);
	counting->values = NULL;
	counting->after = NULL;
	counting->count = counting->capacity = 0;
	counting->over = false;
}

static char *copy_bytes(const char *data, size_t length)
{
	char *copy = malloc(length + 1);
	if (copy != NULL && length > 0)
		memcpy(copy, data, length);
	return copy;
}

static bool add_value(struct counting *counting, const char *key, size_t length, uint64_t count)
{
	if (counting->count == counting->capacity) {
		size_t capacity = counting->capacity * 2 + 64;
		struct value *values = realloc(counting->values, capacity * sizeof(*values));
		if (values == NULL)
			return false;
		counting->values = values;
		counting->capacity = capacity;
	}
	struct value value = {.key = copy_bytes(key, length), .key_length = length, .count = count};
	if (value.key != NULL)
		counting->values[counting->count++] = value;
	return value.key != NULL;
}

static json_t *page_request(const struct counting *counting)
{
	struct text name = {0};
	text_add(&name, "exact.");
	text_append(&name, counting->field->name, strlen(counting->field->name) + 1);
	json_t *request =
		json_pack("{s:O, s:i, s:b, s:{s:{s:{s:I, s:[{s:{s:{s:s}}}]}}}}", "query",
			  counting->query, "size", 0, "track_total_hits", 0, "aggs", "values",
			  "composite", "size", (json_int_t)counting->page, "sources", "value",
			  "terms", "field", name.failed ? "" : name.data);
	text_finish(&name);
	json_t *values = json_object_get(json_object_get(request, "aggs"), "values");
	if (counting->after != NULL &&
	    json_object_set(json_object_get(values, "composite"), "after", counting->after) != 0) {
		json_decref(request);
		return NULL;
	}
	return request;
}

static weir_status take_page(struct counting *counting, const json_t *json,
			     struct weir_error *error)
{
	const json_t *values = json_object_get(json_object_get(json, "aggregations"), "values");
	const json_t *buckets = json_object_get(values, "buckets"), *bucket;
	size_t index;
	json_array_foreach(buckets, index, bucket)
	{
		const json_t *key = json_object_get(json_object_get(bucket, "key"), "value");
		json_int_t count = json_integer_value(json_object_get(bucket, "doc_count"));
		if (!json_is_string(key) || count <= 0)
			return error_set(error, WEIR_FATAL,
					 "opensearch: values of %.100s cannot be counted: the "
					 "index %.200s was mapped by somebody else; make it anew "
					 "with weir rebuild",
					 counting->field->name,
					 counting->session->instance->index.name);
		if (!add_value(counting, json_string_value(key), json_string_length(key),
			       (uint64_t)count))
			return error_no_memory(error);
	}
	json_decref(counting->after);
	counting->after = json_incref(json_object_get(values, "after_key"));
	counting->over = json_array_size(buckets) < counting->page || counting->after == NULL;
	return WEIR_OK;
}

static weir_status read_values(struct counting *counting, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	while (status == WEIR_OK && !counting->over) {
		struct answer answer;
		if (session_is_cancelled(counting->session))
			return session_cancelled(error);
		status = session_ask(counting->session, page_request(counting), &answer, error);
		if (status != WEIR_OK)
			return status;
		if (!answer.too_large)
			status = take_page(counting, answer.json, error);
		else if (counting->page > 1)
			counting->page /= 2;
		else
			status = session_damaged(counting->session, error);
		answer_finish(&answer);
	}
	return status;
}

/* The value whose hash stands in the index, from a document that has it. */
static weir_status fetch_value(struct counting *counting, struct value *value,
			       struct weir_error *error)
{
	struct weir_session *session = counting->session;
	struct answer answer;
	struct text name = {0}, text = {0};
	text_add(&name, "exact.");
	text_append(&name, counting->field->name, strlen(counting->field->name) + 1);
	json_t *key = json_stringn(value->key, value->key_length);
	json_t *request =
		name.failed
			? NULL
			: json_pack("{s:{s:{s:[{s:{s:o}}, {s:{s:s}}]}}, s:i, s:b, s:[s]}", "query",
				    "bool", "filter", "term", name.data, key, "term", "kind",
				    "live", "size", 1, "track_total_hits", 0, "_source", "long");
	text_finish(&name);
	weir_status status = session_ask(session, request, &answer, error);
	if (status != WEIR_OK)
		return status;
	const json_t *hits = json_object_get(json_object_get(answer.json, "hits"), "hits");
	const json_t *source = json_object_get(json_array_get(hits, 0), "_source");
	const json_t *whole =
		json_object_get(json_object_get(source, "long"), counting->field->name);
	if (!json_is_string(whole) ||
	    !text_to_bytes(&text, json_string_value(whole), json_string_length(whole)))
		status = session_damaged(session, error);
	else if (text.failed)
		status = error_no_memory(error);
	answer_finish(&answer);
	if (status != WEIR_OK) {
		text_finish(&text);
		return status;
	}
	value->text = text.data;
	value->length = text.length;
	return WEIR_OK;
}

static weir_status decode(struct counting *counting, struct value *value, struct weir_error *error)
{
	struct text text = {0};
	bool is_whole;
	if (session_is_cancelled(counting->session))
		return session_cancelled(error);
	if (!text_to_keyword(&text, value->key, value->key_length, &is_whole))
		return session_damaged(counting->session, error);
	if (!is_whole) {
		text_finish(&text);
		return fetch_value(counting, value, error);
	}
	text_append(&text, "", 1); /* so that there is data */
	if (text.failed) {
		text_finish(&text);
		return error_no_memory(error);
	}
	value->text = text.data;
	value->length = text.length - 1;
	return WEIR_OK;
}

static int compare_counts(const void *left, const void *right)
{
	const struct value *one = left, *other = right;
	return (one->count < other->count) - (one->count > other->count);
}

static int compare_values(const void *left, const void *right)
{
	const struct value *one = left, *other = right;
	size_t shorter = one->length < other->length ? one->length : other->length;
	int order = compare_counts(left, right);
	if (order == 0 && shorter > 0)
		order = memcmp(one->text, other->text, shorter);
	return order != 0 ? order : (one->length > other->length) - (one->length < other->length);
}

/* Brings those that are handed out to the front. What stands in the index has another order than
 * the values, so all that are as frequent as the last one take part. */
static weir_status choose(struct counting *counting, struct weir_error *error)
{
	size_t limit = counting->wanted->limit;
	weir_status status = WEIR_OK;
	if (counting->count == 0)
		return WEIR_OK;
	qsort(counting->values, counting->count, sizeof(*counting->values), compare_counts);
	size_t chosen = 0;
	while (chosen < counting->count &&
	       (chosen < limit ||
		counting->values[chosen].count == counting->values[limit - 1].count) &&
	       status == WEIR_OK)
		status = decode(counting, &counting->values[chosen++], error);
	if (status == WEIR_OK)
		qsort(counting->values, chosen, sizeof(*counting->values), compare_values);
	return status;
}

static weir_status count_field(struct counting *counting, size_t index, weir_on_facet on_facet,
			       void *context, bool *stopped, struct weir_error *error)
{
	const struct weir_facets *wanted = counting->wanted;
	counting->field = &counting->session->instance->fields.fields[wanted->fields[index]];
	counting->page = PAGE;
	weir_status status = read_values(counting, error);
	if (status == WEIR_OK)
		status = choose(counting, error);
	for (size_t i = 0;
	     i < counting->count && i < wanted->limit && !*stopped && status == WEIR_OK; i++) {
		const struct value *value = &counting->values[i];
		*stopped = on_facet(context, index, value->text, value->length, value->count) != 0;
	}
	forget_values(counting);
	return status;
}

weir_status session_facets(weir_session *session, const struct weir_facets *wanted,
			   weir_on_facet on_facet, void *context, struct weir_error *error)
{
	const struct fields *fields = &session->instance->fields;
	struct counting counting = {.session = session, .wanted = wanted};
	bool scored, stopped = wanted->limit == 0;
	for (size_t i = 0; i < wanted->field_count; i++)
		if (wanted->fields[i] < 0 || (size_t)wanted->fields[i] >= fields->count ||
		    !field_has_facet(&fields->fields[wanted->fields[i]]))
			return error_set(error, WEIR_FATAL,
					 "opensearch: field number %d cannot have facets; the "
					 "schema says which can",
					 (int)wanted->fields[i]);
	weir_status status = query_build(fields, session->host, wanted->query, wanted->filter,
					 &counting.query, &scored, error);
	for (size_t i = 0; i < wanted->field_count && status == WEIR_OK && !stopped; i++)
		status = count_field(&counting, i, on_facet, context, &stopped, error);
	json_decref(counting.query);
	return status;
}
