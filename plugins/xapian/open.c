/* SPDX-License-Identifier: MIT
 * open.c - opening an index for writing: what the log says after the checkpoint is brought into
 * rows and names, what is not of it is cleared, and segments that may not be whole are made again.
 *
 * Readers may be at work all the time (the writer was killed, say): what they can see, up to the
 * last block, never changes, not even for a moment. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "folder.h"
#include "record.h"
#include "store.h"
#include "upkeep.h"

/* Docids that the replayed blocks have, as bits. */
struct replay {
	struct store *store;
	unsigned char *born, *dead;
	uint32_t limit; /* docids below have bits */
	struct bytes block;
	uint64_t *row;
};

static bool has_bit(const unsigned char *bits, uint32_t docid)
{
	return (bits[docid / 8] >> docid % 8 & 1) != 0;
}

static void set_bit(unsigned char *bits, uint32_t docid)
{
	bits[docid / 8] = (unsigned char)(bits[docid / 8] | 1U << docid % 8);
}

static weir_status damaged(const struct store *store, struct weir_error *error)
{
	return error_set(
		error, WEIR_FATAL,
		"xapian: the log of the index at %s does not agree with its manifest; weir "
		"rebuild makes a new one",
		store->path);
}

static bool is_owned(const struct store *store, uint32_t docid)
{
	uint32_t chunk = (docid - 1) / CHUNK_DOCIDS;
	return docid != 0 && chunk < store->chunk_count && store->chunks[chunk].segment != NULL;
}

/* The row of a record, written unless it is there. */
static weir_status replay_record(struct replay *replay, const struct record *record,
				 uint64_t location, uint32_t commit, struct weir_error *error)
{
	struct store *store = replay->store;
	uint32_t docid = record->head.docid;
	if (!is_owned(store, docid))
		return damaged(store, error);
	uint64_t *row = replay->row;
	record_row(record, row, rows_columns(&store->layout));
	row[COLUMN_LOCATION] =
		location | (record->head.kind == RECORD_HIDDEN ? LOCATION_HIDDEN : 0);
	row[COLUMN_HASH] = hash_bytes(0, record->id, record->head.id_length);
	row[COLUMN_BORN] = commit;
	/* Which later block it dies by, if any, that block says. */
	row[COLUMN_DEAD] = rows_u32(&store->rows, COLUMN_DEAD, docid);
	if (row[COLUMN_DEAD] < commit)
		row[COLUMN_DEAD] = 0;
	set_bit(replay->born, docid);
	return rows_equal(&store->rows, docid, row)
		       ? WEIR_OK
		       : rows_write_all(&store->rows, docid, row, 1, error);
}

static weir_status replay_records(struct replay *replay, const struct block_head *head,
				  uint64_t place, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	size_t at = block_records_offset(head);
	while (at < replay->block.length && status == WEIR_OK) {
		struct record record;
		if (!record_read(replay->block.data + at, replay->block.length - at, true, &record))
			return damaged(replay->store, error);
		status = replay_record(replay, &record, place + at, head->commit, error);
		at += record.head.length;
	}
	return status;
}

static weir_status replay_dead(struct replay *replay, const struct block_head *head,
			       struct weir_error *error)
{
	struct store *store = replay->store;
	const char *at =
		replay->block.data + sizeof(*head) + head->positions_length + head->names_length;
	weir_status status = WEIR_OK;
	for (uint32_t i = 0; i < head->dead_count && status == WEIR_OK; i++) {
		uint32_t docid;
		memcpy(&docid, at + i * sizeof(docid), sizeof(docid));
		if (docid == 0 || docid >= replay->limit)
			return damaged(store, error);
		if (!is_owned(store, docid)) /* its segment was dropped since */
			continue;
		set_bit(replay->dead, docid);
		if (rows_u32(&store->rows, COLUMN_DEAD, docid) != head->commit)
			status = rows_write(&store->rows, COLUMN_DEAD, docid, &head->commit, 1,
					    error);
	}
	return status;
}

