/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "instance.h"

#define FETCH_COUNT 200	   /* ids of one request */
#define EXPIRE_COUNT 50000 /* documents of one call: it has to end before its timeout */

/* Notes a failure, so that a commit of nothing does not pass before things are well again. */
static weir_status noted(struct weir_instance *instance, weir_status status,
			 const struct weir_error *error)
{
	if (status != WEIR_OK) {
		instance->troubled = true;
		instance->trouble = *error;
	}
	return status;
}

static weir_status call(struct weir_instance *instance, const char *method, const char *rest,
			const struct text *body, struct answer *answer, struct weir_error *error)
{
	char path[1200];
	snprintf(path, sizeof(path), "%.900s%.250s", instance->index.path.data, rest);
	return connection_ask(instance->connection, method, path, body, answer, error);
}

struct fetching {
	const char *const *ids;
	const size_t *lengths;
	weir_on_state on_state;
	void *context;
	struct text state;
	bool stopped;
};

static bool write_ids(const struct fetching *fetching, size_t from, size_t to, struct text *body)
{
	struct text id = {0};
	text_clear(body);
	text_add(body, "{\"ids\":[");
	for (size_t i = from; i < to; i++) {
		text_clear(&id);
		text_from_bytes(&id, fetching->ids[i], fetching->lengths[i]);
		text_append(body, ",", i > from);
		text_quote(body, id.data, id.length);
	}
	text_add(body, "]}");
	bool good = !id.failed && !body->failed;
	text_finish(&id);
	return good;
}

/* False: the answer is not as it should be. */
static bool hand_out_state(struct fetching *fetching, size_t index, const json_t *document)
{
	if (!json_is_true(json_object_get(document, "found"))) {
		fetching->stopped =
			fetching->on_state(fetching->context, index, 0, NULL, 0, NULL, 0) != 0;
		/* the cluster answers an empty id, which is never there, with an error */
		return fetching->lengths[index] == 0 || json_object_get(document, "error") == NULL;
	}
	int64_t revision[2] = {
		json_integer_value(json_object_get(document, "_seq_no")),
		json_integer_value(json_object_get(document, "_primary_term")),
	};
	const json_t *state = json_object_get(json_object_get(document, "_source"), "state");
	text_clear(&fetching->state);
	if (!json_is_string(state) ||
	    !text_from_base64(&fetching->state, json_string_value(state),
			      json_string_length(state)) ||
	    fetching->state.failed)
		return false;
	const char *data = fetching->state.data != NULL ? fetching->state.data : "";
	fetching->stopped =
		fetching->on_state(fetching->context, index, 1, data, fetching->state.length,
				   revision, sizeof(revision)) != 0;
	return true;
}

static weir_status bad_document(const struct weir_instance *instance, const json_t *document,
				struct weir_error *error)
{
	const json_t *failure = json_object_get(document, "error");
	const char *type = json_string_value(json_object_get(failure, "type"));
	if (type != NULL && strcmp(type, "index_not_found_exception") == 0)
		return index_gone(instance, error);
	const char *reason = json_string_value(json_object_get(failure, "reason"));
	return error_set(
		error, WEIR_RETRY,
		"opensearch: a document of the index %.120s cannot be read (%.60s: %.200s)",
		instance->index.name, type != NULL ? type : "its state is missing",
		reason != NULL ? reason : "was it written by somebody else?");
}

/* Half as many when the answer is too large. */
static weir_status fetch_range(struct weir_instance *instance, struct fetching *fetching,
			       size_t from, size_t to, struct weir_error *error)
{
	struct answer answer;
	if (!write_ids(fetching, from, to, &instance->body))
		return error_no_memory(error);
	weir_status status = call(instance, "POST", "/_mget?_source_includes=state",
				  &instance->body, &answer, error);
	if (status != WEIR_OK)
		return status;
	if (answer.too_large && to - from > 1) {
		size_t middle = from + (to - from) / 2;
		answer_finish(&answer);
		status = fetch_range(instance, fetching, from, middle, error);
		if (status == WEIR_OK && !fetching->stopped)
			status = fetch_range(instance, fetching, middle, to, error);
		return status;
	}
	const json_t *documents = json_object_get(answer.json, "docs");
	for (size_t i = from; i < to && !fetching->stopped && status == WEIR_OK; i++) {
		const json_t *document = json_array_get(documents, i - from);
		if (document == NULL || !hand_out_state(fetching, i, document))
			status = bad_document(instance, document, error);
	}
	answer_finish(&answer);
	return status;
}

weir_status writer_fetch(weir_instance *instance, const char *const *ids, const size_t *id_lengths,
			 size_t count, weir_on_state on_state, void *context,
			 struct weir_error *error)
{
	struct fetching fetching = {ids, id_lengths, on_state, context, {0}, false};
	weir_status status = WEIR_OK;
	for (size_t from = 0; from < count && !fetching.stopped && status == WEIR_OK;
	     from += FETCH_COUNT) {
		size_t to = count - from < FETCH_COUNT ? count : from + FETCH_COUNT;
		status = fetch_range(instance, &fetching, from, to, error);
	}
	text_finish(&fetching.state);
	return noted(instance, status, error);
}

weir_status writer_apply(weir_instance *instance, const struct weir_document *const *documents,
			 size_t count, struct weir_verdict *const *verdicts,
			 struct weir_error *error)
{
	instance->dirty = instance->dirty || count > 0;
	return noted(instance, bulk_apply(instance, documents, count, verdicts, error), error);
}

