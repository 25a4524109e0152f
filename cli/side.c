/* SPDX-License-Identifier: MIT */
#include "side.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of a reader whose index moves under it, or is made just now. */
enum { TRIES = 100, PAUSE_NS = 20000000 };

weir_status side_init(struct side *side, const struct catalog_index *index,
		      struct weir_error *error)
{
	struct side made = {.index = catalog_index_copy(index)};
	if (made.index == NULL)
		return err_no_memory(error);
	weir_status status = schema_parse(index->schema, strlen(index->schema), index->location,
					  &made.schema, error);
	if (status != WEIR_OK) {
		catalog_index_destroy(made.index);
		return status;
	}
	snprintf(made.name, sizeof(made.name), "%s at %s", index->plugin, index->location);
	*side = made;
	return WEIR_OK;
}

void side_close(struct side *side)
{
	if (side->session != NULL)
		side->backend.plugin->operations.session_close(side->session);
	side->session = NULL;
	backend_close(&side->backend);
}

void side_finish(struct side *side)
{
	side_close(side);
	catalog_index_destroy(side->index);
	schema_destroy(side->schema);
	*side = (struct side)SIDE_INIT;
}

static weir_status open_once(struct side *side, const struct config *config,
			     struct weir_error *error)
{
	struct backend_place place = catalog_place(side->index);
	weir_status status = backend_open_at(config, &place, side->schema->abi, WEIR_MODE_READER,
					     &plugin_default_host, &side->backend, error);
	if (status != WEIR_OK)
		return status;
	const struct weir_operations *operations = &side->backend.plugin->operations;
	if (operations->session_open == NULL)
		status = err_set(error, WEIR_INVALID,
				 "plug-in %s cannot search: nothing can be rebuilt with it",
				 side->backend.plugin->path);
	else
		status = operations->session_open(side->backend.instance, &plugin_default_host,
						  &side->session, error);
	if (status != WEIR_OK)
		side_close(side);
	return status;
}

static void pause_a_little(void)
{
	nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

weir_status side_open(struct side *side, const struct config *config, struct weir_error *error)
{
	if (side->session != NULL)
		return WEIR_OK;
	for (int tries = 1;; tries++) {
		weir_status status = open_once(side, config, error);
		if (status != WEIR_RETRY || tries == TRIES || !catalog_index_is_there(side->index))
			return status;
		pause_a_little();
	}
}

static weir_status read_positions(struct side *side, struct positions *positions,
				  struct weir_error *error)
{
	const struct weir_operations *operations = &side->backend.plugin->operations;
	uint64_t generation;
	weir_status status = operations->refresh(side->session, &generation, error);
	positions_finish(positions);
	if (status == WEIR_OK)
		status = operations->session_positions(side->session, positions_add, positions,
						       error);
	return status == WEIR_OK && positions->failed ? err_no_memory(error) : status;
}

weir_status side_positions(struct side *side, struct positions *positions, struct weir_error *error)
{
	for (int tries = 1;; tries++) {
		weir_status status = read_positions(side, positions, error);
		if (status != WEIR_RETRY || tries == TRIES)
			return status;
		pause_a_little();
	}
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

bool side_remove_files(const struct catalog_index *index, struct weir_error *error)
{
	/* What engines put beside a file. */
	static const char *const ends[] = {"-wal", "-shm", "-journal", "-lock", ".lock"};
	if (strcmp(index->parameter, "path") != 0) {
		err_format(error, "the index %s of %s is not needed any more: remove it there",
			   index->location, index->plugin);
		return false;
	}
	if (nftw(index->location, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
		err_format(error, "%s is not needed any more and cannot be removed: %s",
			   index->location, strerror(errno));
		return false;
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		WEIR_FREE char *path = NULL;
		if (asprintf(&path, "%s%s", index->location, ends[i]) < 0)
			path = NULL;
		else
			unlink(path);
	}
	return true;
}
