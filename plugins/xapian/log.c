/* SPDX-License-Identifier: MIT
 * log.c
 *
 * Concurrency: the table of open files is behind `lock`; a file is opened when it is first asked
 * for and not closed before log_close, so that its descriptor may be used outside of the lock. What
 * only a writer has is its one thread's. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "folder.h"
#include "record.h"

#define MAGIC UINT64_C(0x326b6c6272696577) /* "weirblk2" in little endian */
#define FIRST_FILE 1
#define FIRST_READ 4096 /* most records are shorter */

struct log_file {
	uint32_t number;
	struct file file;
};

struct log {
	char *folder;
	bool is_writer;
	pthread_mutex_t lock;
	struct log_file *files;
	size_t file_count, file_capacity;
	/* Of a writer. */
	uint64_t end, previous; /* where the next block goes, and checksum of the last */
	uint32_t unsynced;	/* the first file that may have something; 0: none has */
	bool has_new_file;	/* since the folder was synced */
	bool is_broken;
};

static uint64_t place_of(uint32_t file, uint64_t offset)
{
	return (uint64_t)file << LOG_OFFSET_BITS | offset;
}

static void name_of(uint32_t number, char out[32])
{
	snprintf(out, 32, LOG_PREFIX "%06u", (unsigned)number);
}

weir_status log_open(const char *folder, bool is_writer, struct log **out, struct weir_error *error)
{
	struct log *log = calloc(1, sizeof(*log));
	if (log == NULL)
		return error_no_memory(error);
	log->is_writer = is_writer;
	log->folder = strdup(folder);
	if (log->folder == NULL) {
		free(log);
		return error_no_memory(error);
	}
	pthread_mutex_init(&log->lock, NULL);
	*out = log;
	return WEIR_OK;
}

