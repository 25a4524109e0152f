/* SPDX-License-Identifier: MIT
 * oracle.h - answers a query by reading every document, as weir/backend.h says what matches and
 * what order sorting has. Words and their other forms come from host->split. */
#ifndef ORACLE_H
#define ORACLE_H

#include "harness.h"

void oracle_put(const struct item *item); /* replaces; what it points to is copied */
void oracle_clear(void);
/* Keeps what there is now, and goes back to it: commit and abandon. */
void oracle_commit(void);
void oracle_abandon(void);

/* The ids that match, in the form of matches(); until the next call. filter: may be NULL. */
const char *oracle_matches(const struct weir_query *query, const struct weir_query *filter);
/* The same in the order of sort, as ordered(); no relevance among the keys. */
const char *oracle_ordered(const struct weir_query *query, const struct weir_query *filter,
			   const char *sort, size_t offset, size_t limit);
const char *oracle_scan(void); /* as scanned() */
/* As counted_filtered(). */
const char *oracle_counted(const struct weir_query *query, const struct weir_query *filter,
			   const int32_t *fields, size_t field_count, size_t limit);

#endif
