/* SPDX-License-Identifier: MIT */
#include "upkeep.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "upkeep_internal.h"

#define WAIT_MS 50
#define RETRY_LEAST_MS 1000
#define RETRY_MOST_MS 60000
#define MAINTAIN_DOCUMENTS 256 /* applied again in a commit of its own */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

weir_status upkeep_create(struct store *store, struct weir_error *error)
{
	struct upkeep *upkeep = calloc(1, sizeof(*upkeep));
	if (upkeep == NULL)
		return error_no_memory(error);
	weir_status status = keeper_create(store->path, &store->rows, &upkeep->keeper, error);
	if (status != WEIR_OK) {
		free(upkeep);
		return status;
	}
	upkeep->first_log = 1;
	store->upkeep = upkeep;
	return WEIR_OK;
}

static void forget_sealing(struct sealing *sealing)
{
	manifest_finish(&sealing->checkpoint);
	free(sealing->empty_segments);
	free(sealing->empty_logs);
	*sealing = (struct sealing){0};
}

void upkeep_destroy(struct store *store)
{
	struct upkeep *upkeep = store->upkeep;
	if (upkeep == NULL)
		return;
	keeper_destroy(upkeep->keeper);
	forget_sealing(&upkeep->sealing);
	free(upkeep->dead_logs);
	free(upkeep);
	store->upkeep = NULL;
}

struct store_segment *upkeep_find(const struct store *store, uint32_t number)
{
	for (size_t i = 0; number != 0 && i < store->segment_count; i++)
		if (store->segments[i]->segment.number == number)
			return store->segments[i];
	return NULL;
}

bool upkeep_merges(const struct upkeep *upkeep, uint32_t number)
{
	for (size_t i = 0; i < MERGES_AT_ONCE; i++)
		for (size_t j = 0; j < upkeep->merging[i].count; j++)
			if (upkeep->merging[i].segments[j] == number)
				return true;
	return false;
}

/* Sealing */

static bool is_empty(const struct store *store, const struct store_segment *segment)
{
	return segment->segment.state == SEGMENT_SEALED && segment_living(store, segment) == 0 &&
	       !upkeep_merges(store->upkeep, segment->segment.number);
}

/* False: no memory. */
static bool list_empty(const struct store *store, struct sealing *sealing)
{
	uint32_t end = place_file(store->head.block);
	sealing->empty_segments = calloc(store->segment_count + 1, sizeof(uint32_t));
	sealing->empty_logs = calloc((size_t)end + 1, sizeof(uint32_t));
	if (sealing->empty_segments == NULL || sealing->empty_logs == NULL)
		return false;
	for (size_t i = 0; i < store->segment_count; i++)
		if (is_empty(store, store->segments[i]))
			sealing->empty_segments[sealing->segment_count++] =
				store->segments[i]->segment.number;
	for (uint32_t file = store->upkeep->first_log; file < end; file++)
		if (store->log_living[file] == 0)
			sealing->empty_logs[sealing->log_count++] = file;
	return true;
}

static bool note_checkpoint(const struct store *store, struct manifest *checkpoint)
{
	checkpoint->checkpoint = store->head.commit;
	checkpoint->docid_limit = store->head.docid_limit;
	checkpoint->live = store->head.live;
	checkpoint->hidden = store->head.hidden;
	checkpoint->block = store->head.block;
	checkpoint->log_place = store->head.log_end;
	checkpoint->log_checksum = store->log_checksum;
	checkpoint->names_length = store->head.names_length;
	return bytes_append(&checkpoint->positions, store->positions.data, store->positions.length);
}

static void take_checkpoint(struct store *store, struct manifest *checkpoint)
{
	struct manifest *manifest = &store->manifest;
	if (checkpoint->checkpoint <= manifest->checkpoint)
		return;
	manifest->checkpoint = checkpoint->checkpoint;
	manifest->docid_limit = checkpoint->docid_limit;
	manifest->live = checkpoint->live;
	manifest->hidden = checkpoint->hidden;
	manifest->block = checkpoint->block;
	manifest->log_place = checkpoint->log_place;
	manifest->log_checksum = checkpoint->log_checksum;
	manifest->names_length = checkpoint->names_length;
	bytes_finish(&manifest->positions);
	manifest->positions = checkpoint->positions;
	checkpoint->positions = (struct bytes){0};
}

/* Moves on those that rest. */
static void move_chunks(struct store *store, enum chunk_rest from, enum chunk_rest to)
{
	bool has_resting = false;
	for (uint32_t chunk = 0; store->upkeep->has_resting && chunk < store->chunk_count;
	     chunk++) {
		if (store->chunks[chunk].rest == from)
			store->chunks[chunk].rest = to;
		has_resting |= store->chunks[chunk].rest != CHUNK_USABLE;
	}
	store->upkeep->has_resting = has_resting;
}

