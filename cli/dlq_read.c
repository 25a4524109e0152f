/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "dlq.h"
#include "kafka.h"
#include "letter.h"
#include "moment.h"

enum { ANSWER_MS = 10000, SILENCE_MS = 30000, POLL_MS = 500, LOOK_MS = 100, HEADER_SIZE = 512 };
#define PATIENCE INT64_C(5000000)

const char *const letter_state_names[LETTER_STATE_COUNT] = {"open", "replayed", "dropped"};

bool letter_header(const rd_kafka_message_t *message, const char *name, char *text, size_t size)
{
	rd_kafka_headers_t *headers;
	const void *value;
	size_t length;
	if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
	    rd_kafka_header_get_last(headers, name, &value, &length) !=
		    RD_KAFKA_RESP_ERR_NO_ERROR ||
	    value == NULL)
		return false;
	if (length > size - 1)
		length = size - 1;
	memcpy(text, value, length);
	text[length] = '\0';
	return true;
}

static bool header_number(const rd_kafka_message_t *message, const char *name, int64_t *number)
{
	char text[32], *end;
	if (!letter_header(message, name, text, sizeof(text)))
		return false;
	*number = strtoll(text, &end, 10);
	return end != text && *end == '\0';
}

void letter_address(const struct dlq *dlq, const struct letter *letter, char *text, size_t size)
{
	snprintf(text, size, "%s/%" PRId32 "/%" PRId64, dlq->topic, letter->partition,
		 letter->offset);
}

static weir_status connect_brokers(const struct config *config, rd_kafka_t **client,
				   struct weir_error *error)
{
	static const char *const settings[][2] = {
		/* Never joined: librdkafka wants a name although partitions are assigned. */
		{"group.id", "weir-dlq"},
		{"enable.auto.commit", "false"},
		{"auto.offset.reset", "earliest"},
		{"enable.partition.eof", "true"},
		{"allow.auto.create.topics", "false"},
	};
	rd_kafka_conf_t *conf;
	char reason[300];
	weir_status status = kafka_configure(config, "dlq", &conf, error);
	if (status != WEIR_OK)
		return status;
	for (size_t i = 0; status == WEIR_OK && i < sizeof(settings) / sizeof(settings[0]); i++)
		status = kafka_set(conf, settings[i][0], settings[i][1], error);
	if (status == WEIR_OK)
		status = kafka_set_default(config, conf, "queued.max.messages.kbytes", "16384",
					   error);
	if (status == WEIR_OK)
		*client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
	else
		*client = NULL;
	if (*client == NULL) {
		rd_kafka_conf_destroy(conf);
		return status != WEIR_OK ? status
					 : err_set(error, WEIR_INVALID, "librdkafka: %s", reason);
	}
	rd_kafka_poll_set_consumer(*client);
	return WEIR_OK;
}

static void disconnect(rd_kafka_t **client)
{
	if (*client == NULL)
		return;
	rd_kafka_consumer_close(*client);
	rd_kafka_destroy(*client);
}
#define CLIENT_SCOPED WEIR_CLEANUP(disconnect)

/* Reads from the given offsets on until each partition's end, or until on_message has enough. */
typedef weir_status (*on_record)(void *context, const rd_kafka_message_t *message, bool *enough,
				 struct weir_error *error);
