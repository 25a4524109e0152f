/* SPDX-License-Identifier: MIT
 * fuzz_event.c - messages of any bytes. What decodes is a change that keeps its promises; merged in
 * two orders, with the state written and read between, it gives the same bytes; and those, damaged,
 * are refused or read but never crash.
 *
 * The input: a character that chooses topic, headers and which parts are there, and lines: key,
 * type, version, and values, as in seeds/event. */
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "json.h"
#include "state.h"

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGE_LIMIT = 4 };

static const char schema_text[] =
	"{\"name\": \"events\", \"id\": \"eventId\", \"unknownFieldsLimit\": 300, \"messages\": ["
	"{\"type\": \"Created\", \"topic\": \"events.created\", \"operation\": \"created\"},"
	"{\"type\": \"Updated\", \"topic\": \"events.updated\", \"operation\": \"updated\"},"
	"{\"type\": \"Deleted\", \"topic\": \"events.deleted\", \"operation\": \"deleted\"}],"
	"\"fields\": ["
	"{\"name\": \"title\", \"type\": \"text\", \"required\": true},"
	"{\"name\": \"city\", \"type\": \"keyword\"},"
	"{\"name\": \"price\", \"type\": \"number\"},"
	"{\"name\": \"startDate\", \"type\": \"date\"},"
	"{\"name\": \"createdAt\", \"type\": \"date\"},"
	"{\"name\": \"free\", \"type\": \"boolean\"}]}";

static struct schema *schema;
static struct event_decoder *decoder;

static void set_up(void)
{
	struct weir_error error;
	if (schema != NULL)
		return;
	EXPECT(schema_parse(schema_text, sizeof(schema_text) - 1, "fuzz", &schema, &error) ==
	       WEIR_OK);
	decoder = event_decoder_create(schema);
	EXPECT(decoder != NULL);
}

/* The next part, copied to memory that ends where it ends; NULL: there is none. */
static char *take_part(const uint8_t **data, size_t *size, size_t *length)
{
	if (*size == 0)
		return NULL;
	const uint8_t *end = memchr(*data, '\n', *size);
	*length = end != NULL ? (size_t)(end - *data) : *size;
	char *part = malloc(*length + (*length == 0));
	EXPECT(part != NULL);
	memcpy(part, *data, *length);
	size_t taken = *length + (end != NULL);
	*data += taken;
	*size -= taken;
	return part;
}

static void check_field(const struct event_field *field)
{
	WEIR_CLEANUP(buffer_finish) struct buffer canonical = BUFFER_INIT;
	struct weir_error error;
	EXPECT(field->name_length > 0 && strlen(field->name) == field->name_length);
	EXPECT(field->number == schema_find_exact(schema, field->name, field->name_length));
	if (field->clears)
		return;
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	EXPECT(jsondoc_parse(field->json, field->json_length, &document, &error) == WEIR_OK);
	jsondoc_canonical(document, jsondoc_root(document), &canonical);
	EXPECT(canonical.length == field->json_length);
	EXPECT(memcmp(canonical.data, field->json, canonical.length) == 0);
}

static void check_change(const struct event_change *change)
{
	char id[EVENT_ID_LIMIT + 1];
	size_t length = 0;
	EXPECT(change->id_length > 0 && strlen(change->id) == change->id_length);
	/* quotes within quotes may come off once more, but it stays an id or becomes none */
	if (change->id[0] != '"' && change->id[0] != '\'') {
		EXPECT(event_id_normalize(change->id, change->id_length, id, &length, NULL));
		EXPECT(strcmp(id, change->id) == 0);
	}
	EXPECT(change->field_count == 0 || change->operation != SCHEMA_DELETED);
	for (size_t i = 0; i < change->field_count; i++) {
		check_field(&change->fields[i]);
		EXPECT(i == 0 || strcmp(change->fields[i - 1].name, change->fields[i].name) < 0);
	}
}

/* NULL: it is no change. */
static struct event_change *decode(const struct event_message *message)
{
	enum event_outcome outcome = EVENT_CHANGE;
	struct event_change *change = NULL;
	const char *type = NULL;
	struct weir_error error = {""};
	EXPECT(event_decode(decoder, message, &outcome, &change, &type, &error) == WEIR_OK);
	if (outcome == EVENT_PASSED_OVER)
		EXPECT(type != NULL);
	if (outcome == EVENT_DEAD_LETTER)
		EXPECT(error.message[0] != '\0' && strpbrk(error.message, "\r\n") == NULL);
	if (outcome != EVENT_CHANGE)
		return NULL;
	check_change(change);
	return change;
}

/* Merges in this order, or backwards through a written state each time. */
static void merge(struct event_change *const *changes, size_t count, bool backwards,
		  struct buffer *blob)
{
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	struct buffer stored[2] = {BUFFER_INIT, BUFFER_INIT};
	struct weir_error error;
	bool changed = false;
	for (size_t i = 0; i < count; i++) {
		if (backwards) {
			struct buffer *one = &stored[i % 2];
			buffer_clear(one);
			state_write(&state, one);
			EXPECT(state_read(&state, one->data, one->length, &error) == WEIR_OK);
		}
		const struct event_change *change = changes[backwards ? count - 1 - i : i];
		EXPECT(state_merge(&state, change, &changed, &error) == WEIR_OK);
		EXPECT(state_merge(&state, change, &changed, &error) == WEIR_OK && !changed);
	}
	state_write(&state, blob);
	EXPECT(!buffer_failed(blob));
	buffer_finish(&stored[0]);
	buffer_finish(&stored[1]);
}

