/* SPDX-License-Identifier: MIT
 * `weir rebuild`: a second index beside the live one, and then in its place. This file plans; see
 * rebuild.h for the rest. */
#include "rebuild.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MS = 50, LOCATION_LIMIT = 10000, INTERRUPTED = 130 };

static volatile sig_atomic_t change_began;

void rebuild_pause(void)
{
	nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
}

void rebuild_change_began(void)
{
	change_began = 1;
}

/* Being killed is always safe, so a signal needs no more than a word. The indexer that fills the
 * new index dies with this process. */
static void on_signal(int number)
{
	static const char before[] =
		"\nweir rebuild: stopped; the live index is as it was, and the "
		"next weir rebuild goes on from here\n";
	static const char after[] =
		"\nweir rebuild: stopped while the index is changed; run it again "
		"to finish that\n";
	(void)number;
	ssize_t written = change_began ? write(STDERR_FILENO, after, sizeof(after) - 1)
				       : write(STDERR_FILENO, before, sizeof(before) - 1);
	(void)written;
	_exit(INTERRUPTED);
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void find_url(const struct config *config, const char *daemon, const char *given,
		     char url[320])
{
	const char *host = config_text(config, daemon, "address");
	long long port = config_integer(config, daemon, "port");
	if (given != NULL) {
		snprintf(url, 320, "%s", given);
		return;
	}
	if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
		host = "127.0.0.1";
	bool brackets = strchr(host, ':') != NULL;
	snprintf(url, 320, "http://%s%.255s%s:%lld", brackets ? "[" : "", host, brackets ? "]" : "",
		 port);
}

static weir_status prepare(struct rebuild *rebuild, struct weir_error *error)
{
	weir_status status = settings_load(&rebuild->settings, &rebuild->config, error);
	if (status == WEIR_OK)
		status = settings_schema(rebuild->config, &rebuild->wanted, error);
	if (status == WEIR_OK)
		status = catalog_read(rebuild->config, rebuild->wanted, &rebuild->catalog, error);
	if (status != WEIR_OK)
		return status;
	struct catalog *catalog = rebuild->catalog;
	if (catalog->path == NULL)
		return err_set(error, WEIR_INVALID,
			       "[backend] plugin = %s keeps no index that could be built",
			       config_text(rebuild->config, "backend", "plugin"));
	/* One that the catalog is not about has none, and nobody would find the new one. */
	if (catalog->live != NULL && strcmp(catalog->live->plugin, catalog->wanted->plugin) == 0 &&
	    strcmp(catalog->live->configured, catalog->wanted->configured) != 0 &&
	    strcmp(catalog->live->location, catalog->wanted->location) != 0)
		return err_set(error, WEIR_INVALID,
			       "the catalog %s is of the index at %s, and [backend.%s] %s names "
			       "another: set [backend] catalog_dir",
			       catalog->path, catalog->live->location, catalog->wanted->plugin,
			       catalog->wanted->parameter);
	status = catalog_lock(catalog, &rebuild->lock, error);
	if (status != WEIR_OK)
		return status;
	/* Whoever had the lock before may have changed it. */
	catalog_destroy(catalog);
	rebuild->catalog = NULL;
	status = catalog_read(rebuild->config, rebuild->wanted, &rebuild->catalog, error);
	find_url(rebuild->config, "indexer", rebuild->indexer, rebuild->indexer_url);
	find_url(rebuild->config, "eventd", rebuild->eventd, rebuild->eventd_url);
	find_url(rebuild->config, "searchd", rebuild->searchd, rebuild->searchd_url);
	return status == WEIR_OK ? log_ends_init(&rebuild->log, rebuild->config, error) : status;
}

/* An index from before there were catalogs, or none. */
static weir_status find_uncatalogued(struct rebuild *rebuild, struct weir_error *error)
{
	struct catalog *catalog = rebuild->catalog;
	struct weir_error reason;
	if (catalog->live != NULL || !catalog_index_is_there(catalog->wanted))
		return WEIR_OK;
	weir_status status = side_init(&rebuild->old, catalog->wanted, error);
	if (status != WEIR_OK)
		return status;
	status = side_open(&rebuild->old, rebuild->config, &reason);
	if (status == WEIR_OK) {
		catalog->live = catalog_index_copy(catalog->wanted);
		return catalog->live != NULL ? WEIR_OK : err_no_memory(error);
	}
	side_finish(&rebuild->old);
	if (status == WEIR_FATAL || status == WEIR_RETRY)
		command_say("%s; it is left as it is", reason.message);
	return WEIR_OK;
}

static weir_status open_old(struct rebuild *rebuild, struct weir_error *error)
{
	struct catalog *catalog = rebuild->catalog;
	struct weir_error reason;
	weir_status status = find_uncatalogued(rebuild, error);
	if (status != WEIR_OK || catalog->live == NULL || rebuild->old.index != NULL)
		return status;
	status = side_init(&rebuild->old, catalog->live, error);
	if (status != WEIR_OK)
		return status;
	status = side_open(&rebuild->old, rebuild->config, &reason);
	if (status == WEIR_OK)
		return WEIR_OK;
	if (status == WEIR_RETRY && catalog_index_is_there(catalog->live))
		return err_set(error, WEIR_AWAY, "the live index cannot be read now: %s",
			       reason.message);
	command_say("the live index cannot be read: %s", reason.message);
	return WEIR_OK;
}

/* One that nothing is at and that no entry names. */
static bool is_free(const struct catalog *catalog, const struct catalog_index *index)
{
	return !catalog_index_equal(catalog->live, index) &&
	       !catalog_index_equal(catalog->writer, index) &&
	       !catalog_index_equal(catalog->previous, index) &&
	       (strcmp(index->parameter, "path") != 0 || !catalog_index_is_there(index));
}

/* Files: the configured path, or one beside it with a number. Others: a name with the time, since
 * nobody here can tell which names are free. */
static weir_status find_location(const struct catalog *catalog, struct catalog_index *index,
				 struct weir_error *error)
{
	bool is_path = strcmp(index->parameter, "path") == 0;
	if (is_path && is_free(catalog, index))
		return WEIR_OK;
	for (int number = 1; number < LOCATION_LIMIT; number++) {
		char *location, stamp[32];
		time_t now = time(NULL);
		struct tm parts;
		gmtime_r(&now, &parts);
		strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &parts);
		int length = is_path ? asprintf(&location, "%s.%d", index->configured, number)
				     : asprintf(&location, "%s-%s", index->configured, stamp);
		if (length < 0)
			return err_no_memory(error);
		free(index->location);
		index->location = location;
		if (is_free(catalog, index))
			return WEIR_OK;
	}
	return err_set(error, WEIR_INVALID, "no free name was found beside %s", index->configured);
}

