/* SPDX-License-Identifier: MIT
 * request.h - what a client asked for: parameters of a query string or members of a JSON body,
 * turned into the search that crosses the plug-in boundary. */
#ifndef REQUEST_H
#define REQUEST_H

#include "arena.h"
#include "err.h"
#include "facets.h"
#include "http.h"
#include "query.h"
#include "schema.h"
#include "tokens.h"

enum {
	REQUEST_LIMIT_DEFAULT = 20,
	REQUEST_LIMIT_MOST = 1000,
	REQUEST_OFFSET_MOST = 10000,
	REQUEST_PARAMETER_MOST = 300,
	REQUEST_FIELD_MOST = 64,
	REQUEST_WAIT_DEFAULT = 1000, /* milliseconds */
	REQUEST_WAIT_MOST = 10000,
};

struct request_wait {
	struct tokens tokens;
	size_t ms;
};

struct search_request {
	struct weir_search search;
	struct facets facets;
	const char *only[REQUEST_FIELD_MOST]; /* fields to return */
	size_t only_count;
	bool all_fields;
	struct request_wait wait;
	struct query_arena *tree; /* owns what search points to */
	struct arena text;	  /* owns the rest */
};

/* Reads the request's arguments (GET) or body (POST). WEIR_INVALID: error is the problem's detail
 * and *field the parameter that it is about ("" : none). request_finish either way. */
weir_status request_read(struct http_request *http, const struct schema *schema,
			 uint64_t capabilities, struct search_request *request, const char **field,
			 struct weir_error *error) WEIR_MUST_CHECK;
/* Of one event by its id: only what it waits for. */
weir_status request_read_wait(struct http_request *http, struct search_request *request,
			      const char **field, struct weir_error *error) WEIR_MUST_CHECK;
void request_finish(struct search_request *request);

#endif
