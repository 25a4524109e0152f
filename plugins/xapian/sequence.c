/* SPDX-License-Identifier: MIT */
#include "sequence.h"

#include <string.h>

#define HEAD_LENGTH 5 /* the field, and how many hashes follow */
#define HASH_LENGTH 4
#define NEAR_LIMIT 2048 /* words of a NEAR; a query of 4,096 bytes has no more */

static uint32_t u32_read(const char *in)
{
	uint32_t number;
	memcpy(&number, in, sizeof(number));
	return number;
}

bool sequence_begin(struct bytes *out, size_t field, size_t *start)
{
	char head[HEAD_LENGTH] = {(char)field};
	*start = out->length;
	return bytes_append(out, head, sizeof(head));
}

bool sequence_add(struct bytes *out, const char *word, size_t length)
{
	uint32_t hash = 2166136261U;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)word[i]) * 16777619U;
	return bytes_append(out, &hash, sizeof(hash));
}

void sequence_end(struct bytes *out, size_t start)
{
	uint32_t count = (uint32_t)((out->length - start - HEAD_LENGTH) / HASH_LENGTH);
	if (count < 2)
		out->length = start;
	else
		memcpy(out->data + start + 1, &count, sizeof(count));
}

/* The field's hashes and their number; NULL: it has fewer than two words. */
static const char *find_field(const char *value, size_t length, uint32_t field, size_t *count)
{
	while (length >= HEAD_LENGTH) {
		size_t here = u32_read(value + 1), bytes = here * HASH_LENGTH;
		if (bytes > length - HEAD_LENGTH)
			return NULL;
		if ((unsigned char)value[0] == field) {
			*count = here;
			return value + HEAD_LENGTH;
		}
		value += HEAD_LENGTH + bytes;
		length -= HEAD_LENGTH + bytes;
	}
	return NULL;
}

static bool has_phrase(const char *wanted, size_t wanted_count, const char *hashes, size_t count)
{
	size_t bytes = wanted_count * HASH_LENGTH;
	for (size_t i = 0; i + wanted_count <= count; i++)
		if (memcmp(hashes + i * HASH_LENGTH, wanted, bytes) == 0)
			return true;
	return false;
}

/* The first place of the hash among the wanted ones; wanted_count: it is none of them. */
static size_t place_of(const char *wanted, size_t wanted_count, const char *hash)
{
	size_t place = 0;
	while (place < wanted_count && memcmp(wanted + place * HASH_LENGTH, hash, HASH_LENGTH) != 0)
		place++;
	return place;
}

/* Slides a window over the hashes and counts what it lacks; a word that is wanted twice must stand
 * there twice. */
static bool has_near(const char *wanted, size_t wanted_count, size_t window, const char *hashes,
		     size_t count)
{
	int32_t lacking[NEAR_LIMIT] = {0};
	if (wanted_count > NEAR_LIMIT)
		return false;
	for (size_t i = 0; i < wanted_count; i++)
		lacking[place_of(wanted, wanted_count, wanted + i * HASH_LENGTH)]++;
	size_t missing = wanted_count;
	for (size_t right = 0; right < count; right++) {
		size_t place = place_of(wanted, wanted_count, hashes + right * HASH_LENGTH);
		if (place < wanted_count && lacking[place]-- > 0)
			missing--;
		if (right >= window) {
			const char *left = hashes + (right - window) * HASH_LENGTH;
			place = place_of(wanted, wanted_count, left);
			if (place < wanted_count && ++lacking[place] > 0)
				missing++;
		}
		if (missing == 0)
			return true;
	}
	return false;
}

bool sequence_accepts(const char *wanted, size_t wanted_length, const char *value, size_t length)
{
	struct sequence_wanted head;
	memcpy(&head, wanted, sizeof(head));
	const char *words = wanted + sizeof(head);
	if (wanted_length < sizeof(head) + head.count * (size_t)HASH_LENGTH)
		return false;
	size_t count;
	const char *hashes = find_field(value, length, head.field, &count);
	if (hashes == NULL)
		return false;
	if (head.window == 0)
		return has_phrase(words, head.count, hashes, count);
	return has_near(words, head.count, head.window, hashes, count);
}