/* After a commit: everything that it has is written, so what is synced from now on has it. */
static weir_status start_seal(struct store *store, struct weir_error *error)
{
	struct upkeep *upkeep = store->upkeep;
	struct sealing *sealing = &upkeep->sealing;
	struct keeper_task task = {.kind = KEEPER_SEAL};
	if (sealing->is_under_way)
		return WEIR_OK;
	for (size_t i = 0; i < store->segment_count; i++) {
		const struct segment *segment = &store->segments[i]->segment;
		if (segment->state != SEGMENT_FILLED || store->segments[i]->pending_count > 0 ||
		    task.segment_count == KEEPER_TASK_SEGMENTS)
			continue;
		task.first_chunks[task.segment_count] = segment->first_chunk;
		task.segments[task.segment_count++] = segment->number;
	}
	bool good = list_empty(store, sealing);
	bool wanted = task.segment_count + sealing->segment_count + sealing->log_count > 0;
	if (!good || !wanted) {
		forget_sealing(sealing);
		return good ? WEIR_OK : error_no_memory(error);
	}
	task.log_first = place_file(store->manifest.log_place);
	task.log_last = place_file(store->head.block);
	weir_status status = note_checkpoint(store, &sealing->checkpoint)
				     ? keeper_submit(upkeep->keeper, &task, error)
				     : error_no_memory(error);
	if (status != WEIR_OK) {
		forget_sealing(sealing);
		return status;
	}
	move_chunks(store, CHUNK_CLEARED, CHUNK_SYNCING);
	sealing->is_under_way = true;
	return WEIR_OK;
}

/* Their docids will be other documents'. */
static void forget_hidden(struct store *store, uint32_t first_chunk, uint32_t last_chunk)
{
	size_t kept = 0;
	for (size_t i = 0; i < store->hidden_count; i++) {
		uint32_t chunk = (store->hidden[i].docid - 1) / CHUNK_DOCIDS;
		if (chunk < first_chunk || chunk > last_chunk)
			store->hidden[kept++] = store->hidden[i];
	}
	store->hidden_count = kept;
}

static void drop_segment(struct store *store, struct store_segment *segment)
{
	uint32_t first = segment->segment.first_chunk, last = segment->segment.last_chunk;
	forget_hidden(store, first, last);
	store_drop_segment(store, segment);
	for (uint32_t chunk = first; chunk <= last; chunk++)
		store->chunks[chunk].rest = CHUNK_DROPPED;
	store->upkeep->has_resting = true;
	store->moves_oldest = true;
	store->manifest_changed = true;
}

static void end_seal(struct store *store, const struct keeper_task *task)
{
	struct upkeep *upkeep = store->upkeep;
	struct sealing *sealing = &upkeep->sealing;
	upkeep->failures += task->without_pairs;
	if (task->status != WEIR_OK) {
		upkeep->failures++;
		move_chunks(store, CHUNK_SYNCING, CHUNK_CLEARED);
		forget_sealing(sealing);
		return;
	}
	move_chunks(store, CHUNK_SYNCING, CHUNK_USABLE);
	for (size_t i = 0; i < task->segment_count; i++) {
		struct store_segment *segment = upkeep_find(store, task->segments[i]);
		if (segment != NULL)
			segment->segment.state = SEGMENT_SEALED;
	}
	if (store->synced < sealing->checkpoint.checkpoint)
		store->synced = sealing->checkpoint.checkpoint;
	log_mark_synced(store->log, place_file(sealing->checkpoint.block));
	take_checkpoint(store, &sealing->checkpoint);
	for (size_t i = 0; i < sealing->segment_count; i++) {
		struct store_segment *segment = upkeep_find(store, sealing->empty_segments[i]);
		if (segment != NULL && is_empty(store, segment))
			drop_segment(store, segment);
	}
	free(upkeep->dead_logs);
	upkeep->dead_logs = sealing->empty_logs;
	upkeep->dead_log_count = sealing->log_count;
	sealing->empty_logs = NULL;
	store->manifest_changed = true;
	forget_sealing(sealing);
}

/* Merging */

/* By segment, whether merges are to leave it alone. What is to be emptied need not be merged
 * before, unless there are too many segments. */
static void mark_taken(const struct store *store, bool is_pressed, bool *taken)
{
	for (size_t i = 0; i < store->segment_count; i++) {
		const struct store_segment *segment = store->segments[i];
		uint32_t number = segment->segment.number;
		taken[i] = upkeep_merges(store->upkeep, number) ||
			   number == store->upkeep->victim ||
			   (!is_pressed && clean_is_due(store, segment));
	}
}

static struct merging *free_merging(struct upkeep *upkeep)
{
	for (size_t i = 0; i < MERGES_AT_ONCE; i++)
		if (upkeep->merging[i].count == 0)
			return &upkeep->merging[i];
	return NULL;
}

