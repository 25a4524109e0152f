/* SPDX-License-Identifier: MIT
 * digest.h - what makes two copies of an event the same, and digests over many of them. Used by
 * eventd (what the store says) and weir (what an index says): equal digests are equal copies.
 *
 * Of a state everything counts but one thing: that a create cleared a field says no more than that
 * the field is not there, and older messages of an event than its create do not exist. A schema
 * that gained a field since the create was sent would make the only difference. */
#ifndef DIGEST_H
#define DIGEST_H

#include "hash.h"
#include "state.h"

/* state: NULL, only version and kind are compared. */
hash128 digest_document(int64_t version, uint32_t kind, const struct state *state);

/* Of documents in order of id; begins with HASH128_START. */
void digest_add(hash128 *range, const char *id, size_t id_length, hash128 document);

/* A deleted event, the delete older than before: indexes let go of such, each when it likes, so
 * they count on neither side. state: NULL, a hidden document is taken for deleted. */
bool digest_leaves_out(int64_t version, uint32_t kind, const struct state *state, int64_t before);

/* The text of a digest, and back; false: it is none. */
#define DIGEST_TEXT_SIZE (HASH128_TEXT_LENGTH + 1)
void digest_write(hash128 digest, char text[DIGEST_TEXT_SIZE]);
bool digest_read(const char *text, size_t length, hash128 *digest) WEIR_MUST_CHECK;

/* Bytes as hexadecimal digits, appended, and back; false: they are none. */
void digest_write_bytes(struct buffer *out, const void *bytes, size_t length);
bool digest_read_bytes(const char *text, size_t length, struct buffer *out) WEIR_MUST_CHECK;

#endif
