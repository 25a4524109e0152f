/* SPDX-License-Identifier: MIT
 *
 * Concurrency: MHD's one network thread runs between http_start and http_destroy. The counts of
 * requests in work and being answered are atomic; http_stop waits until they are 0. Whoever makes
 * one less looks at `stopping` behind it, and http_stop at the counts behind having set that, so
 * one of the two sees the other; only then is the lock taken. */
#include "http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http_internal.h"
#include "moment.h"

#define SECOND INT64_C(1000000)
#define DEFAULT_CONNECTIONS 1000
#define DEFAULT_IDLE (60 * SECOND)
#define DEFAULT_DEADLINE (30 * SECOND)
#define BACKLOG 511
/* MHD's per connection: room for a path and query of HTTP_URI_LIMIT and as many headers. What does
 * not fit is 414 or 431 from MHD itself. */
#define CONNECTION_MEMORY (64 * 1024)
/* How long http_stop waits for clients to read their answers, and how often it looks for requests
 * past their deadline. */
#define SENDING_PATIENCE (5 * SECOND)
#define STOP_INTERVAL (SECOND / 10)

static weir_status parse_address(const char *text, uint16_t port, union http_address *address,
				 socklen_t *size, struct weir_error *error)
{
	memset(address, 0, sizeof(*address));
	if (strcmp(text, "localhost") == 0)
		text = "127.0.0.1";
	if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_port = htons(port);
		*size = sizeof(address->v4);
		return WEIR_OK;
	}
	if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1) {
		address->v6.sin6_family = AF_INET6;
		address->v6.sin6_port = htons(port);
		*size = sizeof(address->v6);
		return WEIR_OK;
	}
	return err_set(error, WEIR_INVALID,
		       "cannot listen on \"%s\": give an IPv4 or IPv6 address, or localhost", text);
}

static weir_status refuse_listen(const struct http_options *options, struct weir_error *error)
{
	const char *open = strchr(options->address, ':') != NULL ? "[" : "";
	const char *shut = *open != '\0' ? "]" : "";
	const char *advice = "check address and port";
	if (errno == EADDRINUSE)
		advice = "stop the process that has the port, or choose another port";
	else if (errno == EADDRNOTAVAIL)
		advice = "choose an address of this machine";
	else if (errno == EACCES)
		advice = "choose a port above 1023";
	return err_set(error, WEIR_SYSTEM, "cannot listen on %s%s%s:%u: %s; %s", open,
		       options->address, shut, (unsigned)options->port, strerror(errno), advice);
}

/* Our own socket rather than MHD's, because MHD does not tell why it could not listen. */
static weir_status start_listening(struct http_server *server, struct weir_error *error)
{
	const struct http_options *options = &server->options;
	union http_address address;
	socklen_t size = 0;
	weir_status status = parse_address(options->address, options->port, &address, &size, error);
	if (status != WEIR_OK)
		return status;
	int one = 1;
	server->listener =
		socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->listener < 0 ||
	    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(server->listener, &address.any, size) != 0 ||
	    listen(server->listener, BACKLOG) != 0 ||
	    getsockname(server->listener, &address.any, &size) != 0)
		return refuse_listen(options, error);
	server->port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port
							      : address.v6.sin6_port);
	return WEIR_OK;
}

static weir_status start_daemon(struct http_server *server, struct weir_error *error)
{
	const struct http_options *options = &server->options;
	server->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
			MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, http_on_request, server, MHD_OPTION_URI_LOG_CALLBACK, http_on_uri,
		server, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, server,
		MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, server,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)(server->peers.limit + HTTP_PEER_MARGIN),
		MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)((options->idle_timeout + SECOND - 1) / SECOND),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
	if (server->daemon == NULL)
		return err_set(error, WEIR_SYSTEM,
			       "cannot start the HTTP server on port %u: no thread, memory or file "
			       "descriptor left; raise the process's limits",
			       (unsigned)server->port);
	return WEIR_OK;
}

static struct metric *seconds_of(const char *path)
{
	char labels[256];
	snprintf(labels, sizeof(labels), "route=\"%s\"", path);
	return metric_get(METRIC_HISTOGRAM, "weir_http_request_seconds", labels,
			  "Time from the end of a request until its answer is ready to be sent.");
}

