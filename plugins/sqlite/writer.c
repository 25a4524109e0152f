/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "disk.h"
#include "document.h"
#include "error.h"
#include "instance.h"
#include "lock.h"

#define STATEMENTS 11
#define SPARE_BYTES (1U << 20)
#define MEBIBYTE (1024.0 * 1024.0)
#define LOG_PAGES 4000	     /* 16 MiB of log are moved into the file at once */
#define LONG_LOG_PAGES 16000 /* at 64 MiB readers are waited for */
#define LOG_WAIT_MS 250
#define MERGE_PAGES "256"
struct writer {
	struct database database;
	int lock;
	bool in_transaction, changed;
	bool doubtful;	      /* something failed since the last commit */
	struct record record; /* with what was applied */
	int64_t next_number;
	struct pending pending;
	struct bytes before, after; /* words of one document */
	uint64_t bytes;		    /* applied since the last commit */
	/* Room that has to be there before anything is tried again after the disk was full. Until
	 * then nothing smaller is either: an empty commit that passes would say that the documents
	 * are at fault. */
	uint64_t starved;
	int log_pages, moved_pages; /* pages in the log, and how many are in the file too */
	int checkpoint_at;	    /* pages in the log */
	union {
		struct {
			sqlite3_stmt *fetch, *find, *remove, *remove_contents, *insert,
				*insert_contents, *remove_words, *insert_words, *set_position,
				*set_record, *words;
		};
		sqlite3_stmt *statements[STATEMENTS];
	};
};

static weir_status make_parents(const char *path, struct weir_error *error)
{
	char parent[PATH_MAX];
	size_t length = strlen(path);
	if (length >= sizeof(parent))
		return error_set(error, WEIR_FATAL, "sqlite: the path %.100s... is too long", path);
	memcpy(parent, path, length + 1);
	for (char *slash = strchr(parent + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		bool made = mkdir(parent, 0777) == 0;
		if ((!made && errno != EEXIST) || (made && !disk_sync_name(parent)))
			return error_set(error, errno == ENOSPC ? WEIR_RETRY : WEIR_FATAL,
					 "sqlite: cannot create the folder %s (%s); create it or "
					 "set another path",
					 parent, strerror(errno));
		*slash = '/';
	}
	return WEIR_OK;
}

static weir_status prepare(struct writer *writer, const struct fields *fields,
			   struct weir_error *error)
{
	const struct {
		sqlite3_stmt **statement;
		const char *sql;
	} fixed[] = {
		{&writer->fetch, "SELECT c.state FROM documents d JOIN contents c USING(number) "
				 "WHERE d.id = ?1"},
		{&writer->find, "SELECT number, live FROM documents WHERE id = ?1"},
		{&writer->words, "SELECT words FROM contents WHERE number = ?1"},
		{&writer->remove, "DELETE FROM documents WHERE number = ?1"},
		{&writer->remove_contents, "DELETE FROM contents WHERE number = ?1"},
		{&writer->insert_contents, "INSERT INTO contents VALUES(?1, ?2, ?3)"},
		{&writer->set_position,
		 "INSERT OR REPLACE INTO positions(cluster, topic, partition, topic_id, "
		 "next_offset) VALUES(?1, ?2, ?3, ?4, ?5)"},
		{&writer->set_record, "UPDATE record SET generation = ?1, live = ?2, hidden = ?3"},
	};
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]) && status == WEIR_OK; i++)
		status = database_prepare(&writer->database, fixed[i].sql, fixed[i].statement,
					  error);
	if (status == WEIR_OK)
		status = document_prepare(&writer->database, fields, &writer->insert, error);
	if (status == WEIR_OK)
		status = pending_prepare(&writer->database, fields, &writer->remove_words,
					 &writer->insert_words, error);
	return status;
}

static weir_status read_record(struct writer *writer, struct weir_error *error)
{
	int64_t largest = 0;
	weir_status status = record_read(&writer->database, &writer->record, error);
	if (status == WEIR_OK)
		status = database_number(&writer->database, "SELECT max(number) FROM documents",
					 &largest, error);
	if (status == WEIR_OK)
		writer->next_number = largest + 1;
	return status;
}

