/* SPDX-License-Identifier: MIT */
#include "catalog_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "stop_point.h"

enum { FORMAT = 1 };
#define FILE_LIMIT ((size_t)16 << 20) /* four schemas of 1 MiB, escaped */

bool catalog_is_path(const char *parameter)
{
	return strcmp(parameter, "path") == 0;
}

static weir_status damaged(const struct catalog *catalog, const char *what,
			   struct weir_error *error)
{
	return err_set(error, WEIR_INVALID,
		       "catalog %s: %s: it is damaged and says no more which index is live; put a "
		       "copy in its place, or move it away, and the configured index counts",
		       catalog->path, what);
}

/* A path of the file, absolute. */
static char *from_folder(const struct catalog *catalog, const char *parameter, const char *value)
{
	char *path = NULL;
	if (!catalog_is_path(parameter) || value[0] == '/')
		return strdup(value);
	return asprintf(&path, "%s/%s", catalog->folder, value) < 0 ? NULL : path;
}

static const char *to_folder(const struct catalog *catalog, const char *parameter,
			     const char *value)
{
	size_t length = strlen(catalog->folder);
	bool inside = catalog_is_path(parameter) && strncmp(value, catalog->folder, length) == 0 &&
		      value[length] == '/' && value[length + 1] != '\0';
	return inside ? value + length + 1 : value;
}

/* NULL: it is missing, or no text. */
static const char *member(const json_t *object, const char *name)
{
	const json_t *node = json_object_get(object, name);
	const char *text = json_is_string(node) ? json_string_value(node) : NULL;
	return text != NULL && text[0] != '\0' && strlen(text) == json_string_length(node) ? text
											   : NULL;
}

static weir_status read_index(struct catalog *catalog, const json_t *root, const char *name,
			      struct catalog_index **index, struct weir_error *error)
{
	const json_t *object = json_object_get(root, name);
	char what[100];
	if (object == NULL)
		return WEIR_OK;
	const char *plugin = member(object, "plugin"), *file = member(object, "file");
	const char *parameter = member(object, "parameter");
	const char *location = member(object, "location");
	const char *configured = member(object, "configured"), *schema = member(object, "schema");
	snprintf(what, sizeof(what), "\"%s\" is no complete index", name);
	if (plugin == NULL || parameter == NULL || location == NULL || configured == NULL ||
	    schema == NULL)
		return damaged(catalog, what, error);
	struct catalog_index *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	*index = made; /* the catalog's from here on */
	made->plugin = strdup(plugin);
	made->file = file != NULL ? strdup(file) : NULL;
	made->parameter = strdup(parameter);
	made->location = from_folder(catalog, parameter, location);
	made->configured = from_folder(catalog, parameter, configured);
	made->schema = strdup(schema);
	bool failed = made->plugin == NULL || (file != NULL && made->file == NULL) ||
		      made->parameter == NULL || made->location == NULL ||
		      made->configured == NULL || made->schema == NULL;
	return failed ? err_no_memory(error) : WEIR_OK;
}

static weir_status read_root(struct catalog *catalog, const struct jsondoc *document,
			     struct weir_error *error)
{
	const json_t *root = jsondoc_root(document);
	const json_t *format = json_object_get(root, "format");
	if (!json_is_integer(format))
		return damaged(catalog, "it has no \"format\"", error);
	const char *number = jsondoc_number(document, format, NULL);
	char *end;
	long version = strtol(number, &end, 10);
	if (*end == '\0' && version > FORMAT)
		return err_set(
			error, WEIR_INVALID,
			"catalog %s: expected format %d, found %s: a newer Weir wrote it; use "
			"that one",
			catalog->path, FORMAT, number);
	if (*end != '\0' || version != FORMAT)
		return damaged(catalog, "its \"format\" is none", error);
	weir_status status = read_index(catalog, root, "live", &catalog->live, error);
	if (status == WEIR_OK)
		status = read_index(catalog, root, "writer", &catalog->writer, error);
	if (status == WEIR_OK)
		status = read_index(catalog, root, "previous", &catalog->previous, error);
	if (status == WEIR_OK)
		status = read_index(catalog, root, "building", &catalog->building, error);
	if (status != WEIR_OK)
		return status;
	const char *from = member(root, "buildingFrom");
	if (from != NULL && (catalog->building_from = strdup(from)) == NULL)
		return err_no_memory(error);
	/* The first one may be what weir rebuild is making. */
	return catalog->live != NULL || catalog->building != NULL
		       ? WEIR_OK
		       : damaged(catalog, "it has no \"live\"", error);
}

