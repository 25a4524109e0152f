/* SPDX-License-Identifier: MIT */
#include "ids.h"

#include <stdlib.h>

#define FIRST_SIZE 1024

void ids_finish(struct ids *ids)
{
	free(ids->hashes);
	free(ids->docids);
	*ids = (struct ids){0};
}

uint32_t ids_next(const struct ids *ids, uint64_t hash, size_t *cursor)
{
	if (ids->size == 0)
		return 0;
	size_t mask = ids->size - 1,
	       place = *cursor == SIZE_MAX ? hash & mask : (*cursor + 1) & mask;
	for (; ids->docids[place] != 0; place = (place + 1) & mask)
		if (ids->hashes[place] == hash) {
			*cursor = place;
			return ids->docids[place];
		}
	return 0;
}

static void put(struct ids *ids, uint64_t hash, uint32_t docid)
{
	size_t mask = ids->size - 1, place = hash & mask;
	while (ids->docids[place] != 0)
		place = (place + 1) & mask;
	ids->hashes[place] = hash;
	ids->docids[place] = docid;
}

static bool grow(struct ids *ids)
{
	size_t size = ids->size == 0 ? FIRST_SIZE : ids->size * 2;
	struct ids grown = {.hashes = malloc(size * sizeof(*grown.hashes)),
			    .docids = calloc(size, sizeof(*grown.docids)),
			    .size = size,
			    .count = ids->count};
	if (grown.hashes == NULL || grown.docids == NULL) {
		ids_finish(&grown);
		return false;
	}
	for (size_t i = 0; i < ids->size; i++)
		if (ids->docids[i] != 0)
			put(&grown, ids->hashes[i], ids->docids[i]);
	ids_finish(ids);
	*ids = grown;
	return true;
}

bool ids_add(struct ids *ids, uint64_t hash, uint32_t docid)
{
	if ((ids->count + 1) * 3 > ids->size * 2 && !grow(ids))
		return false;
	put(ids, hash, docid);
	ids->count++;
	return true;
}

static size_t place_of(const struct ids *ids, uint64_t hash, uint32_t docid)
{
	size_t place = hash & (ids->size - 1);
	while (ids->docids[place] != docid || ids->hashes[place] != hash)
		place = (place + 1) & (ids->size - 1);
	return place;
}

void ids_change(struct ids *ids, uint64_t hash, uint32_t docid, uint32_t new_docid)
{
	ids->docids[place_of(ids, hash, docid)] = new_docid;
}

/* Moves up what stands behind the gap and would not be found any more. */
void ids_remove(struct ids *ids, uint64_t hash, uint32_t docid)
{
	size_t mask = ids->size - 1, gap = place_of(ids, hash, docid);
	for (size_t at = (gap + 1) & mask; ids->docids[at] != 0; at = (at + 1) & mask) {
		size_t home = ids->hashes[at] & mask;
		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		ids->hashes[gap] = ids->hashes[at];
		ids->docids[gap] = ids->docids[at];
		gap = at;
	}
	ids->docids[gap] = 0;
	ids->count--;
}
