/* SPDX-License-Identifier: MIT
 * pipeline.h - the indexing thread: collect a batch, commit it, tell the group; and what is done in
 * between: sync, expiry of tombstones, the engine's own upkeep. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "apply.h"
#include "consumer.h"

struct pipeline;

struct pipeline_options {
	const struct config *config;
	const struct schema *schema;
	const struct backend *backend;
	struct progress *progress;
	struct consumer *consumer;
	struct deadletters *deadletters;
	bool shared; /* other indexers may feed the index too */
};

/* Starts the thread. It ends when daemon_stopping, or by pipeline_end, after it committed what it
 * had collected. */
weir_status pipeline_start(const struct pipeline_options *options, struct pipeline **pipeline,
			   struct weir_error *error) WEIR_MUST_CHECK;
/* Tells the thread to end and joins it; false: it ended because the engine said that going on is
 * pointless. */
bool pipeline_end(struct pipeline *pipeline);

#endif