static weir_status replay_block(struct replay *replay, uint64_t end, struct weir_error *error)
{
	struct store *store = replay->store;
	struct block_head head;
	memcpy(&head, replay->block.data, sizeof(head));
	uint64_t place = end - replay->block.length;
	const char *positions = replay->block.data + sizeof(head);
	store->positions.length = 0;
	if (!bytes_append(&store->positions, positions, head.positions_length))
		return error_no_memory(error);
	weir_status status = names_add_pending(store->names, positions + head.positions_length,
					       head.names_length, error);
	if (status == WEIR_OK)
		status = names_write(store->names, error);
	if (status == WEIR_OK)
		status = replay_records(replay, &head, place, error);
	if (status == WEIR_OK)
		status = replay_dead(replay, &head, error);
	if (status != WEIR_OK)
		return status;
	names_keep(store->names);
	store->head.commit = head.commit;
	store->head.docid_limit = head.docid_limit;
	store->head.block = place;
	store->head.log_end = end;
	store->head.live = head.live;
	store->head.hidden = head.hidden;
	return WEIR_OK;
}

static weir_status replay_log(struct replay *replay, struct weir_error *error)
{
	struct store *store = replay->store;
	const struct manifest *manifest = &store->manifest;
	uint64_t place = manifest->log_place, checksum = manifest->log_checksum;
	bool is_there = true;
	weir_status status = WEIR_OK;
	while (is_there && status == WEIR_OK) {
		status = log_next(store->log, &place, store->head.commit + 1, &checksum,
				  &replay->block, &is_there, error);
		if (status == WEIR_OK && is_there)
			status = replay_block(replay, place, error);
	}
	if (status != WEIR_OK)
		return status;
	log_mark_unsynced(store->log, place_file(manifest->log_place));
	status = log_begin(store->log, place, checksum, error);
	store->head.log_end = log_end(store->log);
	store->log_checksum = checksum;
	return status;
}

/* Clears what a commit wrote that did not come to be, and counts the rest. */
static weir_status look_at_row(struct replay *replay, uint32_t docid, struct weir_error *error)
{
	struct store *store = replay->store;
	uint32_t checkpoint = store->manifest.checkpoint, none = 0;
	uint32_t born = rows_u32(&store->rows, COLUMN_BORN, docid);
	uint32_t dead = rows_u32(&store->rows, COLUMN_DEAD, docid);
	weir_status status = WEIR_OK;
	if (born > checkpoint && !has_bit(replay->born, docid)) {
		status = rows_write(&store->rows, COLUMN_BORN, docid, &none, 1, error);
		born = 0;
	}
	if (status == WEIR_OK && dead > checkpoint && !has_bit(replay->dead, docid)) {
		status = rows_write(&store->rows, COLUMN_DEAD, docid, &none, 1, error);
		dead = 0;
	}
	if (status != WEIR_OK || born == 0)
		return status;
	struct chunk *chunk = &store->chunks[(docid - 1) / CHUNK_DOCIDS];
	uint32_t given = docid - chunk->segment->segment.first_chunk * CHUNK_DOCIDS;
	if (given > chunk->segment->given)
		chunk->segment->given = given;
	if (dead != 0)
		return WEIR_OK;
	uint64_t location = rows_u64(&store->rows, COLUMN_LOCATION, docid);
	uint32_t file = place_file(location & ~LOCATION_HIDDEN);
	if (file >= store->log_living_size)
		return damaged(store, error);
	chunk->living++;
	store->log_living[file]++;
	if ((location & LOCATION_HIDDEN) == 0) {
		store->live++;
	} else {
		struct hidden *hidden = array_grow(store->hidden, store->hidden_count,
						   &store->hidden_capacity, sizeof(*hidden));
		if (hidden == NULL)
			return error_no_memory(error);
		store->hidden = hidden;
		hidden[store->hidden_count++] = (struct hidden){.docid = docid};
		store->hidden_live++;
	}
	return ids_add(&store->ids, rows_u64(&store->rows, COLUMN_HASH, docid), docid)
		       ? WEIR_OK
		       : error_no_memory(error);
}

static weir_status look_at_rows(struct replay *replay, struct weir_error *error)
{
	struct store *store = replay->store;
	weir_status status = WEIR_OK;
	store->log_living_size = (size_t)place_file(store->head.log_end) + 1;
	store->log_living = calloc(store->log_living_size, sizeof(*store->log_living));
	if (store->log_living == NULL)
		return error_no_memory(error);
	for (uint32_t chunk = 0; chunk < store->chunk_count; chunk++) {
		uint32_t first = chunk * CHUNK_DOCIDS + 1;
		if (store->chunks[chunk].segment == NULL)
			continue;
		for (uint32_t i = 0; i < CHUNK_DOCIDS && status == WEIR_OK; i++)
			status = look_at_row(replay, first + i, error);
	}
	if (status == WEIR_OK && ((uint64_t)store->live != store->head.live ||
				  (uint64_t)store->hidden_live != store->head.hidden))
		return error_set(error, WEIR_FATAL,
				 "xapian: the rows of the index at %s do not agree with its log; "
				 "weir rebuild makes a new one",
				 store->path);
	return status;
}

