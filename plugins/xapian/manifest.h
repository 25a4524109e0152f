/* SPDX-License-Identifier: MIT
 * manifest.h - which files make the index, and which commit is the newest: `manifest` and `head`.
 */
#ifndef MANIFEST_H
#define MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "weir/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MANIFEST_FORMAT 2 /* 1 was one Xapian database with everything in it */

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
	uint64_t log_place, names_length;
	struct segment *segments; /* by first_chunk */
	size_t segment_count, segment_capacity;
	struct bytes positions; /* at the checkpoint, as a block has them */
};

void manifest_finish(struct manifest *manifest);
/* WEIR_RETRY: there is none. WEIR_FATAL: damaged, of another version, or another's. */
weir_status manifest_read(struct manifest *manifest, const char *folder, struct weir_error *error);
/* Beside, synced, renamed, and the folder synced. */
weir_status manifest_write(const struct manifest *manifest, const char *folder,
			   struct weir_error *error);

struct head {
	uint32_t commit;
	uint32_t oldest_readable; /* sessions of an older commit may miss documents */
	uint32_t docid_limit;	  /* all docids are below */
	uint64_t block, log_end;  /* places */
	uint64_t live, hidden;
	uint64_t manifest, names_length;
};

/* WEIR_RETRY: there is none. */
weir_status head_read(int file, struct head *head, struct weir_error *error);
weir_status head_write(int file, const struct head *head, struct weir_error *error);

/* Calls on_position for each of what a block or manifest has. */
weir_status positions_each(const char *bytes, size_t length, weir_on_position on_position,
			   void *context, struct weir_error *error);

#ifdef __cplusplus
}
#endif

#endif
