/* SPDX-License-Identifier: MIT
 * http_internal.h - what the files of http share; nobody else includes it. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "http.h"
#include "metrics.h"

#define HTTP_URI_LIMIT 16384	  /* bytes of path and query; more is 414 */
#define HTTP_ARGUMENT_LIMIT 1000  /* in one query; more is 400 */
#define HTTP_ID_LIMIT 128	  /* bytes of X-Request-Id; a longer one is replaced */
#define HTTP_BODY_LIMIT (1 << 20) /* of a route that names none, and of a body nobody reads */
#define HTTP_CUT_LIMIT (16 << 20) /* read and dropped behind a 413, so that the client sees it */
#define HTTP_BODIES_LIMIT ((size_t)512 << 20) /* of all requests together; more is 503 */

/* Path and query, taken apart and decoded. */
struct http_uri {
	char *path;		/* as it came */
	struct buffer segments; /* of the path, decoded, each with a NUL */
	size_t segment_count;
	struct buffer arguments; /* name, NUL, value, NUL */
	size_t *argument_offsets;
	size_t argument_count;
};

/* text: the request's target. WEIR_INVALID: the message is for the client; path is set even so. */
weir_status http_uri_parse(const char *text, struct http_uri *uri,
			   struct weir_error *error) WEIR_MUST_CHECK;
void http_uri_finish(struct http_uri *uri);

struct http_endpoint {
	struct http_route route;
	void *context;
	struct metric *seconds;
};

/* A counter of answers, found by what its labels are made of. */
struct http_counted {
	const struct http_endpoint *endpoint;
	const char *method; /* a literal */
	int status;
	struct metric *metric;
};
#define HTTP_COUNTED 64

/* What a connection is about. Where there are too many, those of the first list leave first. */
enum http_standing {
	HTTP_PEER_IDLE,	   /* between requests, or in the middle of a head */
	HTTP_PEER_UPLOADS, /* in the middle of a body */
	HTTP_PEER_READS,   /* its answer is on the way */
	HTTP_PEER_IN_WORK, /* not in a list from here on */
	HTTP_PEER_LEAVES,
};
#define HTTP_STANDING_LISTS HTTP_PEER_IN_WORK
#define HTTP_PEER_MARGIN 64 /* connections beyond the limit, until those that leave have left */

struct http_peer;
struct http_peers {
	struct http_peer *first[HTTP_STANDING_LISTS], *last[HTTP_STANDING_LISTS]; /* oldest first */
	size_t count, limit;
	struct metric *open, *dismissed;
};

union http_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct http_server {
	struct http_options options; /* defaults filled in */
	struct http_endpoint *endpoints;
	size_t endpoint_count;
	struct http_endpoint unmatched; /* for the counters of a path that is nobody's */
	int listener;			/* -1: none */
	uint16_t port;
	struct MHD_Daemon *daemon;
	size_t body_bytes; /* network thread only: held by all requests */
	struct http_peers peers;
	pthread_t acceptor;
	bool accepts;		    /* the thread is there */
	_Atomic size_t coming;	    /* of those below, how many MHD has not begun with */
	_Atomic size_t connections; /* handed to MHD and not closed yet */
	struct metric *refused;

	/* Network thread only. */
	struct http_counted counted[HTTP_COUNTED];
	unsigned char random[256]; /* for ids */
	size_t random_left;

	_Atomic size_t working;	  /* requests in queues and in work */
	_Atomic size_t answering; /* replied, not yet sent */
	_Atomic bool stopping;
	/* http_stop waits; who makes one of the two less tells it. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

/* One less of working or answering. */
void http_count_down(struct http_server *server, _Atomic size_t *count);

/* The endpoint whose path is the closest (literal segments before braces) and whose method fits;
 * *path_endpoint is one of that path whatever the method, *allowed its methods. */
const struct http_endpoint *http_route_find(const struct http_server *server,
					    const struct http_uri *uri, enum http_method method,
					    const struct http_endpoint **path_endpoint,
					    unsigned *allowed);
/* "GET, HEAD, POST" */
void http_route_allow(unsigned allowed, char *text, size_t size);
const char *http_route_value(const char *pattern, const struct http_uri *uri, const char *name);
#define HTTP_BUILTIN_COUNT 4
size_t http_builtin_routes(const struct http_options *options,
			   struct http_route routes[HTTP_BUILTIN_COUNT]);

enum http_stage {
	HTTP_BEGUN,   /* the request line is there */
	HTTP_READING, /* the body is kept, or dropped when the answer is there already */
	HTTP_WORKING, /* suspended: in a queue or in work */
	HTTP_CUT,     /* answered in the middle of the body; the rest is dropped */
};

struct http_request {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct http_peer *peer;		      /* NULL: there was no memory for it */
	const struct http_endpoint *endpoint; /* never NULL after the head */
	struct http_request *next;	      /* in a queue */
	enum http_stage stage;
	enum http_method method; /* 0: none that we know */
	const char *method_label;
	bool head;
	bool uri_too_long;
	weir_status uri_status;
	struct weir_error uri_error;
	struct http_uri uri;
	char id[HTTP_ID_LIMIT + 1];
	struct buffer body;
	size_t body_limit, dropped;
	int64_t began, deadline; /* moment_monotonic */
	int64_t mark;		 /* the daemon's */

	bool replied;	/* what follows is complete */
	bool answering; /* counted in the server's answering */
	int status;
	struct buffer headers; /* name, NUL, value, NUL */
	struct buffer answer;
};

/* MHD's callbacks. on_uri: the request line is there; it makes the request, which on_completed
 * frees. on_request: the head is there, or a piece of the body, or its end, or the connection was
 * resumed. */
void *http_on_uri(void *context, const char *text, struct MHD_Connection *connection);
enum MHD_Result http_on_request(void *context, struct MHD_Connection *connection, const char *url,
				const char *method, const char *version, const char *bytes,
				size_t *length, void **state);
void http_on_completed(void *context, struct MHD_Connection *connection, void **state,
		       enum MHD_RequestTerminationCode code);

/* http_accept.c. Stopping refuses newcomers from then on. */
weir_status http_accept_start(struct http_server *server, struct weir_error *error) WEIR_MUST_CHECK;
void http_accept_stop(struct http_server *server);

/* http_connections.c. Raises the process's limit of open files, or lowers the limit of connections
 * to what the former allows. */
void http_peers_init(struct http_peers *peers, size_t limit);
void http_on_connection(void *context, struct MHD_Connection *connection, void **peer_context,
			enum MHD_ConnectionNotificationCode code);
struct http_peer *http_peer_of(struct MHD_Connection *connection);
void http_peer_stands(struct http_request *request, enum http_standing standing);

/* In the network thread. */
enum MHD_Result http_reply_send(struct http_request *request);
/* Writes the answer past MHD, which takes one only before the body or behind it, and has the rest
 * of the body dropped. */
enum MHD_Result http_reply_cut(struct http_request *request);
/* False: full or closed. Otherwise the connection is suspended. */
bool http_queue_offer(struct http_queue *queue, struct http_request *request);
void http_queue_expire(struct http_queue *queue); /* answers what is past its deadline */
void http_refuse_busy(struct http_request *request, const char *detail); /* 503, Retry-After */

#endif
