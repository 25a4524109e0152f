/* SPDX-License-Identifier: MIT */
#include "changes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "json.h"
#include "numbers.h"
#include "render.h"

enum { LIMIT_DEFAULT = 1000, LIMIT_MAXIMUM = 10000, PAGE_BYTES = 8 << 20 };

struct asked {
	int64_t after, until, limit;
	bool as_messages;
};

static void read_argument(const char *name, const char *value, struct asked *asked,
			  struct problem *problem)
{
	if (strcmp(name, "after") == 0 || strcmp(name, "until") == 0) {
		if (!number_read(value, 0, INT64_MAX,
				 name[0] == 'a' ? &asked->after : &asked->until))
			problem_add(problem, name, "is not a sequence, a whole number from 0");
	} else if (strcmp(name, "limit") == 0) {
		if (!number_read(value, 1, LIMIT_MAXIMUM, &asked->limit))
			problem_add(problem, name, "is not a number from 1 to %d", LIMIT_MAXIMUM);
	} else if (strcmp(name, "as") == 0) {
		asked->as_messages = strcmp(value, "messages") == 0;
		if (!asked->as_messages && strcmp(value, "changes") != 0)
			problem_add(problem, name, "is neither changes nor messages");
	} else {
		problem_add(problem, name,
			    "is not a parameter; there are after, until, limit and as");
	}
}

static bool read_arguments(const struct http_request *request, struct asked *asked,
			   struct problem *problem)
{
	*asked = (struct asked){.until = INT64_MAX, .limit = LIMIT_DEFAULT};
	for (size_t i = 0; i < http_argument_count(request); i++) {
		const char *value, *name = http_argument(request, i, &value);
		read_argument(name, value, asked, problem);
	}
	if (problem->status != 0)
		problem_set(problem, 400, "the query has parameters that are wrong");
	return problem->status == 0;
}

struct page {
	const struct schema *schema; /* NULL: as changes */
	struct arena *arena;
	struct buffer body;
	int64_t left;
	weir_status status;
	struct weir_error *error;
};

/* What the relay sends for it. */
static weir_status write_message(struct page *page, const struct store_change *change)
{
	const struct schema_message *message = message_of(page->schema, change->operation);
	struct jsonout json = JSONOUT_INIT(&page->body);
	jsonout_begin(&json, '{');
	jsonout_name(&json, "sequence");
	jsonout_integer(&json, change->sequence);
	jsonout_name(&json, "id");
	jsonout_text(&json, change->id);
	jsonout_name(&json, "version");
	jsonout_integer(&json, change->version);
	jsonout_name(&json, "topic");
	jsonout_text(&json, message->topic);
	jsonout_name(&json, "type");
	jsonout_text(&json, message->type);
	jsonout_name(&json, "value");
	weir_status status =
		message_value(page->schema, change, page->arena, &page->body, page->error);
	jsonout_end(&json, '}');
	return status;
}

static bool write_line(void *context, const struct store_change *change)
{
	struct page *page = context;
	if (page->left == 0 || page->body.length > PAGE_BYTES)
		return false;
	page->left--;
	if (page->schema == NULL)
		render_change_line(&page->body, change);
	else
		page->status = write_message(page, change);
	arena_reset(page->arena);
	buffer_append_char(&page->body, '\n');
	return page->status == WEIR_OK && !buffer_failed(&page->body);
}

static void number_header(struct http_request *request, const char *name, int64_t number)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRId64, number);
	http_reply_header(request, name, text);
}

void changes_answer(struct store *store, const struct schema *schema, struct arena *arena,
		    struct http_request *request)
{
	struct problem problem = {.arena = arena};
	struct weir_error error;
	struct asked asked;
	int64_t newest = 0, sent = 0;
	if (!read_arguments(request, &asked, &problem)) {
		api_problem(request, &problem);
		return;
	}
	struct page page = {.schema = asked.as_messages ? schema : NULL,
			    .arena = arena,
			    .left = asked.limit,
			    .error = &error};
	weir_status status = store_read(store, &error);
	if (status == WEIR_OK)
		status = store_sequences(store, &newest, &sent, &error);
	if (status == WEIR_OK)
		status = store_changes(store, asked.after, asked.until, write_line, &page, &error);
	if (status == WEIR_OK)
		status = page.status;
	if (status == WEIR_OK && buffer_failed(&page.body))
		status = err_no_memory(&error);
	store_rollback(store);
	if (status == WEIR_OK) {
		number_header(request, "Weir-Sequence", newest);
		number_header(request, "Weir-Sent", sent);
		http_reply(request, 200, "application/x-ndjson", &page.body);
	} else {
		api_read_failure(request, status, &error);
	}
	buffer_finish(&page.body);
}
