/* SPDX-License-Identifier: MIT
 * The members of the event's object: which field each is, and what else they say of the message. */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "event_internal.h"
#include "hash.h"
#include "json.h"
#include "moment.h"

/* What Debezium writes in place of a large value that the change did not touch. */
#define UNCHANGED "__debezium_unavailable_value"

static weir_status refuse(const struct event_decoding *decoding, const char *what)
{
	return err_set(decoding->error, WEIR_INVALID, "%s", what);
}

/* Debezium's rows have columns of any name; versions and times come from its envelope. */
static bool is_row(const struct event_decoding *decoding)
{
	return decoding->envelope.op != '\0';
}

static weir_status read_version(struct event_decoding *decoding, const struct jsonnode *node)
{
	int64_t version;
	size_t length = 0;
	const char *text = event_text_of(decoding->envelope.memory, node, &length);
	if (node->kind == JSONNODE_NULL || is_row(decoding) || event_version_is_mapped(decoding))
		return WEIR_OK;
	if (text == NULL || !event_parse_version(text, length, &version))
		return refuse(decoding, "Version in the body is not a 64-bit decimal number");
	if (!decoding->has_version)
		decoding->change->version = version;
	decoding->has_version = true;
	return WEIR_OK;
}

static enum schema_operation stamp_of(const char *camel)
{
	if (strcasecmp(camel, "createdAt") == 0)
		return SCHEMA_CREATED;
	if (strcasecmp(camel, "updatedAt") == 0)
		return SCHEMA_UPDATED;
	return strcasecmp(camel, "deletedAt") == 0 ? SCHEMA_DELETED : 0;
}

/* False: the name is empty or too long. */
static bool read_key(const struct schema *schema, const char *name, size_t length,
		     struct event_key *key)
{
	if (!schema_camel(name, length, key->camel))
		return false;
	key->role = strcasecmp(key->camel, schema->id_name) == 0 ? EVENT_KEY_ID
		    : strcasecmp(key->camel, "id") == 0		 ? EVENT_KEY_PLAIN_ID
		    : strcasecmp(key->camel, "version") == 0	 ? EVENT_KEY_VERSION
								 : EVENT_KEY_FIELD;
	key->stamp = stamp_of(key->camel);
	key->number = schema_find(schema, name, length);
	return true;
}

/* own: where it is when it is not among those that are kept. NULL: the name is empty or too long.
 */
static const struct event_key *find_key(const struct event_decoding *decoding,
					const struct jsonnode *member, struct event_key *own)
{
	size_t length = member->name_length;
	struct event_key *kept =
		&decoding->keys[hash64_add(HASH64_START, member->name, length) % EVENT_KEYS];
	if (length > 0 && strcmp(kept->text, member->name) == 0)
		return kept;
	if (!read_key(decoding->schema, member->name, length, own))
		return NULL;
	if (length >= sizeof(own->text))
		return own;
	memcpy(own->text, member->name, length + 1);
	*kept = *own;
	return kept;
}

/* The message's own time stands in for a version that nobody sent. */
static weir_status read_stamp(struct event_decoding *decoding, const struct event_key *key,
			      const struct jsonnode *node)
{
	if (key->stamp != decoding->change->operation || node->kind == JSONNODE_NULL ||
	    is_row(decoding))
		return WEIR_OK;
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	const struct weir_field field = {.name = key->camel, .type = WEIR_TYPE_DATE};
	weir_status status = event_value_write(
		decoding->envelope.memory, node, &field,
		event_member_type(decoding->envelope.memory, decoding->envelope.types, node->name),
		SCHEMA_AS_IS, &text, decoding->error);
	if (status != WEIR_OK)
		return status;
	if (buffer_failed(&text) ||
	    !moment_parse(text.data + 1, text.length - 2, &decoding->stamp, NULL))
		return err_no_memory(decoding->error);
	decoding->has_stamp = true;
	return WEIR_OK;
}

static weir_status count_unknown(struct event_decoding *decoding, size_t bytes)
{
	decoding->unknown_bytes += bytes;
	if (decoding->unknown_bytes <= decoding->schema->unknown_limit)
		return WEIR_OK;
	return err_set(decoding->error, WEIR_INVALID,
		       "fields that the schema does not name have more than %zu bytes "
		       "(unknownFieldsLimit)",
		       decoding->schema->unknown_limit);
}

