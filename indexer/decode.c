/* SPDX-License-Identifier: MIT */
#include "decode.h"

#include <pthread.h>
#include <string.h>

#include "letter.h"
#include "log.h"
#include "moment.h"

enum { TYPE_LIMIT = 64 };

struct type_log {
	pthread_mutex_t lock;
	char *names[TYPE_LIMIT]; /* logged already */
	size_t count;
};

struct type_log *type_log_create(void)
{
	struct type_log *types = calloc(1, sizeof(*types));
	if (types != NULL)
		pthread_mutex_init(&types->lock, NULL);
	return types;
}

void type_log_destroy(struct type_log *types)
{
	if (types == NULL)
		return;
	for (size_t i = 0; i < types->count; i++)
		free(types->names[i]);
	pthread_mutex_destroy(&types->lock);
	free(types);
}

/* True: it was not there, and is now. */
static bool add_type(struct type_log *types, const char *type)
{
	for (size_t i = 0; i < types->count; i++)
		if (strcmp(types->names[i], type) == 0)
			return false;
	if (types->count == TYPE_LIMIT)
		return false;
	char *copy = strdup(type);
	if (copy != NULL)
		types->names[types->count++] = copy;
	return true;
}

static void log_type_once(struct type_log *types, const char *type)
{
	pthread_mutex_lock(&types->lock);
	bool added = add_type(types, type);
	pthread_mutex_unlock(&types->lock);
	if (added)
		log_warning("passed_over", "type=%s reason=%s", LOG_TEXT(type),
			    LOG_TEXT("the schema does not name this type of message, or has it "
				     "ignored"));
}

weir_status item_reject(struct item *item, const char *reason, struct weir_error *error)
{
	item->outcome = ITEM_DEAD_LETTER;
	if (item->letter != NULL)
		return WEIR_OK;
	item->letter = malloc(sizeof(*item->letter));
	if (item->letter == NULL)
		return err_no_memory(error);
	deadletter_init(item->letter, item->message, reason);
	log_warning("dead_letter", "topic=%s partition=%d offset=%lld reason=%s",
		    rd_kafka_topic_name(item->message->rkt), item->message->partition,
		    (long long)item->message->offset, LOG_TEXT(reason));
	return WEIR_OK;
}

static weir_status read_headers(struct batch *batch, const rd_kafka_message_t *message,
				size_t *count, struct weir_error *error)
{
	rd_kafka_headers_t *source = NULL;
	*count = 0;
	if (rd_kafka_message_headers(message, &source) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return WEIR_OK;
	size_t total = rd_kafka_header_cnt(source);
	if (total > batch->header_capacity) {
		struct event_header *headers = realloc(batch->headers, total * sizeof(*headers));
		if (headers == NULL)
			return err_no_memory(error);
		batch->headers = headers;
		batch->header_capacity = total;
	}
	for (size_t i = 0; i < total; i++) {
		struct event_header *header = &batch->headers[*count];
		if (rd_kafka_header_get_all(source, i, &header->name, &header->value,
					    &header->length) == RD_KAFKA_RESP_ERR_NO_ERROR)
			++*count;
	}
	return WEIR_OK;
}

/* Of a dead letter that was replayed, the first message's timestamp decides its order; its own is
 * that of the replay. Microseconds. */
static int64_t order_timestamp(int64_t own, const struct event_header *headers, size_t count)
{
	bool replayed = false;
	int64_t found = own;
	for (size_t i = 0; i < count; i++) {
		char text[24], *end;
		replayed = replayed || strcmp(headers[i].name, LETTER_REPLAYED) == 0;
		if (strcmp(headers[i].name, LETTER_ORIGINAL_TIMESTAMP) != 0 ||
		    headers[i].value == NULL || headers[i].length >= sizeof(text))
			continue;
		memcpy(text, headers[i].value, headers[i].length);
		text[headers[i].length] = '\0';
		long long milliseconds = strtoll(text, &end, 10);
		if (end != text && *end == '\0')
			found = milliseconds < 0 ? INT64_MIN : moment_of_milliseconds(milliseconds);
	}
	return replayed ? found : own;
}

static weir_status decode_item(struct batch *batch, struct type_log *types, struct item *item,
			       struct weir_error *error)
{
	const rd_kafka_message_t *from = item->message;
	rd_kafka_timestamp_type_t type;
	int64_t milliseconds = rd_kafka_message_timestamp(from, &type);
	struct event_message message = {
		.topic = rd_kafka_topic_name(from->rkt),
		.partition = from->partition,
		.offset = from->offset,
		.timestamp = milliseconds < 0 ? INT64_MIN : moment_of_milliseconds(milliseconds),
		.key = from->key,
		.key_length = from->key_len,
		.value = from->payload,
		.value_length = from->len,
	};
	weir_status status = read_headers(batch, from, &message.header_count, error);
	message.headers = batch->headers;
	message.timestamp =
		order_timestamp(message.timestamp, message.headers, message.header_count);
	enum event_outcome outcome = EVENT_CHANGE;
	const char *unknown_type = NULL;
	item->change = NULL;
	if (status == WEIR_OK)
		status = event_decode(batch->decoder, &message, &outcome, &item->change,
				      &unknown_type, error);
	if (status != WEIR_OK)
		return status;
	item->outcome = ITEM_UNCHANGED;
	if (outcome == EVENT_DEAD_LETTER)
		return item_reject(item, error->message, error);
	if (outcome == EVENT_PASSED_OVER) {
		item->outcome = ITEM_PASSED_OVER;
		log_type_once(types, unknown_type);
	}
	return WEIR_OK;
}

weir_status batch_decode(struct batch *batch, struct type_log *types, size_t from, size_t to,
			 struct weir_error *error)
{
	for (size_t i = from; i < to; i++) {
		struct item *item = &batch->items[i];
		if (item->decoded)
			continue;
		/* One that became a dead letter is never read again. */
		weir_status status =
			item->letter != NULL ? WEIR_OK : decode_item(batch, types, item, error);
		if (status != WEIR_OK)
			return status;
		item->decoded = true;
	}
	return WEIR_OK;
}
