/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void document_destroy(struct document *document)
{
	if (document == NULL)
		return;
	for (size_t i = 0; i < document->value_count; i++) {
		struct value *value = &document->values[i];
		for (size_t j = 0; j < value->word_count; j++) {
			free(value->words[j].text);
			free(value->words[j].stem);
		}
		free(value->words);
		free(value->text);
	}
	free(document->values);
	free(document->id);
	free(document->state);
	free(document);
}

static void place_finish(struct place *place)
{
	free(place->cluster);
	free(place->topic);
	free(place->topic_id);
}

void table_finish(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		document_destroy(table->documents[i]);
	for (size_t i = 0; i < table->place_count; i++)
		place_finish(&table->places[i]);
	free(table->documents);
	free(table->places);
	*table = (struct table){0};
}

static int compare_id(const struct document *document, const char *id, size_t length)
{
	size_t shorter = document->id_length < length ? document->id_length : length;
	int order = memcmp(document->id, id, shorter);
	return order != 0 ? order : (document->id_length > length) - (document->id_length < length);
}

size_t table_seek(const struct table *table, const char *id, size_t length, bool *is_there)
{
	size_t low = 0, high = table->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_id(table->documents[middle], id, length) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*is_there = low < table->count && compare_id(table->documents[low], id, length) == 0;
	return low;
}

/* One byte more than length, so that nothing is a copy too. NULL: no memory. */
static char *copy_bytes(const void *bytes, size_t length)
{
	char *copy = calloc(1, length + 1);
	if (copy != NULL && length > 0)
		memcpy(copy, bytes, length);
	return copy;
}

static struct document *document_copy(const struct weir_document *from)
{
	struct document *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return NULL;
	made->kind = from->kind;
	made->version = from->version;
	made->applied_at = from->applied_at;
	made->id_length = from->id_length;
	made->state_length = from->state_length;
	made->id = copy_bytes(from->id, from->id_length);
	made->state = copy_bytes(from->state, from->state_length);
	made->values = calloc(from->value_count + 1, sizeof(*made->values));
	bool good = made->id != NULL && made->state != NULL && made->values != NULL;
	for (size_t i = 0; good && i < from->value_count; i++) {
		const struct weir_value *value = from->values[i];
		struct value *copy = &made->values[made->value_count++];
		*copy = (struct value){.field = value->field,
				       .type = value->type,
				       .length = value->text != NULL ? value->text_length : 0,
				       .number = value->number,
				       .integer = value->integer};
		copy->text = copy_bytes(value->text, copy->length);
		good = copy->text != NULL;
	}
	if (good)
		return made;
	document_destroy(made);
	return NULL;
}

bool table_put(struct table *table, const struct weir_document *document)
{
	bool is_there;
	size_t at = table_seek(table, document->id, document->id_length, &is_there);
	struct document *made = document_copy(document);
	if (made == NULL)
		return false;
	if (is_there) {
		document_destroy(table->documents[at]);
		table->documents[at] = made;
		return true;
	}
	struct document **documents = table->documents;
	if (table->count == table->capacity) {
		size_t capacity = table->capacity * 2 + 16;
		documents = realloc(documents, capacity * sizeof(*documents));
		if (documents == NULL) {
			document_destroy(made);
			return false;
		}
		table->capacity = capacity;
	}
	memmove(documents + at + 1, documents + at, (table->count - at) * sizeof(*documents));
	documents[at] = made;
	table->documents = documents;
	table->count++;
	return true;
}

void table_remove(struct table *table, size_t index)
{
	document_destroy(table->documents[index]);
	table->count--;
	memmove(table->documents + index, table->documents + index + 1,
		(table->count - index) * sizeof(*table->documents));
}

bool table_set_position(struct table *table, const struct weir_position *position)
{
	size_t at = 0;
	while (at < table->place_count &&
	       (table->places[at].partition != position->partition ||
		strcmp(table->places[at].cluster, position->cluster) != 0 ||
		strcmp(table->places[at].topic, position->topic) != 0))
		at++;
	struct place made = {strdup(position->cluster), strdup(position->topic),
			     strdup(position->topic_id), position->partition,
			     position->next_offset};
	struct place *places = table->places;
	if (at == table->place_count)
		places = realloc(places, (at + 1) * sizeof(*places));
	if (places == NULL || made.cluster == NULL || made.topic == NULL || made.topic_id == NULL) {
		place_finish(&made);
		return false;
	}
	table->places = places;
	if (at < table->place_count)
		place_finish(&places[at]);
	else
		table->place_count++;
	places[at] = made;
	return true;
}

/* The file is the mark, the generation, and then numbers and counted bytes in a row. */
static bool write_number(FILE *file, uint64_t number)
{
	return fwrite(&number, sizeof(number), 1, file) == 1;
}

static bool write_bytes(FILE *file, const char *bytes, size_t length)
{
	return write_number(file, length) && fwrite(bytes, 1, length, file) == length;
}

static bool write_document(FILE *file, const struct document *one)
{
	bool good = write_bytes(file, one->id, one->id_length) &&
		    write_bytes(file, one->state, one->state_length) &&
		    write_number(file, (uint64_t)one->version) &&
		    write_number(file, (uint64_t)one->applied_at) &&
		    write_number(file, one->kind) && write_number(file, one->value_count);
	for (size_t i = 0; good && i < one->value_count; i++) {
		const struct value *value = &one->values[i];
		good = write_number(file, (uint64_t)value->field) &&
		       write_number(file, value->type) &&
		       write_bytes(file, value->text, value->length) &&
		       fwrite(&value->number, sizeof(value->number), 1, file) == 1 &&
		       write_number(file, (uint64_t)value->integer);
	}
	return good;
}

