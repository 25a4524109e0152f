/* SPDX-License-Identifier: MIT
 * disk.h - the room that an index has and needs.
 *
 * Xapian 1.4 may abort the process when the disk is full at the wrong moment of a commit. So a
 * commit that may not fit is not begun. */
#ifndef DISK_H
#define DISK_H

#include <stdint.h>

#include "weir/backend.h"

/* What was applied since the last commit. */
struct disk_pending {
	uint64_t documents;
	uint64_t bytes; /* of ids and states */
	uint64_t words; /* bytes of text */
	uint64_t fresh; /* of the databases that change */
};

/* WEIR_RETRY: a commit of what is pending might not fit. */
weir_status disk_check(const char *path, const struct disk_pending *pending,
		       struct weir_error *error);

#endif
