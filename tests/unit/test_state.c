/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "place.h"
#include "state.h"
#include "suite.h"

enum { CHANGE_LIMIT = 6, FIELD_LIMIT = 4 };

static struct schema *schema;
static struct weir_error error;

static void set_up(void)
{
	WEIR_FREE char *path = place_schema();
	ck_assert_ptr_nonnull(path);
	weir_status status = schema_load(path, &schema, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
}

static void tear_down(void)
{
	schema_destroy(schema);
}

/* A change with its fields in itself. */
struct made_change {
	struct event_change change;
	struct event_field fields[FIELD_LIMIT];
	char text[200];
};

/* "c5 title=\"a\" city=" is a create with version 5 that sets the title and clears the city; u is
 * an update, d a delete. Fields are in byte order of name. */
static void make(struct made_change *made, const char *text)
{
	memset(made, 0, sizeof(*made));
	snprintf(made->text, sizeof(made->text), "%s", text);
	char *rest = NULL, *word = strtok_r(made->text, " ", &rest);
	made->change.operation = *word == 'c'	? SCHEMA_CREATED
				 : *word == 'u' ? SCHEMA_UPDATED
						: SCHEMA_DELETED;
	made->change.version = strtoll(word + 1, NULL, 10);
	made->change.fields = made->fields;
	while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
		struct event_field *field = &made->fields[made->change.field_count++];
		char *equals = strchr(word, '=');
		ck_assert_ptr_nonnull(equals);
		*equals = '\0';
		*field = (struct event_field){.name = word,
					      .name_length = strlen(word),
					      .number = -1,
					      .clears = equals[1] == '\0',
					      .json = equals + 1,
					      .json_length = strlen(equals + 1)};
	}
}

static bool merge(struct state *state, const struct made_change *made)
{
	bool changed = false;
	weir_status status = state_merge(state, &made->change, &changed, &error);
	ck_assert_int_eq(status, WEIR_OK);
	return changed;
}

/* "d6 visible city=\"b\"@7u title=@5c": deleted at 6; the city is of an update with version 7, the
 * title was cleared by a create with version 5. */
static void print(const struct state *state, struct buffer *out)
{
	buffer_clear(out);
	if (state->deleted)
		buffer_printf(out, "d%" PRId64 " ", state->delete_version);
	buffer_append_text(out, state_visible(state, schema) ? "visible" : "hidden");
	for (size_t i = 0; i < state->field_count; i++) {
		const struct state_field *field = &state->fields[i];
		buffer_printf(out, " %.*s=%.*s@%" PRId64 "%c", (int)field->name_length, field->name,
			      field->cleared ? 0 : (int)field->json_length, field->json,
			      field->version, field->written_by == SCHEMA_CREATED ? 'c' : 'u');
	}
	ck_assert(!buffer_failed(out));
}

