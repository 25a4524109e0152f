/* SPDX-License-Identifier: MIT
 * store.c - documents in, and what was not committed out again. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "record.h"
#include "upkeep.h"

/* Finding */

struct pending *store_pending(const struct store *store, uint32_t docid)
{
	uint32_t chunk = (docid - 1) / CHUNK_DOCIDS;
	const struct store_segment *segment =
		chunk < store->chunk_count ? store->chunks[chunk].segment : NULL;
	if (segment == NULL || docid < segment->first_pending ||
	    docid - segment->first_pending >= segment->pending_count)
		return NULL;
	return segment->pending[docid - segment->first_pending];
}

/* Whether the docid's document has that id, and not only its hash. */
static weir_status has_id(struct store *store, uint32_t docid, const char *id, size_t length,
			  bool *has, struct weir_error *error)
{
	const struct pending *pending = store_pending(store, docid);
	if (pending != NULL) {
		*has = pending->input.id_length == length &&
		       memcmp(pending->input.id, id, length) == 0;
		return WEIR_OK;
	}
	char bytes[sizeof(struct record_head) + UINT8_MAX];
	size_t got = 0;
	uint64_t place = rows_u64(&store->rows, COLUMN_LOCATION, docid) & ~LOCATION_HIDDEN;
	weir_status status = log_read(store->log, place, bytes, sizeof(bytes), &got, error);
	if (status != WEIR_OK)
		return status;
	struct record_head head;
	memcpy(&head, bytes, sizeof(head));
	if (got < sizeof(head) + head.id_length || head.docid != docid)
		return error_set(error, WEIR_FATAL,
				 "xapian: document %u of the index at %s cannot be read; weir "
				 "rebuild makes a new one",
				 (unsigned)docid, store->path);
	*has = head.id_length == length && memcmp(bytes + sizeof(head), id, length) == 0;
	return WEIR_OK;
}

weir_status store_find(struct store *store, const char *id, size_t length, uint64_t hash,
		       uint32_t known, uint32_t *docid, struct weir_error *error)
{
	size_t cursor = SIZE_MAX;
	bool has = false;
	for (uint32_t found; (found = ids_next(&store->ids, hash, &cursor)) != 0;) {
		if (found == known)
			has = true;
		weir_status status = has ? WEIR_OK : has_id(store, found, id, length, &has, error);
		if (status != WEIR_OK)
			return status;
		if (has) {
			*docid = found;
			return WEIR_OK;
		}
	}
	*docid = 0;
	return WEIR_OK;
}

/* Changing what is pending */

static bool note_change(struct store *store, uint64_t hash, uint32_t before, uint32_t after)
{
	struct change *changes = array_grow(store->changes, store->change_count,
					    &store->change_capacity, sizeof(*changes));
	if (changes == NULL)
		return false;
	store->changes = changes;
	if (before != 0 && after != 0)
		ids_change(&store->ids, hash, before, after);
	else if (before != 0)
		ids_remove(&store->ids, hash, before);
	else if (!ids_add(&store->ids, hash, after))
		return false;
	changes[store->change_count++] = (struct change){hash, before, after};
	return true;
}

static bool note_dead(struct store *store, uint32_t docid, bool is_hidden)
{
	uint32_t *dead =
		array_grow(store->dead, store->dead_count, &store->dead_capacity, sizeof(*dead));
	if (dead == NULL)
		return false;
	store->dead = dead;
	dead[store->dead_count++] = docid;
	if (is_hidden)
		store->hidden_live--;
	else
		store->live--;
	return true;
}

static bool is_hidden(const struct store *store, uint32_t docid)
{
	const struct pending *pending = store_pending(store, docid);
	if (pending != NULL)
		return pending->input.kind == WEIR_KIND_HIDDEN;
	return (rows_u64(&store->rows, COLUMN_LOCATION, docid) & LOCATION_HIDDEN) != 0;
}

weir_status store_remove(struct store *store, uint32_t docid, uint64_t hash, bool hidden,
			 struct weir_error *error)
{
	return note_dead(store, docid, hidden) && note_change(store, hash, docid, 0)
		       ? WEIR_OK
		       : error_no_memory(error);
}

