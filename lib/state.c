/* SPDX-License-Identifier: MIT */
#include "state.h"

#include <stdint.h>
#include <string.h>

#define FORMAT 1
#define FLAG_DELETED 1
#define CLEARED 0x80
#define NUMBER_SIZE 10 /* bytes of a number at most */
#define FIELD_SIZE 4   /* bytes of a field at least: name's length and byte, version, kind */

void state_finish(struct state *state)
{
	free(state->fields);
	*state = (struct state)STATE_INIT;
}

void state_clear(struct state *state)
{
	state->deleted = false;
	state->delete_version = 0;
	state->field_count = 0;
}

static char *put_number(char *to, uint64_t value)
{
	while (value >= 0x80) {
		*to++ = (char)(value | 0x80);
		value >>= 7;
	}
	*to++ = (char)value;
	return to;
}

static char *put_signed(char *to, int64_t value)
{
	return put_number(to, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

static char *put_bytes(char *to, const char *bytes, size_t length)
{
	to = put_number(to, length);
	memcpy(to, bytes, length);
	return to + length;
}

/* A place in a blob; reading beyond the end makes it bad, once and for all. */
struct cursor {
	const unsigned char *at, *end;
	bool bad;
};

static uint64_t take_number(struct cursor *cursor)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 64 && cursor->at < cursor->end; shift += 7) {
		unsigned char byte = *cursor->at++;
		value |= (uint64_t)(byte & 0x7F) << shift;
		if (byte < 0x80)
			return value;
	}
	cursor->bad = true;
	return 0;
}

