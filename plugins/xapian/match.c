/* SPDX-License-Identifier: MIT */
#include "match.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* A beginning's terms are not counted beforehand, so it weighs as a word of middling rarity. */
#define BEGINNING_RARITY 1.0
/* Where a segment's documents are measured: at the beginnings of some of its chunks. */
#define MEASURED_RUNS 8U
#define MEASURED_RUN 512U
/* Most records are not longer up to the end of their words. */
#define RECORD_BYTES 160U
#define WORD_BYTES 8U
#define WINDOW_LARGE 16384U
#define WINDOW_NEAR 1024U /* records so close are read together */

typedef uint64_t bits_t[BITS_WORDS];

void match_finish(struct match *match)
{
	struct match_side *sides[] = {&match->query, &match->filter};
	for (size_t i = 0; i < 2; i++) {
		for (size_t node = 0; node < sides[i]->node_capacity; node++) {
			bytes_finish(&sides[i]->nodes[node].bits);
			bytes_finish(&sides[i]->nodes[node].tallies);
		}
		free(sides[i]->nodes);
		free(sides[i]->lists);
		free(sides[i]->cached);
		free(sides[i]->frequencies);
	}
	bytes_finish(&match->window.bytes);
	sight_finish(&match->sight);
	*match = (struct match){0};
}

weir_status match_cancelled(struct match *match, struct weir_error *error)
{
	if (match->host->cancelled(match->host->context) == 0)
		return WEIR_OK;
	return error_set(error, WEIR_RETRY, "xapian: the search was cancelled");
}

/* Room for count elements, all 0; what was there is lost. */
static void *array_zeros(void *array, size_t count, size_t *capacity, size_t size)
{
	if (count <= *capacity) {
		memset(array, 0, count * size);
		return array;
	}
	void *made = calloc(count, size);
	if (made == NULL)
		return NULL;
	free(array);
	*capacity = count;
	return made;
}

static bool make_nodes(struct match_side *side, size_t count)
{
	if (count > side->node_capacity) {
		struct match_node *grown = realloc(side->nodes, count * sizeof(*grown));
		if (grown == NULL)
			return false;
		memset(grown + side->node_capacity, 0,
		       (count - side->node_capacity) * sizeof(*grown));
		side->nodes = grown;
		side->node_capacity = count;
	}
	for (size_t i = 0; i < count; i++)
		side->nodes[i].is_spread = false;
	return true;
}

static weir_status make_side(struct match *match, struct match_side *side, struct plan *plan,
			     struct weir_error *error)
{
	size_t pairs = plan->term_count * match->segment_count;
	side->plan = plan;
	void *lists = array_zeros(side->lists, plan->term_count + 1, &side->list_capacity,
				  sizeof(*side->lists));
	if (lists == NULL)
		return error_no_memory(error);
	side->lists = lists;
	void *frequencies = array_zeros(side->frequencies, pairs + 1, &side->frequency_capacity,
					sizeof(uint32_t));
	if (frequencies == NULL)
		return error_no_memory(error);
	side->frequencies = frequencies;
	void *cached = array_zeros(side->cached, pairs + 1, &side->cached_capacity,
				   sizeof(struct cached *));
	if (cached == NULL)
		return error_no_memory(error);
	side->cached = cached;
	side->cached_count = pairs;
	return make_nodes(side, plan->node_count) ? WEIR_OK : error_no_memory(error);
}

/* How much terms that count as one tell: the rarer, the more. */
static double rarity_of(const struct match *match, const struct match_side *side, size_t first,
			size_t count)
{
	double all = (double)match->head->live, having = 0;
	for (size_t i = 0; i < match->segment_count; i++)
		for (size_t term = first; term < first + count; term++)
			having += side->frequencies[i * side->plan->term_count + term];
	if (having > all)
		having = all;
	return log(1 + (all - having + 0.5) / (having + 0.5));
}

static double rarity(const struct match *match, const struct match_side *side,
		     const struct node *node)
{
	double sum = 0;
	if (node->kind == NODE_BEGINNING)
		return BEGINNING_RARITY;
	if (node->kind == NODE_TERMS)
		return rarity_of(match, side, node->first_term, node->term_count);
	for (size_t i = 0; i < node->term_count; i++)
		sum += rarity_of(match, side, node->first_term + i, 1);
	return sum;
}

/* Words of the documents in a few places of the segment; what was given back does not count. Later
 * commits find the same, unless documents of theirs are there already. */
