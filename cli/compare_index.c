/* SPDX-License-Identifier: MIT
 * An index as a source: through a session of its plug-in. */
#include <stdio.h>
#include <string.h>

#include "compare_internal.h"
#include "moment.h"

enum {
	TRIES = 100, /* of a scan that gets nowhere because the index moves under it */
	NEAR = 50,   /* documents that it is quicker to pass over than to begin a scan */
};

struct index_source {
	struct compare_source source;
	struct compare_index index;
	weir_session *session;
	struct state state;
};

static void destroy(struct compare_source *source)
{
	struct index_source *index = (struct index_source *)source;
	if (index->session != NULL)
		index->index.plugin->operations.session_close(index->session);
	state_finish(&index->state);
	free(index);
}

/* A reader's RETRY is over with the index, for us: later it may be there. */
static weir_status from_plugin(weir_status status, const struct index_source *index,
			       const struct weir_error *theirs, struct weir_error *error)
{
	return status == WEIR_OK ? WEIR_OK
				 : err_set(error, status == WEIR_FATAL ? WEIR_FATAL : WEIR_AWAY,
					   "%s: %s", index->index.name, theirs->message);
}

/* A commit may fall into it; then once more. */
static weir_status refresh(struct index_source *index, struct weir_error *error)
{
	for (int tries = 1;; tries++) {
		uint64_t generation;
		struct weir_error theirs = {"no reason given"};
		weir_status status = index->index.plugin->operations.refresh(index->session,
									     &generation, &theirs);
		if (status != WEIR_RETRY || tries == TRIES)
			return from_plugin(status, index, &theirs, error);
		compare_pause();
	}
}

/* One reading on its way, over as many scans as it takes. */
struct reading {
	struct index_source *index;
	const struct compare_scope *scope;
	const char *after, *upto;
	bool after_too;	       /* the id itself is wanted, too */
	bool with_states, all; /* all: old tombstones too */
	compare_on_document on_document;
	void *context;
	bool ended;
	char last[EVENT_ID_LIMIT + 1]; /* handed out, or passed over */
	weir_status status;
	struct weir_error *error;
};

static int take(void *context, const char *id, size_t id_length, int64_t version, uint32_t kind,
		const void *state, size_t state_length)
{
	struct reading *reading = context;
	struct compare_document document = {.version = version,
					    .kind = kind,
					    .id_length = id_length,
					    .changed_at = INT64_MIN,
					    .sequence = INT64_MAX};
	if (id_length > EVENT_ID_LIMIT) {
		reading->status = err_set(reading->error, WEIR_FATAL,
					  "%s: an id has %zu bytes: rebuild the index",
					  reading->index->index.name, id_length);
		return 1;
	}
	char text[EVENT_ID_LIMIT + 1];
	memcpy(text, id, id_length);
	text[id_length] = '\0';
	int order = strcmp(text, reading->last);
	if (order < 0 || (order == 0 && !reading->after_too))
		return 0;
	reading->ended = reading->upto != NULL && strcmp(text, reading->upto) > 0;
	if (reading->ended)
		return 1;
	struct state *read =
		state != NULL && !reading->scope->versions_only ? &reading->index->state : NULL;
	if (read != NULL)
		reading->status = state_read(read, state, state_length, reading->error);
	if (reading->status != WEIR_OK)
		return 1;
	bool counts = reading->all ||
		      !digest_leaves_out(version, kind, read, reading->scope->tombstones_before);
	if (counts) {
		document.id = text;
		document.digest = digest_document(version, kind, read);
		document.state = reading->with_states ? state : NULL;
		document.state_length = document.state != NULL ? state_length : 0;
		reading->ended = reading->on_document(reading->context, &document) != 0;
	}
	if (!reading->ended) {
		memcpy(reading->last, text, id_length + 1);
		reading->after_too = false;
	}
	return reading->ended;
}

static int take_stateless(void *context, const char *id, size_t id_length, int64_t version,
			  uint32_t kind)
{
	return take(context, id, id_length, version, kind, NULL, 0);
}

