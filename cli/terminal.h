/* SPDX-License-Identifier: MIT
 * terminal.h - what is shown to people: columns of text, a progress bar. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/* Columns of the terminal behind descriptor; 100 when it is none. */
size_t terminal_width(int descriptor);

/* How many columns text takes, as terminal_cell writes it. */
size_t terminal_columns(const char *text, size_t length);

/* Appends text (UTF-8, not trusted) in exactly width columns: cut with "…" or filled with blanks;
 * characters that steer terminals become "?". width 0: as long as it is. */
void terminal_cell(struct buffer *out, const char *text, size_t length, size_t width);

/* A line on stderr that is drawn over and over; nothing when stderr is no terminal. */
struct bar {
	bool shown;	    /* stderr is a terminal, and --quiet was not given */
	int64_t started_at; /* moment_monotonic */
	int64_t drawn_at;
	bool dirty; /* a line stands there */
};
void bar_init(struct bar *bar, bool quiet);
/* fraction: of the whole, 0 to 1; below 0: unknown. count: things so far, named by unit. */
void bar_draw(struct bar *bar, const char *verb, double fraction, uint64_t count, const char *unit);
void bar_clear(struct bar *bar);

#endif
