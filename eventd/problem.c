/* SPDX-License-Identifier: MIT */
#include "problem.h"

#include <stdio.h>
#include <string.h>

#include "store.h"

#define NAME_LIMIT 100

void problem_set(struct problem *problem, int status, const char *format, ...)
{
	struct weir_error line;
	va_list arguments;
	va_start(arguments, format);
	err_write(&line, format, arguments);
	va_end(arguments);
	problem->status = status;
	snprintf(problem->detail, sizeof(problem->detail), "%.599s", line.message);
}

/* At most NAME_LIMIT bytes, cut before a UTF-8 sequence. */
static size_t cut(const char *text)
{
	size_t length = strlen(text);
	if (length <= NAME_LIMIT)
		return length;
	for (length = NAME_LIMIT; length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80;)
		length--;
	return length;
}

void problem_add(struct problem *problem, const char *field, const char *format, ...)
{
	if (problem->status >= 500)
		return; /* there is no memory to say it */
	if (problem->error_count == 0)
		problem_set(problem, 400, "the event has fields that are wrong");
	if (problem->error_count == PROBLEM_ERROR_LIMIT)
		return;
	struct weir_error line;
	va_list arguments;
	va_start(arguments, format);
	err_write(&line, format, arguments);
	va_end(arguments);
	const char *name = arena_copy(problem->arena, field, cut(field));
	const char *message = arena_copy(problem->arena, line.message, strlen(line.message));
	if (name == NULL || message == NULL) {
		problem_failure(problem, WEIR_NO_MEMORY);
		return;
	}
	problem->errors[problem->error_count++] =
		(struct http_field_error){.field = name, .message = message};
}

void problem_failure(struct problem *problem, weir_status status)
{
	problem->error_count = 0;
	if (status == STORE_FULL)
		problem_set(problem, 507, "the disk of the store is full; nothing was changed");
	else if (status == WEIR_NO_MEMORY)
		problem_set(problem, 503, "out of memory; nothing was changed, try again later");
	else if (status == WEIR_AWAY)
		problem_set(problem, 503,
			    "another process holds the store; nothing was changed, try again "
			    "later");
	else
		problem_set(problem, 503,
			    "the store could not be written; try again later, the log of eventd "
			    "says why");
}
