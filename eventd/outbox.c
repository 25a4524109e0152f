/* SPDX-License-Identifier: MIT */
#include "outbox.h"

#include "store_internal.h"

weir_status outbox_waiting(struct store *store, enum schema_operation operation, int64_t after,
			   size_t limit, struct arena *arena, struct store_change *changes,
			   size_t *count, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_WAITING, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_int(statement, 1, (int)operation);
	sqlite3_bind_int64(statement, 2, after);
	sqlite3_bind_int64(statement, 3, (sqlite3_int64)limit);
	size_t found = 0;
	int step;
	while ((step = sqlite3_step(statement)) == SQLITE_ROW && found < limit) {
		struct store_change *change = &changes[found++];
		store_column_change(statement, change);
		if (!store_keep_text(arena, &change->by) ||
		    !store_keep_text(arena, &change->fields)) {
			status = err_no_memory(error);
			break;
		}
	}
	if (step != SQLITE_ROW && step != SQLITE_DONE)
		status = store_failure(store, "reading the outbox", error);
	sqlite3_reset(statement);
	if (status == WEIR_OK)
		*count = found;
	return status;
}

weir_status outbox_counts(struct store *store, int64_t *waiting, int64_t *refused,
			  struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_COUNTS, &status, error);
	if (statement == NULL)
		return status;
	if (sqlite3_step(statement) == SQLITE_ROW) {
		*waiting = sqlite3_column_int64(statement, 0);
		*refused = sqlite3_column_int64(statement, 1);
	} else {
		status = store_failure(store, "counting the outbox", error);
	}
	sqlite3_reset(statement);
	return status;
}

weir_status outbox_oldest(struct store *store, enum schema_operation operation, int64_t *at,
			  struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_OLDEST, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_int(statement, 1, (int)operation);
	int step = sqlite3_step(statement);
	if (step == SQLITE_ROW)
		*at = sqlite3_column_int64(statement, 0);
	else if (step == SQLITE_DONE)
		*at = STORE_NEVER;
	else
		status = store_failure(store, "reading the outbox", error);
	sqlite3_reset(statement);
	return status;
}

weir_status outbox_mark(struct store *store, const struct outbox_mark *mark,
			struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_MARK, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_int64(statement, 1, mark->sequence);
	sqlite3_bind_int(statement, 2, (int)mark->state);
	if (mark->state == OUTBOX_SENT) {
		sqlite3_bind_int64(statement, 3, mark->stream);
		sqlite3_bind_int(statement, 4, mark->partition);
		sqlite3_bind_int64(statement, 5, mark->offset);
	}
	return store_run(store, statement, "marking a change as sent", error);
}

weir_status outbox_retry_refused(struct store *store, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_RETRY_REFUSED, &status, error);
	if (statement == NULL)
		return status;
	return store_run(store, statement, "taking up refused changes again", error);
}

static weir_status find_stream(struct store *store, const char *cluster, const char *topic,
			       int64_t *number, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_STREAM_FIND, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_text(statement, 1, cluster, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, topic, -1, SQLITE_STATIC);
	int step = sqlite3_step(statement);
	if (step == SQLITE_ROW)
		*number = sqlite3_column_int64(statement, 0);
	else
		status = step == SQLITE_DONE ? WEIR_NOT_FOUND
					     : store_failure(store, "reading streams", error);
	sqlite3_reset(statement);
	return status;
}

weir_status outbox_stream(struct store *store, const char *cluster, const char *topic,
			  int64_t *number, struct weir_error *error)
{
	weir_status status = find_stream(store, cluster, topic, number, error);
	if (status != WEIR_NOT_FOUND)
		return status;
	sqlite3_stmt *statement = store_prepare(store, SQL_STREAM_ADD, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_text(statement, 1, cluster, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, topic, -1, SQLITE_STATIC);
	status = store_run(store, statement, "adding a stream", error);
	if (status == WEIR_OK)
		*number = sqlite3_last_insert_rowid(store->db);
	return status;
}

static weir_status note_position(struct store *store, const struct outbox_position *position,
				 struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_POSITION_ADD, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_text(statement, 1, position->cluster, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, position->topic, -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 3, position->partition);
	sqlite3_bind_int64(statement, 4, position->position);
	return store_run(store, statement, "noting a position", error);
}

weir_status outbox_send_again(struct store *store, const char *cluster,
			      const struct outbox_position *positions, size_t count,
			      int64_t *changed, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_POSITION_CLEAR, &status, error);
	if (statement != NULL)
		status = store_run(store, statement, "noting positions", error);
	for (size_t i = 0; i < count && status == WEIR_OK; i++)
		status = note_position(store, &positions[i], error);
	if (status != WEIR_OK)
		return status;
	statement = store_prepare(store, SQL_SEND_AGAIN, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_text(statement, 1, cluster, -1, SQLITE_STATIC);
	status = store_run(store, statement, "taking up what the index has not", error);
	if (status == WEIR_OK)
		*changed = sqlite3_changes64(store->db);
	return status;
}

weir_status outbox_unread(struct store *store, const char *cluster, outbox_each_unread each,
			  void *context, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_UNREAD, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_text(statement, 1, cluster, -1, SQLITE_STATIC);
	int step;
	while ((step = sqlite3_step(statement)) == SQLITE_ROW)
		each(context, (enum schema_operation)sqlite3_column_int(statement, 0),
		     sqlite3_column_int(statement, 1), sqlite3_column_int64(statement, 2),
		     (size_t)sqlite3_column_int64(statement, 3));
	if (step != SQLITE_DONE)
		status = store_failure(store, "reading what the index has not", error);
	sqlite3_reset(statement);
	return status;
}
