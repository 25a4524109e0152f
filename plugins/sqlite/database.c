/* SPDX-License-Identifier: MIT */
#include "database.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "fulltext.h"

/* A commit survives a kill, and writer_sync makes it survive a power loss; checkpoints sync in any
 * case, so the file is whole whenever the power goes. */
#define WRITER_SETTINGS                                                                            \
	"PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32768; PRAGMA secure_delete=OFF; "          \
	"PRAGMA temp_store=MEMORY"
#define READER_SETTINGS "PRAGMA query_only=ON; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY"

static weir_status rebuild(const struct database *database, const char *what,
			   struct weir_error *error)
{
	return error_set(error, WEIR_FATAL,
			 "sqlite: %s %s (%s); restore it, or move it away and run weir rebuild",
			 database->path, what, sqlite3_errmsg(database->handle));
}

bool database_is_full(const struct database *database)
{
	int code = sqlite3_errcode(database->handle);
	int reason = sqlite3_system_errno(database->handle);
	return code == SQLITE_FULL ||
	       (code == SQLITE_IOERR && (reason == ENOSPC || reason == EDQUOT));
}

weir_status database_failed(const struct database *database, const char *what,
			    struct weir_error *error)
{
	sqlite3 *handle = database->handle;
	const char *path = database->path;
	int code = sqlite3_errcode(handle);
	if (database_is_full(database))
		return error_set(error, WEIR_RETRY,
				 "sqlite: the disk of %s is full; make room, it goes on by itself",
				 path);
	switch (code) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(error, WEIR_RETRY,
				 "sqlite: %s is locked by another program (a shell of sqlite3? a "
				 "backup?); end it, or wait",
				 path);
	case SQLITE_NOMEM:
		return error_no_memory(error);
	case SQLITE_INTERRUPT:
		return error_set(error, WEIR_RETRY, "sqlite: the search in %s was cancelled", path);
	case SQLITE_NOTADB:
		return rebuild(database, "is not a database of SQLite, so no index of this plug-in",
			       error);
	case SQLITE_CORRUPT:
		return rebuild(database, "is damaged", error);
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return error_set(error, WEIR_FATAL,
				 "sqlite: %s cannot be %s (%s); look at its permissions and its "
				 "folder's",
				 path, what, sqlite3_errmsg(handle));
	case SQLITE_IOERR:
	case SQLITE_PROTOCOL:
		return error_set(error, WEIR_RETRY, "sqlite: %s cannot be %s (%s, %s)", path, what,
				 sqlite3_errmsg(handle), strerror(sqlite3_system_errno(handle)));
	default:
		return error_set(error, WEIR_FATAL, "sqlite: %s cannot be %s (%s)", path, what,
				 sqlite3_errmsg(handle));
	}
}

static weir_status open_file(const char *path, bool writer, struct database *database,
			     struct weir_error *error)
{
	struct stat status;
	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return error_set(error, WEIR_FATAL,
				 "sqlite: %s is a folder (an index of another engine?), and this "
				 "plug-in keeps its index in a file; set another path and run weir "
				 "rebuild",
				 path);
	if (!writer && stat(path, &status) != 0 && errno == ENOENT)
		return error_set(error, WEIR_RETRY,
				 "sqlite: there is no index at %s yet; wait for the indexer", path);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_CREATE : 0);
	if (sqlite3_open_v2(path, &database->handle, flags, NULL) == SQLITE_OK)
		return WEIR_OK;
	if (database->handle == NULL)
		return error_no_memory(error);
	return database_failed(database, "opened", error);
}

weir_status database_open(const char *path, bool writer, struct database *database,
			  struct weir_error *error)
{
	struct database made = {NULL, path};
	weir_status status = open_file(path, writer, &made, error);
	if (status == WEIR_OK) {
		/* Whose file it is is not known yet, and a reader leaves the log to the writer. */
		sqlite3_db_config(made.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_wal_autocheckpoint(made.handle, 0);
		sqlite3_busy_timeout(made.handle, DATABASE_BUSY_MS);
		status = database_run(&made, writer ? WRITER_SETTINGS : READER_SETTINGS, error);
	}
	if (status == WEIR_OK)
		status = fulltext_register(&made, error);
	if (status != WEIR_OK) {
		database_close(&made);
		return status;
	}
	*database = made;
	return WEIR_OK;
}

void database_close(struct database *database)
{
	sqlite3_close(database->handle);
	database->handle = NULL;
}

weir_status database_run(const struct database *database, const char *sql, struct weir_error *error)
{
	if (sqlite3_exec(database->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
		return WEIR_OK;
	return database_failed(database, "used", error);
}

weir_status database_prepare(const struct database *database, const char *sql,
			     sqlite3_stmt **statement, struct weir_error *error)
{
	if (sqlite3_prepare_v3(database->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, statement,
			       NULL) == SQLITE_OK)
		return WEIR_OK;
	return database_failed(database, "read", error);
}

weir_status database_step(const struct database *database, sqlite3_stmt *statement, bool *has_row,
			  struct weir_error *error)
{
	int code = sqlite3_step(statement);
	*has_row = code == SQLITE_ROW;
	if (code == SQLITE_ROW)
		return WEIR_OK;
	weir_status status = WEIR_OK;
	if (code != SQLITE_DONE)
		status = database_failed(database,
					 sqlite3_stmt_readonly(statement) != 0 ? "read" : "written",
					 error);
	sqlite3_reset(statement);
	return status;
}

weir_status database_do(const struct database *database, sqlite3_stmt *statement,
			struct weir_error *error)
{
	bool has_row = true;
	weir_status status = WEIR_OK;
	while (status == WEIR_OK && has_row)
		status = database_step(database, statement, &has_row, error);
	return status;
}

weir_status database_number(const struct database *database, const char *sql, int64_t *number,
			    struct weir_error *error)
{
	sqlite3_stmt *statement = NULL;
	bool has_row = false;
	weir_status status = database_prepare(database, sql, &statement, error);
	if (status == WEIR_OK)
		status = database_step(database, statement, &has_row, error);
	if (status == WEIR_OK)
		*number = has_row ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_finalize(statement);
	return status;
}
