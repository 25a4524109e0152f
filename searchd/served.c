/* SPDX-License-Identifier: MIT
 *
 * Concurrency: `opening` guards the opening. A plug-in whose thread model is serial is called by
 * one thread at a time, under `serial` (reader.c). */
#include "served.h"

#include <stdio.h>
#include <string.h>

static weir_status load(struct served *served, const struct config *config,
			struct weir_error *error)
{
	const struct catalog_index *index = served->choice->index;
	struct backend_place place = {0};
	if (index != NULL)
		place = catalog_place(index);
	struct plugin_parameters *parameters = NULL;
	weir_status status =
		plugin_load_at(config, index != NULL ? &place : NULL, &served->plugin, error);
	if (status == WEIR_OK)
		status = plugin_parameters_read_at(
			served->plugin, config, index != NULL ? &place : NULL, &parameters, error);
	plugin_parameters_destroy(parameters);
	if (status == WEIR_OK && (served->plugin->manifest->capabilities & WEIR_CAN_SEARCH) == 0)
		status = err_set(error, WEIR_INVALID,
				 "plug-in %s cannot search: set another [backend] plugin",
				 served->plugin->path);
	return status;
}

/* Which index it is stands in the metrics: 1 for the one that is searched. */
static struct metric *make_metric(const struct served *served)
{
	char labels[1200], place[1000] = "";
	size_t length = 0;
	const char *location = served->choice->index != NULL ? served->choice->index->location : "";
	for (; *location != '\0' && length + 2 < sizeof(place); location++) {
		if (*location == '"' || *location == '\\')
			place[length++] = '\\';
		place[length++] = (char)(*location == '\n' ? ' ' : *location);
	}
	place[length] = '\0';
	snprintf(labels, sizeof(labels), "plugin=\"%s\",location=\"%s\"",
		 served->plugin->manifest->name, place);
	return metric_get(METRIC_GAUGE, "weir_searchd_index", labels,
			  "1: the index that is searched.");
}

weir_status served_create(const struct config *config, struct catalog_choice *choice,
			  struct served **served, struct weir_error *error)
{
	struct served *made = calloc(1, sizeof(*made));
	if (made == NULL) {
		catalog_choice_destroy(choice);
		return err_no_memory(error);
	}
	pthread_mutex_init(&made->opening, NULL);
	pthread_mutex_init(&made->serial, NULL);
	made->choice = choice;
	weir_status status = load(made, config, error);
	if (status != WEIR_OK) {
		served_destroy(made);
		return status;
	}
	made->is_serial = made->plugin->manifest->thread_model == WEIR_THREADS_SERIAL;
	snprintf(made->name, sizeof(made->name), "%s at %s", made->plugin->manifest->name,
		 choice->index != NULL ? choice->index->location : "no place");
	made->shown = make_metric(made);
	*served = made;
	return WEIR_OK;
}

void served_destroy(struct served *served)
{
	if (served == NULL)
		return;
	backend_close(&served->backend);
	plugin_destroy(served->plugin);
	catalog_choice_destroy(served->choice);
	pthread_mutex_destroy(&served->opening);
	pthread_mutex_destroy(&served->serial);
	free(served);
}

weir_status served_open(struct served *served, const struct config *config,
			struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (atomic_load(&served->open))
		return WEIR_OK;
	const struct catalog_index *index = served->choice->index;
	struct backend_place place = {0};
	if (index != NULL)
		place = catalog_place(index);
	pthread_mutex_lock(&served->opening);
	if (!atomic_load(&served->open))
		status = backend_open_at(config, index != NULL ? &place : NULL,
					 served->choice->schema->abi, WEIR_MODE_READER,
					 &plugin_default_host, &served->backend, error);
	if (status == WEIR_OK)
		atomic_store(&served->open, true);
	pthread_mutex_unlock(&served->opening);
	return status;
}

bool served_is(const struct served *served, const struct catalog_choice *choice)
{
	const struct catalog_index *mine = served->choice->index;
	if (mine == NULL || choice->index == NULL)
		return mine == choice->index;
	return catalog_index_equal(mine, choice->index) &&
	       strcmp(served->choice->schema->abi->fingerprint, choice->schema->abi->fingerprint) ==
		       0;
}
