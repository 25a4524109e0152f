/* SPDX-License-Identifier: MIT
 * instance.h - an open index, and the operations of its two sides. */
#ifndef INSTANCE_H
#define INSTANCE_H

#include <pthread.h>
#include <stdbool.h>

#include "fields.h"
#include "weir/backend.h"

struct reader;
struct store;

struct weir_instance {
	char *path;
	const struct weir_host *host;
	struct fields fields;
	struct store *store; /* of a writer only */
	pthread_mutex_t reader_lock;
	struct reader *reader; /* of the folder that was there last; NULL: nobody read yet */
};

/* writer.c */
weir_status writer_open(struct weir_instance *instance, struct weir_error *error);
weir_status writer_fetch(weir_instance *instance, const char *const *ids, const size_t *id_lengths,
			 size_t count, weir_on_state on_state, void *context,
			 struct weir_error *error);
weir_status writer_apply(weir_instance *instance, const struct weir_document *const *documents,
			 size_t count, struct weir_verdict *const *verdicts,
			 struct weir_error *error);
weir_status writer_commit(weir_instance *instance, const struct weir_position *const *positions,
			  size_t count, struct weir_error *error);
weir_status writer_sync(weir_instance *instance, struct weir_error *error);
weir_status writer_maintain(weir_instance *instance, uint32_t budget_ms, struct weir_error *error);
weir_status writer_abandon(weir_instance *instance, struct weir_error *error);
weir_status writer_positions(weir_instance *instance, weir_on_position on_position, void *context,
			     struct weir_error *error);
weir_status writer_expire(weir_instance *instance, int64_t before, uint64_t *removed,
			  struct weir_error *error);
weir_status writer_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
			 struct weir_error *error);

/* session.c */
/* What the sessions of the folder that is at the path now share, kept for the caller. */
weir_status instance_reader(weir_instance *instance, struct reader **reader,
			    struct weir_error *error);
/* Of an instance for reading. */
weir_status reader_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
			 struct weir_error *error);
weir_status session_open(weir_instance *instance, const struct weir_host *host,
			 weir_session **session, struct weir_error *error);
void session_close(weir_session *session);
weir_status session_refresh(weir_session *session, uint64_t *generation, struct weir_error *error);
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
weir_status session_positions(weir_session *session, weir_on_position on_position, void *context,
			      struct weir_error *error);
weir_status session_facets(weir_session *session, const struct weir_facets *wanted,
			   weir_on_facet on_facet, void *context, struct weir_error *error);

#endif
