/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "http_internal.h"

#define NO_MATCH SIZE_MAX

/* How many braces it took to match, or NO_MATCH. */
static size_t match(const char *pattern, const struct http_uri *uri)
{
	const char *segment = uri->segments.data;
	size_t braces = 0, count = 0;
	while (*pattern == '/' && count < uri->segment_count) {
		pattern++;
		size_t length = strcspn(pattern, "/"), segment_length = strlen(segment);
		if (*pattern == '{') {
			if (segment_length == 0)
				return NO_MATCH;
			braces++;
		} else if (length != segment_length || memcmp(pattern, segment, length) != 0) {
			return NO_MATCH;
		}
		pattern += length;
		segment += segment_length + 1;
		count++;
	}
	return *pattern == '\0' && count == uri->segment_count ? braces : NO_MATCH;
}

const struct http_endpoint *http_route_find(const struct http_server *server,
					    const struct http_uri *uri, enum http_method method,
					    const struct http_endpoint **path_endpoint,
					    unsigned *allowed)
{
	size_t closest = NO_MATCH;
	const struct http_endpoint *found = NULL;
	*path_endpoint = NULL;
	*allowed = 0;
	for (size_t i = 0; i < server->endpoint_count; i++) {
		const struct http_endpoint *endpoint = &server->endpoints[i];
		size_t braces = match(endpoint->route.path, uri);
		if (braces == NO_MATCH || braces > closest)
			continue;
		if (braces < closest) {
			closest = braces;
			found = NULL;
			*path_endpoint = endpoint;
			*allowed = 0;
		}
		*allowed |= endpoint->route.method;
		if (found == NULL && (endpoint->route.method & method) != 0)
			found = endpoint;
	}
	return found;
}

void http_route_allow(unsigned allowed, char *text, size_t size)
{
	static const struct {
		enum http_method method;
		const char *name;
	} names[] = {
		{HTTP_GET, "GET, HEAD"}, {HTTP_POST, "POST"},	  {HTTP_PUT, "PUT"},
		{HTTP_PATCH, "PATCH"},	 {HTTP_DELETE, "DELETE"},
	};
	size_t length = 0;
	text[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && length < size; i++)
		if ((allowed & names[i].method) != 0)
			length += (size_t)snprintf(text + length, size - length, "%s%s",
						   length > 0 ? ", " : "", names[i].name);
}

const char *http_route_value(const char *pattern, const struct http_uri *uri, const char *name)
{
	const char *segment = uri->segments.data;
	size_t name_length = strlen(name);
	while (*pattern == '/') {
		pattern++;
		size_t length = strcspn(pattern, "/");
		if (*pattern == '{' && length == name_length + 2 &&
		    memcmp(pattern + 1, name, name_length) == 0)
			return segment;
		pattern += length;
		segment += strlen(segment) + 1;
	}
	return NULL;
}

static void answer_live(struct http_request *request, void *context)
{
	(void)context;
	struct buffer body = BUFFER_INIT;
	buffer_append_text(&body, "{\"status\":\"live\"}");
	http_reply(request, 200, "application/json", &body);
}

static void answer_ready(struct http_request *request, void *context)
{
	(void)context;
	struct buffer body = BUFFER_INIT;
	int status = health_write(&body) ? 200 : 503;
	http_reply(request, status, "application/json", &body);
}

static void answer_metrics(struct http_request *request, void *context)
{
	(void)context;
	struct buffer body = BUFFER_INIT;
	metrics_write(&body);
	http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

static void answer_openapi(struct http_request *request, void *context)
{
	const struct http_server *server = context;
	struct buffer body = BUFFER_INIT;
	buffer_append_text(&body, server->options.openapi);
	http_reply(request, 200, "application/json", &body);
}

size_t http_builtin_routes(const struct http_options *options,
			   struct http_route routes[HTTP_BUILTIN_COUNT])
{
	size_t count = 0;
	routes[count++] = (struct http_route){
		.method = HTTP_GET, .path = "/health/live", .handle = answer_live};
	routes[count++] = (struct http_route){
		.method = HTTP_GET, .path = "/health/ready", .handle = answer_ready};
	routes[count++] = (struct http_route){
		.method = HTTP_GET, .path = "/metrics", .handle = answer_metrics};
	if (options->openapi != NULL)
		routes[count++] = (struct http_route){
			.method = HTTP_GET, .path = "/openapi.json", .handle = answer_openapi};
	return count;
}
