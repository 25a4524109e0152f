/* SPDX-License-Identifier: MIT
 * head.c - the document with the positions and the newest commit's name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "instance.h"

void head_finish(struct head *head)
{
	json_decref(head->source);
	*head = (struct head){0};
}

/* Another number for every write of the head, in every life of the index. */
static uint64_t generation_of(const json_t *document, const char *life)
{
	json_int_t numbers[] = {
		json_integer_value(json_object_get(document, "_seq_no")),
		json_integer_value(json_object_get(document, "_primary_term")),
	};
	uint64_t hash = hash64_add(HASH64_START, life, strlen(life));
	return hash64_add(hash, numbers, sizeof(numbers));
}

weir_status head_read(const struct weir_instance *instance, struct connection *connection,
		      const char *life, bool realtime, struct head *head, struct weir_error *error)
{
	struct answer answer;
	char path[1100];
	snprintf(path, sizeof(path), "%.900s/_doc/%s%s?realtime=%s&preference=%s",
		 instance->index.path.data, HEAD_PREFIX, life, realtime ? "true" : "false",
		 instance->preference);
	weir_status status = connection_call(connection, "GET", path, NULL, &answer, error);
	if (status != WEIR_OK)
		return status;
	const json_t *source = json_object_get(json_object_get(answer.json, "_source"), "head");
	if (answer_is_good(&answer) && json_is_object(source)) {
		head->source = json_incref((json_t *)source);
		head->generation = generation_of(answer.json, life);
	} else if (json_is_false(json_object_get(answer.json, "found"))) {
		status = error_set(error, WEIR_RETRY,
				   "opensearch: the index %.200s is only being created; wait for "
				   "the indexer",
				   instance->index.name);
	} else {
		status = answer_failed(&answer, path, error);
	}
	answer_finish(&answer);
	return status;
}

/* What names a position: none of its three parts has a slash in this form. */
static bool position_key(const struct weir_position *position, struct text *key)
{
	char number[16];
	int length = snprintf(number, sizeof(number), "/%d", (int)position->partition);
	text_clear(key);
	text_percent(key, position->cluster, strlen(position->cluster));
	text_append(key, "/", 1);
	text_percent(key, position->topic, strlen(position->topic));
	text_append(key, number, (size_t)length);
	return !key->failed;
}

static bool add_position(json_t *positions, const struct weir_position *position, struct text *key)
{
	if (!position_key(position, key))
		return false;
	json_t *value = json_pack("{s:s, s:s, s:s, s:I, s:I}", "cluster", position->cluster,
				  "topic", position->topic, "topic_id", position->topic_id,
				  "partition", (json_int_t)position->partition, "next_offset",
				  (json_int_t)position->next_offset);
	return value != NULL &&
	       json_object_setn_new_nocheck(positions, key->data, key->length, value) == 0;
}

/* OpenSearch merges objects, so other positions stay, also those that other writers put in. */
static bool update_body(const char *stamp, const struct weir_position *const *positions,
			size_t count, struct text *out)
{
	struct text key = {0};
	json_t *members = json_object();
	bool good = members != NULL;
	for (size_t i = 0; i < count && good; i++)
		good = add_position(members, positions[i], &key);
	text_finish(&key);
	json_t *head = good ? json_pack("{s:O}", "positions", members) : NULL;
	json_decref(members);
	good = head != NULL &&
	       (stamp == NULL || json_object_set_new(head, "commit", json_string(stamp)) == 0);
	json_t *body = good ? json_pack("{s:{s:O}}", "doc", "head", head) : NULL;
	json_decref(head);
	char *line = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	text_clear(out);
	if (line != NULL)
		text_add(out, line);
	free(line);
	return line != NULL && !out->failed;
}

weir_status head_write(struct weir_instance *instance, const char *stamp,
		       const struct weir_position *const *positions, size_t count,
		       struct weir_error *error)
{
	struct answer answer;
	char path[1100];
	snprintf(path, sizeof(path), "%.900s/_update/%s%s?refresh=true&retry_on_conflict=100%s",
		 instance->index.writes.data, HEAD_PREFIX, instance->index.life,
		 instance->index.required.data);
	if (!update_body(stamp, positions, count, &instance->body))
		return error_no_memory(error);
	weir_status status = connection_call(instance->connection, "POST", path, &instance->body,
					     &answer, error);
	if (status != WEIR_OK)
		return status;
	if (answer.status == 404)
		status = index_gone(instance, error);
	else if (!answer_is_good(&answer))
		status = answer_failed(&answer, path, error);
	answer_finish(&answer);
	return status;
}

static const char *text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

weir_status head_each_position(const struct head *head, weir_on_position on_position, void *context,
			       struct weir_error *error)
{
	const char *key;
	json_t *value;
	(void)error;
	json_object_foreach(json_object_get(head->source, "positions"), key, value)
	{
		struct weir_position position = {
			.cluster = text_in(value, "cluster"),
			.topic = text_in(value, "topic"),
			.topic_id = text_in(value, "topic_id"),
			.partition =
				(int32_t)json_integer_value(json_object_get(value, "partition")),
			.next_offset = json_integer_value(json_object_get(value, "next_offset")),
		};
		if (on_position(context, &position) != 0)
			break;
	}
	return WEIR_OK;
}
