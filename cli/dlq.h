/* SPDX-License-Identifier: MIT
 * dlq.h - the dead letters as `weir dlq` sees them. The topic is read whole each time; what became
 * of a letter is said by marks, records of our own behind it in the same partition. */
#ifndef DLQ_H
#define DLQ_H

#include <librdkafka/rdkafka.h>

#include "arena.h"
#include "command.h"
#include "event.h"
#include "hash.h"
#include "json.h"

enum letter_state { LETTER_OPEN, LETTER_REPLAYED_ON, LETTER_DROPPED };
enum { LETTER_STATE_COUNT = 3 };
extern const char *const letter_state_names[LETTER_STATE_COUNT];

/* A place in a log. */
struct place {
	const char *topic;
	int32_t partition;
	int64_t offset;
};

/* One message that could not be indexed. It may stand in the topic several times: an indexer that
 * was killed, or that reads its topics anew, meets the message again. */
struct letter {
	hash128 identity;  /* of origin, timestamp, key and value */
	int32_t partition; /* in the dead-letter topic, the newest copy */
	int64_t offset;
	int64_t time; /* milliseconds */
	unsigned copies;
	size_t reason;	     /* into reasons */
	struct place origin; /* of the message */
	int64_t timestamp;   /* that decides its order, milliseconds; -1: none */
	const char *key;     /* NULL: none; may hold NULs */
	size_t key_length, value_length;
	int64_t full_length; /* of the value, when it was cut; else -1 */
	bool null_value;
	enum letter_state state;
	const char *handled_by, *sent_to; /* NULL: not told */
	int64_t handled_at;
	bool wanted; /* by the filter */
};

struct reason {
	const char *text;
	size_t length, count; /* of wanted letters */
};

struct dlq {
	const struct config *config;
	const char *topic;
	struct arena arena;
	struct letter *letters; /* the oldest first */
	size_t count, capacity;
	struct reason *reasons;
	size_t reason_count, reason_capacity;
	size_t *table, *reason_table; /* number + 1 by hash */
	size_t table_size, reason_table_size;
	size_t foreign; /* records that are neither letters nor marks */
};

struct dlq_options {
	struct settings settings;
	const char *reason, *topic, *since, *until, *key, *state, *limit_text;
	bool all, again, force, dry_run, raw, json;
	int64_t since_ms, until_ms, limit;
};

/* Reads the topic to its end. WEIR_AWAY: no broker answers, or there is no such topic. */
weir_status dlq_read(struct dlq *dlq, const struct config *config,
		     struct weir_error *error) WEIR_MUST_CHECK;
void dlq_finish(struct dlq *dlq);

/* Hands out the records of the wanted letters, by partition and offset; borrowed for the call. */
typedef weir_status (*dlq_on_message)(void *context, const struct letter *letter,
				      const rd_kafka_message_t *message, struct weir_error *error);
weir_status dlq_visit(const struct dlq *dlq, dlq_on_message on_message, void *context,
		      struct weir_error *error) WEIR_MUST_CHECK;
/* Hands out the one record at a place, with the given letter. WEIR_NOT_FOUND: it is not there, or
 * not any more. */
weir_status dlq_fetch(const struct config *config, const struct place *place,
		      const struct letter *letter, dlq_on_message on_message, void *context,
		      struct weir_error *error) WEIR_MUST_CHECK;

/* The last header of that name as text, cut to size. False: there is none. */
bool letter_header(const rd_kafka_message_t *message, const char *name, char *text, size_t size);
void letter_address(const struct dlq *dlq, const struct letter *letter, char *text, size_t size);

/* Sets wanted. WEIR_INVALID: a filter is no filter; WEIR_NOT_FOUND: an address is no letter's. */
weir_status dlq_filter(struct dlq *dlq, const struct dlq_options *options,
		       const struct argument_list *addresses,
		       struct weir_error *error) WEIR_MUST_CHECK;

/* The members of its JSON. */
void letter_write(const struct dlq *dlq, const struct letter *letter, struct jsonout *json);

/* Each answers an exit status. */
int dlq_list(struct dlq *dlq, const struct dlq_options *options);
int dlq_show(struct dlq *dlq, const struct dlq_options *options);
int dlq_handle(struct dlq *dlq, const struct dlq_options *options, bool drops);

#endif
