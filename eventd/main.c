/* SPDX-License-Identifier: MIT
 *
 * eventd: the write side. REST in, SQLite, and by way of the outbox out to Kafka.
 *
 * Concurrency: the network thread (lib/http), one writer, the readers, the relay, and this thread,
 * which waits for signals. Their files say what each of them shares. */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "daemon.h"
#include "log.h"
#include "marks.h"
#include "readers.h"
#include "relay.h"
#include "schema.h"
#include "writer.h"

extern const unsigned char openapi_json[]; /* openapi.json, by lib/embed.py */

struct eventd {
	const struct config *config;
	struct schema *schema;
	struct marks *marks;
	struct http_queue *writes, *reads;
	struct relay *relay;
	struct writer *writer;
	struct readers *readers;
	struct http_server *server;
	struct http_route routes[API_COUNT];
};

/* For --check-config: only reads. */
static weir_status check(const struct config *config, struct weir_error *error)
{
	struct schema *schema = NULL;
	const char *database = config_text(config, "eventd", "database");
	WEIR_CLEANUP(store_close_pointer) struct store *store = NULL;
	weir_status status = schema_load_configured(config, &schema, error);
	if (status == WEIR_OK)
		status = relay_check(config, schema, error);
	schema_destroy(schema);
	if (status == WEIR_OK && access(database, F_OK) == 0)
		status = store_open(database, STORE_READ, &store, error);
	return status;
}

static weir_status start_store(struct eventd *eventd, struct weir_error *error)
{
	const struct config *config = eventd->config;
	const char *database = config_text(config, "eventd", "database");
	size_t limit = (size_t)config_integer(config, "eventd", "queue");
	struct store *store = NULL;
	eventd->marks = marks_create();
	eventd->writes = http_queue_create("writes", limit);
	eventd->reads = http_queue_create("reads", limit);
	if (eventd->marks == NULL || eventd->writes == NULL || eventd->reads == NULL)
		return err_no_memory(error);
	weir_status status = store_open(database, STORE_WRITE, &store, error);
	struct relay_options relay = {config, eventd->schema, eventd->marks};
	if (status == WEIR_OK)
		status = relay_create(&relay, &eventd->relay, error);
	if (status != WEIR_OK) {
		store_close(store);
		return status;
	}
	struct writer_options writer = {
		.store = store,
		.queue = eventd->writes,
		.marks = eventd->marks,
		.group = (size_t)config_integer(config, "eventd", "group_commit"),
		.committed = relay_notify,
		.context = eventd->relay,
	};
	status = writer_start(&writer, &eventd->writer, error);
	if (status == WEIR_OK)
		status = relay_start(eventd->relay, eventd->writer, error);
	if (status == WEIR_OK)
		status = readers_start(database, eventd->schema,
				       (size_t)config_integer(config, "eventd", "readers"),
				       eventd->reads, &eventd->readers, error);
	return status;
}

static weir_status start_http(struct eventd *eventd, struct weir_error *error)
{
	const struct config *config = eventd->config;
	api_routes(eventd->writes, eventd->reads, eventd->routes);
	struct http_options options = {
		.address = config_text(config, "eventd", "address"),
		.port = (uint16_t)config_integer(config, "eventd", "port"),
		.connection_limit = (size_t)config_integer(config, "eventd", "connections"),
		.idle_timeout = config_duration(config, "eventd", "idle_timeout"),
		.deadline = config_duration(config, "eventd", "deadline"),
		.routes = eventd->routes,
		.route_count = API_COUNT,
		.openapi = (const char *)openapi_json,
	};
	return http_start(&options, &eventd->server, error);
}

static weir_status start(struct eventd *eventd, struct weir_error *error)
{
	weir_status status = schema_load_configured(eventd->config, &eventd->schema, error);
	if (status == WEIR_OK)
		status = start_store(eventd, error);
	if (status == WEIR_OK)
		status = start_http(eventd, error);
	if (status == WEIR_OK)
		log_info("start", "address=%s port=%u database=%s brokers=%s",
			 config_text(eventd->config, "eventd", "address"),
			 (unsigned)http_port(eventd->server),
			 LOG_TEXT(config_text(eventd->config, "eventd", "database")),
			 LOG_TEXT(config_text(eventd->config, "kafka", "brokers")));
	return status;
}

/* Requests first, then the relay, whose reports the writer still puts on disk. Takes what start has
 * left half done, too. */
static void stop(struct eventd *eventd)
{
	http_stop(eventd->server);
	if (eventd->relay != NULL)
		relay_stop(eventd->relay);
	if (eventd->writes != NULL)
		http_queue_close(eventd->writes);
	if (eventd->reads != NULL)
		http_queue_close(eventd->reads);
	writer_stop(eventd->writer);
	readers_stop(eventd->readers);
	http_destroy(eventd->server);
	relay_destroy(eventd->relay);
	if (eventd->writes != NULL)
		http_queue_destroy(eventd->writes);
	if (eventd->reads != NULL)
		http_queue_destroy(eventd->reads);
	marks_destroy(eventd->marks);
	schema_destroy(eventd->schema);
}

int main(int argc, char **argv)
{
	struct daemon daemon;
	int exit_status = 0;
	if (!daemon_start(&daemon, "eventd", "takes events over REST and publishes them to Kafka",
			  check, argc, argv, &exit_status))
		return exit_status;
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is answered like a full disk */
	curl_global_init(CURL_GLOBAL_DEFAULT);
	struct eventd eventd = {.config = daemon.config};
	struct weir_error error;
	weir_status status = start(&eventd, &error);
	if (status != WEIR_OK) {
		log_error("start", "reason=%s", LOG_TEXT(error.message));
		exit_status = status == WEIR_INVALID ? 2 : 3;
	} else {
		while (daemon_wait(&daemon, -1) != DAEMON_STOP)
			;
	}
	stop(&eventd);
	if (exit_status == 0)
		log_info("end", "status=0");
	curl_global_cleanup();
	daemon_finish(&daemon);
	return exit_status;
}
