/* SPDX-License-Identifier: MIT */
#include "stems.h"

#include <libstemmer.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "hash.h"

/* Open addressing, at most half full; forgets everything when it is, which costs less than keeping
 * an order of use. */
enum { SLOT_COUNT = 1 << 15, ENTRY_LIMIT = SLOT_COUNT / 2, STEM_LIMIT = 64 };

struct entry {
	uint32_t hash;
	uint32_t offset; /* of the word, and the stem behind it */
	uint8_t length;	 /* 0: free */
	uint8_t stem_length;
};

struct stemmer {
	char language[3];
	struct sb_stemmer *snowball;
	struct entry *entries;
	size_t entry_count;
	struct buffer text;
	struct stemmer *next; /* of the same thread */
};

static const char *const languages[] = {"ar", "ca", "da", "de", "el", "en", "es", "eu", "fi", "fr",
					"ga", "hi", "hu", "hy", "id", "it", "lt", "ne", "nl", "no",
					"pt", "ro", "ru", "sr", "sv", "ta", "tr", "yi"};
#define LANGUAGE_COUNT (sizeof(languages) / sizeof(languages[0]))

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static char listing[LANGUAGE_COUNT * 4];

static void free_all(void *first)
{
	for (struct stemmer *stemmer = first, *next; stemmer != NULL; stemmer = next) {
		next = stemmer->next;
		sb_stemmer_delete(stemmer->snowball);
		buffer_finish(&stemmer->text);
		free(stemmer->entries);
		free(stemmer);
	}
}

/* A thread's own memory goes when it ends; the main thread's, at exit. */
static void free_own(void)
{
	free_all(pthread_getspecific(key));
	pthread_setspecific(key, NULL);
}

static void prepare(void)
{
	for (size_t i = 0, at = 0; i < LANGUAGE_COUNT; i++)
		at += (size_t)snprintf(listing + at, sizeof(listing) - at, "%s%s",
				       i > 0 ? ", " : "", languages[i]);
	pthread_key_create(&key, free_all);
	atexit(free_own);
}

bool stems_know(const char *language)
{
	for (size_t i = 0; i < LANGUAGE_COUNT; i++)
		if (strcmp(languages[i], language) == 0)
			return true;
	return false;
}

const char *stems_languages(void)
{
	pthread_once(&once, prepare);
	return listing;
}

struct stemmer *stems_of(const char *language)
{
	pthread_once(&once, prepare);
	struct stemmer *first = pthread_getspecific(key);
	for (struct stemmer *stemmer = first; stemmer != NULL; stemmer = stemmer->next)
		if (strcmp(stemmer->language, language) == 0)
			return stemmer;
	if (!stems_know(language))
		return NULL;
	struct stemmer *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return NULL;
	memcpy(made->language, language, sizeof(made->language));
	made->snowball = sb_stemmer_new(language, "UTF_8");
	made->entries = calloc(SLOT_COUNT, sizeof(*made->entries));
	made->next = first;
	if (made->snowball == NULL || made->entries == NULL ||
	    pthread_setspecific(key, made) != 0) {
		made->next = NULL;
		free_all(made);
		return NULL;
	}
	return made;
}

/* The word's entry, or the free one that it may take. */
static struct entry *find_entry(struct stemmer *stemmer, uint32_t hash, const char *word,
				size_t length)
{
	if (stemmer->entry_count >= ENTRY_LIMIT) {
		memset(stemmer->entries, 0, SLOT_COUNT * sizeof(*stemmer->entries));
		stemmer->entry_count = 0;
		buffer_clear(&stemmer->text);
	}
	for (uint32_t place = hash % SLOT_COUNT;; place = (place + 1) % SLOT_COUNT) {
		struct entry *entry = &stemmer->entries[place];
		if (entry->length == 0 ||
		    (entry->hash == hash && entry->length == length &&
		     memcmp(stemmer->text.data + entry->offset, word, length) == 0))
			return entry;
	}
}

const char *stems_find(struct stemmer *stemmer, const char *word, size_t length,
		       size_t *stem_length)
{
	*stem_length = length;
	if (length == 0 || length > STEM_LIMIT || (word[0] >= '0' && word[0] <= '9'))
		return word;
	uint64_t wide = hash64_add(HASH64_START, word, length);
	uint32_t hash = (uint32_t)(wide ^ wide >> 32);
	struct entry *entry = find_entry(stemmer, hash, word, length);
	if (entry->length != 0) {
		*stem_length = entry->stem_length;
		return stemmer->text.data + entry->offset + entry->length;
	}
	const sb_symbol *stem =
		sb_stemmer_stem(stemmer->snowball, (const sb_symbol *)word, (int)length);
	int made = stem != NULL ? sb_stemmer_length(stemmer->snowball) : 0;
	if (made <= 0 || made > STEM_LIMIT)
		return word;
	size_t offset = stemmer->text.length;
	buffer_append(&stemmer->text, word, length);
	buffer_append(&stemmer->text, stem, (size_t)made);
	*stem_length = (size_t)made;
	if (buffer_failed(&stemmer->text)) {
		/* Only the memory of words is lost. */
		buffer_finish(&stemmer->text);
		memset(stemmer->entries, 0, SLOT_COUNT * sizeof(*stemmer->entries));
		stemmer->entry_count = 0;
		return (const char *)stem;
	}
	*entry = (struct entry){hash, (uint32_t)offset, (uint8_t)length, (uint8_t)made};
	stemmer->entry_count++;
	return stemmer->text.data + offset + length;
}
