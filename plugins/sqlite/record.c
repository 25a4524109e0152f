/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "error.h"

#define APPLICATION 0x57454952 /* "WEIR", in the file's header */
#define FORMAT 2
#define PAGE_BYTES "4096"

static weir_status foreign(const struct database *database, struct weir_error *error)
{
	return error_set(error, WEIR_FATAL,
			 "sqlite: %s is a database of SQLite but no index of Weir's, and stays as "
			 "it is; set another path and run weir rebuild",
			 database->path);
}

static weir_status check_schema(const struct database *database, const struct fields *fields,
				struct weir_error *error)
{
	sqlite3_stmt *statement = NULL;
	bool has_row = false;
	weir_status status = database_prepare(
		database, "SELECT fingerprint, collection FROM record", &statement, error);
	if (status == WEIR_OK)
		status = database_step(database, statement, &has_row, error);
	if (status == WEIR_OK) {
		const char *was = (const char *)sqlite3_column_text(statement, 0);
		const char *of = (const char *)sqlite3_column_text(statement, 1);
		if (!has_row || was == NULL || of == NULL)
			status = foreign(database, error);
		else if (strcmp(was, fields->fingerprint) != 0)
			status = error_set(error, WEIR_FATAL,
					   "sqlite: the index at %s was built for schema %.40s of "
					   "%.60s, %.60s is now %.40s; run weir rebuild",
					   database->path, was, of, fields->collection,
					   fields->fingerprint);
	}
	sqlite3_finalize(statement);
	return status;
}

weir_status record_check(const struct database *database, const struct fields *fields, bool *is_new,
			 struct weir_error *error)
{
	int64_t application = 0, format = 0, tables = 0;
	weir_status status =
		database_number(database, "PRAGMA application_id", &application, error);
	if (status == WEIR_OK)
		status = database_number(database, "PRAGMA user_version", &format, error);
	if (status == WEIR_OK)
		status = database_number(database, "SELECT count(*) FROM sqlite_schema", &tables,
					 error);
	if (status != WEIR_OK)
		return status;
	*is_new = application == 0 && tables == 0;
	if (*is_new)
		return WEIR_OK;
	if (application != APPLICATION)
		return foreign(database, error);
	if (format != FORMAT)
		return error_set(error, WEIR_FATAL,
				 "sqlite: the index at %s has format %lld, this plug-in reads %d; "
				 "use the plug-in that wrote it, or run weir rebuild",
				 database->path, (long long)format, FORMAT);
	return check_schema(database, fields, error);
}

static bool append_column(struct bytes *sql, const char *format, size_t field)
{
	char text[64];
	int length = snprintf(text, sizeof(text), format, field);
	return bytes_append(sql, text, (size_t)length);
}

static bool append_index(struct bytes *sql, char kind, size_t field)
{
	char text[128];
	int length = snprintf(text, sizeof(text),
			      "CREATE INDEX documents_%c%zu ON documents(%c%zu) "
			      "WHERE %c%zu IS NOT NULL;",
			      kind, field, kind, field, kind, field);
	return bytes_append(sql, text, (size_t)length);
}

/* The tables whose columns the schema decides. */
static bool append_tables(struct bytes *sql, const struct fields *fields)
{
	bool good = bytes_append_text(sql, "CREATE TABLE documents(number INTEGER PRIMARY KEY, "
					   "id BLOB NOT NULL UNIQUE, live INTEGER NOT NULL, "
					   "version INTEGER NOT NULL, "
					   "applied_at INTEGER NOT NULL");
	for (size_t i = 0; i < fields->count && good; i++) {
		const struct field *field = &fields->fields[i];
		bool real = field->type == WEIR_TYPE_NUMBER;
		if (field_has_exact(field))
			good = append_column(sql, ", x%zu", i);
		if (good && field_has_number(field))
			good = append_column(sql, real ? ", v%zu REAL" : ", v%zu INTEGER", i);
		if (good && field_has_sort_text(field))
			good = append_column(sql, ", s%zu", i);
	}
	good = good && bytes_append_text(sql, ");");
	for (size_t i = 0; i < fields->count && good; i++) {
		const struct field *field = &fields->fields[i];
		if (field_has_exact(field))
			good = append_index(sql, 'x', i);
		if (good && field_has_number(field))
			good = append_index(sql, 'v', i);
	}
	good = good && bytes_append_text(sql, "CREATE VIRTUAL TABLE words USING fts5(");
	for (size_t i = 0; i < fields->column_count && good; i++)
		good = append_column(sql, "w%zu, ", i);
	if (good && fields->column_count == 0)
		good = bytes_append_text(sql, "none, ");
	return good && bytes_append_text(sql, "content='', tokenize='weir');");
}

