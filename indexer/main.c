/* SPDX-License-Identifier: MIT
 * indexer - reads the topics of the schema and feeds the index.
 *
 * Concurrency: main waits for signals and for another index in the catalog; the indexing thread
 * (pipeline.c) owns the index; the watching thread (watch.c) asks the brokers; the network thread
 * (lib/http) answers from progress.c, of the feed that is behind `lock`. */
#include <pthread.h>
#include <string.h>

#include "daemon.h"
#include "feed.h"
#include "http.h"
#include "json.h"
#include "log.h"
#include "stop_point.h"

/* A replaced catalog is noticed within that time; an index that cannot be opened is tried again. */
enum { CATALOG_LOOK_MS = 200, AWAY_LOOK_MS = 500 };

struct indexer {
	const struct config *config;
	struct schema *schema;	 /* the configured one */
	struct catalog *catalog; /* NULL: [indexer] beside */
	pthread_mutex_t lock;	 /* feed, for the network thread */
	struct feed *feed;
	struct http_server *server;
	struct log_once away; /* the engine, at the start */
	char told[512];	      /* the trouble that was logged */
};

extern const unsigned char openapi_json[];

static void write_index(const struct feed *feed, struct jsonout *json)
{
	const struct catalog_index *index = feed_choice(feed)->index;
	jsonout_name(json, "index");
	jsonout_begin(json, '{');
	jsonout_name(json, "name");
	jsonout_text(json, feed_name(feed));
	if (index != NULL) {
		jsonout_name(json, "plugin");
		jsonout_text(json, index->plugin);
		jsonout_name(json, "location");
		jsonout_text(json, index->location);
	}
	jsonout_end(json, '}');
}

static void answer_positions(struct http_request *request, void *context)
{
	struct indexer *indexer = context;
	struct buffer body = BUFFER_INIT;
	struct jsonout json = JSONOUT_INIT(&body);
	pthread_mutex_lock(&indexer->lock);
	bool open = indexer->feed != NULL;
	if (open) {
		jsonout_begin(&json, '{');
		write_index(indexer->feed, &json);
		progress_write(feed_progress(indexer->feed), &json);
		jsonout_end(&json, '}');
	}
	pthread_mutex_unlock(&indexer->lock);
	if (!open) {
		http_problem(request, 503, "the index is not open yet; /health/ready tells more",
			     NULL, 0);
		return;
	}
	http_reply(request, 200, "application/json", &body);
}

static weir_status serve_http(struct indexer *indexer, struct weir_error *error)
{
	static const struct http_route routes[] = {
		{.method = HTTP_GET, .path = "/api/ingest/positions", .handle = answer_positions},
	};
	struct http_options options = {
		.address = config_text(indexer->config, "indexer", "address"),
		.port = (uint16_t)config_integer(indexer->config, "indexer", "port"),
		.connection_limit = 100,
		.idle_timeout = config_duration(indexer->config, "indexer", "idle_timeout"),
		.deadline = 10000000,
		.routes = routes,
		.route_count = sizeof(routes) / sizeof(routes[0]),
		.context = indexer,
		.openapi = (const char *)openapi_json,
	};
	return http_start(&options, &indexer->server, error);
}

static void tell_notice(const struct catalog_choice *choice)
{
	if (choice->notice.message[0] != '\0')
		log_warning("catalog", "reason=%s", LOG_TEXT(choice->notice.message));
}

/* The index that is to be written to: the catalog's, or the configured one when it is built
 * beside. */
static weir_status choose(struct indexer *indexer, struct catalog_choice **choice,
			  struct weir_error *error)
{
	const struct config *config = indexer->config;
	if (!config_boolean(config, "indexer", "beside")) {
		if (indexer->catalog == NULL) {
			weir_status status =
				catalog_read(config, indexer->schema, &indexer->catalog, error);
			if (status != WEIR_OK)
				return status;
		}
		return catalog_choose(indexer->catalog, CATALOG_WRITER, choice, error);
	}
	const char *text = indexer->schema->text;
	struct catalog_choice *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	weir_status status =
		schema_parse(text, strlen(text), "of the configuration", &made->schema, error);
	if (status != WEIR_OK) {
		catalog_choice_destroy(made);
		return status;
	}
	*choice = made;
	return WEIR_OK;
}

/* Tries again while the engine is away. *feed: NULL when the process was told to stop meanwhile. */
static weir_status open_first(struct daemon *daemon, struct indexer *indexer, struct feed **feed,
			      struct weir_error *error)
{
	for (;;) {
		struct catalog_choice *choice = NULL;
		weir_status status = choose(indexer, &choice, error);
		if (status != WEIR_OK)
			return status;
		bool may_come = feed_may_come(indexer->config, choice);
		if (indexer->server == NULL)
			tell_notice(choice);
		status = feed_open(indexer->config, choice, feed, error);
		if (status != WEIR_RETRY || !may_come)
			return status;
		health_set_bad("index", "%s", error->message);
		if (log_once_failing(&indexer->away))
			log_error("open", "state=waiting reason=%s", LOG_TEXT(error->message));
		if (indexer->server == NULL && serve_http(indexer, error) != WEIR_OK)
			return WEIR_FATAL;
		if (daemon_wait(daemon, AWAY_LOOK_MS) == DAEMON_STOP)
			return WEIR_OK;
	}
}

