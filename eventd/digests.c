/* SPDX-License-Identifier: MIT */
#include "digests.h"

#include <stdio.h>
#include <string.h>

#include "api.h"
#include "digest.h"
#include "json.h"
#include "moment.h"
#include "numbers.h"

enum { LIMIT_DEFAULT = 1000, LIMIT_MAXIMUM = 10000, ID_LIMIT = 200, PAGE_BYTES = 8 << 20 };
#define TIME_LIMIT INT64_C(1000000) /* microseconds that a request reads; the page ends early */

enum form { FORM_RANGE, FORM_DOCUMENTS, FORM_STATES };

struct asked {
	enum form form;
	bool versions_only;
	const char *after, *upto; /* upto NULL: to the last */
	int64_t limit, before;
	const char *ids[ID_LIMIT]; /* instead of after, upto and limit */
	size_t id_count;
	bool has_range;
};

static bool read_choice(const char *value, const char *const *choices, size_t count, int *chosen)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(value, choices[i]) == 0) {
			*chosen = (int)i;
			return true;
		}
	return false;
}

static void read_id(const char *name, const char *value, struct asked *asked,
		    struct problem *problem)
{
	if (asked->id_count == ID_LIMIT)
		problem_add(problem, name, "is given more than %d times", ID_LIMIT);
	else
		asked->ids[asked->id_count++] = value;
}

static void read_argument(const char *name, const char *value, struct asked *asked,
			  struct problem *problem)
{
	static const char *const forms[] = {"range", "documents", "states"};
	static const char *const contents[] = {"states", "versions"};
	int chosen = 0;
	if (strcmp(name, "as") == 0) {
		if (!read_choice(value, forms, 3, &chosen))
			problem_add(problem, name, "is none of range, documents and states");
		asked->form = (enum form)chosen;
	} else if (strcmp(name, "of") == 0) {
		if (!read_choice(value, contents, 2, &chosen))
			problem_add(problem, name, "is neither states nor versions");
		asked->versions_only = chosen == 1;
	} else if (strcmp(name, "after") == 0) {
		asked->after = value;
		asked->has_range = true;
	} else if (strcmp(name, "upto") == 0) {
		asked->upto = value;
		asked->has_range = true;
	} else if (strcmp(name, "id") == 0) {
		read_id(name, value, asked, problem);
	} else if (strcmp(name, "before") == 0) {
		if (!number_read(value, INT64_MIN, INT64_MAX, &asked->before))
			problem_add(problem, name, "is not a version, a whole number");
	} else if (strcmp(name, "limit") == 0) {
		if (!number_read(value, 1, LIMIT_MAXIMUM, &asked->limit))
			problem_add(problem, name, "is not a number from 1 to %d", LIMIT_MAXIMUM);
	} else {
		problem_add(problem, name,
			    "is not a parameter; there are as, of, after, upto, limit, before and "
			    "id");
	}
}

static bool read_arguments(const struct http_request *request, struct asked *asked,
			   struct problem *problem)
{
	*asked = (struct asked){.after = "", .limit = LIMIT_DEFAULT, .before = INT64_MIN};
	for (size_t i = 0; i < http_argument_count(request); i++) {
		const char *value, *name = http_argument(request, i, &value);
		read_argument(name, value, asked, problem);
	}
	if (asked->id_count > 0 && (asked->has_range || asked->form == FORM_RANGE))
		problem_add(problem, "id",
			    "goes with as=documents and as=states, and with no range");
	if (problem->status != 0)
		problem_set(problem, 400, "the query has parameters that are wrong");
	return problem->status == 0;
}

struct page {
	const struct asked *asked;
	struct buffer body;
	struct jsonout json;
	struct buffer blob;
	int64_t count, until; /* moment_monotonic */
	hash128 digest;
	bool more;
	char last[STORE_ID_SIZE];
};

static void write_text(struct jsonout *json, const char *name, const char *text)
{
	jsonout_name(json, name);
	jsonout_text(json, text);
}

static void write_number(struct jsonout *json, const char *name, int64_t number)
{
	jsonout_name(json, name);
	jsonout_integer(json, number);
}

static void write_state(struct page *page, const struct state *state)
{
	jsonout_name(&page->json, "state");
	buffer_clear(&page->blob);
	state_write(state, &page->blob);
	buffer_append_char(&page->body, '"');
	digest_write_bytes(&page->body, page->blob.data, page->blob.length);
	buffer_append_char(&page->body, '"');
	page->json.comma = true;
	if (buffer_failed(&page->blob))
		page->body.failed = true;
}

