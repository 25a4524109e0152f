/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "best.h"
#include "error.h"
#include "evaluate.h"
#include "fulltext.h"
#include "session.h"
#include "walk.h"

/* One search under way. */
struct run {
	struct weir_session *session;
	const struct weir_search *search;
	struct query query;
	struct best best;
	double *columns; /* the boost of each column of words */
	bool scored;
	uint64_t total;
	struct weir_error *error;
};

static bool is_scored(const struct weir_search *search)
{
	bool scored = search->sort_count == 0;
	for (size_t i = 0; i < search->sort_count; i++)
		scored = scored || search->sort[i]->field == WEIR_FIELD_DEFAULT;
	return scored && search->limit > 0;
}

static weir_status get_columns(struct run *run)
{
	const struct fields *fields = &run->session->instance->fields;
	run->columns = calloc(fields->column_count + 1, sizeof(*run->columns));
	if (run->columns == NULL)
		return error_no_memory(run->error);
	for (size_t i = 0; i < fields->count; i++)
		if (fields->fields[i].column >= 0)
			run->columns[fields->fields[i].column] = fields->fields[i].boost;
	return WEIR_OK;
}

/* Offers what the expression finds, with its score. among: only these; they are taken out of it
 * as they are found. */
static weir_status offer_scored(struct run *run, const struct bytes *text,
				const struct bytes *weights, struct bits *among)
{
	struct weir_session *session = run->session;
	size_t phrases = weights->length / sizeof(double);
	struct fulltext_score score = {
		.among = among,
		.columns = run->columns,
		.phrases = (const double *)(const void *)weights->data,
		.phrase_count = phrases,
		.host = session->host,
		.rarities = calloc(2 * phrases + 1, sizeof(double)),
	};
	score.frequencies = score.rarities + phrases;
	sqlite3_stmt *statement = NULL;
	bool has_row = true;
	weir_status status = score.rarities != NULL ? WEIR_OK : error_no_memory(run->error);
	if (status == WEIR_OK)
		status = database_prepare(&session->database,
					  "SELECT rowid, weir_score(words, ?2) FROM words "
					  "WHERE words MATCH ?1",
					  &statement, run->error);
	if (status == WEIR_OK) {
		sqlite3_bind_text64(statement, 1, text->data, text->length, SQLITE_STATIC,
				    SQLITE_UTF8);
		sqlite3_bind_pointer(statement, 2, &score, FULLTEXT_SCORE, NULL);
	}
	while (status == WEIR_OK && has_row) {
		score.threshold = best_threshold(&run->best);
		status = database_step(&session->database, statement, &has_row, run->error);
		if (status != WEIR_OK || !has_row ||
		    sqlite3_column_type(statement, 1) == SQLITE_NULL)
			continue;
		int64_t number = sqlite3_column_int64(statement, 0);
		if (among != NULL)
			bits_remove(among, number);
		run->total++;
		status = best_offer(&run->best, number, sqlite3_column_double(statement, 1));
	}
	sqlite3_finalize(statement);
	free(score.rarities);
	return status;
}

/* Offers a whole set that has a score of its own only in the query's scoring leaves; those first.
 */
static weir_status offer_set(struct run *run, struct bits *set)
{
	weir_status status = WEIR_OK;
	uint64_t total = bits_count(set);
	bool scored = run->scored && run->query.scoring > 0, done = run->search->limit == 0;
	if (!done && !scored)
		status = walk(run->session, run->search, set, &run->best, &done, run->error);
	if (status == WEIR_OK && scored)
		status = offer_scored(run, &run->query.text, &run->query.weights, set);
	for (int64_t number = done ? -1 : bits_next(set, 0); number >= 0 && status == WEIR_OK;
	     number = bits_next(set, number + 1))
		status = best_offer(&run->best, number, 0);
	run->total = total;
	return status;
}

/* Every live document, without looking at all of them where that is not needed. */
static weir_status offer_everything(struct run *run, bool *done)
{
	*done = run->search->limit == 0;
	run->total = (uint64_t)run->session->record.live;
	if (*done || (run->scored && run->query.scoring > 0))
		return WEIR_OK;
	return walk(run->session, run->search, NULL, &run->best, done, run->error);
}

