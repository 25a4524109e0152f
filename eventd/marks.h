/* SPDX-License-Identifier: MIT
 * marks.h - delivery reports on their way from the relay to the writer, who notes them in the
 * transaction that it makes next: SQLite has one writer, and a sync of the disk costs more than all
 * of them.
 *
 * Concurrency: a lock inside; any thread. */
#ifndef MARKS_H
#define MARKS_H

#include "outbox.h"

struct marks;

struct marks *marks_create(void);
void marks_destroy(struct marks *marks); /* takes NULL */

/* Relay: a message was given to Kafka, and what became of it. marks_add without memory drops the
 * mark: the change is sent again after a restart. */
void marks_expect(struct marks *marks);
void marks_forget(struct marks *marks); /* nothing will be reported for one expected */
void marks_add(struct marks *marks, const struct outbox_mark *mark); /* one expected less */

/* Writer: copies of the oldest, which stay until marks_done says that they are on disk. */
size_t marks_peek(struct marks *marks, struct outbox_mark *into, size_t limit);
void marks_done(struct marks *marks, size_t count);

size_t marks_pending(struct marks *marks); /* reported, not on disk */
bool marks_busy(struct marks *marks);	   /* some are pending or expected */
/* All that were added until now, and whether those are on disk. */
uint64_t marks_ticket(struct marks *marks);
bool marks_reached(struct marks *marks, uint64_t ticket);

#endif
