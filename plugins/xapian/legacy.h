/* SPDX-License-Identifier: MIT
 * legacy.h - what the index says of itself: format, schema, and the places in Kafka's logs up to
 * which it holds everything. Kept as Xapian's metadata, so each commit has its own. */
#ifndef LEGACY_H
#define LEGACY_H

#include "fields.h"
#include "xapian_c.h"

/* WEIR_FATAL: of another format, schema or program. *is_new: nothing is in it yet. */
weir_status record_check(struct xapian_database *database, const struct fields *fields,
			 const char *path, bool *is_new, struct weir_error *error);
/* Makes a new index ours, and commits. */
weir_status record_create(struct xapian_database *database, const struct fields *fields,
			  struct weir_error *error);

/* Writes what is there anyway, so that a commit has something to do. */
weir_status record_touch(struct xapian_database *database, struct weir_error *error);
weir_status record_set_position(struct xapian_database *database,
				const struct weir_position *position, struct weir_error *error);
weir_status record_positions(struct xapian_database *database, weir_on_position on_position,
			     void *context, struct weir_error *error);

#endif
