/* SPDX-License-Identifier: MIT */
#include "states.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "message.h"

/* Changes of one event that are kept apart before they are made one state: bounds the memory that
 * an event with a long history takes. */
enum { CHANGE_LIMIT = 200 };

struct states {
	const struct schema *schema;
	struct event_decoder *decoder;
	struct arena arena;
	struct buffer value, blob;
	struct state state;
	size_t changes; /* since the state was last written down */

	/* the event under way; "": none */
	char id[STORE_ID_SIZE];
	int64_t version, sequence, changed_at;

	/* one walk */
	states_each each;
	void *context;
	bool ended;
	weir_status status;
	struct weir_error *error;
};

struct states *states_create(const struct schema *schema)
{
	struct states *states = calloc(1, sizeof(*states));
	if (states == NULL)
		return NULL;
	states->schema = schema;
	states->decoder = event_decoder_create(schema);
	if (states->decoder != NULL)
		return states;
	states_destroy(states);
	return NULL;
}

void states_destroy(struct states *states)
{
	if (states == NULL)
		return;
	event_decoder_destroy(states->decoder);
	arena_finish(&states->arena);
	buffer_finish(&states->value);
	buffer_finish(&states->blob);
	state_finish(&states->state);
	free(states);
}

/* What the indexer would read; NULL: it would make a dead letter of it. */
static weir_status pass_on(struct states *states, const struct store_change *change,
			   struct event_change **read, struct weir_error *error)
{
	const struct schema_message *message = message_of(states->schema, change->operation);
	char version[24];
	int version_length = snprintf(version, sizeof(version), "%" PRId64, change->version);
	const struct event_header headers[] = {
		{"EventType", message->type, strlen(message->type)},
		{"Version", version, (size_t)version_length},
	};
	const char *unknown_type;
	enum event_outcome outcome;
	buffer_clear(&states->value);
	weir_status status =
		message_value(states->schema, change, &states->arena, &states->value, error);
	if (status != WEIR_OK) {
		*read = NULL; /* the relay sets it aside */
		return status == WEIR_INVALID ? WEIR_OK : status;
	}
	const struct event_message sent = {
		.topic = message->topic,
		.timestamp = INT64_MIN,
		.key = change->id,
		.key_length = strlen(change->id),
		.value = states->value.data,
		.value_length = states->value.length,
		.headers = headers,
		.header_count = sizeof(headers) / sizeof(headers[0]),
	};
	status = event_decode(states->decoder, &sent, &outcome, read, &unknown_type, error);
	if (status == WEIR_OK && outcome != EVENT_CHANGE)
		*read = NULL;
	return status;
}

/* The state in bytes of its own, so that the changes that it came from can go. */
static weir_status write_down(struct states *states, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer blob = BUFFER_INIT;
	state_write(&states->state, &blob);
	if (buffer_failed(&blob))
		return err_no_memory(error);
	struct buffer before = states->blob;
	states->blob = blob;
	blob = before; /* the state borrowed from it until now */
	event_decoder_reset(states->decoder);
	arena_reset(&states->arena);
	states->changes = 0;
	return state_read(&states->state, states->blob.data, states->blob.length, error);
}

static weir_status add(struct states *states, const struct store_change *change,
		       struct weir_error *error)
{
	struct event_change *read = NULL;
	bool changed;
	weir_status status = WEIR_OK;
	if (states->changes == CHANGE_LIMIT)
		status = write_down(states, error);
	if (status == WEIR_OK)
		status = pass_on(states, change, &read, error);
	if (status == WEIR_OK && read != NULL)
		status = state_merge(&states->state, read, &changed, error);
	states->changes++;
	if (change->sequence > states->sequence)
		states->sequence = change->sequence;
	if (change->version >= states->version) {
		states->version = change->version;
		states->changed_at = change->at;
	}
	return status;
}

static void begin(struct states *states, const char *id)
{
	snprintf(states->id, sizeof(states->id), "%s", id);
	states->version = INT64_MIN;
	states->sequence = 0;
	states->changes = 0;
	state_clear(&states->state);
	event_decoder_reset(states->decoder);
	arena_reset(&states->arena);
}

/* Hands out the event under way. False: enough. */
static bool finish(struct states *states)
{
	const struct state *state = &states->state;
	if (states->id[0] == '\0' || (!state->deleted && state->field_count == 0))
		return true;
	struct states_event event = {
		.id = states->id,
		.version = state_version(state),
		.kind = state_visible(state, states->schema) ? WEIR_KIND_LIVE : WEIR_KIND_HIDDEN,
		.state = state,
		.sequence = states->sequence,
		.changed_at = states->changed_at,
	};
	return states->each(states->context, &event);
}

static bool take(void *context, const struct store_change *change)
{
	struct states *states = context;
	if (strcmp(states->id, change->id) != 0) {
		states->ended = !finish(states);
		begin(states, change->id);
	}
	if (!states->ended)
		states->status = add(states, change, states->error);
	return !states->ended && states->status == WEIR_OK;
}

static void begin_walk(struct states *states, states_each each, void *context,
		       struct weir_error *error)
{
	begin(states, "");
	states->each = each;
	states->context = context;
	states->ended = false;
	states->status = WEIR_OK;
	states->error = error;
}

static weir_status end_walk(struct states *states, weir_status status)
{
	if (status == WEIR_OK)
		status = states->status;
	if (status == WEIR_OK && !states->ended)
		finish(states);
	return status;
}

weir_status states_walk(struct states *states, struct store *store, const char *after,
			states_each each, void *context, struct weir_error *error)
{
	begin_walk(states, each, context, error);
	return end_walk(states, store_changes_by_id(store, after, take, states, error));
}

weir_status states_find(struct states *states, struct store *store, const char *id,
			states_each each, void *context, struct weir_error *error)
{
	begin_walk(states, each, context, error);
	return end_walk(states, store_history(store, id, STORE_NEVER, take, states, error));
}
