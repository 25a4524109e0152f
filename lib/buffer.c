/* SPDX-License-Identifier: MIT */
#include "buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PRINTF_ROOM 31 /* what most of it fits in, so that it is written at once */

void buffer_finish(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer)BUFFER_INIT;
}

void buffer_clear(struct buffer *buffer)
{
	buffer->length = 0;
	buffer->failed = false;
	if (buffer->data != NULL)
		buffer->data[0] = '\0';
}

bool buffer_reserve(struct buffer *buffer, size_t more)
{
	if (buffer->failed)
		return false;
	if (buffer->data != NULL && more < buffer->capacity - buffer->length)
		return true;
	size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
	while (capacity - buffer->length <= more) {
		if (capacity > SIZE_MAX / 2) {
			buffer->failed = true;
			return false;
		}
		capacity *= 2;
	}
	char *data = realloc(buffer->data, capacity);
	if (data == NULL) {
		buffer->failed = true;
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
	if (!buffer_reserve(buffer, length))
		return;
	if (length > 0)
		memcpy(buffer->data + buffer->length, bytes, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	va_list again;
	va_copy(again, arguments);
	size_t room = buffer_reserve(buffer, PRINTF_ROOM) ? buffer->capacity - buffer->length : 0;
	int length =
		room > 0 ? vsnprintf(buffer->data + buffer->length, room, format, arguments) : 0;
	va_end(arguments);
	if (length < 0) {
		buffer->failed = true;
	} else if ((size_t)length >= room && buffer_reserve(buffer, (size_t)length)) {
		vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
	}
	if (buffer->failed && room > 0)
		buffer->data[buffer->length] = '\0';
	else if (!buffer->failed)
		buffer->length += (size_t)length;
	va_end(again);
}

char *buffer_take(struct buffer *buffer, size_t *length)
{
	if (buffer->data == NULL)
		buffer_append(buffer, "", 0);
	if (buffer->failed) {
		buffer_finish(buffer);
		return NULL;
	}
	char *data = buffer->data;
	if (length != NULL)
		*length = buffer->length;
	*buffer = (struct buffer)BUFFER_INIT;
	return data;
}
