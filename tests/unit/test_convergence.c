/* SPDX-License-Identifier: MIT
 * Order, duplication and replay make no difference: shown for every history of up to six messages
 * of an alphabet of 28, against a model that knows nothing of merging one by one.
 *
 * A history is a set of messages; how often each comes does not matter, so that is all there is to
 * it. The model works a set's state out at once, from the words of docs/contract.md, and writes the
 * blob by itself. Two walks:
 *
 * 1. From the state of every set, read from its blob, every message is merged in, one of the set's
 * own (a duplicate) or a new one. Each result has to be the model's state of the set with it. So,
 * by induction, every sequence of messages with at most six different ones ends in the model's
 * state: every permutation, every duplication, every interleaving, whatever was committed in
 * between.
 * 2. Literally: of smaller histories every sequence in which each message comes once or twice, in
 *    memory, without a blob in between. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "place.h"
#include "state.h"
#include "suite.h"

/* check notes every assertion in a file, which would be most of the time here. */
#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg("not so: %s", #condition);                                    \
	} while (0)

enum { ALPHABET = 28, HISTORY = 6, FIELDS = 2 };

/* A message: what it is and what it says of the two fields; NULL: nothing, "": null. */
struct letter {
	enum schema_operation operation;
	int64_t version;
	const char *values[FIELDS];
};

#define C SCHEMA_CREATED
#define U SCHEMA_UPDATED
#define D SCHEMA_DELETED

static const char *const field_names[FIELDS] = {"city", "title"};

/* Versions below zero, zero, above; equal ones between all kinds, and between values of one kind.
 */
static const struct letter alphabet[ALPHABET] = {
	{C, -7, {"\"x\"", "\"a\""}}, {C, 0, {"\"x\"", "\"a\""}}, {C, 4, {"\"x\"", "\"a\""}},
	{C, -7, {NULL, "\"b\""}},    {C, 0, {NULL, "\"b\""}},	 {C, 4, {NULL, "\"b\""}},
	{C, 0, {"", "\"\""}},	     {C, 4, {"\"y\"", ""}},	 {U, -7, {"\"y\"", NULL}},
	{U, 0, {"\"y\"", NULL}},     {U, 4, {"\"y\"", NULL}},	 {U, -7, {"", NULL}},
	{U, 0, {"", NULL}},	     {U, 4, {"", NULL}},	 {U, -7, {NULL, "\"c\""}},
	{U, 0, {NULL, "\"c\""}},     {U, 4, {NULL, "\"c\""}},	 {U, 0, {"\"x\"", "\"ca\""}},
	{U, 4, {"\"z\"", "\"b\""}},  {U, -7, {NULL, ""}},	 {U, 0, {NULL, ""}},
	{U, 4, {NULL, ""}},	     {U, 4, {"7", "\"c\""}},	 {U, 0, {NULL, NULL}},
	{D, -7, {NULL, NULL}},	     {D, 0, {NULL, NULL}},	 {D, 3, {NULL, NULL}},
	{D, 4, {NULL, NULL}},
};

static struct schema *schema;
static struct weir_error error;
static struct event_change changes[ALPHABET];
static struct event_field change_fields[ALPHABET][FIELDS];

static void set_up(void)
{
	WEIR_FREE char *path = place_schema();
	ck_assert_int_eq(schema_load(path, &schema, &error), WEIR_OK);
	for (size_t i = 0; i < ALPHABET; i++) {
		changes[i] = (struct event_change){.operation = alphabet[i].operation,
						   .version = alphabet[i].version,
						   .fields = change_fields[i]};
		for (size_t field = 0; field < FIELDS; field++) {
			const char *value = alphabet[i].values[field];
			if (value == NULL)
				continue;
			change_fields[i][changes[i].field_count++] =
				(struct event_field){.name = field_names[field],
						     .name_length = strlen(field_names[field]),
						     .clears = *value == '\0',
						     .json = value,
						     .json_length = strlen(value)};
		}
	}
}

static void tear_down(void)
{
	schema_destroy(schema);
}

/* What the model says of a set. */
struct model {
	unsigned char blob[64];
	size_t length;
	bool visible;
	int64_t version;
};

static void put_number(struct model *model, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		model->blob[model->length++] = (unsigned char)(value | 0x80);
	model->blob[model->length++] = (unsigned char)value;
}