static weir_status submit_merge(struct store *store, struct merging *merging, size_t first,
				size_t count, struct weir_error *error)
{
	struct keeper_task task = {.kind = KEEPER_MERGE, .output = store->next_segment};
	uint32_t chunks = 0;
	for (size_t i = 0; i < count; i++) {
		const struct segment *segment = &store->segments[first + i]->segment;
		task.first_chunks[task.segment_count] = segment->first_chunk;
		task.segments[task.segment_count++] = segment->number;
		task.last_chunk = segment->last_chunk;
		merging->segments[i] = segment->number;
		chunks += segment_chunks(segment);
	}
	task.is_large = merges_is_large(chunks);
	weir_status status = keeper_submit(store->upkeep->keeper, &task, error);
	if (status != WEIR_OK)
		return status;
	merging->count = count;
	merging->output = store->next_segment++;
	return WEIR_OK;
}

static weir_status choose_merges(struct store *store, struct segment *segments, bool *taken,
				 struct weir_error *error)
{
	struct upkeep *upkeep = store->upkeep;
	struct merging *merging;
	size_t first, count, all = store->segment_count;
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < all; i++)
		segments[i] = store->segments[i]->segment;
	bool is_pressed = merges_left(segments, all) > SEGMENT_PRESSURE;
	while (status == WEIR_OK && (merging = free_merging(upkeep)) != NULL) {
		mark_taken(store, is_pressed, taken);
		if (!merges_choose(segments, all, taken, &first, &count))
			break;
		status = submit_merge(store, merging, first, count, error);
	}
	return status;
}

static weir_status start_merges(struct store *store, struct weir_error *error)
{
	if (now_ms() < store->upkeep->retry_at)
		return WEIR_OK;
	struct segment *segments = calloc(store->segment_count + 1, sizeof(*segments));
	bool *taken = calloc(store->segment_count + 1, sizeof(*taken));
	weir_status status = segments != NULL && taken != NULL
				     ? choose_merges(store, segments, taken, error)
				     : error_no_memory(error);
	free(segments);
	free(taken);
	return status;
}

/* One segment in place of those that it was made of. */
static bool replace_merged(struct store *store, const struct merging *merging)
{
	const struct store_segment *first = upkeep_find(store, merging->segments[0]);
	const struct store_segment *last =
		upkeep_find(store, merging->segments[merging->count - 1]);
	struct store_segment *merged = calloc(1, sizeof(*merged));
	if (merged == NULL || first == NULL || last == NULL) {
		free(merged);
		return false;
	}
	merged->segment = (struct segment){merging->output, SEGMENT_SEALED,
					   first->segment.first_chunk, last->segment.last_chunk};
	merged->first_pending = (merged->segment.last_chunk + 1) * CHUNK_DOCIDS + 1;
	merged->is_listed = true; /* abandon is not to drop it */
	merged->target.path = store_segment_path(store, merging->output);
	if (merged->target.path == NULL || !store_replace_segments(store, merged)) {
		store_free_segment(merged);
		return false;
	}
	return true;
}

static void end_merge(struct store *store, const struct keeper_task *task)
{
	struct upkeep *upkeep = store->upkeep;
	for (size_t i = 0; i < MERGES_AT_ONCE; i++) {
		struct merging *merging = &upkeep->merging[i];
		if (merging->count == 0 || merging->output != task->output)
			continue;
		bool good = task->status == WEIR_OK && replace_merged(store, merging);
		if (good) {
			upkeep->merges++;
			upkeep->retry_after = 0;
		} else {
			upkeep->failures++;
			store_add_garbage(store, task->output);
			upkeep->retry_after = upkeep->retry_after == 0 ? RETRY_LEAST_MS
					      : upkeep->retry_after * 2 > RETRY_MOST_MS
						      ? RETRY_MOST_MS
						      : upkeep->retry_after * 2;
			upkeep->retry_at = now_ms() + upkeep->retry_after;
		}
		*merging = (struct merging){0};
	}
}

/* What the host calls */

static void take_done(struct store *store)
{
	struct keeper_task task;
	while (keeper_take(store->upkeep->keeper, &task)) {
		if (task.kind == KEEPER_SEAL)
			end_seal(store, &task);
		else
			end_merge(store, &task);
	}
}

static size_t segments_left(const struct store *store)
{
	size_t count = 0;
	for (size_t i = 0; i < store->segment_count; i++)
		count += merges_left(&store->segments[i]->segment, 1);
	return count;
}

static bool has_merges(const struct upkeep *upkeep)
{
	for (size_t i = 0; i < MERGES_AT_ONCE; i++)
		if (upkeep->merging[i].count > 0)
			return true;
	return false;
}

