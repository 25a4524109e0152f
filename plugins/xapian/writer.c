/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "folder.h"
#include "instance.h"
#include "legacy.h"

#define HIDDEN_BLOCKS 6 /* that removing a hidden document changes at worst */

static weir_status make_parents(const char *path, struct weir_error *error)
{
	char parent[PATH_MAX];
	size_t length = strlen(path);
	if (length >= sizeof(parent))
		return error_set(error, WEIR_FATAL, "xapian: the path %.100s... is too long", path);
	memcpy(parent, path, length + 1);
	for (char *slash = strchr(parent + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		bool made = mkdir(parent, 0777) == 0;
		if (!made && errno != EEXIST)
			return error_set(error, WEIR_FATAL,
					 "xapian: cannot create the folder %s (%s); create it or "
					 "set another path",
					 parent, strerror(errno));
		weir_status status = made ? folder_sync_above(parent, error) : WEIR_OK;
		if (status != WEIR_OK)
			return status;
		*slash = '/';
	}
	return WEIR_OK;
}

weir_status writer_open(struct weir_instance *instance, struct weir_error *error)
{
	weir_status status = make_parents(instance->path, error);
	if (status == WEIR_OK)
		status = folder_check(instance->path, error);
	if (status == WEIR_OK)
		status = xapian_open(instance->path, true, &instance->database, error);
	if (status == WEIR_OK)
		status = folder_sync_above(instance->path, error);
	bool is_new = false;
	if (status == WEIR_OK)
		status = record_check(instance->database, &instance->fields, instance->path,
				      &is_new, error);
	if (status == WEIR_OK && is_new)
		status = record_create(instance->database, &instance->fields, error);
	return status;
}

static weir_status find_id(struct weir_instance *instance, const char *id, size_t length,
			   uint32_t *docid, struct weir_error *error)
{
	instance->term.length = 0;
	if (!index_append_id(&instance->term, id, length))
		return error_no_memory(error);
	return xapian_find(instance->database, instance->term.data, instance->term.length, docid,
			   error);
}

struct fetch_context {
	weir_on_state on_state;
	void *context;
	size_t index;
	uint32_t docid;
	bool damaged;
	int stop;
};

static int hand_out_state(void *context, const char *bytes, size_t length)
{
	struct fetch_context *fetch = context;
	struct index_data data;
	fetch->damaged = !index_data_read(bytes, length, &data);
	if (!fetch->damaged)
		fetch->stop =
			fetch->on_state(fetch->context, fetch->index, 1, data.state,
					data.state_length, &fetch->docid, sizeof(fetch->docid));
	return 0;
}

static weir_status fetch_one(struct weir_instance *instance, const char *id, size_t length,
			     struct fetch_context *fetch, struct weir_error *error)
{
	fetch->docid = 0;
	weir_status status = WEIR_OK;
	if (length <= XAPIAN_TERM_LIMIT)
		status = find_id(instance, id, length, &fetch->docid, error);
	if (status != WEIR_OK)
		return status;
	if (fetch->docid == 0) {
		fetch->stop = fetch->on_state(fetch->context, fetch->index, 0, NULL, 0, NULL, 0);
		return WEIR_OK;
	}
	status = xapian_data(instance->database, fetch->docid, hand_out_state, fetch, error);
	if (status == WEIR_OK && fetch->damaged)
		return error_set(error, WEIR_FATAL,
				 "xapian: document %u of the index at %s cannot be read; "
				 "weir rebuild makes a new one",
				 (unsigned)fetch->docid, instance->path);
	return status;
}

weir_status writer_fetch(weir_instance *instance, const char *const *ids, const size_t *id_lengths,
			 size_t count, weir_on_state on_state, void *context,
			 struct weir_error *error)
{
	struct fetch_context fetch = {.on_state = on_state, .context = context};
	for (size_t i = 0; i < count && fetch.stop == 0; i++) {
		fetch.index = i;
		weir_status status = fetch_one(instance, ids[i], id_lengths[i], &fetch, error);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

/* A document's terms are each in a block of their own at worst, as are the old one's, its values
 * and its list of terms. */
static void count_pending(struct weir_instance *instance, const struct xapian_document *document,
			  bool is_replaced)
{
	size_t blocks = document->term_count + document->slot_count + 2;
	instance->pending.blocks += is_replaced ? 2 * blocks : blocks;
	instance->pending.bytes += instance->builder.text.length + document->data_length;
}

static weir_status check_room(struct weir_instance *instance, struct weir_error *error)
{
	struct disk_pending most = instance->pending;
	if (most.blocks < instance->starved.blocks)
		most.blocks = instance->starved.blocks;
	if (most.bytes < instance->starved.bytes)
		most.bytes = instance->starved.bytes;
	weir_status status = disk_check(instance->path, &most, error);
	if (status == WEIR_OK)
		most = (struct disk_pending){0};
	instance->starved = most;
	return status;
}

weir_status writer_apply(weir_instance *instance, const struct weir_document *const *documents,
			 size_t count, struct weir_verdict *const *verdicts,
			 struct weir_error *error)
{
	/* A full buffer is written before the commit. */
	weir_status status = check_room(instance, error);
	for (size_t i = 0; i < count && status == WEIR_OK; i++) {
		struct xapian_document document;
		status = index_document(&instance->builder, &instance->fields, instance->host,
					documents[i], &document, verdicts[i], error);
		if (status != WEIR_OK || verdicts[i]->kind != WEIR_ACCEPTED)
			continue;
		uint32_t docid = 0;
		status =
			find_id(instance, documents[i]->id, documents[i]->id_length, &docid, error);
		if (status == WEIR_OK)
			status = xapian_replace(instance->database, docid, &document, error);
		count_pending(instance, &document, docid != 0);
	}
	if (status != WEIR_OK)
		return status;
	return forms_write(&instance->builder.forms, instance->database, error);
}

weir_status writer_commit(weir_instance *instance, const struct weir_position *const *positions,
			  size_t count, struct weir_error *error)
{
	instance->pending.blocks += count;
	weir_status status = check_room(instance, error);
	for (size_t i = 0; i < count && status == WEIR_OK; i++)
		status = record_set_position(instance->database, positions[i], error);
	/* The host asks whether it was the documents: without writing, all would be well. */
	if (status == WEIR_OK && instance->doubtful)
		status = record_touch(instance->database, error);
	if (status == WEIR_OK)
		status = xapian_commit(instance->database, error);
	/* Xapian syncs its files, and not the renaming that makes the commit. The next one writes
	 * over blocks that only the commit before this one needs. */
	if (status == WEIR_OK)
		status = folder_sync(instance->path, error);
	if (status != WEIR_OK)
		return status;
	instance->pending = (struct disk_pending){0};
	instance->doubtful = false;
	return WEIR_OK;
}

weir_status writer_abandon(weir_instance *instance, struct weir_error *error)
{
	/* The forms that were written down are dropped too. */
	forms_forget(&instance->builder.forms);
	instance->doubtful = true;
	instance->pending = (struct disk_pending){0};
	return xapian_cancel(instance->database, error);
}

weir_status writer_positions(weir_instance *instance, weir_on_position on_position, void *context,
			     struct weir_error *error)
{
	return record_positions(instance->database, on_position, context, error);
}

weir_status writer_expire(weir_instance *instance, int64_t before, uint64_t *removed,
			  struct weir_error *error)
{
	char limit[8];
	u64_write(limit, order_of_integer(before));
	weir_status status = xapian_remove_below(instance->database, SLOT_APPLIED_AT, limit,
						 sizeof(limit), removed, error);
	if (status == WEIR_OK)
		instance->pending.blocks += *removed * HIDDEN_BLOCKS;
	return status;
}

weir_status writer_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
			 struct weir_error *error)
{
	struct xapian_database *own = NULL, *database = instance->database;
	uint64_t live = 0, hidden = 0;
	weir_status status = WEIR_OK;
	if (database == NULL) {
		status = session_open_database(instance, &own, error);
		database = own;
	}
	if (status == WEIR_OK)
		status = xapian_frequency(database, TERM_LIVE, 1, &live, error);
	if (status == WEIR_OK)
		status = xapian_frequency(database, TERM_HIDDEN, 1, &hidden, error);
	xapian_close(own);
	if (status == WEIR_OK && on_stat(context, "documents_live", (double)live) == 0 &&
	    on_stat(context, "documents_hidden", (double)hidden) == 0)
		on_stat(context, "bytes_on_disk", (double)disk_index_bytes(instance->path));
	return status;
}