static weir_status recover_rows(struct store *store, struct weir_error *error)
{
	uint32_t limit = store->chunk_count * CHUNK_DOCIDS + 1;
	struct replay replay = {.store = store, .limit = limit};
	replay.born = calloc(limit / 8 + 1, 1);
	replay.dead = calloc(limit / 8 + 1, 1);
	replay.row = calloc(rows_columns(&store->layout), sizeof(*replay.row));
	weir_status status = replay.born != NULL && replay.dead != NULL && replay.row != NULL
				     ? replay_log(&replay, error)
				     : error_no_memory(error);
	if (status == WEIR_OK)
		status = look_at_rows(&replay, error);
	free(replay.born);
	free(replay.dead);
	free(replay.row);
	bytes_finish(&replay.block);
	return status;
}

/* The segments that the manifest has; their chunks have room in the rows. */
static weir_status take_segments(struct store *store, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < store->manifest.segment_count && status == WEIR_OK; i++) {
		const struct segment *listed = &store->manifest.segments[i];
		struct store_segment *segment = calloc(1, sizeof(*segment));
		if (segment == NULL)
			return error_no_memory(error);
		segment->segment = *listed;
		segment->is_listed = true;
		segment->target.path = store_segment_path(store, listed->number);
		if (segment->target.path == NULL || !store_insert_segment(store, segment)) {
			free(segment->target.path);
			free(segment);
			return error_no_memory(error);
		}
		for (uint32_t chunk = listed->first_chunk;
		     chunk <= listed->last_chunk && status == WEIR_OK; chunk++)
			status = rows_reserve(&store->rows, chunk, error);
	}
	if (status == WEIR_OK)
		status = rows_map(&store->rows, store->chunk_count * CHUNK_DOCIDS + 1, error);
	return status;
}

/* Fresh and filled ones are made again; as many fresh as there are workers go on. */
static weir_status remake_segments(struct store *store, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	size_t workers = 0;
	for (size_t i = 0; i < store->segment_count && status == WEIR_OK; i++) {
		struct store_segment *segment = store->segments[i];
		if (segment->segment.state == SEGMENT_SEALED)
			continue;
		bool goes_on = segment->segment.state == SEGMENT_FRESH &&
			       segment->given < CHUNK_DOCIDS && workers < WORKERS;
		segment->segment.state = goes_on ? SEGMENT_FRESH : SEGMENT_FILLED;
		status = store_remake(store, segment, error);
		segment->given_before = segment->given;
		segment->first_pending =
			segment->segment.first_chunk * CHUNK_DOCIDS + 1 + segment->given;
		if (goes_on)
			store->fresh[workers++] = segment;
	}
	return status;
}

/* Folders of segments that the manifest does not name, as a kill leaves them. */
static void remove_leftovers(struct store *store)
{
	DIR *folder = opendir(store->path);
	for (struct dirent *entry = folder != NULL ? readdir(folder) : NULL; entry != NULL;
	     entry = readdir(folder)) {
		unsigned number;
		bool is_known = false;
		if (sscanf(entry->d_name, SEGMENT_PREFIX "%u", &number) != 1)
			continue;
		for (size_t i = 0; i < store->segment_count; i++)
			is_known |= store->segments[i]->segment.number == number;
		char *path = is_known ? NULL : file_path(store->path, entry->d_name);
		if (path != NULL)
			folder_remove(path);
		free(path);
	}
	if (folder != NULL)
		closedir(folder);
}

static weir_status open_files(struct store *store, struct weir_error *error)
{
	weir_status status = rows_layout_init(&store->layout, store->fields, error);
	if (status == WEIR_OK)
		status = rows_create(&store->rows, store->path, &store->layout, error);
	if (status == WEIR_OK)
		status = names_create(store->path, store->fields->count, &store->names, error);
	if (status == WEIR_OK)
		status = names_begin(store->names, store->manifest.names_length, error);
	if (status == WEIR_OK)
		status = log_open(store->path, true, &store->log, error);
	if (status == WEIR_OK)
		status = file_open(&store->head_file, store->path, HEAD_NAME, O_RDWR | O_CREAT,
				   error);
	for (size_t i = 0; i < WORKERS && status == WEIR_OK; i++)
		status = worker_create(store->fields, &store->layout, store->host,
				       &store->workers[i], error);
	return status;
}