static void measure_words(const struct match *match, struct open_segment *open)
{
	const struct segment *segment = &open->segment;
	const struct rows *rows = &match->reader->rows;
	uint32_t chunks = segment->last_chunk - segment->first_chunk + 1;
	uint32_t runs = chunks < MEASURED_RUNS ? chunks : MEASURED_RUNS;
	uint32_t run = CHUNK_DOCIDS < MEASURED_RUN ? CHUNK_DOCIDS : MEASURED_RUN;
	uint64_t words = 0, documents = 0;
	open->is_lasting = open->is_final;
	for (uint32_t i = 0; i < runs; i++) {
		uint32_t chunk = segment->first_chunk + (uint32_t)((uint64_t)chunks * i / runs);
		uint32_t first = chunk * CHUNK_DOCIDS + 1;
		uint32_t end = first + run, limit = match->head->docid_limit;
		open->is_lasting &= end <= limit;
		for (uint32_t docid = first; docid < end && docid < limit; docid++) {
			uint32_t born = rows_u32(rows, COLUMN_BORN, docid);
			open->is_lasting &= born <= match->head->commit;
			if (born == 0 || born > match->head->commit)
				continue;
			words += rows_u32(rows, COLUMN_WORDS, docid);
			documents++;
		}
	}
	open->words = documents > 0 ? (double)words / (double)documents : 0;
}

static weir_status measure_segments(struct match *match, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < match->segment_count && status == WEIR_OK; i++) {
		struct open_segment *open = &match->segments[i];
		if (open->is_measured)
			continue;
		status = segment_reader_size(open->reader, &open->documents, error);
		measure_words(match, open);
		open->is_measured = status == WEIR_OK;
	}
	return status;
}

static void make_norms(struct match *match)
{
	double documents = 0, words = 0;
	for (size_t i = 0; i < match->segment_count; i++) {
		const struct open_segment *open = &match->segments[i];
		documents += (double)open->documents;
		words += (double)open->documents * open->words;
	}
	double average = words > 0 ? words / documents : 1;
	if (average == match->average_length)
		return;
	for (size_t i = 0; i < NORM_COUNT; i++)
		match->norms[i] = (float)(BM25_K1 * (1 - BM25_B + BM25_B * (double)i / average));
	match->average_length = average;
}

static void make_weights(struct match *match, struct match_side *side)
{
	for (size_t i = 0; i < side->plan->node_count; i++) {
		const struct node *node = &side->plan->nodes[i];
		struct match_node *state = &side->nodes[i];
		double boosts = 0;
		for (size_t field = 0; field < TALLY_FIELDS; field++)
			boosts += node->boosts[field];
		state->is_scored = boosts > 0;
		if (!state->is_scored)
			continue;
		double rare = rarity(match, side, node);
		for (size_t field = 0; field < TALLY_FIELDS; field++)
			state->weights[field] = (float)(node->boosts[field] * rare);
		state->sums[0] = 0;
		for (uint32_t mask = 1; mask <= TALLY_MASK; mask++)
			state->sums[mask] = state->sums[mask & (mask - 1)] +
					    state->weights[__builtin_ctz(mask)];
	}
}

static weir_status begin(struct match *match, struct plan *query, struct plan *filter,
			 struct weir_error *error)
{
	const struct head *head = match->head;
	weir_status status = match_cancelled(match, error);
	if (status == WEIR_OK)
		status = sight_move(&match->sight, match->reader->mark | head->commit, head->commit,
				    head->docid_limit, error);
	if (status == WEIR_OK)
		status = measure_segments(match, error);
	if (status == WEIR_OK)
		status = make_side(match, &match->query, query, error);
	if (status == WEIR_OK)
		status = lists_read(match, &match->query, error);
	if (status == WEIR_OK && filter != NULL)
		status = make_side(match, &match->filter, filter, error);
	if (status == WEIR_OK && filter != NULL)
		status = lists_read(match, &match->filter, error);
	if (status == WEIR_OK && match->is_scored) {
		make_weights(match, &match->query);
		make_norms(match);
	}
	return status;
}

weir_status match_begin(struct match *match, struct plan *query, struct plan *filter,
			bool is_scored, struct weir_error *error)
{
	match->has_filter = filter != NULL;
	match->is_scored = is_scored && query->is_scored;
	match->window.bytes.length = 0;
	match->floor = 0;
	match->has_passed_over = false;
	weir_status status = begin(match, query, filter, error);
	if (status != WEIR_OK)
		match_end(match);
	return status;
}

void match_end(struct match *match)
{
	lists_release(match, &match->query);
	lists_release(match, &match->filter);
}

void match_mask(struct match *match, uint32_t base, uint64_t bits[BITS_WORDS])
{
	sight_mask(&match->sight, &match->reader->rows, base, bits);
}

