/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "error.h"

#define ASK_EVERY 1000 /* steps of SQLite's machine between two questions whether to go on */

static ino_t file_of(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 ? status.st_ino : 0;
}

weir_status session_open_database(const struct weir_instance *instance, struct database *out,
				  struct weir_error *error)
{
	struct database database = {0};
	bool is_new = false;
	weir_status status = database_open(instance->path, false, &database, error);
	if (status == WEIR_OK)
		status = record_check(&database, &instance->fields, &is_new, error);
	if (status == WEIR_OK && is_new)
		status = error_set(error, WEIR_RETRY,
				   "sqlite: the index at %s is only being created; wait for the "
				   "indexer",
				   instance->path);
	if (status != WEIR_OK) {
		database_close(&database);
		return status;
	}
	*out = database;
	return WEIR_OK;
}

static void forget(struct weir_session *session)
{
	session->largest = -1;
	bits_finish(&session->live);
}

static void finish(struct weir_session *session)
{
	sqlite3_finalize(session->get);
	sqlite3_finalize(session->hit);
	session->get = session->hit = NULL;
	for (size_t i = 0; i < session->instance->fields.count; i++) {
		if (session->exact != NULL)
			sqlite3_finalize(session->exact[i]);
		if (session->range != NULL)
			sqlite3_finalize(session->range[i]);
	}
	free(session->exact);
	free(session->range);
	session->exact = session->range = NULL;
	forget(session);
	database_close(&session->database);
}

static int is_cancelled(void *context)
{
	const struct weir_session *session = context;
	return session->host->cancelled(session->host->context);
}

/* A transaction whose first reading fixes what it sees. */
static weir_status begin(struct weir_session *session, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (sqlite3_get_autocommit(session->database.handle) != 0)
		status = database_run(&session->database, "BEGIN", error);
	if (status == WEIR_OK)
		status = record_read(&session->database, &session->record, error);
	return status;
}

static weir_status start(struct weir_session *session, struct weir_error *error)
{
	const struct weir_instance *instance = session->instance;
	session->file = file_of(instance->path);
	session->exact = calloc(instance->fields.count + 1, sizeof(sqlite3_stmt *));
	session->range = calloc(instance->fields.count + 1, sizeof(sqlite3_stmt *));
	if (session->exact == NULL || session->range == NULL)
		return error_no_memory(error);
	weir_status status = session_open_database(instance, &session->database, error);
	if (status != WEIR_OK)
		return status;
	status = facets_register(&session->database, error);
	if (status == WEIR_OK)
		status = database_prepare(
			&session->database,
			"SELECT d.id, d.version, c.state FROM documents d "
			"JOIN contents c USING(number) WHERE d.id = ?1 AND d.live = 1",
			&session->get, error);
	if (status == WEIR_OK)
		status = database_prepare(&session->database,
					  "SELECT d.id, d.version, c.state FROM documents d "
					  "JOIN contents c USING(number) WHERE d.number = ?1",
					  &session->hit, error);
	if (status == WEIR_OK)
		status = begin(session, error);
	sqlite3_progress_handler(session->database.handle, ASK_EVERY, is_cancelled, session);
	return status;
}

void session_close(weir_session *session)
{
	if (session == NULL)
		return;
	idle_leave(&session->instance->idle, session);
	finish(session);
	pthread_mutex_destroy(&session->lock);
	free(session);
}

weir_status session_open(weir_instance *instance, const struct weir_host *host, weir_session **out,
			 struct weir_error *error)
{
	struct weir_session *session = calloc(1, sizeof(*session));
	if (session == NULL)
		return error_no_memory(error);
	session->instance = instance;
	session->host = host;
	session->largest = -1;
	session->used = idle_now();
	pthread_mutex_init(&session->lock, NULL);
	weir_status status = start(session, error);
	if (status == WEIR_OK)
		status = idle_join(&instance->idle, session, error);
	if (status != WEIR_OK) {
		session_close(session);
		return status;
	}
	*out = session;
	return WEIR_OK;
}

