/* SPDX-License-Identifier: MIT
 * daemon.h - what a daemon's main shares: arguments, configuration, signals, health.
 *
 * Concurrency: signals arrive on one thread through signalfd; daemon_stopping may be asked from any
 * thread; health may be set and read from any thread. */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>

#include "buffer.h"
#include "config.h"
#include "err.h"

struct daemon {
	const char *process; /* "indexer" */
	struct config *config;
	int signal_fd;
	/* What was on the command line, for HUP; borrowed from argv but for the array. */
	const char *file;
	const char **sets;
	size_t set_count;
};

/* Parses --config FILE, --set section.key=value, --check-config, --help, --version; loads the
 * configuration; opens the log; blocks and collects signals. Returns true to go on; false when the
 * process is to end now with *exit_status (0 after --help, 2 after wrong use, the line printed).
 * summary: the first line of --help. check: what --check-config looks at beside the options' own
 * rules, such as schema and plug-in (may be NULL); it only reads. */
typedef weir_status (*daemon_check)(const struct config *config, struct weir_error *error);
bool daemon_start(struct daemon *daemon, const char *process, const char *summary,
		  daemon_check check, int argc, char **argv, int *exit_status);
void daemon_finish(struct daemon *daemon);

/* Waits up to timeout_ms (-1: for ever) for a signal. First TERM or INT: DAEMON_STOP, and
 * daemon_stopping is true from then on. A second one ends the process at once with status 130.
 * HUP: the configuration was re-read (what is reloadable), DAEMON_RELOAD. */
enum daemon_wake { DAEMON_TIMEOUT, DAEMON_STOP, DAEMON_RELOAD };
enum daemon_wake daemon_wait(struct daemon *daemon, int timeout_ms);
bool daemon_stopping(void);
void daemon_stop(void); /* as if TERM had come: a worker found that going on is pointless */

/* Health: a set of named conditions; ready when none is bad. reason is copied, one line. */
void health_set_bad(const char *condition, const char *reason, ...) WEIR_PRINTF(2, 3);
void health_set_good(const char *condition);
/* Good, and there is something to say about it all the same. */
void health_set_note(const char *condition, const char *note, ...) WEIR_PRINTF(2, 3);
bool health_ready(void);
/* Something to know beside, such as which index is served; a member of the answer. */
void health_set_fact(const char *name, const char *fact, ...) WEIR_PRINTF(2, 3);
/* Appends {"status":"ready"} or {"status":"not ready","reasons":[{"condition":…,"reason":…}]},
 * with "notes":[{"condition":…,"note":…}] when there are any;
 * answers whether it is ready. */
bool health_write(struct buffer *out);

#endif