static weir_status scan_once(struct reading *reading, struct weir_error *error)
{
	struct index_source *index = reading->index;
	const struct weir_operations *operations = &index->index.plugin->operations;
	bool states = index->source.has_states &&
		      (reading->with_states || !reading->scope->versions_only);
	size_t length = strlen(reading->last);
	return states ? operations->scan_states(index->session, reading->last, length, take,
						reading, error)
		      : operations->scan(index->session, reading->last, length, take_stateless,
					 reading, error);
}

/* Goes on behind the last id when the index moves under the scan. */
static weir_status read_documents(struct reading *reading)
{
	char before[EVENT_ID_LIMIT + 1] = "";
	int tries = 0;
	snprintf(reading->last, sizeof(reading->last), "%s", reading->after);
	for (;;) {
		struct weir_error theirs = {"no reason given"};
		weir_status status = scan_once(reading, &theirs);
		if (reading->status != WEIR_OK || status == WEIR_OK)
			return reading->status;
		tries = strcmp(before, reading->last) == 0 ? tries + 1 : 0;
		if (status != WEIR_RETRY || tries == TRIES)
			return from_plugin(status, reading->index, &theirs, reading->error);
		memcpy(before, reading->last, sizeof(before));
		status = refresh(reading->index, reading->error);
		if (status != WEIR_OK)
			return status;
	}
}

struct counting {
	struct compare_range *range;
	size_t limit;
};

static int count(void *context, const struct compare_document *document)
{
	struct counting *counting = context;
	struct compare_range *range = counting->range;
	range->more = counting->limit > 0 && range->count == counting->limit;
	if (range->more)
		return 1;
	range->count++;
	digest_add(&range->digest, document->id, document->id_length, document->digest);
	return 0;
}

static weir_status read_range(struct compare_source *source, const struct compare_scope *scope,
			      const char *after, const char *upto, size_t limit,
			      struct compare_range *range, struct weir_error *error)
{
	struct compare_range made = {.digest = HASH128_START};
	struct counting counting = {&made, limit};
	struct reading reading = {.index = (struct index_source *)source,
				  .scope = scope,
				  .after = after,
				  .upto = upto,
				  .on_document = count,
				  .context = &counting,
				  .error = error};
	weir_status status = read_documents(&reading);
	if (status != WEIR_OK)
		return status;
	memcpy(made.to, reading.last, sizeof(made.to));
	*range = made;
	return WEIR_OK;
}

static weir_status list(struct compare_source *source, const struct compare_scope *scope,
			const char *after, const char *upto, compare_on_document on_document,
			void *context, struct weir_error *error)
{
	struct reading reading = {.index = (struct index_source *)source,
				  .scope = scope,
				  .after = after,
				  .upto = upto,
				  .on_document = on_document,
				  .context = context,
				  .error = error};
	return read_documents(&reading);
}

/* Live ones are asked for one by one, which is cheap for every engine. The others are looked for by
 * scans from where they would be; a scan goes on to the next of them when that is not far. */
struct finding {
	struct index_source *index;
	const struct compare_scope *scope;
	const char *const *ids; /* in ascending order */
	size_t count, at;
	bool *found;
	size_t passed; /* documents since the last that was looked for */
	compare_on_document on_document;
	void *context;
	int answer;
	weir_status status;
	struct weir_error *error;
};

static int take_live(void *context, const struct weir_hit *hit)
{
	struct finding *finding = context;
	struct index_source *index = finding->index;
	bool digests = !finding->scope->versions_only && index->source.has_states;
	if (digests)
		finding->status =
			state_read(&index->state, hit->state, hit->state_length, finding->error);
	if (finding->status != WEIR_OK)
		return 1;
	finding->found[finding->at] = true;
	struct compare_document document = {
		.id = finding->ids[finding->at],
		.id_length = hit->id_length,
		.version = hit->version,
		.kind = WEIR_KIND_LIVE,
		.digest = digest_document(hit->version, WEIR_KIND_LIVE,
					  digests ? &index->state : NULL),
		.state = hit->state,
		.state_length = hit->state_length,
		.changed_at = INT64_MIN,
		.sequence = INT64_MAX,
	};
	finding->answer = finding->on_document(finding->context, &document);
	return finding->answer;
}

