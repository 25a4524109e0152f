/* SPDX-License-Identifier: MIT
 * worker.h - who makes records and writes segments. Each document goes to one of WORKERS, which
 * has a fresh segment of its own.
 *
 * All functions are for the thread that calls the store. Between worker_drain and the next
 * worker_* of that worker, the thread may read and change what the worker has. */
#ifndef XAPIAN_WORKER_H
#define XAPIAN_WORKER_H

#include "build.h"
#include "segment_c.h"

#define WORKERS 2

/* A segment's database that is written to. */
struct target {
	char *path;
	struct segment_writer *writer; /* NULL: not opened yet, or filled and closed */
	uint32_t added;		       /* documents since the last commit of Xapian's */
	bool has_committed;	       /* since target_settle */
	bool is_ill;		       /* something failed: it has to be made again */
};

/* A document that was applied and is not committed. */
struct pending {
	struct input input;
	uint64_t hash;
	uint32_t replaced; /* docid of the document before it; 0: there was none */
	uint32_t worker;
	/* By the worker: where its record is in the worker's records. */
	size_t record_offset;
};

struct worker;

weir_status worker_create(const struct fields *fields, const struct rows_layout *layout,
			  const struct weir_host *host, struct worker **worker,
			  struct weir_error *error);
void worker_destroy(struct worker *worker); /* takes NULL; drops what is queued */

/* Makes the document's record and adds it to the target. */
weir_status worker_add(struct worker *worker, struct target *target, struct pending *pending,
		       struct weir_error *error);
/* The target gets no more: it is committed and closed. */
weir_status worker_fill(struct worker *worker, struct target *target, struct weir_error *error);
/* Commits the target: readers can see it then. */
weir_status worker_commit(struct worker *worker, struct target *target, struct weir_error *error);

/* Jobs are handed over some at a time: no more come for now. */
weir_status worker_begin(struct worker *worker, struct weir_error *error);
/* Waits until everything is done. The first failure since worker_reset. */
weir_status worker_drain(struct worker *worker, struct weir_error *error);
/* Records and forms since worker_reset, once it is drained. */
const struct bytes *worker_records(const struct worker *worker);
struct builder *worker_builder(struct worker *worker);
/* Drains, and drops records and failure. is_kept: the forms were written down. */
void worker_reset(struct worker *worker, bool is_kept);

#endif
