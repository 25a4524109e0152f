/* SPDX-License-Identifier: MIT
 * keeper.h - what is done to segments in the background: syncing the filled ones and merging the
 * sealed ones. It changes no manifest: what was done is handed back to the caller's thread. */
#ifndef KEEPER_H
#define KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rows.h"
#include "weir/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef MERGE_FAN_IN
#define MERGE_FAN_IN 8 /* segments that become one */
#endif
#define KEEPER_TASK_SEGMENTS 64

enum keeper_kind {
	KEEPER_SEAL,  /* syncs the segments, of a chunk each, and the files beside them */
	KEEPER_MERGE, /* writes and syncs the segment output, of the others */
};

struct keeper_task {
	enum keeper_kind kind;
	bool is_large; /* MERGE: not to be in the way of smaller ones */
	uint32_t segments[KEEPER_TASK_SEGMENTS];
	uint32_t first_chunks[KEEPER_TASK_SEGMENTS];
	size_t segment_count;
	uint32_t last_chunk; /* MERGE: of the last segment */
	uint32_t output;
	/* SEAL: files of the log, from and to; rows and names are synced with them. */
	uint32_t log_first, log_last;
	/* When it is done. */
	size_t without_pairs; /* SEAL: segments that could not get theirs */
	weir_status status;
	struct weir_error error;
};

struct keeper;

/* Starts the threads, at a lower priority than the caller's. rows: borrowed. */
weir_status keeper_create(const char *folder, const struct rows *rows, struct keeper **keeper,
			  struct weir_error *error);
/* Forgets what was not begun and waits for what was: at most one merge for each thread. Takes
 * NULL. */
void keeper_destroy(struct keeper *keeper);

/* Copies the task. WEIR_RETRY: no memory. */
weir_status keeper_submit(struct keeper *keeper, const struct keeper_task *task,
			  struct weir_error *error);
/* One that was done, or failed; false: none. */
bool keeper_take(struct keeper *keeper, struct keeper_task *done);
/* How many were submitted and not taken. */
size_t keeper_pending(const struct keeper *keeper);
/* Until one can be taken, or about so many milliseconds have passed. */
void keeper_wait(struct keeper *keeper, unsigned milliseconds);

#define SEGMENT_NAME_SIZE 24
/* The name of a segment's folder, in the index's. */
void segment_name(uint32_t number, char out[SEGMENT_NAME_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
