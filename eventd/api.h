/* SPDX-License-Identifier: MIT
 * api.h - the routes of eventd, and the way between HTTP and commands. */
#ifndef API_H
#define API_H

#include "command.h"
#include "http.h"

enum api_tag {
	API_CREATE,
	API_BATCH,
	API_REPLACE,
	API_PATCH,
	API_DELETE,
	API_REPUBLISH,
	API_GET,
	API_LIST,
	API_HISTORY,
	API_CHANGES,
	API_DIGESTS,
	API_COUNT
};

/* Fills the table, for http_start. */
void api_routes(struct http_queue *writes, struct http_queue *reads,
		struct http_route routes[API_COUNT]);

/* Of every write but API_BATCH; the command borrows from the request. */
void api_command(const struct http_request *request, struct command *command);
/* Sends it; the request is gone afterwards, the answer's body empty. */
void api_answer(struct http_request *request, struct command_answer *answer);
/* ETag and, after a write, Weir-Token. */
void api_tag_header(struct http_request *request, int64_t version);
void api_problem(struct http_request *request, const struct problem *problem);

/* 503, and why in the log. */
void api_read_failure(struct http_request *request, weir_status status,
		      const struct weir_error *error);

#endif