static const struct {
	const char *changes[5]; /* in any order */
	const char *wanted;
	int64_t version;
} rules[] = {
	/* a create, an update, fields that are absent, null */
	{{"c5 title=\"a\""}, "visible title=\"a\"@5c", 5},
	{{"c5 city=\"x\" title=\"a\"", "u7 city=\"y\""}, "visible city=\"y\"@7u title=\"a\"@5c", 7},
	{{"c5 city=\"x\" title=\"a\"", "u7 city="}, "visible city=@7u title=\"a\"@5c", 7},
	{{"c5 title=\"a\"", "u7 city=\"y\"", "u6 city=\"z\""},
	 "visible city=\"y\"@7u title=\"a\"@5c",
	 7},
	{{"c5 title=\"a\"", "u7 title="}, "hidden title=@7u", 7},
	{{"c5 title=\"a\"", "u7 title=", "u8 title=\"b\""}, "visible title=\"b\"@8u", 8},
	{{"c5 title=\"a\"", "u7"}, "visible title=\"a\"@5c", 5},
	/* an update that overtook its create, and one that brings what is required */
	{{"u7 city=\"y\""}, "hidden city=\"y\"@7u", 7},
	{{"u7 title=\"a\""}, "visible title=\"a\"@7u", 7},
	{{"c5 city=\"x\""}, "hidden city=\"x\"@5c", 5},
	/* created twice */
	{{"c5 city=\"x\" title=\"a\"", "c8 title=\"b\""},
	 "visible city=\"x\"@5c title=\"b\"@8c",
	 8},
	/* deletes */
	{{"d5"}, "d5 hidden", 5},
	{{"c5 title=\"a\"", "d6"}, "d6 hidden", 6},
	{{"c5 title=\"a\"", "d4"}, "d4 visible title=\"a\"@5c", 5},
	{{"c5 title=\"a\"", "d6", "d3"}, "d6 hidden", 6},
	{{"c5 title=\"a\"", "u7 city=\"y\"", "d6"}, "d6 hidden city=\"y\"@7u", 7},
	{{"c5 title=\"a\"", "u7 title=\"b\"", "d6"}, "d6 visible title=\"b\"@7u", 7},
	{{"c5 title=\"a\"", "d6", "c7 title=\"b\""}, "d6 visible title=\"b\"@7c", 7},
	{{"c5 city=\"x\" title=\"a\"", "d6", "c7 title=\"b\""}, "d6 visible title=\"b\"@7c", 7},
	/* equal versions: delete over update over create, then the greater value */
	{{"c5 title=\"a\"", "d5"}, "d5 hidden", 5},
	{{"u5 title=\"a\"", "d5"}, "d5 hidden", 5},
	{{"c5 title=\"z\"", "u5 title=\"a\""}, "visible title=\"a\"@5u", 5},
	{{"c5 title=\"z\"", "u5 title="}, "hidden title=@5u", 5},
	{{"c5 title=\"a\"", "c5 title=\"b\""}, "visible title=\"b\"@5c", 5},
	{{"u5 title=\"a\"", "u5 title=\"ab\""}, "visible title=\"ab\"@5u", 5},
	{{"u5 price=9", "u5 price=10"}, "hidden price=9@5u", 5},
	{{"u5 title=\"a\"", "u5 title=\"\xC3\xA4\""}, "visible title=\"\xC3\xA4\"@5u", 5},
	/* null is the text null: after a quote and digits, before t of true */
	{{"u5 title=\"a\"", "u5 title="}, "hidden title=@5u", 5},
	{{"u5 free=true", "u5 free="}, "hidden free=true@5u", 5},
	{{"c5 city=\"x\" title=\"a\"", "u5 city=\"y\"", "d4"},
	 "d4 visible city=\"y\"@5u title=\"a\"@5c",
	 5},
	/* negative versions, the least and the greatest */
	{{"c-62135596800000000 title=\"a\""},
	 "visible title=\"a\"@-62135596800000000c",
	 -62135596800000000},
	{{"c-5 title=\"a\"", "d-7"}, "d-7 visible title=\"a\"@-5c", -5},
	{{"c-5 title=\"a\"", "d-3"}, "d-3 hidden", -3},
	{{"c-5 title=\"a\"", "u0 title=\"b\""}, "visible title=\"b\"@0u", 0},
	{{"c-9223372036854775808 title=\"a\""},
	 "visible title=\"a\"@-9223372036854775808c",
	 INT64_MIN},
	{{"c-9223372036854775808 title=\"a\"", "d-9223372036854775808"},
	 "d-9223372036854775808 hidden",
	 INT64_MIN},
	{{"c5 title=\"a\"", "u9223372036854775807 title=\"b\"", "d9223372036854775806"},
	 "d9223372036854775806 visible title=\"b\"@9223372036854775807u",
	 INT64_MAX},
	/* four of them, and names that begin alike */
	{{"c5 title=\"a\"", "d6", "u7 city=\"y\"", "u8 title=\"b\""},
	 "d6 visible city=\"y\"@7u title=\"b\"@8u",
	 8},
	{{"c5 a=1 ab=2 b=3 title=\"a\"", "u6 aa=4 ab="},
	 "visible a=1@5c aa=4@6u ab=@6u b=3@5c title=\"a\"@5c",
	 6},
};

/* The next order of count numbers; false: that was the last. */
static bool next_order(size_t *order, size_t count)
{
	size_t at = count - 1;
	while (at > 0 && order[at - 1] >= order[at])
		at--;
	if (at == 0)
		return false;
	size_t other = count - 1;
	while (order[other] <= order[at - 1])
		other--;
	size_t kept = order[at - 1];
	order[at - 1] = order[other];
	order[other] = kept;
	for (size_t left = at, right = count - 1; left < right; left++, right--) {
		kept = order[left];
		order[left] = order[right];
		order[right] = kept;
	}
	return true;
}

