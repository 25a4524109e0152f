/* SPDX-License-Identifier: MIT
 * search.c - what a session answers: search, get, scan. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "instance.h"
#include "query.h"

#define WINDOW                                                                                     \
	10000	       /* index.max_result_window: hits of one request, those passed over included \
			*/
#define PAGE 500       /* hits of one request with their states */
#define PAGE_GROWTH 32 /* from one to the next, in a scan */

weir_status session_cancelled(struct weir_error *error)
{
	return error_set(error, WEIR_RETRY, "opensearch: the search was cancelled");
}

bool session_is_cancelled(const struct weir_session *session)
{
	return session->host->cancelled(session->host->context) != 0;
}

weir_status session_damaged(const struct weir_session *session, struct weir_error *error)
{
	return error_set(error, WEIR_FATAL,
			 "opensearch: a document of the index %.200s cannot be read: somebody else "
			 "wrote it; make the index anew with weir rebuild",
			 session->instance->index.name);
}

/* The id and state of a hit, into the session's texts. */
static bool read_hit(struct weir_session *session, const json_t *hit, int64_t *version)
{
	const json_t *source = json_object_get(hit, "_source");
	const json_t *id = json_object_get(source, "id");
	const json_t *state = json_object_get(source, "state");
	const json_t *number = json_object_get(source, "version");
	text_clear(&session->id);
	text_clear(&session->state);
	if (!json_is_string(id) || !json_is_string(state) || !json_is_integer(number))
		return false;
	*version = json_integer_value(number);
	return text_to_bytes(&session->id, json_string_value(id), json_string_length(id)) &&
	       text_from_base64(&session->state, json_string_value(state),
				json_string_length(state)) &&
	       !session->id.failed && !session->state.failed;
}

struct searching {
	struct weir_session *session;
	json_t *query, *sort; /* owned */
	json_t *after;	      /* owned: the sort values of the hit before; NULL: none yet */
	size_t skip, left;    /* hits to pass over, and to hand out */
	size_t page;
	uint64_t total;
	bool has_total, total_is_lower_bound, stopped, over;
	weir_on_hit on_hit;
	void *context;
};

static json_t *sort_key(const struct weir_session *session, const struct weir_sort_key *key)
{
	const struct fields *fields = &session->instance->fields;
	const char *order = key->descending != 0 ? "desc" : "asc";
	if (key->field == WEIR_FIELD_DEFAULT)
		return json_pack("{s:{s:s}}", "_score", "order", order);
	const struct field *field = &fields->fields[key->field];
	char name[256];
	snprintf(name, sizeof(name), "sort.%.200s", field->name);
	return json_pack("{s:{s:s, s:s}}", name, "order", order, "missing", "_last");
}

static weir_status make_sort(struct searching *searching, const struct weir_search *search,
			     bool scored, struct weir_error *error)
{
	const struct fields *fields = &searching->session->instance->fields;
	const struct weir_sort_key by_score = {WEIR_FIELD_DEFAULT, 1};
	bool good = (searching->sort = json_array()) != NULL;
	if (search->sort_count == 0 && scored)
		good = good && json_array_append_new(searching->sort,
						     sort_key(searching->session, &by_score)) == 0;
	for (size_t i = 0; i < search->sort_count && good; i++) {
		int32_t field = search->sort[i]->field;
		if (field != WEIR_FIELD_DEFAULT && (field < 0 || (size_t)field >= fields->count ||
						    !field_has_sort(&fields->fields[field])))
			return error_set(error, WEIR_FATAL,
					 "opensearch: field number %d cannot be sorted by",
					 (int)field);
		/* What has no score is equal by it. */
		if (field == WEIR_FIELD_DEFAULT && !scored)
			continue;
		good = json_array_append_new(searching->sort,
					     sort_key(searching->session, search->sort[i])) == 0;
	}
	good = good && json_array_append_new(searching->sort, json_pack("{s:s}", "id", "asc")) == 0;
	return good ? WEIR_OK : error_no_memory(error);
}

/* Counting to the end keeps OpenSearch from passing over what cannot be among the hits. */
static json_t *total_to_track(const struct searching *searching)
{
	if (searching->has_total)
		return json_false();
	return searching->left > 0 ? json_integer(WEIR_TOTAL_EXACT) : json_true();
}

/* The next request: passes over without looking, or brings a page of hits. */
static json_t *next_request(const struct searching *searching, size_t *size, bool *passing)
{
	bool far = searching->skip > 0 &&
		   (searching->after != NULL || searching->skip > WINDOW - PAGE);
	size_t from = far ? 0 : searching->skip;
	*passing = far;
	*size = far ? searching->skip : searching->left;
	if (*size > (far ? WINDOW : searching->page))
		*size = far ? WINDOW : searching->page;
	json_t *request =
		json_pack("{s:O, s:O, s:I, s:I, s:b, s:o}", "query", searching->query, "sort",
			  searching->sort, "from", (json_int_t)from, "size", (json_int_t)*size,
			  "_source", !far, "track_total_hits", total_to_track(searching));
	if (request != NULL && searching->after != NULL &&
	    json_object_set(request, "search_after", searching->after) != 0) {
		json_decref(request);
		return NULL;
	}
	return request;
}

