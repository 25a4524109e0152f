/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stop_point.h"
#include "store_internal.h"

#define APPLICATION_ID 0x57656972 /* "Weir" */
#define FORMAT 1
#define BUSY_TIMEOUT_MS 5000

weir_status store_failure(struct store *store, const char *doing, struct weir_error *error)
{
	int code = sqlite3_extended_errcode(store->db);
	weir_status status = WEIR_SYSTEM;
	switch (code & 0xFF) {
	case SQLITE_FULL:
		status = STORE_FULL;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		status = WEIR_AWAY;
		break;
	case SQLITE_NOMEM:
		status = WEIR_NO_MEMORY;
		break;
	default:
		break;
	}
	return err_set(error, status, "%s: %s: %s (SQLite %d)", store->path, doing,
		       sqlite3_errmsg(store->db), code);
}

sqlite3_stmt *store_prepare(struct store *store, enum store_statement which, weir_status *status,
			    struct weir_error *error)
{
	sqlite3_stmt **statement = &store->statements[which];
	if (*statement != NULL) {
		sqlite3_reset(*statement);
		sqlite3_clear_bindings(*statement);
	} else if (sqlite3_prepare_v3(store->db, store_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
				      statement, NULL) != SQLITE_OK) {
		*status = store_failure(store, "preparing a statement", error);
		return NULL;
	}
	*status = WEIR_OK;
	return *statement;
}

weir_status store_run(struct store *store, sqlite3_stmt *statement, const char *doing,
		      struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (sqlite3_step(statement) != SQLITE_DONE)
		status = store_failure(store, doing, error);
	sqlite3_reset(statement);
	return status;
}

static weir_status run_plain(struct store *store, enum store_statement which, const char *doing,
			     struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, which, &status, error);
	return statement != NULL ? store_run(store, statement, doing, error) : status;
}

weir_status store_begin(struct store *store, struct weir_error *error)
{
	return run_plain(store, SQL_BEGIN, "beginning a transaction", error);
}

weir_status store_commit(struct store *store, struct weir_error *error)
{
	return run_plain(store, SQL_COMMIT, "committing", error);
}

void store_rollback(struct store *store)
{
	if (store_in_transaction(store))
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

bool store_in_transaction(const struct store *store)
{
	return sqlite3_get_autocommit(store->db) == 0;
}

weir_status store_savepoint(struct store *store, struct weir_error *error)
{
	return run_plain(store, SQL_SAVEPOINT, "beginning a savepoint", error);
}

weir_status store_release(struct store *store, struct weir_error *error)
{
	return run_plain(store, SQL_RELEASE, "ending a savepoint", error);
}

void store_undo(struct store *store)
{
	if (!store_in_transaction(store))
		return;
	if (run_plain(store, SQL_UNDO, "undoing", NULL) != WEIR_OK ||
	    run_plain(store, SQL_RELEASE, "ending a savepoint", NULL) != WEIR_OK)
		store_rollback(store);
}

weir_status store_probe(struct store *store, struct weir_error *error)
{
	return run_plain(store, SQL_PROBE, "trying to write", error);
}

/* A new folder lasts once the folder that names it was synced. */
static weir_status sync_parent(const char *path, struct weir_error *error)
{
	char *copy = strdup(path);
	if (copy == NULL)
		return err_no_memory(error);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	bool synced = fd >= 0 && fsync(fd) == 0;
	int code = errno;
	if (fd >= 0)
		close(fd);
	if (synced)
		return WEIR_OK;
	return err_set(error, WEIR_SYSTEM, "%s: cannot sync the folder above: %s", path,
		       strerror(code));
}

static weir_status make_folder(const char *path, struct weir_error *error)
{
	if (mkdir(path, 0777) == 0)
		return sync_parent(path, error);
	if (errno == EEXIST)
		return WEIR_OK;
	return err_set(error, WEIR_SYSTEM, "%s: cannot make the folder: %s", path, strerror(errno));
}

/* Makes the folders above the file. */
static weir_status make_folders(const char *path, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	char *copy = strdup(path);
	if (copy == NULL)
		return err_no_memory(error);
	char *slash = strchr(copy + 1, '/');
	for (; slash != NULL && status == WEIR_OK; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		status = make_folder(copy, error);
		*slash = '/';
	}
	free(copy);
	return status;
}

/* SQLite lets several processes write in turn; two relays over one outbox would send all of it
 * twice, so the second eventd is refused. */
static weir_status lock(struct store *store, struct weir_error *error)
{
	WEIR_FREE char *path = NULL;
	if (asprintf(&path, "%s.lock", store->path) < 0) {
		path = NULL;
		return err_no_memory(error);
	}
	store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (store->lock_fd < 0)
		return err_set(error, WEIR_SYSTEM, "%s: cannot be opened: %s", path,
			       strerror(errno));
	if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return WEIR_OK;
	return err_set(error, WEIR_AWAY,
		       "%s: another eventd has this database; stop it, or set [eventd] database",
		       path);
}

static weir_status execute(struct store *store, const char *sql, const char *doing,
			   struct weir_error *error)
{
	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return store_failure(store, doing, error);
	return WEIR_OK;
}

static weir_status ask_number(struct store *store, const char *sql, int64_t *number,
			      struct weir_error *error)
{
	sqlite3_stmt *statement = NULL;
	weir_status status = WEIR_OK;
	if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK ||
	    sqlite3_step(statement) != SQLITE_ROW)
		status = store_failure(store, "opening", error);
	else
		*number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return status;
}