/* A copy in the arena. */
static bool copy_values(struct store *store, const struct weir_document *document,
			struct input *input, uint32_t **ordinals)
{
	size_t count = document->kind == WEIR_KIND_LIVE ? document->value_count : 0;
	struct weir_value *values = arena_take(&store->arena, count * sizeof(*values) + 1);
	*ordinals = arena_take(&store->arena, count * sizeof(**ordinals) + 1);
	if (values == NULL || *ordinals == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		values[i] = *document->values[i];
		(*ordinals)[i] = 0;
		bool has_text =
			values[i].type == WEIR_TYPE_TEXT || values[i].type == WEIR_TYPE_KEYWORD;
		values[i].text =
			has_text ? arena_copy(&store->arena, values[i].text, values[i].text_length)
				 : NULL;
		if (has_text && values[i].text == NULL)
			return false;
	}
	input->values = values;
	input->ordinals = *ordinals;
	input->value_count = count;
	return true;
}

static weir_status find_ordinals(struct store *store, const struct input *input, uint32_t *ordinals,
				 struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < input->value_count && status == WEIR_OK; i++) {
		const struct weir_value *value = &input->values[i];
		if (store->layout.kinds[value->field] != COLUMN_ORDINAL)
			continue;
		status = names_add_value(store->names, (size_t)value->field, value->text,
					 value->text_length, &ordinals[i], error);
		ordinals[i]++;
	}
	return status;
}

static weir_status copy_document(struct store *store, const struct weir_document *document,
				 struct input *input, struct weir_error *error)
{
	uint32_t *ordinals;
	*input = (struct input){
		.kind = document->kind,
		.id = arena_copy(&store->arena, document->id, document->id_length),
		.id_length = document->id_length,
		.version = document->version,
		.applied_at = document->applied_at,
		.state = arena_copy(&store->arena, document->state, document->state_length),
		.state_length = document->state_length,
	};
	if (input->id == NULL || input->state == NULL ||
	    !copy_values(store, document, input, &ordinals))
		return error_no_memory(error);
	return find_ordinals(store, input, ordinals, error);
}

/* The worker's segment, with room for one more document. */
static weir_status fresh_segment(struct store *store, size_t worker, struct store_segment **out,
				 struct weir_error *error)
{
	weir_status status = WEIR_OK;
	struct store_segment *segment = store->fresh[worker];
	if (segment != NULL && segment->given >= CHUNK_DOCIDS) {
		status = worker_fill(store->workers[worker], &segment->target, error);
		if (status != WEIR_OK)
			return status;
		segment->segment.state = SEGMENT_FILLED;
		store->manifest_changed = true;
		store->fresh[worker] = segment = NULL;
	}
	if (segment == NULL) {
		status = store_new_segment(store, &segment, error);
		if (status != WEIR_OK)
			return status;
		store->fresh[worker] = segment;
		store->manifest_changed = true;
	}
	*out = segment;
	return WEIR_OK;
}

static bool note_pending(struct store *store, struct store_segment *segment,
			 struct pending *pending)
{
	struct pending **all = array_grow(store->pending, store->pending_count,
					  &store->pending_capacity, sizeof(struct pending *));
	if (all == NULL)
		return false;
	store->pending = all;
	struct pending **own = array_grow(segment->pending, segment->pending_count,
					  &segment->pending_capacity, sizeof(struct pending *));
	if (own == NULL)
		return false;
	segment->pending = own;
	all[store->pending_count++] = pending;
	own[segment->pending_count++] = pending;
	segment->given++;
	return true;
}

/* Gives the document a docid and a worker, in place of the one it replaces. */
static weir_status put(struct store *store, struct pending *pending, struct weir_error *error)
{
	struct store_segment *segment = NULL;
	pending->worker = (uint32_t)(pending->hash >> 63);
	weir_status status = fresh_segment(store, pending->worker, &segment, error);
	if (status != WEIR_OK)
		return status;
	pending->input.docid = segment->segment.first_chunk * CHUNK_DOCIDS + 1 + segment->given;
	if (pending->replaced != 0 &&
	    !note_dead(store, pending->replaced, is_hidden(store, pending->replaced)))
		return error_no_memory(error);
	if (!note_pending(store, segment, pending) ||
	    !note_change(store, pending->hash, pending->replaced, pending->input.docid))
		return error_no_memory(error);
	if (pending->input.kind == WEIR_KIND_HIDDEN)
		store->hidden_live++;
	else
		store->live++;
	return worker_add(store->workers[pending->worker], &segment->target, pending, error);
}

