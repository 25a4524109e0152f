/* SPDX-License-Identifier: MIT
 *
 * Concurrency: `lock` guards the opening; once `open` is set the backend does not change until
 * index_destroy. A plug-in whose thread model is serial is called by one thread at a time, under
 * `serial`. A reader belongs to its thread. */
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

struct index {
	const struct config *config;
	const struct schema *schema;
	struct plugin *plugin; /* for its capabilities, before the index is there */
	pthread_mutex_t lock, serial;
	struct backend backend;
	_Atomic bool open;
	bool is_serial;
	int64_t refresh;
	_Atomic uint64_t newest; /* generation that some session saw last */
	char last_reason[512];	 /* logged already */
	struct metric *refreshes, *reruns, *generation;
};

weir_status index_create(const struct config *config, const struct schema *schema,
			 struct index **index, struct weir_error *error)
{
	struct plugin *plugin = NULL;
	weir_status status =
		plugin_load(config_text(config, "backend", "plugin"),
			    config_text(config, "backend", "plugin_dir"), &plugin, error);
	if (status != WEIR_OK)
		return status;
	if ((plugin->manifest->capabilities & WEIR_CAN_SEARCH) == 0) {
		status = err_set(error, WEIR_INVALID,
				 "plug-in %s cannot search: set another [backend] plugin",
				 plugin->path);
		plugin_destroy(plugin);
		return status;
	}
	struct index *made = calloc(1, sizeof(*made));
	if (made == NULL) {
		plugin_destroy(plugin);
		return err_no_memory(error);
	}
	made->config = config;
	made->schema = schema;
	made->plugin = plugin;
	made->is_serial = plugin->manifest->thread_model == WEIR_THREADS_SERIAL;
	made->refresh = config_duration(config, "searchd", "refresh");
	pthread_mutex_init(&made->lock, NULL);
	pthread_mutex_init(&made->serial, NULL);
	made->refreshes = metric_get(METRIC_COUNTER, "weir_searchd_refreshes_total", NULL,
				     "Sessions moved to the newest commit.");
	made->reruns = metric_get(METRIC_COUNTER, "weir_searchd_reruns_total", NULL,
				  "Searches run again because the index moved under them.");
	made->generation = metric_get(METRIC_GAUGE, "weir_searchd_generation", NULL,
				      "The newest generation that a session saw.");
	*index = made;
	return WEIR_OK;
}

void index_destroy(struct index *index)
{
	if (index == NULL)
		return;
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

bool index_try_open(struct index *index)
{
	struct weir_error error;
	if (atomic_load(&index->open))
		return true;
	pthread_mutex_lock(&index->lock);
	weir_status status = WEIR_OK;
	if (!atomic_load(&index->open))
		status = backend_open(index->config, index->schema->abi, WEIR_MODE_READER,
				      &plugin_default_host, &index->backend, &error);
	if (status == WEIR_OK && !atomic_load(&index->open)) {
		atomic_store(&index->open, true);
		health_set_good("index");
		log_info("index", "state=open");
	}
	if (status != WEIR_OK) {
		health_set_bad("index", "%s", error.message);
		if (strcmp(index->last_reason, error.message) != 0)
			log_line(status == WEIR_RETRY ? WEIR_LOG_INFO : WEIR_LOG_ERROR, "index",
				 "state=waiting reason=%s", LOG_TEXT(error.message));
		snprintf(index->last_reason, sizeof(index->last_reason), "%s", error.message);
	}
	pthread_mutex_unlock(&index->lock);
	return status == WEIR_OK;
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
	/* What one client was shown, the next request must not miss. */
	if (!now && at - reader->refreshed < index->refresh &&
	    reader->generation == atomic_load(&index->newest))
		return WEIR_OK;
	status = operations->refresh(reader->session, &reader->generation, error);
	if (status != WEIR_OK)
		return status;
	reader->refreshed = at;
	atomic_store(&index->newest, reader->generation);
	metric_add(index->refreshes, 1);
	metric_set(index->generation, (double)reader->generation);
	return WEIR_OK;
}

static weir_status run_once(struct reader *reader, bool again, reader_work work, void *context,
			    struct weir_error *error)
{
	struct index *index = reader->index;
	if (index->is_serial)
		pthread_mutex_lock(&index->serial);
	weir_status status = refresh(reader, again, error);
	if (status == WEIR_OK)
		status = work(context, &index->backend.plugin->operations, reader->session, error);
	if (index->is_serial)
		pthread_mutex_unlock(&index->serial);
	return status;
}

weir_status reader_run(struct reader *reader, int64_t deadline, reader_work work, void *context,
		       struct weir_error *error)
{
	if (!index_try_open(reader->index))
		return err_set(error, WEIR_AWAY, "there is no index yet: is the indexer running?");
	reader->deadline = deadline;
	for (int tries = 0;; tries++) {
		weir_status status = run_once(reader, tries > 0, work, context, error);
		if (status == WEIR_OK)
			health_set_good("search");
		if (status == WEIR_FATAL)
			health_set_bad("search", "%s", error->message);
		if (status != WEIR_RETRY)
			return status;
		if (past_deadline(reader))
			return err_set(error, WEIR_AWAY,
				       "the search was not done in time: make it narrower, or try "
				       "again");
		metric_add(reader->index->reruns, 1);
		if (tries >= 3) /* it is being rebuilt or is gone for now: do not spin */
			nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	}
}
