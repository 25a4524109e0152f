/* SPDX-License-Identifier: MIT
 * writer.h - the thread that writes: it takes all requests that wait, performs each in a savepoint
 * of one transaction, and answers them after the commit. The more load, the more share a sync. */
#ifndef WRITER_H
#define WRITER_H

#include "http.h"
#include "marks.h"
#include "store.h"

struct writer;

struct writer_options {
	struct store *store; /* STORE_WRITE; taken over */
	struct http_queue *queue;
	struct marks *marks;
	size_t group; /* requests in one transaction at most */
	/* After a commit that added to the outbox; on the writer's thread. */
	void (*committed)(void *context);
	void *context;
};

weir_status writer_start(const struct writer_options *options, struct writer **writer,
			 struct weir_error *error) WEIR_MUST_CHECK;

/* From another thread: runs job in a transaction of its own and waits for it. */
typedef weir_status (*writer_job)(struct store *store, void *context, struct weir_error *error);
weir_status writer_run(struct writer *writer, writer_job job, void *context,
		       struct weir_error *error) WEIR_MUST_CHECK;

/* After http_queue_close, and when nobody calls writer_run any more: what waits is written, marks
 * too. Takes NULL. */
void writer_stop(struct writer *writer);

#endif