weir_status store_add(struct store *store, const struct weir_document *document,
		      struct weir_error *error)
{
	uint32_t known = 0;
	struct pending *pending = arena_take(&store->arena, sizeof(*pending));
	if (pending == NULL)
		return error_no_memory(error);
	*pending = (struct pending){.hash = hash_bytes(0, document->id, document->id_length)};
	if (document->revision_length == sizeof(known))
		memcpy(&known, document->revision, sizeof(known));
	weir_status status = store_find(store, document->id, document->id_length, pending->hash,
					known, &pending->replaced, error);
	if (status == WEIR_OK)
		status = copy_document(store, document, &pending->input, error);
	if (status == WEIR_OK)
		status = put(store, pending, error);
	store->need.bytes += document->state_length + document->id_length;
	for (size_t i = 0; i < pending->input.value_count; i++)
		store->need.words += pending->input.values[i].text_length;
	store->need.documents++;
	return status;
}

weir_status store_reapply(struct store *store, uint32_t docid, struct weir_error *error)
{
	uint64_t hash = rows_u64(&store->rows, COLUMN_HASH, docid);
	uint64_t location = rows_u64(&store->rows, COLUMN_LOCATION, docid);
	size_t cursor = SIZE_MAX;
	uint32_t found;
	if (!rows_visible(&store->rows, docid, store->head.commit))
		return WEIR_OK;
	do
		found = ids_next(&store->ids, hash, &cursor);
	while (found != 0 && found != docid);
	if (found == 0)
		return WEIR_OK;
	weir_status status = log_record(store->log, location, &store->scratch, error);
	if (status != WEIR_OK)
		return status;
	struct pending *pending = arena_take(&store->arena, sizeof(*pending));
	char *bytes = arena_copy(&store->arena, store->scratch.data, store->scratch.length);
	struct record record;
	if (pending == NULL || bytes == NULL)
		return error_no_memory(error);
	if (!record_read(bytes, store->scratch.length, true, &record))
		return error_set(error, WEIR_FATAL,
				 "xapian: document %u of the index at %s cannot be read; weir "
				 "rebuild makes a new one",
				 (unsigned)docid, store->path);
	*pending = (struct pending){
		.hash = hash,
		.replaced = docid,
		.input = {.kind = record.head.kind == RECORD_LIVE ? WEIR_KIND_LIVE
								  : WEIR_KIND_HIDDEN,
			  .id = record.id,
			  .id_length = record.head.id_length,
			  .version = record.head.version,
			  .applied_at = record.head.applied_at,
			  .state = record.state,
			  .state_length = record.state_length,
			  .record = bytes,
			  .record_length = store->scratch.length},
	};
	store->need.bytes += record.state_length;
	store->need.words += store->scratch.length - record.state_length;
	store->need.documents++;
	return put(store, pending, error);
}

/* Hidden documents */

static weir_status read_applied_at(struct store *store, struct hidden *hidden,
				   struct weir_error *error)
{
	struct record_head head;
	size_t got = 0;
	uint64_t place = rows_u64(&store->rows, COLUMN_LOCATION, hidden->docid) & ~LOCATION_HIDDEN;
	weir_status status = log_read(store->log, place, (char *)&head, sizeof(head), &got, error);
	if (status != WEIR_OK)
		return status;
	if (got < sizeof(head) || head.docid != hidden->docid)
		return error_set(error, WEIR_FATAL,
				 "xapian: document %u of the index at %s cannot be read; weir "
				 "rebuild makes a new one",
				 (unsigned)hidden->docid, store->path);
	hidden->applied_at = head.applied_at;
	hidden->is_read = true;
	return WEIR_OK;
}

/* Whether the document is still the newest of its id. */
static bool is_newest(const struct store *store, uint32_t docid, uint64_t hash)
{
	size_t cursor = SIZE_MAX;
	for (uint32_t found; (found = ids_next(&store->ids, hash, &cursor)) != 0;)
		if (found == docid)
			return true;
	return false;
}

static weir_status expire_pending(struct store *store, int64_t before, uint64_t *removed,
				  struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < store->pending_count && status == WEIR_OK; i++) {
		const struct pending *pending = store->pending[i];
		if (pending->input.kind != WEIR_KIND_HIDDEN ||
		    pending->input.applied_at >= before ||
		    !is_newest(store, pending->input.docid, pending->hash))
			continue;
		status = store_remove(store, pending->input.docid, pending->hash, true, error);
		*removed += status == WEIR_OK;
	}
	return status;
}

