/* SPDX-License-Identifier: MIT
 * search.c - pages of hits, and single documents. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "session.h"
#include "walk.h"

static int hand_out(const struct record *record, double score, weir_on_hit on_hit, void *context)
{
	struct weir_hit hit = {record->id, record->head.id_length, record->head.version,
			       score,	   record->state,	   record->state_length};
	return on_hit(context, &hit);
}

/* What is handed out is read before, so that on_hit is only called when nothing can fail. */
struct hits {
	struct bytes records; /* one behind the other, each as long as it says */
	float *scores;
	size_t count;
};

static weir_status read_hits(weir_session *session, const struct order_item *items, size_t count,
			     struct hits *hits, struct weir_error *error)
{
	struct record record;
	weir_status status = WEIR_OK;
	hits->scores = calloc(count + 1, sizeof(*hits->scores));
	if (hits->scores == NULL)
		return error_no_memory(error);
	for (; status == WEIR_OK && hits->count < count; hits->count++) {
		const struct order_item *item = &items[hits->count];
		status = match_whole_record(&session->match, item->docid, &session->record, &record,
					    error);
		if (status == WEIR_OK &&
		    !bytes_append(&hits->records, session->record.data, session->record.length))
			status = error_no_memory(error);
		hits->scores[hits->count] = item->score;
	}
	return status;
}

/* The head of a record in the middle of others need not be aligned. */
static void hand_out_hits(const struct hits *hits, weir_on_hit on_hit, void *context)
{
	struct record record;
	size_t at = 0;
	for (size_t i = 0; i < hits->count; i++) {
		if (!record_read(hits->records.data + at, hits->records.length - at, true,
				 &record) ||
		    hand_out(&record, (double)hits->scores[i], on_hit, context) != 0)
			return;
		at += record.head.length;
	}
}

/* Everything by id: a page near the front is read from the lists of ids, without a match. */
static bool can_browse(const weir_session *session, const struct weir_search *search)
{
	const struct plan *plan = &session->query;
	bool by_id = search->sort_count == 0 ||
		     (search->sort_count == 1 && search->sort[0]->field == WEIR_FIELD_DEFAULT);
	return by_id && search->filter == NULL && plan->nodes[plan->root].kind == NODE_ALL;
}

static weir_status browse(weir_session *session, struct order *order, size_t wanted,
			  struct weir_error *error)
{
	struct walk walk;
	weir_status status = walk_open(&walk, &session->match, "", 0, error);
	order->count = 0;
	while (status == WEIR_OK && order->count < wanted) {
		uint32_t docid;
		const char *id;
		size_t length;
		status = walk_next(&walk, &docid, &id, &length, error);
		if (status != WEIR_OK || docid == 0)
			break;
		uint64_t location = rows_u64(&session->reader->rows, COLUMN_LOCATION, docid);
		if ((location & LOCATION_HIDDEN) != 0)
			continue;
		struct order_item *items =
			array_grow(order->items, order->count, &order->capacity, sizeof(*items));
		if (items == NULL) {
			status = error_no_memory(error);
			break;
		}
		order->items = items;
		items[order->count++] = (struct order_item){0, docid, 0};
	}
	walk_close(&walk);
	return status;
}

static int take_chunk(void *context, const struct match_chunk *chunk)
{
	weir_session *session = context;
	found_add(&session->found, chunk);
	return order_take(&session->order, chunk);
}

/* Leaves the page at [*from, *to) of the order's items. */
static weir_status find_page(weir_session *session, const struct weir_search *search, size_t *from,
			     size_t *to, uint64_t *total, struct weir_error *error)
{
	struct order *order = &session->order;
	size_t all = (size_t)session->head.live, wanted = 0;
	*from = search->offset < all ? search->offset : all;
	if (search->limit > 0)
		wanted = *from + (search->limit < all - *from ? search->limit : all - *from);
	weir_status status = order_begin(order, &session->match, &session->instance->fields, search,
					 wanted, error);
	if (status != WEIR_OK)
		return status;
	if (can_browse(session, search)) {
		*total = session->head.live;
		status = browse(session, order, wanted, error);
		*to = order->count;
		return status;
	}
	struct question question = session_question(session, search->query, search->filter);
	found_begin(&session->found, &question);
	status = match_run(&session->match, take_chunk, session, error);
	if (status == WEIR_OK)
		status = order_settle(order, *from, to, error);
	if (status == WEIR_OK && !session->match.has_passed_over)
		found_end(&session->found);
	*total = order->total;
	return status;
}