START_TEST(every_rule_in_every_order)
{
	struct made_change changes[5];
	size_t count = 0, order[5];
	for (; count < 5 && rules[_i].changes[count] != NULL; count++) {
		make(&changes[count], rules[_i].changes[count]);
		order[count] = count;
	}
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	do {
		WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
		for (size_t i = 0; i < count; i++)
			merge(&state, &changes[order[i]]);
		print(&state, &text);
		ck_assert_str_eq(text.data, rules[_i].wanted);
		ck_assert_int_eq(state_version(&state), rules[_i].version);
		for (size_t i = 0; i < count; i++)
			ck_assert_msg(!merge(&state, &changes[i]), "%s again changes %s",
				      rules[_i].changes[i], text.data);
	} while (next_order(order, count));
}
END_TEST

/* xorshift64* (S. Vigna, 2016), so that a failure can be had again. */
static uint64_t random_state;

static unsigned random_below(unsigned limit)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (unsigned)((random_state * UINT64_C(2685821657736338717)) >> 33) % limit;
}

/* Few versions, names and values, so that they are often equal. */
static void make_random(struct made_change *made)
{
	static const char *const names[] = {"a", "ab", "city", "title"};
	static const char *const values[] = {"", "\"x\"", "\"xy\"", "1", "10", "true"};
	static const int64_t versions[] = {INT64_MIN, -2, -1, 0, 1, 2, 3, INT64_MAX};
	char text[200];
	int length = snprintf(text, sizeof(text), "%c%" PRId64, "cud"[random_below(3)],
			      versions[random_below(8)]);
	for (size_t i = 0; i < COUNT(names) && text[0] != 'd'; i++)
		if (random_below(2) == 0)
			length += snprintf(text + length, sizeof(text) - (size_t)length, " %s=%s",
					   names[i], values[random_below(COUNT(values))]);
	make(made, text);
}

/* One order of merges; through: the state is written and read again before every merge. */
static void apply(const struct made_change *changes, const size_t *order, size_t count,
		  bool through, struct buffer *blob)
{
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	struct buffer blobs[2] = {BUFFER_INIT, BUFFER_INIT};
	for (size_t i = 0; i < count; i++) {
		if (through) {
			struct buffer *stored = &blobs[i % 2];
			buffer_clear(stored);
			state_write(&state, stored);
			weir_status status =
				state_read(&state, stored->data, stored->length, &error);
			ck_assert_msg(status == WEIR_OK, "%s", error.message);
		}
		merge(&state, &changes[order[i]]);
	}
	buffer_clear(blob);
	state_write(&state, blob);
	ck_assert(!buffer_failed(blob));
	buffer_finish(&blobs[0]);
	buffer_finish(&blobs[1]);
}

static void expect_same(const struct buffer *wanted, const struct buffer *blob, uint64_t seed)
{
	ck_assert_msg(wanted->length == blob->length &&
			      memcmp(wanted->data, blob->data, blob->length) == 0,
		      "the order counts with seed %" PRIu64, seed);
}

START_TEST(no_order_duplicate_or_replay_makes_a_difference)
{
	WEIR_CLEANUP(buffer_finish) struct buffer wanted = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer blob = BUFFER_INIT;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		struct made_change changes[CHANGE_LIMIT];
		random_state = seed * UINT64_C(0x9E3779B97F4A7C15);
		size_t count = 1 + random_below(seed % 20 == 0 ? CHANGE_LIMIT : 4);
		size_t order[CHANGE_LIMIT], longer[4 * CHANGE_LIMIT];
		for (size_t i = 0; i < count; i++) {
			make_random(&changes[i]);
			order[i] = i;
		}
		apply(changes, order, count, false, &wanted);
		do {
			bool through = random_below(2) == 0;
			apply(changes, order, count, through, &blob);
			expect_same(&wanted, &blob, seed);
			/* Each at least once, some again, then all of them from anywhere. */
			size_t length = 0;
			for (size_t i = 0; i < count; i++) {
				longer[length++] = order[i];
				if (random_below(2) == 0)
					longer[length++] = order[random_below((unsigned)i + 1)];
			}
			for (size_t i = 0; i < count; i++)
				longer[length++] = order[random_below((unsigned)count)];
			apply(changes, longer, length, !through, &blob);
			expect_same(&wanted, &blob, seed);
		} while (next_order(order, count));
	}
}
END_TEST

