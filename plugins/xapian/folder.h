/* SPDX-License-Identifier: MIT
 * folder.h - what lies where an index is to be. */
#ifndef XAPIAN_FOLDER_H
#define XAPIAN_FOLDER_H

#include "file.h"
#include "weir/backend.h"

/* A folder with other things in it is some other engine's, or a mistake, and one with a single
 * database of Xapian is of an older format: WEIR_FATAL, and it stays as it is. WEIR_OK: it is not
 * there, or has nothing that an index would not have. */
weir_status folder_check(const char *path, struct weir_error *error);
/* Makes the folder and those above it, and syncs them. */
weir_status folder_make(const char *path, struct weir_error *error);
/* Locks it until the file is closed. WEIR_RETRY: another process has it. */
weir_status folder_lock(const char *path, struct file *lock, struct weir_error *error);

/* What was renamed, made or removed in the folder is so after a power loss too. */
weir_status folder_sync(const char *path, struct weir_error *error);
/* Likewise in the folder that has this one. */
weir_status folder_sync_above(const char *path, struct weir_error *error);
/* Syncs the folder's files, and the folder. */
weir_status folder_sync_all(const char *path, struct weir_error *error);
/* Removes the folder and its files. What fails is left. */
void folder_remove(const char *path);
/* Bytes of the files in the folder and in the folders of it. */
uint64_t folder_bytes(const char *path);

#endif
