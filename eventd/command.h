/* SPDX-License-Identifier: MIT
 * command.h - what a write request wants, done inside the writer's transaction: event and outbox
 * row together, or a problem and nothing. */
#ifndef COMMAND_H
#define COMMAND_H

#include "buffer.h"
#include "problem.h"
#include "store.h"

enum command_kind {
	COMMAND_CREATE,
	COMMAND_REPLACE,
	COMMAND_PATCH,
	COMMAND_DELETE,
	COMMAND_REPUBLISH,
};

/* Strings are borrowed; NULL: not given. */
struct command {
	enum command_kind kind;
	const char *id; /* of the path */
	const char *body;
	size_t body_length;
	const char *if_match, *if_none_match, *idempotency_key;
	bool quiet; /* the answer needs no body (a line of a batch) */
};

struct command_answer {
	int status; /* 2xx, or problem.status */
	char id[STORE_ID_SIZE];
	int64_t version;
	bool changed;	    /* an outbox row was written */
	struct buffer body; /* the event; empty for 204 and for problems */
	struct problem problem;
};

/* Everything but WEIR_OK is the store's failure: the caller undoes to its savepoint. A refusal is
 * WEIR_OK with a problem, and nothing was written. */
weir_status command_perform(struct store *store, const struct command *command, struct arena *arena,
			    struct command_answer *answer,
			    struct weir_error *error) WEIR_MUST_CHECK;

/* republish.c */
weir_status command_republish(struct store *store, const struct command *command,
			      struct arena *arena, struct command_answer *answer,
			      struct weir_error *error) WEIR_MUST_CHECK;

#endif
