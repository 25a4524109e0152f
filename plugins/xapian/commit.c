/* SPDX-License-Identifier: MIT
 * commit.c - what was applied becomes a block of the log, and with the head it is seen. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "folder.h"
#include "record.h"
#include "store.h"
#include "upkeep.h"

/* Room */

static uint64_t bytes_of_fresh(const struct store *store)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < WORKERS; i++) {
		struct stat status;
		char *path = store->fresh[i] != NULL && store->fresh[i]->pending_count > 0
				     ? file_path(store->fresh[i]->target.path, "postlist.glass")
				     : NULL;
		if (path != NULL && stat(path, &status) == 0)
			sum += (uint64_t)status.st_size;
		free(path);
	}
	return sum;
}

static uint64_t more(uint64_t left, uint64_t right)
{
	return left > right ? left : right;
}

/* What did not fit the last time counts as long as it does not fit: an empty commit that passes
 * would say that the documents are at fault. */
weir_status store_room(struct store *store, struct weir_error *error)
{
	struct disk_pending most = {
		more(store->need.documents, store->starved.documents),
		more(store->need.bytes, store->starved.bytes),
		more(store->need.words, store->starved.words),
		more(bytes_of_fresh(store), store->starved.fresh),
	};
	weir_status status = disk_check(store->path, &most, error);
	if (status == WEIR_OK)
		most = (struct disk_pending){0};
	store->starved = most;
	return status;
}

/* Steps of a commit */

static weir_status drain_workers(struct store *store, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < WORKERS && status == WEIR_OK; i++) {
		struct store_segment *segment = store->fresh[i];
		if (segment == NULL || (segment->pending_count == 0 && segment->is_listed))
			continue;
		status = worker_commit(store->workers[i], &segment->target, error);
		if (status == WEIR_OK)
			status = worker_begin(store->workers[i], error);
	}
	for (size_t i = 0; i < WORKERS; i++) { /* all of them, so that none is at work any more */
		struct weir_error own;
		weir_status drained = worker_drain(store->workers[i], &own);
		if (status == WEIR_OK && drained != WEIR_OK) {
			*error = own;
			status = drained;
		}
	}
	return status;
}

static weir_status add_forms(struct store *store, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < WORKERS; i++) {
		const struct builder *builder = worker_builder(store->workers[i]);
		for (size_t j = 0; j < builder->form_count && status == WEIR_OK; j++) {
			const struct form *form = &builder->forms[j];
			const char *stem = builder->form_text.data + form->offset;
			status = names_add_form(store->names, form->language, stem,
						form->stem_length, stem + form->stem_length,
						form->word_length, error);
		}
	}
	return status;
}

/* The block to be, without its documents' rows. */
static void make_block(struct store *store, const struct bytes *positions,
		       struct bytes records[WORKERS], struct block *block)
{
	uint32_t limit = store->head.docid_limit;
	for (size_t i = 0; i < WORKERS; i++)
		records[i] = *worker_records(store->workers[i]);
	for (size_t i = 0; i < store->pending_count; i++)
		if (store->pending[i]->input.docid >= limit)
			limit = store->pending[i]->input.docid + 1;
	*block = (struct block){
		.head = {.commit = store->head.commit + 1,
			 .record_count = (uint32_t)store->pending_count,
			 .positions_length = (uint32_t)positions->length,
			 .names_length = (uint32_t)names_pending(store->names)->length,
			 .dead_count = (uint32_t)store->dead_count,
			 .docid_limit = limit,
			 .live = (uint64_t)store->live,
			 .hidden = (uint64_t)store->hidden_live},
		.positions = positions,
		.names = names_pending(store->names),
		.dead = store->dead,
		.records = records,
		.record_parts = WORKERS,
	};
}

/* Where each worker's records will be. */
static void find_places(const struct store *store, const struct block *block,
			uint64_t places[WORKERS])
{
	uint64_t place = log_next_place(store->log) + block_records_offset(&block->head);
	for (size_t i = 0; i < WORKERS; i++) {
		places[i] = place;
		place += block->records[i].length;
	}
}

static uint64_t location_of(const struct pending *pending, const uint64_t places[WORKERS])
{
	uint64_t hidden = pending->input.kind == WEIR_KIND_HIDDEN ? LOCATION_HIDDEN : 0;
	return (places[pending->worker] + pending->record_offset) | hidden;
}

static weir_status make_rows(struct store *store, const struct store_segment *segment,
			     const uint64_t places[WORKERS], uint64_t *values,
			     struct weir_error *error)
{
	size_t columns = rows_columns(&store->layout);
	for (uint32_t i = 0; i < segment->pending_count; i++) {
		const struct pending *pending = segment->pending[i];
		const struct bytes *records = worker_records(store->workers[pending->worker]);
		struct record record;
		uint64_t *row = values + i * columns;
		if (!record_parts(records->data + pending->record_offset,
				  records->length - pending->record_offset, &record))
			return error_set(error, WEIR_RETRY,
					 "xapian: the record of a document is damaged in memory");
		record_row(&record, row, columns);
		row[COLUMN_LOCATION] = location_of(pending, places);
		row[COLUMN_HASH] = pending->hash;
		row[COLUMN_BORN] = store->head.commit + 1;
	}
	return WEIR_OK;
}

