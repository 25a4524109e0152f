/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "json.h"
#include "place.h"
#include "suite.h"

#define GUID "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
#define GUID_CAPITALS "3F2504E0-4F89-11D3-9A0C-0305E82C3301"
#define NULL_HEADER "(null)"

static struct schema *schema;
static struct event_decoder *decoder;
static struct weir_error error;

static void set_up(void)
{
	WEIR_FREE char *path = place_schema();
	ck_assert_ptr_nonnull(path);
	weir_status status = schema_load(path, &schema, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	decoder = event_decoder_create(schema);
	ck_assert_ptr_nonnull(decoder);
}

static void tear_down(void)
{
	event_decoder_destroy(decoder);
	schema_destroy(schema);
}

static const char *verb(enum schema_operation operation)
{
	return operation == SCHEMA_CREATED   ? "created"
	       : operation == SCHEMA_UPDATED ? "updated"
					     : "deleted";
}

/* "created 7@5 city=null title=\"a\"", "?type" for what is passed over, "!why" for a dead letter.
 */
static void decode(const struct event_message *message, struct buffer *out)
{
	enum event_outcome outcome = EVENT_CHANGE;
	struct event_change *change = NULL;
	const char *type = NULL;
	error.message[0] = '\0';
	buffer_clear(out);
	weir_status status = event_decode(decoder, message, &outcome, &change, &type, &error);
	ck_assert_int_eq(status, WEIR_OK);
	if (outcome == EVENT_DEAD_LETTER) {
		ck_assert_str_ne(error.message, "");
		ck_assert_ptr_null(change);
		buffer_printf(out, "!%s", error.message);
		return;
	}
	if (outcome == EVENT_PASSED_OVER) {
		buffer_printf(out, "?%s", type);
		return;
	}
	ck_assert_uint_eq(strlen(change->id), change->id_length);
	buffer_printf(out, "%s %s@%" PRId64, verb(change->operation), change->id, change->version);
	for (size_t i = 0; i < change->field_count; i++) {
		const struct event_field *field = &change->fields[i];
		ck_assert_uint_eq(strlen(field->name), field->name_length);
		ck_assert_int_eq(field->number,
				 schema_find_exact(schema, field->name, field->name_length));
		if (i > 0)
			ck_assert_int_lt(strcmp(change->fields[i - 1].name, field->name), 0);
		buffer_printf(out, " %s=", field->name);
		if (field->clears)
			buffer_append_text(out, "null");
		else
			buffer_append(out, field->json, field->json_length);
	}
	ck_assert(!buffer_failed(out));
}

struct message_case {
	const char *topic, *key, *value; /* NULL: no key, a tombstone */
	const char *headers[7];		 /* names and values in turn */
	const char *wanted;		 /* of a dead letter, how the reason begins */
};

static void expect(const struct message_case *one)
{
	struct event_header headers[3];
	size_t count = 0;
	for (; count < 3 && one->headers[2 * count] != NULL; count++) {
		const char *value = one->headers[2 * count + 1];
		bool null = strcmp(value, NULL_HEADER) == 0;
		headers[count] = (struct event_header){one->headers[2 * count], null ? NULL : value,
						       null ? 0 : strlen(value)};
	}
	struct event_message message = {.topic = one->topic,
					.timestamp = 77,
					.key = one->key,
					.key_length = one->key != NULL ? strlen(one->key) : 0,
					.value = one->value,
					.value_length = one->value != NULL ? strlen(one->value) : 0,
					.headers = headers,
					.header_count = count};
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	decode(&message, &out);
	bool dead = one->wanted[0] == '!';
	ck_assert_msg(dead ? strncmp(out.data, one->wanted, strlen(one->wanted)) == 0
			   : strcmp(out.data, one->wanted) == 0,
		      "gives  %s\nwanted %s", out.data, one->wanted);
}

#define CREATED "events.created"
#define UPDATED "events.updated"
#define DELETED "events.deleted"
#define TYPE(name) "EventType", "Event" name "Event"

static const struct message_case types[] = {
	/* by topic, by header, the header first */
	{CREATED, NULL, "{\"EventId\":\"7\"}", {NULL}, "created 7@77"},
	{UPDATED, NULL, "{\"EventId\":\"7\"}", {NULL}, "updated 7@77"},
	{DELETED, NULL, "{\"EventId\":\"7\"}", {NULL}, "deleted 7@77"},
	{"other", NULL, "{\"EventId\":\"7\"}", {TYPE("Created")}, "created 7@77"},
	{CREATED, NULL, "{\"EventId\":\"7\"}", {TYPE("Updated")}, "updated 7@77"},
	{CREATED, NULL, "{\"EventId\":\"7\"}", {TYPE("Deleted")}, "deleted 7@77"},
	{CREATED, NULL, "{\"EventId\":\"7\"}", {"eventtype", "EventUpdatedEvent"}, "updated 7@77"},
	{CREATED, NULL, "{\"EventId\":\"7\"}", {"EVENTTYPE", "EventUpdatedEvent"}, "updated 7@77"},
	/* twice: the last */
	{CREATED,
	 NULL,
	 "{\"EventId\":\"7\"}",
	 {TYPE("Created"), "eventType", "EventDeletedEvent"},
	 "deleted 7@77"},
	{CREATED,
	 NULL,
	 "{\"EventId\":\"7\"}",
	 {"Version", "x", "version", "9", "VERSION", "8"},
	 "created 7@8"},
	{CREATED, NULL, "{\"EventId\":\"7\"}", {"EventType", ""}, "created 7@77"},
	{CREATED, NULL, "{\"EventId\":\"7\"}", {"EventType", NULL_HEADER}, "created 7@77"},
	{CREATED, NULL, "{\"EventId\":\"7\"}", {"Other", "EventUpdatedEvent"}, "created 7@77"},
	/* unknown types, whatever else is wrong with them */
	{CREATED,
	 NULL,
	 "{\"EventId\":\"7\"}",
	 {"EventType", "EventMovedEvent"},
	 "?EventMovedEvent"},
	{CREATED, "7", "no JSON", {"EventType", "OrderPlaced", "Version", "x"}, "?OrderPlaced"},
	{CREATED, "7", "", {"EventType", "EventCreatedEvents"}, "?EventCreatedEvents"},
	{"other", "7", "{}", {NULL}, "!no EventType header, and the schema has no message"},
	/* tombstones, whatever the headers */
	{CREATED, "7", NULL, {NULL}, "deleted 7@77"},
	{CREATED, "7", NULL, {TYPE("Created")}, "deleted 7@77"},
	{"other", "7", NULL, {"EventType", "OrderPlaced"}, "deleted 7@77"},
	{CREATED, "\"{" GUID_CAPITALS "}\"", NULL, {"Version", "-5"}, "deleted " GUID "@-5"},
	{CREATED, NULL, NULL, {NULL}, "!no id"},
	{CREATED, "7", NULL, {"Version", "x"}, "!header Version is not a 64-bit decimal number"},
	/* what is no event */
	{CREATED, "7", "", {NULL}, "!the value is empty"},
	{CREATED, "7", "null", {NULL}, "!the value is JSON, but not an object"},
	{CREATED, "7", "[]", {NULL}, "!the value is JSON, but not an object"},
	{CREATED, "7", "\"{\"", {NULL}, "!the value is JSON, but not an object"},
	{CREATED, "7", "{\"Title\":\"a\"", {NULL}, "!not JSON at line 1 column 13:"},
	{CREATED, "7", "{\"Title\":\"\xFF\"}", {NULL}, "!not JSON at line 1 column "},
	{CREATED, "7", "{\"Title\":\"\\ud800\"}", {NULL}, "!not JSON at line 1 column "},
};

START_TEST(types_topics_and_tombstones)
{
	expect(&types[_i]);
}
END_TEST

static const struct message_case ids[] = {
	{CREATED, "7", "{}", {NULL}, "created 7@77"},
	{CREATED, "7", "{\"EventId\":null}", {NULL}, "created 7@77"},
	{CREATED, "7", "{\"EventId\":\"7\"}", {NULL}, "created 7@77"},
	{CREATED, "7", "{\"EventId\":7}", {NULL}, "created 7@77"},
	{CREATED, NULL, "{\"EventId\":7}", {NULL}, "created 7@77"},
	{CREATED, "", "{\"EventId\":7}", {NULL}, "created 7@77"},
	{CREATED,
	 NULL,
	 "{\"EventId\":12345678901234567890123}",
	 {NULL},
	 "created 12345678901234567890123@77"},
	{CREATED, "\"7\"", "{\"EventId\":\"7\"}", {NULL}, "created 7@77"},
	{CREATED, "'7'", "{}", {NULL}, "created 7@77"},
	{CREATED, "aB", "{\"EventId\":\"Ab\"}", {NULL}, "created Ab@77"},
	{CREATED, GUID, "{\"EventId\":\"" GUID_CAPITALS "\"}", {NULL}, "created " GUID "@77"},
	{CREATED, GUID_CAPITALS, "{}", {NULL}, "created " GUID "@77"},
	{CREATED, "{" GUID "}", "{\"EventId\":\"" GUID "\"}", {NULL}, "created " GUID "@77"},
	{CREATED,
	 "\"" GUID_CAPITALS "\"",
	 "{\"EventId\":\"{" GUID "}\"}",
	 {NULL},
	 "created " GUID "@77"},
	{CREATED, "(" GUID ")", "{}", {NULL}, "created " GUID "@77"},
	{CREATED, "\xC3\xA4", "{\"EventId\":\"\\u00e4\"}", {NULL}, "created \xC3\xA4@77"},
	{CREATED, NULL, "{}", {NULL}, "!no id: neither body nor key has one"},
	{CREATED, "", "{}", {NULL}, "!no id: neither body nor key has one"},
	{CREATED, "8", "{\"EventId\":\"7\"}", {NULL}, "!the key 8 and the id 7 in the body differ"},
	{DELETED, "8", "{\"EventId\":\"7\"}", {NULL}, "!the key 8 and the id 7 in the body differ"},
	{CREATED, "7", "{\"EventId\":\"\"}", {NULL}, "!the id in the body is empty"},
	{CREATED, "7", "{\"EventId\":{}}", {NULL}, "!the id in the body"},
	{CREATED, "7", "{\"EventId\":true}", {NULL}, "!the id in the body"},
	{CREATED, "7", "{\"EventId\":\"7\\u0000\"}", {NULL}, "!the id in the body"},
	{CREATED, "7", "{\"EventId\":\"7\\n\"}", {NULL}, "!the id in the body"},
	{CREATED, "7\xFF", "{\"EventId\":\"7\"}", {NULL}, "!the key is no id"},
	{CREATED, "\"\"", "{}", {NULL}, "!the key is no id"},
	{CREATED, "\x01", "{}", {NULL}, "!the key is no id"},
	/* case styles; "id" where the schema's own name is not there */
	{CREATED, NULL, "{\"eventId\":\"7\"}", {NULL}, "created 7@77"},
	{CREATED, NULL, "{\"event_id\":\"7\"}", {NULL}, "created 7@77"},
	{CREATED, NULL, "{\"event-id\":\"7\"}", {NULL}, "created 7@77"},
	{CREATED, NULL, "{\"EVENT_ID\":\"7\"}", {NULL}, "created 7@77"},
	{CREATED, NULL, "{\"EventID\":\"7\"}", {NULL}, "created 7@77"},
	{CREATED, NULL, "{\"EVENTID\":\"7\"}", {NULL}, "created 7@77"},
	{CREATED, NULL, "{\"eventid\":\"7\"}", {NULL}, "created 7@77"},
	{CREATED, NULL, "{\"Id\":\"7\"}", {NULL}, "created 7@77"},
	{CREATED, NULL, "{\"ID\":\"7\",\"EventId\":null}", {NULL}, "created 7@77"},
	{CREATED, "7", "{\"EventId\":\"7\",\"Id\":{}}", {NULL}, "created 7@77"},
	{CREATED, "7", "{\"Id\":8,\"EventId\":\"7\"}", {NULL}, "created 7@77"},
	{CREATED, "7", "{\"Id\":8}", {NULL}, "!the key 7 and the id 8 in the body differ"},
};

START_TEST(ids_of_key_and_body)
{
	expect(&ids[_i]);
}
END_TEST

static const struct message_case versions[] = {
	{CREATED, "7", "{}", {"Version", "5"}, "created 7@5"},
	{CREATED, "7", "{\"Version\":6}", {"Version", "5"}, "created 7@5"},
	{CREATED, "7", "{\"Version\":6}", {NULL}, "created 7@6"},
	{CREATED, "7", "{\"version\":\"6\"}", {NULL}, "created 7@6"},
	{CREATED, "7", "{\"VERSION\":6}", {NULL}, "created 7@6"},
	{CREATED, "7", "{\"Version\":null}", {NULL}, "created 7@77"},
	{CREATED, "7", "{\"Version\":-6}", {NULL}, "created 7@-6"},
	{CREATED, "7", "{}", {"Version", "9223372036854775807"}, "created 7@9223372036854775807"},
	{CREATED, "7", "{}", {"Version", "-9223372036854775808"}, "created 7@-9223372036854775808"},
	{CREATED, "7", "{}", {"Version", "9223372036854775808"}, "!header Version is not"},
	{CREATED, "7", "{}", {"Version", "-9223372036854775809"}, "!header Version is not"},
	{CREATED, "7", "{}", {"Version", ""}, "!header Version is not"},
	{CREATED, "7", "{}", {"Version", NULL_HEADER}, "!header Version is not"},
	{CREATED, "7", "{}", {"Version", " 5"}, "!header Version is not"},
	{CREATED, "7", "{}", {"Version", "5 "}, "!header Version is not"},
	{CREATED, "7", "{}", {"Version", "5.0"}, "!header Version is not"},
	{CREATED, "7", "{}", {"Version", "0x5"}, "!header Version is not"},
	{CREATED, "7", "{}", {"Version", "v5"}, "!header Version is not"},
	{CREATED,
	 "7",
	 "{}",
	 {"Version", "000000000000000000000000000005"},
	 "!header Version is not"},
	{CREATED, "7", "{\"Version\":\"x\"}", {"Version", "5"}, "!Version in the body is not"},
	{CREATED, "7", "{\"Version\":5.5}", {NULL}, "!Version in the body is not"},
	{CREATED, "7", "{\"Version\":1e3}", {NULL}, "!Version in the body is not"},
	{CREATED, "7", "{\"Version\":true}", {NULL}, "!Version in the body is not"},
	{CREATED, "7", "{\"Version\":\"\"}", {NULL}, "!Version in the body is not"},
	{DELETED, "7", "{\"Version\":9}", {NULL}, "deleted 7@9"},
	/* the message's own time, then Kafka's */
	{CREATED,
	 "7",
	 "{\"CreatedAt\":\"1970-01-01T00:00:01.5Z\"}",
	 {NULL},
	 "created 7@1500000 createdAt=\"1970-01-01T00:00:01.5Z\""},
	{CREATED,
	 "7",
	 "{\"created_at\":\"1970-01-01T00:00:01.5Z\",\"Version\":3}",
	 {NULL},
	 "created 7@3 createdAt=\"1970-01-01T00:00:01.5Z\""},
	{CREATED,
	 "7",
	 "{\"createdat\":\"1970-01-01T00:00:01.5Z\"}",
	 {NULL},
	 "created 7@1500000 createdAt=\"1970-01-01T00:00:01.5Z\""},
	{CREATED,
	 "7",
	 "{\"CreatedAt\":\"0001-01-01T00:00:00\"}",
	 {NULL},
	 "created 7@-62135596800000000 createdAt=\"0001-01-01T00:00:00Z\""},
	{CREATED, "7", "{\"CreatedAt\":null}", {NULL}, "created 7@77 createdAt=null"},
	{CREATED,
	 "7",
	 "{\"UpdatedAt\":\"1970-01-01T00:00:01.5Z\"}",
	 {NULL},
	 "created 7@77 updatedAt=\"1970-01-01T00:00:01.5Z\""},
	{UPDATED,
	 "7",
	 "{\"UpdatedAt\":\"1970-01-01T00:00:01.5Z\"}",
	 {NULL},
	 "updated 7@1500000 updatedAt=\"1970-01-01T00:00:01.5Z\""},
	{UPDATED,
	 "7",
	 "{\"CreatedAt\":\"1970-01-01T00:00:01.5Z\"}",
	 {NULL},
	 "updated 7@77 createdAt=\"1970-01-01T00:00:01.5Z\""},
	{DELETED,
	 "7",
	 "{\"DeletedAt\":\"1970-01-01T01:00:01.5+01:00\",\"DeletedBy\":\"x\"}",
	 {NULL},
	 "deleted 7@1500000"},
	{DELETED, "7", "{\"DeletedAt\":\"soon\"}", {NULL}, "!field deletedAt: expected a date"},
	{DELETED, "7", "{\"Title\":5,\"Price\":{}}", {NULL}, "deleted 7@77"},
	/* Timestamp is for people */
	{CREATED, "7", "{}", {"Timestamp", "1970-01-01T00:00:01Z"}, "created 7@77"},
};

START_TEST(versions_in_their_order)
{
	expect(&versions[_i]);
}
END_TEST

static const struct message_case fields[] = {
	/* the seed shape, and every style of it */
	{CREATED,
	 GUID,
	 "{\"EventId\":\"" GUID "\",\"Title\":\"Caf\\u00E9 \\uD83D\\uDE00\",\"Description\":null,"
	 "\"Category\":\"Music\",\"Location\":\"Hall \\u0022A\\u0022\",\"City\":\"Oslo\","
	 "\"Country\":\"NO\",\"Price\":12.50,\"StartDate\":\"2026-01-01T10:00:00.1234567Z\","
	 "\"EndDate\":\"2026-01-01T12:00:00+01:00\",\"CreatedAt\":\"2025-12-31T00:00:00Z\","
	 "\"CreatedBy\":\"ann\"}",
	 {TYPE("Created"), "Timestamp", "x", "Version", "5"},
	 "created " GUID "@5 category=\"Music\" city=\"Oslo\" country=\"NO\" "
	 "createdAt=\"2025-12-31T00:00:00Z\" createdBy=\"ann\" description=null "
	 "endDate=\"2026-01-01T11:00:00Z\" location=\"Hall \\\"A\\\"\" price=12.50 "
	 "startDate=\"2026-01-01T10:00:00.123456Z\" "
	 "title=\"Caf\xC3\xA9 \xF0\x9F\x98\x80\""},
	{UPDATED,
	 "7",
	 "{\"startDate\":\"2026-01-01\",\"title\":\"a\"}",
	 {NULL},
	 "updated 7@77 startDate=\"2026-01-01T00:00:00Z\" title=\"a\""},
	{UPDATED,
	 "7",
	 "{\"start_date\":\"2026-01-01\",\"TITLE\":\"a\"}",
	 {NULL},
	 "updated 7@77 startDate=\"2026-01-01T00:00:00Z\" title=\"a\""},
	{UPDATED,
	 "7",
	 "{\"START_DATE\":\"2026-01-01\",\"Title\":\"a\"}",
	 {NULL},
	 "updated 7@77 startDate=\"2026-01-01T00:00:00Z\" title=\"a\""},
	{UPDATED,
	 "7",
	 "{\"start-date\":\"2026-01-01\",\"startdate\":\"2026-01-02\"}",
	 {NULL},
	 "updated 7@77 startDate=\"2026-01-02T00:00:00Z\""},
	{UPDATED,
	 "7",
	 "{\"title\":\"a\",\"Title\":\"b\",\"city\":\"x\"}",
	 {NULL},
	 "updated 7@77 city=\"x\" title=\"b\""},
	{UPDATED, "7", "{\"title\":\"a\",\"title\":\"b\"}", {NULL}, "updated 7@77 title=\"b\""},
	{UPDATED,
	 "7",
	 "{\"title\":null,\"price\":null,\"startDate\":null}",
	 {NULL},
	 "updated 7@77 price=null startDate=null title=null"},
	/* numbers as written */
	{UPDATED,
	 "7",
	 "{\"price\":79228162514264337593543950335}",
	 {NULL},
	 "updated 7@77 price=79228162514264337593543950335"},
	{UPDATED, "7", "{\"price\":-0.10}", {NULL}, "updated 7@77 price=-0.10"},
	{UPDATED, "7", "{\"price\":1E2}", {NULL}, "updated 7@77 price=1E2"},
	{UPDATED, "7", "{\"price\":\"12.50\"}", {NULL}, "updated 7@77 price=12.50"},
	{UPDATED, "7", "{\"price\":\"-1e-3\"}", {NULL}, "updated 7@77 price=-1e-3"},
	/* REST's limits do not hold */
	{UPDATED,
	 "7",
	 "{\"price\":-5,\"title\":\" \",\"city\":\"\"}",
	 {NULL},
	 "updated 7@77 city=\"\" price=-5 title=\" \""},
	{UPDATED,
	 "7",
	 "{\"startDate\":\"2026-01-02\",\"endDate\":\"2026-01-01\"}",
	 {NULL},
	 "updated 7@77 endDate=\"2026-01-01T00:00:00Z\" startDate=\"2026-01-02T00:00:00Z\""},
	{UPDATED, "7", "{\"title\":\"a\\u0000\\n\"}", {NULL}, "updated 7@77 title=\"a\\u0000\\n\""},
	/* dates; moment's test has them all */
	{UPDATED,
	 "7",
	 "{\"endDate\":\"9999-12-31T23:59:59.9999999\"}",
	 {NULL},
	 "updated 7@77 endDate=\"9999-12-31T23:59:59.999999Z\""},
	{UPDATED,
	 "7",
	 "{\"endDate\":\"9999-12-31T23:59:59-08:00\"}",
	 {NULL},
	 "updated 7@77 endDate=\"9999-12-31T23:59:59.999999Z\""},
	{UPDATED,
	 "7",
	 "{\"endDate\":\"\\/Date(1700000000123)\\/\"}",
	 {NULL},
	 "updated 7@77 endDate=\"2023-11-14T22:13:20.123Z\""},
	/* the wrong type */
	{CREATED, "7", "{\"title\":5}", {NULL}, "!field title: expected a string"},
	{CREATED, "7", "{\"city\":[\"x\"]}", {NULL}, "!field city: expected a string"},
	{CREATED, "7", "{\"title\":{}}", {NULL}, "!field title: expected a string"},
	{CREATED, "7", "{\"title\":true}", {NULL}, "!field title: expected a string"},
	{CREATED, "7", "{\"price\":\"\"}", {NULL}, "!field price: expected a number"},
	{CREATED, "7", "{\"price\":\"twelve\"}", {NULL}, "!field price: expected a number"},
	{CREATED, "7", "{\"price\":\"12,50\"}", {NULL}, "!field price: expected a number"},
	{CREATED, "7", "{\"price\":\"NaN\"}", {NULL}, "!field price: expected a number"},
	{CREATED, "7", "{\"price\":\"12\\u0000\"}", {NULL}, "!field price: expected a number"},
	{CREATED, "7", "{\"price\":false}", {NULL}, "!field price: expected a number"},
	{CREATED, "7", "{\"price\":[1]}", {NULL}, "!field price: expected a number"},
	{CREATED, "7", "{\"startDate\":\"soon\"}", {NULL}, "!field startDate: expected a date"},
	{CREATED, "7", "{\"startDate\":\"\"}", {NULL}, "!field startDate: expected a date"},
	{CREATED, "7", "{\"startDate\":1700000000}", {NULL}, "!field startDate: expected a date"},
	{CREATED, "7", "{\"createdAt\":\"soon\"}", {NULL}, "!field createdAt: expected a date"},
	/* fields that the schema does not name */
	{CREATED,
	 "7",
	 "{\"Seats\":100,\"OpenAir\":true,\"tags_all\":[\"b\",{\"Z\":1.0,\"A\":null}],"
	 "\"Old\":null}",
	 {NULL},
	 "created 7@77 old=null openAir=true seats=100 tagsAll=[\"b\",{\"A\":null,\"Z\":1.0}]"},
	{CREATED, "7", "{\"x_y\":1,\"xY\":2,\"XY\":3}", {NULL}, "created 7@77 xY=2 xy=3"},
	{CREATED, "7", "{\"a b\\n\":1,\"\\u00e4\":2}", {NULL}, "created 7@77 a b\n=1 \xC3\xA4=2"},
	{CREATED, "7", "{\"\":1}", {NULL}, "!a field's name is empty"},
	{CREATED, "7", "{\"__\":1}", {NULL}, "!a field's name is empty"},
	{CREATED,
	 "7",
	 "{\"a123456789b123456789c123456789d123456789e123456789f123456789_123\":1}",
	 {NULL},
	 "created 7@77 a123456789b123456789c123456789d123456789e123456789f123456789123=1"},
	{CREATED,
	 "7",
	 "{\"a123456789b123456789c123456789d123456789e123456789f123456789_1234\":1}",
	 {NULL},
	 "!a field's name is empty or longer than 63 bytes: a123456789"},
};

START_TEST(fields_of_a_body)
{
	expect(&fields[_i]);
}
END_TEST

static void expect_body(const char *body, const char *wanted)
{
	struct message_case one = {CREATED, "7", body, {NULL}, wanted};
	expect(&one);
}

START_TEST(a_thousand_members_and_no_more)
{
	WEIR_CLEANUP(buffer_finish) struct buffer body = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer wanted = BUFFER_INIT;
	buffer_append_text(&body, "{\"f0000\":0");
	buffer_append_text(&wanted, "created 7@77 f0000=0");
	for (int i = 1; i < EVENT_MEMBER_LIMIT; i++) {
		/* in an order of their own */
		buffer_printf(&body, ",\"f%04d\":%d", i * 7 % 1000, i * 7 % 1000);
		buffer_printf(&wanted, " f%04d=%d", i, i);
	}
	buffer_append_text(&body, "}");
	expect_body(body.data, wanted.data);
	body.data[body.length - 1] = '\0';
	body.length--;
	buffer_append_text(&body, ",\"f1000\":0}");
	expect_body(body.data, "!the value has more than 1000 members");
}
END_TEST

START_TEST(unnamed_fields_have_a_limit)
{
	WEIR_CLEANUP(buffer_finish) struct buffer body = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer wanted = BUFFER_INIT;
	WEIR_FREE char *text = calloc(1, schema->unknown_limit + 1);
	ck_assert_ptr_nonnull(text);
	/* name and canonical JSON: one for the name, two quotes, and the description is not of it
	 */
	memset(text, 'x', schema->unknown_limit - 3);
	buffer_printf(&body, "{\"a\": \"%s\", \"description\": \"%s\"}", text, text);
	buffer_printf(&wanted, "created 7@77 a=\"%s\" description=\"%s\"", text, text);
	expect_body(body.data, wanted.data);
	buffer_clear(&body);
	buffer_printf(&body, "{\"a\": \"%sx\"}", text);
	expect_body(body.data, "!fields that the schema does not name have more than 65536 bytes");
	buffer_clear(&body);
	buffer_printf(&body, "{\"a\": \"%s\", \"b\": null}", text);
	expect_body(body.data, "!fields that the schema does not name have more than 65536 bytes");
}
END_TEST

START_TEST(without_any_time_there_is_no_version)
{
	struct event_message message = {.topic = CREATED,
					.timestamp = INT64_MIN,
					.key = "7",
					.key_length = 1,
					.value = "{}",
					.value_length = 2};
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	decode(&message, &out);
	ck_assert_str_eq(out.data, "!no version: no Version, no time of its own, no timestamp");
	message.value = NULL;
	decode(&message, &out);
	ck_assert_str_eq(out.data, "!no version: no Version, no time of its own, no timestamp");
}
END_TEST

START_TEST(null_in_an_update_may_mean_unchanged)
{
	schema->messages[1].null_in_update_ignored = true;
	struct message_case update = {UPDATED,
				      "7",
				      "{\"Title\":null,\"City\":\"x\",\"New\":null}",
				      {NULL},
				      "updated 7@77 city=\"x\""};
	struct message_case create = {
		CREATED, "7", "{\"Title\":null}", {NULL}, "created 7@77 title=null"};
	expect(&update);
	expect(&create);
}
END_TEST

START_TEST(booleans_are_true_or_false)
{
	static const char text[] =
		"{\"name\": \"notes\", \"id\": \"noteId\", \"messages\": [{\"type\": \"Noted\", "
		"\"topic\": \"notes\", \"operation\": \"created\"}], "
		"\"fields\": [{\"name\": \"open\", \"type\": \"boolean\"}]}";
	static const struct message_case cases[] = {
		{"notes",
		 NULL,
		 "{\"NoteId\":\"7\",\"Open\":true}",
		 {NULL},
		 "created 7@77 open=true"},
		{"notes",
		 "7",
		 "{\"open\":false}",
		 {"EventType", "Noted"},
		 "created 7@77 open=false"},
		{"notes",
		 "7",
		 "{\"open\":\"true\"}",
		 {NULL},
		 "!field open: expected true or false"},
		{"notes", "7", "{\"open\":1}", {NULL}, "!field open: expected true or false"},
	};
	tear_down();
	ck_assert_int_eq(schema_parse(text, strlen(text), "notes", &schema, &error), WEIR_OK);
	decoder = event_decoder_create(schema);
	for (size_t i = 0; i < COUNT(cases); i++)
		expect(&cases[i]);
}
END_TEST

START_TEST(changes_live_until_the_reset)
{
	struct event_change *changes[500];
	static const char value[] = "{\"EventId\":\"7\",\"Title\":\"a title of some length\"}";
	struct event_header version = {"Version", NULL, 0};
	struct event_message message = {.topic = CREATED,
					.value = value,
					.value_length = strlen(value),
					.headers = &version,
					.header_count = 1};
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT(changes); i++) {
			char digits[24];
			enum event_outcome outcome;
			const char *type;
			snprintf(digits, sizeof(digits), "%zu", i);
			version.value = digits;
			version.length = strlen(digits);
			ck_assert_int_eq(event_decode(decoder, &message, &outcome, &changes[i],
						      &type, &error),
					 WEIR_OK);
			ck_assert_int_eq(outcome, EVENT_CHANGE);
		}
		for (size_t i = 0; i < COUNT(changes); i++) {
			ck_assert_int_eq(changes[i]->version, (int64_t)i);
			ck_assert_str_eq(changes[i]->fields[0].json, "\"a title of some length\"");
		}
		event_decoder_reset(decoder);
	}
}
END_TEST