#define QUOTE(number) #number
#define TEXT_OF(number) QUOTE(number)
static const char other_tables[] =
	"CREATE INDEX documents_hidden ON documents(applied_at) WHERE live = 0;"
	"CREATE TABLE contents(number INTEGER PRIMARY KEY, state BLOB NOT NULL, words TEXT);"
	"CREATE TABLE positions(cluster TEXT NOT NULL, topic TEXT NOT NULL, "
	"partition INTEGER NOT NULL, topic_id TEXT NOT NULL, next_offset INTEGER NOT NULL, "
	"PRIMARY KEY(cluster, topic, partition)) WITHOUT ROWID;"
	"CREATE TABLE record(one INTEGER PRIMARY KEY CHECK(one = 1), collection TEXT NOT NULL, "
	"fingerprint TEXT NOT NULL, generation INTEGER NOT NULL, live INTEGER NOT NULL, "
	"hidden INTEGER NOT NULL);"
	"INSERT INTO words(words, rank) VALUES('hashsize', 8388608);"
	"PRAGMA application_id=" TEXT_OF(APPLICATION) ";"
						      "PRAGMA user_version=" TEXT_OF(FORMAT) ";";

static weir_status insert_record(const struct database *database, const struct fields *fields,
				 struct weir_error *error)
{
	sqlite3_stmt *statement = NULL;
	weir_status status = database_prepare(database,
					      "INSERT INTO record VALUES(1, ?1, ?2, "
					      "(random() >> 34 & 0x3FFFFFFF) << 32, 0, 0)",
					      &statement, error);
	if (status == WEIR_OK) {
		sqlite3_bind_text(statement, 1, fields->collection, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 2, fields->fingerprint, -1, SQLITE_STATIC);
		status = database_do(database, statement, error);
	}
	sqlite3_finalize(statement);
	return status;
}

weir_status record_create(const struct database *database, const struct fields *fields,
			  struct weir_error *error)
{
	struct bytes sql = {0};
	weir_status status = WEIR_OK;
	if (!append_tables(&sql, fields) || !bytes_append(&sql, other_tables, sizeof(other_tables)))
		status = error_no_memory(error);
	if (status == WEIR_OK)
		status = database_run(database,
				      "PRAGMA page_size=" PAGE_BYTES "; PRAGMA auto_vacuum=NONE; "
				      "PRAGMA journal_mode=WAL; BEGIN IMMEDIATE",
				      error);
	if (status == WEIR_OK)
		status = database_run(database, sql.data, error);
	if (status == WEIR_OK)
		status = insert_record(database, fields, error);
	if (status == WEIR_OK)
		status = database_run(database, "COMMIT", error);
	bytes_finish(&sql);
	return status;
}

weir_status record_read(const struct database *database, struct record *record,
			struct weir_error *error)
{
	sqlite3_stmt *statement = NULL;
	bool has_row = false;
	weir_status status = database_prepare(
		database, "SELECT generation, live, hidden FROM record", &statement, error);
	if (status == WEIR_OK)
		status = database_step(database, statement, &has_row, error);
	if (status == WEIR_OK && has_row)
		*record = (struct record){sqlite3_column_int64(statement, 0),
					  sqlite3_column_int64(statement, 1),
					  sqlite3_column_int64(statement, 2)};
	else if (status == WEIR_OK)
		status = foreign(database, error);
	sqlite3_finalize(statement);
	return status;
}

weir_status record_positions(const struct database *database, weir_on_position on_position,
			     void *context, struct weir_error *error)
{
	sqlite3_stmt *statement = NULL;
	bool has_row = false;
	int stop = 0;
	weir_status status = database_prepare(
		database, "SELECT cluster, topic, topic_id, partition, next_offset FROM positions",
		&statement, error);
	while (status == WEIR_OK && stop == 0) {
		status = database_step(database, statement, &has_row, error);
		if (status != WEIR_OK || !has_row)
			break;
		struct weir_position position = {
			(const char *)sqlite3_column_text(statement, 0),
			(const char *)sqlite3_column_text(statement, 1),
			(const char *)sqlite3_column_text(statement, 2),
			sqlite3_column_int(statement, 3),
			sqlite3_column_int64(statement, 4),
		};
		if (position.cluster == NULL || position.topic == NULL || position.topic_id == NULL)
			status = error_no_memory(error);
		else
			stop = on_position(context, &position);
	}
	sqlite3_finalize(statement);
	return status;
}
