/* SPDX-License-Identifier: MIT
 * wrong.c - another engine with one fault, for the tests of `weir plugin check`: the parameter
 * engine is the plug-in that does the work, flaw says what goes wrong on the way. Without a flaw it
 * is as good as the engine. */
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weir/backend.h"

enum { PATH, ENGINE, FLAW, PARAMETER_COUNT };

struct weir_instance {
	const struct weir_operations *engine;
	weir_instance *inner;
	char flaw[64];
	struct weir_host host;
	const struct weir_host *outer_host;
};

struct weir_session {
	struct weir_instance *instance;
	weir_session *inner;
	struct weir_host host;
};

static int has(const struct weir_instance *instance, const char *flaw)
{
	return strcmp(instance->flaw, flaw) == 0;
}

static weir_status fail(struct weir_error *error, weir_status status, const char *what)
{
	snprintf(error->message, sizeof(error->message), "wrong: %s", what);
	return status;
}

static int never_cancelled(void *context)
{
	(void)context;
	return 0;
}

/* Words of ASCII letters only; everything else stands between them. */
static int split_ascii(void *context, const char *text, size_t length, const char *language,
		       weir_on_word on_word, void *word_context)
{
	char word[WEIR_WORD_LIMIT];
	size_t count = 0;
	(void)context, (void)language;
	for (size_t i = 0; i <= length; i++) {
		char byte = i < length ? text[i] : ' ';
		if (byte >= 'A' && byte <= 'Z')
			byte = (char)(byte - 'A' + 'a');
		if (((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9')) &&
		    count < sizeof(word)) {
			word[count++] = byte;
			continue;
		}
		if (count > 0 && on_word(word_context, word, count, word, count) != 0)
			return 1;
		count = 0;
	}
	return 0;
}

static const struct weir_host *split_host;

static int split_unstemmed(void *context, const char *text, size_t length, const char *language,
			   weir_on_word on_word, void *word_context)
{
	(void)language;
	return split_host->split(context, text, length, NULL, on_word, word_context);
}

static void flawed_host(const struct weir_instance *instance, const struct weir_host *host,
			struct weir_host *made)
{
	*made = *host;
	split_host = host;
	if (has(instance, "never cancels"))
		made->cancelled = never_cancelled;
	if (has(instance, "knows ASCII only"))
		made->split = split_ascii;
	if (has(instance, "does not stem"))
		made->split = split_unstemmed;
}

static void wrong_close(weir_instance *instance)
{
	struct weir_error error;
	if (instance == NULL)
		return;
	if (has(instance, "commits when it is closed"))
		(void)instance->engine->commit(instance->inner, NULL, 0, &error);
	instance->engine->close(instance->inner);
	free(instance);
}

static weir_status load(struct weir_instance *made, const char *path, struct weir_error *error)
{
	weir_manifest_function function = NULL;
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library != NULL)
		*(void **)&function = dlsym(library, WEIR_MANIFEST_SYMBOL);
	if (function == NULL)
		return fail(error, WEIR_FATAL, "the engine cannot be loaded");
	made->engine = function()->operations;
	return WEIR_OK;
}

static weir_status wrong_open(const struct weir_parameter_value *const *values, size_t count,
			      const struct weir_schema *schema, uint32_t mode,
			      const struct weir_host *host, weir_instance **instance,
			      struct weir_error *error)
{
	(void)count;
	struct weir_instance *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return fail(error, WEIR_RETRY, "out of memory");
	snprintf(made->flaw, sizeof(made->flaw), "%s", values[FLAW]->text);
	weir_status status = load(made, values[ENGINE]->text, error);
	flawed_host(made, host, &made->host);
	if (has(made, "is away"))
		status = fail(error, WEIR_RETRY, "the node does not answer");
	if (has(made, "begins anew") && mode == WEIR_MODE_WRITER) {
		char command[4200];
		snprintf(command, sizeof(command), "rm -rf '%s'", values[PATH]->text);
		if (system(command) != 0)
			status = fail(error, WEIR_FATAL, "rm failed");
	}
	struct weir_schema same = *schema;
	if (has(made, "takes any schema"))
		same.fingerprint = "same";
	/* the engine's table is: path, and nothing that is needed */
	if (status == WEIR_OK)
		status = made->engine->open(values, 1, &same, mode, &made->host, &made->inner,
					    error);
	if (status == WEIR_OK)
		*instance = made;
	else
		free(made);
	return status;
}

struct fetching {
	weir_on_state on_state;
	void *context;
};

static int cut_state(void *context, size_t index, int found, const void *state, size_t length,
		     const void *revision, size_t revision_length)
{
	const struct fetching *fetching = context;
	const char *end = found ? memchr(state, '\0', length) : NULL;
	return fetching->on_state(fetching->context, index, found, state,
				  end != NULL ? (size_t)(end - (const char *)state) : length,
				  revision, revision_length);
}

static weir_status wrong_fetch(weir_instance *instance, const char *const *ids,
			       const size_t *id_lengths, size_t count, weir_on_state on_state,
			       void *context, struct weir_error *error)
{
	struct fetching fetching = {on_state, context};
	if (has(instance, "cuts states at a NUL"))
		return instance->engine->fetch(instance->inner, ids, id_lengths, count, cut_state,
					       &fetching, error);
	return instance->engine->fetch(instance->inner, ids, id_lengths, count, on_state, context,
				       error);
}

static int beyond_limit(const struct weir_document *document)
{
	return memmem(document->state, document->state_length, "too much", 8) != NULL;
}

static weir_status apply_within_limit(weir_instance *instance,
				      const struct weir_document *const *documents, size_t count,
				      struct weir_verdict *const *verdicts,
				      struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < count && status == WEIR_OK; i++) {
		if (!beyond_limit(documents[i])) {
			status = instance->engine->apply(instance->inner, &documents[i], 1,
							 &verdicts[i], error);
			continue;
		}
		verdicts[i]->kind = WEIR_REJECTED;
		snprintf(verdicts[i]->reason, sizeof(verdicts[i]->reason), "it is too much");
	}
	return status;
}

