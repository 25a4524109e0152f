/* SPDX-License-Identifier: MIT
 *
 * Concurrency: each thread has a connection and an arena of its own; they share the queue only. */
#include "readers.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "changes.h"
#include "cursor.h"
#include "digests.h"
#include "etag.h"
#include "json.h"
#include "log.h"
#include "numbers.h"
#include "render.h"
#include "validate.h"

enum { LIMIT_MAXIMUM = 1000, LIST_DEFAULT = 50, PAGE_BYTES = 8 << 20 };

struct reader {
	pthread_t thread;
	bool started;
	struct http_queue *queue;
	const struct schema *schema;
	struct store *store;
	struct arena arena;
	struct states *states;
};

struct readers {
	size_t count;
	struct reader items[];
};

static void read_one(struct reader *reader, struct http_request *request)
{
	struct weir_error error;
	struct store_event event;
	char id[STORE_ID_SIZE];
	const char *text = http_path_value(request, "id");
	const char *known = http_header(request, "If-None-Match");
	weir_status status = WEIR_NOT_FOUND;
	if (validate_id(text, strlen(text), id))
		status = store_find(reader->store, id, &reader->arena, &event, &error);
	if (status == WEIR_NOT_FOUND) {
		http_problem(request, 404, "there is no event with this id", NULL, 0);
	} else if (status != WEIR_OK) {
		api_read_failure(request, status, &error);
	} else if (event.deleted) {
		http_problem(request, 410, "this event was deleted", NULL, 0);
	} else {
		struct buffer body = BUFFER_INIT;
		api_tag_header(request, event.version);
		if (known != NULL && etag_matches(known, event.version, false)) {
			http_reply(request, 304, NULL, &body);
			return;
		}
		render_event(&body, &event);
		http_reply(request, 200, "application/json", &body);
		buffer_finish(&body);
	}
}

/* What a page was asked for with. */
struct paging {
	int64_t limit;
	char after[CURSOR_TEXT_LIMIT + 1]; /* "": from the beginning */
};

static bool read_paging(const struct http_request *request, struct paging *paging,
			struct problem *problem)
{
	for (size_t i = 0; i < http_argument_count(request); i++) {
		const char *value, *name = http_argument(request, i, &value);
		if (strcmp(name, "limit") == 0) {
			if (!number_read(value, 1, LIMIT_MAXIMUM, &paging->limit))
				problem_add(problem, name, "is not a number from 1 to %d",
					    LIMIT_MAXIMUM);
		} else if (strcmp(name, "cursor") == 0) {
			if (!cursor_read(value, paging->after))
				problem_add(problem, name, "is not a nextCursor of this call");
		} else {
			problem_add(problem, name,
				    "is not a parameter; there are limit and cursor");
		}
	}
	if (problem->status != 0)
		problem_set(problem, 400, "the query has parameters that are wrong");
	return problem->status == 0;
}

/* A page being written; last is the cursor's text of the newest entry. */
struct page {
	struct buffer body;
	struct jsonout json;
	int64_t count, limit;
	bool more;
	char last[CURSOR_TEXT_LIMIT + 1];
};

/* Pages end at their limit, or when they are large: descriptions may be. */
static bool page_full(struct page *page)
{
	page->more = page->count == page->limit || page->body.length > PAGE_BYTES;
	return page->more;
}

static void page_end(struct page *page)
{
	jsonout_end(&page->json, ']');
	if (page->more) {
		char cursor[CURSOR_SIZE];
		cursor_write(page->last, cursor);
		jsonout_name(&page->json, "nextCursor");
		jsonout_text(&page->json, cursor);
	}
	jsonout_end(&page->json, '}');
}

static bool page_event(void *context, const struct store_event *event)
{
	struct page *page = context;
	if (page_full(page))
		return false;
	if (page->count++ > 0)
		buffer_append_char(&page->body, ',');
	render_event(&page->body, event);
	/* What is not deleted has a GUID. */
	snprintf(page->last, sizeof(page->last), "%.*s", CURSOR_TEXT_LIMIT, event->id);
	return true;
}

static bool page_change(void *context, const struct store_change *change)
{
	struct page *page = context;
	if (page_full(page))
		return false;
	if (page->count++ > 0)
		buffer_append_char(&page->body, ',');
	render_change(&page->body, change);
	snprintf(page->last, sizeof(page->last), "%" PRId64, change->version);
	return true;
}

static void send_page(struct http_request *request, struct page *page, weir_status status,
		      const struct weir_error *error)
{
	if (status == WEIR_OK) {
		page_end(page);
		http_reply(request, 200, "application/json", &page->body);
	} else {
		api_read_failure(request, status, error);
	}
	buffer_finish(&page->body);
}

