/* SPDX-License-Identifier: MIT */
#include "republisher.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "http_client.h"
#include "moment.h"

enum { ANSWER_MS = 30000, PAUSE_MS = 100 };
static const int64_t busy_for = INT64_C(30) * 1000000; /* 503 and nothing else */

struct republisher {
	const char *base;
	CURL *handle;
	struct curl_slist *headers;
	struct http_answer answer;
	struct buffer url;
};

weir_status republisher_create(const char *url, struct republisher **republisher,
			       struct weir_error *error)
{
	struct republisher *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->base = url;
	made->handle = http_client_handle(url, ANSWER_MS, &made->answer);
	made->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (made->handle == NULL || made->headers == NULL) {
		republisher_destroy(made);
		return err_no_memory(error);
	}
	curl_easy_setopt(made->handle, CURLOPT_HTTPHEADER, made->headers);
	*republisher = made;
	return WEIR_OK;
}

void republisher_destroy(struct republisher *republisher)
{
	if (republisher == NULL)
		return;
	curl_easy_cleanup(republisher->handle);
	curl_slist_free_all(republisher->headers);
	http_answer_finish(&republisher->answer);
	buffer_finish(&republisher->url);
	free(republisher);
}

static weir_status set_url(struct republisher *republisher, const char *id,
			   struct weir_error *error)
{
	char *escaped = curl_easy_escape(republisher->handle, id, 0);
	http_client_url(&republisher->url, republisher->base, "/api/v1/events/");
	buffer_append_text(&republisher->url, escaped != NULL ? escaped : "");
	buffer_append_text(&republisher->url, "/republish");
	bool failed = escaped == NULL || buffer_failed(&republisher->url);
	curl_free(escaped);
	if (failed)
		return err_no_memory(error);
	curl_easy_setopt(republisher->handle, CURLOPT_URL, republisher->url.data);
	return WEIR_OK;
}

static weir_status perform(struct republisher *republisher, struct weir_error *error)
{
	buffer_clear(&republisher->answer.body);
	CURLcode code = curl_easy_perform(republisher->handle);
	if (code != CURLE_OK)
		return err_set(error, WEIR_AWAY, "eventd at %s: %s", republisher->base,
			       curl_easy_strerror(code));
	http_client_read_head(republisher->handle, &republisher->answer);
	return WEIR_OK;
}

weir_status republisher_send(struct republisher *republisher, const char *id, int64_t above,
			     bool *refused, struct weir_error *error)
{
	char body[48], line[400];
	int64_t until = moment_monotonic() + busy_for;
	weir_status status = set_url(republisher, id, error);
	snprintf(body, sizeof(body), "{\"above\":%" PRId64 "}", above);
	curl_easy_setopt(republisher->handle, CURLOPT_POSTFIELDS, body);
	for (;;) {
		if (status == WEIR_OK)
			status = perform(republisher, error);
		if (status != WEIR_OK)
			return status;
		long answer = republisher->answer.status;
		*refused = answer == 400 || answer == 409;
		if (answer == 200 || *refused)
			return WEIR_OK;
		const struct buffer *text = &republisher->answer.body;
		http_client_problem(text->data, text->length, line, sizeof(line));
		if (answer != 503 || moment_monotonic() > until)
			return err_set(error, WEIR_AWAY, "eventd at %s: status %ld %s",
				       republisher->base, answer, line);
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
	}
}
