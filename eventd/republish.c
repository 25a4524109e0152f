/* SPDX-License-Identifier: MIT
 * Sends all of an event once more, with a version above whatever an index holds of it: the ordinary
 * way to repair an index that went astray.
 *
 * A delete clears what the index has, and newer messages bring the event back whole: a create with
 * every field, and an update for the stamps of the last one. The delete has the oldest version and
 * the newest row: on its way it is behind the others, so that nobody sees the event gone, and
 * merging makes the same of any order. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "moment.h"
#include "numbers.h"

enum { VERSIONS = 3 }; /* delete, create, update */

struct republishing {
	struct store *store;
	struct arena *arena;
	struct command_answer *answer;
	struct weir_error *error;
	bool has_above;
	int64_t above;
};

static weir_status refuse(struct republishing *republishing, int status, const char *detail)
{
	problem_set(&republishing->answer->problem, status, "%s", detail);
	return WEIR_OK;
}

/* {"above": version}, or {}. */
static bool read_body(struct republishing *republishing, const struct command *command)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	struct problem *problem = &republishing->answer->problem;
	struct weir_error error;
	const char *name;
	json_t *value;
	weir_status status = jsondoc_parse(command->body, command->body_length, &document, &error);
	if (status != WEIR_OK) {
		problem_set(problem, status == WEIR_INVALID ? 400 : 503, "%s", error.message);
		return false;
	}
	json_t *root = (json_t *)jsondoc_root(document);
	if (!json_is_object(root)) {
		problem_set(problem, 400, "the body is not a JSON object");
		return false;
	}
	json_object_foreach(root, name, value)
	{
		bool known = strcmp(name, "above") == 0;
		if (!known)
			problem_add(problem, name, "is not known; there is above");
		else if (!json_is_integer(value) ||
			 !number_read(jsondoc_number(document, value, NULL), INT64_MIN,
				      INT64_MAX - VERSIONS, &republishing->above))
			problem_add(problem, name, "is not a version that has others above it");
		republishing->has_above = true;
	}
	return problem->status == 0;
}

static weir_status add_change(struct republishing *republishing, const char *id, int64_t version,
			      enum schema_operation operation, int64_t at, struct store_text by,
			      struct store_text fields)
{
	struct store_change change = {
		.version = version, .operation = operation, .at = at, .by = by, .fields = fields};
	snprintf(change.id, sizeof(change.id), "%s", id);
	republishing->answer->changed = true;
	return store_add_change(republishing->store, &change, republishing->error);
}

static const struct store_text nothing = {"{}", 2};

static weir_status send_delete(struct republishing *republishing, const struct store_event *event,
			       int64_t version)
{
	return add_change(republishing, event->id, version, SCHEMA_DELETED, moment_now(),
			  (struct store_text){0}, nothing);
}

static weir_status send_event(struct republishing *republishing, struct store_event *event,
			      int64_t version)
{
	weir_status status = add_change(republishing, event->id, version + 1, SCHEMA_CREATED,
					event->created_at, event->created_by, event->fields);
	event->version = version + 1;
	if (status == WEIR_OK && event->updated_at != STORE_NEVER) {
		event->version = version + 2;
		status = add_change(republishing, event->id, event->version, SCHEMA_UPDATED,
				    event->updated_at, event->updated_by, nothing);
	}
	return status;
}

/* An id that the store never had: it is deleted from now on. */
static void make_deleted(struct store_event *event, const char *id)
{
	*event = (struct store_event){.deleted = true,
				      .version = INT64_MIN,
				      .fields = nothing,
				      .created_at = moment_now(),
				      .updated_at = STORE_NEVER};
	snprintf(event->id, sizeof(event->id), "%s", id);
}

/* Above all that is known, and room for the others above it. */
static bool choose_version(const struct republishing *republishing, const struct store_event *event,
			   int64_t *version)
{
	int64_t last = republishing->has_above && republishing->above > event->version
			       ? republishing->above
			       : event->version;
	int64_t now = moment_now();
	if (last > INT64_MAX - VERSIONS)
		return false;
	*version = now > last ? now : last + 1;
	return true;
}

weir_status command_republish(struct store *store, const struct command *command,
			      struct arena *arena, struct command_answer *answer,
			      struct weir_error *error)
{
	struct republishing republishing = {
		.store = store, .arena = arena, .answer = answer, .error = error};
	struct store_event event;
	char id[STORE_ID_SIZE];
	size_t id_length;
	int64_t version;
	if (!event_id_normalize(command->id, strlen(command->id), id, &id_length, NULL))
		return refuse(&republishing, 400, "this can be no id of an event");
	if (!read_body(&republishing, command))
		return WEIR_OK;
	weir_status status = store_find(store, id, arena, &event, error);
	bool is_new = status == WEIR_NOT_FOUND;
	if (is_new && !republishing.has_above)
		return refuse(&republishing, 404,
			      "there is no event with this id; with \"above\" its delete is sent");
	if (is_new) {
		make_deleted(&event, id);
		status = WEIR_OK;
	}
	if (status != WEIR_OK)
		return status;
	if (!choose_version(&republishing, &event, &version))
		return refuse(&republishing, 409, "there is no version above the event's");
	event.version = version;
	if (!event.deleted)
		status = send_event(&republishing, &event, version);
	if (status == WEIR_OK)
		status = send_delete(&republishing, &event, version);
	if (status == WEIR_OK)
		status = is_new ? store_insert(store, &event, error)
				: store_replace(store, &event, error);
	answer->status = 200;
	memcpy(answer->id, event.id, STORE_ID_SIZE);
	answer->version = event.version;
	buffer_printf(&answer->body, "{\"id\":");
	struct jsonout json = JSONOUT_INIT(&answer->body);
	jsonout_text(&json, event.id);
	buffer_printf(&answer->body, ",\"version\":%" PRId64 "}", event.version);
	return status == WEIR_OK && buffer_failed(&answer->body) ? err_no_memory(error) : status;
}
