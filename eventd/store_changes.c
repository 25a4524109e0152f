/* SPDX-License-Identifier: MIT
 * Table `changes` read as one: for those who copy the store, or compare copies with it. */
#include "store_internal.h"

weir_status store_read(struct store *store, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_READ, &status, error);
	return statement != NULL ? store_run(store, statement, "beginning to read", error) : status;
}

/* The one number that a statement gives, *is_null when it has none. */
static weir_status ask_number(struct store *store, sqlite3_stmt *statement, int64_t *number,
			      bool *is_null, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	*is_null = true;
	if (sqlite3_step(statement) == SQLITE_ROW) {
		*is_null = sqlite3_column_type(statement, 0) == SQLITE_NULL;
		*number = sqlite3_column_int64(statement, 0);
	} else {
		status = store_failure(store, "reading sequences", error);
	}
	sqlite3_reset(statement);
	return status;
}

weir_status store_sequences(struct store *store, int64_t *newest, int64_t *sent,
			    struct weir_error *error)
{
	static const enum schema_operation operations[] = {SCHEMA_CREATED, SCHEMA_UPDATED,
							   SCHEMA_DELETED};
	weir_status status;
	bool is_null = true;
	int64_t last = 0;
	sqlite3_stmt *statement = store_prepare(store, SQL_NEWEST, &status, error);
	if (statement != NULL)
		status = ask_number(store, statement, &last, &is_null, error);
	int64_t until = last;
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		int64_t waiting = 0;
		if (status != WEIR_OK)
			return status;
		statement = store_prepare(store, SQL_FIRST_WAITING, &status, error);
		if (statement == NULL)
			return status;
		sqlite3_bind_int(statement, 1, (int)operations[i]);
		status = ask_number(store, statement, &waiting, &is_null, error);
		if (status == WEIR_OK && !is_null && waiting <= until)
			until = waiting - 1;
	}
	if (status == WEIR_OK) {
		*newest = last;
		*sent = until;
	}
	return status;
}

static weir_status each_change(struct store *store, sqlite3_stmt *statement, store_each_change each,
			       void *context, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	struct store_change change;
	int step;
	while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
		store_column_change(statement, &change);
		if (!each(context, &change))
			break;
	}
	if (step != SQLITE_ROW && step != SQLITE_DONE)
		status = store_failure(store, "reading changes", error);
	sqlite3_reset(statement);
	return status;
}

weir_status store_changes(struct store *store, int64_t after, int64_t until, store_each_change each,
			  void *context, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_CHANGES, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_int64(statement, 1, after);
	sqlite3_bind_int64(statement, 2, until);
	return each_change(store, statement, each, context, error);
}

weir_status store_history(struct store *store, const char *id, int64_t after,
			  store_each_change each, void *context, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_HISTORY, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, after);
	return each_change(store, statement, each, context, error);
}

weir_status store_changes_by_id(struct store *store, const char *after, store_each_change each,
				void *context, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_CHANGES_BY_ID, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_text(statement, 1, after, -1, SQLITE_STATIC);
	return each_change(store, statement, each, context, error);
}
