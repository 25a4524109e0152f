/* SPDX-License-Identifier: MIT
 * side.h - one of the two indexes of a rebuild, as its reader; and the end of one that nobody
 * needs.
 */
#ifndef SIDE_H
#define SIDE_H

#include "catalog.h"
#include "config.h"
#include "positions.h"

struct side {
	struct catalog_index *index;
	struct schema *schema; /* its own */
	struct backend backend;
	weir_session *session; /* NULL: it is not open */
	char name[300];	       /* "xapian at /data/index" */
};

#define SIDE_INIT                                                                                  \
	{                                                                                          \
		0                                                                                  \
	}

/* Copies the entry and reads its schema; opens nothing. */
weir_status side_init(struct side *side, const struct catalog_index *index,
		      struct weir_error *error) WEIR_MUST_CHECK;
void side_finish(struct side *side);
/* WEIR_RETRY: it is not there (yet), or moved under us for seconds. Does nothing when it is open.
 */
weir_status side_open(struct side *side, const struct config *config,
		      struct weir_error *error) WEIR_MUST_CHECK;
void side_close(struct side *side);
/* The newest, of an open one. Ends what positions held before. */
weir_status side_positions(struct side *side, struct positions *positions,
			   struct weir_error *error) WEIR_MUST_CHECK;

/* Removes the files of an index that is no path of any other entry. False: it is not made of files,
 * or they could not be removed; *error says which, for people. */
bool side_remove_files(const struct catalog_index *index, struct weir_error *error);

#endif
