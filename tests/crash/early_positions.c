/* SPDX-License-Identifier: MIT
 * A plug-in that is wrong in one way: it stores the positions before it commits the documents, in
 * the file WEIR_EARLY_FILE. For all else it is the plug-in WEIR_EARLY_PLUGIN. The torture must find
 * it. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weir/backend.h"

enum { LIMIT = 64 };

static struct weir_operations operations;
static const struct weir_operations *inner;
static struct weir_position known[LIMIT];
static size_t known_count;

/* Positions live as long as the process: their texts are never freed. */
static void keep(const struct weir_position *position)
{
	size_t i = 0;
	while (i < known_count && (known[i].partition != position->partition ||
				   strcmp(known[i].topic, position->topic) != 0 ||
				   strcmp(known[i].cluster, position->cluster) != 0))
		i++;
	if (i == LIMIT)
		abort();
	if (i == known_count) {
		known[i] = *position;
		known[i].cluster = strdup(position->cluster);
		known[i].topic = strdup(position->topic);
		known_count++;
	}
	known[i].topic_id = strdup(position->topic_id);
	known[i].next_offset = position->next_offset;
}

static weir_status early_commit(weir_instance *instance,
				const struct weir_position *const *positions, size_t count,
				struct weir_error *error)
{
	char part[4096];
	const char *path = getenv("WEIR_EARLY_FILE");
	for (size_t i = 0; i < count; i++)
		keep(positions[i]);
	snprintf(part, sizeof(part), "%s.part", path);
	FILE *file = fopen(part, "w");
	if (file == NULL)
		abort();
	for (size_t i = 0; i < known_count; i++)
		fprintf(file, "%s %s %d %lld %s\n", known[i].cluster, known[i].topic,
			known[i].partition, (long long)known[i].next_offset, known[i].topic_id);
	if (fclose(file) != 0 || rename(part, path) != 0)
		abort();
	usleep(20000); /* so that a kill is likely to fall between */
	return inner->commit(instance, positions, count, error);
}

static weir_status early_positions(weir_instance *instance, weir_on_position on_position,
				   void *context, struct weir_error *error)
{
	char cluster[256], topic[256], topic_id[256], line[1024];
	struct weir_position position = {.cluster = cluster, .topic = topic, .topic_id = topic_id};
	long long offset;
	FILE *file = fopen(getenv("WEIR_EARLY_FILE"), "r");
	if (file == NULL)
		return inner->positions(instance, on_position, context, error);
	while (fgets(line, sizeof(line), file) != NULL) {
		topic_id[0] = '\0';
		if (sscanf(line, "%255s %255s %d %lld %255s", cluster, topic, &position.partition,
			   &offset, topic_id) < 4)
			abort();
		position.next_offset = offset;
		keep(&position);
		if (on_position(context, &position) != 0)
			break;
	}
	fclose(file);
	return WEIR_OK;
}

WEIR_EXPORT const struct weir_manifest *weir_backend_manifest(void);
WEIR_EXPORT const struct weir_manifest *weir_backend_manifest(void)
{
	static struct weir_manifest manifest;
	const char *path = getenv("WEIR_EARLY_PLUGIN");
	void *plugin = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
	weir_manifest_function ask =
		plugin != NULL ? (weir_manifest_function)dlsym(plugin, WEIR_MANIFEST_SYMBOL) : NULL;
	if (ask == NULL)
		return NULL;
	manifest = *ask();
	inner = manifest.operations;
	memcpy(&operations, inner,
	       inner->size < sizeof(operations) ? inner->size : sizeof(operations));
	operations.commit = early_commit;
	operations.positions = early_positions;
	manifest.operations = &operations;
	return &manifest;
}