/* Until the index does not move under it. */
static weir_status get_live(struct finding *finding)
{
	struct index_source *index = finding->index;
	const char *id = finding->ids[finding->at];
	for (int tries = 0;; tries++) {
		struct weir_error theirs = {"no reason given"};
		weir_status status = index->index.plugin->operations.get(
			index->session, id, strlen(id), take_live, finding, &theirs);
		if (status != WEIR_RETRY || tries == TRIES)
			return status == WEIR_OK
				       ? finding->status
				       : from_plugin(status, index, &theirs, finding->error);
		status = refresh(index, finding->error);
		if (status != WEIR_OK)
			return status;
	}
}

/* The next that is not found yet. */
static void skip_found(struct finding *finding)
{
	while (finding->at < finding->count && finding->found[finding->at])
		finding->at++;
}

static int take_found(void *context, const struct compare_document *document)
{
	struct finding *finding = context;
	int order = -1;
	while (finding->at < finding->count &&
	       (order = strcmp(finding->ids[finding->at], document->id)) < 0) {
		finding->at++; /* it is not there */
		skip_found(finding);
	}
	if (finding->at < finding->count && order == 0) {
		finding->answer = finding->on_document(finding->context, document);
		finding->at++;
		finding->passed = 0;
		skip_found(finding);
	}
	return finding->answer != 0 || finding->at == finding->count || ++finding->passed > NEAR;
}

static weir_status scan_hidden(struct finding *finding)
{
	weir_status status = WEIR_OK;
	finding->at = 0;
	skip_found(finding);
	while (status == WEIR_OK && finding->answer == 0 && finding->at < finding->count) {
		struct reading reading = {.index = finding->index,
					  .scope = finding->scope,
					  .after = finding->ids[finding->at],
					  .after_too = true,
					  .upto = finding->ids[finding->count - 1],
					  .with_states = true,
					  .all = true,
					  .on_document = take_found,
					  .context = finding,
					  .error = finding->error};
		finding->passed = 0;
		status = read_documents(&reading);
		/* It came to an end by itself: nothing is behind. */
		if (finding->passed <= NEAR)
			break;
	}
	return status;
}

static weir_status find(struct compare_source *source, const struct compare_scope *scope,
			const char *const *ids, size_t count, compare_on_document on_document,
			void *context, struct weir_error *error)
{
	struct finding finding = {.index = (struct index_source *)source,
				  .scope = scope,
				  .ids = ids,
				  .count = count,
				  .found = calloc(count + 1, sizeof(bool)),
				  .on_document = on_document,
				  .context = context,
				  .error = error};
	weir_status status = finding.found != NULL ? WEIR_OK : err_no_memory(error);
	for (; status == WEIR_OK && finding.at < count && finding.answer == 0; finding.at++)
		status = get_live(&finding);
	if (status == WEIR_OK && finding.answer == 0)
		status = scan_hidden(&finding);
	free(finding.found);
	return status;
}

struct marking {
	struct compare_mark *mark;
	weir_status status;
	struct weir_error *error;
};

static int on_position(void *context, const struct weir_position *position)
{
	struct marking *marking = context;
	marking->status =
		compare_mark_add(marking->mark, position->cluster, position->topic,
				 position->partition, position->next_offset, marking->error);
	return marking->status != WEIR_OK;
}

/* What the session sees now. */
static weir_status read_positions(struct index_source *index, struct compare_mark *mark,
				  struct weir_error *error)
{
	struct weir_error theirs = {"no reason given"};
	struct marking marking = {mark, WEIR_OK, error};
	weir_status status = index->index.plugin->operations.session_positions(
		index->session, on_position, &marking, &theirs);
	return status == WEIR_OK ? marking.status : from_plugin(status, index, &theirs, error);
}

