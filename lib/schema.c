/* SPDX-License-Identifier: MIT */
#include "schema.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config.h"
#include "hash.h"
#include "json.h"
#include "place.h"
#include "schema_reader.h"
#include "stems.h"
#include "words.h"

#define FILE_LIMIT ((size_t)1 << 20)

/* The schema owns what abi points to as const. */
struct owned_field {
	struct weir_field field;
	char name[SCHEMA_NAME_LIMIT];
	char language[16];
};

static void schema_destroy_pointer(struct schema **schema)
{
	schema_destroy(*schema);
}

void schema_destroy(struct schema *schema)
{
	if (schema == NULL)
		return;
	if (schema->abi != NULL) {
		for (size_t i = 0; i < schema->abi->field_count; i++)
			free((void *)schema->abi->fields[i]);
		free((void *)schema->abi->fields);
		free((void *)schema->abi->name);
		free((void *)schema->abi->fingerprint);
		free(schema->abi);
	}
	schema_free_messages(schema);
	free(schema->required);
	free(schema->id_name);
	free(schema->text);
	free(schema);
}

static bool plain_name(const char *name, size_t limit)
{
	size_t length = strlen(name);
	if (length == 0 || length >= limit || !islower((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) || !isascii((unsigned char)name[i]))
			return false;
	return true;
}

static const struct {
	const char *name;
	uint32_t type;
} types[] = {
	{"text", WEIR_TYPE_TEXT}, {"keyword", WEIR_TYPE_KEYWORD}, {"number", WEIR_TYPE_NUMBER},
	{"date", WEIR_TYPE_DATE}, {"boolean", WEIR_TYPE_BOOLEAN},
};

static weir_status read_type(const struct schema_reader *reader, const json_t *object,
			     const char *where, uint32_t *type)
{
	const char *text = NULL;
	weir_status status = schema_read_text(reader, object, where, "type", true, &text);
	if (status != WEIR_OK)
		return status;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].name, text) == 0) {
			*type = types[i].type;
			return WEIR_OK;
		}
	}
	return schema_refuse(reader, where,
			     "\"type\" is one of text, keyword, number, date, boolean");
}

/* Flags that make no sense for a type are refused here, so that no plug-in has to think about
 * them. */
static weir_status read_flags(const struct schema_reader *reader, const json_t *object,
			      const char *where, struct weir_field *field)
{
	static const struct {
		const char *name;
		uint32_t flag;
		bool words_only, no_text;
	} flags[] = {
		{"search", WEIR_FIELD_SEARCH, true, false},
		{"filter", WEIR_FIELD_FILTER, false, true},
		{"sort", WEIR_FIELD_SORT, false, false},
		{"facet", WEIR_FIELD_FACET, false, true},
		{"suggest", WEIR_FIELD_SUGGEST, true, false},
	};
	bool words = field->type == WEIR_TYPE_TEXT || field->type == WEIR_TYPE_KEYWORD;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		bool set;
		char what[128];
		weir_status status = schema_read_flag(reader, object, where, flags[i].name, &set);
		if (status != WEIR_OK)
			return status;
		if (!set)
			continue;
		snprintf(what, sizeof(what), "\"%s\" is for %s fields", flags[i].name,
			 flags[i].words_only ? "text and keyword"
					     : "keyword, number, date and boolean");
		if ((flags[i].words_only && !words) ||
		    (flags[i].no_text && field->type == WEIR_TYPE_TEXT))
			return schema_refuse(reader, where, what);
		field->flags |= flags[i].flag;
	}
	return WEIR_OK;
}

static weir_status read_boost(const struct schema_reader *reader, const json_t *object,
			      const char *where, double *boost)
{
	const json_t *node = json_object_get(object, "boost");
	*boost = 1;
	if (node == NULL)
		return WEIR_OK;
	if (json_is_integer(node))
		*boost = strtod(jsondoc_number(reader->document, node, NULL), NULL);
	if (!json_is_integer(node) || !isfinite(*boost) || *boost <= 0 || *boost > 1000)
		return schema_refuse(reader, where,
				     "\"boost\" has to be a number above 0, to 1000");
	return WEIR_OK;
}

static weir_status read_language(const struct schema_reader *reader, const json_t *object,
				 const char *where, struct owned_field *field)
{
	const char *text = NULL;
	weir_status status = schema_read_text(reader, object, where, "language", false, &text);
	if (status != WEIR_OK || text == NULL)
		return status;
	if (field->field.type != WEIR_TYPE_TEXT || !stems_know(text))
		return err_set(reader->error, WEIR_INVALID,
			       "schema %s: %s: \"language\" is for text fields, one of %s",
			       reader->origin, where, stems_languages());
	snprintf(field->language, sizeof(field->language), "%s", text);
	field->field.language = field->language;
	return WEIR_OK;
}

