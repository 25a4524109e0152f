/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/stat.h>

#include "error.h"
#include "folder.h"
#include "index.h"
#include "instance.h"
#include "legacy.h"
#include "query.h"

struct weir_session {
	const struct weir_instance *instance;
	const struct weir_host *host;
	struct xapian_database *database;
	struct query_builder query, filter;
	struct xapian_key *keys;
	size_t key_capacity;
	struct bytes term; /* scratch */
	ino_t folder;	   /* a rebuilt index is another folder at the same path */
	uint64_t generation;
};

static ino_t folder_of(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 ? status.st_ino : 0;
}

weir_status session_open_database(const struct weir_instance *instance,
				  struct xapian_database **out, struct weir_error *error)
{
	struct stat folder;
	if (stat(instance->path, &folder) == 0 && !S_ISDIR(folder.st_mode))
		return error_set(error, WEIR_FATAL,
				 "xapian: %s is not a folder, so no index of Xapian; set another "
				 "path",
				 instance->path);
	struct xapian_database *database = NULL;
	weir_status status = xapian_open(instance->path, false, &database, error);
	if (status == WEIR_RETRY) { /* to wait for an index is in vain where something else is */
		struct weir_error reason;
		weir_status found = folder_check(instance->path, &reason);
		if (found != WEIR_OK)
			*error = reason;
		return found != WEIR_OK ? found : status;
	}
	if (status != WEIR_OK)
		return status;
	bool is_new = false;
	status = record_check(database, &instance->fields, instance->path, &is_new, error);
	if (status == WEIR_OK && is_new)
		status = error_set(error, WEIR_RETRY,
				   "xapian: the index at %s is only being created; wait for the "
				   "indexer",
				   instance->path);
	if (status != WEIR_OK) {
		xapian_close(database);
		return status;
	}
	*out = database;
	return WEIR_OK;
}

/* Leaves the session as it is on failure. */
static weir_status open_again(struct weir_session *session, struct weir_error *error)
{
	struct xapian_database *database = NULL;
	uint64_t generation = 0;
	ino_t folder = folder_of(session->instance->path);
	weir_status status = session_open_database(session->instance, &database, error);
	if (status != WEIR_OK)
		return status;
	status = xapian_generation(database, &generation, error);
	if (status != WEIR_OK) {
		xapian_close(database);
		return status;
	}
	xapian_close(session->database);
	session->database = database;
	session->folder = folder;
	session->generation = generation;
	return WEIR_OK;
}

void session_close(weir_session *session)
{
	if (session == NULL)
		return;
	xapian_close(session->database);
	query_builder_finish(&session->query);
	query_builder_finish(&session->filter);
	free(session->keys);
	bytes_finish(&session->term);
	free(session);
}

weir_status session_open(weir_instance *instance, const struct weir_host *host, weir_session **out,
			 struct weir_error *error)
{
	struct weir_session *session = calloc(1, sizeof(*session));
	if (session == NULL)
		return error_no_memory(error);
	session->instance = instance;
	session->host = host;
	weir_status status = open_again(session, error);
	if (status != WEIR_OK) {
		session_close(session);
		return status;
	}
	*out = session;
	return WEIR_OK;
}

weir_status session_refresh(weir_session *session, uint64_t *generation, struct weir_error *error)
{
	uint64_t before = session->generation, now = 0;
	weir_status status = WEIR_OK;
	bool same = folder_of(session->instance->path) == session->folder;
	if (same)
		status = xapian_reopen(session->database, error);
	if (same && status == WEIR_OK)
		status = xapian_generation(session->database, &now, error);
	if (status != WEIR_OK)
		return status;
	/* The upper half tells one database from another. */
	if (!same || now >> 32 != before >> 32) {
		status = open_again(session, error);
		if (status != WEIR_OK)
			return status;
		now = session->generation;
	}
	session->generation = now;
	*generation = now;
	return WEIR_OK;
}

static weir_status damaged(const struct weir_session *session, struct weir_error *error)
{
	return error_set(error, WEIR_FATAL,
			 "xapian: a document of the index at %s cannot be read; weir rebuild makes "
			 "a new one",
			 session->instance->path);
}

struct hit_context {
	weir_on_hit on_hit;
	void *context;
	bool damaged;
};

