/* SPDX-License-Identifier: MIT
 * disk.h - the room that an index has and needs.
 *
 * Xapian 1.4 aborts the process when the disk is full at the wrong moment of a commit (a destructor
 * of its value tables throws). So a commit that may not fit is not begun. */
#ifndef DISK_H
#define DISK_H

#include "weir/backend.h"

/* What was applied since the last commit may change so many blocks and adds so many bytes. */
struct disk_pending {
	uint64_t blocks, bytes;
};

uint64_t disk_index_bytes(const char *path);
/* WEIR_RETRY: a commit of what is pending might not fit. */
weir_status disk_check(const char *path, const struct disk_pending *pending,
		       struct weir_error *error);

#endif
