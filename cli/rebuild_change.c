/* SPDX-License-Identifier: MIT
 * `weir rebuild`: the new index in the place of the old one. Each step is one write of the catalog;
 * the daemons do the rest by themselves, so whatever is killed, they arrive. */
#include <stdio.h>
#include <string.h>

#include "http_client.h"
#include "json.h"
#include "moment.h"
#include "rebuild.h"

enum { ANSWER_MS = 2000 };
static const int64_t patience = 60000000, gone_after = 5000000, searchd_patience = 15000000;

static struct jsondoc *ask(const char *base, const char *path)
{
	HTTP_ANSWER_SCOPED struct http_answer answer = {0};
	WEIR_CLEANUP(buffer_finish) struct buffer url = BUFFER_INIT;
	struct jsondoc *document = NULL;
	http_client_url(&url, base, path);
	if (buffer_failed(&url) || http_client_get(url.data, ANSWER_MS, &answer, NULL) != WEIR_OK ||
	    answer.body.data == NULL ||
	    jsondoc_parse(answer.body.data, answer.body.length, &document, NULL) != WEIR_OK)
		return NULL;
	return document;
}

static bool is_index(const struct jsondoc *document, const struct catalog_index *index)
{
	const json_t *object = json_object_get(jsondoc_root(document), "index");
	const char *plugin = json_string_value(json_object_get(object, "plugin"));
	const char *location = json_string_value(json_object_get(object, "location"));
	return index != NULL && plugin != NULL && location != NULL &&
	       strcmp(plugin, index->plugin) == 0 && strcmp(location, index->location) == 0;
}

/* Why the indexer is not where the catalog says. */
static void read_trouble(const struct rebuild *rebuild, char *text, size_t size)
{
	JSONDOC_SCOPED struct jsondoc *document = ask(rebuild->indexer_url, "/health/ready");
	const json_t *reasons, *each;
	size_t number;
	text[0] = '\0';
	if (document == NULL)
		return;
	reasons = json_object_get(jsondoc_root(document), "reasons");
	json_array_foreach(reasons, number, each)
	{
		const char *condition = json_string_value(json_object_get(each, "condition"));
		const char *reason = json_string_value(json_object_get(each, "reason"));
		if (condition != NULL && reason != NULL && strcmp(condition, "catalog") == 0)
			snprintf(text, size, "%s", reason);
	}
}

void rebuild_ask_indexer(struct rebuild *rebuild, struct rebuild_indexer *indexer)
{
	JSONDOC_SCOPED struct jsondoc *document =
		ask(rebuild->indexer_url, "/api/ingest/positions");
	*indexer = (struct rebuild_indexer){0};
	if (document == NULL)
		return;
	indexer->answers = true;
	indexer->writes_old = is_index(document, rebuild->old.index);
	indexer->writes_target = is_index(document, rebuild->target.index);
}

/* WEIR_RETRY: not yet. */
static weir_status is_as_far(struct rebuild *rebuild, struct weir_error *error)
{
	WEIR_CLEANUP(positions_finish)
	struct positions old = POSITIONS_INIT, held = POSITIONS_INIT;
	weir_status status = WEIR_OK;
	if (rebuild->old.session == NULL)
		return WEIR_OK;
	status = side_positions(&rebuild->old, &old, error);
	if (status == WEIR_FATAL)
		return WEIR_OK; /* nothing can be read from it, so nobody can see less */
	if (status == WEIR_OK)
		status = side_positions(&rebuild->target, &held, error);
	if (status != WEIR_OK)
		return status;
	return positions_behind(&held, &old, rebuild->target.schema) == NULL ? WEIR_OK : WEIR_RETRY;
}

static weir_status set_entry(struct catalog_index **entry, const struct catalog_index *index,
			     struct weir_error *error)
{
	struct catalog_index *copy = catalog_index_copy(index);
	if (copy == NULL && index != NULL)
		return err_no_memory(error);
	catalog_index_destroy(*entry);
	*entry = copy;
	return WEIR_OK;
}

/* The indexer goes over first; searches stay where they are until the new index is as far. */
static weir_status name_writer(struct rebuild *rebuild, struct weir_error *error)
{
	weir_status status = set_entry(&rebuild->catalog->writer, rebuild->target.index, error);
	rebuild_change_began();
	return status == WEIR_OK ? catalog_write(rebuild->catalog, error) : status;
}

/* Back to where it was before name_writer: nobody has gone over. */
static weir_status take_back(struct rebuild *rebuild, const char *why, struct weir_error *error)
{
	struct catalog *catalog = rebuild->catalog;
	weir_status status = set_entry(&catalog->writer, NULL, error);
	if (status == WEIR_OK)
		status = catalog_write(catalog, error);
	if (status != WEIR_OK)
		return status;
	return err_set(
		error, WEIR_AWAY,
		"the indexer at %s does not go over to %s, and everything is as it was: %.300s",
		rebuild->indexer_url, rebuild->target.name, why);
}

/* Until the new index holds what the old one does. The old one is not written to any more: by the
 * indexer, because it has gone over; without one, because there is none. Where the indexer ends
 * meanwhile, ours takes its place. */