static weir_status write_rows(struct store *store, const uint64_t places[WORKERS],
			      struct weir_error *error)
{
	size_t columns = rows_columns(&store->layout);
	uint32_t commit = store->head.commit + 1;
	weir_status status = WEIR_OK;
	store->rows_written = true;
	for (size_t i = 0; i < store->segment_count && status == WEIR_OK; i++) {
		const struct store_segment *segment = store->segments[i];
		if (segment->pending_count == 0)
			continue;
		uint64_t *values =
			calloc((size_t)segment->pending_count * columns, sizeof(*values));
		status = values != NULL ? make_rows(store, segment, places, values, error)
					: error_no_memory(error);
		if (status == WEIR_OK)
			status = rows_write_all(&store->rows, segment->first_pending, values,
						segment->pending_count, error);
		free(values);
	}
	for (size_t i = 0; i < store->dead_count && status == WEIR_OK; i++)
		status = rows_write(&store->rows, COLUMN_DEAD, store->dead[i], &commit, 1, error);
	return status;
}

weir_status store_take_back(struct store *store, struct weir_error *error)
{
	const uint32_t none = 0;
	weir_status status = WEIR_OK;
	if (store->rows_written) {
		for (size_t i = 0; i < store->pending_count && status == WEIR_OK; i++)
			status = rows_write(&store->rows, COLUMN_BORN,
					    store->pending[i]->input.docid, &none, 1, error);
		for (size_t i = 0; i < store->dead_count && status == WEIR_OK; i++)
			status = rows_write(&store->rows, COLUMN_DEAD, store->dead[i], &none, 1,
					    error);
	}
	if (status == WEIR_OK && store->log_written)
		status = log_begin(store->log, store->head.log_end, store->log_checksum, error);
	if (status != WEIR_OK)
		return status;
	store->rows_written = store->log_written = false;
	return WEIR_OK;
}

/* What nothing may fail behind any more has its memory before. */
static weir_status reserve(struct store *store, const uint64_t places[WORKERS],
			   struct weir_error *error)
{
	uint32_t file = place_file(places[0]);
	if (file >= store->log_living_size) {
		size_t size = (size_t)file * 2;
		uint32_t *living = realloc(store->log_living, size * sizeof(*living));
		if (living == NULL)
			return error_no_memory(error);
		memset(living + store->log_living_size, 0,
		       (size - store->log_living_size) * sizeof(*living));
		store->log_living = living;
		store->log_living_size = size;
	}
	for (size_t i = 0; i < store->pending_count; i++) {
		const struct input *input = &store->pending[i]->input;
		if (input->kind != WEIR_KIND_HIDDEN)
			continue;
		struct hidden *hidden = array_grow(store->hidden, store->hidden_count,
						   &store->hidden_capacity, sizeof(*hidden));
		if (hidden == NULL)
			return error_no_memory(error);
		/* Not visible, and so none of those that may expire, before the commit is. */
		store->hidden = hidden;
		hidden[store->hidden_count++] =
			(struct hidden){input->docid, true, input->applied_at};
	}
	return WEIR_OK;
}

static void count_living(struct store *store)
{
	for (size_t i = 0; i < store->pending_count; i++) {
		uint32_t docid = store->pending[i]->input.docid;
		store->chunks[(docid - 1) / CHUNK_DOCIDS].living++;
		store->log_living[place_file(rows_u64(&store->rows, COLUMN_LOCATION, docid) &
					     ~LOCATION_HIDDEN)]++;
	}
	for (size_t i = 0; i < store->dead_count; i++) {
		uint32_t docid = store->dead[i];
		store->chunks[(docid - 1) / CHUNK_DOCIDS].living--;
		store->log_living[place_file(rows_u64(&store->rows, COLUMN_LOCATION, docid) &
					     ~LOCATION_HIDDEN)]--;
	}
}

/* The commit is there: what was pending is the index. */
static void settle(struct store *store, struct bytes *positions, const struct head *head)
{
	store->head = *head;
	store->log_checksum = log_checksum(store->log);
	count_living(store);
	names_keep(store->names);
	struct bytes old = store->positions;
	store->positions = *positions;
	*positions = old;
	for (size_t i = 0; i < store->segment_count; i++) {
		struct store_segment *segment = store->segments[i];
		if (segment->segment.state == SEGMENT_SEALED)
			continue;
		segment->given_before = segment->given;
		segment->first_pending =
			segment->segment.first_chunk * CHUNK_DOCIDS + 1 + segment->given;
		segment->pending_count = 0;
		segment->target.has_committed = false;
		segment->target.added = 0;
	}
	for (size_t i = 0; i < WORKERS; i++)
		worker_reset(store->workers[i], true);
	store->pending_count = store->dead_count = store->change_count = 0;
	store->rows_written = store->log_written = store->is_doubtful = false;
	store->moves_oldest = false;
	store->reapplied = 0;
	store->need = (struct disk_pending){0};
	arena_reset(&store->arena);
}

