/* SPDX-License-Identifier: MIT
 *
 * Concurrency: one thread owns the store, the batches and the arena. `job` is handed over under
 * job_lock; marks and the queue have locks of their own. */
#include "writer.h"

#include <pthread.h>
#include <string.h>

#include "api.h"
#include "batch.h"
#include "daemon.h"
#include "idempotency.h"
#include "log.h"
#include "metrics.h"
#include "moment.h"
#include "stop_point.h"

enum {
	MARKS_LIMIT = 1000, /* in one transaction: about as long as a sync takes */
	BATCH_LINES = 500,  /* of a batch in one transaction */
	BUSY_WAIT = 20000,  /* microseconds until marks without company are written */
	IDLE_WAIT = 200000,
	FAILED_WAIT = 1000000, /* between tries while the disk takes nothing */
};
#define EXPIRE_INTERVAL (INT64_C(60) * 1000000)

struct batch_item {
	struct batch *batch;
	struct batch_item *next;
};

struct job {
	writer_job run;
	void *context;
	weir_status status;
	struct weir_error *error;
	bool done;
};

struct writer {
	struct writer_options options;
	pthread_t thread;
	struct http_request **requests;
	struct command_answer *answers;
	size_t request_count;
	struct outbox_mark marks[MARKS_LIMIT];
	size_t mark_count;
	struct batch_item *batches;
	struct arena arena;
	struct log_once failing;
	int64_t expired_at;

	pthread_mutex_t job_lock;
	pthread_cond_t job_changed;
	struct job *job; /* NULL: none */

	struct metric *commit_seconds, *commit_requests, *failures;
	struct metric *waiting, *refused;
	struct metric *changes;
};

weir_status writer_run(struct writer *writer, writer_job job, void *context,
		       struct weir_error *error)
{
	struct job mine = {.run = job, .context = context, .error = error};
	pthread_mutex_lock(&writer->job_lock);
	while (writer->job != NULL)
		pthread_cond_wait(&writer->job_changed, &writer->job_lock);
	writer->job = &mine; /* cppcheck-suppress autoVariables ; it is done before we return */
	while (!mine.done)
		pthread_cond_wait(&writer->job_changed, &writer->job_lock);
	pthread_mutex_unlock(&writer->job_lock);
	return mine.status;
}

static struct job *current_job(struct writer *writer)
{
	pthread_mutex_lock(&writer->job_lock);
	struct job *job = writer->job;
	pthread_mutex_unlock(&writer->job_lock);
	return job;
}

static void end_job(struct writer *writer, struct job *job, weir_status status)
{
	pthread_mutex_lock(&writer->job_lock);
	job->status = status;
	job->done = true;
	writer->job = NULL;
	pthread_cond_broadcast(&writer->job_changed);
	pthread_mutex_unlock(&writer->job_lock);
}

static void count_outbox(struct writer *writer)
{
	int64_t waiting, refused;
	if (outbox_counts(writer->options.store, &waiting, &refused, NULL) != WEIR_OK)
		return;
	metric_set(writer->waiting, (double)waiting);
	metric_set(writer->refused, (double)refused);
}

/* Jobs are rare (the relay's start) and have a transaction of their own. */
static void run_job(struct writer *writer, struct job *job)
{
	struct store *store = writer->options.store;
	weir_status status = store_begin(store, job->error);
	if (status == WEIR_OK)
		status = job->run(store, job->context, job->error);
	if (status == WEIR_OK)
		status = store_commit(store, job->error);
	if (status != WEIR_OK)
		store_rollback(store);
	else
		count_outbox(writer);
	end_job(writer, job, status);
}

/* Says once that the store fails, and once that it works again; health follows. */
static void note_outcome(struct writer *writer, weir_status status, const struct weir_error *error)
{
	if (status == WEIR_OK) {
		if (log_once_recovered(&writer->failing))
			log_info("store", "state=works");
		health_set_good("store");
		return;
	}
	metric_add(writer->failures, 1);
	if (log_once_failing(&writer->failing))
		log_error("store", "state=fails reason=%s", LOG_TEXT(error->message));
	health_set_bad("store", "%s", error->message);
}

