/* SPDX-License-Identifier: MIT
 * idle.h - sessions that nobody uses give up their snapshot while the log is long. A snapshot
 * keeps the log from beginning again, so an idle one would let it grow for ever. */
#ifndef IDLE_H
#define IDLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "weir/backend.h"

struct idle {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	pthread_t thread;
	bool is_running, is_ending;
	const char *path;
	struct weir_session *first;
};

void idle_init(struct idle *idle, const char *path);
void idle_finish(struct idle *idle); /* every session has left */
/* WEIR_RETRY: no thread can be had. */
weir_status idle_join(struct idle *idle, struct weir_session *session, struct weir_error *error);
void idle_leave(struct idle *idle, struct weir_session *session); /* also one that did not join */

int64_t idle_now(void); /* milliseconds of a clock that only goes forward */

#endif
