/* SPDX-License-Identifier: MIT */
#include "best.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "error.h"

static bool is_by_score(const struct weir_sort_key *key)
{
	return key->field == WEIR_FIELD_DEFAULT;
}

static weir_status prepare_values(struct best *best, struct weir_error *error)
{
	const struct fields *fields = &best->session->instance->fields;
	struct bytes sql = {0};
	weir_status status = WEIR_OK;
	bool good = bytes_append_text(&sql, "SELECT id");
	for (size_t i = 0; i < best->search->sort_count && status == WEIR_OK && good; i++) {
		const struct weir_sort_key *key = best->search->sort[i];
		char name[32];
		if (is_by_score(key))
			continue;
		char kind = key->field >= 0 && (size_t)key->field < fields->count
				    ? field_sort_column(&fields->fields[key->field])
				    : 0;
		if (kind == 0)
			status = error_set(error, WEIR_FATAL,
					   "sqlite: field %d cannot be sorted by; say sort in the "
					   "schema",
					   (int)key->field);
		snprintf(name, sizeof(name), ", %c%d", kind, (int)key->field);
		good = bytes_append_text(&sql, name);
	}
	static const char end[] = " FROM documents WHERE number = ?1";
	good = good && bytes_append(&sql, end, sizeof(end));
	if (status == WEIR_OK && !good)
		status = error_no_memory(error);
	if (status == WEIR_OK)
		status = database_prepare(&best->session->database, sql.data, &best->values, error);
	bytes_finish(&sql);
	return status;
}

weir_status best_init(struct best *best, struct weir_session *session,
		      const struct weir_search *search, struct weir_error *error)
{
	*best = (struct best){.session = session, .search = search, .error = error};
	best->wanted = search->limit == 0			   ? 0
		       : search->offset > SIZE_MAX - search->limit ? SIZE_MAX
								   : search->offset + search->limit;
	if (search->sort_count == 0)
		best->by_score = 1;
	else if (is_by_score(search->sort[0]))
		best->by_score = search->sort[0]->descending != 0 ? 1 : -1;
	return prepare_values(best, error);
}

void best_clear(struct best *best)
{
	for (size_t i = 0; i < best->count; i++)
		free(best->entries[i].key);
	best->count = 0;
}

void best_finish(struct best *best)
{
	best_clear(best);
	free(best->entries);
	sqlite3_finalize(best->values);
	*best = (struct best){0};
}

static bool append_inverted(struct bytes *out, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		char byte = (char)~data[i];
		if (!bytes_append(out, &byte, 1))
			return false;
	}
	return true;
}

/* A part of a key, whose bytes are in the order to sort by whatever follows. A sort text has no
 * byte below a space, so one that ends earlier comes earlier. */
static bool append_part(struct bytes *out, bool descending, const char *data, size_t length,
			bool is_text)
{
	if (descending)
		return append_inverted(out, data, length) &&
		       (!is_text || bytes_append(out, "\xFF", 1));
	return bytes_append(out, data, length) && (!is_text || bytes_append(out, "", 1));
}

static bool append_column(struct bytes *out, sqlite3_stmt *values, int column, bool descending)
{
	int type = sqlite3_column_type(values, column);
	if (!bytes_append(out, type == SQLITE_NULL ? "\1" : "", 1))
		return false;
	if (type == SQLITE_NULL)
		return true;
	if (type == SQLITE_BLOB)
		return append_part(out, descending, sqlite3_column_blob(values, column),
				   (size_t)sqlite3_column_bytes(values, column), true);
	struct bytes number = {0};
	uint64_t order = type == SQLITE_FLOAT
				 ? order_of_number(sqlite3_column_double(values, column))
				 : order_of_integer(sqlite3_column_int64(values, column));
	bool good = bytes_append_u64(&number, order) &&
		    append_part(out, descending, number.data, number.length, false);
	bytes_finish(&number);
	return good;
}

