/* SPDX-License-Identifier: MIT
 * upkeep_internal.h - between upkeep.c and clean.c. */
#ifndef XAPIAN_UPKEEP_INTERNAL_H
#define XAPIAN_UPKEEP_INTERNAL_H

#include "merges.h"
#include "upkeep.h"

#define MERGES_AT_ONCE 4 /* those that wait for a thread included */

struct merging {
	uint32_t segments[MERGE_FAN_IN];
	size_t count; /* 0: none */
	uint32_t output;
};

/* What becomes durable with the seal under way, and what may go then: empty segments and log files
 * may be removed only when a power loss cannot bring back to life what was in them. */
struct sealing {
	bool is_under_way;
	struct manifest checkpoint; /* without segments */
	uint32_t *empty_segments, *empty_logs;
	size_t segment_count, log_count;
};

struct upkeep {
	struct keeper *keeper;
	struct sealing sealing;
	struct merging merging[MERGES_AT_ONCE];

	uint32_t first_log;  /* that may be there */
	uint32_t *dead_logs; /* to be removed behind the next head */
	size_t dead_log_count;
	bool has_resting; /* chunks that are not usable yet */

	/* The segment that is being emptied; 0: none. */
	uint32_t victim, next_docid;
	size_t host_died; /* documents, by what the host applied, in the last commit */

	/* For a merge that failed. */
	int64_t retry_at; /* milliseconds of CLOCK_MONOTONIC */
	unsigned retry_after;
	uint64_t merges, failures, cleaned;
};

/* Empties the victim a bit: applies at most so many documents again. WEIR_RETRY: what is pending
 * has to be abandoned. */
weir_status clean_some(struct store *store, size_t limit, struct weir_error *error);
/* How many to apply again with the next commit. */
size_t clean_quota(const struct store *store);
/* Whether a segment is worth to be emptied. */
bool clean_is_due(const struct store *store, const struct store_segment *segment);
uint32_t segment_living(const struct store *store, const struct store_segment *segment);
struct store_segment *upkeep_find(const struct store *store, uint32_t number);
bool upkeep_merges(const struct upkeep *upkeep, uint32_t number);

#endif
