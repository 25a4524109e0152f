/* SPDX-License-Identifier: MIT */
#include "ids.h"

#include <stdlib.h>

#define FIRST_SIZE 64U

void ids_finish(struct ids *ids)
{
	for (size_t i = 0; i < IDS_PARTS; i++)
		free(ids->parts[i].slots);
	*ids = (struct ids){0};
}

static uint64_t slot_of(uint64_t hash, uint32_t docid)
{
	return hash << 32 | docid;
}

static size_t part_of(uint64_t hash)
{
	return hash >> 32 & (IDS_PARTS - 1);
}

/* Slots stand in the order of their hashes, as far as there is room. */
static uint32_t home_of(const struct ids_part *part, uint64_t slot)
{
	return (uint32_t)((slot >> 32) * part->size >> 32);
}

static uint32_t behind(const struct ids_part *part, uint32_t place)
{
	return place + 1 < part->size ? place + 1 : 0;
}

uint32_t ids_next(const struct ids *ids, uint64_t hash, size_t *cursor)
{
	const struct ids_part *part = &ids->parts[part_of(hash)];
	const uint64_t wanted = slot_of(hash, 0);
	if (part->size == 0)
		return 0;
	uint32_t place =
		*cursor == SIZE_MAX ? home_of(part, wanted) : behind(part, (uint32_t)*cursor);
	for (; part->slots[place] != 0; place = behind(part, place))
		if ((part->slots[place] ^ wanted) >> 32 == 0) {
			*cursor = place;
			return (uint32_t)part->slots[place];
		}
	return 0;
}

static void put(struct ids_part *part, uint64_t slot)
{
	uint32_t place = home_of(part, slot);
	while (part->slots[place] != 0)
		place = behind(part, place);
	part->slots[place] = slot;
}

static bool grow(struct ids_part *part)
{
	uint64_t size = part->size == 0 ? FIRST_SIZE : part->size + (uint64_t)part->size / 4;
	if (size > UINT32_MAX)
		return false;
	struct ids_part grown = {.slots = calloc(size, sizeof(*grown.slots)),
				 .size = (uint32_t)size,
				 .count = part->count};
	if (grown.slots == NULL)
		return false;
	for (uint32_t i = 0; i < part->size; i++)
		if (part->slots[i] != 0)
			put(&grown, part->slots[i]);
	free(part->slots);
	*part = grown;
	return true;
}

bool ids_add(struct ids *ids, uint64_t hash, uint32_t docid)
{
	struct ids_part *part = &ids->parts[part_of(hash)];
	if (((uint64_t)part->count + 1) * 5 > (uint64_t)part->size * 4 && !grow(part))
		return false;
	put(part, slot_of(hash, docid));
	part->count++;
	return true;
}

static uint32_t place_of(const struct ids_part *part, uint64_t slot)
{
	uint32_t place = home_of(part, slot);
	while (part->slots[place] != slot)
		place = behind(part, place);
	return place;
}

void ids_change(struct ids *ids, uint64_t hash, uint32_t docid, uint32_t new_docid)
{
	struct ids_part *part = &ids->parts[part_of(hash)];
	part->slots[place_of(part, slot_of(hash, docid))] = slot_of(hash, new_docid);
}

/* How many places to the one behind it. */
static uint32_t distance(const struct ids_part *part, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + (part->size - from);
}

/* Moves up what stands behind the gap and would not be found any more. */
void ids_remove(struct ids *ids, uint64_t hash, uint32_t docid)
{
	struct ids_part *part = &ids->parts[part_of(hash)];
	uint32_t gap = place_of(part, slot_of(hash, docid));
	for (uint32_t at = behind(part, gap); part->slots[at] != 0; at = behind(part, at)) {
		if (distance(part, home_of(part, part->slots[at]), at) < distance(part, gap, at))
			continue;
		part->slots[gap] = part->slots[at];
		gap = at;
	}
	part->slots[gap] = 0;
	part->count--;
}