static void remove_index(const struct catalog_index *index)
{
	struct weir_error error;
	if (!side_remove_files(index, &error))
		command_say("%s", error.message);
}

static bool can_go_on(const struct rebuild *rebuild)
{
	const struct catalog *catalog = rebuild->catalog;
	const struct catalog_index *begun = catalog->building, *wanted = catalog->wanted;
	const char *from = catalog->building_from != NULL ? catalog->building_from : "";
	return begun != NULL && strcmp(begun->plugin, wanted->plugin) == 0 &&
	       strcmp(begun->configured, wanted->configured) == 0 &&
	       strcmp(begun->schema, wanted->schema) == 0 &&
	       (strncmp(from, "store", 5) == 0) == rebuild->from_store;
}

static weir_status plan_new(struct rebuild *rebuild, struct weir_error *error)
{
	struct catalog *catalog = rebuild->catalog;
	if (catalog->building != NULL) {
		command_say("what was begun at %s was another one, and is removed",
			    catalog->building->location);
		remove_index(catalog->building);
	}
	struct catalog_index *index = catalog_index_copy(catalog->wanted);
	if (index == NULL)
		return err_no_memory(error);
	catalog_index_destroy(catalog->building);
	catalog->building = index;
	free(catalog->building_from);
	catalog->building_from = strdup(rebuild->from_store ? "store" : "log");
	if (catalog->building_from == NULL)
		return err_no_memory(error);
	weir_status status = find_location(catalog, index, error);
	/* Entered before anything is made, so that it is found again. */
	return status == WEIR_OK ? catalog_write(catalog, error) : status;
}

static weir_status plan(struct rebuild *rebuild, struct weir_error *error)
{
	struct catalog *catalog = rebuild->catalog;
	weir_status status = WEIR_OK;
	if (rebuild->rollback) {
		if (catalog->previous == NULL)
			return err_set(error, WEIR_NOT_FOUND,
				       "there is no index to go back to: none was replaced");
		if (!catalog_index_is_there(catalog->previous))
			return err_set(error, WEIR_NOT_FOUND, "the index before, at %s, is gone",
				       catalog->previous->location);
		return side_init(&rebuild->target, catalog->previous, error);
	}
	rebuild->resumed = can_go_on(rebuild);
	if (!rebuild->resumed)
		status = plan_new(rebuild, error);
	return status == WEIR_OK ? side_init(&rebuild->target, catalog->building, error) : status;
}

