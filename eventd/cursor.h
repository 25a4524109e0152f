/* SPDX-License-Identifier: MIT
 * cursor.h - where the next page begins, opaque to clients: base64url of a short text. */
#ifndef CURSOR_H
#define CURSOR_H

#include <stdbool.h>
#include <stddef.h>

#define CURSOR_TEXT_LIMIT 60
#define CURSOR_SIZE (CURSOR_TEXT_LIMIT / 3 * 4 + 1)

/* text: at most CURSOR_TEXT_LIMIT bytes. */
void cursor_write(const char *text, char cursor[CURSOR_SIZE]);
/* False: no cursor that cursor_write made. */
bool cursor_read(const char *cursor, char text[CURSOR_TEXT_LIMIT + 1]);

#endif