static weir_status check_format(struct store *store, bool *empty, struct weir_error *error)
{
	int64_t application = 0, format = 0, tables = 0;
	weir_status status = ask_number(store, "PRAGMA application_id", &application, error);
	if (status == WEIR_OK)
		status = ask_number(store, "PRAGMA user_version", &format, error);
	if (status == WEIR_OK)
		status = ask_number(store, "SELECT count(*) FROM sqlite_schema", &tables, error);
	if (status != WEIR_OK) {
		if ((sqlite3_errcode(store->db) & 0xFF) == SQLITE_NOTADB)
			return err_set(error, WEIR_INVALID,
				       "%s: not an SQLite database; set [eventd] database to "
				       "another file",
				       store->path);
		return status;
	}
	*empty = application == 0 && format == 0 && tables == 0;
	if (*empty)
		return WEIR_OK;
	if (application != APPLICATION_ID)
		return err_set(error, WEIR_INVALID,
			       "%s: a database of another program (application_id 0x%08x, expected "
			       "0x%08x); set [eventd] database to another file",
			       store->path, (unsigned)application, APPLICATION_ID);
	if (format != FORMAT)
		return err_set(error, WEIR_INVALID,
			       "%s: format %lld, this eventd knows format %d; it was written by "
			       "another version of Weir, run that one",
			       store->path, (long long)format, FORMAT);
	return WEIR_OK;
}

static weir_status make_tables(struct store *store, struct weir_error *error)
{
	char marks[100];
	snprintf(marks, sizeof(marks), "PRAGMA application_id = %d; PRAGMA user_version = %d",
		 APPLICATION_ID, FORMAT);
	weir_status status = execute(store, "BEGIN IMMEDIATE", "making the tables", error);
	if (status == WEIR_OK)
		status = execute(store, store_schema, "making the tables", error);
	if (status == WEIR_OK)
		status = execute(store, marks, "making the tables", error);
	if (status == WEIR_OK)
		status = execute(store, "COMMIT", "making the tables", error);
	if (status != WEIR_OK)
		store_rollback(store);
	return status;
}

/* In WAL mode synchronous=FULL syncs the log at every commit. Checkpoints are rarer than SQLite's
 * default, because ids are random and touch as many pages for one event as for ten. */
static weir_status prepare_writing(struct store *store, bool empty, struct weir_error *error)
{
	stop_point("eventd.open.before");
	weir_status status = execute(store,
				     "PRAGMA journal_mode = WAL;"
				     "PRAGMA synchronous = FULL;"
				     "PRAGMA wal_autocheckpoint = 4000;"
				     "PRAGMA journal_size_limit = 67108864;"
				     "PRAGMA cache_size = -16000;"
				     "PRAGMA temp_store = MEMORY;",
				     "opening", error);
	stop_point("eventd.open.journal");
	if (status == WEIR_OK && empty)
		status = make_tables(store, error);
	stop_point("eventd.open.after");
	if (status == WEIR_OK)
		status = execute(store,
				 "CREATE TEMP TABLE positions(stream INTEGER, partition INTEGER,"
				 " position INTEGER, PRIMARY KEY(stream, partition))",
				 "opening", error);
	return status;
}

static weir_status open_file(struct store *store, enum store_mode mode, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	if (mode == STORE_WRITE) {
		flags |= SQLITE_OPEN_CREATE;
		status = make_folders(store->path, error);
		if (status == WEIR_OK)
			status = lock(store, error);
	}
	if (status != WEIR_OK)
		return status;
	if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK)
		return store->db != NULL ? store_failure(store, "opening", error)
					 : err_no_memory(error);
	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
	bool empty = false;
	status = check_format(store, &empty, error);
	if (status != WEIR_OK)
		return status;
	if (mode == STORE_WRITE)
		return prepare_writing(store, empty, error);
	if (empty)
		return err_set(error, WEIR_INVALID, "%s: an empty database", store->path);
	return execute(store, "PRAGMA query_only = 1; PRAGMA cache_size = -4000", "opening", error);
}

weir_status store_open(const char *path, enum store_mode mode, struct store **store,
		       struct weir_error *error)
{
	struct store *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->lock_fd = -1;
	made->path = strdup(path);
	weir_status status =
		made->path != NULL ? open_file(made, mode, error) : err_no_memory(error);
	if (status == WEIR_OK)
		*store = made;
	else
		store_close(made);
	return status;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	for (size_t i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->db);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	free(store->path);
	free(store);
}
