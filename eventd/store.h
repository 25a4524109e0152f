/* SPDX-License-Identifier: MIT
 * store.h - eventd's SQLite database: events as they are now, and every change that was made.
 *
 * Table `changes` is outbox and history in one: the relay reads what is not sent yet, GET …/history
 * reads what belongs to one event. Texts called "JSON" are canonical (json.h), so that two values
 * are equal when their bytes are.
 *
 * Concurrency: a store is one connection and belongs to one thread. There is one writer (writer.c);
 * every reader thread and the relay have a connection of their own, which only reads. */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>

#include "arena.h"
#include "err.h"
#include "event.h"

/* Beside the statuses of err.h: the disk, or a limit on the file, has no room. */
enum { STORE_FULL = 1000 };

/* Ids that clients choose are GUIDs; a republished delete may be of any id that an index holds. */
#define STORE_ID_SIZE (EVENT_ID_LIMIT + 1)
#define STORE_NEVER INT64_MIN

struct store;

struct store_text {
	const char *bytes; /* NULL: there is none */
	size_t length;
};

struct store_event {
	char id[STORE_ID_SIZE];
	int64_t version;
	bool deleted;
	struct store_text fields;	/* JSON object, members in the order of validate.h */
	int64_t created_at, updated_at; /* microseconds; STORE_NEVER */
	struct store_text created_by, updated_by; /* JSON strings */
};

struct store_change {
	int64_t sequence;
	char id[STORE_ID_SIZE];
	int64_t version;
	enum schema_operation operation;
	int64_t at;
	struct store_text by;	  /* JSON string */
	struct store_text fields; /* JSON object: what was set, null for what was removed */
};

enum store_mode {
	STORE_READ,  /* the file is there already */
	STORE_WRITE, /* makes file and folder when they are missing; one at a time */
};

/* A file that is no database, of another program, or of a newer Weir: WEIR_INVALID. Another process
 * writes to it: WEIR_AWAY. */
weir_status store_open(const char *path, enum store_mode mode, struct store **store,
		       struct weir_error *error) WEIR_MUST_CHECK;
void store_close(struct store *store); /* takes NULL */
static inline void store_close_pointer(struct store **store)
{
	store_close(*store);
}

/* Failures anywhere below: STORE_FULL, WEIR_AWAY (locked by another process for too long),
 * WEIR_NO_MEMORY, WEIR_SYSTEM. After store_commit answered WEIR_OK everything is on disk. */
weir_status store_begin(struct store *store, struct weir_error *error) WEIR_MUST_CHECK;
weir_status store_commit(struct store *store, struct weir_error *error) WEIR_MUST_CHECK;
void store_rollback(struct store *store);
/* SQLite ends a transaction by itself on some failures. */
bool store_in_transaction(const struct store *store);
weir_status store_savepoint(struct store *store, struct weir_error *error) WEIR_MUST_CHECK;
weir_status store_release(struct store *store, struct weir_error *error) WEIR_MUST_CHECK;
void store_undo(struct store *store); /* what happened since the savepoint */
/* Writes something that nobody reads: whether the disk takes anything. */
weir_status store_probe(struct store *store, struct weir_error *error) WEIR_MUST_CHECK;

/* WEIR_NOT_FOUND (error untouched): there never was one. Texts live in the arena. */
weir_status store_find(struct store *store, const char *id, struct arena *arena,
		       struct store_event *event, struct weir_error *error) WEIR_MUST_CHECK;
weir_status store_insert(struct store *store, const struct store_event *event,
			 struct weir_error *error) WEIR_MUST_CHECK;
weir_status store_replace(struct store *store, const struct store_event *event,
			  struct weir_error *error) WEIR_MUST_CHECK;
weir_status store_add_change(struct store *store, const struct store_change *change,
			     struct weir_error *error) WEIR_MUST_CHECK;

/* Rows are borrowed for the call; false ends the walk. */
typedef bool (*store_each_event)(void *context, const struct store_event *event);
typedef bool (*store_each_change)(void *context, const struct store_change *change);
/* Events that are not deleted, in order of id, those after `after` ("" for all). */
weir_status store_list(struct store *store, const char *after, store_each_event each, void *context,
		       struct weir_error *error) WEIR_MUST_CHECK;
/* Changes of one event with a version above `after`, oldest first. */
weir_status store_history(struct store *store, const char *id, int64_t after,
			  store_each_change each, void *context,
			  struct weir_error *error) WEIR_MUST_CHECK;

/* A transaction that only reads, on any connection: what follows sees one state of the database.
 * Ends with store_commit or store_rollback. */
weir_status store_read(struct store *store, struct weir_error *error) WEIR_MUST_CHECK;
/* newest: the sequence of the newest change, 0: there is none. sent: up to which every change has
 * left the outbox, acknowledged by Kafka or refused by it for good. */
weir_status store_sequences(struct store *store, int64_t *newest, int64_t *sent,
			    struct weir_error *error) WEIR_MUST_CHECK;
/* Changes of every event with an id after `after`, in order of id, then of version. */
weir_status store_changes_by_id(struct store *store, const char *after, store_each_change each,
				void *context, struct weir_error *error) WEIR_MUST_CHECK;
/* Changes with after < sequence <= until, in order. */
weir_status store_changes(struct store *store, int64_t after, int64_t until, store_each_change each,
			  void *context, struct weir_error *error) WEIR_MUST_CHECK;

#endif
