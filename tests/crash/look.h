/* SPDX-License-Identifier: MIT
 * look.h - opens an index and compares all that it holds with the model. */
#ifndef LOOK_H
#define LOOK_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plugin.h"
#include "steps.h"

/* An index and how to open it. */
struct place {
	const struct plugin *plugin;
	struct plugin_parameters *parameters;
	struct plan plan;
};

/* Where to go on when something is to be asked again; NULL: that is a failure. */
extern jmp_buf *look_again;

/* What went wrong, and the end of the process: looking is done in processes of their own. */
#define FAIL(...)                                                                                  \
	do {                                                                                       \
		fprintf(stderr, __VA_ARGS__);                                                      \
		fputc('\n', stderr);                                                               \
		_exit(1);                                                                          \
	} while (0)
#define DEMAND(condition, ...)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			FAIL(__VA_ARGS__);                                                         \
	} while (0)
#define MUST(call)                                                                                 \
	do {                                                                                       \
		struct weir_error must_error = {""};                                               \
		struct weir_error *error = &must_error;                                            \
		weir_status must_status = (call);                                                  \
		if (must_status == WEIR_RETRY && look_again != NULL)                               \
			longjmp(*look_again, 1);                                                   \
		DEMAND(must_status == WEIR_OK, "%s: %d: %s", #call, (int)must_status,              \
		       error->message);                                                            \
	} while (0)

weir_status place_open(const struct place *place, uint32_t mode, weir_instance **instance,
		       struct weir_error *error);

/* Between which batches the index has to be. */
struct bounds {
	uint32_t at_least, at_most;
	bool may_be_missing;
	bool may_refuse; /* a reader may say that a writer has to mend it first */
};

/* Each returns the batch that the index is at; failures end the process. */
uint32_t look_as_reader(const struct place *place, const struct bounds *bounds);
/* A session that stays open beside a writer. */
struct beside {
	const struct place *place;
	weir_instance *instance;
	weir_session *session;
	struct model model;
	struct document *documents;
	bool *seen;
};
enum { LOOK_PARTS = 4 + WORD_COUNT }; /* scan, gets, facets, all, and each word */
/* Moves the session on, and looks at a part of what it shows then. committed: batches, read anew
 * whenever it is needed; a session never goes back. */
void look_beside(struct beside *beside, unsigned part, const uint32_t *committed,
		 const uint32_t *begun);

/* The instance stays open. model: is moved to the batch. */
uint32_t look_as_writer(const struct place *place, const struct bounds *bounds, struct model *model,
			weir_instance **instance);
/* That the writer knows each document as the model has it. */
void look_at_states(const struct place *place, weir_instance *writer, const struct model *model);

#endif