static int64_t take_signed(struct cursor *cursor)
{
	uint64_t value = take_number(cursor);
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static const char *take_bytes(struct cursor *cursor, size_t *length)
{
	uint64_t count = take_number(cursor);
	if (cursor->bad || count > (uint64_t)(cursor->end - cursor->at)) {
		cursor->bad = true;
		*length = 0;
		return "";
	}
	const char *bytes = (const char *)cursor->at;
	cursor->at += count;
	*length = (size_t)count;
	return bytes;
}

static bool reserve(struct state *state, size_t count)
{
	if (count <= state->field_capacity)
		return true;
	size_t capacity = count < 16 ? 16 : count + count / 2;
	struct state_field *fields = realloc(state->fields, capacity * sizeof(*fields));
	if (fields == NULL)
		return false;
	state->fields = fields;
	state->field_capacity = capacity;
	return true;
}

static int compare_names(const char *left, size_t left_length, const char *right,
			 size_t right_length)
{
	size_t common = left_length < right_length ? left_length : right_length;
	int order = common > 0 ? memcmp(left, right, common) : 0;
	if (order != 0)
		return order;
	return left_length < right_length ? -1 : left_length > right_length;
}

static void read_field(struct cursor *cursor, struct state *state)
{
	struct state_field field = {0};
	field.name = take_bytes(cursor, &field.name_length);
	field.version = take_signed(cursor);
	unsigned char kind = cursor->at < cursor->end ? *cursor->at++ : 0;
	field.cleared = (kind & CLEARED) != 0;
	field.written_by = (enum schema_operation)(kind & ~CLEARED);
	if (!field.cleared)
		field.json = take_bytes(cursor, &field.json_length);
	bool sorted = true;
	if (state->field_count > 0) {
		const struct state_field *last = &state->fields[state->field_count - 1];
		sorted = compare_names(last->name, last->name_length, field.name,
				       field.name_length) < 0;
	}
	if ((field.written_by != SCHEMA_CREATED && field.written_by != SCHEMA_UPDATED) || !sorted ||
	    field.name_length == 0 || (!field.cleared && field.json_length == 0))
		cursor->bad = true;
	if (!cursor->bad)
		state->fields[state->field_count++] = field;
}

static weir_status refuse_damaged(struct state *state, struct weir_error *error)
{
	state_clear(state);
	return err_set(error, WEIR_FATAL, "a state in the index is damaged: rebuild the index");
}

weir_status state_read(struct state *state, const void *blob, size_t length,
		       struct weir_error *error)
{
	state_clear(state);
	if (length == 0)
		return WEIR_OK;
	struct cursor cursor = {.at = blob, .end = (const unsigned char *)blob + length};
	unsigned char format = *cursor.at++;
	if (format != FORMAT)
		return err_set(error, WEIR_FATAL,
			       "the index holds states of format %u, this Weir reads format %u: "
			       "rebuild the index",
			       format, FORMAT);
	unsigned char flags = cursor.at < cursor.end ? *cursor.at++ : 0;
	state->deleted = (flags & FLAG_DELETED) != 0;
	if (state->deleted)
		state->delete_version = take_signed(&cursor);
	uint64_t count = take_number(&cursor);
	/* So a damaged count cannot ask for much memory. */
	if (cursor.bad || (flags & ~FLAG_DELETED) != 0 || count > length / FIELD_SIZE)
		return refuse_damaged(state, error);
	if (!reserve(state, (size_t)count))
		return err_no_memory(error);
	for (uint64_t i = 0; i < count && !cursor.bad; i++)
		read_field(&cursor, state);
	return cursor.bad || cursor.at != cursor.end ? refuse_damaged(state, error) : WEIR_OK;
}

void state_write(const struct state *state, struct buffer *out)
{
	size_t most = 2 + 2 * NUMBER_SIZE;
	for (size_t i = 0; i < state->field_count; i++)
		most += 1 + 3 * NUMBER_SIZE + state->fields[i].name_length +
			(state->fields[i].cleared ? 0 : state->fields[i].json_length);
	if (!buffer_reserve(out, most))
		return;
	char *to = out->data + out->length;
	*to++ = FORMAT;
	*to++ = state->deleted ? FLAG_DELETED : 0;
	if (state->deleted)
		to = put_signed(to, state->delete_version);
	to = put_number(to, state->field_count);
	for (size_t i = 0; i < state->field_count; i++) {
		const struct state_field *field = &state->fields[i];
		to = put_bytes(to, field->name, field->name_length);
		to = put_signed(to, field->version);
		*to++ = (char)(field->written_by | (field->cleared ? CLEARED : 0));
		if (!field->cleared)
			to = put_bytes(to, field->json, field->json_length);
	}
	*to = '\0';
	out->length = (size_t)(to - out->data);
}

/* A cleared field counts as the JSON text null. */
static int compare_values(const struct state_field *left, const struct state_field *right)
{
	return compare_names(
		left->cleared ? "null" : left->json, left->cleared ? 4 : left->json_length,
		right->cleared ? "null" : right->json, right->cleared ? 4 : right->json_length);
}

/* Does field win over kept, of the same name? */
static bool wins(const struct state_field *field, const struct state_field *kept)
{
	if (field->version != kept->version)
		return field->version > kept->version;
	if (field->written_by != kept->written_by)
		return field->written_by > kept->written_by;
	return compare_values(field, kept) > 0;
}

static weir_status merge_field(struct state *state, const struct state_field *field, bool *changed,
			       struct weir_error *error)
{
	size_t at = 0;
	int order = 1;
	while (at < state->field_count &&
	       (order = compare_names(state->fields[at].name, state->fields[at].name_length,
				      field->name, field->name_length)) < 0)
		at++;
	if (at < state->field_count && order == 0) {
		if (!wins(field, &state->fields[at]))
			return WEIR_OK;
		state->fields[at] = *field;
		*changed = true;
		return WEIR_OK;
	}
	if (!reserve(state, state->field_count + 1))
		return err_no_memory(error);
	memmove(&state->fields[at + 1], &state->fields[at],
		(state->field_count - at) * sizeof(*state->fields));
	state->fields[at] = *field;
	state->field_count++;
	*changed = true;
	return WEIR_OK;
}

static void merge_delete(struct state *state, int64_t version, bool *changed)
{
	if (state->deleted && state->delete_version >= version)
		return;
	state->deleted = true;
	state->delete_version = version;
	*changed = true;
	size_t kept = 0;
	for (size_t i = 0; i < state->field_count; i++)
		if (state->fields[i].version > version)
			state->fields[kept++] = state->fields[i];
	state->field_count = kept;
}

weir_status state_merge(struct state *state, const struct event_change *change, bool *changed,
			struct weir_error *error)
{
	bool any = false;
	if (change->operation == SCHEMA_DELETED)
		merge_delete(state, change->version, &any);
	else if (!state->deleted || change->version > state->delete_version) {
		for (size_t i = 0; i < change->field_count; i++) {
			const struct event_field *from = &change->fields[i];
			struct state_field field = {from->name,	      from->name_length,
						    change->version,  change->operation,
						    from->clears,     from->json,
						    from->json_length};
			weir_status status = merge_field(state, &field, &any, error);
			if (status != WEIR_OK)
				return status;
		}
	}
	*changed = any;
	return WEIR_OK;
}

weir_status state_join(struct state *state, const struct state *other, struct weir_error *error)
{
	bool changed = false;
	weir_status status = WEIR_OK;
	if (other->deleted)
		merge_delete(state, other->delete_version, &changed);
	for (size_t i = 0; i < other->field_count && status == WEIR_OK; i++) {
		const struct state_field *field = &other->fields[i];
		if (!state->deleted || field->version > state->delete_version)
			status = merge_field(state, field, &changed, error);
	}
	return status;
}

const struct state_field *state_find(const struct state *state, const char *name)
{
	size_t length = strlen(name);
	for (size_t i = 0; i < state->field_count; i++)
		if (state->fields[i].name_length == length &&
		    memcmp(state->fields[i].name, name, length) == 0)
			return &state->fields[i];
	return NULL;
}

bool state_visible(const struct state *state, const struct schema *schema)
{
	/* Fields older than the delete are gone, so any that is there is newer. */
	for (size_t i = 0; i < schema->abi->field_count; i++) {
		if (!schema->required[i])
			continue;
		const struct state_field *field = state_find(state, schema->abi->fields[i]->name);
		if (field == NULL || field->cleared)
			return false;
	}
	return state->field_count > 0;
}

int64_t state_version(const struct state *state)
{
	int64_t version = state->deleted ? state->delete_version : INT64_MIN;
	for (size_t i = 0; i < state->field_count; i++)
		if (state->fields[i].version > version)
			version = state->fields[i].version;
	return version;
}
