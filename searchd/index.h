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

/* Loads the plug-in; the index itself may be missing yet. A plug-in that cannot search is
 * WEIR_INVALID. */
weir_status index_create(const struct config *config, const struct schema *schema,
			 struct index **index, struct weir_error *error) WEIR_MUST_CHECK;
void index_destroy(struct index *index); /* takes NULL; sessions have to be closed */
uint64_t index_capabilities(const struct index *index);
/* Opens the index if it is not; sets the health condition "index". True: it is open. Any thread. */
bool index_try_open(struct index *index);

/* One thread's reader session. */
struct reader {
	struct index *index;
	weir_session *session; /* NULL: not open yet */
	struct weir_host host;
	int64_t deadline;  /* moment_monotonic; what the host's cancelled tells */
	int64_t refreshed; /* moment_monotonic of the last refresh */
	uint64_t generation;
};
void reader_init(struct reader *reader, struct index *index);
void reader_finish(struct reader *reader);

/* Runs work on a session that sees every commit older than [searchd] refresh, again when the index
 * moved under it, until deadline. WEIR_AWAY: there is no index yet, or the deadline passed; the
 * error says which. */
typedef weir_status (*reader_work)(void *context, const struct weir_operations *operations,
				   weir_session *session, struct weir_error *error);
weir_status reader_run(struct reader *reader, int64_t deadline, reader_work work, void *context,
		       struct weir_error *error) WEIR_MUST_CHECK;

#endif