static weir_status read_all(struct catalog *catalog, int file, struct buffer *text,
			    struct weir_error *error)
{
	char part[65536];
	ssize_t length;
	while ((length = read(file, part, sizeof(part))) > 0 && text->length <= FILE_LIMIT)
		buffer_append(text, part, (size_t)length);
	if (length < 0)
		return err_set(error, WEIR_SYSTEM, "catalog %s: %s", catalog->path,
			       strerror(errno));
	if (text->length > FILE_LIMIT)
		return damaged(catalog, "it is larger than 16 MiB", error);
	return buffer_failed(text) ? err_no_memory(error) : WEIR_OK;
}

weir_status catalog_file_read(struct catalog *catalog, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	struct weir_error reason;
	int file = open(catalog->path, O_RDONLY | O_CLOEXEC);
	if (file < 0 && errno == ENOENT)
		return WEIR_OK;
	if (file < 0 || fstat(file, &catalog->seen) != 0) {
		int failure = errno;
		if (file >= 0)
			close(file);
		return err_set(error, WEIR_SYSTEM, "catalog %s: %s", catalog->path,
			       strerror(failure));
	}
	weir_status status = read_all(catalog, file, &text, error);
	close(file);
	if (status != WEIR_OK)
		return status;
	if (jsondoc_parse(text.data != NULL ? text.data : "", text.length, &document, &reason) !=
	    WEIR_OK)
		return damaged(catalog, reason.message, error);
	catalog->exists = true;
	return read_root(catalog, document, error);
}

static void write_index(struct jsonout *json, const struct catalog *catalog, const char *name,
			const struct catalog_index *index)
{
	if (index == NULL)
		return;
	jsonout_name(json, name);
	jsonout_begin(json, '{');
	jsonout_name(json, "plugin");
	jsonout_text(json, index->plugin);
	if (index->file != NULL) {
		jsonout_name(json, "file");
		jsonout_text(json, index->file);
	}
	jsonout_name(json, "parameter");
	jsonout_text(json, index->parameter);
	jsonout_name(json, "location");
	jsonout_text(json, to_folder(catalog, index->parameter, index->location));
	jsonout_name(json, "configured");
	jsonout_text(json, to_folder(catalog, index->parameter, index->configured));
	jsonout_name(json, "schema");
	jsonout_text(json, index->schema);
	jsonout_end(json, '}');
}

static void write_root(const struct catalog *catalog, struct buffer *out)
{
	struct jsonout json = JSONOUT_INIT(out);
	jsonout_begin(&json, '{');
	jsonout_name(&json, "format");
	jsonout_integer(&json, FORMAT);
	write_index(&json, catalog, "live", catalog->live);
	write_index(&json, catalog, "writer", catalog->writer);
	write_index(&json, catalog, "previous", catalog->previous);
	write_index(&json, catalog, "building", catalog->building);
	if (catalog->building != NULL && catalog->building_from != NULL) {
		jsonout_name(&json, "buildingFrom");
		jsonout_text(&json, catalog->building_from);
	}
	jsonout_end(&json, '}');
	buffer_append_char(out, '\n');
}

static bool write_whole(int file, const struct buffer *text)
{
	for (size_t done = 0; done < text->length;) {
		ssize_t written = write(file, text->data + done, text->length - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		done += (size_t)written;
	}
	return fsync(file) == 0;
}

static bool sync_folder(const char *path)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = folder >= 0 && fsync(folder) == 0;
	if (folder >= 0)
		close(folder);
	return good;
}

weir_status catalog_write(struct catalog *catalog, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	WEIR_FREE char *part = NULL;
	write_root(catalog, &text);
	if (buffer_failed(&text) || asprintf(&part, "%s.part", catalog->path) < 0) {
		part = NULL;
		return err_no_memory(error);
	}
	int file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool good = file >= 0 && write_whole(file, &text) && fstat(file, &catalog->seen) == 0;
	int failure = errno;
	if (file >= 0 && close(file) != 0 && good) {
		failure = errno;
		good = false;
	}
	stop_point("catalog.written");
	if (good && rename(part, catalog->path) != 0) {
		failure = errno;
		good = false;
	}
	stop_point("catalog.renamed");
	if (good && !sync_folder(catalog->folder)) {
		failure = errno;
		good = false;
	}
	if (!good)
		return err_set(error, WEIR_SYSTEM, "catalog %s cannot be written: %s",
			       catalog->path, strerror(failure));
	catalog->exists = true;
	return WEIR_OK;
}
