/* SPDX-License-Identifier: MIT
 * builder.h - an indexer as a child that fills an index beside the live one ([indexer] beside). It
 * dies with this process. */
#ifndef BUILDER_H
#define BUILDER_H

#include "child.h"
#include "command.h"
#include "side.h"

struct builder {
	struct child child;
	char *schema_path; /* the index's schema as a file, as long as it runs */
};

#define BUILDER_INIT                                                                               \
	{                                                                                          \
		.child = { 0 }                                                                     \
	}

/* Settings are those of the command line, target says what it fills. Its log is appended to a file
 * beside the catalog. */
weir_status builder_start(struct builder *builder, const struct settings *settings,
			  const struct catalog *catalog, const struct side *target,
			  struct weir_error *error) WEIR_MUST_CHECK;
bool builder_runs(const struct builder *builder);
/* WEIR_AWAY when it ended by itself: with its last words. Cheap. */
weir_status builder_check(struct builder *builder, struct weir_error *error) WEIR_MUST_CHECK;
/* TERM: it commits and syncs what it has. Does nothing when it does not run. */
weir_status builder_stop(struct builder *builder, struct weir_error *error) WEIR_MUST_CHECK;
void builder_finish(struct builder *builder); /* kills it, if it still runs */

#endif
