/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <string.h>
#include <sys/random.h>

#include "etag.h"
#include "idempotency.h"
#include "moment.h"
#include "render.h"
#include "stop_point.h"
#include "validate.h"

/* One command on its way. */
struct performing {
	struct store *store;
	const struct command *command;
	struct arena *arena;
	struct command_answer *answer;
	struct weir_error *error;
};

static weir_status make_id(char id[STORE_ID_SIZE], struct weir_error *error)
{
	unsigned char bytes[16];
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_set(error, WEIR_SYSTEM, "the system gave no random bytes for an id");
	bytes[6] = (bytes[6] & 0x0F) | 0x40; /* version 4 */
	bytes[8] = (bytes[8] & 0x3F) | 0x80; /* variant of RFC 9562 */
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*id++ = '-';
		*id++ = "0123456789abcdef"[bytes[i] >> 4];
		*id++ = "0123456789abcdef"[bytes[i] & 15];
	}
	*id = '\0';
	return WEIR_OK;
}

/* The next version of an event: microseconds, and always more than the last. */
static int64_t next_version(int64_t now, int64_t last)
{
	return now > last ? now : last + 1;
}

static weir_status answer_event(struct performing *performing, int status,
				const struct store_event *event)
{
	struct command_answer *answer = performing->answer;
	answer->status = status;
	memcpy(answer->id, event->id, STORE_ID_SIZE);
	answer->version = event->version;
	if (performing->command->quiet || event->deleted)
		return WEIR_OK;
	render_event(&answer->body, event);
	return buffer_failed(&answer->body) ? err_no_memory(performing->error) : WEIR_OK;
}

static weir_status refuse(struct performing *performing, int status, const char *detail)
{
	problem_set(&performing->answer->problem, status, "%s", detail);
	return WEIR_OK;
}

static weir_status add_change(struct performing *performing, const struct store_event *event,
			      enum schema_operation operation, int64_t at, struct store_text by,
			      struct store_text fields)
{
	struct store_change change = {.version = event->version,
				      .operation = operation,
				      .at = at,
				      .by = by,
				      .fields = fields};
	memcpy(change.id, event->id, STORE_ID_SIZE);
	performing->answer->changed = true;
	stop_point("eventd.event.after");
	weir_status status = store_add_change(performing->store, &change, performing->error);
	stop_point("eventd.outbox.after");
	return status;
}

/* WEIR_OK and *done: the key was used before, and the answer is filled. */
static weir_status recall(struct performing *performing, int64_t now,
			  struct idempotency_answer *key, bool *done)
{
	const struct command *command = performing->command;
	*done = true;
	if (!idempotency_key_valid(command->idempotency_key))
		return refuse(performing, 400,
			      "Idempotency-Key is empty, longer than 255 characters, or not ASCII");
	struct idempotency_answer first = {0};
	idempotency_digest(command->body, command->body_length, key->digest);
	weir_status status = idempotency_find(performing->store, command->idempotency_key, now,
					      performing->arena, &first, performing->error);
	if (status == WEIR_NOT_FOUND) {
		*done = false;
		return WEIR_OK;
	}
	if (status != WEIR_OK)
		return status;
	if (memcmp(first.digest, key->digest, IDEMPOTENCY_DIGEST) != 0)
		return refuse(performing, 422,
			      "this Idempotency-Key was used with another body; use a new key");
	struct command_answer *answer = performing->answer;
	answer->status = 201;
	memcpy(answer->id, first.id, STORE_ID_SIZE);
	answer->version = first.version;
	buffer_append(&answer->body, first.body.bytes, first.body.length);
	return buffer_failed(&answer->body) ? err_no_memory(performing->error) : WEIR_OK;
}

static weir_status remember(struct performing *performing, int64_t now,
			    struct idempotency_answer *key)
{
	const struct command_answer *answer = performing->answer;
	memcpy(key->id, answer->id, STORE_ID_SIZE);
	key->version = answer->version;
	key->body = (struct store_text){answer->body.data, answer->body.length};
	return idempotency_keep(performing->store, performing->command->idempotency_key, now, key,
				performing->error);
}

