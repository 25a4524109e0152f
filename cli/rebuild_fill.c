/* SPDX-License-Identifier: MIT
 * `weir rebuild`: the new index is filled, from the store and from the log. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "moment.h"
#include "rebuild.h"
#include "replay.h"

static const int64_t save_every = 5000000, look_every = 300000, open_patience = 30000000;
/* A log whose end is reached within this time of having been looked at has been caught up with. */
static const int64_t caught_up_within = 3000000;
enum { PAGE_TRIES = 20 };

/* As writer. Somebody who was killed a moment ago may still be about to let go of it. */
static weir_status open_writer(struct rebuild *rebuild, struct backend *backend,
			       struct weir_error *error)
{
	struct backend_place place = catalog_place(rebuild->target.index);
	int64_t until = moment_monotonic() + open_patience;
	for (;;) {
		weir_status status =
			backend_open_at(rebuild->config, &place, rebuild->target.schema->abi,
					WEIR_MODE_WRITER, &plugin_default_host, backend, error);
		if (status != WEIR_RETRY)
			return status;
		if (moment_monotonic() > until)
			return err_set(error, WEIR_AWAY, "%s", error->message);
		rebuild_pause();
	}
}

static weir_status writer_positions(const struct backend *backend, struct positions *positions,
				    struct weir_error *error)
{
	weir_status status = backend->plugin->operations.positions(backend->instance, positions_add,
								   positions, error);
	return status == WEIR_OK && positions->failed ? err_no_memory(error) : status;
}

/* Adds what the live index has read of other clusters: logs that are no more, or another life of a
 * development broker. Nothing will ever be read there again; whoever asks whether the new index is
 * as far as the old one needs them, and the comparison shows whether it is true. */
static weir_status add_former(struct rebuild *rebuild, struct positions *positions,
			      struct weir_error *error)
{
	WEIR_CLEANUP(positions_finish) struct positions old = POSITIONS_INIT;
	if (rebuild->old.session == NULL)
		return WEIR_OK;
	weir_status status = side_positions(&rebuild->old, &old, error);
	for (size_t i = 0; i < old.count && status == WEIR_OK; i++) {
		const struct positions_entry *entry = &old.entries[i];
		struct weir_position position = {entry->cluster, entry->topic, entry->topic_id,
						 entry->partition, entry->next_offset};
		if (strcmp(entry->cluster, rebuild->log.cluster) != 0 &&
		    positions_add(positions, &position) != 0)
			status = err_no_memory(error);
	}
	return status;
}

static bool knows_cluster(const struct positions *positions, const char *cluster)
{
	for (size_t i = 0; i < positions->count; i++)
		if (strcmp(positions->entries[i].cluster, cluster) == 0)
			return true;
	return false;
}

/* How far the store was read stands in the catalog: what was read again after a kill changes
 * nothing. */
static weir_status save_sequence(struct rebuild *rebuild, int64_t sequence,
				 struct weir_error *error)
{
	struct catalog *catalog = rebuild->catalog;
	char *from;
	if (asprintf(&from, "store@%" PRId64, sequence) < 0)
		return err_no_memory(error);
	free(catalog->building_from);
	catalog->building_from = from;
	return catalog_write(catalog, error);
}

static int64_t saved_sequence(const struct rebuild *rebuild)
{
	const char *at = strchr(rebuild->catalog->building_from, '@');
	return at != NULL ? strtoll(at + 1, NULL, 10) : 0;
}

static weir_status read_page(struct replay *replay, int64_t *after, int64_t until, bool *more,
			     struct weir_error *error)
{
	for (int tries = 1;; tries++) {
		weir_status status = replay_page(replay, after, until, more, error);
		if (status != WEIR_RETRY || tries == PAGE_TRIES)
			return status == WEIR_RETRY
				       ? err_set(error, WEIR_AWAY, "%s", error->message)
				       : status;
		rebuild_pause();
	}
}

static weir_status read_store(struct rebuild *rebuild, const struct backend *backend,
			      struct replay *replay, int64_t until, struct weir_error *error)
{
	int64_t after = saved_sequence(rebuild), first = after, saved = moment_monotonic();
	bool more = true;
	weir_status status = WEIR_OK;
	while (status == WEIR_OK && more && after < until) {
		status = read_page(replay, &after, until, &more, error);
		command_point("store");
		bar_draw(&rebuild->bar, "reading the store", (double)after / (double)until,
			 (uint64_t)(after - first), "changes");
		if (status != WEIR_OK || moment_monotonic() - saved < save_every)
			continue;
		saved = moment_monotonic();
		status = replay_commit(backend, NULL, error);
		if (status == WEIR_OK)
			status = save_sequence(rebuild, after, error);
	}
	return status;
}

/* The ends of the log are taken before the store's newest change: what is behind them may be in the
 * store, too, and what is before them is. */
