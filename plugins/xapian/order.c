/* SPDX-License-Identifier: MIT */
#include "order.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "walk.h"

#define COMPACT_SPARE 4096
#define KEPT_ITEMS 16384 /* between two searches */
#define LAST UINT64_MAX	 /* the key of what has no value */
#define ID_STEPS 4	 /* to walk on to an id costs so many records read */

void order_end(struct order *order)
{
	for (size_t i = 0; i < order->level_count; i++)
		if (order->levels[i].ranks != NULL)
			reader_ranks_release(order->match->reader, order->levels[i].ranks);
	order->level_count = 0;
	if (order->capacity > KEPT_ITEMS) {
		free(order->items);
		order->items = NULL;
		order->capacity = 0;
	}
}

void order_finish(struct order *order)
{
	order_end(order);
	free(order->levels);
	free(order->items);
	free(order->bounds);
	bytes_finish(&order->texts);
	bytes_finish(&order->record);
	*order = (struct order){0};
}

static weir_status add_level(struct order *order, struct order_level level,
			     struct weir_error *error)
{
	struct order_level *levels = array_grow(order->levels, order->level_count,
						&order->level_capacity, sizeof(*levels));
	if (levels == NULL)
		return error_no_memory(error);
	order->levels = levels;
	levels[order->level_count++] = level;
	return WEIR_OK;
}

static weir_status add_key(struct order *order, const struct fields *fields,
			   const struct weir_sort_key *key, struct weir_error *error)
{
	struct order_level level = {.kind = LEVEL_SCORE, .descending = key->descending != 0};
	if (key->field == WEIR_FIELD_DEFAULT)
		/* Without scores all are equal. */
		return order->match->is_scored ? add_level(order, level, error) : WEIR_OK;
	size_t field = (size_t)key->field;
	if (key->field < 0 || field >= fields->count ||
	    (fields->fields[field].flags & WEIR_FIELD_SORT) == 0)
		return error_set(error, WEIR_FATAL, "xapian: field number %d cannot be sorted by",
				 (int)key->field);
	enum column_kind kind = order->match->reader->layout.kinds[field];
	level.field = field;
	level.column = COLUMN_FIELDS + field;
	level.kind = kind == COLUMN_ORDINAL ? LEVEL_ORDINAL : LEVEL_COLUMN;
	weir_status status = WEIR_OK;
	if (kind == COLUMN_ORDINAL)
		status = reader_ranks(order->match->reader, field, order->match->host, &level.ranks,
				      error);
	if (status == WEIR_OK)
		status = add_level(order, level, error);
	level.kind = LEVEL_TEXT;
	return status == WEIR_OK && kind == COLUMN_PREFIX ? add_level(order, level, error) : status;
}

weir_status order_begin(struct order *order, struct match *match, const struct fields *fields,
			const struct weir_search *search, size_t wanted, struct weir_error *error)
{
	static const struct weir_sort_key best = {WEIR_FIELD_DEFAULT, 1};
	order->match = match;
	order->count = order->bound_count = order->level_count = order->compacted = 0;
	order->total = 0;
	order->failed = false;
	order->wanted = wanted;
	order->has_phrase = false;
	for (size_t i = 0; i < match->query.plan->node_count; i++)
		order->has_phrase |= match->query.plan->nodes[i].kind == NODE_PHRASE;
	weir_status status = WEIR_OK;
	if (search->sort_count == 0)
		status = add_key(order, fields, &best, error);
	for (size_t i = 0; i < search->sort_count && status == WEIR_OK; i++)
		status = add_key(order, fields, search->sort[i], error);
	return status == WEIR_OK ? add_level(order, (struct order_level){.kind = LEVEL_ID}, error)
				 : status;
}

static uint64_t key_of_score(float score)
{
	uint32_t bits;
	if (!(score > 0))
		return 1;
	memcpy(&bits, &score, sizeof(bits));
	return bits + 1;
}

/* Lower is earlier; what has no value, which is 0, is last either way. */
static inline uint64_t key_of_value(const struct order_level *level, uint64_t value)
{
	if (value == 0)
		return LAST;
	if (level->descending)
		return LAST - 1 - (value < LAST ? value : LAST - 1);
	return value < LAST ? value : LAST - 1;
}

