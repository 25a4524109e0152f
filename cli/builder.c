/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOG_KEPT = 4 << 20 };

/* The child reads its schema from a file; the index's own stands in the catalog. */
static weir_status write_schema(struct builder *builder, const struct catalog *catalog,
				const struct side *target, struct weir_error *error)
{
	if (asprintf(&builder->schema_path, "%s/%s.rebuild.schema.json", catalog->folder,
		     target->schema->abi->name) < 0) {
		builder->schema_path = NULL;
		return err_no_memory(error);
	}
	FILE *file = fopen(builder->schema_path, "we");
	bool good = file != NULL && fputs(target->index->schema, file) >= 0;
	int failure = errno;
	if (file != NULL && fclose(file) != 0) {
		failure = errno;
		good = false;
	}
	return good ? WEIR_OK
		    : err_set(error, WEIR_SYSTEM, "%s cannot be written: %s", builder->schema_path,
			      strerror(failure));
}

/* What the rebuild decides stands behind what the user set: the last one counts. */
static bool add_arguments(struct builder *builder, const struct settings *settings,
			  const struct setting_list *sets, const struct side *target)
{
	struct child *child = &builder->child;
	const struct catalog_index *index = target->index;
	bool good = settings->file == NULL || (child_argument(child, "--config") &&
					       child_argument(child, "%s", settings->file));
	for (size_t i = 0; good && i < sets->count; i++)
		good = child_argument(child, "--set") &&
		       child_argument(child, "%s", sets->items[i]);
	return good &&
	       child_set(child, "backend.plugin",
			 index->file != NULL ? index->file : index->plugin) &&
	       child_argument(child, "--set") &&
	       child_argument(child, "backend.%s.%s=%s", index->plugin, index->parameter,
			      index->location) &&
	       child_set(child, "schema.file", builder->schema_path) &&
	       child_set(child, "indexer.beside", "true") &&
	       child_set(child, "indexer.address", "127.0.0.1") &&
	       child_set(child, "indexer.port", "0");
}

weir_status builder_start(struct builder *builder, const struct settings *settings,
			  const struct catalog *catalog, const struct side *target,
			  struct weir_error *error)
{
	struct setting_list sets = {0};
	builder_finish(builder);
	weir_status status = child_init(&builder->child, "indexer", error);
	if (status == WEIR_OK)
		status = write_schema(builder, catalog, target, error);
	if (status == WEIR_OK)
		status = settings_collect(settings, &sets, error);
	if (status != WEIR_OK)
		return status;
	bool good = add_arguments(builder, settings, &sets, target);
	setting_list_finish(&sets);
	if (!good || asprintf(&builder->child.log_path, "%s/%s.rebuild.log", catalog->folder,
			      target->schema->abi->name) < 0)
		return err_no_memory(error);
	/* A log of many rebuilds is of no use. */
	if (access(builder->child.log_path, F_OK) == 0) {
		FILE *log = fopen(builder->child.log_path, "ae");
		if (log != NULL && ftell(log) > LOG_KEPT && ftruncate(fileno(log), 0) != 0)
			errno = 0;
		if (log != NULL)
			fclose(log);
	}
	return child_start(&builder->child, error);
}

bool builder_runs(const struct builder *builder)
{
	return builder->child.pid > 0;
}

/* True when it has ended. */
static bool reap(struct builder *builder, int flags)
{
	int wait_status;
	if (builder->child.pid <= 0 ||
	    waitpid(builder->child.pid, &wait_status, flags) != builder->child.pid)
		return false;
	builder->child.wait_status = wait_status;
	builder->child.pid = 0;
	return true;
}

static weir_status tell_end(struct builder *builder, struct weir_error *error)
{
	char end[100], line[300];
	child_describe_end(&builder->child, end, sizeof(end));
	child_last_line(&builder->child, line, sizeof(line));
	return err_set(error, WEIR_AWAY, "the indexer that fills the new index %s: %s (%s)", end,
		       line, builder->child.log_path);
}

weir_status builder_check(struct builder *builder, struct weir_error *error)
{
	return reap(builder, WNOHANG) ? tell_end(builder, error) : WEIR_OK;
}

weir_status builder_stop(struct builder *builder, struct weir_error *error)
{
	if (!builder_runs(builder))
		return WEIR_OK;
	child_signal(&builder->child, SIGTERM);
	if (!reap(builder, 0))
		return err_set(error, WEIR_SYSTEM,
			       "the indexer that fills the new index cannot be "
			       "waited for: %s",
			       strerror(errno));
	/* TERM ends it as it is only before it collects signals: then it has begun nothing yet. */
	int ended = builder->child.wait_status;
	bool good = child_exit_status(&builder->child) == 0 ||
		    (WIFSIGNALED(ended) && WTERMSIG(ended) == SIGTERM);
	return good ? WEIR_OK : tell_end(builder, error);
}

void builder_finish(struct builder *builder)
{
	child_signal(&builder->child, SIGKILL);
	reap(builder, 0);
	if (builder->schema_path != NULL)
		unlink(builder->schema_path);
	free(builder->schema_path);
	child_finish(&builder->child);
	*builder = (struct builder)BUILDER_INIT;
}
