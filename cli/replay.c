/* SPDX-License-Identifier: MIT */
#include "replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http_client.h"
#include "json.h"
#include "moment.h"
#include "state.h"

enum { ANSWER_MS = 60000, PAGE = 5000, CHUNK = 128, CONFLICT_LIMIT = 10 };

/* One document on its way. */
struct slot {
	char id[EVENT_ID_LIMIT + 1];
	size_t id_length;
	struct state state;
	struct buffer stored, revision, blob;
	struct state_values values;
	struct weir_document document;
	struct weir_verdict verdict;
	bool changed, done;
};

struct replay {
	char *url;
	const struct schema *schema;
	const struct backend *backend;
	CURL *handle; /* keeps its connection */
	struct http_answer answer;
	struct buffer target;
	struct event_decoder *decoder;
	struct slot slots[CHUNK];
	struct event_change **changes; /* of a page, in its order */
	size_t change_count;
	uint64_t rejected;
	char reason[512];
};

weir_status replay_create(const char *url, const struct schema *schema,
			  const struct backend *backend, struct replay **replay,
			  struct weir_error *error)
{
	struct replay *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->schema = schema;
	made->backend = backend;
	made->url = strdup(url);
	made->handle = http_client_handle(url, ANSWER_MS, &made->answer);
	made->decoder = event_decoder_create(schema);
	made->changes = calloc(PAGE, sizeof(struct event_change *));
	if (made->url == NULL || made->handle == NULL || made->decoder == NULL ||
	    made->changes == NULL) {
		replay_destroy(made);
		return err_no_memory(error);
	}
	*replay = made;
	return WEIR_OK;
}

void replay_destroy(struct replay *replay)
{
	if (replay == NULL)
		return;
	for (size_t i = 0; i < CHUNK; i++) {
		struct slot *slot = &replay->slots[i];
		state_finish(&slot->state);
		buffer_finish(&slot->stored);
		buffer_finish(&slot->revision);
		buffer_finish(&slot->blob);
		state_values_finish(&slot->values);
	}
	curl_easy_cleanup(replay->handle);
	http_answer_finish(&replay->answer);
	buffer_finish(&replay->target);
	event_decoder_destroy(replay->decoder);
	free((void *)replay->changes);
	free(replay->url);
	free(replay);
}

static weir_status away(const struct replay *replay, const char *what, struct weir_error *error)
{
	return err_set(error, WEIR_AWAY, "eventd at %s: %s", replay->url, what);
}

static weir_status ask(struct replay *replay, int64_t after, int64_t until, int limit,
		       struct weir_error *error)
{
	char line[400];
	http_client_url(&replay->target, replay->url, "/api/v1/changes");
	buffer_printf(&replay->target, "?as=messages&after=%" PRId64 "&until=%" PRId64 "&limit=%d",
		      after, until, limit);
	buffer_clear(&replay->answer.body);
	if (buffer_failed(&replay->target))
		return err_no_memory(error);
	curl_easy_setopt(replay->handle, CURLOPT_URL, replay->target.data);
	CURLcode code = curl_easy_perform(replay->handle);
	if (buffer_failed(&replay->answer.body))
		return err_no_memory(error);
	if (code != CURLE_OK)
		return away(replay, curl_easy_strerror(code), error);
	http_client_read_head(replay->handle, &replay->answer);
	if (replay->answer.status == 200)
		return WEIR_OK;
	http_client_problem(replay->answer.body.data, replay->answer.body.length, line,
			    sizeof(line));
	return away(replay, line[0] != '\0' ? line : "it is no eventd of this Weir", error);
}

weir_status replay_newest(struct replay *replay, int64_t *sequence, struct weir_error *error)
{
	struct curl_header *header;
	weir_status status = ask(replay, 0, 0, 1, error);
	if (status != WEIR_OK)
		return status;
	if (curl_easy_header(replay->handle, "Weir-Sequence", 0, CURLH_HEADER, -1, &header) !=
	    CURLHE_OK)
		return away(replay, "it does not say which change is the newest", error);
	char *end;
	*sequence = strtoll(header->value, &end, 10);
	return *end == '\0' ? WEIR_OK : away(replay, "Weir-Sequence is no number", error);
}

static const char *text_of(const json_t *node, const char *name)
{
	return json_string_value(json_object_get(node, name));
}