weir_status upkeep_apply(struct store *store, struct weir_error *error)
{
	struct upkeep *upkeep = store->upkeep;
	while (segments_left(store) > SEGMENT_CAP && has_merges(upkeep)) {
		if (store->host->cancelled(store->host->context) != 0)
			return error_set(error, WEIR_RETRY,
					 "xapian: cancelled while segments of the index at %s were "
					 "merged",
					 store->path);
		keeper_wait(upkeep->keeper, WAIT_MS);
		take_done(store);
		weir_status status = start_merges(store, error);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

weir_status upkeep_before_commit(struct store *store, struct weir_error *error)
{
	struct upkeep *upkeep = store->upkeep;
	(void)error;
	take_done(store);
	upkeep->host_died =
		store->dead_count > store->reapplied ? store->dead_count - store->reapplied : 0;
	return WEIR_OK;
}

/* The head is written: nobody looks at them any more. */
static void clear_chunks(struct store *store)
{
	struct weir_error error;
	for (uint32_t chunk = 0; store->upkeep->has_resting && chunk < store->chunk_count; chunk++)
		if (store->chunks[chunk].rest == CHUNK_DROPPED &&
		    rows_clear(&store->rows, chunk, &error) == WEIR_OK)
			store->chunks[chunk].rest = CHUNK_CLEARED;
}

static void remove_logs(struct store *store)
{
	struct upkeep *upkeep = store->upkeep;
	struct weir_error error;
	for (size_t i = 0; i < upkeep->dead_log_count; i++)
		if (log_remove(store->log, upkeep->dead_logs[i], &error) == WEIR_OK)
			store->log_living[upkeep->dead_logs[i]] = LOG_GONE;
	upkeep->dead_log_count = 0;
	while (upkeep->first_log < store->log_living_size &&
	       store->log_living[upkeep->first_log] == LOG_GONE)
		upkeep->first_log++;
}

/* Seals, merges and cleans; what fails is tried again after the next commit. */
static weir_status go_on(struct store *store, size_t quota, struct weir_error *error)
{
	weir_status status = start_seal(store, error);
	if (status == WEIR_OK)
		status = start_merges(store, error);
	if (status != WEIR_OK)
		return WEIR_OK;
	return clean_some(store, quota, error);
}

void upkeep_after_commit(struct store *store)
{
	struct weir_error error;
	clear_chunks(store);
	remove_logs(store);
	if (go_on(store, clean_quota(store), &error) != WEIR_OK)
		(void)store_abandon(store, &error); /* nothing else is pending */
}

static bool has_pending_of_host(const struct store *store)
{
	return store->pending_count > store->reapplied || store->dead_count > store->reapplied;
}

weir_status upkeep_maintain(struct store *store, uint32_t budget_ms, struct weir_error *error)
{
	int64_t until = now_ms() + budget_ms;
	weir_status status = WEIR_OK;
	if (has_pending_of_host(store))
		return WEIR_OK;
	do {
		take_done(store);
		if (store->manifest_changed || store->pending_count > 0)
			status = store_commit(store, NULL, 0, error);
		if (status == WEIR_OK)
			status = go_on(store, MAINTAIN_DOCUMENTS, error);
	} while (status == WEIR_OK && (store->manifest_changed || store->reapplied > 0) &&
		 now_ms() < until && store->host->cancelled(store->host->context) == 0);
	return status;
}

int upkeep_stats(const struct store *store, weir_on_stat on_stat, void *context)
{
	const struct upkeep *upkeep = store->upkeep;
	uint64_t all = 0, living = 0;
	uint32_t chunks = 0, logs = 0;
	for (size_t i = 0; i < store->segment_count; i++) {
		const struct store_segment *segment = store->segments[i];
		chunks += segment_chunks(&segment->segment);
		if (segment->segment.state == SEGMENT_FRESH)
			continue;
		all += (uint64_t)segment_chunks(&segment->segment) * CHUNK_DOCIDS;
		living += segment_living(store, segment);
	}
	for (uint32_t file = upkeep->first_log; file < store->log_living_size; file++)
		logs += store->log_living[file] != LOG_GONE;
	const struct {
		const char *name;
		double value;
	} stats[] = {
		{"segments", (double)store->segment_count},
		{"segments_dead_share", all > 0 ? (double)(all - living) / (double)all : 0},
		{"chunks", chunks},
		{"log_files", logs},
		{"merges", (double)upkeep->merges},
		{"background_failures", (double)upkeep->failures},
		{"background_tasks", (double)(keeper_pending(upkeep->keeper) + store->reapplied)},
		{"documents_cleaned", (double)upkeep->cleaned},
	};
	int result = 0;
	for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]) && result == 0; i++)
		result = on_stat(context, stats[i].name, stats[i].value);
	return result;
}
