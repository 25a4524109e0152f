/* SPDX-License-Identifier: MIT
 * error.h - the one line that says what failed. */
#ifndef ERROR_H
#define ERROR_H

#include "weir/backend.h"

/* Answers status. Control characters become spaces. */
weir_status error_set(struct weir_error *error, weir_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
weir_status error_no_memory(struct weir_error *error);

#endif
