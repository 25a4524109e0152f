/* SPDX-License-Identifier: MIT
 * http_connections.c - who is connected. Where as many are as may be, newcomers are let in all the
 * same, and whoever has been idle for the longest goes: so connections that do nothing, or send
 * their requests a byte a minute, never lock anybody out. Requests in work are left alone.
 *
 * Concurrency: all of it runs in the network thread. */
#include <sys/resource.h>
#include <sys/socket.h>

#include "http_internal.h"

enum { OTHER_FILES = 256 }; /* that the process has open beside connections */

struct http_peer {
	struct http_peer *before, *after;
	int fd;
	enum http_standing standing;
};

static bool is_listed(enum http_standing standing)
{
	return standing < HTTP_STANDING_LISTS;
}

static void take_off(struct http_peers *peers, struct http_peer *peer)
{
	if (!is_listed(peer->standing))
		return;
	struct http_peer **first = &peers->first[peer->standing];
	struct http_peer **last = &peers->last[peer->standing];
	*(peer->before != NULL ? &peer->before->after : first) = peer->after;
	*(peer->after != NULL ? &peer->after->before : last) = peer->before;
}

static void put_last(struct http_peers *peers, struct http_peer *peer, enum http_standing standing)
{
	peer->standing = standing;
	if (!is_listed(standing))
		return;
	peer->before = peers->last[standing];
	peer->after = NULL;
	*(peer->before != NULL ? &peer->before->after : &peers->first[standing]) = peer;
	peers->last[standing] = peer;
}

void http_peer_stands(struct http_request *request, enum http_standing standing)
{
	struct http_peers *peers = &request->server->peers;
	if (request->peer == NULL || request->peer->standing == HTTP_PEER_LEAVES)
		return;
	take_off(peers, request->peer);
	put_last(peers, request->peer, standing);
}

struct http_peer *http_peer_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info != NULL ? info->socket_context : NULL;
}

/* MHD finds the connection at its end and closes it. */
static void dismiss_oldest(struct http_peers *peers)
{
	for (int standing = 0; standing < HTTP_STANDING_LISTS; standing++) {
		struct http_peer *peer = peers->first[standing];
		if (peer == NULL)
			continue;
		take_off(peers, peer);
		peer->standing = HTTP_PEER_LEAVES;
		shutdown(peer->fd, SHUT_RDWR);
		metric_add(peers->dismissed, 1);
		return;
	}
}

static void arrive(struct http_peers *peers, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_peer *peer = info != NULL ? calloc(1, sizeof(*peer)) : NULL;
	*context = peer;
	if (peer == NULL)
		return;
	peer->fd = info->connect_fd;
	if (peers->count >= peers->limit)
		dismiss_oldest(peers);
	put_last(peers, peer, HTTP_PEER_IDLE);
	metric_set(peers->open, (double)++peers->count);
}

void http_on_connection(void *context, struct MHD_Connection *connection, void **peer_context,
			enum MHD_ConnectionNotificationCode code)
{
	struct http_server *server = context;
	struct http_peers *peers = &server->peers;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		atomic_fetch_sub(&server->coming, 1);
		arrive(peers, connection, peer_context);
		return;
	}
	atomic_fetch_sub(&server->connections, 1);
	struct http_peer *peer = *peer_context;
	if (peer == NULL)
		return;
	take_off(peers, peer);
	free(peer);
	*peer_context = NULL;
	metric_set(peers->open, (double)--peers->count);
}

void http_peers_init(struct http_peers *peers, size_t limit)
{
	struct rlimit files;
	size_t wanted = limit + HTTP_PEER_MARGIN + OTHER_FILES;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		if (files.rlim_cur < wanted) {
			files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
			setrlimit(RLIMIT_NOFILE, &files);
		}
		size_t few = HTTP_PEER_MARGIN + OTHER_FILES + 16;
		if (files.rlim_cur < wanted)
			limit = files.rlim_cur > few
					? files.rlim_cur - HTTP_PEER_MARGIN - OTHER_FILES
					: 16;
	}
	peers->limit = limit;
	peers->open = metric_get(METRIC_GAUGE, "weir_http_connections", NULL,
				 "HTTP connections that are open.");
	peers->dismissed = metric_get(METRIC_COUNTER, "weir_http_dismissed_total", NULL,
				      "Connections closed because too many were open: those that "
				      "were idle for the longest.");
}
