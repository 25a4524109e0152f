/* SPDX-License-Identifier: MIT
 *
 * Concurrency: used by main alone; the threads that it starts look after themselves (pipeline.c,
 * watch.c). */
#include "feed.h"

#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "deadletter.h"
#include "log.h"
#include "pipeline.h"
#include "watch.h"

struct feed {
	const struct config *config;
	struct catalog_choice *choice;
	struct backend backend;
	struct progress *progress;
	struct consumer *consumer;
	struct deadletters *deadletters;
	struct watch *watch;
	struct pipeline *pipeline;
	char name[300];
};

/* An index that is entered in the catalog and yet empty was made anew just now: say so, since it
 * may take its time. */
static void tell_empty(const struct feed *feed)
{
	if (feed->choice->entered && feed->choice->index != NULL &&
	    progress_is_empty(feed->progress))
		log_warning("open", "index=%s reason=%s", LOG_TEXT(feed->name),
			    LOG_TEXT("it is the live one and holds nothing: it is filled from the "
				     "beginning of the log"));
}

weir_status feed_open(const struct config *config, struct catalog_choice *choice,
		      struct feed **feed, struct weir_error *error)
{
	struct feed *made = calloc(1, sizeof(*made));
	if (made == NULL) {
		catalog_choice_destroy(choice);
		return err_no_memory(error);
	}
	made->config = config;
	made->choice = choice;
	struct backend_place place = {0};
	if (choice->index != NULL)
		place = catalog_place(choice->index);
	weir_status status =
		backend_open_at(config, choice->index != NULL ? &place : NULL, choice->schema->abi,
				WEIR_MODE_WRITER, &plugin_default_host, &made->backend, error);
	if (status == WEIR_OK) {
		snprintf(made->name, sizeof(made->name), "%s%s%s",
			 made->backend.plugin->manifest->name, choice->index != NULL ? " at " : "",
			 choice->index != NULL ? choice->index->location : "");
		made->progress = progress_create(choice->schema,
						 config_duration(config, "indexer", "ready_lag"));
		status = made->progress == NULL
				 ? err_no_memory(error)
				 : progress_load(made->progress, &made->backend, error);
	}
	if (status != WEIR_OK) {
		feed_close(made);
		return status;
	}
	tell_empty(made);
	*feed = made;
	return WEIR_OK;
}

bool feed_may_come(const struct config *config, const struct catalog_choice *choice)
{
	struct backend_place place = {0};
	struct plugin *plugin = NULL;
	struct weir_error ignored;
	if (choice->index != NULL)
		place = catalog_place(choice->index);
	if (plugin_load_at(config, choice->index != NULL ? &place : NULL, &plugin, &ignored) !=
	    WEIR_OK)
		return false;
	bool shared = (plugin->manifest->capabilities & WEIR_CAN_SHARE) != 0;
	plugin_destroy(plugin);
	return shared;
}

weir_status feed_start(struct feed *feed, struct weir_error *error)
{
	const struct config *config = feed->config;
	health_set_bad("topics", "the brokers were not asked yet");
	health_set_good("group"); /* of an index that is not shared there is nothing to say */
	health_set_fact("index", "%s", feed->name);
	/* An index that is built beside has this one indexer, also where others could help. */
	bool shared = (feed->backend.plugin->manifest->capabilities & WEIR_CAN_SHARE) != 0 &&
		      !config_boolean(config, "indexer", "beside");
	weir_status status = consumer_create(config, feed->choice->schema, feed->progress, shared,
					     &feed->consumer, error);
	if (status == WEIR_OK)
		status = deadletters_create(config, &feed->deadletters, error);
	if (status == WEIR_OK)
		status = watch_start(config, feed->choice->schema, feed->progress, &feed->watch,
				     error);
	if (status != WEIR_OK)
		return status;
	struct pipeline_options options = {
		config,		feed->choice->schema, &feed->backend, feed->progress,
		feed->consumer, feed->deadletters,    shared,
	};
	return pipeline_start(&options, &feed->pipeline, error);
}

bool feed_end(struct feed *feed)
{
	bool good = feed->pipeline == NULL || pipeline_end(feed->pipeline);
	feed->pipeline = NULL;
	watch_stop(feed->watch);
	feed->watch = NULL;
	return good;
}

void feed_close(struct feed *feed)
{
	if (feed == NULL)
		return;
	feed_end(feed);
	deadletters_destroy(feed->deadletters);
	consumer_destroy(feed->consumer);
	progress_destroy(feed->progress);
	backend_close(&feed->backend);
	catalog_choice_destroy(feed->choice);
	free(feed);
}

struct progress *feed_progress(const struct feed *feed)
{
	return feed->progress;
}

const struct catalog_choice *feed_choice(const struct feed *feed)
{
	return feed->choice;
}

const char *feed_name(const struct feed *feed)
{
	return feed->name;
}

bool feed_is(const struct feed *feed, const struct catalog_choice *choice)
{
	const struct catalog_index *mine = feed->choice->index;
	if (mine == NULL || choice->index == NULL)
		return mine == choice->index;
	return catalog_index_equal(mine, choice->index) &&
	       strcmp(feed->choice->schema->abi->fingerprint, choice->schema->abi->fingerprint) ==
		       0;
}
