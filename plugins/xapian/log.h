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

#define LOG_OFFSET_BITS 39
#define LOG_FILE_BYTES (64U << 20) /* a file takes no further block beyond */

struct log;

/* end: where the next block goes (a writer), or 0. */
weir_status log_open(const char *folder, bool is_writer, struct log **log,
		     struct weir_error *error);
void log_close(struct log *log);

/* Reads up to capacity bytes of a file from the place on. *length: what was there. WEIR_RETRY: the
 * file is not there any more. */
weir_status log_read(struct log *log, uint64_t place, char *out, size_t capacity, size_t *length,
		     struct weir_error *error);
/* The whole record at a location; grows out. */
weir_status log_record(struct log *log, uint64_t location, struct bytes *out,
		       struct weir_error *error);

#ifdef __cplusplus
}
#endif

#endif
