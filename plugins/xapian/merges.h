/* SPDX-License-Identifier: MIT
 * merges.h - which segments become one.
 *
 * A segment's level is the logarithm of its chunks to the base MERGE_FAN_IN; MERGE_FAN_IN
 * neighbours of at most one level become one, none of them larger than the others together; so a
 * document is written again about once a level, as in the logarithmic method of Bentley and Saxe
 * (1980). Only neighbours without a gap: what stands
 * between them, also a free chunk, would later be inside of the one. A segment of the highest level
 * stays as it is: a larger merge would take too long, and it cannot be interrupted. */
#ifndef MERGES_H
#define MERGES_H

#include <stdbool.h>
#include <stddef.h>

#include "keeper.h"
#include "manifest.h"

#define MERGE_LEVELS 3 /* the highest */
#ifndef SEGMENT_CAP
#define SEGMENT_CAP 40 /* sealed ones below the highest level, before a writer waits */
#endif
/* From so many on, fewer neighbours than MERGE_FAN_IN are merged too. */
#define SEGMENT_PRESSURE (SEGMENT_CAP * 3 / 5)

/* Which of the segments, in the order of their chunks, to merge: count of them from first on.
 * taken: by segment, whether it is to be left alone. False: none. */
bool merges_choose(const struct segment *segments, size_t segment_count, const bool *taken,
		   size_t *first, size_t *count);
/* Whether the merge of so many chunks is to run beside smaller ones. */
bool merges_is_large(uint32_t chunks);
/* Sealed segments that may still be merged. */
size_t merges_left(const struct segment *segments, size_t segment_count);

static inline uint32_t segment_chunks(const struct segment *segment)
{
	return segment->last_chunk - segment->first_chunk + 1;
}

#endif
