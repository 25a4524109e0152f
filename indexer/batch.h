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
	bool alone;  /* applied by itself: together with others of its event it was rejected */
	size_t next; /* the next item of the same event; BATCH_NONE: the last */
};

/* All items of one event. */
struct group {
	size_t first, last;
};

#define BATCH_NONE SIZE_MAX

struct batch {
	struct item *items;
	size_t count, capacity;
	size_t bytes; /* of values */
	struct group *groups;
	size_t group_count, group_capacity;
	size_t *table; /* hash of id to group + 1; open addressing */
	size_t table_size;
};

#define BATCH_INIT                                                                                 \
	{                                                                                          \
		0                                                                                  \
	}

void batch_finish(struct batch *batch);
/* Room for one more, before it is asked for: without memory it stays where it is. */
weir_status batch_reserve(struct batch *batch, struct weir_error *error) WEIR_MUST_CHECK;
/* Takes the message over; there is room for it. */
void batch_add(struct batch *batch, rd_kafka_message_t *message);
/* Forgets the first count items. */
void batch_drop(struct batch *batch, size_t count);
/* Groups the items [from, to) that carry a change by their event, in order of first appearance. */
weir_status batch_group(struct batch *batch, size_t from, size_t to,
			struct weir_error *error) WEIR_MUST_CHECK;

#endif
