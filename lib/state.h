/* SPDX-License-Identifier: MIT
 * state.h - what the index keeps of one id (the "state blob"), and the one rule by which changes
 * are merged into it. Pure memory: no clock, no I/O. The rule is that of docs/contract.md and makes
 * the result independent of order, duplication and replay.
 *
 * The blob: byte 0 the format (1); then a flag byte (bit 0: there was a delete), the delete's
 * version and kind-less fields, each: name, version, kind of the operation that wrote it, cleared
 * or canonical JSON. Lengths as LEB128, versions as zigzag LEB128. Fields are in byte order of
 * name, so equal states are equal bytes. */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>

#include "buffer.h"
#include "event.h"
#include "schema.h"

struct state_field {
	const char *name; /* borrowed from the blob or the change it was merged from */
	size_t name_length;
	int64_t version;
	enum schema_operation written_by; /* SCHEMA_CREATED or SCHEMA_UPDATED: breaks ties */
	bool cleared;
	const char *json;
	size_t json_length;
};

struct state {
	bool deleted; /* a delete was seen; delete_version counts only then */
	int64_t delete_version;
	struct state_field
		*fields; /* in byte order of name; those older than the delete are gone */
	size_t field_count;
	size_t field_capacity;
};

#define STATE_INIT                                                                                 \
	{                                                                                          \
		0                                                                                  \
	}
void state_finish(struct state *state);
void state_clear(struct state *state); /* keeps the memory */

/* blob: borrowed as long as the state is used. length 0: nothing known of the id yet. A blob that
 * cannot be read is WEIR_FATAL: the index is damaged or of another version. */
weir_status state_read(struct state *state, const void *blob, size_t length,
		       struct weir_error *error) WEIR_MUST_CHECK;
void state_write(const struct state *state, struct buffer *out);

/* Merges one change in; *changed tells whether the state is another one now. The change's memory
 * must live as long as the state is used. */
weir_status state_merge(struct state *state, const struct event_change *change, bool *changed,
			struct weir_error *error) WEIR_MUST_CHECK;

/* Merges in all that another state holds: what came to either has come to the result. The other's
 * memory must live as long as the state is used. */
weir_status state_join(struct state *state, const struct state *other,
		       struct weir_error *error) WEIR_MUST_CHECK;

/* The field of that name, cleared or not; NULL: there is none. */
const struct state_field *state_find(const struct state *state, const char *name);
bool state_visible(const struct state *state, const struct schema *schema);
int64_t state_version(const struct state *state); /* the newest that it holds; INT64_MIN: empty */

/* The typed values to index, for a visible state: one for each schema field that has a value.
 * strings: holds decoded text; both are appended to and live until cleared. Values point into
 * strings, so read *values only after the call; and into the state's JSON. Of a number the text is
 * NUL-terminated. */
struct state_values {
	struct weir_value *values;
	const struct weir_value **pointers; /* what struct weir_document takes */
	size_t count, capacity;
	struct buffer strings;
};
#define STATE_VALUES_INIT                                                                          \
	{                                                                                          \
		0                                                                                  \
	}
void state_values_finish(struct state_values *values);
weir_status state_values_make(const struct state *state, const struct schema *schema,
			      struct state_values *values,
			      struct weir_error *error) WEIR_MUST_CHECK;

/* What an engine is given of the state: everything of *document but id and revision. blob and
 * values hold what it points into; what they held before is dropped. now: moment_now, when it is
 * applied; an engine lets go of hidden documents by it. Only what is nothing but a delete may go:
 * fields wait for the rest of their event, and never do. */
weir_status state_document(const struct state *state, const struct schema *schema, int64_t now,
			   struct buffer *blob, struct state_values *values,
			   struct weir_document *document,
			   struct weir_error *error) WEIR_MUST_CHECK;

/* The event as the read side shows it: {"id":…, fields in schema order, then the unnamed ones in
 * order of name, "version":…}. only: field names to write (NULL: all); id is always there. */
void state_write_event(const struct state *state, const struct schema *schema, const char *id,
		       size_t id_length, const char *const *only, size_t only_count,
		       struct buffer *out);

#endif
