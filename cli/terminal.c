/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#include "moment.h"

enum { WIDTH_DEFAULT = 100, WIDTH_LEAST = 20, BAR_WIDTH = 30 };
static const int64_t draw_every = 200000;

size_t terminal_width(int descriptor)
{
	struct winsize size;
	if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col < WIDTH_LEAST)
		return WIDTH_DEFAULT;
	return size.ws_col;
}

/* One character at text: its bytes, its columns, and whether it may be shown. */
struct glyph {
	size_t bytes, columns;
	bool shown;
};

static struct glyph read_glyph(const char *text, size_t length)
{
	utf8proc_int32_t point;
	utf8proc_ssize_t bytes =
		utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &point);
	if (bytes <= 0)
		return (struct glyph){1, 1, false};
	switch (utf8proc_category(point)) {
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF: /* turns the direction of writing around, and the like */
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return (struct glyph){(size_t)bytes, 1, false};
	default:
		return (struct glyph){(size_t)bytes, (size_t)utf8proc_charwidth(point), true};
	}
}

size_t terminal_columns(const char *text, size_t length)
{
	size_t columns = 0;
	for (size_t at = 0; at < length;) {
		struct glyph glyph = read_glyph(text + at, length - at);
		columns += glyph.columns;
		at += glyph.bytes;
	}
	return columns;
}

void terminal_cell(struct buffer *out, const char *text, size_t length, size_t width)
{
	bool cut = width > 0 && terminal_columns(text, length) > width;
	size_t limit = width == 0 ? SIZE_MAX : cut ? width - 1 : width, used = 0;
	for (size_t at = 0; at < length;) {
		struct glyph glyph = read_glyph(text + at, length - at);
		if (used + glyph.columns > limit)
			break;
		if (glyph.shown)
			buffer_append(out, text + at, glyph.bytes);
		else
			buffer_append_char(out, text[at] == '\n' || text[at] == '\t' ? ' ' : '?');
		used += glyph.columns;
		at += glyph.bytes;
	}
	if (cut) {
		buffer_append_text(out, "…");
		used++;
	}
	for (; used < width; used++)
		buffer_append_char(out, ' ');
}

void bar_init(struct bar *bar, bool quiet)
{
	*bar = (struct bar){.shown = !quiet && isatty(STDERR_FILENO),
			    .started_at = moment_monotonic()};
}

static void print_time_left(double seconds)
{
	long left = (long)(seconds + 0.5);
	if (left >= 3600)
		fprintf(stderr, " %ld h %02ld min left", left / 3600, left / 60 % 60);
	else if (left >= 60)
		fprintf(stderr, " %ld min %02ld s left", left / 60, left % 60);
	else
		fprintf(stderr, " %ld s left", left);
}

void bar_draw(struct bar *bar, const char *verb, double fraction, uint64_t count, const char *unit)
{
	int64_t now = moment_monotonic();
	if (!bar->shown || now - bar->drawn_at < draw_every)
		return;
	bar->drawn_at = now;
	bar->dirty = true;
	double seconds = (double)(now - bar->started_at) / 1e6;
	fprintf(stderr, "\r\033[K%s ", verb);
	if (fraction >= 0) {
		int filled = (int)((fraction > 1 ? 1 : fraction) * BAR_WIDTH);
		fprintf(stderr, "[%.*s%*s] %3.0f%% ", filled, "##############################",
			BAR_WIDTH - filled, "", fraction * 100);
	}
	fprintf(stderr, "%llu %s", (unsigned long long)count, unit);
	if (seconds > 0)
		fprintf(stderr, ", %.0f/s", (double)count / seconds);
	if (fraction > 0.01 && fraction < 1)
		print_time_left(seconds / fraction - seconds);
	fflush(stderr);
}

void bar_clear(struct bar *bar)
{
	if (bar->dirty)
		fprintf(stderr, "\r\033[K");
	bar->dirty = false;
}
