/* SPDX-License-Identifier: MIT
 *
 * Queues, workers, deadlines and stopping. Where a test needs a worker, it is often the test itself
 * that takes from the queue, so that nothing depends on time. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "http_world.h"
#include "moment.h"

static struct http_request *take(void)
{
	struct http_request *request = NULL;
	ck_assert_uint_eq(http_queue_take(queue, &request, 1, CLIENT_PATIENCE * SECOND), 1);
	return request;
}

static void reply_text(struct http_request *request, const char *text)
{
	struct buffer out = BUFFER_INIT;
	buffer_append_text(&out, text);
	http_reply(request, 200, "text/plain", &out);
	ck_assert_ptr_null(out.data);
}

static void reply_described(struct http_request *request)
{
	struct buffer out = BUFFER_INIT;
	describe(request, &out);
	http_reply(request, 200, "text/plain", &out);
}

START_TEST(queued_requests_wait_for_a_worker)
{
	struct client client = client_open(port);
	client_send(&client, "POST /work?x=1 HTTP/1.1\r\nContent-Type: application/json\r\n"
			     "Content-Length: 4\r\nIf-Match: \"3\"\r\n" END "{ } ");
	struct http_request *request = take();
	ck_assert_str_eq(http_header(request, "if-match"), "\"3\"");
	ck_assert_ptr_null(http_header(request, "If-None-Match"));
	ck_assert_uint_eq(strlen(http_id(request)), 32);
	ck_assert_int_gt(http_deadline(request), moment_monotonic());
	ck_assert(!http_gone(request));
	reply_described(request);
	client_read(&client, &answer);
	ck_assert_str_eq(answer.body, "8 2 /work x=1 body={ } ");
	client_send(&client, "GET /work/2 HTTP/1.1\r\n" END);
	reply_described(take());
	client_read(&client, &answer);
	ck_assert_str_eq(answer.body, "7 1 /work/2 id=2");
	client_send(&client, "GET /work/3 HTTP/1.1\r\n" END);
	const struct http_field_error errors[] = {{"price", "a \"number\""}, {"title", "more"}};
	http_problem(take(), 400, "two fields are wrong", errors, 2);
	client_read(&client, &answer);
	ck_assert_str_eq(answer.body,
			 "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
			 "\"detail\":\"two fields are wrong\",\"errors\":[{\"field\":\"price\","
			 "\"message\":\"a \\\"number\\\"\"},{\"field\":\"title\",\"message\":"
			 "\"more\"}]}");
	client_close(&client);
}
END_TEST

START_TEST(workers_reply_in_any_order)
{
	struct client clients[5];
	struct http_request *requests[5];
	char text[64];
	for (size_t i = 0; i < 5; i++) {
		clients[i] = client_open(port);
		snprintf(text, sizeof(text), "GET /work/%zu HTTP/1.1\r\n" END, i);
		client_send(&clients[i], text);
		requests[i] = take();
	}
	for (size_t i = 5; i-- > 0;) {
		reply_described(requests[i]);
		client_read(&clients[i], &answer);
		snprintf(text, sizeof(text), "7 1 /work/%zu id=%zu", i, i);
		ck_assert_str_eq(answer.body, text);
		client_close(&clients[i]);
	}
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
	struct client client = client_open(port);
	client_send(&client, "GET /work/1 HTTP/1.1\r\n" END "GET / HTTP/1.1\r\n" END
			     "GET /work/2 HTTP/1.1\r\n" END "GET /nothing HTTP/1.1\r\n" END
			     "GET /work/3 HTTP/1.1\r\n" END);
	for (int i = 0; i < 3; i++)
		reply_described(take());
	static const char *const wanted[] = {"7 1 /work/1 id=1", "1 1 /", "7 1 /work/2 id=2", NULL,
					     "7 1 /work/3 id=3"};
	for (size_t i = 0; i < 5; i++) {
		client_read(&client, &answer);
		if (wanted[i] != NULL)
			ck_assert_str_eq(answer.body, wanted[i]);
		else
			ck_assert_int_eq(answer.status, 404);
	}
	client_close(&client);
}
END_TEST

static void setup_small_queue(void)
{
	start(2, 60 * SECOND);
}

START_TEST(a_full_queue_is_503)
{
	struct client clients[5];
	struct pollfd fds[5];
	for (size_t i = 0; i < 5; i++) {
		clients[i] = client_open(port);
		client_send(&clients[i], "GET /work/1 HTTP/1.1\r\n" END);
		fds[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
	}
	for (size_t refused = 0; refused < 3;) {
		ck_assert_int_gt(poll(fds, 5, CLIENT_PATIENCE * 1000), 0);
		for (size_t i = 0; i < 5; i++) {
			if (fds[i].revents == 0)
				continue;
			client_read(&clients[i], &answer);
			expect_problem(503, "too many requests wait: try again later");
			ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
			fds[i].fd = -1;
			refused++;
		}
	}
	expect_metric("weir_http_rejected_total{queue=\"work\",reason=\"full\"} 3\n");
	expect_metric("weir_http_queue_depth{queue=\"work\"} 2\n");
	reply_text(take(), "done");
	reply_text(take(), "done");
	for (size_t i = 0; i < 5; i++) {
		if (fds[i].fd >= 0) {
			client_read(&clients[i], &answer);
			ck_assert_str_eq(answer.body, "done");
		}
		client_close(&clients[i]);
	}
}
END_TEST

static void *take_until_closed(void *unused)
{
	struct http_request *requests[4];
	(void)unused;
	while (!http_queue_closed(queue)) {
		size_t count = http_queue_take(queue, requests, 4, -1);
		while (count-- > 0) /* the last first */
			reply_described(requests[count]);
	}
	return NULL;
}

