/* SPDX-License-Identifier: MIT
 * outbox.h - table `changes` seen by the relay: what waits, what was delivered where.
 *
 * Functions that read take any connection; those that write take the writer's. */
#ifndef OUTBOX_H
#define OUTBOX_H

#include "store.h"

enum outbox_state { OUTBOX_WAITING = 0, OUTBOX_SENT = 1, OUTBOX_REFUSED = 2 };

/* A delivery report. stream 0 (refused): it went nowhere. */
struct outbox_mark {
	int64_t sequence;
	enum outbox_state state;
	int64_t stream; /* of outbox_stream */
	int32_t partition;
	int64_t offset;
};

/* Up to limit changes of one operation that wait, after that sequence, in order; texts live in the
 * arena. */
weir_status outbox_waiting(struct store *store, enum schema_operation operation, int64_t after,
			   size_t limit, struct arena *arena, struct store_change *changes,
			   size_t *count, struct weir_error *error) WEIR_MUST_CHECK;
weir_status outbox_counts(struct store *store, int64_t *waiting, int64_t *refused,
			  struct weir_error *error) WEIR_MUST_CHECK;
/* When the oldest waiting change of an operation was made; STORE_NEVER: none waits. */
weir_status outbox_oldest(struct store *store, enum schema_operation operation, int64_t *at,
			  struct weir_error *error) WEIR_MUST_CHECK;

weir_status outbox_mark(struct store *store, const struct outbox_mark *mark,
			struct weir_error *error) WEIR_MUST_CHECK;
/* What was refused waits again. */
weir_status outbox_retry_refused(struct store *store, struct weir_error *error) WEIR_MUST_CHECK;
/* The number under which deliveries to a topic of a cluster are noted; made when it is new. */
weir_status outbox_stream(struct store *store, const char *cluster, const char *topic,
			  int64_t *number, struct weir_error *error) WEIR_MUST_CHECK;

/* What the index holds: the next offset that it will read. */
struct outbox_position {
	const char *cluster, *topic;
	int32_t partition;
	int64_t position;
};
/* What went to another cluster than this one and lies at or behind the index's position there waits
 * again. Reads the whole table: for the start. */
weir_status outbox_send_again(struct store *store, const char *cluster,
			      const struct outbox_position *positions, size_t count,
			      int64_t *changed, struct weir_error *error) WEIR_MUST_CHECK;
/* What went to this cluster and the index has not read; after outbox_send_again. bytes: about. */
typedef void (*outbox_each_unread)(void *context, enum schema_operation operation,
				   int32_t partition, int64_t offset, size_t bytes);
weir_status outbox_unread(struct store *store, const char *cluster, outbox_each_unread each,
			  void *context, struct weir_error *error) WEIR_MUST_CHECK;

#endif