void log_close(struct log *log)
{
	if (log == NULL)
		return;
	for (size_t i = 0; i < log->file_count; i++)
		file_close(&log->files[i].file);
	free(log->files);
	free(log->folder);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

/* With the lock held. *file: of the log, but its path is the log's. */
static weir_status find_file(struct log *log, uint32_t number, bool is_new, struct file *file,
			     struct weir_error *error)
{
	char name[32];
	for (size_t i = log->file_count; i > 0; i--)
		if (log->files[i - 1].number == number) {
			*file = log->files[i - 1].file;
			return WEIR_OK;
		}
	struct log_file *files =
		array_grow(log->files, log->file_count, &log->file_capacity, sizeof(*files));
	if (files == NULL)
		return error_no_memory(error);
	log->files = files;
	name_of(number, name);
	int flags = log->is_writer ? O_RDWR | (is_new ? O_CREAT : 0) : O_RDONLY;
	struct log_file *made = &files[log->file_count];
	made->number = number;
	weir_status status = file_open(&made->file, log->folder, name, flags, error);
	if (status == WEIR_OK) {
		log->file_count++;
		*file = made->file;
	}
	return status;
}

static weir_status get_file(struct log *log, uint32_t number, bool is_new, struct file *file,
			    struct weir_error *error)
{
	pthread_mutex_lock(&log->lock);
	weir_status status = find_file(log, number, is_new, file, error);
	pthread_mutex_unlock(&log->lock);
	return status;
}

weir_status log_read(struct log *log, uint64_t place, char *out, size_t capacity, size_t *length,
		     struct weir_error *error)
{
	struct file file;
	weir_status status = get_file(log, place_file(place), false, &file, error);
	return status == WEIR_OK
		       ? file_read(&file, place_offset(place), out, capacity, length, error)
		       : status;
}

/* Makes out have length bytes of what stands at the place. */
static weir_status read_whole(struct log *log, uint64_t place, size_t length, struct bytes *out,
			      bool *is_whole, struct weir_error *error)
{
	if (!bytes_reserve(out, length))
		return error_no_memory(error);
	size_t got = 0;
	weir_status status = log_read(log, place, out->data, length, &got, error);
	if (status != WEIR_OK)
		return status;
	out->length = got;
	*is_whole = got == length;
	return WEIR_OK;
}

weir_status log_record(struct log *log, uint64_t location, struct bytes *out,
		       struct weir_error *error)
{
	uint64_t place = location & ~(UINT64_C(1) << 63);
	struct record_head head;
	bool is_whole = false;
	weir_status status = read_whole(log, place, FIRST_READ, out, &is_whole, error);
	if (status != WEIR_OK)
		return status;
	bool good = out->length >= sizeof(head);
	if (good) {
		memcpy(&head, out->data, sizeof(head));
		good = head.length >= sizeof(head);
	}
	if (good && head.length > out->length) {
		status = read_whole(log, place, head.length, out, &is_whole, error);
		good = is_whole;
	}
	if (status == WEIR_OK && good) {
		out->length = head.length;
		good = record_checksum(out->data, out->length) == head.checksum;
	}
	if (status == WEIR_OK && !good)
		return error_set(error, WEIR_FATAL,
				 "xapian: a document in " LOG_PREFIX "%06u of the index at %s is "
				 "damaged; weir rebuild makes a new one",
				 (unsigned)place_file(place), log->folder);
	return status;
}

weir_status log_positions(struct log *log, uint64_t place, struct bytes *out,
			  struct weir_error *error)
{
	struct block_head head = {0};
	size_t length = 0;
	bool is_whole = false;
	out->length = 0;
	weir_status status = log_read(log, place, (char *)&head, sizeof(head), &length, error);
	if (status == WEIR_OK && (length < sizeof(head) || head.magic != MAGIC))
		head.positions_length = 0;
	else if (status == WEIR_OK)
		status = read_whole(log, place + sizeof(head), head.positions_length, out,
				    &is_whole, error);
	if (status == WEIR_OK && !is_whole)
		return error_set(error, WEIR_FATAL,
				 "xapian: the positions in the index at %s cannot be read; weir "
				 "rebuild makes a new one",
				 log->folder);
	return status;
}

/* Writing */

static weir_status remove_file(struct log *log, uint32_t number, bool *was_there,
			       struct weir_error *error)
{
	char name[32];
	name_of(number, name);
	pthread_mutex_lock(&log->lock);
	for (size_t i = 0; i < log->file_count; i++)
		if (log->files[i].number == number) {
			file_close(&log->files[i].file);
			log->files[i] = log->files[--log->file_count];
		}
	pthread_mutex_unlock(&log->lock);
	char *path = file_path(log->folder, name);
	if (path == NULL)
		return error_no_memory(error);
	*was_there = unlink(path) == 0;
	weir_status status =
		*was_there || errno == ENOENT ? WEIR_OK : file_failed("remove", path, errno, error);
	free(path);
	return status;
}

weir_status log_remove(struct log *log, uint32_t file, struct weir_error *error)
{
	bool was_there;
	return remove_file(log, file, &was_there, error);
}

void log_mark_unsynced(struct log *log, uint32_t file)
{
	if (log->unsynced == 0 || log->unsynced > file)
		log->unsynced = file;
}

void log_mark_synced(struct log *log, uint32_t file)
{
	if (log->unsynced != 0 && log->unsynced < file)
		log->unsynced = file;
}

weir_status log_begin(struct log *log, uint64_t place, uint64_t previous, struct weir_error *error)
{
	struct file file;
	uint64_t size = 0;
	if (place == 0)
		place = place_of(FIRST_FILE, 0);
	uint32_t number = place_file(place);
	weir_status status = get_file(log, number, true, &file, error);
	if (status == WEIR_OK)
		status = file_size(&file, &size, error);
	if (status == WEIR_OK && size > place_offset(place))
		status = file_truncate(&file, place_offset(place), error);
	bool was_there = true;
	for (uint32_t later = number + 1; status == WEIR_OK && was_there; later++)
		status = remove_file(log, later, &was_there, error);
	if (status != WEIR_OK)
		return status;
	log->end = place;
	log->previous = previous;
	log_mark_unsynced(log, number);
	log->has_new_file = true;
	log->is_broken = false;
	return WEIR_OK;
}

uint64_t log_end(const struct log *log)
{
	return log->end;
}

uint64_t log_next_place(const struct log *log)
{
	bool is_full = place_offset(log->end) >= LOG_FILE_BYTES;
	return is_full ? place_of(place_file(log->end) + 1, 0) : log->end;
}

uint64_t log_checksum(const struct log *log)
{
	return log->previous;
}

/* Records have checksums of their own, in their heads. */
static uint64_t hash_heads(uint64_t sum, const struct bytes *records)
{
	struct record_head head;
	for (size_t at = 0; at < records->length; at += head.length) {
		memcpy(&head, records->data + at, sizeof(head));
		sum = hash_bytes(sum, &head, sizeof(head));
	}
	return sum;
}

static void fill_in(const struct log *log, struct block *block)
{
	struct block_head *head = &block->head;
	head->magic = MAGIC;
	head->previous = log->previous;
	head->positions_length = (uint32_t)block->positions->length;
	head->names_length = (uint32_t)block->names->length;
	head->records_length = 0;
	for (size_t i = 0; i < block->record_parts; i++)
		head->records_length += block->records[i].length;
	const size_t covered = offsetof(struct block_head, previous);
	uint64_t sum = hash_bytes(0, (char *)head + covered, sizeof(*head) - covered);
	sum = hash_bytes(sum, block->positions->data, block->positions->length);
	sum = hash_bytes(sum, block->names->data, block->names->length);
	sum = hash_bytes(sum, block->dead, head->dead_count * sizeof(*block->dead));
	for (size_t i = 0; i < block->record_parts; i++)
		sum = hash_heads(sum, &block->records[i]);
	head->checksum = sum;
}

#define RECORD_PARTS 16

static weir_status write_block(const struct file *file, uint64_t offset, struct block *block,
			       struct weir_error *error)
{
	struct iovec parts[4 + RECORD_PARTS] = {
		{&block->head, sizeof(block->head)},
		{block->positions->data, block->positions->length},
		{block->names->data, block->names->length},
		{(void *)block->dead, block->head.dead_count * sizeof(*block->dead)},
	};
	size_t count = 4;
	for (size_t i = 0; i < block->record_parts; i++)
		parts[count++] = (struct iovec){block->records[i].data, block->records[i].length};
	return file_write_parts(file, offset, parts, count, error);
}

static weir_status cut_back(struct log *log, struct weir_error *error)
{
	struct file file;
	log->is_broken = true;
	weir_status status = get_file(log, place_file(log->end), true, &file, error);
	if (status == WEIR_OK)
		status = file_truncate(&file, place_offset(log->end), error);
	log->is_broken = status != WEIR_OK;
	return status;
}

weir_status log_append(struct log *log, struct block *block, uint64_t *place,
		       struct weir_error *error)
{
	struct file file;
	struct weir_error second;
	if (log->is_broken)
		return error_set(error, WEIR_RETRY,
				 "xapian: the log of the index at %s could not be cut back after a "
				 "failure; see to the disk",
				 log->folder);
	if (block->record_parts > RECORD_PARTS)
		return error_set(error, WEIR_FATAL, "xapian: a block of too many parts");
	fill_in(log, block);
	uint64_t at = log_next_place(log);
	if (place_file(at) >= 1U << (63 - LOG_OFFSET_BITS))
		return error_set(
			error, WEIR_FATAL,
			"xapian: the log of the index at %s has no more file numbers; weir "
			"rebuild makes a new one",
			log->folder);
	weir_status status = get_file(log, place_file(at), true, &file, error);
	if (status != WEIR_OK)
		return status;
	log->has_new_file |= at != log->end;
	log->end = at;
	log_mark_unsynced(log, place_file(at));
	status = write_block(&file, place_offset(at), block, error);
	if (status != WEIR_OK) {
		(void)cut_back(log, &second);
		return status;
	}
	log->end = at + block_length(&block->head);
	log->previous = block->head.checksum;
	*place = at;
	return WEIR_OK;
}

weir_status log_sync(struct log *log, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	uint32_t last = place_file(log->end);
	for (uint32_t number = log->unsynced; number != 0 && number <= last && status == WEIR_OK;
	     number++) {
		struct file file;
		status = get_file(log, number, false, &file, error);
		if (status == WEIR_OK)
			status = file_sync(&file, error);
	}
	if (status == WEIR_OK && log->has_new_file)
		status = folder_sync(log->folder, error);
	if (status != WEIR_OK)
		return status;
	log->unsynced = 0;
	log->has_new_file = false;
	return WEIR_OK;
}

/* Whether what out has from its beginning on is the block. */
static bool is_block(const struct bytes *out, uint32_t commit, uint64_t previous)
{
	struct block_head head;
	memcpy(&head, out->data, sizeof(head));
	const size_t covered = offsetof(struct block_head, previous);
	const char *at = out->data + sizeof(head), *end = out->data + out->length;
	size_t dead = (size_t)head.dead_count * sizeof(uint32_t);
	if (head.commit != commit || head.previous != previous)
		return false;
	uint64_t sum = hash_bytes(0, out->data + covered, sizeof(head) - covered);
	sum = hash_bytes(sum, at, head.positions_length);
	at += head.positions_length;
	sum = hash_bytes(sum, at, head.names_length);
	at += head.names_length;
	sum = hash_bytes(sum, at, dead);
	at += dead;
	while ((size_t)(end - at) >= sizeof(struct record_head)) {
		struct record_head record;
		memcpy(&record, at, sizeof(record));
		if (record.length < sizeof(record) || record.length > (size_t)(end - at) ||
		    record_checksum(at, record.length) != record.checksum)
			return false;
		sum = hash_bytes(sum, &record, sizeof(record));
		at += record.length;
	}
	return at == end && sum == head.checksum;
}

/* No such file is no error here, only the end. */
static weir_status try_block(struct log *log, uint64_t place, uint32_t commit, uint64_t previous,
			     struct bytes *out, bool *is_there, struct weir_error *error)
{
	struct block_head head = {0};
	struct file file;
	uint64_t size = 0;
	size_t length = 0;
	bool is_whole = false;
	*is_there = false;
	if (get_file(log, place_file(place), false, &file, error) != WEIR_OK)
		return WEIR_OK;
	weir_status status = file_size(&file, &size, error);
	if (status == WEIR_OK)
		status = file_read(&file, place_offset(place), &head, sizeof(head), &length, error);
	if (status != WEIR_OK || length < sizeof(head) || head.magic != MAGIC ||
	    head.records_length > size || block_length(&head) > size - place_offset(place))
		return status;
	status = read_whole(log, place, block_length(&head), out, &is_whole, error);
	if (status == WEIR_OK && is_whole)
		*is_there = is_block(out, commit, previous);
	return status;
}

weir_status log_next(struct log *log, uint64_t *place, uint32_t commit, uint64_t *previous,
		     struct bytes *out, bool *is_there, struct weir_error *error)
{
	uint64_t at = *place != 0 ? *place : place_of(FIRST_FILE, 0);
	weir_status status = try_block(log, at, commit, *previous, out, is_there, error);
	if (status == WEIR_OK && !*is_there) {
		at = place_of(place_file(at) + 1, 0);
		status = try_block(log, at, commit, *previous, out, is_there, error);
	}
	if (status != WEIR_OK || !*is_there)
		return status;
	struct block_head head;
	memcpy(&head, out->data, sizeof(head));
	*previous = head.checksum;
	*place = at + out->length;
	return WEIR_OK;
}