static weir_status wrong_apply(weir_instance *instance,
			       const struct weir_document *const *documents, size_t count,
			       struct weir_verdict *const *verdicts, struct weir_error *error)
{
	if (has(instance, "has a limit"))
		return apply_within_limit(instance, documents, count, verdicts, error);
	weir_status status =
		instance->engine->apply(instance->inner, documents, count, verdicts, error);
	if (has(instance, "accepts everything"))
		for (size_t i = 0; i < count; i++)
			verdicts[i]->kind = WEIR_ACCEPTED;
	if (has(instance, "rejects the batch"))
		for (size_t i = 0; i < count; i++)
			if (verdicts[i]->kind == WEIR_REJECTED)
				return fail(error, WEIR_RETRY, "one document is bad");
	return status;
}

static weir_status wrong_commit(weir_instance *instance,
				const struct weir_position *const *positions, size_t count,
				struct weir_error *error)
{
	static int times;
	if (has(instance, "loses positions"))
		count = 0;
	if (has(instance, "forgets every third commit") && ++times % 3 == 0)
		return WEIR_OK;
	if (has(instance, "commits twice")) {
		weir_status status = instance->engine->commit(instance->inner, NULL, 0, error);
		if (status != WEIR_OK)
			return status;
		usleep(1000); /* the second one has something to do, too */
	}
	return instance->engine->commit(instance->inner, positions, count, error);
}

static weir_status wrong_abandon(weir_instance *instance, struct weir_error *error)
{
	if (has(instance, "does not abandon"))
		return WEIR_OK;
	return instance->engine->abandon(instance->inner, error);
}

static weir_status wrong_positions(weir_instance *instance, weir_on_position on_position,
				   void *context, struct weir_error *error)
{
	return instance->engine->positions(instance->inner, on_position, context, error);
}

static weir_status wrong_expire(weir_instance *instance, int64_t before, uint64_t *removed,
				struct weir_error *error)
{
	if (has(instance, "expires too much") && before < INT64_MAX)
		before++;
	return instance->engine->expire(instance->inner, before, removed, error);
}

static weir_status wrong_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
			       struct weir_error *error)
{
	return instance->engine->stats(instance->inner, on_stat, context, error);
}

