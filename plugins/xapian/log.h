/* SPDX-License-Identifier: MIT
 * log.h - the index's log: blocks, one a commit, in files log.NNNNNN. It is the truth; rows, names
 * and segments are made from it.
 *
 * A place is file number << 39 | offset in the file. A location in `rows` is the place of a record,
 * inside a block. A block lies in one file.
 *
 * Concurrency: log_append, log_sync and log_truncate by the one writer; log_read by any thread. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "weir/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LOG_PREFIX "log." /* and six digits or more */
#define LOG_OFFSET_BITS 39
#ifndef LOG_FILE_BYTES
#define LOG_FILE_BYTES (64U << 20) /* a file takes no further block beyond */
#endif

/* What a block begins with. Behind it: positions, names, docids that die (u32 each), records. */
struct block_head {
	uint64_t magic;
	uint64_t checksum; /* of all that follows in the block, of the records their heads */
	uint64_t previous; /* checksum of the block before */
	uint32_t commit;
	uint32_t record_count;
	uint64_t records_length;
	uint32_t positions_length, names_length; /* in bytes */
	uint32_t dead_count;
	uint32_t docid_limit;  /* all docids are below */
	uint64_t live, hidden; /* documents, after it */
};
static inline size_t block_records_offset(const struct block_head *head)
{
	return sizeof(*head) + head->positions_length + head->names_length +
	       (size_t)head->dead_count * sizeof(uint32_t);
}
static inline size_t block_length(const struct block_head *head)
{
	return block_records_offset(head) + (size_t)head->records_length;
}

static inline uint32_t place_file(uint64_t place)
{
	return (uint32_t)(place >> LOG_OFFSET_BITS);
}
static inline uint64_t place_offset(uint64_t place)
{
	return place & ((UINT64_C(1) << LOG_OFFSET_BITS) - 1);
}

struct log;

weir_status log_open(const char *folder, bool is_writer, struct log **log,
		     struct weir_error *error);
void log_close(struct log *log); /* takes NULL */

/* Reads up to capacity bytes of a file from the place on. *length: what was there. WEIR_RETRY: the
 * file is not there any more. */
weir_status log_read(struct log *log, uint64_t place, char *out, size_t capacity, size_t *length,
		     struct weir_error *error);
/* The whole record at a location, in place of what out has. */
weir_status log_record(struct log *log, uint64_t location, struct bytes *out,
		       struct weir_error *error);
/* What positions_each takes, of the block at the place. */
weir_status log_positions(struct log *log, uint64_t place, struct bytes *out,
			  struct weir_error *error);

/* Writer. */

/* Makes sure that the next block goes to the place, and nothing is behind it. 0: to a new log's
 * beginning. previous: checksum of the block before. */
weir_status log_begin(struct log *log, uint64_t place, uint64_t previous, struct weir_error *error);
/* Another has synced what is in files before it. */
void log_mark_synced(struct log *log, uint32_t file);
/* The file, and those behind it, may have what is not synced. */
void log_mark_unsynced(struct log *log, uint32_t file);
/* The place behind the last block, and where the next one will be. */
uint64_t log_end(const struct log *log);
uint64_t log_next_place(const struct log *log);

/* A block to be. records: parts that stand one behind the other. */
struct block {
	struct block_head head; /* magic, checksum, previous and lengths are filled in */
	const struct bytes *positions, *names;
	const uint32_t *dead;
	const struct bytes *records;
	size_t record_parts;
};
/* *place: where it is. On failure the log is as it was, or log_append answers WEIR_RETRY until
 * log_begin has mended it. */
weir_status log_append(struct log *log, struct block *block, uint64_t *place,
		       struct weir_error *error);
/* What was appended outlasts a power loss. */
weir_status log_sync(struct log *log, struct weir_error *error);

/* Reads the block at *place into out and moves *place behind it. *is_there: there is one, and it is
 * whole, has that commit number and follows the block with that checksum; *previous becomes its
 * own. */
weir_status log_next(struct log *log, uint64_t *place, uint32_t commit, uint64_t *previous,
		     struct bytes *out, bool *is_there, struct weir_error *error);
/* Of the last block: what the one behind it has as previous. */
uint64_t log_checksum(const struct log *log);
/* Removes a file that has no living record and no block behind the checkpoint. */
weir_status log_remove(struct log *log, uint32_t file, struct weir_error *error);

#ifdef __cplusplus
}
#endif

#endif
