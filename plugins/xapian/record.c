/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <string.h>

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

bool record_read(const char *bytes, size_t length, bool is_whole, struct record *record)
{
	struct record read = {0};
	struct record_head *head = &read.head;
	if (length < sizeof(*head))
		return false;
	memcpy(head, bytes, sizeof(*head));
	const char *at = bytes + sizeof(*head);
	size_t left = (length < head->length ? length : head->length) - sizeof(*head);
	if (head->length < sizeof(*head) || (is_whole && length < head->length) ||
	    (head->kind != RECORD_LIVE && head->kind != RECORD_HIDDEN) ||
	    !take(&read.id, &at, &left, head->id_length) ||
	    !take(&read.words, &at, &left, head->words_length))
		return false;
	if (is_whole) {
		if (!take(&read.single, &at, &left, head->single_length) ||
		    !take(&read.exact, &at, &left, head->exact_length) ||
		    !take(&read.columns, &at, &left, head->columns_length) ||
		    !take(&read.keys, &at, &left, head->keys_length) ||
		    record_checksum(bytes, head->length) != head->checksum)
			return false;
		read.state = at;
		read.state_length = left;
	}
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
