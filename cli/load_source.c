/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "event.h"
#include "hash.h"
#include "json.h"
#include "load.h"

enum {
	LINE_LIMIT = 1 << 20, /* eventd's own, for a line of a batch */
	READ_SIZE = 1 << 16,
	LEFT_OUT_LIMIT = 50,
};

/* What an event may have when it is made; the server assigns the rest. */
static const char *const known_fields[] = {
	"id",	   "title", "description", "category", "location",  "city",
	"country", "price", "startDate",   "endDate",  "createdBy",
};

struct left_out {
	char name[64];
	uint64_t count;
};

struct load_source {
	const char *path; /* borrowed */
	int descriptor;	  /* ours, beside the one that zlib owns: for the position in the file */
	off_t size;	  /* 0: unknown */
	gzFile file;
	struct buffer line;
	char block[READ_SIZE];
	size_t block_length, block_at;
	bool at_end;
	uint64_t number;
	struct left_out left_out[LEFT_OUT_LIMIT];
	size_t left_out_count;
};

void load_source_destroy(struct load_source *source)
{
	if (source == NULL)
		return;
	if (source->file != NULL)
		gzclose(source->file);
	buffer_finish(&source->line);
	free(source);
}

weir_status load_source_open(const char *path, struct load_source **source,
			     struct weir_error *error)
{
	struct stat about = {0};
	bool from_stdin = strcmp(path, "-") == 0;
	struct load_source *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->path = path;
	made->descriptor = from_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	weir_status status = WEIR_OK;
	if (made->descriptor < 0 || fstat(made->descriptor, &about) != 0)
		status = err_set(error, WEIR_INVALID, "%s: %s", path, strerror(errno));
	else if (S_ISDIR(about.st_mode))
		status = err_set(error, WEIR_INVALID, "%s is a folder, not a file of events", path);
	else if ((made->file = gzdopen(made->descriptor, "r")) == NULL)
		status = err_no_memory(error);
	if (status == WEIR_OK) {
		made->size = S_ISREG(about.st_mode) ? about.st_size : 0;
		*source = made;
		return WEIR_OK;
	}
	if (made->descriptor >= 0)
		close(made->descriptor);
	free(made);
	return status;
}

double load_source_fraction(const struct load_source *source)
{
	if (source->size <= 0)
		return -1;
	return (double)gzoffset(source->file) / (double)source->size;
}

static weir_status fill_block(struct load_source *source, struct weir_error *error)
{
	int code;
	int length = gzread(source->file, source->block, sizeof(source->block));
	const char *reason = gzerror(source->file, &code);
	source->block_at = 0;
	source->block_length = length > 0 ? (size_t)length : 0;
	if (length > 0)
		return WEIR_OK;
	source->at_end = true;
	if (length == 0 && (code == Z_OK || code == Z_STREAM_END))
		return WEIR_OK;
	return err_set(error, WEIR_INVALID, "%s cannot be read on behind line %" PRIu64 ": %s",
		       source->path, source->number,
		       code == Z_BUF_ERROR ? "it ends in the middle of a compressed block"
		       : code == Z_ERRNO   ? strerror(errno)
					   : reason);
}

/* The next line into source->line, cut at LINE_LIMIT + 1. *found is false at the end. */
static weir_status read_line(struct load_source *source, bool *found, struct weir_error *error)
{
	struct buffer *line = &source->line;
	buffer_clear(line);
	*found = false;
	while (!source->at_end) {
		if (source->block_at == source->block_length) {
			weir_status status = fill_block(source, error);
			if (status != WEIR_OK)
				return status;
			if (source->at_end)
				break;
		}
		const char *start = source->block + source->block_at;
		size_t left = source->block_length - source->block_at;
		const char *newline = memchr(start, '\n', left);
		size_t length = newline != NULL ? (size_t)(newline - start) : left;
		size_t room = LINE_LIMIT + 1 - line->length;
		buffer_append(line, start, length < room ? length : room);
		source->block_at += length + (newline != NULL ? 1 : 0);
		*found = true;
		if (newline != NULL)
			break;
	}
	source->number += *found ? 1 : 0;
	return buffer_failed(line) ? err_no_memory(error) : WEIR_OK;
}

static bool is_blank(const struct buffer *line)
{
	return line->data == NULL || strspn(line->data, " \t\r") == line->length;
}

static void count_left_out(struct load_source *source, const char *name)
{
	size_t i = 0;
	for (; i < source->left_out_count; i++)
		if (strncmp(source->left_out[i].name, name, sizeof(source->left_out[i].name) - 1) ==
		    0)
			break;
	if (i == LEFT_OUT_LIMIT)
		return;
	if (i == source->left_out_count) {
		snprintf(source->left_out[i].name, sizeof(source->left_out[i].name), "%s", name);
		source->left_out_count++;
	}
	source->left_out[i].count++;
}

