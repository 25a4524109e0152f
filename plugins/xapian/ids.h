/* SPDX-License-Identifier: MIT
 * ids.h - which docid the document of an id has: by the id's hash, so several docids may have to be
 * looked at. Open addressing with linear probing; 12 bytes a slot, at most two thirds full. */
#ifndef XAPIAN_IDS_H
#define XAPIAN_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ids {
	uint64_t *hashes;
	uint32_t *docids; /* 0: free */
	size_t size, count;
};

void ids_finish(struct ids *ids);

/* The next docid of the hash; 0: there is no more. *cursor: SIZE_MAX at first, then as it was left.
 */
uint32_t ids_next(const struct ids *ids, uint64_t hash, size_t *cursor);
/* False: no memory. */
bool ids_add(struct ids *ids, uint64_t hash, uint32_t docid);
/* The docid is there. */
void ids_change(struct ids *ids, uint64_t hash, uint32_t docid, uint32_t new_docid);
void ids_remove(struct ids *ids, uint64_t hash, uint32_t docid);

#endif