/* Block and head: the commit itself. */
static weir_status write_commit(struct store *store, struct block *block, struct bytes *positions,
				struct weir_error *error)
{
	struct head head = store->head;
	store->log_written = true;
	weir_status status = log_append(store->log, block, &head.block, error);
	if (status != WEIR_OK)
		return status;
	head.sequence++;
	head.commit = block->head.commit;
	head.docid_limit = block->head.docid_limit;
	head.log_end = log_end(store->log);
	head.live = block->head.live;
	head.hidden = block->head.hidden;
	head.manifest = store->manifest.number;
	head.names_length = names_length(store->names) + block->names->length;
	if (store->moves_oldest)
		head.oldest_readable = head.commit;
	status = head_write(&store->head_file, &head, error);
	if (status == WEIR_OK)
		settle(store, positions, &head);
	return status;
}

static weir_status commit(struct store *store, struct bytes *positions, struct weir_error *error)
{
	struct bytes records[WORKERS];
	struct block block;
	uint64_t places[WORKERS];
	weir_status status = drain_workers(store, error);
	if (status == WEIR_OK)
		status = add_forms(store, error);
	if (status != WEIR_OK)
		return status;
	make_block(store, positions, records, &block);
	find_places(store, &block, places);
	status = reserve(store, places, error);
	if (status == WEIR_OK)
		status = write_rows(store, places, error);
	if (status == WEIR_OK)
		status = names_write(store->names, error);
	if (status == WEIR_OK)
		status = upkeep_before_commit(store, error);
	if (status == WEIR_OK && store->manifest_changed)
		status = store_write_manifest(store, false, error);
	return status == WEIR_OK ? write_commit(store, &block, positions, error) : status;
}

weir_status store_commit(struct store *store, const struct weir_position *const *positions,
			 size_t count, struct weir_error *error)
{
	struct bytes moved = {0};
	weir_status status = store_ready(store, error);
	bool is_empty = count == 0 && store->pending_count == 0 && store->dead_count == 0 &&
			!store->manifest_changed && !store->is_doubtful;
	if (status != WEIR_OK || is_empty)
		return status;
	status = store_room(store, error);
	bool good = bytes_append(&moved, store->positions.data, store->positions.length);
	for (size_t i = 0; i < count && good; i++)
		good = positions_set(&moved, positions[i]);
	if (status == WEIR_OK)
		status = good ? commit(store, &moved, error) : error_no_memory(error);
	bytes_finish(&moved);
	if (status != WEIR_OK)
		return status;
	store_remove_garbage(store);
	upkeep_after_commit(store);
	return WEIR_OK;
}

/* What is synced */

weir_status store_sync(struct store *store, struct weir_error *error)
{
	uint32_t commit_number = store->head.commit;
	weir_status status = store_ready(store, error);
	if (status == WEIR_OK)
		status = log_sync(store->log, error);
	if (status == WEIR_OK)
		store->synced = commit_number;
	return status;
}

weir_status store_checkpoint(struct store *store, struct weir_error *error)
{
	struct manifest *manifest = &store->manifest;
	weir_status status = rows_sync(&store->rows, error);
	if (status == WEIR_OK)
		status = names_sync(store->names, error);
	if (status == WEIR_OK)
		status = store_sync(store, error);
	if (status != WEIR_OK)
		return status;
	struct bytes positions = {0};
	if (!bytes_append(&positions, store->positions.data, store->positions.length))
		return error_no_memory(error);
	bytes_finish(&manifest->positions);
	manifest->positions = positions;
	manifest->checkpoint = store->head.commit;
	manifest->block = store->head.block;
	manifest->log_place = store->head.log_end;
	manifest->log_checksum = store->log_checksum;
	manifest->names_length = names_length(store->names);
	manifest->live = store->head.live;
	manifest->hidden = store->head.hidden;
	manifest->docid_limit = store->head.docid_limit;
	store->manifest_changed = true;
	return WEIR_OK;
}

weir_status store_write_manifest(struct store *store, bool is_clean, struct weir_error *error)
{
	struct manifest *manifest = &store->manifest;
	manifest->segment_count = 0;
	for (size_t i = 0; i < store->segment_count; i++)
		if (!manifest_add(manifest, &store->segments[i]->segment))
			return error_no_memory(error);
	manifest->number++;
	manifest->next_segment = store->next_segment;
	manifest->is_clean = is_clean;
	weir_status status = manifest_write(manifest, store->path, error);
	if (status != WEIR_OK)
		return status;
	for (size_t i = 0; i < store->segment_count; i++)
		store->segments[i]->is_listed = true;
	store->manifest_changed = false;
	return WEIR_OK;
}

weir_status store_write_head(struct store *store, struct weir_error *error)
{
	struct head head = store->head;
	head.sequence++;
	head.manifest = store->manifest.number;
	weir_status status = head_write(&store->head_file, &head, error);
	if (status == WEIR_OK)
		store->head = head;
	return status;
}
