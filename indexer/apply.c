/* SPDX-License-Identifier: MIT */
#include "apply.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "metrics.h"
#include "moment.h"
#include "state.h"
#include "stop_point.h"

/* Documents handed to the engine at a time: bounds the memory of states and values. */
enum { CHUNK = 128, CONFLICT_LIMIT = 10, DELIVERY_WAIT_MS = 100 };

enum step { STEP_FETCH, STEP_MERGE, STEP_APPLY, STEP_DEAD_LETTER, STEP_COMMIT };
enum { STEP_COUNT = STEP_COMMIT + 1 };

/* One document on its way. */
struct slot {
	struct state state;
	struct buffer stored, revision, blob;
	struct state_values values;
	struct weir_document document;
	struct weir_verdict verdict;
	size_t group;
	bool changed;
};

struct position {
	const char *topic; /* of the first message there; borrowed for the run */
	int32_t partition;
	int64_t next_offset;
	const rd_kafka_message_t *last; /* likewise */
	struct log_marks marks;
};

/* What became of a topic's messages. */
struct topic_counters {
	const char *topic; /* of the client library, for as long as it lives */
	struct metric *outcomes[ITEM_OUTCOME_COUNT];
};

struct applier {
	struct applier_options options;
	struct slot slots[CHUNK];
	struct position *positions;
	size_t position_count, position_capacity;
	struct deadletter **letters;
	size_t letter_capacity;
	struct topic_counters *topics;
	size_t topic_count;
	struct metric *steps[STEP_COUNT];
	struct metric *commits, *documents, *conflicts;
	int64_t step_began;
};

weir_status applier_create(const struct applier_options *options, struct applier **applier,
			   struct weir_error *error)
{
	static const char *const names[STEP_COUNT] = {"fetch", "merge", "apply", "dead_letter",
						      "commit"};
	struct applier *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->options = *options;
	for (size_t i = 0; i < STEP_COUNT; i++) {
		char labels[64];
		snprintf(labels, sizeof(labels), "step=\"%s\"", names[i]);
		made->steps[i] = metric_get(METRIC_HISTOGRAM, "weir_indexer_step_seconds", labels,
					    "Time that a batch spends in each step.");
	}
	made->commits = metric_get(METRIC_COUNTER, "weir_indexer_commits_total", NULL,
				   "Commits of the engine.");
	made->documents = metric_get(METRIC_COUNTER, "weir_indexer_documents_total", NULL,
				     "Documents handed to the engine.");
	made->conflicts = metric_get(METRIC_COUNTER, "weir_indexer_conflicts_total", NULL,
				     "Documents that another indexer wrote in between: fetched, "
				     "merged and applied again.");
	*applier = made;
	return WEIR_OK;
}

void applier_destroy(struct applier *applier)
{
	if (applier == NULL)
		return;
	for (size_t i = 0; i < CHUNK; i++) {
		struct slot *slot = &applier->slots[i];
		state_finish(&slot->state);
		buffer_finish(&slot->stored);
		buffer_finish(&slot->revision);
		buffer_finish(&slot->blob);
		state_values_finish(&slot->values);
	}
	free(applier->topics);
	free(applier->positions);
	free((void *)applier->letters);
	free(applier);
}

/* Ends the step that was under way. */
static void end_step(struct applier *applier, enum step step)
{
	int64_t now = moment_monotonic();
	metric_observe(applier->steps[step], (double)(now - applier->step_began) / 1e6);
	applier->step_began = now;
}

/* The place of a partition among those of this run, or the free one behind them. Neighbours mostly
 * come from one partition, so the last found is asked first. */
static size_t find_position(const struct applier *applier, size_t last, const char *topic,
			    int32_t partition)
{
	const struct position *positions = applier->positions;
	if (last < applier->position_count && positions[last].partition == partition &&
	    positions[last].topic == topic)
		return last;
	size_t i = 0;
	while (i < applier->position_count &&
	       (positions[i].partition != partition || strcmp(positions[i].topic, topic) != 0))
		i++;
	return i;
}

/* Where every partition of these items stands after them. */
static weir_status note_positions(struct applier *applier, const struct batch *batch, size_t from,
				  size_t to, struct weir_error *error)
{
	size_t at = 0;
	applier->position_count = 0;
	for (size_t i = from; i < to; i++) {
		const rd_kafka_message_t *message = batch->items[i].message;
		const char *topic = rd_kafka_topic_name(message->rkt);
		at = find_position(applier, at, topic, message->partition);
		if (at == applier->position_capacity) {
			size_t capacity = at == 0 ? 16 : 2 * at;
			struct position *positions =
				realloc(applier->positions, capacity * sizeof(*positions));
			if (positions == NULL)
				return err_no_memory(error);
			applier->positions = positions;
			applier->position_capacity = capacity;
		}
		if (at == applier->position_count)
			applier->position_count++;
		applier->positions[at] = (struct position){.topic = topic,
							   .partition = message->partition,
							   .next_offset = message->offset + 1,
							   .last = message};
	}
	return WEIR_OK;
}

