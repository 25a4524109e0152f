/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "folder.h"

#define SORT_KEY_LIMIT 100

weir_status reader_folder(const char *path, ino_t *folder, struct weir_error *error)
{
	struct stat status;
	char old[PATH_MAX];
	if (stat(path, &status) != 0)
		return error_set(error, WEIR_RETRY,
				 "xapian: no index can be opened at %s (%s); wait for the indexer",
				 path, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return error_set(error, WEIR_FATAL,
				 "xapian: %s is not a folder, so no index of Xapian; set another "
				 "path",
				 path);
	*folder = status.st_ino;
	snprintf(old, sizeof(old), "%s/iamglass", path);
	if (access(old, F_OK) == 0)
		return error_set(error, WEIR_FATAL,
				 "xapian: the index at %s has the layout of an older version; weir "
				 "rebuild makes a new one",
				 path);
	return WEIR_OK;
}

/* To wait for an index is in vain where something else is. */
static weir_status why_not(const char *path, weir_status status, struct weir_error *error)
{
	struct weir_error reason;
	weir_status found = status == WEIR_RETRY ? folder_check(path, &reason) : WEIR_OK;
	if (found == WEIR_OK)
		return status;
	*error = reason;
	return found;
}

weir_status reader_manifest(const struct reader *reader, struct manifest *manifest,
			    struct weir_error *error)
{
	char boot_id[sizeof(manifest->boot_id)];
	const struct fields *fields = reader->fields;
	weir_status status = manifest_read(manifest, reader->path, error);
	if (status != WEIR_OK)
		return why_not(reader->path, status, error);
	status = manifest_check(manifest, reader->path, fields->collection, fields->fingerprint,
				error);
	boot_id_read(boot_id);
	if (status == WEIR_OK && !manifest->is_clean && strcmp(manifest->boot_id, boot_id) != 0)
		status = error_set(error, WEIR_RETRY,
				   "xapian: the machine went down while the index at %s was "
				   "written; start the indexer, which mends it",
				   reader->path);
	if (status != WEIR_OK)
		manifest_finish(manifest);
	return status;
}

static void destroy(struct reader *reader)
{
	for (size_t i = 0; reader->ranks != NULL && i < reader->fields->count; i++)
		free(reader->ranks[i]);
	free(reader->ranks);
	rows_close(&reader->rows);
	rows_layout_finish(&reader->layout);
	names_destroy(reader->names);
	log_close(reader->log);
	cache_destroy(reader->cache);
	file_close(&reader->head);
	free(reader->path);
	pthread_mutex_destroy(&reader->lock);
	free(reader);
}

static weir_status open_files(struct reader *reader, struct weir_error *error)
{
	const char *path = reader->path;
	struct manifest manifest = {0};
	weir_status status = reader_folder(path, &reader->folder, error);
	if (status == WEIR_OK)
		status = reader_manifest(reader, &manifest, error);
	if (status != WEIR_OK)
		return status;
	reader->mark = hash_bytes(0, manifest.uuid, strlen(manifest.uuid)) << 32;
	manifest_finish(&manifest);
	status = rows_layout_init(&reader->layout, reader->fields, error);
	if (status == WEIR_OK)
		status = file_open(&reader->head, path, HEAD_NAME, O_RDONLY, error);
	if (status == WEIR_OK)
		status = rows_open(&reader->rows, path, &reader->layout, error);
	if (status == WEIR_OK)
		status = names_create(path, reader->fields->count, &reader->names, error);
	if (status == WEIR_OK)
		status = log_open(path, false, &reader->log, error);
	return status;
}

weir_status reader_open(const char *path, const struct fields *fields, struct reader **out,
			struct weir_error *error)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	if (reader == NULL)
		return error_no_memory(error);
	pthread_mutex_init(&reader->lock, NULL);
	reader->users = 1;
	reader->fields = fields;
	reader->head = FILE_CLOSED;
	reader->rows.file = FILE_CLOSED;
	reader->path = strdup(path);
	reader->ranks = calloc(fields->count + 1, sizeof(struct ranks *));
	reader->cache = cache_create(CACHE_BYTES);
	weir_status status = reader->path != NULL && reader->ranks != NULL && reader->cache != NULL
				     ? open_files(reader, error)
				     : error_no_memory(error);
	if (status != WEIR_OK) {
		destroy(reader);
		return status;
	}
	*out = reader;
	return WEIR_OK;
}

