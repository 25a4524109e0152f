/* SPDX-License-Identifier: MIT */
#include "forms.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define KEY_FORMS "weir.forms."

/* Forgets everything when it is full, which costs less than keeping an order of use. */
#define SEEN_SLOTS (1U << 17)
#define SEEN_LIMIT (SEEN_SLOTS / 2)

struct form_seen {
	uint32_t hash;
	uint32_t offset;
	uint32_t length; /* of language and word; 0: free */
};

void forms_finish(struct forms *forms)
{
	bytes_finish(&forms->text);
	bytes_finish(&forms->seen_words);
	free(forms->forms);
	free(forms->seen);
	*forms = (struct forms){0};
}

static void forget_seen(struct forms *forms)
{
	if (forms->seen_count > 0)
		memset(forms->seen, 0, SEEN_SLOTS * sizeof(*forms->seen));
	forms->seen_count = 0;
	forms->seen_words.length = 0;
}

void forms_forget(struct forms *forms)
{
	forms->count = 0;
	forms->text.length = 0;
	forget_seen(forms);
}

static uint32_t hash_word(uint32_t hash, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 16777619U;
	return hash;
}

/* Whether the word was seen before; from now on it was. */
static bool was_seen(struct forms *forms, const char *language, const char *word, size_t length)
{
	size_t language_length = strlen(language), whole = language_length + length;
	uint32_t hash = hash_word(hash_word(2166136261U, language, language_length), word, length);
	if (forms->seen == NULL)
		forms->seen = calloc(SEEN_SLOTS, sizeof(*forms->seen));
	if (forms->seen == NULL)
		return false; /* only work is saved by remembering */
	if (forms->seen_count >= SEEN_LIMIT)
		forget_seen(forms);
	uint32_t place = (hash ^ hash >> 15) % SEEN_SLOTS;
	for (; forms->seen[place].length != 0; place = (place + 1) % SEEN_SLOTS) {
		const struct form_seen *seen = &forms->seen[place];
		const char *text = forms->seen_words.data + seen->offset;
		if (seen->hash == hash && seen->length == whole &&
		    memcmp(text, language, language_length) == 0 &&
		    memcmp(text + language_length, word, length) == 0)
			return true;
	}
	size_t offset = forms->seen_words.length;
	if (bytes_append(&forms->seen_words, language, language_length) &&
	    bytes_append(&forms->seen_words, word, length)) {
		forms->seen[place] = (struct form_seen){hash, (uint32_t)offset, (uint32_t)whole};
		forms->seen_count++;
	} else {
		forms->seen_words.length = offset;
	}
	return false;
}

bool forms_note(struct forms *forms, const char *language, const char *word, size_t length,
		const char *stem, size_t stem_length)
{
	bool own = stem_length == length && memcmp(stem, word, length) == 0;
	if (own || was_seen(forms, language, word, length))
		return true;
	struct form *grown =
		array_grow(forms->forms, forms->count, &forms->capacity, sizeof(*grown));
	if (grown == NULL)
		return false;
	forms->forms = grown;
	size_t offset = forms->text.length;
	if (!bytes_append(&forms->text, stem, stem_length) ||
	    !bytes_append(&forms->text, word, length) || !bytes_append(&forms->text, "", 1))
		return false;
	grown[forms->count++] =
		(struct form){language, offset, stem_length, offset + stem_length, length};
	return true;
}

struct copy {
	struct bytes *out;
	bool failed;
};

static int copy_words(void *context, const char *data, size_t length)
{
	struct copy *copy = context;
	copy->failed = !bytes_append(copy->out, data, length) ||
		       (length > 0 && data[length - 1] != '\0' && !bytes_append(copy->out, "", 1));
	return 0;
}

static weir_status read_forms(struct xapian_database *database, const struct bytes *key,
			      struct bytes *out, struct weir_error *error)
{
	struct copy copy = {out, false};
	weir_status status =
		xapian_metadata(database, key->data, key->length, copy_words, &copy, error);
	return status == WEIR_OK && copy.failed ? error_no_memory(error) : status;
}

static bool make_key(struct bytes *key, const char *language, const char *stem, size_t length)
{
	return bytes_append(key, KEY_FORMS, strlen(KEY_FORMS)) &&
	       bytes_append(key, language, strlen(language)) && bytes_append(key, ".", 1) &&
	       bytes_append(key, stem, length);
}

/* word: with its NUL counted in length. */
static bool has_word(const struct bytes *words, const char *word, size_t length)
{
	const char *at = words->data, *end = at + words->length;
	while (at < end) {
		size_t here = strlen(at) + 1;
		if (here == length && memcmp(at, word, length) == 0)
			return true;
		at += here;
	}
	return false;
}

static weir_status write_form(const struct forms *forms, const struct form *form,
			      struct xapian_database *database, struct bytes *key,
			      struct bytes *words, struct weir_error *error)
{
	const char *word = forms->text.data + form->word_offset;
	key->length = words->length = 0;
	if (!make_key(key, form->language, forms->text.data + form->stem_offset, form->stem_length))
		return error_no_memory(error);
	weir_status status = read_forms(database, key, words, error);
	if (status != WEIR_OK || has_word(words, word, form->word_length + 1))
		return status;
	if (!bytes_append(words, word, form->word_length + 1))
		return error_no_memory(error);
	return xapian_metadata_set(database, key->data, key->length, words->data, words->length,
				   error);
}

weir_status forms_write(struct forms *forms, struct xapian_database *database,
			struct weir_error *error)
{
	struct bytes key = {0}, words = {0};
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < forms->count && status == WEIR_OK; i++)
		status = write_form(forms, &forms->forms[i], database, &key, &words, error);
	bytes_finish(&key);
	bytes_finish(&words);
	forms->count = 0;
	forms->text.length = 0;
	return status;
}

weir_status forms_read(struct xapian_database *database, const char *language, const char *stem,
		       size_t length, struct bytes *out, struct weir_error *error)
{
	struct bytes key = {0};
	weir_status status = make_key(&key, language, stem, length)
				     ? read_forms(database, &key, out, error)
				     : error_no_memory(error);
	bytes_finish(&key);
	return status;
}