static int on_log(void *context, sqlite3 *handle, const char *name, int pages)
{
	struct writer *writer = context;
	(void)handle, (void)name;
	if (pages < writer->log_pages) /* it began again from its start */
		writer->checkpoint_at = LOG_PAGES;
	writer->log_pages = pages;
	return SQLITE_OK;
}

/* Moves the log into the file. Sessions that look at an older commit keep part of it back; for a
 * long log they are waited for, for a moment, so that it can begin again. Nothing is lost when it
 * cannot be: it is tried again when the log has grown. */
static void move_log(struct writer *writer)
{
	bool is_long = writer->log_pages >= LONG_LOG_PAGES;
	int pages = 0, moved = 0;
	sqlite3_busy_timeout(writer->database.handle, is_long ? LOG_WAIT_MS : 0);
	int code = sqlite3_wal_checkpoint_v2(
		writer->database.handle, NULL,
		is_long ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &pages, &moved);
	sqlite3_busy_timeout(writer->database.handle, DATABASE_BUSY_MS);
	if (is_long && code == SQLITE_OK)
		writer->log_pages = moved = 0;
	writer->moved_pages = moved;
	writer->checkpoint_at = writer->log_pages + LOG_PAGES;
}

weir_status writer_open(struct weir_instance *instance, struct weir_error *error)
{
	struct writer *writer = calloc(1, sizeof(*writer));
	if (writer == NULL)
		return error_no_memory(error);
	instance->writer = writer;
	writer->lock = -1;
	bool is_new = false;
	weir_status status = make_parents(instance->path, error);
	if (status == WEIR_OK)
		status = lock_take(instance->path, &writer->lock, error);
	if (status == WEIR_OK)
		status = database_open(instance->path, true, &writer->database, error);
	if (status == WEIR_OK)
		status = record_check(&writer->database, &instance->fields, &is_new, error);
	if (status == WEIR_OK && is_new)
		status = record_create(&writer->database, &instance->fields, error);
	if (status == WEIR_OK)
		status = read_record(writer, error);
	if (status == WEIR_OK)
		status = prepare(writer, &instance->fields, error);
	if (status == WEIR_OK) {
		writer->checkpoint_at = LOG_PAGES;
		sqlite3_wal_hook(writer->database.handle, on_log, writer);
		/* What stays when nobody has the file open is one file. */
		sqlite3_db_config(writer->database.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0,
				  NULL);
	}
	return status;
}

void writer_close(struct writer *writer)
{
	if (writer == NULL)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(writer->statements[i]);
	database_close(&writer->database);
	lock_release(writer->lock);
	pending_finish(&writer->pending);
	bytes_finish(&writer->before);
	bytes_finish(&writer->after);
	free(writer);
}

/* Called with the status of whatever wrote. */
static weir_status note_full(struct weir_instance *instance, weir_status status)
{
	struct writer *writer = instance->writer;
	if (status == WEIR_OK || !database_is_full(&writer->database))
		return status;
	uint64_t most = disk_index_bytes(instance->path) + 4 * writer->bytes + SPARE_BYTES;
	uint64_t wanted = 2 * writer->starved;
	if (wanted < 4 * writer->bytes + SPARE_BYTES)
		wanted = 4 * writer->bytes + SPARE_BYTES;
	writer->starved = wanted < most ? wanted : most;
	return status;
}

static weir_status check_room(struct weir_instance *instance, struct weir_error *error)
{
	const struct writer *writer = instance->writer;
	if (writer->starved == 0 || disk_has_room(instance->path, writer->starved))
		return WEIR_OK;
	return error_set(error, WEIR_RETRY,
			 "sqlite: the disk of %s was full; it goes on by itself once there "
			 "are %.1f MiB free",
			 instance->path, (double)writer->starved / MEBIBYTE);
}

static weir_status begin(struct weir_instance *instance, struct weir_error *error)
{
	struct writer *writer = instance->writer;
	weir_status status = check_room(instance, error);
	if (status != WEIR_OK || writer->in_transaction)
		return status;
	status = database_run(&writer->database, "BEGIN IMMEDIATE", error);
	writer->in_transaction = status == WEIR_OK;
	return note_full(instance, status);
}

