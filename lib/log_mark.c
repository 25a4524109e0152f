/* SPDX-License-Identifier: MIT */
#include "log_mark.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hash.h"

#define FORMAT "%" PRId64 ":%" PRId64 ":%016" PRIx64

/* No value and an empty one are two things. */
static uint64_t add_part(uint64_t hash, const void *data, size_t length)
{
	uint64_t size = data == NULL ? UINT64_MAX : length;
	hash = hash64_add(hash, &size, sizeof(size));
	return data == NULL ? hash : hash64_add(hash, data, length);
}

uint64_t log_mark_hash(const rd_kafka_message_t *message)
{
	uint64_t hash = add_part(HASH64_START, message->key, message->key_len);
	return add_part(hash, message->payload, message->len);
}

struct log_mark log_mark_of(const rd_kafka_message_t *message)
{
	rd_kafka_timestamp_type_t type;
	return (struct log_mark){.offset = message->offset,
				 .timestamp = rd_kafka_message_timestamp(message, &type),
				 .hash = log_mark_hash(message)};
}

bool log_mark_equal(const struct log_mark *left, const struct log_mark *right)
{
	return left->offset == right->offset &&
	       (left->offset < 0 ||
		(left->timestamp == right->timestamp && left->hash == right->hash));
}

void log_marks_move(struct log_marks *marks, const struct log_mark *last)
{
	marks->last = *last;
	if (marks->anchor.offset < 0)
		marks->anchor = *last;
}

const char *log_marks_write(const struct log_marks *marks, char text[LOG_MARKS_SIZE])
{
	text[0] = '\0';
	if (marks->anchor.offset >= 0 && marks->last.offset >= 0)
		snprintf(text, LOG_MARKS_SIZE, "mark " FORMAT " " FORMAT, marks->anchor.offset,
			 marks->anchor.timestamp, marks->anchor.hash, marks->last.offset,
			 marks->last.timestamp, marks->last.hash);
	return text;
}

struct log_marks log_marks_read(const char *topic_id)
{
	struct log_marks marks = LOG_MARKS_NONE, read;
	if (sscanf(topic_id,
		   "mark %" SCNd64 ":%" SCNd64 ":%" SCNx64 " %" SCNd64 ":%" SCNd64 ":%" SCNx64,
		   &read.anchor.offset, &read.anchor.timestamp, &read.anchor.hash,
		   &read.last.offset, &read.last.timestamp, &read.last.hash) == 6)
		marks = read;
	return marks;
}
