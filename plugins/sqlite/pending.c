/* SPDX-License-Identifier: MIT */
#include "pending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define FULL_BYTES ((size_t)32 << 20)

struct pending_change {
	int64_t number;
	size_t order;					   /* of arrival */
	size_t before, before_length, after, after_length; /* places in the text */
};

void pending_finish(struct pending *pending)
{
	free(pending->changes);
	bytes_finish(&pending->text);
	*pending = (struct pending){0};
}

void pending_clear(struct pending *pending)
{
	pending->count = 0;
	pending->text.length = 0;
}

bool pending_add(struct pending *pending, int64_t number, const char *before, size_t before_length,
		 const char *after, size_t after_length)
{
	if (before_length == 0 && after_length == 0)
		return true;
	struct pending_change *changes =
		array_grow(pending->changes, pending->count, &pending->capacity, sizeof(*changes));
	if (changes == NULL)
		return false;
	pending->changes = changes;
	size_t start = pending->text.length;
	if (!bytes_append(&pending->text, before, before_length) ||
	    !bytes_append(&pending->text, after, after_length))
		return false;
	changes[pending->count] = (struct pending_change){
		number, pending->count, start, before_length, start + before_length, after_length};
	pending->count++;
	return true;
}

bool pending_is_full(const struct pending *pending)
{
	return pending->text.length >= FULL_BYTES;
}

static bool append_columns(struct bytes *sql, const struct fields *fields, int first)
{
	char text[32];
	for (size_t i = 0; i < fields->column_count; i++) {
		snprintf(text, sizeof(text), ", w%zu", i);
		if (!bytes_append_text(sql, text))
			return false;
	}
	if (!bytes_append_text(sql, first == 1 ? ") VALUES(?1" : ") VALUES('delete', ?1"))
		return false;
	for (size_t i = 0; i < fields->column_count; i++)
		if (!bytes_append_text(sql, ", ?"))
			return false;
	return bytes_append(sql, ")", sizeof(")"));
}

weir_status pending_prepare(const struct database *database, const struct fields *fields,
			    sqlite3_stmt **remove, sqlite3_stmt **insert, struct weir_error *error)
{
	struct bytes first = {0}, second = {0};
	weir_status status = WEIR_OK;
	if (!bytes_append_text(&first, "INSERT INTO words(words, rowid") ||
	    !append_columns(&first, fields, 2) ||
	    !bytes_append_text(&second, "INSERT INTO words(rowid") ||
	    !append_columns(&second, fields, 1))
		status = error_no_memory(error);
	if (status == WEIR_OK)
		status = database_prepare(database, first.data, remove, error);
	if (status == WEIR_OK)
		status = database_prepare(database, second.data, insert, error);
	bytes_finish(&first);
	bytes_finish(&second);
	return status;
}

static int compare_changes(const void *left, const void *right)
{
	const struct pending_change *a = left, *b = right;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Words with a line feed behind each column's. */
static weir_status run_with(const struct database *database, const struct fields *fields,
			    sqlite3_stmt *statement, int64_t number, const char *text,
			    size_t length, struct weir_error *error)
{
	const char *end = text + length;
	sqlite3_bind_int64(statement, 1, number);
	for (size_t i = 0; i < fields->column_count; i++) {
		const char *feed = memchr(text, '\n', (size_t)(end - text));
		if (feed == NULL)
			return error_set(error, WEIR_FATAL,
					 "sqlite: document %lld of the index at %s cannot be read; "
					 "run weir rebuild",
					 (long long)number, database->path);
		sqlite3_bind_text(statement, 2 + (int)i, text, (int)(feed - text), SQLITE_STATIC);
		text = feed + 1;
	}
	return database_do(database, statement, error);
}

weir_status pending_write(struct pending *pending, const struct database *database,
			  const struct fields *fields, sqlite3_stmt *remove, sqlite3_stmt *insert,
			  struct weir_error *error)
{
	struct pending_change *changes = pending->changes;
	const char *text = pending->text.data;
	weir_status status = WEIR_OK;
	if (pending->count > 1)
		qsort(changes, pending->count, sizeof(*changes), compare_changes);
	/* Of several changes of one document only what it was first and is last counts. */
	for (size_t i = 0, last; i < pending->count && status == WEIR_OK; i = last + 1) {
		last = i;
		while (last + 1 < pending->count && changes[last + 1].number == changes[i].number)
			last++;
		if (changes[i].before_length > 0)
			status =
				run_with(database, fields, remove, changes[i].number,
					 text + changes[i].before, changes[i].before_length, error);
		if (status == WEIR_OK && changes[last].after_length > 0)
			status = run_with(database, fields, insert, changes[last].number,
					  text + changes[last].after, changes[last].after_length,
					  error);
	}
	if (status == WEIR_OK)
		pending_clear(pending);
	return status;
}