/* An id that the client chose must be free, and stays taken after a delete: a consumer that meets
 * old and new messages of one id could not tell them apart. */
static weir_status choose_id(struct performing *performing, const struct draft *draft,
			     struct store_event *event, bool *taken)
{
	struct store_event existing;
	*taken = false;
	if (draft->id[0] == '\0')
		return make_id(event->id, performing->error);
	memcpy(event->id, draft->id, STORE_ID_SIZE);
	weir_status status = store_find(performing->store, draft->id, performing->arena, &existing,
					performing->error);
	if (status == WEIR_NOT_FOUND)
		return WEIR_OK;
	if (status != WEIR_OK)
		return status;
	*taken = true;
	return refuse(performing, 409,
		      existing.deleted
			      ? "an event with this id was deleted; its id is not used again"
			      : "an event with this id exists; change it with PUT or PATCH");
}

static weir_status create(struct performing *performing)
{
	const struct command *command = performing->command;
	struct draft draft;
	struct store_event event = {.updated_at = STORE_NEVER};
	struct idempotency_answer key = {0};
	int64_t now = moment_now();
	bool ended = false;
	weir_status status = WEIR_OK;
	if (command->idempotency_key != NULL)
		status = recall(performing, now, &key, &ended);
	if (status != WEIR_OK || ended)
		return status;
	if (!validate_draft(command->body, command->body_length, DRAFT_CREATE, &draft,
			    &performing->answer->problem))
		return WEIR_OK;
	status = choose_id(performing, &draft, &event, &ended);
	if (status != WEIR_OK || ended)
		return status;
	event.version = event.created_at = now;
	event.created_by = draft.created_by.json;
	event.fields = validate_write(draft.members, false, performing->arena);
	if (event.fields.bytes == NULL)
		return err_no_memory(performing->error);
	status = store_insert(performing->store, &event, performing->error);
	if (status == WEIR_OK)
		status = add_change(performing, &event, SCHEMA_CREATED, now, event.created_by,
				    event.fields);
	if (status == WEIR_OK)
		status = answer_event(performing, 201, &event);
	if (status == WEIR_OK && command->idempotency_key != NULL)
		status = remember(performing, now, &key);
	return status;
}

/* The stored event that the path names. *event->id is "" when the answer is given already. */
static weir_status find(struct performing *performing, struct store_event *event)
{
	char id[STORE_ID_SIZE];
	const char *text = performing->command->id;
	weir_status status = WEIR_NOT_FOUND;
	if (validate_id(text, strlen(text), id))
		status = store_find(performing->store, id, performing->arena, event,
				    performing->error);
	if (status == WEIR_NOT_FOUND) {
		event->id[0] = '\0';
		return refuse(performing, 404, "there is no event with this id");
	}
	if (status == WEIR_OK && event->deleted) {
		event->id[0] = '\0';
		return refuse(performing, 410, "this event was deleted");
	}
	return status;
}

static bool preconditions_hold(struct performing *performing, const struct store_event *event)
{
	const struct command *command = performing->command;
	bool hold = (command->if_match == NULL ||
		     etag_matches(command->if_match, event->version, true)) &&
		    (command->if_none_match == NULL ||
		     !etag_matches(command->if_none_match, event->version, false));
	if (!hold)
		problem_set(&performing->answer->problem, 412,
			    "the event has version %lld now; read it again",
			    (long long)event->version);
	return hold;
}

/* What the members are afterwards, and which of them change (given, null where removed). */
static bool merge(const struct draft *draft, enum command_kind kind,
		  const struct value before[MEMBER_COUNT], struct value after[MEMBER_COUNT],
		  struct value changes[MEMBER_COUNT])
{
	bool changed = false;
	for (size_t i = 0; i < MEMBER_COUNT; i++) {
		const struct value *asked = &draft->members[i];
		after[i] = kind == COMMAND_PATCH && !asked->given ? before[i] : *asked;
		const struct store_text *was = &before[i].json, *is = &after[i].json;
		bool same = was->bytes == NULL || is->bytes == NULL
				    ? was->bytes == is->bytes
				    : was->length == is->length &&
					      memcmp(was->bytes, is->bytes, is->length) == 0;
		changes[i] = (struct value){.given = !same, .json = *is};
		changed = changed || !same;
	}
	return changed;
}

