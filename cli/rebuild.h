/* SPDX-License-Identifier: MIT
 * rebuild.h - what the phases of `weir rebuild` share.
 *
 * plan (rebuild.c): which index is built, where, and whether one was begun. fill (rebuild_fill.c):
 * from the store and from the log, until it has caught up. check (rebuild_check.c): nothing that is
 * in the live index, or in the store, is missing. change (rebuild_change.c): writer first, then
 * searches. What a killed run left stands in the catalog, and the next run goes on from there. */
#ifndef REBUILD_H
#define REBUILD_H

#include "builder.h"
#include "catalog.h"
#include "command.h"
#include "log_ends.h"
#include "side.h"
#include "terminal.h"

struct rebuild {
	struct settings settings;
	const char *indexer, *eventd, *searchd; /* URLs; NULL: of the configuration */
	bool from_store, rollback, force, quiet;
	char indexer_url[320], eventd_url[320], searchd_url[320];
	struct config *config;
	struct schema *wanted; /* the configured one */
	struct catalog *catalog;
	int lock;
	struct side old;    /* the live index; index NULL: there is none */
	struct side target; /* the one that is built */
	bool resumed;
	bool online; /* an indexer answers, and it writes to the live index */
	struct log_ends log;
	struct builder builder;
	struct bar bar;
};

/* All answer WEIR_NOT_FOUND where the answer is "no": documents would be lost. */
weir_status rebuild_fill(struct rebuild *rebuild, struct weir_error *error) WEIR_MUST_CHECK;
/* Until everything that stands in the log at this moment is in the new index. */
weir_status rebuild_catch_up(struct rebuild *rebuild, struct weir_error *error) WEIR_MUST_CHECK;
weir_status rebuild_check(struct rebuild *rebuild, struct weir_error *error) WEIR_MUST_CHECK;
weir_status rebuild_change(struct rebuild *rebuild, struct weir_error *error) WEIR_MUST_CHECK;
/* Goes on with one that a killed run left. */
weir_status rebuild_finish_change(struct rebuild *rebuild,
				  struct weir_error *error) WEIR_MUST_CHECK;

/* Whether an indexer answers, and what it writes to. */
struct rebuild_indexer {
	bool answers;
	bool writes_old, writes_target;
	char trouble[400]; /* why it does not do what the catalog says; "" */
};
void rebuild_ask_indexer(struct rebuild *rebuild, struct rebuild_indexer *indexer);
/* The builder runs from here on; target can be read. */
weir_status rebuild_start_builder(struct rebuild *rebuild,
				  struct weir_error *error) WEIR_MUST_CHECK;
void rebuild_pause(void);
/* Ctrl-C says that the live index is as it was; from here on that the change goes on by itself. */
void rebuild_change_began(void);

#endif