weir_status writer_fetch(weir_instance *instance, const char *const *ids, const size_t *id_lengths,
			 size_t count, weir_on_state on_state, void *context,
			 struct weir_error *error)
{
	struct writer *writer = instance->writer;
	sqlite3_stmt *statement = writer->fetch;
	int stop = 0;
	for (size_t i = 0; i < count && stop == 0; i++) {
		bool has_row = false;
		sqlite3_bind_blob64(statement, 1, ids[i], id_lengths[i], SQLITE_STATIC);
		weir_status status = database_step(&writer->database, statement, &has_row, error);
		if (status != WEIR_OK)
			return status;
		const void *state = has_row ? sqlite3_column_blob(statement, 0) : NULL;
		int length = has_row ? sqlite3_column_bytes(statement, 0) : 0;
		stop = on_state(context, i, has_row, state != NULL ? state : "", (size_t)length, "",
				0);
		sqlite3_reset(statement);
	}
	return WEIR_OK;
}

static weir_status find(struct writer *writer, const struct weir_document *document,
			int64_t *number, bool *live, struct weir_error *error)
{
	bool has_row = false;
	sqlite3_bind_blob64(writer->find, 1, document->id, document->id_length, SQLITE_STATIC);
	weir_status status = database_step(&writer->database, writer->find, &has_row, error);
	*number = has_row ? sqlite3_column_int64(writer->find, 0) : 0;
	*live = has_row && sqlite3_column_int(writer->find, 1) != 0;
	sqlite3_reset(writer->find);
	return status;
}

static weir_status read_words(struct writer *writer, int64_t number, struct weir_error *error)
{
	bool has_row = false;
	sqlite3_bind_int64(writer->words, 1, number);
	weir_status status = database_step(&writer->database, writer->words, &has_row, error);
	if (status == WEIR_OK && has_row) {
		const void *words = sqlite3_column_text(writer->words, 0);
		if (!bytes_append(&writer->before, words,
				  (size_t)sqlite3_column_bytes(writer->words, 0)))
			status = error_no_memory(error);
	}
	sqlite3_reset(writer->words);
	return status;
}

static weir_status remove_rows(struct writer *writer, int64_t number, struct weir_error *error)
{
	sqlite3_bind_int64(writer->remove, 1, number);
	weir_status status = database_do(&writer->database, writer->remove, error);
	if (status != WEIR_OK)
		return status;
	sqlite3_bind_int64(writer->remove_contents, 1, number);
	return database_do(&writer->database, writer->remove_contents, error);
}

static weir_status insert_rows(struct weir_instance *instance, int64_t number,
			       const struct weir_document *document, struct weir_error *error)
{
	struct writer *writer = instance->writer;
	if (!document_bind(&instance->fields, instance->host, document, number, writer->insert))
		return error_no_memory(error);
	weir_status status = database_do(&writer->database, writer->insert, error);
	if (status != WEIR_OK)
		return status;
	sqlite3_bind_int64(writer->insert_contents, 1, number);
	sqlite3_bind_blob64(writer->insert_contents, 2,
			    document->state_length > 0 ? document->state : "",
			    document->state_length, SQLITE_STATIC);
	sqlite3_bind_null(writer->insert_contents, 3);
	if (writer->after.length > 0)
		sqlite3_bind_text64(writer->insert_contents, 3, writer->after.data,
				    writer->after.length, SQLITE_STATIC, SQLITE_UTF8);
	return database_do(&writer->database, writer->insert_contents, error);
}

static weir_status replace(struct weir_instance *instance, const struct weir_document *document,
			   struct weir_error *error)
{
	struct writer *writer = instance->writer;
	int64_t number = 0;
	bool was_live = false, live = document->kind == WEIR_KIND_LIVE;
	writer->before.length = writer->after.length = 0;
	if (live && !document_words(&instance->fields, instance->host, document, &writer->after))
		return error_no_memory(error);
	weir_status status = find(writer, document, &number, &was_live, error);
	bool was_there = number != 0;
	if (status == WEIR_OK && was_live)
		status = read_words(writer, number, error);
	if (status == WEIR_OK && was_there)
		status = remove_rows(writer, number, error);
	if (!was_there)
		number = writer->next_number++;
	if (status == WEIR_OK)
		status = insert_rows(instance, number, document, error);
	if (status == WEIR_OK &&
	    !pending_add(&writer->pending, number, writer->before.data, writer->before.length,
			 writer->after.data, writer->after.length))
		status = error_no_memory(error);
	writer->record.live += live - was_live;
	writer->record.hidden += !live - (was_there && !was_live);
	writer->changed = true;
	writer->bytes += document->state_length + writer->before.length + writer->after.length;
	return status;
}

