/* SPDX-License-Identifier: MIT
 * problem.h - what is wrong with a request, collected before it is answered: one status, one line,
 * and a line for each field. Texts live in the arena of the transaction. */
#ifndef PROBLEM_H
#define PROBLEM_H

#include "arena.h"
#include "http.h"

#define PROBLEM_ERROR_LIMIT 20 /* fields named in one answer; more are wrong in the same way */

struct problem {
	struct arena *arena; /* set by whoever makes it */
	int status;	     /* 0: nothing is wrong */
	char detail[600];
	struct http_field_error errors[PROBLEM_ERROR_LIMIT];
	size_t error_count;
};

/* The last detail counts. */
void problem_set(struct problem *problem, int status, const char *format, ...) WEIR_PRINTF(3, 4);
/* Adds a field's error; the status becomes 400. A name that is long is cut. */
void problem_add(struct problem *problem, const char *field, const char *format, ...)
	WEIR_PRINTF(3, 4);
/* For a failure of the database or of memory: 507 when there is no room, else 503. */
void problem_failure(struct problem *problem, weir_status status);

#endif