static int hand_out_hit(void *context, double score, const char *bytes, size_t length)
{
	struct hit_context *hits = context;
	struct index_data data;
	hits->damaged = !index_data_read(bytes, length, &data);
	if (hits->damaged)
		return 1;
	if (data.kind != WEIR_KIND_LIVE)
		return 0;
	struct weir_hit hit = {data.id, data.id_length, data.version,
			       score,	data.state,	data.state_length};
	return hits->on_hit(hits->context, &hit);
}

static weir_status make_keys(struct weir_session *session, const struct weir_search *search,
			     struct weir_error *error)
{
	for (size_t i = 0; i < search->sort_count; i++) {
		struct xapian_key *keys =
			array_grow(session->keys, i, &session->key_capacity, sizeof(*keys));
		if (keys == NULL)
			return error_no_memory(error);
		session->keys = keys;
		const struct weir_sort_key *key = search->sort[i];
		keys[i].descending = key->descending != 0;
		keys[i].slot = XAPIAN_SLOT_SCORE;
		if (key->field == WEIR_FIELD_DEFAULT)
			continue;
		size_t field = (size_t)key->field;
		if (key->field < 0 || field >= session->instance->fields.count ||
		    (session->instance->fields.fields[field].flags & WEIR_FIELD_SORT) == 0)
			return error_set(error, WEIR_FATAL,
					 "xapian: field number %d cannot be sorted by",
					 (int)key->field);
		keys[i].slot = (uint32_t)(SLOT_FIELDS + field);
	}
	return WEIR_OK;
}

/* Everything by id: the ids stand in order in the index, so a page near the front is read from
 * there. Sorting them all costs in proportion to the index. */
struct browse {
	size_t skip, left;
	struct bytes data; /* of each document its length and itself */
	const struct weir_host *host;
	bool failed, cancelled;
};

static int take_live(void *context, const char *id, size_t id_length, const char *bytes,
		     size_t length)
{
	struct browse *browse = context;
	struct index_data data;
	(void)id;
	(void)id_length;
	browse->cancelled = browse->host->cancelled(browse->host->context) != 0;
	if (browse->cancelled)
		return 1;
	if (!index_data_read(bytes, length, &data) || data.kind != WEIR_KIND_LIVE)
		return 0;
	if (browse->skip > 0) {
		browse->skip--;
		return 0;
	}
	browse->failed = !bytes_append_u64(&browse->data, length) ||
			 !bytes_append(&browse->data, bytes, length);
	return browse->failed || --browse->left == 0;
}

static weir_status browse_ids(struct weir_session *session, const struct weir_search *search,
			      struct hit_context *hits, struct weir_error *error)
{
	struct browse browse = {
		.skip = search->offset, .left = search->limit, .host = session->host};
	const char prefix[] = {TERM_ID, '\0'};
	weir_status status =
		xapian_each_term(session->database, prefix, prefix, 1, take_live, &browse, error);
	if (status == WEIR_OK && browse.failed)
		status = error_no_memory(error);
	if (status == WEIR_OK && browse.cancelled)
		status = error_set(error, WEIR_RETRY, "xapian: the search was cancelled");
	for (size_t at = 0; status == WEIR_OK && at < browse.data.length;) {
		size_t length = u64_read(browse.data.data + at);
		if (hand_out_hit(hits, 0, browse.data.data + at + 8, length) != 0)
			break;
		at += 8 + length;
	}
	bytes_finish(&browse.data);
	return status;
}

/* Whether browse_ids may answer, and is quicker. */
static bool can_browse(const struct weir_search *search, uint64_t total)
{
	bool by_score = search->sort_count == 0 ||
			(search->sort_count == 1 && search->sort[0]->descending != 0 &&
			 search->sort[0]->field == WEIR_FIELD_DEFAULT);
	return search->query->kind == WEIR_QUERY_ALL && search->filter == NULL && by_score &&
	       search->limit > 0 && search->offset < total / 16 && search->limit < total / 16;
}