/* Of every shard; the head's own is refreshed with the head, all at once. So no reader sees the
 * head of a commit before its documents. */
static weir_status refresh_others(struct weir_instance *instance, struct weir_error *error)
{
	struct answer answer;
	if (instance->index.shards <= 1)
		return WEIR_OK;
	weir_status status = call(instance, "POST", "/_refresh", NULL, &answer, error);
	if (status != WEIR_OK)
		return status;
	const json_t *shards = json_object_get(answer.json, "_shards");
	if (json_integer_value(json_object_get(shards, "failed")) != 0)
		status =
			error_set(error, WEIR_RETRY,
				  "opensearch: %.200s: not every shard of %.120s can be refreshed; "
				  "is a node of the cluster away?",
				  answer.url, instance->index.name);
	answer_finish(&answer);
	return status;
}

weir_status writer_commit(weir_instance *instance, const struct weir_position *const *positions,
			  size_t count, struct weir_error *error)
{
	char stamp[NAME_SIZE];
	if (count == 0 && instance->troubled) {
		*error = instance->trouble;
		return WEIR_RETRY;
	}
	if (count == 0 && !instance->dirty)
		return WEIR_OK;
	name_make(stamp);
	weir_status status = refresh_others(instance, error);
	if (status == WEIR_OK)
		status = head_write(instance, instance->dirty ? stamp : NULL, positions, count,
				    error);
	if (status == WEIR_OK)
		instance->dirty = instance->troubled = false;
	return noted(instance, status, error);
}

/* What was applied stays in the index; the log is read again, and versions make it harmless. */
weir_status writer_abandon(weir_instance *instance, struct weir_error *error)
{
	(void)instance;
	(void)error;
	return WEIR_OK;
}

weir_status writer_positions(weir_instance *instance, weir_on_position on_position, void *context,
			     struct weir_error *error)
{
	struct head head = {0};
	weir_status status =
		head_read(instance, instance->connection, instance->index.life, true, &head, error);
	if (status == WEIR_OK)
		status = head_each_position(&head, on_position, context, error);
	head_finish(&head);
	return status;
}

weir_status writer_expire(weir_instance *instance, int64_t before, uint64_t *removed,
			  struct weir_error *error)
{
	struct answer answer;
	char body[300];
	int length =
		snprintf(body, sizeof(body),
			 "{\"max_docs\":%d,\"query\":{\"bool\":{\"filter\":[{\"term\":{\"kind\":"
			 "\"hidden\"}},{\"range\":{\"applied_at\":{\"lt\":%" PRId64 "}}}]}}}",
			 EXPIRE_COUNT, before);
	text_clear(&instance->body);
	text_append(&instance->body, body, (size_t)length);
	/* One that changed meanwhile is not deleted. */
	weir_status status = call(instance, "POST", "/_delete_by_query?conflicts=proceed",
				  &instance->body, &answer, error);
	if (status != WEIR_OK)
		return status;
	json_int_t deleted = json_integer_value(json_object_get(answer.json, "deleted"));
	if (json_array_size(json_object_get(answer.json, "failures")) > 0)
		status = error_set(error, WEIR_RETRY,
				   "opensearch: %.200s: not every old tombstone of %.120s could be "
				   "deleted",
				   answer.url, instance->index.name);
	answer_finish(&answer);
	if (deleted > 0)
		instance->dirty = true;
	if (status == WEIR_OK)
		*removed = (uint64_t)deleted;
	return status;
}

static weir_status count_kind(struct weir_instance *instance, const char *kind, double *count,
			      struct weir_error *error)
{
	struct answer answer;
	text_clear(&instance->body);
	text_add(&instance->body, "{\"query\":{\"term\":{\"kind\":\"");
	text_add(&instance->body, kind);
	text_add(&instance->body, "\"}}}");
	weir_status status = call(instance, "POST", "/_count", &instance->body, &answer, error);
	if (status != WEIR_OK)
		return status;
	*count = json_number_value(json_object_get(answer.json, "count"));
	answer_finish(&answer);
	return WEIR_OK;
}

static weir_status count_bytes(struct weir_instance *instance, double *bytes,
			       struct weir_error *error)
{
	struct answer answer;
	weir_status status = call(instance, "GET", "/_stats/store", NULL, &answer, error);
	if (status != WEIR_OK)
		return status;
	const json_t *total = json_object_get(json_object_get(answer.json, "_all"), "total");
	*bytes = json_number_value(
		json_object_get(json_object_get(total, "store"), "size_in_bytes"));
	answer_finish(&answer);
	return WEIR_OK;
}

weir_status writer_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
			 struct weir_error *error)
{
	double live = 0, hidden = 0, bytes = 0;
	struct answer answer = {0};
	weir_status status = WEIR_OK;
	/* Counts are of what was refreshed. */
	if (instance->dirty)
		status = call(instance, "POST", "/_refresh", NULL, &answer, error);
	answer_finish(&answer);
	if (status == WEIR_OK)
		status = count_kind(instance, "live", &live, error);
	if (status == WEIR_OK)
		status = count_kind(instance, "hidden", &hidden, error);
	if (status == WEIR_OK)
		status = count_bytes(instance, &bytes, error);
	if (status == WEIR_OK && on_stat(context, "documents_live", live) == 0 &&
	    on_stat(context, "documents_hidden", hidden) == 0)
		on_stat(context, "bytes_on_disk", bytes);
	return status;
}