/* Parts merged apart, as by a rebuild beside the live index, are what merging all gives. */
START_TEST(a_replay_that_begins_anywhere_ends_the_same)
{
	WEIR_CLEANUP(buffer_finish) struct buffer wanted = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer blob = BUFFER_INIT;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct made_change changes[CHANGE_LIMIT];
		size_t order[2 * CHANGE_LIMIT];
		random_state = seed * UINT64_C(0xD1B54A32D192ED03);
		for (size_t i = 0; i < CHANGE_LIMIT; i++) {
			make_random(&changes[i]);
			order[i] = i;
		}
		apply(changes, order, CHANGE_LIMIT, false, &wanted);
		for (size_t begin = 0; begin < CHANGE_LIMIT; begin++) {
			for (size_t i = begin; i < CHANGE_LIMIT; i++)
				order[CHANGE_LIMIT + i - begin] = i;
			for (size_t i = 0; i < begin; i++)
				order[2 * CHANGE_LIMIT - begin + i] = i;
			apply(changes, order, 2 * CHANGE_LIMIT, true, &blob);
			expect_same(&wanted, &blob, seed);
		}
	}
}
END_TEST

static void merge_some(struct state *state, const struct made_change *changes, unsigned which)
{
	for (size_t i = 0; i < CHANGE_LIMIT; i++)
		if ((which >> i & 1) != 0)
			merge(state, &changes[i]);
}

static void expect_join(const struct state *left, const struct state *right,
			const struct buffer *wanted, uint64_t seed)
{
	WEIR_CLEANUP(buffer_finish) struct buffer blob = BUFFER_INIT;
	WEIR_CLEANUP(state_finish) struct state joined = STATE_INIT;
	ck_assert_int_eq(state_join(&joined, left, &error), WEIR_OK);
	ck_assert_int_eq(state_join(&joined, right, &error), WEIR_OK);
	state_write(&joined, &blob);
	expect_same(wanted, &blob, seed);
}

/* So joining what has more changes nothing: the order by which copies are compared. */
START_TEST(a_join_is_what_the_changes_of_both_make)
{
	for (uint64_t seed = 1; seed <= 400; seed++) {
		struct made_change changes[CHANGE_LIMIT];
		WEIR_CLEANUP(state_finish) struct state left = STATE_INIT;
		WEIR_CLEANUP(state_finish) struct state right = STATE_INIT;
		WEIR_CLEANUP(state_finish) struct state both = STATE_INIT;
		WEIR_CLEANUP(buffer_finish) struct buffer wanted = BUFFER_INIT;
		random_state = seed * UINT64_C(0x9E3779B97F4A7C15);
		for (size_t i = 0; i < CHANGE_LIMIT; i++)
			make_random(&changes[i]);
		unsigned some = random_below(1 << CHANGE_LIMIT);
		unsigned others = random_below(1 << CHANGE_LIMIT);
		merge_some(&left, changes, some);
		merge_some(&right, changes, others);
		merge_some(&both, changes, some | others);
		state_write(&both, &wanted);
		expect_join(&left, &right, &wanted, seed);
		expect_join(&right, &left, &wanted, seed);
		expect_join(&both, &left, &wanted, seed);
	}
}
END_TEST

static void write_example(struct buffer *blob)
{
	struct made_change changes[3];
	make(&changes[0], "c-5 city=\"old\"");
	make(&changes[1], "d70000");
	make(&changes[2], "u1767225600000000 city= price=12.50 startDate=\"2026-01-01T10:00:00Z\" "
			  "title=\"a\\u0001\"");
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	for (size_t i = 0; i < COUNT(changes); i++)
		merge(&state, &changes[i]);
	state_write(&state, blob);
	ck_assert(!buffer_failed(blob));
}

