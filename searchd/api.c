/* SPDX-License-Identifier: MIT
 *
 * Concurrency: [searchd] workers threads take requests from one bounded queue, one at a time, each
 * with a reader of its own. They share the index, freshness and the metrics, which look after
 * themselves. */
#include "api.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "metrics.h"
#include "moment.h"
#include "request.h"
#include "state.h"

extern const unsigned char page_html[], openapi_json[];
extern const size_t page_html_size;

enum tag { TAG_SEARCH, TAG_GET };

struct worker {
	pthread_t thread;
	bool running;
	struct api *api;
	struct reader reader;
	struct state state; /* of the hit being written */
};

struct api {
	const struct schema *schema;
	struct index *index;
	struct freshness *freshness;
	struct http_server *server;
	struct http_queue *queue;
	struct worker *workers;
	size_t worker_count;
	struct metric *seconds;
};

/* What a search's callbacks need. */
struct answering {
	struct worker *worker;
	const struct search_request *request;
	struct weir_search_result result;
	struct buffer hits; /* the array's elements */
	struct jsonout json;
	weir_status status; /* of reading a hit's state */
	struct weir_error error;
	/* GET by id */
	const char *id;
	bool found;
};

static void write_hit_event(struct answering *answering, const struct weir_hit *hit)
{
	const struct search_request *request = answering->request;
	bool all = request == NULL || request->all_fields;
	struct buffer *out = answering->json.out;
	jsonout_name(&answering->json, "event");
	state_write_event(&answering->worker->state, answering->worker->api->schema, hit->id,
			  hit->id_length, all ? NULL : request->only, all ? 0 : request->only_count,
			  out);
	answering->json.comma = true;
}

static int on_hit(void *context, const struct weir_hit *hit)
{
	struct answering *answering = context;
	struct jsonout *json = &answering->json;
	answering->status = state_read(&answering->worker->state, hit->state, hit->state_length,
				       &answering->error);
	if (answering->status != WEIR_OK)
		return 1;
	answering->found = true;
	jsonout_begin(json, '{');
	jsonout_name(json, "id");
	jsonout_string(json, hit->id, hit->id_length);
	if (answering->request != NULL) {
		jsonout_name(json, "score");
		jsonout_double(json, hit->score, 4);
	} else {
		jsonout_name(json, "version");
		jsonout_integer(json, hit->version);
	}
	write_hit_event(answering, hit);
	jsonout_end(json, '}');
	return 0;
}

static void begin_again(struct answering *answering)
{
	buffer_clear(&answering->hits);
	answering->json = (struct jsonout)JSONOUT_INIT(&answering->hits);
	answering->status = WEIR_OK;
	answering->found = false;
	answering->result = (struct weir_search_result){0};
}

static weir_status end_work(struct answering *answering, weir_status status,
			    struct weir_error *error)
{
	if (status != WEIR_OK)
		return status;
	if (answering->status != WEIR_OK)
		return err_set(error, answering->status, "%s", answering->error.message);
	return buffer_failed(&answering->hits) ? err_no_memory(error) : WEIR_OK;
}

static weir_status work_search(void *context, const struct weir_operations *operations,
			       weir_session *session, struct weir_error *error)
{
	struct answering *answering = context;
	begin_again(answering);
	return end_work(answering,
			operations->search(session, &answering->request->search, on_hit, answering,
					   &answering->result, error),
			error);
}

static weir_status work_get(void *context, const struct weir_operations *operations,
			    weir_session *session, struct weir_error *error)
{
	struct answering *answering = context;
	begin_again(answering);
	return end_work(answering,
			operations->get(session, answering->id, strlen(answering->id), on_hit,
					answering, error),
			error);
}

static void reply_unable(struct http_request *http, weir_status status,
			 const struct weir_error *error)
{
	if (status == WEIR_AWAY || status == WEIR_RETRY)
		http_reply_header(http, "Retry-After", "1");
	http_problem(http, status == WEIR_NO_MEMORY ? 507 : 503, error->message, NULL, 0);
}

