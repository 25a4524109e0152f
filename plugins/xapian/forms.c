/* SPDX-License-Identifier: MIT */
#include "forms.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define KEY_FORMS "weir.forms."

void forms_finish(struct forms *forms)
{
	bytes_finish(&forms->text);
	free(forms->forms);
	*forms = (struct forms){0};
}

bool forms_note(struct forms *forms, const struct stem *stem, const char *word, size_t length)
{
	struct form *grown =
		array_grow(forms->forms, forms->count, &forms->capacity, sizeof(*grown));
	if (grown == NULL)
		return false;
	forms->forms = grown;
	size_t offset = forms->text.length;
	if (!bytes_append(&forms->text, stem->text, stem->length) ||
	    !bytes_append(&forms->text, word, length) || !bytes_append(&forms->text, "", 1))
		return false;
	grown[forms->count++] =
		(struct form){stem->language, offset, stem->length, offset + stem->length, length};
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

weir_status forms_read(struct xapian_database *database, const struct stem *stem, struct bytes *out,
		       struct weir_error *error)
{
	struct bytes key = {0};
	weir_status status = make_key(&key, stem->language, stem->text, stem->length)
				     ? read_forms(database, &key, out, error)
				     : error_no_memory(error);
	bytes_finish(&key);
	return status;
}