/* The bytes as state.h tells them: an index outlives the program that wrote it. */
START_TEST(the_blob_is_what_it_was)
{
	static const char wanted[] = "\x01\x01\xE0\xC5\x08\x04"
				     "\x04"
				     "city\x80\x80\x82\xE2\x88\xD2\xA3\x06\x94"
				     "\x05price\x80\x80\x82\xE2\x88\xD2\xA3\x06\x14\x05"
				     "12.50"
				     "\x09startDate\x80\x80\x82\xE2\x88\xD2\xA3\x06\x14\x16"
				     "\"2026-01-01T10:00:00Z\""
				     "\x05title\x80\x80\x82\xE2\x88\xD2\xA3\x06\x14\x09"
				     "\"a\\u0001\"";
	WEIR_CLEANUP(buffer_finish) struct buffer blob = BUFFER_INIT;
	write_example(&blob);
	ck_assert_uint_eq(blob.length, sizeof(wanted) - 1);
	ck_assert_mem_eq(blob.data, wanted, blob.length);
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	ck_assert_int_eq(state_read(&state, wanted, sizeof(wanted) - 1, &error), WEIR_OK);
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	print(&state, &text);
	ck_assert_str_eq(text.data, "d70000 visible city=@1767225600000000u "
				    "price=12.50@1767225600000000u "
				    "startDate=\"2026-01-01T10:00:00Z\"@1767225600000000u "
				    "title=\"a\\u0001\"@1767225600000000u");
}
END_TEST

/* Reads bytes that nobody wrote, out of memory that ends where they end. */
static void read_damaged(const char *bytes, size_t length)
{
	WEIR_FREE char *copy = malloc(length + (length == 0));
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, length);
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	WEIR_CLEANUP(state_values_finish) struct state_values values = STATE_VALUES_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	weir_status status = state_read(&state, copy, length, &error);
	if (status != WEIR_OK) {
		ck_assert_int_eq(status, WEIR_FATAL);
		ck_assert_ptr_nonnull(strstr(error.message, "rebuild the index"));
		ck_assert_uint_eq(state.field_count, 0);
		ck_assert(!state.deleted);
		return;
	}
	state_write(&state, &out);
	print(&state, &out);
	state_write_event(&state, schema, "id", 2, NULL, 0, &out);
	status = state_values_make(&state, schema, &values, &error);
	ck_assert(status == WEIR_OK || status == WEIR_FATAL);
	struct made_change change;
	make(&change, "u7 city=\"x\" title=\"b\"");
	merge(&state, &change);
}

START_TEST(damaged_blobs_are_refused_or_read_but_never_crash)
{
	WEIR_CLEANUP(buffer_finish) struct buffer blob = BUFFER_INIT;
	write_example(&blob);
	for (size_t length = 1; length < blob.length; length++) {
		WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
		ck_assert_int_eq(state_read(&state, blob.data, length, &error), WEIR_FATAL);
		read_damaged(blob.data, length);
	}
	for (size_t at = 0; at < blob.length; at++) {
		for (int flip = 1; flip < 256; flip++) {
			blob.data[at] ^= (char)flip;
			read_damaged(blob.data, blob.length);
			blob.data[at] ^= (char)flip;
		}
	}
	buffer_append_char(&blob, 'x');
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	ck_assert_int_eq(state_read(&state, blob.data, blob.length, &error), WEIR_FATAL);
}
END_TEST

