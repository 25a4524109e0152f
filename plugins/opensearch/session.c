/* SPDX-License-Identifier: MIT
 * session.c - a reader. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "instance.h"

/* The index may have been deleted and made again. */
static weir_status read_head(struct weir_session *session, struct head *head,
			     struct weir_error *error)
{
	const struct weir_instance *instance = session->instance;
	struct connection *connection = session->connection;
	weir_status status = head_read(instance, connection, session->life, false, head, error);
	if (status != WEIR_RETRY)
		return status;
	char life[LIFE_LIMIT];
	struct weir_error second;
	status = index_check(instance, connection, life, &second);
	if (status == WEIR_OK && strcmp(life, session->life) != 0) {
		memcpy(session->life, life, sizeof(life));
		return head_read(instance, connection, session->life, false, head, error);
	}
	if (status != WEIR_OK)
		*error = second;
	return status == WEIR_OK ? WEIR_RETRY : status;
}

/* The head first: the point in time then has at least what the positions promise. */
weir_status session_refresh(weir_session *session, uint64_t *generation, struct weir_error *error)
{
	struct head head = {0};
	weir_status status = read_head(session, &head, error);
	if (status == WEIR_OK)
		status = point_take(session, &head, error);
	head_finish(&head);
	if (status == WEIR_OK)
		*generation = session->point->generation;
	return status;
}

void session_close(weir_session *session)
{
	if (session == NULL)
		return;
	point_leave(session);
	connection_destroy(session->connection);
	text_finish(&session->body);
	text_finish(&session->id);
	text_finish(&session->state);
	free(session);
}

weir_status session_open(weir_instance *instance, const struct weir_host *host, weir_session **out,
			 struct weir_error *error)
{
	uint64_t generation;
	struct weir_session *session = calloc(1, sizeof(*session));
	if (session == NULL)
		return error_no_memory(error);
	session->instance = instance;
	session->host = host;
	memcpy(session->life, instance->index.life, sizeof(session->life));
	weir_status status =
		connection_create(&instance->cluster, host, &session->connection, error);
	if (status == WEIR_OK)
		status = session_refresh(session, &generation, error);
	if (status != WEIR_OK) {
		session_close(session);
		return status;
	}
	*out = session;
	return WEIR_OK;
}

weir_status session_positions(weir_session *session, weir_on_position on_position, void *context,
			      struct weir_error *error)
{
	return head_each_position(&session->point->head, on_position, context, error);
}

static bool write_request(struct weir_session *session, json_t *request)
{
	json_t *pit = json_pack("{s:s, s:s}", "id", session->point->pit, "keep_alive", POINT_KEPT);
	bool good = json_object_set_new(request, "pit", pit) == 0;
	char *line = good ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	text_clear(&session->body);
	if (line != NULL)
		text_add(&session->body, line);
	free(line);
	return line != NULL;
}

static weir_status check_whole(const struct answer *answer, struct weir_error *error)
{
	const json_t *shards = json_object_get(answer->json, "_shards");
	if (!json_is_true(json_object_get(answer->json, "timed_out")) &&
	    json_integer_value(json_object_get(shards, "failed")) == 0)
		return WEIR_OK;
	return error_set(
		error, WEIR_RETRY,
		"opensearch: %.200s: not every shard answered the search; is a node of the "
		"cluster away?",
		answer->url);
}

static bool too_many_clauses(const struct answer *answer)
{
	const json_t *failure = json_object_get(answer->json, "error");
	const json_t *root = json_array_get(json_object_get(failure, "root_cause"), 0);
	const char *type = json_string_value(json_object_get(root, "type"));
	return type != NULL && strncmp(type, "too_many", 8) == 0;
}

weir_status session_ask(weir_session *session, json_t *request, struct answer *answer,
			struct weir_error *error)
{
	/* Over several shards, scores are comparable only when all count words together. */
	const char *path = session->instance->index.shards > 1
				   ? "/_search?allow_partial_search_results=false&search_type="
				     "dfs_query_then_fetch"
				   : "/_search?allow_partial_search_results=false";
	if (point_is_lost(session->point)) {
		json_decref(request);
		return error_set(error, WEIR_RETRY,
				 "opensearch: the point in time was lost; refresh the session");
	}
	if (request == NULL || !write_request(session, request))
		return error_no_memory(error);
	weir_status status =
		connection_call(session->connection, "POST", path, &session->body, answer, error);
	if (status != WEIR_OK)
		return status;
	point_used(session->point);
	if (answer->too_large)
		return WEIR_OK;
	if (!answer_is_good(answer) && too_many_clauses(answer)) {
		status =
			error_set(error, WEIR_FATAL,
				  "opensearch: the query has more clauses than %.200s takes; use "
				  "fewer words, or raise indices.query.bool.max_clause_count there",
				  answer->url);
	} else if (!answer_is_good(answer)) {
		/* Also after a restart of the node: its points in time are gone. */
		if (answer->status >= 404)
			atomic_store(&session->point->is_lost, true);
		status = answer_failed(answer, path, error);
	} else {
		status = check_whole(answer, error);
	}
	if (status != WEIR_OK)
		answer_finish(answer);
	return status;
}