static weir_status look(struct index_source *index, struct compare_mark *mark,
			struct weir_error *error)
{
	/* A commit may fall into it. */
	for (int tries = 1;; tries++) {
		weir_status status = refresh(index, error);
		if (status == WEIR_OK)
			status = read_positions(index, mark, error);
		if (status != WEIR_AWAY || tries == TRIES)
			return status;
		compare_mark_finish(mark);
		compare_pause();
	}
}

static weir_status mark(struct compare_source *source, struct compare_mark *made,
			struct weir_error *error)
{
	weir_status status = look((struct index_source *)source, made, error);
	made->sequence = INT64_MIN; /* an index does not count changes */
	return status;
}

/* The first partition in which the index is not there yet; NULL: there is none. *sum: of all
 * positions, so that one can see it move. */
static const struct compare_position *find_behind(const struct compare_mark *wanted,
						  const struct compare_mark *held,
						  int64_t *position, int64_t *sum)
{
	const struct compare_position *behind = NULL;
	*sum = 0;
	for (size_t i = 0; i < wanted->count; i++) {
		const struct compare_position *each = &wanted->positions[i];
		const struct compare_position *has =
			compare_mark_find(held, each->cluster, each->topic, each->partition);
		int64_t next = has != NULL ? has->next_offset : 0;
		*sum += next;
		if (next >= each->next_offset || behind != NULL)
			continue;
		behind = each;
		*position = next;
	}
	return behind;
}

static weir_status reach(struct compare_source *source, const struct compare_mark *wanted,
			 struct weir_error *error)
{
	struct index_source *index = (struct index_source *)source;
	int64_t last_sum = -1, moved = moment_monotonic();
	for (;;) {
		struct compare_mark held = {0};
		int64_t position = 0, sum = 0;
		weir_status status = look(index, &held, error);
		const struct compare_position *behind =
			status == WEIR_OK ? find_behind(wanted, &held, &position, &sum) : NULL;
		compare_mark_finish(&held);
		if (behind == NULL)
			return status;
		int64_t now = moment_monotonic();
		if (sum != last_sum)
			moved = now;
		last_sum = sum;
		if (now - moved > index->index.patience)
			return err_set(error, WEIR_AWAY,
				       "%s does not follow: in %s/%d it holds what is before %lld, "
				       "the log ends at %lld, and nothing moved for %lld s; does "
				       "the indexer run?",
				       index->index.name, behind->topic, (int)behind->partition,
				       (long long)position, (long long)behind->next_offset,
				       (long long)(index->index.patience / 1000000));
		compare_pause();
	}
}

static const struct compare_operations operations = {
	.destroy = destroy,
	.range = read_range,
	.list = list,
	.find = find,
	.mark = mark,
	.reach = reach,
};

weir_status compare_open_index(const struct compare_index *index, struct compare_source **source,
			       struct weir_error *error)
{
	struct weir_error theirs = {"no reason given"};
	struct index_source *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->source.operations = &operations;
	made->source.has_states = index->plugin->operations.scan_states != NULL;
	snprintf(made->source.fingerprint, sizeof(made->source.fingerprint), "%s",
		 index->schema->abi->fingerprint);
	made->index = *index;
	if (made->index.patience == 0)
		made->index.patience = COMPARE_PATIENCE;
	weir_status status = WEIR_RETRY;
	for (int tries = 0; status == WEIR_RETRY && tries < TRIES; tries++) {
		if (tries > 0)
			compare_pause();
		status = index->plugin->operations.session_open(
			index->instance, &plugin_default_host, &made->session, &theirs);
	}
	if (status != WEIR_OK) {
		status = from_plugin(status, made, &theirs, error);
		destroy(&made->source);
		return status;
	}
	*source = &made->source;
	return WEIR_OK;
}
