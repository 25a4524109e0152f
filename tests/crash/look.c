/* SPDX-License-Identifier: MIT */
#include "look.h"

#include <inttypes.h>
#include <string.h>

enum { STEP_LIMIT = 64 };

jmp_buf *look_again;

weir_status place_open(const struct place *place, uint32_t mode, weir_instance **instance,
		       struct weir_error *error)
{
	return place->plugin->operations.open(
		(const struct weir_parameter_value *const *)place->parameters->values,
		place->parameters->count, &steps_schema, mode, &plugin_default_host, instance,
		error);
}

static int on_position(void *context, const struct weir_position *position)
{
	int64_t *next = context;
	DEMAND(*next < 0 && strcmp(position->topic, "steps") == 0 && position->partition == 0,
	       "a position of %s/%d that nobody committed", position->topic, position->partition);
	*next = position->next_offset;
	return 0;
}

static void to_batch(struct model *model, int64_t position, const struct bounds *bounds,
		     const struct plan *plan)
{
	uint32_t batch = position < 0 ? 0 : (uint32_t)position;
	DEMAND(batch >= bounds->at_least && batch <= bounds->at_most,
	       "the index is at batch %u; it has to be between %u and %u", batch, bounds->at_least,
	       bounds->at_most);
	model_start(model, plan);
	while (model->batch < batch)
		model_step(model);
}

/* What a reader sees of the model: the documents of all that is there. */
struct view {
	const struct place *place;
	weir_session *session;
	const struct model *model;
	struct document *documents; /* by id */
	bool *seen;		    /* by id */
	unsigned next;		    /* of a scan */
	const struct weir_search *search;
};

static unsigned id_of(const struct view *view, const char *id, size_t length)
{
	unsigned number = ID_LIMIT;
	char text[16] = "";
	DEMAND(length < sizeof(text), "an id that nobody applied");
	memcpy(text, id, length);
	DEMAND(sscanf(text, "id-%u", &number) == 1 && number < view->model->plan.ids,
	       "an id that nobody applied: %s", text);
	return number;
}

static int on_scanned(void *context, const char *id, size_t id_length, int64_t version,
		      uint32_t kind, const char *state, size_t state_length)
{
	struct view *view = context;
	unsigned number = id_of(view, id, id_length);
	while (view->next < number)
		DEMAND(!view->model->entries[view->next++].exists, "scan passed over id-%04u",
		       view->next - 1);
	DEMAND(view->next == number && view->model->entries[number].exists,
	       "scan gave id-%04u, which is not there, a second time, or out of order", number);
	const struct weir_document *document = &view->documents[number].document;
	DEMAND(version == document->version, "scan: id-%04u has version %" PRId64 ", not %" PRId64,
	       number, version, document->version);
	DEMAND(kind == document->kind, "scan: id-%04u is of kind %u", number, kind);
	DEMAND(state_length == document->state_length &&
		       memcmp(state, document->state, state_length) == 0,
	       "scan: id-%04u has the state %.*s", number, (int)state_length, state);
	view->next++;
	return 0;
}

static int on_scan_state(void *context, const char *id, size_t id_length, int64_t version,
			 uint32_t kind, const char *state, size_t state_length)
{
	return on_scanned(context, id, id_length, version, kind, state, state_length);
}

static void look_at_scan(struct view *view)
{
	view->next = 0;
	MUST(view->place->plugin->operations.scan_states(
		view->session, "", 0, (weir_on_scan_state)on_scan_state, view, error));
	for (; view->next < view->model->plan.ids; view->next++)
		DEMAND(!view->model->entries[view->next].exists, "scan lacks id-%04u", view->next);
}

static bool has_words(const struct document *document, const char *text)
{
	unsigned words[8], count = 0;
	for (const char *at = text; count < 8 && sscanf(at, "word%u", &words[count]) == 1;) {
		count++;
		at = strchr(at, ' ');
		if (at == NULL)
			break;
		at++;
	}
	for (unsigned start = 0; start + count <= document->word_count; start++) {
		unsigned same = 0;
		while (same < count && document->words[start + same] == words[same])
			same++;
		if (same == count)
			return true;
	}
	return false;
}

