/* SPDX-License-Identifier: MIT
 * `weir dlq show`: one dead letter whole. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#include "dlq.h"
#include "letter.h"
#include "moment.h"
#include "terminal.h"

enum { ADDRESS_SIZE = 320, HEX_COLUMNS = 16, NAME_SIZE = 64 };

static bool is_text(const char *bytes, size_t length)
{
	for (size_t at = 0; at < length;) {
		utf8proc_int32_t point;
		utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)bytes + at,
							 (utf8proc_ssize_t)(length - at), &point);
		if (size <= 0)
			return false;
		at += (size_t)size;
	}
	return true;
}

static void write_base64(struct jsonout *json, const char *bytes, size_t length)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	for (size_t at = 0; at < length; at += 3) {
		size_t left = length - at;
		unsigned group = (unsigned)(unsigned char)bytes[at] << 16;
		if (left > 1)
			group |= (unsigned)(unsigned char)bytes[at + 1] << 8;
		if (left > 2)
			group |= (unsigned char)bytes[at + 2];
		buffer_append_char(&out, digits[group >> 18]);
		buffer_append_char(&out, digits[group >> 12 & 63]);
		buffer_append_char(&out, left > 1 ? digits[group >> 6 & 63] : '=');
		buffer_append_char(&out, left > 2 ? digits[group & 63] : '=');
	}
	json->out->failed = json->out->failed || out.failed;
	jsonout_string(json, out.data != NULL ? out.data : "", out.length);
}

/* "name": what is text, null; what is not, as "nameBase64". */
static void write_bytes(struct jsonout *json, const char *name, const char *bytes, size_t length)
{
	char other[NAME_SIZE];
	bool text = bytes == NULL || is_text(bytes, length);
	snprintf(other, sizeof(other), "%sBase64", name);
	jsonout_name(json, text ? name : other);
	if (bytes == NULL)
		jsonout_null(json);
	else if (text)
		jsonout_string(json, bytes, length);
	else
		write_base64(json, bytes, length);
}

static void write_moment(struct jsonout *json, const char *name, int64_t milliseconds)
{
	char text[MOMENT_TEXT_SIZE];
	jsonout_name(json, name);
	if (milliseconds < 0) {
		jsonout_null(json);
		return;
	}
	moment_format(moment_of_milliseconds(milliseconds), text);
	jsonout_text(json, text);
}

void letter_write(const struct dlq *dlq, const struct letter *letter, struct jsonout *json)
{
	char text[ADDRESS_SIZE];
	letter_address(dlq, letter, text, sizeof(text));
	jsonout_name(json, "address");
	jsonout_text(json, text);
	write_moment(json, "time", letter->time);
	jsonout_name(json, "state");
	jsonout_text(json, letter_state_names[letter->state]);
	snprintf(text, sizeof(text), "%s/%" PRId32 "/%" PRId64, letter->origin.topic,
		 letter->origin.partition, letter->origin.offset);
	jsonout_name(json, "message");
	jsonout_text(json, text);
	write_moment(json, "messageTime", letter->timestamp);
	write_bytes(json, "key", letter->key, letter->key_length);
	jsonout_name(json, "reason");
	jsonout_text(json, dlq->reasons[letter->reason].text);
	jsonout_name(json, "copies");
	jsonout_integer(json, letter->copies);
	if (letter->full_length >= 0) {
		jsonout_name(json, "fullLength");
		jsonout_integer(json, letter->full_length);
	}
	if (letter->state == LETTER_OPEN)
		return;
	write_moment(json, "handledAt", letter->handled_at);
	jsonout_name(json, "handledBy");
	jsonout_text(json, letter->handled_by);
	jsonout_name(json, "sentTo");
	jsonout_text(json, letter->sent_to);
}

static void print_cell(const char *name, const char *text, size_t length)
{
	WEIR_CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;
	terminal_cell(&line, text, length, 0);
	printf("%-10s%s\n", name, line.data != NULL ? line.data : "");
}

static void print_text(const char *name, const char *text)
{
	print_cell(name, text, strlen(text));
}

static void print_headers(const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	const char *name;
	const void *value;
	size_t length;
	if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &length) ==
			   RD_KAFKA_RESP_ERR_NO_ERROR;
	     i++) {
		WEIR_CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;
		buffer_append_text(&line, name);
		buffer_append_text(&line, value != NULL ? "=" : " (null)");
		if (value != NULL)
			buffer_append(&line, value, length);
		print_cell("header", line.data != NULL ? line.data : "", line.length);
	}
}

static void write_headers(const rd_kafka_message_t *message, struct jsonout *json)
{
	rd_kafka_headers_t *headers;
	const char *name;
	const void *value;
	size_t length;
	jsonout_name(json, "headers");
	jsonout_begin(json, '[');
	if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
		for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &length) ==
				   RD_KAFKA_RESP_ERR_NO_ERROR;
		     i++) {
			jsonout_begin(json, '{');
			write_bytes(json, "name", name, strlen(name));
			write_bytes(json, "value", value, length);
			jsonout_end(json, '}');
		}
	jsonout_end(json, ']');
}

static void break_line(struct buffer *out, size_t depth)
{
	buffer_append_char(out, '\n');
	for (size_t i = 0; i < depth; i++)
		buffer_append_text(out, "  ");
}