static uint64_t key_of(const struct order *order, const struct order_level *level, uint32_t docid,
		       float score)
{
	const struct rows *rows = &order->match->reader->rows;
	uint32_t ordinal;
	switch (level->kind) {
	case LEVEL_SCORE:
		return key_of_value(level, key_of_score(score));
	case LEVEL_ORDINAL:
		ordinal = rows_u32(rows, level->column, docid);
		if (ordinal > level->ranks->count)
			ordinal = 0;
		return key_of_value(level,
				    ordinal > 0 ? level->ranks->places[ordinal - 1] + 1U : 0);
	case LEVEL_COLUMN:
		return key_of_value(level, rows_u64(rows, level->column, docid));
	default:
		return 0;
	}
}

static void sink_bound(uint64_t *bounds, size_t count, size_t at)
{
	for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
		if (child + 1 < count && bounds[child + 1] > bounds[child])
			child++;
		if (bounds[child] <= bounds[at])
			return;
		uint64_t higher = bounds[child];
		bounds[child] = bounds[at];
		bounds[at] = higher;
		at = child;
	}
}

static void raise_bound(uint64_t *bounds, size_t at)
{
	while (at > 0 && bounds[(at - 1) / 2] < bounds[at]) {
		uint64_t lower = bounds[(at - 1) / 2];
		bounds[(at - 1) / 2] = bounds[at];
		bounds[at] = lower;
		at = (at - 1) / 2;
	}
}

static bool add_bound(struct order *order, uint64_t key)
{
	if (order->bound_count == order->wanted) {
		if (key < order->bounds[0]) {
			order->bounds[0] = key;
			sink_bound(order->bounds, order->bound_count, 0);
		}
		return true;
	}
	uint64_t *bounds = array_grow(order->bounds, order->bound_count, &order->bound_capacity,
				      sizeof(*bounds));
	if (bounds == NULL)
		return false;
	order->bounds = bounds;
	bounds[order->bound_count] = key;
	raise_bound(bounds, order->bound_count++);
	return true;
}

/* Drops what is behind the page by now. */
static void compact(struct order *order)
{
	uint64_t bound = order->bounds[0];
	size_t kept = 0;
	for (size_t i = 0; i < order->count; i++)
		if (order->items[i].key <= bound)
			order->items[kept++] = order->items[i];
	order->count = order->compacted = kept;
}

static bool add_item(struct order *order, struct order_item item)
{
	if (order->bound_count == order->wanted && item.key > order->bounds[0])
		return true;
	if (!add_bound(order, item.key))
		return false;
	if (order->bound_count == order->wanted &&
	    order->count >= 2 * (order->compacted + order->wanted) + COMPACT_SPARE)
		compact(order);
	struct order_item *items =
		array_grow(order->items, order->count, &order->capacity, sizeof(*items));
	if (items == NULL)
		return false;
	order->items = items;
	items[order->count++] = item;
	return true;
}

/* Scores below it stand behind the page by now; 0: none does. */
static float least_score(const struct order *order)
{
	const struct order_level *level = &order->levels[0];
	if (order->bound_count < order->wanted || level->kind != LEVEL_SCORE || !level->descending)
		return 0;
	uint64_t key = LAST - 1 - order->bounds[0];
	uint32_t bits = key > 1 && key <= UINT32_MAX ? (uint32_t)(key - 1) : 0;
	float score;
	memcpy(&score, &bits, sizeof(score));
	return score;
}

_Static_assert(CHUNK_DOCIDS < 64 || CHUNK_DOCIDS % 64 == 0, "runs are whole");
#define RUN (CHUNK_DOCIDS < 64 ? CHUNK_DOCIDS : 64U)

/* Whether one of a run of scores is so high: of most runs none is, and to ask for all of them at
 * once is quicker than one by one. */
static bool any_reaches(const float *scores, float least)
{
	uint32_t any = 0;
	for (size_t i = 0; i < RUN; i++)
		any |= scores[i] >= least;
	return any != 0;
}

/* The most frequent order by far, so without a call for each match. */
static void take_scores(struct order *order, const struct match_chunk *chunk)
{
	bool descending = order->levels[0].descending;
	float least = least_score(order);
	for (size_t word = 0; word < BITS_WORDS; word++) {
		const float *scores = chunk->scores + word * 64;
		uint64_t left = chunk->bits[word];
		if (least > 0 && left != 0 && !any_reaches(scores, least))
			continue;
		for (; left != 0; left &= left - 1) {
			uint32_t index = (uint32_t)__builtin_ctzll(left);
			uint64_t key = key_of_score(scores[index]);
			uint32_t docid = chunk->base + (uint32_t)(word * 64) + index;
			key = descending ? LAST - 1 - key : key;
			if (order->bound_count == order->wanted && key > order->bounds[0])
				continue;
			if (!add_item(order, (struct order_item){key, docid, scores[index]}))
				order->failed = true;
			least = least_score(order);
		}
	}
}