static bool matches(const struct weir_query *query, const struct document *document)
{
	switch (query->kind) {
	case WEIR_QUERY_ALL:
		return true;
	case WEIR_QUERY_TERM:
	case WEIR_QUERY_PHRASE:
		return has_words(document, query->text);
	case WEIR_QUERY_EXACT:
		return strcmp(document->tag, query->lower.text) == 0;
	case WEIR_QUERY_RANGE:
		return document->price_number >= 0 &&
		       document->price_number >= query->lower.number &&
		       document->price_number <= query->upper.number;
	case WEIR_QUERY_NOT:
		return !matches(query->children[0], document);
	default: /* AND */
		for (size_t i = 0; i < query->child_count; i++)
			if (!matches(query->children[i], document))
				return false;
		return true;
	}
}

static bool is_live(const struct model *model, unsigned id)
{
	return model->entries[id].exists && !model->entries[id].is_hidden;
}

static int on_hit(void *context, const struct weir_hit *hit)
{
	struct view *view = context;
	unsigned id = id_of(view, hit->id, hit->id_length);
	const struct weir_document *document = &view->documents[id].document;
	DEMAND(is_live(view->model, id), "a search found id-%04u, which is not live", id);
	DEMAND(!view->seen[id], "a search found id-%04u twice", id);
	DEMAND(hit->version == document->version && hit->state_length == document->state_length &&
		       memcmp(hit->state, document->state, hit->state_length) == 0,
	       "a search found id-%04u as %.*s", id, (int)hit->state_length,
	       (const char *)hit->state);
	DEMAND(view->search == NULL || matches(view->search->query, &view->documents[id]),
	       "a search found id-%04u, which does not match", id);
	if (view->search != NULL && view->search->sort_count > 0) {
		unsigned place = (unsigned)view->documents[id].price_number;
		DEMAND(place >= view->next, "a search found id-%04u out of order", id);
		view->next = place; /* without a price: the largest */
	}
	view->seen[id] = true;
	return 0;
}

static void look_at(struct view *view, const struct weir_query *query, const char *name)
{
	struct weir_sort_key by_price = {FIELD_PRICE, 0};
	const struct weir_sort_key *const keys[] = {&by_price};
	struct weir_search search = {.query = query, .limit = ID_LIMIT, .sort = keys};
	for (search.sort_count = 0; search.sort_count < 2; search.sort_count++) {
		struct weir_search_result result = {0};
		memset(view->seen, 0, view->model->plan.ids * sizeof(*view->seen));
		view->next = 0;
		view->search = &search;
		MUST(view->place->plugin->operations.search(view->session, &search, on_hit, view,
							    &result, error));
		uint64_t count = 0;
		for (unsigned id = 0; id < view->model->plan.ids; id++) {
			bool wanted =
				is_live(view->model, id) && matches(query, &view->documents[id]);
			count += wanted;
			DEMAND(wanted == view->seen[id], "%s: id-%04u is missing", name, id);
		}
		view->search = NULL;
		DEMAND(result.total == count, "%s: the total is %" PRIu64 ", not %" PRIu64, name,
		       result.total, count);
	}
}

static void look_at_all(struct view *view)
{
	struct weir_query all = {.kind = WEIR_QUERY_ALL};
	look_at(view, &all, "all");
}

static void look_at_word(struct view *view, unsigned i)
{
	char text[16], two[32], tag[16];
	snprintf(text, sizeof(text), "word%u", i);
	snprintf(two, sizeof(two), "word%u word%u", i, (i * 5 + 1) % WORD_COUNT);
	snprintf(tag, sizeof(tag), "Tag-%u", i % TAG_COUNT);
	struct weir_query term = {.kind = WEIR_QUERY_TERM,
				  .field = WEIR_FIELD_DEFAULT,
				  .text = text,
				  .text_length = strlen(text)};
	struct weir_query phrase = {.kind = WEIR_QUERY_PHRASE,
				    .field = FIELD_TITLE,
				    .text = two,
				    .text_length = strlen(two)};
	struct weir_query exact = {.kind = WEIR_QUERY_EXACT,
				   .field = FIELD_TAG,
				   .lower = {FIELD_TAG, WEIR_TYPE_KEYWORD, tag, strlen(tag), 0, 0}};
	struct weir_query range = {.kind = WEIR_QUERY_RANGE,
				   .field = FIELD_PRICE,
				   .range_flags = WEIR_RANGE_HAS_LOWER | WEIR_RANGE_HAS_UPPER,
				   .lower = {FIELD_PRICE, WEIR_TYPE_NUMBER, "", 0, i, 0},
				   .upper = {FIELD_PRICE, WEIR_TYPE_NUMBER, "", 0, i + 9, 0}};
	const struct weir_query *no[] = {&exact};
	struct weir_query not_exact = {.kind = WEIR_QUERY_NOT, .children = no, .child_count = 1};
	const struct weir_query *both[] = {&term, &not_exact, &range};
	struct weir_query and = {.kind = WEIR_QUERY_AND, .children = both, .child_count = 3};
	look_at(view, &term, "term");
	look_at(view, &phrase, "phrase");
	look_at(view, &exact, "exact");
	look_at(view, &range, "range");
	look_at(view, &and, "and");
}

