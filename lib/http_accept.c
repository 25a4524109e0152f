/* SPDX-License-Identifier: MIT
 * http_accept.c - newcomers. MHD, when it has no file descriptor left for one, spins, or takes
 * nobody in until somebody leaves, even when there are descriptors again. Here who cannot be had is
 * refused at once: a descriptor is kept in reserve to take him in with and to close.
 *
 * Concurrency: one thread, which owns `reserve`. It hands connections to MHD's thread by
 * MHD_add_connection, which counts them down in `connections`, and ends when the listener is shut
 * down. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_internal.h"

enum { PAUSE_MS = 100, LOOK_MS = 1, PATIENCE_MS = 1000, AT_A_TIME = 10 };

static int open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool is_shortage(int failure)
{
	return failure == EMFILE || failure == ENFILE || failure == ENOBUFS || failure == ENOMEM;
}

static int accept_one(const struct http_server *server, union http_address *address,
		      socklen_t *size)
{
	*size = sizeof(*address);
	return accept4(server->listener, &address->any, size, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* Closes the connection that waits. Without a reserve it goes on waiting, and we do for a moment.
 */
static void refuse_one(struct http_server *server, int *reserve)
{
	union http_address address;
	socklen_t size;
	if (*reserve >= 0)
		close(*reserve);
	int connection = accept_one(server, &address, &size);
	if (connection >= 0) {
		close(connection);
		metric_add(server->refused, 1);
	}
	*reserve = open_reserve();
	if (connection < 0 || *reserve < 0)
		poll(NULL, 0, PAUSE_MS);
}

static bool has_room(struct http_server *server)
{
	/* Of many at once the first would count as idle before anybody has read what they want. */
	return atomic_load(&server->coming) < AT_A_TIME &&
	       atomic_load(&server->connections) < server->peers.limit + HTTP_PEER_MARGIN - 1;
}

/* Newcomers wait in the backlog while MHD is full, until those that are to leave have left. */
static void wait_for_room(struct http_server *server)
{
	struct pollfd end = {.fd = server->listener};
	for (int waited = 0; waited < PATIENCE_MS && !has_room(server); waited += LOOK_MS)
		if (poll(&end, 1, LOOK_MS) > 0)
			return;
}

/* MHD closes it when it cannot have it. */
static void hand_over(struct http_server *server, int connection, union http_address *address,
		      socklen_t size)
{
	atomic_fetch_add(&server->connections, 1);
	atomic_fetch_add(&server->coming, 1);
	if (MHD_add_connection(server->daemon, connection, &address->any, size) == MHD_YES)
		return;
	atomic_fetch_sub(&server->connections, 1);
	atomic_fetch_sub(&server->coming, 1);
}

static void *take_in(void *context)
{
	struct http_server *server = context;
	int reserve = open_reserve();
	for (;;) {
		union http_address address;
		socklen_t size;
		struct pollfd waits = {.fd = server->listener, .events = POLLIN};
		int ready = poll(&waits, 1, -1);
		if (ready > 0 && (waits.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
			break;
		if (ready <= 0)
			continue;
		wait_for_room(server);
		int connection = accept_one(server, &address, &size);
		if (connection >= 0)
			hand_over(server, connection, &address, size);
		else if (is_shortage(errno))
			refuse_one(server, &reserve);
		else if (errno == EINVAL || errno == EBADF)
			break;
	}
	if (reserve >= 0)
		close(reserve);
	return NULL;
}

weir_status http_accept_start(struct http_server *server, struct weir_error *error)
{
	server->refused = metric_get(METRIC_COUNTER, "weir_http_refused_total", NULL,
				     "Connections closed at once: no file descriptor was left.");
	int failure = pthread_create(&server->acceptor, NULL, take_in, server);
	if (failure != 0)
		return err_set(error, WEIR_SYSTEM, "a thread cannot be made: %s",
			       strerror(failure));
	server->accepts = true;
	return WEIR_OK;
}

void http_accept_stop(struct http_server *server)
{
	if (!server->accepts)
		return;
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->acceptor, NULL);
	server->accepts = false;
}
