/* SPDX-License-Identifier: MIT
 * index_internal.h - what index.c and reader.c share. */
#ifndef INDEX_INTERNAL_H
#define INDEX_INTERNAL_H

#include "index.h"
#include "log.h"
#include "positions.h"
#include "served.h"

/* What was logged last, so that a lasting failure is one line. */
struct reason {
	char text[sizeof(((struct weir_error *)0)->message)];
};

struct index {
	const struct config *config;
	struct schema *schema;		/* the configured one */
	pthread_mutex_t lock;		/* changes of current, users of every served, reasons */
	struct served *_Atomic current; /* never closed while it is, nor while it has users */
	_Atomic bool failing;
	int64_t refresh;
	struct reason missing, failure;
	struct metric *refreshes, *reruns, *generations;
	/* Of the thread that looks. */
	struct catalog *catalog;
	struct served *coming;	/* opened beside, until it is as far; NULL: none */
	struct positions found; /* where coming was when it was looked at first ... */
	int64_t found_at;	/* ... and when; 0: not yet */
	struct served *retired; /* a list: some reader is still there */
	struct reason trouble, unreadable;
	struct reader watcher;
};

/* True when it is not the reason that was noted last. */
bool index_note(struct index *index, struct reason *reason, const char *text);
/* Runs work without what reader_run does about failures. WEIR_RETRY: no session can be had. */
weir_status reader_try(struct reader *reader, int64_t deadline, reader_work work, void *context,
		       struct weir_error *error) WEIR_MUST_CHECK;

#endif
