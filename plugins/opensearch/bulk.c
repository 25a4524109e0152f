/* SPDX-License-Identifier: MIT
 * bulk.c - documents into the index: one _bulk, and a verdict for each from its own item. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "instance.h"

/* Of the same items, while the cluster says that it has no room now. */
enum { TRIES = 5, FIRST_WAIT_MS = 20 };

/* Where a document's lines stand in the text. */
struct item {
	size_t document, offset, length;
};

struct bulk {
	struct weir_instance *instance;
	struct weir_verdict *const *verdicts;
	struct item *items; /* those that have no verdict yet */
	size_t count;
	struct text lines, body;
	/* Of the answer under way. */
	size_t taken;	/* items that got in */
	size_t refused; /* items that failed inside the server, as by a bug */
	bool blocked;	/* the index may not be written to: soon again is too soon */
	weir_status failure;
	struct weir_error *error;
};

static bool add_action(struct bulk *bulk, const struct weir_document *document)
{
	struct text *out = &bulk->lines;
	struct text id = {0};
	int64_t numbers[2]; /* of the sequence, and of the primary's term */
	text_from_bytes(&id, document->id, document->id_length);
	bool known = document->revision_length == sizeof(numbers);
	text_add(out, known ? "{\"index\":{\"_id\":" : "{\"create\":{\"_id\":");
	text_quote(out, id.data, id.length);
	if (known) {
		memcpy(numbers, document->revision, sizeof(numbers));
		text_add(out, ",\"if_seq_no\":");
		text_integer(out, numbers[0]);
		text_add(out, ",\"if_primary_term\":");
		text_integer(out, numbers[1]);
	}
	text_add(out, "}}\n");
	bool good = !id.failed && !out->failed;
	text_finish(&id);
	return good;
}

static void set_verdict(struct bulk *bulk, const struct item *item, uint32_t kind,
			const char *reason)
{
	struct weir_verdict *verdict = bulk->verdicts[item->document];
	verdict->kind = kind;
	snprintf(verdict->reason, sizeof(verdict->reason), "%s", reason);
	for (char *byte = verdict->reason; *byte != '\0'; byte++)
		if ((unsigned char)*byte < 0x20 || *byte == 0x7F)
			*byte = ' ';
}

static const char *text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

static void reject(struct bulk *bulk, const struct item *item, const json_t *failure)
{
	char reason[252];
	const char *cause = text_in(json_object_get(failure, "caused_by"), "reason");
	snprintf(reason, sizeof(reason), "%.60s: %.120s%s%.60s", text_in(failure, "type"),
		 text_in(failure, "reason"), cause[0] != '\0' ? ": " : "", cause);
	set_verdict(bulk, item, WEIR_REJECTED, reason);
}

/* Time may help; the line is of the newest that says so. */
static void note_pressure(struct bulk *bulk, const struct answer *answer, long status,
			  const json_t *failure)
{
	bulk->blocked = failure_is_block(failure);
	if (bulk->blocked)
		bulk->failure = failure_block(answer, failure, bulk->error);
	else
		bulk->failure = error_set(
			bulk->error, WEIR_RETRY,
			"opensearch: %.120s takes no more writes now (status %ld, "
			"%.60s: %.150s); is the cluster overloaded?",
			answer->url, status, text_in(failure, "type"), text_in(failure, "reason"));
}

/* True: the item is done with. */
static bool judge(struct bulk *bulk, const struct answer *answer, const struct item *item,
		  const json_t *result)
{
	json_int_t status = json_integer_value(json_object_get(result, "status"));
	const json_t *failure = json_object_get(result, "error");
	const char *type = text_in(failure, "type");
	if (status >= 200 && status < 300) {
		set_verdict(bulk, item, WEIR_ACCEPTED, "");
		bulk->taken++;
		return true;
	}
	if (status == 409) {
		set_verdict(bulk, item, WEIR_CONFLICT, "");
		return true;
	}
	if (status == 400 && strcmp(type, "strict_dynamic_mapping_exception") != 0) {
		reject(bulk, item, failure);
		return true;
	}
	if (status == 404 || status == 400) {
		bulk->failure = index_gone(bulk->instance, bulk->error);
		return false;
	}
	bulk->refused += status == 500;
	note_pressure(bulk, answer, (long)status, failure);
	return false;
}

static weir_status not_as_asked(const struct answer *answer, struct weir_error *error)
{
	return error_set(
		error, WEIR_RETRY,
		"opensearch: %.200s: the answer to _bulk has not an item for each document",
		answer->url);
}

/* Keeps the items that are not done with. */
static weir_status judge_all(struct bulk *bulk, const struct answer *answer)
{
	const json_t *results = json_object_get(answer->json, "items");
	size_t left = 0;
	if (json_array_size(results) != bulk->count)
		return not_as_asked(answer, bulk->error);
	bulk->failure = WEIR_OK;
	bulk->blocked = false;
	bulk->taken = bulk->refused = 0;
	for (size_t i = 0; i < bulk->count; i++) {
		json_t *action = json_array_get(results, i);
		const json_t *result = json_object_iter_value(json_object_iter(action));
		if (!json_is_object(result))
			return not_as_asked(answer, bulk->error);
		if (!judge(bulk, answer, &bulk->items[i], result))
			bulk->items[left++] = bulk->items[i];
	}
	bulk->count = left;
	return WEIR_OK;
}

