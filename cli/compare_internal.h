/* SPDX-License-Identifier: MIT
 * compare_internal.h - what the comparison and its sources share. */
#ifndef COMPARE_INTERNAL_H
#define COMPARE_INTERNAL_H

#include "compare.h"

/* What counts. */
struct compare_scope {
	int64_t tombstones_before;
	bool versions_only;
};

struct compare_range {
	hash128 digest;
	uint64_t count;
	bool more;		     /* there may be documents behind to; else it is the whole */
	char to[EVENT_ID_LIMIT + 1]; /* the last id that was looked at */
};

/* How far a copy has to have read. */
struct compare_position {
	char *cluster, *topic;
	int32_t partition;
	int64_t next_offset;
};
struct compare_mark {
	struct compare_position *positions;
	size_t count, capacity;
	int64_t sequence; /* of a store; INT64_MIN */
};
void compare_mark_finish(struct compare_mark *mark);
weir_status compare_mark_add(struct compare_mark *mark, const char *cluster, const char *topic,
			     int32_t partition, int64_t next_offset,
			     struct weir_error *error) WEIR_MUST_CHECK;
/* NULL: the mark has none for it. */
const struct compare_position *compare_mark_find(const struct compare_mark *mark,
						 const char *cluster, const char *topic,
						 int32_t partition);

/* Not 0: enough. */
typedef int (*compare_on_document)(void *context, const struct compare_document *document);

/* False: no memory. */
bool compare_keep(struct compare_kept *kept, const struct compare_document *document);

/* Ids are NUL-terminated; upto NULL: to the last. */
struct compare_operations {
	void (*destroy)(struct compare_source *source);
	/* limit 0: all up to upto. */
	weir_status (*range)(struct compare_source *source, const struct compare_scope *scope,
			     const char *after, const char *upto, size_t limit,
			     struct compare_range *range, struct weir_error *error);
	/* Without states, until on_document answers not 0. */
	weir_status (*list)(struct compare_source *source, const struct compare_scope *scope,
			    const char *after, const char *upto, compare_on_document on_document,
			    void *context, struct weir_error *error);
	/* With states where there are any, in any order, without those that are not there. Old
	 * tombstones are there, too. ids: in ascending order, each once. */
	weir_status (*find)(struct compare_source *source, const struct compare_scope *scope,
			    const char *const *ids, size_t count, compare_on_document on_document,
			    void *context, struct weir_error *error);
	/* What it holds now, and waits until that can be said. */
	weir_status (*mark)(struct compare_source *source, struct compare_mark *mark,
			    struct weir_error *error);
	/* Waits until it holds at least that. */
	weir_status (*reach)(struct compare_source *source, const struct compare_mark *mark,
			     struct weir_error *error);
};

struct compare_source {
	const struct compare_operations *operations;
	bool has_states, is_empty_store;
	bool counts_changes; /* marks and documents have a sequence */
	/* The same for two sources that make the same states of the same messages. */
	char fingerprint[80];
};

/* Waits a little between two looks. */
void compare_pause(void);

#endif
