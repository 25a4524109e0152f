/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <inttypes.h>
#include <stdio.h>

#include "batch.h"
#include "etag.h"
#include "log.h"

static const char *const json_types[] = {"application/json", NULL};
static const char *const patch_types[] = {"application/merge-patch+json", "application/json", NULL};
static const char *const batch_types[] = {"application/x-ndjson", "application/ndjson", NULL};

void api_routes(struct http_queue *writes, struct http_queue *reads,
		struct http_route routes[API_COUNT])
{
	static const struct http_route table[API_COUNT] = {
		{HTTP_POST, "/api/v1/events", API_CREATE, .media_types = json_types},
		{HTTP_POST, "/api/v1/events/batch", API_BATCH, .media_types = batch_types,
		 .body_limit = BATCH_BODY_BYTES},
		{HTTP_PUT, "/api/v1/events/{id}", API_REPLACE, .media_types = json_types},
		{HTTP_PATCH, "/api/v1/events/{id}", API_PATCH, .media_types = patch_types},
		{HTTP_DELETE, "/api/v1/events/{id}", API_DELETE},
		{HTTP_POST, "/api/v1/events/{id}/republish", API_REPUBLISH,
		 .media_types = json_types},
		{HTTP_GET, "/api/v1/events/{id}", API_GET},
		{HTTP_GET, "/api/v1/events", API_LIST},
		{HTTP_GET, "/api/v1/events/{id}/history", API_HISTORY},
		{HTTP_GET, "/api/v1/changes", API_CHANGES},
		{HTTP_GET, "/api/v1/digests", API_DIGESTS},
	};
	for (size_t i = 0; i < API_COUNT; i++) {
		routes[i] = table[i];
		routes[i].queue = table[i].method == HTTP_GET ? reads : writes;
	}
}

void api_command(const struct http_request *request, struct command *command)
{
	*command = (struct command){
		.id = http_path_value(request, "id"),
		.if_match = http_header(request, "If-Match"),
		.if_none_match = http_header(request, "If-None-Match"),
	};
	command->body = http_body(request, &command->body_length);
	switch (http_tag(request)) {
	case API_CREATE:
		command->kind = COMMAND_CREATE;
		command->idempotency_key = http_header(request, "Idempotency-Key");
		break;
	case API_REPLACE:
		command->kind = COMMAND_REPLACE;
		break;
	case API_PATCH:
		command->kind = COMMAND_PATCH;
		break;
	case API_REPUBLISH:
		command->kind = COMMAND_REPUBLISH;
		break;
	default:
		command->kind = COMMAND_DELETE;
	}
}

void api_tag_header(struct http_request *request, int64_t version)
{
	char tag[ETAG_SIZE];
	etag_write(version, tag);
	http_reply_header(request, "ETag", tag);
}

void api_problem(struct http_request *request, const struct problem *problem)
{
	if (problem->status == 503)
		http_reply_header(request, "Retry-After", "1");
	http_problem(request, problem->status, problem->detail, problem->errors,
		     problem->error_count);
}

void api_read_failure(struct http_request *request, weir_status status,
		      const struct weir_error *error)
{
	struct problem problem = {0};
	log_error("read", "request=%s reason=%s", http_id(request), LOG_TEXT(error->message));
	if (status == WEIR_NO_MEMORY)
		problem_set(&problem, 503, "out of memory: try again later");
	else
		problem_set(&problem, 503,
			    "the store could not be read; try again later, the log of eventd "
			    "says why");
	api_problem(request, &problem);
}

void api_answer(struct http_request *request, struct command_answer *answer)
{
	if (answer->problem.status != 0) {
		api_problem(request, &answer->problem);
		return;
	}
	char token[STORE_ID_SIZE + ETAG_SIZE], location[STORE_ID_SIZE + 20];
	snprintf(token, sizeof(token), "%s@%" PRId64, answer->id, answer->version);
	http_reply_header(request, "Weir-Token", token);
	if (answer->status != 204)
		api_tag_header(request, answer->version);
	if (answer->status == 201) {
		snprintf(location, sizeof(location), "/api/v1/events/%s", answer->id);
		http_reply_header(request, "Location", location);
	}
	http_reply(request, answer->status, answer->status == 204 ? NULL : "application/json",
		   &answer->body);
}
