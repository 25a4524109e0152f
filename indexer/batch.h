/* SPDX-License-Identifier: MIT
 * batch.h - the messages of one commit, in the order they came, and which of them concern the same
 * event. */
#ifndef BATCH_H
#define BATCH_H

#include <librdkafka/rdkafka.h>

#include "deadletter.h"
#include "event.h"

enum item_outcome {
	ITEM_APPLIED,	  /* changed the event's state */
	ITEM_UNCHANGED,	  /* older than what the index holds, or held already */
	ITEM_PASSED_OVER, /* a type that the schema does not know */
	ITEM_DEAD_LETTER,
};
enum { ITEM_OUTCOME_COUNT = 4 };
extern const char *const item_outcome_names[ITEM_OUTCOME_COUNT];

struct item {
	rd_kafka_message_t *message; /* owned */
	struct event_change *change; /* of the decoder; NULL: none */
	struct deadletter *letter;   /* owned; survives a retry, so that it is sent once */
	enum item_outcome outcome;
	bool decoded; /* change or letter say what it is, or outcome that it is passed over */
	bool alone;   /* applied by itself: together with others of its event it was rejected */
	size_t next;  /* the next item of the same event; BATCH_NONE: the last */
};

/* All items of one event. */
struct group {
	size_t first, last;
};

#define BATCH_NONE SIZE_MAX

struct batch {
	struct event_decoder *decoder; /* has the memory of the changes */
	struct event_header *headers;  /* of the message that is decoded */
	size_t header_capacity;
	rd_kafka_topic_partition_list_t *ends; /* of partitions, met behind all of its messages */
	struct item *items;
	size_t count, capacity;
	size_t bytes; /* of values */
	struct group *groups;
	size_t group_count, group_capacity;
	size_t *table; /* hash of id to group + 1; open addressing */
	size_t table_size;
};

/* WEIR_NO_MEMORY leaves nothing behind. */
weir_status batch_init(struct batch *batch, const struct schema *schema,
		       struct weir_error *error) WEIR_MUST_CHECK;
void batch_finish(struct batch *batch);
/* Room for one more, before it is asked for: without memory it stays where it is. */
weir_status batch_reserve(struct batch *batch, struct weir_error *error) WEIR_MUST_CHECK;
/* Takes the message over; there is room for it. */
void batch_add(struct batch *batch, rd_kafka_message_t *message);
/* Forgets the first count items; the ends with the last of them. */
void batch_drop(struct batch *batch, size_t count);
/* Gives the changes' memory back; the items are to be decoded again. */
void batch_forget_changes(struct batch *batch);
static inline bool batch_is_empty(const struct batch *batch)
{
	return batch->count == 0 && batch->ends->cnt == 0;
}
/* Groups the items [from, to) that carry a change by their event, in order of first appearance. */
weir_status batch_group(struct batch *batch, size_t from, size_t to,
			struct weir_error *error) WEIR_MUST_CHECK;

#endif
