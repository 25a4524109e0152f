/* SPDX-License-Identifier: MIT */
#include "follow.h"

#include <curl/curl.h>
#include <string.h>

#include "buffer.h"
#include "json.h"

enum { ANSWER_LIMIT = 8 << 20, CONNECT_MS = 500, ANSWER_MS = 2000 };

struct delivery {
	const char *topic;
	int32_t partition;
	int64_t offset;
	size_t bytes;
};

struct follow {
	char *url;
	size_t limit;
	CURL *curl;
	struct buffer answer;
	struct arena arena; /* of positions */
	struct outbox_position *positions;
	size_t position_count;
	struct delivery *deliveries; /* the index has not read them */
	size_t delivery_count, delivery_capacity;
	size_t bytes;
};

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
	struct buffer *answer = context;
	if (answer->length + size * count > ANSWER_LIMIT)
		return 0;
	buffer_append(answer, bytes, size * count);
	return buffer_failed(answer) ? 0 : size * count;
}

struct follow *follow_create(const char *url, size_t limit)
{
	struct follow *follow = calloc(1, sizeof(*follow));
	if (follow == NULL)
		return NULL;
	size_t length = strlen(url);
	while (length > 0 && url[length - 1] == '/')
		length--;
	follow->limit = limit;
	follow->curl = curl_easy_init();
	if (asprintf(&follow->url, "%.*s/api/ingest/positions", (int)length, url) < 0)
		follow->url = NULL;
	if (follow->url == NULL || follow->curl == NULL) {
		follow_destroy(follow);
		return NULL;
	}
	curl_easy_setopt(follow->curl, CURLOPT_URL, follow->url);
	curl_easy_setopt(follow->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(follow->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(follow->curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(follow->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(follow->curl, CURLOPT_TIMEOUT_MS, (long)ANSWER_MS);
	curl_easy_setopt(follow->curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(follow->curl, CURLOPT_WRITEDATA, &follow->answer);
	return follow;
}

void follow_destroy(struct follow *follow)
{
	if (follow == NULL)
		return;
	curl_easy_cleanup(follow->curl);
	buffer_finish(&follow->answer);
	arena_finish(&follow->arena);
	free(follow->deliveries);
	free(follow->url);
	free(follow);
}

static weir_status unexpected(const struct follow *follow, const char *what,
			      struct weir_error *error)
{
	return err_set(error, WEIR_AWAY, "%s: the answer is not one of Weir's indexer: %s",
		       follow->url, what);
}

static bool read_integer(const struct jsondoc *document, const json_t *node, int64_t *value)
{
	if (!json_is_integer(node))
		return false;
	char *end;
	*value = strtoll(jsondoc_number(document, node, NULL), &end, 10);
	return *end == '\0';
}

static bool read_position(struct follow *follow, const struct jsondoc *document, const json_t *node,
			  struct outbox_position *position)
{
	const json_t *cluster = json_object_get(node, "cluster");
	const json_t *topic = json_object_get(node, "topic");
	const json_t *known = json_object_get(node, "position");
	int64_t partition;
	position->position = 0;
	if (!json_is_string(cluster) || !json_is_string(topic) ||
	    !read_integer(document, json_object_get(node, "partition"), &partition) ||
	    (!json_is_null(known) && !read_integer(document, known, &position->position)))
		return false;
	position->partition = (int32_t)partition;
	position->cluster =
		arena_copy(&follow->arena, json_string_value(cluster), json_string_length(cluster));
	position->topic =
		arena_copy(&follow->arena, json_string_value(topic), json_string_length(topic));
	return position->cluster != NULL && position->topic != NULL;
}

static weir_status read_answer(struct follow *follow, struct weir_error *error)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	weir_status status = jsondoc_parse(follow->answer.data != NULL ? follow->answer.data : "",
					   follow->answer.length, &document, error);
	if (status != WEIR_OK)
		return status == WEIR_INVALID ? unexpected(follow, "no JSON", error) : status;
	const json_t *list = json_object_get(jsondoc_root(document), "positions");
	if (!json_is_array(list))
		return unexpected(follow, "no positions", error);
	arena_reset(&follow->arena);
	follow->position_count = 0;
	follow->positions = arena_allocate(&follow->arena, (json_array_size(list) + 1) *
								   sizeof(*follow->positions));
	if (follow->positions == NULL)
		return err_no_memory(error);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct outbox_position *position = &follow->positions[follow->position_count];
		if (!read_position(follow, document, json_array_get(list, i), position))
			return unexpected(follow, "a position is incomplete", error);
		follow->position_count++;
	}
	return WEIR_OK;
}

static int64_t position_of(const struct follow *follow, const char *cluster,
			   const struct delivery *delivery)
{
	for (size_t i = 0; i < follow->position_count; i++) {
		const struct outbox_position *position = &follow->positions[i];
		if (position->partition == delivery->partition &&
		    strcmp(position->topic, delivery->topic) == 0 &&
		    strcmp(position->cluster, cluster) == 0)
			return position->position;
	}
	return 0;
}

static void let_go(struct follow *follow, const char *cluster)
{
	size_t kept = 0;
	follow->bytes = 0;
	for (size_t i = 0; i < follow->delivery_count; i++) {
		struct delivery *delivery = &follow->deliveries[i];
		if (delivery->offset < position_of(follow, cluster, delivery))
			continue;
		follow->bytes += delivery->bytes;
		follow->deliveries[kept++] = *delivery;
	}
	follow->delivery_count = kept;
}

weir_status follow_fetch(struct follow *follow, const char *cluster, struct weir_error *error)
{
	buffer_clear(&follow->answer);
	CURLcode code = curl_easy_perform(follow->curl);
	if (code != CURLE_OK)
		return err_set(error, WEIR_AWAY, "%s: %s", follow->url, curl_easy_strerror(code));
	weir_status status = read_answer(follow, error);
	if (status == WEIR_OK)
		let_go(follow, cluster);
	return status;
}

const struct outbox_position *follow_positions(const struct follow *follow, size_t *count)
{
	*count = follow->position_count;
	return follow->positions;
}

void follow_delivered(struct follow *follow, const char *topic, int32_t partition, int64_t offset,
		      size_t bytes)
{
	if (follow->delivery_count == follow->delivery_capacity) {
		size_t capacity =
			follow->delivery_capacity == 0 ? 256 : 2 * follow->delivery_capacity;
		struct delivery *deliveries =
			realloc(follow->deliveries, capacity * sizeof(*deliveries));
		if (deliveries == NULL)
			return;
		follow->deliveries = deliveries;
		follow->delivery_capacity = capacity;
	}
	follow->deliveries[follow->delivery_count++] =
		(struct delivery){topic, partition, offset, bytes};
	follow->bytes += bytes;
}

size_t follow_room(const struct follow *follow, size_t inflight)
{
	size_t used = follow->bytes + inflight;
	return used < follow->limit ? follow->limit - used : 0;
}

bool follow_waits(const struct follow *follow)
{
	return follow->delivery_count > 0;
}