/* Of a blob that nobody damaged, everything has to work. */
static void use_state(const char *bytes, size_t length, bool damaged)
{
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	WEIR_CLEANUP(state_values_finish) struct state_values values = STATE_VALUES_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	struct weir_error error;
	weir_status status = state_read(&state, bytes, length, &error);
	EXPECT(status == WEIR_OK || (damaged && status == WEIR_FATAL));
	if (status != WEIR_OK)
		return;
	(void)state_visible(&state, schema);
	(void)state_version(&state);
	status = state_values_make(&state, schema, &values, &error);
	EXPECT(status == WEIR_OK || (damaged && status == WEIR_FATAL));
	state_write_event(&state, schema, "7", 1, NULL, 0, &out);
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	status = jsondoc_parse(out.data, out.length, &document, &error);
	EXPECT(status == WEIR_OK || damaged);
}

static void use_blob(struct buffer *blob, const uint8_t *data, size_t size)
{
	use_state(blob->data, blob->length, false);
	WEIR_FREE char *copy = malloc(blob->length + 1);
	EXPECT(copy != NULL);
	memcpy(copy, blob->data, blob->length);
	for (size_t i = 0; i + 1 < size && i < 8; i += 2)
		copy[data[i] % blob->length] ^= (char)data[i + 1];
	use_state(copy, blob->length, true);
	WEIR_FREE char *part = malloc(blob->length + 1);
	EXPECT(part != NULL);
	size_t length = size > 0 ? data[0] % blob->length : 0;
	memcpy(part, blob->data, length);
	use_state(part, length, true);
}

/* What the first character chooses. */
struct choice {
	unsigned topic, has_timestamp, has_key, has_tombstone, headers;
};

static unsigned take_choice(unsigned *number, unsigned count)
{
	unsigned chosen = *number % count;
	*number /= count;
	return chosen;
}

/* Decodes every value as a message; answers how many are changes. */
static size_t decode_values(const struct choice *choice, const struct event_message *common,
			    char *const *parts, const size_t *lengths, size_t values,
			    struct event_change **changes)
{
	static const char *const topics[] = {"events.created", "events.updated", "events.deleted"};
	size_t count = 0;
	for (size_t i = 0; i < values; i++) {
		struct event_message message = *common;
		message.topic = topics[choice->topic];
		message.timestamp = choice->has_timestamp ? (int64_t)i : INT64_MIN;
		message.value = choice->has_tombstone && i == 1 ? NULL : parts[i];
		message.value_length = lengths[i];
		changes[count] = decode(&message);
		count += changes[count] != NULL;
	}
	return count;
}

static void merge_both_ways(struct event_change *const *changes, size_t count, const uint8_t *data,
			    size_t size)
{
	WEIR_CLEANUP(buffer_finish) struct buffer forwards = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer backwards = BUFFER_INIT;
	merge(changes, count, false, &forwards);
	merge(changes, count, true, &backwards);
	EXPECT(forwards.length == backwards.length);
	EXPECT(memcmp(forwards.data, backwards.data, forwards.length) == 0);
	use_blob(&forwards, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *begin = data;
	size_t whole = size, values = 0, key_length = 0, lengths[CHANGE_LIMIT];
	char *parts[CHANGE_LIMIT];
	struct event_change *changes[CHANGE_LIMIT];
	set_up();
	use_state((const char *)begin, whole, true);
	if (size == 0)
		return 0;
	unsigned number = (unsigned)*data++ - ' ';
	size--;
	struct choice choice = {take_choice(&number, 3), take_choice(&number, 2),
				take_choice(&number, 2), take_choice(&number, 2),
				take_choice(&number, 3)};
	struct event_header headers[2] = {{.name = "EventType"}, {.name = "VERSION"}};
	WEIR_FREE char *key = take_part(&data, &size, &key_length);
	WEIR_FREE char *type = take_part(&data, &size, &headers[0].length);
	WEIR_FREE char *version = take_part(&data, &size, &headers[1].length);
	headers[0].value = type;
	headers[1].value = version;
	while (values < CHANGE_LIMIT &&
	       (parts[values] = take_part(&data, &size, &lengths[values])) != NULL)
		values++;
	/* No headers, both, or the version alone. */
	struct event_message common = {.key = choice.has_key ? key : NULL,
				       .key_length = key_length,
				       .headers = choice.headers == 2 ? headers + 1 : headers,
				       .header_count = (3 - choice.headers) % 3};
	size_t count = decode_values(&choice, &common, parts, lengths, values, changes);
	merge_both_ways(changes, count, begin, whole);
	event_decoder_reset(decoder);
	for (size_t i = 0; i < values; i++)
		free(parts[i]);
	return 0;
}
