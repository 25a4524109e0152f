/* SPDX-License-Identifier: MIT */
#include "err.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

/* What has to be one line of UTF-8 may quote anything, and "%.60s" cuts where it likes. A sequence
 * that the array's end cut goes; whatever else is no text becomes a question mark. */
static void make_one_line(char *text, bool cut)
{
	size_t length = strlen(text);
	for (size_t at = 0; at < length;) {
		utf8proc_int32_t point;
		utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
							 (utf8proc_ssize_t)(length - at), &point);
		if (size <= 0 && cut && length - at < 4 && ((unsigned char)text[at] & 0xC0) == 0xC0)
			text[at] = '\0';
		else if (size <= 0)
			text[at] = '?';
		else if (size == 1 && (point < 0x20 || point == 0x7F))
			text[at] = ' ';
		if (text[at] == '\0')
			return;
		at += size > 0 ? (size_t)size : 1;
	}
}

void err_write(struct weir_error *error, const char *format, va_list arguments)
{
	if (error == NULL)
		return;
	/* Arguments may point into error->message: "opening the index: %s", error->message. */
	struct weir_error line;
	int length = vsnprintf(line.message, sizeof(line.message), format, arguments);
	if (length < 0)
		snprintf(line.message, sizeof(line.message), "an error without a message");
	make_one_line(line.message, length >= (int)sizeof(line.message));
	*error = line;
}

void err_format(struct weir_error *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	err_write(error, format, arguments);
	va_end(arguments);
}
