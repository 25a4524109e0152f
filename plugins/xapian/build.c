/* SPDX-License-Identifier: MIT */
#include "build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "record.h"
#include "segment_c.h"

#define SORT_KEY_LIMIT 100
#define SORT_KEY_COLUMN 8 /* bytes of a key that a column has */
#define STATE_LIMIT (64U << 20)

/* Forgets everything when it is full, which costs less than keeping an order of use. */
#define SEEN_SLOTS (1U << 15)
#define SEEN_LIMIT (SEEN_SLOTS / 2)

struct form_seen {
	uint64_t hash;
	uint32_t offset;
	uint32_t length; /* of the word; 0: free */
	const char *language;
};

void builder_finish(struct builder *builder)
{
	bytes_finish(&builder->words);
	bytes_finish(&builder->single);
	bytes_finish(&builder->exact);
	bytes_finish(&builder->columns);
	bytes_finish(&builder->keys);
	bytes_finish(&builder->form_text);
	bytes_finish(&builder->seen_words);
	free(builder->forms);
	free(builder->seen);
	*builder = (struct builder){0};
}

const char *build_refusal(const struct fields *fields, const struct weir_document *document)
{
	size_t escaped = document->id_length;
	for (size_t i = 0; i < document->id_length && escaped <= ID_LIMIT; i++)
		escaped += document->id[i] == '\0';
	if (document->id_length == 0)
		return "its id is empty";
	if (escaped > ID_LIMIT)
		return "its id is longer than 244 bytes (a NUL counts twice)";
	if (document->state_length > STATE_LIMIT)
		return "its state is larger than 64 MiB";
	if (document->kind != WEIR_KIND_LIVE && document->kind != WEIR_KIND_HIDDEN)
		return "it is neither live nor hidden";
	size_t text = 0;
	for (size_t i = 0; i < document->value_count; i++) {
		const struct weir_value *value = document->values[i];
		if (value->field < 0 || (size_t)value->field >= fields->count)
			return "it has a value of a field that is not in the schema";
		if (value->type != fields->fields[value->field].type)
			return "it has a value of another type than its field's";
		text += value->type == WEIR_TYPE_TEXT || value->type == WEIR_TYPE_KEYWORD
				? value->text_length
				: 0;
	}
	return text > UINT32_MAX / 8 ? "its text is too large" : NULL;
}

/* Forms */

static void forget_seen(struct builder *builder)
{
	if (builder->seen_count > 0)
		memset(builder->seen, 0, SEEN_SLOTS * sizeof(*builder->seen));
	builder->seen_count = 0;
	builder->seen_words.length = 0;
}

/* Whether the word was seen before; from now on it was. */
static bool was_seen(struct builder *builder, const char *language, const char *word, size_t length)
{
	if (builder->seen == NULL)
		builder->seen = calloc(SEEN_SLOTS, sizeof(*builder->seen));
	if (builder->seen == NULL)
		return false; /* only work is saved by remembering */
	if (builder->seen_count >= SEEN_LIMIT)
		forget_seen(builder);
	uint64_t hash = hash_bytes((uint64_t)(uintptr_t)language, word, length);
	size_t place = hash % SEEN_SLOTS;
	for (; builder->seen[place].length != 0; place = (place + 1) % SEEN_SLOTS) {
		const struct form_seen *seen = &builder->seen[place];
		if (seen->hash == hash && seen->length == length && seen->language == language &&
		    memcmp(builder->seen_words.data + seen->offset, word, length) == 0)
			return true;
	}
	size_t offset = builder->seen_words.length;
	if (bytes_append(&builder->seen_words, word, length)) {
		builder->seen[place] =
			(struct form_seen){hash, (uint32_t)offset, (uint32_t)length, language};
		builder->seen_count++;
	}
	return false;
}