/* What is left of decoding, which is nothing unless memory was short; and what an earlier try left
 * behind is forgotten. */
static weir_status prepare(struct applier *applier, struct batch *batch, size_t from, size_t to,
			   struct weir_error *error)
{
	weir_status status = batch_decode(batch, applier->options.types, from, to, error);
	for (size_t i = from; status == WEIR_OK && i < to; i++) {
		struct item *item = &batch->items[i];
		item->alone = false;
		if (item->letter != NULL)
			item->change = NULL;
	}
	if (status == WEIR_OK)
		status = note_positions(applier, batch, from, to, error);
	return status == WEIR_OK ? batch_group(batch, from, to, error) : status;
}

static int on_state(void *context, size_t index, int found, const void *state, size_t state_length,
		    const void *revision, size_t revision_length)
{
	struct applier *applier = context;
	struct slot *slot = &applier->slots[index];
	if (found) {
		buffer_append(&slot->stored, state, state_length);
		buffer_append(&slot->revision, revision, revision_length);
	}
	return buffer_failed(&slot->stored) || buffer_failed(&slot->revision);
}

static weir_status fetch_chunk(struct applier *applier, const struct batch *batch, size_t count,
			       struct weir_error *error)
{
	const struct backend *backend = applier->options.backend;
	const char *ids[CHUNK] = {NULL};
	size_t lengths[CHUNK] = {0};
	for (size_t i = 0; i < count; i++) {
		struct slot *slot = &applier->slots[i];
		const struct event_change *change =
			batch->items[batch->groups[slot->group].first].change;
		ids[i] = change->id;
		lengths[i] = change->id_length;
		buffer_clear(&slot->stored);
		buffer_clear(&slot->revision);
	}
	weir_status status = backend->plugin->operations.fetch(backend->instance, ids, lengths,
							       count, on_state, applier, error);
	for (size_t i = 0; status == WEIR_OK && i < count; i++) {
		struct slot *slot = &applier->slots[i];
		if (buffer_failed(&slot->stored) || buffer_failed(&slot->revision))
			return err_no_memory(error);
		status = state_read(&slot->state, slot->stored.data, slot->stored.length, error);
	}
	return status;
}

static weir_status fill_document(struct applier *applier, struct slot *slot,
				 const struct event_change *change, struct weir_error *error)
{
	weir_status status = state_document(&slot->state, applier->options.schema, moment_now(),
					    &slot->blob, &slot->values, &slot->document, error);
	if (status != WEIR_OK)
		return status;
	slot->document.id = change->id;
	slot->document.id_length = change->id_length;
	slot->document.revision = slot->revision.data;
	slot->document.revision_length = slot->revision.length;
	return WEIR_OK;
}

static weir_status merge_slot(struct applier *applier, struct batch *batch, struct slot *slot,
			      struct weir_error *error)
{
	const struct group *group = &batch->groups[slot->group];
	slot->changed = false;
	for (size_t i = group->first; i != BATCH_NONE; i = batch->items[i].next) {
		struct item *item = &batch->items[i];
		bool changed = false;
		weir_status status = state_merge(&slot->state, item->change, &changed, error);
		if (status != WEIR_OK)
			return status;
		item->outcome = changed ? ITEM_APPLIED : ITEM_UNCHANGED;
		slot->changed = slot->changed || changed;
	}
	return slot->changed
		       ? fill_document(applier, slot, batch->items[group->first].change, error)
		       : WEIR_OK;
}

/* One message's document is rejected. Of several of one event, which were merged, each is to be
 * applied by itself: only the one that makes the document unacceptable is a dead letter. */
static weir_status reject_group(struct batch *batch, size_t group, const char *reason,
				struct weir_error *error)
{
	char line[300];
	const struct group *rejected = &batch->groups[group];
	if (rejected->first == rejected->last) {
		snprintf(line, sizeof(line), "the index rejects it: %s", reason);
		return item_reject(&batch->items[rejected->first], line, error);
	}
	for (size_t i = rejected->first; i != BATCH_NONE; i = batch->items[i].next)
		batch->items[i].alone = true;
	return WEIR_OK;
}

/* Hands the changed slots to the engine; those in conflict stay, moved to the front, *conflicts of
 * them. */