static weir_status start(struct daemon *daemon, struct indexer *indexer, struct weir_error *error)
{
	struct feed *feed = NULL;
	weir_status status = schema_load_configured(indexer->config, &indexer->schema, error);
	stop_point("indexer.open.before");
	if (status == WEIR_OK)
		status = open_first(daemon, indexer, &feed, error);
	stop_point("indexer.open.after");
	if (status != WEIR_OK || feed == NULL)
		return status;
	pthread_mutex_lock(&indexer->lock);
	indexer->feed = feed;
	pthread_mutex_unlock(&indexer->lock);
	log_once_recovered(&indexer->away);
	/* A catalog that cannot be written costs only what it is for. */
	if (indexer->catalog != NULL &&
	    catalog_enter(indexer->catalog, feed_choice(feed), error) != WEIR_OK)
		log_warning("catalog", "reason=%s", LOG_TEXT(error->message));
	if (indexer->server == NULL)
		status = serve_http(indexer, error);
	return status == WEIR_OK ? feed_start(feed, error) : status;
}

/* Health and, once, the log say why the index of the catalog is not written to; the one before goes
 * on being written to, so nothing waits. */
static void note_trouble(struct indexer *indexer, const struct weir_error *error)
{
	health_set_bad("catalog", "%s is written to, and not what the catalog says: %s",
		       feed_name(indexer->feed), error->message);
	if (strcmp(indexer->told, error->message) == 0)
		return;
	memcpy(indexer->told, error->message, sizeof(indexer->told));
	log_error("catalog", "reason=%s", LOG_TEXT(error->message));
}

static void end_trouble(struct indexer *indexer)
{
	health_set_good("catalog");
	indexer->told[0] = '\0';
}

/* The new index is opened first: when that fails, the one before was never left. */
static weir_status switch_to(struct indexer *indexer, struct catalog_choice *choice,
			     struct weir_error *error)
{
	struct feed *next = NULL, *before = indexer->feed;
	stop_point("indexer.switch.before");
	weir_status status = feed_open(indexer->config, choice, &next, error);
	if (status != WEIR_OK) {
		note_trouble(indexer, error);
		return WEIR_OK;
	}
	log_info("switch", "from=%s to=%s", LOG_TEXT(feed_name(before)), LOG_TEXT(feed_name(next)));
	tell_notice(feed_choice(next));
	end_trouble(indexer);
	stop_point("indexer.switch.opened");
	health_set_bad("lag", "going over to %s", feed_name(next));
	pthread_mutex_lock(&indexer->lock);
	indexer->feed = next;
	pthread_mutex_unlock(&indexer->lock);
	bool good = feed_end(before);
	feed_close(before);
	stop_point("indexer.switch.left");
	if (!good)
		return err_set(error, WEIR_FATAL, "the index before could not be left");
	weir_status started = feed_start(next, error);
	stop_point("indexer.switch.after");
	return started;
}

/* Follows the catalog. An error means the end of the process. */
static weir_status look(struct indexer *indexer, struct weir_error *error)
{
	struct catalog *catalog = NULL;
	struct catalog_choice *choice = NULL;
	struct weir_error reason;
	if (indexer->catalog == NULL)
		return WEIR_OK;
	bool changed = catalog_changed(indexer->catalog);
	if (!changed && indexer->told[0] == '\0')
		return WEIR_OK;
	weir_status status = catalog_read(indexer->config, indexer->schema, &catalog, &reason);
	if (status == WEIR_OK) {
		catalog_destroy(indexer->catalog);
		indexer->catalog = catalog;
		status = catalog_choose(catalog, CATALOG_WRITER, &choice, &reason);
	}
	if (status != WEIR_OK) {
		note_trouble(indexer, &reason);
		return WEIR_OK;
	}
	/* One that vanished under a running indexer is no order to leave the index. */
	if (!catalog->exists || !choice->entered || feed_is(indexer->feed, choice)) {
		catalog_choice_destroy(choice);
		end_trouble(indexer);
		return WEIR_OK;
	}
	return switch_to(indexer, choice, error);
}

/* True when the indexing thread did not give up. */
static bool stop(struct indexer *indexer)
{
	bool good = indexer->feed == NULL || feed_end(indexer->feed);
	if (indexer->server != NULL) {
		http_stop(indexer->server);
		http_destroy(indexer->server);
	}
	feed_close(indexer->feed);
	catalog_destroy(indexer->catalog);
	schema_destroy(indexer->schema);
	pthread_mutex_destroy(&indexer->lock);
	return good;
}

static weir_status run(struct daemon *daemon, struct indexer *indexer, struct weir_error *error)
{
	log_info("start", "port=%u index=%s brokers=%s", http_port(indexer->server),
		 LOG_TEXT(feed_name(indexer->feed)),
		 config_text(daemon->config, "kafka", "brokers"));
	while (daemon_wait(daemon, CATALOG_LOOK_MS) != DAEMON_STOP) {
		weir_status status = look(indexer, error);
		if (status == WEIR_OK)
			continue;
		log_error("switch", "reason=%s", LOG_TEXT(error->message));
		return status;
	}
	return WEIR_OK;
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
	pthread_mutex_init(&indexer.lock, NULL);
	indexer.config = daemon.config;
	weir_status status = start(&daemon, &indexer, &error);
	if (status != WEIR_OK)
		log_error("start", "reason=%s", LOG_TEXT(error.message));
	else if (indexer.feed != NULL)
		status = run(&daemon, &indexer, &error);
	daemon_stop();
	bool good = stop(&indexer) && status == WEIR_OK;
	if (good)
		log_info("end", "status=0");
	daemon_finish(&daemon);
	return good ? 0 : status == WEIR_INVALID ? 2 : 3;
}
