/* SPDX-License-Identifier: MIT
 * lock.h - one writer an index: a file beside it that is locked as long as its process lives. */
#ifndef LOCK_H
#define LOCK_H

#include "weir/backend.h"

/* WEIR_RETRY: another writer has it; the line says which process. -1 is no lock. */
weir_status lock_take(const char *path, int *lock, struct weir_error *error);
void lock_release(int lock);

#endif
