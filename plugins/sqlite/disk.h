/* SPDX-License-Identifier: MIT
 * disk.h - room on the disk. */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "weir/backend.h"

/* The file and its log. */
uint64_t disk_index_bytes(const char *path);
uint64_t disk_log_bytes(const char *path);
/* True too when it cannot be seen. */
bool disk_has_room(const char *path, uint64_t bytes);
/* Makes the name of a new file or folder last: syncs the folder above. False: errno says why not.
 */
bool disk_sync_name(const char *path);

#endif