static void look_at_queries(struct view *view)
{
	look_at_all(view);
	for (unsigned i = 0; i < WORD_COUNT; i++)
		look_at_word(view, i);
}

static void look_at_gets(struct view *view)
{
	memset(view->seen, 0, view->model->plan.ids * sizeof(*view->seen));
	for (unsigned id = 0; id < view->model->plan.ids; id++) {
		char text[16];
		int length = snprintf(text, sizeof(text), "id-%04u", id);
		MUST(view->place->plugin->operations.get(view->session, text, (size_t)length,
							 on_hit, view, error));
		DEMAND(view->seen[id] == is_live(view->model, id), "get lacks id-%04u", id);
	}
}

struct counts {
	uint64_t left[2][TAG_COUNT];
};

static int on_facet(void *context, size_t index, const char *value, size_t length, uint64_t count)
{
	struct counts *counts = context;
	unsigned which = TAG_COUNT;
	if (index == 1)
		which = length == 4 && memcmp(value, "true", 4) == 0;
	else if (length == 5)
		which = (unsigned)(value[4] - '0');
	if (which >= TAG_COUNT || counts->left[index][which] != count)
		FAIL("facet %.*s of %" PRIu64, (int)length, value, count);
	counts->left[index][which] = 0;
	return 0;
}

static void look_at_facets(struct view *view)
{
	const struct plugin *plugin = view->place->plugin;
	if ((plugin->manifest->capabilities & WEIR_CAN_FACET) == 0)
		return;
	struct counts counts = {{{0}}};
	for (unsigned id = 0; id < view->model->plan.ids; id++) {
		const struct document *document = &view->documents[id];
		if (!is_live(view->model, id))
			continue;
		if (document->tag_number < TAG_COUNT)
			counts.left[0][document->tag_number]++;
		if (document->has_flag)
			counts.left[1][document->flag]++;
	}
	struct weir_query all = {.kind = WEIR_QUERY_ALL};
	int32_t fields[] = {FIELD_TAG, FIELD_FREE};
	struct weir_facets wanted = {&all, NULL, fields, 2, 100};
	MUST(plugin->operations.facets(view->session, &wanted, on_facet, &counts, error));
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < TAG_COUNT; j++)
			DEMAND(counts.left[i][j] == 0, "facets lack a value");
}

static struct document *documents_of(const struct model *model)
{
	struct document *documents = calloc(model->plan.ids, sizeof(*documents));
	DEMAND(documents != NULL, "no memory");
	for (unsigned id = 0; id < model->plan.ids; id++)
		if (model->entries[id].exists)
			steps_document(&model->plan, id, &model->entries[id], &documents[id]);
	return documents;
}

uint32_t look_as_reader(const struct place *place, const struct bounds *bounds)
{
	const struct weir_operations *operations = &place->plugin->operations;
	weir_instance *instance = NULL;
	weir_session *session = NULL;
	uint64_t generation = 0;
	int64_t position = -1;
	struct weir_error failure = {""};
	weir_status status = place_open(place, WEIR_MODE_READER, &instance, &failure);
	if (status == WEIR_RETRY &&
	    (bounds->may_refuse || (bounds->may_be_missing && bounds->at_least == 0)))
		return 0;
	DEMAND(status == WEIR_OK, "open as reader: %d: %s", (int)status, failure.message);
	MUST(operations->session_open(instance, &plugin_default_host, &session, error));
	MUST(operations->refresh(session, &generation, error));
	MUST(operations->session_positions(session, on_position, &position, error));
	struct model *model = malloc(sizeof(*model));
	DEMAND(model != NULL, "no memory");
	to_batch(model, position, bounds, &place->plan);
	struct view view = {
		place, session, model, documents_of(model), calloc(model->plan.ids, sizeof(bool)),
		0,     NULL};
	look_at_scan(&view);
	look_at_queries(&view);
	look_at_gets(&view);
	look_at_facets(&view);
	operations->session_close(session);
	operations->close(instance);
	uint32_t batch = model->batch;
	free(view.documents);
	free(view.seen);
	free(model);
	return batch;
}

