/* SPDX-License-Identifier: MIT
 * manifest.c - a line for each thing: its name, a space, its value. The last line is the checksum
 * of those before. */
#include "manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "error.h"
#include "folder.h"

#define NAME "manifest"
#define NAME_BESIDE "manifest.new"
#define SIZE_LIMIT (64U << 20)
#define CHECKSUM_LINE "checksum "
#define CHECKSUM_LENGTH (sizeof(CHECKSUM_LINE) - 1 + 16 + 1)

static const char *const state_names[] = {"fresh", "filled", "sealed"};

void manifest_finish(struct manifest *manifest)
{
	free(manifest->segments);
	bytes_finish(&manifest->positions);
	*manifest = (struct manifest){0};
}

bool manifest_add(struct manifest *manifest, const struct segment *segment)
{
	struct segment *segments = array_grow(manifest->segments, manifest->segment_count,
					      &manifest->segment_capacity, sizeof(*segments));
	if (segments == NULL)
		return false;
	manifest->segments = segments;
	size_t place = manifest->segment_count++;
	for (; place > 0 && segments[place - 1].first_chunk > segment->first_chunk; place--)
		segments[place] = segments[place - 1];
	segments[place] = *segment;
	return true;
}

void boot_id_read(char out[37])
{
	int descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t length = descriptor >= 0 ? read(descriptor, out, 36) : 0;
	if (descriptor >= 0)
		close(descriptor);
	out[length == 36 ? 36 : 0] = '\0';
}

weir_status uuid_make(char out[33], struct weir_error *error)
{
	unsigned char random[16];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return error_set(error, WEIR_RETRY, "xapian: no random bytes can be had (%s)",
				 strerror(errno));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(out + 2 * i, 3, "%02x", random[i]);
	return WEIR_OK;
}

/* Reading */

struct lines {
	char *at, *end; /* cut at the line ends */
};

/* The value of the next line, which has that name; NULL: it has not. */
static char *next_value(struct lines *lines, const char *name)
{
	size_t length = strlen(name);
	char *line = lines->at;
	char *stop = line < lines->end ? memchr(line, '\n', (size_t)(lines->end - line)) : NULL;
	if (stop == NULL || (size_t)(stop - line) <= length || memcmp(line, name, length) != 0 ||
	    line[length] != ' ')
		return NULL;
	*stop = '\0';
	lines->at = stop + 1;
	return line + length + 1;
}

static bool read_number(struct lines *lines, const char *name, uint64_t most, uint64_t *number)
{
	const char *value = next_value(lines, name);
	char *end = NULL;
	if (value == NULL || value[0] < '0' || value[0] > '9')
		return false;
	errno = 0;
	uint64_t read = strtoull(value, &end, 10);
	if (errno != 0 || *end != '\0' || read > most)
		return false;
	*number = read;
	return true;
}

static bool read_text(struct lines *lines, const char *name, char *out, size_t capacity)
{
	const char *value = next_value(lines, name);
	size_t length = value != NULL ? strlen(value) : capacity;
	if (length >= capacity)
		return false;
	memcpy(out, value, length + 1);
	return true;
}

static bool read_segment(struct lines *lines, struct manifest *manifest)
{
	struct segment segment = {0};
	char state[16];
	const char *value = next_value(lines, "segment");
	if (value == NULL || sscanf(value, "%" SCNu32 " %15s %" SCNu32 " %" SCNu32, &segment.number,
				    state, &segment.first_chunk, &segment.last_chunk) != 4)
		return false;
	for (size_t i = 0; i < 3; i++)
		if (strcmp(state, state_names[i]) == 0) {
			segment.state = (enum segment_state)i;
			return manifest_add(manifest, &segment);
		}
	return false;
}

static int digit(char byte)
{
	return byte >= '0' && byte <= '9'   ? byte - '0'
	       : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
					    : -1;
}

static bool read_positions(struct lines *lines, struct bytes *positions)
{
	const char *value = next_value(lines, "positions");
	if (value == NULL || *value++ != '-')
		return false;
	for (; value[0] != '\0'; value += 2) {
		int high = digit(value[0]), low = high < 0 ? -1 : digit(value[1]);
		if (low < 0)
			return false;
		char byte = (char)((unsigned)high << 4 | (unsigned)low);
		if (!bytes_append(positions, &byte, 1))
			return false;
	}
	return true;
}

