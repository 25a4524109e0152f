/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "place.h"
#include "schema.h"
#include "suite.h"

static struct weir_error error;

static weir_status parse(const char *text, struct schema **schema)
{
	error.message[0] = '\0';
	return schema_parse(text, strlen(text), "notes.json", schema, &error);
}

#define MESSAGES                                                                                   \
	"\"messages\": [{\"type\": \"Noted\", \"topic\": \"notes\", \"operation\": \"created\"}]"
#define FIELDS "\"fields\": [{\"name\": \"text\", \"type\": \"text\"}]"
#define TOP "\"name\": \"notes\", \"id\": \"noteId\", "

static void expect_refused(const char *text, const char *wanted)
{
	struct schema *schema = NULL;
	ck_assert_msg(parse(text, &schema) == WEIR_INVALID, "%s is taken", text);
	ck_assert_ptr_null(schema);
	ck_assert_msg(strncmp(error.message, wanted, strlen(wanted)) == 0,
		      "gives  %s\nwanted %s\nof %s", error.message, wanted, text);
}

START_TEST(the_schema_of_events)
{
	static const char *const names[] = {"title",	"description", "category",  "location",
					    "city",	"country",     "price",	    "startDate",
					    "endDate",	"createdAt",   "createdBy", "updatedAt",
					    "updatedBy"};
	WEIR_FREE char *path = place_schema();
	struct schema *schema = NULL;
	ck_assert_ptr_nonnull(path);
	weir_status status = schema_load(path, &schema, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	ck_assert_str_eq(schema->abi->name, "events");
	ck_assert_str_eq(schema->id_name, "eventId");
	ck_assert(!schema->null_in_update_ignored);
	ck_assert_uint_eq(schema->unknown_limit, 65536);
	ck_assert_uint_eq(schema->message_count, 3);
	ck_assert_str_eq(schema->messages[2].type, "EventDeletedEvent");
	ck_assert_str_eq(schema->messages[2].topic, "events.deleted");
	ck_assert_int_eq(schema->messages[2].operation, SCHEMA_DELETED);
	ck_assert_uint_eq(schema->abi->field_count, COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++) {
		ck_assert_str_eq(schema->abi->fields[i]->name, names[i]);
		ck_assert_int_eq(schema->required[i], i == 0);
	}
	const struct weir_field *title = schema->abi->fields[0], *price = schema->abi->fields[6];
	ck_assert_uint_eq(title->type, WEIR_TYPE_TEXT);
	ck_assert_uint_eq(title->flags, WEIR_FIELD_SEARCH | WEIR_FIELD_SORT | WEIR_FIELD_SUGGEST);
	ck_assert_str_eq(title->language, "en");
	ck_assert(title->boost == 3);
	ck_assert_uint_eq(price->type, WEIR_TYPE_NUMBER);
	ck_assert_uint_eq(price->flags, WEIR_FIELD_FILTER | WEIR_FIELD_SORT);
	ck_assert_ptr_null(price->language);
	ck_assert(price->boost == 1);
	schema_destroy(schema);
}
END_TEST

START_TEST(what_is_left_out_has_a_default)
{
	struct schema *schema = NULL;
	ck_assert_int_eq(parse("{" TOP MESSAGES "," FIELDS "}", &schema), WEIR_OK);
	ck_assert_uint_eq(schema->unknown_limit, 65536);
	ck_assert(!schema->null_in_update_ignored);
	ck_assert_uint_eq(schema->abi->fields[0]->flags, 0);
	ck_assert(schema->abi->fields[0]->boost == 1);
	ck_assert(!schema->required[0]);
	schema_destroy(schema);
	ck_assert_int_eq(parse("{" TOP
			       "\"nullInUpdate\": \"ignore\", \"unknownFieldsLimit\": 0," MESSAGES
			       "," FIELDS "}",
			       &schema),
			 WEIR_OK);
	ck_assert_uint_eq(schema->unknown_limit, 0);
	ck_assert(schema->null_in_update_ignored);
	schema_destroy(schema);
	schema_destroy(NULL);
}
END_TEST

static const char *const wrong_tops[][2] = {
	{"", "schema notes.json: not JSON at line 1 column 1"},
	{"{\n x}", "schema notes.json: not JSON at line 2 column 2"},
	{"[]", "schema notes.json: top: an object is needed"},
	{"{}", "schema notes.json: top: \"name\" has to be a string that is not empty"},
	{"{\"name\": \"notes\"," MESSAGES "," FIELDS "}",
	 "schema notes.json: top: \"id\" has to be a string that is not empty"},
	{"{" TOP "\"feilds\": [], " MESSAGES "," FIELDS "}",
	 "schema notes.json: top: unknown member \"feilds\"; did you mean \"fields\"?"},
	{"{\"name\": \"\", \"id\": \"noteId\"}", "schema notes.json: top: \"name\" has to be"},
	{"{\"name\": 5, \"id\": \"noteId\"}", "schema notes.json: top: \"name\" has to be"},
	{"{\"name\": \"a\\u0000b\", \"id\": \"noteId\"}",
	 "schema notes.json: top: \"name\" has to be"},
	{"{\"name\": \"No tes\", \"id\": \"noteId\"}",
	 "schema notes.json: top: \"name\" and \"id\" have to be lower camel case"},
	{"{\"name\": \"notes\", \"id\": \"NoteId\"}",
	 "schema notes.json: top: \"name\" and \"id\" have to be lower camel case"},
	{"{" TOP "\"nullInUpdate\": \"keep\"}",
	 "schema notes.json: top: \"nullInUpdate\" is \"clear\" or \"ignore\""},
	{"{" TOP "\"unknownFieldsLimit\": -1}", "schema notes.json: unknownFieldsLimit: a number"},
	{"{" TOP "\"unknownFieldsLimit\": 16777217}",
	 "schema notes.json: unknownFieldsLimit: a number of bytes from 0 to 16777216"},
	{"{" TOP "\"unknownFieldsLimit\": 1e3}", "schema notes.json: unknownFieldsLimit:"},
	{"{" TOP "\"unknownFieldsLimit\": \"5\"}", "schema notes.json: unknownFieldsLimit:"},
	{"{" TOP "\"unknownFieldsLimit\": 99999999999999999999}",
	 "schema notes.json: unknownFieldsLimit:"},
	{"{" TOP FIELDS "}", "schema notes.json: messages: an array of 1 to 64 messages is needed"},
	{"{" TOP FIELDS ", \"messages\": []}", "schema notes.json: messages: an array of 1 to 64"},
	{"{" TOP MESSAGES "}", "schema notes.json: fields: an array of 1 to 128 fields is needed"},
	{"{" TOP MESSAGES ", \"fields\": []}", "schema notes.json: fields: an array of 1 to 128"},
	{"{" TOP MESSAGES ", \"fields\": {}}", "schema notes.json: fields: an array of 1 to 128"},
};

START_TEST(the_top_is_checked)
{
	expect_refused(wrong_tops[_i][0], wrong_tops[_i][1]);
}
END_TEST

/* The second message, behind a good one. */
static const char *const wrong_messages[][2] = {
	{"5", "messages[1]: an object is needed"},
	{"{}", "messages[1]: \"type\" has to be a string that is not empty"},
	{"{\"type\": \"A\"}", "messages[1]: \"topic\" has to be"},
	{"{\"type\": \"A\", \"topic\": \"a\"}", "messages[1]: \"operation\" has to be"},
	{"{\"type\": \"A\", \"topic\": \"a\", \"operation\": \"upserted\"}",
	 "messages[1]: \"operation\" is created, updated or deleted"},
	{"{\"type\": \"A\", \"topic\": \"a/b\", \"operation\": \"created\"}",
	 "messages[1]: \"topic\" has ASCII letters"},
	{"{\"type\": \"A\", \"topics\": \"a\", \"operation\": \"created\"}",
	 "messages[1]: unknown member \"topics\"; did you mean \"topic\"?"},
	{"{\"type\": \"Noted\", \"topic\": \"a\", \"operation\": \"updated\"}",
	 "messages[1]: the type occurs twice"},
};

START_TEST(messages_are_checked)
{
	char text[1000], wanted[200];
	snprintf(text, sizeof(text),
		 "{" TOP "\"messages\": [{\"type\": \"Noted\", \"topic\": \"notes\", "
		 "\"operation\": \"created\"}, %s]," FIELDS "}",
		 wrong_messages[_i][0]);
	snprintf(wanted, sizeof(wanted), "schema notes.json: %s", wrong_messages[_i][1]);
	expect_refused(text, wanted);
}
END_TEST

/* What the second message says beside type, topic and operation. */
static const char *const wrong_mappings[][2] = {
	{"\"formt\": \"auto\"", "messages[1]: unknown member \"formt\"; did you mean \"format\"?"},
	{"\"format\": \"avro\"",
	 "messages[1]: \"format\" is auto, plain, cloudevents, debezium, outbox or connect"},
	{"\"format\": 5", "messages[1]: \"format\" is auto, plain"},
	{"\"nullInUpdate\": true", "messages[1]: \"nullInUpdate\" is clear or ignore"},
	{"\"nullValue\": \"keep\"", "messages[1]: \"nullValue\" is delete or ignore"},
	{"\"others\": \"drop\"", "messages[1]: \"others\" is keep or ignore"},
	{"\"key\": true", "messages[1]: \"key\" is false or a JSON pointer into the key"},
	{"\"key\": \"id\"", "messages[1]: \"key\" has to be a JSON pointer such as "
			    "\"/order/name\", at most 255 bytes"},
	{"\"data\": \"order\"", "messages[1]: \"data\" has to be a JSON pointer"},
	{"\"data\": \"/a~2\"", "messages[1]: \"data\" has to be a JSON pointer"},
	{"\"data\": \"/a\\u0000\"", "messages[1]: \"data\" has to be a JSON pointer"},
	{"\"data\": 5", "messages[1]: \"data\" has to be a JSON pointer"},
	{"\"id\": \"/id\"", "messages[1].id: an object with one of \"pointer\", \"envelope\" and "
			    "\"header\" is needed"},
	{"\"id\": {}", "messages[1].id: an object with one of"},
	{"\"id\": {\"pointer\": \"/a\", \"header\": \"b\"}",
	 "messages[1].id: an object with one of"},
	{"\"id\": {\"pointer\": \"/a\", \"unit\": \"ms\"}",
	 "messages[1].id: unknown member \"unit\""},
	{"\"typeFrom\": {\"header\": \"\"}",
	 "messages[1].typeFrom: \"header\" has to be a string that is not empty"},
	{"\"version\": {\"pointer\": \"a\"}",
	 "messages[1].version: \"pointer\" has to be a JSON pointer"},
	{"\"version\": {\"envelope\": 5}",
	 "messages[1].version: \"envelope\" has to be a JSON pointer"},
	{"\"version\": {\"pointer\": \"/a\", \"unit\": \"days\"}",
	 "messages[1].version: \"unit\" is number, s, ms, us, ns or date"},
	{"\"fields\": []",
	 "messages[1].fields: an object of field names and JSON pointers is needed"},
	{"\"fields\": {\"txt\": \"/a\"}", "messages[1].fields: the schema has no field \"txt\""},
	{"\"fields\": {\"text\": \"a\"}", "messages[1].fields: \"text\" has to be a JSON pointer"},
	{"\"fields\": {\"text\": {\"unit\": \"ms\"}}",
	 "messages[1].fields: \"unit\" is for date fields"},
	{"\"fields\": {\"text\": {}}", "messages[1].fields: \"text\" has to be a JSON pointer"},
	{"\"fields\": {\"text\": {\"pointer\": \"/a\", \"unit\": \"hours\"}}",
	 "messages[1].fields: \"unit\" is days, s, ms, us or ns"},
	{"\"format\": \"plain\", \"topic\": \"notes\"",
	 "messages[1]: messages of one topic have the same \"format\", \"typeFrom\", \"key\" and "
	 "\"nullValue\""},
	{"\"key\": false, \"topic\": \"notes\"", "messages[1]: messages of one topic have"},
	{"\"nullValue\": \"ignore\", \"topic\": \"notes\"",
	 "messages[1]: messages of one topic have"},
	{"\"typeFrom\": {\"header\": \"x\"}, \"topic\": \"notes\"",
	 "messages[1]: messages of one topic have"},
};

START_TEST(mappings_are_checked)
{
	char text[1000], wanted[300];
	snprintf(text, sizeof(text),
		 "{" TOP "\"messages\": [{\"type\": \"Noted\", \"topic\": \"notes\", "
		 "\"operation\": \"created\"}, {\"type\": \"A\", \"topic\": \"a\", "
		 "\"operation\": \"updated\", %s}]," FIELDS "}",
		 wrong_mappings[_i][0]);
	snprintf(wanted, sizeof(wanted), "schema notes.json: %s", wrong_mappings[_i][1]);
	expect_refused(text, wanted);
}
END_TEST

/* What is said of messages is nothing to an index. */
START_TEST(mappings_are_no_part_of_the_fingerprint)
{
	static const char mapped[] =
		"{" TOP "\"messages\": [{\"type\": \"Noted\", \"topic\": \"notes\", "
		"\"operation\": \"updated\", \"format\": \"debezium\", \"key\": \"/a\", "
		"\"nullValue\": \"ignore\", \"nullInUpdate\": \"ignore\", \"data\": \"/b\", "
		"\"others\": \"ignore\", \"typeFrom\": {\"header\": \"x\"}, \"id\": "
		"{\"pointer\": \"/c\"}, \"version\": {\"envelope\": \"/d\", \"unit\": \"ms\"}, "
		"\"fields\": {\"text\": \"\"}}]," FIELDS "}";
	struct schema *plain = NULL, *other = NULL;
	ck_assert_int_eq(parse("{" TOP MESSAGES "," FIELDS "}", &plain), WEIR_OK);
	ck_assert_msg(parse(mapped, &other) == WEIR_OK, "%s", error.message);
	ck_assert_str_eq(plain->abi->fingerprint, other->abi->fingerprint);
	const struct schema_message *message = &other->messages[0];
	ck_assert_int_eq(message->format, SCHEMA_DEBEZIUM);
	ck_assert(message->null_in_update_ignored && message->null_value_ignored &&
		  message->others_ignored && !message->key_ignored);
	ck_assert_str_eq(message->key, "/a");
	ck_assert_str_eq(message->data, "/b");
	ck_assert_int_eq(message->version.origin, SCHEMA_ENVELOPE);
	ck_assert_int_eq(message->version.unit, SCHEMA_MILLISECONDS);
	schema_destroy(plain);
	schema_destroy(other);
}
END_TEST

/* The second field, behind a good one. */
static const char *const wrong_fields[][2] = {
	{"5", "fields[1]: an object is needed"},
	{"{}", "fields[1]: \"name\" has to be a string that is not empty"},
	{"{\"name\": \"a\"}", "fields[1]: \"type\" has to be a string that is not empty"},
	{"{\"name\": \"a\", \"type\": \"string\"}",
	 "fields[1]: \"type\" is one of text, keyword, number, date, boolean"},
	{"{\"name\": \"Ab\", \"type\": \"text\"}",
	 "fields[1]: \"name\" has to be lower camel case"},
	{"{\"name\": \"a_b\", \"type\": \"text\"}", "fields[1]: \"name\" has to be lower camel"},
	{"{\"name\": \"1a\", \"type\": \"text\"}", "fields[1]: \"name\" has to be lower camel"},
	{"{\"name\": \"\\u00e4\", \"type\": \"text\"}",
	 "fields[1]: \"name\" has to be lower camel"},
	{"{\"name\": \"a123456789b123456789c123456789d123456789e123456789f123456789abcd\", "
	 "\"type\": \"text\"}",
	 "fields[1]: \"name\" has to be lower camel case, ASCII letters and digits, at most 63"},
	{"{\"name\": \"id\", \"type\": \"text\"}", "fields[1]: \"id\" and \"version\" are names"},
	{"{\"name\": \"version\", \"type\": \"text\"}", "fields[1]: \"id\" and \"version\""},
	{"{\"name\": \"noteid\", \"type\": \"text\"}", "fields[1]: the name is that of the id"},
	{"{\"name\": \"text\", \"type\": \"date\"}", "fields[1]: the name occurs twice"},
	{"{\"name\": \"teXt\", \"type\": \"date\"}", "fields[1]: the name occurs twice"},
	{"{\"name\": \"a\", \"type\": \"text\", \"filtr\": true}",
	 "fields[1]: unknown member \"filtr\"; did you mean \"filter\"?"},
	{"{\"name\": \"a\", \"type\": \"text\", \"search\": \"yes\"}",
	 "fields[1]: \"search\" has to be true or false"},
	{"{\"name\": \"a\", \"type\": \"text\", \"search\": null}",
	 "fields[1]: \"search\" has to be true or false"},
	{"{\"name\": \"a\", \"type\": \"text\", \"required\": 1}",
	 "fields[1]: \"required\" has to be true or false"},
	{"{\"name\": \"a\", \"type\": \"text\", \"filter\": true}",
	 "fields[1]: \"filter\" is for keyword, number, date and boolean fields"},
	{"{\"name\": \"a\", \"type\": \"text\", \"facet\": true}",
	 "fields[1]: \"facet\" is for keyword, number, date and boolean fields"},
	{"{\"name\": \"a\", \"type\": \"date\", \"search\": true}",
	 "fields[1]: \"search\" is for text and keyword fields"},
	{"{\"name\": \"a\", \"type\": \"number\", \"suggest\": true}",
	 "fields[1]: \"suggest\" is for text and keyword fields"},
	{"{\"name\": \"a\", \"type\": \"keyword\", \"language\": \"en\"}",
	 "fields[1]: \"language\" is for text fields, one of ar, ca, da,"},
	{"{\"name\": \"a\", \"type\": \"text\", \"language\": \"eng\"}", "fields[1]: \"language\""},
	{"{\"name\": \"a\", \"type\": \"text\", \"language\": \"EN\"}", "fields[1]: \"language\""},
	{"{\"name\": \"a\", \"type\": \"text\", \"boost\": 0}",
	 "fields[1]: \"boost\" has to be a number above 0, to 1000"},
	{"{\"name\": \"a\", \"type\": \"text\", \"boost\": 1000.1}", "fields[1]: \"boost\""},
	{"{\"name\": \"a\", \"type\": \"text\", \"boost\": 1e999}", "fields[1]: \"boost\""},
	{"{\"name\": \"a\", \"type\": \"text\", \"boost\": \"3\"}", "fields[1]: \"boost\""},
};

static void make_fields(char *text, size_t size, const char *field)
{
	snprintf(text, size,
		 "{" TOP MESSAGES ", \"fields\": [{\"name\": \"text\", \"type\": \"text\"}, %s]}",
		 field);
}

START_TEST(fields_are_checked)
{
	char text[1000], wanted[200];
	make_fields(text, sizeof(text), wrong_fields[_i][0]);
	snprintf(wanted, sizeof(wanted), "schema notes.json: %s", wrong_fields[_i][1]);
	expect_refused(text, wanted);
}
END_TEST

START_TEST(all_flags_that_make_sense)
{
	static const char *const good[] = {
		"{\"name\": \"a\", \"type\": \"text\", \"search\": true, \"sort\": true, "
		"\"suggest\": true, \"language\": \"de\", \"boost\": 0.5, \"required\": true}",
		"{\"name\": \"a\", \"type\": \"keyword\", \"search\": true, \"filter\": true, "
		"\"sort\": true, \"facet\": true, \"suggest\": true}",
		"{\"name\": \"a\", \"type\": \"number\", \"filter\": true, \"sort\": true, "
		"\"facet\": true, \"search\": false}",
		"{\"name\": \"a\", \"type\": \"date\", \"filter\": true}",
		"{\"name\": \"a\", \"type\": \"boolean\", \"filter\": true, \"boost\": 1000}",
	};
	for (size_t i = 0; i < COUNT(good); i++) {
		char text[1000];
		struct schema *schema = NULL;
		make_fields(text, sizeof(text), good[i]);
		weir_status status = parse(text, &schema);
		ck_assert_msg(status == WEIR_OK, "%s", error.message);
		schema_destroy(schema);
	}
}
END_TEST

START_TEST(there_is_a_limit_of_fields)
{
	for (int count = SCHEMA_FIELD_LIMIT; count <= SCHEMA_FIELD_LIMIT + 1; count++) {
		WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
		struct schema *schema = NULL;
		buffer_append_text(&text, "{" TOP MESSAGES ", \"fields\": [");
		for (int i = 0; i < count; i++)
			buffer_printf(&text, "%s{\"name\": \"f%d\", \"type\": \"date\"}",
				      i > 0 ? "," : "", i);
		buffer_append_text(&text, "]}");
		ck_assert_int_eq(parse(text.data, &schema),
				 count == SCHEMA_FIELD_LIMIT ? WEIR_OK : WEIR_INVALID);
		schema_destroy(schema);
	}
}
END_TEST

static void fingerprint(const char *field, char print[64])
{
	char text[1000];
	struct schema *schema = NULL;
	make_fields(text, sizeof(text), field);
	ck_assert_int_eq(parse(text, &schema), WEIR_OK);
	snprintf(print, 64, "%s", schema->abi->fingerprint);
	schema_destroy(schema);
}

/* An index outlives the program: the fingerprint of a schema stays the same. */
START_TEST(the_fingerprint_is_of_what_is_indexed)
{
	static const char *const same[] = {
		"{\"name\": \"a\", \"type\": \"text\", \"boost\": 3}",
		"{\"name\": \"a\", \"type\": \"text\", \"required\": true}",
		"{\"type\": \"text\", \"name\": \"a\", \"sort\": false}",
	};
	static const char *const others[] = {
		"{\"name\": \"b\", \"type\": \"text\"}",
		"{\"name\": \"a\", \"type\": \"keyword\"}",
		"{\"name\": \"a\", \"type\": \"text\", \"search\": true}",
		"{\"name\": \"a\", \"type\": \"text\", \"language\": \"en\"}",
		"{\"name\": \"a\", \"type\": \"text\", \"language\": \"de\"}",
	};
	char first[64], print[64], prints[COUNT(others)][64];
	fingerprint("{\"name\": \"a\", \"type\": \"text\"}", first);
	ck_assert_str_eq(first, "d30bae641234893f");
	for (size_t i = 0; i < COUNT(same); i++) {
		fingerprint(same[i], print);
		ck_assert_str_eq(print, first);
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		fingerprint(others[i], prints[i]);
		ck_assert_str_ne(prints[i], first);
		for (size_t other = 0; other < i; other++)
			ck_assert_str_ne(prints[i], prints[other]);
	}
}
END_TEST

START_TEST(fields_are_found_in_any_style)
{
	static const struct {
		const char *name;
		int32_t any, exact;
	} cases[] = {
		{"text", 0, 0},		 {"Text", 0, -1},	 {"TEXT", 0, -1},
		{"startDate", 1, 1},	 {"StartDate", 1, -1},	 {"start_date", 1, -1},
		{"START_DATE", 1, -1},	 {"start-date", 1, -1},	 {"startdate", 1, -1},
		{"_start_date_", 1, -1}, {"start date", -1, -1}, {"startDat", -1, -1},
		{"startDates", -1, -1},	 {"", -1, -1},		 {"_", -1, -1},
	};
	char text[1000];
	struct schema *schema = NULL;
	make_fields(text, sizeof(text), "{\"name\": \"startDate\", \"type\": \"date\"}");
	ck_assert_int_eq(parse(text, &schema), WEIR_OK);
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t length = strlen(cases[i].name);
		ck_assert_msg(schema_find(schema, cases[i].name, length) == cases[i].any, "%s",
			      cases[i].name);
		ck_assert_int_eq(schema_find_exact(schema, cases[i].name, length), cases[i].exact);
	}
	ck_assert_int_eq(schema_find(schema, "textual", 4), 0);
	ck_assert_int_eq(schema_find_exact(schema, "textual", 4), 0);
	schema_destroy(schema);
}
END_TEST

