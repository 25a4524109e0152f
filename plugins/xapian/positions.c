/* SPDX-License-Identifier: MIT
 * positions.c - places in Kafka's logs as bytes: for each next offset (8 bytes), partition (4), and
 * cluster, topic and the topic's id with a NUL behind each. */
#include <string.h>

#include "error.h"
#include "manifest.h"

#define NUMBERS_LENGTH 12

/* Cuts the next one off; NULL: it is none. Returns where it ends. */
static const char *read_position(const char *at, const char *end, struct weir_position *position)
{
	const char *names[3];
	if (end - at < NUMBERS_LENGTH)
		return NULL;
	memcpy(&position->next_offset, at, sizeof(position->next_offset));
	memcpy(&position->partition, at + 8, sizeof(position->partition));
	at += NUMBERS_LENGTH;
	for (int i = 0; i < 3; i++) {
		const char *stop = memchr(at, '\0', (size_t)(end - at));
		if (stop == NULL)
			return NULL;
		names[i] = at;
		at = stop + 1;
	}
	position->cluster = names[0];
	position->topic = names[1];
	position->topic_id = names[2];
	return at;
}

weir_status positions_each(const char *bytes, size_t length, weir_on_position on_position,
			   void *context, struct weir_error *error)
{
	const char *at = bytes, *end = bytes + length;
	while (at < end) {
		struct weir_position position;
		at = read_position(at, end, &position);
		if (at == NULL)
			return error_set(error, WEIR_FATAL,
					 "xapian: a position in the index cannot be read; weir "
					 "rebuild makes a new one");
		if (on_position(context, &position) != 0)
			break;
	}
	return WEIR_OK;
}

static bool append(struct bytes *out, const struct weir_position *position)
{
	const char *names[] = {position->cluster, position->topic, position->topic_id};
	size_t before = out->length;
	bool good = bytes_append(out, &position->next_offset, sizeof(position->next_offset)) &&
		    bytes_append(out, &position->partition, sizeof(position->partition));
	for (int i = 0; i < 3 && good; i++)
		good = bytes_append(out, names[i], strlen(names[i]) + 1);
	if (!good)
		out->length = before;
	return good;
}

bool positions_set(struct bytes *positions, const struct weir_position *position)
{
	size_t old_length = positions->length;
	if (!append(positions, position))
		return false;
	const char *at = positions->data, *end = at + old_length;
	while (at != NULL && at < end) {
		struct weir_position old;
		const char *next = read_position(at, end, &old);
		if (next != NULL && old.partition == position->partition &&
		    strcmp(old.cluster, position->cluster) == 0 &&
		    strcmp(old.topic, position->topic) == 0) {
			size_t start = (size_t)(at - positions->data), size = (size_t)(next - at);
			memmove(positions->data + start, next, positions->length - start - size);
			positions->length -= size;
			return true;
		}
		at = next;
	}
	return true;
}
