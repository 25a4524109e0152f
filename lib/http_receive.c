/* SPDX-License-Identifier: MIT
 *
 * Concurrency: all of it runs in the network thread. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "http_internal.h"
#include "moment.h"

/* MHD would make a record of each argument out of the connection's memory, and 0.9.75 never answers
 * when that runs out there. The query has been read already; the text is MHD's own, which it takes
 * apart in place right after the callback, so that writing to it is safe. */
static void hide_query(const char *text)
{
	char *query = strchr((char *)text, '?');
	if (query != NULL)
		query[1] = '\0';
}

void *http_on_uri(void *context, const char *text, struct MHD_Connection *connection)
{
	struct http_request *request = calloc(1, sizeof(*request));
	if (request == NULL)
		return NULL;
	request->server = context;
	request->connection = connection;
	request->peer = http_peer_of(connection);
	if (text == NULL) /* a request line without a target */
		return request;
	request->uri_too_long = strlen(text) > HTTP_URI_LIMIT;
	request->uri_status = http_uri_parse(request->uri_too_long ? "" : text, &request->uri,
					     &request->uri_error);
	hide_query(text);
	return request;
}

void http_on_completed(void *context, struct MHD_Connection *connection, void **state,
		       enum MHD_RequestTerminationCode code)
{
	struct http_server *server = context;
	struct http_request *request = *state;
	(void)connection;
	(void)code;
	if (request == NULL)
		return;
	*state = NULL;
	http_peer_stands(request, HTTP_PEER_IDLE);
	server->body_bytes -= request->body.length;
	bool answering = request->answering;
	http_uri_finish(&request->uri);
	buffer_finish(&request->body);
	buffer_finish(&request->headers);
	buffer_finish(&request->answer);
	free(request);
	if (answering)
		http_count_down(server, &server->answering);
}

static void set_method(struct http_request *request, const char *text)
{
	static const struct {
		const char *name;
		enum http_method method;
	} methods[] = {
		{"GET", HTTP_GET}, {"HEAD", HTTP_GET},	  {"POST", HTTP_POST},
		{"PUT", HTTP_PUT}, {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE},
	};
	request->method_label = "other";
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (strcmp(text, methods[i].name) == 0) {
			request->method = methods[i].method;
			request->method_label = methods[i].name;
		}
	request->head = strcmp(text, "HEAD") == 0;
}

enum { ID_BYTES = 16 };

/* So many bytes that no other id has; the system is asked for those of several at once. */
static const unsigned char *take_random(struct http_server *server)
{
	unsigned char *end = server->random + sizeof(server->random);
	if (server->random_left < ID_BYTES) {
		server->random_left = sizeof(server->random);
		if (getrandom(server->random, sizeof(server->random), GRND_NONBLOCK) !=
		    (ssize_t)sizeof(server->random)) {
			int64_t now = moment_now(); /* early at boot; an id need not be secret */
			server->random_left = ID_BYTES;
			memcpy(end - ID_BYTES, &now, sizeof(now));
		}
	}
	const unsigned char *bytes = end - server->random_left;
	server->random_left -= ID_BYTES;
	return bytes;
}

