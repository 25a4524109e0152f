/* SPDX-License-Identifier: MIT
 * To eventd's batch call: two calls at a time, each repeated until every line has its answer.
 *
 * Every event has an id, so that repeating what may have been done already answers 409. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http_client.h"
#include "json.h"
#include "load.h"
#include "moment.h"

enum {
	CALLS = 2,
	LINES_LIMIT = 1000,
	BYTES_LIMIT = 4 << 20,
	TIMEOUT_MS = 60000,
	WAIT_MS = 50,
	STATUS_CREATED = 201,
	STATUS_CONFLICT = 409,
	STATUS_GONE = 410,
	STATUS_UNAVAILABLE = 503,
	STATUS_NO_SPACE = 507,
};
#define SECOND INT64_C(1000000)
static const int64_t away_for = 8 * SECOND;	 /* nobody answers: then that is the answer */
static const int64_t refused_for = 120 * SECOND; /* 503 and nothing else for so long */
static const int64_t away_pause = SECOND / 4;

struct line {
	size_t offset, length; /* in the call's events */
	uint64_t number;
	bool done;
};

struct call {
	CURL *handle;
	struct http_answer answer;
	struct buffer events; /* lines with their newlines */
	struct buffer body;   /* those that are not done */
	struct line lines[LINES_LIMIT];
	size_t count;
	bool running;
	int64_t retry_at; /* 0: nothing to repeat */
};

struct sender {
	struct load *load;
	CURLM *multi;
	struct curl_slist *headers;
	struct call calls[CALLS];
	bool source_ended;
	int64_t progress_at; /* the last time that a line was answered */
};

static void call_finish(struct sender *sender, struct call *call)
{
	if (call->handle != NULL) {
		if (call->running)
			curl_multi_remove_handle(sender->multi, call->handle);
		curl_easy_cleanup(call->handle);
	}
	http_answer_finish(&call->answer);
	buffer_finish(&call->events);
	buffer_finish(&call->body);
}

static void sender_finish(struct sender *sender)
{
	for (size_t i = 0; i < CALLS; i++)
		call_finish(sender, &sender->calls[i]);
	curl_slist_free_all(sender->headers);
	if (sender->multi != NULL)
		curl_multi_cleanup(sender->multi);
}

static weir_status sender_init(struct sender *sender, struct load *load, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer url = BUFFER_INIT;
	sender->load = load;
	sender->progress_at = moment_monotonic();
	sender->multi = curl_multi_init();
	sender->headers = curl_slist_append(NULL, "Content-Type: application/x-ndjson");
	http_client_url(&url, load->url, "/api/v1/events/batch");
	if (sender->multi == NULL || sender->headers == NULL || buffer_failed(&url))
		return err_no_memory(error);
	for (size_t i = 0; i < CALLS; i++) {
		struct call *call = &sender->calls[i];
		call->handle = http_client_handle(url.data, TIMEOUT_MS, &call->answer);
		if (call->handle == NULL)
			return err_no_memory(error);
		curl_easy_setopt(call->handle, CURLOPT_HTTPHEADER, sender->headers);
		curl_easy_setopt(call->handle, CURLOPT_PRIVATE, call);
	}
	return WEIR_OK;
}

/* (Re)sends what is not done. */
static weir_status start_call(struct sender *sender, struct call *call, struct weir_error *error)
{
	buffer_clear(&call->body);
	buffer_clear(&call->answer.body);
	for (size_t i = 0; i < call->count; i++)
		if (!call->lines[i].done)
			buffer_append(&call->body, call->events.data + call->lines[i].offset,
				      call->lines[i].length);
	if (buffer_failed(&call->body))
		return err_no_memory(error);
	curl_easy_setopt(call->handle, CURLOPT_POSTFIELDS, call->body.data);
	curl_easy_setopt(call->handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.length);
	call->retry_at = 0;
	if (curl_multi_add_handle(sender->multi, call->handle) != CURLM_OK)
		return err_no_memory(error);
	call->running = true;
	return WEIR_OK;
}

static weir_status fill_call(struct sender *sender, struct call *call, struct weir_error *error)
{
	uint64_t allowed = load_allowed(sender->load);
	buffer_clear(&call->events);
	call->count = 0;
	while (call->count < LINES_LIMIT && call->count < allowed &&
	       call->events.length < BYTES_LIMIT) {
		char id[LOAD_ID_SIZE];
		struct line *line = &call->lines[call->count];
		*line = (struct line){.offset = call->events.length};
		enum load_line kind =
			load_take(sender->load, &call->events, id, &line->number, error);
		if (kind == LOAD_BROKEN)
			return WEIR_INVALID;
		if (kind == LOAD_END) {
			sender->source_ended = true;
			break;
		}
		buffer_append_char(&call->events, '\n');
		line->length = call->events.length - line->offset;
		call->count++;
	}
	if (buffer_failed(&call->events))
		return err_no_memory(error);
	return call->count > 0 ? start_call(sender, call, error) : WEIR_OK;
}