static void read_list(struct reader *reader, struct http_request *request)
{
	struct paging paging = {.limit = LIST_DEFAULT};
	struct problem problem = {.arena = &reader->arena};
	struct weir_error error;
	char id[STORE_ID_SIZE];
	bool good = read_paging(request, &paging, &problem);
	if (good && paging.after[0] != '\0' &&
	    !validate_id(paging.after, strlen(paging.after), id)) {
		problem_set(&problem, 400, "cursor is not a nextCursor of this call");
		good = false;
	}
	if (!good) {
		api_problem(request, &problem);
		return;
	}
	struct page page = {.limit = paging.limit};
	page.json.out = &page.body;
	jsonout_begin(&page.json, '{');
	jsonout_name(&page.json, "events");
	jsonout_begin(&page.json, '[');
	weir_status status = store_list(reader->store, paging.after, page_event, &page, &error);
	send_page(request, &page, status, &error);
}

/* The versions behind the one in the cursor; false: the cursor belongs to another call. */
static bool read_version(const char *text, int64_t *version)
{
	*version = INT64_MIN;
	return *text == '\0' || number_read(text, INT64_MIN, INT64_MAX, version);
}

static void read_history(struct reader *reader, struct http_request *request)
{
	struct paging paging = {.limit = LIMIT_MAXIMUM};
	struct problem problem = {.arena = &reader->arena};
	struct weir_error error;
	char id[STORE_ID_SIZE];
	const char *text = http_path_value(request, "id");
	int64_t after = INT64_MIN;
	bool good = read_paging(request, &paging, &problem);
	if (good && !read_version(paging.after, &after)) {
		problem_set(&problem, 400, "cursor is not a nextCursor of this call");
		good = false;
	}
	if (!good) {
		api_problem(request, &problem);
		return;
	}
	struct page page = {.limit = paging.limit};
	page.json.out = &page.body;
	jsonout_begin(&page.json, '{');
	jsonout_name(&page.json, "id");
	bool is_id = validate_id(text, strlen(text), id);
	jsonout_text(&page.json, is_id ? id : "");
	jsonout_name(&page.json, "changes");
	jsonout_begin(&page.json, '[');
	weir_status status = WEIR_OK;
	if (is_id)
		status = store_history(reader->store, id, after, page_change, &page, &error);
	if (status == WEIR_OK && page.count == 0 && after == INT64_MIN) {
		buffer_finish(&page.body);
		http_problem(request, 404, "there is no event with this id", NULL, 0);
		return;
	}
	send_page(request, &page, status, &error);
}

static void *run(void *argument)
{
	struct reader *reader = argument;
	struct http_request *request;
	for (;;) {
		if (http_queue_take(reader->queue, &request, 1, -1) == 0) {
			if (http_queue_closed(reader->queue))
				break;
			continue;
		}
		switch (http_tag(request)) {
		case API_LIST:
			read_list(reader, request);
			break;
		case API_HISTORY:
			read_history(reader, request);
			break;
		case API_CHANGES:
			changes_answer(reader->store, reader->schema, &reader->arena, request);
			break;
		case API_DIGESTS:
			digests_answer(reader->store, reader->states, reader->schema,
				       &reader->arena, request);
			break;
		default:
			read_one(reader, request);
		}
		arena_reset(&reader->arena);
	}
	return NULL;
}

weir_status readers_start(const char *database, const struct schema *schema, size_t count,
			  struct http_queue *queue, struct readers **readers,
			  struct weir_error *error)
{
	struct readers *made = calloc(1, sizeof(*made) + count * sizeof(made->items[0]));
	if (made == NULL)
		return err_no_memory(error);
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < count && status == WEIR_OK; i++) {
		struct reader *reader = &made->items[made->count++];
		reader->queue = queue;
		reader->schema = schema;
		reader->states = states_create(schema);
		status = reader->states != NULL
				 ? store_open(database, STORE_READ, &reader->store, error)
				 : err_no_memory(error);
		if (status != WEIR_OK)
			break;
		reader->started = pthread_create(&reader->thread, NULL, run, reader) == 0;
		if (!reader->started)
			status = err_set(error, WEIR_SYSTEM,
					 "a reader's thread could not be started");
	}
	*readers = made;
	return status;
}

void readers_stop(struct readers *readers)
{
	if (readers == NULL)
		return;
	for (size_t i = 0; i < readers->count; i++) {
		struct reader *reader = &readers->items[i];
		if (reader->started)
			pthread_join(reader->thread, NULL);
		store_close(reader->store);
		states_destroy(reader->states);
		arena_finish(&reader->arena);
	}
	free(readers);
}
