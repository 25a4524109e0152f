/* SPDX-License-Identifier: MIT
 * document.c - a document as the index takes it. */
#include <math.h>
#include <string.h>

#include "fields.h"

#define ID_LIMIT 512 /* bytes of OpenSearch's _id */
#define STATE_LIMIT ((size_t)32 << 20)

void document_writer_finish(struct document_writer *writer)
{
	text_finish(&writer->words);
	text_finish(&writer->stems);
	text_finish(&writer->exact);
	text_finish(&writer->whole);
	text_finish(&writer->value);
	text_finish(&writer->sort);
	text_finish(&writer->scratch);
}

const char *document_refusal(const struct fields *fields, const struct weir_document *document)
{
	size_t encoded = document->id_length;
	for (size_t i = 0; i < document->id_length; i++)
		encoded += (unsigned char)document->id[i] >= 0x80;
	if (document->id_length == 0)
		return "its id is empty";
	if (encoded > ID_LIMIT)
		return "its id is longer than 512 bytes (those outside ASCII count twice)";
	if (document->state_length > STATE_LIMIT)
		return "its state is larger than 32 MiB";
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

/* "name": for the next member. */
static void begin_member(struct text *group, const struct field *field)
{
	if (group->length > 0)
		text_append(group, ",", 1);
	text_quote(group, field->name, strlen(field->name));
	text_append(group, ":", 1);
}

struct splitting {
	struct document_writer *writer;
	bool stems, first;
};

static void append_word(struct text *group, struct text *scratch, bool first, const char *word,
			size_t length)
{
	text_clear(scratch);
	text_from_word(scratch, word, length);
	if (!first)
		text_append(group, " ", 1);
	text_escape(group, scratch->data, scratch->length);
}

static int add_word(void *context, const char *word, size_t length, const char *stem,
		    size_t stem_length)
{
	struct splitting *splitting = context;
	struct document_writer *writer = splitting->writer;
	append_word(&writer->words, &writer->scratch, splitting->first, word, length);
	if (splitting->stems)
		append_word(&writer->stems, &writer->scratch, splitting->first, stem, stem_length);
	splitting->first = false;
	return writer->words.failed || writer->stems.failed || writer->scratch.failed;
}

static bool add_words(struct document_writer *writer, const struct field *field,
		      const struct weir_host *host, const struct weir_value *value)
{
	struct splitting splitting = {writer, field->language != NULL, true};
	begin_member(&writer->words, field);
	text_append(&writer->words, "\"", 1);
	if (splitting.stems) {
		begin_member(&writer->stems, field);
		text_append(&writer->stems, "\"", 1);
	}
	if (host->split(host->context, value->text, value->text_length, field->language, add_word,
			&splitting) != 0)
		return false;
	text_append(&writer->words, "\"", 1);
	if (splitting.stems)
		text_append(&writer->stems, "\"", 1);
	return true;
}

static void add_exact(struct document_writer *writer, const struct field *field,
		      const struct weir_value *value)
{
	begin_member(&writer->exact, field);
	if (field->type == WEIR_TYPE_BOOLEAN) {
		text_add(&writer->exact, value->integer != 0 ? "\"true\"" : "\"false\"");
		return;
	}
	text_clear(&writer->scratch);
	text_from_keyword(&writer->scratch, value->text, value->text_length);
	text_quote(&writer->exact, writer->scratch.data, writer->scratch.length);
	writer->exact.failed = writer->exact.failed || writer->scratch.failed;
	if (!field_has_facet(field) || text_keyword_is_whole(value->text_length))
		return;
	text_clear(&writer->scratch);
	text_from_bytes(&writer->scratch, value->text, value->text_length);
	begin_member(&writer->whole, field);
	text_quote(&writer->whole, writer->scratch.data, writer->scratch.length);
	writer->whole.failed = writer->whole.failed || writer->scratch.failed;
}

/* OpenSearch puts documents without a number at the end by giving them the last number there is;
 * so nobody else may have it. */
static int64_t sort_number(int64_t number)
{
	if (number == INT64_MAX)
		return INT64_MAX - 1;
	return number == INT64_MIN ? INT64_MIN + 1 : number;
}

static void add_sort(struct document_writer *writer, const struct field *field,
		     const struct weir_host *host, const struct weir_value *value, int64_t number)
{
	char key[SORT_KEY_LIMIT];
	begin_member(&writer->sort, field);
	if (!field_has_words(field)) {
		text_integer(&writer->sort, sort_number(number));
		return;
	}
	size_t length =
		host->sort_key(host->context, value->text, value->text_length, key, sizeof(key));
	text_quote(&writer->sort, key, length);
}

static bool add_value(struct document_writer *writer, const struct fields *fields,
		      const struct weir_host *host, const struct weir_value *value)
{
	const struct field *field = &fields->fields[value->field];
	bool is_number = field->type == WEIR_TYPE_NUMBER;
	if (is_number && isnan(value->number))
		return true;
	int64_t number = is_number ? order_of_number(value->number) : value->integer;
	if (field_has_words(field) && !add_words(writer, field, host, value))
		return false;
	if (field_has_exact(field))
		add_exact(writer, field, value);
	if (field_has_value(field)) {
		begin_member(&writer->value, field);
		text_integer(&writer->value, number);
	}
	if (field_has_sort(field))
		add_sort(writer, field, host, value, number);
	return true;
}

static void add_group(struct text *out, const char *name, const struct text *group)
{
	if (group->length == 0)
		return;
	text_add(out, ",\"");
	text_add(out, name);
	text_add(out, "\":{");
	text_append(out, group->data, group->length);
	text_append(out, "}", 1);
	out->failed = out->failed || group->failed;
}

static void add_head(struct document_writer *writer, const struct weir_document *document,
		     struct text *out)
{
	bool live = document->kind == WEIR_KIND_LIVE;
	text_clear(&writer->scratch);
	text_from_bytes(&writer->scratch, document->id, document->id_length);
	text_add(out, "{\"id\":");
	text_quote(out, writer->scratch.data, writer->scratch.length);
	text_add(out,
		 live ? ",\"kind\":\"live\",\"version\":" : ",\"kind\":\"hidden\",\"version\":");
	text_integer(out, document->version);
	if (!live) {
		text_add(out, ",\"applied_at\":");
		text_integer(out, document->applied_at);
	}
	text_add(out, ",\"state\":\"");
	text_to_base64(out, document->state, document->state_length);
	text_append(out, "\"", 1);
}

bool document_write(struct document_writer *writer, const struct fields *fields,
		    const struct weir_host *host, const struct weir_document *document,
		    struct text *out)
{
	text_clear(&writer->words);
	text_clear(&writer->stems);
	text_clear(&writer->exact);
	text_clear(&writer->whole);
	text_clear(&writer->value);
	text_clear(&writer->sort);
	add_head(writer, document, out);
	size_t count = document->kind == WEIR_KIND_LIVE ? document->value_count : 0;
	for (size_t i = 0; i < count; i++)
		if (!add_value(writer, fields, host, document->values[i]))
			return false;
	add_group(out, "words", &writer->words);
	add_group(out, "stems", &writer->stems);
	add_group(out, "exact", &writer->exact);
	add_group(out, "long", &writer->whole);
	add_group(out, "value", &writer->value);
	add_group(out, "sort", &writer->sort);
	text_add(out, "}\n");
	return !out->failed && !writer->scratch.failed;
}
