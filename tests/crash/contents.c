/* SPDX-License-Identifier: MIT
 * Says what an index holds, for tests/e2e/test_power_loss.py: opens it through the plug-in, as
 * reader. An engine may say that a writer has to open the index first, as after a loss of power one
 * does: then that is done.
 *
 *   contents KEY=VALUE...
 *
 * A line for each position, "position TOPIC PARTITION NEXT", and each document, "document ID
 * VERSION live|hidden". Exit status 1: there is no index. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "plugin.h"
#include "schema.h"

static struct weir_error error;

static void check(weir_status status, const char *what)
{
	if (status == WEIR_OK)
		return;
	fprintf(stderr, "contents: %s: %s\n", what, error.message);
	exit(status == WEIR_RETRY ? 1 : 3);
}

static int on_position(void *context, const struct weir_position *position)
{
	(void)context;
	printf("position %s %d %lld\n", position->topic, position->partition,
	       (long long)position->next_offset);
	return 0;
}

static int on_document(void *context, const char *id, size_t id_length, int64_t version,
		       uint32_t kind)
{
	(void)context;
	printf("document %.*s %lld %s\n", (int)id_length, id, (long long)version,
	       kind == WEIR_KIND_LIVE ? "live" : "hidden");
	return 0;
}

/* Also that a search can be run, and finds the same number. */
static void search_all(const struct weir_operations *operations, weir_session *session)
{
	struct weir_query all = {.kind = WEIR_QUERY_ALL};
	struct weir_search search = {.query = &all};
	struct weir_search_result result = {0};
	check(operations->search(session, &search, NULL, NULL, &result, &error), "search");
	printf("total %llu\n", (unsigned long long)result.total);
}

static void open_reader(const struct config *config, const struct schema *schema,
			struct backend *backend)
{
	weir_status status = backend_open(config, schema->abi, WEIR_MODE_READER,
					  &plugin_default_host, backend, &error);
	if (status == WEIR_RETRY && strstr(error.message, "which mends it") != NULL) {
		check(backend_open(config, schema->abi, WEIR_MODE_WRITER, &plugin_default_host,
				   backend, &error),
		      "open as writer");
		backend_close(backend);
		status = backend_open(config, schema->abi, WEIR_MODE_READER, &plugin_default_host,
				      backend, &error);
	}
	check(status, "open");
}

int main(int argc, char **argv)
{
	struct config *config = NULL;
	struct schema *schema = NULL;
	struct backend backend = {0};
	weir_session *session = NULL;
	uint64_t generation;
	log_open("contents", WEIR_LOG_ERROR);
	check(config_load(NULL, (const char *const *)argv + 1, (size_t)argc - 1, &config, &error),
	      "configuration");
	check(schema_load_configured(config, &schema, &error), "schema");
	open_reader(config, schema, &backend);
	const struct weir_operations *operations = &backend.plugin->operations;
	check(operations->session_open(backend.instance, &plugin_default_host, &session, &error),
	      "session");
	check(operations->refresh(session, &generation, &error), "refresh");
	check(operations->session_positions(session, on_position, NULL, &error), "positions");
	check(operations->scan(session, "", 0, on_document, NULL, &error), "scan");
	search_all(operations, session);
	operations->session_close(session);
	backend_close(&backend);
	schema_destroy(schema);
	config_destroy(config);
	return 0;
}
