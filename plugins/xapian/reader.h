/* SPDX-License-Identifier: MIT
 * reader.h - what the sessions of an index share: its files, and what was read of them.
 *
 * A rebuilt index is another folder at the same path, so a reader belongs to a folder, and lives
 * until the last session that uses it is closed.
 *
 * Concurrency: `lock` guards the growing of rows and names, and the count of users. Looking into
 * both, and reading the log, needs no lock. */
#ifndef READER_H
#define READER_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "cache.h"
#include "fields.h"
#include "file.h"
#include "log.h"
#include "manifest.h"
#include "names.h"
#include "postings.h"
#include "record.h"
#include "rows.h"

#define CACHE_BYTES (24U << 20)

/* For each ordinal of a field its value's place in the order to sort by. */
struct ranks {
	size_t users;
	uint32_t count;
	uint32_t places[];
};

struct reader {
	pthread_mutex_t lock;
	size_t users;
	char *path;
	ino_t folder;
	const struct fields *fields; /* borrowed */
	uint64_t mark;		     /* of the index: the upper half of a generation */
	struct rows_layout layout;
	struct rows rows;
	struct names *names;
	struct log *log;
	struct cache *cache;
	struct file head;
	struct ranks **ranks; /* by field: the newest; NULL: nobody asked yet */
};

/* The folder at path: WEIR_OK and its number, or why there is no index to read (yet). */
weir_status reader_folder(const char *path, ino_t *folder, struct weir_error *error);

weir_status reader_open(const char *path, const struct fields *fields, struct reader **reader,
			struct weir_error *error);
struct reader *reader_keep(struct reader *reader); /* one user more */
void reader_release(struct reader *reader);	   /* takes NULL */

/* Reads the manifest and checks that it is of this schema, and not torn by a power loss. */
weir_status reader_manifest(const struct reader *reader, struct manifest *manifest,
			    struct weir_error *error);
/* Takes in what the head knows of rows and names. */
weir_status reader_grow(struct reader *reader, const struct head *head, struct weir_error *error);

/* Kept for the caller until it releases them. */
weir_status reader_ranks(struct reader *reader, size_t field, const struct weir_host *host,
			 struct ranks **ranks, struct weir_error *error);
void reader_ranks_release(struct reader *reader, struct ranks *ranks); /* takes NULL */

#endif
