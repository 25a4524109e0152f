/* SPDX-License-Identifier: MIT
 * sight.h - which documents of a chunk can be seen at a session's commit, kept as long as the
 * session stays there.
 *
 * What can be seen at one commit does not change. A birth or a death that is written meanwhile, or
 * taken back, is one of a later commit; those of the commit were in the rows before its head was.
 * Only docids that are given again would be others', and then the session is to ask again
 * (session_check).
 *
 * Concurrency: as the session, one thread at a time. */
#ifndef SIGHT_H
#define SIGHT_H

#include "bits.h"
#include "rows.h"

struct sight {
	uint64_t generation;
	uint32_t commit;
	size_t count;	       /* of chunks */
	unsigned char *states; /* by chunk */
	uint64_t *bits;	       /* by chunk BITS_WORDS, where its state is that some can be seen */
};

/* Moves to the generation's commit. limit: docids below it may be there. WEIR_RETRY: no memory. */
weir_status sight_move(struct sight *sight, uint64_t generation, uint32_t commit, uint32_t limit,
		       struct weir_error *error);
void sight_finish(struct sight *sight);
/* Takes away the bits of what cannot be seen. base: a chunk's first docid, below the limit. */
void sight_mask(struct sight *sight, const struct rows *rows, uint32_t base, uint64_t *bits);

#endif
