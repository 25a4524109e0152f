/* SPDX-License-Identifier: MIT
 * event.h - messages: from the bytes of a Kafka message to a change, and from a change to the bytes
 * that a .NET producer would have written. The rules are those of docs/contract.md. */
#ifndef EVENT_H
#define EVENT_H

#include <stdbool.h>

#include "buffer.h"
#include "err.h"
#include "schema.h"

#define EVENT_ID_LIMIT 200	/* bytes; longer ids are dead letters */
#define EVENT_MEMBER_LIMIT 1000 /* members of a body; more are a dead letter */

struct event_header {
	const char *name;
	const void *value; /* NULL: a null header */
	size_t length;
};

/* A message as it came; everything borrowed. */
struct event_message {
	const char *topic;
	int32_t partition;
	int64_t offset;
	int64_t timestamp; /* Kafka's, in microseconds; INT64_MIN when there is none */
	const void *key;   /* NULL: none */
	size_t key_length;
	const void *value; /* NULL: a tombstone */
	size_t value_length;
	const struct event_header *headers;
	size_t header_count;
};

/* One field that a change carries. */
struct event_field {
	const char *name; /* as stored, lower camel case */
	size_t name_length;
	int32_t number;	  /* in the schema; -1: not named there */
	bool clears;	  /* present with null */
	const char *json; /* canonical JSON of the normalized value: dates RFC 3339 UTC as a string,
			     numbers as written, price "12.50" (a string) as 12.50; json_length
			     counts, no NUL need be behind it */
	size_t json_length;
};

struct event_change {
	enum schema_operation operation;
	char id[EVENT_ID_LIMIT + 1]; /* GUIDs in lower case without braces; others as they came */
	size_t id_length;
	int64_t version;
	const struct event_field *fields; /* empty for a delete; sorted by name */
	size_t field_count;
};

enum event_outcome {
	EVENT_CHANGE,	   /* *change is filled */
	EVENT_PASSED_OVER, /* a type that the schema does not know: counted, logged once per type */
	EVENT_DEAD_LETTER, /* error says why */
};

/* Reusable memory for decoding: a batch's changes live until event_decoder_reset. */
struct event_decoder;
struct event_decoder *event_decoder_create(const struct schema *schema);
void event_decoder_destroy(struct event_decoder *decoder);
void event_decoder_reset(struct event_decoder *decoder);
/* From now on a text that stands in the message's value as a change has it is borrowed from there:
 * the values have to live as long as the changes. */
void event_decoder_borrow(struct event_decoder *decoder);

/* WEIR_OK with an outcome, or WEIR_NO_MEMORY. type (EVENT_PASSED_OVER): the unknown name, borrowed
 * until reset. */
weir_status event_decode(struct event_decoder *decoder, const struct event_message *message,
			 enum event_outcome *outcome, struct event_change **change,
			 const char **type, struct weir_error *error) WEIR_MUST_CHECK;

/* The value of a message in the seed shape: PascalCase, System.Text.Json's default escapes, every
 * named field of a create present (null when it has none), only the changed ones for an update.
 * fields: canonical JSON as in event_field. stamp_name/by: "CreatedAt"/"CreatedBy" and so on follow
 * from operation: at in microseconds, by may be NULL. */
void event_encode(const struct schema *schema, enum schema_operation operation, const char *id,
		  size_t id_length, const struct event_field *fields, size_t field_count,
		  int64_t at, const char *by, size_t by_length, struct buffer *out);

/* Puts case, braces and quotes aside. False: longer than EVENT_ID_LIMIT, empty, or with control
 * characters. is_guid (may be NULL) tells whether it is one. */
bool event_id_normalize(const char *text, size_t length, char id[EVENT_ID_LIMIT + 1],
			size_t *id_length, bool *is_guid);

#endif
