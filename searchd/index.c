/* SPDX-License-Identifier: MIT
 *
 * Concurrency: `lock` guards the opening and the reasons; once `open` is set the backend does not
 * change until index_destroy. A plug-in whose thread model is serial is called by one thread at a
 * time, under `serial`. A reader belongs to its thread, the watcher to the one that looks. */
#include "index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
#include "log.h"
#include "metrics.h"
#include "moment.h"

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

/* What was logged last, so that a lasting failure is one line. */
struct reason {
	char text[sizeof(((struct weir_error *)0)->message)];
};

struct index {
	const struct config *config;
	const struct schema *schema;
	struct plugin *plugin; /* for its capabilities, before the index is there */
	pthread_mutex_t lock, serial;
	struct backend backend;
	_Atomic bool open, failing;
	bool is_serial;
	int64_t refresh;
	/* How often some session came to another generation. Generations cannot be compared, so a
	 * session may be behind the others unless it was refreshed since the last move. */
	_Atomic uint64_t moves;
	struct reason missing, failure;
	struct reader watcher;
	struct metric *refreshes, *reruns, *generations;
};

static weir_status load(const struct config *config, struct plugin **plugin,
			struct weir_error *error)
{
	struct plugin *loaded = NULL;
	struct plugin_parameters *parameters = NULL;
	weir_status status = plugin_load_configured(config, &loaded, error);
	if (status == WEIR_OK)
		status = plugin_parameters_read(loaded, config, &parameters, error);
	plugin_parameters_destroy(parameters);
	if (status == WEIR_OK && (loaded->manifest->capabilities & WEIR_CAN_SEARCH) == 0)
		status = err_set(error, WEIR_INVALID,
				 "plug-in %s cannot search: set another [backend] plugin",
				 loaded->path);
	if (status != WEIR_OK) {
		plugin_destroy(loaded);
		return status;
	}
	*plugin = loaded;
	return WEIR_OK;
}

weir_status index_create(const struct config *config, const struct schema *schema,
			 struct index **index, struct weir_error *error)
{
	struct index *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	weir_status status = load(config, &made->plugin, error);
	if (status != WEIR_OK) {
		free(made);
		return status;
	}
	made->config = config;
	made->schema = schema;
	made->is_serial = made->plugin->manifest->thread_model == WEIR_THREADS_SERIAL;
	made->refresh = config_duration(config, "searchd", "refresh");
	pthread_mutex_init(&made->lock, NULL);
	pthread_mutex_init(&made->serial, NULL);
	reader_init(&made->watcher, made);
	made->refreshes = metric_get(METRIC_COUNTER, "weir_searchd_refreshes_total", NULL,
				     "Sessions moved to the newest commit.");
	made->reruns = metric_get(METRIC_COUNTER, "weir_searchd_reruns_total", NULL,
				  "Searches run again because the index moved under them.");
	made->generations = metric_get(METRIC_COUNTER, "weir_searchd_generations_total", NULL,
				       "Refreshes that found a newer commit.");
	health_set_bad("index", "it was not looked for yet");
	*index = made;
	return WEIR_OK;
}

void index_destroy(struct index *index)
{
	if (index == NULL)
		return;
	reader_finish(&index->watcher);
	backend_close(&index->backend);
	plugin_destroy(index->plugin);
	pthread_mutex_destroy(&index->lock);
	pthread_mutex_destroy(&index->serial);
	free(index);
}

uint64_t index_capabilities(const struct index *index)
{
	return index->plugin->manifest->capabilities;
}

/* True when it is not the reason that was noted last. */
static bool note(struct index *index, struct reason *reason, const char *text)
{
	pthread_mutex_lock(&index->lock);
	bool is_new = strcmp(reason->text, text) != 0;
	snprintf(reason->text, sizeof(reason->text), "%s", text);
	pthread_mutex_unlock(&index->lock);
	return is_new;
}