static weir_status write_pending(struct weir_instance *instance, struct weir_error *error)
{
	struct writer *writer = instance->writer;
	return pending_write(&writer->pending, &writer->database, &instance->fields,
			     writer->remove_words, writer->insert_words, error);
}

weir_status writer_apply(weir_instance *instance, const struct weir_document *const *documents,
			 size_t count, struct weir_verdict *const *verdicts,
			 struct weir_error *error)
{
	struct writer *writer = instance->writer;
	weir_status status = begin(instance, error);
	for (size_t i = 0; i < count && status == WEIR_OK; i++) {
		const char *reason = document_refusal(&instance->fields, documents[i]);
		verdicts[i]->kind = reason != NULL ? WEIR_REJECTED : WEIR_ACCEPTED;
		verdicts[i]->reason[0] = '\0';
		if (reason != NULL)
			strncat(verdicts[i]->reason, reason, sizeof(verdicts[i]->reason) - 1);
		else
			status = replace(instance, documents[i], error);
		if (status == WEIR_OK && pending_is_full(&writer->pending))
			status = write_pending(instance, error);
	}
	return note_full(instance, status);
}

static weir_status set_position(struct writer *writer, const struct weir_position *position,
				struct weir_error *error)
{
	sqlite3_stmt *statement = writer->set_position;
	sqlite3_bind_text(statement, 1, position->cluster, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, position->topic, -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 3, position->partition);
	sqlite3_bind_text(statement, 4, position->topic_id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 5, position->next_offset);
	return database_do(&writer->database, statement, error);
}

static weir_status set_record(struct writer *writer, struct weir_error *error)
{
	sqlite3_stmt *statement = writer->set_record;
	sqlite3_bind_int64(statement, 1, writer->record.generation + 1);
	sqlite3_bind_int64(statement, 2, writer->record.live);
	sqlite3_bind_int64(statement, 3, writer->record.hidden);
	return database_do(&writer->database, statement, error);
}

weir_status writer_commit(weir_instance *instance, const struct weir_position *const *positions,
			  size_t count, struct weir_error *error)
{
	struct writer *writer = instance->writer;
	/* After a failure an empty commit asks whether it was the documents: it has to write. */
	if (!writer->changed && count == 0 && !writer->doubtful)
		return WEIR_OK;
	bool tells = writer->changed || count > 0;
	weir_status status = begin(instance, error);
	if (status == WEIR_OK)
		status = write_pending(instance, error);
	for (size_t i = 0; i < count && status == WEIR_OK; i++)
		status = set_position(writer, positions[i], error);
	if (status == WEIR_OK)
		status = set_record(writer, error);
	if (status == WEIR_OK)
		status = database_run(&writer->database, "COMMIT", error);
	if (status != WEIR_OK)
		return note_full(instance, status);
	writer->record.generation++;
	writer->in_transaction = writer->changed = writer->doubtful = false;
	writer->bytes = 0;
	if (tells)
		writer->starved = 0;
	if (writer->log_pages >= writer->checkpoint_at)
		move_log(writer);
	return WEIR_OK;
}

