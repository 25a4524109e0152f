/* SPDX-License-Identifier: MIT */
#include "stems.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "xapian_c.h"

/* Open addressing, at most half full; forgets everything when it is, which costs less than keeping
 * an order of use. */
#define SLOT_COUNT (1U << 18)
#define ENTRY_LIMIT (SLOT_COUNT / 2)

struct entry {
	uint32_t hash;
	uint32_t offset; /* of the word, and the stem behind it */
	uint8_t length;	 /* 0: free */
	uint8_t stem_length;
};

struct language {
	char *name;
	struct xapian_stemmer *stemmer;
	struct entry *entries; /* SLOT_COUNT of them; made when first needed */
	size_t entry_count;
	struct bytes text;
};

struct stems {
	struct language *languages;
	size_t language_count;
	size_t *of_field; /* place in languages; language_count and above: none */
	char stem[STEM_LIMIT];
};

static weir_status add_language(struct stems *stems, const char *name, size_t *place,
				struct weir_error *error)
{
	for (*place = 0; *place < stems->language_count; ++*place)
		if (strcmp(stems->languages[*place].name, name) == 0)
			return WEIR_OK;
	struct language *language = &stems->languages[stems->language_count++];
	language->name = strdup(name);
	if (language->name == NULL)
		return error_no_memory(error);
	return xapian_stemmer_create(name, &language->stemmer, error);
}

weir_status stems_create(const struct fields *fields, struct stems **out, struct weir_error *error)
{
	struct stems *stems = calloc(1, sizeof(*stems));
	if (stems == NULL)
		return error_no_memory(error);
	weir_status status = WEIR_OK;
	stems->languages = calloc(fields->count + 1, sizeof(*stems->languages));
	stems->of_field = calloc(fields->count + 1, sizeof(*stems->of_field));
	if (stems->languages == NULL || stems->of_field == NULL) {
		stems_destroy(stems);
		return error_no_memory(error);
	}
	for (size_t i = 0; i < fields->count && status == WEIR_OK; i++) {
		stems->of_field[i] = SIZE_MAX;
		if (fields->fields[i].language != NULL)
			status = add_language(stems, fields->fields[i].language,
					      &stems->of_field[i], error);
	}
	if (status != WEIR_OK) {
		stems_destroy(stems);
		return status;
	}
	*out = stems;
	return WEIR_OK;
}

void stems_destroy(struct stems *stems)
{
	if (stems == NULL)
		return;
	for (size_t i = 0; i < stems->language_count; i++) {
		free(stems->languages[i].name);
		xapian_stemmer_destroy(stems->languages[i].stemmer);
		free(stems->languages[i].entries);
		bytes_finish(&stems->languages[i].text);
	}
	free(stems->languages);
	free(stems->of_field);
	free(stems);
}

static uint32_t hash_word(const char *word, size_t length)
{
	uint32_t hash = 2166136261U;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)word[i]) * 16777619U;
	return hash ^ hash >> 15;
}

static void forget(struct language *language)
{
	if (language->entry_count > 0)
		memset(language->entries, 0, SLOT_COUNT * sizeof(*language->entries));
	language->entry_count = 0;
	language->text.length = 0;
}

void stems_forget(struct stems *stems)
{
	for (size_t i = 0; i < stems->language_count; i++)
		forget(&stems->languages[i]);
}

/* The word's entry, or the free one that it may take; NULL: no memory for a table. */
static struct entry *find_entry(struct language *language, uint32_t hash, const char *word,
				size_t length)
{
	if (language->entries == NULL)
		language->entries = calloc(SLOT_COUNT, sizeof(*language->entries));
	if (language->entries == NULL)
		return NULL;
	if (language->entry_count >= ENTRY_LIMIT)
		forget(language);
	uint32_t place = hash % SLOT_COUNT;
	for (;;) {
		struct entry *entry = &language->entries[place];
		if (entry->length == 0)
			return entry;
		if (entry->hash == hash && entry->length == length &&
		    memcmp(language->text.data + entry->offset, word, length) == 0)
			return entry;
		place = (place + 1) % SLOT_COUNT;
	}
}

static void remember(struct language *language, struct entry *entry, uint32_t hash,
		     const char *word, size_t length, const char *stem, size_t stem_length)
{
	size_t offset = language->text.length;
	if (!bytes_append(&language->text, word, length) ||
	    !bytes_append(&language->text, stem, stem_length)) {
		language->text.length = offset;
		return;
	}
	*entry = (struct entry){hash, (uint32_t)offset, (uint8_t)length, (uint8_t)stem_length};
	language->entry_count++;
}

bool stems_find(struct stems *stems, size_t field, const char *word, size_t length,
		struct stem *stem)
{
	size_t place = stems->of_field[field];
	if (place >= stems->language_count)
		return false;
	struct language *language = &stems->languages[place];
	*stem = (struct stem){language->name, word, length, false};
	bool digit = length > 0 && word[0] >= '0' && word[0] <= '9';
	if (length == 0 || length > STEM_LIMIT || digit)
		return true;
	uint32_t hash = hash_word(word, length);
	struct entry *entry = find_entry(language, hash, word, length);
	if (entry != NULL && entry->length != 0) {
		stem->text = language->text.data + entry->offset + entry->length;
		stem->length = entry->stem_length;
		return true;
	}
	size_t made = xapian_stem(language->stemmer, word, length, stems->stem, STEM_LIMIT);
	if (made == 0)
		return true;
	*stem = (struct stem){language->name, stems->stem, made, true};
	if (entry != NULL)
		remember(language, entry, hash, word, length, stems->stem, made);
	return true;
}
