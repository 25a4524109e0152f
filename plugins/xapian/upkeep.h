/* SPDX-License-Identifier: MIT
 * upkeep.h - what goes on behind an index that is written to: filled segments are sealed, sealed
 * ones merged, those with many dead documents emptied, and what is empty is removed. The keeper's
 * threads do what takes long; the set of segments changes only in upkeep_before_commit. */
#ifndef XAPIAN_UPKEEP_H
#define XAPIAN_UPKEEP_H

#include "store.h"

/* A segment of which so many per cent are dead is emptied: its living documents are applied again,
 * as if they had been updated. */
#ifndef CLEAN_PERCENT
#define CLEAN_PERCENT 40
#endif

weir_status upkeep_create(struct store *store, struct weir_error *error);
void upkeep_destroy(struct store *store); /* waits for a merge under way */
/* Before documents are applied: waits while there are too many segments. WEIR_RETRY: the host
 * cancelled. */
weir_status upkeep_apply(struct store *store, struct weir_error *error);
/* Before the manifest is written: may change the set of segments. */
weir_status upkeep_before_commit(struct store *store, struct weir_error *error);
/* The head is written. May apply documents again; they are part of the next commit. */
void upkeep_after_commit(struct store *store);
/* Makes commits of its own when nothing of the host is pending. */
weir_status upkeep_maintain(struct store *store, uint32_t budget_ms, struct weir_error *error);
/* As weir_on_stat; what the callback answered last. */
int upkeep_stats(const struct store *store, weir_on_stat on_stat, void *context);

#endif
