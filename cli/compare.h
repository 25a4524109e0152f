/* SPDX-License-Identifier: MIT
 * compare.h - whether two copies of the events are the same: the store and an index (weir verify),
 * or two indexes (weir rebuild).
 *
 * One of the two is the truth, the other is its copy, which follows it and is a little behind. Both
 * are read in order of id, range by range; where the digests of a range differ, the documents in it
 * are looked at. What differs there may be on its way. So a difference counts only when the copy
 * lacks something that the truth held before the copy was seen to have read that far, or holds
 * something that the truth does not hold afterwards: with
 *
 *     before = the truth; the copy reaches where the truth was; copy; after = the truth
 *
 * the copy is right when before <= copy <= after in the order of merging (a <= b: merging a into b
 * changes nothing). Each of them is read once, so writes that go on make no false alarm and no
 * endless run.
 *
 * Memory is bounded by what a range may hold, whatever the number of documents. */
#ifndef COMPARE_H
#define COMPARE_H

#include "digest.h"
#include "event.h"
#include "plugin.h"
#include "schema.h"

/* What a source tells of one event. */
struct compare_document {
	const char *id; /* NUL-terminated */
	size_t id_length;
	int64_t version;
	uint32_t kind; /* WEIR_KIND_LIVE, WEIR_KIND_HIDDEN */
	hash128 digest;
	const void *state; /* NULL: not asked for, or the source has none */
	size_t state_length;
	int64_t changed_at; /* when its newest change was made; INT64_MIN: not known */
	int64_t sequence;   /* of its newest change in the store; INT64_MAX: not known */
};

struct compare_source;
void compare_source_destroy(struct compare_source *source); /* takes NULL */
static inline void compare_source_destroy_pointer(struct compare_source **source)
{
	compare_source_destroy(*source);
}
#define COMPARE_SOURCE_SCOPED WEIR_CLEANUP(compare_source_destroy_pointer)

/* How long a source waits while nothing moves: then WEIR_AWAY, with a line that says what does not.
 * Microseconds. */
#define COMPARE_PATIENCE (INT64_C(30) * 1000000)

/* An index, opened as reader by the caller, who closes it after the source. All borrowed. */
struct compare_index {
	const struct plugin *plugin;
	weir_instance *instance;
	const struct schema *schema; /* that it was opened with */
	const char *name;	     /* for messages: "the index", "the new index" */
	int64_t patience;	     /* 0: COMPARE_PATIENCE */
};
weir_status compare_open_index(const struct compare_index *index, struct compare_source **source,
			       struct weir_error *error) WEIR_MUST_CHECK;

/* eventd's store, over HTTP. What it has sent is known once its outbox is empty and Kafka has told
 * the ends of its logs. All borrowed. */
struct compare_store {
	const char *url; /* "http://127.0.0.1:8080" */
	const struct config *config;
	const struct schema *schema; /* of the index that it is compared with */
	int64_t patience;	     /* 0: COMPARE_PATIENCE */
};
weir_status compare_open_store(const struct compare_store *store, struct compare_source **source,
			       struct weir_error *error) WEIR_MUST_CHECK;

enum compare_kind {
	COMPARE_MISSING,   /* the copy does not have it */
	COMPARE_EXTRA,	   /* the truth does not have it */
	COMPARE_TOMBSTONE, /* deleted in the truth, and the copy does not know that */
	COMPARE_DIFFERENT, /* both have it, but not the same */
};
enum { COMPARE_KIND_COUNT = COMPARE_DIFFERENT + 1 };

struct compare_difference {
	enum compare_kind kind;
	const struct compare_document *truth, *copy; /* NULL: not there; without states */
};

struct compare_result {
	uint64_t truths, copies; /* documents that were compared, old tombstones left out */
	uint64_t differences[COMPARE_KIND_COUNT];
	uint64_t in_flight; /* looked like differences and were on their way */
	uint64_t ranges;
};

struct compare_options {
	struct compare_source *truth, *copy;
	/* Only ids with from < id <= to; NULL: from the first, to the last. */
	const char *from, *to;
	/* Events that were deleted before this are let go of (microseconds; as the store's or the
	 * message's clock says). INT64_MIN: none, INT64_MAX: deleted events do not count at all. */
	int64_t tombstones_before;
	/* Versions alone, not what the fields hold: for schemas or engines that differ. Done by
	 * itself where a source gives no states; compare_is_shallow tells. */
	bool versions_only;
	/* The truth cannot follow (nothing writes to it any more): a copy that has more than it is
	 * no difference. */
	bool copy_may_be_ahead;
	/* Both may be NULL. on_difference: not 0 ends the comparison, with WEIR_OK; it may use
	 * compare_find. on_range: after each range, with the last id in it, "" after the last. */
	int (*on_difference)(void *context, const struct compare_difference *difference);
	void (*on_range)(void *context, const struct compare_result *so_far, const char *to);
	void *context;
};

bool compare_is_shallow(const struct compare_options *options);

/* WEIR_OK and *result, whether there are differences or not. WEIR_AWAY: a source does not answer,
 * or what the truth has sent does not arrive in the copy. */
weir_status compare_run(const struct compare_options *options, struct compare_result *result,
			struct weir_error *error) WEIR_MUST_CHECK;
uint64_t compare_differences(const struct compare_result *result); /* of all kinds */

/* The same for these ids alone, each once: what was repaired, say. All are taken for suspects. */
weir_status compare_ids(const struct compare_options *options, const char *const *ids, size_t count,
			struct compare_result *result, struct weir_error *error) WEIR_MUST_CHECK;

/* The store that this source reads was never written to. False for an index. */
bool compare_is_empty_store(const struct compare_source *source);

/* A document with memory of its own. Begins and ends empty. */
struct compare_kept {
	bool there;
	struct compare_document document;
	struct buffer bytes; /* id, NUL, state */
};
void compare_kept_finish(struct compare_kept *kept);
#define COMPARE_KEPT_SCOPED WEIR_CLEANUP(compare_kept_finish)

/* One event with its state, as the source has it now. */
weir_status compare_find(struct compare_source *source, const char *id, struct compare_kept *kept,
			 struct weir_error *error) WEIR_MUST_CHECK;

#endif
