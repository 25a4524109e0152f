/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <assert.h>
#include <string.h>

#include "hash.h"

const char *const item_outcome_names[ITEM_OUTCOME_COUNT] = {"applied", "unchanged", "passed_over",
							    "dead_letter"};

weir_status batch_init(struct batch *batch, const struct schema *schema, struct weir_error *error)
{
	*batch = (struct batch){.decoder = event_decoder_create(schema)};
	if (batch->decoder == NULL)
		return err_no_memory(error);
	event_decoder_borrow(batch->decoder); /* items have their messages */
	batch->ends = rd_kafka_topic_partition_list_new(16);
	return WEIR_OK;
}

static void forget_ends(struct batch *batch)
{
	for (int i = batch->ends->cnt - 1; i >= 0; i--)
		rd_kafka_topic_partition_list_del_by_idx(batch->ends, i);
}

void batch_drop(struct batch *batch, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		batch->bytes -= batch->items[i].message->len;
		rd_kafka_message_destroy(batch->items[i].message);
		free(batch->items[i].letter);
	}
	batch->count -= count;
	if (batch->count > 0)
		memmove(batch->items, batch->items + count, batch->count * sizeof(*batch->items));
	batch->group_count = 0;
	if (batch->count > 0)
		return;
	event_decoder_reset(batch->decoder);
	forget_ends(batch);
}

void batch_forget_changes(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		batch->items[i].change = NULL;
		batch->items[i].decoded = false;
	}
	event_decoder_reset(batch->decoder);
}

void batch_finish(struct batch *batch)
{
	if (batch->decoder == NULL)
		return;
	batch_drop(batch, batch->count);
	rd_kafka_topic_partition_list_destroy(batch->ends);
	event_decoder_destroy(batch->decoder);
	free(batch->headers);
	free(batch->items);
	free(batch->groups);
	free(batch->table);
	*batch = (struct batch){0};
}

weir_status batch_reserve(struct batch *batch, struct weir_error *error)
{
	if (batch->count < batch->capacity)
		return WEIR_OK;
	size_t capacity = batch->capacity == 0 ? 256 : 2 * batch->capacity;
	struct item *items = realloc(batch->items, capacity * sizeof(*items));
	if (items == NULL)
		return err_no_memory(error);
	batch->items = items;
	batch->capacity = capacity;
	return WEIR_OK;
}

void batch_add(struct batch *batch, rd_kafka_message_t *message)
{
	assert(batch->count < batch->capacity);
	batch->items[batch->count++] = (struct item){.message = message, .next = BATCH_NONE};
	batch->bytes += message->len;
}

static weir_status reserve_groups(struct batch *batch, size_t count, struct weir_error *error)
{
	size_t table_size = 64;
	while (table_size < 2 * count)
		table_size *= 2;
	if (count > batch->group_capacity) {
		struct group *groups = realloc(batch->groups, count * sizeof(*groups));
		if (groups == NULL)
			return err_no_memory(error);
		batch->groups = groups;
		batch->group_capacity = count;
	}
	if (table_size > batch->table_size) {
		size_t *table = realloc(batch->table, table_size * sizeof(*table));
		if (table == NULL)
			return err_no_memory(error);
		batch->table = table;
		batch->table_size = table_size;
	}
	memset(batch->table, 0, batch->table_size * sizeof(*batch->table));
	return WEIR_OK;
}

static bool same_event(const struct event_change *left, const struct event_change *right)
{
	return left->id_length == right->id_length &&
	       memcmp(left->id, right->id, left->id_length) == 0;
}

static void put_item(struct batch *batch, size_t at)
{
	struct item *item = &batch->items[at];
	size_t slot = hash64_add(HASH64_START, item->change->id, item->change->id_length) &
		      (batch->table_size - 1);
	for (; batch->table[slot] != 0; slot = (slot + 1) & (batch->table_size - 1)) {
		struct group *group = &batch->groups[batch->table[slot] - 1];
		if (!same_event(batch->items[group->first].change, item->change))
			continue;
		batch->items[group->last].next = at;
		group->last = at;
		return;
	}
	batch->groups[batch->group_count++] = (struct group){at, at};
	batch->table[slot] = batch->group_count;
}

weir_status batch_group(struct batch *batch, size_t from, size_t to, struct weir_error *error)
{
	weir_status status = reserve_groups(batch, to - from, error);
	if (status != WEIR_OK)
		return status;
	batch->group_count = 0;
	for (size_t i = from; i < to; i++) {
		batch->items[i].next = BATCH_NONE;
		if (batch->items[i].change != NULL)
			put_item(batch, i);
	}
	return WEIR_OK;
}
