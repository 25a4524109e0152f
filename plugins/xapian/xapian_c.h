/* SPDX-License-Identifier: MIT
 * xapian_c.h - what Weir needs of libxapian, in C. No exception leaves; each becomes a status and a
 * line. Inputs are borrowed for the call, and what a callback gets for the callback.
 *
 * A handle is used by one thread at a time; different handles may be used beside each other. */
#ifndef XAPIAN_C_H
#define XAPIAN_C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a term that are safe, each NUL counted twice: Xapian escapes it. */
#define XAPIAN_TERM_LIMIT 245

/* The document's data is a value: Xapian compresses what it calls data, which costs a writer more
 * than what it saves. */
#define XAPIAN_SLOT_DATA 3

struct xapian_database;

/* A writable one is created when missing, locked, and holds a transaction open at all times, so
 * that nothing reaches the disk before xapian_commit: neither by a full buffer nor by closing. */
weir_status xapian_open(const char *path, bool writable, struct xapian_database **database,
			struct weir_error *error);
void xapian_close(struct xapian_database *database); /* takes NULL; drops what is not committed */
/* Reader: moves to the newest commit. */
weir_status xapian_reopen(struct xapian_database *database, struct weir_error *error);
/* Another number for another commit, and for another database in the same place. */
weir_status xapian_generation(struct xapian_database *database, uint64_t *generation,
			      struct weir_error *error);

/* Returns 0 to go on. */
typedef int xapian_on_bytes(void *context, const char *data, size_t length);
typedef int xapian_on_pair(void *context, const char *key, size_t key_length, const char *data,
			   size_t length);

weir_status xapian_metadata(struct xapian_database *database, const char *key, size_t key_length,
			    xapian_on_bytes *on_bytes, void *context, struct weir_error *error);
weir_status xapian_metadata_set(struct xapian_database *database, const char *key,
				size_t key_length, const char *value, size_t length,
				struct weir_error *error);
weir_status xapian_metadata_each(struct xapian_database *database, const char *prefix,
				 xapian_on_pair *on_pair, void *context, struct weir_error *error);

/* The document that has the term; 0: none. */
weir_status xapian_find(struct xapian_database *database, const char *term, size_t length,
			uint32_t *docid, struct weir_error *error);
weir_status xapian_frequency(struct xapian_database *database, const char *term, size_t length,
			     uint64_t *documents, struct weir_error *error);
weir_status xapian_data(struct xapian_database *database, uint32_t docid, xapian_on_bytes *on_bytes,
			void *context, struct weir_error *error);
/* The terms with the prefix from start (prefix included) on, in byte order, without the prefix;
 * data is that of the first document that has the term. */
weir_status xapian_each_term(struct xapian_database *database, const char *prefix,
			     const char *start, size_t start_length, xapian_on_pair *on_pair,
			     void *context, struct weir_error *error);

/* A term of a document: bytes of text. One that comes several times counts several times. */
struct xapian_term {
	uint32_t offset, length;
	uint32_t frequency; /* 0: decides, does not score */
};
struct xapian_slot {
	uint32_t slot, offset, length;
};
struct xapian_document {
	const char *text; /* what offset and length count in */
	const struct xapian_term *terms;
	size_t term_count;
	const struct xapian_slot *slots;
	size_t slot_count;
	const char *data;
	size_t data_length;
};

/* Writer. docid 0: adds. A failure drops all since the last commit: Xapian does so by itself. */
weir_status xapian_replace(struct xapian_database *database, uint32_t docid,
			   const struct xapian_document *document, struct weir_error *error);
weir_status xapian_remove(struct xapian_database *database, uint32_t docid,
			  struct weir_error *error);
/* Removes the documents whose value in the slot is below the limit in byte order. */
weir_status xapian_remove_below(struct xapian_database *database, uint32_t slot, const char *limit,
				size_t length, uint64_t *removed, struct weir_error *error);
weir_status xapian_commit(struct xapian_database *database, struct weir_error *error);
weir_status xapian_cancel(struct xapian_database *database, struct weir_error *error);

/* A query in postfix order: each step takes count queries from the stack and leaves one. */
enum xapian_step_kind {
	XAPIAN_STEP_NOTHING,
	XAPIAN_STEP_TERM,
	XAPIAN_STEP_BEGINNING, /* terms that begin with text */
	XAPIAN_STEP_RANGE,     /* the slot's value from text to upper, both included */
	XAPIAN_STEP_AND,
	XAPIAN_STEP_OR,
	XAPIAN_STEP_BUT,      /* the first and not the second */
	XAPIAN_STEP_SYNONYMS, /* OR, scored as if they were one term */
	XAPIAN_STEP_CHECK,    /* documents whose value in the slot is accepted; dear, so to be
				 combined by AND with something that leaves few */
	XAPIAN_STEP_SCALE,
};
typedef bool xapian_accepts(const char *text, size_t text_length, const char *value, size_t length);
struct xapian_step {
	enum xapian_step_kind kind;
	uint32_t count, slot;
	uint32_t offset, length;	     /* text */
	uint32_t upper_offset, upper_length; /* RANGE */
	xapian_accepts *accepts;	     /* CHECK */
	double scale;
};
struct xapian_query {
	const char *text;
	const struct xapian_step *steps;
	size_t step_count;
	bool is_scored; /* false: every score is 0 */
};

#define XAPIAN_SLOT_SCORE UINT32_MAX
struct xapian_key {
	uint32_t slot; /* or XAPIAN_SLOT_SCORE */
	bool descending;
};
struct xapian_search {
	const struct xapian_query *query, *filter; /* filter: NULL for none */
	const struct xapian_key *keys;		   /* none: best score first */
	size_t key_count;
	uint32_t id_slot; /* breaks ties */
	size_t offset, limit;
	int (*cancelled)(void *context);
	void *context;
};

typedef int xapian_on_hit(void *context, double score, const char *data, size_t length);

/* on_hit is first called when nothing can fail any more. total is exact. */
weir_status xapian_search(struct xapian_database *database, const struct xapian_search *search,
			  xapian_on_hit *on_hit, void *context, uint64_t *total,
			  struct weir_error *error);

const char *xapian_version(void);

#ifdef __cplusplus
}
#endif

#endif
