/* SPDX-License-Identifier: MIT
 * index.h - the index as searchd sees it: the one that the catalog says, opened when it is there,
 * one session a thread, always new enough; when the catalog names another one, the sessions move
 * over. */
#ifndef INDEX_H
#define INDEX_H

#include <stdbool.h>

#include "config.h"
#include "plugin.h"
#include "schema.h"

struct index;
struct served;

/* Reads the catalog, loads the plug-in and checks its parameters; the index itself may be missing
 * yet. schema: the configured one, borrowed. A plug-in that cannot search is WEIR_INVALID. */
weir_status index_create(const struct config *config, struct schema *schema, struct index **index,
			 struct weir_error *error) WEIR_MUST_CHECK;
void index_destroy(struct index *index); /* takes NULL; readers have to be finished */
/* Opens the index if it is not open, else sees whether it is still there; sets the health condition
 * "index". Looks into the catalog; an index that is named there is opened beside, and readers move
 * over once it is as far as the one they read. WEIR_FATAL: the index is there and this process
 * cannot read it (another format or schema). For one thread, between its other business. */
weir_status index_look(struct index *index, struct weir_error *error) WEIR_MUST_CHECK;

/* One thread's reader session. */
struct reader {
	struct index *index;
	struct served *served; /* what it reads from; NULL: nothing yet */
	weir_session *session; /* NULL: not open yet */
	struct weir_host host;
	int64_t deadline;  /* moment_monotonic; what the host's cancelled tells */
	int64_t refreshed; /* moment_monotonic of the last refresh */
	uint64_t generation;
	uint64_t moves; /* served->moves that the last refresh took in */
};
void reader_init(struct reader *reader, struct index *index);
void reader_finish(struct reader *reader);
/* Moves over to the index that is served now, if it is another one. The schema and capabilities
 * below, and reader_run, are of that one until the next call: once before each request, and now and
 * then by who has none, since the one before is closed when its last reader has left. */
void reader_follow(struct reader *reader);
const struct schema *reader_schema(const struct reader *reader);
uint64_t reader_capabilities(const struct reader *reader);

/* The next run sees the newest commit, whatever [searchd] refresh says. */
void reader_renew(struct reader *reader);

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