static void wrong_session_close(weir_session *session)
{
	if (session == NULL)
		return;
	session->instance->engine->session_close(session->inner);
	free(session);
}

static weir_status wrong_session_open(weir_instance *instance, const struct weir_host *host,
				      weir_session **session, struct weir_error *error)
{
	struct weir_session *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return fail(error, WEIR_RETRY, "out of memory");
	made->instance = instance;
	flawed_host(instance, host, &made->host);
	weir_status status =
		instance->engine->session_open(instance->inner, &made->host, &made->inner, error);
	if (status == WEIR_OK)
		*session = made;
	else
		free(made);
	return status;
}

static weir_status wrong_refresh(weir_session *session, uint64_t *generation,
				 struct weir_error *error)
{
	weir_status status = session->instance->engine->refresh(session->inner, generation, error);
	if (has(session->instance, "has one generation"))
		*generation = 1;
	return status;
}

/* The tree with its flaws; freed never: the processes are short. */
static const struct weir_query *flawed(const struct weir_instance *instance,
				       const struct weir_query *query)
{
	struct weir_query *made = malloc(sizeof(*made));
	const struct weir_query **children = calloc(query->child_count + 1, sizeof(*children));
	if (made == NULL || children == NULL)
		abort();
	*made = *query;
	made->children = children;
	for (size_t i = 0; i < query->child_count; i++)
		children[i] = flawed(instance, query->children[i]);
	if (query->kind == WEIR_QUERY_PHRASE && has(instance, "crashes on phrases"))
		raise(SIGSEGV);
	if (query->kind == WEIR_QUERY_PHRASE && has(instance, "keeps the order of near words"))
		made->distance = 0;
	if (query->kind == WEIR_QUERY_PHRASE && has(instance, "takes phrases for words"))
		made->kind = WEIR_QUERY_TERM;
	if (query->kind == WEIR_QUERY_PREFIX && has(instance, "takes beginnings for words"))
		made->kind = WEIR_QUERY_TERM;
	if (query->kind == WEIR_QUERY_RANGE && has(instance, "closes open ends"))
		made->range_flags &= ~(uint32_t)(WEIR_RANGE_LOWER_OPEN | WEIR_RANGE_UPPER_OPEN);
	if (query->kind == WEIR_QUERY_EXACT && has(instance, "trims keywords"))
		while (made->lower.text_length > 0 &&
		       made->lower.text[made->lower.text_length - 1] == ' ')
			made->lower.text_length--;
	if (query->kind == WEIR_QUERY_AND && has(instance, "takes an empty AND for nothing") &&
	    query->child_count == 0)
		made->kind = WEIR_QUERY_NONE;
	if (query->kind == WEIR_QUERY_TERM && has(instance, "cuts at quotes")) {
		const char *quote = memchr(query->text, '"', query->text_length);
		if (quote != NULL)
			made->text_length = (size_t)(quote - query->text);
	}
	return made;
}

static void spoil_total(const struct weir_instance *instance, size_t limit,
			struct weir_search_result *result)
{
	uint64_t total = result->total;
	if (has(instance, "counts the page only") && total > limit)
		result->total = limit;
	if (has(instance, "gives up counting at 5,000") && limit > 0 && total > 5000)
		result->total = 5000;
	if (has(instance, "estimates totals") && limit > 0 && total > WEIR_TOTAL_EXACT)
		result->total++;
	if (has(instance, "always gives up counting") && total > WEIR_TOTAL_EXACT)
		result->total = WEIR_TOTAL_EXACT;
	result->total_is_lower_bound =
		result->total != total && !has(instance, "counts the page only");
}