static bool append_score(struct bytes *out, double score, bool descending)
{
	uint64_t order = order_of_number(score);
	return bytes_append_u64(out, descending ? ~order : order);
}

static bool append_key(struct best *best, double score, struct bytes *out)
{
	int column = 1;
	for (size_t i = 0; i < best->search->sort_count; i++) {
		const struct weir_sort_key *key = best->search->sort[i];
		bool descending = key->descending != 0;
		if (is_by_score(key) ? !append_score(out, score, descending)
				     : !append_column(out, best->values, column++, descending))
			return false;
	}
	return bytes_append(out, sqlite3_column_blob(best->values, 0),
			    (size_t)sqlite3_column_bytes(best->values, 0));
}

static bool make_key(struct best *best, struct best_entry *entry)
{
	struct bytes key = {0};
	bool has_row = false;
	if (entry->key != NULL)
		return true;
	if (best->status != WEIR_OK)
		return false;
	sqlite3_bind_int64(best->values, 1, entry->number);
	best->status = database_step(&best->session->database, best->values, &has_row, best->error);
	if (best->status == WEIR_OK && (!has_row || !append_key(best, entry->score, &key)))
		best->status = error_no_memory(best->error);
	sqlite3_reset(best->values);
	if (best->status != WEIR_OK) {
		bytes_finish(&key);
		return false;
	}
	entry->key = key.data;
	entry->key_length = key.length;
	return true;
}

/* Whether one comes before the other in the answer. */
static bool is_before(struct best *best, struct best_entry *one, struct best_entry *other)
{
	if (best->by_score != 0 && one->score != other->score)
		return (one->score > other->score) == (best->by_score > 0);
	if (!make_key(best, one) || !make_key(best, other) || one->key == NULL ||
	    other->key == NULL)
		return one->number < other->number;
	size_t shared = one->key_length < other->key_length ? one->key_length : other->key_length;
	int order = memcmp(one->key, other->key, shared);
	return order != 0 ? order < 0 : one->key_length < other->key_length;
}

static void swap(struct best_entry *one, struct best_entry *other)
{
	struct best_entry kept = *one;
	*one = *other;
	*other = kept;
}

static void sift_down(struct best *best, size_t place, size_t count)
{
	struct best_entry *entries = best->entries;
	for (size_t child; (child = 2 * place + 1) < count; place = child) {
		if (child + 1 < count && is_before(best, &entries[child], &entries[child + 1]))
			child++;
		if (!is_before(best, &entries[place], &entries[child]))
			return;
		swap(&entries[place], &entries[child]);
	}
}

static void sift_up(struct best *best, size_t place)
{
	struct best_entry *entries = best->entries;
	while (place > 0) {
		size_t parent = (place - 1) / 2;
		if (!is_before(best, &entries[parent], &entries[place]))
			return;
		swap(&entries[parent], &entries[place]);
		place = parent;
	}
}

double best_threshold(const struct best *best)
{
	if (best->wanted == 0)
		return INFINITY;
	return best->by_score > 0 && best->count == best->wanted ? best->entries[0].score
								 : -INFINITY;
}

weir_status best_offer(struct best *best, int64_t number, double score)
{
	struct best_entry entry = {number, score, NULL, 0};
	if (best->wanted == 0)
		return WEIR_OK;
	if (best->count == best->wanted) {
		if (is_before(best, &entry, &best->entries[0])) {
			swap(&entry, &best->entries[0]);
			sift_down(best, 0, best->count);
		}
		free(entry.key);
		return best->status;
	}
	struct best_entry *entries =
		array_grow(best->entries, best->count, &best->capacity, sizeof(*entries));
	if (entries == NULL)
		return error_no_memory(best->error);
	best->entries = entries;
	entries[best->count++] = entry;
	sift_up(best, best->count - 1);
	return best->status;
}

weir_status best_sort(struct best *best)
{
	for (size_t count = best->count; count > 1; count--) {
		swap(&best->entries[0], &best->entries[count - 1]);
		sift_down(best, 0, count - 1);
	}
	return best->status;
}
