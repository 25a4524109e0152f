/* SPDX-License-Identifier: MIT
 * session.h - a reader's session: one commit of the index, and memory for its questions. */
#ifndef SESSION_H
#define SESSION_H

#include "found.h"
#include "instance.h"
#include "match.h"
#include "order.h"
#include "query.h"
#include "reader.h"

struct weir_session {
	weir_instance *instance;
	const struct weir_host *host;
	struct reader *reader; /* kept */
	struct head head;
	uint64_t manifest; /* number of the one whose segments are open */
	struct open_segment *segments;
	size_t segment_count;
	struct plan query, filter;
	struct match match;
	struct order order;
	struct found found;
	struct bytes record; /* scratch */
};

/* Readies session->match for a query and a filter (NULL: none). */
weir_status session_prepare(weir_session *session, const struct weir_query *query,
			    const struct weir_query *filter, bool is_scored,
			    struct weir_error *error);
/* The question by which session->found knows the answer. */
struct question session_question(const weir_session *session, const struct weir_query *query,
				 const struct weir_query *filter);
/* For what asks no query. */
void session_match(weir_session *session);

/* What reading has come to, before anything is handed out. WEIR_RETRY, and not damage or an answer
 * that lacks documents, when docids of the session's commit were given out again meanwhile. */
weir_status session_check(const weir_session *session, weir_status status,
			  struct weir_error *error);

#endif