static weir_status write_update(struct performing *performing, struct store_event *event,
				const struct draft *draft, const struct value after[MEMBER_COUNT],
				const struct value changes[MEMBER_COUNT])
{
	int64_t now = moment_now();
	event->version = next_version(now, event->version);
	event->updated_at = now;
	event->updated_by = draft->updated_by.json;
	event->fields = validate_write(after, false, performing->arena);
	struct store_text fields = validate_write(changes, true, performing->arena);
	if (event->fields.bytes == NULL || fields.bytes == NULL)
		return err_no_memory(performing->error);
	weir_status status = store_replace(performing->store, event, performing->error);
	if (status == WEIR_OK)
		status = add_change(performing, event, SCHEMA_UPDATED, now, event->updated_by,
				    fields);
	return status;
}

/* Who updated is part of an update, not a reason for one: without a changed member the event and
 * its version stay. */
static weir_status update(struct performing *performing)
{
	const struct command *command = performing->command;
	struct command_answer *answer = performing->answer;
	struct draft draft;
	struct store_event event;
	struct value before[MEMBER_COUNT], after[MEMBER_COUNT], changes[MEMBER_COUNT];
	weir_status status = find(performing, &event);
	if (status != WEIR_OK || event.id[0] == '\0')
		return status;
	if (!validate_draft(command->body, command->body_length,
			    command->kind == COMMAND_PATCH ? DRAFT_PATCH : DRAFT_REPLACE, &draft,
			    &answer->problem) ||
	    !preconditions_hold(performing, &event))
		return WEIR_OK;
	if (!validate_read(&event.fields, before, performing->arena))
		return err_set(performing->error, WEIR_SYSTEM,
			       "event %s: its fields in the store cannot be read", event.id);
	bool changed = merge(&draft, command->kind, before, after, changes);
	if (!validate_assigned(&draft, &event, &answer->problem) ||
	    !validate_whole(after, &answer->problem))
		return WEIR_OK;
	if (changed)
		status = write_update(performing, &event, &draft, after, changes);
	if (status == WEIR_OK)
		status = answer_event(performing, 200, &event);
	return status;
}

static weir_status delete_event(struct performing *performing)
{
	struct store_event event;
	weir_status status = find(performing, &event);
	if (status != WEIR_OK || event.id[0] == '\0' || !preconditions_hold(performing, &event))
		return status;
	int64_t now = moment_now();
	event.version = next_version(now, event.version);
	event.deleted = true;
	event.updated_at = now;
	event.updated_by = (struct store_text){0};
	event.fields = (struct store_text){"{}", 2};
	status = store_replace(performing->store, &event, performing->error);
	if (status == WEIR_OK)
		status = add_change(performing, &event, SCHEMA_DELETED, now, event.updated_by,
				    event.fields);
	if (status == WEIR_OK)
		status = answer_event(performing, 204, &event);
	return status;
}

weir_status command_perform(struct store *store, const struct command *command, struct arena *arena,
			    struct command_answer *answer, struct weir_error *error)
{
	struct performing performing = {store, command, arena, answer, error};
	*answer = (struct command_answer){.problem.arena = arena};
	weir_status status = WEIR_OK;
	switch (command->kind) {
	case COMMAND_CREATE:
		status = create(&performing);
		break;
	case COMMAND_REPLACE:
	case COMMAND_PATCH:
		status = update(&performing);
		break;
	case COMMAND_DELETE:
		status = delete_event(&performing);
		break;
	case COMMAND_REPUBLISH:
		status = command_republish(store, command, arena, answer, error);
		break;
	}
	if (status == WEIR_OK && answer->problem.status != 0)
		answer->status = answer->problem.status;
	return status;
}
