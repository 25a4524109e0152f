/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <stdio.h>
#include <string.h>

#include "json.h"

struct batch {
	struct http_request *request;
	const char *at, *end; /* what is left of the body */
	struct buffer results;
	size_t committed;   /* bytes of results that stand */
	size_t lines_since; /* results behind them */
};

/* The next line with something on it; false: there is none. */
static bool next_line(const char **at, const char *end, const char **line, size_t *length)
{
	while (*at < end) {
		const char *newline = memchr(*at, '\n', (size_t)(end - *at));
		const char *stop = newline != NULL ? newline : end;
		const char *start = *at;
		*at = newline != NULL ? newline + 1 : end;
		while (stop > start && strchr(" \t\r", stop[-1]) != NULL && stop[-1] != '\0')
			stop--;
		if (stop > start) {
			*line = start;
			*length = (size_t)(stop - start);
			return true;
		}
	}
	return false;
}

struct batch *batch_create(struct http_request *request)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	if (batch == NULL) {
		http_problem(request, 503, "out of memory: try again later", NULL, 0);
		return NULL;
	}
	size_t length, count = 0, line_length;
	const char *line;
	batch->request = request;
	batch->at = http_body(request, &length);
	batch->end = batch->at + length;
	for (const char *at = batch->at; next_line(&at, batch->end, &line, &line_length);)
		count++;
	if (count <= BATCH_LINE_LIMIT)
		return batch;
	char detail[100];
	snprintf(detail, sizeof(detail), "the batch has %zu lines, at most %d are allowed", count,
		 BATCH_LINE_LIMIT);
	http_problem(request, 413, detail, NULL, 0);
	free(batch);
	return NULL;
}

static void write_result(struct buffer *out, const struct command_answer *answer)
{
	const struct problem *problem = &answer->problem;
	if (problem->status != 0) {
		http_problem_write(out, problem->status, problem->detail, problem->errors,
				   problem->error_count);
	} else {
		struct jsonout json = JSONOUT_INIT(out);
		jsonout_begin(&json, '{');
		jsonout_name(&json, "status");
		jsonout_integer(&json, answer->status);
		jsonout_name(&json, "id");
		jsonout_text(&json, answer->id);
		jsonout_name(&json, "version");
		jsonout_integer(&json, answer->version);
		jsonout_end(&json, '}');
	}
	buffer_append_char(out, '\n');
}

/* One line in its savepoint. */
static weir_status perform_line(struct store *store, const struct command *command,
				struct arena *arena, struct command_answer *answer,
				struct weir_error *error)
{
	weir_status status = store_savepoint(store, error);
	if (status != WEIR_OK)
		return status;
	status = command_perform(store, command, arena, answer, error);
	buffer_finish(&answer->body);
	if (status == WEIR_OK)
		return store_release(store, error);
	store_undo(store);
	if (!store_in_transaction(store))
		return status;
	problem_failure(&answer->problem, status);
	answer->changed = false;
	return WEIR_OK;
}

weir_status batch_step(struct batch *batch, struct store *store, struct arena *arena, size_t limit,
		       size_t *changes, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	size_t length;
	const char *line;
	while (batch->lines_since < limit && next_line(&batch->at, batch->end, &line, &length)) {
		struct command_answer answer = {.problem.arena = arena};
		struct command command = {
			.kind = COMMAND_CREATE, .body = line, .body_length = length, .quiet = true};
		batch->lines_since++;
		if (length > BATCH_LINE_BYTES)
			problem_set(&answer.problem, 413,
				    "the line has %zu bytes, at most %zu are allowed", length,
				    BATCH_LINE_BYTES);
		else
			status = perform_line(store, &command, arena, &answer, error);
		if (status != WEIR_OK)
			return status;
		*changes += answer.changed;
		write_result(&batch->results, &answer);
	}
	return WEIR_OK;
}

void batch_committed(struct batch *batch)
{
	batch->committed = batch->results.length;
	batch->lines_since = 0;
}

void batch_failed(struct batch *batch, weir_status status)
{
	struct command_answer answer = {0};
	problem_failure(&answer.problem, status);
	if (batch->results.length > batch->committed)
		batch->results.length = batch->committed;
	for (size_t i = 0; i < batch->lines_since; i++)
		write_result(&batch->results, &answer);
	batch_committed(batch);
}

bool batch_ended(const struct batch *batch)
{
	const char *at = batch->at, *line;
	size_t length;
	return !next_line(&at, batch->end, &line, &length);
}

void batch_finish(struct batch *batch)
{
	if (buffer_failed(&batch->results))
		http_problem(batch->request, 503,
			     "out of memory for the results; the lines may have been stored", NULL,
			     0);
	else
		http_reply(batch->request, 200, "application/x-ndjson", &batch->results);
	buffer_finish(&batch->results);
	free(batch);
}
