/* SPDX-License-Identifier: MIT */
#include "address.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TRIES = 20, TRY_MS = 100 };

/* Binds and lets go again. 0, or errno; *port becomes the one that was bound. */
static int probe(const struct addrinfo *where, uint16_t *port)
{
	int one = 1, failure = 0;
	struct sockaddr_storage bound;
	socklen_t length = sizeof(bound);
	char text[8];
	int listener = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0)
		return errno;
	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(listener, where->ai_addr, where->ai_addrlen) != 0 || listen(listener, 1) != 0 ||
	    getsockname(listener, (struct sockaddr *)&bound, &length) != 0)
		failure = errno;
	else if (getnameinfo((struct sockaddr *)&bound, length, NULL, 0, text, sizeof(text),
			     NI_NUMERICSERV) == 0)
		*port = (uint16_t)strtoul(text, NULL, 10);
	close(listener);
	return failure;
}

static void write_url(const char *host, struct address *address)
{
	if (strcmp(host, "0.0.0.0") == 0)
		host = "127.0.0.1";
	else if (strcmp(host, "::") == 0)
		host = "::1";
	bool brackets = strchr(host, ':') != NULL;
	snprintf(address->url, sizeof(address->url), "http://%s%.255s%s:%" PRIu16,
		 brackets ? "[" : "", host, brackets ? "]" : "", address->port);
}

weir_status address_find(const struct config *config, const char *daemon, struct address *address,
			 struct weir_error *error)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICSERV | AI_PASSIVE,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	const char *host = config_text(config, daemon, "address");
	char port[8];
	struct address made = {.port = (uint16_t)config_integer(config, daemon, "port")};
	snprintf(port, sizeof(port), "%" PRIu16, made.port);
	int code = getaddrinfo(host, port, &hints, &found);
	if (code != 0)
		return err_set(error, WEIR_INVALID, "[%s] address = %s: %s", daemon, host,
			       gai_strerror(code));
	int failure = EADDRINUSE;
	for (int i = 0; i < TRIES && failure == EADDRINUSE; i++) {
		if (i > 0)
			poll(NULL, 0, TRY_MS);
		failure = probe(found, &made.port);
	}
	freeaddrinfo(found);
	if (failure != 0)
		return err_set(error, failure == EADDRINUSE ? WEIR_AWAY : WEIR_INVALID,
			       "%s cannot listen on %s port %s: %s; stop what uses it, or choose "
			       "another with --set %s.port=N",
			       daemon, host, port, strerror(failure), daemon);
	write_url(host, &made);
	*address = made;
	return WEIR_OK;
}
