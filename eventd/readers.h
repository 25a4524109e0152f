/* SPDX-License-Identifier: MIT
 * readers.h - the threads that answer GET: one event, a page of events, a history,
 * and what copies of the store are made from and compared with. */
#ifndef READERS_H
#define READERS_H

#include "http.h"
#include "store.h"

struct readers;

/* schema: borrowed until readers_stop. */
weir_status readers_start(const char *database, const struct schema *schema, size_t count,
			  struct http_queue *queue, struct readers **readers,
			  struct weir_error *error) WEIR_MUST_CHECK;
/* After http_queue_close. Takes NULL. */
void readers_stop(struct readers *readers);

#endif
