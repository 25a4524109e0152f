/* SPDX-License-Identifier: MIT
 * replay.h - eventd's changes into an index: the messages that the relay sends, merged by the same
 * rule as the indexer merges them. A page at a time, whatever the store's size. */
#ifndef REPLAY_H
#define REPLAY_H

#include "plugin.h"
#include "positions.h"
#include "schema.h"

struct replay;

/* url: of eventd. backend: open as writer; both borrowed. */
weir_status replay_create(const char *url, const struct schema *schema,
			  const struct backend *backend, struct replay **replay,
			  struct weir_error *error) WEIR_MUST_CHECK;
void replay_destroy(struct replay *replay); /* takes NULL */
/* The sequence of the store's newest change. WEIR_AWAY: eventd does not answer. */
weir_status replay_newest(struct replay *replay, int64_t *sequence,
			  struct weir_error *error) WEIR_MUST_CHECK;
/* Applies one page of what comes after *after, and commits; *after is the last one's sequence then.
 * *more: false, there was none up to until. WEIR_RETRY: the index is as it was before the page. */
weir_status replay_page(struct replay *replay, int64_t *after, int64_t until, bool *more,
			struct weir_error *error) WEIR_MUST_CHECK;
/* Documents that the index refused, and why the first was. */
uint64_t replay_rejected(const struct replay *replay, const char **reason);

/* Commits positions, and makes everything safe from a power loss. */
weir_status replay_commit(const struct backend *backend, const struct positions *positions,
			  struct weir_error *error) WEIR_MUST_CHECK;

#endif
