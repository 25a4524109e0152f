/* SPDX-License-Identifier: MIT
 * searchd - answers searches from the index that the indexer feeds.
 *
 * Concurrency: main waits for signals and looks after the index, whether it is there yet and still;
 * workers (api.c) search; one thread asks Kafka (freshness.c); the network thread is lib/http's. */
#include "api.h"
#include "daemon.h"
#include "log.h"

enum {
	LOOK_MS = 250, /* a replaced catalog is noticed within a second */
	MISSING_LOOK_MS = 200,
	/* One look may fall into the moment in which the index is being made or replaced. */
	FATAL_LOOKS = 3,
};

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
		status = freshness_start(config, searchd->index, &searchd->freshness, error);
	if (status == WEIR_OK)
		status =
			api_start(config, searchd->index, searchd->freshness, &searchd->api, error);
	return status;
}

static void stop(struct searchd *searchd)
{
	api_stop(searchd->api);
	freshness_stop(searchd->freshness);
	index_destroy(searchd->index);
	schema_destroy(searchd->schema);
}

/* Until TERM, or until the index turns out to be one that this process cannot read. */
static weir_status watch(struct daemon *daemon, struct index *index)
{
	struct weir_error error;
	int timeout = 0, fatal = 0;
	while (daemon_wait(daemon, timeout) != DAEMON_STOP) {
		weir_status status = index_look(index, &error);
		fatal = status == WEIR_FATAL ? fatal + 1 : 0;
		if (fatal == FATAL_LOOKS) {
			log_error("end", "reason=%s", LOG_TEXT(error.message));
			daemon_stop();
			return WEIR_FATAL;
		}
		timeout = status == WEIR_OK ? LOOK_MS : MISSING_LOOK_MS;
	}
	return WEIR_OK;
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
		status = watch(&daemon, searchd.index);
	}
	stop(&searchd);
	daemon_finish(&daemon);
	return status == WEIR_OK ? 0 : status == WEIR_INVALID ? 2 : 3;
}
