/* SPDX-License-Identifier: MIT
 * store.h - an index open for writing.
 *
 * Concurrency: everything here is for the thread that calls the backend's operations. Workers
 * (worker.h) and the keeper's threads have what is handed to them, and nothing of this. */
#ifndef XAPIAN_STORE_H
#define XAPIAN_STORE_H

#include "arena.h"
#include "disk.h"
#include "ids.h"
#include "log.h"
#include "manifest.h"
#include "names.h"
#include "rows.h"
#include "worker.h"

#define DOCID_LIMIT (UINT32_MAX - 2 * CHUNK_DOCIDS)
#define SEGMENT_PREFIX "s."
#define LOG_GONE UINT32_MAX

struct store_segment {
	struct segment segment;
	bool is_listed; /* a manifest on the disk has it */
	uint32_t given; /* docids of its chunks that were given out; as long as it is fresh */
	/* Fresh, or filled since the last commit. */
	uint32_t given_before; /* at the last commit */
	struct target target;
	struct pending **pending; /* of the docids from the first_pending on */
	uint32_t first_pending, pending_count;
	size_t pending_capacity;
};

/* How far a chunk is whose segment was dropped. */
enum chunk_rest {
	CHUNK_USABLE,
	CHUNK_DROPPED, /* sessions of older commits may see it, until the next head */
	CHUNK_CLEARED, /* its rows are, but are not synced */
	CHUNK_SYNCING,
};

/* What is known of a chunk. */
struct chunk {
	struct store_segment *segment; /* NULL: it is free */
	uint32_t living;	       /* visible documents, at the last commit */
	enum chunk_rest rest;	       /* of a free one */
};

/* For abandon. */
struct change {
	uint64_t hash;
	uint32_t before, after; /* docids; 0: none */
};

struct hidden {
	uint32_t docid;
	bool is_read; /* applied_at is known */
	int64_t applied_at;
};

struct store {
	const char *path; /* borrowed, as fields and host */
	const struct fields *fields;
	const struct weir_host *host;
	struct file lock, head_file;
	struct rows_layout layout;
	struct rows rows;
	struct names *names;
	struct log *log;
	struct worker *workers[WORKERS];
	struct store_segment *fresh[WORKERS]; /* NULL: none yet */

	/* As of the last commit. */
	struct manifest
		manifest; /* as on the disk, but for the segments: those are in `segments` */
	struct head head;
	struct bytes positions;
	struct ids ids; /* with what is pending */
	struct chunk *chunks;
	uint32_t chunk_count, chunk_capacity;
	struct store_segment **segments; /* by first_chunk */
	size_t segment_count, segment_capacity;
	uint32_t *log_living; /* documents by number of log file; LOG_GONE: it is removed */
	size_t log_living_size;
	struct hidden *hidden;
	size_t hidden_count, hidden_capacity;
	uint64_t log_checksum; /* of the last block */
	uint32_t next_segment;
	uint32_t *garbage; /* numbers of segments whose folders go after the next head */
	size_t garbage_count, garbage_capacity;
	uint32_t synced;       /* the log is, up to this commit */
	bool manifest_changed; /* the next commit writes it */
	bool moves_oldest;     /* the next head makes sessions of older commits ask again */

	/* Since the last commit. */
	struct arena arena;
	struct pending **pending;
	size_t pending_count, pending_capacity;
	uint32_t *dead;
	size_t dead_count, dead_capacity;
	struct change *changes;
	size_t change_count, change_capacity;
	int64_t live, hidden_live; /* documents, with what is pending */
	size_t reapplied;	   /* of the pending ones, by upkeep */
	struct disk_pending need;
	struct disk_pending starved; /* did not fit the last time; see store_room */
	bool rows_written;	     /* of a commit that may not come to be */
	bool log_written;
	bool is_doubtful; /* something failed since the last commit: an empty one has to write, too
			   */
	bool is_broken;	  /* what a failed commit left could not be taken back yet */
	struct bytes scratch;

	struct upkeep *upkeep;
};

/* open.c. The folder is there and locked; on failure nothing of it is changed that a reader could
 * see. */
weir_status store_open(const char *path, const struct fields *fields, const struct weir_host *host,
		       struct store **store, struct weir_error *error);
void store_close(struct store *store); /* takes NULL; drops what is pending */
void store_free(struct store *store);  /* also half-open ones, and the files as they are */

/* store.c. All answer WEIR_RETRY when a failed commit could not be taken back yet. */
weir_status store_ready(struct store *store, struct weir_error *error);
/* The newest docid of the id, committed or not; 0: none. known: what fetch said, or 0. */
weir_status store_find(struct store *store, const char *id, size_t length, uint64_t hash,
		       uint32_t known, uint32_t *docid, struct weir_error *error);
/* NULL: it is none. */
struct pending *store_pending(const struct store *store, uint32_t docid);
weir_status store_add(struct store *store, const struct weir_document *document,
		      struct weir_error *error);
/* Applies the living document of the docid again, from its record. Nothing, when it was replaced or
 * removed. */
weir_status store_reapply(struct store *store, uint32_t docid, struct weir_error *error);
/* The document of the docid dies with the next commit. */
weir_status store_remove(struct store *store, uint32_t docid, uint64_t hash, bool is_hidden,
			 struct weir_error *error);
weir_status store_abandon(struct store *store, struct weir_error *error);
weir_status store_expire(struct store *store, int64_t before, uint64_t *removed,
			 struct weir_error *error);

/* segments.c. A new segment of the lowest free chunk. */
weir_status store_new_segment(struct store *store, struct store_segment **segment,
			      struct weir_error *error);
void store_free_segment(struct store_segment *segment);
/* The chunks are free then; the folder is garbage. */
void store_drop_segment(struct store *store, struct store_segment *segment);
/* Puts a segment into the set. False: no memory. */
bool store_insert_segment(struct store *store, struct store_segment *segment);
bool store_reserve_chunks(struct store *store, uint32_t count);
/* Makes a fresh or filled segment again under a new number, from the records of its living rows. */
weir_status store_remake(struct store *store, struct store_segment *segment,
			 struct weir_error *error);
/* Puts it in place of those whose chunks it has; their folders are garbage. False: no memory, and
 * nothing changed. */
bool store_replace_segments(struct store *store, struct store_segment *segment);
/* Its folder goes behind the next head. */
void store_add_garbage(struct store *store, uint32_t number);
/* Removes the folders that nothing names any more. */
void store_remove_garbage(struct store *store);
char *store_segment_path(const struct store *store, uint32_t number);

/* commit.c */
weir_status store_commit(struct store *store, const struct weir_position *const *positions,
			 size_t count, struct weir_error *error);
weir_status store_sync(struct store *store, struct weir_error *error);
/* Writes the manifest as the set of segments is now. */
weir_status store_write_manifest(struct store *store, bool is_clean, struct weir_error *error);
/* Writes the head of the last commit anew: what else it says has changed. */
weir_status store_write_head(struct store *store, struct weir_error *error);
/* Syncs rows, names and log, and moves the manifest's checkpoint to the last commit; the manifest
 * is yet to be written. */
weir_status store_checkpoint(struct store *store, struct weir_error *error);
/* WEIR_RETRY: what is pending might not fit on the disk. */
weir_status store_room(struct store *store, struct weir_error *error);
weir_status store_take_back(struct store *store, struct weir_error *error);
#endif
