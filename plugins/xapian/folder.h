/* SPDX-License-Identifier: MIT
 * folder.h - what lies where an index is to be. */
#ifndef XAPIAN_FOLDER_H
#define XAPIAN_FOLDER_H

#include "weir/backend.h"

/* A folder with other things in it is some other engine's, or a mistake: WEIR_FATAL, and it stays
 * as it is. WEIR_OK: it is not there, or has nothing that Xapian would not make. */
weir_status folder_check(const char *path, struct weir_error *error);

/* What was renamed, made or removed in the folder is so after a power loss too. */
weir_status folder_sync(const char *path, struct weir_error *error);
/* Likewise in the folder that has this one. */
weir_status folder_sync_above(const char *path, struct weir_error *error);

#endif
