/* SPDX-License-Identifier: MIT
 * frozen.c - an engine of ABI 1.0: compiled against the header of that version for ever, it must
 * load in every later host and pass the conformance suite. It is the guide's array in a file, made
 * to answer everything that 1.0 had. In 1.0 the host split no words, so it has its own: today's
 * lib/words.c and lib/stems.c, compiled into it, since the suite asks for today's words. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "match.h"

_Static_assert(WEIR_ABI_MAJOR == 1 && WEIR_ABI_MINOR == 0, "compile it against the frozen header");

enum { FIELDS = 200 };

struct weir_instance {
	char path[4100], mark[200];
	struct field fields[FIELDS];
	size_t field_count;
	int lock; /* of the writer; -1 in a reader */
	bool changed;
	struct table table; /* the writer's: with what was applied */
};

struct weir_session {
	weir_instance *instance;
	const struct weir_host *host;
	struct table table; /* one generation */
};

static weir_status fail(struct weir_error *error, weir_status status, const char *what,
			const char *path)
{
	snprintf(error->message, sizeof(error->message), "frozen: %.250s: %s", path, what);
	return status;
}

static weir_status load(const weir_instance *instance, struct table *table,
			struct weir_error *error)
{
	switch (table_load(table, instance->path, instance->mark)) {
	case TABLE_READ:
		return WEIR_OK;
	case TABLE_MISSING:
		return fail(error, WEIR_RETRY, "there is no index yet", instance->path);
	case TABLE_NO_MEMORY:
		return fail(error, WEIR_RETRY, "out of memory", instance->path);
	default:
		return fail(error, WEIR_FATAL,
			    "the file has another format or schema; make it anew: weir rebuild",
			    instance->path);
	}
}

static weir_status save(const weir_instance *instance, struct weir_error *error)
{
	if (table_save(&instance->table, instance->path, instance->mark))
		return WEIR_OK;
	return fail(error, WEIR_RETRY, "the index cannot be written", instance->path);
}

static void frozen_close(weir_instance *instance)
{
	if (instance == NULL)
		return;
	if (instance->lock >= 0)
		close(instance->lock);
	table_finish(&instance->table);
	free(instance);
}

