/* SPDX-License-Identifier: MIT
 * err.h - statuses, one-line messages and the cleanup attributes that all of lib/ uses. */
#ifndef ERR_H
#define ERR_H

#include <stdarg.h>
#include <stdlib.h>

#include "weir/backend.h"

/* Statuses beside the three of the plug-in boundary (weir/backend.h). */
enum {
	WEIR_INVALID = 100, /* what came in is wrong: the message is for whoever sent it */
	WEIR_NOT_FOUND = 110,
	WEIR_AWAY = 120, /* something that is needed cannot be reached now; later it may */
	WEIR_NO_MEMORY = 130,
	WEIR_SYSTEM = 140, /* the operating system or a library said no */
};

#define WEIR_MUST_CHECK __attribute__((warn_unused_result))
#define WEIR_CLEANUP(function) __attribute__((cleanup(function)))
#define WEIR_PRINTF(string, first) __attribute__((__format__(__printf__, string, first)))

/* Writes the formatted line into *error (NULL is allowed), control characters turned into spaces,
 * bytes that are not UTF-8 into question marks, cut at the end of a UTF-8 sequence. */
void err_write(struct weir_error *error, const char *format, va_list arguments);
void err_format(struct weir_error *error, const char *format, ...) WEIR_PRINTF(2, 3);

/* err_format, and returns status, so that it can stand in a return statement. A macro, because
 * static analysis does not look into variadic functions and would take the status for WEIR_OK. */
#define err_set(error, status, ...) (err_format((error), __VA_ARGS__), err_same(status))
static inline weir_status err_same(weir_status status)
{
	return status;
}

static inline weir_status err_no_memory(struct weir_error *error)
{
	return err_set(error, WEIR_NO_MEMORY, "out of memory");
}

/* For WEIR_CLEANUP(err_free_pointer) on any pointer that free() takes. */
static inline void err_free_pointer(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}
#define WEIR_FREE WEIR_CLEANUP(err_free_pointer)

#endif
