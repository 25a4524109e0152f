/* SPDX-License-Identifier: MIT
 * answer.h - one request, searched for and answered in JSON. */
#ifndef ANSWER_H
#define ANSWER_H

#include "freshness.h"
#include "http.h"
#include "index.h"
#include "metrics.h"
#include "state.h"
#include "waits.h"

/* What one worker answers with; its own, but for freshness and the metric. */
struct answerer {
	const struct schema *schema; /* of the index that the request is answered from */
	struct freshness *freshness;
	struct reader reader;
	struct state state; /* of the hit being written */
	struct buffer hits; /* of the answer being written; its memory is kept */
	struct freshness_text freshness_text;
	struct waits *waits;
	struct metric *seconds;
};

/* Each replies, once, or parks the request in waits, from where it comes again. */
void answer_search(struct answerer *answerer, struct http_request *http);
void answer_get(struct answerer *answerer, struct http_request *http);

#endif
