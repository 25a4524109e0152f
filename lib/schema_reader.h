/* SPDX-License-Identifier: MIT
 * schema_reader.h - what the parts of the schema's parser share. */
#ifndef SCHEMA_READER_H
#define SCHEMA_READER_H

#include "json.h"
#include "schema.h"

/* What is being read: for messages, and for the numbers' digits. */
struct schema_reader {
	const char *origin;
	const struct jsondoc *document;
	struct weir_error *error;
};

static inline weir_status schema_refuse(const struct schema_reader *reader, const char *where,
					const char *what)
{
	return err_set(reader->error, WEIR_INVALID, "schema %s: %s: %s", reader->origin, where,
		       what);
}
/* Every member must be one of names; the message gives the nearest. */
weir_status schema_only_members(const struct schema_reader *reader, const json_t *object,
				const char *where, const char *const *names, size_t count);
/* A string member; *text is untouched when it is absent and that is allowed. */
weir_status schema_read_text(const struct schema_reader *reader, const json_t *object,
			     const char *where, const char *name, bool needed, const char **text);
weir_status schema_read_flag(const struct schema_reader *reader, const json_t *object,
			     const char *where, const char *name, bool *value);

/* "messages"; the fields and "nullInUpdate" have been read. */
weir_status schema_read_messages(const struct schema_reader *reader, const json_t *root,
				 struct schema *schema) WEIR_MUST_CHECK;
void schema_free_messages(struct schema *schema);

#endif