static void setup_tiny_deadline(void)
{
	start(2, 1);
}

START_TEST(late_requests_are_not_handed_out)
{
	struct client client = client_open(port);
	pthread_t worker;
	client_send(&client, "GET /work/1 HTTP/1.1\r\n" END);
	pthread_create(&worker, NULL, take_until_closed, NULL);
	client_read(&client, &answer);
	expect_problem(503, "the request waited past its deadline: try again later");
	ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
	expect_metric("weir_http_rejected_total{queue=\"work\",reason=\"deadline\"} 1\n");
	http_queue_close(queue);
	pthread_join(worker, NULL);
	/* Closed: nobody would take it. */
	client_send(&client, "GET /work/1 HTTP/1.1\r\n" END);
	client_read(&client, &answer);
	ck_assert_int_eq(answer.status, 503);
	client_close(&client);
}
END_TEST

START_TEST(a_stop_without_workers_ends_at_the_deadline)
{
	struct client client = client_open(port);
	client_send(&client, "GET /work/1 HTTP/1.1\r\n" END);
	/* Answered on the same thread later: so the first is in the queue by then. */
	while (client.in.length == 0) {
		ask("GET /metrics HTTP/1.1\r\n" END);
		if (strstr(answer.body, "weir_http_queue_depth{queue=\"work\"} 1\n") != NULL)
			break;
	}
	http_stop(server);
	client_read(&client, &answer);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
	client_close(&client);
}
END_TEST

static atomic_bool stopped;

static void *stop(void *unused)
{
	(void)unused;
	http_stop(server);
	atomic_store(&stopped, true);
	return NULL;
}

START_TEST(a_stop_waits_for_requests_in_work)
{
	struct client client = client_open(port), idle = client_open(port), other;
	pthread_t thread;
	client_send(&idle, "GET / HTTP/1.1\r\n" END);
	client_read(&idle, &answer);
	client_send(&client, "GET /work/1 HTTP/1.1\r\n" END);
	struct http_request *request = take();
	pthread_create(&thread, NULL, stop, NULL);
	while (client_try(&other, port))
		client_close(&other);
	/* A connection that was there is served what never waits, and closed. */
	client_send(&idle, "GET / HTTP/1.1\r\n" END);
	client_read(&idle, &answer);
	ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
	client_expect_end(&idle);
	ck_assert(!atomic_load(&stopped));
	reply_described(request);
	pthread_join(thread, NULL);
	client_read(&client, &answer);
	ck_assert_str_eq(answer.body, "7 1 /work/1 id=1");
	ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
	client_expect_end(&client);
	client_close(&client);
	client_close(&idle);
}
END_TEST