void load_source_left_out(const struct load_source *source, struct buffer *out)
{
	for (size_t i = 0; i < source->left_out_count; i++) {
		buffer_append_text(out, i > 0 ? ", " : "");
		terminal_cell(out, source->left_out[i].name, strlen(source->left_out[i].name), 0);
		buffer_printf(out, " (%" PRIu64 " times)", source->left_out[i].count);
	}
}

static void write_guid(const unsigned char bytes[16], char id[LOAD_ID_SIZE])
{
	size_t at = 0;
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			id[at++] = '-';
		snprintf(id + at, LOAD_ID_SIZE - at, "%02x", bytes[i]);
		at += 2;
	}
}

/* RFC 9562: the version in the high half of byte 6, the variant in the top bits of byte 8. */
static void stamp_guid(unsigned char bytes[16], unsigned int version)
{
	bytes[6] = (unsigned char)((bytes[6] & 0x0F) | (version << 4));
	bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
}

/* The same text gives the same GUID each time: FNV-1a with 128 bits, as a GUID of version 8. */
static void derive_guid(const char *text, size_t length, char id[LOAD_ID_SIZE])
{
	hash128 hash = hash128_add(HASH128_START, text, length);
	unsigned char bytes[16];
	for (size_t i = 0; i < 16; i++)
		bytes[i] = (unsigned char)(hash >> (120 - 8 * i));
	stamp_guid(bytes, 8);
	write_guid(bytes, id);
}

/* Without an id a call that has to be repeated would make the event twice. */
static bool random_guid(char id[LOAD_ID_SIZE])
{
	unsigned char bytes[16];
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	stamp_guid(bytes, 4);
	write_guid(bytes, id);
	return true;
}

static bool find_id(const struct jsondoc *document, const json_t *node, char id[LOAD_ID_SIZE])
{
	char normal[EVENT_ID_LIMIT + 1];
	size_t length;
	bool is_guid = false;
	const char *text = json_string_value(node);
	if (json_is_integer(node)) {
		text = jsondoc_number(document, node, &length);
	} else if (json_is_string(node)) {
		length = json_string_length(node);
		if (event_id_normalize(text, length, normal, &length, &is_guid) && is_guid) {
			memcpy(id, normal, LOAD_ID_SIZE);
			return true;
		}
		length = json_string_length(node);
	} else {
		return random_guid(id);
	}
	derive_guid(text, length, id);
	return true;
}

static bool is_known(const char *name)
{
	for (size_t i = 0; i < sizeof(known_fields) / sizeof(known_fields[0]); i++)
		if (strcmp(known_fields[i], name) == 0)
			return true;
	return false;
}

static void write_event(struct load_source *source, const struct jsondoc *document, const char *id,
			struct buffer *event)
{
	struct jsonout json = JSONOUT_INIT(event);
	json_t *root = (json_t *)jsondoc_root(document);
	const char *name;
	json_t *value;
	jsonout_begin(&json, '{');
	jsonout_name(&json, "id");
	jsonout_text(&json, id);
	json_object_foreach(root, name, value)
	{
		if (json_is_null(value) || strcmp(name, "id") == 0)
			continue;
		if (!is_known(name)) {
			count_left_out(source, name);
			continue;
		}
		jsonout_name(&json, name);
		jsondoc_canonical(document, value, event);
		json.comma = true;
	}
	jsonout_end(&json, '}');
}

enum load_line load_source_next(struct load_source *source, struct buffer *event,
				char id[LOAD_ID_SIZE], uint64_t *number, struct weir_error *error)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	bool found;
	do {
		if (read_line(source, &found, error) != WEIR_OK)
			return LOAD_BROKEN;
	} while (found && is_blank(&source->line));
	*number = source->number;
	if (!found)
		return LOAD_END;
	if (source->line.length > LINE_LIMIT) {
		err_set(error, WEIR_INVALID, "the line is longer than %d bytes", LINE_LIMIT);
		return LOAD_BAD;
	}
	weir_status status =
		jsondoc_parse(source->line.data, source->line.length, &document, error);
	if (status != WEIR_OK)
		return status == WEIR_INVALID ? LOAD_BAD : LOAD_BROKEN;
	const json_t *root = jsondoc_root(document);
	if (!json_is_object(root)) {
		err_set(error, WEIR_INVALID, "it is JSON, but not an object");
		return LOAD_BAD;
	}
	if (!find_id(document, json_object_get(root, "id"), id)) {
		err_set(error, WEIR_SYSTEM, "the system gives no random bytes");
		return LOAD_BROKEN;
	}
	write_event(source, document, id, event);
	if (buffer_failed(event)) {
		err_no_memory(error);
		return LOAD_BROKEN;
	}
	return LOAD_EVENT;
}
