/* SPDX-License-Identifier: MIT */
#include "steps.h"

#include <stdio.h>
#include <string.h>

enum { DAY_MICROSECONDS = 1000 };

static const struct weir_field fields[FIELDS] = {
	{"title", WEIR_TYPE_TEXT, WEIR_FIELD_SEARCH | WEIR_FIELD_SORT, 1, "en"},
	{"tag", WEIR_TYPE_KEYWORD,
	 WEIR_FIELD_SEARCH | WEIR_FIELD_FILTER | WEIR_FIELD_SORT | WEIR_FIELD_FACET, 1, NULL},
	{"price", WEIR_TYPE_NUMBER, WEIR_FIELD_FILTER | WEIR_FIELD_SORT, 1, NULL},
	{"day", WEIR_TYPE_DATE, WEIR_FIELD_FILTER | WEIR_FIELD_SORT, 1, NULL},
	{"free", WEIR_TYPE_BOOLEAN, WEIR_FIELD_FILTER | WEIR_FIELD_FACET, 1, NULL},
};
static const struct weir_field *const pointers[FIELDS] = {&fields[0], &fields[1], &fields[2],
							  &fields[3], &fields[4]};
const struct weir_schema steps_schema = {"things", "c0ffee02", pointers, FIELDS};

/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014), over a sum of the three. */
uint64_t steps_random(uint64_t seed, uint64_t a, uint64_t b)
{
	uint64_t x = seed + a * UINT64_C(0x9e3779b97f4a7c15) + b * UINT64_C(0xd1b54a32d192ed03);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void model_start(struct model *model, const struct plan *plan)
{
	memset(model, 0, sizeof(*model));
	model->plan = *plan;
}

static unsigned chance(const struct plan *plan, uint32_t batch, unsigned what, unsigned of)
{
	return (unsigned)(steps_random(plan->seed, batch, 1000003U + what) % of);
}

struct extras steps_extras(const struct plan *plan, uint32_t batch)
{
	return (struct extras){
		.abandons = chance(plan, batch, 1, 7) == 0,
		.expires = chance(plan, batch, 2, 9) == 0,
		.syncs = chance(plan, batch, 3, 4) == 0,
		.maintains = chance(plan, batch, 4, 3) == 0,
		.reopens = chance(plan, batch, 5, 23) == 0,
		.expire_before = batch > 4 ? batch - 4 : 0,
	};
}

unsigned steps_operations(const struct model *model, struct operation *operations)
{
	const struct plan *plan = &model->plan;
	uint32_t batch = model->batch + 1;
	unsigned wanted = 1 + chance(plan, batch, 6, plan->batch_size), count = 0;
	for (unsigned i = 0; i < wanted; i++) {
		uint64_t random = steps_random(plan->seed, batch, i);
		/* Most of them for a few ids: those die soon, and whole segments with them. */
		unsigned among = random % 4 == 0 ? plan->ids : plan->ids / 8 + 1;
		unsigned id = (unsigned)((random >> 8) % among);
		bool is_there = false;
		for (unsigned j = 0; j < count; j++)
			is_there |= operations[j].id == id;
		if (is_there)
			continue;
		operations[count++] =
			(struct operation){id,
					   {true, (random >> 40) % 8 == 0,
					    model->entries[id].version + 1, (int64_t)batch}};
	}
	return count;
}

void model_step(struct model *model)
{
	static _Thread_local struct operation operations[ID_LIMIT];
	unsigned count = steps_operations(model, operations);
	model->batch++;
	struct extras extras = steps_extras(&model->plan, model->batch);
	for (unsigned i = 0; i < count; i++)
		model->entries[operations[i].id] = operations[i].entry;
	for (unsigned id = 0; extras.expires && id < model->plan.ids; id++) {
		struct entry *entry = &model->entries[id];
		if (entry->exists && entry->is_hidden && entry->applied_at < extras.expire_before)
			*entry = (struct entry){.version = entry->version};
	}
}

void model_counts(const struct model *model, uint64_t *live, uint64_t *hidden)
{
	*live = *hidden = 0;
	for (unsigned id = 0; id < model->plan.ids; id++) {
		*live += model->entries[id].exists && !model->entries[id].is_hidden;
		*hidden += model->entries[id].exists && model->entries[id].is_hidden;
	}
}

static void add_value(struct document *document, int32_t field, const char *text, double number,
		      int64_t integer)
{
	size_t at = document->document.value_count++;
	document->values[at] = (struct weir_value){
		field, fields[field].type, text, text != NULL ? strlen(text) : 0, number, integer};
	document->pointers[at] = &document->values[at];
}

static void add_title(struct document *document, const struct plan *plan, uint64_t random)
{
	size_t length = 0;
	document->word_count = (unsigned)(random % (plan->text_words + 1));
	for (unsigned i = 0; i < document->word_count; i++) {
		unsigned word = (unsigned)(steps_random(random, i, 3) % WORD_COUNT);
		document->words[i] = word;
		length +=
			(size_t)snprintf(document->title + length, sizeof(document->title) - length,
					 "%sword%u", i == 0 ? "" : " ", word);
	}
	if (document->word_count > 0)
		add_value(document, FIELD_TITLE, document->title, 0, 0);
}

static void add_values(struct document *document, const struct plan *plan, uint64_t random)
{
	add_title(document, plan, random);
	document->tag_number = (unsigned)(random >> 20) % (TAG_COUNT + 1);
	if (document->tag_number < TAG_COUNT) {
		snprintf(document->tag, sizeof(document->tag), "Tag-%u", document->tag_number);
		add_value(document, FIELD_TAG, document->tag, 0, 0);
	}
	document->price_number = (int)((random >> 30) % 40) - 1;
	if (document->price_number >= 0) {
		snprintf(document->price, sizeof(document->price), "%d", document->price_number);
		add_value(document, FIELD_PRICE, document->price, document->price_number, 0);
		add_value(document, FIELD_DAY, NULL, 0,
			  (int64_t)document->price_number * DAY_MICROSECONDS);
	}
	document->has_flag = (random >> 40) % 3 != 0;
	document->flag = document->has_flag && (random >> 44) % 2 == 0;
	if (document->has_flag)
		add_value(document, FIELD_FREE, NULL, 0, document->flag);
}

void steps_document(const struct plan *plan, unsigned id, const struct entry *entry,
		    struct document *document)
{
	uint64_t random = steps_random(plan->seed, id, 7000000U + entry->version);
	memset(document, 0, sizeof(*document));
	document->tag_number = TAG_COUNT;
	document->price_number = -1;
	int id_length = snprintf(document->id, sizeof(document->id), "id-%04u", id);
	if (!entry->is_hidden)
		add_values(document, plan, random);
	int length =
		snprintf(document->state, sizeof(document->state), "%s@%u@%lld %s", document->id,
			 entry->version, (long long)entry->applied_at, document->title);
	struct weir_document *abi = &document->document;
	abi->id = document->id;
	abi->id_length = (size_t)id_length;
	abi->kind = entry->is_hidden ? WEIR_KIND_HIDDEN : WEIR_KIND_LIVE;
	abi->version = entry->version;
	abi->applied_at = entry->applied_at;
	abi->state = document->state;
	abi->state_length = (size_t)length;
	abi->values = document->pointers;
}
