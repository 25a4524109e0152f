/* SPDX-License-Identifier: MIT
 * http_world.h - the server that the tests of http ask: a few routes on a free port. */
#ifndef HTTP_WORLD_H
#define HTTP_WORLD_H

#include "http.h"

#include "http_client.h"

#define SECOND INT64_C(1000000)
#define END "Host: t\r\n\r\n"

static struct http_server *server;
static struct http_queue *queue;
static uint16_t port;
static struct answer answer;

/* Tells what came: "GET /x id=7 a=1 a=2 body=..." */
static inline void describe(struct http_request *request, struct buffer *out)
{
	size_t length;
	const char *id = http_path_value(request, "id"), *body = http_body(request, &length);
	buffer_printf(out, "%d %d %s", http_tag(request), (int)http_method(request),
		      http_path(request));
	if (id != NULL)
		buffer_printf(out, " id=%s", id);
	for (size_t i = 0; i < http_argument_count(request); i++) {
		const char *value, *name = http_argument(request, i, &value);
		buffer_printf(out, " %s=%s", name, value);
	}
	if (length > 0)
		buffer_printf(out, " body=%.*s", (int)length, body);
}

static inline void echo(struct http_request *request, void *context)
{
	struct buffer out = BUFFER_INIT;
	ck_assert_ptr_eq(context, &queue);
	describe(request, &out);
	http_reply(request, 200, "text/plain", &out);
}

static inline void reply_bare(struct http_request *request, void *context)
{
	(void)context;
	const char *status = http_path_value(request, "id");
	http_reply_header(request, "ETag", "\"7\"");
	http_reply(request, atoi(status), NULL, NULL);
}

static inline void reply_large(struct http_request *request, void *context)
{
	(void)context;
	struct buffer out = BUFFER_INIT;
	for (int i = 0; i < 60000; i++)
		buffer_append_char(&out, 'x');
	http_reply(request, 200, "text/plain", &out);
}

static const char *const json_only[] = {"application/json", "application/merge-patch+json", NULL};

static inline void start(size_t queue_limit, int64_t deadline)
{
	queue = http_queue_create("work", queue_limit);
	ck_assert_ptr_nonnull(queue);
	const struct http_route routes[] = {
		{.method = HTTP_GET, .path = "/", .tag = 1, .handle = echo},
		{.method = HTTP_GET, .path = "/events/{id}", .tag = 2, .handle = echo},
		{.method = HTTP_DELETE, .path = "/events/{id}", .tag = 3, .handle = echo},
		{.method = HTTP_PUT,
		 .path = "/events/{id}",
		 .tag = 4,
		 .handle = echo,
		 .media_types = json_only,
		 .body_limit = 1000},
		{.method = HTTP_POST,
		 .path = "/events",
		 .tag = 5,
		 .handle = echo,
		 .media_types = json_only},
		{.method = HTTP_POST,
		 .path = "/events/batch",
		 .tag = 6,
		 .handle = echo,
		 .media_types = json_only},
		{.method = HTTP_GET, .path = "/work/{id}", .tag = 7, .queue = queue},
		{.method = HTTP_POST,
		 .path = "/work",
		 .tag = 8,
		 .queue = queue,
		 .media_types = json_only},
		{.method = HTTP_GET, .path = "/bare/{id}", .handle = reply_bare},
		{.method = HTTP_GET, .path = "/large", .handle = reply_large},
	};
	const struct http_options options = {.address = "127.0.0.1",
					     .connection_limit = 100,
					     .idle_timeout = 60 * SECOND,
					     .deadline = deadline,
					     .routes = routes,
					     .route_count = sizeof(routes) / sizeof(*routes),
					     .context = &queue,
					     .openapi = "{\"openapi\":\"3.1.0\"}"};
	struct weir_error error;
	weir_status status = http_start(&options, &server, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	port = http_port(server);
}

static inline void setup(void)
{
	start(100, 60 * SECOND);
}

static inline void teardown(void)
{
	http_stop(server);
	http_queue_close(queue);
	http_destroy(server);
	http_queue_destroy(queue);
}

static inline void ask(const char *text)
{
	client_ask(port, text, &answer);
}

static inline void expect_problem(int status, const char *detail)
{
	char wanted[512];
	snprintf(wanted, sizeof(wanted),
		 "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"}",
		 http_status_title(status), status, detail);
	ck_assert_int_eq(answer.status, status);
	ck_assert_str_eq(answer.body, wanted);
	ck_assert_str_eq(answer_header(&answer, "Content-Type"), "application/problem+json");
	ck_assert_ptr_nonnull(answer_header(&answer, "X-Request-Id"));
}

static inline void expect_metric(const char *line)
{
	ask("GET /metrics HTTP/1.1\r\n" END);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_ptr_eq(
		strstr(answer_header(&answer, "Content-Type"), "text/plain; version=0.0.4"),
		answer_header(&answer, "Content-Type"));
	ck_assert_msg(strstr(answer.body, line) != NULL, "\n%s\nis not in\n%s", line, answer.body);
}

static inline void add_tests(Suite *suite, const char *name, void (*start_server)(void),
			     const TTest *const *tests)
{
	TCase *group = tcase_create(name);
	tcase_add_checked_fixture(group, start_server, teardown);
	for (; *tests != NULL; tests++)
		tcase_add_test(group, *tests);
	suite_add_tcase(suite, group);
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

#endif
