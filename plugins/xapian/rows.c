/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "error.h"

#define FILE_NAME "rows"
#define CHUNK_ROUND 64

static enum column_kind kind_of(const struct field *field)
{
	bool sorted = (field->flags & WEIR_FIELD_SORT) != 0;
	bool faceted = (field->flags & WEIR_FIELD_FACET) != 0;
	bool filtered = (field->flags & WEIR_FIELD_FILTER) != 0;
	switch (field->type) {
	case WEIR_TYPE_NUMBER:
	case WEIR_TYPE_DATE:
		return sorted || filtered ? COLUMN_ORDER : COLUMN_NONE;
	case WEIR_TYPE_BOOLEAN:
		return sorted || faceted ? COLUMN_ORDER : COLUMN_NONE;
	case WEIR_TYPE_KEYWORD:
		return sorted || faceted ? COLUMN_ORDINAL : COLUMN_NONE;
	default:
		return sorted ? COLUMN_PREFIX : COLUMN_NONE;
	}
}

size_t rows_width(const struct rows_layout *layout, size_t column)
{
	if (column == COLUMN_BORN || column == COLUMN_DEAD || column == COLUMN_WORDS)
		return sizeof(uint32_t);
	if (column < COLUMN_FIELDS)
		return sizeof(uint64_t);
	switch (layout->kinds[column - COLUMN_FIELDS]) {
	case COLUMN_NONE:
		return 0;
	case COLUMN_ORDINAL:
		return sizeof(uint32_t);
	default:
		return sizeof(uint64_t);
	}
}

weir_status rows_layout_init(struct rows_layout *layout, const struct fields *fields,
			     struct weir_error *error)
{
	*layout = (struct rows_layout){.field_count = fields->count};
	layout->kinds = calloc(fields->count + 1, sizeof(*layout->kinds));
	layout->places = calloc(COLUMN_FIELDS + fields->count, sizeof(*layout->places));
	if (layout->kinds == NULL || layout->places == NULL)
		return error_no_memory(error);
	for (size_t i = 0; i < fields->count; i++)
		layout->kinds[i] = kind_of(&fields->fields[i]);
	for (size_t column = 0; column < rows_columns(layout); column++) {
		layout->places[column] = layout->chunk_bytes;
		size_t bytes = rows_width(layout, column) * CHUNK_DOCIDS;
		layout->chunk_bytes += (bytes + CHUNK_ROUND - 1) / CHUNK_ROUND * CHUNK_ROUND;
	}
	return WEIR_OK;
}

void rows_layout_finish(struct rows_layout *layout)
{
	free(layout->kinds);
	free(layout->places);
	*layout = (struct rows_layout){0};
}

static weir_status open_with(struct rows *rows, const char *folder,
			     const struct rows_layout *layout, int flags, struct weir_error *error)
{
	struct rows made = {.layout = layout, .file = FILE_CLOSED, .limit = 1};
	made.extents = calloc(EXTENT_CAPACITY, sizeof(*made.extents));
	if (made.extents == NULL)
		return error_no_memory(error);
	weir_status status = file_open(&made.file, folder, FILE_NAME, flags, error);
	if (status == WEIR_OK)
		*rows = made;
	else
		rows_close(&made);
	return status;
}

weir_status rows_open(struct rows *rows, const char *folder, const struct rows_layout *layout,
		      struct weir_error *error)
{
	return open_with(rows, folder, layout, O_RDONLY, error);
}

weir_status rows_create(struct rows *rows, const char *folder, const struct rows_layout *layout,
			struct weir_error *error)
{
	return open_with(rows, folder, layout, O_RDWR | O_CREAT, error);
}

static size_t extent_bytes(const struct rows *rows)
{
	return (size_t)EXTENT_CHUNKS * rows->layout->chunk_bytes;
}

void rows_close(struct rows *rows)
{
	if (rows->extents == NULL) /* zeros, or closed */
		return;
	for (size_t i = 0; i < EXTENT_CAPACITY; i++)
		if (rows->extents[i] != NULL)
			munmap((void *)rows->extents[i], extent_bytes(rows));
	free(rows->extents);
	file_close(&rows->file);
	*rows = (struct rows){.file = FILE_CLOSED};
}

