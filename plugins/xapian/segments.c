/* SPDX-License-Identifier: MIT
 * segments.c - the set of segments, and whose chunks are whose. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "folder.h"
#include "record.h"
#include "store.h"

char *store_segment_path(const struct store *store, uint32_t number)
{
	char name[32];
	snprintf(name, sizeof(name), SEGMENT_PREFIX "%06u", (unsigned)number);
	return file_path(store->path, name);
}

bool store_reserve_chunks(struct store *store, uint32_t count)
{
	if (count > store->chunk_capacity) {
		uint32_t capacity = store->chunk_capacity < 64 ? 64 : store->chunk_capacity * 2;
		while (capacity < count)
			capacity *= 2;
		struct chunk *chunks = realloc(store->chunks, capacity * sizeof(*chunks));
		if (chunks == NULL)
			return false;
		store->chunks = chunks;
		store->chunk_capacity = capacity;
	}
	for (; store->chunk_count < count; store->chunk_count++)
		store->chunks[store->chunk_count] = (struct chunk){0};
	return true;
}

bool store_insert_segment(struct store *store, struct store_segment *segment)
{
	struct store_segment **segments =
		array_grow(store->segments, store->segment_count, &store->segment_capacity,
			   sizeof(struct store_segment *));
	if (segments == NULL || !store_reserve_chunks(store, segment->segment.last_chunk + 1))
		return false;
	store->segments = segments;
	size_t place = store->segment_count++;
	uint32_t first = segment->segment.first_chunk;
	for (; place > 0 && segments[place - 1]->segment.first_chunk > first; place--)
		segments[place] = segments[place - 1];
	segments[place] = segment;
	for (uint32_t chunk = first; chunk <= segment->segment.last_chunk; chunk++)
		store->chunks[chunk].segment = segment;
	return true;
}

void store_free_segment(struct store_segment *segment)
{
	segment_close(segment->target.writer);
	free(segment->target.path);
	free(segment->pending);
	free(segment);
}

void store_add_garbage(struct store *store, uint32_t number)
{
	uint32_t *garbage = array_grow(store->garbage, store->garbage_count,
				       &store->garbage_capacity, sizeof(*garbage));
	if (garbage == NULL)
		return; /* it goes when the index is opened the next time */
	store->garbage = garbage;
	garbage[store->garbage_count++] = number;
}

void store_drop_segment(struct store *store, struct store_segment *segment)
{
	size_t place = 0;
	while (store->segments[place] != segment)
		place++;
	store->segment_count--;
	for (; place < store->segment_count; place++)
		store->segments[place] = store->segments[place + 1];
	for (uint32_t chunk = segment->segment.first_chunk; chunk <= segment->segment.last_chunk;
	     chunk++)
		if (store->chunks[chunk].segment == segment)
			store->chunks[chunk] = (struct chunk){0};
	for (size_t i = 0; i < WORKERS; i++)
		if (store->fresh[i] == segment)
			store->fresh[i] = NULL;
	store_add_garbage(store, segment->segment.number);
	store->manifest_changed |= segment->is_listed;
	store_free_segment(segment);
}

bool store_replace_segments(struct store *store, struct store_segment *segment)
{
	size_t first = 0, kept = 0;
	while (first < store->segment_count &&
	       store->segments[first]->segment.first_chunk < segment->segment.first_chunk)
		first++;
	size_t end = first;
	while (end < store->segment_count &&
	       store->segments[end]->segment.last_chunk <= segment->segment.last_chunk)
		end++;
	if (first == end)
		return false;
	for (size_t i = first; i < end; i++) {
		store_add_garbage(store, store->segments[i]->segment.number);
		store_free_segment(store->segments[i]);
	}
	for (size_t i = 0; i < store->segment_count; i++) {
		if (i == first)
			store->segments[kept++] = segment;
		if (i < first || i >= end)
			store->segments[kept++] = store->segments[i];
	}
	store->segment_count = kept;
	for (uint32_t chunk = segment->segment.first_chunk; chunk <= segment->segment.last_chunk;
	     chunk++)
		store->chunks[chunk].segment = segment;
	store->manifest_changed = true;
	return true;
}

