/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "store_internal.h"

void store_bind_text(sqlite3_stmt *statement, int parameter, struct store_text text)
{
	if (text.bytes != NULL)
		sqlite3_bind_text64(statement, parameter, text.bytes, text.length, SQLITE_STATIC,
				    SQLITE_UTF8);
}

struct store_text store_column_text(sqlite3_stmt *statement, int column)
{
	const char *bytes = (const char *)sqlite3_column_text(statement, column);
	return (struct store_text){
		bytes, bytes != NULL ? (size_t)sqlite3_column_bytes(statement, column) : 0};
}

bool store_keep_text(struct arena *arena, struct store_text *text)
{
	if (text->bytes == NULL)
		return true;
	text->bytes = arena_copy(arena, text->bytes, text->length);
	return text->bytes != NULL;
}

void store_column_id(sqlite3_stmt *statement, int column, char id[STORE_ID_SIZE])
{
	struct store_text text = store_column_text(statement, column);
	size_t length = text.length < STORE_ID_SIZE ? text.length : STORE_ID_SIZE - 1;
	if (length > 0)
		memcpy(id, text.bytes, length);
	id[length] = '\0';
}

static void bind_moment(sqlite3_stmt *statement, int parameter, int64_t moment)
{
	if (moment != STORE_NEVER)
		sqlite3_bind_int64(statement, parameter, moment);
}

static void bind_id(sqlite3_stmt *statement, int parameter, const char *id)
{
	sqlite3_bind_text(statement, parameter, id, -1, SQLITE_STATIC);
}

static void column_event(sqlite3_stmt *statement, struct store_event *event)
{
	store_column_id(statement, 0, event->id);
	event->version = sqlite3_column_int64(statement, 1);
	event->deleted = sqlite3_column_int(statement, 2) != 0;
	event->fields = store_column_text(statement, 3);
	event->created_at = sqlite3_column_int64(statement, 4);
	event->created_by = store_column_text(statement, 5);
	event->updated_at = sqlite3_column_type(statement, 6) == SQLITE_NULL
				    ? STORE_NEVER
				    : sqlite3_column_int64(statement, 6);
	event->updated_by = store_column_text(statement, 7);
}

void store_column_change(sqlite3_stmt *statement, struct store_change *change)
{
	change->sequence = sqlite3_column_int64(statement, 0);
	store_column_id(statement, 1, change->id);
	change->version = sqlite3_column_int64(statement, 2);
	change->operation = (enum schema_operation)sqlite3_column_int(statement, 3);
	change->at = sqlite3_column_int64(statement, 4);
	change->by = store_column_text(statement, 5);
	change->fields = store_column_text(statement, 6);
}

weir_status store_find(struct store *store, const char *id, struct arena *arena,
		       struct store_event *event, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_FIND, &status, error);
	if (statement == NULL)
		return status;
	bind_id(statement, 1, id);
	int step = sqlite3_step(statement);
	if (step == SQLITE_ROW) {
		struct store_event found;
		column_event(statement, &found);
		if (store_keep_text(arena, &found.fields) &&
		    store_keep_text(arena, &found.created_by) &&
		    store_keep_text(arena, &found.updated_by))
			*event = found;
		else
			status = err_no_memory(error);
	} else {
		status = step == SQLITE_DONE ? WEIR_NOT_FOUND
					     : store_failure(store, "reading an event", error);
	}
	sqlite3_reset(statement);
	return status;
}

static weir_status write_event(struct store *store, enum store_statement which,
			       const struct store_event *event, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, which, &status, error);
	if (statement == NULL)
		return status;
	bind_id(statement, 1, event->id);
	sqlite3_bind_int64(statement, 2, event->version);
	sqlite3_bind_int(statement, 3, event->deleted);
	store_bind_text(statement, 4, event->fields);
	sqlite3_bind_int64(statement, 5, event->created_at);
	store_bind_text(statement, 6, event->created_by);
	bind_moment(statement, 7, event->updated_at);
	store_bind_text(statement, 8, event->updated_by);
	return store_run(store, statement, "writing an event", error);
}

weir_status store_insert(struct store *store, const struct store_event *event,
			 struct weir_error *error)
{
	return write_event(store, SQL_INSERT, event, error);
}

weir_status store_replace(struct store *store, const struct store_event *event,
			  struct weir_error *error)
{
	return write_event(store, SQL_REPLACE, event, error);
}

weir_status store_add_change(struct store *store, const struct store_change *change,
			     struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_ADD_CHANGE, &status, error);
	if (statement == NULL)
		return status;
	bind_id(statement, 1, change->id);
	sqlite3_bind_int64(statement, 2, change->version);
	sqlite3_bind_int(statement, 3, (int)change->operation);
	sqlite3_bind_int64(statement, 4, change->at);
	store_bind_text(statement, 5, change->by);
	store_bind_text(statement, 6, change->fields);
	return store_run(store, statement, "writing a change", error);
}

weir_status store_list(struct store *store, const char *after, store_each_event each, void *context,
		       struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_LIST, &status, error);
	if (statement == NULL)
		return status;
	bind_id(statement, 1, after);
	int step;
	struct store_event event;
	while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
		column_event(statement, &event);
		if (!each(context, &event))
			break;
	}
	if (step != SQLITE_ROW && step != SQLITE_DONE)
		status = store_failure(store, "reading events", error);
	sqlite3_reset(statement);
	return status;
}