static bool write_table(FILE *file, const struct table *table, const char *mark)
{
	bool good = write_bytes(file, mark, strlen(mark)) &&
		    write_number(file, table->generation) && write_number(file, table->place_count);
	for (size_t i = 0; good && i < table->place_count; i++) {
		const struct place *place = &table->places[i];
		good = write_bytes(file, place->cluster, strlen(place->cluster)) &&
		       write_bytes(file, place->topic, strlen(place->topic)) &&
		       write_bytes(file, place->topic_id, strlen(place->topic_id)) &&
		       write_number(file, (uint64_t)place->partition) &&
		       write_number(file, (uint64_t)place->next_offset);
	}
	good = good && write_number(file, table->count);
	for (size_t i = 0; good && i < table->count; i++)
		good = write_document(file, table->documents[i]);
	return good;
}

/* Writes beside the file, then renames: a kill leaves the old index or the new one, whole. */
bool table_save(const struct table *table, const char *path, const char *mark)
{
	char beside[4200];
	snprintf(beside, sizeof(beside), "%s.new", path);
	FILE *file = fopen(beside, "wb");
	bool good = file != NULL && write_table(file, table, mark) && fflush(file) == 0 &&
		    fsync(fileno(file)) == 0;
	if (file != NULL && fclose(file) != 0)
		good = false;
	return good && rename(beside, path) == 0;
}

static bool read_number(FILE *file, uint64_t *number)
{
	return fread(number, sizeof(*number), 1, file) == 1;
}

static bool read_bytes(FILE *file, char **bytes, size_t *length)
{
	uint64_t counted;
	if (!read_number(file, &counted) || counted > SIZE_MAX / 2)
		return false;
	*bytes = calloc(1, counted + 1);
	*length = counted;
	return *bytes != NULL && fread(*bytes, 1, counted, file) == counted;
}

static bool read_value(FILE *file, struct value *value)
{
	uint64_t field, type, integer;
	bool good = read_number(file, &field) && read_number(file, &type) &&
		    read_bytes(file, &value->text, &value->length) &&
		    fread(&value->number, sizeof(value->number), 1, file) == 1 &&
		    read_number(file, &integer);
	if (good) {
		value->field = (int32_t)field;
		value->type = (uint32_t)type;
		value->integer = (int64_t)integer;
	}
	return good;
}

static bool read_document(FILE *file, struct document *one)
{
	uint64_t version, applied_at, kind, count;
	if (!read_bytes(file, &one->id, &one->id_length) ||
	    !read_bytes(file, &one->state, &one->state_length) || !read_number(file, &version) ||
	    !read_number(file, &applied_at) || !read_number(file, &kind) ||
	    !read_number(file, &count))
		return false;
	one->version = (int64_t)version;
	one->applied_at = (int64_t)applied_at;
	one->kind = (uint32_t)kind;
	one->values = calloc(count + 1, sizeof(*one->values));
	while (one->values != NULL && one->value_count < count)
		if (!read_value(file, &one->values[one->value_count++]))
			return false;
	return one->values != NULL;
}

static bool read_place(FILE *file, struct place *place)
{
	size_t length;
	uint64_t partition, next_offset;
	if (!read_bytes(file, &place->cluster, &length) ||
	    !read_bytes(file, &place->topic, &length) ||
	    !read_bytes(file, &place->topic_id, &length) || !read_number(file, &partition) ||
	    !read_number(file, &next_offset))
		return false;
	place->partition = (int32_t)partition;
	place->next_offset = (int64_t)next_offset;
	return true;
}

static bool read_table(FILE *file, struct table *table)
{
	uint64_t places, documents;
	if (!read_number(file, &places))
		return false;
	table->places = calloc(places + 1, sizeof(*table->places));
	while (table->places != NULL && table->place_count < places)
		if (!read_place(file, &table->places[table->place_count++]))
			return false;
	if (table->places == NULL || !read_number(file, &documents))
		return false;
	table->documents = calloc(documents + 1, sizeof(*table->documents));
	table->capacity = documents + 1;
	while (table->documents != NULL && table->count < documents) {
		struct document *one = calloc(1, sizeof(*one));
		table->documents[table->count++] = one;
		if (one == NULL || !read_document(file, one))
			return false;
	}
	return table->documents != NULL;
}

enum table_read table_load(struct table *table, const char *path, const char *mark)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return errno == ENOENT ? TABLE_MISSING : TABLE_FOREIGN;
	struct table read = {0};
	uint64_t length;
	char found[200];
	bool good = read_number(file, &length) && length == strlen(mark) &&
		    length < sizeof(found) && fread(found, 1, length, file) == length &&
		    memcmp(found, mark, length) == 0 && read_number(file, &read.generation);
	bool is_same = good && read.generation == table->generation && table->documents != NULL;
	if (good && !is_same)
		good = read_table(file, &read);
	fclose(file);
	if (good && !is_same) {
		table_finish(table);
		*table = read;
	} else {
		table_finish(&read);
	}
	return good ? TABLE_READ : TABLE_FOREIGN;
}
