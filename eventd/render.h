/* SPDX-License-Identifier: MIT
 * render.h - events and changes as the API shows them. */
#ifndef RENDER_H
#define RENDER_H

#include "buffer.h"
#include "store.h"

void render_event(struct buffer *out, const struct store_event *event);
/* One entry of a history. */
void render_change(struct buffer *out, const struct store_change *change);

/* One line of GET /api/v1/changes, without its end. */
void render_change_line(struct buffer *out, const struct store_change *change);

#endif
