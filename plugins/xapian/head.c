/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <string.h>

#include "error.h"
#include "manifest.h"

/* What stands at the beginning of a slot. */
struct slot {
	uint64_t magic;
	struct head head;
	uint64_t checksum; /* of what is before */
};

#define MAGIC UINT64_C(0x3264616568726577) /* "werhead2" in little endian */

static uint64_t checksum_of(const struct slot *slot)
{
	return hash_bytes(0, slot, offsetof(struct slot, checksum));
}

static bool is_good(const struct slot *slot)
{
	return slot->magic == MAGIC && slot->checksum == checksum_of(slot);
}

weir_status head_read(const struct file *file, struct head *head, struct weir_error *error)
{
	char bytes[2 * HEAD_SLOT_BYTES];
	struct slot slots[2];
	size_t length = 0;
	memset(bytes, 0, sizeof(bytes));
	weir_status status = file_read(file, 0, bytes, sizeof(bytes), &length, error);
	if (status != WEIR_OK)
		return status;
	memcpy(&slots[0], bytes, sizeof(slots[0]));
	memcpy(&slots[1], bytes + HEAD_SLOT_BYTES, sizeof(slots[1]));
	bool good[2] = {is_good(&slots[0]), is_good(&slots[1])};
	if (!good[0] && !good[1])
		return error_set(error, WEIR_RETRY,
				 "xapian: %s has no commit; wait for the indexer", file->path);
	bool second = good[1] && (!good[0] || slots[1].head.sequence > slots[0].head.sequence);
	*head = slots[second ? 1 : 0].head;
	return WEIR_OK;
}

weir_status head_write(const struct file *file, const struct head *head, struct weir_error *error)
{
	char bytes[HEAD_SLOT_BYTES];
	struct slot slot;
	memset(&slot, 0, sizeof(slot));
	slot.magic = MAGIC;
	slot.head = *head;
	slot.checksum = checksum_of(&slot);
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, &slot, sizeof(slot));
	return file_write(file, head->sequence % 2 * HEAD_SLOT_BYTES, bytes, sizeof(bytes), error);
}
