/* SPDX-License-Identifier: MIT
 * log_mark.h - by what a partition's log is known again.
 *
 * A topic that was deleted and made anew has the same name and other messages, and a log that lost
 * its tail has other messages behind the loss. A position alone cannot tell. So it carries, as its
 * topic_id, marks of two messages before it: the last one, and an older one that was found in the
 * log again since (the anchor). Where another message stands at a mark's offset, the log is another
 * from there on at the latest. */
#ifndef LOG_MARK_H
#define LOG_MARK_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

struct log_mark {
	int64_t offset; /* negative: there is none */
	int64_t timestamp;
	uint64_t hash; /* of key and value */
};

struct log_marks {
	struct log_mark anchor, last;
};

#define LOG_MARK_NONE ((struct log_mark){.offset = -1})
#define LOG_MARKS_NONE ((struct log_marks){{.offset = -1}, {.offset = -1}})
enum { LOG_MARKS_SIZE = 160 };

uint64_t log_mark_hash(const rd_kafka_message_t *message);
struct log_mark log_mark_of(const rd_kafka_message_t *message);
bool log_mark_equal(const struct log_mark *left, const struct log_mark *right);
/* The last message is another one now; the first one of all is the anchor, too. */
void log_marks_move(struct log_marks *marks, const struct log_mark *last);

/* As weir_position.topic_id; "" without marks. */
const char *log_marks_write(const struct log_marks *marks, char text[LOG_MARKS_SIZE]);
/* A topic_id of another kind has no marks. */
struct log_marks log_marks_read(const char *topic_id);

#endif
