/* SPDX-License-Identifier: MIT */
#include "idempotency.h"

#include <string.h>

#include "hash.h"
#include "store_internal.h"

#define KEPT (INT64_C(24) * 3600 * 1000000)

void idempotency_digest(const char *body, size_t length, unsigned char digest[IDEMPOTENCY_DIGEST])
{
	hash128 hash = hash128_add(HASH128_START, body, length);
	for (size_t i = 0; i < IDEMPOTENCY_DIGEST; i++)
		digest[i] = (unsigned char)(hash >> (8 * i));
}

bool idempotency_key_valid(const char *key)
{
	size_t length = strlen(key);
	if (length == 0 || length > IDEMPOTENCY_KEY_LIMIT)
		return false;
	for (size_t i = 0; i < length; i++)
		if (key[i] < 0x20 || key[i] > 0x7E)
			return false;
	return true;
}

weir_status idempotency_find(struct store *store, const char *key, int64_t now, struct arena *arena,
			     struct idempotency_answer *answer, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_KEY_FIND, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, now - KEPT);
	int step = sqlite3_step(statement);
	if (step == SQLITE_ROW) {
		const void *digest = sqlite3_column_blob(statement, 0);
		if (digest != NULL && sqlite3_column_bytes(statement, 0) == IDEMPOTENCY_DIGEST)
			memcpy(answer->digest, digest, IDEMPOTENCY_DIGEST);
		store_column_id(statement, 1, answer->id);
		answer->version = sqlite3_column_int64(statement, 2);
		answer->body = store_column_text(statement, 3);
		if (!store_keep_text(arena, &answer->body))
			status = err_no_memory(error);
	} else {
		status = step == SQLITE_DONE ? WEIR_NOT_FOUND
					     : store_failure(store, "reading a key", error);
	}
	sqlite3_reset(statement);
	return status;
}

weir_status idempotency_keep(struct store *store, const char *key, int64_t now,
			     const struct idempotency_answer *answer, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_KEY_ADD, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_blob(statement, 2, answer->digest, IDEMPOTENCY_DIGEST, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 3, now);
	sqlite3_bind_text(statement, 4, answer->id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 5, answer->version);
	store_bind_text(statement, 6, answer->body);
	return store_run(store, statement, "keeping a key", error);
}

weir_status idempotency_expire(struct store *store, int64_t now, struct weir_error *error)
{
	weir_status status;
	sqlite3_stmt *statement = store_prepare(store, SQL_KEY_EXPIRE, &status, error);
	if (statement == NULL)
		return status;
	sqlite3_bind_int64(statement, 1, now - KEPT);
	return store_run(store, statement, "dropping old keys", error);
}