static void write_document(struct page *page, const struct states_event *event, hash128 digest)
{
	char text[DIGEST_TEXT_SIZE], moment[MOMENT_TEXT_SIZE];
	struct jsonout *json = &page->json;
	digest_write(digest, text);
	moment_format(event->changed_at, moment);
	jsonout_begin(json, '{');
	write_text(json, "id", event->id);
	write_number(json, "version", event->version);
	write_text(json, "kind", event->kind == WEIR_KIND_LIVE ? "live" : "hidden");
	write_text(json, "digest", text);
	write_number(json, "sequence", event->sequence);
	write_text(json, "changedAt", moment);
	if (page->asked->form == FORM_STATES)
		write_state(page, event->state);
	jsonout_end(json, '}');
}

static void take(struct page *page, const struct states_event *event)
{
	const struct asked *asked = page->asked;
	const struct state *state = asked->versions_only ? NULL : event->state;
	snprintf(page->last, sizeof(page->last), "%s", event->id);
	if (digest_leaves_out(event->version, event->kind, state, asked->before))
		return;
	hash128 digest = digest_document(event->version, event->kind, state);
	page->count++;
	if (asked->form == FORM_RANGE)
		digest_add(&page->digest, event->id, strlen(event->id), digest);
	else
		write_document(page, event, digest);
}

static bool each_in_range(void *context, const struct states_event *event)
{
	struct page *page = context;
	const struct asked *asked = page->asked;
	if (asked->upto != NULL && strcmp(event->id, asked->upto) > 0)
		return false;
	page->more = page->count == asked->limit || page->body.length > PAGE_BYTES ||
		     (page->last[0] != '\0' && moment_monotonic() > page->until);
	if (!page->more)
		take(page, event);
	return !page->more;
}

static bool each_found(void *context, const struct states_event *event)
{
	take(context, event);
	return true;
}

static weir_status read_ids(struct store *store, struct states *states, struct page *page,
			    struct weir_error *error)
{
	const struct asked *asked = page->asked;
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < asked->id_count && status == WEIR_OK; i++) {
		page->more = i > 0 &&
			     (page->body.length > PAGE_BYTES || moment_monotonic() > page->until);
		if (page->more)
			break;
		status = states_find(states, store, asked->ids[i], each_found, page, error);
		snprintf(page->last, sizeof(page->last), "%s", asked->ids[i]);
	}
	return status;
}

static void finish_page(struct page *page, const struct schema *schema, int64_t newest,
			int64_t sent)
{
	char text[DIGEST_TEXT_SIZE];
	struct jsonout *json = &page->json;
	if (page->asked->form == FORM_RANGE) {
		write_number(json, "count", page->count);
		digest_write(page->digest, text);
		write_text(json, "digest", text);
	} else {
		jsonout_end(json, ']');
	}
	write_text(json, "to", page->last);
	jsonout_name(json, "more");
	jsonout_boolean(json, page->more);
	write_number(json, "sequence", newest);
	write_number(json, "sent", sent);
	write_text(json, "schema", schema->abi->fingerprint);
	jsonout_end(json, '}');
}

void digests_answer(struct store *store, struct states *states, const struct schema *schema,
		    struct arena *arena, struct http_request *request)
{
	struct problem problem = {.arena = arena};
	struct weir_error error;
	struct asked asked;
	int64_t newest = 0, sent = 0;
	if (!read_arguments(request, &asked, &problem)) {
		api_problem(request, &problem);
		return;
	}
	struct page page = {
		.asked = &asked, .until = moment_monotonic() + TIME_LIMIT, .digest = HASH128_START};
	page.json.out = &page.body;
	jsonout_begin(&page.json, '{');
	if (asked.form != FORM_RANGE) {
		jsonout_name(&page.json, "documents");
		jsonout_begin(&page.json, '[');
	}
	weir_status status = store_read(store, &error);
	if (status == WEIR_OK)
		status = store_sequences(store, &newest, &sent, &error);
	if (status == WEIR_OK && asked.id_count > 0)
		status = read_ids(store, states, &page, &error);
	else if (status == WEIR_OK)
		status = states_walk(states, store, asked.after, each_in_range, &page, &error);
	store_rollback(store);
	finish_page(&page, schema, newest, sent);
	if (status == WEIR_OK && buffer_failed(&page.body))
		status = err_no_memory(&error);
	if (status == WEIR_OK)
		http_reply(request, 200, "application/json", &page.body);
	else
		api_read_failure(request, status, &error);
	buffer_finish(&page.body);
	buffer_finish(&page.blob);
}
