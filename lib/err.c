/* SPDX-License-Identifier: MIT */
#include "err.h"

#include <stdio.h>
#include <string.h>

/* Cuts text, which fills its array, before a UTF-8 sequence that did not fit whole. */
static void trim_partial_sequence(char *text)
{
	size_t length = strlen(text), start = length;
	while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start == 0)
		return;
	unsigned char lead = (unsigned char)text[start - 1];
	size_t expected = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
	if (length - (start - 1) < expected)
		text[start - 1] = '\0';
}

weir_status err_set_va(struct weir_error *error, weir_status status, const char *format,
		       va_list arguments)
{
	if (error == NULL)
		return status;
	/* Arguments may point into error->message: "opening the index: %s", error->message. */
	struct weir_error line;
	int length = vsnprintf(line.message, sizeof(line.message), format, arguments);
	if (length < 0)
		strcpy(line.message, "an error whose message could not be written");
	for (char *byte = line.message; *byte != '\0'; byte++)
		if ((unsigned char)*byte < 0x20 || *byte == 0x7F)
			*byte = ' ';
	if (length >= (int)sizeof(line.message))
		trim_partial_sequence(line.message);
	*error = line;
	return status;
}

weir_status err_set(struct weir_error *error, weir_status status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	err_set_va(error, status, format, arguments);
	va_end(arguments);
	return status;
}

weir_status err_no_memory(struct weir_error *error)
{
	return err_set(error, WEIR_NO_MEMORY, "out of memory");
}
