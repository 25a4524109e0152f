/* SPDX-License-Identifier: MIT
 *
 * Concurrency: http_reply and http_reply_header run in whichever thread has the request; a reply to
 * a suspended one hands it back to the network thread by MHD_resume_connection, whose lock orders
 * what was written before it. The others run in the network thread. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "http_internal.h"
#include "moment.h"

void http_reply_header(struct http_request *request, const char *name, const char *value)
{
	buffer_append(&request->headers, name, strlen(name) + 1);
	buffer_append(&request->headers, value, strlen(value) + 1);
}

/* NULL: there are no more. */
static const char *next_header(const struct http_request *request, size_t *at, const char **value)
{
	if (*at >= request->headers.length)
		return NULL;
	const char *name = request->headers.data + *at;
	*value = name + strlen(name) + 1;
	*at += strlen(name) + strlen(*value) + 2;
	return name;
}

/* One less in work; the resumed connection may end the request before this thread goes on. */
static void hand_back(struct http_request *request)
{
	struct http_server *server = request->server;
	struct MHD_Connection *connection = request->connection;
	request->answering = true;
	atomic_fetch_add(&server->answering, 1); /* first, so that it is always in one of them */
	http_count_down(server, &server->working);
	MHD_resume_connection(connection);
}

void http_reply(struct http_request *request, int status, const char *media_type,
		struct buffer *body)
{
	assert(!request->replied);
	if (media_type != NULL)
		http_reply_header(request, "Content-Type", media_type);
	request->status = status;
	if (body != NULL) {
		request->answer = *body;
		*body = (struct buffer)BUFFER_INIT;
	}
	if (buffer_failed(&request->headers) || buffer_failed(&request->answer)) {
		buffer_finish(&request->headers);
		buffer_finish(&request->answer);
		request->status = 500; /* no memory: a bare answer */
	}
	request->replied = true;
	if (request->stage == HTTP_WORKING)
		hand_back(request);
}

static struct metric *counter_of(const struct http_request *request)
{
	const struct http_endpoint *endpoint = request->endpoint;
	size_t slot = ((uintptr_t)endpoint / sizeof(*endpoint) + (size_t)request->status * 7 +
		       (size_t)request->method_label[0]) %
		      HTTP_COUNTED;
	struct http_counted *counted = &request->server->counted[slot];
	if (counted->endpoint == endpoint && counted->method == request->method_label &&
	    counted->status == request->status)
		return counted->metric;
	char labels[512];
	snprintf(labels, sizeof(labels), "method=\"%s\",route=\"%s\",status=\"%d\"",
		 request->method_label, endpoint->route.path, request->status);
	*counted = (struct http_counted){endpoint, request->method_label, request->status,
					 metric_get(METRIC_COUNTER, "weir_http_requests_total",
						    labels, "Requests answered.")};
	return counted->metric;
}

static void count_request(const struct http_request *request)
{
	metric_add(counter_of(request), 1);
	metric_observe(request->endpoint->seconds,
		       (double)(moment_monotonic() - request->began) / 1e6);
}

/* Tells whether the connection is to be closed behind the answer. */
static bool begin_answer(struct http_request *request)
{
	struct http_server *server = request->server;
	http_peer_stands(request, HTTP_PEER_READS);
	count_request(request);
	server->body_bytes -= request->body.length;
	buffer_finish(&request->body);
	if (!request->answering)
		atomic_fetch_add(&server->answering, 1);
	request->answering = true;
	return atomic_load(&server->stopping) || request->stage == HTTP_BEGUN;
}

static bool has_body(int status)
{
	return status != 204 && status != 304;
}

/* Takes over the answer's bytes. */
static struct MHD_Response *make_response(struct http_request *request)
{
	if (!has_body(request->status) || request->answer.length == 0)
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	size_t length;
	char *bytes = buffer_take(&request->answer, &length);
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, bytes, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(bytes);
	return response;
}

enum MHD_Result http_reply_send(struct http_request *request)
{
	bool close_behind = begin_answer(request);
	struct MHD_Response *response = make_response(request);
	if (response == NULL)
		return MHD_NO;
	const char *name, *value;
	for (size_t at = 0; (name = next_header(request, &at, &value)) != NULL;)
		MHD_add_response_header(response, name, value);
	MHD_add_response_header(response, "X-Request-Id", request->id);
	if (close_behind)
		MHD_add_response_header(response, "Connection", "close");
	enum MHD_Result result =
		MHD_queue_response(request->connection, (unsigned)request->status, response);
	MHD_destroy_response(response);
	return result;
}

static void write_answer(struct http_request *request, struct buffer *out)
{
	char date[64];
	struct tm now;
	time_t seconds = (time_t)(moment_now() / 1000000);
	gmtime_r(&seconds, &now);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &now);
	buffer_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n", request->status,
		      http_status_title(request->status), date);
	const char *name, *value;
	for (size_t at = 0; (name = next_header(request, &at, &value)) != NULL;) {
		buffer_append_text(out, name);
		buffer_append_text(out, ": ");
		buffer_append_text(out, value);
		buffer_append_text(out, "\r\n");
	}
	buffer_printf(out, "X-Request-Id: %s\r\nContent-Length: %zu\r\n\r\n", request->id,
		      request->answer.length);
	if (!request->head)
		buffer_append(out, request->answer.data, request->answer.length);
}

enum MHD_Result http_reply_cut(struct http_request *request)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	begin_answer(request);
	write_answer(request, &out);
	if (info == NULL || buffer_failed(&out))
		return MHD_NO;
	/* All earlier answers have left before MHD read this request, and this one is small: it
	 * fits in the socket's buffer or the client does not read at all. Closing now would reset
	 * the connection under the unread body and take the answer away from the client. */
	ssize_t sent = send(info->connect_fd, out.data, out.length, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 || (size_t)sent != out.length)
		return MHD_NO;
	shutdown(info->connect_fd, SHUT_WR);
	request->stage = HTTP_CUT;
	return MHD_YES;
}
