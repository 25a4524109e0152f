/* SPDX-License-Identifier: MIT
 * worker.c
 *
 * Concurrency: each worker has a thread. The caller stages jobs and hands them over some at a time,
 * for a lock and a wake-up each cost more than a small document. `lock` is for `queue`, `is_busy`
 * and `is_ending`; the rest is the thread's while it is busy, and the caller's from worker_drain
 * until a job is handed over. */
#include "worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "record.h"

#define STAGED 32
/* Xapian holds in memory what was added since its last commit. More at a time would not be cheaper,
 * and what it has is not visible before the store's commit anyway. Tests have fewer. */
#ifndef FLUSH_DOCUMENTS
#define FLUSH_DOCUMENTS 512
#endif

enum job_kind { JOB_ADD, JOB_COMMIT, JOB_FILL };

struct job {
	enum job_kind kind;
	struct target *target;
	struct pending *pending; /* ADD */
};

struct jobs {
	struct job *jobs;
	size_t count, capacity;
};

struct worker {
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t has_work, is_idle;
	struct jobs queue;
	bool is_busy, is_ending;
	atomic_bool is_dropping; /* what was taken is not to be done any more */
	struct job staged[STAGED];
	size_t staged_count;
	struct jobs taken;
	struct builder builder;
	struct bytes records;
	weir_status status; /* of the first failure */
	struct weir_error error;
};

/* What the thread does */

static weir_status do_commit(struct worker *worker, struct target *target)
{
	weir_status status = WEIR_OK;
	if (target->writer == NULL)
		status = segment_create(target->path, worker->builder.fields, &target->writer,
					&worker->error);
	if (status == WEIR_OK) {
		target->has_committed = true;
		status = segment_commit(target->writer, &worker->error);
		if (status == WEIR_OK)
			target->added = 0;
	}
	return status;
}

static weir_status do_add(struct worker *worker, struct target *target, struct pending *pending)
{
	struct record record;
	size_t start = worker->records.length;
	weir_status status =
		builder_append(&worker->builder, &pending->input, &worker->records, &worker->error);
	pending->record_offset = start;
	if (status == WEIR_OK && target->writer == NULL)
		status = segment_create(target->path, worker->builder.fields, &target->writer,
					&worker->error);
	if (status != WEIR_OK)
		return status;
	if (!record_parts(worker->records.data + start, worker->records.length - start, &record))
		return error_set(&worker->error, WEIR_RETRY,
				 "xapian: the record of a document is damaged in memory");
	target->added++;
	status = segment_add(target->writer, &record, &worker->error);
	return status == WEIR_OK && target->added >= FLUSH_DOCUMENTS ? do_commit(worker, target)
								     : status;
}

static weir_status do_fill(struct worker *worker, struct target *target)
{
	weir_status status = do_commit(worker, target);
	segment_close(target->writer);
	target->writer = NULL;
	return status;
}

static void do_job(struct worker *worker, const struct job *job)
{
	weir_status status = WEIR_OK;
	if (worker->status != WEIR_OK)
		return;
	switch (job->kind) {
	case JOB_ADD:
		status = do_add(worker, job->target, job->pending);
		break;
	case JOB_COMMIT:
		status = do_commit(worker, job->target);
		break;
	case JOB_FILL:
		status = do_fill(worker, job->target);
		break;
	}
	if (status == WEIR_OK)
		return;
	worker->status = status;
	job->target->is_ill = true;
}

/* With the lock held: waits for jobs and takes them all. False: the end. */
static bool take_jobs(struct worker *worker)
{
	worker->is_busy = false;
	pthread_cond_signal(&worker->is_idle);
	while (worker->queue.count == 0 && !worker->is_ending)
		pthread_cond_wait(&worker->has_work, &worker->lock);
	if (worker->queue.count == 0)
		return false;
	struct jobs empty = worker->taken;
	worker->taken = worker->queue;
	worker->queue = empty;
	worker->queue.count = 0;
	worker->is_busy = true;
	return true;
}

