/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "instance.h"

/* We let a point go a little sooner than the cluster does. */
#define KEPT_SECONDS 270
#define WAIT_NS 20000000 /* between two questions whether the search is still wanted */

static int64_t uptime(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

bool point_is_lost(const struct point *point)
{
	return point == NULL || atomic_load(&point->is_lost) ||
	       uptime() - atomic_load(&point->used) > KEPT_SECONDS;
}

void point_used(struct point *point)
{
	atomic_store(&point->used, uptime());
}

/* Deletes it, so that the cluster need not keep what only it still sees. Nothing depends on that:
 * the cluster forgets it by itself. */
static void close_point(struct weir_session *session, struct point *point)
{
	struct answer answer;
	struct weir_error ignored;
	if (point == NULL)
		return;
	text_clear(&session->body);
	text_add(&session->body, "{\"pit_id\":[");
	text_quote(&session->body, point->pit, strlen(point->pit));
	text_add(&session->body, "]}");
	if (!point_is_lost(point) &&
	    connection_call(session->connection, "DELETE", "/_search/point_in_time", &session->body,
			    &answer, &ignored) == WEIR_OK)
		answer_finish(&answer);
	head_finish(&point->head);
	free(point->pit);
	free(point);
}

static weir_status open_point(struct weir_session *session, char **pit, struct weir_error *error)
{
	const struct weir_instance *instance = session->instance;
	struct answer answer;
	char path[1200];
	snprintf(path, sizeof(path),
		 "%.900s/_search/point_in_time?keep_alive=" POINT_KEPT
		 "&allow_partial_pit_creation=false&preference=%s",
		 instance->index.path.data, instance->preference);
	weir_status status =
		connection_ask(session->connection, "POST", path, NULL, &answer, error);
	if (status != WEIR_OK)
		return status;
	const char *id = json_string_value(json_object_get(answer.json, "pit_id"));
	*pit = strdup(id != NULL ? id : "");
	answer_finish(&answer);
	if (*pit != NULL && (*pit)[0] != '\0')
		return WEIR_OK;
	free(*pit);
	return error_no_memory(error);
}

static weir_status make_point(struct weir_session *session, struct head *head, struct point **out,
			      struct weir_error *error)
{
	struct weir_instance *instance = session->instance;
	struct point *point = calloc(1, sizeof(*point));
	if (point == NULL)
		return error_no_memory(error);
	weir_status status = open_point(session, &point->pit, error);
	if (status != WEIR_OK) {
		free(point);
		return status;
	}
	uint64_t number = ++instance->point_count;
	point->generation = hash64_add(head->generation, &number, sizeof(number));
	point->head = *head;
	*head = (struct head){0};
	point_used(point);
	*out = point;
	return WEIR_OK;
}

/* Whoever holds the lock may be asking a cluster that does not answer. */
static weir_status lock_points(struct weir_session *session, struct weir_error *error)
{
	for (;;) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += WAIT_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		int failed = pthread_mutex_clocklock(&session->instance->points, CLOCK_MONOTONIC,
						     &until);
		if (failed == 0)
			return WEIR_OK;
		if (failed != ETIMEDOUT || session_is_cancelled(session))
			return session_cancelled(error);
	}
}

/* What nobody holds any more, to be closed. */
static struct point *let_go(struct point *point)
{
	return point != NULL && --point->holders == 0 ? point : NULL;
}

weir_status point_take(weir_session *session, struct head *head, struct weir_error *error)
{
	struct weir_instance *instance = session->instance;
	struct point *unheld[2] = {NULL, NULL};
	weir_status status = lock_points(session, error);
	if (status != WEIR_OK)
		return status;
	if (point_is_lost(instance->newest) ||
	    instance->newest->head.generation != head->generation) {
		/* Opened under the lock: the newest point is the one that sees most. */
		struct point *point = NULL;
		status = make_point(session, head, &point, error);
		if (point != NULL) {
			point->holders = 1;
			unheld[0] = let_go(instance->newest);
			instance->newest = point;
		}
	}
	if (status == WEIR_OK && session->point != instance->newest) {
		unheld[1] = let_go(session->point);
		session->point = instance->newest;
		session->point->holders++;
	}
	pthread_mutex_unlock(&instance->points);
	close_point(session, unheld[0]);
	close_point(session, unheld[1]);
	return status;
}

void point_leave(weir_session *session)
{
	struct weir_instance *instance = session->instance;
	struct point *newest = NULL;
	if (session->point == NULL)
		return;
	pthread_mutex_lock(&instance->points);
	struct point *unheld = let_go(session->point);
	/* The last session lets the instance's go, too. */
	if (instance->newest != NULL && instance->newest->holders == 1) {
		newest = instance->newest;
		instance->newest = NULL;
	}
	pthread_mutex_unlock(&instance->points);
	session->point = NULL;
	close_point(session, unheld);
	close_point(session, newest);
}
