/* SPDX-License-Identifier: MIT
 * writer.c - the backend's operations of an index that is written to. */
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "folder.h"
#include "instance.h"
#include "record.h"
#include "store.h"
#include "upkeep.h"

weir_status writer_open(struct weir_instance *instance, struct weir_error *error)
{
	return store_open(instance->path, &instance->fields, instance->host, &instance->store,
			  error);
}

struct fetch {
	weir_on_state on_state;
	void *context;
	size_t index;
	int stop;
};

static weir_status hand_out(struct store *store, uint32_t docid, struct fetch *fetch,
			    struct weir_error *error)
{
	const struct pending *pending = store_pending(store, docid);
	struct record record;
	if (pending != NULL) {
		fetch->stop = fetch->on_state(fetch->context, fetch->index, 1, pending->input.state,
					      pending->input.state_length, &docid, sizeof(docid));
		return WEIR_OK;
	}
	weir_status status = log_record(store->log, rows_u64(&store->rows, COLUMN_LOCATION, docid),
					&store->scratch, error);
	if (status != WEIR_OK)
		return status;
	if (!record_read(store->scratch.data, store->scratch.length, true, &record) ||
	    record.head.docid != docid)
		return error_set(error, WEIR_FATAL,
				 "xapian: document %u of the index at %s cannot be read; weir "
				 "rebuild makes a new one",
				 (unsigned)docid, store->path);
	fetch->stop = fetch->on_state(fetch->context, fetch->index, 1, record.state,
				      record.state_length, &docid, sizeof(docid));
	return WEIR_OK;
}

weir_status writer_fetch(weir_instance *instance, const char *const *ids, const size_t *id_lengths,
			 size_t count, weir_on_state on_state, void *context,
			 struct weir_error *error)
{
	struct store *store = instance->store;
	struct fetch fetch = {.on_state = on_state, .context = context};
	weir_status status = store_ready(store, error);
	for (size_t i = 0; i < count && fetch.stop == 0 && status == WEIR_OK; i++) {
		uint32_t docid = 0;
		fetch.index = i;
		status = store_find(store, ids[i], id_lengths[i],
				    hash_bytes(0, ids[i], id_lengths[i]), 0, &docid, error);
		if (status == WEIR_OK && docid == 0)
			fetch.stop = on_state(context, i, 0, NULL, 0, NULL, 0);
		else if (status == WEIR_OK)
			status = hand_out(store, docid, &fetch, error);
	}
	return status;
}

weir_status writer_apply(weir_instance *instance, const struct weir_document *const *documents,
			 size_t count, struct weir_verdict *const *verdicts,
			 struct weir_error *error)
{
	struct store *store = instance->store;
	weir_status status = store_ready(store, error);
	if (status == WEIR_OK)
		status = store_room(store, error);
	if (status == WEIR_OK)
		status = upkeep_apply(store, error);
	for (size_t i = 0; i < count && status == WEIR_OK; i++) {
		const char *reason = build_refusal(&instance->fields, documents[i]);
		verdicts[i]->kind = reason != NULL ? WEIR_REJECTED : WEIR_ACCEPTED;
		snprintf(verdicts[i]->reason, sizeof(verdicts[i]->reason), "%s",
			 reason != NULL ? reason : "");
		if (reason == NULL)
			status = store_add(store, documents[i], error);
	}
	for (size_t i = 0; i < WORKERS && status == WEIR_OK; i++)
		status = worker_begin(store->workers[i], error);
	return status;
}

weir_status writer_commit(weir_instance *instance, const struct weir_position *const *positions,
			  size_t count, struct weir_error *error)
{
	return store_commit(instance->store, positions, count, error);
}

weir_status writer_sync(weir_instance *instance, struct weir_error *error)
{
	return store_sync(instance->store, error);
}

weir_status writer_abandon(weir_instance *instance, struct weir_error *error)
{
	return store_abandon(instance->store, error);
}

weir_status writer_positions(weir_instance *instance, weir_on_position on_position, void *context,
			     struct weir_error *error)
{
	const struct bytes *positions = &instance->store->positions;
	return positions_each(positions->data, positions->length, on_position, context, error);
}

weir_status writer_expire(weir_instance *instance, int64_t before, uint64_t *removed,
			  struct weir_error *error)
{
	weir_status status = store_ready(instance->store, error);
	return status == WEIR_OK ? store_expire(instance->store, before, removed, error) : status;
}

weir_status writer_maintain(weir_instance *instance, uint32_t budget_ms, struct weir_error *error)
{
	weir_status status = store_ready(instance->store, error);
	return status == WEIR_OK ? upkeep_maintain(instance->store, budget_ms, error) : status;
}

weir_status writer_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
			 struct weir_error *error)
{
	if (instance->store == NULL)
		return reader_stats(instance, on_stat, context, error);
	const struct head *head = &instance->store->head;
	if (on_stat(context, "documents_live", (double)head->live) == 0 &&
	    on_stat(context, "documents_hidden", (double)head->hidden) == 0 &&
	    on_stat(context, "bytes_on_disk", (double)folder_bytes(instance->path)) == 0)
		upkeep_stats(instance->store, on_stat, context);
	return WEIR_OK;
}
