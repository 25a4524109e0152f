/* SPDX-License-Identifier: MIT */
#include "worker.h"

#include <stdlib.h>

#include "error.h"
#include "record.h"

struct worker {
	struct builder builder;
	struct bytes records;
	weir_status status; /* of the first failure */
	struct weir_error error;
};

weir_status worker_create(const struct fields *fields, const struct rows_layout *layout,
			  const struct weir_host *host, struct worker **out,
			  struct weir_error *error)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	if (worker == NULL)
		return error_no_memory(error);
	worker->builder = (struct builder){.fields = fields, .layout = layout, .host = host};
	*out = worker;
	return WEIR_OK;
}

void worker_destroy(struct worker *worker)
{
	if (worker == NULL)
		return;
	builder_finish(&worker->builder);
	bytes_finish(&worker->records);
	free(worker);
}

/* What is done for each job, whatever thread does it. */

static weir_status do_add(struct worker *worker, struct target *target, struct pending *pending)
{
	struct record record;
	size_t start = worker->records.length;
	weir_status status =
		builder_append(&worker->builder, &pending->input, &worker->records, &worker->error);
	pending->record_offset = start;
	if (status == WEIR_OK && target->writer == NULL)
		status = segment_create(target->path, &target->writer, &worker->error);
	if (status != WEIR_OK)
		return status;
	if (!record_parts(worker->records.data + start, worker->records.length - start, &record))
		return error_set(&worker->error, WEIR_RETRY,
				 "xapian: the record of a document is damaged in memory");
	target->has_added = true;
	return segment_add(target->writer, &record, &worker->error);
}

static weir_status do_commit(struct worker *worker, struct target *target)
{
	weir_status status = WEIR_OK;
	if (target->writer == NULL)
		status = segment_create(target->path, &target->writer, &worker->error);
	if (status == WEIR_OK && (target->has_added || !target->has_committed)) {
		target->has_committed = true;
		status = segment_commit(target->writer, &worker->error);
		target->has_added = target->has_added && status != WEIR_OK;
	}
	return status;
}

static weir_status do_fill(struct worker *worker, struct target *target)
{
	weir_status status = do_commit(worker, target);
	segment_close(target->writer);
	target->writer = NULL;
	return status;
}

static void note(struct worker *worker, struct target *target, weir_status status)
{
	if (status == WEIR_OK)
		return;
	worker->status = status;
	target->is_ill = true;
}

weir_status worker_add(struct worker *worker, struct target *target, struct pending *pending,
		       struct weir_error *error)
{
	(void)error;
	if (worker->status == WEIR_OK)
		note(worker, target, do_add(worker, target, pending));
	return WEIR_OK;
}

weir_status worker_fill(struct worker *worker, struct target *target, struct weir_error *error)
{
	(void)error;
	if (worker->status == WEIR_OK)
		note(worker, target, do_fill(worker, target));
	return WEIR_OK;
}

weir_status worker_commit(struct worker *worker, struct target *target, struct weir_error *error)
{
	(void)error;
	if (worker->status == WEIR_OK && target != NULL)
		note(worker, target, do_commit(worker, target));
	return WEIR_OK;
}

weir_status worker_drain(struct worker *worker, struct weir_error *error)
{
	if (worker->status != WEIR_OK)
		*error = worker->error;
	return worker->status;
}

const struct bytes *worker_records(const struct worker *worker)
{
	return &worker->records;
}

struct builder *worker_builder(struct worker *worker)
{
	return &worker->builder;
}

void worker_reset(struct worker *worker, bool is_kept)
{
	if (is_kept)
		builder_forget_forms(&worker->builder);
	else
		builder_drop_forms(&worker->builder);
	worker->records.length = 0;
	worker->status = WEIR_OK;
}