static weir_status fill_from_store(struct rebuild *rebuild, const struct backend *backend,
				   struct positions *positions, struct weir_error *error)
{
	struct replay *replay = NULL;
	const char *reason;
	int64_t newest = 0;
	weir_status status =
		replay_create(rebuild->eventd_url, rebuild->target.schema, backend, &replay, error);
	if (status != WEIR_OK)
		return status;
	status = log_ends_read(&rebuild->log, rebuild->target.schema, error);
	if (status == WEIR_OK)
		status = replay_newest(replay, &newest, error);
	if (status == WEIR_OK)
		status = read_store(rebuild, backend, replay, newest, error);
	for (size_t i = 0; i < rebuild->log.ends.count && status == WEIR_OK; i++) {
		const struct positions_entry *end = &rebuild->log.ends.entries[i];
		struct weir_position position = {end->cluster, end->topic, "", end->partition,
						 end->next_offset};
		if (positions_add(positions, &position) != 0)
			status = err_no_memory(error);
	}
	bar_clear(&rebuild->bar);
	if (replay_rejected(replay, &reason) > 0)
		command_say("%" PRIu64 " events of the store cannot be indexed; the first: %s",
			    replay_rejected(replay, &reason), reason);
	if (status == WEIR_OK)
		command_say("the store was read up to change %" PRId64, newest);
	replay_destroy(replay);
	return status;
}

/* What stands in the new index before the indexer goes on with the log. */
static weir_status begin(struct rebuild *rebuild, struct weir_error *error)
{
	struct backend backend = {0};
	WEIR_CLEANUP(positions_finish)
	struct positions held = POSITIONS_INIT, made = POSITIONS_INIT;
	weir_status status = open_writer(rebuild, &backend, error);
	if (status != WEIR_OK)
		return status;
	status = writer_positions(&backend, &held, error);
	if (status == WEIR_OK && rebuild->from_store && !rebuild->rollback &&
	    !knows_cluster(&held, rebuild->log.cluster))
		status = fill_from_store(rebuild, &backend, &made, error);
	if (status == WEIR_OK)
		status = add_former(rebuild, &made, error);
	if (status == WEIR_OK && made.count > 0)
		status = replay_commit(&backend, &made, error);
	backend_close(&backend);
	return status;
}

weir_status rebuild_start_builder(struct rebuild *rebuild, struct weir_error *error)
{
	int64_t until = moment_monotonic() + open_patience;
	weir_status status = builder_start(&rebuild->builder, &rebuild->settings, rebuild->catalog,
					   &rebuild->target, error);
	while (status == WEIR_OK) {
		status = side_open(&rebuild->target, rebuild->config, error);
		if (status != WEIR_RETRY)
			return status;
		if (moment_monotonic() > until)
			return err_set(error, WEIR_AWAY, "%s", error->message);
		status = builder_check(&rebuild->builder, error);
		rebuild_pause();
	}
	return status;
}

static weir_status copy_ends(const struct log_ends *log, struct positions *goal,
			     struct weir_error *error)
{
	positions_finish(goal);
	for (size_t i = 0; i < log->ends.count; i++) {
		const struct positions_entry *end = &log->ends.entries[i];
		struct weir_position position = {end->cluster, end->topic, "", end->partition,
						 end->next_offset};
		if (positions_add(goal, &position) != 0)
			return err_no_memory(error);
	}
	return WEIR_OK;
}

static void show_progress(struct rebuild *rebuild, const struct positions *held, int64_t *first_lag)
{
	int64_t lag = log_ends_lag(&rebuild->log, held);
	if (lag > *first_lag)
		*first_lag = lag;
	double fraction = *first_lag > 0 ? 1 - (double)lag / (double)*first_lag : 1;
	bar_draw(&rebuild->bar, "reading the log", fraction, (uint64_t)(*first_lag - lag),
		 "messages");
}

weir_status rebuild_catch_up(struct rebuild *rebuild, struct weir_error *error)
{
	WEIR_CLEANUP(positions_finish)
	struct positions goal = POSITIONS_INIT, held = POSITIONS_INIT;
	int64_t set_at = 0, looked_at = 0, first_lag = 0;
	for (;;) {
		int64_t now = moment_monotonic();
		weir_status status = builder_check(&rebuild->builder, error);
		if (status == WEIR_OK && now - looked_at > look_every) {
			looked_at = now;
			status = log_ends_read(&rebuild->log, rebuild->target.schema, error);
			if (status == WEIR_OK && set_at == 0) {
				set_at = now;
				status = copy_ends(&rebuild->log, &goal, error);
			}
		}
		if (status == WEIR_OK)
			status = side_positions(&rebuild->target, &held, error);
		if (status != WEIR_OK && status != WEIR_RETRY)
			return status;
		show_progress(rebuild, &held, &first_lag);
		if (status == WEIR_OK && set_at != 0 &&
		    positions_behind(&held, &goal, rebuild->target.schema) == NULL) {
			if (now - set_at < caught_up_within)
				return WEIR_OK;
			set_at = looked_at = 0;
		}
		command_point("building");
		rebuild_pause();
	}
}

weir_status rebuild_fill(struct rebuild *rebuild, struct weir_error *error)
{
	struct rebuild_indexer indexer;
	rebuild_ask_indexer(rebuild, &indexer);
	rebuild->online = indexer.writes_old;
	if (indexer.answers && !indexer.writes_old && rebuild->old.index != NULL)
		command_say("the indexer at %s writes to another index, and is left alone",
			    rebuild->indexer_url);
	weir_status status = begin(rebuild, error);
	command_point("begun");
	if (status == WEIR_OK)
		status = rebuild_start_builder(rebuild, error);
	if (status == WEIR_OK)
		status = rebuild_catch_up(rebuild, error);
	bar_clear(&rebuild->bar);
	if (status == WEIR_OK)
		command_say("%s has caught up with the log", rebuild->target.name);
	command_point("caught-up");
	return status;
}