/* Batches go to the list, the others stay in the array. */
static void sort_requests(struct writer *writer)
{
	size_t kept = 0;
	for (size_t i = 0; i < writer->request_count; i++) {
		struct http_request *request = writer->requests[i];
		if (http_tag(request) != API_BATCH) {
			writer->requests[kept++] = request;
			continue;
		}
		struct batch_item *item = calloc(1, sizeof(*item));
		if (item == NULL) {
			http_problem(request, 503, "out of memory: try again later", NULL, 0);
			continue;
		}
		item->batch = batch_create(request);
		if (item->batch == NULL) {
			free(item);
			continue;
		}
		struct batch_item **end = &writer->batches;
		while (*end != NULL)
			end = &(*end)->next;
		*end = item;
	}
	writer->request_count = kept;
}

/* One request in its savepoint. A failure of this one alone becomes its answer; one that ended the
 * transaction is everybody's. */
static weir_status perform(struct writer *writer, size_t index, struct weir_error *error)
{
	struct store *store = writer->options.store;
	struct command_answer *answer = &writer->answers[index];
	struct command command;
	api_command(writer->requests[index], &command);
	weir_status status = store_savepoint(store, error);
	if (status != WEIR_OK)
		return status;
	status = command_perform(store, &command, &writer->arena, answer, error);
	if (status == WEIR_OK)
		return store_release(store, error);
	store_undo(store);
	if (!store_in_transaction(store))
		return status;
	log_error("write", "request=%s reason=%s", http_id(writer->requests[index]),
		  LOG_TEXT(error->message));
	problem_failure(&answer->problem, status);
	answer->changed = false;
	return WEIR_OK;
}

static weir_status write_marks(struct writer *writer, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (writer->mark_count > 0)
		stop_point("eventd.mark.before");
	for (size_t i = 0; i < writer->mark_count && status == WEIR_OK; i++)
		status = outbox_mark(writer->options.store, &writer->marks[i], error);
	if (writer->mark_count > 0)
		stop_point("eventd.mark.after");
	return status;
}

static weir_status write_housekeeping(struct writer *writer, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (writer->failing.failing)
		status = store_probe(writer->options.store, error);
	int64_t now = moment_now();
	if (status != WEIR_OK || now - writer->expired_at < EXPIRE_INTERVAL)
		return status;
	writer->expired_at = now;
	return idempotency_expire(writer->options.store, now, error);
}

/* Everything that waits, in one transaction. *changes: outbox rows written. */
static weir_status write_all(struct writer *writer, size_t *changes, struct weir_error *error)
{
	struct store *store = writer->options.store;
	weir_status status = store_begin(store, error);
	stop_point("eventd.begin.after");
	for (size_t i = 0; i < writer->request_count && status == WEIR_OK; i++) {
		status = perform(writer, i, error);
		*changes += writer->answers[i].changed;
	}
	if (status == WEIR_OK && writer->batches != NULL)
		status = batch_step(writer->batches->batch, store, &writer->arena, BATCH_LINES,
				    changes, error);
	if (status == WEIR_OK)
		status = write_marks(writer, error);
	if (status == WEIR_OK)
		status = write_housekeeping(writer, error);
	stop_point("eventd.commit.before");
	if (status == WEIR_OK)
		status = store_commit(store, error);
	stop_point("eventd.commit.after");
	if (status != WEIR_OK)
		store_rollback(store);
	return status;
}

static void answer_requests(struct writer *writer, weir_status status)
{
	for (size_t i = 0; i < writer->request_count; i++) {
		struct command_answer *answer = &writer->answers[i];
		if (status != WEIR_OK)
			problem_failure(&answer->problem, status);
		api_answer(writer->requests[i], answer);
		buffer_finish(&answer->body);
	}
	writer->request_count = 0;
}

static void end_batch_step(struct writer *writer, weir_status status)
{
	struct batch_item *item = writer->batches;
	if (item == NULL)
		return;
	if (status == WEIR_OK)
		batch_committed(item->batch);
	else
		batch_failed(item->batch, status);
	if (!batch_ended(item->batch))
		return;
	writer->batches = item->next;
	batch_finish(item->batch);
	free(item);
}

static void count_marks(struct writer *writer)
{
	int64_t refused = 0;
	for (size_t i = 0; i < writer->mark_count; i++)
		refused += writer->marks[i].state == OUTBOX_REFUSED;
	metric_add(writer->waiting, -(int64_t)writer->mark_count);
	metric_add(writer->refused, refused);
	marks_done(writer->options.marks, writer->mark_count);
	if (writer->mark_count > 0)
		stop_point("eventd.marked");
}

