/* SPDX-License-Identifier: MIT
 * An index that several writers share, as small as it can be: documents and positions in an SQLite
 * file, a transaction for each call. As with a cluster, what apply accepted lasts before commit. It
 * finds everything or nothing. Driven by tests/e2e/test_sharing.py. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weir/backend.h"

struct weir_instance {
	sqlite3 *file;
	char *path, *hold;
};

struct weir_session {
	sqlite3 *file;
};

/* A step of a statement ended otherwise than with a row or at its end. */
static weir_status fail(sqlite3 *file, struct weir_error *error)
{
	snprintf(error->message, sizeof(error->message), "the shared file: %s",
		 file != NULL ? sqlite3_errmsg(file) : "no memory");
	return WEIR_RETRY;
}

static weir_status run(sqlite3 *file, const char *sql, struct weir_error *error)
{
	return sqlite3_exec(file, sql, NULL, NULL, NULL) == SQLITE_OK ? WEIR_OK : fail(file, error);
}

static weir_status open_file(const char *path, int flags, sqlite3 **file, struct weir_error *error)
{
	sqlite3 *made = NULL;
	int failure = sqlite3_open_v2(path, &made, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (failure != SQLITE_OK) {
		fail(made, error);
		sqlite3_close(made);
		return WEIR_RETRY;
	}
	sqlite3_busy_timeout(made, 20000);
	*file = made;
	return WEIR_OK;
}

static void shared_close(weir_instance *instance)
{
	if (instance == NULL)
		return;
	sqlite3_close(instance->file);
	free(instance->path);
	free(instance->hold);
	free(instance);
}

static weir_status shared_open(const struct weir_parameter_value *const *values, size_t value_count,
			       const struct weir_schema *schema, uint32_t mode,
			       const struct weir_host *host, weir_instance **instance,
			       struct weir_error *error)
{
	(void)value_count, (void)schema, (void)host;
	weir_instance *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return fail(NULL, error);
	made->path = strdup(values[0]->text);
	made->hold = strdup(values[1]->text);
	if (made->path == NULL || made->hold == NULL) {
		shared_close(made);
		return fail(NULL, error);
	}
	int flags = SQLITE_OPEN_READWRITE | (mode == WEIR_MODE_WRITER ? SQLITE_OPEN_CREATE : 0);
	weir_status status = open_file(made->path, flags, &made->file, error);
	if (status == WEIR_OK && mode == WEIR_MODE_WRITER)
		status = run(made->file,
			     "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
			     "CREATE TABLE IF NOT EXISTS documents (id BLOB PRIMARY KEY, kind, "
			     "version, applied_at, revision INTEGER, state) WITHOUT ROWID;"
			     "CREATE TABLE IF NOT EXISTS positions (cluster, topic, number, next, "
			     "PRIMARY KEY (cluster, topic, number))",
			     error);
	if (status == WEIR_OK)
		*instance = made;
	else
		shared_close(made);
	return status;
}

/* The file that the test names says what is to wait or to fail. */
static int is_held(const weir_instance *instance, const char *what)
{
	char line[16] = "";
	FILE *file = instance->hold[0] != '\0' ? fopen(instance->hold, "r") : NULL;
	if (file == NULL)
		return 0;
	int held = fgets(line, sizeof(line), file) != NULL && strcmp(line, what) == 0;
	fclose(file);
	return held;
}

static void wait_while(const weir_instance *instance, const char *what)
{
	while (is_held(instance, what))
		usleep(10000);
}

static weir_status prepare(sqlite3 *file, const char *sql, sqlite3_stmt **statement,
			   struct weir_error *error)
{
	return sqlite3_prepare_v2(file, sql, -1, statement, NULL) == SQLITE_OK ? WEIR_OK
									       : fail(file, error);
}

static weir_status shared_fetch(weir_instance *instance, const char *const *ids,
				const size_t *id_lengths, size_t count, weir_on_state on_state,
				void *context, struct weir_error *error)
{
	sqlite3_stmt *find = NULL;
	weir_status status = prepare(
		instance->file, "SELECT state, revision FROM documents WHERE id = ?", &find, error);
	for (size_t i = 0; status == WEIR_OK && i < count; i++) {
		sqlite3_bind_blob(find, 1, ids[i], (int)id_lengths[i], SQLITE_STATIC);
		int step = sqlite3_step(find);
		sqlite3_int64 revision = step == SQLITE_ROW ? sqlite3_column_int64(find, 1) : 0;
		if (step == SQLITE_ROW)
			on_state(context, i, 1, sqlite3_column_blob(find, 0),
				 (size_t)sqlite3_column_bytes(find, 0), &revision,
				 sizeof(revision));
		else if (step == SQLITE_DONE)
			on_state(context, i, 0, NULL, 0, NULL, 0);
		else
			status = fail(instance->file, error);
		sqlite3_reset(find);
	}
	sqlite3_finalize(find);
	return status;
}

static weir_status apply_one(sqlite3_stmt *insert, sqlite3_stmt *update,
			     const struct weir_document *document, struct weir_verdict *verdict,
			     struct weir_error *error)
{
	sqlite3_stmt *write = document->revision_length == 0 ? insert : update;
	sqlite3 *file = sqlite3_db_handle(write);
	sqlite3_int64 revision = 0;
	if (document->revision_length == sizeof(revision))
		memcpy(&revision, document->revision, sizeof(revision));
	sqlite3_bind_blob(write, 1, document->id, (int)document->id_length, SQLITE_STATIC);
	sqlite3_bind_int64(write, 2, document->kind);
	sqlite3_bind_int64(write, 3, document->version);
	sqlite3_bind_int64(write, 4, document->applied_at);
	sqlite3_bind_int64(write, 5, revision);
	sqlite3_bind_blob(write, 6, document->state, (int)document->state_length, SQLITE_STATIC);
	int step = sqlite3_step(write);
	verdict->kind = sqlite3_changes(file) == 1 ? WEIR_ACCEPTED : WEIR_CONFLICT;
	weir_status status = step == SQLITE_DONE ? WEIR_OK : fail(file, error);
	sqlite3_reset(write);
	return status;
}

static weir_status shared_apply(weir_instance *instance,
				const struct weir_document *const *documents, size_t count,
				struct weir_verdict *const *verdicts, struct weir_error *error)
{
	sqlite3_stmt *insert = NULL, *update = NULL;
	wait_while(instance, "apply");
	weir_status status =
		prepare(instance->file,
			"INSERT OR IGNORE INTO documents VALUES (?1, ?2, ?3, ?4, ?5 + 1, ?6)",
			&insert, error);
	if (status == WEIR_OK)
		status = prepare(instance->file,
				 "UPDATE documents SET kind = ?2, version = ?3, applied_at = ?4, "
				 "revision = ?5 + 1, state = ?6 WHERE id = ?1 AND revision = ?5",
				 &update, error);
	if (status == WEIR_OK)
		status = run(instance->file, "BEGIN IMMEDIATE", error);
	for (size_t i = 0; status == WEIR_OK && i < count; i++)
		status = apply_one(insert, update, documents[i], verdicts[i], error);
	sqlite3_finalize(insert);
	sqlite3_finalize(update);
	if (status == WEIR_OK)
		return run(instance->file, "COMMIT", error);
	sqlite3_exec(instance->file, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

static weir_status shared_commit(weir_instance *instance,
				 const struct weir_position *const *positions, size_t count,
				 struct weir_error *error)
{
	sqlite3_stmt *write = NULL;
	wait_while(instance, "commit");
	if (is_held(instance, "refuse")) {
		snprintf(error->message, sizeof(error->message), "the shared file: refused");
		return WEIR_RETRY;
	}
	weir_status status =
		prepare(instance->file, "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
			&write, error);
	if (status == WEIR_OK)
		status = run(instance->file, "BEGIN IMMEDIATE", error);
	for (size_t i = 0; status == WEIR_OK && i < count; i++) {
		sqlite3_bind_text(write, 1, positions[i]->cluster, -1, SQLITE_STATIC);
		sqlite3_bind_text(write, 2, positions[i]->topic, -1, SQLITE_STATIC);
		sqlite3_bind_int(write, 3, positions[i]->partition);
		sqlite3_bind_int64(write, 4, positions[i]->next_offset);
		if (sqlite3_step(write) != SQLITE_DONE)
			status = fail(instance->file, error);
		sqlite3_reset(write);
	}
	sqlite3_finalize(write);
	if (status == WEIR_OK)
		return run(instance->file, "COMMIT", error);
	sqlite3_exec(instance->file, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

static weir_status shared_abandon(weir_instance *instance, struct weir_error *error)
{
	(void)instance, (void)error;
	return WEIR_OK; /* what was accepted stays, as without WEIR_CAN_COMMIT_POSITIONS it may */
}

static weir_status read_positions(sqlite3 *file, weir_on_position on_position, void *context,
				  struct weir_error *error)
{
	sqlite3_stmt *read = NULL;
	weir_status status =
		prepare(file, "SELECT cluster, topic, number, next FROM positions", &read, error);
	int step = SQLITE_DONE;
	while (status == WEIR_OK && (step = sqlite3_step(read)) == SQLITE_ROW) {
		struct weir_position position = {
			.cluster = (const char *)sqlite3_column_text(read, 0),
			.topic = (const char *)sqlite3_column_text(read, 1),
			.topic_id = "",
			.partition = sqlite3_column_int(read, 2),
			.next_offset = sqlite3_column_int64(read, 3)};
		if (on_position(context, &position) != 0)
			break;
	}
	if (status == WEIR_OK && step != SQLITE_DONE && step != SQLITE_ROW)
		status = fail(file, error);
	sqlite3_finalize(read);
	return status;
}

static weir_status shared_positions(weir_instance *instance, weir_on_position on_position,
				    void *context, struct weir_error *error)
{
	return read_positions(instance->file, on_position, context, error);
}

static weir_status shared_expire(weir_instance *instance, int64_t before, uint64_t *removed,
				 struct weir_error *error)
{
	char sql[120];
	snprintf(sql, sizeof(sql), "DELETE FROM documents WHERE kind = %d AND applied_at < %lld",
		 WEIR_KIND_HIDDEN, (long long)before);
	weir_status status = run(instance->file, sql, error);
	*removed = status == WEIR_OK ? (uint64_t)sqlite3_changes(instance->file) : 0;
	return status;
}

static weir_status shared_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
				struct weir_error *error)
{
	(void)instance, (void)on_stat, (void)context, (void)error;
	return WEIR_OK;
}

static weir_status shared_session_open(weir_instance *instance, const struct weir_host *host,
				       weir_session **session, struct weir_error *error)
{
	(void)host;
	weir_session *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return fail(NULL, error);
	weir_status status = open_file(instance->path, SQLITE_OPEN_READWRITE, &made->file, error);
	if (status == WEIR_OK)
		*session = made;
	else
		free(made);
	return status;
}

static void shared_session_close(weir_session *session)
{
	if (session == NULL)
		return;
	sqlite3_close(session->file);
	free(session);
}

/* A read transaction is a generation. */
static weir_status shared_refresh(weir_session *session, uint64_t *generation,
				  struct weir_error *error)
{
	sqlite3_stmt *ask = NULL;
	sqlite3_exec(session->file, "ROLLBACK", NULL, NULL, NULL);
	weir_status status = run(session->file, "BEGIN", error);
	if (status == WEIR_OK)
		status = prepare(session->file,
				 "SELECT coalesce(sum(revision), 0) + (SELECT coalesce(sum(next), "
				 "0) FROM positions) FROM documents",
				 &ask, error);
	if (status == WEIR_OK && sqlite3_step(ask) == SQLITE_ROW)
		*generation = (uint64_t)sqlite3_column_int64(ask, 0) + 1;
	else if (status == WEIR_OK)
		status = fail(session->file, error);
	sqlite3_finalize(ask);
	return status;
}

static void hand_out(sqlite3_stmt *row, weir_on_hit on_hit, void *context)
{
	struct weir_hit hit = {.id = sqlite3_column_blob(row, 0),
			       .id_length = (size_t)sqlite3_column_bytes(row, 0),
			       .version = sqlite3_column_int64(row, 1),
			       .state = sqlite3_column_blob(row, 2),
			       .state_length = (size_t)sqlite3_column_bytes(row, 2)};
	on_hit(context, &hit);
}

static weir_status shared_search(weir_session *session, const struct weir_search *search,
				 weir_on_hit on_hit, void *context,
				 struct weir_search_result *result, struct weir_error *error)
{
	sqlite3_stmt *find = NULL;
	weir_status status = WEIR_OK;
	*result = (struct weir_search_result){0};
	if (search->query->kind != WEIR_QUERY_ALL)
		return WEIR_OK;
	status = prepare(session->file,
			 "SELECT id, version, state FROM documents WHERE kind = 10 ORDER BY id",
			 &find, error);
	int step = SQLITE_DONE;
	while (status == WEIR_OK && (step = sqlite3_step(find)) == SQLITE_ROW) {
		if (result->total >= search->offset &&
		    result->total < search->offset + search->limit)
			hand_out(find, on_hit, context);
		result->total++;
	}
	if (status == WEIR_OK && step != SQLITE_DONE)
		status = fail(session->file, error);
	sqlite3_finalize(find);
	return status;
}

static weir_status shared_get(weir_session *session, const char *id, size_t id_length,
			      weir_on_hit on_hit, void *context, struct weir_error *error)
{
	sqlite3_stmt *find = NULL;
	weir_status status =
		prepare(session->file,
			"SELECT id, version, state FROM documents WHERE id = ? AND kind = 10",
			&find, error);
	if (status != WEIR_OK)
		return status;
	sqlite3_bind_blob(find, 1, id, (int)id_length, SQLITE_STATIC);
	int step = sqlite3_step(find);
	if (step == SQLITE_ROW)
		hand_out(find, on_hit, context);
	else if (step != SQLITE_DONE)
		status = fail(session->file, error);
	sqlite3_finalize(find);
	return status;
}

static weir_status shared_scan(weir_session *session, const char *from, size_t from_length,
			       weir_on_scan on_scan, void *context, struct weir_error *error)
{
	sqlite3_stmt *find = NULL;
	weir_status status = prepare(
		session->file, "SELECT id, version, kind FROM documents WHERE id >= ? ORDER BY id",
		&find, error);
	if (status != WEIR_OK)
		return status;
	sqlite3_bind_blob(find, 1, from, (int)from_length, SQLITE_STATIC);
	while (sqlite3_step(find) == SQLITE_ROW)
		if (on_scan(context, sqlite3_column_blob(find, 0),
			    (size_t)sqlite3_column_bytes(find, 0), sqlite3_column_int64(find, 1),
			    (uint32_t)sqlite3_column_int(find, 2)) != 0)
			break;
	sqlite3_finalize(find);
	return WEIR_OK;
}

static weir_status shared_session_positions(weir_session *session, weir_on_position on_position,
					    void *context, struct weir_error *error)
{
	return read_positions(session->file, on_position, context, error);
}

static const struct weir_parameter path = {
	.key = "path",
	.type = WEIR_PARAMETER_PATH,
	.default_value = "weir-data/index.shared",
	.help = "The file.",
};

static const struct weir_parameter hold = {
	.key = "hold",
	.type = WEIR_PARAMETER_TEXT,
	.default_value = "",
	.help = "A file in which \"apply\" or \"commit\" makes that wait, \"refuse\" makes "
		"commit fail.",
};

static const struct weir_parameter *const parameters[] = {&path, &hold};

static struct weir_operations operations = {
	.open = shared_open,
	.close = shared_close,
	.fetch = shared_fetch,
	.apply = shared_apply,
	.commit = shared_commit,
	.abandon = shared_abandon,
	.positions = shared_positions,
	.expire = shared_expire,
	.stats = shared_stats,
	.session_open = shared_session_open,
	.session_close = shared_session_close,
	.refresh = shared_refresh,
	.search = shared_search,
	.get = shared_get,
	.scan = shared_scan,
	.session_positions = shared_session_positions,
};

WEIR_BACKEND("shared", "0.1.0", "MIT", "An SQLite file that several indexers write to",
	     WEIR_THREADS_PER_SESSION, WEIR_CAN_SEARCH | WEIR_CAN_SHARE, parameters, operations)