static bool read_lines(struct lines *lines, struct manifest *manifest)
{
	uint64_t clean = 0, checkpoint = 0, next = 0, limit = 0, segments = 0;
	bool good =
		read_number(lines, "number", UINT64_MAX, &manifest->number) &&
		read_text(lines, "uuid", manifest->uuid, sizeof(manifest->uuid)) &&
		read_text(lines, "schema", manifest->fingerprint, sizeof(manifest->fingerprint)) &&
		read_text(lines, "boot", manifest->boot_id, sizeof(manifest->boot_id)) &&
		read_number(lines, "clean", 1, &clean) &&
		read_number(lines, "checkpoint", UINT32_MAX, &checkpoint) &&
		read_number(lines, "block", UINT64_MAX, &manifest->block) &&
		read_number(lines, "log", UINT64_MAX, &manifest->log_place) &&
		read_number(lines, "chain", UINT64_MAX, &manifest->log_checksum) &&
		read_number(lines, "names", UINT64_MAX, &manifest->names_length) &&
		read_number(lines, "live", UINT64_MAX, &manifest->live) &&
		read_number(lines, "hidden", UINT64_MAX, &manifest->hidden) &&
		read_number(lines, "docids", UINT32_MAX, &limit) &&
		read_number(lines, "next", UINT32_MAX, &next) &&
		read_number(lines, "segments", UINT32_MAX, &segments);
	for (uint64_t i = 0; i < segments && good; i++)
		good = read_segment(lines, manifest);
	manifest->is_clean = clean != 0;
	manifest->checkpoint = (uint32_t)checkpoint;
	manifest->next_segment = (uint32_t)next;
	manifest->docid_limit = (uint32_t)limit;
	return good && read_positions(lines, &manifest->positions);
}

/* Whether the text ends with its own checksum. */
static bool has_checksum(const char *text, size_t length)
{
	if (length < CHECKSUM_LENGTH)
		return false;
	char line[CHECKSUM_LENGTH + 1];
	size_t before = length - CHECKSUM_LENGTH;
	snprintf(line, sizeof(line), CHECKSUM_LINE "%016" PRIx64 "\n", hash_bytes(0, text, before));
	return memcmp(text + before, line, CHECKSUM_LENGTH) == 0;
}

static weir_status parse(struct manifest *manifest, const char *folder, struct bytes *text,
			 struct weir_error *error)
{
	struct lines lines = {text->data, text->data + text->length};
	uint64_t format = 0;
	bool whole = has_checksum(text->data, text->length);
	if (!whole || !read_number(&lines, "format", UINT32_MAX, &format))
		return error_set(error, WEIR_FATAL,
				 "xapian: %s/" NAME " is damaged, or is not of this program; weir "
				 "rebuild makes a new index",
				 folder);
	if (format != MANIFEST_FORMAT)
		return error_set(error, WEIR_FATAL,
				 "xapian: the index at %s has format %" PRIu64
				 ", this plug-in reads %d; weir rebuild makes a new one, or use "
				 "the plug-in that wrote it",
				 folder, format, MANIFEST_FORMAT);
	if (!read_lines(&lines, manifest))
		return error_set(error, WEIR_FATAL,
				 "xapian: %s/" NAME " cannot be understood, or there is no memory; "
				 "weir rebuild makes a new index",
				 folder);
	return WEIR_OK;
}

static weir_status read_all(const char *folder, struct bytes *text, struct weir_error *error)
{
	struct file file = FILE_CLOSED;
	uint64_t size = 0;
	weir_status status = file_open(&file, folder, NAME, O_RDONLY, error);
	if (status == WEIR_OK)
		status = file_size(&file, &size, error);
	if (status == WEIR_OK && size > SIZE_LIMIT)
		status = error_set(error, WEIR_FATAL,
				   "xapian: %s/" NAME " is too large to be one; weir rebuild makes "
				   "a new index",
				   folder);
	if (status == WEIR_OK && size > 0) {
		text->data = malloc((size_t)size);
		text->capacity = text->data != NULL ? (size_t)size : 0;
		status = text->data != NULL ? file_read(&file, 0, text->data, (size_t)size,
							&text->length, error)
					    : error_no_memory(error);
	}
	file_close(&file);
	return status;
}

