/* SPDX-License-Identifier: MIT
 *
 * Concurrency: the network thread offers, workers take; one mutex guards the list and is held for
 * moments only: a connection is suspended in a place that was reserved before, a worker is woken
 * and a request refused after it is let go. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http_internal.h"
#include "moment.h"

struct http_queue {
	size_t limit;
	struct metric *depth, *full, *late;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct http_request *first, *last;
	size_t count;
	size_t reserved; /* places of requests that are about to be appended */
	bool closed;
};

static struct metric *rejected(const char *name, const char *reason)
{
	char labels[128];
	snprintf(labels, sizeof(labels), "queue=\"%s\",reason=\"%s\"", name, reason);
	return metric_get(METRIC_COUNTER, "weir_http_rejected_total", labels,
			  "Requests answered 503 because their queue was full or they waited past "
			  "the deadline.");
}

struct http_queue *http_queue_create(const char *name, size_t limit)
{
	struct http_queue *queue = calloc(1, sizeof(*queue));
	if (queue == NULL)
		return NULL;
	char labels[128];
	snprintf(labels, sizeof(labels), "queue=\"%s\"", name);
	queue->limit = limit;
	queue->depth = metric_get(METRIC_GAUGE, "weir_http_queue_depth", labels,
				  "Requests that wait for a worker.");
	queue->full = rejected(name, "full");
	queue->late = rejected(name, "deadline");
	pthread_mutex_init(&queue->lock, NULL);
	moment_condition_init(&queue->changed);
	return queue;
}

void http_queue_destroy(struct http_queue *queue)
{
	if (queue == NULL)
		return;
	assert(queue->first == NULL);
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

void http_queue_close(struct http_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
}

bool http_queue_closed(struct http_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	bool closed = queue->closed && queue->first == NULL && queue->reserved == 0;
	pthread_mutex_unlock(&queue->lock);
	return closed;
}

static struct http_request *pop(struct http_queue *queue)
{
	struct http_request *request = queue->first;
	queue->first = request->next;
	if (queue->first == NULL)
		queue->last = NULL;
	queue->count--;
	request->next = NULL;
	return request;
}

/* Takes those at the head that are past their deadline off, as a list. They are in order of their
 * deadlines: a server gives every request the same time. */
static struct http_request *pop_late(struct http_queue *queue)
{
	struct http_request *late = NULL, **end = &late;
	int64_t now = moment_monotonic();
	while (queue->first != NULL && queue->first->deadline <= now) {
		*end = pop(queue);
		end = &(*end)->next;
	}
	return late;
}

static void refuse_late(struct http_queue *queue, struct http_request *late)
{
	while (late != NULL) {
		struct http_request *request = late;
		late = request->next; /* before the reply, which ends it */
		metric_add(queue->late, 1);
		http_refuse_busy(request, "the request waited past its deadline: try again later");
	}
}

static void append(struct http_queue *queue, struct http_request *request)
{
	request->next = NULL;
	if (queue->last != NULL)
		queue->last->next = request;
	else
		queue->first = request;
	queue->last = request;
	queue->count++;
	metric_set(queue->depth, (double)queue->count);
}

bool http_queue_again(struct http_queue *queue, struct http_request *request)
{
	pthread_mutex_lock(&queue->lock);
	bool taken = !queue->closed;
	if (taken) {
		request->deadline = moment_monotonic() + request->server->options.deadline;
		append(queue, request);
	}
	pthread_mutex_unlock(&queue->lock);
	if (taken)
		pthread_cond_signal(&queue->changed);
	return taken;
}

bool http_queue_offer(struct http_queue *queue, struct http_request *request)
{
	pthread_mutex_lock(&queue->lock);
	struct http_request *late = queue->count >= queue->limit ? pop_late(queue) : NULL;
	bool taken = !queue->closed && queue->count + queue->reserved < queue->limit;
	queue->reserved += taken;
	pthread_mutex_unlock(&queue->lock);
	refuse_late(queue, late);
	if (!taken) {
		metric_add(queue->full, 1);
		return false;
	}
	request->stage = HTTP_WORKING;
	MHD_suspend_connection(request->connection);
	pthread_mutex_lock(&queue->lock);
	queue->reserved--;
	append(queue, request);
	pthread_mutex_unlock(&queue->lock);
	pthread_cond_signal(&queue->changed);
	return true;
}

void http_queue_expire(struct http_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	struct http_request *late = pop_late(queue);
	metric_set(queue->depth, (double)queue->count);
	pthread_mutex_unlock(&queue->lock);
	refuse_late(queue, late);
}

/* until: moment_monotonic, or -1. */
static void wait_for_one(struct http_queue *queue, int64_t until)
{
	int answer = 0;
	struct timespec when = {until / 1000000, until % 1000000 * 1000};
	while (queue->first == NULL && !queue->closed && answer == 0)
		answer = until < 0 ? pthread_cond_wait(&queue->changed, &queue->lock)
				   : pthread_cond_timedwait(&queue->changed, &queue->lock, &when);
}

size_t http_queue_take(struct http_queue *queue, struct http_request **requests, size_t max,
		       int64_t timeout)
{
	int64_t now = moment_monotonic();
	int64_t until = timeout < 0 || timeout > INT64_MAX - now ? -1 : now + timeout;
	size_t count = 0;
	bool again;
	do {
		pthread_mutex_lock(&queue->lock);
		wait_for_one(queue, until);
		struct http_request *late = pop_late(queue);
		while (count < max && queue->first != NULL)
			requests[count++] = pop(queue);
		metric_set(queue->depth, (double)queue->count);
		pthread_mutex_unlock(&queue->lock);
		again = count == 0 && late != NULL;
		refuse_late(queue, late);
	} while (again);
	return count;
}