/* One line: as the message that the relay sends, so that the state comes out the same. */
static weir_status read_line(struct replay *replay, const char *line, size_t length,
			     int64_t *sequence, struct weir_error *error)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	WEIR_CLEANUP(buffer_finish) struct buffer value = BUFFER_INIT;
	struct weir_error reason;
	weir_status status = jsondoc_parse(line, length, &document, &reason);
	if (status != WEIR_OK)
		return away(replay, reason.message, error);
	const json_t *root = jsondoc_root(document), *body = json_object_get(root, "value");
	const char *id = text_of(root, "id"), *topic = text_of(root, "topic");
	const char *type = text_of(root, "type"), *unknown;
	const json_t *number = json_object_get(root, "sequence");
	const json_t *at = json_object_get(root, "version");
	if (id == NULL || topic == NULL || type == NULL || !json_is_object(body) ||
	    !json_is_integer(number) || !json_is_integer(at))
		return away(replay, "a change is incomplete", error);
	size_t digits;
	const char *version = jsondoc_number(document, at, &digits);
	jsondoc_canonical(document, body, &value);
	if (buffer_failed(&value))
		return err_no_memory(error);
	const struct event_header headers[] = {{"EventType", type, strlen(type)},
					       {"Version", version, digits}};
	struct event_message message = {.topic = topic,
					.timestamp = INT64_MIN,
					.key = id,
					.key_length = strlen(id),
					.value = value.data,
					.value_length = value.length,
					.headers = headers,
					.header_count = 2};
	enum event_outcome outcome;
	struct event_change *change;
	status = event_decode(replay->decoder, &message, &outcome, &change, &unknown, &reason);
	if (status != WEIR_OK)
		return err_set(error, status, "%s", reason.message);
	/* It is one on its way through Kafka, too; what is missing then is for the comparison. */
	if (outcome == EVENT_DEAD_LETTER && replay->rejected++ == 0)
		snprintf(replay->reason, sizeof(replay->reason), "%s: %.240s", id, reason.message);
	if (outcome == EVENT_CHANGE)
		replay->changes[replay->change_count++] = change;
	*sequence = strtoll(jsondoc_number(document, number, NULL), NULL, 10);
	return WEIR_OK;
}

static weir_status read_lines(struct replay *replay, int64_t *last, bool *any,
			      struct weir_error *error)
{
	const struct buffer *body = &replay->answer.body;
	size_t lines = 0;
	*any = false;
	event_decoder_reset(replay->decoder);
	replay->change_count = 0;
	for (size_t at = 0; at < body->length;) {
		const char *end = memchr(body->data + at, '\n', body->length - at);
		size_t length = end != NULL ? (size_t)(end - body->data) - at : body->length - at;
		if (length > 0 && ++lines > PAGE)
			return away(replay, "the page is longer than asked for", error);
		weir_status status =
			length > 0 ? read_line(replay, body->data + at, length, last, error)
				   : WEIR_OK;
		if (status != WEIR_OK)
			return status;
		*any = *any || length > 0;
		at += length + 1;
	}
	return WEIR_OK;
}

static int on_state(void *context, size_t index, int found, const void *state, size_t state_length,
		    const void *revision, size_t revision_length)
{
	struct slot *slot = &((struct replay *)context)->slots[index];
	buffer_clear(&slot->stored);
	buffer_clear(&slot->revision);
	if (found) {
		buffer_append(&slot->stored, state, state_length);
		buffer_append(&slot->revision, revision, revision_length);
	}
	return buffer_failed(&slot->stored) || buffer_failed(&slot->revision);
}

static weir_status fetch(struct replay *replay, size_t count, struct weir_error *error)
{
	const char *ids[CHUNK];
	size_t lengths[CHUNK];
	for (size_t i = 0; i < count; i++) {
		ids[i] = replay->slots[i].id;
		lengths[i] = replay->slots[i].id_length;
	}
	weir_status status = replay->backend->plugin->operations.fetch(
		replay->backend->instance, ids, lengths, count, on_state, replay, error);
	for (size_t i = 0; i < count && status == WEIR_OK; i++) {
		struct slot *slot = &replay->slots[i];
		if (buffer_failed(&slot->stored) || buffer_failed(&slot->revision))
			return err_no_memory(error);
		status = state_read(&slot->state, slot->stored.data, slot->stored.length, error);
	}
	return status;
}

static struct slot *find_slot(struct replay *replay, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(replay->slots[i].id, id) == 0)
			return &replay->slots[i];
	return NULL;
}

static weir_status fill(struct replay *replay, struct slot *slot, struct weir_error *error)
{
	weir_status status = state_document(&slot->state, replay->schema, moment_now(), &slot->blob,
					    &slot->values, &slot->document, error);
	if (status != WEIR_OK)
		return status;
	slot->document.id = slot->id;
	slot->document.id_length = slot->id_length;
	slot->document.revision = slot->revision.data;
	slot->document.revision_length = slot->revision.length;
	return WEIR_OK;
}