static weir_status open_index(struct index *index, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (atomic_load(&index->open))
		return WEIR_OK;
	pthread_mutex_lock(&index->lock);
	if (!atomic_load(&index->open))
		status = backend_open(index->config, index->schema->abi, WEIR_MODE_READER,
				      &plugin_default_host, &index->backend, error);
	if (status == WEIR_OK)
		atomic_store(&index->open, true);
	pthread_mutex_unlock(&index->lock);
	return status;
}

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

void reader_finish(struct reader *reader)
{
	if (reader->session != NULL)
		reader->index->backend.plugin->operations.session_close(reader->session);
	reader->session = NULL;
}

static weir_status refresh(struct reader *reader, bool now, struct weir_error *error)
{
	struct index *index = reader->index;
	const struct weir_operations *operations = &index->backend.plugin->operations;
	weir_status status = WEIR_OK;
	if (reader->session == NULL) {
		status = operations->session_open(index->backend.instance, &reader->host,
						  &reader->session, error);
		if (status != WEIR_OK)
			return status;
		now = true;
	}
	int64_t at = moment_monotonic();
	uint64_t moves = atomic_load(&index->moves), before = reader->generation;
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
		if (atomic_fetch_add(&index->moves, 1) == moves)
			reader->moves = moves + 1;
	}
	return WEIR_OK;
}

/* *reached: the session could be brought up to date. */
static weir_status run_once(struct reader *reader, bool again, reader_work work, void *context,
			    bool *reached, struct weir_error *error)
{
	struct index *index = reader->index;
	*error = (struct weir_error){"the plug-in gave no reason"};
	if (index->is_serial)
		pthread_mutex_lock(&index->serial);
	weir_status status = refresh(reader, again, error);
	*reached = status == WEIR_OK;
	if (*reached)
		status = work(context, &index->backend.plugin->operations, reader->session, error);
	if (status == WEIR_FATAL || (status != WEIR_OK && !*reached))
		reader_finish(reader); /* the next try gets a session that is whole */
	if (index->is_serial)
		pthread_mutex_unlock(&index->serial);
	error->message[sizeof(error->message) - 1] = '\0';
	return status;
}

static weir_status run(struct reader *reader, int64_t deadline, reader_work work, void *context,
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
	if (open_index(index, error) != WEIR_OK)
		return err_set(error, WEIR_AWAY, NO_INDEX);
	weir_status status = run(reader, deadline, work, context, error);
	if (status == WEIR_RETRY)
		return err_set(error, WEIR_AWAY, NO_INDEX);
	if (status == WEIR_OK && atomic_load(&index->failing) &&
	    atomic_exchange(&index->failing, false)) {
		health_set_good("search");
		note(index, &index->failure, "");
		log_info("search", "state=recovered");
	}
	if (status == WEIR_OK || status == WEIR_AWAY || status == WEIR_NO_MEMORY ||
	    status == WEIR_INVALID)
		return status;
	health_set_bad("search", "%s", error->message);
	if (note(index, &index->failure, error->message))
		log_error("search", "state=failing reason=%s", LOG_TEXT(error->message));
	atomic_store(&index->failing, true);
	return WEIR_FATAL;
}

static weir_status work_nothing(void *context, const struct weir_operations *operations,
				weir_session *session, struct weir_error *error)
{
	(void)context;
	(void)operations;
	(void)session;
	(void)error;
	return WEIR_OK;
}

weir_status index_look(struct index *index, struct weir_error *error)
{
	weir_status status = open_index(index, error);
	if (status == WEIR_OK)
		status = run(&index->watcher, moment_monotonic() + 1000000, work_nothing, NULL,
			     error);
	bool is_new = note(index, &index->missing, status == WEIR_OK ? "open" : error->message);
	if (status == WEIR_OK)
		health_set_good("index");
	else
		health_set_bad("index", "%s", error->message);
	if (is_new && status == WEIR_OK)
		log_info("index", "state=open");
	else if (is_new)
		log_line(status == WEIR_RETRY ? WEIR_LOG_INFO : WEIR_LOG_ERROR, "index",
			 "state=waiting reason=%s", LOG_TEXT(error->message));
	return status;
}