static void *run(void *context)
{
	struct worker *worker = context;
	pthread_mutex_lock(&worker->lock);
	while (take_jobs(worker)) {
		pthread_mutex_unlock(&worker->lock);
		for (size_t i = 0; i < worker->taken.count; i++)
			if (!atomic_load_explicit(&worker->is_dropping, memory_order_relaxed))
				do_job(worker, &worker->taken.jobs[i]);
		pthread_mutex_lock(&worker->lock);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

/* What the caller does */

/* Signals are for the host's threads. */
static bool start_thread(struct worker *worker)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	worker->has_thread = pthread_create(&worker->thread, NULL, run, worker) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return worker->has_thread;
}

weir_status worker_create(const struct fields *fields, const struct rows_layout *layout,
			  const struct weir_host *host, struct worker **out,
			  struct weir_error *error)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	if (worker == NULL)
		return error_no_memory(error);
	worker->builder = (struct builder){.fields = fields, .layout = layout, .host = host};
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->has_work, NULL);
	pthread_cond_init(&worker->is_idle, NULL);
	if (!start_thread(worker)) {
		worker_destroy(worker);
		return error_set(error, WEIR_RETRY,
				 "xapian: no thread can be started; give the process more");
	}
	*out = worker;
	return WEIR_OK;
}

static void wait_idle(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	while (worker->is_busy || worker->queue.count > 0)
		pthread_cond_wait(&worker->is_idle, &worker->lock);
	pthread_mutex_unlock(&worker->lock);
}

static void drop_jobs(struct worker *worker)
{
	worker->staged_count = 0;
	atomic_store_explicit(&worker->is_dropping, true, memory_order_relaxed);
	wait_idle(worker);
	atomic_store_explicit(&worker->is_dropping, false, memory_order_relaxed);
}

void worker_destroy(struct worker *worker)
{
	if (worker == NULL)
		return;
	if (worker->has_thread) {
		drop_jobs(worker);
		pthread_mutex_lock(&worker->lock);
		worker->is_ending = true;
		pthread_cond_signal(&worker->has_work);
		pthread_mutex_unlock(&worker->lock);
		pthread_join(worker->thread, NULL);
	}
	pthread_mutex_destroy(&worker->lock);
	pthread_cond_destroy(&worker->has_work);
	pthread_cond_destroy(&worker->is_idle);
	free(worker->queue.jobs);
	free(worker->taken.jobs);
	builder_finish(&worker->builder);
	bytes_finish(&worker->records);
	free(worker);
}

static bool make_room(struct jobs *queue, size_t count)
{
	if (queue->capacity - queue->count >= count)
		return true;
	size_t capacity = queue->capacity * 2 + STAGED;
	struct job *jobs = realloc(queue->jobs, capacity * sizeof(*jobs));
	if (jobs == NULL)
		return false;
	queue->jobs = jobs;
	queue->capacity = capacity;
	return true;
}

weir_status worker_begin(struct worker *worker, struct weir_error *error)
{
	size_t count = worker->staged_count;
	if (count == 0)
		return WEIR_OK;
	pthread_mutex_lock(&worker->lock);
	struct jobs *queue = &worker->queue;
	bool good = make_room(queue, count);
	if (good) {
		memcpy(queue->jobs + queue->count, worker->staged, count * sizeof(*queue->jobs));
		queue->count += count;
		worker->staged_count = 0;
		pthread_cond_signal(&worker->has_work);
	}
	pthread_mutex_unlock(&worker->lock);
	return good ? WEIR_OK : error_no_memory(error);
}

static weir_status stage(struct worker *worker, const struct job *job, struct weir_error *error)
{
	weir_status status = worker->staged_count < STAGED ? WEIR_OK : worker_begin(worker, error);
	if (status == WEIR_OK)
		worker->staged[worker->staged_count++] = *job;
	return status;
}

weir_status worker_add(struct worker *worker, struct target *target, struct pending *pending,
		       struct weir_error *error)
{
	return stage(worker, &(struct job){JOB_ADD, target, pending}, error);
}

weir_status worker_fill(struct worker *worker, struct target *target, struct weir_error *error)
{
	return stage(worker, &(struct job){JOB_FILL, target, NULL}, error);
}

weir_status worker_commit(struct worker *worker, struct target *target, struct weir_error *error)
{
	return stage(worker, &(struct job){JOB_COMMIT, target, NULL}, error);
}

weir_status worker_drain(struct worker *worker, struct weir_error *error)
{
	weir_status status = worker_begin(worker, error);
	if (status != WEIR_OK)
		return status;
	wait_idle(worker);
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
	drop_jobs(worker);
	if (is_kept)
		builder_forget_forms(&worker->builder);
	else
		builder_drop_forms(&worker->builder);
	worker->records.length = 0;
	worker->status = WEIR_OK;
}
