/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <utf8proc.h>

#include "http_internal.h"

static int hexadecimal(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

static bool is_utf8(const char *text, size_t length)
{
	utf8proc_int32_t point;
	for (size_t at = 0; at < length;) {
		utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
							 (utf8proc_ssize_t)(length - at), &point);
		if (size <= 0)
			return false;
		at += (size_t)size;
	}
	return true;
}

/* Appends the decoded text and a NUL. Answers what is wrong with it, or NULL. */
static const char *decode(const char *text, size_t length, bool plus_is_blank, struct buffer *out)
{
	size_t start = out->length;
	buffer_append(out, "", 0); /* so that data is there even for no byte */
	for (size_t at = 0; at < length; at++) {
		char byte = text[at];
		if (byte == '%') {
			int high = at + 2 < length ? hexadecimal(text[at + 1]) : -1;
			int low = at + 2 < length ? hexadecimal(text[at + 2]) : -1;
			if (high < 0 || low < 0)
				return "a % stands without two hexadecimal digits";
			byte = (char)(high * 16 + low);
			at += 2;
		} else if (byte == '+' && plus_is_blank) {
			byte = ' ';
		}
		if (byte == '\0')
			return "it has a NUL byte";
		buffer_append_char(out, byte);
	}
	if (!buffer_failed(out) && !is_utf8(out->data + start, out->length - start))
		return "it is not UTF-8";
	buffer_append_char(out, '\0');
	return NULL;
}

static weir_status parse_path(struct http_uri *uri, struct weir_error *error)
{
	const char *at = uri->path;
	while (*at == '/') {
		at++;
		size_t length = strcspn(at, "/");
		const char *wrong = decode(at, length, false, &uri->segments);
		if (wrong != NULL)
			return err_set(error, WEIR_INVALID, "segment %zu of the path: %s",
				       uri->segment_count + 1, wrong);
		uri->segment_count++;
		at += length;
	}
	return buffer_failed(&uri->segments) ? err_no_memory(error) : WEIR_OK;
}

static weir_status parse_argument(const char *text, size_t length, struct http_uri *uri,
				  struct weir_error *error)
{
	if (uri->argument_count == HTTP_ARGUMENT_LIMIT)
		return err_set(error, WEIR_INVALID, "the query has more than %d arguments",
			       HTTP_ARGUMENT_LIMIT);
	size_t offset = uri->arguments.length;
	const char *equals = memchr(text, '=', length);
	size_t name_length = equals != NULL ? (size_t)(equals - text) : length;
	const char *wrong = decode(text, name_length, true, &uri->arguments);
	if (wrong != NULL)
		return err_set(error, WEIR_INVALID, "the name of query argument %zu: %s",
			       uri->argument_count + 1, wrong);
	size_t value_length = equals != NULL ? length - name_length - 1 : 0;
	wrong = decode(equals != NULL ? equals + 1 : "", value_length, true, &uri->arguments);
	if (buffer_failed(&uri->arguments))
		return err_no_memory(error);
	if (wrong != NULL)
		return err_set(error, WEIR_INVALID, "query argument \"%s\": %s",
			       uri->arguments.data + offset, wrong);
	uri->argument_offsets[uri->argument_count++] = offset;
	return WEIR_OK;
}

static weir_status parse_query(const char *text, struct http_uri *uri, struct weir_error *error)
{
	size_t pieces = 1;
	for (const char *at = text; *at != '\0' && pieces < HTTP_ARGUMENT_LIMIT; at++)
		pieces += *at == '&';
	uri->argument_offsets = calloc(pieces, sizeof(*uri->argument_offsets));
	if (uri->argument_offsets == NULL)
		return err_no_memory(error);
	weir_status status = WEIR_OK;
	while (status == WEIR_OK && *text != '\0') {
		size_t length = strcspn(text, "&");
		if (length > 0)
			status = parse_argument(text, length, uri, error);
		text += length;
		text += *text == '&';
	}
	return status;
}

weir_status http_uri_parse(const char *text, struct http_uri *uri, struct weir_error *error)
{
	/* A proxy may be sent the absolute form; its path counts. */
	if (strncasecmp(text, "http://", 7) == 0) {
		text += 7;
		text += strcspn(text, "/?");
	}
	size_t length = strcspn(text, "?#");
	uri->path = strndup(text, length);
	if (uri->path == NULL)
		return err_no_memory(error);
	weir_status status = parse_path(uri, error);
	if (status != WEIR_OK || text[length] != '?')
		return status;
	return parse_query(text + length + 1, uri, error);
}

void http_uri_finish(struct http_uri *uri)
{
	free(uri->path);
	buffer_finish(&uri->segments);
	buffer_finish(&uri->arguments);
	free(uri->argument_offsets);
}
