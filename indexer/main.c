/* SPDX-License-Identifier: MIT
 * indexer - reads the topics of the schema and feeds the index.
 *
 * Concurrency: main waits for signals; the indexing thread (pipeline.c) owns the index; the
 * watching thread (watch.c) asks the brokers; the network thread (lib/http) answers from
 * progress.c. */
#include "daemon.h"
#include "deadletter.h"
#include "http.h"
#include "log.h"
#include "pipeline.h"

struct indexer {
	struct schema *schema;
	struct backend backend;
	struct progress *progress;
	struct consumer *consumer;
	struct deadletters *deadletters;
	struct watch *watch;
	struct pipeline *pipeline;
	struct http_server *server;
};

extern const unsigned char openapi_json[];

static void answer_positions(struct http_request *request, void *context)
{
	struct indexer *indexer = context;
	struct buffer body = BUFFER_INIT;
	progress_write(indexer->progress, &body);
	http_reply(request, 200, "application/json", &body);
}

static weir_status serve_http(struct indexer *indexer, const struct config *config,
			      struct weir_error *error)
{
	static const struct http_route routes[] = {
		{.method = HTTP_GET, .path = "/api/ingest/positions", .handle = answer_positions},
	};
	struct http_options options = {
		.address = config_text(config, "indexer", "address"),
		.port = (uint16_t)config_integer(config, "indexer", "port"),
		.connection_limit = 100,
		.idle_timeout = 60000000,
		.deadline = 10000000,
		.routes = routes,
		.route_count = sizeof(routes) / sizeof(routes[0]),
		.context = indexer,
		.openapi = (const char *)openapi_json,
	};
	return http_start(&options, &indexer->server, error);
}

static weir_status start(struct indexer *indexer, const struct config *config,
			 struct weir_error *error)
{
	weir_status status = schema_load_configured(config, &indexer->schema, error);
	if (status == WEIR_OK)
		status = backend_open(config, indexer->schema->abi, WEIR_MODE_WRITER,
				      &plugin_default_host, &indexer->backend, error);
	if (status != WEIR_OK)
		return status;
	indexer->progress =
		progress_create(indexer->schema, config_duration(config, "indexer", "ready_lag"));
	if (indexer->progress == NULL)
		return err_no_memory(error);
	health_set_bad("topics", "the brokers were not asked yet");
	status = progress_load(indexer->progress, &indexer->backend, error);
	if (status == WEIR_OK)
		status = consumer_create(
			config, indexer->schema, indexer->progress,
			(indexer->backend.plugin->manifest->capabilities & WEIR_CAN_SHARE) != 0,
			&indexer->consumer, error);
	if (status == WEIR_OK)
		status = deadletters_create(config, &indexer->deadletters, error);
	if (status == WEIR_OK)
		status = serve_http(indexer, config, error);
	if (status == WEIR_OK)
		status = watch_start(consumer_client(indexer->consumer), config, indexer->schema,
				     indexer->progress, &indexer->watch, error);
	if (status != WEIR_OK)
		return status;
	struct pipeline_options options = {
		config,
		indexer->schema,
		&indexer->backend,
		indexer->progress,
		indexer->consumer,
		indexer->deadletters,
		indexer->watch,
	};
	return pipeline_start(&options, &indexer->pipeline, error);
}

/* True when the indexing thread did not give up. */
static bool stop(struct indexer *indexer)
{
	bool good = indexer->pipeline == NULL || pipeline_join(indexer->pipeline);
	watch_stop(indexer->watch);
	if (indexer->server != NULL) {
		http_stop(indexer->server);
		http_destroy(indexer->server);
	}
	deadletters_destroy(indexer->deadletters);
	consumer_destroy(indexer->consumer);
	progress_destroy(indexer->progress);
	backend_close(&indexer->backend);
	schema_destroy(indexer->schema);
	return good;
}

int main(int argc, char **argv)
{
	struct daemon daemon;
	struct indexer indexer = {0};
	struct weir_error error;
	int exit_status;
	if (!daemon_start(&daemon, "indexer", "reads the topics of the schema and feeds the index",
			  plugin_check, argc, argv, &exit_status))
		return exit_status;
	weir_status status = start(&indexer, daemon.config, &error);
	if (status != WEIR_OK) {
		log_error("start", "reason=%s", LOG_TEXT(error.message));
		daemon_stop();
	} else {
		log_info("start", "port=%u plugin=%s brokers=%s", http_port(indexer.server),
			 indexer.backend.plugin->manifest->name,
			 config_text(daemon.config, "kafka", "brokers"));
		while (daemon_wait(&daemon, -1) != DAEMON_STOP)
			;
	}
	bool good = stop(&indexer) && status == WEIR_OK;
	if (good)
		log_info("end", "status=0");
	daemon_finish(&daemon);
	return good ? 0 : status == WEIR_INVALID ? 2 : 3;
}
