/* SPDX-License-Identifier: MIT
 * searchd - answers searches from the index that the indexer feeds.
 *
 * Concurrency: main waits for signals and opens the index when it appears; workers (api.c) search;
 * one thread asks Kafka (freshness.c); the network thread is lib/http's. */
#include "api.h"
#include "daemon.h"
#include "log.h"

enum { OPEN_RETRY_MS = 200 };

struct searchd {
	struct schema *schema;
	struct index *index;
	struct freshness *freshness;
	struct api *api;
};

static weir_status start(struct searchd *searchd, const struct config *config,
			 struct weir_error *error)
{
	weir_status status = schema_load_configured(config, &searchd->schema, error);
	if (status == WEIR_OK)
		status = index_create(config, searchd->schema, &searchd->index, error);
	if (status == WEIR_OK)
		status = freshness_start(config, searchd->schema, searchd->index,
					 &searchd->freshness, error);
	if (status == WEIR_OK)
		status = api_start(config, searchd->schema, searchd->index, searchd->freshness,
				   &searchd->api, error);
	return status;
}

static void stop(struct searchd *searchd)
{
	api_stop(searchd->api);
	freshness_stop(searchd->freshness);
	index_destroy(searchd->index);
	schema_destroy(searchd->schema);
}

int main(int argc, char **argv)
{
	struct daemon daemon;
	struct searchd searchd = {0};
	struct weir_error error;
	int exit_status;
	if (!daemon_start(&daemon, "searchd", "answers searches from the index", plugin_check, argc,
			  argv, &exit_status))
		return exit_status;
	weir_status status = start(&searchd, daemon.config, &error);
	if (status != WEIR_OK) {
		log_error("start", "reason=%s", LOG_TEXT(error.message));
	} else {
		log_info("start", "port=%u plugin=%s", api_port(searchd.api),
			 config_text(daemon.config, "backend", "plugin"));
		int timeout = 0;
		while (daemon_wait(&daemon, timeout) != DAEMON_STOP)
			timeout = index_try_open(searchd.index) ? -1 : OPEN_RETRY_MS;
	}
	stop(&searchd);
	daemon_finish(&daemon);
	return status == WEIR_OK ? 0 : status == WEIR_INVALID ? 2 : 3;
}
