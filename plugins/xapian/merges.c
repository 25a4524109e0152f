/* SPDX-License-Identifier: MIT */
#include "merges.h"

static unsigned level_of(uint32_t chunks)
{
	unsigned level = 0;
	for (uint32_t left = chunks / MERGE_FAN_IN; left > 0 && level < MERGE_LEVELS;
	     left /= MERGE_FAN_IN)
		level++;
	return level;
}

bool merges_is_large(uint32_t chunks)
{
	return level_of(chunks) >= 2;
}

size_t merges_left(const struct segment *segments, size_t segment_count)
{
	size_t count = 0;
	for (size_t i = 0; i < segment_count; i++)
		count += segments[i].state == SEGMENT_SEALED &&
			 level_of(segment_chunks(&segments[i])) < MERGE_LEVELS;
	return count;
}

static uint32_t most_chunks(void)
{
	uint32_t most = 1;
	for (unsigned i = 0; i < MERGE_LEVELS; i++)
		most *= MERGE_FAN_IN;
	return most;
}

/* Whether the segment may be part of a merge of such of at most the level. */
static bool joins(const struct segment *segments, const bool *taken, size_t at, unsigned level)
{
	const struct segment *segment = &segments[at];
	return segment->state == SEGMENT_SEALED && !taken[at] &&
	       level_of(segment_chunks(segment)) <= level;
}

static bool is_next(const struct segment *segments, size_t at)
{
	return segments[at - 1].last_chunk + 1 == segments[at].first_chunk;
}

/* What a merge is worth: chunks to write for each segment less. */
struct choice {
	size_t first, count;
	uint32_t chunks;
};

static bool is_cheaper(const struct choice *one, const struct choice *other)
{
	return other->count == 0 || (uint64_t)one->chunks * (other->count - 1) <
					    (uint64_t)other->chunks * (one->count - 1);
}

/* The cheapest among neighbours of at most the level, at least so many of them. is_even: none is
 * larger than the others together, so that what is written again becomes twice as large at least.
 */
static struct choice cheapest(const struct segment *segments, size_t segment_count,
			      const bool *taken, unsigned level, size_t least, bool is_even)
{
	struct choice best = {0, 0, 0};
	for (size_t first = 0; first < segment_count; first++) {
		struct choice choice = {first, 0, 0};
		uint32_t largest = 0;
		for (size_t at = first;
		     at < segment_count && choice.count < MERGE_FAN_IN &&
		     joins(segments, taken, at, level) && (at == first || is_next(segments, at));
		     at++) {
			uint32_t chunks = segment_chunks(&segments[at]);
			largest = chunks > largest ? chunks : largest;
			choice.count++;
			choice.chunks += chunks;
			if (choice.count >= least && choice.chunks <= most_chunks() &&
			    (!is_even || choice.chunks / 2 >= largest) &&
			    is_cheaper(&choice, &best))
				best = choice;
		}
	}
	return best;
}

bool merges_choose(const struct segment *segments, size_t segment_count, const bool *taken,
		   size_t *first, size_t *count)
{
	struct choice choice = {0, 0, 0};
	for (unsigned level = 0; level < MERGE_LEVELS && choice.count == 0; level++)
		choice = cheapest(segments, segment_count, taken, level, MERGE_FAN_IN, true);
	if (choice.count == 0 && merges_left(segments, segment_count) > SEGMENT_PRESSURE)
		choice = cheapest(segments, segment_count, taken, MERGE_LEVELS - 1, 2, false);
	if (choice.count == 0)
		return false;
	*first = choice.first;
	*count = choice.count;
	return true;
}