static weir_status fill_field(const struct schema_reader *reader, const json_t *object,
			      const char *where, struct owned_field *field, bool *required)
{
	static const char *const members[] = {"name",	"type", "language", "boost",   "search",
					      "filter", "sort", "facet",    "suggest", "required"};
	const char *name = NULL;
	weir_status status = schema_only_members(reader, object, where, members, 10);
	if (status == WEIR_OK)
		status = schema_read_text(reader, object, where, "name", true, &name);
	if (status != WEIR_OK)
		return status;
	if (!plain_name(name, SCHEMA_NAME_LIMIT))
		return schema_refuse(
			reader, where,
			"\"name\" has to be lower camel case, ASCII letters and digits, "
			"at most 63");
	if (strcmp(name, "id") == 0 || strcmp(name, "version") == 0)
		return schema_refuse(reader, where,
				     "\"id\" and \"version\" are names of Weir's own");
	snprintf(field->name, sizeof(field->name), "%s", name);
	field->field.name = field->name;
	status = read_type(reader, object, where, &field->field.type);
	if (status == WEIR_OK)
		status = read_flags(reader, object, where, &field->field);
	if (status == WEIR_OK)
		status = read_boost(reader, object, where, &field->field.boost);
	if (status == WEIR_OK)
		status = read_language(reader, object, where, field);
	if (status == WEIR_OK)
		status = schema_read_flag(reader, object, where, "required", required);
	return status;
}

static weir_status read_fields(const struct schema_reader *reader, const json_t *root,
			       struct schema *schema)
{
	const json_t *list = json_object_get(root, "fields");
	size_t count = json_array_size(list);
	if (!json_is_array(list) || count == 0 || count > SCHEMA_FIELD_LIMIT)
		return schema_refuse(reader, "fields", "an array of 1 to 128 fields is needed");
	const struct weir_field **fields = calloc(count, sizeof(*fields));
	schema->abi->fields = fields;
	schema->required = calloc(count, sizeof(*schema->required));
	if (fields == NULL || schema->required == NULL)
		return err_no_memory(reader->error);
	for (size_t i = 0; i < count; i++) {
		char where[64];
		const json_t *object = json_array_get(list, i);
		snprintf(where, sizeof(where), "fields[%zu]", i);
		if (!json_is_object(object))
			return schema_refuse(reader, where, "an object is needed");
		struct owned_field *field = calloc(1, sizeof(*field));
		if (field == NULL)
			return err_no_memory(reader->error);
		fields[i] = &field->field;
		schema->abi->field_count = i + 1;
		weir_status status = fill_field(reader, object, where, field, &schema->required[i]);
		if (status != WEIR_OK)
			return status;
		for (size_t other = 0; other < i; other++)
			if (strcasecmp(fields[other]->name, field->name) == 0)
				return schema_refuse(reader, where, "the name occurs twice");
		if (strcasecmp(field->name, schema->id_name) == 0)
			return schema_refuse(reader, where, "the name is that of the id");
	}
	return WEIR_OK;
}

static weir_status read_limit(const struct schema_reader *reader, const json_t *root, size_t *limit)
{
	const json_t *node = json_object_get(root, "unknownFieldsLimit");
	*limit = 65536;
	if (node == NULL)
		return WEIR_OK;
	char *end = NULL;
	long long value = -1;
	if (json_is_integer(node)) {
		errno = 0;
		value = strtoll(jsondoc_number(reader->document, node, NULL), &end, 10);
	}
	if (value < 0 || value > (1 << 24) || errno != 0 || *end != '\0')
		return schema_refuse(reader, "unknownFieldsLimit",
				     "a number of bytes from 0 to 16777216 is needed");
	*limit = (size_t)value;
	return WEIR_OK;
}

static weir_status read_top(const struct schema_reader *reader, const json_t *root,
			    struct schema *schema)
{
	static const char *const members[] = {
		"name", "id", "nullInUpdate", "unknownFieldsLimit", "messages", "fields"};
	const char *name = NULL, *id = NULL, *null_in_update = "clear";
	if (!json_is_object(root))
		return schema_refuse(reader, "top", "an object is needed");
	weir_status status = schema_only_members(reader, root, "top", members, 6);
	if (status == WEIR_OK)
		status = schema_read_text(reader, root, "top", "name", true, &name);
	if (status == WEIR_OK)
		status = schema_read_text(reader, root, "top", "id", true, &id);
	if (status == WEIR_OK)
		status = schema_read_text(reader, root, "top", "nullInUpdate", false,
					  &null_in_update);
	if (status == WEIR_OK)
		status = read_limit(reader, root, &schema->unknown_limit);
	if (status != WEIR_OK)
		return status;
	if (!plain_name(name, SCHEMA_NAME_LIMIT) || !plain_name(id, SCHEMA_NAME_LIMIT))
		return schema_refuse(
			reader, "top",
			"\"name\" and \"id\" have to be lower camel case, ASCII, at most 63");
	schema->null_in_update_ignored = strcmp(null_in_update, "ignore") == 0;
	if (!schema->null_in_update_ignored && strcmp(null_in_update, "clear") != 0)
		return schema_refuse(reader, "top", "\"nullInUpdate\" is \"clear\" or \"ignore\"");
	schema->abi->name = strdup(name);
	schema->id_name = strdup(id);
	return schema->abi->name != NULL && schema->id_name != NULL ? WEIR_OK
								    : err_no_memory(reader->error);
}