static weir_status send_items(struct bulk *bulk, size_t from, size_t to, struct answer *answer)
{
	const struct index *index = &bulk->instance->index;
	char path[1100];
	snprintf(path, sizeof(path),
		 "%.900s/_bulk?filter_path=items.*.status,items.*.error.type,items.*.error.reason,"
		 "items.*.error.caused_by.reason,error,status%s",
		 index->writes.data, index->required.data);
	text_clear(&bulk->body);
	for (size_t i = from; i < to; i++)
		text_append(&bulk->body, bulk->lines.data + bulk->items[i].offset,
			    bulk->items[i].length);
	return connection_call(bulk->instance->connection, "POST", path, &bulk->body, answer,
			       bulk->error);
}

/* The whole was refused. One document that is too large for the cluster stays so. */
static weir_status whole_failed(struct bulk *bulk, const struct answer *answer)
{
	if (answer->status == 413 && bulk->count == 1) {
		set_verdict(bulk, &bulk->items[0], WEIR_REJECTED,
			    "it is larger than the cluster takes (http.max_content_length)");
		bulk->count = 0;
		return WEIR_OK;
	}
	if (answer->status == 413)
		return error_set(
			bulk->error, WEIR_FATAL,
			"opensearch: %.200s takes no request of %zu bytes; make bulk_bytes "
			"in [backend.opensearch] smaller",
			answer->url, bulk->body.length);
	return answer_failed(answer, bulk->instance->index.writes.data, bulk->error);
}

static weir_status send_once(struct bulk *bulk)
{
	struct answer answer;
	weir_status status = send_items(bulk, 0, bulk->count, &answer);
	if (status != WEIR_OK)
		return status;
	bulk->failure = WEIR_OK;
	if (answer_is_good(&answer))
		status = judge_all(bulk, &answer);
	else
		bulk->failure = whole_failed(bulk, &answer);
	answer_finish(&answer);
	return status;
}

/* Status 500 again and again while others get in: it is the document. */
static void reject_refused(struct bulk *bulk, size_t others)
{
	struct weir_error ignored;
	if (bulk->refused < bulk->count || bulk->refused == 0)
		return;
	if (others == 0 && head_write(bulk->instance, "probe", NULL, 0, &ignored) != WEIR_OK)
		return;
	for (size_t i = 0; i < bulk->count; i++) {
		char reason[252];
		snprintf(reason, sizeof(reason), "OpenSearch fails on it: %.220s",
			 bulk->error->message);
		set_verdict(bulk, &bulk->items[i], WEIR_REJECTED, reason);
	}
	bulk->count = 0;
}

/* Sends the items until each has a verdict, or the cluster has said often enough that it cannot. */
static weir_status send_all(struct bulk *bulk)
{
	size_t others = 0;
	int wait = FIRST_WAIT_MS;
	for (int tries = 1; bulk->count > 0; tries++, wait *= 2) {
		weir_status status = send_once(bulk);
		if (status != WEIR_OK)
			return status;
		others += bulk->taken;
		if (bulk->count == 0)
			break;
		if (bulk->failure == WEIR_FATAL || bulk->blocked)
			return bulk->failure;
		if (tries == TRIES) {
			reject_refused(bulk, others);
			return bulk->count == 0 ? WEIR_OK : bulk->failure;
		}
		if (!connection_wait(bulk->instance->connection, wait))
			return bulk->failure;
	}
	bulk->lines.length = 0;
	return WEIR_OK;
}

static weir_status add_document(struct bulk *bulk, const struct weir_document *document,
				size_t number)
{
	struct weir_instance *instance = bulk->instance;
	const char *refusal = document_refusal(&instance->fields, document);
	struct item item = {number, bulk->lines.length, 0};
	if (refusal != NULL) {
		set_verdict(bulk, &item, WEIR_REJECTED, refusal);
		return WEIR_OK;
	}
	if (!add_action(bulk, document) || !document_write(&instance->documents, &instance->fields,
							   instance->host, document, &bulk->lines))
		return error_no_memory(bulk->error);
	item.length = bulk->lines.length - item.offset;
	bulk->items[bulk->count++] = item;
	return bulk->lines.length < instance->index.bulk_bytes ? WEIR_OK : send_all(bulk);
}

weir_status bulk_apply(struct weir_instance *instance, const struct weir_document *const *documents,
		       size_t count, struct weir_verdict *const *verdicts, struct weir_error *error)
{
	struct bulk bulk = {.instance = instance,
			    .verdicts = verdicts,
			    .items = calloc(count + 1, sizeof(struct item)),
			    .error = error};
	weir_status status = bulk.items != NULL ? WEIR_OK : error_no_memory(error);
	for (size_t i = 0; i < count && status == WEIR_OK; i++)
		status = add_document(&bulk, documents[i], i);
	if (status == WEIR_OK)
		status = send_all(&bulk);
	text_finish(&bulk.lines);
	text_finish(&bulk.body);
	free(bulk.items);
	return status;
}
