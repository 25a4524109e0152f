/* SPDX-License-Identifier: MIT
 * freshness.h - how far the index is behind the log, worked out from the log's end (asked of Kafka)
 * and the positions in the index, so that it is true when the indexer is dead too. */
#ifndef FRESHNESS_H
#define FRESHNESS_H

#include "config.h"
#include "index.h"
#include "json.h"

struct freshness;

weir_status freshness_start(const struct config *config, struct index *index,
			    struct freshness **freshness, struct weir_error *error) WEIR_MUST_CHECK;
void freshness_stop(struct freshness *freshness); /* takes NULL */

/* What a thread wrote last; it stays true until the next look, about a second. */
struct freshness_text {
	struct buffer json;
	uint64_t look; /* 0: nothing is written */
};
/* {"lagMessages":…,"lagMs":…,"asOf":…}; what is not known is null. Any thread; text is its own. */
void freshness_write(struct freshness *freshness, struct freshness_text *text,
		     struct jsonout *json);

#endif