START_TEST(ids_are_normalized)
{
	char text[EVENT_ID_LIMIT + 4], id[EVENT_ID_LIMIT + 1] = "kept";
	size_t length = 0;
	bool guid = false;
	memset(text, 'x', sizeof(text));
	ck_assert(event_id_normalize(text, EVENT_ID_LIMIT, id, &length, &guid));
	ck_assert_uint_eq(length, EVENT_ID_LIMIT);
	ck_assert_uint_eq(strlen(id), EVENT_ID_LIMIT);
	ck_assert(!guid);
	text[0] = text[EVENT_ID_LIMIT + 1] = '"';
	ck_assert(event_id_normalize(text, EVENT_ID_LIMIT + 2, id, &length, NULL));
	text[0] = 'x';
	length = 7;
	strcpy(id, "kept");
	ck_assert(!event_id_normalize(text, EVENT_ID_LIMIT + 1, id, &length, &guid));
	ck_assert(!event_id_normalize("", 0, id, &length, &guid));
	ck_assert(!event_id_normalize("a\0b", 3, id, &length, &guid));
	ck_assert(!event_id_normalize("a\xC2\x85", 3, id, &length, &guid));
	ck_assert_str_eq(id, "kept");
	ck_assert_uint_eq(length, 7);
	ck_assert(event_id_normalize("{" GUID_CAPITALS "}", 38, id, &length, &guid));
	ck_assert_str_eq(id, GUID);
	ck_assert(guid);
	ck_assert(event_id_normalize("{ab}", 4, id, &length, &guid));
	ck_assert_str_eq(id, "{ab}");
	ck_assert(!guid);
	ck_assert(
		event_id_normalize("3F2504E0-4F89-11D3-9A0C-0305E82C330G", 36, id, &length, &guid));
	ck_assert_str_eq(id, "3F2504E0-4F89-11D3-9A0C-0305E82C330G");
	ck_assert(!guid);
}
END_TEST