START_TEST(a_stopping_server_takes_no_new_work)
{
	struct client first = client_open(port), second = client_open(port), other;
	pthread_t thread;
	client_send(&second, "GET / HTTP/1.1\r\n" END);
	client_read(&second, &answer);
	client_send(&first, "GET /work/1 HTTP/1.1\r\n" END);
	struct http_request *request = take();
	pthread_create(&thread, NULL, stop, NULL);
	while (client_try(&other, port))
		client_close(&other);
	client_send(&second, "GET /work/3 HTTP/1.1\r\n" END);
	client_read(&second, &answer);
	expect_problem(503, "the service is stopping: try again later");
	client_expect_end(&second);
	reply_text(request, "done");
	pthread_join(thread, NULL);
	client_read(&first, &answer);
	ck_assert_str_eq(answer.body, "done");
	client_close(&first);
	client_close(&second);
}
END_TEST

START_TEST(a_client_that_closed_is_gone)
{
	struct client client = client_open(port);
	client_send(&client, "GET /work/1 HTTP/1.1\r\n" END);
	struct http_request *request = take();
	ck_assert(!http_gone(request));
	client_close(&client);
	while (!http_gone(request))
		sched_yield();
	reply_text(request, "nobody reads this");
}
END_TEST

static void *ask_often(void *number)
{
	static _Thread_local struct answer mine;
	struct client client = client_open(port);
	for (int i = 0; i < 100; i++) {
		char text[128], wanted[128];
		int id = *(int *)number * 1000 + i;
		snprintf(text, sizeof(text), "GET /work/%d?i=%d HTTP/1.1\r\n" END, id, i);
		snprintf(wanted, sizeof(wanted), "7 1 /work/%d id=%d i=%d", id, id, i);
		client_send(&client, text);
		client_read(&client, &mine);
		ck_assert_str_eq(mine.body, wanted);
	}
	client_close(&client);
	return NULL;
}

START_TEST(many_clients_and_workers_do_not_mix_up)
{
	pthread_t workers[3], clients[8];
	int numbers[8];
	for (size_t i = 0; i < 3; i++)
		pthread_create(&workers[i], NULL, take_until_closed, NULL);
	for (int i = 0; i < 8; i++) {
		numbers[i] = i;
		pthread_create(&clients[i], NULL, ask_often, &numbers[i]);
	}
	for (size_t i = 0; i < 8; i++)
		pthread_join(clients[i], NULL);
	http_stop(server);
	http_queue_close(queue);
	for (size_t i = 0; i < 3; i++)
		pthread_join(workers[i], NULL);
}
END_TEST

START_TEST(a_queue_alone)
{
	struct http_queue *lonely = http_queue_create("lonely", 1);
	struct http_request *requests[2];
	ck_assert_uint_eq(http_queue_take(lonely, requests, 2, 0), 0);
	ck_assert_uint_eq(http_queue_take(lonely, requests, 2, 1000), 0);
	ck_assert(!http_queue_closed(lonely));
	http_queue_close(lonely);
	ck_assert(http_queue_closed(lonely));
	ck_assert_uint_eq(http_queue_take(lonely, requests, 2, -1), 0);
	http_queue_destroy(lonely);
	http_queue_destroy(NULL);
	http_stop(NULL);
	http_destroy(NULL);
}
END_TEST

int main(void)
{
	const TTest *const ordinary[] = {
		queued_requests_wait_for_a_worker,
		workers_reply_in_any_order,
		pipelined_requests_are_answered_in_order,
		a_stop_waits_for_requests_in_work,
		a_stopping_server_takes_no_new_work,
		a_client_that_closed_is_gone,
		many_clients_and_workers_do_not_mix_up,
		a_queue_alone,
		NULL,
	};
	const TTest *const small[] = {
		a_full_queue_is_503,
		NULL,
	};
	const TTest *const tiny[] = {
		late_requests_are_not_handed_out,
		a_stop_without_workers_ends_at_the_deadline,
		NULL,
	};
	Suite *suite = suite_create("http_queue");
	add_tests(suite, "ordinary", setup, ordinary);
	add_tests(suite, "a small queue", setup_small_queue, small);
	add_tests(suite, "a tiny deadline", setup_tiny_deadline, tiny);
	return run_suite(suite);
}
