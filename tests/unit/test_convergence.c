/* SPDX-License-Identifier: MIT
 * Order, duplication and replay make no difference: shown for every history of up to six messages
 * of an alphabet of 28, against a model that knows nothing of merging one by one.
 *
 * A history is a set of messages; how often each comes does not matter, so that is all there is to
 * it. Three walks:
 *
 * 1. From the state of every set, read from its blob, every message is merged in, one of the set's
 * own (a duplicate) or a new one. Each result has to be the model's state of the set with it. So,
 * by induction, every sequence of messages with at most six different ones ends in the model's
 * state: every permutation, every duplication, every interleaving, whatever was committed in
 * between.
 * 2. Literally: of smaller histories every sequence in which each message comes once or twice, in
 *    memory, without a blob in between.
 * 3. The states of any two sets of up to two messages, joined, are the state of both sets. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "convergence.h"
#include "place.h"
#include "suite.h"

/* check notes every assertion in a file, which would be most of the time here. */
#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg("not so: %s", #condition);                                    \
	} while (0)

enum { HISTORY = 6 };

static struct schema *schema;
static struct weir_error error;

static void set_up(void)
{
	WEIR_FREE char *path = place_schema();
	ck_assert_int_eq(schema_load(path, &schema, &error), WEIR_OK);
	make_changes();
}

static void tear_down(void)
{
	schema_destroy(schema);
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

/* --- 3: joins --- */

static uint64_t joins;

static void join(uint32_t left, uint32_t right, struct state *into, struct state *other,
		 struct buffer *out)
{
	struct model one, two;
	make_model(left, &one);
	make_model(right, &two);
	EXPECT(state_read(into, one.blob, one.length, &error) == WEIR_OK);
	EXPECT(state_read(other, two.blob, two.length, &error) == WEIR_OK);
	EXPECT(state_join(into, other, &error) == WEIR_OK);
	check(into, left | right, ALPHABET, out);
	joins++;
}

START_TEST(joined_states_are_the_state_of_both_sets)
{
	WEIR_CLEANUP(state_finish) struct state into = STATE_INIT;
	WEIR_CLEANUP(state_finish) struct state other = STATE_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	uint32_t pairs[ALPHABET * (ALPHABET + 1) / 2];
	size_t count = 0;
	for (size_t i = 0; i < ALPHABET; i++)
		for (size_t j = i; j < ALPHABET; j++)
			pairs[count++] = UINT32_C(1) << i | UINT32_C(1) << j;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			join(pairs[i], pairs[j], &into, &other, &out);
	printf("%" PRIu64 " joins\n", joins);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("convergence");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, every_history_of_six_ends_in_the_models_state);
	tcase_add_test(cases, every_sequence_of_three_with_each_once_or_twice);
	tcase_add_test(cases, every_sequence_of_five_with_each_once_or_twice);
	tcase_add_test(cases, joined_states_are_the_state_of_both_sets);
	return suite_run(cases, "convergence");
}