static weir_status damaged(const struct match *match, struct weir_error *error)
{
	return error_set(error, WEIR_FATAL,
			 "xapian: a document of the index at %s cannot be read; weir rebuild makes "
			 "a new one",
			 match->reader->path);
}

weir_status match_whole_record(const struct match *match, uint32_t docid, struct bytes *bytes,
			       struct record *record, struct weir_error *error)
{
	uint64_t place = rows_u64(&match->reader->rows, COLUMN_LOCATION, docid) & ~LOCATION_HIDDEN;
	weir_status status = log_record(match->reader->log, place, bytes, error);
	if (status == WEIR_OK && !record_read(bytes->data, bytes->length, true, record))
		return damaged(match, error);
	return status;
}

weir_status match_record(struct match *match, uint32_t docid, struct record *record,
			 struct weir_error *error)
{
	struct match_window *window = &match->window;
	uint64_t place = rows_u64(&match->reader->rows, COLUMN_LOCATION, docid) & ~LOCATION_HIDDEN;
	uint64_t ahead = place - window->place;
	size_t length = window->bytes.length;
	if (ahead < length &&
	    record_read(window->bytes.data + ahead, length - (size_t)ahead, false, record))
		return WEIR_OK;
	size_t words = rows_u32(&match->reader->rows, COLUMN_WORDS, docid);
	size_t wanted = RECORD_BYTES + words * WORD_BYTES;
	if (length > 0 && ahead < length + WINDOW_NEAR && wanted < WINDOW_LARGE)
		wanted = WINDOW_LARGE;
	window->bytes.length = 0;
	for (;;) {
		if (!bytes_reserve(&window->bytes, wanted))
			return error_no_memory(error);
		weir_status status = log_read(match->reader->log, place, window->bytes.data, wanted,
					      &length, error);
		if (status != WEIR_OK)
			return status;
		if (record_read(window->bytes.data, length, false, record))
			break;
		if (length < wanted || wanted > UINT32_MAX)
			return damaged(match, error);
		wanted *= 2;
	}
	window->place = place;
	window->bytes.length = length;
	return WEIR_OK;
}

static uint64_t expect_leaf(const struct match *match, const struct match_side *side,
			    const struct node *node)
{
	const uint32_t *frequencies =
		side->frequencies +
		(size_t)(match->segment - match->segments) * side->plan->term_count;
	uint64_t sum = 0, least = UINT64_MAX;
	switch (node->kind) {
	case NODE_NOTHING:
		return 0;
	case NODE_RANGE:
	case NODE_BEGINNING:
		return match->segment_documents / 2 + 1;
	case NODE_TERMS:
		for (size_t i = 0; i < node->term_count; i++)
			sum += frequencies[node->first_term + i];
		return sum;
	case NODE_PHRASE:
		for (size_t i = 0; i < node->term_count; i++)
			least = frequencies[node->first_term + i] < least
					? frequencies[node->first_term + i]
					: least;
		return least;
	default:
		return match->segment_documents + 1;
	}
}

/* What only takes away comes last, in any order. */
static uint64_t rank(const struct match_side *side, int child)
{
	return side->plan->nodes[child].kind == NODE_NOT ? UINT64_MAX : side->nodes[child].expected;
}

/* The rarest child first. */
static void sort_children(struct match_side *side, struct node *node)
{
	struct node *nodes = side->plan->nodes;
	int sorted = NO_NODE;
	for (int child = node->child, next; child != NO_NODE; child = next) {
		next = nodes[child].next;
		int *link = &sorted;
		while (*link != NO_NODE && rank(side, *link) <= rank(side, child))
			link = &nodes[*link].next;
		nodes[child].next = *link;
		*link = child;
	}
	node->child = sorted;
}

/* How many documents a node may have in the segment; sorts the children of what is an AND. */
static uint64_t expect(struct match *match, struct match_side *side, int number)
{
	struct node *node = &side->plan->nodes[number];
	uint64_t least = UINT64_MAX, sum = 0;
	for (int child = node->child; child != NO_NODE; child = side->plan->nodes[child].next) {
		uint64_t one = expect(match, side, child);
		least = rank(side, child) < least ? one : least;
		sum += one;
	}
	uint64_t expected;
	if (node->kind == NODE_AND) {
		sort_children(side, node);
		expected = least == UINT64_MAX ? match->segment_documents + 1 : least;
	} else if (node->kind == NODE_OR) {
		expected = sum;
	} else {
		expected = expect_leaf(match, side, node);
	}
	side->nodes[number].expected = expected;
	return expected;
}