static void write_answer(struct answering *answering, double milliseconds, struct buffer *body)
{
	struct jsonout json = JSONOUT_INIT(body);
	const struct weir_search_result *result = &answering->result;
	jsonout_begin(&json, '{');
	jsonout_name(&json, "total");
	jsonout_integer(&json, (int64_t)result->total);
	jsonout_name(&json, "totalRelation");
	jsonout_text(&json, result->total_is_lower_bound != 0 ? "gte" : "eq");
	jsonout_name(&json, "tookMs");
	jsonout_double(&json, milliseconds, 3);
	jsonout_name(&json, "hits");
	jsonout_begin(&json, '[');
	if (answering->hits.length > 0)
		jsonout_raw(&json, answering->hits.data, answering->hits.length);
	jsonout_end(&json, ']');
	jsonout_name(&json, "facets");
	jsonout_begin(&json, '{');
	jsonout_end(&json, '}');
	jsonout_name(&json, "suggestion");
	jsonout_null(&json);
	jsonout_name(&json, "nextCursor");
	jsonout_null(&json);
	jsonout_name(&json, "freshness");
	freshness_write(answering->worker->api->freshness, &json);
	jsonout_end(&json, '}');
}

static void answer_search(struct worker *worker, struct http_request *http)
{
	struct api *api = worker->api;
	struct search_request request;
	struct answering answering = {.worker = worker, .request = &request};
	struct buffer body = BUFFER_INIT;
	struct weir_error error;
	const char *field;
	int64_t began = moment_monotonic();
	weir_status status = request_read(http, api->schema, index_capabilities(api->index),
					  &request, &field, &error);
	if (status == WEIR_INVALID) {
		struct http_field_error about = {field, error.message};
		http_problem(http, 400, error.message, &about, field[0] != '\0' ? 1 : 0);
		request_finish(&request);
		return;
	}
	if (status == WEIR_OK)
		status = reader_run(&worker->reader, http_deadline(http), work_search, &answering,
				    &error);
	int64_t took = moment_monotonic() - began;
	if (status == WEIR_OK) {
		write_answer(&answering, (double)took / 1e3, &body);
		http_reply(http, 200, "application/json", &body);
	} else {
		reply_unable(http, status, &error);
	}
	metric_observe(api->seconds, (double)took / 1e6);
	buffer_finish(&answering.hits);
	request_finish(&request);
}

static void answer_get(struct worker *worker, struct http_request *http)
{
	struct answering answering = {.worker = worker, .id = http_path_value(http, "id")};
	struct weir_error error;
	char id[EVENT_ID_LIMIT + 1];
	size_t length;
	weir_status status = WEIR_OK;
	/* The id as the indexer keeps it: a GUID in capitals or braces is the same one. */
	if (event_id_normalize(answering.id, strlen(answering.id), id, &length, NULL)) {
		answering.id = id;
		status = reader_run(&worker->reader, http_deadline(http), work_get, &answering,
				    &error);
	}
	if (status != WEIR_OK)
		reply_unable(http, status, &error);
	else if (!answering.found)
		http_problem(http, 404, "the index holds no such event", NULL, 0);
	else
		http_reply(http, 200, "application/json", &answering.hits);
	buffer_finish(&answering.hits);
}

static void *work(void *context)
{
	struct worker *worker = context;
	struct http_request *request;
	while (!http_queue_closed(worker->api->queue)) {
		if (http_queue_take(worker->api->queue, &request, 1, -1) == 0)
			continue;
		if (http_tag(request) == TAG_GET)
			answer_get(worker, request);
		else
			answer_search(worker, request);
	}
	return NULL;
}

static void answer_page(struct http_request *request, void *context)
{
	struct buffer body = BUFFER_INIT;
	(void)context;
	buffer_append(&body, page_html, page_html_size);
	http_reply_header(request, "Content-Security-Policy",
			  "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; "
			  "script-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
			  "form-action 'none'; frame-ancestors 'none'");
	http_reply_header(request, "Cache-Control", "no-cache");
	http_reply_header(request, "X-Content-Type-Options", "nosniff");
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
		reader_init(&worker->reader, api->index);
		int failure = pthread_create(&worker->thread, NULL, work, worker);
		if (failure != 0)
			return err_set(error, WEIR_SYSTEM, "a thread cannot be made: %s",
				       strerror(failure));
		worker->running = true;
	}
	return WEIR_OK;
}

weir_status api_start(const struct config *config, const struct schema *schema, struct index *index,
		      struct freshness *freshness, struct api **api, struct weir_error *error)
{
	struct api *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->schema = schema;
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
	http_stop(api->server);
	if (api->queue != NULL)
		http_queue_close(api->queue);
	for (size_t i = 0; api->workers != NULL && i < api->worker_count; i++) {
		struct worker *worker = &api->workers[i];
		if (worker->running)
			pthread_join(worker->thread, NULL);
		if (worker->api != NULL)
			reader_finish(&worker->reader);
		state_finish(&worker->state);
	}
	http_destroy(api->server);
	http_queue_destroy(api->queue);
	free(api->workers);
	free(api);
}
