/* SPDX-License-Identifier: MIT
 * The comparison over sources in memory, in which something is written and read between any two
 * calls: what was planted is always found, what is on its way never.
 *
 * A log has three partitions. A store holds all of it; an index holds the beginning of each
 * partition, so that its states have changes in any order. */
#include <stdio.h>
#include <string.h>

#include "../unit/suite.h"
#include "compare_internal.h"

enum { IDS = 40, CHANGES = 400, PARTITIONS = 3, NAMES = 3 };
#define STEP                                                                                       \
	(INT64_C(1) << 40) /* between versions: more than the microseconds that a test takes       \
			    */

/* LOST: the copy never gets one change of an event that goes on changing. The others stand still.
 */
enum plant { NOTHING, LOST, REMOVED, CHANGED, SHIFTED, ADDED, STALE, PLANTS };

struct change {
	int id;
	struct event_change change;
	struct event_field field;
};

static struct schema *schema;
static struct weir_error error;
static uint64_t random_state;

/* One world. */
static struct change changes[CHANGES];
static int change_count;
static enum plant plants[IDS];
static int lost[IDS]; /* the number of the change; -1 */
static bool reported[IDS];
static bool goes_on; /* something happens between calls */
static int64_t expired_before;

struct fake {
	struct compare_source source;
	bool is_store, has_drift;
	int positions[PARTITIONS]; /* changes that it holds */
	struct buffer blob;
};

/* xorshift64* (S. Vigna, 2016), so that a failure can be had again. */
static unsigned below(unsigned limit)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (unsigned)((random_state * UINT64_C(2685821657736338717)) >> 33) % limit;
}