static void take_column(struct order *order, const struct match_chunk *chunk)
{
	const struct order_level *level = &order->levels[0];
	const uint64_t *values = (const uint64_t *)(const void *)rows_at(
		&order->match->reader->rows, level->column, chunk->base, sizeof(uint64_t));
	uint32_t index;
	EACH_BIT(chunk->bits, index)
	{
		uint64_t key = key_of_value(level, values[index]);
		if (order->bound_count == order->wanted && key > order->bounds[0])
			continue;
		float score = chunk->scores != NULL ? chunk->scores[index] : 0;
		if (!add_item(order, (struct order_item){key, chunk->base + index, score}))
			order->failed = true;
	}
}

static void take_any(struct order *order, const struct match_chunk *chunk)
{
	uint32_t index;
	EACH_BIT(chunk->bits, index)
	{
		float score = chunk->scores != NULL ? chunk->scores[index] : 0;
		uint32_t docid = chunk->base + index;
		uint64_t key = key_of(order, &order->levels[0], docid, score);
		if (!add_item(order, (struct order_item){key, docid, score}))
			order->failed = true;
	}
}

int order_take(void *context, const struct match_chunk *chunk)
{
	struct order *order = context;
	order->total += bits_count(chunk->bits);
	if (order->wanted == 0)
		return 0;
	if (order->levels[0].kind == LEVEL_SCORE && chunk->scores != NULL)
		take_scores(order, chunk);
	else if (order->levels[0].kind == LEVEL_COLUMN)
		take_column(order, chunk);
	else
		take_any(order, chunk);
	/* Once enough are counted, and the page is full, worse ones do not matter. Of equal ones
	 * the id decides, so they do. */
	if (order->has_phrase && order->total >= WEIR_TOTAL_EXACT)
		order->match->floor = least_score(order);
	return order->failed;
}

static int compare_items(const void *left, const void *right)
{
	const struct order_item *one = left, *other = right;
	if (one->key != other->key)
		return one->key < other->key ? -1 : 1;
	return (one->docid > other->docid) - (one->docid < other->docid);
}

/* A text of the record that decides, in order->texts. */
struct text_item {
	size_t offset, length;
	struct order_item item;
};

static int compare_texts(const void *left, const void *right, void *context)
{
	const struct text_item *one = left, *other = right;
	const char *texts = ((const struct bytes *)context)->data;
	size_t shared = one->length < other->length ? one->length : other->length;
	int order = shared == 0 ? 0 : memcmp(texts + one->offset, texts + other->offset, shared);
	return order != 0 ? order : (one->length > other->length) - (one->length < other->length);
}

/* The id, or the whole sort key; empty where the column is all of it. */
static weir_status read_text(struct order *order, const struct order_level *level, uint32_t docid,
			     struct text_item *text, struct weir_error *error)
{
	struct match *match = order->match;
	struct record record;
	weir_status status = WEIR_OK;
	const char *bytes = NULL;
	text->offset = order->texts.length;
	text->length = 0;
	if (level->kind == LEVEL_ID) {
		status = match_record(match, docid, &record, error);
		if (status == WEIR_OK) {
			bytes = record.id;
			text->length = record.head.id_length;
		}
	} else if ((rows_u64(&match->reader->rows, level->column, docid) & 0xFF) != 0) {
		status = match_whole_record(match, docid, &order->record, &record, error);
		if (status == WEIR_OK)
			bytes = record_key(&record, level->field, &text->length);
		text->length = bytes != NULL ? text->length : 0;
	}
	if (status == WEIR_OK && !bytes_append(&order->texts, bytes, text->length))
		return error_no_memory(error);
	return status;
}

/* Sorts by the texts, and turns them into keys. */
static void sort_texts(struct order *order, const struct order_level *level,
		       struct text_item *texts, struct order_item *items, size_t count)
{
	qsort_r(texts, count, sizeof(*texts), compare_texts, &order->texts);
	for (size_t i = 0, place = 0; i < count; i++) {
		if (i > 0 && compare_texts(&texts[i - 1], &texts[i], &order->texts) != 0)
			place = i;
		items[i] = texts[i].item;
		items[i].key = level->descending ? LAST - place : place;
	}
	if (level->descending)
		qsort(items, count, sizeof(*items), compare_items);
}