#define FIELD(field_name, text)                                                                    \
	{                                                                                          \
		.name = field_name, .name_length = sizeof(field_name) - 1, .number = -1,           \
		.clears = sizeof(text) == 1, .json = text, .json_length = sizeof(text) - 1         \
	}

/* What `JsonSerializer.Serialize` writes for these values. */
START_TEST(messages_are_written_as_dotnet_does)
{
	static const struct event_field all[] = {
		FIELD("category", "\"Arts & Crafts\""),
		FIELD("createdBy", "\"not this one\""),
		FIELD("endDate", ""),
		FIELD("price", "12.50"),
		FIELD("startDate", "\"2026-01-01T10:00:00.12Z\""),
		FIELD("title", "\"Caf\xC3\xA9 \\\"A\\\" \xF0\x9F\x98\x80 </b>\\n1+1 \\\\\""),
		FIELD("unnamed", "[1]"),
	};
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	event_encode(schema, SCHEMA_CREATED, GUID, 36, all, COUNT(all), 1767225600123000, "o'hara",
		     6, &out);
	ck_assert_str_eq(out.data,
			 "{\"EventId\":\"" GUID "\",\"Title\":\"Caf\\u00E9 \\u0022A\\u0022 "
			 "\\uD83D\\uDE00 \\u003C/b\\u003E\\n1\\u002B1 \\\\\",\"Description\":null,"
			 "\"Category\":\"Arts \\u0026 Crafts\",\"Location\":null,\"City\":null,"
			 "\"Country\":null,\"Price\":12.50,"
			 "\"StartDate\":\"2026-01-01T10:00:00.12Z\",\"EndDate\":null,"
			 "\"CreatedAt\":\"2026-01-01T00:00:00.123Z\","
			 "\"CreatedBy\":\"o\\u0027hara\"}");
	buffer_clear(&out);
	event_encode(schema, SCHEMA_UPDATED, GUID, 36, all, COUNT(all), 1767225600000000, NULL, 0,
		     &out);
	ck_assert_str_eq(out.data,
			 "{\"EventId\":\"" GUID "\",\"Title\":\"Caf\\u00E9 \\u0022A\\u0022 "
			 "\\uD83D\\uDE00 \\u003C/b\\u003E\\n1\\u002B1 \\\\\","
			 "\"Category\":\"Arts \\u0026 Crafts\",\"Price\":12.50,"
			 "\"StartDate\":\"2026-01-01T10:00:00.12Z\",\"EndDate\":null,"
			 "\"UpdatedAt\":\"2026-01-01T00:00:00Z\",\"UpdatedBy\":null}");
	buffer_clear(&out);
	event_encode(schema, SCHEMA_DELETED, GUID, 36, all, COUNT(all), 1767225600000001, "x", 1,
		     &out);
	ck_assert_str_eq(out.data, "{\"EventId\":\"" GUID "\","
				   "\"DeletedAt\":\"2026-01-01T00:00:00.000001Z\","
				   "\"DeletedBy\":\"x\"}");
}
END_TEST