static weir_status hand_out(struct searching *searching, const json_t *hits,
			    struct weir_error *error)
{
	size_t count = json_array_size(hits);
	for (size_t i = 0; i < count && !searching->stopped; i++) {
		const json_t *hit = json_array_get(hits, i);
		struct weir_session *session = searching->session;
		struct weir_hit out = {.score = json_number_value(json_object_get(hit, "_score"))};
		if (session_is_cancelled(session))
			return session_cancelled(error);
		if (!read_hit(session, hit, &out.version))
			return session_damaged(session, error);
		out.id = session->id.data;
		out.id_length = session->id.length;
		out.state = session->state.data != NULL ? session->state.data : "";
		out.state_length = session->state.length;
		searching->stopped = searching->on_hit(searching->context, &out) != 0;
	}
	return WEIR_OK;
}

static void take_total(struct searching *searching, const json_t *total)
{
	const char *relation = json_string_value(json_object_get(total, "relation"));
	searching->total = (uint64_t)json_integer_value(json_object_get(total, "value"));
	searching->total_is_lower_bound = relation != NULL && strcmp(relation, "gte") == 0;
	searching->has_total = true;
}

static weir_status take_answer(struct searching *searching, const struct answer *answer,
			       size_t size, bool passing, struct weir_error *error)
{
	const json_t *hits = json_object_get(answer->json, "hits");
	const json_t *list = json_object_get(hits, "hits");
	size_t count = json_array_size(list);
	if (!searching->has_total)
		take_total(searching, json_object_get(hits, "total"));
	weir_status status = passing ? WEIR_OK : hand_out(searching, list, error);
	if (count > 0) {
		json_decref(searching->after);
		searching->after =
			json_incref(json_object_get(json_array_get(list, count - 1), "sort"));
	}
	searching->skip = passing ? searching->skip - count : 0;
	searching->left -= passing ? 0 : count;
	searching->over = count < size;
	return status;
}

static weir_status run(struct searching *searching, struct weir_error *error)
{
	do {
		size_t size;
		bool passing;
		struct answer answer;
		if (session_is_cancelled(searching->session))
			return session_cancelled(error);
		json_t *request = next_request(searching, &size, &passing);
		weir_status status = session_ask(searching->session, request, &answer, error);
		if (status != WEIR_OK)
			return status;
		if (answer.too_large) {
			answer_finish(&answer);
			if (searching->page == 1)
				return session_damaged(searching->session, error);
			searching->page /= 2;
			continue;
		}
		status = session_is_cancelled(searching->session)
				 ? session_cancelled(error)
				 : take_answer(searching, &answer, size, passing, error);
		answer_finish(&answer);
		if (status != WEIR_OK)
			return status;
	} while (searching->left > 0 && !searching->over && !searching->stopped);
	return WEIR_OK;
}

weir_status session_search(weir_session *session, const struct weir_search *search,
			   weir_on_hit on_hit, void *context, struct weir_search_result *result,
			   struct weir_error *error)
{
	struct searching searching = {
		.session = session,
		.skip = search->limit > 0 ? search->offset : 0,
		.left = search->limit,
		.page = PAGE,
		.on_hit = on_hit,
		.context = context,
	};
	bool scored = false;
	weir_status status = query_build(&session->instance->fields, session->host, search->query,
					 search->filter, &searching.query, &scored, error);
	if (status == WEIR_OK)
		status = make_sort(&searching, search, scored, error);
	if (status == WEIR_OK)
		status = run(&searching, error);
	json_decref(searching.query);
	json_decref(searching.sort);
	json_decref(searching.after);
	if (status == WEIR_OK)
		*result = (struct weir_search_result){searching.total,
						      searching.total_is_lower_bound};
	return status;
}

weir_status session_get(weir_session *session, const char *id, size_t id_length, weir_on_hit on_hit,
			void *context, struct weir_error *error)
{
	struct answer answer;
	text_clear(&session->id);
	text_from_bytes(&session->id, id, id_length);
	if (id_length == 0)
		return WEIR_OK;
	json_t *value =
		session->id.failed ? NULL : json_stringn(session->id.data, session->id.length);
	json_t *request = json_pack("{s:{s:{s:[{s:{s:o}}, {s:{s:s}}]}}, s:i, s:b}", "query", "bool",
				    "filter", "term", "id", value, "term", "kind", "live", "size",
				    1, "track_total_hits", 0);
	weir_status status = session_ask(session, request, &answer, error);
	if (status != WEIR_OK)
		return status;
	const json_t *hits = json_object_get(json_object_get(answer.json, "hits"), "hits");
	struct searching searching = {.session = session, .on_hit = on_hit, .context = context};
	status = answer.too_large ? session_damaged(session, error)
				  : hand_out(&searching, hits, error);
	answer_finish(&answer);
	return status;
}

struct scanning {
	struct weir_session *session;
	weir_on_scan on_scan;
	weir_on_scan_state on_state; /* NULL: without states */
	void *context;
	json_t *after; /* owned */
	size_t page, most;
	bool stopped, over;
};