static weir_status evaluate(struct match_task *task, int number, const uint64_t *within,
			    uint64_t *out, float *scores);

/* What fails later leaves its scores behind, so in an OR it needs scores of its own. */
static weir_status evaluate_apart(struct match_task *task, int number, const uint64_t *within,
				  uint64_t *out, float *scores)
{
	enum node_kind kind = task->side->plan->nodes[number].kind;
	if (scores == NULL || kind != NODE_AND)
		return evaluate(task, number, within, out, scores);
	float *own = calloc(CHUNK_DOCIDS, sizeof(*own));
	if (own == NULL)
		return error_no_memory(task->error);
	weir_status status = evaluate(task, number, within, out, own);
	uint32_t index;
	if (status == WEIR_OK) {
		EACH_BIT(out, index)
		scores[index] += own[index];
	}
	free(own);
	return status;
}

static weir_status evaluate_or(struct match_task *task, const struct node *node,
			       const uint64_t *within, uint64_t *out, float *scores)
{
	const struct node *nodes = task->side->plan->nodes;
	weir_status status = WEIR_OK;
	memset(out, 0, sizeof(bits_t));
	for (int child = node->child; child != NO_NODE && status == WEIR_OK;
	     child = nodes[child].next) {
		bits_t bits = {0};
		if (task->side->nodes[child].expected == 0)
			continue;
		status = evaluate_apart(task, child, within, bits, scores);
		for (size_t i = 0; status == WEIR_OK && i < BITS_WORDS; i++)
			out[i] |= bits[i];
	}
	return status;
}

/* Takes away what the child of a NOT has. */
static weir_status take_away(struct match_task *task, const struct node * not, uint64_t *out)
{
	bits_t bits;
	weir_status status = evaluate(task, not ->child, out, bits, NULL);
	for (size_t i = 0; status == WEIR_OK && i < BITS_WORDS; i++)
		out[i] &= ~bits[i];
	return status;
}

static weir_status evaluate_not(struct match_task *task, const struct node *node,
				const uint64_t *within, uint64_t *out)
{
	static const struct node all = {.kind = NODE_ALL, .child = NO_NODE};
	struct match_node state = {0};
	weir_status status = leaf_evaluate(task, &all, &state, within, out, NULL);
	return status == WEIR_OK ? take_away(task, node, out) : status;
}

/* The words of a phrase, wherever they stand; but what is known not to have it is left out. */
static weir_status evaluate_words(struct match_task *task, const struct node *node,
				  struct match_node *state, const uint64_t *within, uint64_t *out)
{
	bits_t promising;
	if (within != NULL)
		memcpy(promising, within, sizeof(promising));
	else
		memset(promising, 0xFF, sizeof(promising));
	if (!leaf_promising(task, node, promising))
		return leaf_words(task, node, state, within, out);
	if (bits_any(promising))
		return leaf_words(task, node, state, promising, out);
	memset(out, 0, sizeof(promising));
	return WEIR_OK;
}

static weir_status evaluate_and(struct match_task *task, const struct node *node,
				const uint64_t *within, uint64_t *out, float *scores)
{
	const struct node *nodes = task->side->plan->nodes;
	struct match_node *states = task->side->nodes;
	weir_status status = WEIR_OK;
	bool is_first = true;
	for (int child = node->child; child != NO_NODE && status == WEIR_OK;
	     child = nodes[child].next) {
		const struct node *part = &nodes[child];
		const uint64_t *among = is_first ? within : out;
		bits_t bits;
		if (part->kind == NODE_NOT && !is_first) {
			status = take_away(task, part, out);
			continue;
		}
		/* Where a phrase stands is dear to ask, so that comes last. */
		status = part->kind == NODE_PHRASE
				 ? evaluate_words(task, part, &states[child], among, bits)
				 : evaluate(task, child, among, bits, scores);
		if (status == WEIR_OK)
			memcpy(out, bits, sizeof(bits));
		is_first = false;
		if (status == WEIR_OK && !bits_any(out))
			return WEIR_OK;
	}
	for (int child = node->child; child != NO_NODE && status == WEIR_OK;
	     child = nodes[child].next)
		if (nodes[child].kind == NODE_PHRASE)
			status = leaf_phrase(task, &nodes[child], &states[child], out, scores);
	return status;
}

