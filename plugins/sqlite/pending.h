/* SPDX-License-Identifier: MIT
 * pending.h - what the full-text index is still to be told. FTS5 keeps what it is given in memory
 * only while the documents' numbers rise, so changes wait and go to it in that order. */
#ifndef PENDING_H
#define PENDING_H

#include "bytes.h"
#include "database.h"

struct pending {
	struct pending_change *changes;
	size_t count, capacity;
	struct bytes text;
};

void pending_finish(struct pending *pending);
void pending_clear(struct pending *pending);
/* The words that the document had and has now; length 0: none. False: no memory. */
bool pending_add(struct pending *pending, int64_t number, const char *before, size_t before_length,
		 const char *after, size_t after_length);
/* So much that it should be written now. */
bool pending_is_full(const struct pending *pending);

/* The two statements that change the index; the caller finalizes them. */
weir_status pending_prepare(const struct database *database, const struct fields *fields,
			    sqlite3_stmt **remove, sqlite3_stmt **insert, struct weir_error *error);
/* Tells the index all of it, and clears it. */
weir_status pending_write(struct pending *pending, const struct database *database,
			  const struct fields *fields, sqlite3_stmt *remove, sqlite3_stmt *insert,
			  struct weir_error *error);

#endif
