/* SPDX-License-Identifier: MIT
 * compact.h - joins Xapian databases into one. */
#ifndef COMPACT_H
#define COMPACT_H

#include <stddef.h>

#include "weir/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes all documents of the databases, whose ranges of docids must not overlap, under their
 * docids to a new one in the folder output, which must not be there yet. In whatever order they
 * come; those without documents are passed over. Synced, but for the folder's own name. Different
 * ones may run beside each other. Whatever it answers, it may leave a part of output; and after a
 * failure the library keeps some memory and descriptors, so it is to be tried again seldom. It
 * cannot be interrupted: about 3 us of CPU a document.
 * WEIR_RETRY: no room or the like. WEIR_FATAL: an input is damaged. */
weir_status compact(const char *const *inputs, size_t count, const char *output,
		    struct weir_error *error);

#ifdef __cplusplus
}
#endif

#endif