static weir_status apply_chunk(struct applier *applier, struct batch *batch, size_t count,
			       size_t *conflicts, struct weir_error *error)
{
	const struct backend *backend = applier->options.backend;
	const struct weir_document *documents[CHUNK];
	struct weir_verdict *verdicts[CHUNK];
	struct slot *owners[CHUNK];
	size_t changed = 0;
	for (size_t i = 0; i < count; i++) {
		struct slot *slot = &applier->slots[i];
		if (!slot->changed)
			continue;
		slot->verdict.kind = WEIR_ACCEPTED;
		documents[changed] = &slot->document;
		verdicts[changed] = &slot->verdict;
		owners[changed++] = slot;
	}
	*conflicts = 0;
	if (changed == 0)
		return WEIR_OK;
	weir_status status = backend->plugin->operations.apply(backend->instance, documents,
							       changed, verdicts, error);
	metric_add(applier->documents, (int64_t)changed);
	for (size_t i = 0; status == WEIR_OK && i < changed; i++) {
		if (verdicts[i]->kind == WEIR_REJECTED)
			status = reject_group(batch, owners[i]->group, verdicts[i]->reason, error);
		else if (verdicts[i]->kind == WEIR_CONFLICT)
			applier->slots[(*conflicts)++].group = owners[i]->group;
	}
	return status;
}

static weir_status check_may_write(const struct applier *applier, struct weir_error *error)
{
	return applier->options.may_write(applier->options.context)
		       ? WEIR_OK
		       : err_set(error, WEIR_AWAY, "the partitions belong to another indexer now");
}

/* The slots' groups are set; runs them until nobody else wrote between fetch and apply. */
static weir_status run_chunk(struct applier *applier, struct batch *batch, size_t count,
			     struct weir_error *error)
{
	for (int tries = 0; count > 0; tries++) {
		if (tries == CONFLICT_LIMIT)
			return err_set(error, WEIR_AWAY,
				       "another indexer keeps writing the same events");
		applier->step_began = moment_monotonic();
		weir_status status = fetch_chunk(applier, batch, count, error);
		end_step(applier, STEP_FETCH);
		stop_point("indexer.fetch.after");
		for (size_t i = 0; status == WEIR_OK && i < count; i++)
			status = merge_slot(applier, batch, &applier->slots[i], error);
		end_step(applier, STEP_MERGE);
		stop_point("indexer.merge.after");
		size_t conflicts = 0;
		if (status == WEIR_OK)
			status = check_may_write(applier, error);
		if (status == WEIR_OK)
			status = apply_chunk(applier, batch, count, &conflicts, error);
		end_step(applier, STEP_APPLY);
		stop_point("indexer.apply.after");
		if (status != WEIR_OK)
			return status;
		metric_add(applier->conflicts, (int64_t)conflicts);
		count = conflicts;
	}
	return WEIR_OK;
}

