/* SPDX-License-Identifier: MIT */
#include "walk.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define BATCH 16

static bool make_term(struct bytes *term, const char *id, size_t length)
{
	char kind = TERM_ID;
	term->length = 0;
	return bytes_append(term, &kind, 1) && bytes_append(term, id, length);
}

/* The visible one of the documents that a segment has under the term; 0: none. */
static weir_status find_visible(struct match *match, struct open_segment *segment, const char *term,
				size_t length, uint32_t *docid, struct weir_error *error)
{
	struct postings *postings = NULL;
	struct posting batch[BATCH];
	uint32_t next;
	weir_status status = postings_open(segment->reader, term, length, &postings, error);
	for (size_t taken = BATCH; status == WEIR_OK && postings != NULL && taken == BATCH;) {
		status = postings_take(postings, 1, match->head->docid_limit, batch, BATCH, &taken,
				       &next, error);
		for (size_t i = 0; status == WEIR_OK && i < taken; i++)
			if (rows_visible(&match->reader->rows, batch[i].docid, match->head->commit))
				*docid = batch[i].docid;
	}
	postings_close(postings);
	return status;
}

weir_status walk_find(struct match *match, const char *id, size_t id_length, uint32_t *docid,
		      struct weir_error *error)
{
	struct bytes term = {0};
	weir_status status = make_term(&term, id, id_length) ? WEIR_OK : error_no_memory(error);
	*docid = 0;
	/* The newest are asked first. */
	for (size_t i = match->segment_count; i-- > 0 && status == WEIR_OK && *docid == 0;)
		status = find_visible(match, &match->segments[i], term.data, term.length, docid,
				      error);
	bytes_finish(&term);
	return status;
}

weir_status walk_open(struct walk *walk, struct match *match, const char *from, size_t from_length,
		      struct weir_error *error)
{
	const char kind = TERM_ID;
	*walk = (struct walk){.match = match};
	walk->lists = calloc(match->segment_count + 1, sizeof(*walk->lists));
	if (walk->lists == NULL || !make_term(&walk->id, from, from_length))
		return error_no_memory(error);
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < match->segment_count && status == WEIR_OK; i++) {
		struct walk_list *list = &walk->lists[i];
		status = terms_open(match->segments[i].reader, &kind, 1, &list->terms, error);
		if (status == WEIR_OK)
			status = terms_seek(list->terms, walk->id.data, walk->id.length, error);
		if (status == WEIR_OK)
			status = terms_next(list->terms, &list->term, &list->length, error);
	}
	return status;
}

void walk_close(struct walk *walk)
{
	for (size_t i = 0; walk->lists != NULL && i < walk->match->segment_count; i++)
		terms_close(walk->lists[i].terms);
	free(walk->lists);
	bytes_finish(&walk->id);
	*walk = (struct walk){0};
}

static int compare(const char *left, size_t left_length, const char *right, size_t right_length)
{
	int order = memcmp(left, right, left_length < right_length ? left_length : right_length);
	return order != 0 ? order : (left_length > right_length) - (left_length < right_length);
}

static struct walk_list *lowest(struct walk *walk)
{
	struct walk_list *found = NULL;
	for (size_t i = 0; i < walk->match->segment_count; i++) {
		struct walk_list *list = &walk->lists[i];
		if (list->term != NULL &&
		    (found == NULL ||
		     compare(list->term, list->length, found->term, found->length) < 0))
			found = list;
	}
	return found;
}

/* Passes the lists that stand at the id on, and asks them for its document. */
static weir_status pass(struct walk *walk, uint32_t *docid, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < walk->match->segment_count && status == WEIR_OK; i++) {
		struct walk_list *list = &walk->lists[i];
		if (list->term == NULL ||
		    compare(list->term, list->length, walk->id.data, walk->id.length) != 0)
			continue;
		if (*docid == 0)
			status = find_visible(walk->match, &walk->match->segments[i], list->term,
					      list->length, docid, error);
		if (status == WEIR_OK)
			status = terms_next(list->terms, &list->term, &list->length, error);
	}
	return status;
}

weir_status walk_next(struct walk *walk, uint32_t *docid, const char **id, size_t *id_length,
		      struct weir_error *error)
{
	*docid = 0;
	for (;;) {
		struct walk_list *first = lowest(walk);
		if (first == NULL)
			return WEIR_OK;
		weir_status status = match_cancelled(walk->match, error);
		walk->id.length = 0;
		if (status == WEIR_OK && !bytes_append(&walk->id, first->term, first->length))
			status = error_no_memory(error);
		if (status == WEIR_OK)
			status = pass(walk, docid, error);
		if (status != WEIR_OK)
			return status;
		if (*docid == 0)
			continue;
		*id = walk->id.data + 1;
		*id_length = walk->id.length - 1;
		return WEIR_OK;
	}
}
