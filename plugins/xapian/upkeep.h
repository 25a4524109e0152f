/* SPDX-License-Identifier: MIT
 * upkeep.h - what goes on behind an index that is written to. */
#ifndef XAPIAN_UPKEEP_H
#define XAPIAN_UPKEEP_H

#include "store.h"

weir_status upkeep_create(struct store *store, struct weir_error *error);
void upkeep_destroy(struct store *store);
/* Before documents are applied. */
weir_status upkeep_apply(struct store *store, struct weir_error *error);
/* Before the manifest is written: may change the set of segments. */
weir_status upkeep_before_commit(struct store *store, struct weir_error *error);
/* The head is written. */
void upkeep_after_commit(struct store *store);
weir_status upkeep_maintain(struct store *store, uint32_t budget_ms, struct weir_error *error);

#endif
