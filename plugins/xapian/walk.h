/* SPDX-License-Identifier: MIT
 * walk.h - the visible documents of all segments in byte order of their ids. */
#ifndef WALK_H
#define WALK_H

#include "match.h"

struct walk {
	struct match *match; /* borrowed */
	struct walk_list {
		struct terms *terms;
		const char *term; /* where the list stands; NULL: at its end */
		size_t length;
	} * lists; /* by segment */
	struct bytes id;
};

/* From the id on. The walk is to be closed even after a failure. */
weir_status walk_open(struct walk *walk, struct match *match, const char *from, size_t from_length,
		      struct weir_error *error);
void walk_close(struct walk *walk);
/* *docid: 0 at the end. The id is good until the next call. WEIR_RETRY: also when cancelled. */
weir_status walk_next(struct walk *walk, uint32_t *docid, const char **id, size_t *id_length,
		      struct weir_error *error);

/* The visible document of the id; *docid: 0 when there is none. */
weir_status walk_find(struct match *match, const char *id, size_t id_length, uint32_t *docid,
		      struct weir_error *error);

#endif