static json_t *scan_request(const struct scanning *scanning, const char *from, size_t from_length)
{
	struct text id = {0};
	text_from_bytes(&id, from, from_length);
	json_t *first = id.failed ? NULL : json_stringn(id.data != NULL ? id.data : "", id.length);
	text_finish(&id);
	json_t *request = json_pack(
		"{s:{s:{s:[{s:{s:[s, s]}}, {s:{s:{s:o}}}]}}, s:[{s:s}], s:I, s:b}", "query", "bool",
		"filter", "terms", "kind", "live", "hidden", "range", "id", "gte", first, "sort",
		"id", "asc", "size", (json_int_t)scanning->page, "track_total_hits", 0);
	bool good = request != NULL;
	if (good && scanning->on_state == NULL)
		good = json_object_set_new(request, "_source", json_false()) == 0 &&
		       json_object_set_new(request, "docvalue_fields",
					   json_pack("[s, s]", "kind", "version")) == 0;
	if (good && scanning->after != NULL)
		good = json_object_set(request, "search_after", scanning->after) == 0;
	if (good)
		return request;
	json_decref(request);
	return NULL;
}

static const json_t *first_value(const json_t *hit, const char *field)
{
	return json_array_get(json_object_get(json_object_get(hit, "fields"), field), 0);
}

/* False: the document is not as we write them. */
static bool scan_hit(struct scanning *scanning, const json_t *hit)
{
	struct weir_session *session = scanning->session;
	const json_t *source = json_object_get(hit, "_source");
	bool with_state = scanning->on_state != NULL;
	int64_t version = 0;
	if (with_state) {
		if (!read_hit(session, hit, &version))
			return false;
	} else {
		const json_t *id = json_array_get(json_object_get(hit, "sort"), 0);
		text_clear(&session->id);
		if (!json_is_string(id) ||
		    !text_to_bytes(&session->id, json_string_value(id), json_string_length(id)))
			return false;
		version = json_integer_value(first_value(hit, "version"));
	}
	const char *kind = json_string_value(with_state ? json_object_get(source, "kind")
							: first_value(hit, "kind"));
	if (kind == NULL || session->id.failed)
		return false;
	uint32_t number = strcmp(kind, "live") == 0 ? WEIR_KIND_LIVE : WEIR_KIND_HIDDEN;
	const char *state = session->state.data != NULL ? session->state.data : "";
	int stop = with_state ? scanning->on_state(scanning->context, session->id.data,
						   session->id.length, version, number, state,
						   session->state.length)
			      : scanning->on_scan(scanning->context, session->id.data,
						  session->id.length, version, number);
	scanning->stopped = stop != 0;
	return true;
}

static weir_status scan_page(struct scanning *scanning, const json_t *hits,
			     struct weir_error *error)
{
	size_t count = json_array_size(hits);
	for (size_t i = 0; i < count && !scanning->stopped; i++) {
		if (session_is_cancelled(scanning->session))
			return session_cancelled(error);
		if (!scan_hit(scanning, json_array_get(hits, i)))
			return session_damaged(scanning->session, error);
	}
	if (count > 0) {
		json_decref(scanning->after);
		scanning->after =
			json_incref(json_object_get(json_array_get(hits, count - 1), "sort"));
	}
	scanning->over = count < scanning->page;
	/* Whoever looks for one id wants no more than the first. */
	scanning->page *= PAGE_GROWTH;
	if (scanning->page > scanning->most)
		scanning->page = scanning->most;
	return WEIR_OK;
}

static weir_status scan(struct scanning *scanning, const char *from, size_t from_length,
			struct weir_error *error)
{
	weir_status status = WEIR_OK;
	while (status == WEIR_OK && !scanning->stopped && !scanning->over) {
		struct answer answer;
		if (session_is_cancelled(scanning->session)) {
			status = session_cancelled(error);
			break;
		}
		status = session_ask(scanning->session, scan_request(scanning, from, from_length),
				     &answer, error);
		if (status != WEIR_OK)
			break;
		if (answer.too_large && scanning->page > 1)
			scanning->most = scanning->page /= 2;
		else if (answer.too_large)
			status = session_damaged(scanning->session, error);
		else
			status = scan_page(
				scanning,
				json_object_get(json_object_get(answer.json, "hits"), "hits"),
				error);
		answer_finish(&answer);
	}
	json_decref(scanning->after);
	return status;
}

weir_status session_scan(weir_session *session, const char *from, size_t from_length,
			 weir_on_scan on_scan, void *context, struct weir_error *error)
{
	struct scanning scanning = {.session = session,
				    .on_scan = on_scan,
				    .context = context,
				    .page = 1,
				    .most = WINDOW / 2};
	return scan(&scanning, from, from_length, error);
}

weir_status session_scan_states(weir_session *session, const char *from, size_t from_length,
				weir_on_scan_state on_state, void *context,
				struct weir_error *error)
{
	struct scanning scanning = {.session = session,
				    .on_state = on_state,
				    .context = context,
				    .page = 1,
				    .most = PAGE};
	return scan(&scanning, from, from_length, error);
}
