/* SPDX-License-Identifier: MIT
 * Makes an index differ from the store, for tests/e2e/test_verify.py: opens it as writer, through
 * the plug-in, and changes one document behind everybody's back.
 *
 *   drift KEY=VALUE... -- remove ID
 *   drift KEY=VALUE... -- set ID SHIFT FIELD JSON    all versions by SHIFT; FIELD "": none,
 *                                                    JSON "-": without the field
 *   drift KEY=VALUE... -- add ID VERSION TITLE
 *   drift KEY=VALUE... -- hide ID                    kept, but not searched
 */
#include <stdio.h>
#include <string.h>

#include "catalog.h"
#include "log.h"
#include "moment.h"
#include "state.h"

#define LONG_AGO (-(INT64_C(1) << 60))

static struct weir_error error;
static struct config *config;
static struct catalog *catalog;
static struct catalog_choice *choice;
static struct backend backend;

static void check(weir_status status, const char *what)
{
	if (status == WEIR_OK)
		return;
	fprintf(stderr, "drift: %s: %s\n", what, error.message);
	exit(3);
}

struct stored {
	struct buffer state, revision;
	int found;
};

static int on_state(void *context, size_t index, int found, const void *state, size_t state_length,
		    const void *revision, size_t revision_length)
{
	struct stored *stored = context;
	(void)index;
	stored->found = found;
	if (found) {
		buffer_append(&stored->state, state, state_length);
		buffer_append(&stored->revision, revision, revision_length);
	}
	return 0;
}

static void fetch(const char *id, struct stored *stored)
{
	size_t length = strlen(id);
	check(backend.plugin->operations.fetch(backend.instance, &id, &length, 1, on_state, stored,
					       &error),
	      "fetch");
}

static void apply(const char *id, const struct state *state, const struct stored *stored,
		  uint32_t kind, int64_t applied_at)
{
	struct buffer blob = BUFFER_INIT;
	struct state_values values = STATE_VALUES_INIT;
	struct weir_verdict verdict = {0}, *verdicts[] = {&verdict};
	if (kind == WEIR_KIND_LIVE)
		check(state_values_make(state, choice->schema, &values, &error), "values");
	state_write(state, &blob);
	struct weir_document document = {.id = id,
					 .id_length = strlen(id),
					 .kind = kind,
					 .version = state_version(state),
					 .applied_at = applied_at,
					 .revision = stored->revision.data,
					 .revision_length = stored->revision.length,
					 .state = blob.data,
					 .state_length = blob.length,
					 .values = values.pointers,
					 .value_count = values.count};
	const struct weir_document *documents[] = {&document};
	check(backend.plugin->operations.apply(backend.instance, documents, 1, verdicts, &error),
	      "apply");
	if (verdict.kind != WEIR_ACCEPTED) {
		fprintf(stderr, "drift: not accepted: %s\n", verdict.reason);
		exit(3);
	}
	buffer_finish(&blob);
	state_values_finish(&values);
}

static void commit(void)
{
	check(backend.plugin->operations.commit(backend.instance, NULL, 0, &error), "commit");
}

static void drop(const char *id, const struct state *state, const struct stored *stored)
{
	uint64_t removed = 0;
	apply(id, state, stored, WEIR_KIND_HIDDEN, LONG_AGO);
	commit();
	check(backend.plugin->operations.expire(backend.instance, LONG_AGO + 1, &removed, &error),
	      "expire");
	if (removed != 1) {
		fprintf(stderr, "drift: %llu were removed\n", (unsigned long long)removed);
		exit(3);
	}
}

