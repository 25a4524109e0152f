/* SPDX-License-Identifier: MIT
 * record.h - a document as the log holds it: everything that its terms and its row are made from,
 * and its state. */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "weir/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Byte order is the machine's: an index does not move between machines of another one.
 *
 *   head	struct record_head
 *   id
 *   words	for each field that has several: u8 field, u32 bytes, and that many bytes:
 *		NUL, a word, NUL, a word, NUL ... (so a phrase is found as bytes between NULs)
 *   single	as `exact`, the word of a field that has one
 *   exact	for each keyword or boolean with a term of its own: u8 field, u16 length, what the
 *		term has behind its prefix
 *   columns	for each field with a value in its column: u8 field, u64 value
 *   keys	full sort keys of TEXT fields that are longer than 8 bytes: u8 field, u8 length,
 *bytes state */
struct record_head {
	uint32_t length; /* of the whole record, head included */
	uint32_t docid;
	uint32_t checksum; /* of all the rest */
	uint32_t words_length, single_length, exact_length, columns_length, keys_length;
	int64_t version, applied_at;
	uint8_t kind; /* 'L' or 'H' */
	uint8_t id_length;
	uint8_t reserved[6];
};
#define RECORD_LIVE 'L'
#define RECORD_HIDDEN 'H'

/* A record taken apart; everything points into it. */
struct record {
	struct record_head head;
	const char *id, *words, *single, *exact, *columns, *keys, *state;
	size_t state_length;
};

/* False: it is not one, or damaged. is_whole: false, when bytes may end behind `words` already;
 * then nothing behind is set, and the checksum is not asked. */
bool record_read(const char *bytes, size_t length, bool is_whole, struct record *record);

/* All of it, the checksum not asked. */
bool record_parts(const char *bytes, size_t length, struct record *record);

/* The checksum of a whole record; what it has as one does not count. */
uint32_t record_checksum(const char *bytes, size_t length);

/* The words of a field, from its first NUL on; NULL: it has not several. */
const char *record_words(const struct record *record, size_t field, size_t *length);
/* The full sort key; NULL: its column is all of it. */
const char *record_key(const struct record *record, size_t field, size_t *length);

/* Walks: *at is the offset in the part, 0 at first; false: there is no more. */
bool record_next_words(const struct record *record, size_t *at, size_t *field, const char **words,
		       size_t *length);
/* part: record->single or ->exact, and its length. */
bool record_next_term(const char *part, size_t part_length, size_t *at, size_t *field,
		      const char **text, size_t *length);
bool record_next_column(const struct record *record, size_t *at, size_t *field, uint64_t *value);
uint32_t record_word_count(const struct record *record);
/* The values of its row that are its own, by column; the others are 0. */
void record_row(const struct record *record, uint64_t *row, size_t columns);

#ifdef __cplusplus
}
#endif

#endif