/* The one conjunct that scores, and alone does, if there is one: then a single pass over what it
 * finds is enough. */
static const struct node *leader(const struct run *run)
{
	const struct node *root = run->query.root;
	const struct node *found = NULL;
	if (root->kind == NODE_MATCH)
		found = root;
	for (size_t i = 0; root->kind == NODE_AND && i < root->child_count; i++)
		if (root->children[i]->kind == NODE_MATCH)
			found = root->children[i];
	return found != NULL && found->scoring == run->query.scoring ? found : NULL;
}

/* What the other conjuncts leave; *any: there are others. */
static weir_status others(struct run *run, const struct node *leading, struct bits *set, bool *any)
{
	const struct node *root = run->query.root;
	weir_status status = WEIR_OK;
	*any = false;
	for (size_t i = 0; root->kind == NODE_AND && i < root->child_count; i++) {
		struct bits more = {0};
		if (root->children[i] == leading)
			continue;
		status = evaluate(run->session, root->children[i], *any ? &more : set, run->error);
		if (*any && status == WEIR_OK)
			bits_and(set, &more);
		bits_finish(&more);
		if (status != WEIR_OK)
			return status;
		*any = true;
	}
	return WEIR_OK;
}

/* A set of documents and then the order, or both at once where the words alone decide it. */
static weir_status collect(struct run *run)
{
	const struct node *root = run->query.root;
	const struct node *leading = run->scored ? leader(run) : NULL;
	struct bits set = {0};
	bool done = false, any = false;
	weir_status status = WEIR_OK;
	if (root->kind == NODE_NOTHING)
		return WEIR_OK;
	if (root->kind == NODE_EVERYTHING)
		status = offer_everything(run, &done);
	if (done || status != WEIR_OK)
		return status;
	if (leading != NULL) {
		status = others(run, leading, &set, &any);
		if (status == WEIR_OK)
			status = offer_scored(run, &leading->text, &leading->weights,
					      any ? &set : NULL);
	} else {
		status = evaluate(run->session, root, &set, run->error);
		if (status == WEIR_OK)
			status = offer_set(run, &set);
	}
	bits_finish(&set);
	return status;
}

static weir_status hand_out(struct run *run, weir_on_hit on_hit, void *context)
{
	struct weir_session *session = run->session;
	weir_status status = best_sort(&run->best);
	int stop = 0;
	for (size_t i = run->search->offset; i < run->best.count && stop == 0 && status == WEIR_OK;
	     i++) {
		bool has_row = false;
		sqlite3_bind_int64(session->hit, 1, run->best.entries[i].number);
		status = database_step(&session->database, session->hit, &has_row, run->error);
		if (status == WEIR_OK && has_row)
			stop = session_hand_out(session->hit, run->best.entries[i].score, on_hit,
						context);
		sqlite3_reset(session->hit);
	}
	return status;
}

static weir_status run_search(weir_session *session, const struct weir_search *search,
			      weir_on_hit on_hit, void *context, struct weir_search_result *result,
			      struct weir_error *error)
{
	struct run run = {
		.session = session,
		.search = search,
		.scored = is_scored(search),
		.error = error,
	};
	weir_status status = query_create(&session->instance->fields, session->host, search->query,
					  search->filter, &run.query, error);
	if (status == WEIR_OK)
		status = best_init(&run.best, session, search, error);
	if (status == WEIR_OK)
		status = get_columns(&run);
	if (status == WEIR_OK)
		status = collect(&run);
	if (status == WEIR_OK)
		status = hand_out(&run, on_hit, context);
	best_finish(&run.best);
	query_finish(&run.query);
	free(run.columns);
	if (status == WEIR_OK)
		*result = (struct weir_search_result){.total = run.total};
	return status;
}

weir_status session_search(weir_session *session, const struct weir_search *search,
			   weir_on_hit on_hit, void *context, struct weir_search_result *result,
			   struct weir_error *error)
{
	weir_status status = session_enter(session, error);
	if (status != WEIR_OK)
		return status;
	status = run_search(session, search, on_hit, context, result, error);
	session_leave(session);
	return status;
}
