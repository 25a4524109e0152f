/* SPDX-License-Identifier: MIT */
#include "http_client.h"

#include <stdio.h>
#include <string.h>

#include "json.h"

enum { CONNECT_TIMEOUT_MS = 3000 };

void http_answer_finish(struct http_answer *answer)
{
	buffer_finish(&answer->body);
}

static size_t receive(char *data, size_t size, size_t count, void *context)
{
	struct http_answer *answer = context;
	buffer_append(&answer->body, data, size * count);
	return buffer_failed(&answer->body) ? 0 : size * count;
}

CURL *http_client_handle(const char *url, long timeout_ms, struct http_answer *answer)
{
	CURL *handle = curl_easy_init();
	if (handle == NULL)
		return NULL;
	curl_easy_setopt(handle, CURLOPT_URL, url);
	curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(handle, CURLOPT_WRITEDATA, answer);
	return handle;
}

void http_client_read_head(CURL *handle, struct http_answer *answer)
{
	curl_off_t seconds = 0;
	struct curl_header *header;
	curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer->status);
	answer->retry_after = -1;
	if (curl_easy_header(handle, "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
	    curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK)
		answer->retry_after = (long)seconds;
}

weir_status http_client_get(const char *url, long timeout_ms, struct http_answer *answer,
			    struct weir_error *error)
{
	buffer_clear(&answer->body);
	CURL *handle = http_client_handle(url, timeout_ms, answer);
	if (handle == NULL)
		return err_no_memory(error);
	CURLcode code = curl_easy_perform(handle);
	if (code == CURLE_OK)
		http_client_read_head(handle, answer);
	curl_easy_cleanup(handle);
	if (buffer_failed(&answer->body))
		return err_no_memory(error);
	if (code == CURLE_OK)
		return WEIR_OK;
	bool wrong = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
	return err_set(error, wrong ? WEIR_INVALID : WEIR_AWAY, "%s", curl_easy_strerror(code));
}

weir_status http_client_get_json(const char *url, long timeout_ms, struct http_answer *answer,
				 struct weir_error *error)
{
	weir_status status = http_client_get(url, timeout_ms, answer, error);
	if (status != WEIR_OK || answer->status == 200)
		return status;
	char line[400];
	http_client_problem(answer->body.data, answer->body.length, line, sizeof(line));
	bool refused = answer->status >= 400 && answer->status < 500;
	return err_set(error, refused ? WEIR_INVALID : WEIR_AWAY, "%s",
		       line[0] != '\0' ? line : "the answer was no success and no problem");
}

static void append_escaped(struct buffer *url, const char *text, size_t length)
{
	/* libcurl takes length 0 for "as long as it is", which is 0 then. */
	char *escaped = curl_easy_escape(NULL, text, (int)length);
	if (escaped == NULL)
		url->failed = true;
	else
		buffer_append_text(url, escaped);
	curl_free(escaped);
}

void http_client_argument(struct buffer *url, const char *name, size_t name_length,
			  const char *value)
{
	bool first = url->data == NULL || strchr(url->data, '?') == NULL;
	buffer_append_char(url, first ? '?' : '&');
	append_escaped(url, name, name_length);
	buffer_append_char(url, '=');
	append_escaped(url, value, strlen(value));
}

void http_client_url(struct buffer *out, const char *base, const char *path)
{
	size_t length = strlen(base);
	while (length > 0 && base[length - 1] == '/')
		length--;
	buffer_clear(out);
	buffer_append(out, base, length);
	buffer_append_text(out, path);
}

static size_t add_errors(const json_t *errors, char *line, size_t size)
{
	size_t used = 0, index;
	const json_t *each;
	json_array_foreach(errors, index, each)
	{
		const char *field = json_string_value(json_object_get(each, "field"));
		const char *message = json_string_value(json_object_get(each, "message"));
		if (field == NULL || message == NULL || used + 1 >= size)
			continue;
		used += (size_t)snprintf(line + used, size - used, "%s%s: %s", used > 0 ? "; " : "",
					 field, message);
	}
	return used;
}

void http_client_problem(const char *json, size_t length, char *line, size_t size)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	line[0] = '\0';
	if (json == NULL || jsondoc_parse(json, length, &document, NULL) != WEIR_OK)
		return;
	const json_t *root = jsondoc_root(document);
	if (add_errors(json_object_get(root, "errors"), line, size) > 0)
		return;
	const char *text = json_string_value(json_object_get(root, "detail"));
	if (text == NULL)
		text = json_string_value(json_object_get(root, "title"));
	if (text != NULL)
		snprintf(line, size, "%s", text);
}
