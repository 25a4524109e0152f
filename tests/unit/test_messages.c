/* SPDX-License-Identifier: MIT
 * Walks the tables of tests/messages: what each message becomes; and what of it is borrowed. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "place.h"
#include "suite.h"

enum { HEADER_LIMIT = 8, FILE_LIMIT = 1 << 18, CASE_MINIMUM = 100 };

/* One case; texts are of the file, which was cut up. */
struct message_case {
	const char *name, *topic, *gives;
	struct buffer key, value;
	bool has_key, has_value;
	struct event_header headers[HEADER_LIMIT];
	size_t header_count;
	int64_t time;
};

static struct weir_error error;
static size_t cases_seen, cases_wrong;

static void load(const char *folder, const char *name, struct schema **schema,
		 struct event_decoder **decoder)
{
	WEIR_FREE char *path = NULL;
	event_decoder_destroy(*decoder);
	schema_destroy(*schema);
	*schema = NULL;
	if (name != NULL)
		ck_assert_int_gt(asprintf(&path, "%s/%s", folder, name), 0);
	else
		path = place_schema();
	ck_assert_ptr_nonnull(path);
	weir_status status = schema_load(path, schema, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	*decoder = event_decoder_create(*schema);
	ck_assert_ptr_nonnull(*decoder);
}

static void append_hex(struct buffer *out, const char *text)
{
	unsigned byte;
	for (; sscanf(text, "%2x", &byte) == 1; text += 2)
		buffer_append_char(out, (char)byte);
}

static void append_frame(struct buffer *out, const char *text)
{
	unsigned long schema_id = strtoul(text, NULL, 10);
	buffer_append_char(out, '\0');
	for (int shift = 24; shift >= 0; shift -= 8)
		buffer_append_char(out, (char)(schema_id >> shift & 0xFF));
}

/* "key", "key-frame", "key-hex"; the same for a value. False: the line is something else. */
static bool take_bytes(const char *name, const char *what, const char *text, struct buffer *out,
		       bool *has)
{
	size_t length = strlen(what);
	if (strncmp(name, what, length) != 0)
		return false;
	*has = true;
	if (name[length] == '\0')
		buffer_append_text(out, text);
	else if (strcmp(name + length, "-frame") == 0)
		append_frame(out, text);
	else if (strcmp(name + length, "-hex") == 0)
		append_hex(out, text);
	else
		return false;
	return true;
}

static void take_header(struct message_case *one, char *text, bool null)
{
	ck_assert_uint_lt(one->header_count, HEADER_LIMIT);
	struct event_header *header = &one->headers[one->header_count++];
	char *colon = null ? NULL : strchr(text, ':');
	header->name = text;
	header->value = NULL;
	header->length = 0;
	if (colon == NULL)
		return;
	*colon = '\0';
	header->value = colon[1] == ' ' ? colon + 2 : colon + 1;
	header->length = strlen(header->value);
}

/* The outcome as a line of "gives". */
static void print(const struct schema *schema, enum event_outcome outcome,
		  const struct event_change *change, const char *type, struct buffer *out)
{
	buffer_clear(out);
	if (outcome == EVENT_DEAD_LETTER)
		buffer_printf(out, "!%s", error.message);
	if (outcome == EVENT_PASSED_OVER)
		buffer_printf(out, "?%s", type);
	if (outcome != EVENT_CHANGE)
		return;
	buffer_printf(out, "%s %s@%" PRId64,
		      change->operation == SCHEMA_CREATED   ? "created"
		      : change->operation == SCHEMA_UPDATED ? "updated"
							    : "deleted",
		      change->id, change->version);
	for (size_t i = 0; i < change->field_count; i++) {
		const struct event_field *field = &change->fields[i];
		ck_assert_int_eq(field->number,
				 schema_find_exact(schema, field->name, field->name_length));
		buffer_printf(out, " %s=", field->name);
		if (field->clears)
			buffer_append_text(out, "null");
		else
			buffer_append(out, field->json, field->json_length);
	}
}

/* Memory that ends where the bytes end, so that reading on is seen. */
static void *exact(const struct buffer *bytes)
{
	char *copy = malloc(bytes->length + (bytes->length == 0));
	ck_assert_ptr_nonnull(copy);
	if (bytes->length > 0)
		memcpy(copy, bytes->data, bytes->length);
	return copy;
}

static void check(const char *file, const struct message_case *one, const struct schema *schema,
		  struct event_decoder *decoder)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	WEIR_FREE void *key = exact(&one->key);
	WEIR_FREE void *value = exact(&one->value);
	const struct event_message message = {.topic = one->topic,
					      .timestamp = one->time * 1000,
					      .key = one->has_key ? key : NULL,
					      .key_length = one->key.length,
					      .value = one->has_value ? value : NULL,
					      .value_length = one->value.length,
					      .headers = one->headers,
					      .header_count = one->header_count};
	enum event_outcome outcome = EVENT_CHANGE;
	struct event_change *change = NULL;
	const char *type = NULL;
	error.message[0] = '\0';
	ck_assert_int_eq(event_decode(decoder, &message, &outcome, &change, &type, &error),
			 WEIR_OK);
	print(schema, outcome, change, type, &out);
	ck_assert(!buffer_failed(&out));
	cases_seen++;
	if (strcmp(out.data, one->gives) != 0) {
		cases_wrong++;
		fprintf(stderr, "%s: %s\n  gives  %s\n  wanted %s\n", file, one->name, out.data,
			one->gives);
	}
	event_decoder_reset(decoder);
}

