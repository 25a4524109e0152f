/* SPDX-License-Identifier: MIT
 * http_client.h - the little of libcurl that the commands need. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <curl/curl.h>

#include "buffer.h"
#include "err.h"

struct http_answer {
	long status;
	long retry_after; /* seconds; -1: the answer did not say */
	struct buffer body;
};
void http_answer_finish(struct http_answer *answer);
#define HTTP_ANSWER_SCOPED WEIR_CLEANUP(http_answer_finish)

/* A handle for url whose answer is appended to *answer; curl_easy_cleanup ends it. timeout_ms is
 * for the whole transfer. NULL: no memory. */
CURL *http_client_handle(const char *url, long timeout_ms, struct http_answer *answer);
/* Fills status and retry_after after a transfer that ended well. */
void http_client_read_head(CURL *handle, struct http_answer *answer);

/* WEIR_OK for any answer, whatever its status; WEIR_AWAY when nobody answers, with libcurl's reason
 * alone: the caller knows who was asked. */
weir_status http_client_get(const char *url, long timeout_ms, struct http_answer *answer,
			    struct weir_error *error) WEIR_MUST_CHECK;
/* The same, and 200 with a body of JSON is wanted: problem+json's detail goes into the message.
 * WEIR_INVALID for 4xx, WEIR_AWAY for the rest. */
weir_status http_client_get_json(const char *url, long timeout_ms, struct http_answer *answer,
				 struct weir_error *error) WEIR_MUST_CHECK;

/* Appends name=value, percent-encoded, behind "?" or "&". The name is not empty. */
void http_client_argument(struct buffer *url, const char *name, size_t name_length,
			  const char *value);
/* base without a slash at its end, and path; as a new text in *out. */
void http_client_url(struct buffer *out, const char *base, const char *path);

/* One line for people from a problem object: its detail, or the errors of its fields. */
void http_client_problem(const char *json, size_t length, char *line, size_t size);

#endif