static weir_status sort_by_text(struct order *order, const struct order_level *level,
				struct order_item *items, size_t count, struct weir_error *error)
{
	struct text_item *texts = malloc((count + 1) * sizeof(*texts));
	weir_status status = WEIR_OK;
	if (texts == NULL)
		return error_no_memory(error);
	order->texts.length = 0;
	for (size_t i = 0; i < count && status == WEIR_OK; i++) {
		texts[i].item = items[i];
		if (i % 256 == 255)
			status = match_cancelled(order->match, error);
		if (status == WEIR_OK)
			status = read_text(order, level, items[i].docid, &texts[i], error);
	}
	if (status == WEIR_OK)
		sort_texts(order, level, texts, items, count);
	free(texts);
	return status;
}

static int compare_docids(const void *left, const void *right)
{
	const struct order_item *one = left, *other = right;
	return (one->docid > other->docid) - (one->docid < other->docid);
}

/* Of many equal ones the first few by id: goes through all ids until they are found. */
static weir_status walk_ids(struct order *order, struct order_item *items, size_t count,
			    size_t wanted, struct weir_error *error)
{
	struct walk walk;
	qsort(items, count, sizeof(*items), compare_docids);
	for (size_t i = 0; i < count; i++)
		items[i].key = LAST;
	weir_status status = walk_open(&walk, order->match, "", 0, error);
	for (size_t found = 0; status == WEIR_OK && found < wanted;) {
		struct order_item sought = {0}, *item;
		const char *id;
		size_t length;
		status = walk_next(&walk, &sought.docid, &id, &length, error);
		if (status != WEIR_OK || sought.docid == 0)
			break;
		item = bsearch(&sought, items, count, sizeof(*items), compare_docids);
		if (item != NULL)
			item->key = found++;
	}
	walk_close(&walk);
	if (status == WEIR_OK)
		qsort(items, count, sizeof(*items), compare_items);
	return status;
}

static weir_status sort_by_id(struct order *order, struct order_item *items, size_t count,
			      size_t wanted, struct weir_error *error)
{
	double steps = (double)wanted * (double)order->match->head->live / (double)count;
	if (count > COMPACT_SPARE && steps * ID_STEPS < (double)count)
		return walk_ids(order, items, count, wanted, error);
	return sort_by_text(order, &order->levels[order->level_count - 1], items, count, error);
}

static weir_status sort_level(struct order *order, const struct order_level *level,
			      struct order_item *items, size_t count, size_t wanted,
			      struct weir_error *error)
{
	if (level->kind == LEVEL_ID)
		return sort_by_id(order, items, count, wanted, error);
	if (level->kind == LEVEL_TEXT)
		return sort_by_text(order, level, items, count, error);
	for (size_t i = 0; i < count; i++)
		items[i].key = key_of(order, level, items[i].docid, items[i].score);
	qsort(items, count, sizeof(*items), compare_items);
	return WEIR_OK;
}

/* Puts [from, to) of the items in order, which are equal in the levels before. */
static weir_status settle(struct order *order, size_t number, struct order_item *items,
			  size_t count, size_t from, size_t to, struct weir_error *error)
{
	if (count < 2)
		return WEIR_OK;
	weir_status status = sort_level(order, &order->levels[number], items, count, to, error);
	if (status != WEIR_OK || number + 1 == order->level_count)
		return status;
	for (size_t first = 0, end; first < to && status == WEIR_OK; first = end) {
		end = first + 1;
		while (end < count && items[end].key == items[first].key)
			end++;
		if (end <= from)
			continue;
		status = settle(order, number + 1, items + first, end - first,
				from > first ? from - first : 0,
				to < end ? to - first : end - first, error);
	}
	return status;
}

weir_status order_settle(struct order *order, size_t from, size_t *to, struct weir_error *error)
{
	if (order->failed)
		return error_no_memory(error);
	if (order->bound_count == order->wanted && order->wanted > 0)
		compact(order);
	*to = order->wanted < order->count ? order->wanted : order->count;
	return from < *to && order->items != NULL
		       ? settle(order, 0, order->items, order->count, from, *to, error)
		       : WEIR_OK;
}
