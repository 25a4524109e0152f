/* SPDX-License-Identifier: MIT
 * backend.c - the manifest, and opening and closing. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "instance.h"
#include "reader.h"
#include "store.h"

static void instance_close(weir_instance *instance)
{
	if (instance == NULL)
		return;
	store_close(instance->store);
	reader_release(instance->reader);
	pthread_mutex_destroy(&instance->reader_lock);
	fields_finish(&instance->fields);
	free(instance->path);
	free(instance);
}

/* Says what is wrong at once, and not with the first session. */
static weir_status open_reader(struct weir_instance *instance, struct weir_error *error)
{
	struct reader *reader = NULL;
	weir_status status = instance_reader(instance, &reader, error);
	reader_release(reader);
	return status;
}

static weir_status instance_open(const struct weir_parameter_value *const *values,
				 size_t value_count, const struct weir_schema *schema,
				 uint32_t mode, const struct weir_host *host, weir_instance **out,
				 struct weir_error *error)
{
	if (value_count < 1 || values[0]->text == NULL || values[0]->text[0] == '\0')
		return error_set(error, WEIR_FATAL,
				 "xapian: path is missing in [backend.xapian]; set it");
	struct weir_instance *instance = calloc(1, sizeof(*instance));
	if (instance == NULL)
		return error_no_memory(error);
	weir_status status = WEIR_OK;
	pthread_mutex_init(&instance->reader_lock, NULL);
	instance->host = host;
	instance->path = strdup(values[0]->text);
	if (instance->path == NULL)
		status = error_no_memory(error);
	if (status == WEIR_OK)
		status = fields_init(&instance->fields, schema, error);
	if (status == WEIR_OK)
		status = mode == WEIR_MODE_WRITER ? writer_open(instance, error)
						  : open_reader(instance, error);
	if (status != WEIR_OK) {
		instance_close(instance);
		return status;
	}
	*out = instance;
	return WEIR_OK;
}

static const struct weir_parameter path = {
	.key = "path",
	.type = WEIR_PARAMETER_PATH,
	.default_value = "weir-data/index",
	.help = "The folder of the index; the indexer creates it.",
};

static const struct weir_parameter *const parameters[] = {&path};

static struct weir_operations operations = {
	.open = instance_open,
	.close = instance_close,
	.fetch = writer_fetch,
	.apply = writer_apply,
	.commit = writer_commit,
	.sync = writer_sync,
	.abandon = writer_abandon,
	.positions = writer_positions,
	.expire = writer_expire,
	.maintain = writer_maintain,
	.stats = writer_stats,
	.session_open = session_open,
	.session_close = session_close,
	.refresh = session_refresh,
	.search = session_search,
	.get = session_get,
	.scan = session_scan,
	.session_positions = session_positions,
	.scan_states = session_scan_states,
	.facets = session_facets,
};

WEIR_BACKEND("xapian", "0.1.0", "GPL-2.0-or-later",
	     "Xapian: an embedded index in a folder, for one machine", WEIR_THREADS_PER_SESSION,
	     WEIR_CAN_COMMIT_POSITIONS | WEIR_CAN_SYNC | WEIR_CAN_MAINTAIN | WEIR_CAN_SEARCH |
		     WEIR_CAN_SCAN_STATES | WEIR_CAN_FACET,
	     parameters, operations)
