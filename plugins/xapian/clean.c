/* SPDX-License-Identifier: MIT
 * clean.c - empties segments of which much is dead. It is the one way by which dead documents leave
 * the disk, docids come back, and the log becomes shorter. */
#include "upkeep_internal.h"

#define LEAST_QUOTA 16
#define LOOKS_PER_DOCUMENT 64 /* rows to pass over for one that lives */

uint32_t segment_living(const struct store *store, const struct store_segment *segment)
{
	uint32_t sum = 0;
	for (uint32_t chunk = segment->segment.first_chunk; chunk <= segment->segment.last_chunk;
	     chunk++)
		sum += store->chunks[chunk].living;
	return sum;
}

static uint64_t dead_share(const struct store *store, const struct store_segment *segment)
{
	uint64_t all = (uint64_t)segment_chunks(&segment->segment) * CHUNK_DOCIDS;
	return (all - segment_living(store, segment)) * 1000 / all;
}

bool clean_is_due(const struct store *store, const struct store_segment *segment)
{
	return segment->segment.state == SEGMENT_SEALED &&
	       dead_share(store, segment) >= CLEAN_PERCENT * 10;
}

/* The one that gives back most for its work. */
static struct store_segment *choose_victim(const struct store *store)
{
	struct store_segment *best = NULL;
	uint64_t best_share = 0;
	for (size_t i = 0; i < store->segment_count; i++) {
		struct store_segment *segment = store->segments[i];
		uint64_t share = dead_share(store, segment);
		if (!clean_is_due(store, segment) || share <= best_share ||
		    upkeep_merges(store->upkeep, segment->segment.number) ||
		    segment_living(store, segment) == 0)
			continue;
		best = segment;
		best_share = share;
	}
	return best;
}

/* Two documents for each that died: at CLEAN_PERCENT, one and a half are in its way. */
size_t clean_quota(const struct store *store)
{
	return LEAST_QUOTA + 2 * store->upkeep->host_died;
}

weir_status clean_some(struct store *store, size_t limit, struct weir_error *error)
{
	struct upkeep *upkeep = store->upkeep;
	struct store_segment *victim = upkeep_find(store, upkeep->victim);
	weir_status status = WEIR_OK;
	size_t looks = limit * LOOKS_PER_DOCUMENT, before = store->pending_count;
	if (victim == NULL || segment_living(store, victim) == 0) {
		victim = choose_victim(store);
		if (victim == NULL) {
			upkeep->victim = 0;
			return WEIR_OK;
		}
		upkeep->victim = victim->segment.number;
		upkeep->next_docid = victim->segment.first_chunk * CHUNK_DOCIDS + 1;
	}
	uint32_t end = (victim->segment.last_chunk + 1) * CHUNK_DOCIDS;
	while (status == WEIR_OK && looks-- > 0 && store->pending_count - before < limit) {
		if (upkeep->next_docid > end) { /* what was abandoned meanwhile lives still */
			upkeep->next_docid = victim->segment.first_chunk * CHUNK_DOCIDS + 1;
			break;
		}
		status = store_reapply(store, upkeep->next_docid++, error);
	}
	store->reapplied += store->pending_count - before;
	upkeep->cleaned += store->pending_count - before;
	return status;
}