static bool says_nothing(const struct event_decoding *decoding, const struct jsonnode *node)
{
	if (node->kind == JSONNODE_NULL)
		return decoding->change->operation == SCHEMA_UPDATED &&
		       (decoding->mapping != NULL ? decoding->mapping->null_in_update_ignored
						  : decoding->schema->null_in_update_ignored);
	return is_row(decoding) && event_is_text(decoding->envelope.memory, node, UNCHANGED);
}

/* Where the value stands in the message as it is in scratch, quotes and all; NULL: it does not, or
 * it is to be copied. */
static const char *find_in_message(const struct event_decoding *decoding,
				   const struct jsonnode *node)
{
	const struct event_message *message = decoding->message;
	const struct buffer *scratch = decoding->scratch;
	uintptr_t start = (uintptr_t)message->value, text = (uintptr_t)node->text;
	if (!decoding->borrows || node->kind != JSONNODE_STRING || text <= start ||
	    text - start >= message->value_length || scratch->length != node->length + 2 ||
	    memcmp(scratch->data, node->text - 1, scratch->length) != 0)
		return NULL;
	return node->text - 1;
}

/* name: of a field of the schema, which lives longer than the change; or any, and number is -1. */
static weir_status add_field(struct event_decoding *decoding, const char *name, int32_t number,
			     const struct jsonnode *node, const struct jsonnode *type,
			     enum schema_unit unit)
{
	bool clears = node->kind == JSONNODE_NULL;
	struct buffer *scratch = decoding->scratch;
	weir_status status = WEIR_OK;
	if (says_nothing(decoding, node))
		return WEIR_OK;
	buffer_clear(scratch);
	if (!clears)
		status = event_value_write(decoding->envelope.memory, node,
					   number >= 0 ? decoding->schema->abi->fields[number]
						       : NULL,
					   type, unit, scratch, decoding->error);
	if (status == WEIR_OK && number < 0)
		status = count_unknown(decoding, strlen(name) + scratch->length);
	if (status != WEIR_OK)
		return status;
	struct event_field *field = &decoding->fields[decoding->field_count];
	*field = (struct event_field){.number = number, .clears = clears};
	field->name_length = strlen(name);
	field->name = number >= 0 ? name : arena_copy(decoding->arena, name, field->name_length);
	field->json_length = scratch->length;
	field->json = find_in_message(decoding, node);
	if (field->json == NULL)
		field->json = arena_copy(decoding->arena, scratch->length > 0 ? scratch->data : "",
					 scratch->length);
	if (buffer_failed(scratch) || field->name == NULL || field->json == NULL)
		return err_no_memory(decoding->error);
	decoding->field_count++;
	return WEIR_OK;
}

static weir_status read_member(struct event_decoding *decoding, const struct jsonnode *member)
{
	struct event_key own;
	const struct schema *schema = decoding->schema;
	const struct schema_message *mapping = decoding->mapping;
	bool mapped_id = mapping != NULL && mapping->id.origin != SCHEMA_NOWHERE;
	bool others_ignored = mapping != NULL && mapping->others_ignored;
	const struct event_key *key = find_key(decoding, member, &own);
	if (key == NULL)
		return others_ignored
			       ? WEIR_OK
			       : err_set(decoding->error, WEIR_INVALID,
					 "a field's name is empty or longer than 63 bytes: %.80s",
					 member->name);
	if (key->role == EVENT_KEY_ID)
		return mapped_id ? WEIR_OK : event_read_id(decoding, member);
	if (key->role == EVENT_KEY_PLAIN_ID) {
		decoding->plain_id = member;
		return WEIR_OK;
	}
	if (key->role == EVENT_KEY_VERSION)
		return read_version(decoding, member);
	weir_status status = read_stamp(decoding, key, member);
	if (status != WEIR_OK || decoding->change->operation == SCHEMA_DELETED || others_ignored)
		return status;
	const char *name = key->number >= 0 ? schema->abi->fields[key->number]->name : key->camel;
	const struct jsonnode *type = event_member_type(decoding->envelope.memory,
							decoding->envelope.types, member->name);
	return add_field(decoding, name, key->number, member, type, SCHEMA_AS_IS);
}