/* JSON that parses, with each member on a line of its own; digits, escapes and order stay. */
static void lay_out(const char *text, size_t length, struct buffer *out)
{
	size_t depth = 0;
	bool in_string = false;
	char before = '\0'; /* the last that was no white space */
	for (size_t i = 0; i < length; i++) {
		char byte = text[i];
		if (in_string) {
			buffer_append_char(out, byte);
			if (byte == '\\' && i + 1 < length)
				buffer_append_char(out, text[++i]);
			in_string = byte != '"';
			continue;
		}
		if (strchr(" \t\r\n", byte) != NULL)
			continue;
		bool closes = byte == '}' || byte == ']';
		depth -= closes;
		if (before == '{' || before == '[' ? !closes : closes || before == ',')
			break_line(out, depth);
		buffer_append_char(out, byte);
		if (byte == ':')
			buffer_append_char(out, ' ');
		depth += byte == '{' || byte == '[';
		in_string = byte == '"';
		before = byte;
	}
}

static void print_hex(const char *bytes, size_t length)
{
	for (size_t at = 0; at < length; at += HEX_COLUMNS) {
		char line[HEX_COLUMNS + 1] = "";
		printf("%08zx ", at);
		for (size_t i = 0; i < HEX_COLUMNS; i++) {
			if (at + i >= length) {
				printf("   ");
				continue;
			}
			unsigned char byte = (unsigned char)bytes[at + i];
			printf(" %02x", byte);
			line[i] = byte >= ' ' && byte < 0x7F ? (char)byte : '.';
		}
		printf("  %s\n", line);
	}
}

static void print_value(const rd_kafka_message_t *message)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	WEIR_CLEANUP(buffer_finish) struct buffer laid_out = BUFFER_INIT;
	struct weir_error ignored;
	if (message->payload == NULL) {
		print_text("value", "(null)");
		return;
	}
	printf("%-10s%zu bytes\n", "value", message->len);
	if (jsondoc_parse(message->payload, message->len, &document, &ignored) != WEIR_OK) {
		print_hex(message->payload, message->len);
		return;
	}
	lay_out(message->payload, message->len, &laid_out);
	for (size_t at = 0; at < laid_out.length;) {
		WEIR_CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;
		const char *from = laid_out.data + at;
		size_t length = strcspn(from, "\n");
		terminal_cell(&line, from, length, 0);
		printf("%s\n", line.data != NULL ? line.data : "");
		at += length + 1;
	}
}

static void print_letter(const struct dlq *dlq, const struct letter *letter,
			 const rd_kafka_message_t *message)
{
	char text[ADDRESS_SIZE + 600], when[MOMENT_TEXT_SIZE];
	letter_address(dlq, letter, text, sizeof(text));
	print_text("letter", text);
	moment_format(moment_of_milliseconds(letter->time), when);
	print_text("time", when);
	if (letter->state == LETTER_OPEN) {
		print_text("state", "open");
	} else {
		moment_format(moment_of_milliseconds(letter->handled_at), when);
		snprintf(text, sizeof(text), "%s %s%s%s%s%s", letter_state_names[letter->state],
			 when, letter->handled_by != NULL ? " by " : "",
			 letter->handled_by != NULL ? letter->handled_by : "",
			 letter->sent_to != NULL ? " to " : "",
			 letter->sent_to != NULL ? letter->sent_to : "");
		print_text("state", text);
	}
	print_text("reason", dlq->reasons[letter->reason].text);
	snprintf(text, sizeof(text), "%s/%" PRId32 "/%" PRId64, letter->origin.topic,
		 letter->origin.partition, letter->origin.offset);
	print_text("message", text);
	if (letter->timestamp >= 0) {
		moment_format(moment_of_milliseconds(letter->timestamp), when);
		print_text("", when);
	}
	if (letter->copies > 1)
		printf("%-10s%u\n", "copies", letter->copies);
	if (letter->full_length >= 0)
		printf("%-10sthe first %zu bytes of %" PRId64 "; its message has the rest\n", "cut",
		       letter->value_length, letter->full_length);
	print_cell("key", letter->key != NULL ? letter->key : "(none)",
		   letter->key != NULL ? letter->key_length : 6);
	print_headers(message);
	print_value(message);
}

struct showing {
	const struct dlq *dlq;
	const struct dlq_options *options;
};

static weir_status show(void *context, const struct letter *letter,
			const rd_kafka_message_t *message, struct weir_error *error)
{
	const struct showing *showing = context;
	WEIR_CLEANUP(buffer_finish) struct buffer body = BUFFER_INIT;
	struct jsonout json = JSONOUT_INIT(&body);
	if (showing->options->raw) {
		if (message->payload == NULL)
			command_say("the value is null");
		else
			fwrite(message->payload, 1, message->len, stdout);
		return WEIR_OK;
	}
	if (!showing->options->json && isatty(STDOUT_FILENO)) {
		print_letter(showing->dlq, letter, message);
		return WEIR_OK;
	}
	jsonout_begin(&json, '{');
	letter_write(showing->dlq, letter, &json);
	write_headers(message, &json);
	write_bytes(&json, "value", message->payload, message->len);
	jsonout_end(&json, '}');
	if (buffer_failed(&body))
		return err_no_memory(error);
	printf("%s\n", body.data);
	return WEIR_OK;
}

int dlq_show(struct dlq *dlq, const struct dlq_options *options)
{
	struct showing showing = {dlq, options};
	struct weir_error error;
	weir_status status = dlq_visit(dlq, show, &showing, &error);
	return status == WEIR_OK ? STATUS_DONE : command_fail("dlq", status, &error);
}