static void put_signed(struct model *model, int64_t value)
{
	put_number(model, value < 0 ? (uint64_t) - (value + 1) * 2 + 1 : (uint64_t)value * 2);
}

static void put_text(struct model *model, const char *text)
{
	put_number(model, strlen(text));
	memcpy(model->blob + model->length, text, strlen(text));
	model->length += strlen(text);
}

/* Of two that write one field: the newer; an update over a create; the greater value. */
static bool better(const struct letter *left, const struct letter *right, size_t field)
{
	if (left->version != right->version)
		return left->version > right->version;
	if (left->operation != right->operation)
		return left->operation == U;
	const char *one = left->values[field], *other = right->values[field];
	return strcmp(*one == '\0' ? "null" : one, *other == '\0' ? "null" : other) > 0;
}

/* Who wrote the field: the best of those that are newer than every delete. NULL: nobody. */
static const struct letter *writer(uint32_t set, size_t field, bool deleted, int64_t delete_version)
{
	const struct letter *best = NULL;
	for (size_t i = 0; i < ALPHABET; i++) {
		const struct letter *letter = &alphabet[i];
		if ((set >> i & 1) == 0 || letter->values[field] == NULL ||
		    (deleted && letter->version <= delete_version))
			continue;
		if (best == NULL || better(letter, best, field))
			best = letter;
	}
	return best;
}

static void make_model(uint32_t set, struct model *model)
{
	const struct letter *writers[FIELDS];
	bool deleted = false;
	int64_t delete_version = INT64_MIN;
	size_t count = 0;
	for (size_t i = 0; i < ALPHABET; i++) {
		if ((set >> i & 1) == 0 || alphabet[i].operation != D)
			continue;
		deleted = true;
		if (alphabet[i].version > delete_version)
			delete_version = alphabet[i].version;
	}
	*model = (struct model){.version = delete_version};
	for (size_t field = 0; field < FIELDS; field++) {
		writers[field] = writer(set, field, deleted, delete_version);
		count += writers[field] != NULL;
		if (writers[field] != NULL && writers[field]->version > model->version)
			model->version = writers[field]->version;
	}
	model->visible = writers[1] != NULL && *writers[1]->values[1] != '\0';
	put_number(model, 1);
	put_number(model, deleted);
	if (deleted)
		put_signed(model, delete_version);
	put_number(model, count);
	for (size_t field = 0; field < FIELDS; field++) {
		if (writers[field] == NULL)
			continue;
		bool cleared = *writers[field]->values[field] == '\0';
		put_text(model, field_names[field]);
		put_signed(model, writers[field]->version);
		model->blob[model->length++] =
			(unsigned char)((writers[field]->operation == C ? 10 : 20) |
					(cleared ? 0x80 : 0));
		if (!cleared)
			put_text(model, writers[field]->values[field]);
	}
}

static void name_set(uint32_t set, char *text)
{
	for (size_t i = 0; i < ALPHABET; i++)
		if ((set >> i & 1) != 0)
			text += sprintf(text, " %zu", i);
}

/* The state is the model's of that set, byte for byte. */
static void check(const struct state *state, uint32_t set, size_t last, struct buffer *out)
{
	struct model model;
	char text[4 * ALPHABET] = "";
	make_model(set, &model);
	buffer_clear(out);
	state_write(state, out);
	bool same = out->length == model.length &&
		    memcmp(out->data, model.blob, model.length) == 0 &&
		    state_visible(state, schema) == model.visible &&
		    state_version(state) == model.version;
	if (same)
		return;
	name_set(set, text);
	ck_abort_msg("message %zu comes last of the set%s: the state is another", last, text);
}

/* --- 1: every message merged into the state of every set --- */

static uint64_t sets, merges;

static void merge_into_blob(const struct model *from, uint32_t set, size_t letter,
			    struct state *state, struct buffer *out)
{
	bool changed = false;
	uint32_t wanted = set | UINT32_C(1) << letter;
	EXPECT(state_read(state, from->blob, from->length, &error) == WEIR_OK);
	EXPECT(state_merge(state, &changes[letter], &changed, &error) == WEIR_OK);
	check(state, wanted, letter, out);
	bool differs =
		out->length != from->length || memcmp(out->data, from->blob, from->length) != 0;
	EXPECT(changed == differs); /* or the indexer would leave it out */
	merges++;
}

