/* SPDX-License-Identifier: MIT
 * ids.h - which docid the document of an id has: by part of the id's hash, so several docids may
 * have to be looked at. Open addressing with linear probing; 8 bytes a slot, at most four fifths
 * full. The parts grow one after the other and by a quarter, so that what stands twice while one
 * grows, and what is free behind it, is little. */
#ifndef XAPIAN_IDS_H
#define XAPIAN_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDS_PARTS 16

struct ids_part {
	uint64_t *slots; /* half of the hash, then the docid; 0: free */
	uint32_t size, count;
};

struct ids {
	struct ids_part parts[IDS_PARTS];
};

void ids_finish(struct ids *ids);

/* The next docid that the hash may have; 0: there is no more. *cursor: SIZE_MAX at first, then as
 * it was left. */
uint32_t ids_next(const struct ids *ids, uint64_t hash, size_t *cursor);
/* False: no memory. */
bool ids_add(struct ids *ids, uint64_t hash, uint32_t docid);
/* The docid is there. */
void ids_change(struct ids *ids, uint64_t hash, uint32_t docid, uint32_t new_docid);
void ids_remove(struct ids *ids, uint64_t hash, uint32_t docid);

#endif