weir_status manifest_read(struct manifest *manifest, const char *folder, struct weir_error *error)
{
	struct bytes text = {0};
	struct manifest read = {0};
	weir_status status = read_all(folder, &text, error);
	if (status == WEIR_OK)
		status = parse(&read, folder, &text, error);
	bytes_finish(&text);
	if (status != WEIR_OK)
		manifest_finish(&read);
	else
		*manifest = read;
	return status;
}

weir_status manifest_check(const struct manifest *manifest, const char *folder,
			   const char *collection, const char *fingerprint,
			   struct weir_error *error)
{
	if (strcmp(manifest->fingerprint, fingerprint) == 0)
		return WEIR_OK;
	return error_set(
		error, WEIR_FATAL,
		"xapian: the index at %s was built for schema %.40s, %s is now %.40s; weir "
		"rebuild makes a new one, or use the old schema",
		folder, manifest->fingerprint, collection, fingerprint);
}

/* Writing */

static bool print(struct bytes *out, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

static bool print(struct bytes *out, const char *format, ...)
{
	char line[256];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	return length >= 0 && (size_t)length < sizeof(line) &&
	       bytes_append(out, line, (size_t)length);
}

static bool print_positions(struct bytes *out, const struct bytes *positions)
{
	bool good = print(out, "positions -");
	for (size_t i = 0; i < positions->length && good; i++)
		good = print(out, "%02x", (unsigned)(unsigned char)positions->data[i]);
	return good && print(out, "\n");
}

static bool print_all(struct bytes *out, const struct manifest *manifest)
{
	bool good = print(out, "format %d\nnumber %" PRIu64 "\nuuid %s\n", MANIFEST_FORMAT,
			  manifest->number, manifest->uuid) &&
		    print(out, "schema %s\n", manifest->fingerprint) &&
		    print(out, "boot %s\nclean %d\ncheckpoint %" PRIu32 "\n", manifest->boot_id,
			  manifest->is_clean, manifest->checkpoint) &&
		    print(out, "block %" PRIu64 "\nlog %" PRIu64 "\nchain %" PRIu64 "\n",
			  manifest->block, manifest->log_place, manifest->log_checksum) &&
		    print(out, "names %" PRIu64 "\nlive %" PRIu64 "\nhidden %" PRIu64 "\n",
			  manifest->names_length, manifest->live, manifest->hidden) &&
		    print(out, "docids %" PRIu32 "\nnext %" PRIu32 "\nsegments %zu\n",
			  manifest->docid_limit, manifest->next_segment, manifest->segment_count);
	for (size_t i = 0; i < manifest->segment_count && good; i++) {
		const struct segment *segment = &manifest->segments[i];
		good = print(out, "segment %" PRIu32 " %s %" PRIu32 " %" PRIu32 "\n",
			     segment->number, state_names[segment->state], segment->first_chunk,
			     segment->last_chunk);
	}
	good = good && print_positions(out, &manifest->positions);
	return good &&
	       print(out, CHECKSUM_LINE "%016" PRIx64 "\n", hash_bytes(0, out->data, out->length));
}

static weir_status put_in_place(const char *folder, struct weir_error *error)
{
	char *beside = file_path(folder, NAME_BESIDE), *name = file_path(folder, NAME);
	weir_status status = WEIR_OK;
	if (beside == NULL || name == NULL)
		status = error_no_memory(error);
	else if (rename(beside, name) != 0)
		status = file_failed("put in place", name, errno, error);
	free(beside);
	free(name);
	return status == WEIR_OK ? folder_sync(folder, error) : status;
}

weir_status manifest_write(const struct manifest *manifest, const char *folder,
			   struct weir_error *error)
{
	struct bytes text = {0};
	struct file file = FILE_CLOSED;
	weir_status status = print_all(&text, manifest) ? WEIR_OK : error_no_memory(error);
	if (status == WEIR_OK)
		status = file_open(&file, folder, NAME_BESIDE, O_WRONLY | O_CREAT | O_TRUNC, error);
	if (status == WEIR_OK)
		status = file_write(&file, 0, text.data, text.length, error);
	if (status == WEIR_OK)
		status = file_sync(&file, error);
	file_close(&file);
	bytes_finish(&text);
	return status == WEIR_OK ? put_in_place(folder, error) : status;
}