static uint32_t lowest_free_chunk(const struct store *store)
{
	uint32_t chunk = 0;
	while (chunk < store->chunk_count &&
	       (store->chunks[chunk].segment != NULL || store->chunks[chunk].rest != CHUNK_USABLE))
		chunk++;
	return chunk;
}

weir_status store_new_segment(struct store *store, struct store_segment **out,
			      struct weir_error *error)
{
	uint32_t chunk = lowest_free_chunk(store);
	if (chunk >= DOCID_LIMIT / CHUNK_DOCIDS)
		return error_set(error, WEIR_FATAL,
				 "xapian: the index at %s has no more numbers for documents; weir "
				 "rebuild makes a new one",
				 store->path);
	weir_status status = rows_reserve(&store->rows, chunk, error);
	if (status == WEIR_OK)
		status = rows_map(&store->rows, (chunk + 1) * CHUNK_DOCIDS + 1, error);
	if (status != WEIR_OK)
		return status;
	struct store_segment *segment = calloc(1, sizeof(*segment));
	if (segment == NULL)
		return error_no_memory(error);
	segment->segment = (struct segment){store->next_segment, SEGMENT_FRESH, chunk, chunk};
	segment->first_pending = chunk * CHUNK_DOCIDS + 1;
	segment->target.path = store_segment_path(store, segment->segment.number);
	if (segment->target.path == NULL || !store_insert_segment(store, segment)) {
		store_free_segment(segment);
		return error_no_memory(error);
	}
	store->next_segment++;
	*out = segment;
	return WEIR_OK;
}

/* Adds the living documents of a chunk, as of the last commit. */
static weir_status add_chunk(struct store *store, struct segment_writer *writer, uint32_t chunk,
			     struct weir_error *error)
{
	weir_status status = WEIR_OK;
	uint32_t first = chunk * CHUNK_DOCIDS + 1, end = first + CHUNK_DOCIDS;
	for (uint32_t docid = first; docid < end && status == WEIR_OK; docid++) {
		struct record record;
		if (!rows_visible(&store->rows, docid, store->head.commit))
			continue;
		status = log_record(store->log, rows_u64(&store->rows, COLUMN_LOCATION, docid),
				    &store->scratch, error);
		if (status == WEIR_OK &&
		    (!record_read(store->scratch.data, store->scratch.length, true, &record) ||
		     record.head.docid != docid))
			status = error_set(error, WEIR_FATAL,
					   "xapian: a row of the index at %s does not belong to "
					   "its document; weir rebuild makes a new one",
					   store->path);
		if (status == WEIR_OK)
			status = segment_add(writer, &record, error);
	}
	return status;
}

weir_status store_remake(struct store *store, struct store_segment *segment,
			 struct weir_error *error)
{
	struct segment_writer *writer = NULL;
	uint32_t number = store->next_segment;
	char *path = store_segment_path(store, number);
	if (path == NULL)
		return error_no_memory(error);
	weir_status status = segment_create(path, store->fields, &writer, error);
	for (uint32_t chunk = segment->segment.first_chunk;
	     chunk <= segment->segment.last_chunk && status == WEIR_OK; chunk++)
		status = add_chunk(store, writer, chunk, error);
	if (status == WEIR_OK)
		status = segment_commit(writer, error);
	if (status != WEIR_OK) {
		segment_close(writer);
		folder_remove(path);
		free(path);
		return status;
	}
	store_add_garbage(store, segment->segment.number);
	segment_close(segment->target.writer);
	free(segment->target.path);
	segment->target = (struct target){.path = path, .writer = writer};
	segment->segment.number = number;
	if (segment->segment.state != SEGMENT_FRESH) {
		segment_close(writer);
		segment->target.writer = NULL;
	}
	store->next_segment++;
	store->manifest_changed = true;
	return WEIR_OK;
}

void store_remove_garbage(struct store *store)
{
	while (store->garbage_count > 0) {
		char *path = store_segment_path(store, store->garbage[--store->garbage_count]);
		if (path != NULL)
			folder_remove(path);
		free(path);
	}
}
