/* SPDX-License-Identifier: MIT
 *
 * Concurrency: [searchd] workers threads take requests from one bounded queue, one at a time, each
 * with a reader of its own. They share the index, freshness, waits and the metrics, which look
 * after themselves. */
#include "api.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"

extern const unsigned char page_html[], openapi_json[];
extern const size_t page_html_size;
extern const char page_policy[];

enum tag { TAG_SEARCH, TAG_GET };
enum { IDLE_LOOK = 1000000 }; /* microseconds until a worker without work leaves an old index */

struct worker {
	pthread_t thread;
	bool running;
	struct api *api;
	struct answerer answerer;
};

struct api {
	struct index *index;
	struct freshness *freshness;
	struct http_server *server;
	struct http_queue *queue;
	struct waits *waits;
	struct worker *workers;
	size_t worker_count;
	struct metric *seconds;
};

static void *work(void *context)
{
	struct worker *worker = context;
	struct http_request *request;
	while (true) {
		if (http_queue_take(worker->api->queue, &request, 1, IDLE_LOOK) == 0) {
			if (http_queue_closed(worker->api->queue))
				break;
			reader_follow(&worker->answerer.reader);
			continue;
		}
		if (http_tag(request) == TAG_GET)
			answer_get(&worker->answerer, request);
		else
			answer_search(&worker->answerer, request);
	}
	return NULL;
}

static void answer_page(struct http_request *request, void *context)
{
	struct buffer body = BUFFER_INIT;
	(void)context;
	buffer_append(&body, page_html, page_html_size);
	http_reply_header(request, "Content-Security-Policy", page_policy);
	http_reply_header(request, "Cache-Control", "no-cache");
	http_reply_header(request, "X-Content-Type-Options", "nosniff");
	http_reply_header(request, "Referrer-Policy", "no-referrer");
	http_reply(request, 200, "text/html; charset=utf-8", &body);
}

static weir_status serve(struct api *api, const struct config *config, struct weir_error *error)
{
	static const char *const json[] = {"application/json", NULL};
	const struct http_route routes[] = {
		{.method = HTTP_GET, .path = "/", .handle = answer_page},
		{.method = HTTP_GET,
		 .path = "/api/search/events",
		 .tag = TAG_SEARCH,
		 .queue = api->queue},
		{.method = HTTP_POST,
		 .path = "/api/search/events",
		 .tag = TAG_SEARCH,
		 .queue = api->queue,
		 .media_types = json},
		{.method = HTTP_GET,
		 .path = "/api/search/events/{id}",
		 .tag = TAG_GET,
		 .queue = api->queue},
	};
	struct http_options options = {
		.address = config_text(config, "searchd", "address"),
		.port = (uint16_t)config_integer(config, "searchd", "port"),
		.connection_limit = (size_t)config_integer(config, "searchd", "connections"),
		.idle_timeout = config_duration(config, "searchd", "idle_timeout"),
		.deadline = config_duration(config, "searchd", "deadline"),
		.routes = routes,
		.route_count = sizeof(routes) / sizeof(routes[0]),
		.context = api,
		.openapi = (const char *)openapi_json,
	};
	return http_start(&options, &api->server, error);
}

static weir_status start_workers(struct api *api, struct weir_error *error)
{
	for (size_t i = 0; i < api->worker_count; i++) {
		struct worker *worker = &api->workers[i];
		worker->api = api;
		worker->answerer = (struct answerer){
			.freshness = api->freshness, .waits = api->waits, .seconds = api->seconds};
		reader_init(&worker->answerer.reader, api->index);
		int failure = pthread_create(&worker->thread, NULL, work, worker);
		if (failure != 0)
			return err_set(error, WEIR_SYSTEM, "a thread cannot be made: %s",
				       strerror(failure));
		worker->running = true;
	}
	return WEIR_OK;
}

weir_status api_start(const struct config *config, struct index *index, struct freshness *freshness,
		      struct api **api, struct weir_error *error)
{
	struct api *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->index = index;
	made->freshness = freshness;
	made->worker_count = (size_t)config_integer(config, "searchd", "workers");
	made->workers = calloc(made->worker_count, sizeof(*made->workers));
	made->queue =
		http_queue_create("search", (size_t)config_integer(config, "searchd", "queue"));
	made->seconds = metric_get(METRIC_HISTOGRAM, "weir_searchd_search_seconds", NULL,
				   "Time of a search in its worker.");
	weir_status status =
		made->workers == NULL || made->queue == NULL ? err_no_memory(error) : WEIR_OK;
	if (status == WEIR_OK)
		status = waits_start(config, index, made->queue, &made->waits, error);
	if (status == WEIR_OK)
		status = serve(made, config, error);
	if (status == WEIR_OK)
		status = start_workers(made, error);
	if (status != WEIR_OK) {
		api_stop(made);
		return status;
	}
	*api = made;
	return WEIR_OK;
}

uint16_t api_port(const struct api *api)
{
	return http_port(api->server);
}

void api_stop(struct api *api)
{
	if (api == NULL)
		return;
	waits_stop(api->waits);
	http_stop(api->server);
	if (api->queue != NULL)
		http_queue_close(api->queue);
	for (size_t i = 0; api->workers != NULL && i < api->worker_count; i++) {
		struct worker *worker = &api->workers[i];
		if (worker->running)
			pthread_join(worker->thread, NULL);
		if (worker->api != NULL)
			reader_finish(&worker->answerer.reader);
		state_finish(&worker->answerer.state);
		buffer_finish(&worker->answerer.hits);
		buffer_finish(&worker->answerer.freshness_text.json);
	}
	waits_destroy(api->waits);
	http_destroy(api->server);
	http_queue_destroy(api->queue);
	free(api->workers);
	free(api);
}
