/* SPDX-License-Identifier: MIT
 *
 * sent: 0 waits for the relay, 1 the broker acknowledged it, 2 the broker will never take it (too
 * large for it); stream, partition and offset say where it went. */
#include "store_internal.h"

const char store_schema[] =
	"CREATE TABLE events("
	" id TEXT NOT NULL PRIMARY KEY,"
	" version INTEGER NOT NULL,"
	" deleted INTEGER NOT NULL,"
	" fields TEXT NOT NULL,"
	" created_at INTEGER NOT NULL,"
	" created_by TEXT,"
	" updated_at INTEGER,"
	" updated_by TEXT) STRICT;"
	"CREATE TABLE changes("
	" seq INTEGER PRIMARY KEY,"
	" id TEXT NOT NULL,"
	" version INTEGER NOT NULL,"
	" operation INTEGER NOT NULL,"
	" at INTEGER NOT NULL,"
	" by TEXT,"
	" fields TEXT NOT NULL,"
	" sent INTEGER NOT NULL DEFAULT 0,"
	" stream INTEGER REFERENCES streams(number),"
	" partition INTEGER,"
	" \"offset\" INTEGER) STRICT;"
	"CREATE UNIQUE INDEX changes_of_event ON changes(id, version);"
	"CREATE INDEX changes_waiting ON changes(operation, seq) WHERE sent = 0;"
	"CREATE INDEX changes_refused ON changes(seq) WHERE sent = 2;"
	"CREATE TABLE streams("
	" number INTEGER PRIMARY KEY,"
	" cluster TEXT NOT NULL,"
	" topic TEXT NOT NULL,"
	" UNIQUE(cluster, topic)) STRICT;"
	"CREATE TABLE idempotency("
	" key TEXT NOT NULL PRIMARY KEY,"
	" digest BLOB NOT NULL,"
	" at INTEGER NOT NULL,"
	" id TEXT NOT NULL,"
	" version INTEGER NOT NULL,"
	" answer TEXT NOT NULL) STRICT;"
	"CREATE INDEX idempotency_at ON idempotency(at);"
	"CREATE TABLE probe(one INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;"
	"INSERT INTO probe VALUES(1, 0);";

#define EVENT "id, version, deleted, fields, created_at, created_by, updated_at, updated_by"
#define CHANGE "seq, id, version, operation, at, by, fields"

const char *const store_sql[SQL_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_SAVEPOINT] = "SAVEPOINT one",
	[SQL_RELEASE] = "RELEASE one",
	[SQL_UNDO] = "ROLLBACK TO one",
	[SQL_PROBE] = "UPDATE probe SET count = count + 1",
	[SQL_FIND] = "SELECT " EVENT " FROM events WHERE id = ?1",
	[SQL_INSERT] = "INSERT INTO events(" EVENT ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[SQL_REPLACE] = "UPDATE events SET version = ?2, deleted = ?3, fields = ?4,"
			" created_at = ?5, created_by = ?6, updated_at = ?7, updated_by = ?8"
			" WHERE id = ?1",
	[SQL_ADD_CHANGE] = "INSERT INTO changes(id, version, operation, at, by, fields)"
			   " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_LIST] = "SELECT " EVENT " FROM events WHERE id > ?1 AND deleted = 0 ORDER BY id",
	[SQL_HISTORY] = "SELECT " CHANGE " FROM changes WHERE id = ?1 AND version > ?2"
			" ORDER BY version",
	[SQL_READ] = "BEGIN",
	[SQL_CHANGES] = "SELECT " CHANGE " FROM changes WHERE seq > ?1 AND seq <= ?2 ORDER BY seq",
	[SQL_CHANGES_BY_ID] = "SELECT " CHANGE " FROM changes WHERE id > ?1 ORDER BY id, version",
	[SQL_NEWEST] = "SELECT coalesce(max(seq), 0) FROM changes",
	[SQL_FIRST_WAITING] = "SELECT min(seq) FROM changes WHERE sent = 0 AND operation = ?1",
	[SQL_WAITING] = "SELECT " CHANGE " FROM changes"
			" WHERE sent = 0 AND operation = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
	[SQL_MARK] = "UPDATE changes SET sent = ?2, stream = ?3, partition = ?4, \"offset\" = ?5"
		     " WHERE seq = ?1",
	[SQL_COUNTS] = "SELECT (SELECT count(*) FROM changes WHERE sent = 0),"
		       " (SELECT count(*) FROM changes WHERE sent = 2)",
	[SQL_OLDEST] = "SELECT at FROM changes WHERE sent = 0 AND operation = ?1"
		       " ORDER BY seq LIMIT 1",
	[SQL_RETRY_REFUSED] = "UPDATE changes SET sent = 0 WHERE sent = 2",
	[SQL_STREAM_FIND] = "SELECT number FROM streams WHERE cluster = ?1 AND topic = ?2",
	[SQL_STREAM_ADD] = "INSERT INTO streams(cluster, topic) VALUES(?1, ?2)",
	[SQL_POSITION_CLEAR] = "DELETE FROM temp.positions",
	[SQL_POSITION_ADD] = "INSERT OR REPLACE INTO temp.positions"
			     " SELECT number, ?3, ?4 FROM main.streams"
			     " WHERE cluster = ?1 AND topic = ?2",
	[SQL_SEND_AGAIN] =
		"UPDATE changes SET sent = 0, stream = NULL, partition = NULL, \"offset\" = NULL"
		" WHERE sent = 1 AND stream IN (SELECT number FROM streams WHERE cluster <> ?1)"
		" AND \"offset\" >= coalesce((SELECT p.position FROM temp.positions AS p"
		" WHERE p.stream = changes.stream AND p.partition = changes.partition), 0)",
	[SQL_UNREAD] =
		"SELECT operation, partition, \"offset\", length(fields) FROM changes"
		" WHERE sent = 1 AND stream IN (SELECT number FROM streams WHERE cluster = ?1)"
		" AND \"offset\" >= coalesce((SELECT p.position FROM temp.positions AS p"
		" WHERE p.stream = changes.stream AND p.partition = changes.partition), 0)",
	[SQL_KEY_FIND] = "SELECT digest, id, version, answer FROM idempotency"
			 " WHERE key = ?1 AND at > ?2",
	[SQL_KEY_ADD] = "INSERT OR REPLACE INTO idempotency(key, digest, at, id, version, answer)"
			" VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_KEY_EXPIRE] = "DELETE FROM idempotency WHERE rowid IN"
			   " (SELECT rowid FROM idempotency WHERE at <= ?1 ORDER BY at LIMIT 1000)",
};
