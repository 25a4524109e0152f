/* SPDX-License-Identifier: MIT
 * child.h - one process that `weir up` starts: its arguments, its log, its end. */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "err.h"

enum { CHILD_ARGUMENT_LIMIT = 256 };

struct child {
	const char *name; /* "eventd" */
	char *executable;
	char *arguments[CHILD_ARGUMENT_LIMIT]; /* owned; NULL at the end */
	size_t argument_count;
	char *log_path;	 /* NULL: stderr is shared */
	pid_t pid;	 /* 0: it does not run */
	int wait_status; /* of waitpid, once it ended */
};

/* Looks name up beside this executable (build folder or installation). */
weir_status child_init(struct child *child, const char *name,
		       struct weir_error *error) WEIR_MUST_CHECK;
void child_finish(struct child *child);
/* Appends one argument; the text is copied. False: no memory, or too many. */
bool child_argument(struct child *child, const char *format, ...) WEIR_PRINTF(2, 3);
/* "--set" and "key=value". */
bool child_set(struct child *child, const char *key, const char *value);

/* Forks and executes. The child dies with this thread (PR_SET_PDEATHSIG), has its own process group
 * (so that a terminal's Ctrl-C reaches only this process), no blocked signals and /dev/null as
 * stdin. */
weir_status child_start(struct child *child, struct weir_error *error) WEIR_MUST_CHECK;
void child_signal(const struct child *child, int number);
/* "ended with status 3", "was killed by signal 9 (Killed)". */
void child_describe_end(const struct child *child, char *text, size_t size);
/* Its exit status; -1 when a signal ended it. */
int child_exit_status(const struct child *child);
/* The last line of its log, or "" when there is none. */
void child_last_line(const struct child *child, char *line, size_t size);

#endif
