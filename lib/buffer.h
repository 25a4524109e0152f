/* SPDX-License-Identifier: MIT
 * buffer.h - bytes that grow at the end. An allocation that fails marks the buffer; appending goes
 * on as a no-op and buffer_failed tells at the end, so that writers need one check, not fifty. */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct buffer {
	char *data; /* NUL-terminated whenever it is not NULL; the NUL is not counted */
	size_t length;
	size_t capacity;
	bool failed;
};

#define BUFFER_INIT                                                                                \
	{                                                                                          \
		0                                                                                  \
	}

void buffer_finish(struct buffer *buffer);
void buffer_clear(struct buffer *buffer); /* keeps the memory, forgets the failure */
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...) WEIR_PRINTF(2, 3);
bool buffer_reserve(struct buffer *buffer, size_t more); /* false: failed */
static inline void buffer_append_char(struct buffer *buffer, char byte)
{
	if (buffer->failed || buffer->data == NULL || buffer->capacity - buffer->length < 2) {
		buffer_append(buffer, &byte, 1);
		return;
	}
	buffer->data[buffer->length++] = byte;
	buffer->data[buffer->length] = '\0';
}
static inline bool buffer_failed(const struct buffer *buffer)
{
	return buffer->failed;
}
/* Hands the bytes to the caller (free()) and leaves the buffer empty. NULL when failed. */
char *buffer_take(struct buffer *buffer, size_t *length);

#endif