static void transact(struct writer *writer)
{
	struct weir_error error = {0};
	size_t changes = 0, requests = writer->request_count;
	int64_t began = moment_monotonic();
	memset(writer->answers, 0, writer->request_count * sizeof(*writer->answers));
	weir_status status = write_all(writer, &changes, &error);
	note_outcome(writer, status, &error);
	if (status == WEIR_OK) {
		metric_observe(writer->commit_seconds, (double)(moment_monotonic() - began) / 1e6);
		if (requests > 0)
			metric_observe(writer->commit_requests, (double)requests);
		metric_add(writer->changes, (int64_t)changes);
		metric_add(writer->waiting, (int64_t)changes);
		count_marks(writer);
		if (changes > 0)
			writer->options.committed(writer->options.context);
	}
	answer_requests(writer, status);
	end_batch_step(writer, status);
	if (requests > 0)
		stop_point("eventd.answer.after");
	arena_reset(&writer->arena);
}

static int64_t wait_time(const struct writer *writer)
{
	if (writer->batches != NULL)
		return 0;
	if (writer->failing.failing)
		return FAILED_WAIT;
	return marks_busy(writer->options.marks) ? BUSY_WAIT : IDLE_WAIT;
}

static void *run(void *argument)
{
	struct writer *writer = argument;
	const struct writer_options *options = &writer->options;
	for (;;) {
		writer->request_count = http_queue_take(options->queue, writer->requests,
							options->group, wait_time(writer));
		sort_requests(writer);
		struct job *job = current_job(writer);
		if (job != NULL)
			run_job(writer, job);
		writer->mark_count = marks_peek(options->marks, writer->marks, MARKS_LIMIT);
		bool work = writer->request_count > 0 || writer->batches != NULL ||
			    writer->mark_count > 0;
		bool closed = http_queue_closed(options->queue);
		if (!work && closed)
			break;
		if (work || writer->failing.failing ||
		    moment_now() - writer->expired_at >= EXPIRE_INTERVAL)
			transact(writer);
		/* At the end, marks that cannot be written are not worth waiting for. */
		if (closed && writer->failing.failing && writer->batches == NULL)
			break;
	}
	return NULL;
}

static void destroy(struct writer *writer)
{
	store_close(writer->options.store);
	arena_finish(&writer->arena);
	pthread_mutex_destroy(&writer->job_lock);
	pthread_cond_destroy(&writer->job_changed);
	free(writer->requests);
	free(writer->answers);
	free(writer);
}

static void make_metrics(struct writer *writer)
{
	writer->commit_seconds = metric_get(METRIC_HISTOGRAM, "weir_eventd_commit_seconds", NULL,
					    "Time of one transaction, its sync included.");
	writer->commit_requests = metric_get(METRIC_HISTOGRAM, "weir_eventd_commit_requests", NULL,
					     "Write requests that shared one transaction.");
	writer->failures = metric_get(METRIC_COUNTER, "weir_eventd_commit_failures_total", NULL,
				      "Transactions that the store did not take.");
	writer->changes = metric_get(METRIC_COUNTER, "weir_eventd_changes_total", NULL,
				     "Creates, updates and deletes that were stored.");
	writer->waiting = metric_get(METRIC_GAUGE, "weir_eventd_outbox_rows", NULL,
				     "Changes that Kafka has not acknowledged yet.");
	writer->refused = metric_get(METRIC_GAUGE, "weir_eventd_outbox_refused_rows", NULL,
				     "Changes that the broker refuses for good, such as those too "
				     "large for it; tried again when eventd starts.");
	count_outbox(writer);
}

weir_status writer_start(const struct writer_options *options, struct writer **writer,
			 struct weir_error *error)
{
	struct writer *made = calloc(1, sizeof(*made));
	if (made == NULL) {
		store_close(options->store);
		return err_no_memory(error);
	}
	made->options = *options;
	made->requests = calloc(options->group, sizeof(struct http_request *));
	made->answers = calloc(options->group, sizeof(*made->answers));
	pthread_mutex_init(&made->job_lock, NULL);
	pthread_cond_init(&made->job_changed, NULL);
	made->expired_at = moment_now();
	make_metrics(made);
	if (made->requests == NULL || made->answers == NULL ||
	    pthread_create(&made->thread, NULL, run, made) != 0) {
		destroy(made);
		return err_set(error, WEIR_SYSTEM, "the writer's thread could not be started");
	}
	*writer = made;
	return WEIR_OK;
}

void writer_stop(struct writer *writer)
{
	if (writer == NULL)
		return;
	pthread_join(writer->thread, NULL);
	destroy(writer);
}