static void move_model(struct beside *beside, uint32_t batch)
{
	const struct plan *plan = &beside->place->plan;
	if (beside->documents == NULL) {
		model_start(&beside->model, plan);
		beside->documents = calloc(plan->ids, sizeof(*beside->documents));
		beside->seen = calloc(plan->ids, sizeof(*beside->seen));
		DEMAND(beside->documents != NULL && beside->seen != NULL, "no memory");
	}
	while (beside->model.batch < batch)
		model_step(&beside->model);
	for (unsigned id = 0; id < plan->ids; id++)
		if (beside->model.entries[id].exists)
			steps_document(plan, id, &beside->model.entries[id],
				       &beside->documents[id]);
}

void look_beside(struct beside *beside, unsigned part, const uint32_t *committed,
		 const uint32_t *begun)
{
	const struct weir_operations *operations = &beside->place->plugin->operations;
	uint64_t generation = 0;
	int64_t position = -1;
	uint32_t least = __atomic_load_n(committed, __ATOMIC_ACQUIRE);
	if (least < beside->model.batch)
		least = beside->model.batch;
	MUST(operations->refresh(beside->session, &generation, error));
	MUST(operations->session_positions(beside->session, on_position, &position, error));
	uint32_t batch = position < 0 ? 0 : (uint32_t)position;
	uint32_t most = __atomic_load_n(begun, __ATOMIC_ACQUIRE);
	DEMAND(batch >= least && batch <= most,
	       "a session is at batch %u; it has to be between %u and %u", batch, least, most);
	move_model(beside, batch);
	struct view view = {
		beside->place, beside->session, &beside->model, beside->documents, beside->seen, 0,
		NULL};
	if (part == 0)
		look_at_scan(&view);
	else if (part == 1)
		look_at_gets(&view);
	else if (part == 2)
		look_at_facets(&view);
	else if (part == 3)
		look_at_all(&view);
	else
		look_at_word(&view, part - 4);
}

static int on_state(void *context, size_t index, int found, const void *state, size_t length,
		    const void *revision, size_t revision_length)
{
	const struct model *model = context;
	const struct entry *entry = &model->entries[index];
	struct document document;
	(void)revision, (void)revision_length;
	DEMAND((found != 0) == entry->exists, "fetch: id-%04zu is %s", index,
	       found ? "there" : "missing");
	if (!found)
		return 0;
	steps_document(&model->plan, (unsigned)index, entry, &document);
	DEMAND(length == document.document.state_length &&
		       memcmp(state, document.state, length) == 0,
	       "fetch: id-%04zu has the state %.*s, not %s", index, (int)length,
	       (const char *)state, document.state);
	return 0;
}

static int on_stat(void *context, const char *name, double value)
{
	double *counts = context;
	if (strcmp(name, "documents_live") == 0)
		counts[0] = value;
	if (strcmp(name, "documents_hidden") == 0)
		counts[1] = value;
	return 0;
}

void look_at_states(const struct place *place, weir_instance *writer, const struct model *model)
{
	static char ids[ID_LIMIT][16];
	static const char *pointers[ID_LIMIT];
	static size_t lengths[ID_LIMIT];
	for (unsigned id = 0; id < model->plan.ids; id++) {
		lengths[id] = (size_t)snprintf(ids[id], sizeof(ids[id]), "id-%04u", id);
		pointers[id] = ids[id];
	}
	MUST(place->plugin->operations.fetch(writer, pointers, lengths, model->plan.ids, on_state,
					     (void *)model, error));
	uint64_t live, hidden;
	double counts[2] = {-1, -1};
	model_counts(model, &live, &hidden);
	MUST(place->plugin->operations.stats(writer, on_stat, counts, error));
	DEMAND(counts[0] == (double)live && counts[1] == (double)hidden,
	       "stats: %.0f live and %.0f hidden documents, not %" PRIu64 " and %" PRIu64,
	       counts[0], counts[1], live, hidden);
}

uint32_t look_as_writer(const struct place *place, const struct bounds *bounds, struct model *model,
			weir_instance **instance)
{
	int64_t position = -1;
	MUST(place_open(place, WEIR_MODE_WRITER, instance, error));
	MUST(place->plugin->operations.positions(*instance, on_position, &position, error));
	to_batch(model, position, bounds, &place->plan);
	look_at_states(place, *instance, model);
	return model->batch;
}
