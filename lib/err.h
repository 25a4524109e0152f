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
 * bytes that are not UTF-8 into question marks, cut at the end of a UTF-8 sequence. Returns status, so that it can stand in a return statement.
 */
weir_status err_set(struct weir_error *error, weir_status status, const char *format, ...)
	WEIR_PRINTF(3, 4);
weir_status err_set_va(struct weir_error *error, weir_status status, const char *format,
		       va_list arguments);
weir_status err_no_memory(struct weir_error *error);

/* For WEIR_CLEANUP(err_free_pointer) on any pointer that free() takes. */
static inline void err_free_pointer(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}
#define WEIR_FREE WEIR_CLEANUP(err_free_pointer)

#endif
