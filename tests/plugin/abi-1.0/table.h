/* SPDX-License-Identifier: MIT
 * table.h - documents in memory, in byte order of id, as a file holds them. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>

#include "weir/backend.h"

struct word {
	char *text, *stem;
	size_t length, stem_length;
};

struct value {
	int32_t field;
	uint32_t type;
	char *text;
	size_t length;
	double number;
	int64_t integer;
	struct word *words; /* split when a query first asks */
	size_t word_count;
	bool is_split;
};

struct document {
	char *id, *state;
	size_t id_length, state_length;
	int64_t version, applied_at;
	uint32_t kind;
	struct value *values;
	size_t value_count;
};

struct place {
	char *cluster, *topic, *topic_id;
	int32_t partition;
	int64_t next_offset;
};

struct table {
	uint64_t generation;
	struct document **documents;
	size_t count, capacity;
	struct place *places;
	size_t place_count;
};

void table_finish(struct table *table);
/* Where the id is, or would be. */
size_t table_seek(const struct table *table, const char *id, size_t length, bool *is_there);
/* Takes a copy. False: no memory; the table is as it was. */
bool table_put(struct table *table, const struct weir_document *document);
void table_remove(struct table *table, size_t index);
bool table_set_position(struct table *table, const struct weir_position *position);

enum table_read { TABLE_READ, TABLE_MISSING, TABLE_FOREIGN, TABLE_NO_MEMORY };
/* mark: what the file must begin with. Without a new generation the table stays as it is. */
enum table_read table_load(struct table *table, const char *path, const char *mark);
bool table_save(const struct table *table, const char *path, const char *mark);

#endif