static void tell_plan(const struct rebuild *rebuild)
{
	WEIR_CLEANUP(buffer_finish) struct buffer changes = BUFFER_INIT;
	command_say("%s %s%s%s",
		    rebuild->rollback  ? "going back to"
		    : rebuild->resumed ? "going on with"
				       : "building",
		    rebuild->target.name, rebuild->old.index != NULL ? ", beside " : "",
		    rebuild->old.index != NULL ? rebuild->old.name : "");
}

static weir_status work(struct rebuild *rebuild, struct weir_error *error)
{
	weir_status status = prepare(rebuild, error);
	if (status != WEIR_OK)
		return status;
	if (rebuild->catalog->writer != NULL) {
		command_say("finishing the change that was begun");
		return rebuild_finish_change(rebuild, error);
	}
	status = open_old(rebuild, error);
	if (status == WEIR_OK)
		status = plan(rebuild, error);
	if (status != WEIR_OK)
		return status;
	tell_plan(rebuild);
	command_point("planned");
	status = rebuild_fill(rebuild, error);
	if (status == WEIR_OK)
		status = rebuild_check(rebuild, error);
	command_point("checked");
	return status == WEIR_OK ? rebuild_change(rebuild, error) : status;
}

static void finish(struct rebuild *rebuild)
{
	builder_finish(&rebuild->builder);
	side_finish(&rebuild->target);
	side_finish(&rebuild->old);
	log_ends_finish(&rebuild->log);
	catalog_destroy(rebuild->catalog);
	if (rebuild->lock >= 0)
		close(rebuild->lock);
	schema_destroy(rebuild->wanted);
	config_destroy(rebuild->config);
	settings_finish(&rebuild->settings);
}

static int run(struct rebuild *rebuild)
{
	struct weir_error error;
	catch_signals();
	bar_init(&rebuild->bar, rebuild->quiet);
	weir_status status = work(rebuild, &error);
	bar_clear(&rebuild->bar);
	if (status != WEIR_OK)
		return command_fail("rebuild", status, &error);
	const struct catalog *catalog = rebuild->catalog;
	printf("live: %s at %s\n", catalog->live->plugin, catalog->live->location);
	if (catalog->previous != NULL)
		printf("kept for weir rebuild --rollback: %s at %s\n", catalog->previous->plugin,
		       catalog->previous->location);
	return STATUS_DONE;
}

int command_rebuild(int argc, char **argv)
{
	struct rebuild rebuild = {.lock = -1, .builder = BUILDER_INIT};
	const struct argument options[] = {
		{.name = "--from-store",
		 .flag = &rebuild.from_store,
		 .help = "from eventd's store first, then from the log: where the log is not "
			 "whole"},
		{.name = "--rollback",
		 .flag = &rebuild.rollback,
		 .help = "back to the index that the last rebuild replaced"},
		{.name = "--force",
		 .flag = &rebuild.force,
		 .help = "also when documents of the live index are missing in the new one"},
		{.name = "--plugin",
		 .value = "NAME",
		 .text = &rebuild.settings.plugin,
		 .help = "the engine to build with: [backend] plugin"},
		SETTINGS_DATA_OPTION(rebuild.settings),
		{.name = "--indexer",
		 .value = "URL",
		 .text = &rebuild.indexer,
		 .help = "else [indexer] address and port; none need run"},
		{.name = "--eventd",
		 .value = "URL",
		 .text = &rebuild.eventd,
		 .help = "else [eventd] address and port; for --from-store"},
		{.name = "--searchd",
		 .value = "URL",
		 .text = &rebuild.searchd,
		 .help = "else [searchd] address and port; to see it go over"},
		SETTINGS_BROKERS_OPTION(rebuild.settings),
		SETTINGS_CONFIG_OPTION(rebuild.settings),
		SETTINGS_SET_OPTION(rebuild.settings),
		{.name = "--quiet", .flag = &rebuild.quiet, .help = "no progress bar"},
	};
	const struct usage usage = {
		.command = "rebuild",
		.positions = "",
		.summary =
			"Builds the index that the configuration names ([backend] plugin, [schema] "
			"file) beside the\nlive one, which keeps serving and indexing; catches up; "
			"compares both by digests; then the\nindexer writes to the new one and "
			"searches move over, without a failed request. The old one\nis kept for "
			"--rollback until the next rebuild. Killed anywhere, run it again.\nBeside "
			"a "
			"running weir up: weir rebuild --data DIR --plugin NAME --from-store.",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
	};
	struct argument_list rest;
	int exit_status;
	if (arguments_read(&usage, argc, argv, &rest, &exit_status)) {
		exit_status = run(&rebuild);
		argument_list_finish(&rest);
	}
	finish(&rebuild);
	return exit_status;
}