/* Does the pointer lead through that member of the object? */
static bool leads_through(const char *pointer, const struct jsonnode *object,
			  const struct jsonnode *node)
{
	char first[JSON_POINTER_LIMIT];
	size_t length = *pointer == '/' ? 1 + strcspn(pointer + 1, "/") : 0;
	memcpy(first, pointer, length);
	first[length] = '\0';
	return length > 0 && jsonnode_find(object, first) == node;
}

/* Members that the schema's pointers lead to, or through, are not read as fields of their own
 * name. */
static bool is_mapped(const struct event_decoding *decoding, const struct jsonnode *node)
{
	const struct schema_message *mapping = decoding->mapping;
	const struct jsonnode *object = decoding->envelope.data;
	if (mapping == NULL)
		return false;
	if (mapping->id.origin == SCHEMA_DATA && leads_through(mapping->id.place, object, node))
		return true;
	for (size_t i = 0; i < mapping->field_count; i++)
		if (leads_through(mapping->fields[i].pointer, object, node))
			return true;
	return false;
}

static weir_status read_mapped_fields(struct event_decoding *decoding)
{
	const struct schema_message *mapping = decoding->mapping;
	const struct event_envelope *envelope = &decoding->envelope;
	if (mapping == NULL || decoding->change->operation == SCHEMA_DELETED)
		return WEIR_OK;
	for (size_t i = 0; i < mapping->field_count; i++) {
		const struct schema_mapped_field *mapped = &mapping->fields[i];
		const struct jsonnode *node = jsonnode_find(envelope->data, mapped->pointer);
		if (node == NULL)
			continue;
		const struct jsonnode *type =
			event_type_at(envelope->memory, envelope->types, mapped->pointer);
		weir_status status =
			add_field(decoding, decoding->schema->abi->fields[mapped->field]->name,
				  mapped->field, node, type, mapped->unit);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

/* By name; of a name that occurs in two styles the last counts. */
static void sort_fields(struct event_decoding *decoding)
{
	size_t kept = 0;
	/* Insertion keeps equal names in their order; there are about a dozen fields. */
	for (size_t i = 1; i < decoding->field_count; i++) {
		struct event_field field = decoding->fields[i];
		size_t at = i;
		for (; at > 0 && strcmp(decoding->fields[at - 1].name, field.name) > 0; at--)
			decoding->fields[at] = decoding->fields[at - 1];
		decoding->fields[at] = field;
	}
	for (size_t i = 0; i < decoding->field_count; i++) {
		if (kept > 0 &&
		    strcmp(decoding->fields[kept - 1].name, decoding->fields[i].name) == 0)
			kept--;
		decoding->fields[kept++] = decoding->fields[i];
	}
	decoding->change->fields = decoding->fields;
	decoding->change->field_count = kept;
}

weir_status event_body_read(struct event_decoding *decoding)
{
	const struct jsonnode *object = decoding->envelope.data;
	size_t count = object->count;
	if (count > EVENT_MEMBER_LIMIT)
		return refuse(decoding, "the value has more than 1000 members");
	if (decoding->mapping != NULL)
		count += decoding->mapping->field_count;
	decoding->fields = arena_allocate(decoding->arena, (count + 1) * sizeof(*decoding->fields));
	if (decoding->fields == NULL)
		return err_no_memory(decoding->error);
	weir_status status = WEIR_OK;
	for (const struct jsonnode *member = object->first; member != NULL && status == WEIR_OK;
	     member = member->next)
		if (!is_mapped(decoding, member))
			status = read_member(decoding, member);
	if (status == WEIR_OK)
		status = read_mapped_fields(decoding);
	if (status != WEIR_OK)
		return status;
	sort_fields(decoding);
	bool mapped_id =
		decoding->mapping != NULL && decoding->mapping->id.origin != SCHEMA_NOWHERE;
	if (decoding->plain_id == NULL || decoding->has_id || mapped_id)
		return WEIR_OK;
	return event_read_id(decoding, decoding->plain_id);
}
