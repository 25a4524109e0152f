/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include <utf8proc.h>

#include "json.h"

static void before_value(struct jsonout *json)
{
	if (json->comma)
		buffer_append_char(json->out, ',');
	json->comma = true;
}

void jsonout_begin(struct jsonout *json, char bracket)
{
	before_value(json);
	buffer_append_char(json->out, bracket);
	json->comma = false;
}

void jsonout_end(struct jsonout *json, char bracket)
{
	buffer_append_char(json->out, bracket);
	json->comma = true;
}

void jsonout_name(struct jsonout *json, const char *name)
{
	jsonout_text(json, name);
	buffer_append_char(json->out, ':');
	json->comma = false;
}

static const char *short_escape(unsigned char byte)
{
	switch (byte) {
	case '\b':
		return "\\b";
	case '\t':
		return "\\t";
	case '\n':
		return "\\n";
	case '\f':
		return "\\f";
	case '\r':
		return "\\r";
	case '\\':
		return "\\\\";
	default:
		return NULL;
	}
}

static void string_plain(struct buffer *out, const char *text, size_t length)
{
	size_t copied = 0;
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)text[i];
		if (byte >= 0x20 && byte != '"' && byte != '\\')
			continue;
		buffer_append(out, text + copied, i - copied);
		copied = i + 1;
		const char *escape = byte == '"' ? "\\\"" : short_escape(byte);
		if (escape != NULL)
			buffer_append_text(out, escape);
		else
			buffer_printf(out, "\\u%04x", byte);
	}
	buffer_append(out, text + copied, length - copied);
}

/* System.Text.Json's default encoder lets only printable ASCII through, less what could end a
 * string in HTML: " & ' < > ` + (its documentation: JavaScriptEncoder.Default). */
static void string_dotnet(struct buffer *out, const char *text, size_t length)
{
	for (size_t i = 0; i < length;) {
		unsigned char byte = (unsigned char)text[i];
		const char *escape = short_escape(byte);
		if (escape != NULL) {
			buffer_append_text(out, escape);
			i++;
			continue;
		}
		if (byte >= 0x20 && byte < 0x7F && strchr("\"&'<>`+", byte) == NULL) {
			buffer_append_char(out, text[i++]);
			continue;
		}
		utf8proc_int32_t point;
		utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
							 (utf8proc_ssize_t)(length - i), &point);
		if (size <= 0) {
			point = 0xFFFD;
			size = 1;
		}
		if (point >= 0x10000)
			buffer_printf(out, "\\u%04X\\u%04X",
				      0xD800 + ((unsigned)(point - 0x10000) >> 10),
				      0xDC00 + ((unsigned)(point - 0x10000) & 0x3FF));
		else
			buffer_printf(out, "\\u%04X", (unsigned)point);
		i += (size_t)size;
	}
}

void jsonout_escaped(struct jsonout *json, const char *text, size_t length)
{
	(json->dotnet ? string_dotnet : string_plain)(json->out, text, length);
}

void jsonout_string(struct jsonout *json, const char *text, size_t length)
{
	before_value(json);
	buffer_append_char(json->out, '"');
	jsonout_escaped(json, text, length);
	buffer_append_char(json->out, '"');
}

void jsonout_text(struct jsonout *json, const char *text)
{
	if (text == NULL)
		jsonout_null(json);
	else
		jsonout_string(json, text, strlen(text));
}

/* printf takes several times as long, and an answer has hundreds of numbers. */
static void append_integer(struct buffer *out, int64_t value)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	do
		digits[--at] = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (value < 0)
		digits[--at] = '-';
	buffer_append(out, digits + at, sizeof(digits) - at);
}

/* The same for a number that fits as a whole number of its last digit; false: it does not. */
static bool append_fixed(struct buffer *out, double value, int digits)
{
	static const int64_t powers[] = {1, 10, 100, 1000, 10000};
	char text[8];
	if (!(fabs(value) < 1e9) || digits < 1 || digits > 4 || (signbit(value) && value > -1))
		return false;
	double product = value * (double)powers[digits];
	int64_t scaled = llrint(product);
	/* The product is rounded, too: what is nearly half-way may belong to the other side. */
	if (fabs(fabs(product - (double)scaled) - 0.5) < 1e-3)
		return false;
	int64_t rest = scaled % powers[digits];
	append_integer(out, scaled / powers[digits]);
	rest = rest < 0 ? -rest : rest;
	text[0] = '.';
	for (int i = digits; i > 0; i--, rest /= 10)
		text[i] = (char)('0' + rest % 10);
	buffer_append(out, text, (size_t)digits + 1);
	return true;
}

void jsonout_integer(struct jsonout *json, int64_t value)
{
	before_value(json);
	append_integer(json->out, value);
}

void jsonout_double(struct jsonout *json, double value, int digits)
{
	before_value(json);
	if (append_fixed(json->out, value, digits))
		return;
	if (isfinite(value))
		buffer_printf(json->out, "%.*f", digits, value);
	else
		buffer_append_text(json->out, "null");
}

void jsonout_boolean(struct jsonout *json, bool value)
{
	before_value(json);
	buffer_append_text(json->out, value ? "true" : "false");
}

void jsonout_null(struct jsonout *json)
{
	before_value(json);
	buffer_append_text(json->out, "null");
}

void jsonout_raw(struct jsonout *json, const char *text, size_t length)
{
	before_value(json);
	buffer_append(json->out, text, length);
}

/* Canonical strings hold no surrogate pairs: \\u is only written for control characters. */
static bool decode_escape(const char *json, size_t length, size_t *at, struct buffer *out)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	if (*at + 1 >= length)
		return false;
	char name = json[++*at];
	const char *found = strchr(names, name);
	if (found != NULL && name != '\0') {
		buffer_append_char(out, bytes[found - names]);
		return true;
	}
	if (name != 'u' || *at + 4 >= length)
		return false;
	char digits[5] = {json[*at + 1], json[*at + 2], json[*at + 3], json[*at + 4], '\0'};
	unsigned long point = strtoul(digits, NULL, 16);
	if (strspn(digits, "0123456789abcdefABCDEF") != 4 || point >= 0x80)
		return false;
	buffer_append_char(out, (char)point);
	*at += 4;
	return true;
}

bool json_string_decode(const char *json, size_t length, struct buffer *out)
{
	if (length < 2 || json[0] != '"' || json[length - 1] != '"')
		return false;
	size_t copied = 1, begin = out->length;
	for (size_t i = 1; i < length - 1; i++) {
		if (json[i] != '\\' && json[i] != '"')
			continue;
		buffer_append(out, json + copied, i - copied);
		if (json[i] == '"' || !decode_escape(json, length - 1, &i, out)) {
			out->length = begin;
			return false;
		}
		copied = i + 1;
	}
	buffer_append(out, json + copied, length - 1 - copied);
	return true;
}
