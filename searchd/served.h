/* SPDX-License-Identifier: MIT
 * served.h - one index that searchd answers from, from the moment it is chosen until the last
 * session has left it. */
#ifndef SERVED_H
#define SERVED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "catalog.h"
#include "metrics.h"
#include "plugin.h"

struct served {
	struct catalog_choice *choice; /* which one, and its schema */
	struct plugin *plugin;	       /* for its capabilities, before the index is there */
	pthread_mutex_t opening, serial;
	struct backend backend; /* does not change once open is set */
	_Atomic bool open;
	bool is_serial;
	/* How often some session came to another generation. Generations cannot be compared, so a
	 * session may be behind the others unless it was refreshed since the last move. */
	_Atomic uint64_t moves;
	unsigned int users; /* readers; behind the index's lock */
	struct served *next;
	char name[300]; /* "xapian at /data/index", for people */
	struct metric *shown;
};

/* Loads the plug-in and checks its parameters; takes choice over, also when it fails. A plug-in
 * that cannot search is WEIR_INVALID. */
weir_status served_create(const struct config *config, struct catalog_choice *choice,
			  struct served **served, struct weir_error *error) WEIR_MUST_CHECK;
void served_destroy(struct served *served); /* takes NULL; nobody reads from it any more */
/* Opens the index, once. */
weir_status served_open(struct served *served, const struct config *config,
			struct weir_error *error) WEIR_MUST_CHECK;
/* The other one is the same index with the same fields. */
bool served_is(const struct served *served, const struct catalog_choice *choice);

#endif
