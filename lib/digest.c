/* SPDX-License-Identifier: MIT */
#include "digest.h"

#include <string.h>

#include "weir/backend.h"

/* The same bytes on every machine. */
static hash128 add_number(hash128 hash, uint64_t number)
{
	unsigned char bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(number >> (8 * i));
	return hash128_add(hash, bytes, sizeof(bytes));
}

static hash128 add_text(hash128 hash, const char *text, size_t length)
{
	return length > 0 ? hash128_add(add_number(hash, length), text, length)
			  : add_number(hash, 0);
}

static hash128 add_state(hash128 hash, const struct state *state)
{
	if (state->deleted)
		hash = add_number(add_number(hash, 1), (uint64_t)state->delete_version);
	for (size_t i = 0; i < state->field_count; i++) {
		const struct state_field *field = &state->fields[i];
		if (field->cleared && field->written_by == SCHEMA_CREATED)
			continue;
		hash = add_text(hash, field->name, field->name_length);
		hash = add_number(hash, (uint64_t)field->version);
		hash = add_number(hash, (uint64_t)field->written_by << 1 | field->cleared);
		if (!field->cleared)
			hash = add_text(hash, field->json, field->json_length);
	}
	return hash;
}

hash128 digest_document(int64_t version, uint32_t kind, const struct state *state)
{
	hash128 hash = add_number(add_number(HASH128_START, (uint64_t)version), kind);
	return state != NULL ? add_state(hash, state) : hash;
}

void digest_add(hash128 *range, const char *id, size_t id_length, hash128 document)
{
	hash128 hash = add_text(*range, id, id_length);
	hash = add_number(hash, (uint64_t)(document >> 64));
	*range = add_number(hash, (uint64_t)document);
}

bool digest_leaves_out(int64_t version, uint32_t kind, const struct state *state, int64_t before)
{
	if (kind != WEIR_KIND_HIDDEN || version >= before)
		return false;
	return state == NULL || (state->deleted && state->field_count == 0);
}

void digest_write(hash128 digest, char text[DIGEST_TEXT_SIZE])
{
	hash128_text(digest, text);
	text[HASH128_TEXT_LENGTH] = '\0';
}

static int hexadecimal(char digit)
{
	const char *found = digit != '\0' ? strchr("0123456789abcdef", digit) : NULL;
	return found != NULL ? (int)(found - "0123456789abcdef") : -1;
}

bool digest_read(const char *text, size_t length, hash128 *digest)
{
	hash128 read = 0;
	if (length != HASH128_TEXT_LENGTH)
		return false;
	for (size_t i = 0; i < length; i++) {
		int digit = hexadecimal(text[i]);
		if (digit < 0)
			return false;
		read = read << 4 | (unsigned)digit;
	}
	*digest = read;
	return true;
}

void digest_write_bytes(struct buffer *out, const void *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;
	if (!buffer_reserve(out, 2 * length))
		return;
	for (size_t i = 0; i < length; i++) {
		buffer_append_char(out, digits[from[i] >> 4]);
		buffer_append_char(out, digits[from[i] & 15]);
	}
}

bool digest_read_bytes(const char *text, size_t length, struct buffer *out)
{
	if (length % 2 != 0 || !buffer_reserve(out, length / 2))
		return false;
	for (size_t i = 0; i < length; i += 2) {
		int high = hexadecimal(text[i]), low = hexadecimal(text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		buffer_append_char(out, (char)(high << 4 | low));
	}
	return true;
}