struct reader *reader_keep(struct reader *reader)
{
	pthread_mutex_lock(&reader->lock);
	reader->users++;
	pthread_mutex_unlock(&reader->lock);
	return reader;
}

void reader_release(struct reader *reader)
{
	if (reader == NULL)
		return;
	pthread_mutex_lock(&reader->lock);
	bool is_last = --reader->users == 0;
	pthread_mutex_unlock(&reader->lock);
	if (is_last)
		destroy(reader);
}

weir_status reader_grow(struct reader *reader, const struct head *head, struct weir_error *error)
{
	pthread_mutex_lock(&reader->lock);
	weir_status status = rows_map(&reader->rows, head->docid_limit, error);
	if (status == WEIR_OK)
		status = names_read(reader->names, head->names_length, error);
	pthread_mutex_unlock(&reader->lock);
	return status;
}

/* A value's sort key, where it comes from, and its place. */
struct ranked {
	uint32_t ordinal;
	uint8_t length;
	char key[SORT_KEY_LIMIT];
};

static int compare_keys(const struct ranked *left, const struct ranked *right)
{
	size_t shared = left->length < right->length ? left->length : right->length;
	int order = memcmp(left->key, right->key, shared);
	return order != 0 ? order : (left->length > right->length) - (left->length < right->length);
}

static int compare_ranked(const void *left, const void *right)
{
	return compare_keys(left, right);
}

static struct ranks *make_ranks(struct reader *reader, size_t field, uint32_t count,
				const struct weir_host *host)
{
	struct ranked *values = malloc((count + 1) * sizeof(*values));
	struct ranks *ranks = malloc(sizeof(*ranks) + count * sizeof(ranks->places[0]));
	if (values == NULL || ranks == NULL) {
		free(values);
		free(ranks);
		return NULL;
	}
	*ranks = (struct ranks){.users = 1, .count = count};
	for (uint32_t i = 0; i < count; i++) {
		size_t length = 0;
		const char *value = names_value(reader->names, field, i, &length);
		values[i].ordinal = i;
		values[i].length =
			(uint8_t)host->sort_key(host->context, value != NULL ? value : "", length,
						values[i].key, SORT_KEY_LIMIT);
	}
	qsort(values, count, sizeof(*values), compare_ranked);
	for (uint32_t i = 0, place = 0; i < count; i++) {
		if (i > 0 && compare_keys(&values[i - 1], &values[i]) != 0)
			place = i;
		ranks->places[values[i].ordinal] = place;
	}
	free(values);
	return ranks;
}

/* The reader is a user of its newest. */
static void drop_ranks(struct ranks *ranks)
{
	if (ranks != NULL && --ranks->users == 0)
		free(ranks);
}

weir_status reader_ranks(struct reader *reader, size_t field, const struct weir_host *host,
			 struct ranks **out, struct weir_error *error)
{
	pthread_mutex_lock(&reader->lock);
	uint32_t now = names_count(reader->names, field);
	struct ranks *ranks = reader->ranks[field];
	if (ranks == NULL || ranks->count < now) {
		struct ranks *made = make_ranks(reader, field, now, host);
		if (made != NULL) {
			drop_ranks(ranks);
			reader->ranks[field] = made;
		}
		ranks = made;
	}
	if (ranks != NULL)
		ranks->users++;
	pthread_mutex_unlock(&reader->lock);
	if (ranks == NULL)
		return error_no_memory(error);
	*out = ranks;
	return WEIR_OK;
}

void reader_ranks_release(struct reader *reader, struct ranks *ranks)
{
	pthread_mutex_lock(&reader->lock);
	drop_ranks(ranks);
	pthread_mutex_unlock(&reader->lock);
}
