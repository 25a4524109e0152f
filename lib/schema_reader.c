/* SPDX-License-Identifier: MIT */
#include "schema_reader.h"

#include <stdio.h>
#include <string.h>

#include "config.h"

weir_status schema_only_members(const struct schema_reader *reader, const json_t *object,
				const char *where, const char *const *names, size_t count)
{
	for (void *at = json_object_iter((json_t *)object); at != NULL;
	     at = json_object_iter_next((json_t *)object, at)) {
		const char *key = json_object_iter_key(at);
		bool known = false;
		for (size_t i = 0; i < count; i++)
			known = known || strcmp(key, names[i]) == 0;
		if (known)
			continue;
		const char *nearest = config_nearest(key, names, count);
		char what[256];
		snprintf(what, sizeof(what), "unknown member \"%.80s\"%s%s%s", key,
			 nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
			 nearest != NULL ? "\"?" : "");
		return schema_refuse(reader, where, what);
	}
	return WEIR_OK;
}

weir_status schema_read_text(const struct schema_reader *reader, const json_t *object,
			     const char *where, const char *name, bool needed, const char **text)
{
	const json_t *node = json_object_get(object, name);
	char what[128];
	if (node == NULL && !needed)
		return WEIR_OK;
	snprintf(what, sizeof(what), "\"%s\" has to be a string that is not empty", name);
	if (!json_is_string(node) || json_string_length(node) == 0 ||
	    strlen(json_string_value(node)) != json_string_length(node))
		return schema_refuse(reader, where, what);
	*text = json_string_value(node);
	return WEIR_OK;
}

weir_status schema_read_flag(const struct schema_reader *reader, const json_t *object,
			     const char *where, const char *name, bool *value)
{
	const json_t *node = json_object_get(object, name);
	char what[128];
	*value = json_is_true(node);
	snprintf(what, sizeof(what), "\"%s\" has to be true or false", name);
	return node == NULL || json_is_boolean(node) ? WEIR_OK : schema_refuse(reader, where, what);
}
