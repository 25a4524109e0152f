/* SPDX-License-Identifier: MIT
 *
 * Concurrency: one thread an instance with sessions. The list of sessions is under `lock`; a
 * session under its own, which the thread only takes when it is free, so no search waits for it. */
#include "idle.h"

#include <string.h>
#include <time.h>

#include "disk.h"
#include "error.h"
#include "session.h"

#define LOOK_MS 500
#define UNUSED_MS 1000
#define LONG_LOG_BYTES ((uint64_t)48 << 20) /* before the writer waits for readers */

int64_t idle_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void idle_init(struct idle *idle, const char *path)
{
	pthread_condattr_t attributes;
	*idle = (struct idle){.path = path};
	pthread_mutex_init(&idle->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&idle->wake, &attributes);
	pthread_condattr_destroy(&attributes);
}

void idle_finish(struct idle *idle)
{
	pthread_mutex_lock(&idle->lock);
	idle->is_ending = true;
	pthread_cond_signal(&idle->wake);
	pthread_mutex_unlock(&idle->lock);
	if (idle->is_running)
		pthread_join(idle->thread, NULL);
	pthread_cond_destroy(&idle->wake);
	pthread_mutex_destroy(&idle->lock);
}

static void look(struct idle *idle)
{
	int64_t now = idle_now();
	if (disk_log_bytes(idle->path) < LONG_LOG_BYTES)
		return;
	for (struct weir_session *each = idle->first; each != NULL; each = each->next) {
		if (pthread_mutex_trylock(&each->lock) != 0)
			continue;
		if (now - each->used >= UNUSED_MS)
			session_sleep(each);
		pthread_mutex_unlock(&each->lock);
	}
}

static void *run(void *context)
{
	struct idle *idle = context;
	pthread_mutex_lock(&idle->lock);
	while (!idle->is_ending) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOOK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&idle->wake, &idle->lock, &until);
		if (!idle->is_ending)
			look(idle);
	}
	pthread_mutex_unlock(&idle->lock);
	return NULL;
}

weir_status idle_join(struct idle *idle, struct weir_session *session, struct weir_error *error)
{
	int code = 0;
	pthread_mutex_lock(&idle->lock);
	if (!idle->is_running)
		code = pthread_create(&idle->thread, NULL, run, idle);
	if (code == 0) {
		idle->is_running = true;
		session->next = idle->first;
		idle->first = session;
	}
	pthread_mutex_unlock(&idle->lock);
	return code == 0 ? WEIR_OK
			 : error_set(error, WEIR_RETRY, "sqlite: no thread can be had (%s)",
				     strerror(code));
}

void idle_leave(struct idle *idle, struct weir_session *session)
{
	pthread_mutex_lock(&idle->lock);
	struct weir_session **at = &idle->first;
	while (*at != NULL && *at != session)
		at = &(*at)->next;
	if (*at != NULL)
		*at = session->next;
	pthread_mutex_unlock(&idle->lock);
}
