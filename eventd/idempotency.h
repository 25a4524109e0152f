/* SPDX-License-Identifier: MIT
 * idempotency.h - first answers, kept under the client's Idempotency-Key for 24 hours, written in
 * the transaction of the event that they tell of. */
#ifndef IDEMPOTENCY_H
#define IDEMPOTENCY_H

#include "store.h"

#define IDEMPOTENCY_KEY_LIMIT 255 /* bytes, printable ASCII */
#define IDEMPOTENCY_DIGEST 16

/* Of a body's bytes: FNV-1a with 128 bits. It tells a client's mistakes apart, not an attack: a key
 * is its client's own. */
void idempotency_digest(const char *body, size_t length, unsigned char digest[IDEMPOTENCY_DIGEST]);
bool idempotency_key_valid(const char *key);

struct idempotency_answer {
	unsigned char digest[IDEMPOTENCY_DIGEST];
	char id[STORE_ID_SIZE];
	int64_t version;
	struct store_text body;
};

/* WEIR_NOT_FOUND (error untouched): the key is new, or too old. Texts live in the arena. */
weir_status idempotency_find(struct store *store, const char *key, int64_t now, struct arena *arena,
			     struct idempotency_answer *answer,
			     struct weir_error *error) WEIR_MUST_CHECK;
weir_status idempotency_keep(struct store *store, const char *key, int64_t now,
			     const struct idempotency_answer *answer,
			     struct weir_error *error) WEIR_MUST_CHECK;
weir_status idempotency_expire(struct store *store, int64_t now,
			       struct weir_error *error) WEIR_MUST_CHECK;

#endif