static void change(struct state *state, int64_t shift, const char *name, const char *json)
{
	struct event_field field = {.name = name,
				    .name_length = strlen(name),
				    .number = -1,
				    .clears = strcmp(json, "null") == 0,
				    .json = json,
				    .json_length = strlen(json)};
	struct event_change set = {.operation = SCHEMA_UPDATED,
				   .version = INT64_MAX,
				   .fields = &field,
				   .field_count = 1};
	const struct state_field *before = state_find(state, name);
	int64_t version = before != NULL ? before->version : state_version(state);
	enum schema_operation by = before != NULL ? before->written_by : SCHEMA_UPDATED;
	bool changed;
	if (name[0] != '\0')
		check(state_merge(state, &set, &changed, &error), "merge");
	size_t kept = 0;
	for (size_t i = 0; i < state->field_count; i++) {
		struct state_field each = state->fields[i];
		if (each.version == INT64_MAX) {
			if (strcmp(json, "-") == 0)
				continue;
			each.version = version;
			each.written_by = by;
		}
		each.version += shift;
		state->fields[kept++] = each;
	}
	state->field_count = kept;
	state->delete_version += shift;
}

static void add(struct state *state, int64_t version, const char *title)
{
	static char json[500];
	snprintf(json, sizeof(json), "\"%s\"", title);
	static struct event_field field = {.name = "title", .name_length = 5, .json = json};
	field.json_length = strlen(json);
	struct event_change made = {.operation = SCHEMA_CREATED,
				    .version = version,
				    .fields = &field,
				    .field_count = 1};
	bool changed;
	check(state_merge(state, &made, &changed, &error), "merge");
}

static void act(char **words, int count)
{
	struct stored stored = {0};
	struct state state = STATE_INIT;
	const char *verb = words[0], *id = words[1];
	fetch(id, &stored);
	check(state_read(&state, stored.state.data, stored.state.length, &error), "state");
	if (strcmp(verb, "add") != 0 && !stored.found) {
		fprintf(stderr, "drift: %s is not in the index\n", id);
		exit(3);
	}
	uint32_t kind = state_visible(&state, choice->schema) ? WEIR_KIND_LIVE : WEIR_KIND_HIDDEN;
	if (strcmp(verb, "remove") == 0) {
		drop(id, &state, &stored);
	} else if (strcmp(verb, "hide") == 0) {
		apply(id, &state, &stored, WEIR_KIND_HIDDEN, moment_now());
	} else if (strcmp(verb, "add") == 0 && count == 4) {
		add(&state, strtoll(words[2], NULL, 10), words[3]);
		apply(id, &state, &stored, WEIR_KIND_LIVE, moment_now());
	} else if (strcmp(verb, "set") == 0 && count == 5) {
		change(&state, strtoll(words[2], NULL, 10), words[3], words[4]);
		apply(id, &state, &stored, kind, moment_now());
	} else {
		fprintf(stderr, "drift: what is %s?\n", verb);
		exit(2);
	}
	commit();
	if (backend.plugin->operations.sync != NULL)
		check(backend.plugin->operations.sync(backend.instance, &error), "sync");
	buffer_finish(&stored.state);
	buffer_finish(&stored.revision);
	state_finish(&state);
}

int main(int argc, char **argv)
{
	int sets = 1;
	struct schema *schema = NULL;
	log_open("drift", WEIR_LOG_ERROR);
	while (sets < argc && strcmp(argv[sets], "--") != 0)
		sets++;
	if (argc < sets + 3)
		return 2;
	check(config_load(NULL, (const char *const *)argv + 1, (size_t)sets - 1, &config, &error),
	      "configuration");
	check(schema_load_configured(config, &schema, &error), "schema");
	check(catalog_read(config, schema, &catalog, &error), "catalog");
	check(catalog_choose(catalog, CATALOG_WRITER, &choice, &error), "catalog");
	struct backend_place place = catalog_place(choice->index);
	check(backend_open_at(config, &place, choice->schema->abi, WEIR_MODE_WRITER,
			      &plugin_default_host, &backend, &error),
	      "open");
	act(argv + sets + 1, argc - sets - 1);
	backend_close(&backend);
	catalog_choice_destroy(choice);
	catalog_destroy(catalog);
	schema_destroy(schema);
	config_destroy(config);
	return 0;
}
