/* SPDX-License-Identifier: MIT
 * log.h - key=value lines on stderr. For daemons only: libraries return messages, they do not log.
 *
 *   2026-11-23T20:00:00.123456Z level=info process=indexer event=commit documents=500 ms=41
 *
 * Concurrency: log_line may be called from any thread; a line is one write(2). */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

#include "err.h"

/* process stands in every line. level: WEIR_LOG_DEBUG ... WEIR_LOG_ERROR; lines below are dropped.
 */
void log_open(const char *process, uint32_t level);
void log_set_level(uint32_t level);
bool log_level_parse(const char *text, uint32_t *level); /* debug, info, warning, error */

/* event is a word ("commit"). format makes the remaining key=value pairs; wrap free text in
 * LOG_TEXT so that it is quoted and escaped: log_line(.., "path=%s", path) is for words only. */
void log_line(uint32_t level, const char *event, const char *format, ...) WEIR_PRINTF(3, 4);

#define log_debug(...) log_line(WEIR_LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(WEIR_LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_line(WEIR_LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_line(WEIR_LOG_ERROR, __VA_ARGS__)

/* "…" with quotes, backslashes and control characters escaped, cut at 400 bytes; lives on the stack
 * of the caller's full expression: log_error("open", "reason=%s", LOG_TEXT(error.message)); */
struct log_quoted {
	char text[512];
};
struct log_quoted log_quote(const char *text);
#define LOG_TEXT(string) (log_quote(string).text)

/* Once per run of failures: returns true when *state changed from good to bad. */
struct log_once {
	bool failing;
	int64_t since; /* microseconds; when it began */
};
bool log_once_failing(struct log_once *once);
bool log_once_recovered(struct log_once *once);

#endif