static weir_status lock_and_load(weir_instance *instance, struct weir_error *error)
{
	char lock[4200];
	for (char *slash = strchr(instance->path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(instance->path, 0777);
		*slash = '/';
	}
	snprintf(lock, sizeof(lock), "%s.lock", instance->path);
	instance->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (instance->lock < 0 || flock(instance->lock, LOCK_EX | LOCK_NB) != 0)
		return fail(error, WEIR_RETRY, "another writer may have it open", instance->path);
	if (access(instance->path, F_OK) == 0)
		return load(instance, &instance->table, error);
	instance->table.generation = 1;
	return save(instance, error);
}

static weir_status frozen_open(const struct weir_parameter_value *const *values, size_t count,
			       const struct weir_schema *schema, uint32_t mode,
			       const struct weir_host *host, weir_instance **instance,
			       struct weir_error *error)
{
	(void)count, (void)host;
	weir_instance *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return fail(error, WEIR_RETRY, "out of memory", "");
	made->lock = -1;
	snprintf(made->path, sizeof(made->path), "%s", values[0]->text);
	snprintf(made->mark, sizeof(made->mark), "frozen 1 %.150s", schema->fingerprint);
	for (size_t i = 0; i < schema->field_count && i < FIELDS; i++) {
		const struct weir_field *from = schema->fields[i];
		struct field *field = &made->fields[made->field_count++];
		field->flags = from->flags;
		field->boost = from->boost;
		if (from->language != NULL)
			snprintf(field->language, sizeof(field->language), "%s", from->language);
	}
	weir_status status = mode == WEIR_MODE_WRITER ? lock_and_load(made, error)
						      : load(made, &made->table, error);
	if (status == WEIR_OK)
		*instance = made;
	else
		frozen_close(made);
	return status;
}

static weir_status frozen_fetch(weir_instance *instance, const char *const *ids,
				const size_t *id_lengths, size_t count, weir_on_state on_state,
				void *context, struct weir_error *error)
{
	(void)error;
	for (size_t i = 0; i < count; i++) {
		bool is_there;
		size_t at = table_seek(&instance->table, ids[i], id_lengths[i], &is_there);
		const struct document *one = is_there ? instance->table.documents[at] : NULL;
		if (on_state(context, i, is_there, is_there ? one->state : "",
			     is_there ? one->state_length : 0, "", 0) != 0)
			break;
	}
	return WEIR_OK;
}

/* Why it can never be indexed. */
static const char *refusal(const weir_instance *instance, const struct weir_document *document)
{
	if (document->id_length == 0)
		return "its id is empty";
	if (document->id_length > 1000)
		return "its id is longer than 1,000 bytes";
	for (size_t i = 0; i < document->value_count; i++)
		if (document->values[i]->field < 0 ||
		    (size_t)document->values[i]->field >= instance->field_count)
			return "it has a value of a field that is not in the schema";
	return NULL;
}

static weir_status frozen_apply(weir_instance *instance,
				const struct weir_document *const *documents, size_t count,
				struct weir_verdict *const *verdicts, struct weir_error *error)
{
	for (size_t i = 0; i < count; i++) {
		const char *reason = refusal(instance, documents[i]);
		verdicts[i]->kind = reason == NULL ? WEIR_ACCEPTED : WEIR_REJECTED;
		snprintf(verdicts[i]->reason, sizeof(verdicts[i]->reason), "%s",
			 reason == NULL ? "" : reason);
		if (reason == NULL && !table_put(&instance->table, documents[i]))
			return fail(error, WEIR_RETRY, "out of memory", instance->path);
		instance->changed |= reason == NULL;
	}
	return WEIR_OK;
}

static weir_status frozen_commit(weir_instance *instance,
				 const struct weir_position *const *positions, size_t count,
				 struct weir_error *error)
{
	for (size_t i = 0; i < count; i++)
		if (!table_set_position(&instance->table, positions[i]))
			return fail(error, WEIR_RETRY, "out of memory", instance->path);
	if (count == 0 && !instance->changed)
		return WEIR_OK;
	instance->table.generation++;
	instance->changed = false;
	return save(instance, error);
}

static weir_status frozen_sync(weir_instance *instance, struct weir_error *error)
{
	return syncfs(instance->lock) == 0
		       ? WEIR_OK
		       : fail(error, WEIR_RETRY, "syncfs failed", instance->path);
}

static weir_status frozen_abandon(weir_instance *instance, struct weir_error *error)
{
	table_finish(&instance->table);
	instance->changed = false;
	return load(instance, &instance->table, error);
}

static weir_status tell_places(const struct table *table, weir_on_position on_position,
			       void *context)
{
	for (size_t i = 0; i < table->place_count; i++) {
		const struct place *at = &table->places[i];
		struct weir_position position = {at->cluster, at->topic, at->topic_id,
						 at->partition, at->next_offset};
		if (on_position(context, &position) != 0)
			break;
	}
	return WEIR_OK;
}

static weir_status frozen_positions(weir_instance *instance, weir_on_position on_position,
				    void *context, struct weir_error *error)
{
	(void)error;
	return tell_places(&instance->table, on_position, context);
}

static weir_status frozen_expire(weir_instance *instance, int64_t before, uint64_t *removed,
				 struct weir_error *error)
{
	struct table *table = &instance->table;
	(void)error;
	*removed = 0;
	for (size_t i = table->count; i > 0; i--) {
		const struct document *one = table->documents[i - 1];
		if (one->kind != WEIR_KIND_HIDDEN || one->applied_at >= before)
			continue;
		table_remove(table, i - 1);
		++*removed;
	}
	instance->changed |= *removed > 0;
	return WEIR_OK;
}

static weir_status frozen_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
				struct weir_error *error)
{
	size_t live = 0;
	struct stat status = {.st_size = 0};
	(void)error;
	for (size_t i = 0; i < instance->table.count; i++)
		live += instance->table.documents[i]->kind == WEIR_KIND_LIVE;
	if (stat(instance->path, &status) == 0 &&
	    on_stat(context, "documents_live", (double)live) == 0 &&
	    on_stat(context, "documents_hidden", (double)(instance->table.count - live)) == 0)
		on_stat(context, "bytes_on_disk", (double)status.st_size);
	return WEIR_OK;
}

static void frozen_session_close(weir_session *session)
{
	if (session != NULL)
		table_finish(&session->table);
	free(session);
}

static weir_status frozen_refresh(weir_session *session, uint64_t *generation,
				  struct weir_error *error)
{
	weir_status status = load(session->instance, &session->table, error);
	if (status == WEIR_OK)
		*generation = session->table.generation;
	return status;
}

