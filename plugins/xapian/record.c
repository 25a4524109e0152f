/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <string.h>

#include "rows.h"

#define COLUMN_LENGTH 9 /* field, value */

uint32_t record_checksum(const char *bytes, size_t length)
{
	struct record_head head;
	memcpy(&head, bytes, sizeof(head));
	head.checksum = 0;
	uint64_t hash = hash_bytes(0, &head, sizeof(head));
	hash = hash_bytes(hash, bytes + sizeof(head), length - sizeof(head));
	return (uint32_t)(hash ^ hash >> 32);
}

/* Cuts a part off; false: it is longer than what is left. */
static bool take(const char **part, const char **at, size_t *left, size_t length)
{
	if (length > *left)
		return false;
	*part = *at;
	*at += length;
	*left -= length;
	return true;
}

/* Head, id and words. */
static bool begin(const char *bytes, size_t length, struct record *record, const char **at,
		  size_t *left)
{
	struct record_head *head = &record->head;
	*record = (struct record){0};
	if (length < sizeof(*head))
		return false;
	memcpy(head, bytes, sizeof(*head));
	if (head->length < sizeof(*head) ||
	    (head->kind != RECORD_LIVE && head->kind != RECORD_HIDDEN))
		return false;
	*at = bytes + sizeof(*head);
	*left = (length < head->length ? length : head->length) - sizeof(*head);
	return take(&record->id, at, left, head->id_length) &&
	       take(&record->words, at, left, head->words_length);
}

bool record_parts(const char *bytes, size_t length, struct record *record)
{
	struct record read;
	const struct record_head *head = &read.head;
	const char *at;
	size_t left;
	if (!begin(bytes, length, &read, &at, &left) || length < head->length ||
	    !take(&read.single, &at, &left, head->single_length) ||
	    !take(&read.exact, &at, &left, head->exact_length) ||
	    !take(&read.columns, &at, &left, head->columns_length) ||
	    !take(&read.keys, &at, &left, head->keys_length))
		return false;
	read.state = at;
	read.state_length = left;
	*record = read;
	return true;
}

bool record_read(const char *bytes, size_t length, bool is_whole, struct record *record)
{
	struct record read;
	const char *at;
	size_t left;
	if (is_whole)
		return record_parts(bytes, length, record) &&
		       record_checksum(bytes, record->head.length) == record->head.checksum;
	if (!begin(bytes, length, &read, &at, &left))
		return false;
	*record = read;
	return true;
}

bool record_next_words(const struct record *record, size_t *at, size_t *field, const char **words,
		       size_t *length)
{
	size_t whole = record->head.words_length;
	uint32_t here;
	if (*at > whole || whole - *at < 1 + sizeof(here))
		return false;
	memcpy(&here, record->words + *at + 1, sizeof(here));
	size_t start = *at + 1 + sizeof(here);
	if (here > whole - start)
		return false;
	*field = (unsigned char)record->words[*at];
	*words = record->words + start;
	*length = here;
	*at = start + here;
	return true;
}

bool record_next_term(const char *part, size_t part_length, size_t *at, size_t *field,
		      const char **text, size_t *length)
{
	uint16_t here;
	if (*at > part_length || part_length - *at < 1 + sizeof(here))
		return false;
	memcpy(&here, part + *at + 1, sizeof(here));
	size_t start = *at + 1 + sizeof(here);
	if (here > part_length - start)
		return false;
	*field = (unsigned char)part[*at];
	*text = part + start;
	*length = here;
	*at = start + here;
	return true;
}

bool record_next_column(const struct record *record, size_t *at, size_t *field, uint64_t *value)
{
	size_t whole = record->head.columns_length;
	if (*at > whole || whole - *at < COLUMN_LENGTH)
		return false;
	*field = (unsigned char)record->columns[*at];
	memcpy(value, record->columns + *at + 1, sizeof(*value));
	*at += COLUMN_LENGTH;
	return true;
}

const char *record_words(const struct record *record, size_t field, size_t *length)
{
	const char *words;
	size_t at = 0, here;
	while (record_next_words(record, &at, &here, &words, length))
		if (here == field)
			return words;
	return NULL;
}

const char *record_key(const struct record *record, size_t field, size_t *length)
{
	const char *at = record->keys, *end = at + record->head.keys_length;
	while (end - at >= 2) {
		size_t here = (unsigned char)at[1];
		if (here > (size_t)(end - at) - 2)
			return NULL;
		if ((unsigned char)at[0] == field) {
			*length = here;
			return at + 2;
		}
		at += 2 + here;
	}
	return NULL;
}

uint32_t record_word_count(const struct record *record)
{
	const char *bytes;
	size_t at = 0, field, length, count = 0;
	while (record_next_words(record, &at, &field, &bytes, &length)) {
		for (size_t i = 0; i < length; i++)
			count += bytes[i] == '\0';
		count--; /* there is one more than words */
	}
	at = 0;
	while (record_next_term(record->single, record->head.single_length, &at, &field, &bytes,
				&length))
		count++;
	return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

void record_row(const struct record *record, uint64_t *row, size_t columns)
{
	size_t at = 0, field;
	uint64_t value;
	memset(row, 0, columns * sizeof(*row));
	row[COLUMN_WORDS] = record_word_count(record);
	while (record_next_column(record, &at, &field, &value))
		if (COLUMN_FIELDS + field < columns)
			row[COLUMN_FIELDS + field] = value;
}
