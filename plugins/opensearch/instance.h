/* SPDX-License-Identifier: MIT
 * instance.h - an open index, and the operations of its two sides.
 *
 * Concurrency: sessions run beside each other and beside the instance. Each has a connection and
 * texts of its own; of the instance they share what index_open left, which does not change, and
 * the newest point in time, under `points`. */
#ifndef INSTANCE_H
#define INSTANCE_H

#include <pthread.h>
#include <stdatomic.h>

#include "fields.h"
#include "http.h"

/* The head is the one document that is none of the host's: { "commit": a name for the newest
 * commit, "positions": {...} }. It lives in the same index, so that a snapshot, a copy or a
 * deletion of the index is one of both. Its id is an arrow and the name of the index's life, which
 * the mapping has too: a writer whose index was replaced does not find the head, and so cannot tell
 * the new index that it has read the log. No id of a document has an arrow (text_from_bytes ends at
 * U+00FF). */
#define HEAD_PREFIX "%E2%86%92" /* in a URL */
#define LIFE_LIMIT 48

struct index {
	char *name;	      /* as configured */
	struct text path;     /* "/name", for a URL; NUL-terminated, as are the two below */
	struct text writes;   /* the same, or the alias without which nothing is written */
	struct text required; /* "require_alias=true" where there is that alias, else "" */
	long shards, replicas;
	size_t bulk_bytes;
	char life[LIFE_LIMIT]; /* of its making, as the mapping has it */
};

struct weir_instance {
	const struct weir_host *host;
	struct cluster cluster;
	struct fields fields;
	struct index index;
	char preference[NAME_SIZE]; /* the same copy of the shards for all of this instance's reads
				     */
	struct connection *connection;
	pthread_mutex_t points; /* guards what is below, and who holds a point */
	struct point *newest;	/* NULL: none */
	uint64_t point_count;	/* ever opened */
	/* Of a writer. */
	struct document_writer documents;
	struct text body;
	/* Something was written that a commit has to make visible. */
	bool dirty;
	/* No positions were committed since something failed. Until then a commit without any fails
	 * too: one that passes would say that the documents are at fault, and here they never are.
	 */
	bool troubled;
	struct weir_error trouble;
};

/* index.c */
/* Makes what is missing (writer), and checks that it is ours. */
weir_status index_open(struct weir_instance *instance, uint32_t mode, struct weir_error *error);
/* Is there an index of this schema? life: its name; asked again when another one took its place. */
weir_status index_check(const struct weir_instance *instance, struct connection *connection,
			char life[LIFE_LIMIT], struct weir_error *error);

/* It was taken away under its writer, with its positions: only a new start sees that the log is to
 * be read again. Answers WEIR_FATAL. */
weir_status index_gone(const struct weir_instance *instance, struct weir_error *error);

struct head {
	json_t *source; /* owned: the "head" member */
	uint64_t generation;
};
void head_finish(struct head *head);
/* realtime: also what no commit made visible yet. WEIR_RETRY: there is none. */
weir_status head_read(const struct weir_instance *instance, struct connection *connection,
		      const char *life, bool realtime, struct head *head, struct weir_error *error);
/* Puts the positions in, and a new name for the commit when stamp is not NULL; makes it, and all
 * that was written to its shard, visible. */
weir_status head_write(struct weir_instance *instance, const char *stamp,
		       const struct weir_position *const *positions, size_t count,
		       struct weir_error *error);
weir_status head_each_position(const struct head *head, weir_on_position on_position, void *context,
			       struct weir_error *error);

/* bulk.c */
weir_status bulk_apply(struct weir_instance *instance, const struct weir_document *const *documents,
		       size_t count, struct weir_verdict *const *verdicts,
		       struct weir_error *error);

/* writer.c */
weir_status writer_fetch(weir_instance *instance, const char *const *ids, const size_t *id_lengths,
			 size_t count, weir_on_state on_state, void *context,
			 struct weir_error *error);
weir_status writer_apply(weir_instance *instance, const struct weir_document *const *documents,
			 size_t count, struct weir_verdict *const *verdicts,
			 struct weir_error *error);
weir_status writer_commit(weir_instance *instance, const struct weir_position *const *positions,
			  size_t count, struct weir_error *error);
weir_status writer_abandon(weir_instance *instance, struct weir_error *error);
weir_status writer_positions(weir_instance *instance, weir_on_position on_position, void *context,
			     struct weir_error *error);
weir_status writer_expire(weir_instance *instance, int64_t before, uint64_t *removed,
			  struct weir_error *error);
weir_status writer_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
			 struct weir_error *error);

/* point.c: a point in time, which sessions share: two that were taken behind one head may differ,
 * because a commit is visible a little before its head is, and then an answer could have less than
 * an earlier one of another session had. */
#define POINT_KEPT "5m" /* so long the cluster keeps one that nobody asks for */
struct point {
	char *pit;
	struct head head;     /* as it was before the point was opened */
	uint64_t generation;  /* no two points have the same */
	unsigned holders;     /* sessions, and the instance for the newest */
	_Atomic int64_t used; /* seconds, of the machine's uptime */
	_Atomic bool is_lost; /* the cluster does not know it any more */
};
/* Moves the session to the newest point, which is opened when none was behind this head. Takes the
 * head over when it does that. */
weir_status point_take(weir_session *session, struct head *head, struct weir_error *error);
void point_leave(weir_session *session);
bool point_is_lost(const struct point *point); /* also one that is NULL */
void point_used(struct point *point);

/* session.c */
struct weir_session {
	weir_instance *instance;
	const struct weir_host *host;
	struct connection *connection;
	struct point *point; /* what is read; NULL: not yet */
	char life[LIFE_LIMIT];
	struct text body; /* scratch, as are the two below */
	struct text id, state;
};
weir_status session_open(weir_instance *instance, const struct weir_host *host,
			 weir_session **session, struct weir_error *error);
void session_close(weir_session *session);
weir_status session_refresh(weir_session *session, uint64_t *generation, struct weir_error *error);
weir_status session_positions(weir_session *session, weir_on_position on_position, void *context,
			      struct weir_error *error);
/* Runs a search over the point in time, which is added to the request. Takes request over. What is
 * too large is a good answer without JSON. */
weir_status session_ask(weir_session *session, json_t *request, struct answer *answer,
			struct weir_error *error);

/* search.c */
bool session_is_cancelled(const struct weir_session *session);
weir_status session_cancelled(struct weir_error *error);
/* A document that is not as we write them. */
weir_status session_damaged(const struct weir_session *session, struct weir_error *error);
weir_status session_search(weir_session *session, const struct weir_search *search,
			   weir_on_hit on_hit, void *context, struct weir_search_result *result,
			   struct weir_error *error);
weir_status session_get(weir_session *session, const char *id, size_t id_length, weir_on_hit on_hit,
			void *context, struct weir_error *error);
weir_status session_scan(weir_session *session, const char *from, size_t from_length,
			 weir_on_scan on_scan, void *context, struct weir_error *error);
weir_status session_scan_states(weir_session *session, const char *from, size_t from_length,
				weir_on_scan_state on_state, void *context,
				struct weir_error *error);

/* facets.c */
weir_status session_facets(weir_session *session, const struct weir_facets *wanted,
			   weir_on_facet on_facet, void *context, struct weir_error *error);

#endif
