/* SPDX-License-Identifier: MIT
 * index.h - the index as searchd sees it: opened when it is there, one session a thread, always new
 * enough. */
#ifndef INDEX_H
#define INDEX_H

#include <stdbool.h>

#include "config.h"
#include "plugin.h"
#include "schema.h"

struct index;

/* Loads the plug-in and checks its parameters; the index itself may be missing yet. A plug-in that
 * cannot search is WEIR_INVALID. */
weir_status index_create(const struct config *config, const struct schema *schema,
			 struct index **index, struct weir_error *error) WEIR_MUST_CHECK;
void index_destroy(struct index *index); /* takes NULL; readers have to be finished */
uint64_t index_capabilities(const struct index *index);
/* Opens the index if it is not open, else sees whether it is still there; sets the health condition
 * "index". WEIR_FATAL: it is there and this process cannot read it (another format or schema). For
 * one thread, between its other business. */
weir_status index_look(struct index *index, struct weir_error *error) WEIR_MUST_CHECK;

/* One thread's reader session. */
struct reader {
	struct index *index;
	weir_session *session; /* NULL: not open yet */
	struct weir_host host;
	int64_t deadline;  /* moment_monotonic; what the host's cancelled tells */
	int64_t refreshed; /* moment_monotonic of the last refresh */
	uint64_t generation;
	uint64_t moves; /* index->moves that the last refresh took in */
};
void reader_init(struct reader *reader, struct index *index);
void reader_finish(struct reader *reader);

/* Runs work on a session that sees every commit older than [searchd] refresh and nothing older than
 * what any reader saw before the call, again when the index moved under it, until deadline.
 * WEIR_AWAY: there is no index now, or the deadline passed; the error says which, for clients.
 * WEIR_FATAL: the engine cannot answer; said in the health and, once, in the log. WEIR_INVALID and
 * WEIR_NO_MEMORY are the work's own. */
typedef weir_status (*reader_work)(void *context, const struct weir_operations *operations,
				   weir_session *session, struct weir_error *error);
weir_status reader_run(struct reader *reader, int64_t deadline, reader_work work, void *context,
		       struct weir_error *error) WEIR_MUST_CHECK;

#endif
