/* SPDX-License-Identifier: MIT
 * record.h - what the file says of itself, and the positions in it. */
#ifndef RECORD_H
#define RECORD_H

#include "database.h"

/* What one commit left. */
struct record {
	int64_t generation; /* its upper half tells one index from another at the same place */
	int64_t live, hidden;
};

/* Whether the file is an index of this plug-in and schema; *is_new: there is nothing in it yet.
 * Changes nothing. */
weir_status record_check(const struct database *database, const struct fields *fields, bool *is_new,
			 struct weir_error *error);
/* Makes the tables, in one commit. */
weir_status record_create(const struct database *database, const struct fields *fields,
			  struct weir_error *error);

weir_status record_read(const struct database *database, struct record *record,
			struct weir_error *error);

weir_status record_positions(const struct database *database, weir_on_position on_position,
			     void *context, struct weir_error *error);

#endif