/* In the order they came, each upon what the engine holds after the one before. */
static weir_status run_alone(struct applier *applier, struct batch *batch, size_t from, size_t to,
			     struct weir_error *error)
{
	for (size_t i = from; i < to; i++) {
		if (!batch->items[i].alone)
			continue;
		batch->items[i].next = BATCH_NONE;
		batch->groups[0] = (struct group){i, i};
		applier->slots[0].group = 0;
		weir_status status = run_chunk(applier, batch, 1, error);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

static weir_status run_groups(struct applier *applier, struct batch *batch,
			      struct weir_error *error)
{
	for (size_t done = 0; done < batch->group_count;) {
		size_t count = batch->group_count - done;
		if (count > CHUNK)
			count = CHUNK;
		for (size_t i = 0; i < count; i++)
			applier->slots[i].group = done + i;
		weir_status status = run_chunk(applier, batch, count, error);
		if (status != WEIR_OK)
			return status;
		done += count;
	}
	return WEIR_OK;
}

static weir_status deliver_letters(struct applier *applier, struct batch *batch, size_t from,
				   size_t to, struct weir_error *error)
{
	size_t count = 0;
	if (applier->letter_capacity < to - from) {
		struct deadletter **letters =
			realloc((void *)applier->letters, (to - from) * sizeof(*letters));
		if (letters == NULL)
			return err_no_memory(error);
		applier->letters = letters;
		applier->letter_capacity = to - from;
	}
	for (size_t i = from; i < to; i++)
		if (batch->items[i].letter != NULL)
			applier->letters[count++] = batch->items[i].letter;
	if (count > 0)
		stop_point("indexer.letters.before");
	while (!deadletters_deliver(applier->options.deadletters, applier->letters, count,
				    DELIVERY_WAIT_MS))
		if (!applier->options.wait(applier->options.context))
			return err_set(error, WEIR_AWAY,
				       "given up while dead letters could not be delivered");
	return WEIR_OK;
}

static weir_status commit(struct applier *applier, struct weir_error *error)
{
	const struct backend *backend = applier->options.backend;
	size_t count = applier->position_count;
	WEIR_FREE struct weir_position *positions = calloc(count + 1, sizeof(*positions));
	WEIR_FREE const struct weir_position **pointers = calloc(count + 1, sizeof(*pointers));
	WEIR_FREE char(*topic_ids)[LOG_MARKS_SIZE] = calloc(count + 1, sizeof(*topic_ids));
	if (positions == NULL || pointers == NULL || topic_ids == NULL)
		return err_no_memory(error);
	for (size_t i = 0; i < count; i++) {
		struct position *at = &applier->positions[i];
		struct log_mark last = log_mark_of(at->last);
		at->marks = progress_marks(applier->options.progress, at->topic, at->partition);
		log_marks_move(&at->marks, &last);
		positions[i] = (struct weir_position){
			.cluster = progress_cluster(applier->options.progress),
			.topic = at->topic,
			.topic_id = log_marks_write(&at->marks, topic_ids[i]),
			.partition = at->partition,
			.next_offset = at->next_offset,
		};
		pointers[i] = &positions[i];
	}
	return backend->plugin->operations.commit(backend->instance, pointers, count, error);
}

/* NULL: no memory to remember it by. */
static struct topic_counters *counters_of(struct applier *applier, const char *topic)
{
	for (size_t i = 0; i < applier->topic_count; i++)
		if (applier->topics[i].topic == topic ||
		    strcmp(applier->topics[i].topic, topic) == 0)
			return &applier->topics[i];
	struct topic_counters *topics =
		realloc(applier->topics, (applier->topic_count + 1) * sizeof(*topics));
	if (topics == NULL)
		return NULL;
	applier->topics = topics;
	struct topic_counters *made = &topics[applier->topic_count++];
	made->topic = topic;
	for (size_t i = 0; i < ITEM_OUTCOME_COUNT; i++) {
		char labels[320];
		snprintf(labels, sizeof(labels), "topic=\"%s\",outcome=\"%s\"", topic,
			 item_outcome_names[i]);
		made->outcomes[i] =
			metric_get(METRIC_COUNTER, "weir_indexer_messages_total", labels,
				   "Messages by topic and by what became of them.");
	}
	return made;
}

static void count_outcomes(struct applier *applier, const struct batch *batch, size_t from,
			   size_t to)
{
	const char *topic = NULL;
	struct topic_counters *counters = NULL;
	for (size_t i = from; i < to; i++) {
		const struct item *item = &batch->items[i];
		const char *its = rd_kafka_topic_name(item->message->rkt);
		if (its != topic)
			counters = counters_of(applier, its);
		topic = its;
		if (counters != NULL)
			metric_add(counters->outcomes[item->outcome], 1);
	}
}

static weir_status run(struct applier *applier, struct batch *batch, size_t from, size_t to,
		       struct weir_error *error)
{
	weir_status status = prepare(applier, batch, from, to, error);
	if (status == WEIR_OK)
		status = run_groups(applier, batch, error);
	if (status == WEIR_OK)
		status = run_alone(applier, batch, from, to, error);
	applier->step_began = moment_monotonic();
	if (status == WEIR_OK)
		status = deliver_letters(applier, batch, from, to, error);
	end_step(applier, STEP_DEAD_LETTER);
	if (status == WEIR_OK)
		status = check_may_write(applier, error);
	stop_point("indexer.commit.before");
	if (status == WEIR_OK)
		status = commit(applier, error);
	stop_point("indexer.commit.after");
	end_step(applier, STEP_COMMIT);
	return status;
}

weir_status applier_run(struct applier *applier, struct batch *batch, size_t from, size_t to,
			struct weir_error *error)
{
	const struct backend *backend = applier->options.backend;
	weir_status status = run(applier, batch, from, to, error);
	if (status != WEIR_OK) {
		struct weir_error second;
		if (backend->plugin->operations.abandon(backend->instance, &second) != WEIR_OK)
			log_warning("abandon", "reason=%s", LOG_TEXT(second.message));
		return status;
	}
	metric_add(applier->commits, 1);
	count_outcomes(applier, batch, from, to);
	for (size_t i = 0; i < applier->position_count; i++)
		progress_committed(applier->options.progress, applier->positions[i].topic,
				   applier->positions[i].partition,
				   applier->positions[i].next_offset, &applier->positions[i].marks);
	return WEIR_OK;
}
