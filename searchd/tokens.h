/* SPDX-License-Identifier: MIT
 * tokens.h - what a client waits for: tokens of eventd, <id>@<version>, and whether a session of
 * the index holds that version or a newer one. */
#ifndef TOKENS_H
#define TOKENS_H

#include <stdbool.h>

#include "arena.h"
#include "err.h"
#include "state.h"

enum { TOKENS_MOST = 100 }; /* in one request */

enum token_place {
	TOKEN_UNKNOWN, /* the index has nothing of that id: it never came, or its tombstone is gone
			*/
	TOKEN_OLDER,   /* it has an older version */
	TOKEN_PARTIAL, /* an update that overtook its create: it cannot be found yet */
	TOKEN_REACHED,
};

struct token {
	char *id; /* as the indexer keeps it */
	size_t id_length;
	int64_t version;
	enum token_place place; /* as of the last look */
	int64_t held;		/* TOKEN_OLDER: the version */
};

struct tokens {
	struct token *items;
	size_t count;
	struct arena memory;
};

void tokens_finish(struct tokens *tokens);
/* Adds those of "<id>@<version>,<id>@<version>"; an empty text has none. */
weir_status tokens_read(struct tokens *tokens, const char *text,
			struct weir_error *error) WEIR_MUST_CHECK;
/* A copy of those that are not reached. */
weir_status tokens_copy_missing(const struct tokens *tokens, struct tokens *copy,
				struct weir_error *error) WEIR_MUST_CHECK;
bool tokens_reached(const struct tokens *tokens);

/* Looks one up in what the session sees. capabilities: the plug-in's; state: memory to use. */
weir_status token_look(struct token *token, const struct weir_operations *operations,
		       weir_session *session, uint64_t capabilities, struct state *state,
		       struct weir_error *error) WEIR_MUST_CHECK;
/* "<id>@<version>: why it is not reached" */
void token_explain(const struct token *token, char *text, size_t size);

#endif