/* A word that is its own stem is not written down. */
static bool note_form(struct builder *builder, const char *language, const char *word,
		      size_t length, const char *stem, size_t stem_length)
{
	bool own = stem_length == length && memcmp(stem, word, length) == 0;
	if (own || was_seen(builder, language, word, length))
		return true;
	struct form *grown = array_grow(builder->forms, builder->form_count,
					&builder->form_capacity, sizeof(*grown));
	if (grown == NULL)
		return false;
	builder->forms = grown;
	size_t offset = builder->form_text.length;
	if (!bytes_append(&builder->form_text, stem, stem_length) ||
	    !bytes_append(&builder->form_text, word, length))
		return false;
	grown[builder->form_count++] =
		(struct form){language, offset, (uint32_t)stem_length, (uint32_t)length};
	return true;
}

void builder_forget_forms(struct builder *builder)
{
	builder->form_count = 0;
	builder->form_text.length = 0;
}

void builder_drop_forms(struct builder *builder)
{
	builder_forget_forms(builder);
	forget_seen(builder);
}

/* Fields */

struct word_context {
	struct builder *builder;
	const char *language; /* NULL: words are not stemmed */
	size_t count;
};

static int add_word(void *context, const char *word, size_t length, const char *stem,
		    size_t stem_length)
{
	struct word_context *words = context;
	struct builder *builder = words->builder;
	words->count++;
	bool good =
		bytes_append(&builder->words, word, length) && bytes_append(&builder->words, "", 1);
	if (good && words->language != NULL)
		good = note_form(builder, words->language, word, length, stem, stem_length);
	return good ? 0 : 1;
}

static bool append_term(struct bytes *out, size_t field, const char *text, size_t length)
{
	char head[3] = {(char)field};
	uint16_t short_length = (uint16_t)length;
	memcpy(head + 1, &short_length, sizeof(short_length));
	return bytes_append(out, head, sizeof(head)) && bytes_append(out, text, length);
}

#define WORDS_HEAD 5 /* field, length */

static bool add_words(struct builder *builder, const struct field *field,
		      const struct weir_value *value)
{
	struct word_context words = {builder, field->language, 0};
	size_t start = builder->words.length;
	char head[WORDS_HEAD + 1] = {(char)value->field}; /* and the first NUL */
	if (!bytes_append(&builder->words, head, sizeof(head)) ||
	    builder->host->split(builder->host->context, value->text, value->text_length,
				 field->language, add_word, &words) != 0)
		return false;
	size_t end = builder->words.length, first = start + sizeof(head);
	if (words.count < 2)
		builder->words.length = start;
	if (words.count == 1)
		return append_term(&builder->single, (size_t)value->field,
				   builder->words.data + first, end - first - 1);
	uint32_t length = (uint32_t)(end - start - WORDS_HEAD);
	if (words.count > 1)
		memcpy(builder->words.data + start + 1, &length, sizeof(length));
	return true;
}

static bool add_exact(struct builder *builder, const struct weir_value *value)
{
	const char *text = value->text;
	size_t length = value->text_length, field = (size_t)value->field;
	if (value->type == WEIR_TYPE_BOOLEAN) {
		text = value->integer != 0 ? "1" : "0";
		length = 1;
	}
	struct bytes term = {0};
	bool good = term_append_exact(&term, field, text, length) &&
		    append_term(&builder->exact, field, term.data + TERM_PREFIX_LENGTH,
				term.length - TERM_PREFIX_LENGTH);
	bytes_finish(&term);
	return good;
}

static bool append_column(struct builder *builder, size_t field, uint64_t value)
{
	char byte = (char)field;
	return bytes_append(&builder->columns, &byte, 1) &&
	       bytes_append(&builder->columns, &value, sizeof(value));
}

static bool add_key(struct builder *builder, const struct weir_value *value)
{
	char key[SORT_KEY_LIMIT] = "", head[2] = {(char)value->field};
	const struct weir_host *host = builder->host;
	size_t length =
		host->sort_key(host->context, value->text, value->text_length, key, SORT_KEY_LIMIT);
	char beginning[SORT_KEY_COLUMN] = "";
	memcpy(beginning, key, length < sizeof(beginning) ? length : sizeof(beginning));
	head[1] = (char)length;
	if (length > SORT_KEY_COLUMN && (!bytes_append(&builder->keys, head, sizeof(head)) ||
					 !bytes_append(&builder->keys, key, length)))
		return false;
	return append_column(builder, (size_t)value->field, length == 0 ? 1 : u64_read(beginning));
}