START_TEST(blobs_that_lie_are_refused)
{
	static const struct {
		const char *bytes;
		size_t length;
	} blobs[] = {
#define BYTES(literal) {literal, sizeof(literal) - 1}
		BYTES("\x02\x00\x00"),
		BYTES("\x00\x00\x00"),
		BYTES("\x01\x02\x00"),				       /* a flag nobody knows */
		BYTES("\x01\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), /* fields without end */
		BYTES("\x01\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
		BYTES("\x01\x00\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7Fname"), /* a name */
		BYTES("\x01\x00\x01\x01\x61\x00\x0A\xFF\xFF\xFF\x0F"),	       /* a value */
		BYTES("\x01\x00\x01\x01\x61\x00\x0A\x00"),		       /* an empty one */
		BYTES("\x01\x00\x01\x00\x00\x0A\x01\x31"),		       /* no name */
		BYTES("\x01\x00\x01\x01\x61\x00\x1E\x01\x31"),	       /* written by a delete */
		BYTES("\x01\x00\x02\x01\x61\x00\x8A\x01\x61\x00\x8A"), /* a twice */
		BYTES("\x01\x00\x02\x01\x62\x00\x8A\x01\x61\x00\x8A"), /* b before a */
	};
	for (size_t i = 0; i < COUNT(blobs); i++) {
		WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
		weir_status status = state_read(&state, blobs[i].bytes, blobs[i].length, &error);
		ck_assert_msg(status == WEIR_FATAL, "blob %zu is read", i);
		read_damaged(blobs[i].bytes, blobs[i].length);
	}
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	ck_assert_int_eq(state_read(&state, "\x01\x00\x00", 3, &error), WEIR_OK);
	ck_assert_int_eq(state_read(&state, "", 0, &error), WEIR_OK);
	ck_assert_int_eq(state_read(&state, NULL, 0, &error), WEIR_OK);
	ck_assert_int_eq(state_version(&state), INT64_MIN);
	ck_assert(!state_visible(&state, schema));
	ck_assert_int_eq(state_read(&state, "\x09", 1, &error), WEIR_FATAL);
	ck_assert_ptr_nonnull(strstr(error.message, "format 9, this Weir reads format 1"));
}
END_TEST

START_TEST(fields_are_found_by_their_whole_name)
{
	struct made_change change;
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	make(&change, "c5 city= title=\"a\"");
	merge(&state, &change);
	ck_assert_ptr_eq(state_find(&state, "title"), &state.fields[1]);
	ck_assert(state_find(&state, "city")->cleared);
	ck_assert_ptr_null(state_find(&state, "titl"));
	ck_assert_ptr_null(state_find(&state, "titles"));
	ck_assert_ptr_null(state_find(&state, ""));
}
END_TEST

/* A schema that requires nothing shows whatever is newer than its delete. */
START_TEST(visible_is_what_has_the_required_fields)
{
	static const char text[] =
		"{\"name\": \"notes\", \"id\": \"noteId\", \"messages\": [{\"type\": \"Noted\", "
		"\"topic\": \"notes\", \"operation\": \"created\"}], "
		"\"fields\": [{\"name\": \"text\", \"type\": \"text\"}]}";
	struct schema *loose = NULL;
	struct made_change change, gone;
	ck_assert_int_eq(schema_parse(text, strlen(text), "notes", &loose, &error), WEIR_OK);
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	ck_assert(!state_visible(&state, loose));
	make(&change, "c5 text=");
	merge(&state, &change);
	ck_assert(state_visible(&state, loose));
	make(&gone, "d6");
	merge(&state, &gone);
	ck_assert(!state_visible(&state, loose));
	schema_destroy(loose);
}
END_TEST

START_TEST(values_are_typed)
{
	struct made_change create, update;
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	WEIR_CLEANUP(state_values_finish) struct state_values values = STATE_VALUES_INIT;
	/* twice: the memory is used again */
	for (int round = 0; round < 2; round++) {
		state_clear(&state);
		make(&create, "c5 price=79228162514264337593543950335 "
			      "startDate=\"1969-12-31T23:59:59.999999Z\" "
			      "title=\"\xC3\xA4\\n\\u0000\\\"\" unnamed=[1]");
		merge(&state, &create);
		make(&update, "u6 category=");
		merge(&state, &update);
		weir_status status = state_values_make(&state, schema, &values, &error);
		ck_assert_msg(status == WEIR_OK, "%s", error.message);
		ck_assert_uint_eq(values.count, 3);
		const struct weir_value *title = values.pointers[0], *price = values.pointers[1],
					*start = values.pointers[2];
		ck_assert_int_eq(title->field, schema_find_exact(schema, "title", 5));
		ck_assert_uint_eq(title->type, WEIR_TYPE_TEXT);
		ck_assert_uint_eq(title->text_length, 5);
		ck_assert_mem_eq(title->text, "\xC3\xA4\n\0\"\0", 6);
		ck_assert_int_eq(price->field, schema_find_exact(schema, "price", 5));
		ck_assert_str_eq(price->text, "79228162514264337593543950335");
		ck_assert(price->number == 79228162514264337593543950335.0);
		ck_assert_int_eq(start->field, schema_find_exact(schema, "startDate", 9));
		ck_assert_int_eq(start->integer, -1);
	}
}
END_TEST

START_TEST(a_value_that_is_not_of_its_type_is_fatal)
{
	static const char *const wrong[] = {
		"c5 price=\"12\\u0000\"", "c5 price=[1]", "c5 startDate=\"soon\"",
		"c5 startDate=5",	  "c5 title=5",	  "c5 title=\"a\\x\""};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct made_change change;
		WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
		WEIR_CLEANUP(state_values_finish) struct state_values values = STATE_VALUES_INIT;
		make(&change, wrong[i]);
		merge(&state, &change);
		ck_assert_msg(state_values_make(&state, schema, &values, &error) == WEIR_FATAL,
			      "%s is taken", wrong[i]);
	}
}
END_TEST

static void expect_event(const struct state *state, const char *const *only, size_t count,
			 const char *wanted)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	state_write_event(state, schema, "i\"d", 3, only, count, &out);
	ck_assert_str_eq(out.data, wanted);
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	ck_assert_int_eq(jsondoc_parse(out.data, out.length, &document, &error), WEIR_OK);
}