static void set_id(struct http_request *request)
{
	const char *sent = http_header(request, "X-Request-Id");
	size_t length = sent != NULL ? strlen(sent) : 0;
	bool good = length > 0 && length <= HTTP_ID_LIMIT;
	for (size_t i = 0; good && i < length; i++)
		good = sent[i] >= 0x20 && sent[i] < 0x7f;
	if (good) {
		memcpy(request->id, sent, length + 1);
		return;
	}
	const unsigned char *bytes = take_random(request->server);
	for (size_t i = 0; i < ID_BYTES; i++) {
		request->id[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		request->id[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	request->id[2 * ID_BYTES] = '\0';
}

/* Parameters (";charset=utf-8") do not count. */
static bool media_type_accepted(const char *sent, const char *const *accepted)
{
	size_t length = strcspn(sent, "; \t");
	for (; *accepted != NULL; accepted++)
		if (strlen(*accepted) == length && strncasecmp(*accepted, sent, length) == 0)
			return true;
	return false;
}

static void refuse_media_type(struct http_request *request, const char *const *accepted)
{
	WEIR_CLEANUP(buffer_finish) struct buffer detail = BUFFER_INIT;
	const char *sent = http_header(request, "Content-Type");
	buffer_append_text(&detail, sent == NULL
					    ? "the body has no Content-Type: send "
					    : "the body's Content-Type is not accepted: send ");
	for (size_t i = 0; accepted[i] != NULL; i++)
		buffer_printf(&detail, "%s%s", i > 0 ? " or " : "", accepted[i]);
	http_problem(request, 415, detail.data, NULL, 0);
}

static void refuse_route(struct http_request *request, unsigned allowed)
{
	if (allowed == 0) {
		http_problem(request, 404, "nothing is at this path", NULL, 0);
		return;
	}
	char methods[64], detail[128];
	http_route_allow(allowed, methods, sizeof(methods));
	snprintf(detail, sizeof(detail), "this path takes %s", methods);
	http_reply_header(request, "Allow", methods);
	http_problem(request, 405, detail, NULL, 0);
}

/* What the head announces: 0 without a body, SIZE_MAX for a chunked one. */
static size_t announced_length(const struct http_request *request)
{
	const char *length = http_header(request, "Content-Length");
	if (http_header(request, "Transfer-Encoding") != NULL)
		return SIZE_MAX;
	return length != NULL ? (size_t)strtoull(length, NULL, 10) : 0;
}

/* How many there are of a header, and the last one. */
struct header_count {
	const char *name, *value;
	size_t count;
};

static enum MHD_Result count_header(void *context, enum MHD_ValueKind kind, const char *name,
				    const char *value)
{
	struct header_count *header = context;
	(void)kind;
	if (strcasecmp(name, header->name) == 0) {
		header->count++;
		header->value = value != NULL ? value : "";
	}
	return MHD_YES;
}

/* Where servers and proxies could disagree about where a body ends, there is none: what one takes
 * for its end, the other might take for another request. */
static const char *check_framing(struct http_request *request)
{
	struct header_count length = {.name = "Content-Length"};
	struct header_count encoding = {.name = "Transfer-Encoding"};
	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_header, &length);
	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_header, &encoding);
	if (length.count + encoding.count > 1)
		return "Content-Length and Transfer-Encoding: send one of them, once";
	if (encoding.count == 1 && strcasecmp(encoding.value, "chunked") != 0)
		return "Transfer-Encoding: only chunked is known here";
	size_t digits = length.count == 1 ? strspn(length.value, "0123456789") : 1;
	if (digits == 0 || digits > 18 || (length.count == 1 && length.value[digits] != '\0'))
		return "Content-Length: expected a number";
	return NULL;
}

/* Everything that the head alone decides; what is wrong is answered (http_reply), not yet sent. */
static void check_head(struct http_request *request)
{
	const struct http_endpoint *of_path = NULL;
	unsigned allowed = 0;
	const struct http_endpoint *found = NULL;
	if (request->uri.segment_count > 0)
		found = http_route_find(request->server, &request->uri, request->method, &of_path,
					&allowed);
	request->endpoint = found != NULL     ? found
			    : of_path != NULL ? of_path
					      : &request->server->unmatched;
	size_t limit = found != NULL ? found->route.body_limit : 0;
	request->body_limit = limit > 0 ? limit : HTTP_BODY_LIMIT;
	if (request->uri_too_long) {
		char detail[64];
		snprintf(detail, sizeof(detail), "path and query may have %d bytes",
			 HTTP_URI_LIMIT);
		http_problem(request, 414, detail, NULL, 0);
	} else if (request->uri_status == WEIR_NO_MEMORY) {
		http_refuse_busy(request, "out of memory: try again later");
	} else if (request->uri_status != WEIR_OK) {
		http_problem(request, 400, request->uri_error.message, NULL, 0);
	} else if (found == NULL) {
		refuse_route(request, allowed);
	} else if (found->route.media_types != NULL && announced_length(request) > 0) {
		const char *sent = http_header(request, "Content-Type");
		if (sent == NULL || !media_type_accepted(sent, found->route.media_types))
			refuse_media_type(request, found->route.media_types);
	}
}

static void refuse_length(struct http_request *request)
{
	char detail[64];
	snprintf(detail, sizeof(detail), "the body may have %zu bytes", request->body_limit);
	http_problem(request, 413, detail, NULL, 0);
}

/* The connection is closed behind it. */
static enum MHD_Result refuse_framing(struct http_request *request, const char *wrong)
{
	if (!request->replied)
		http_problem(request, 400, wrong, NULL, 0);
	return http_reply_send(request);
}

/* The head is there. A refusal waits until the body has been read, so that the connection can go
 * on, unless the client asked first (Expect) or the body is longer than we read. */
static enum MHD_Result take_head(struct http_request *request, const char *method)
{
	request->began = moment_monotonic();
	set_method(request, method);
	set_id(request);
	check_head(request);
	const char *wrong = check_framing(request);
	if (wrong != NULL)
		return refuse_framing(request, wrong);
	size_t announced = announced_length(request);
	bool too_long = announced != SIZE_MAX && announced > request->body_limit;
	if (too_long && !request->replied)
		refuse_length(request);
	if (request->replied && announced > 0 && http_header(request, "Expect") != NULL)
		return http_reply_send(request);
	request->stage = HTTP_READING;
	http_peer_stands(request, HTTP_PEER_UPLOADS);
	return too_long ? http_reply_cut(request) : MHD_YES;
}

static enum MHD_Result take_body(struct http_request *request, const char *bytes, size_t length)
{
	struct http_server *server = request->server;
	bool dropping = request->replied || request->endpoint->route.media_types == NULL;
	size_t before = dropping ? request->dropped : request->body.length;
	if (length > request->body_limit - before) {
		if (!request->replied)
			refuse_length(request);
		return http_reply_cut(request);
	}
	if (dropping) {
		request->dropped += length;
		return MHD_YES;
	}
	if (server->body_bytes + length <= HTTP_BODIES_LIMIT) {
		buffer_append(&request->body, bytes, length);
		if (!buffer_failed(&request->body)) {
			server->body_bytes += length;
			return MHD_YES;
		}
	}
	http_refuse_busy(request, "there is no memory for the body now: try again later");
	return http_reply_cut(request);
}

static bool count_working(struct http_server *server)
{
	atomic_fetch_add(&server->working, 1);
	if (!atomic_load(&server->stopping))
		return true;
	http_count_down(server, &server->working);
	return false;
}

static enum MHD_Result dispatch(struct http_request *request)
{
	struct http_server *server = request->server;
	const struct http_endpoint *endpoint = request->endpoint;
	if (request->replied)
		return http_reply_send(request);
	http_peer_stands(request, HTTP_PEER_IN_WORK);
	request->began = moment_monotonic();
	request->deadline = request->began + server->options.deadline;
	if (endpoint->route.queue == NULL) {
		endpoint->route.handle(request, endpoint->context);
		assert(request->replied);
		return http_reply_send(request);
	}
	if (!count_working(server)) {
		http_refuse_busy(request, "the service is stopping: try again later");
		return http_reply_send(request);
	}
	if (http_queue_offer(endpoint->route.queue, request))
		return MHD_YES;
	http_count_down(server, &server->working);
	http_refuse_busy(request, "too many requests wait: try again later");
	return http_reply_send(request);
}

enum MHD_Result http_on_request(void *context, struct MHD_Connection *connection, const char *url,
				const char *method, const char *version, const char *bytes,
				size_t *length, void **state)
{
	struct http_request *request = *state;
	(void)context;
	(void)connection;
	(void)url;
	(void)version;
	if (request == NULL) /* http_on_uri had no memory */
		return MHD_NO;
	size_t given = *length;
	switch (request->stage) {
	case HTTP_BEGUN:
		return take_head(request, method);
	case HTTP_READING:
		*length = 0;
		return given > 0 ? take_body(request, bytes, given) : dispatch(request);
	case HTTP_CUT:
		*length = 0;
		request->dropped += given;
		return given > 0 && request->dropped <= HTTP_CUT_LIMIT ? MHD_YES : MHD_NO;
	case HTTP_WORKING:
		return http_reply_send(request);
	}
	return MHD_NO;
}
