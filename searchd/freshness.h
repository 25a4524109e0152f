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
/* {"lagMessages":…,"lagMs":…,"asOf":…}; what is not known is null. Any thread. */
void freshness_write(struct freshness *freshness, struct jsonout *json);

#endif
