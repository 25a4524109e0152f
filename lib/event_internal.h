/* SPDX-License-Identifier: MIT
 * event_internal.h - what the parts of the decoder share: the envelope (event_envelope.c), the
 * members of the event's object (event_body.c), their values (event_value.c). */
#ifndef EVENT_INTERNAL_H
#define EVENT_INTERNAL_H

#include "arena.h"
#include "event.h"
#include "json_tree.h"

/* Memory of one message: its trees, and texts that had to be decoded. */
struct event_memory {
	struct arena arena;
	bool failed; /* there was none: what was found out since then counts for nothing */
};

enum { EVENT_DOCUMENTS = 6 }; /* the value, and JSON in the texts of JSON */

/* A message's value, unwrapped. */
struct event_envelope {
	enum schema_format format;    /* what it was wrapped in */
	const struct jsonnode *outer; /* where pointers "envelope" begin */
	const struct jsonnode *data;  /* the event's object; NULL: there is none */
	const struct jsonnode *types; /* Kafka Connect's schema of data; NULL: none */
	bool null_value;	      /* null to Kafka Connect */
	char op;		      /* Debezium's; NUL: it is none of Debezium's */
	const char *type;	      /* CloudEvents' type, or the outbox's; NULL: it says none */
	size_t type_length;
	const char *subject; /* the id when the data has none; NULL: it says none */
	size_t subject_length;
	struct event_memory *memory; /* what all of these are borrowed from, or the message */
	size_t document_count;
};

/* The message has a value. envelope->memory is set. WEIR_INVALID: it cannot be read; error says
 * why. */
weir_status event_envelope_open(const struct event_message *message, enum schema_format format,
				struct event_envelope *envelope,
				struct weir_error *error) WEIR_MUST_CHECK;
/* Text that is a JSON object, as a node that lives as long as the envelope. WEIR_INVALID: it is
 * not. */
weir_status event_envelope_parse(struct event_envelope *envelope, const char *text, size_t length,
				 const struct jsonnode **object,
				 struct weir_error *error) WEIR_MUST_CHECK;
/* Debezium's time of the change. False: it says none. */
bool event_envelope_time(const struct event_envelope *envelope, int64_t *version);
/* Kafka Connect's {"schema": …, "payload": …}? */
bool event_is_connect(const struct jsonnode *node);

/* The last header of that name, in any case; NULL: there is none. */
const struct event_header *event_find_header(const struct event_message *message, const char *name);
/* The bytes behind Schema Registry's five; *schema_id is untouched when there are none. */
const char *event_unframe(const void *bytes, size_t *length, bool *framed, uint32_t *schema_id);

/* Kafka Connect's schema of a struct's member; NULL: none is known. */
const struct jsonnode *event_member_type(struct event_memory *memory, const struct jsonnode *types,
					 const char *name);
/* Of what a JSON pointer leads to. */
const struct jsonnode *event_type_at(struct event_memory *memory, const struct jsonnode *types,
				     const char *pointer);
/* The canonical JSON of a value. field: of the schema, or NULL for one that it does not name; type:
 * Kafka Connect's schema of the value, or NULL; unit: what a date counts in when it is a number. */
weir_status event_value_write(struct event_memory *memory, const struct jsonnode *node,
			      const struct weir_field *field, const struct jsonnode *type,
			      enum schema_unit unit, struct buffer *out,
			      struct weir_error *error) WEIR_MUST_CHECK;
/* A decimal number of a unit, as microseconds; what is finer is cut off. False: it is none, or does
 * not fit. */
bool event_scale(const char *text, size_t length, enum schema_unit unit, int64_t *microseconds);
/* The text of a string, the digits of a number, not NUL-terminated; NULL: it is neither, or memory
 * failed. */
const char *event_text_of(struct event_memory *memory, const struct jsonnode *node, size_t *length);
/* Of a string alone. */
const char *event_string_of(struct event_memory *memory, const struct jsonnode *node,
			    size_t *length);
bool event_is_text(struct event_memory *memory, const struct jsonnode *node, const char *text);

/* What the name of a member says, whatever the message. */
struct event_key {
	char text[SCHEMA_NAME_LIMIT]; /* "": free */
	char camel[SCHEMA_NAME_LIMIT];
	enum { EVENT_KEY_ID = 1, EVENT_KEY_PLAIN_ID, EVENT_KEY_VERSION, EVENT_KEY_FIELD } role;
	enum schema_operation stamp; /* CreatedAt: SCHEMA_CREATED, and so on; 0: none */
	int32_t number;		     /* of the schema's field; -1: it names none so */
};

/* The same names come in every message: a place for each, by its letters. */
enum { EVENT_KEYS = 128 };

/* One message on its way through the decoder. */
struct event_decoding {
	const struct schema *schema;
	const struct event_message *message;
	const struct schema_message *mapping; /* NULL: none for it */
	struct event_envelope envelope;
	struct event_change *change;
	struct event_key *keys;
	struct arena *arena; /* of the batch */
	struct buffer *scratch;
	bool borrows; /* from the message's value; else everything is copied */
	struct event_field *fields;
	size_t field_count;
	size_t unknown_bytes;
	const struct jsonnode
		*plain_id; /* "id", which counts when the schema's own name is not there */
	bool has_id, has_version;
	bool has_stamp; /* CreatedAt of a create, and so on */
	int64_t stamp;
	struct weir_error *error;
};

/* Does the schema say where the version is? Then it is nowhere else. */
static inline bool event_version_is_mapped(const struct event_decoding *decoding)
{
	return decoding->mapping != NULL && decoding->mapping->version.origin != SCHEMA_NOWHERE;
}

/* Reads what the event's object holds into the change: fields, id, version, time. */
weir_status event_body_read(struct event_decoding *decoding) WEIR_MUST_CHECK;
/* The id is the text of that node; null says nothing. */
weir_status event_read_id(struct event_decoding *decoding, const struct jsonnode *node);
bool event_parse_version(const char *text, size_t length, int64_t *version);

#endif
