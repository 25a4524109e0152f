/* SPDX-License-Identifier: MIT */
#include "render.h"

#include "json.h"
#include "moment.h"

static void write_moment(struct jsonout *json, const char *name, int64_t moment)
{
	char text[MOMENT_TEXT_SIZE];
	if (moment == STORE_NEVER)
		return;
	moment_format(moment, text);
	jsonout_name(json, name);
	jsonout_text(json, text);
}

static void write_json(struct jsonout *json, const char *name, struct store_text text)
{
	if (text.bytes == NULL)
		return;
	jsonout_name(json, name);
	jsonout_raw(json, text.bytes, text.length);
}

void render_event(struct buffer *out, const struct store_event *event)
{
	struct jsonout json = JSONOUT_INIT(out);
	jsonout_begin(&json, '{');
	jsonout_name(&json, "id");
	jsonout_text(&json, event->id);
	/* The members of the stored object become members of this one. */
	if (event->fields.length > 2)
		jsonout_raw(&json, event->fields.bytes + 1, event->fields.length - 2);
	write_moment(&json, "createdAt", event->created_at);
	write_json(&json, "createdBy", event->created_by);
	write_moment(&json, "updatedAt", event->updated_at);
	write_json(&json, "updatedBy", event->updated_by);
	jsonout_name(&json, "version");
	jsonout_integer(&json, event->version);
	jsonout_end(&json, '}');
}

static const char *operation_name(enum schema_operation operation)
{
	switch (operation) {
	case SCHEMA_CREATED:
		return "created";
	case SCHEMA_UPDATED:
		return "updated";
	case SCHEMA_DELETED:
		return "deleted";
	}
	return "unknown";
}

void render_change(struct buffer *out, const struct store_change *change)
{
	struct jsonout json = JSONOUT_INIT(out);
	jsonout_begin(&json, '{');
	jsonout_name(&json, "version");
	jsonout_integer(&json, change->version);
	jsonout_name(&json, "type");
	jsonout_text(&json, operation_name(change->operation));
	write_moment(&json, "at", change->at);
	write_json(&json, "by", change->by);
	if (change->operation != SCHEMA_DELETED)
		write_json(&json, "fields", change->fields);
	jsonout_end(&json, '}');
}

void render_change_line(struct buffer *out, const struct store_change *change)
{
	struct jsonout json = JSONOUT_INIT(out);
	jsonout_begin(&json, '{');
	jsonout_name(&json, "sequence");
	jsonout_integer(&json, change->sequence);
	jsonout_name(&json, "id");
	jsonout_text(&json, change->id);
	jsonout_name(&json, "version");
	jsonout_integer(&json, change->version);
	jsonout_name(&json, "operation");
	jsonout_text(&json, operation_name(change->operation));
	write_moment(&json, "at", change->at);
	write_json(&json, "by", change->by);
	write_json(&json, "fields", change->fields);
	jsonout_end(&json, '}');
}
