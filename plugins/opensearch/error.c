/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

weir_status error_set(struct weir_error *error, weir_status status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	struct weir_error line; /* arguments may point into *error */
	if (vsnprintf(line.message, sizeof(line.message), format, arguments) < 0)
		line.message[0] = '\0';
	va_end(arguments);
	for (char *byte = line.message; *byte != '\0'; byte++)
		if ((unsigned char)*byte < 0x20 || *byte == 0x7F)
			*byte = ' ';
	*error = line;
	return status;
}

weir_status error_no_memory(struct weir_error *error)
{
	return error_set(error, WEIR_RETRY, "opensearch: out of memory; give the process more");
}
