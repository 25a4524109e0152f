/* SPDX-License-Identifier: MIT */
#include "positions.h"

#include <string.h>

void positions_finish(struct positions *positions)
{
	for (size_t i = 0; i < positions->count; i++) {
		free(positions->entries[i].cluster);
		free(positions->entries[i].topic);
		free(positions->entries[i].topic_id);
	}
	free(positions->entries);
	*positions = (struct positions)POSITIONS_INIT;
}

const struct positions_entry *positions_find(const struct positions *positions, const char *cluster,
					     const char *topic, int32_t partition)
{
	for (size_t i = 0; i < positions->count; i++) {
		const struct positions_entry *entry = &positions->entries[i];
		if (entry->partition == partition && strcmp(entry->topic, topic) == 0 &&
		    strcmp(entry->cluster, cluster) == 0)
			return entry;
	}
	return NULL;
}

static bool grow(struct positions *positions)
{
	if (positions->count < positions->capacity)
		return true;
	size_t capacity = positions->capacity == 0 ? 16 : 2 * positions->capacity;
	struct positions_entry *entries = realloc(positions->entries, capacity * sizeof(*entries));
	if (entries == NULL)
		return false;
	positions->entries = entries;
	positions->capacity = capacity;
	return true;
}

int positions_add(void *context, const struct weir_position *position)
{
	struct positions *positions = context;
	const struct positions_entry *known =
		positions_find(positions, position->cluster, position->topic, position->partition);
	char *topic_id = strdup(position->topic_id);
	if (known != NULL && topic_id != NULL) {
		struct positions_entry *entry = &positions->entries[known - positions->entries];
		free(entry->topic_id);
		entry->topic_id = topic_id;
		entry->next_offset = position->next_offset;
		return 0;
	}
	struct positions_entry made = {strdup(position->cluster), strdup(position->topic), topic_id,
				       position->partition, position->next_offset};
	if (made.cluster == NULL || made.topic == NULL || topic_id == NULL || !grow(positions)) {
		free(made.cluster);
		free(made.topic);
		free(topic_id);
		positions->failed = true;
		return 1;
	}
	positions->entries[positions->count++] = made;
	return 0;
}

static bool is_read(const struct schema *schema, const char *topic)
{
	for (size_t i = 0; i < schema->message_count; i++)
		if (strcmp(schema->messages[i].topic, topic) == 0)
			return true;
	return false;
}

const struct positions_entry *positions_behind(const struct positions *have,
					       const struct positions *wanted,
					       const struct schema *schema)
{
	for (size_t i = 0; i < wanted->count; i++) {
		const struct positions_entry *entry = &wanted->entries[i];
		if (!is_read(schema, entry->topic))
			continue;
		const struct positions_entry *mine =
			positions_find(have, entry->cluster, entry->topic, entry->partition);
		if (mine == NULL ? entry->next_offset > 0 : mine->next_offset < entry->next_offset)
			return entry;
	}
	return NULL;
}
