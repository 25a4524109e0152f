/* SPDX-License-Identifier: MIT
 * feed.h - one index and everything that fills it. When the catalog names another index, the feed
 * of the one ends and that of the other begins. */
#ifndef FEED_H
#define FEED_H

#include <stdbool.h>

#include "catalog.h"
#include "config.h"
#include "progress.h"

struct feed;

/* Opens the index for writing and reads its positions; nothing is read from the log yet. Takes
 * choice over, also when it fails. beside: see [indexer] beside. WEIR_RETRY: somebody else has it.
 */
weir_status feed_open(const struct config *config, struct catalog_choice *choice,
		      struct feed **feed, struct weir_error *error) WEIR_MUST_CHECK;
/* Whether WEIR_RETRY of feed_open is worth waiting for: nobody locks an index that several may
 * write to, so its engine is away. */
bool feed_may_come(const struct config *config, const struct catalog_choice *choice);
/* Starts the threads. */
weir_status feed_start(struct feed *feed, struct weir_error *error) WEIR_MUST_CHECK;
/* Commits what was collected, syncs, and ends the threads; the positions can still be asked for.
 * False: the indexing thread had given up. */
bool feed_end(struct feed *feed);
/* Ends it, if it was not, and closes the index. Takes NULL. */
void feed_close(struct feed *feed);

struct progress *feed_progress(const struct feed *feed);
const struct catalog_choice *feed_choice(const struct feed *feed);
const char *feed_name(const struct feed *feed); /* "xapian at /data/index" */
bool feed_is(const struct feed *feed, const struct catalog_choice *choice);

#endif
