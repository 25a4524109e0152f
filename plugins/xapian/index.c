/* SPDX-License-Identifier: MIT */
#include "index.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "sequence.h"

#define DATA_HEAD_LENGTH 10 /* version, kind, length of the id */
#define DATA_LIVE 'L'
#define DATA_HIDDEN 'H'
#define SORT_KEY_LIMIT 100
#define STATE_LIMIT (64U << 20)

void index_builder_finish(struct index_builder *builder)
{
	bytes_finish(&builder->text);
	bytes_finish(&builder->data);
	bytes_finish(&builder->sequence);
	forms_finish(&builder->forms);
	free(builder->terms);
	free(builder->slots);
	*builder = (struct index_builder){0};
}

/* The term is what text has from start on. */
static bool add_term(struct index_builder *builder, size_t start, uint32_t frequency)
{
	struct xapian_term *terms = array_grow(builder->terms, builder->term_count,
					       &builder->term_capacity, sizeof(*terms));
	if (terms == NULL)
		return false;
	builder->terms = terms;
	terms[builder->term_count++] = (struct xapian_term){
		(uint32_t)start, (uint32_t)(builder->text.length - start), frequency};
	return true;
}

static bool add_marker(struct index_builder *builder, const char *term)
{
	size_t start = builder->text.length;
	return bytes_append(&builder->text, term, strlen(term)) && add_term(builder, start, 0);
}

static bool add_slot(struct index_builder *builder, uint32_t slot, const char *value, size_t length)
{
	struct xapian_slot *slots = array_grow(builder->slots, builder->slot_count,
					       &builder->slot_capacity, sizeof(*slots));
	if (slots == NULL)
		return false;
	builder->slots = slots;
	slots[builder->slot_count++] =
		(struct xapian_slot){slot, (uint32_t)builder->text.length, (uint32_t)length};
	return bytes_append(&builder->text, value, length);
}

static bool add_slot_number(struct index_builder *builder, uint32_t slot, uint64_t number)
{
	char value[8];
	u64_write(value, number);
	return add_slot(builder, slot, value, sizeof(value));
}

/* What a field's words are added with. */
struct word_context {
	struct index_builder *builder;
	const char *language; /* NULL: words are not stemmed */
	size_t field;
};

static int add_word(void *context, const char *word, size_t length, const char *stem,
		    size_t stem_length)
{
	struct word_context *words = context;
	struct index_builder *builder = words->builder;
	size_t start = builder->text.length;
	bool good = term_append(&builder->text, TERM_WORD, words->field, word, length) &&
		    add_term(builder, start, 1) && sequence_add(&builder->sequence, word, length);
	if (good && words->language != NULL)
		good = forms_note(&builder->forms, words->language, word, length, stem,
				  stem_length);
	return good ? 0 : 1;
}

static bool add_words(struct index_builder *builder, const struct weir_host *host,
		      const struct field *field, const struct weir_value *value)
{
	struct word_context words = {builder, field->language, (size_t)value->field};
	size_t start;
	if (!sequence_begin(&builder->sequence, words.field, &start) ||
	    host->split(host->context, value->text, value->text_length, field->language, add_word,
			&words) != 0)
		return false;
	sequence_end(&builder->sequence, start);
	return true;
}

static bool add_exact(struct index_builder *builder, size_t field, const struct weir_value *value)
{
	size_t start = builder->text.length;
	const char *text = value->text;
	size_t length = value->text_length;
	if (value->type == WEIR_TYPE_BOOLEAN) {
		text = value->integer != 0 ? "1" : "0";
		length = 1;
	}
	return term_append_exact(&builder->text, field, text, length) &&
	       add_term(builder, start, 0);
}

static bool add_field_slot(struct index_builder *builder, const struct weir_host *host,
			   size_t field, const struct weir_value *value)
{
	uint32_t slot = (uint32_t)(SLOT_FIELDS + field);
	if (value->type == WEIR_TYPE_NUMBER)
		return isnan(value->number) ||
		       add_slot_number(builder, slot, order_of_number(value->number));
	if (value->type == WEIR_TYPE_DATE || value->type == WEIR_TYPE_BOOLEAN)
		return add_slot_number(builder, slot, order_of_integer(value->integer));
	/* A space in front, so that an empty text is a value and no value is none. */
	char key[1 + SORT_KEY_LIMIT] = " ";
	size_t length = host->sort_key(host->context, value->text, value->text_length, key + 1,
				       SORT_KEY_LIMIT);
	return add_slot(builder, slot, key, 1 + length);
}

static bool add_value(struct index_builder *builder, const struct fields *fields,
		      const struct weir_host *host, const struct weir_value *value)
{
	size_t number = (size_t)value->field;
	const struct field *field = &fields->fields[number];
	if (field_has_words(field) && !add_words(builder, host, field, value))
		return false;
	if (field_has_exact(field) && !add_exact(builder, number, value))
		return false;
	return !field_has_slot(field) || add_field_slot(builder, host, number, value);
}

