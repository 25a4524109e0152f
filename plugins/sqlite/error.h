/* SPDX-License-Identifier: MIT
 * error.h - the one line that goes with a status. */
#ifndef ERROR_H
#define ERROR_H

#include "weir/backend.h"

/* Writes the line, control characters turned into spaces; returns status. */
weir_status error_set(struct weir_error *error, weir_status status, const char *format, ...)
	__attribute__((__format__(__printf__, 3, 4)));
weir_status error_no_memory(struct weir_error *error);

#endif