/* Of a new index nothing is there, or what is left of one that was being created. */
static weir_status begin_manifest(struct store *store, bool *is_new, struct weir_error *error)
{
	struct manifest *manifest = &store->manifest;
	char *path = file_path(store->path, "manifest");
	if (path == NULL)
		return error_no_memory(error);
	*is_new = access(path, F_OK) != 0 && errno == ENOENT;
	free(path);
	weir_status status = WEIR_OK;
	if (!*is_new) {
		status = manifest_read(manifest, store->path, error);
		if (status == WEIR_OK)
			status = manifest_check(manifest, store->path, store->fields->collection,
						store->fields->fingerprint, error);
	} else {
		snprintf(manifest->fingerprint, sizeof(manifest->fingerprint), "%s",
			 store->fields->fingerprint);
		manifest->next_segment = 1;
		status = uuid_make(manifest->uuid, error);
	}
	if (status == WEIR_OK)
		boot_id_read(manifest->boot_id);
	return status;
}

/* There was no commit before a manifest: blocks without one are of an index that lost it. */
static weir_status check_empty(const struct store *store, struct weir_error *error)
{
	bool has_blocks = false;
	DIR *folder = opendir(store->path);
	if (folder == NULL)
		return file_failed("read the folder", store->path, errno, error);
	for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
		struct stat status;
		has_blocks |= strncmp(entry->d_name, LOG_PREFIX, strlen(LOG_PREFIX)) == 0 &&
			      fstatat(dirfd(folder), entry->d_name, &status, 0) == 0 &&
			      status.st_size > 0;
	}
	closedir(folder);
	return has_blocks ? error_set(error, WEIR_FATAL,
				      "xapian: the index at %s has lost its manifest; weir rebuild "
				      "makes a new one",
				      store->path)
			  : WEIR_OK;
}

static weir_status recover(struct store *store, struct weir_error *error)
{
	const struct manifest *manifest = &store->manifest;
	struct head old;
	struct weir_error none;
	store->next_segment = manifest->next_segment;
	store->head = (struct head){.commit = manifest->checkpoint,
				    .block = manifest->block,
				    .docid_limit = manifest->docid_limit,
				    .live = manifest->live,
				    .hidden = manifest->hidden};
	if (head_read(&store->head_file, &old, &none) == WEIR_OK) {
		store->head.sequence = old.sequence;
		store->head.oldest_readable = old.oldest_readable;
	}
	if (!bytes_append(&store->positions, manifest->positions.data, manifest->positions.length))
		return error_no_memory(error);
	weir_status status = take_segments(store, error);
	if (status == WEIR_OK)
		status = recover_rows(store, error);
	/* A power loss may have taken commits back, and with the machine all readers. */
	if (store->head.oldest_readable > store->head.commit)
		store->head.oldest_readable = store->head.commit;
	if (status == WEIR_OK)
		status = remake_segments(store, error);
	return status;
}

/* From here on the index is this process's: readers trust what it says in this run of the machine.
 * They look at the manifest first; with the first one there is a head, too. */
static weir_status announce(struct store *store, bool is_new, struct weir_error *error)
{
	weir_status status = store_checkpoint(store, error);
	store->head.names_length = names_length(store->names);
	if (status == WEIR_OK && is_new)
		status = store_write_head(store, error);
	if (status == WEIR_OK)
		status = store_write_manifest(store, false, error);
	if (status == WEIR_OK)
		status = store_write_head(store, error);
	return status;
}

static bool has_births(const struct store *store, uint32_t chunk)
{
	for (uint32_t i = 1; i <= CHUNK_DOCIDS; i++)
		if (rows_u32(&store->rows, COLUMN_BORN, chunk * CHUNK_DOCIDS + i) != 0)
			return true;
	return false;
}