bool index_append_id(struct bytes *out, const char *id, size_t length)
{
	char kind = TERM_ID;
	return bytes_append(out, &kind, 1) && bytes_append(out, id, length);
}

static bool add_data(struct index_builder *builder, const struct weir_document *document)
{
	char kind = document->kind == WEIR_KIND_LIVE ? DATA_LIVE : DATA_HIDDEN;
	char id_length = (char)document->id_length;
	return bytes_append_u64(&builder->data, (uint64_t)document->version) &&
	       bytes_append(&builder->data, &kind, 1) &&
	       bytes_append(&builder->data, &id_length, 1) &&
	       bytes_append(&builder->data, document->id, document->id_length) &&
	       bytes_append(&builder->data, document->state, document->state_length);
}

/* Why the document can never be indexed; NULL: it can. */
static const char *refusal(const struct fields *fields, const struct weir_document *document)
{
	size_t escaped = 1 + document->id_length;
	for (size_t i = 0; i < document->id_length && escaped <= XAPIAN_TERM_LIMIT; i++)
		escaped += document->id[i] == '\0';
	if (document->id_length == 0)
		return "its id is empty";
	if (escaped > XAPIAN_TERM_LIMIT)
		return "its id is longer than 244 bytes (a NUL counts twice)";
	if (document->state_length > STATE_LIMIT)
		return "its state is larger than 64 MiB";
	if (document->kind != WEIR_KIND_LIVE && document->kind != WEIR_KIND_HIDDEN)
		return "it is neither live nor hidden";
	for (size_t i = 0; i < document->value_count; i++) {
		const struct weir_value *value = document->values[i];
		if (value->field < 0 || (size_t)value->field >= fields->count)
			return "it has a value of a field that is not in the schema";
		if (value->type != fields->fields[value->field].type)
			return "it has a value of another type than its field's";
	}
	return NULL;
}

static bool build(struct index_builder *builder, const struct fields *fields,
		  const struct weir_host *host, const struct weir_document *document)
{
	bool live = document->kind == WEIR_KIND_LIVE;
	if (!index_append_id(&builder->text, document->id, document->id_length) ||
	    !add_term(builder, 0, 0) || !add_marker(builder, live ? TERM_LIVE : TERM_HIDDEN) ||
	    !add_data(builder, document))
		return false;
	if (!live)
		return add_slot_number(builder, SLOT_APPLIED_AT,
				       order_of_integer(document->applied_at));
	if (!add_slot(builder, SLOT_ID, document->id, document->id_length))
		return false;
	for (size_t i = 0; i < document->value_count; i++)
		if (!add_value(builder, fields, host, document->values[i]))
			return false;
	return builder->sequence.length == 0 ||
	       add_slot(builder, SLOT_WORDS, builder->sequence.data, builder->sequence.length);
}

weir_status index_document(struct index_builder *builder, const struct fields *fields,
			   const struct weir_host *host, const struct weir_document *document,
			   struct xapian_document *out, struct weir_verdict *verdict,
			   struct weir_error *error)
{
	builder->text.length = builder->data.length = builder->sequence.length = 0;
	builder->term_count = builder->slot_count = 0;
	const char *reason = refusal(fields, document);
	if (reason != NULL) {
		verdict->kind = WEIR_REJECTED;
		snprintf(verdict->reason, sizeof(verdict->reason), "%s", reason);
		return WEIR_OK;
	}
	verdict->kind = WEIR_ACCEPTED;
	verdict->reason[0] = '\0';
	if (!build(builder, fields, host, document))
		return error_no_memory(error);
	if (builder->text.length > UINT32_MAX) {
		verdict->kind = WEIR_REJECTED;
		snprintf(verdict->reason, sizeof(verdict->reason), "its text is too large");
		return WEIR_OK;
	}
	*out = (struct xapian_document){
		builder->text.data,  builder->terms,	 builder->term_count, builder->slots,
		builder->slot_count, builder->data.data, builder->data.length};
	return WEIR_OK;
}

bool index_data_read(const char *bytes, size_t length, struct index_data *data)
{
	if (length < DATA_HEAD_LENGTH)
		return false;
	size_t id_length = (unsigned char)bytes[9];
	if (length - DATA_HEAD_LENGTH < id_length)
		return false;
	const char *id = bytes + DATA_HEAD_LENGTH;
	*data = (struct index_data){
		.version = (int64_t)u64_read(bytes),
		.kind = bytes[8] == DATA_LIVE ? WEIR_KIND_LIVE : WEIR_KIND_HIDDEN,
		.id = id,
		.id_length = id_length,
		.state = id + id_length,
		.state_length = length - DATA_HEAD_LENGTH - id_length,
	};
	return true;
}
