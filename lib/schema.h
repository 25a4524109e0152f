/* SPDX-License-Identifier: MIT
 * schema.h - the schema file: what is indexed is data, not code. docs/schema.md describes it. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include <stdbool.h>

#include "buffer.h"
#include "err.h"

#define SCHEMA_FIELD_LIMIT 128
#define SCHEMA_NAME_LIMIT 64 /* bytes of a field's name */

enum schema_operation { SCHEMA_CREATED = 10, SCHEMA_UPDATED = 20, SCHEMA_DELETED = 30 };

/* What a message's value is wrapped in. AUTO: the value shows it (docs/contract.md has the rules).
 */
enum schema_format {
	SCHEMA_AUTO,
	SCHEMA_PLAIN,
	SCHEMA_CLOUDEVENTS,
	SCHEMA_DEBEZIUM,
	SCHEMA_OUTBOX,
	SCHEMA_CONNECT,
};

/* Where something is found in a message. */
enum schema_origin {
	SCHEMA_NOWHERE,	 /* nothing said: where it always is */
	SCHEMA_DATA,	 /* a JSON pointer (RFC 6901) from the event's object */
	SCHEMA_ENVELOPE, /* a JSON pointer from what the object is wrapped in */
	SCHEMA_HEADER,
};

/* What a number or a text there counts. */
enum schema_unit {
	SCHEMA_AS_IS,
	SCHEMA_DAYS,
	SCHEMA_SECONDS,
	SCHEMA_MILLISECONDS,
	SCHEMA_MICROSECONDS,
	SCHEMA_NANOSECONDS,
	SCHEMA_ISO_DATE, /* text, ISO 8601 */
};

struct schema_source {
	enum schema_origin origin;
	enum schema_unit unit;
	char *place; /* the pointer, or the header's name */
};

/* One field that a pointer finds. */
struct schema_mapped_field {
	int32_t field; /* its number */
	enum schema_unit unit;
	char *pointer;
};

/* Which messages there are: a topic, and the type name that stands in EventType. The rest is for
 * messages of other producers; all of it may be left out. */
struct schema_message {
	char *type;  /* "EventCreatedEvent" */
	char *topic; /* "events.created" */
	enum schema_operation operation;
	bool null_in_update_ignored;	/* as the top's, unless it says otherwise */
	enum schema_format format;	/* all messages of a topic have the same */
	struct schema_source type_from; /* likewise */
	bool null_value_ignored;	/* likewise: "nullValue": "ignore" */
	bool key_ignored;		/* likewise: "key": false, the key is no id */
	char *key;			/* likewise: a pointer into the key's JSON; NULL: none */
	char *data; /* a pointer from the envelope to the event's object; NULL: none */
	struct schema_source id, version;
	struct schema_mapped_field *fields;
	size_t field_count;
	bool others_ignored; /* "others": "ignore", only what fields name is read */
};

struct schema {
	struct weir_schema
		*abi;	/* what crosses the plug-in boundary; its order is the fields' numbers */
	bool *required; /* by field number */
	struct schema_message *messages;
	size_t message_count;
	char *id_name;		     /* "eventId": the member of a body that holds the id */
	bool null_in_update_ignored; /* "nullInUpdate": "ignore" */
	char *text;		     /* what it was read from */
	size_t unknown_limit; /* bytes of canonical JSON that unnamed fields of one message may
				 have */
};

/* Checks everything; the message names file, line or field, what is wrong and what is allowed. */
weir_status schema_load(const char *path, struct schema **schema,
			struct weir_error *error) WEIR_MUST_CHECK;
/* The one that [schema] file names, else the one installed with Weir. */
struct config;
weir_status schema_load_configured(const struct config *config, struct schema **schema,
				   struct weir_error *error) WEIR_MUST_CHECK;
weir_status schema_parse(const char *text, size_t length, const char *origin,
			 struct schema **schema, struct weir_error *error) WEIR_MUST_CHECK;
void schema_destroy(struct schema *schema); /* takes NULL */

/* By name in any case style (title, Title, TITLE; startDate, StartDate, start_date); -1: unknown.
 */
int32_t schema_find(const struct schema *schema, const char *name, size_t length);
/* By exact name, as in a query; -1: unknown. */
int32_t schema_find_exact(const struct schema *schema, const char *name, size_t length);
/* name in lower camel case without separators, as stored: "start_date", "StartDate" -> "startDate".
 * False when it does not fit into SCHEMA_NAME_LIMIT - 1 bytes. */
bool schema_camel(const char *name, size_t length, char camel[SCHEMA_NAME_LIMIT]);

#endif