/* The bits of a node, of those within (NULL: any). What is not in out may have scores, too. */
static weir_status evaluate(struct match_task *task, int number, const uint64_t *within,
			    uint64_t *out, float *scores)
{
	const struct node *node = &task->side->plan->nodes[number];
	struct match_node *state = &task->side->nodes[number];
	weir_status status;
	switch (node->kind) {
	case NODE_AND:
		return evaluate_and(task, node, within, out, scores);
	case NODE_OR:
		return evaluate_or(task, node, within, out, scores);
	case NODE_NOT:
		return evaluate_not(task, node, within, out);
	case NODE_PHRASE:
		status = evaluate_words(task, node, state, within, out);
		return status == WEIR_OK ? leaf_phrase(task, node, state, out, scores) : status;
	default:
		return leaf_evaluate(task, node, state, within, out, scores);
	}
}

/* Matches of the chunk; hopeful ones: as if each phrase stood where its words are. within: NULL for
 * any. */
static weir_status find(struct match *match, bool is_hopeful, const uint64_t *within,
			struct match_chunk *chunk, struct weir_error *error)
{
	struct match_task query = {match, &match->query, error, is_hopeful};
	struct match_task filter = {match, &match->filter, error, is_hopeful};
	int query_root = match->query.plan->root;
	float *scores = match->is_scored ? match->scores : NULL;
	bits_t bits;
	if (scores != NULL)
		memset(match->scores, 0, sizeof(match->scores));
	if (!match->has_filter)
		return evaluate(&query, query_root, within, chunk->bits, scores);
	int filter_root = match->filter.plan->root;
	bool filter_first =
		match->filter.nodes[filter_root].expected < match->query.nodes[query_root].expected;
	weir_status status = filter_first ? evaluate(&filter, filter_root, within, bits, NULL)
					  : evaluate(&query, query_root, within, bits, scores);
	if (status != WEIR_OK)
		return status;
	if (!bits_any(bits)) {
		memset(chunk->bits, 0, sizeof(bits));
		return WEIR_OK;
	}
	return filter_first ? evaluate(&query, query_root, bits, chunk->bits, scores)
			    : evaluate(&filter, filter_root, bits, chunk->bits, NULL);
}

/* Where enough are counted, a phrase is only looked for where it would score enough. */
static weir_status find_promising(struct match *match, struct match_chunk *chunk,
				  struct weir_error *error)
{
	bits_t promising;
	uint32_t index;
	weir_status status = find(match, true, NULL, chunk, error);
	if (status != WEIR_OK)
		return status;
	match_mask(match, match->base, chunk->bits);
	memcpy(promising, chunk->bits, sizeof(promising));
	EACH_BIT(chunk->bits, index)
	if (match->scores[index] < match->floor) {
		promising[index / 64] &= ~(UINT64_C(1) << index % 64);
		match->has_passed_over = true;
	}
	if (!bits_any(promising)) {
		memset(chunk->bits, 0, sizeof(promising));
		return WEIR_OK;
	}
	return find(match, false, promising, chunk, error);
}

static weir_status run_chunk(struct match *match, struct match_chunk *chunk,
			     struct weir_error *error)
{
	return match->floor > 0 && match->is_scored ? find_promising(match, chunk, error)
						    : find(match, false, NULL, chunk, error);
}

static weir_status run_segment(struct match *match, match_on_chunk *on_chunk, void *context,
			       int *stop, struct weir_error *error)
{
	const struct segment *segment = &match->segment->segment;
	uint64_t query, filter = UINT64_MAX;
	weir_status status = WEIR_OK;
	match->segment_documents = match->segment->documents;
	query = expect(match, &match->query, match->query.plan->root);
	if (match->has_filter)
		filter = expect(match, &match->filter, match->filter.plan->root);
	if (query == 0 || filter == 0)
		return WEIR_OK;
	struct match_chunk chunk = {.scores = match->is_scored ? match->scores : NULL};
	for (uint32_t i = segment->first_chunk; i <= segment->last_chunk && *stop == 0; i++) {
		chunk.base = match->base = i * CHUNK_DOCIDS + 1;
		if (match->base >= match->head->docid_limit)
			break;
		status = match_cancelled(match, error);
		if (status == WEIR_OK)
			status = run_chunk(match, &chunk, error);
		if (status != WEIR_OK)
			break;
		match_mask(match, match->base, chunk.bits);
		if (bits_any(chunk.bits))
			*stop = on_chunk(context, &chunk);
	}
	return status;
}

weir_status match_run(struct match *match, match_on_chunk *on_chunk, void *context,
		      struct weir_error *error)
{
	weir_status status = WEIR_OK;
	int stop = 0;
	for (size_t i = 0; i < match->segment_count && status == WEIR_OK && stop == 0; i++) {
		match->segment = &match->segments[i];
		status = run_segment(match, on_chunk, context, &stop, error);
		lists_close(&match->query);
		if (match->has_filter)
			lists_close(&match->filter);
	}
	return status;
}