static weir_status wrong_search(weir_session *session, const struct weir_search *search,
				weir_on_hit on_hit, void *context,
				struct weir_search_result *result, struct weir_error *error)
{
	static atomic_int inside;
	const struct weir_instance *instance = session->instance;
	struct weir_search made = *search;
	struct weir_sort_key ascending[8];
	const struct weir_sort_key *sort[8];
	uint64_t generation;
	made.query = flawed(instance, search->query);
	if (search->filter != NULL)
		made.filter =
			has(instance, "ignores filters") ? NULL : flawed(instance, search->filter);
	if (has(instance, "refreshes by itself"))
		(void)instance->engine->refresh(session->inner, &generation, error);
	if (has(instance, "passes over one more") && search->offset > 0)
		made.offset++;
	for (size_t i = 0; i < search->sort_count && has(instance, "only sorts upwards"); i++) {
		ascending[i] = *search->sort[i];
		ascending[i].descending = ascending[i].field == WEIR_FIELD_DEFAULT;
		sort[i] = &ascending[i];
		made.sort = sort;
	}
	int others = atomic_fetch_add(&inside, 1);
	weir_status status =
		instance->engine->search(session->inner, &made, on_hit, context, result, error);
	atomic_fetch_sub(&inside, 1);
	if (has(instance, "takes one search at a time") && others > 0)
		return fail(error, WEIR_FATAL, "two searches at once");
	if (status == WEIR_OK)
		spoil_total(instance, search->limit, result);
	return status;
}

static weir_status wrong_get(weir_session *session, const char *id, size_t id_length,
			     weir_on_hit on_hit, void *context, struct weir_error *error)
{
	return session->instance->engine->get(session->inner, id, id_length, on_hit, context,
					      error);
}

struct scanning {
	weir_on_scan on_scan;
	void *context;
	char held[512]; /* the last id but one */
	size_t held_length;
	int64_t version;
	uint32_t kind;
};

/* Hands out each id behind the one that follows it. */
static int swap_scanned(void *context, const char *id, size_t id_length, int64_t version,
			uint32_t kind)
{
	struct scanning *scanning = context;
	if (scanning->held_length == 0 && id_length < sizeof(scanning->held)) {
		memcpy(scanning->held, id, id_length);
		scanning->held_length = id_length;
		scanning->version = version;
		scanning->kind = kind;
		return 0;
	}
	int stop = scanning->on_scan(scanning->context, id, id_length, version, kind);
	if (stop == 0)
		stop = scanning->on_scan(scanning->context, scanning->held, scanning->held_length,
					 scanning->version, scanning->kind);
	scanning->held_length = 0;
	return stop;
}

static weir_status wrong_scan(weir_session *session, const char *from, size_t from_length,
			      weir_on_scan on_scan, void *context, struct weir_error *error)
{
	const struct weir_operations *engine = session->instance->engine;
	struct scanning scanning = {.on_scan = on_scan, .context = context};
	if (!has(session->instance, "reorders the scan"))
		return engine->scan(session->inner, from, from_length, on_scan, context, error);
	weir_status status =
		engine->scan(session->inner, from, from_length, swap_scanned, &scanning, error);
	if (status == WEIR_OK && scanning.held_length > 0)
		on_scan(context, scanning.held, scanning.held_length, scanning.version,
			scanning.kind);
	return status;
}

static weir_status wrong_session_positions(weir_session *session, weir_on_position on_position,
					   void *context, struct weir_error *error)
{
	return session->instance->engine->session_positions(session->inner, on_position, context,
							    error);
}

static weir_status wrong_scan_states(weir_session *session, const char *from, size_t from_length,
				     weir_on_scan_state on_state, void *context,
				     struct weir_error *error)
{
	if (has(session->instance, "scans states from the start"))
		from_length = 0;
	return session->instance->engine->scan_states(session->inner, from, from_length, on_state,
						      context, error);
}

/* An answer of facets, kept so that it can be spoilt. */
struct facet {
	size_t index;
	char *value;
	size_t length;
	uint64_t count;
};

struct facets {
	struct facet items[4096];
	size_t count;
};

static int keep_facet(void *context, size_t index, const char *value, size_t length, uint64_t count)
{
	struct facets *kept = context;
	struct facet *facet = &kept->items[kept->count++];
	*facet = (struct facet){index, malloc(length + 1), length, count};
	if (facet->value == NULL || kept->count == 4096)
		abort();
	memcpy(facet->value, value, length);
	return 0;
}

static int count_hidden(void *context, const char *id, size_t id_length, int64_t version,
			uint32_t kind)
{
	(void)id, (void)id_length, (void)version;
	*(uint64_t *)context += kind == WEIR_KIND_HIDDEN;
	return 0;
}

