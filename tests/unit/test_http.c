/* SPDX-License-Identifier: MIT
 *
 * What the network thread does alone: routes, refusals, limits. test_http_queue.c has the rest. */
#include "daemon.h"
#include "http_world.h"

START_TEST(routes_match_by_segments)
{
	ask("GET / HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer.body, "1 1 /");
	ck_assert_str_eq(answer_header(&answer, "Content-Type"), "text/plain");
	ask("GET /events/7 HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer.body, "2 1 /events/7 id=7");
	ask("GET /events/a%2Fb%20%C3%A9+ HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer.body, "2 1 /events/a%2Fb%20%C3%A9+ id=a/b \xC3\xA9+");
	ask("GET /%65vents/7 HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer.body, "2 1 /%65vents/7 id=7");
	ask("GET http://example.org/events/7?a=1 HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer.body, "2 1 /events/7 id=7 a=1");
	ask("DELETE /events/7 HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer.body, "3 16 /events/7 id=7");
}
END_TEST

START_TEST(unknown_paths_are_404)
{
	static const char *const paths[] = {"/nothing", "/events/",    "/events/7/", "/events/7/8",
					    "//",	"/eventsss/7", "*",	     "/Events/7"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char text[128];
		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" END, paths[i]);
		ask(text);
		expect_problem(404, "nothing is at this path");
	}
}
END_TEST

START_TEST(wrong_methods_are_405_with_allow)
{
	ask("TRACE /events/7 HTTP/1.1\r\n" END);
	expect_problem(405, "this path takes GET, HEAD, PUT, DELETE");
	ck_assert_str_eq(answer_header(&answer, "Allow"), "GET, HEAD, PUT, DELETE");
	ask("GET /events HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer_header(&answer, "Allow"), "POST");
	ask("HEAD /events HTTP/1.1\r\n" END);
	ck_assert_int_eq(answer.status, 405);
	ask("PATCH /work/7 HTTP/1.1\r\nContent-Length: 2\r\n" END "{}");
	ck_assert_str_eq(answer_header(&answer, "Allow"), "GET, HEAD");
	ask("BREW /events/batch HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer_header(&answer, "Allow"), "POST");
}
END_TEST

START_TEST(head_is_get_without_the_body)
{
	struct client client = client_open(port);
	client_send(&client, "HEAD /events/7 HTTP/1.1\r\n" END "GET / HTTP/1.1\r\n" END);
	client_read_any(&client, &answer, true);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer_header(&answer, "Content-Length"), "18");
	client_read(&client, &answer);
	ck_assert_str_eq(answer.body, "1 1 /");
	client_close(&client);
}
END_TEST

START_TEST(arguments_keep_order_and_repetition)
{
	ask("GET /?b=1&a=%C3%A9+x%2B&&b=2&c&=v&d=e=f HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer.body, "1 1 / b=1 a=\xC3\xA9 x+ b=2 c= =v d=e=f");
	ask("GET /? HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer.body, "1 1 /");
}
END_TEST

START_TEST(broken_escapes_are_400)
{
	static const struct {
		const char *target, *detail;
	} cases[] = {
		{"/?q=%", "query argument \\\"q\\\": a % stands without two hexadecimal digits"},
		{"/?q=%4", "query argument \\\"q\\\": a % stands without two hexadecimal digits"},
		{"/?q=%zz", "query argument \\\"q\\\": a % stands without two hexadecimal digits"},
		{"/?q=a%00b", "query argument \\\"q\\\": it has a NUL byte"},
		{"/?q=%FF", "query argument \\\"q\\\": it is not UTF-8"},
		{"/?q=%ED%A0%80", "query argument \\\"q\\\": it is not UTF-8"},
		{"/?q=%C0%80", "query argument \\\"q\\\": it is not UTF-8"},
		{"/?q=\xC3", "query argument \\\"q\\\": it is not UTF-8"},
		{"/?a=1&%80=1", "the name of query argument 2: it is not UTF-8"},
		{"/events/%00", "segment 2 of the path: it has a NUL byte"},
		{"/events/%fg", "segment 2 of the path: a % stands without two hexadecimal digits"},
		{"/events/%e9", "segment 2 of the path: it is not UTF-8"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[128];
		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" END, cases[i].target);
		ask(text);
		expect_problem(400, cases[i].detail);
	}
}
END_TEST

static void ask_with_filler(const char *before, const char *filler, size_t count, const char *after)
{
	struct buffer text = BUFFER_INIT;
	buffer_append_text(&text, before);
	for (size_t i = 0; i < count; i++)
		buffer_append_text(&text, filler);
	buffer_append_text(&text, after);
	ask(text.data);
	buffer_finish(&text);
}

START_TEST(long_targets_and_headers_have_limits)
{
	ask_with_filler("GET /?q=", "%41", 4096, " HTTP/1.1\r\n" END);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_uint_eq(answer.length, strlen("1 1 / q=") + 4096);
	ask_with_filler("GET /?q=", "a", 16380, " HTTP/1.1\r\n" END);
	ck_assert_int_eq(answer.status, 200);
	ask_with_filler("GET /?q=", "a", 16384, " HTTP/1.1\r\n" END);
	expect_problem(414, "path and query may have 16384 bytes");
	ask_with_filler("GET /?q=", "a", 200000, " HTTP/1.1\r\n" END);
	ck_assert_int_eq(answer.status, 414);
	ask_with_filler("GET / HTTP/1.1\r\nX: ", "a", 16384, "\r\n" END);
	ck_assert_int_eq(answer.status, 200);
	ask_with_filler("GET / HTTP/1.1\r\nX: ", "a", 200000, "\r\n" END);
	ck_assert_int_eq(answer.status, 431);
	ask_with_filler("GET /?", "&a", 1000, " HTTP/1.1\r\n" END);
	ck_assert_int_eq(answer.status, 200);
	ask_with_filler("GET /?", "&a", 1001, " HTTP/1.1\r\n" END);
	expect_problem(400, "the query has more than 1000 arguments");
	ask_with_filler("GET /?", "a&", 8000, " HTTP/1.1\r\n" END);
	expect_problem(400, "the query has more than 1000 arguments");
	ask_with_filler("GET / HTTP/1.1\r\n", "a: b\r\n", 8000, END);
	ck_assert_int_eq(answer.status, 431);
	struct client client = client_open(port); /* answered or closed, not kept waiting */
	client_send(&client, "GET\r\n\r\n");
	while (client_receive(&client))
		;
	client_close(&client);
}
END_TEST

START_TEST(request_ids_come_back)
{
	ask("GET / HTTP/1.1\r\nx-request-id: order 66/a\r\n" END);
	ck_assert_str_eq(answer_header(&answer, "X-Request-Id"), "order 66/a");
	ask("GET /nothing HTTP/1.1\r\nX-Request-Id: 7\r\n" END);
	ck_assert_str_eq(answer_header(&answer, "X-Request-Id"), "7");
	ask("GET / HTTP/1.1\r\nX-Request-Id: \xC3\xA9\r\n" END);
	const char *made = answer_header(&answer, "X-Request-Id");
	ck_assert_uint_eq(strlen(made), 32);
	ck_assert_uint_eq(strspn(made, "0123456789abcdef"), 32);
	ask_with_filler("GET / HTTP/1.1\r\nX-Request-Id: ", "a", 129, "\r\n" END);
	ck_assert_uint_eq(strlen(answer_header(&answer, "X-Request-Id")), 32);
	ask_with_filler("GET / HTTP/1.1\r\nX-Request-Id: ", "a", 128, "\r\n" END);
	ck_assert_uint_eq(strlen(answer_header(&answer, "X-Request-Id")), 128);
}
END_TEST

START_TEST(request_ids_do_not_come_again)
{
	char made[50][33];
	for (size_t i = 0; i < 50; i++) {
		ask("GET / HTTP/1.1\r\n" END);
		ck_assert_uint_eq(strlen(answer_header(&answer, "X-Request-Id")), 32);
		memcpy(made[i], answer_header(&answer, "X-Request-Id"), 33);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(made[i], made[j]);
	}
}
END_TEST

START_TEST(media_types_are_checked)
{
	ask("POST /events HTTP/1.1\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
	    "Content-Length: 2\r\n" END "{}");
	ck_assert_str_eq(answer.body, "5 2 /events body={}");
	struct client client = client_open(port);
	client_send(&client, "POST /events HTTP/1.1\r\nContent-Length: 2\r\n" END "{}");
	client_read(&client, &answer);
	expect_problem(415, "the body has no Content-Type: send application/json or "
			    "application/merge-patch+json");
	/* The connection goes on: the body was read. */
	client_send(&client, "POST /events HTTP/1.1\r\nContent-Type: application/jsonx\r\n"
			     "Content-Length: 2\r\n" END "{}");
	client_read(&client, &answer);
	expect_problem(415, "the body's Content-Type is not accepted: send application/json or "
			    "application/merge-patch+json");
	client_send(&client, "POST /events HTTP/1.1\r\nContent-Length: 0\r\n" END);
	client_read(&client, &answer);
	ck_assert_str_eq(answer.body, "5 2 /events");
	client_send(&client, "DELETE /events/1 HTTP/1.1\r\nContent-Length: 2\r\n" END "{}");
	client_read(&client, &answer);
	ck_assert_str_eq(answer.body, "3 16 /events/1 id=1");
	client_close(&client);
}
END_TEST

#define PUT_HEAD "PUT /events/1 HTTP/1.1\r\nContent-Type: application/json\r\n"

START_TEST(a_body_announced_too_long_is_413_at_once)
{
	struct client client = client_open(port);
	client_send(&client, PUT_HEAD "Content-Length: 1001\r\n" END);
	client_read(&client, &answer);
	expect_problem(413, "the body may have 1000 bytes");
	ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
	client_expect_end(&client);
	client_close(&client);
	ask(PUT_HEAD "Content-Length: 99999999999999999999\r\n" END);
	ck_assert_int_eq(answer.status, 413);
	ask(PUT_HEAD "Content-Length: 1001\r\nExpect: 100-continue\r\n" END);
	expect_problem(413, "the body may have 1000 bytes");
	ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
}
END_TEST

START_TEST(a_client_that_sends_all_before_it_reads_sees_its_413)
{
	static char body[8 << 20];
	struct client client = client_open(port);
	memset(body, ' ', sizeof(body));
	client_send(&client, PUT_HEAD "Content-Length: 8388608\r\n" END);
	client_send_bytes(&client, body, sizeof(body));
	client_read(&client, &answer);
	ck_assert_int_eq(answer.status, 413);
	client_expect_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(chunked_bodies_are_joined_and_limited)
{
	struct client client = client_open(port);
	client_send(&client, PUT_HEAD "Transfer-Encoding: chunked\r\n" END
				      "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
	client_read(&client, &answer);
	ck_assert_str_eq(answer.body, "4 4 /events/1 id=1 body=abcde");
	char chunk[1100];
	memset(chunk, 'a', sizeof(chunk));
	client_send(&client, PUT_HEAD "Transfer-Encoding: chunked\r\n" END "3e8\r\n");
	client_send_bytes(&client, chunk, 1000);
	client_send(&client, "\r\n1\r\na\r\n"); /* no end of the body is sent */
	client_read(&client, &answer);
	expect_problem(413, "the body may have 1000 bytes");
	client_close(&client);
	/* A body nobody reads has a limit, too. */
	client = client_open(port);
	client_send(&client, "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END);
	for (int i = 0; i < 1025; i++) {
		client_send(&client, "400\r\n");
		client_send_bytes(&client, chunk, 1024);
		client_send(&client, "\r\n");
	}
	client_read(&client, &answer);
	ck_assert_int_eq(answer.status, 413);
	client_close(&client);
}
END_TEST

START_TEST(expect_is_answered_before_the_body)
{
	struct client client = client_open(port);
	client_send(&client, PUT_HEAD "Content-Length: 5\r\nExpect: 100-continue\r\n" END);
	client_read_head(&client, &answer);
	ck_assert_int_eq(answer.status, 100);
	client_send(&client, "abcde");
	client_read(&client, &answer);
	ck_assert_str_eq(answer.body, "4 4 /events/1 id=1 body=abcde");
	client_send(&client, "PUT /nothing HTTP/1.1\r\nContent-Length: 5\r\n"
			     "Expect: 100-continue\r\n" END);
	client_read(&client, &answer);
	ck_assert_int_eq(answer.status, 404);
	client_close(&client);
}
END_TEST

START_TEST(half_a_body_holds_nobody_up)
{
	struct client half = client_open(port), gone = client_open(port);
	struct client head = client_open(port);
	client_send(&half, PUT_HEAD "Content-Length: 10\r\n" END "01234");
	client_send(&gone, PUT_HEAD "Content-Length: 10\r\n" END "01234");
	client_send(&head, "GET / HTTP/1.1\r\nHo");
	ask("GET / HTTP/1.1\r\n" END);
	ck_assert_int_eq(answer.status, 200);
	client_close(&gone);
	client_close(&head);
	client_send(&half, "56789");
	client_read(&half, &answer);
	ck_assert_str_eq(answer.body, "4 4 /events/1 id=1 body=0123456789");
	client_send(&half, PUT_HEAD "Content-Length: 10\r\n" END "01234");
	ask("GET / HTTP/1.1\r\n" END);
	client_close(&half);
}
END_TEST

START_TEST(answers_without_a_body)
{
	struct client client = client_open(port);
	static const int statuses[] = {204, 304, 200};
	for (size_t i = 0; i < 3; i++) {
		char text[128];
		snprintf(text, sizeof(text), "GET /bare/%d HTTP/1.1\r\n" END, statuses[i]);
		client_send(&client, text);
		client_read(&client, &answer);
		ck_assert_int_eq(answer.status, statuses[i]);
		ck_assert_str_eq(answer_header(&answer, "ETag"), "\"7\"");
		ck_assert_ptr_null(answer_header(&answer, "Content-Type"));
	}
	client_send(&client, "GET /large HTTP/1.1\r\n" END "HEAD /large HTTP/1.1\r\n" END);
	client_read(&client, &answer);
	ck_assert_uint_eq(answer.length, 60000);
	client_read_any(&client, &answer, true);
	ck_assert_str_eq(answer_header(&answer, "Content-Length"), "60000");
	client_close(&client);
}
END_TEST

START_TEST(built_in_routes_answer)
{
	ask("GET /health/live HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer.body, "{\"status\":\"live\"}");
	ask("GET /health/ready HTTP/1.1\r\n" END);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "{\"status\":\"ready\"}");
	health_set_bad("kafka", "away");
	ask("GET /health/ready HTTP/1.1\r\n" END);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.body, "away"));
	health_set_good("kafka");
	ask("GET /openapi.json HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer.body, "{\"openapi\":\"3.1.0\"}");
	ask("PUT /health/live HTTP/1.1\r\n" END);
	ck_assert_str_eq(answer_header(&answer, "Allow"), "GET, HEAD");
}
END_TEST

START_TEST(requests_are_counted)
{
	ask("GET /events/1 HTTP/1.1\r\n" END);
	ask("HEAD /events/2 HTTP/1.1\r\n" END);
	ask("BREW /events/2 HTTP/1.1\r\n" END);
	ask("GET /nothing/\"x HTTP/1.1\r\n" END);
	ask(PUT_HEAD "Content-Length: 1001\r\n" END);
	expect_metric("weir_http_requests_total{method=\"GET\",route=\"/events/{id}\","
		      "status=\"200\"} 1\n");
	expect_metric("weir_http_requests_total{method=\"HEAD\",route=\"/events/{id}\","
		      "status=\"200\"} 1\n");
	expect_metric("weir_http_requests_total{method=\"other\",route=\"/events/{id}\","
		      "status=\"405\"} 1\n");
	expect_metric("weir_http_requests_total{method=\"PUT\",route=\"/events/{id}\","
		      "status=\"413\"} 1\n");
	expect_metric("weir_http_requests_total{method=\"GET\",route=\"unmatched\","
		      "status=\"404\"} 1\n");
	expect_metric("weir_http_request_seconds_count{route=\"/events/{id}\"} 4\n");
	expect_metric("weir_http_queue_depth{queue=\"work\"} 0\n");
}
END_TEST

START_TEST(addresses_that_cannot_be_listened_on)
{
	struct http_server *second = NULL;
	struct weir_error error;
	char wanted[256];
	struct http_options options = {.address = "localhost", .port = port};
	ck_assert_int_eq(http_start(&options, &second, &error), WEIR_SYSTEM);
	snprintf(wanted, sizeof(wanted),
		 "cannot listen on localhost:%u: Address already in use; stop the process that has "
		 "the port, or choose another port",
		 (unsigned)port);
	ck_assert_str_eq(error.message, wanted);
	ck_assert_ptr_null(second);
	options = (struct http_options){.address = "example.org"};
	ck_assert_int_eq(http_start(&options, &second, &error), WEIR_INVALID);
	ck_assert_str_eq(error.message, "cannot listen on \"example.org\": give an IPv4 or IPv6 "
					"address, or localhost");
	options = (struct http_options){.address = "192.0.2.1"};
	ck_assert_int_eq(http_start(&options, &second, &error), WEIR_SYSTEM);
	options = (struct http_options){.address = "::1"};
	if (http_start(&options, &second, &error) == WEIR_OK) {
		ck_assert_uint_gt(http_port(second), 0);
		http_destroy(second);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		routes_match_by_segments,
		unknown_paths_are_404,
		wrong_methods_are_405_with_allow,
		head_is_get_without_the_body,
		arguments_keep_order_and_repetition,
		broken_escapes_are_400,
		long_targets_and_headers_have_limits,
		request_ids_come_back,
		request_ids_do_not_come_again,
		media_types_are_checked,
		a_body_announced_too_long_is_413_at_once,
		a_client_that_sends_all_before_it_reads_sees_its_413,
		chunked_bodies_are_joined_and_limited,
		expect_is_answered_before_the_body,
		half_a_body_holds_nobody_up,
		answers_without_a_body,
		built_in_routes_answer,
		requests_are_counted,
		addresses_that_cannot_be_listened_on,
		NULL,
	};
	Suite *suite = suite_create("http");
	add_tests(suite, "http", setup, tests);
	return run_suite(suite);
}
