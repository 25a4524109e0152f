/* SPDX-License-Identifier: MIT
 * manifest.h - which files make the index, and which commit is the newest: `manifest` and `head`.
 */
#ifndef MANIFEST_H
#define MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "file.h"
#include "weir/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 1 was one Xapian database with everything in it; 2 had a list of postings for each field. */
#define MANIFEST_FORMAT 3

enum segment_state {
	SEGMENT_FRESH,	/* is written to */
	SEGMENT_FILLED, /* is not any more, but may not survive a power loss */
	SEGMENT_SEALED,
};

struct segment {
	uint32_t number; /* its folder: s.NNNNNN */
	enum segment_state state;
	uint32_t first_chunk, last_chunk;
};

struct manifest {
	uint64_t number; /* of the manifest, growing */
	char uuid[33];
	char fingerprint[129];
	char boot_id[37];
	bool is_clean;
	/* Everything up to here does not need the log's blocks any more. */
	uint32_t checkpoint;
	uint64_t block;			  /* place of the last block; 0: there is none */
	uint64_t log_place, log_checksum; /* where the next block goes, and checksum of the last */
	uint32_t next_segment;		  /* a number that no segment ever had */
	uint64_t names_length, live, hidden;
	uint32_t docid_limit;
	struct segment *segments; /* by first_chunk */
	size_t segment_count, segment_capacity;
	struct bytes positions; /* at the checkpoint, as a block has them */
};

void manifest_finish(struct manifest *manifest);
/* False: no memory. Keeps them in order. */
bool manifest_add(struct manifest *manifest, const struct segment *segment);
/* WEIR_RETRY: there is none. WEIR_FATAL: damaged, or of another format. Of which schema it is, and
 * whether it can be trusted, manifest_check says. */
weir_status manifest_read(struct manifest *manifest, const char *folder, struct weir_error *error);
/* Beside, synced, renamed, and the folder synced. */
weir_status manifest_write(const struct manifest *manifest, const char *folder,
			   struct weir_error *error);

/* WEIR_FATAL: it was built for another schema. */
weir_status manifest_check(const struct manifest *manifest, const char *folder,
			   const char *collection, const char *fingerprint,
			   struct weir_error *error);

/* Of the machine's run; the same until it starts again. "": it cannot be told. */
void boot_id_read(char out[37]);
/* A new index's. */
weir_status uuid_make(char out[33], struct weir_error *error);

/* The newest commit, in the file `head`: two slots, written in turn. */
struct head {
	uint64_t sequence; /* of the writing; growing by one */
	uint32_t commit;
	uint32_t oldest_readable; /* sessions of an older commit may miss documents */
	uint32_t docid_limit;	  /* all docids are below */
	uint32_t reserved;
	uint64_t block, log_end; /* places; block 0: there is none yet */
	uint64_t live, hidden;
	uint64_t manifest, names_length;
};
#define HEAD_NAME "head"
#define HEAD_SLOT_BYTES 512

/* WEIR_RETRY: there is none. */
weir_status head_read(const struct file *file, struct head *head, struct weir_error *error);
weir_status head_write(const struct file *file, const struct head *head, struct weir_error *error);

/* Calls on_position for each of what a block or manifest has. WEIR_FATAL: damaged. */
weir_status positions_each(const char *bytes, size_t length, weir_on_position on_position,
			   void *context, struct weir_error *error);
/* Puts it in place of the one of the same cluster, topic and partition. False: no memory, and
 * nothing changed. */
bool positions_set(struct bytes *positions, const struct weir_position *position);

#ifdef __cplusplus
}
#endif

#endif
