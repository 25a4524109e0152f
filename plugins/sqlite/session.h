/* SPDX-License-Identifier: MIT
 * session.h - a reader: a connection of its own that holds a read transaction. */
#ifndef SESSION_H
#define SESSION_H

#include <pthread.h>
#include <sys/types.h>

#include "bits.h"
#include "instance.h"

struct weir_session {
	struct weir_instance *instance;
	const struct weir_host *host;
	struct database database;
	ino_t file; /* a rebuilt index is another file at the same path */
	struct record record;
	sqlite3_stmt *get, *hit;
	sqlite3_stmt **exact, **range; /* of each field, made when first asked for */
	/* Of this generation, made when first asked for. */
	int64_t largest; /* number; -1: not asked for */
	struct bits live;

	pthread_mutex_t lock;	   /* held by whoever uses the session; guards all of it but next */
	int64_t used;		   /* when it last was */
	bool is_asleep;		   /* it gave up its snapshot */
	struct weir_session *next; /* of the instance; under the lock of its struct idle */
};

/* Around each operation. WEIR_RETRY: it slept and the index moved on; refresh. */
weir_status session_enter(struct weir_session *session, struct weir_error *error);
void session_leave(struct weir_session *session);
/* Gives up the snapshot; the caller has the lock. */
void session_sleep(struct weir_session *session);

/* The largest number of a document. */
weir_status session_largest(struct weir_session *session, int64_t *largest,
			    struct weir_error *error);
/* Adds the number in each row of a statement to the set. */
weir_status session_gather(struct weir_session *session, sqlite3_stmt *statement,
			   struct bits *numbers, struct weir_error *error);
/* Every live document; the session keeps it. */
weir_status session_live(struct weir_session *session, const struct bits **live,
			 struct weir_error *error);
/* facets.c: what its SQL calls. */
weir_status facets_register(const struct database *database, struct weir_error *error);
/* Hands out the hit of the row that `get` or `hit` stands at. */
int session_hand_out(sqlite3_stmt *row, double score, weir_on_hit on_hit, void *context);

#endif