/* One line's answer; false: it is to be sent again. */
static bool take_result(struct sender *sender, const struct line *line, const char *text,
			size_t length)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	char reason[400];
	size_t digits;
	if (jsondoc_parse(text, length, &document, NULL) != WEIR_OK)
		return false;
	const json_t *status = json_object_get(jsondoc_root(document), "status");
	long code = json_is_integer(status)
			    ? strtol(jsondoc_number(document, status, &digits), NULL, 10)
			    : 0;
	if (code == STATUS_CREATED)
		sender->load->created++;
	else if (code == STATUS_CONFLICT || code == STATUS_GONE)
		sender->load->there++;
	else if (code == 0 || code == STATUS_UNAVAILABLE || code == STATUS_NO_SPACE)
		return false;
	else {
		http_client_problem(text, length, reason, sizeof(reason));
		load_report_bad(sender->load, line->number, reason);
	}
	sender->progress_at = moment_monotonic();
	return true;
}

/* Answers stand in the order of the lines that were sent. */
static void take_results(struct sender *sender, struct call *call)
{
	const char *at = call->answer.body.data;
	const char *end = at != NULL ? at + call->answer.body.length : NULL;
	for (size_t i = 0; i < call->count && at < end; i++) {
		if (call->lines[i].done)
			continue;
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline != NULL ? newline : end;
		call->lines[i].done = take_result(sender, &call->lines[i], at, (size_t)(stop - at));
		at = newline != NULL ? newline + 1 : end;
	}
}

static bool all_done(const struct call *call)
{
	for (size_t i = 0; i < call->count; i++)
		if (!call->lines[i].done)
			return false;
	return true;
}

static weir_status repeat(struct sender *sender, struct call *call, int64_t pause, int64_t longest,
			  const char *reason, struct weir_error *error)
{
	int64_t now = moment_monotonic();
	call->retry_at = now + pause;
	if (now - sender->progress_at < longest)
		return WEIR_OK;
	return err_set(error, WEIR_AWAY,
		       "eventd at %s: %s; gave up after %lld s: is it running (weir up)?",
		       sender->load->url, reason, (long long)(longest / SECOND));
}

static weir_status end_call(struct sender *sender, struct call *call, CURLcode code,
			    struct weir_error *error)
{
	char reason[400];
	curl_multi_remove_handle(sender->multi, call->handle);
	call->running = false;
	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
		return err_set(error, WEIR_INVALID, "--url %s: %s", sender->load->url,
			       curl_easy_strerror(code));
	if (code != CURLE_OK)
		return repeat(sender, call, away_pause, away_for, curl_easy_strerror(code), error);
	http_client_read_head(call->handle, &call->answer);
	if (call->answer.status == 200) {
		take_results(sender, call);
		if (all_done(call)) {
			call->count = 0;
			return WEIR_OK;
		}
		return repeat(sender, call, SECOND, refused_for,
			      "it cannot store some lines (its log says why)", error);
	}
	http_client_problem(call->answer.body.data, call->answer.body.length, reason,
			    sizeof(reason));
	if (call->answer.status == STATUS_UNAVAILABLE) {
		int64_t seconds = call->answer.retry_after;
		return repeat(sender, call,
			      seconds >= 0 ? (seconds < 30 ? seconds : 30) * SECOND : SECOND,
			      refused_for, reason, error);
	}
	return err_set(error, WEIR_AWAY, "eventd at %s answered %ld%s%s", sender->load->url,
		       call->answer.status, reason[0] != '\0' ? ": " : "", reason);
}

static weir_status collect(struct sender *sender, struct weir_error *error)
{
	CURLMsg *message;
	int left;
	weir_status status = WEIR_OK;
	while (status == WEIR_OK &&
	       (message = curl_multi_info_read(sender->multi, &left)) != NULL) {
		char *call = NULL;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
		status = end_call(sender, (struct call *)(void *)call, code, error);
	}
	return status;
}

/* Starts what can be started. *busy: something is under way or waits. */
static weir_status feed(struct sender *sender, bool *busy, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	*busy = false;
	for (size_t i = 0; status == WEIR_OK && i < CALLS; i++) {
		struct call *call = &sender->calls[i];
		if (!call->running && call->retry_at != 0 && call->retry_at <= moment_monotonic())
			status = start_call(sender, call, error);
		else if (!call->running && call->count == 0 && !sender->source_ended)
			status = fill_call(sender, call, error);
		*busy = *busy || call->running || call->retry_at != 0;
	}
	*busy = *busy || !sender->source_ended;
	return status;
}

weir_status load_to_eventd(struct load *load, struct weir_error *error)
{
	WEIR_CLEANUP(sender_finish) struct sender sender = {0};
	int running;
	bool busy;
	weir_status status = sender_init(&sender, load, error);
	while (status == WEIR_OK) {
		status = feed(&sender, &busy, error);
		if (status != WEIR_OK || !busy)
			break;
		if (curl_multi_perform(sender.multi, &running) != CURLM_OK)
			return err_no_memory(error);
		status = collect(&sender, error);
		load_draw(load);
		if (status == WEIR_OK)
			curl_multi_poll(sender.multi, NULL, 0, WAIT_MS, NULL);
	}
	return status;
}