static weir_status wait_for_writer(struct rebuild *rebuild, struct weir_error *error)
{
	struct rebuild_indexer indexer;
	char trouble[400] = "it gives no reason";
	int64_t began = moment_monotonic(), answered = began;
	for (;;) {
		int64_t now = moment_monotonic();
		rebuild_ask_indexer(rebuild, &indexer);
		if (indexer.writes_old || indexer.writes_target)
			answered = now;
		weir_status status = builder_check(&rebuild->builder, error);
		bool ours = builder_runs(&rebuild->builder);
		/* Ours could not have it as long as the other does: then nothing is missing. */
		if (status != WEIR_OK && indexer.writes_target)
			status = WEIR_OK;
		if (status == WEIR_OK && (ours || indexer.writes_target)) {
			status = is_as_far(rebuild, error);
			if (status == WEIR_OK)
				return WEIR_OK;
		}
		if (status != WEIR_OK && status != WEIR_RETRY)
			return status;
		if (indexer.writes_old && !ours) {
			read_trouble(rebuild, indexer.trouble, sizeof(indexer.trouble));
			if (indexer.trouble[0] != '\0')
				memcpy(trouble, indexer.trouble, sizeof(trouble));
			if (now - began > patience)
				return take_back(rebuild, trouble, error);
		}
		if (!ours && now - answered > gone_after) {
			answered = now;
			command_say("no indexer answers at %s: the new index is brought up to date "
				    "from here",
				    rebuild->indexer_url);
			status = rebuild_start_builder(rebuild, error);
			if (status != WEIR_OK)
				return status;
		}
		rebuild_pause();
	}
}

/* One that the next rebuild removes: the index that was replaced before this one. */
static void remove_former(struct catalog_index *former, const struct catalog *catalog)
{
	struct weir_error error;
	if (former != NULL && !catalog_index_equal(former, catalog->live) &&
	    !catalog_index_equal(former, catalog->previous) && !side_remove_files(former, &error))
		command_say("%s", error.message);
	catalog_index_destroy(former);
}

static weir_status name_live(struct rebuild *rebuild, struct weir_error *error)
{
	struct catalog *catalog = rebuild->catalog;
	struct catalog_index *former = catalog->previous, *old = catalog->live;
	catalog->previous = old; /* moved; NULL when there was none */
	catalog->live = NULL;
	weir_status status = set_entry(&catalog->live, rebuild->target.index, error);
	if (status == WEIR_OK)
		status = set_entry(&catalog->writer, NULL, error);
	if (status == WEIR_OK && catalog_index_equal(catalog->building, rebuild->target.index))
		status = set_entry(&catalog->building, NULL, error);
	if (status == WEIR_OK)
		status = catalog_write(catalog, error);
	if (status != WEIR_OK) {
		catalog_index_destroy(former);
		return status;
	}
	command_point("live");
	remove_former(former, catalog);
	return WEIR_OK;
}

static bool searchd_has_gone_over(const struct rebuild *rebuild, bool *answers)
{
	JSONDOC_SCOPED struct jsondoc *document = ask(rebuild->searchd_url, "/health/ready");
	const char *name = NULL;
	if (document != NULL)
		name = json_string_value(json_object_get(jsondoc_root(document), "index"));
	*answers = name != NULL;
	return name != NULL && strcmp(name, rebuild->target.name) == 0;
}

/* It goes over by itself; this is to be able to say so. */
static void wait_for_searchd(const struct rebuild *rebuild)
{
	int64_t until = moment_monotonic() + searchd_patience;
	bool answers = true;
	while (answers && moment_monotonic() < until) {
		if (searchd_has_gone_over(rebuild, &answers)) {
			command_say("searches are answered from %s", rebuild->target.name);
			return;
		}
		rebuild_pause();
	}
	command_say(answers ? "searchd at %s has not gone over yet; its /health/ready and its log "
			      "tell more"
			    : "no searchd answers at %s; it will find the new index when it starts",
		    rebuild->searchd_url);
}

static weir_status end_change(struct rebuild *rebuild, struct weir_error *error)
{
	weir_status status = wait_for_writer(rebuild, error);
	command_point("written");
	if (status == WEIR_OK)
		status = name_live(rebuild, error);
	if (status != WEIR_OK)
		return status;
	/* Ours lets go of the index: an indexer that waits for it gets it. */
	struct weir_error late;
	if (builder_stop(&rebuild->builder, &late) != WEIR_OK)
		command_say("%s", late.message);
	wait_for_searchd(rebuild);
	return WEIR_OK;
}

weir_status rebuild_change(struct rebuild *rebuild, struct weir_error *error)
{
	/* Exactly one writes to an index: ours ends before the other begins. */
	weir_status status = rebuild->online ? builder_stop(&rebuild->builder, error) : WEIR_OK;
	command_point("stopped");
	if (status == WEIR_OK && rebuild->online && rebuild->catalog->live != NULL) {
		status = name_writer(rebuild, error);
		command_point("writer");
	}
	return status == WEIR_OK ? end_change(rebuild, error) : status;
}

weir_status rebuild_finish_change(struct rebuild *rebuild, struct weir_error *error)
{
	struct catalog *catalog = rebuild->catalog;
	struct weir_error reason;
	weir_status status = side_init(&rebuild->old, catalog->live, error);
	if (status == WEIR_OK)
		status = side_init(&rebuild->target, catalog->writer, error);
	if (status == WEIR_OK)
		status = side_open(&rebuild->target, rebuild->config, error);
	if (status != WEIR_OK)
		return status;
	rebuild_change_began();
	status = side_open(&rebuild->old, rebuild->config, &reason);
	if (status != WEIR_OK)
		command_say("the index before cannot be read: %s", reason.message);
	return end_change(rebuild, error);
}