static weir_status add_routes(struct http_server *server, struct weir_error *error)
{
	const struct http_options *options = &server->options;
	struct http_route builtin[HTTP_BUILTIN_COUNT];
	size_t builtin_count = http_builtin_routes(options, builtin);
	server->endpoint_count = builtin_count + options->route_count;
	server->endpoints = calloc(server->endpoint_count, sizeof(*server->endpoints));
	if (server->endpoints == NULL)
		return err_no_memory(error);
	for (size_t i = 0; i < server->endpoint_count; i++) {
		struct http_endpoint *endpoint = &server->endpoints[i];
		bool own = i < builtin_count;
		endpoint->route = own ? builtin[i] : options->routes[i - builtin_count];
		endpoint->context = own ? server : options->context;
		endpoint->seconds = seconds_of(endpoint->route.path);
		assert((endpoint->route.handle != NULL) != (endpoint->route.queue != NULL));
	}
	server->unmatched.route.path = "unmatched";
	server->unmatched.seconds = seconds_of("unmatched");
	return WEIR_OK;
}

static struct http_server *make_server(const struct http_options *options)
{
	struct http_server *server = calloc(1, sizeof(*server));
	if (server == NULL)
		return NULL;
	server->listener = -1;
	server->options = *options;
	if (server->options.connection_limit == 0)
		server->options.connection_limit = DEFAULT_CONNECTIONS;
	if (server->options.idle_timeout <= 0)
		server->options.idle_timeout = DEFAULT_IDLE;
	if (server->options.deadline <= 0)
		server->options.deadline = DEFAULT_DEADLINE;
	http_peers_init(&server->peers, server->options.connection_limit);
	pthread_mutex_init(&server->lock, NULL);
	moment_condition_init(&server->changed);
	return server;
}

weir_status http_start(const struct http_options *options, struct http_server **server,
		       struct weir_error *error)
{
	struct http_server *made = make_server(options);
	if (made == NULL)
		return err_no_memory(error);
	weir_status status = add_routes(made, error);
	if (status == WEIR_OK)
		status = start_listening(made, error);
	if (status == WEIR_OK)
		status = start_daemon(made, error);
	if (status == WEIR_OK)
		status = http_accept_start(made, error);
	if (status != WEIR_OK) {
		http_destroy(made);
		return status;
	}
	*server = made;
	return WEIR_OK;
}

uint16_t http_port(const struct http_server *server)
{
	return server->port;
}

static void expire_queues(struct http_server *server)
{
	for (size_t i = 0; i < server->endpoint_count; i++)
		if (server->endpoints[i].route.queue != NULL)
			http_queue_expire(server->endpoints[i].route.queue);
}

/* Under the server's lock. Wakes when a count changed, at the latest after STOP_INTERVAL. */
static void wait_for_change(struct http_server *server)
{
	int64_t until = moment_monotonic() + STOP_INTERVAL;
	struct timespec when = {until / SECOND, until % SECOND * 1000};
	pthread_cond_timedwait(&server->changed, &server->lock, &when);
}

/* Under the server's lock. */
static void wait_for_requests(struct http_server *server)
{
	while (server->working > 0) {
		wait_for_change(server);
		pthread_mutex_unlock(&server->lock);
		expire_queues(server);
		pthread_mutex_lock(&server->lock);
	}
	int64_t patience = moment_monotonic() + SENDING_PATIENCE;
	while (server->answering > 0 && moment_monotonic() < patience)
		wait_for_change(server);
}

void http_count_down(struct http_server *server, _Atomic size_t *count)
{
	atomic_fetch_sub(count, 1);
	if (!atomic_load(&server->stopping))
		return;
	pthread_mutex_lock(&server->lock);
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

void http_stop(struct http_server *server)
{
	if (server == NULL || server->daemon == NULL)
		return;
	if (atomic_exchange(&server->stopping, true))
		return;
	http_accept_stop(server);
	pthread_mutex_lock(&server->lock);
	wait_for_requests(server);
	pthread_mutex_unlock(&server->lock);
}

void http_destroy(struct http_server *server)
{
	if (server == NULL)
		return;
	http_stop(server);
	if (server->daemon != NULL)
		MHD_stop_daemon(server->daemon);
	if (server->listener >= 0)
		close(server->listener);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	free(server->endpoints);
	free(server);
}