static void begin(struct message_case *one, const char *name)
{
	buffer_finish(&one->key);
	buffer_finish(&one->value);
	*one = (struct message_case){
		.name = name, .topic = "events.created", .time = 1700000000000};
}

static void take_line(struct message_case *one, const char *name, char *text)
{
	if (strcmp(name, "topic") == 0)
		one->topic = text;
	else if (strcmp(name, "time") == 0)
		one->time = strtoll(text, NULL, 10);
	else if (strcmp(name, "header") == 0 || strcmp(name, "null-header") == 0)
		take_header(one, text, *name == 'n');
	else if (!take_bytes(name, "key", text, &one->key, &one->has_key) &&
		 !take_bytes(name, "value", text, &one->value, &one->has_value))
		ck_abort_msg("%s: a line \"%s\"", one->name, name);
}

static void walk(const char *folder, const char *file, char *text)
{
	struct message_case one = {0};
	struct schema *schema = NULL;
	struct event_decoder *decoder = NULL;
	char *rest = NULL;
	load(folder, NULL, &schema, &decoder);
	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *colon = strchr(line, ':');
		if (*line == '#')
			continue;
		ck_assert_msg(colon != NULL, "%s: %s", file, line);
		*colon = '\0';
		char *value = colon[1] == ' ' ? colon + 2 : colon + 1;
		if (strcmp(line, "schema") == 0) {
			load(folder, value, &schema, &decoder);
		} else if (strcmp(line, "case") == 0) {
			begin(&one, value);
		} else if (strcmp(line, "gives") == 0) {
			one.gives = value;
			check(file, &one, schema, decoder);
		} else {
			take_line(&one, line, value);
		}
	}
	begin(&one, NULL);
	event_decoder_destroy(decoder);
	schema_destroy(schema);
}

START_TEST(every_message_of_the_tables)
{
	const char *folder = getenv("WEIR_MESSAGES");
	ck_assert_msg(folder != NULL, "WEIR_MESSAGES names the folder of the tables");
	DIR *entries = opendir(folder);
	ck_assert_ptr_nonnull(entries);
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
		const char *end = strrchr(entry->d_name, '.');
		WEIR_FREE char *path = NULL;
		WEIR_FREE char *text = calloc(1, FILE_LIMIT);
		if (end == NULL || strcmp(end, ".txt") != 0)
			continue;
		ck_assert_int_gt(asprintf(&path, "%s/%s", folder, entry->d_name), 0);
		FILE *file = fopen(path, "re");
		ck_assert(file != NULL && text != NULL);
		ck_assert_uint_lt(fread(text, 1, FILE_LIMIT - 1, file), FILE_LIMIT - 1);
		fclose(file);
		walk(folder, entry->d_name, text);
	}
	closedir(entries);
	ck_assert_uint_ge(cases_seen, CASE_MINIMUM);
	ck_assert_msg(cases_wrong == 0, "%zu of %zu messages are read in another way", cases_wrong,
		      cases_seen);
}
END_TEST

/* Only what stands there as the change has it. */
START_TEST(texts_are_borrowed)
{
	struct schema *schema = NULL;
	struct event_decoder *decoder = NULL;
	static const char value[] =
		"{\"EventId\":\"3f2504e0-4f89-11d3-9a0c-0305e82c3301\",\"Title\":\"Night\","
		"\"City\":\"Bra\\u0073ov\","
		"\"StartDate\":\"2026-01-02T03:04:05+01:00\",\"Mood\":\"blue\",\"Price\":\"1.50\"}";
	static const char *const borrowed[] = {"mood", "title"};
	const struct event_header headers[] = {{"EventType", "EventCreatedEvent", 17},
					       {"Version", "7", 1}};
	const struct event_message message = {.topic = "events.created",
					      .value = value,
					      .value_length = strlen(value),
					      .headers = headers,
					      .header_count = 2};
	struct event_change *changes[2] = {NULL, NULL};
	enum event_outcome outcome = EVENT_DEAD_LETTER;
	const char *type = NULL;
	size_t found = 0;
	load(NULL, NULL, &schema, &decoder);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(
			event_decode(decoder, &message, &outcome, &changes[i], &type, &error),
			WEIR_OK);
		ck_assert_int_eq(outcome, EVENT_CHANGE);
		event_decoder_borrow(decoder);
	}
	ck_assert_uint_eq(changes[0]->field_count, changes[1]->field_count);
	for (size_t i = 0; i < changes[0]->field_count; i++) {
		const struct event_field *copied = &changes[0]->fields[i],
					 *other = &changes[1]->fields[i];
		bool is_within = other->json > value && other->json < value + sizeof(value);
		ck_assert_uint_eq(copied->json_length, other->json_length);
		ck_assert_mem_eq(copied->json, other->json, copied->json_length);
		ck_assert(copied->json < value || copied->json >= value + sizeof(value));
		if (is_within)
			ck_assert_str_eq(other->name, borrowed[found++]);
	}
	ck_assert_uint_eq(found, 2);
	event_decoder_destroy(decoder);
	schema_destroy(schema);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("messages");
	tcase_add_test(cases, every_message_of_the_tables);
	tcase_add_test(cases, texts_are_borrowed);
	return suite_run(cases, "messages");
}
