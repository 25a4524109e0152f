/* SPDX-License-Identifier: MIT
 * sequence.h - the words of a document in their order, for phrases.
 *
 * Xapian's own position lists cost a writer more than all the rest together, because they are kept
 * in order of term. Here each document has one value: for every field with several words, a hash of
 * each word in turn. A phrase is first an AND of its words, which are exact; the hashes then only
 * tell the order. */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include "bytes.h"

/* A field's part: sequence_begin, sequence_add for each word, sequence_end. False: no memory. */
bool sequence_begin(struct bytes *out, size_t field, size_t *start);
bool sequence_add(struct bytes *out, const char *word, size_t length);
void sequence_end(struct bytes *out, size_t start);

/* What a phrase wants: the head, then the words' hashes as sequence_add writes them. */
struct sequence_wanted {
	uint32_t field;
	uint32_t count;	 /* of words */
	uint32_t window; /* 0: next to each other, in order; else within so many places */
};
/* wanted_length: of the head and the hashes. */
bool sequence_accepts(const char *wanted, size_t wanted_length, const char *value, size_t length);

#endif
