/* SPDX-License-Identifier: MIT
 * states.h - what an index holds of each event once it has read all that the store has to send:
 * every change goes the way of a message, encoded as the relay does and decoded and merged as the
 * indexer does, so equal states are equal bytes. */
#ifndef STATES_H
#define STATES_H

#include "schema.h"
#include "state.h"
#include "store.h"

struct states;

/* schema: borrowed. NULL: no memory. */
struct states *states_create(const struct schema *schema);
void states_destroy(struct states *states); /* takes NULL */

/* One event; borrowed for the call. */
struct states_event {
	const char *id;
	int64_t version;
	uint32_t kind; /* WEIR_KIND_LIVE, WEIR_KIND_HIDDEN */
	const struct state *state;
	int64_t sequence, changed_at; /* of its newest change */
};
typedef bool (*states_each)(void *context, const struct states_event *event); /* false: enough */

/* In order of id, those after `after`. */
weir_status states_walk(struct states *states, struct store *store, const char *after,
			states_each each, void *context, struct weir_error *error) WEIR_MUST_CHECK;
/* each is not called for an id of which there never was a change. */
weir_status states_find(struct states *states, struct store *store, const char *id,
			states_each each, void *context, struct weir_error *error) WEIR_MUST_CHECK;

#endif