weir_status writer_sync(weir_instance *instance, struct weir_error *error)
{
	struct writer *writer = instance->writer;
	sqlite3_file *log = NULL;
	/* What is no longer in the log was synced by the checkpoint that moved it. */
	int code = sqlite3_file_control(writer->database.handle, "main",
					SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (code == SQLITE_OK && log != NULL && log->pMethods != NULL)
		code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
	if (code == SQLITE_OK)
		return WEIR_OK;
	return error_set(error, WEIR_RETRY, "sqlite: the log of %s cannot be synced (%s)",
			 instance->path, sqlite3_errstr(code));
}

weir_status writer_abandon(weir_instance *instance, struct weir_error *error)
{
	struct writer *writer = instance->writer;
	pending_clear(&writer->pending);
	writer->changed = false;
	writer->doubtful = true;
	writer->bytes = 0;
	/* Some failures have rolled back already. */
	if (sqlite3_get_autocommit(writer->database.handle) == 0) {
		weir_status status = database_run(&writer->database, "ROLLBACK", error);
		if (status != WEIR_OK)
			return status;
	}
	writer->in_transaction = false;
	return read_record(writer, error);
}

weir_status writer_positions(weir_instance *instance, weir_on_position on_position, void *context,
			     struct weir_error *error)
{
	return record_positions(&instance->writer->database, on_position, context, error);
}

/* Hidden documents have no words, so the full-text index does not know of them. */
weir_status writer_expire(weir_instance *instance, int64_t before, uint64_t *removed,
			  struct weir_error *error)
{
	static const char *const removals[] = {
		"DELETE FROM contents WHERE number IN (SELECT number FROM documents "
		"WHERE live = 0 AND applied_at < ?1)",
		"DELETE FROM documents WHERE live = 0 AND applied_at < ?1",
	};
	struct writer *writer = instance->writer;
	weir_status status = begin(instance, error);
	for (size_t i = 0; i < 2 && status == WEIR_OK; i++) {
		sqlite3_stmt *statement = NULL;
		status = database_prepare(&writer->database, removals[i], &statement, error);
		if (status == WEIR_OK) {
			sqlite3_bind_int64(statement, 1, before);
			status = database_do(&writer->database, statement, error);
		}
		sqlite3_finalize(statement);
	}
	if (status != WEIR_OK)
		return note_full(instance, status);
	int gone = sqlite3_changes(writer->database.handle);
	writer->record.hidden -= gone;
	writer->changed = writer->changed || gone > 0;
	*removed = (uint64_t)gone;
	return WEIR_OK;
}

/* Joins segments of the full-text index, a little at a time. *more: there is more to join. */
static weir_status merge(struct writer *writer, bool *more, struct weir_error *error)
{
	weir_status status = database_run(&writer->database, "BEGIN IMMEDIATE", error);
	if (status != WEIR_OK)
		return status;
	int before = sqlite3_total_changes(writer->database.handle);
	status = database_run(&writer->database,
			      "INSERT INTO words(words, rank) VALUES('merge', " MERGE_PAGES ")",
			      error);
	*more = sqlite3_total_changes(writer->database.handle) - before >= 2;
	if (status == WEIR_OK)
		status = database_run(&writer->database, "COMMIT", error);
	if (status != WEIR_OK && sqlite3_get_autocommit(writer->database.handle) == 0)
		sqlite3_exec(writer->database.handle, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

weir_status writer_maintain(weir_instance *instance, uint32_t budget_ms, struct weir_error *error)
{
	struct writer *writer = instance->writer;
	const struct weir_host *host = instance->host;
	int64_t end = host->clock(host->context) + (int64_t)budget_ms * 1000;
	bool more = !writer->in_transaction && writer->starved == 0;
	weir_status status = WEIR_OK;
	while (more && status == WEIR_OK && host->cancelled(host->context) == 0) {
		status = merge(writer, &more, error);
		if (host->clock(host->context) >= end)
			break;
	}
	if (!writer->in_transaction && writer->log_pages != writer->moved_pages)
		move_log(writer);
	return status;
}

weir_status writer_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
			 struct weir_error *error)
{
	struct record record = {0};
	weir_status status = WEIR_OK;
	if (instance->writer != NULL) {
		record = instance->writer->record;
	} else {
		struct database database = {0};
		status = session_open_database(instance, &database, error);
		if (status == WEIR_OK)
			status = record_read(&database, &record, error);
		database_close(&database);
	}
	if (status == WEIR_OK && on_stat(context, "documents_live", (double)record.live) == 0 &&
	    on_stat(context, "documents_hidden", (double)record.hidden) == 0)
		on_stat(context, "bytes_on_disk", (double)disk_index_bytes(instance->path));
	return status;
}