/* Merges the changes [from, to) into the slots that are not done. */
static weir_status merge(struct replay *replay, size_t from, size_t to, size_t count,
			 struct weir_error *error)
{
	for (size_t i = 0; i < count; i++)
		replay->slots[i].changed = false;
	for (size_t i = from; i < to; i++) {
		struct slot *slot = find_slot(replay, count, replay->changes[i]->id);
		bool changed = false;
		if (slot == NULL || slot->done)
			continue;
		weir_status status = state_merge(&slot->state, replay->changes[i], &changed, error);
		if (status != WEIR_OK)
			return status;
		slot->changed = slot->changed || changed;
	}
	for (size_t i = 0; i < count; i++) {
		struct slot *slot = &replay->slots[i];
		weir_status status =
			slot->changed && !slot->done ? fill(replay, slot, error) : WEIR_OK;
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

static weir_status apply(struct replay *replay, size_t count, size_t *conflicts,
			 struct weir_error *error)
{
	const struct weir_document *documents[CHUNK];
	struct weir_verdict *verdicts[CHUNK];
	struct slot *owners[CHUNK];
	size_t changed = 0;
	*conflicts = 0;
	for (size_t i = 0; i < count; i++) {
		struct slot *slot = &replay->slots[i];
		if (slot->done || !slot->changed)
			continue;
		slot->verdict.kind = WEIR_ACCEPTED;
		documents[changed] = &slot->document;
		verdicts[changed] = &slot->verdict;
		owners[changed++] = slot;
	}
	if (changed == 0)
		return WEIR_OK;
	weir_status status = replay->backend->plugin->operations.apply(
		replay->backend->instance, documents, changed, verdicts, error);
	for (size_t i = 0; i < changed && status == WEIR_OK; i++) {
		owners[i]->done = verdicts[i]->kind != WEIR_CONFLICT;
		*conflicts += !owners[i]->done;
		if (verdicts[i]->kind == WEIR_REJECTED && replay->rejected++ == 0)
			snprintf(replay->reason, sizeof(replay->reason), "%s: %.240s",
				 owners[i]->id, verdicts[i]->reason);
	}
	return status;
}

/* The changes [from, to), of count events, which the slots name. */
static weir_status run_chunk(struct replay *replay, size_t from, size_t to, size_t count,
			     struct weir_error *error)
{
	size_t conflicts = 1;
	for (size_t i = 0; i < count; i++)
		replay->slots[i].done = false;
	for (int tries = 0; conflicts > 0; tries++) {
		if (tries == CONFLICT_LIMIT)
			return err_set(error, WEIR_RETRY,
				       "somebody else keeps writing the same events");
		weir_status status = fetch(replay, count, error);
		if (status == WEIR_OK)
			status = merge(replay, from, to, count, error);
		if (status == WEIR_OK)
			status = apply(replay, count, &conflicts, error);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

static weir_status run_changes(struct replay *replay, struct weir_error *error)
{
	for (size_t from = 0, to = 0; from < replay->change_count; from = to) {
		size_t count = 0;
		for (; to < replay->change_count; to++) {
			const struct event_change *change = replay->changes[to];
			if (find_slot(replay, count, change->id) != NULL)
				continue;
			if (count == CHUNK)
				break;
			memcpy(replay->slots[count].id, change->id, change->id_length + 1);
			replay->slots[count++].id_length = change->id_length;
		}
		weir_status status = run_chunk(replay, from, to, count, error);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

weir_status replay_page(struct replay *replay, int64_t *after, int64_t until, bool *more,
			struct weir_error *error)
{
	const struct backend *backend = replay->backend;
	int64_t last = *after;
	weir_status status = ask(replay, *after, until, PAGE, error);
	if (status == WEIR_OK)
		status = read_lines(replay, &last, more, error);
	if (status != WEIR_OK || !*more)
		return status;
	status = run_changes(replay, error);
	if (status == WEIR_OK)
		status = backend->plugin->operations.commit(backend->instance, NULL, 0, error);
	if (status != WEIR_OK) {
		struct weir_error second;
		if (backend->plugin->operations.abandon(backend->instance, &second) == WEIR_FATAL)
			return err_set(error, WEIR_FATAL, "%s", second.message);
		return status;
	}
	*after = last;
	return WEIR_OK;
}

uint64_t replay_rejected(const struct replay *replay, const char **reason)
{
	*reason = replay->reason;
	return replay->rejected;
}

weir_status replay_commit(const struct backend *backend, const struct positions *positions,
			  struct weir_error *error)
{
	size_t count = positions != NULL ? positions->count : 0;
	WEIR_FREE struct weir_position *made = calloc(count + 1, sizeof(*made));
	WEIR_FREE const struct weir_position **pointers = calloc(count + 1, sizeof(*pointers));
	if (made == NULL || pointers == NULL)
		return err_no_memory(error);
	for (size_t i = 0; i < count; i++) {
		const struct positions_entry *entry = &positions->entries[i];
		made[i] = (struct weir_position){entry->cluster, entry->topic, entry->topic_id,
						 entry->partition, entry->next_offset};
		pointers[i] = &made[i];
	}
	weir_status status = count > 0 ? backend->plugin->operations.commit(backend->instance,
									    pointers, count, error)
				       : WEIR_OK;
	if (status == WEIR_OK && backend->plugin->operations.sync != NULL)
		status = backend->plugin->operations.sync(backend->instance, error);
	return status;
}