START_TEST(names_become_camel_case)
{
	static const char *const cases[][2] = {
		{"title", "title"},
		{"Title", "title"},
		{"TITLE", "title"},
		{"startDate", "startDate"},
		{"StartDate", "startDate"},
		{"start_date", "startDate"},
		{"START_DATE", "startDate"},
		{"start-date", "startDate"},
		{"Start_Date", "startDate"},
		{"_private", "private"},
		{"a__b", "aB"},
		{"trailing_", "trailing"},
		{"URL", "url"},
		{"URLName", "urlName"},
		{"EventID", "eventID"},
		{"A", "a"},
		{"AB", "ab"},
		{"X1", "x1"},
		{"2nd_floor", "2ndFloor"},
		{"\xC3\x84rger", "\xC3\x84rger"},
	};
	char camel[SCHEMA_NAME_LIMIT], text[SCHEMA_NAME_LIMIT + 1];
	for (size_t i = 0; i < COUNT(cases); i++) {
		ck_assert(schema_camel(cases[i][0], strlen(cases[i][0]), camel));
		ck_assert_str_eq(camel, cases[i][1]);
	}
	ck_assert(!schema_camel("", 0, camel));
	ck_assert(!schema_camel("_-_", 3, camel));
	memset(text, 'x', sizeof(text));
	ck_assert(schema_camel(text, SCHEMA_NAME_LIMIT - 1, camel));
	ck_assert_uint_eq(strlen(camel), SCHEMA_NAME_LIMIT - 1);
	ck_assert(!schema_camel(text, SCHEMA_NAME_LIMIT, camel));
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
	struct schema *schema = NULL;
	ck_assert_int_eq(schema_load("/nowhere/notes.json", &schema, &error), WEIR_INVALID);
	ck_assert_str_eq(error.message, "schema /nowhere/notes.json: No such file or directory");
	ck_assert_int_eq(schema_load("/", &schema, &error), WEIR_INVALID);
	ck_assert_str_eq(error.message, "schema /: Is a directory");
	ck_assert_int_eq(schema_load("/dev/zero", &schema, &error), WEIR_INVALID);
	ck_assert_str_eq(error.message, "schema /dev/zero: larger than 1 MiB");
	ck_assert_int_eq(schema_load("/dev/zero", &schema, NULL), WEIR_INVALID);
	ck_assert_int_eq(schema_parse("[", 1, "x", &schema, NULL), WEIR_INVALID);
	ck_assert_ptr_null(schema);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("schema");
	tcase_add_test(cases, the_schema_of_events);
	tcase_add_test(cases, what_is_left_out_has_a_default);
	tcase_add_loop_test(cases, the_top_is_checked, 0, (int)COUNT(wrong_tops));
	tcase_add_loop_test(cases, messages_are_checked, 0, (int)COUNT(wrong_messages));
	tcase_add_loop_test(cases, mappings_are_checked, 0, (int)COUNT(wrong_mappings));
	tcase_add_test(cases, mappings_are_no_part_of_the_fingerprint);
	tcase_add_loop_test(cases, fields_are_checked, 0, (int)COUNT(wrong_fields));
	tcase_add_test(cases, all_flags_that_make_sense);
	tcase_add_test(cases, there_is_a_limit_of_fields);
	tcase_add_test(cases, the_fingerprint_is_of_what_is_indexed);
	tcase_add_test(cases, fields_are_found_in_any_style);
	tcase_add_test(cases, names_become_camel_case);
	tcase_add_test(cases, files_that_cannot_be_read);
	return suite_run(cases, "schema");
}