/* Chunks that are free, but were not yet fit to be used again when the writer ended. */
static weir_status clear_free_chunks(struct store *store, struct weir_error *error)
{
	uint32_t count = 0;
	bool has_cleared = false;
	weir_status status = rows_chunks(&store->rows, &count, error);
	if (status == WEIR_OK && count > 0) /* a power loss may have cut the last one */
		status = rows_reserve(&store->rows, count - 1, error);
	if (status == WEIR_OK)
		status = rows_map(&store->rows, count * CHUNK_DOCIDS + 1, error);
	if (status == WEIR_OK && !store_reserve_chunks(store, count))
		status = error_no_memory(error);
	for (uint32_t chunk = 0; chunk < count && status == WEIR_OK; chunk++) {
		if (store->chunks[chunk].segment != NULL || !has_births(store, chunk))
			continue;
		if (!has_cleared) { /* readers first: they may see what was there */
			store->head.oldest_readable = store->head.commit;
			status = store_write_head(store, error);
		}
		has_cleared = true;
		if (status == WEIR_OK)
			status = rows_clear(&store->rows, chunk, error);
	}
	return status == WEIR_OK && has_cleared ? rows_sync(&store->rows, error) : status;
}

static weir_status open_all(struct store *store, struct weir_error *error)
{
	bool is_new = false;
	weir_status status = folder_lock(store->path, &store->lock, error);
	if (status == WEIR_OK)
		status = begin_manifest(store, &is_new, error);
	if (status == WEIR_OK && is_new)
		status = check_empty(store, error);
	if (status == WEIR_OK)
		status = open_files(store, error);
	if (status == WEIR_OK)
		status = recover(store, error);
	if (status == WEIR_OK)
		status = announce(store, is_new, error);
	if (status == WEIR_OK)
		status = clear_free_chunks(store, error);
	if (status != WEIR_OK)
		return status;
	store->garbage_count = 0;
	remove_leftovers(store);
	return upkeep_create(store, error);
}

weir_status store_open(const char *path, const struct fields *fields, const struct weir_host *host,
		       struct store **out, struct weir_error *error)
{
	weir_status status = folder_make(path, error);
	if (status == WEIR_OK)
		status = folder_check(path, error);
	if (status != WEIR_OK)
		return status;
	struct store *store = calloc(1, sizeof(*store));
	if (store == NULL)
		return error_no_memory(error);
	store->path = path;
	store->fields = fields;
	store->host = host;
	store->lock = store->head_file = FILE_CLOSED;
	status = open_all(store, error);
	if (status == WEIR_OK)
		*out = store;
	else
		store_free(store);
	return status;
}

/* Everything that readers need after the machine was off. */
static weir_status close_clean(struct store *store, struct weir_error *error)
{
	weir_status status = store_abandon(store, error);
	for (size_t i = 0; i < store->segment_count && status == WEIR_OK; i++)
		if (store->segments[i]->segment.state != SEGMENT_SEALED)
			status = folder_sync_all(store->segments[i]->target.path, error);
	if (status == WEIR_OK)
		status = store_checkpoint(store, error);
	if (status == WEIR_OK) /* a clean manifest promises it */
		status = file_sync(&store->head_file, error);
	if (status == WEIR_OK)
		status = store_write_manifest(store, true, error);
	if (status == WEIR_OK)
		status = store_write_head(store, error);
	if (status == WEIR_OK)
		store_remove_garbage(store);
	return status;
}

void store_free(struct store *store)
{
	upkeep_destroy(store);
	for (size_t i = 0; i < WORKERS; i++)
		worker_destroy(store->workers[i]);
	while (store->segment_count > 0)
		store_free_segment(store->segments[--store->segment_count]);
	log_close(store->log);
	names_destroy(store->names);
	rows_close(&store->rows);
	rows_layout_finish(&store->layout);
	manifest_finish(&store->manifest);
	bytes_finish(&store->positions);
	bytes_finish(&store->scratch);
	ids_finish(&store->ids);
	arena_finish(&store->arena);
	free(store->chunks);
	free(store->segments);
	free(store->log_living);
	free(store->hidden);
	free(store->garbage);
	free(store->pending);
	free(store->dead);
	free(store->changes);
	file_close(&store->head_file);
	file_close(&store->lock);
	free(store);
}

void store_close(struct store *store)
{
	struct weir_error error;
	if (store == NULL)
		return;
	/* What cannot be made clean the next who opens it mends, as after a kill. */
	(void)close_clean(store, &error);
	store_free(store);
}
