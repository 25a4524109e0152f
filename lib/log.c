/* SPDX-License-Identifier: MIT
 *
 * Concurrency: process and level are set before threads start (level may change later, it is
 * atomic); a line is built on the caller's stack and written with one write(2). */
#include "log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "moment.h"

#define LINE_LIMIT 4096

static const char *process_name = "weir";
static _Atomic uint32_t lowest_level = WEIR_LOG_INFO;

static const struct {
	const char *name;
	uint32_t level;
} levels[] = {
	{"debug", WEIR_LOG_DEBUG},
	{"info", WEIR_LOG_INFO},
	{"warning", WEIR_LOG_WARNING},
	{"error", WEIR_LOG_ERROR},
};

void log_open(const char *process, uint32_t level)
{
	process_name = process;
	log_set_level(level);
}

void log_set_level(uint32_t level)
{
	atomic_store(&lowest_level, level);
}

bool log_level_parse(const char *text, uint32_t *level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(text, levels[i].name) == 0) {
			*level = levels[i].level;
			return true;
		}
	}
	return false;
}

static const char *level_name(uint32_t level)
{
	const char *name = levels[0].name;
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (level >= levels[i].level)
			name = levels[i].name;
	return name;
}

void log_line(uint32_t level, const char *event, const char *format, ...)
{
	if (level < atomic_load(&lowest_level))
		return;
	char line[LINE_LIMIT], now[MOMENT_TEXT_SIZE];
	moment_format(moment_now(), now);
	int length = snprintf(line, sizeof(line), "%s level=%s process=%s event=%s ", now,
			      level_name(level), process_name, event);
	if (length < 0 || length > (int)sizeof(line) - 2)
		length = length < 0 ? 0 : (int)sizeof(line) - 2;
	va_list arguments;
	va_start(arguments, format);
	int rest = vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
	va_end(arguments);
	if (rest < 0)
		rest = 0;
	length += rest;
	if (length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	line[length++] = '\n';
	/* Nowhere to complain about a log that cannot be written. */
	ssize_t written = write(STDERR_FILENO, line, (size_t)length);
	(void)written;
}

struct log_quoted log_quote(const char *text)
{
	struct log_quoted quoted;
	size_t length = 0;
	quoted.text[length++] = '"';
	for (const char *byte = text; *byte != '\0' && length < 400; byte++) {
		unsigned char value = (unsigned char)*byte;
		if (value >= 0xC0 && length > 396) /* the cut is not inside a character */
			break;
		if (value == '"' || value == '\\') {
			quoted.text[length++] = '\\';
			quoted.text[length++] = *byte;
		} else if (value < 0x20 || value == 0x7F) {
			length += (size_t)snprintf(quoted.text + length, 5, "\\x%02x", value);
		} else {
			quoted.text[length++] = *byte;
		}
	}
	quoted.text[length++] = '"';
	quoted.text[length] = '\0';
	return quoted;
}

bool log_once_failing(struct log_once *once)
{
	if (once->failing)
		return false;
	once->failing = true;
	once->since = moment_now();
	return true;
}

bool log_once_recovered(struct log_once *once)
{
	if (!once->failing)
		return false;
	once->failing = false;
	return true;
}
