/* SPDX-License-Identifier: MIT
 * rows.h - what is known of each docid, in columns: the file `rows`.
 *
 * A chunk is CHUNK_DOCIDS docids; chunk k begins with docid k * CHUNK_DOCIDS + 1. In the file a
 * chunk's columns stand one after the other, so a column is read in runs. The writer writes with
 * pwrite; a reader maps the file, EXTENT_CHUNKS chunks at a time, and never unmaps before
 * rows_close, so pointers into it stay good.
 *
 * Concurrency: rows_map (a reader growing the map) by one thread at a time; rows_find_* by any. */
#ifndef ROWS_H
#define ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fields.h"
#include "file.h"
#include "weir/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Tests have smaller ones. EXTENT_CHUNKS: a multiple of 64, so that an extent is of whole pages. */
#ifndef CHUNK_DOCIDS
#define CHUNK_DOCIDS 4096U
#endif
#ifndef EXTENT_CHUNKS
#define EXTENT_CHUNKS 64U
#endif
/* Docids are below 2^32. */
#define EXTENT_CAPACITY (UINT32_MAX / CHUNK_DOCIDS / EXTENT_CHUNKS + 1)

/* Bit 63 of a location. */
#define LOCATION_HIDDEN (UINT64_C(1) << 63)

/* COLUMN_WORDS: how many words the document has, in all fields. */
enum { COLUMN_LOCATION, COLUMN_HASH, COLUMN_BORN, COLUMN_DEAD, COLUMN_WORDS, COLUMN_FIELDS };

/* How a field is kept: its column holds 0 where the document has no value. */
enum column_kind {
	COLUMN_NONE,
	COLUMN_ORDER,	/* u64: order_of_number or order_of_integer, at least 1 */
	COLUMN_ORDINAL, /* u32: the value's number among its field's names, plus 1 */
	COLUMN_PREFIX,	/* u64: first 8 bytes of the sort key, big endian; 1: it is empty */
};

struct rows_layout {
	enum column_kind *kinds; /* by field */
	size_t *places;		 /* by column (COLUMN_FIELDS + field): offset in a chunk */
	size_t field_count;
	size_t chunk_bytes;
};

weir_status rows_layout_init(struct rows_layout *layout, const struct fields *fields,
			     struct weir_error *error);
void rows_layout_finish(struct rows_layout *layout);
static inline size_t rows_columns(const struct rows_layout *layout)
{
	return COLUMN_FIELDS + layout->field_count;
}
size_t rows_width(const struct rows_layout *layout, size_t column); /* bytes of a value */

/* What is mapped may be read as long as it is open. */
struct rows {
	const struct rows_layout *layout; /* borrowed */
	struct file file;
	const char **extents; /* EXTENT_CAPACITY; an entry is set once, with release */
	uint32_t limit;	      /* docids below it are mapped; grows */
};

weir_status rows_open(struct rows *rows, const char *folder, const struct rows_layout *layout,
		      struct weir_error *error);
/* The same for writing: the file is made when it is not there. */
weir_status rows_create(struct rows *rows, const char *folder, const struct rows_layout *layout,
			struct weir_error *error);
void rows_close(struct rows *rows); /* also one of zeros */

/* Writer. The chunk is there, with room on the disk. */
weir_status rows_reserve(struct rows *rows, uint32_t chunk, struct weir_error *error);
/* Of the chunk nobody was born. Before its docids are given again that has to be synced: else a
 * power loss might leave an old birth beside a new row's rest. */
weir_status rows_clear(struct rows *rows, uint32_t chunk, struct weir_error *error);
/* How many the file has; the last one may not be whole. */
weir_status rows_chunks(const struct rows *rows, uint32_t *chunks, struct weir_error *error);
/* count values of a column from the docid on, all in one chunk. */
weir_status rows_write(struct rows *rows, size_t column, uint32_t docid, const void *values,
		       size_t count, struct weir_error *error);
/* Rows as numbers, a value for each column: of count docids from the docid on, all in one chunk. */
weir_status rows_write_all(struct rows *rows, uint32_t docid, const uint64_t *values, size_t count,
			   struct weir_error *error);
bool rows_equal(const struct rows *rows, uint32_t docid, const uint64_t *values);
weir_status rows_sync(struct rows *rows, struct weir_error *error);

/* Makes docids below limit readable. */
weir_status rows_map(struct rows *rows, uint32_t limit, struct weir_error *error);

/* The column's values of the chunk that has the docid, at the docid's own place. */
static inline const char *rows_at(const struct rows *rows, size_t column, uint32_t docid,
				  size_t width)
{
	uint32_t index = docid - 1, chunk = index / CHUNK_DOCIDS;
	const char *extent =
		__atomic_load_n(&rows->extents[chunk / EXTENT_CHUNKS], __ATOMIC_ACQUIRE);
	return extent + (size_t)(chunk % EXTENT_CHUNKS) * rows->layout->chunk_bytes +
	       rows->layout->places[column] + (size_t)(index % CHUNK_DOCIDS) * width;
}
static inline uint32_t rows_u32(const struct rows *rows, size_t column, uint32_t docid)
{
	return __atomic_load_n((const uint32_t *)(const void *)rows_at(rows, column, docid, 4),
			       __ATOMIC_ACQUIRE);
}
static inline uint64_t rows_u64(const struct rows *rows, size_t column, uint32_t docid)
{
	return __atomic_load_n((const uint64_t *)(const void *)rows_at(rows, column, docid, 8),
			       __ATOMIC_ACQUIRE);
}
/* Whether the docid's document is there at the generation. Hidden ones are. */
static inline bool rows_visible(const struct rows *rows, uint32_t docid, uint32_t generation)
{
	if (docid == 0 || docid >= __atomic_load_n(&rows->limit, __ATOMIC_ACQUIRE))
		return false;
	uint32_t born = rows_u32(rows, COLUMN_BORN, docid);
	if (born == 0 || born > generation)
		return false;
	uint32_t dead = rows_u32(rows, COLUMN_DEAD, docid);
	return dead == 0 || dead > generation;
}

#ifdef __cplusplus
}
#endif

#endif