static uint64_t random_state;

static unsigned random_below(unsigned limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(random_state >> 33) % limit;
}

/* Canonical JSON of a random value of the field's type; now and then null. */
static void write_random(uint32_t type, struct buffer *out)
{
	static const char *const pieces[] = {"a",
					     "\"",
					     "\\",
					     "/",
					     "\n",
					     "\x01",
					     "\x7F",
					     "<&>'+`",
					     " ",
					     "\xC3\xA9",
					     "\xE2\x82\xAC",
					     "",
					     "\xF0\x9F\x98\x80"};
	if (random_below(8) == 0)
		return;
	if (type == WEIR_TYPE_NUMBER) {
		buffer_printf(out, "%s%u%u.%02u", random_below(2) ? "-" : "",
			      1 + random_below(1000), random_below(2000000000), random_below(100));
	} else if (type == WEIR_TYPE_DATE) {
		/* the last digit is not zero, so that none is cut */
		buffer_printf(out, "\"%04u-%02u-%02uT%02u:%02u:%02u.%05u7Z\"",
			      1 + random_below(9999), 1 + random_below(12), 1 + random_below(28),
			      random_below(24), random_below(60), random_below(60),
			      random_below(100000));
	} else {
		WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
		struct jsonout json = JSONOUT_INIT(out);
		for (unsigned i = random_below(12); i > 0; i--)
			buffer_append_text(&text, pieces[random_below(COUNT(pieces))]);
		jsonout_string(&json, text.data != NULL ? text.data : "", text.length);
	}
}

