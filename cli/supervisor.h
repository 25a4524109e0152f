/* SPDX-License-Identifier: MIT
 * supervisor.h - keeps the daemons of `weir up` running until a signal says stop.
 *
 * Concurrency: one thread, which also is the parent that the children die with. */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include "child.h"
#include "err.h"

enum member { MEMBER_INDEXER, MEMBER_EVENTD, MEMBER_SEARCHD, MEMBER_LOADER, MEMBER_COUNT };
enum { DAEMON_COUNT = MEMBER_LOADER };

/* One daemon, or the loader, with what is known about its runs. */
struct member_state {
	struct child child;
	char *ready_url;
	bool ready;
	bool wanted;	     /* the loader: there is something to load */
	int64_t started_at;  /* moment_monotonic */
	int64_t restart_at;  /* while it does not run; INT64_MAX: not again */
	int64_t pause;	     /* before the next restart */
	unsigned int deaths; /* since the last time that it was ready */
};

struct supervisor {
	struct member_state members[MEMBER_COUNT];
	int signal_fd;
	bool stopping, indexer_told;
	bool all_ready;
	int64_t stopped_at; /* when the first signal came */
	int64_t stop_said_at, wait_said_at;
	int exit_status;
	/* Called once, when all daemons are ready for the first time. False: stop. */
	bool (*on_ready)(struct supervisor *supervisor, void *context);
	void *context;
};

/* Signals are blocked and come in through a descriptor from here on; before threads are made. */
weir_status supervisor_init(struct supervisor *supervisor,
			    struct weir_error *error) WEIR_MUST_CHECK;
void supervisor_finish(struct supervisor *supervisor);
/* Starts the daemons, later the loader, and returns when all have ended, with the exit status. */
int supervisor_run(struct supervisor *supervisor);

#endif