static int compare_tied(const void *left, const void *right)
{
	const struct facet *one = left, *other = right;
	if (one->index != other->index)
		return one->index < other->index ? -1 : 1;
	if (one->count != other->count)
		return one->count > other->count ? -1 : 1;
	size_t shorter = one->length < other->length ? one->length : other->length;
	int order = memcmp(other->value, one->value, shorter);
	return order != 0 ? order : (one->length < other->length) - (one->length > other->length);
}

static void spoil(struct weir_session *session, struct facets *kept)
{
	const struct weir_instance *instance = session->instance;
	uint64_t hidden = 0;
	struct weir_error error;
	if (has(instance, "counts hidden values"))
		(void)instance->engine->scan(session->inner, "", 0, count_hidden, &hidden, &error);
	for (size_t i = 0; i < kept->count; i++) {
		struct facet *facet = &kept->items[i];
		if (has(instance, "counts a sample") && facet->count > 2)
			facet->count--;
		if (has(instance, "cuts values at a NUL"))
			facet->length = strnlen(facet->value, facet->length);
		if (has(instance, "cuts long values") && facet->length > 245)
			facet->length = 245;
		facet->count += hidden;
	}
	if (has(instance, "orders ties downwards"))
		qsort(kept->items, kept->count, sizeof(kept->items[0]), compare_tied);
}

static weir_status wrong_facets(weir_session *session, const struct weir_facets *wanted,
				weir_on_facet on_facet, void *context, struct weir_error *error)
{
	const struct weir_instance *instance = session->instance;
	struct weir_facets made = *wanted;
	uint64_t generation;
	int stop = 0;
	made.query = flawed(instance, wanted->query);
	if (has(instance, "counts without filter"))
		made.filter = NULL;
	if (has(instance, "counts one value more") && made.limit > 0)
		made.limit++;
	if (has(instance, "counts the newest commit"))
		(void)instance->engine->refresh(session->inner, &generation, error);
	struct facets *kept = calloc(1, sizeof(*kept));
	if (kept == NULL)
		return fail(error, WEIR_RETRY, "out of memory");
	weir_status status =
		instance->engine->facets(session->inner, &made, keep_facet, kept, error);
	spoil(session, kept);
	for (size_t i = 0; i < kept->count; i++) {
		const struct facet *facet = &kept->items[i];
		if (status == WEIR_OK && (stop == 0 || has(instance, "counts on and on")))
			stop = on_facet(context, facet->index, facet->value, facet->length,
					facet->count);
		free(facet->value);
	}
	free(kept);
	return status;
}

__attribute__((constructor)) static void crash_at_load(void)
{
	if (getenv("WEIR_WRONG_CRASHES") != NULL)
		raise(SIGSEGV);
}

static const struct weir_parameter path = {
	"path", WEIR_PARAMETER_PATH, "weir-data/wrong", 0, 0, "Where the engine's index is."};
static const struct weir_parameter engine = {
	"engine", WEIR_PARAMETER_TEXT, NULL, 0, 0, "The plug-in that does the work: a path."};
static const struct weir_parameter flaw = {
	"flaw", WEIR_PARAMETER_TEXT, "", 0, 0, "What goes wrong; nothing when empty."};
static const struct weir_parameter *const parameters[] = {&path, &engine, &flaw};

static struct weir_operations operations = {
	.open = wrong_open,
	.close = wrong_close,
	.fetch = wrong_fetch,
	.apply = wrong_apply,
	.commit = wrong_commit,
	.abandon = wrong_abandon,
	.positions = wrong_positions,
	.expire = wrong_expire,
	.stats = wrong_stats,
	.session_open = wrong_session_open,
	.session_close = wrong_session_close,
	.refresh = wrong_refresh,
	.search = wrong_search,
	.get = wrong_get,
	.scan = wrong_scan,
	.session_positions = wrong_session_positions,
	.scan_states = wrong_scan_states,
	.facets = wrong_facets,
};

WEIR_BACKEND("wrong", "0.1.0", "MIT", "Another engine with one fault", WEIR_THREADS_PER_SESSION,
	     WEIR_CAN_COMMIT_POSITIONS | WEIR_CAN_SEARCH | WEIR_CAN_SCAN_STATES | WEIR_CAN_FACET,
	     parameters, operations)