void session_sleep(struct weir_session *session)
{
	sqlite3 *handle = session->database.handle;
	if (handle == NULL || sqlite3_get_autocommit(handle) != 0)
		return;
	session->is_asleep = sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

static weir_status wake(struct weir_session *session, struct weir_error *error)
{
	struct record before = session->record;
	if (session->database.handle == NULL)
		return error_set(error, WEIR_RETRY,
				 "sqlite: the session in %s has no index; refresh it",
				 session->instance->path);
	if (!session->is_asleep)
		return WEIR_OK;
	weir_status status = begin(session, error);
	if (status != WEIR_OK)
		return status;
	session->is_asleep = false;
	if (session->record.generation == before.generation)
		return WEIR_OK;
	session_sleep(session);
	session->record = before;
	return error_set(error, WEIR_RETRY,
			 "sqlite: the session in %s was unused so long that its commit is gone; "
			 "refresh it",
			 session->instance->path);
}

weir_status session_enter(struct weir_session *session, struct weir_error *error)
{
	pthread_mutex_lock(&session->lock);
	weir_status status = wake(session, error);
	if (status != WEIR_OK)
		session_leave(session);
	return status;
}

void session_leave(struct weir_session *session)
{
	session->used = idle_now();
	pthread_mutex_unlock(&session->lock);
}

static weir_status refresh(struct weir_session *session, struct weir_error *error)
{
	int64_t before = session->record.generation;
	weir_status status = WEIR_OK;
	if (session->database.handle == NULL || file_of(session->instance->path) != session->file) {
		finish(session);
		status = start(session, error);
		if (status != WEIR_OK)
			finish(session);
		return status;
	}
	if (sqlite3_get_autocommit(session->database.handle) == 0)
		status = database_run(&session->database, "COMMIT", error);
	if (status == WEIR_OK)
		status = begin(session, error);
	if (session->record.generation != before)
		forget(session);
	return status;
}

weir_status session_refresh(weir_session *session, uint64_t *generation, struct weir_error *error)
{
	pthread_mutex_lock(&session->lock);
	weir_status status = refresh(session, error);
	session->is_asleep = status != WEIR_OK;
	if (status == WEIR_OK)
		*generation = (uint64_t)session->record.generation;
	session_leave(session);
	return status;
}

weir_status session_largest(struct weir_session *session, int64_t *largest,
			    struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (session->largest < 0)
		status = database_number(&session->database, "SELECT max(number) FROM documents",
					 &session->largest, error);
	if (status == WEIR_OK)
		*largest = session->largest;
	return status;
}

weir_status session_gather(struct weir_session *session, sqlite3_stmt *statement,
			   struct bits *numbers, struct weir_error *error)
{
	bool has_row = true;
	weir_status status = WEIR_OK;
	while (status == WEIR_OK && has_row) {
		status = database_step(&session->database, statement, &has_row, error);
		if (status == WEIR_OK && has_row)
			bits_add(numbers, sqlite3_column_int64(statement, 0));
	}
	return status;
}

weir_status session_live(struct weir_session *session, const struct bits **live,
			 struct weir_error *error)
{
	sqlite3_stmt *statement = NULL;
	struct bits made = {0};
	int64_t largest = 0;
	weir_status status = WEIR_OK;
	if (session->live.words == NULL) {
		status = session_largest(session, &largest, error);
		if (status == WEIR_OK && !bits_init(&made, largest))
			status = error_no_memory(error);
		if (status == WEIR_OK)
			status = database_prepare(&session->database,
						  "SELECT number FROM documents WHERE live = 1",
						  &statement, error);
		if (status == WEIR_OK)
			status = session_gather(session, statement, &made, error);
		sqlite3_finalize(statement);
		if (status != WEIR_OK) {
			bits_finish(&made);
			return status;
		}
		session->live = made;
	}
	*live = &session->live;
	return status;
}

int session_hand_out(sqlite3_stmt *row, double score, weir_on_hit on_hit, void *context)
{
	const void *id = sqlite3_column_blob(row, 0), *state = sqlite3_column_blob(row, 2);
	struct weir_hit hit = {
		.id = id != NULL ? id : "",
		.id_length = (size_t)sqlite3_column_bytes(row, 0),
		.version = sqlite3_column_int64(row, 1),
		.score = score,
		.state = state != NULL ? state : "",
		.state_length = (size_t)sqlite3_column_bytes(row, 2),
	};
	return on_hit(context, &hit);
}

weir_status session_get(weir_session *session, const char *id, size_t id_length, weir_on_hit on_hit,
			void *context, struct weir_error *error)
{
	bool has_row = false;
	weir_status status = session_enter(session, error);
	if (status != WEIR_OK)
		return status;
	sqlite3_bind_blob64(session->get, 1, id, id_length, SQLITE_STATIC);
	status = database_step(&session->database, session->get, &has_row, error);
	if (status == WEIR_OK && has_row)
		session_hand_out(session->get, 0, on_hit, context);
	sqlite3_reset(session->get);
	session_leave(session);
	return status;
}

/* Each row of id, version, live and, where the query asks for it, state. */
static weir_status scan(struct weir_session *session, const char *sql, const char *from,
			size_t from_length, weir_on_scan on_scan, weir_on_scan_state on_state,
			void *context, struct weir_error *error)
{
	sqlite3_stmt *row = NULL;
	bool has_row = true;
	int stop = 0;
	weir_status status = session_enter(session, error);
	if (status != WEIR_OK)
		return status;
	status = database_prepare(&session->database, sql, &row, error);
	if (status == WEIR_OK)
		sqlite3_bind_blob64(row, 1, from_length > 0 ? from : "", from_length,
				    SQLITE_STATIC);
	while (status == WEIR_OK && stop == 0) {
		status = database_step(&session->database, row, &has_row, error);
		if (status != WEIR_OK || !has_row)
			break;
		const char *id = sqlite3_column_blob(row, 0);
		size_t id_length = (size_t)sqlite3_column_bytes(row, 0);
		int64_t version = sqlite3_column_int64(row, 1);
		uint32_t kind = sqlite3_column_int(row, 2) != 0 ? WEIR_KIND_LIVE : WEIR_KIND_HIDDEN;
		if (on_scan != NULL) {
			stop = on_scan(context, id, id_length, version, kind);
			continue;
		}
		const void *state = sqlite3_column_blob(row, 3);
		stop = on_state(context, id, id_length, version, kind, state != NULL ? state : "",
				(size_t)sqlite3_column_bytes(row, 3));
	}
	sqlite3_finalize(row);
	session_leave(session);
	return status;
}

weir_status session_scan(weir_session *session, const char *from, size_t from_length,
			 weir_on_scan on_scan, void *context, struct weir_error *error)
{
	return scan(session, "SELECT id, version, live FROM documents WHERE id >= ?1 ORDER BY id",
		    from, from_length, on_scan, NULL, context, error);
}

weir_status session_scan_states(weir_session *session, const char *from, size_t from_length,
				weir_on_scan_state on_state, void *context,
				struct weir_error *error)
{
	return scan(session,
		    "SELECT d.id, d.version, d.live, c.state FROM documents d "
		    "JOIN contents c USING(number) WHERE d.id >= ?1 ORDER BY d.id",
		    from, from_length, NULL, on_state, context, error);
}

weir_status session_positions(weir_session *session, weir_on_position on_position, void *context,
			      struct weir_error *error)
{
	weir_status status = session_enter(session, error);
	if (status != WEIR_OK)
		return status;
	status = record_positions(&session->database, on_position, context, error);
	session_leave(session);
	return status;
}
