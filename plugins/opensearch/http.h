/* SPDX-License-Identifier: MIT
 * http.h - calls to the cluster: one connection a session or writer, kept open, JSON both ways. */
#ifndef HTTP_H
#define HTTP_H

#include <jansson.h>
#include <stdbool.h>

#include "text.h"
#include "weir/backend.h"

/* Where the cluster is and how to be let in; not changed once it is open. */
struct cluster {
	char **urls; /* without a slash at the end */
	size_t url_count;
	char *user, *password, *api_key, *ca_path; /* "" where there is none */
	long connect_ms, total_ms;
};

struct connection;

struct answer {
	const char *url; /* who gave it */
	long status;	 /* of HTTP */
	json_t *json;	 /* owned; NULL: it was not JSON */
	bool too_large;	 /* nothing of it was kept */
};
void answer_finish(struct answer *answer);

/* Cuts the list of URLs. WEIR_FATAL: one cannot be used. */
weir_status cluster_set_urls(struct cluster *cluster, const char *list, struct weir_error *error);
void cluster_finish(struct cluster *cluster);

weir_status connection_create(const struct cluster *cluster, const struct weir_host *host,
			      struct connection **connection, struct weir_error *error);
void connection_destroy(struct connection *connection); /* takes NULL */

/* WEIR_OK: there was an answer, of whatever status; the caller finishes it. A URL that cannot be
 * reached is followed by the next. body: NULL for none. */
weir_status connection_call(struct connection *connection, const char *method, const char *path,
			    const struct text *body, struct answer *answer,
			    struct weir_error *error);
/* The same, and answers that are not 2xx are failures, as answer_failed says. */
weir_status connection_ask(struct connection *connection, const char *method, const char *path,
			   const struct text *body, struct answer *answer,
			   struct weir_error *error);
/* Waits so long, less when the host cancels. False: it did. */
bool connection_wait(struct connection *connection, int milliseconds);

bool answer_is_good(const struct answer *answer); /* 2xx, JSON */
/* "index_not_found_exception" and the like; "" where the answer names none. */
const char *answer_error_type(const struct answer *answer);
/* What an answer that is not good means: the line, and RETRY where time may help. */
weir_status answer_failed(const struct answer *answer, const char *path, struct weir_error *error);

/* A failure inside an answer, by its status and {"type", "reason"}. */
bool failure_is_block(const json_t *failure);
weir_status failure_block(const struct answer *answer, const json_t *failure,
			  struct weir_error *error);

#endif