static weir_status frozen_session_open(weir_instance *instance, const struct weir_host *host,
				       weir_session **session, struct weir_error *error)
{
	uint64_t generation;
	weir_session *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return fail(error, WEIR_RETRY, "out of memory", instance->path);
	made->instance = instance;
	made->host = host;
	weir_status status = frozen_refresh(made, &generation, error);
	if (status == WEIR_OK)
		*session = made;
	else
		frozen_session_close(made);
	return status;
}

static int tell_hit(const struct document *one, double score, weir_on_hit on_hit, void *context)
{
	struct weir_hit hit = {one->id, one->id_length, one->version,
			       score,	one->state,	one->state_length};
	return on_hit(context, &hit);
}

static weir_status frozen_search(weir_session *session, const struct weir_search *search,
				 weir_on_hit on_hit, void *context,
				 struct weir_search_result *result, struct weir_error *error)
{
	struct match *matches = NULL;
	size_t count = 0;
	const weir_instance *instance = session->instance;
	for (size_t i = 0; i < search->sort_count; i++) {
		int32_t field = search->sort[i]->field;
		if (field != WEIR_FIELD_DEFAULT &&
		    (field < 0 || (size_t)field >= instance->field_count ||
		     (instance->fields[field].flags & WEIR_FIELD_SORT) == 0))
			return fail(error, WEIR_FATAL, "cannot sort by that", instance->path);
	}
	weir_status status = match_all(&session->table, instance->fields, instance->field_count,
				       search, session->host, &matches, &count, error);
	if (status != WEIR_OK)
		return status;
	match_sort(search, matches, count);
	for (size_t i = search->offset; i < count && i - search->offset < search->limit; i++)
		if (tell_hit(matches[i].document, matches[i].score, on_hit, context) != 0)
			break;
	free(matches);
	*result = (struct weir_search_result){.total = count};
	return WEIR_OK;
}

static weir_status frozen_get(weir_session *session, const char *id, size_t id_length,
			      weir_on_hit on_hit, void *context, struct weir_error *error)
{
	bool is_there;
	size_t at = table_seek(&session->table, id, id_length, &is_there);
	(void)error;
	if (is_there && session->table.documents[at]->kind == WEIR_KIND_LIVE)
		tell_hit(session->table.documents[at], 0, on_hit, context);
	return WEIR_OK;
}

static weir_status frozen_scan(weir_session *session, const char *from, size_t from_length,
			       weir_on_scan on_scan, void *context, struct weir_error *error)
{
	bool is_there;
	size_t at = table_seek(&session->table, from, from_length, &is_there);
	for (; at < session->table.count; at++) {
		const struct document *one = session->table.documents[at];
		if (session->host->cancelled(session->host->context) != 0)
			return fail(error, WEIR_RETRY, "cancelled", session->instance->path);
		if (on_scan(context, one->id, one->id_length, one->version, one->kind) != 0)
			break;
	}
	return WEIR_OK;
}

static weir_status frozen_session_positions(weir_session *session, weir_on_position on_position,
					    void *context, struct weir_error *error)
{
	(void)error;
	return tell_places(&session->table, on_position, context);
}

static const struct weir_parameter path = {
	.key = "path",
	.type = WEIR_PARAMETER_PATH,
	.default_value = "weir-data/index.frozen",
	.help = "The file of the index; the indexer creates it.",
};
static const struct weir_parameter *const parameters[] = {&path};

static struct weir_operations operations = {
	.open = frozen_open,
	.close = frozen_close,
	.fetch = frozen_fetch,
	.apply = frozen_apply,
	.commit = frozen_commit,
	.sync = frozen_sync,
	.abandon = frozen_abandon,
	.positions = frozen_positions,
	.expire = frozen_expire,
	.stats = frozen_stats,
	.session_open = frozen_session_open,
	.session_close = frozen_session_close,
	.refresh = frozen_refresh,
	.search = frozen_search,
	.get = frozen_get,
	.scan = frozen_scan,
	.session_positions = frozen_session_positions,
};

WEIR_BACKEND("frozen", "1.0.0", "MIT", "An array in a file, compiled against ABI 1.0 for ever",
	     WEIR_THREADS_PER_SESSION, WEIR_CAN_COMMIT_POSITIONS | WEIR_CAN_SYNC | WEIR_CAN_SEARCH,
	     parameters, operations)
