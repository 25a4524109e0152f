/* SPDX-License-Identifier: MIT */
#include "legacy.h"

#include <stdio.h>
#include <string.h>

#include "error.h"

#define FORMAT "1"
#define KEY_FORMAT "weir.format"
#define KEY_FINGERPRINT "weir.fingerprint"
#define KEY_POSITION "weir.position."
#define POSITION_HEAD_LENGTH 16 /* next offset, partition; then three NUL-terminated names */

struct short_text {
	char text[512]; /* NUL-terminated, cut where it is longer */
};

static int copy_short(void *context, const char *data, size_t length)
{
	struct short_text *copy = context;
	size_t kept = length < sizeof(copy->text) - 1 ? length : sizeof(copy->text) - 1;
	memcpy(copy->text, data, kept);
	copy->text[kept] = '\0';
	return 0;
}

static weir_status read_short(struct xapian_database *database, const char *key,
			      struct short_text *copy, struct weir_error *error)
{
	return xapian_metadata(database, key, strlen(key), copy_short, copy, error);
}

weir_status record_check(struct xapian_database *database, const struct fields *fields,
			 const char *path, bool *is_new, struct weir_error *error)
{
	struct short_text format = {""}, fingerprint = {""};
	uint64_t documents = 0;
	weir_status status = read_short(database, KEY_FORMAT, &format, error);
	if (status == WEIR_OK)
		status = read_short(database, KEY_FINGERPRINT, &fingerprint, error);
	if (status == WEIR_OK)
		status = xapian_frequency(database, "", 0, &documents, error);
	if (status != WEIR_OK)
		return status;
	*is_new = format.text[0] == '\0' && documents == 0;
	if (*is_new)
		return WEIR_OK;
	if (format.text[0] == '\0')
		return error_set(error, WEIR_FATAL,
				 "xapian: the index at %s is not one of Weir's; "
				 "weir rebuild makes one beside it, or give another path",
				 path);
	if (strcmp(format.text, FORMAT) != 0)
		return error_set(error, WEIR_FATAL,
				 "xapian: the index at %s has format %s, this plug-in reads %s; "
				 "weir rebuild makes a new one, or use the plug-in that wrote it",
				 path, format.text, FORMAT);
	if (strcmp(fingerprint.text, fields->fingerprint) != 0)
		return error_set(error, WEIR_FATAL,
				 "xapian: the index at %s was built for schema %.40s, %s is now "
				 "%.40s; weir rebuild makes a new one, or use the old schema",
				 path, fingerprint.text, fields->collection, fields->fingerprint);
	return WEIR_OK;
}

weir_status record_create(struct xapian_database *database, const struct fields *fields,
			  struct weir_error *error)
{
	weir_status status = xapian_metadata_set(database, KEY_FORMAT, strlen(KEY_FORMAT), FORMAT,
						 strlen(FORMAT), error);
	if (status == WEIR_OK)
		status = xapian_metadata_set(database, KEY_FINGERPRINT, strlen(KEY_FINGERPRINT),
					     fields->fingerprint, strlen(fields->fingerprint),
					     error);
	return status == WEIR_OK ? xapian_commit(database, error) : status;
}

weir_status record_touch(struct xapian_database *database, struct weir_error *error)
{
	return xapian_metadata_set(database, KEY_FORMAT, strlen(KEY_FORMAT), FORMAT, strlen(FORMAT),
				   error);
}

static bool append_names(struct bytes *out, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!bytes_append(out, names[i], strlen(names[i]) + 1))
			return false;
	return true;
}

weir_status record_set_position(struct xapian_database *database,
				const struct weir_position *position, struct weir_error *error)
{
	const char *names[] = {position->cluster, position->topic, position->topic_id};
	char partition[8];
	u64_write(partition, order_of_integer(position->partition));
	/* A topic's name may be longer than a key, so the key is a hash of what identifies it. */
	struct hash hash = hash_start;
	hash_add(&hash, partition, sizeof(partition));
	hash_add(&hash, names[0], strlen(names[0]) + 1);
	hash_add(&hash, names[1], strlen(names[1]) + 1);
	char key[sizeof(KEY_POSITION) - 1 + HASH_TEXT_LENGTH];
	memcpy(key, KEY_POSITION, sizeof(KEY_POSITION) - 1);
	hash_text(&hash, key + sizeof(KEY_POSITION) - 1);
	struct bytes value = {0};
	weir_status status;
	if (bytes_append_u64(&value, order_of_integer(position->next_offset)) &&
	    bytes_append(&value, partition, sizeof(partition)) && append_names(&value, names, 3))
		status = xapian_metadata_set(database, key, sizeof(key), value.data, value.length,
					     error);
	else
		status = error_no_memory(error);
	bytes_finish(&value);
	return status;
}

static int64_t integer_of_order(uint64_t order)
{
	return (int64_t)(order ^ UINT64_C(1) << 63);
}

/* Cuts the record's names apart; false: it is not one. */
static bool read_position(const char *data, size_t length, struct weir_position *position)
{
	if (length < POSITION_HEAD_LENGTH + 3 || data[length - 1] != '\0')
		return false;
	const char *at = data + POSITION_HEAD_LENGTH, *end = data + length;
	const char *names[3];
	for (int i = 0; i < 3; i++) {
		if (at >= end)
			return false;
		names[i] = at;
		at += strlen(at) + 1;
	}
	*position = (struct weir_position){
		.cluster = names[0],
		.topic = names[1],
		.topic_id = names[2],
		.partition = (int32_t)integer_of_order(u64_read(data + 8)),
		.next_offset = integer_of_order(u64_read(data)),
	};
	return true;
}

struct position_context {
	weir_on_position on_position;
	void *context;
	bool damaged;
};

static int hand_out_position(void *context, const char *key, size_t key_length, const char *data,
			     size_t length)
{
	(void)key;
	(void)key_length;
	struct position_context *positions = context;
	struct weir_position position;
	positions->damaged = !read_position(data, length, &position);
	return positions->damaged ? 1 : positions->on_position(positions->context, &position);
}

weir_status record_positions(struct xapian_database *database, weir_on_position on_position,
			     void *context, struct weir_error *error)
{
	struct position_context positions = {on_position, context, false};
	weir_status status =
		xapian_metadata_each(database, KEY_POSITION, hand_out_position, &positions, error);
	if (status == WEIR_OK && positions.damaged)
		return error_set(error, WEIR_FATAL,
				 "xapian: a position in the index cannot be read; weir rebuild "
				 "makes a new one");
	return status;
}
