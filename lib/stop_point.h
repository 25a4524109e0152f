/* SPDX-License-Identifier: MIT
 * stop_point.h - places where a test has a daemon stop, to see what a crash just there leaves
 * behind.
 *
 * WEIR_STOP_AT=name or name:n in the environment (for tests; no option): the process logs a line
 * and stops itself (SIGSTOP) when it comes to that point for the n-th time (the first, without n).
 * Whoever set it sees the state T, and kills it or lets it go on. Unset, a point costs a branch.
 *
 * Concurrency: stop_point may be called from any thread. */
#ifndef STOP_POINT_H
#define STOP_POINT_H

#include <stdbool.h>

#include "err.h"

/* Every name that there is, ended by NULL; a test compares them with those in the sources, and
 * tests/crash comes by each of them. */
extern const char *const stop_point_names[];

/* Reads the environment; an unknown name is WEIR_INVALID. */
weir_status stop_point_arm(struct weir_error *error) WEIR_MUST_CHECK;

extern bool stop_point_armed; /* set once, before the threads */
void stop_point_meet(const char *name);

static inline void stop_point(const char *name)
{
	if (stop_point_armed)
		stop_point_meet(name);
}

#endif