static void set_up(void)
{
	weir_status status = schema_load(getenv("WEIR_SCHEMA"), &schema, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
}

static void tear_down(void)
{
	schema_destroy(schema);
}

static void write_id(int id, char text[8])
{
	snprintf(text, 8, "id%02d", id);
}

/* Of which partition the changes come is a matter of their kind, as with topics. */
static int partition_of(const struct change *change)
{
	return change->change.operation == SCHEMA_CREATED   ? 0
	       : change->change.operation == SCHEMA_UPDATED ? 1
							    : 2;
}

static bool was_created(int id)
{
	for (int i = 0; i < change_count; i++)
		if (changes[i].id == id)
			return true;
	return false;
}

/* Events are created with a title, changed, and deleted for good or, rarely, made again. */
static void add_change(int id)
{
	static const char *const names[NAMES] = {"category", "city", "title"};
	static const char *const values[] = {"\"a\"", "\"b\"", "\"c\""};
	if (change_count == CHANGES)
		return;
	struct change *made = &changes[change_count];
	bool first = !was_created(id);
	enum schema_operation operation = first || below(8) == 0 ? SCHEMA_CREATED
					  : below(5) == 0	 ? SCHEMA_DELETED
								 : SCHEMA_UPDATED;
	const char *name = operation == SCHEMA_CREATED ? "title" : names[below(NAMES)];
	const char *value = values[below(COUNT(values))];
	*made = (struct change){.id = id};
	made->field = (struct event_field){.name = name,
					   .name_length = strlen(name),
					   .json = value,
					   .json_length = strlen(value),
					   .clears = operation == SCHEMA_UPDATED && below(6) == 0};
	made->change = (struct event_change){.operation = operation,
					     .version = (change_count + 1) * STEP,
					     .fields = &made->field,
					     .field_count = operation != SCHEMA_DELETED};
	change_count++;
}

static int end_of(int partition)
{
	int count = 0;
	for (int i = 0; i < change_count; i++)
		count += partition_of(&changes[i]) == partition;
	return count;
}

static struct fake truth_source, copy_source;

static void advance_one(struct fake *fake)
{
	int partition = (int)below(PARTITIONS), end = end_of(partition);
	if (fake->positions[partition] < end)
		fake->positions[partition] +=
			1 + (int)below((unsigned)(end - fake->positions[partition]));
}

/* What happens while the comparison asks. */
static void happen(void)
{
	for (int i = (int)below(3); goes_on && i > 0; i--) {
		int id = (int)below(IDS);
		if (plants[id] == NOTHING || plants[id] == LOST)
			add_change(id);
	}
	if (goes_on && below(2) == 0)
		advance_one(&copy_source);
	if (goes_on && below(2) == 0)
		advance_one(&truth_source);
}

/* What the log alone makes of an id. */
static void make_state(const struct fake *fake, int id, struct state *state, int64_t *sequence)
{
	int seen[PARTITIONS] = {0};
	bool changed;
	state_clear(state);
	*sequence = 0;
	for (int i = 0; i < change_count; i++) {
		int partition = partition_of(&changes[i]);
		bool held = fake->is_store || seen[partition] < fake->positions[partition];
		seen[partition]++;
		if (!held || changes[i].id != id || (fake->has_drift && i == lost[id]))
			continue;
		ck_assert_int_eq(state_merge(state, &changes[i].change, &changed, &error), WEIR_OK);
		*sequence = i + 1;
	}
}

/* The drift that was planted into the copy. */
static void drift(int id, struct state *state)
{
	static struct event_field strange = {
		.name = "title", .name_length = 5, .json = "\"z\"", .json_length = 3};
	struct event_change added = {
		.operation = SCHEMA_CREATED, .version = STEP, .fields = &strange, .field_count = 1};
	bool changed;
	switch (plants[id]) {
	case REMOVED:
		state_clear(state);
		break;
	case CHANGED:
		if (state->field_count > 0)
			state->fields[0] =
				(struct state_field){.name = state->fields[0].name,
						     .name_length = state->fields[0].name_length,
						     .version = state->fields[0].version,
						     .written_by = state->fields[0].written_by,
						     .json = "\"z\"",
						     .json_length = 3};
		else
			state->delete_version--;
		break;
	case SHIFTED:
		for (size_t i = 0; i < state->field_count; i++)
			state->fields[i].version += 1000 * STEP;
		state->delete_version += 1000 * STEP;
		break;
	case STALE: /* the last thing that happened to it is lost */
		state_clear(state);
		for (int i = 0, first = 1; i < change_count && first; i++)
			if (changes[i].id == id) {
				first = 0;
				ck_assert_int_eq(
					state_merge(state, &changes[i].change, &changed, &error),
					WEIR_OK);
			}
		break;
	case ADDED:
		ck_assert_int_eq(state_merge(state, &added, &changed, &error), WEIR_OK);
		break;
	default:
		break;
	}
}

/* False: it is not there. */
static bool make_document(struct fake *fake, const struct compare_scope *scope, int id, bool all,
			  char text[8], struct compare_document *document)
{
	WEIR_CLEANUP(state_finish) struct state state = STATE_INIT;
	int64_t sequence;
	make_state(fake, id, &state, &sequence);
	if (fake->has_drift)
		drift(id, &state);
	if (!state.deleted && state.field_count == 0)
		return false;
	int64_t version = state_version(&state);
	uint32_t kind = state_visible(&state, schema) ? WEIR_KIND_LIVE : WEIR_KIND_HIDDEN;
	if (!fake->is_store && plants[id] == NOTHING && below(2) == 0 &&
	    digest_leaves_out(version, kind, &state, expired_before))
		return false; /* the index has let go of it */
	if (!all && digest_leaves_out(version, kind, &state, scope->tombstones_before))
		return false;
	write_id(id, text);
	buffer_clear(&fake->blob);
	state_write(&state, &fake->blob);
	*document = (struct compare_document){.id = text,
					      .id_length = strlen(text),
					      .version = version,
					      .kind = kind,
					      .digest = digest_document(version, kind, &state),
					      .state = all ? fake->blob.data : NULL,
					      .state_length = all ? fake->blob.length : 0,
					      .changed_at = fake->is_store ? version : INT64_MIN,
					      .sequence = fake->is_store ? sequence : INT64_MAX};
	return true;
}

static weir_status list(struct compare_source *source, const struct compare_scope *scope,
			const char *after, const char *upto, compare_on_document on_document,
			void *context, struct weir_error *reason)
{
	(void)reason;
	happen();
	for (int id = 0; id < IDS; id++) {
		char text[8];
		struct compare_document document;
		write_id(id, text);
		if (strcmp(text, after) <= 0 || (upto != NULL && strcmp(text, upto) > 0) ||
		    !make_document((struct fake *)source, scope, id, false, text, &document))
			continue;
		if (on_document(context, &document) != 0)
			break;
	}
	return WEIR_OK;
}

struct counting {
	struct compare_range *range;
	size_t limit;
};

static int count(void *context, const struct compare_document *document)
{
	struct counting *counting = context;
	struct compare_range *range = counting->range;
	range->more = counting->limit > 0 && range->count == counting->limit;
	if (range->more)
		return 1;
	range->count++;
	memcpy(range->to, document->id, document->id_length + 1);
	digest_add(&range->digest, document->id, document->id_length, document->digest);
	return 0;
}

static weir_status read_range(struct compare_source *source, const struct compare_scope *scope,
			      const char *after, const char *upto, size_t limit,
			      struct compare_range *range, struct weir_error *reason)
{
	struct counting counting = {range, limit};
	*range = (struct compare_range){.digest = HASH128_START};
	return list(source, scope, after, upto, count, &counting, reason);
}

static weir_status find(struct compare_source *source, const struct compare_scope *scope,
			const char *const *ids, size_t id_count, compare_on_document on_document,
			void *context, struct weir_error *reason)
{
	(void)reason;
	for (size_t i = 0; i < id_count; i++) {
		char text[8];
		struct compare_document document;
		happen();
		if (make_document((struct fake *)source, scope, atoi(ids[i] + 2), true, text,
				  &document) &&
		    on_document(context, &document) != 0)
			break;
	}
	return WEIR_OK;
}

static weir_status mark(struct compare_source *source, struct compare_mark *made,
			struct weir_error *reason)
{
	struct fake *fake = (struct fake *)source;
	weir_status status = WEIR_OK;
	made->sequence = fake->is_store ? change_count : INT64_MIN;
	for (int i = 0; i < PARTITIONS && status == WEIR_OK; i++)
		status = compare_mark_add(made, "cluster", "topic", i,
					  fake->is_store ? end_of(i) : fake->positions[i], reason);
	happen();
	return status;
}

static weir_status reach(struct compare_source *source, const struct compare_mark *wanted,
			 struct weir_error *reason)
{
	struct fake *fake = (struct fake *)source;
	(void)reason;
	happen();
	for (int i = 0; i < PARTITIONS; i++) {
		int position = (int)compare_mark_find(wanted, "cluster", "topic", i)->next_offset;
		if (fake->positions[i] < position)
			fake->positions[i] = position;
	}
	return WEIR_OK;
}

static const struct compare_operations operations = {
	.range = read_range, .list = list, .find = find, .mark = mark, .reach = reach};

static int on_difference(void *context, const struct compare_difference *difference)
{
	const struct compare_document *any =
		difference->truth != NULL ? difference->truth : difference->copy;
	int id = atoi(any->id + 2);
	(void)context;
	ck_assert_msg(plants[id] != NOTHING, "a false alarm: %s", any->id);
	ck_assert_msg(!reported[id], "%s twice", any->id);
	if (plants[id] == ADDED)
		ck_assert_int_eq(difference->kind, COMPARE_EXTRA);
	reported[id] = true;
	return 0;
}

static void plant_nothing(void)
{
	memset(plants, 0, sizeof(plants));
	for (int id = 0; id < IDS; id++)
		lost[id] = -1;
}

/* Some events, some of which get no changes any more, but drift. */
static void make_world(uint64_t seed, bool is_store)
{
	random_state = seed * UINT64_C(0x9E3779B97F4A7C15);
	change_count = 0;
	memset(reported, 0, sizeof(reported));
	plant_nothing();
	for (int id = 0; id < IDS; id++)
		if (below(4) == 0)
			plants[id] = 1 + (enum plant)below(PLANTS - 1);
	for (int i = 0; i < 100; i++) {
		int id = (int)below(IDS);
		if (plants[id] != ADDED)
			add_change(id);
	}
	for (int i = 0; i < change_count; i++)
		if (plants[changes[i].id] == LOST && (lost[changes[i].id] < 0 || below(2) == 0))
			lost[changes[i].id] = i;
	const struct compare_source source = {
		.operations = &operations, .has_states = true, .fingerprint = "same"};
	truth_source = (struct fake){.source = source, .is_store = is_store};
	truth_source.source.counts_changes = is_store;
	copy_source = (struct fake){.source = source, .has_drift = true};
	/* Whatever drifted had arrived before. */
	for (int i = 0; i < PARTITIONS; i++)
		truth_source.positions[i] = copy_source.positions[i] = end_of(i);
	goes_on = true;
	expired_before = below(2) == 0 ? INT64_MIN : 60 * STEP + STEP / 2;
}

/* Whether what was planted makes a difference at all, and one that counts. */
static bool differs(int id)
{
	struct compare_scope scope = {expired_before, false};
	struct compare_document truth, copy;
	char text[8];
	bool in_truth = make_document(&truth_source, &scope, id, false, text, &truth);
	bool in_copy = make_document(&copy_source, &scope, id, false, text, &copy);
	return in_truth != in_copy || (in_truth && truth.digest != copy.digest);
}

static void run(uint64_t seed, bool is_store)
{
	make_world(seed, is_store);
	struct compare_result result;
	struct compare_options options = {.truth = &truth_source.source,
					  .copy = &copy_source.source,
					  .tombstones_before = expired_before,
					  .on_difference = on_difference};
	weir_status status = compare_run(&options, &result, &error);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
	for (int i = 0; i < PARTITIONS; i++)
		truth_source.positions[i] = copy_source.positions[i] = end_of(i);
	for (int id = 0; id < IDS; id++)
		/* What was lost may have been overwritten after it was seen, or before. */
		ck_assert_msg(plants[id] == NOTHING || reported[id] == differs(id) ||
				      (plants[id] == LOST && !differs(id)),
			      "seed %llu: id%02d, planted %d, reported %d, differs %d",
			      (unsigned long long)seed, id, plants[id], reported[id], differs(id));
	buffer_finish(&truth_source.blob);
	buffer_finish(&copy_source.blob);
}

START_TEST(what_differs_is_found_and_what_is_on_its_way_is_not)
{
	for (uint64_t seed = 1; seed <= 1000; seed++)
		run(seed, true);
}
END_TEST

START_TEST(two_indexes_that_are_written_to_are_compared_too)
{
	for (uint64_t seed = 1; seed <= 1000; seed++)
		run(seed, false);
}
END_TEST

START_TEST(a_copy_may_be_ahead_of_a_truth_that_stands_still)
{
	struct compare_result result;
	make_world(1, false);
	plant_nothing();
	goes_on = false;
	expired_before = INT64_MIN;
	for (int i = 0; i < PARTITIONS; i++)
		truth_source.positions[i] /= 2;
	struct compare_options options = {.truth = &truth_source.source,
					  .copy = &copy_source.source,
					  .tombstones_before = INT64_MIN,
					  .copy_may_be_ahead = true,
					  .on_difference = on_difference};
	ck_assert_int_eq(compare_run(&options, &result, &error), WEIR_OK);
	ck_assert_uint_eq(compare_differences(&result), 0);
	ck_assert_uint_gt(result.in_flight, 0);
	/* What the copy lacks still counts. */
	plants[0] = plants[1] = plants[2] = plants[3] = REMOVED;
	ck_assert_int_eq(compare_run(&options, &result, &error), WEIR_OK);
	ck_assert_uint_gt(compare_differences(&result), 0);
	buffer_finish(&truth_source.blob);
	buffer_finish(&copy_source.blob);
}
END_TEST

START_TEST(single_ids_and_parts_of_the_ids_can_be_compared)
{
	static const char *const ids[] = {"id39", "id05", "id05", "nobody"};
	struct compare_result result;
	make_world(2, true);
	plant_nothing();
	for (int id = 0; id < IDS; id++)
		if (!was_created(id))
			add_change(id);
	goes_on = false;
	expired_before = INT64_MIN;
	for (int i = 0; i < PARTITIONS; i++)
		copy_source.positions[i] = end_of(i);
	plants[4] = plants[5] = REMOVED;
	struct compare_options options = {.truth = &truth_source.source,
					  .copy = &copy_source.source,
					  .tombstones_before = INT64_MIN,
					  .on_difference = on_difference};
	ck_assert_int_eq(compare_ids(&options, ids, COUNT(ids), &result, &error), WEIR_OK);
	ck_assert_uint_eq(compare_differences(&result), 1);
	ck_assert(reported[5]);
	options.from = "id03";
	options.to = "id04";
	ck_assert_int_eq(compare_run(&options, &result, &error), WEIR_OK);
	ck_assert_uint_eq(result.truths, 1);
	ck_assert_uint_eq(compare_differences(&result), 1);
	ck_assert(reported[4]);
	buffer_finish(&truth_source.blob);
	buffer_finish(&copy_source.blob);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("compare");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_set_timeout(cases, 60);
	tcase_add_test(cases, what_differs_is_found_and_what_is_on_its_way_is_not);
	tcase_add_test(cases, two_indexes_that_are_written_to_are_compared_too);
	tcase_add_test(cases, a_copy_may_be_ahead_of_a_truth_that_stands_still);
	tcase_add_test(cases, single_ids_and_parts_of_the_ids_can_be_compared);
	return suite_run(cases, "compare");
}