/* Boosts weigh at query time and required is the host's business, so neither is part of it. How
 * text becomes words is: an index and its searches have to agree on it. */
static weir_status make_fingerprint(struct schema *schema, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	buffer_printf(&text, "words %d\n", WORDS_VERSION);
	for (size_t i = 0; i < schema->abi->field_count; i++) {
		const struct weir_field *field = schema->abi->fields[i];
		buffer_printf(&text, "%s %u %u %s\n", field->name, field->type, field->flags,
			      field->language != NULL ? field->language : "-");
	}
	uint64_t hash = hash64_add(HASH64_START, text.data, text.length);
	char *fingerprint;
	if (buffer_failed(&text) || asprintf(&fingerprint, "%016" PRIx64, hash) < 0)
		return err_no_memory(error);
	schema->abi->fingerprint = fingerprint;
	return WEIR_OK;
}

weir_status schema_parse(const char *text, size_t length, const char *origin,
			 struct schema **schema, struct weir_error *error)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	WEIR_CLEANUP(schema_destroy_pointer) struct schema *made = calloc(1, sizeof(*made));
	if (made == NULL || (made->abi = calloc(1, sizeof(*made->abi))) == NULL ||
	    (made->text = strndup(text, length)) == NULL)
		return err_no_memory(error);
	weir_status status = jsondoc_parse(text, length, &document, error);
	if (status != WEIR_OK)
		return err_set(error, status, "schema %s: %s", origin,
			       error != NULL ? error->message : "");
	struct schema_reader reader = {origin, document, error};
	const json_t *root = jsondoc_root(document);
	status = read_top(&reader, root, made);
	if (status == WEIR_OK)
		status = read_fields(&reader, root, made);
	if (status == WEIR_OK)
		status = schema_read_messages(&reader, root, made);
	if (status == WEIR_OK)
		status = make_fingerprint(made, error);
	if (status != WEIR_OK)
		return status;
	*schema = made;
	made = NULL;
	return WEIR_OK;
}

weir_status schema_load(const char *path, struct schema **schema, struct weir_error *error)
{
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return err_set(error, WEIR_INVALID, "schema %s: %s", path, strerror(errno));
	WEIR_FREE char *text = malloc(FILE_LIMIT + 1);
	size_t length = text != NULL ? fread(text, 1, FILE_LIMIT + 1, file) : 0;
	bool failed = ferror(file) != 0;
	int reason = errno;
	fclose(file);
	if (text == NULL)
		return err_no_memory(error);
	if (failed)
		return err_set(error, WEIR_INVALID, "schema %s: %s", path, strerror(reason));
	if (length > FILE_LIMIT)
		return err_set(error, WEIR_INVALID, "schema %s: larger than 1 MiB", path);
	return schema_parse(text, length, path, schema, error);
}

weir_status schema_load_configured(const struct config *config, struct schema **schema,
				   struct weir_error *error)
{
	const char *given = config_text(config, "schema", "file");
	WEIR_FREE char *found = given == NULL ? place_schema() : NULL;
	if (given == NULL && found == NULL)
		return err_set(error, WEIR_INVALID,
			       "no schema was installed with Weir: set [schema] file");
	return schema_load(given != NULL ? given : found, schema, error);
}

/* Compares letter by letter, separators and case put aside. */
static bool same_in_any_style(const char *stored, const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (name[i] == '_' || name[i] == '-')
			continue;
		if (*stored == '\0' ||
		    tolower((unsigned char)*stored) != tolower((unsigned char)name[i]))
			return false;
		stored++;
	}
	return *stored == '\0';
}

int32_t schema_find(const struct schema *schema, const char *name, size_t length)
{
	for (size_t i = 0; i < schema->abi->field_count; i++)
		if (same_in_any_style(schema->abi->fields[i]->name, name, length))
			return (int32_t)i;
	return -1;
}

int32_t schema_find_exact(const struct schema *schema, const char *name, size_t length)
{
	for (size_t i = 0; i < schema->abi->field_count; i++) {
		const char *field = schema->abi->fields[i]->name;
		if (strlen(field) == length && memcmp(field, name, length) == 0)
			return (int32_t)i;
	}
	return -1;
}

bool schema_camel(const char *name, size_t length, char camel[SCHEMA_NAME_LIMIT])
{
	size_t written = 0;
	bool raise = false;
	/* "URL" is one word and becomes "url"; "EventID" becomes "eventID": only the leading run of
	 * capitals is lowered, as System.Text.Json's camel case does. */
	bool leading = true;
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)name[i];
		if (byte == '_' || byte == '-') {
			raise = written > 0;
			continue;
		}
		if (written + 1 >= SCHEMA_NAME_LIMIT)
			return false;
		bool next_lower = i + 1 < length && islower((unsigned char)name[i + 1]);
		if (leading && isupper(byte) && (written == 0 || !next_lower))
			byte = (unsigned char)tolower(byte);
		else
			leading = false;
		camel[written++] = (char)(raise ? toupper(byte) : byte);
		raise = false;
	}
	camel[written] = '\0';
	return written > 0;
}
