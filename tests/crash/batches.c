/* SPDX-License-Identifier: MIT */
#include "batches.h"

#include <string.h>
#include <time.h>

enum { TRIES = 2000, REST_TRIES = 300000 }; /* the latter: minutes, on a disk that others use */

/* Whether it was done; else the batch has to be done again. */
static bool was_done(struct writing *writing, weir_status status, const char *what,
		     const struct weir_error *error)
{
	if (status == WEIR_OK)
		return true;
	DEMAND(writing->can_fail && status == WEIR_RETRY, "%s: %d: %s", what, (int)status,
	       error->message);
	DEMAND(error->message[0] != '\0', "%s failed without a line", what);
	writing->progress->failures++;
	return false;
}

#define DO(call)                                                                                   \
	do {                                                                                       \
		struct weir_error do_error = {""};                                                 \
		struct weir_error *error = &do_error;                                              \
		if (!was_done(writing, (call), #call, error))                                      \
			return false;                                                              \
	} while (0)

struct fetched {
	const struct model *model;
	const struct operation *operations;
};

static int on_state(void *context, size_t index, int found, const void *state, size_t length,
		    const void *revision, size_t revision_length)
{
	const struct fetched *fetched = context;
	unsigned id = fetched->operations[index].id;
	struct document document;
	(void)revision, (void)revision_length;
	DEMAND((found != 0) == fetched->model->entries[id].exists, "fetch: id-%04u is %s", id,
	       found ? "there" : "missing");
	if (!found)
		return 0;
	steps_document(&fetched->model->plan, id, &fetched->model->entries[id], &document);
	DEMAND(length == document.document.state_length &&
		       memcmp(state, document.state, length) == 0,
	       "fetch: id-%04u has the state %.*s, not %s", id, (int)length, (const char *)state,
	       document.state);
	return 0;
}

static bool fetch(struct writing *writing, const struct operation *operations, unsigned count)
{
	static char ids[ID_LIMIT][16];
	static const char *pointers[ID_LIMIT];
	static size_t lengths[ID_LIMIT];
	struct fetched fetched = {writing->model, operations};
	for (unsigned i = 0; i < count; i++) {
		lengths[i] = (size_t)snprintf(ids[i], sizeof(ids[i]), "id-%04u", operations[i].id);
		pointers[i] = ids[i];
	}
	DO(writing->place->plugin->operations.fetch(writing->instance, pointers, lengths, count,
						    on_state, &fetched, error));
	return true;
}

static bool apply(struct writing *writing, const struct operation *operations, unsigned count)
{
	static struct document documents[ID_LIMIT];
	static const struct weir_document *pointers[ID_LIMIT];
	static struct weir_verdict verdicts[ID_LIMIT];
	static struct weir_verdict *verdict_pointers[ID_LIMIT];
	for (unsigned i = 0; i < count; i++) {
		steps_document(&writing->model->plan, operations[i].id, &operations[i].entry,
			       &documents[i]);
		pointers[i] = &documents[i].document;
		verdicts[i] = (struct weir_verdict){0};
		verdict_pointers[i] = &verdicts[i];
	}
	DO(writing->place->plugin->operations.apply(writing->instance, pointers, count,
						    verdict_pointers, error));
	for (unsigned i = 0; i < count; i++)
		DEMAND(verdicts[i].kind == WEIR_ACCEPTED, "a document is refused: %s",
		       verdicts[i].reason);
	return true;
}

static bool do_abandoned(struct writing *writing)
{
	static struct operation operations[ID_LIMIT];
	unsigned count = steps_operations(writing->model, operations);
	for (unsigned i = 0; i < count; i++) {
		operations[i].entry.version += 1000;
		operations[i].entry.is_hidden = !operations[i].entry.is_hidden;
	}
	if (!apply(writing, operations, count))
		return false;
	DO(writing->place->plugin->operations.abandon(writing->instance, error));
	return true;
}

static bool commit(struct writing *writing, uint32_t batch)
{
	struct weir_position position = {"cluster", "steps", "", 0, batch};
	const struct weir_position *positions[] = {&position};
	writing->progress->begun = batch;
	DO(writing->place->plugin->operations.commit(writing->instance, positions, 1, error));
	writing->progress->committed = batch;
	return true;
}

static bool do_documents(struct writing *writing)
{
	static struct operation operations[ID_LIMIT];
	unsigned count = steps_operations(writing->model, operations);
	struct extras extras = steps_extras(&writing->model->plan, writing->model->batch + 1);
	uint64_t removed;
	if (extras.abandons && !do_abandoned(writing))
		return false;
	if (!fetch(writing, operations, count) || !apply(writing, operations, count))
		return false;
	if (extras.expires)
		DO(writing->place->plugin->operations.expire(
			writing->instance, extras.expire_before, &removed, error));
	return commit(writing, writing->model->batch + 1);
}

static int on_stat(void *context, const char *name, double value)
{
	if (strcmp(name, "background_tasks") == 0)
		*(double *)context = value;
	return 0;
}

/* Until the background has done what there is to do. */
static bool maintain(struct writing *writing)
{
	const struct weir_operations *operations = &writing->place->plugin->operations;
	struct timespec moment = {.tv_nsec = 300000};
	double tasks;
	if (operations->maintain == NULL)
		return true;
	for (int tries = 0; tries < REST_TRIES; tries++) {
		DO(operations->maintain(writing->instance, 20, error));
		tasks = 0;
		DO(operations->stats(writing->instance, on_stat, &tasks, error));
		if (tasks == 0)
			return true;
		nanosleep(&moment, NULL);
	}
	DEMAND(writing->can_fail, "the background never comes to rest");
	return true;
}

static bool do_rest(struct writing *writing, const struct extras *extras)
{
	const struct weir_operations *operations = &writing->place->plugin->operations;
	if (extras->syncs && operations->sync != NULL)
		DO(operations->sync(writing->instance, error));
	if (extras->syncs || operations->sync == NULL) {
		writing->progress->synced = writing->progress->committed;
		if (writing->on_sync != NULL)
			writing->on_sync(writing);
	}
	return !extras->maintains || maintain(writing);
}

/* As a host does after WEIR_RETRY; where even that fails it begins anew. */
static void start_again(struct writing *writing)
{
	const struct weir_operations *operations = &writing->place->plugin->operations;
	struct weir_error failure = {""};
	weir_status status = operations->abandon(writing->instance, &failure);
	for (int tries = 0; status != WEIR_OK; tries++) {
		DEMAND(status == WEIR_RETRY && tries < TRIES, "abandon, open: %d: %s", (int)status,
		       failure.message);
		operations->close(writing->instance);
		writing->instance = NULL;
		status = place_open(writing->place, WEIR_MODE_WRITER, &writing->instance, &failure);
	}
}

/* A commit that failed may have been one all the same, when only its end could not be told. */
static int on_position(void *context, const struct weir_position *position)
{
	*(int64_t *)context = position->next_offset;
	return 0;
}

static bool is_committed(struct writing *writing, uint32_t batch)
{
	int64_t position = -1;
	MUST(writing->place->plugin->operations.positions(writing->instance, on_position, &position,
							  error));
	DEMAND(position < 0 || position == batch || position == batch - 1,
	       "position %lld after batch %u", (long long)position, batch - 1);
	return position == batch;
}

void batch_do(struct writing *writing)
{
	const struct weir_operations *operations = &writing->place->plugin->operations;
	struct extras extras = steps_extras(&writing->model->plan, writing->model->batch + 1);
	for (int tries = 0; !do_documents(writing); tries++) {
		DEMAND(tries < TRIES, "it never works again");
		start_again(writing);
		if (is_committed(writing, writing->model->batch + 1))
			break;
	}
	model_step(writing->model);
	writing->progress->committed = writing->model->batch;
	for (int tries = 0; !do_rest(writing, &extras); tries++) {
		DEMAND(tries < TRIES, "it never works again");
		start_again(writing);
	}
	look_at_states(writing->place, writing->instance, writing->model);
	if (!extras.reopens)
		return;
	operations->close(writing->instance);
	writing->instance = NULL;
	struct weir_error failure = {""};
	for (int tries = 0;
	     !was_done(writing,
		       place_open(writing->place, WEIR_MODE_WRITER, &writing->instance, &failure),
		       "open", &failure);
	     tries++)
		DEMAND(tries < TRIES, "it never opens again");
	look_at_states(writing->place, writing->instance, writing->model);
}