START_TEST(what_is_written_is_read_back)
{
	WEIR_CLEANUP(buffer_finish) struct buffer wanted = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer body = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer got = BUFFER_INIT;
	/* in order of name, as a change has them; the stamps come of their own */
	static const char *const names[] = {"category",	   "city",	"country",
					    "description", "endDate",	"location",
					    "price",	   "startDate", "title"};
	for (uint64_t seed = 1; seed <= 500; seed++) {
		struct buffer values[COUNT(names)] = {0};
		struct event_field given[COUNT(names)];
		random_state = seed;
		buffer_clear(&wanted);
		buffer_clear(&body);
		buffer_append_text(&wanted, "updated 7@77");
		size_t count = 0;
		for (size_t i = 0; i < COUNT(names); i++) {
			int32_t number = schema_find_exact(schema, names[i], strlen(names[i]));
			if (random_below(3) == 0)
				continue;
			write_random(schema->abi->fields[number]->type, &values[i]);
			given[count++] = (struct event_field){names[i],	      strlen(names[i]),
							      number,	      values[i].length == 0,
							      values[i].data, values[i].length};
			buffer_printf(&wanted, " %s=%s", names[i],
				      values[i].length == 0 ? "null" : values[i].data);
		}
		buffer_append_text(&wanted,
				   " updatedAt=\"2026-01-01T00:00:00Z\" updatedBy=\"\xC3\xA4\"");
		event_encode(schema, SCHEMA_UPDATED, "7", 1, given, count, 1767225600000000,
			     "\xC3\xA4", 2, &body);
		struct event_header version = {"Version", "77", 2};
		struct event_message message = {.topic = UPDATED,
						.value = body.data,
						.value_length = body.length,
						.headers = &version,
						.header_count = 1};
		decode(&message, &got);
		ck_assert_str_eq(got.data, wanted.data);
		event_decoder_reset(decoder);
		for (size_t i = 0; i < COUNT(names); i++)
			buffer_finish(&values[i]);
	}
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("event");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_loop_test(cases, types_topics_and_tombstones, 0, (int)COUNT(types));
	tcase_add_loop_test(cases, ids_of_key_and_body, 0, (int)COUNT(ids));
	tcase_add_loop_test(cases, versions_in_their_order, 0, (int)COUNT(versions));
	tcase_add_loop_test(cases, fields_of_a_body, 0, (int)COUNT(fields));
	tcase_add_test(cases, a_thousand_members_and_no_more);
	tcase_add_test(cases, unnamed_fields_have_a_limit);
	tcase_add_test(cases, without_any_time_there_is_no_version);
	tcase_add_test(cases, null_in_an_update_may_mean_unchanged);
	tcase_add_test(cases, booleans_are_true_or_false);
	tcase_add_test(cases, changes_live_until_the_reset);
	tcase_add_test(cases, ids_are_normalized);
	tcase_add_test(cases, messages_are_written_as_dotnet_does);
	tcase_add_test(cases, what_is_written_is_read_back);
	return suite_run(cases, "event");
}
