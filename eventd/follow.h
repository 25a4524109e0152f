/* SPDX-License-Identifier: MIT
 * follow.h - what the index holds, asked of the indexer, for a broker that forgets ([eventd]
 * follow): its log is short, so the relay keeps what the index has not read yet within a window.
 *
 * Concurrency: belongs to the relay's thread. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "outbox.h"

struct follow;

/* url: of the indexer, "http://127.0.0.1:8082". limit: bytes that the index may not have yet. */
struct follow *follow_create(const char *url, size_t limit);
void follow_destroy(struct follow *follow); /* takes NULL */

/* Asks for all positions and lets go of what they cover in this cluster. WEIR_AWAY: the indexer did
 * not answer. Takes up to two seconds. */
weir_status follow_fetch(struct follow *follow, const char *cluster,
			 struct weir_error *error) WEIR_MUST_CHECK;
/* Of every cluster; borrowed until the next fetch. */
const struct outbox_position *follow_positions(const struct follow *follow, size_t *count);

/* topic: borrowed for the life of follow. Without memory the window is a little too wide. */
void follow_delivered(struct follow *follow, const char *topic, int32_t partition, int64_t offset,
		      size_t bytes);
/* Bytes that may be sent now, with so many in flight. */
size_t follow_room(const struct follow *follow, size_t inflight);
bool follow_waits(const struct follow *follow); /* the index has not read all that was delivered */

#endif
