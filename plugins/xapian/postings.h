/* SPDX-License-Identifier: MIT
 * postings.h - what a reader needs of a segment's Xapian database, in C: postings by the batch, and
 * the list of terms. No exception leaves; each becomes a status and a line.
 *
 * A segment and what was opened on it are used by one thread at a time. What is opened on a segment
 * is closed before the segment is reopened or closed. */
#ifndef POSTINGS_H
#define POSTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

struct segment_reader;

/* WEIR_RETRY: the folder is not there (any more). */
weir_status segment_reader_open(const char *path, struct segment_reader **segment,
				struct weir_error *error);
void segment_reader_close(struct segment_reader *segment); /* takes NULL */
/* Moves to the segment's newest commit. */
weir_status segment_reader_reopen(struct segment_reader *segment, struct weir_error *error);
/* A call failed since it was opened: it has to be opened again, also at the same commit. */
bool segment_reader_is_doubtful(const struct segment_reader *segment);

/* How many documents it holds, dead ones too. */
weir_status segment_reader_size(struct segment_reader *segment, uint64_t *documents,
				struct weir_error *error);
/* How many documents have the term, dead ones too. */
weir_status segment_reader_frequency(struct segment_reader *segment, const char *term,
				     size_t length, uint32_t *documents, struct weir_error *error);

struct posting {
	uint32_t docid, tally; /* of a word (tally.h); else 0 */
};

struct postings;

/* *postings: NULL when no document has the term. */
weir_status postings_open(struct segment_reader *segment, const char *term, size_t length,
			  struct postings **postings, struct weir_error *error);
void postings_close(struct postings *postings); /* takes NULL */
/* The postings with from <= docid < limit that were not taken or passed over yet, at most capacity
 * of them; fewer: there are no more. *next: the docid of the first that is left; UINT32_MAX: none.
 */
weir_status postings_take(struct postings *postings, uint32_t from, uint32_t limit,
			  struct posting *out, size_t capacity, size_t *taken, uint32_t *next,
			  struct weir_error *error);
/* Those of the docids, which ascend, that have the term: at most count. *next: as above. */
weir_status postings_pick(struct postings *postings, const uint32_t *docids, size_t count,
			  struct posting *out, size_t *taken, uint32_t *next,
			  struct weir_error *error);

struct terms;

/* The terms that begin with the prefix, in byte order. */
weir_status terms_open(struct segment_reader *segment, const char *prefix, size_t length,
		       struct terms **terms, struct weir_error *error);
void terms_close(struct terms *terms); /* takes NULL */
/* Goes on to the first term that is not below this one. */
weir_status terms_seek(struct terms *terms, const char *term, size_t length,
		       struct weir_error *error);
/* The next term; *term: NULL at the end. It is good until the next call. */
weir_status terms_next(struct terms *terms, const char **term, size_t *length,
		       struct weir_error *error);

#ifdef __cplusplus
}
#endif

#endif
