/* SPDX-License-Identifier: MIT */
#include "document.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "fulltext.h"

#define ID_LIMIT 4096
#define SORT_KEY_LIMIT 100
#define SIZE_LIMIT ((size_t)64 << 20) /* of the state, and of all texts together */
#define FIXED_COLUMNS 5

const char *document_refusal(const struct fields *fields, const struct weir_document *document)
{
	size_t text = 0;
	if (document->id_length == 0)
		return "its id is empty";
	if (document->id_length > ID_LIMIT)
		return "its id is longer than 4,096 bytes";
	if (document->state_length > SIZE_LIMIT)
		return "its state is larger than 64 MiB";
	if (document->kind != WEIR_KIND_LIVE && document->kind != WEIR_KIND_HIDDEN)
		return "it is neither live nor hidden";
	for (size_t i = 0; i < document->value_count; i++) {
		const struct weir_value *value = document->values[i];
		if (value->field < 0 || (size_t)value->field >= fields->count)
			return "it has a value of a field that is not in the schema";
		if (value->type != fields->fields[value->field].type)
			return "it has a value of another type than its field's";
		if (value->text_length > SIZE_LIMIT - text)
			return "its texts are larger than 64 MiB";
		text += value->text_length;
	}
	return NULL;
}

static const struct weir_value *value_of(const struct weir_document *document, size_t field)
{
	if (document->kind != WEIR_KIND_LIVE)
		return NULL;
	for (size_t i = 0; i < document->value_count; i++)
		if ((size_t)document->values[i]->field == field)
			return document->values[i];
	return NULL;
}

struct word_context {
	struct bytes *out;
	size_t start;
	bool stemmed;
};

static int add_word(void *context, const char *word, size_t word_length, const char *stem,
		    size_t stem_length)
{
	struct word_context *words = context;
	struct bytes *out = words->out;
	if (out->length > words->start && !bytes_append(out, " ", 1))
		return -1;
	return fulltext_append(out, word, word_length, words->stemmed ? stem : NULL, stem_length)
		       ? 0
		       : -1;
}

bool document_words(const struct fields *fields, const struct weir_host *host,
		    const struct weir_document *document, struct bytes *out)
{
	size_t start = out->length;
	bool any = false;
	for (size_t i = 0; i < fields->count; i++) {
		const struct field *field = &fields->fields[i];
		if (!field_has_words(field))
			continue;
		const struct weir_value *value = value_of(document, i);
		struct word_context words = {out, out->length, field->language != NULL};
		if (value != NULL && host->split(host->context, value->text, value->text_length,
						 field->language, add_word, &words) != 0)
			return false;
		any = any || out->length > words.start;
		if (!bytes_append(out, "\n", 1))
			return false;
	}
	if (!any)
		out->length = start;
	return true;
}

static bool append_columns(struct bytes *sql, const struct fields *fields, int *count)
{
	char name[32];
	bool good = true;
	for (size_t i = 0; i < fields->count && good; i++) {
		const struct field *field = &fields->fields[i];
		const bool has[] = {field_has_exact(field), field_has_number(field),
				    field_has_sort_text(field)};
		for (int kind = 0; kind < 3 && good; kind++) {
			if (!has[kind])
				continue;
			snprintf(name, sizeof(name), ", %c%zu", "xvs"[kind], i);
			good = bytes_append_text(sql, name);
			++*count;
		}
	}
	return good;
}

weir_status document_prepare(const struct database *database, const struct fields *fields,
			     sqlite3_stmt **statement, struct weir_error *error)
{
	struct bytes sql = {0};
	int count = FIXED_COLUMNS;
	bool good = bytes_append_text(&sql, "INSERT INTO documents(number, id, live, version, "
					    "applied_at") &&
		    append_columns(&sql, fields, &count) && bytes_append_text(&sql, ") VALUES(?");
	while (good && --count > 0)
		good = bytes_append_text(&sql, ", ?");
	good = good && bytes_append(&sql, ")", sizeof(")"));
	weir_status status = good ? database_prepare(database, sql.data, statement, error)
				  : error_no_memory(error);
	bytes_finish(&sql);
	return status;
}

static int bind_exact(sqlite3_stmt *statement, int place, const struct weir_value *value)
{
	if (value->type == WEIR_TYPE_BOOLEAN)
		return sqlite3_bind_int(statement, place, value->integer != 0);
	/* An empty text may come without a pointer, which would be NULL. */
	const char *text = value->text_length > 0 ? value->text : "";
	return sqlite3_bind_blob64(statement, place, text, value->text_length, SQLITE_STATIC);
}

static int bind_number(sqlite3_stmt *statement, int place, const struct weir_value *value)
{
	if (value->type == WEIR_TYPE_NUMBER)
		return sqlite3_bind_double(statement, place, value->number);
	return sqlite3_bind_int64(statement, place, value->integer);
}

static int bind_sort_text(const struct weir_host *host, sqlite3_stmt *statement, int place,
			  const struct weir_value *value)
{
	char key[SORT_KEY_LIMIT];
	size_t length =
		host->sort_key(host->context, value->text, value->text_length, key, sizeof(key));
	return sqlite3_bind_blob(statement, place, key, (int)length, SQLITE_TRANSIENT);
}

bool document_bind(const struct fields *fields, const struct weir_host *host,
		   const struct weir_document *document, int64_t number, sqlite3_stmt *statement)
{
	int place = 1;
	sqlite3_clear_bindings(statement);
	sqlite3_bind_int64(statement, place++, number);
	int code = sqlite3_bind_blob(statement, place++, document->id, (int)document->id_length,
				     SQLITE_STATIC);
	sqlite3_bind_int(statement, place++, document->kind == WEIR_KIND_LIVE);
	sqlite3_bind_int64(statement, place++, document->version);
	sqlite3_bind_int64(statement, place++, document->applied_at);
	for (size_t i = 0; i < fields->count && code == SQLITE_OK; i++) {
		const struct field *field = &fields->fields[i];
		const struct weir_value *value = value_of(document, i);
		if (field_has_exact(field) && value != NULL)
			code = bind_exact(statement, place, value);
		place += field_has_exact(field);
		if (field_has_number(field) && value != NULL && code == SQLITE_OK)
			code = bind_number(statement, place, value);
		place += field_has_number(field);
		if (field_has_sort_text(field) && value != NULL && code == SQLITE_OK)
			code = bind_sort_text(host, statement, place, value);
		place += field_has_sort_text(field);
	}
	return code == SQLITE_OK;
}