weir_status session_search(weir_session *session, const struct weir_search *search,
			   weir_on_hit on_hit, void *context, struct weir_search_result *result,
			   struct weir_error *error)
{
	const struct fields *fields = &session->instance->fields;
	struct xapian_query query, filter;
	weir_status status = query_build(&session->query, fields, session->host, session->database,
					 search->query, &query, error);
	if (status == WEIR_OK && search->filter != NULL)
		status = query_build(&session->filter, fields, session->host, session->database,
				     search->filter, &filter, error);
	if (status == WEIR_OK)
		status = make_keys(session, search, error);
	if (status != WEIR_OK)
		return status;
	struct xapian_search prepared = {
		.query = &query,
		.filter = search->filter != NULL ? &filter : NULL,
		.keys = session->keys,
		.key_count = search->sort_count,
		.id_slot = SLOT_ID,
		.offset = search->offset,
		.limit = search->limit,
		.cancelled = session->host->cancelled,
		.context = session->host->context,
	};
	struct hit_context hits = {on_hit, context, false};
	uint64_t total = 0;
	status = xapian_frequency(session->database, TERM_LIVE, 1, &total, error);
	if (status == WEIR_OK && can_browse(search, total))
		status = browse_ids(session, search, &hits, error);
	else if (status == WEIR_OK)
		status = xapian_search(session->database, &prepared, hand_out_hit, &hits, &total,
				       error);
	if (status == WEIR_OK && hits.damaged)
		return damaged(session, error);
	if (status == WEIR_OK)
		*result = (struct weir_search_result){.total = total};
	return status;
}

static int hand_out_document(void *context, const char *bytes, size_t length)
{
	return hand_out_hit(context, 0, bytes, length);
}

weir_status session_get(weir_session *session, const char *id, size_t id_length, weir_on_hit on_hit,
			void *context, struct weir_error *error)
{
	if (id_length == 0 || id_length > XAPIAN_TERM_LIMIT)
		return WEIR_OK;
	session->term.length = 0;
	if (!index_append_id(&session->term, id, id_length))
		return error_no_memory(error);
	uint32_t docid = 0;
	struct hit_context hits = {on_hit, context, false};
	weir_status status = xapian_find(session->database, session->term.data,
					 session->term.length, &docid, error);
	if (status == WEIR_OK && docid != 0)
		status = xapian_data(session->database, docid, hand_out_document, &hits, error);
	return status == WEIR_OK && hits.damaged ? damaged(session, error) : status;
}

struct scan_context {
	weir_on_scan on_scan;
	weir_on_scan_state on_state; /* instead of on_scan */
	void *context;
	const struct weir_host *host;
	bool damaged, cancelled;
};

static int hand_out_scanned(void *context, const char *id, size_t id_length, const char *bytes,
			    size_t length)
{
	struct scan_context *scan = context;
	struct index_data data;
	scan->cancelled = scan->host->cancelled(scan->host->context) != 0;
	scan->damaged = !index_data_read(bytes, length, &data);
	if (scan->cancelled || scan->damaged)
		return 1;
	if (scan->on_state != NULL)
		return scan->on_state(scan->context, id, id_length, data.version, data.kind,
				      data.state, data.state_length);
	return scan->on_scan(scan->context, id, id_length, data.version, data.kind);
}

static weir_status run_scan(weir_session *session, const char *from, size_t from_length,
			    struct scan_context *scan, struct weir_error *error)
{
	const char prefix[] = {TERM_ID, '\0'};
	session->term.length = 0;
	if (!index_append_id(&session->term, from, from_length))
		return error_no_memory(error);
	weir_status status = xapian_each_term(session->database, prefix, session->term.data,
					      session->term.length, hand_out_scanned, scan, error);
	if (status == WEIR_OK && scan->damaged)
		return damaged(session, error);
	if (status == WEIR_OK && scan->cancelled)
		return error_set(error, WEIR_RETRY, "xapian: the scan was cancelled");
	return status;
}

weir_status session_scan(weir_session *session, const char *from, size_t from_length,
			 weir_on_scan on_scan, void *context, struct weir_error *error)
{
	struct scan_context scan = {.on_scan = on_scan, .context = context, .host = session->host};
	return run_scan(session, from, from_length, &scan, error);
}

weir_status session_scan_states(weir_session *session, const char *from, size_t from_length,
				weir_on_scan_state on_state, void *context,
				struct weir_error *error)
{
	struct scan_context scan = {
		.on_state = on_state, .context = context, .host = session->host};
	return run_scan(session, from, from_length, &scan, error);
}

weir_status session_positions(weir_session *session, weir_on_position on_position, void *context,
			      struct weir_error *error)
{
	return record_positions(session->database, on_position, context, error);
}
