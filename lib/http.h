/* SPDX-License-Identifier: MIT
 * http.h - HTTP/1.1 server over libmicrohttpd: routes, queues, limits, problems.
 *
 * A route is answered in one of two ways. With handle set, on the network thread: only for what
 * never blocks (health, metrics, a page in memory). With queue set, the connection is suspended and
 * the request waits in that bounded queue until a worker takes it and calls http_reply; a full
 * queue answers 503 with Retry-After at once. Workers are the daemon's own threads: searchd's take
 * one request at a time, eventd's writer takes many and commits them together.
 *
 * Done here for every route: 404, 405 with Allow, HEAD, 413, 415, X-Request-Id, deadlines (a
 * request older than its deadline when a worker would take it is answered 503 instead), access
 * counters in /metrics, /health/live, /health/ready, /metrics, and /openapi.json where given. Paths
 * and queries over 16 KiB are 414, heads over 64 KiB 431, the latter in libmicrohttpd's own words.
 *
 * Concurrency: one network thread (epoll). A request belongs to the network thread until it is
 * queued, to the worker that took it until http_reply, then to the network thread again. */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>

#include "buffer.h"
#include "err.h"

struct http_server;
struct http_queue;

enum http_method {
	HTTP_GET = 1 << 0,
	HTTP_POST = 1 << 1,
	HTTP_PUT = 1 << 2,
	HTTP_PATCH = 1 << 3,
	HTTP_DELETE = 1 << 4,
};

struct http_request; /* opaque; see the accessors */
typedef void (*http_handler)(struct http_request *request, void *context);

struct http_route {
	enum http_method method;
	/* "/api/v1/events/{id}": braces match one segment that is not empty; a path without braces
	 * goes before one with, whatever the method */
	const char *path;
	int tag;	     /* for the daemon's own switch */
	http_handler handle; /* one of the two; replies before it returns */
	struct http_queue *queue;
	const char *const
		*media_types; /* accepted for a body, NULL-terminated; NULL: no body is read */
	size_t body_limit;    /* bytes; 0: 1 MiB */
};

struct http_options {
	const char *address;	 /* "127.0.0.1", "::1", "localhost"; no names */
	uint16_t port;		 /* 0: any free one */
	size_t connection_limit; /* 0: 1000; beyond it the longest idle one is closed */
	int64_t idle_timeout;	 /* microseconds, rounded up to seconds; 0: 60 s */
	int64_t deadline; /* microseconds from the end of the request until the reply; 0: 30 s */
	const struct http_route *routes; /* copied; their strings are borrowed */
	size_t route_count;
	void *context;	     /* given to handlers */
	const char *openapi; /* JSON text or NULL; borrowed for the life of the server */
};

weir_status http_start(const struct http_options *options, struct http_server **server,
		       struct weir_error *error) WEIR_MUST_CHECK;
uint16_t http_port(const struct http_server *server);
/* Stops accepting; requests in queues and in work are answered before it returns (those that no
 * worker takes: 503 at their deadline), and their answers sent, unless a client does not read for
 * 5 s. Close the queues (so that workers empty them) after this, join the workers, then destroy the
 * server before the queues. Takes NULL. */
void http_stop(struct http_server *server);
void http_destroy(struct http_server *server);

/* limit: requests waiting; more are answered 503. */
struct http_queue *http_queue_create(const char *name, size_t limit);
/* Takes up to max requests; blocks until there is one, the timeout (microseconds, -1: none) passed,
 * or the queue was closed and is empty. Returns how many. */
size_t http_queue_take(struct http_queue *queue, struct http_request **requests, size_t max,
		       int64_t timeout);
/* Puts a request that was taken back at the queue's end, also beyond its limit, with a deadline as
 * if it came now: for one that waited for something else meanwhile. False: the queue is closed, and
 * the request still the caller's. */
bool http_queue_again(struct http_queue *queue, struct http_request *request) WEIR_MUST_CHECK;
bool http_queue_closed(struct http_queue *queue); /* closed and empty: the worker ends */
void http_queue_close(struct http_queue *queue);
void http_queue_destroy(struct http_queue *queue);

/* What came in; strings are borrowed until http_reply. */
enum http_method http_method(const struct http_request *request);
int http_tag(const struct http_request *request);
const char *http_path(const struct http_request *request); /* as sent, without the query */
const char *http_path_value(const struct http_request *request,
			    const char *name);				       /* "id"; decoded */
const char *http_header(const struct http_request *request, const char *name); /* any case; NULL */
const char *http_id(const struct http_request *request);		       /* X-Request-Id */
const char *http_body(const struct http_request *request, size_t *length);
int64_t http_deadline(const struct http_request *request); /* moment_monotonic at which it ends */
/* A number that the daemon keeps with the request; 0 at first. */
int64_t http_mark(const struct http_request *request);
void http_set_mark(struct http_request *request, int64_t mark);
/* The deadline passed, or the client closed its end (one that only shut down its sending half looks
 * the same). A system call: not for the inner loop. */
bool http_gone(const struct http_request *request);
/* Query arguments in the order given, decoded, repeated names kept; a NUL byte or broken UTF-8 in
 * one was answered 400 already. */
size_t http_argument_count(const struct http_request *request);
const char *http_argument(const struct http_request *request, size_t index, const char **value);

/* What goes out. http_reply sends it (from any thread, once; the request is gone afterwards) and
 * takes over the body's bytes: the buffer is left empty. */
void http_reply_header(struct http_request *request, const char *name, const char *value);
void http_reply(struct http_request *request, int status, const char *media_type,
		struct buffer *body);

/* application/problem+json (RFC 9457). The detail is one line for people. */
struct http_field_error {
	const char *field;
	const char *message;
};
void http_problem(struct http_request *request, int status, const char *detail,
		  const struct http_field_error *errors, size_t error_count);
/* The same object, appended: for one line of a batch. */
void http_problem_write(struct buffer *out, int status, const char *detail,
			const struct http_field_error *errors, size_t error_count);
const char *http_status_title(int status); /* "Not Found" */

#endif
