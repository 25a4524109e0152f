/* SPDX-License-Identifier: MIT */
#include "phrase.h"

#include <stdint.h>
#include <string.h>

#define NEAR_LIMIT 2048 /* words of a NEAR; a query of 4,096 bytes has no more */

/* The word behind the NUL at *at, which moves on to the next NUL. False: there is none. */
static bool next_word(const char **at, const char *end, struct phrase_word *word)
{
	const char *begin = *at + 1;
	if (begin >= end)
		return false;
	const char *stop = memchr(begin, '\0', (size_t)(end - begin));
	if (stop == NULL)
		return false;
	*word = (struct phrase_word){begin, (size_t)(stop - begin)};
	*at = stop;
	return true;
}

static bool is_same(const struct phrase_word *left, const struct phrase_word *right)
{
	return left->length == right->length &&
	       memcmp(left->bytes, right->bytes, left->length) == 0;
}

/* The first of the wanted words that this one is; count: none. */
static size_t place_of(const struct phrase_word *words, size_t count,
		       const struct phrase_word *word)
{
	size_t place = 0;
	while (place < count && !is_same(&words[place], word))
		place++;
	return place;
}

/* Slides a window over the text and counts what it lacks; a word that is wanted twice must stand
 * there twice. */
static bool has_near(const char *text, size_t length, const struct phrase_word *words, size_t count,
		     size_t window)
{
	int32_t lacking[NEAR_LIMIT] = {0};
	if (count > NEAR_LIMIT)
		return false;
	for (size_t i = 0; i < count; i++)
		lacking[place_of(words, count, &words[i])]++;
	size_t missing = count, seen = 0;
	struct phrase_word word;
	const char *right = text, *left = text, *end = text + length;
	while (next_word(&right, end, &word)) {
		size_t place = place_of(words, count, &word);
		if (place < count && lacking[place]-- > 0)
			missing--;
		if (seen++ >= window && next_word(&left, end, &word)) {
			place = place_of(words, count, &word);
			if (place < count && ++lacking[place] > 0)
				missing++;
		}
		if (missing == 0)
			return true;
	}
	return false;
}

bool phrase_init(struct phrase *phrase, struct phrase_word *words, size_t count, size_t distance)
{
	*phrase = (struct phrase){.words = words, .count = count, .distance = distance};
	if (distance > 0)
		return true;
	bool good = bytes_append(&phrase->whole, "", 1);
	for (size_t i = 0; i < count && good; i++)
		good = bytes_append(&phrase->whole, words[i].bytes, words[i].length) &&
		       bytes_append(&phrase->whole, "", 1);
	return good;
}

void phrase_finish(struct phrase *phrase)
{
	bytes_finish(&phrase->whole);
	*phrase = (struct phrase){0};
}

/* Words have no NUL, so what stands between NULs is whole words. */
bool phrase_stands(const struct phrase *phrase, const char *text, size_t length)
{
	if (length == 0)
		return false;
	if (phrase->distance == 0)
		return memmem(text, length, phrase->whole.data, phrase->whole.length) != NULL;
	return has_near(text, length, phrase->words, phrase->count,
			phrase->count + phrase->distance);
}
