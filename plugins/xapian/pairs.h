/* SPDX-License-Identifier: MIT
 * pairs.h - which documents may have two words next to each other: the file `pairs` in the folder
 * of a sealed segment.
 *
 * For each chunk of the segment it is a hash table: two neighbouring words of a field lead to the
 * places of the documents that have them, and some of other words. A document that it does not name
 * has not got them; one that it names is looked at in its record, so no hash decides what matches.
 * A chunk may lack its table: then nothing can be told of it.
 *
 * The file has the life of its segment: it is written before the segment is sealed and synced with
 * it, and whoever merges segments writes one anew. It is believed when the segment is sealed. */
#ifndef PAIRS_H
#define PAIRS_H

#include "bytes.h"
#include "log.h"
#include "rows.h"

/* By the words, of the chunk's documents that the pair leads to. */
static inline uint64_t pairs_of_word(const char *word, size_t length)
{
	return hash_bytes(0, word, length);
}
static inline uint64_t pairs_join(uint64_t left, uint64_t right)
{
	return hash_bytes(left, &right, sizeof(right));
}

struct pairs;

/* Opens the file in a segment's folder. NULL: it is not there, damaged, or there is no memory. One
 * thread at a time uses it. */
struct pairs *pairs_open(const char *folder);
void pairs_close(struct pairs *pairs); /* takes NULL */
/* Leaves of bits, CHUNK_DOCIDS of them, those of documents that may have the pair. False: it cannot
 * be told, and nothing changed. */
bool pairs_keep(struct pairs *pairs, uint32_t chunk, uint64_t pair, uint64_t *bits);

/* Where what is in the tables comes from. Both are open for reading. */
struct pairs_source {
	const struct rows *rows;
	struct log *log;
};
/* Writes the file of a segment of the chunks, all filled, from the records. What inputs (folders of
 * segments) have already is taken from there. A chunk with a record that cannot be read gets no
 * table. It is yet to be synced. On failure there is no file. */
weir_status pairs_make(const struct pairs_source *source, const char *folder, uint32_t first_chunk,
		       uint32_t last_chunk, char *const *inputs, size_t input_count,
		       struct weir_error *error);

#endif
