/* SPDX-License-Identifier: MIT
 * store_internal.h - what the files over one connection share: store.c, outbox.c, idempotency.c. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <sqlite3.h>

#include "store.h"

/* Every statement of eventd; its text stands in store_sql.c under the same name. */
enum store_statement {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_SAVEPOINT,
	SQL_RELEASE,
	SQL_UNDO,
	SQL_PROBE,
	SQL_FIND,
	SQL_INSERT,
	SQL_REPLACE,
	SQL_ADD_CHANGE,
	SQL_LIST,
	SQL_HISTORY,
	SQL_READ,
	SQL_CHANGES,
	SQL_CHANGES_BY_ID,
	SQL_NEWEST,
	SQL_FIRST_WAITING,
	SQL_WAITING,
	SQL_MARK,
	SQL_COUNTS,
	SQL_OLDEST,
	SQL_RETRY_REFUSED,
	SQL_STREAM_FIND,
	SQL_STREAM_ADD,
	SQL_POSITION_CLEAR,
	SQL_POSITION_ADD,
	SQL_SEND_AGAIN,
	SQL_UNREAD,
	SQL_KEY_FIND,
	SQL_KEY_ADD,
	SQL_KEY_EXPIRE,
	SQL_COUNT
};

extern const char *const store_sql[SQL_COUNT];
extern const char store_schema[];

struct store {
	sqlite3 *db;
	char *path;
	int lock_fd;			     /* -1: a reader */
	sqlite3_stmt *statements[SQL_COUNT]; /* made when first used */
};

/* The statement, reset and with its parameters cleared; NULL: *status and error say why. */
sqlite3_stmt *store_prepare(struct store *store, enum store_statement which, weir_status *status,
			    struct weir_error *error);
/* Turns SQLite's last error into a status and a line. */
weir_status store_failure(struct store *store, const char *doing, struct weir_error *error);
/* Steps a statement that gives no rows, and resets it. */
weir_status store_run(struct store *store, sqlite3_stmt *statement, const char *doing,
		      struct weir_error *error);

void store_bind_text(sqlite3_stmt *statement, int parameter, struct store_text text);
struct store_text store_column_text(sqlite3_stmt *statement, int column); /* borrowed */
/* A copy in the arena; false: no memory. */
bool store_keep_text(struct arena *arena, struct store_text *text);
void store_column_id(sqlite3_stmt *statement, int column, char id[STORE_ID_SIZE]);
/* Columns: seq, id, version, operation, at, by, fields. */
void store_column_change(sqlite3_stmt *statement, struct store_change *change);

#endif
