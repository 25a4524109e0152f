/* SPDX-License-Identifier: MIT
 * An eventd that answers before it has committed: a commit is done at the next beginning, or a
 * moment later when nothing comes. The torture must find that. */
#include <stdlib.h>

#include "http.h"
#include "store.h"
#include "writer.h"

static bool pending;

static weir_status commit_later(struct store *store, struct weir_error *error)
{
	(void)store;
	(void)error;
	pending = true;
	return WEIR_OK;
}

static weir_status commit_now(struct store *store, struct weir_error *error)
{
	weir_status status = pending ? store_commit(store, error) : WEIR_OK;
	pending = false;
	return status;
}

static weir_status begin_late(struct store *store, struct weir_error *error)
{
	weir_status status = commit_now(store, error);
	return status == WEIR_OK ? store_begin(store, error) : status;
}

/* Of the writer's loop. */
static size_t take(const struct writer_options *options, struct http_request **requests,
		   int64_t wait)
{
	struct weir_error error;
	size_t count =
		http_queue_take(options->queue, requests, options->group, pending ? 50000 : wait);
	if (count > 0 || !pending)
		return count;
	if (commit_now(options->store, &error) != WEIR_OK)
		abort();
	options->committed(options->context); /* so that the relay looks again */
	return 0;
}

#define store_begin begin_late
#define store_commit commit_later
#define http_queue_take(queue, requests, limit, wait) take(options, requests, wait)
#include "../../eventd/writer.c"
