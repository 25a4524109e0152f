/* SPDX-License-Identifier: MIT
 * database.h - a connection to the index's file, and what its failures mean. */
#ifndef DATABASE_H
#define DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "fields.h"
#include "weir/backend.h"

#define DATABASE_BUSY_MS 1000 /* that another program's lock is waited for */

struct database {
	sqlite3 *handle;
	const char *path; /* the instance's */
};

/* Opens the file; a writer creates it. What is in it is record_check's to say. */
weir_status database_open(const char *path, bool writer, struct database *database,
			  struct weir_error *error);
void database_close(struct database *database); /* also one that is not open */

/* What the failure of the last call on this connection means. what: "read", "written". */
weir_status database_failed(const struct database *database, const char *what,
			    struct weir_error *error);
/* Whether it was for want of room on the disk. */
bool database_is_full(const struct database *database);

weir_status database_run(const struct database *database, const char *sql,
			 struct weir_error *error);
/* The caller finalizes *statement. */
weir_status database_prepare(const struct database *database, const char *sql,
			     sqlite3_stmt **statement, struct weir_error *error);
/* Whether there is a row. After the last one, and after a failure, the statement is reset. */
weir_status database_step(const struct database *database, sqlite3_stmt *statement, bool *has_row,
			  struct weir_error *error);
/* Runs a statement that answers nothing. */
weir_status database_do(const struct database *database, sqlite3_stmt *statement,
			struct weir_error *error);
/* A statement's first number; 0 when there is no row. */
weir_status database_number(const struct database *database, const char *sql, int64_t *number,
			    struct weir_error *error);

#endif
