/* SPDX-License-Identifier: MIT
 * http_client.h - a client for tests that sends what it is told, byte for byte, and reads answers.
 * Nothing waits longer than CLIENT_PATIENCE seconds: then the test fails. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"

#define CLIENT_PATIENCE 30

struct client {
	int fd;
	struct buffer in; /* received, not yet read */
};

struct answer {
	int status;
	char head[8192]; /* status line and headers */
	char body[65536];
	size_t length;
};

static inline bool client_try(struct client *client, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval patience = {CLIENT_PATIENCE, 0};
	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	*client = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
	ck_assert_int_ge(client->fd, 0);
	setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	close(client->fd);
	client->fd = -1;
	return false;
}

static inline struct client client_open(uint16_t port)
{
	struct client client;
	ck_assert_msg(client_try(&client, port), "no connection to port %u", (unsigned)port);
	return client;
}

static inline void client_close(struct client *client)
{
	close(client->fd);
	buffer_finish(&client->in);
	client->fd = -1;
}

static inline void client_send_bytes(struct client *client, const void *bytes, size_t length)
{
	const char *at = bytes;
	while (length > 0) {
		ssize_t sent = send(client->fd, at, length, MSG_NOSIGNAL);
		ck_assert_msg(sent > 0, "cannot send");
		at += sent;
		length -= (size_t)sent;
	}
}

static inline void client_send(struct client *client, const char *text)
{
	client_send_bytes(client, text, strlen(text));
}

/* False: the server closed. */
static inline bool client_receive(struct client *client)
{
	char bytes[16384];
	ssize_t got = recv(client->fd, bytes, sizeof(bytes), 0);
	ck_assert_msg(got >= 0, "cannot receive, or nothing came");
	buffer_append(&client->in, bytes, (size_t)got);
	return got > 0;
}

static inline void client_drop(struct client *client, size_t length)
{
	memmove(client->in.data, client->in.data + length, client->in.length - length + 1);
	client->in.length -= length;
}

static inline void client_read_head(struct client *client, struct answer *answer)
{
	char *end;
	while (client->in.data == NULL || (end = strstr(client->in.data, "\r\n\r\n")) == NULL)
		ck_assert_msg(client_receive(client), "closed before the head of an answer");
	size_t length = (size_t)(end - client->in.data) + 4;
	ck_assert_uint_lt(length, sizeof(answer->head));
	memcpy(answer->head, client->in.data, length);
	answer->head[length] = '\0';
	client_drop(client, length);
	ck_assert_int_eq(sscanf(answer->head, "HTTP/1.1 %d ", &answer->status), 1);
}

/* The value of a header of the answer, in a static place; NULL: it has none. */
static inline const char *answer_header(const struct answer *answer, const char *name)
{
	static _Thread_local char value[1024];
	for (const char *line = strstr(answer->head, "\r\n"); line != NULL;
	     line = strstr(line + 2, "\r\n")) {
		size_t length = strlen(name);
		if (strncasecmp(line + 2, name, length) != 0 || line[2 + length] != ':')
			continue;
		const char *start = line + 2 + length + 1;
		start += strspn(start, " ");
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(start, "\r"), start);
		return value;
	}
	return NULL;
}

/* bodiless: the answer to HEAD. */
static inline void client_read_any(struct client *client, struct answer *answer, bool bodiless)
{
	client_read_head(client, answer);
	const char *length = answer_header(answer, "Content-Length");
	answer->length = length != NULL ? strtoul(length, NULL, 10) : 0;
	if (bodiless || answer->status == 204 || answer->status == 304)
		answer->length = 0;
	ck_assert_uint_lt(answer->length, sizeof(answer->body));
	while (client->in.length < answer->length)
		ck_assert_msg(client_receive(client), "closed inside the body of an answer");
	if (answer->length > 0) {
		memcpy(answer->body, client->in.data, answer->length);
		client_drop(client, answer->length);
	}
	answer->body[answer->length] = '\0';
}

static inline void client_read(struct client *client, struct answer *answer)
{
	client_read_any(client, answer, false);
}

/* Fails unless the server closes without another byte. */
static inline void client_expect_end(struct client *client)
{
	ck_assert_uint_eq(client->in.length, 0);
	ck_assert_msg(!client_receive(client), "more came: %s", client->in.data);
}

/* One request on a connection of its own. */
static inline void client_ask(uint16_t port, const char *text, struct answer *answer)
{
	struct client client = client_open(port);
	client_send(&client, text);
	client_read_any(&client, answer, strncmp(text, "HEAD ", 5) == 0);
	client_close(&client);
}

#endif