weir_status session_search(weir_session *session, const struct weir_search *search,
			   weir_on_hit on_hit, void *context, struct weir_search_result *result,
			   struct weir_error *error)
{
	struct hits hits = {0};
	size_t from = 0, to = 0;
	uint64_t total = 0;
	weir_status status =
		session_prepare(session, search->query, search->filter, search->limit > 0, error);
	if (status != WEIR_OK)
		return status;
	status = find_page(session, search, &from, &to, &total, error);
	if (status == WEIR_OK)
		status = read_hits(session, session->order.items + from, from < to ? to - from : 0,
				   &hits, error);
	status = session_check(session, status, error);
	order_end(&session->order);
	match_end(&session->match);
	if (status == WEIR_OK) {
		*result = (struct weir_search_result){
			.total = total,
			.total_is_lower_bound = session->match.has_passed_over,
		};
		hand_out_hits(&hits, on_hit, context);
	}
	bytes_finish(&hits.records);
	free(hits.scores);
	return status;
}

weir_status session_get(weir_session *session, const char *id, size_t id_length, weir_on_hit on_hit,
			void *context, struct weir_error *error)
{
	struct record record = {0};
	uint32_t docid = 0;
	if (id_length == 0 || id_length > ID_LIMIT)
		return WEIR_OK;
	session_match(session);
	weir_status status = walk_find(&session->match, id, id_length, &docid, error);
	if (status == WEIR_OK && docid != 0)
		status = match_whole_record(&session->match, docid, &session->record, &record,
					    error);
	status = session_check(session, status, error);
	if (status == WEIR_OK && docid != 0 && record.head.kind == RECORD_LIVE)
		hand_out(&record, 0, on_hit, context);
	return status;
}

static weir_status run_scan(weir_session *session, const char *from, size_t from_length,
			    weir_on_scan_state on_state, void *context, struct weir_error *error)
{
	struct walk walk;
	session_match(session);
	weir_status status = walk_open(&walk, &session->match, from, from_length, error);
	for (int stop = 0; status == WEIR_OK && stop == 0;) {
		struct record record = {0};
		const char *id;
		size_t length;
		uint32_t docid = 0;
		status = walk_next(&walk, &docid, &id, &length, error);
		if (status == WEIR_OK && docid != 0)
			status = match_whole_record(&session->match, docid, &session->record,
						    &record, error);
		status = session_check(session, status, error);
		if (status != WEIR_OK || docid == 0)
			break;
		stop = on_state(context, record.id, record.head.id_length, record.head.version,
				record.head.kind == RECORD_LIVE ? WEIR_KIND_LIVE : WEIR_KIND_HIDDEN,
				record.state, record.state_length);
	}
	walk_close(&walk);
	return status;
}

struct scan {
	weir_on_scan on_scan;
	void *context;
};

static int without_state(void *context, const char *id, size_t id_length, int64_t version,
			 uint32_t kind, const void *state, size_t state_length)
{
	const struct scan *scan = context;
	(void)state;
	(void)state_length;
	return scan->on_scan(scan->context, id, id_length, version, kind);
}

weir_status session_scan(weir_session *session, const char *from, size_t from_length,
			 weir_on_scan on_scan, void *context, struct weir_error *error)
{
	struct scan scan = {on_scan, context};
	return run_scan(session, from, from_length, without_state, &scan, error);
}

weir_status session_scan_states(weir_session *session, const char *from, size_t from_length,
				weir_on_scan_state on_state, void *context,
				struct weir_error *error)
{
	return run_scan(session, from, from_length, on_state, context, error);
}
