/* SPDX-License-Identifier: MIT
 *
 * Concurrency: a suspended connection is not touched by MHD, so whoever has the request reads its
 * headers and asks its socket without a lock. */
#include <poll.h>
#include <string.h>

#include "http_internal.h"
#include "moment.h"

enum http_method http_method(const struct http_request *request)
{
	return request->method;
}

int http_tag(const struct http_request *request)
{
	return request->endpoint->route.tag;
}

const char *http_path(const struct http_request *request)
{
	return request->uri.path;
}

const char *http_path_value(const struct http_request *request, const char *name)
{
	return http_route_value(request->endpoint->route.path, &request->uri, name);
}

const char *http_header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *http_id(const struct http_request *request)
{
	return request->id;
}

const char *http_body(const struct http_request *request, size_t *length)
{
	if (length != NULL)
		*length = request->body.length;
	return request->body.data != NULL ? request->body.data : "";
}

int64_t http_deadline(const struct http_request *request)
{
	return request->deadline;
}

int64_t http_mark(const struct http_request *request)
{
	return request->mark;
}

void http_set_mark(struct http_request *request, int64_t mark)
{
	request->mark = mark;
}

bool http_gone(const struct http_request *request)
{
	if (moment_monotonic() >= request->deadline)
		return true;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info == NULL)
		return false;
	struct pollfd poll_fd = {.fd = info->connect_fd, .events = POLLRDHUP};
	return poll(&poll_fd, 1, 0) > 0;
}

size_t http_argument_count(const struct http_request *request)
{
	return request->uri.argument_count;
}

const char *http_argument(const struct http_request *request, size_t index, const char **value)
{
	const char *name = request->uri.arguments.data + request->uri.argument_offsets[index];
	if (value != NULL)
		*value = name + strlen(name) + 1;
	return name;
}
