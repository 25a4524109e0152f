/* SPDX-License-Identifier: MIT
 *
 * Concurrency: a reader belongs to its thread. It moves to another index under the index's lock;
 * a plug-in whose thread model is serial is called by one thread at a time, under the served
 * index's `serial`. */
#include <stdio.h>
#include <time.h>

#include "daemon.h"
#include "index_internal.h"
#include "moment.h"
#include "stop_point.h"

enum {
	AWAY_PATIENCE = 200000, /* microseconds that a request waits for an index being replaced */
	RERUNS_AT_ONCE = 3,
	RERUN_PAUSE_NS = 2000000,
};

/* For clients, who need not know where our files are; health and log have the plug-in's words. */
#define NO_INDEX                                                                                   \
	"there is no index to search now: the indexer makes it, and /health/ready tells more"
#define TOO_LATE                                                                                   \
	"the search did not end before its deadline ([searchd] deadline): make it narrower, or "   \
	"try again"

static int past_deadline(void *context)
{
	const struct reader *reader = context;
	return moment_monotonic() > reader->deadline;
}

void reader_init(struct reader *reader, struct index *index)
{
	*reader = (struct reader){.index = index, .host = plugin_default_host};
	reader->host.context = reader;
	reader->host.cancelled = past_deadline;
}

static void close_session(struct reader *reader)
{
	if (reader->session == NULL)
		return;
	reader->served->backend.plugin->operations.session_close(reader->session);
	reader->session = NULL;
}

static void leave(struct reader *reader)
{
	struct served *served = reader->served;
	if (served == NULL)
		return;
	if (served->is_serial)
		pthread_mutex_lock(&served->serial);
	close_session(reader);
	if (served->is_serial)
		pthread_mutex_unlock(&served->serial);
	reader->served = NULL;
	pthread_mutex_lock(&reader->index->lock);
	served->users--;
	pthread_mutex_unlock(&reader->index->lock);
}

void reader_finish(struct reader *reader)
{
	if (reader->index != NULL)
		leave(reader);
}

void reader_follow(struct reader *reader)
{
	struct index *index = reader->index;
	if (reader->served == atomic_load(&index->current))
		return;
	leave(reader);
	pthread_mutex_lock(&index->lock);
	reader->served = index->current;
	reader->served->users++;
	pthread_mutex_unlock(&index->lock);
}

void reader_renew(struct reader *reader)
{
	reader->refreshed = INT64_MIN / 2;
}

const struct schema *reader_schema(const struct reader *reader)
{
	return reader->served->choice->schema;
}

uint64_t reader_capabilities(const struct reader *reader)
{
	return reader->served->plugin->manifest->capabilities;
}

static weir_status refresh(struct reader *reader, bool now, struct weir_error *error)
{
	struct index *index = reader->index;
	struct served *served = reader->served;
	const struct weir_operations *operations = &served->backend.plugin->operations;
	weir_status status = WEIR_OK;
	if (reader->session == NULL) {
		status = operations->session_open(served->backend.instance, &reader->host,
						  &reader->session, error);
		if (status != WEIR_OK)
			return status;
		now = true;
	}
	int64_t at = moment_monotonic();
	uint64_t moves = atomic_load(&served->moves), before = reader->generation;
	if (!now && at - reader->refreshed < index->refresh && reader->moves == moves)
		return WEIR_OK;
	status = operations->refresh(reader->session, &reader->generation, error);
	if (status != WEIR_OK)
		return status;
	reader->refreshed = at;
	reader->moves = moves;
	metric_add(index->refreshes, 1);
	if (reader->generation != before) {
		metric_add(index->generations, 1);
		/* Whoever moved meanwhile may have come further than this session. */
		if (atomic_fetch_add(&served->moves, 1) == moves)
			reader->moves = moves + 1;
	}
	return WEIR_OK;
}

/* *reached: the session could be brought up to date. */
static weir_status run_once(struct reader *reader, bool again, reader_work work, void *context,
			    bool *reached, struct weir_error *error)
{
	struct served *served = reader->served;
	*error = (struct weir_error){"the plug-in gave no reason"};
	if (served->is_serial)
		pthread_mutex_lock(&served->serial);
	stop_point("searchd.refresh.before");
	weir_status status = refresh(reader, again, error);
	stop_point("searchd.refresh.after");
	*reached = status == WEIR_OK;
	if (*reached)
		status = work(context, &served->backend.plugin->operations, reader->session, error);
	stop_point("searchd.search.after");
	if (status == WEIR_FATAL || (status != WEIR_OK && !*reached))
		close_session(reader); /* the next try gets a session that is whole */
	if (served->is_serial)
		pthread_mutex_unlock(&served->serial);
	error->message[sizeof(error->message) - 1] = '\0';
	return status;
}

weir_status reader_try(struct reader *reader, int64_t deadline, reader_work work, void *context,
		       struct weir_error *error)
{
	int64_t patience = moment_monotonic() + AWAY_PATIENCE;
	reader->deadline = deadline;
	for (int tries = 0;; tries++) {
		bool reached;
		weir_status status = run_once(reader, tries > 0, work, context, &reached, error);
		if (status != WEIR_RETRY)
			return status;
		if (!reached && (moment_monotonic() > patience || past_deadline(reader)))
			return WEIR_RETRY;
		if (past_deadline(reader))
			return err_set(error, WEIR_AWAY, TOO_LATE);
		if (reached)
			metric_add(reader->index->reruns, 1);
		if (!reached || tries >= RERUNS_AT_ONCE)
			nanosleep(&(struct timespec){.tv_nsec = RERUN_PAUSE_NS}, NULL);
	}
}

weir_status reader_run(struct reader *reader, int64_t deadline, reader_work work, void *context,
		       struct weir_error *error)
{
	struct index *index = reader->index;
	if (served_open(reader->served, index->config, error) != WEIR_OK)
		return err_set(error, WEIR_AWAY, NO_INDEX);
	weir_status status = reader_try(reader, deadline, work, context, error);
	if (status == WEIR_RETRY)
		return err_set(error, WEIR_AWAY, NO_INDEX);
	if (status == WEIR_OK && atomic_load(&index->failing) &&
	    atomic_exchange(&index->failing, false)) {
		health_set_good("search");
		index_note(index, &index->failure, "");
		log_info("search", "state=recovered");
	}
	if (status == WEIR_OK || status == WEIR_AWAY || status == WEIR_NO_MEMORY ||
	    status == WEIR_INVALID)
		return status;
	health_set_bad("search", "%s", error->message);
	if (index_note(index, &index->failure, error->message))
		log_error("search", "state=failing reason=%s", LOG_TEXT(error->message));
	atomic_store(&index->failing, true);
	return WEIR_FATAL;
}
