/* SPDX-License-Identifier: MIT
 * segment_c.h - writing a segment's Xapian database, in C. No exception leaves.
 *
 * A writer is used by one thread at a time; different ones beside each other. */
#ifndef SEGMENT_C_H
#define SEGMENT_C_H

#include "fields.h"
#include "record.h"
#include "weir/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

struct segment_writer;

/* A new database at the path, in place of what is there. Nothing of it is on the disk before
 * segment_commit, and segment_close drops what was not committed. fields: borrowed. */
weir_status segment_create(const char *path, const struct fields *fields,
			   struct segment_writer **writer, struct weir_error *error);
void segment_close(struct segment_writer *writer); /* takes NULL */

/* Adds what the record says, at its docid, which is higher than all before. */
weir_status segment_add(struct segment_writer *writer, const struct record *record,
			struct weir_error *error);
/* Readers see it then. Not synced. */
weir_status segment_commit(struct segment_writer *writer, struct weir_error *error);
/* Drops what was added since the last commit. After a failure the writer is of no more use but to
 * be closed. */
weir_status segment_cancel(struct segment_writer *writer, struct weir_error *error);

#ifdef __cplusplus
}
#endif

#endif