static weir_status read_on(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *from,
			   on_record on_message, void *context, struct weir_error *error)
{
	int open = from->cnt;
	bool enough = false;
	int64_t heard = moment_monotonic();
	char last[200] = "nothing comes";
	rd_kafka_resp_err_t failure = rd_kafka_assign(client, from);
	if (failure != RD_KAFKA_RESP_ERR_NO_ERROR)
		return err_set(error, WEIR_AWAY, "the partitions cannot be read: %s",
			       rd_kafka_err2str(failure));
	while (open > 0 && !enough) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(client, POLL_MS);
		weir_status status = WEIR_OK;
		if (message != NULL && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
			status = on_message(context, message, &enough, error);
			heard = moment_monotonic(); /* it may have taken its time */
		} else if (message != NULL && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			heard = moment_monotonic();
			open--;
		} else if (message != NULL) {
			snprintf(last, sizeof(last), "%s", rd_kafka_message_errstr(message));
		}
		if (message != NULL)
			rd_kafka_message_destroy(message);
		if (status == WEIR_OK && moment_monotonic() - heard > SILENCE_MS * INT64_C(1000))
			status = err_set(error, WEIR_AWAY, "the brokers %s do not answer: %s",
					 rd_kafka_name(client), last);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

static weir_status grow_table(size_t **table, size_t *size, size_t count, bool *grown,
			      struct weir_error *error)
{
	*grown = 2 * (count + 1) > *size;
	if (!*grown)
		return WEIR_OK;
	size_t wanted = *size == 0 ? 256 : 2 * *size;
	size_t *made = calloc(wanted, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	free(*table);
	*table = made;
	*size = wanted;
	return WEIR_OK;
}

static size_t *letter_slot(const struct dlq *dlq, hash128 identity)
{
	size_t at = (size_t)identity & (dlq->table_size - 1);
	while (dlq->table[at] != 0 && dlq->letters[dlq->table[at] - 1].identity != identity)
		at = (at + 1) & (dlq->table_size - 1);
	return &dlq->table[at];
}

static size_t *reason_slot(const struct dlq *dlq, const char *text, size_t length)
{
	size_t at = hash64_add(HASH64_START, text, length) & (dlq->reason_table_size - 1);
	for (; dlq->reason_table[at] != 0; at = (at + 1) & (dlq->reason_table_size - 1)) {
		const struct reason *reason = &dlq->reasons[dlq->reason_table[at] - 1];
		if (reason->length == length && memcmp(reason->text, text, length) == 0)
			break;
	}
	return &dlq->reason_table[at];
}

static weir_status intern_reason(struct dlq *dlq, const char *text, size_t *number,
				 struct weir_error *error)
{
	size_t length = strlen(text);
	bool grown;
	weir_status status = grow_table(&dlq->reason_table, &dlq->reason_table_size,
					dlq->reason_count, &grown, error);
	if (status != WEIR_OK)
		return status;
	for (size_t i = 0; grown && i < dlq->reason_count; i++)
		*reason_slot(dlq, dlq->reasons[i].text, dlq->reasons[i].length) = i + 1;
	size_t *slot = reason_slot(dlq, text, length);
	if (*slot == 0) {
		if (dlq->reason_count == dlq->reason_capacity) {
			size_t capacity = dlq->reason_capacity == 0 ? 16 : 2 * dlq->reason_capacity;
			struct reason *reasons = realloc(dlq->reasons, capacity * sizeof(*reasons));
			if (reasons == NULL)
				return err_no_memory(error);
			dlq->reasons = reasons;
			dlq->reason_capacity = capacity;
		}
		const char *copy = arena_copy(&dlq->arena, text, length);
		if (copy == NULL)
			return err_no_memory(error);
		dlq->reasons[dlq->reason_count] = (struct reason){copy, length, 0};
		*slot = ++dlq->reason_count;
	}
	*number = *slot - 1;
	return WEIR_OK;
}

/* The letter of that identity, which may be new. */
static weir_status find_letter(struct dlq *dlq, hash128 identity, struct letter **letter,
			       struct weir_error *error)
{
	bool grown;
	weir_status status = grow_table(&dlq->table, &dlq->table_size, dlq->count, &grown, error);
	if (status != WEIR_OK)
		return status;
	for (size_t i = 0; grown && i < dlq->count; i++)
		*letter_slot(dlq, dlq->letters[i].identity) = i + 1;
	size_t *slot = letter_slot(dlq, identity);
	if (*slot == 0) {
		if (dlq->count == dlq->capacity) {
			size_t capacity = dlq->capacity == 0 ? 128 : 2 * dlq->capacity;
			struct letter *letters = realloc(dlq->letters, capacity * sizeof(*letters));
			if (letters == NULL)
				return err_no_memory(error);
			dlq->letters = letters;
			dlq->capacity = capacity;
		}
		dlq->letters[dlq->count] = (struct letter){.identity = identity, .offset = -1};
		*slot = ++dlq->count;
	}
	*letter = &dlq->letters[*slot - 1];
	return WEIR_OK;
}

static hash128 add_part(hash128 hash, const void *bytes, size_t length)
{
	uint64_t size = bytes != NULL ? length : UINT64_MAX;
	hash = hash128_add(hash, &size, sizeof(size));
	return bytes != NULL ? hash128_add(hash, bytes, length) : hash;
}

/* Not the letter's own place: the same message may be there again, and is the same letter. */
static hash128 identify(const rd_kafka_message_t *message, const struct letter *letter)
{
	char place[400];
	int length = snprintf(place, sizeof(place), "%s/%" PRId32 "/%" PRId64 "/%" PRId64,
			      letter->origin.topic, letter->origin.partition, letter->origin.offset,
			      letter->timestamp);
	hash128 hash = add_part(HASH128_START, place, (size_t)length);
	hash = add_part(hash, message->key, message->key_len);
	return add_part(hash, message->payload, message->len);
}

/* False: it has no full set of our headers. */
static bool read_origin(const rd_kafka_message_t *message, struct letter *letter, char *topic,
			size_t size)
{
	int64_t partition;
	if (!letter_header(message, LETTER_TOPIC, topic, size) ||
	    !header_number(message, LETTER_PARTITION, &partition) || partition < 0 ||
	    partition > INT32_MAX ||
	    !header_number(message, LETTER_OFFSET, &letter->origin.offset) ||
	    !header_number(message, LETTER_TIMESTAMP, &letter->timestamp))
		return false;
	letter->origin.topic = topic;
	letter->origin.partition = (int32_t)partition;
	return true;
}

static weir_status add_letter(struct dlq *dlq, const rd_kafka_message_t *message,
			      const char *reason, struct weir_error *error)
{
	char topic[256];
	struct letter read = {.full_length = -1}, *letter;
	rd_kafka_timestamp_type_t type;
	if (!read_origin(message, &read, topic, sizeof(topic))) {
		dlq->foreign++;
		return WEIR_OK;
	}
	weir_status status = find_letter(dlq, identify(message, &read), &letter, error);
	if (status == WEIR_OK)
		status = intern_reason(dlq, reason, &read.reason, error);
	if (status != WEIR_OK)
		return status;
	/* A mark may have come first, from another partition. */
	read.identity = letter->identity;
	read.copies = letter->copies + 1;
	read.state = letter->state;
	read.handled_by = letter->handled_by;
	read.handled_at = letter->handled_at;
	read.sent_to = letter->sent_to;
	/* Of a message that was replayed, its first timestamp counts. */
	header_number(message, LETTER_ORIGINAL_TIMESTAMP, &read.timestamp);
	header_number(message, LETTER_TRUNCATED, &read.full_length);
	read.partition = message->partition;
	read.offset = message->offset;
	read.time = rd_kafka_message_timestamp(message, &type);
	read.key_length = message->key_len;
	read.value_length = message->len;
	read.null_value = message->payload == NULL;
	read.origin.topic = arena_copy(&dlq->arena, topic, strlen(topic));
	if (message->key != NULL)
		read.key = arena_copy(&dlq->arena, message->key, message->key_len);
	if (read.origin.topic == NULL || (message->key != NULL && read.key == NULL))
		return err_no_memory(error);
	if (letter->copies > 0 && letter->time > read.time) {
		letter->copies++;
		return WEIR_OK;
	}
	*letter = read;
	return WEIR_OK;
}

static const char *copy_header(struct dlq *dlq, const rd_kafka_message_t *message, const char *name)
{
	char text[HEADER_SIZE];
	return letter_header(message, name, text, sizeof(text))
		       ? arena_copy(&dlq->arena, text, strlen(text))
		       : NULL;
}

static bool read_identity(const rd_kafka_message_t *message, hash128 *identity)
{
	const char *key = message->key;
	if (key == NULL || message->key_len != HASH128_TEXT_LENGTH)
		return false;
	*identity = 0;
	for (size_t i = 0; i < HASH128_TEXT_LENGTH; i++) {
		const char *digit = strchr("0123456789abcdef", key[i]);
		if (digit == NULL || *digit == '\0')
			return false;
		*identity = *identity << 4 | (hash128)(digit - "0123456789abcdef");
	}
	return true;
}

static weir_status add_mark(struct dlq *dlq, const rd_kafka_message_t *message, const char *handled,
			    struct weir_error *error)
{
	struct letter *letter;
	hash128 identity;
	rd_kafka_timestamp_type_t type;
	enum letter_state state = LETTER_OPEN;
	for (size_t i = 0; i < LETTER_STATE_COUNT; i++)
		if (strcmp(handled, letter_state_names[i]) == 0)
			state = (enum letter_state)i;
	if (!read_identity(message, &identity)) {
		dlq->foreign++;
		return WEIR_OK;
	}
	weir_status status = find_letter(dlq, identity, &letter, error);
	if (status != WEIR_OK)
		return status;
	int64_t time = rd_kafka_message_timestamp(message, &type);
	if (letter->state != LETTER_OPEN && letter->handled_at > time)
		return WEIR_OK;
	letter->state = state;
	letter->handled_at = time;
	letter->handled_by = copy_header(dlq, message, LETTER_HANDLED_BY);
	letter->sent_to = copy_header(dlq, message, LETTER_SENT_TO);
	return WEIR_OK;
}

static weir_status take_record(void *context, const rd_kafka_message_t *message, bool *enough,
			       struct weir_error *error)
{
	struct dlq *dlq = context;
	char text[HEADER_SIZE];
	weir_status status = WEIR_OK;
	(void)enough;
	if (letter_header(message, LETTER_ERROR, text, sizeof(text)))
		status = add_letter(dlq, message, text, error);
	else if (letter_header(message, LETTER_HANDLED, text, sizeof(text)))
		status = add_mark(dlq, message, text, error);
	else
		dlq->foreign++;
	return status;
}

/* Of the same millisecond, as their messages stood. */
static int by_time(const void *left, const void *right)
{
	const struct letter *a = left, *b = right;
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	int order = strcmp(a->origin.topic, b->origin.topic);
	if (order != 0)
		return order;
	if (a->origin.partition != b->origin.partition)
		return a->origin.partition < b->origin.partition ? -1 : 1;
	return a->origin.offset < b->origin.offset ? -1 : a->origin.offset > b->origin.offset;
}

static void add_partition(void *context, const char *topic, int32_t partition, int64_t begin,
			  int64_t end)
{
	(void)end;
	/* It may be told again. */
	if (rd_kafka_topic_partition_list_find(context, topic, partition) == NULL)
		rd_kafka_topic_partition_list_add(context, topic, partition)->offset = begin;
}

/* A topic that was just made, or whose leader moves, has its answers in a moment. */
static weir_status read_ends(rd_kafka_t *client, const char *topic, kafka_on_partition on_partition,
			     void *context, int32_t *partitions, struct weir_error *error)
{
	int64_t until = moment_monotonic() + PATIENCE;
	for (;;) {
		weir_status status = kafka_topic_ends(client, topic, ANSWER_MS, on_partition,
						      context, partitions, error);
		if (status != WEIR_AWAY || moment_monotonic() >= until)
			return status;
		poll(NULL, 0, LOOK_MS);
	}
}

weir_status dlq_read(struct dlq *dlq, const struct config *config, struct weir_error *error)
{
	CLIENT_SCOPED rd_kafka_t *client = NULL;
	int32_t partitions;
	*dlq = (struct dlq){.config = config,
			    .topic = config_text(config, "kafka", "dead_letter_topic")};
	weir_status status = connect_brokers(config, &client, error);
	if (status != WEIR_OK)
		return status;
	rd_kafka_topic_partition_list_t *from = rd_kafka_topic_partition_list_new(16);
	status = read_ends(client, dlq->topic, add_partition, from, &partitions, error);
	if (status != WEIR_OK)
		err_set(error, status, "no broker of %s tells of the dead letters: %s",
			config_text(config, "kafka", "brokers"), error->message);
	else if (partitions == 0)
		status = err_set(error, WEIR_AWAY,
				 "there is no topic %s; weir topics create makes it", dlq->topic);
	if (status == WEIR_OK)
		status = read_on(client, from, take_record, dlq, error);
	rd_kafka_topic_partition_list_destroy(from);
	/* A mark whose letter the log has let go of is nothing any more. */
	size_t kept = 0;
	for (size_t i = 0; i < dlq->count; i++)
		if (dlq->letters[i].copies > 0)
			dlq->letters[kept++] = dlq->letters[i];
	dlq->count = kept;
	if (kept > 0)
		qsort(dlq->letters, kept, sizeof(*dlq->letters), by_time);
	return status;
}

void dlq_finish(struct dlq *dlq)
{
	arena_finish(&dlq->arena);
	free(dlq->letters);
	free(dlq->reasons);
	free(dlq->table);
	free(dlq->reason_table);
}

struct visit {
	const struct letter **wanted; /* by partition and offset */
	size_t count, left;
	dlq_on_message on_message;
	void *context;
};

static int by_place(const void *left, const void *right)
{
	const struct letter *a = *(const struct letter *const *)left;
	const struct letter *b = *(const struct letter *const *)right;
	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static weir_status visit_record(void *context, const rd_kafka_message_t *message, bool *enough,
				struct weir_error *error)
{
	struct visit *visit = context;
	struct letter sought = {.partition = message->partition, .offset = message->offset};
	const struct letter *key = &sought;
	const struct letter **found = bsearch((const void *)&key, (const void *)visit->wanted,
					      visit->count, sizeof(*visit->wanted), by_place);
	if (found == NULL)
		return WEIR_OK;
	*enough = --visit->left == 0;
	return visit->on_message(visit->context, *found, message, error);
}

weir_status dlq_visit(const struct dlq *dlq, dlq_on_message on_message, void *context,
		      struct weir_error *error)
{
	CLIENT_SCOPED rd_kafka_t *client = NULL;
	struct visit visit = {.on_message = on_message, .context = context};
	WEIR_FREE const struct letter **wanted =
		calloc(dlq->count + 1, sizeof(const struct letter *));
	if (wanted == NULL)
		return err_no_memory(error);
	for (size_t i = 0; i < dlq->count; i++)
		if (dlq->letters[i].wanted)
			wanted[visit.count++] = &dlq->letters[i];
	if (visit.count == 0)
		return WEIR_OK;
	qsort((void *)wanted, visit.count, sizeof(*wanted), by_place);
	visit.wanted = wanted;
	visit.left = visit.count;
	weir_status status = connect_brokers(dlq->config, &client, error);
	if (status != WEIR_OK)
		return status;
	rd_kafka_topic_partition_list_t *from = rd_kafka_topic_partition_list_new(16);
	for (size_t i = 0; i < visit.count; i++)
		if (i == 0 || wanted[i]->partition != wanted[i - 1]->partition)
			rd_kafka_topic_partition_list_add(from, dlq->topic, wanted[i]->partition)
				->offset = wanted[i]->offset;
	status = read_on(client, from, visit_record, &visit, error);
	rd_kafka_topic_partition_list_destroy(from);
	return status;
}

struct fetching {
	int64_t offset;
	const struct letter *letter;
	dlq_on_message on_message;
	void *context;
	bool found;
};

/* The first that comes may lie behind what was asked for, when that is gone. */
static weir_status fetch_record(void *context, const rd_kafka_message_t *message, bool *enough,
				struct weir_error *error)
{
	struct fetching *fetching = context;
	*enough = true;
	if (message->offset != fetching->offset)
		return WEIR_OK;
	fetching->found = true;
	return fetching->on_message(fetching->context, fetching->letter, message, error);
}

struct bounds {
	int32_t partition;
	int64_t begin, end;
};

static void note_bounds(void *context, const char *topic, int32_t partition, int64_t begin,
			int64_t end)
{
	struct bounds *bounds = context;
	(void)topic;
	if (partition == bounds->partition)
		*bounds = (struct bounds){partition, begin, end};
}

weir_status dlq_fetch(const struct config *config, const struct place *place,
		      const struct letter *letter, dlq_on_message on_message, void *context,
		      struct weir_error *error)
{
	CLIENT_SCOPED rd_kafka_t *client = NULL;
	struct bounds bounds = {.partition = place->partition};
	struct fetching fetching = {place->offset, letter, on_message, context, false};
	int32_t partitions;
	weir_status status = connect_brokers(config, &client, error);
	if (status == WEIR_OK)
		status = read_ends(client, place->topic, note_bounds, &bounds, &partitions, error);
	if (status == WEIR_OK && place->offset >= bounds.begin && place->offset < bounds.end) {
		rd_kafka_topic_partition_list_t *from = rd_kafka_topic_partition_list_new(1);
		rd_kafka_topic_partition_list_add(from, place->topic, place->partition)->offset =
			place->offset;
		status = read_on(client, from, fetch_record, &fetching, error);
		rd_kafka_topic_partition_list_destroy(from);
	}
	if (status == WEIR_OK && !fetching.found)
		return err_set(error, WEIR_NOT_FOUND,
			       "%s/%" PRId32 "/%" PRId64 " is no longer in the log", place->topic,
			       place->partition, place->offset);
	return status;
}
