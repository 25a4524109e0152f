/* SPDX-License-Identifier: MIT
 * positions.h - how far an index has read the logs, kept to be compared with another's. */
#ifndef POSITIONS_H
#define POSITIONS_H

#include <stdbool.h>

#include "err.h"
#include "schema.h"

struct positions_entry {
	char *cluster, *topic, *topic_id;
	int32_t partition;
	int64_t next_offset;
};

struct positions {
	struct positions_entry *entries;
	size_t count, capacity;
	bool failed; /* no memory: some are missing */
};

#define POSITIONS_INIT                                                                             \
	{                                                                                          \
		0                                                                                  \
	}

void positions_finish(struct positions *positions);
/* A weir_on_position whose context is a struct positions. A second one of a partition replaces the
 * first. */
int positions_add(void *positions, const struct weir_position *position);
/* NULL: there is none. */
const struct positions_entry *positions_find(const struct positions *positions, const char *cluster,
					     const char *topic, int32_t partition);
/* The first place of wanted, in a topic that the schema reads, which have has not come to; NULL:
 * have is as far everywhere. */
const struct positions_entry *positions_behind(const struct positions *have,
					       const struct positions *wanted,
					       const struct schema *schema);

#endif
