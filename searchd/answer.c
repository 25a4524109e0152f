/* SPDX-License-Identifier: MIT */
#include "answer.h"

#include <string.h>

#include "moment.h"
#include "request.h"

/* Bytes of one answer: 1,000 hits of the longest events would be 100 MB. */
#define ANSWER_LIMIT ((size_t)32 << 20)
/* What a worker keeps from one answer to the next. */
#define KEPT_LIMIT ((size_t)1 << 20)
/* An answer without hits and values, about. */
#define FRAME_SIZE 512

/* What a search's callbacks need. */
struct answering {
	struct answerer *answerer;
	struct search_request *request;
	struct weir_search_result result;
	struct jsonout json;
	struct facet_values facets;
	weir_status status; /* of reading a hit's state */
	struct weir_error error;
	bool waits;	/* the session does not hold what the client waits for */
	const char *id; /* GET by id; else NULL */
	bool found;
};

static void write_hit_event(struct answering *answering, const struct weir_hit *hit)
{
	const struct search_request *request = answering->request;
	bool all = request->all_fields;
	struct buffer *out = answering->json.out;
	jsonout_name(&answering->json, "event");
	state_write_event(&answering->answerer->state, answering->answerer->schema, hit->id,
			  hit->id_length, all ? NULL : request->only, all ? 0 : request->only_count,
			  out);
	answering->json.comma = true;
}

static int on_hit(void *context, const struct weir_hit *hit)
{
	struct answering *answering = context;
	struct jsonout *json = &answering->json;
	answering->status = state_read(&answering->answerer->state, hit->state, hit->state_length,
				       &answering->error);
	if (answering->status != WEIR_OK)
		return 1;
	answering->found = true;
	jsonout_begin(json, '{');
	jsonout_name(json, "id");
	jsonout_string(json, hit->id, hit->id_length);
	if (answering->id == NULL) {
		jsonout_name(json, "score");
		jsonout_double(json, hit->score, 4);
	} else {
		jsonout_name(json, "version");
		jsonout_integer(json, hit->version);
	}
	write_hit_event(answering, hit);
	jsonout_end(json, '}');
	if (answering->answerer->hits.length > ANSWER_LIMIT)
		answering->status = err_set(&answering->error, WEIR_INVALID,
					    "the answer would be over 32 MiB: ask for fewer hits "
					    "(limit) or fields");
	return answering->status != WEIR_OK;
}

static void begin_again(struct answering *answering)
{
	buffer_clear(&answering->answerer->hits);
	facet_values_clear(&answering->facets);
	answering->json = (struct jsonout)JSONOUT_INIT(&answering->answerer->hits);
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
	return buffer_failed(&answering->answerer->hits) ? err_no_memory(error) : WEIR_OK;
}

/* In the very session that is searched next, so that nothing can come between. */
static weir_status look_for_tokens(struct answering *answering,
				   const struct weir_operations *operations, weir_session *session,
				   struct weir_error *error)
{
	struct answerer *answerer = answering->answerer;
	struct tokens *tokens = &answering->request->wait.tokens;
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < tokens->count && status == WEIR_OK; i++)
		status =
			token_look(&tokens->items[i], operations, session,
				   reader_capabilities(&answerer->reader), &answerer->state, error);
	answering->waits = !tokens_reached(tokens);
	return status;
}

static weir_status work_search(void *context, const struct weir_operations *operations,
			       weir_session *session, struct weir_error *error)
{
	struct answering *answering = context;
	begin_again(answering);
	weir_status status = look_for_tokens(answering, operations, session, error);
	if (status != WEIR_OK || answering->waits)
		return status;
	struct search_request *request = answering->request;
	status = operations->search(session, &request->search, on_hit, answering,
				    &answering->result, error);
	status = end_work(answering, status, error);
	if (status != WEIR_OK || request->facets.count == 0)
		return status;
	return facets_count(&request->facets, answering->answerer->schema, &request->search,
			    operations, session, ANSWER_LIMIT, &answering->facets, error);
}

static weir_status work_get(void *context, const struct weir_operations *operations,
			    weir_session *session, struct weir_error *error)
{
	struct answering *answering = context;
	begin_again(answering);
	weir_status status = look_for_tokens(answering, operations, session, error);
	if (status != WEIR_OK || answering->waits)
		return status;
	return end_work(answering,
			operations->get(session, answering->id, strlen(answering->id), on_hit,
					answering, error),
			error);
}

static void reply_unable(struct http_request *http, weir_status status,
			 const struct weir_error *error)
{
	bool passes = status == WEIR_AWAY || status == WEIR_NO_MEMORY;
	if (passes)
		http_reply_header(http, "Retry-After", "1");
	http_problem(http, 503,
		     passes ? error->message
			    : "the index cannot be read: searchd's log and /health/ready say why",
		     NULL, 0);
}

static void reply_invalid(struct http_request *http, const char *field,
			  const struct weir_error *error)
{
	struct http_field_error about = {field, error->message};
	http_problem(http, 400, error->message, &about, field[0] != '\0' ? 1 : 0);
}

