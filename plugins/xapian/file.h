/* SPDX-License-Identifier: MIT
 * file.h - reading and writing files at places: whole or not at all, and one line when it fails. */
#ifndef XAPIAN_FILE_H
#define XAPIAN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "weir/backend.h"

struct file {
	int descriptor; /* -1: not open */
	char *path;
};
#define FILE_CLOSED ((struct file){-1, NULL})

/* flags: of open(2). WEIR_RETRY: it is not there, or cannot be opened. */
weir_status file_open(struct file *file, const char *folder, const char *name, int flags,
		      struct weir_error *error);
void file_close(struct file *file); /* also FILE_CLOSED */

/* *length: less than capacity only at the end of the file. */
weir_status file_read(const struct file *file, uint64_t offset, void *out, size_t capacity,
		      size_t *length, struct weir_error *error);
/* WEIR_RETRY: the disk is full, or failed; some of it may be written. */
weir_status file_write(const struct file *file, uint64_t offset, const void *data, size_t length,
		       struct weir_error *error);
/* Changes parts. */
weir_status file_write_parts(const struct file *file, uint64_t offset, struct iovec *parts,
			     size_t count, struct weir_error *error);
/* Makes the file at least so long, with zeros and room on the disk. */
weir_status file_reserve(const struct file *file, uint64_t offset, uint64_t length,
			 struct weir_error *error);
weir_status file_sync(const struct file *file, struct weir_error *error);
weir_status file_truncate(const struct file *file, uint64_t size, struct weir_error *error);
weir_status file_size(const struct file *file, uint64_t *size, struct weir_error *error);

/* The line for what errno says: xapian: cannot VERB PATH (REASON). WEIR_RETRY. */
weir_status file_failed(const char *verb, const char *path, int failure, struct weir_error *error);
/* folder/name, of malloc; NULL: no memory. */
char *file_path(const char *folder, const char *name);

#endif