static void walk_sets(uint32_t set, size_t first, size_t size, struct state *state,
		      struct buffer *out)
{
	struct model model;
	make_model(set, &model);
	sets++;
	for (size_t i = 0; i < ALPHABET; i++)
		if (size < HISTORY || (set >> i & 1) != 0)
			merge_into_blob(&model, set, i, state, out);
	for (size_t i = first; i < ALPHABET && size < HISTORY; i++)
		walk_sets(set | UINT32_C(1) << i, i + 1, size + 1, state, out);
}

START_TEST(every_history_of_six_ends_in_the_models_state)
{
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	walk_sets(0, 0, 0, &state, &out);
	printf("%" PRIu64 " sets of up to %d messages of %d, %" PRIu64 " merges\n", sets, HISTORY,
	       ALPHABET, merges);
	ck_assert_uint_eq(sets, 499178); /* 28 over 0 to 6 */
}
END_TEST

/* --- 2: every sequence, in memory --- */

static uint64_t sequences, steps;

struct walk {
	size_t letters[HISTORY], count;
	unsigned used[HISTORY];
	struct buffer out;
};

static void copy_state(const struct state *from, struct state *to, struct state_field *fields)
{
	*to = *from;
	to->fields = fields;
	to->field_capacity = FIELDS;
	memcpy(fields, from->fields, from->field_count * sizeof(*fields));
}

/* Goes on with every message that came less than twice; a state is checked wherever it is. */
static void walk_sequences(struct walk *walk, const struct state *state, uint32_t set)
{
	struct state_field fields[FIELDS];
	struct state next;
	bool changed;
	for (size_t i = 0; i < walk->count; i++) {
		size_t letter = walk->letters[i];
		if (walk->used[i] == 2)
			continue;
		copy_state(state, &next, fields);
		EXPECT(state_merge(&next, &changes[letter], &changed, &error) == WEIR_OK);
		uint32_t wanted = set | UINT32_C(1) << letter;
		check(&next, wanted, letter, &walk->out);
		steps++;
		walk->used[i]++;
		sequences += (size_t)__builtin_popcount(wanted) == walk->count;
		walk_sequences(walk, &next, wanted);
		walk->used[i]--;
	}
}

static uint64_t walk_history(const size_t *letters, size_t count)
{
	struct state_field none[FIELDS];
	const struct state empty = {.fields = none};
	struct walk walk = {.count = count};
	memcpy(walk.letters, letters, count * sizeof(*letters));
	uint64_t before = sequences;
	walk_sequences(&walk, &empty, 0);
	buffer_finish(&walk.out);
	return sequences - before;
}

START_TEST(every_sequence_of_three_with_each_once_or_twice)
{
	for (size_t i = 0; i < ALPHABET; i++)
		for (size_t j = i + 1; j < ALPHABET; j++)
			for (size_t k = j + 1; k < ALPHABET; k++) {
				const size_t letters[] = {i, j, k};
				/* 3! + 3 * 4!/2 + 3 * 5!/4 + 6!/8 */
				EXPECT(walk_history(letters, 3) == 222);
			}
	printf("%" PRIu64 " sequences of 3 messages of %d, %" PRIu64 " merges\n", sequences,
	       ALPHABET, steps);
}
END_TEST

/* A create, an update, a clear and a delete with equal versions and others, by turns. */
START_TEST(every_sequence_of_five_with_each_once_or_twice)
{
	static const size_t histories[][5] = {
		{1, 4, 9, 12, 25}, {0, 10, 13, 24, 26}, {2, 5, 16, 18, 27}, {6, 15, 17, 20, 8}};
	for (size_t i = 0; i < COUNT(histories); i++)
		ck_assert_uint_eq(walk_history(histories[i], 5), 291720);
	printf("%" PRIu64 " sequences of 5 messages, %" PRIu64 " merges\n", sequences, steps);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("convergence");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, every_history_of_six_ends_in_the_models_state);
	tcase_add_test(cases, every_sequence_of_three_with_each_once_or_twice);
	tcase_add_test(cases, every_sequence_of_five_with_each_once_or_twice);
	return suite_run(cases, "convergence");
}