weir_status store_expire(struct store *store, int64_t before, uint64_t *removed,
			 struct weir_error *error)
{
	weir_status status = WEIR_OK;
	size_t kept = 0;
	*removed = 0;
	for (size_t i = 0; i < store->hidden_count; i++) {
		struct hidden *hidden = &store->hidden[i];
		if (!rows_visible(&store->rows, hidden->docid, store->head.commit))
			continue;
		struct hidden *here = &store->hidden[kept++];
		*here = *hidden;
		uint64_t hash = rows_u64(&store->rows, COLUMN_HASH, here->docid);
		if (status == WEIR_OK && !here->is_read)
			status = read_applied_at(store, here, error);
		if (status != WEIR_OK || here->applied_at >= before ||
		    !is_newest(store, here->docid, hash))
			continue;
		status = store_remove(store, here->docid, hash, true, error);
		*removed += status == WEIR_OK;
	}
	store->hidden_count = kept;
	return status == WEIR_OK ? expire_pending(store, before, removed, error) : status;
}

/* Abandoning */

static void restore_ids(struct store *store)
{
	while (store->change_count > 0) {
		const struct change *change = &store->changes[--store->change_count];
		if (change->before != 0 && change->after != 0)
			ids_change(&store->ids, change->hash, change->after, change->before);
		else if (change->after != 0)
			ids_remove(&store->ids, change->hash, change->after);
		else /* there is room: it was there before */
			(void)ids_add(&store->ids, change->hash, change->before);
	}
}

/* What was given of a segment that was there before: when it may have got to Xapian, its docids are
 * not given again. */
static weir_status restore_segment(struct store *store, struct store_segment *segment,
				   struct weir_error *error)
{
	struct target *target = &segment->target;
	weir_status status = WEIR_OK;
	if (target->added > 0 && !target->is_ill && target->writer != NULL)
		target->is_ill = segment_cancel(target->writer, error) != WEIR_OK;
	if (target->is_ill) {
		status = store_remake(store, segment, error);
	} else if (!target->has_committed) { /* nor was it filled then */
		segment->given = segment->given_before;
		segment->segment.state = SEGMENT_FRESH;
	}
	if (status != WEIR_OK)
		return status;
	target->has_committed = false;
	target->added = 0;
	segment->given_before = segment->given;
	segment->first_pending = segment->segment.first_chunk * CHUNK_DOCIDS + 1 + segment->given;
	segment->pending_count = 0;
	return WEIR_OK;
}

/* Since the last commit something was done to it, or was to be done and is not any more. */
static bool is_touched(const struct store_segment *segment)
{
	return segment->pending_count > 0 || segment->target.is_ill ||
	       (segment->segment.state == SEGMENT_FILLED && segment->target.writer != NULL);
}

/* Those that are fresh again go on. */
static void give_to_workers(struct store *store)
{
	for (size_t i = 0; i < store->segment_count; i++) {
		struct store_segment *segment = store->segments[i];
		bool has_worker = segment->segment.state != SEGMENT_FRESH;
		for (size_t j = 0; j < WORKERS; j++)
			has_worker |= store->fresh[j] == segment;
		for (size_t j = 0; j < WORKERS && !has_worker; j++)
			if (store->fresh[j] == NULL) {
				store->fresh[j] = segment;
				has_worker = true;
			}
	}
}

weir_status store_abandon(struct store *store, struct weir_error *error)
{
	for (size_t i = 0; i < WORKERS; i++)
		worker_reset(store->workers[i], false);
	restore_ids(store);
	names_forget(store->names);
	store->is_doubtful = store->is_broken = true;
	weir_status status = store_take_back(store, error);
	for (size_t i = store->segment_count; i > 0 && status == WEIR_OK; i--) {
		struct store_segment *segment = store->segments[i - 1];
		if (!segment->is_listed)
			store_drop_segment(store, segment);
		else if (is_touched(segment))
			status = restore_segment(store, segment, error);
	}
	if (status != WEIR_OK)
		return status;
	give_to_workers(store);
	store->pending_count = store->dead_count = store->reapplied = 0;
	arena_reset(&store->arena);
	store->live = (int64_t)store->head.live;
	store->hidden_live = (int64_t)store->head.hidden;
	store->need = (struct disk_pending){0};
	store->is_broken = false;
	return WEIR_OK;
}

weir_status store_ready(struct store *store, struct weir_error *error)
{
	return store->is_broken ? store_abandon(store, error) : WEIR_OK;
}