static void write_answer(struct answering *answering, double milliseconds, struct buffer *body)
{
	struct jsonout json = JSONOUT_INIT(body);
	struct answerer *answerer = answering->answerer;
	const struct weir_search_result *result = &answering->result;
	buffer_reserve(body, answerer->hits.length + answering->facets.bytes + FRAME_SIZE);
	jsonout_begin(&json, '{');
	jsonout_name(&json, "total");
	jsonout_integer(&json, (int64_t)result->total);
	jsonout_name(&json, "totalRelation");
	jsonout_text(&json, result->total_is_lower_bound != 0 ? "gte" : "eq");
	jsonout_name(&json, "tookMs");
	jsonout_double(&json, milliseconds, 3);
	jsonout_name(&json, "hits");
	jsonout_begin(&json, '[');
	if (answerer->hits.length > 0)
		jsonout_raw(&json, answerer->hits.data, answerer->hits.length);
	jsonout_end(&json, ']');
	jsonout_name(&json, "facets");
	facets_write(&answering->request->facets, answerer->schema, &answering->facets, &json);
	jsonout_name(&json, "suggestion");
	jsonout_null(&json);
	jsonout_name(&json, "nextCursor");
	jsonout_null(&json);
	jsonout_name(&json, "freshness");
	freshness_write(answerer->freshness, &answerer->freshness_text, &json);
	jsonout_end(&json, '}');
}

static void release_hits(struct answerer *answerer)
{
	if (answerer->hits.capacity > KEPT_LIMIT || buffer_failed(&answerer->hits))
		buffer_finish(&answerer->hits);
}

/* From here to its end a request is about one index. */
static void follow(struct answerer *answerer)
{
	reader_follow(&answerer->reader);
	answerer->schema = reader_schema(&answerer->reader);
}

/* Runs work; what is waited for may have come since the session was last refreshed. */
static weir_status run(struct answering *answering, struct http_request *http, reader_work work,
		       struct weir_error *error)
{
	struct reader *reader = &answering->answerer->reader;
	weir_status status = reader_run(reader, http_deadline(http), work, answering, error);
	if (status != WEIR_OK || !answering->waits || http_mark(http) != 0)
		return status;
	reader_renew(reader);
	return reader_run(reader, http_deadline(http), work, answering, error);
}

/* For a request that is not answered yet. */
static void wait_on(struct answering *answering, struct http_request *http, int64_t began)
{
	struct waits *waits = answering->answerer->waits;
	const struct request_wait *wait = &answering->request->wait;
	if (http_mark(http) == 0)
		http_set_mark(http, began + (int64_t)wait->ms * 1000);
	if (http_mark(http) <= moment_monotonic())
		waits_give_up(waits, http, &wait->tokens);
	else
		waits_park(waits, http, http_mark(http), &wait->tokens);
}

void answer_search(struct answerer *answerer, struct http_request *http)
{
	struct search_request request;
	struct answering answering = {.answerer = answerer, .request = &request};
	struct buffer body = BUFFER_INIT;
	struct weir_error error;
	const char *field;
	int64_t began = moment_monotonic();
	follow(answerer);
	weir_status status =
		request_read(http, answerer->schema, reader_capabilities(&answerer->reader),
			     &request, &field, &error);
	if (status == WEIR_OK) {
		field = "limit";
		status = run(&answering, http, work_search, &error);
		metric_observe(answerer->seconds, (double)(moment_monotonic() - began) / 1e6);
	}
	if (status == WEIR_INVALID) {
		reply_invalid(http, field, &error);
	} else if (status != WEIR_OK) {
		reply_unable(http, status, &error);
	} else if (answering.waits) {
		wait_on(&answering, http, began);
	} else {
		write_answer(&answering, (double)(moment_monotonic() - began) / 1e3, &body);
		http_reply(http, 200, "application/json", &body);
	}
	release_hits(answerer);
	facet_values_finish(&answering.facets);
	request_finish(&request);
}

void answer_get(struct answerer *answerer, struct http_request *http)
{
	struct search_request request;
	struct answering answering = {
		.answerer = answerer, .request = &request, .id = http_path_value(http, "id")};
	struct weir_error error;
	char id[EVENT_ID_LIMIT + 1];
	size_t length;
	const char *field;
	int64_t began = moment_monotonic();
	follow(answerer);
	weir_status status = request_read_wait(http, &request, &field, &error);
	/* The id as the indexer keeps it: a GUID in capitals or braces is the same one. */
	if (status == WEIR_OK &&
	    event_id_normalize(answering.id, strlen(answering.id), id, &length, NULL)) {
		answering.id = id;
		status = run(&answering, http, work_get, &error);
	}
	if (status == WEIR_INVALID)
		reply_invalid(http, field, &error);
	else if (status != WEIR_OK)
		reply_unable(http, status, &error);
	else if (answering.waits)
		wait_on(&answering, http, began);
	else if (!answering.found)
		http_problem(http, 404, "the index holds no such event", NULL, 0);
	else
		http_reply(http, 200, "application/json", &answerer->hits);
	release_hits(answerer);
	request_finish(&request);
}
