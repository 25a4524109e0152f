/* SPDX-License-Identifier: MIT
 * apply.h - a batch's changes to one commit of the engine: fetch what is known, merge, apply,
 * deliver dead letters, commit documents and positions together. Used by the indexing thread alone.
 */
#ifndef APPLY_H
#define APPLY_H

#include "batch.h"
#include "decode.h"
#include "plugin.h"
#include "progress.h"

struct applier;

/* Asked before anything is written: false, the partitions are another indexer's by now. */
typedef bool (*applier_may_write)(void *context);
/* Called while dead letters do not go out; answers false to give up (the process stops). */
typedef bool (*applier_wait)(void *context);

struct applier_options {
	const struct schema *schema;
	const struct backend *backend;
	struct progress *progress;
	struct deadletters *deadletters;
	struct type_log *types;
	applier_may_write may_write;
	applier_wait wait;
	void *context;
};

weir_status applier_create(const struct applier_options *options, struct applier **applier,
			   struct weir_error *error) WEIR_MUST_CHECK;
void applier_destroy(struct applier *applier); /* takes NULL */

/* Commits the items [from, to). WEIR_RETRY: nothing of it is in the index, try again. WEIR_AWAY:
 * given up because it may not write, another indexer kept writing the same events, or dead letters
 * could not be delivered. */
weir_status applier_run(struct applier *applier, struct batch *batch, size_t from, size_t to,
			struct weir_error *error) WEIR_MUST_CHECK;
#endif