weir_status rows_map(struct rows *rows, uint32_t limit, struct weir_error *error)
{
	if (limit <= rows->limit)
		return WEIR_OK;
	size_t last = (limit - 2) / CHUNK_DOCIDS / EXTENT_CHUNKS;
	uint64_t size = 0;
	weir_status status = file_size(&rows->file, &size, error);
	if (status != WEIR_OK)
		return status;
	/* To touch what is mapped beyond the end of a file is fatal. */
	if (size < ((uint64_t)(limit - 2) / CHUNK_DOCIDS + 1) * rows->layout->chunk_bytes)
		return error_set(error, WEIR_FATAL,
				 "xapian: %s is shorter than the index says; weir rebuild makes a "
				 "new one",
				 rows->file.path);
	for (size_t i = 0; i <= last; i++) {
		if (rows->extents[i] != NULL)
			continue;
		void *extent = mmap(NULL, extent_bytes(rows), PROT_READ, MAP_SHARED,
				    rows->file.descriptor, (off_t)(i * extent_bytes(rows)));
		if (extent == MAP_FAILED)
			return file_failed("map", rows->file.path, errno, error);
		__atomic_store_n(&rows->extents[i], extent, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&rows->limit, limit, __ATOMIC_RELEASE);
	return WEIR_OK;
}

weir_status rows_reserve(struct rows *rows, uint32_t chunk, struct weir_error *error)
{
	size_t bytes = rows->layout->chunk_bytes;
	return file_reserve(&rows->file, (uint64_t)chunk * bytes, bytes, error);
}

weir_status rows_clear(struct rows *rows, uint32_t chunk, struct weir_error *error)
{
	static const uint32_t zeros[CHUNK_DOCIDS];
	return rows_write(rows, COLUMN_BORN, chunk * CHUNK_DOCIDS + 1, zeros, CHUNK_DOCIDS, error);
}

weir_status rows_chunks(const struct rows *rows, uint32_t *chunks, struct weir_error *error)
{
	uint64_t size = 0, bytes = rows->layout->chunk_bytes;
	weir_status status = file_size(&rows->file, &size, error);
	if (status == WEIR_OK)
		*chunks = (uint32_t)((size + bytes - 1) / bytes);
	return status;
}

weir_status rows_write(struct rows *rows, size_t column, uint32_t docid, const void *values,
		       size_t count, struct weir_error *error)
{
	const struct rows_layout *layout = rows->layout;
	size_t width = rows_width(layout, column);
	uint32_t index = docid - 1;
	uint64_t offset = (uint64_t)(index / CHUNK_DOCIDS) * layout->chunk_bytes +
			  layout->places[column] + (uint64_t)(index % CHUNK_DOCIDS) * width;
	return file_write(&rows->file, offset, values, count * width, error);
}

/* One column of what rows_write_all has, in its width. */
static weir_status write_column(struct rows *rows, uint32_t docid, const uint64_t *values,
				size_t count, size_t column, char *buffer, struct weir_error *error)
{
	size_t columns = rows_columns(rows->layout), width = rows_width(rows->layout, column);
	for (size_t i = 0; i < count; i++) {
		uint64_t value = values[i * columns + column];
		uint32_t narrow = (uint32_t)value;
		if (width == sizeof(narrow))
			memcpy(buffer + i * width, &narrow, width);
		else
			memcpy(buffer + i * width, &value, width);
	}
	return rows_write(rows, column, docid, buffer, count, error);
}

weir_status rows_write_all(struct rows *rows, uint32_t docid, const uint64_t *values, size_t count,
			   struct weir_error *error)
{
	char *buffer = malloc(count * sizeof(uint64_t) + 1);
	weir_status status = WEIR_OK;
	if (buffer == NULL)
		return error_no_memory(error);
	for (size_t column = 0; column < rows_columns(rows->layout) && status == WEIR_OK; column++)
		if (rows_width(rows->layout, column) > 0)
			status = write_column(rows, docid, values, count, column, buffer, error);
	free(buffer);
	return status;
}

bool rows_equal(const struct rows *rows, uint32_t docid, const uint64_t *values)
{
	for (size_t column = 0; column < rows_columns(rows->layout); column++) {
		size_t width = rows_width(rows->layout, column);
		if (width == sizeof(uint32_t) && rows_u32(rows, column, docid) != values[column])
			return false;
		if (width == sizeof(uint64_t) && rows_u64(rows, column, docid) != values[column])
			return false;
	}
	return true;
}

weir_status rows_sync(struct rows *rows, struct weir_error *error)
{
	return file_sync(&rows->file, error);
}