static bool add_column(struct builder *builder, const struct weir_value *value, uint32_t ordinal)
{
	size_t field = (size_t)value->field;
	switch (builder->layout->kinds[field]) {
	case COLUMN_NONE:
		return true;
	case COLUMN_ORDINAL:
		return append_column(builder, field, ordinal);
	case COLUMN_PREFIX:
		return add_key(builder, value);
	case COLUMN_ORDER:
		break;
	}
	if (value->type != WEIR_TYPE_NUMBER)
		return append_column(builder, field, order_of_integer(value->integer));
	return isnan(value->number) ||
	       append_column(builder, field, order_of_number(value->number));
}

static bool add_value(struct builder *builder, const struct weir_value *value, uint32_t ordinal)
{
	const struct field *field = &builder->fields->fields[value->field];
	return (!field_has_words(field) || add_words(builder, field, value)) &&
	       (!field_has_exact(field) || add_exact(builder, value)) &&
	       add_column(builder, value, ordinal);
}

static bool append_parts(const struct builder *builder, const struct input *input,
			 struct record_head *head, struct bytes *out)
{
	const struct bytes *parts[] = {&builder->words, &builder->single, &builder->exact,
				       &builder->columns, &builder->keys};
	uint32_t *lengths[] = {&head->words_length, &head->single_length, &head->exact_length,
			       &head->columns_length, &head->keys_length};
	size_t whole = sizeof(*head) + input->id_length + input->state_length;
	for (size_t i = 0; i < 5; i++) {
		*lengths[i] = (uint32_t)parts[i]->length;
		whole += parts[i]->length;
	}
	head->length = (uint32_t)whole;
	if (whole > UINT32_MAX || !bytes_reserve(out, out->length + whole))
		return false;
	bool good = bytes_append(out, head, sizeof(*head)) &&
		    bytes_append(out, input->id, input->id_length);
	for (size_t i = 0; i < 5 && good; i++)
		good = bytes_append(out, parts[i]->data, parts[i]->length);
	return good && bytes_append(out, input->state, input->state_length);
}

static bool build(struct builder *builder, const struct input *input, struct bytes *out)
{
	struct record_head head = {
		.docid = input->docid,
		.version = input->version,
		.applied_at = input->applied_at,
		.kind = input->kind == WEIR_KIND_LIVE ? RECORD_LIVE : RECORD_HIDDEN,
		.id_length = (uint8_t)input->id_length,
	};
	builder->words.length = builder->single.length = builder->exact.length = 0;
	builder->columns.length = builder->keys.length = 0;
	for (size_t i = 0; i < input->value_count && head.kind == RECORD_LIVE; i++)
		if (!add_value(builder, &input->values[i], input->ordinals[i]))
			return false;
	return append_parts(builder, input, &head, out);
}

/* The same document at another docid. */
static bool copy_record(const struct input *input, struct bytes *out)
{
	size_t start = out->length;
	if (!bytes_append(out, input->record, input->record_length))
		return false;
	memcpy(out->data + start + offsetof(struct record_head, docid), &input->docid,
	       sizeof(input->docid));
	return true;
}

weir_status builder_append(struct builder *builder, const struct input *input, struct bytes *out,
			   struct weir_error *error)
{
	size_t start = out->length;
	bool good = input->record != NULL ? copy_record(input, out) : build(builder, input, out);
	if (!good) {
		out->length = start;
		return error_no_memory(error);
	}
	uint32_t checksum = record_checksum(out->data + start, out->length - start);
	memcpy(out->data + start + offsetof(struct record_head, checksum), &checksum,
	       sizeof(checksum));
	return WEIR_OK;
}