/* More than are noted while the named ones are written, on both sides of "title". */
START_TEST(an_event_with_many_unnamed_fields_has_each_once)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT, text = BUFFER_INIT;
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	static struct made_change changes[201];
	for (int i = 0; i < 200; i++) {
		buffer_clear(&text);
		buffer_printf(&text, "c5 %c%03d=%d", i < 100 ? 'a' : 'z', i, i);
		make(&changes[i], text.data);
		merge(&state, &changes[i]);
	}
	make(&changes[200], "c5 title=\"t\" zone=\"z\"");
	merge(&state, &changes[200]);
	state_write_event(&state, schema, "id", 2, NULL, 0, &out);
	JSONDOC_SCOPED struct jsondoc *document = NULL; /* refuses a name that is there twice */
	ck_assert_int_eq(jsondoc_parse(out.data, out.length, &document, &error), WEIR_OK);
	ck_assert_uint_eq(json_object_size(jsondoc_root(document)), 204);
}
END_TEST

START_TEST(the_event_is_written_in_order_of_the_schema)
{
	static const char *const some[] = {"price", "zebra", "none"};
	static const char *const version[] = {"version", "city"};
	struct made_change create, update;
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	make(&create, "c-5 price=12.50 title=\"a\" zebra={\"b\":1}");
	merge(&state, &create);
	make(&update, "u7 ape=[1.0] city=");
	merge(&state, &update);
	expect_event(&state, NULL, 0,
		     "{\"id\":\"i\\\"d\",\"title\":\"a\",\"price\":12.50,\"ape\":[1.0],"
		     "\"zebra\":{\"b\":1},\"version\":7}");
	expect_event(&state, some, 3, "{\"id\":\"i\\\"d\",\"price\":12.50,\"zebra\":{\"b\":1}}");
	expect_event(&state, version, 2, "{\"id\":\"i\\\"d\",\"version\":7}");
	expect_event(&state, some, 0, "{\"id\":\"i\\\"d\"}");
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("state");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_loop_test(cases, every_rule_in_every_order, 0, (int)COUNT(rules));
	tcase_add_test(cases, no_order_duplicate_or_replay_makes_a_difference);
	tcase_add_test(cases, a_replay_that_begins_anywhere_ends_the_same);
	tcase_add_test(cases, a_join_is_what_the_changes_of_both_make);
	tcase_add_test(cases, the_blob_is_what_it_was);
	tcase_add_test(cases, damaged_blobs_are_refused_or_read_but_never_crash);
	tcase_add_test(cases, blobs_that_lie_are_refused);
	tcase_add_test(cases, fields_are_found_by_their_whole_name);
	tcase_add_test(cases, visible_is_what_has_the_required_fields);
	tcase_add_test(cases, values_are_typed);
	tcase_add_test(cases, a_value_that_is_not_of_its_type_is_fatal);
	tcase_add_test(cases, an_event_with_many_unnamed_fields_has_each_once);
	tcase_add_test(cases, the_event_is_written_in_order_of_the_schema);
	return suite_run(cases, "state");
}
