/* SPDX-License-Identifier: MIT
 * `weir dlq replay` and `weir dlq drop`. A letter is marked after Kafka has acknowledged its
 * message again, so a run that is killed is finished by the next one: what was sent and not marked
 * is sent twice, which versions make harmless.
 *
 * Concurrency: delivery reports come on this thread, out of rd_kafka_poll and rd_kafka_flush. */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dlq.h"
#include "kafka.h"
#include "letter.h"
#include "moment.h"

enum {
	ANSWER_MS = 10000,
	ADDRESS_SIZE = 320,
	PORTION = 500, /* letters that are sent before they are marked */
	HEADER_LIMIT = 1000,
	TOLD_LIMIT = 20,
};

/* A letter on its way. */
struct sending {
	const struct letter *letter;
	struct handling *handling;
	bool sent; /* Kafka has its message, or it is only to be dropped */
	bool marked;
	struct place sent_to;
};

struct refusal {
	char address[ADDRESS_SIZE];
	char reason[400];
};

struct handling {
	struct dlq *dlq;
	const struct dlq_options *options;
	bool drops;
	struct schema *schema;
	struct event_decoder *decoder;
	rd_kafka_t *client;
	const struct rd_kafka_metadata *metadata;
	struct sending portion[PORTION];
	size_t portion_count;
	size_t done;
	struct refusal *refusals;
	size_t refused, refusal_capacity;
	char failure[300]; /* of Kafka; ends the run */
	char by[200];
};

static void handling_finish(struct handling *handling)
{
	if (handling->metadata != NULL)
		rd_kafka_metadata_destroy(handling->metadata);
	if (handling->client != NULL)
		rd_kafka_destroy(handling->client);
	event_decoder_destroy(handling->decoder);
	schema_destroy(handling->schema);
	free(handling->refusals);
}

static weir_status refuse(struct handling *handling, const struct letter *letter,
			  const char *reason, struct weir_error *error)
{
	if (handling->refused == handling->refusal_capacity) {
		size_t capacity = handling->refused == 0 ? 16 : 2 * handling->refused;
		struct refusal *refusals =
			realloc(handling->refusals, capacity * sizeof(*refusals));
		if (refusals == NULL)
			return err_no_memory(error);
		handling->refusals = refusals;
		handling->refusal_capacity = capacity;
	}
	struct refusal *refusal = &handling->refusals[handling->refused++];
	letter_address(handling->dlq, letter, refusal->address, sizeof(refusal->address));
	snprintf(refusal->reason, sizeof(refusal->reason), "%.*s", (int)sizeof(refusal->reason) - 1,
		 reason);
	return WEIR_OK;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *report, void *opaque)
{
	struct sending *sending = report->_private;
	struct weir_error error;
	(void)client, (void)opaque;
	if (report->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		if (sending->sent)
			sending->marked = true;
		sending->sent = true;
		if (!sending->marked)
			sending->sent_to.offset = report->offset;
		return;
	}
	bool too_large = report->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
	if (too_large && refuse(sending->handling, sending->letter,
				"the broker does not take it: it is too large with the headers of "
				"a replay",
				&error) == WEIR_OK)
		return;
	if (sending->handling->failure[0] == '\0')
		snprintf(sending->handling->failure, sizeof(sending->handling->failure), "%s",
			 rd_kafka_err2str(report->err));
}

static weir_status connect_brokers(struct handling *handling, struct weir_error *error)
{
	static const char *const settings[][2] = {
		/* Messages of one event keep their order. */
		{"enable.idempotence", "true"},
		{"max.in.flight.requests.per.connection", "1"},
	};
	static const char *const defaults[][2] = {
		{"message.timeout.ms", "60000"},
		{"linger.ms", "20"},
		/* What was taken once is for the broker to judge. */
		{"message.max.bytes", "100000000"},
	};
	const struct config *config = handling->dlq->config;
	rd_kafka_conf_t *conf;
	char reason[300];
	weir_status status = kafka_configure(config, "dlq", &conf, error);
	if (status != WEIR_OK)
		return status;
	for (size_t i = 0; status == WEIR_OK && i < sizeof(settings) / sizeof(settings[0]); i++)
		status = kafka_set(conf, settings[i][0], settings[i][1], error);
	for (size_t i = 0; status == WEIR_OK && i < sizeof(defaults) / sizeof(defaults[0]); i++)
		status = kafka_set_default(config, conf, defaults[i][0], defaults[i][1], error);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	if (status == WEIR_OK)
		handling->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
	if (handling->client == NULL) {
		rd_kafka_conf_destroy(conf);
		return status != WEIR_OK ? status
					 : err_set(error, WEIR_INVALID, "librdkafka: %s", reason);
	}
	/* Of all topics: asking for one by name makes some brokers create it. */
	rd_kafka_resp_err_t failure =
		rd_kafka_metadata(handling->client, 1, NULL, &handling->metadata, ANSWER_MS);
	return failure == RD_KAFKA_RESP_ERR_NO_ERROR
		       ? WEIR_OK
		       : err_set(error, WEIR_AWAY, "no broker of %s answers: %s",
				 config_text(config, "kafka", "brokers"),
				 rd_kafka_err2str(failure));
}

/* Partitions of a topic; 0: there is none. */
static int count_partitions(const struct handling *handling, const char *topic)
{
	for (int i = 0; i < handling->metadata->topic_cnt; i++)
		if (strcmp(handling->metadata->topics[i].topic, topic) == 0)
			return handling->metadata->topics[i].partition_cnt;
	return 0;
}

static bool in_schema(const struct handling *handling, const char *topic)
{
	for (size_t i = 0; i < handling->schema->message_count; i++)
		if (strcmp(handling->schema->messages[i].topic, topic) == 0)
			return true;
	return false;
}

static bool is_chain(const char *name)
{
	return strcmp(name, LETTER_REPLAYED) == 0;
}

/* The message's own headers in their order, those of the replays before, and this one's. */
static rd_kafka_headers_t *make_headers(const struct handling *handling,
					const struct letter *letter,
					const rd_kafka_message_t *original)
{
	rd_kafka_headers_t *made = rd_kafka_headers_new(8), *source;
	char address[ADDRESS_SIZE], text[2 * ADDRESS_SIZE];
	const char *name;
	const void *value;
	size_t length;
	if (rd_kafka_message_headers(original, &source) == RD_KAFKA_RESP_ERR_NO_ERROR)
		for (size_t i = 0; rd_kafka_header_get_all(source, i, &name, &value, &length) ==
				   RD_KAFKA_RESP_ERR_NO_ERROR;
		     i++)
			if (strncmp(name, LETTER_PREFIX, strlen(LETTER_PREFIX)) != 0 ||
			    is_chain(name))
				rd_kafka_header_add(made, name, -1, value,
						    value != NULL ? (ssize_t)length : 0);
	letter_address(handling->dlq, letter, address, sizeof(address));
	snprintf(text, sizeof(text), "%s %s/%" PRId32 "/%" PRId64, address, letter->origin.topic,
		 letter->origin.partition, letter->origin.offset);
	rd_kafka_header_add(made, LETTER_REPLAYED, -1, text, -1);
	snprintf(text, sizeof(text), "%" PRId64, letter->timestamp);
	rd_kafka_header_add(made, LETTER_ORIGINAL_TIMESTAMP, -1, text, -1);
	return made;
}

static size_t list_headers(rd_kafka_headers_t *source, struct event_header *headers)
{
	size_t count = 0;
	while (count < HEADER_LIMIT &&
	       rd_kafka_header_get_all(source, count, &headers[count].name, &headers[count].value,
				       &headers[count].length) == RD_KAFKA_RESP_ERR_NO_ERROR)
		count++;
	return count;
}

/* What the configured schema makes of it. The engine may still say no. */
static weir_status foresee(struct handling *handling, const struct letter *letter,
			   const rd_kafka_message_t *original, rd_kafka_headers_t *headers,
			   bool *readable, char *what, size_t size, struct weir_error *error)
{
	struct event_header list[HEADER_LIMIT];
	struct event_change *change = NULL;
	enum event_outcome outcome;
	const char *type = NULL;
	const struct event_message message = {
		.topic = letter->origin.topic,
		.partition = letter->origin.partition,
		.offset = letter->origin.offset,
		.timestamp = letter->timestamp < 0 ? INT64_MIN
						   : moment_of_milliseconds(letter->timestamp),
		.key = original->key,
		.key_length = original->key_len,
		.value = original->payload,
		.value_length = original->len,
		.headers = list,
		.header_count = list_headers(headers, list),
	};
	event_decoder_reset(handling->decoder);
	weir_status status =
		event_decode(handling->decoder, &message, &outcome, &change, &type, error);
	if (status != WEIR_OK)
		return status;
	*readable = outcome != EVENT_DEAD_LETTER;
	if (outcome == EVENT_CHANGE)
		snprintf(what, size, "%s %.200s, version %" PRId64,
			 change->operation == SCHEMA_CREATED   ? "create"
			 : change->operation == SCHEMA_UPDATED ? "update"
							       : "delete",
			 change->id, change->version);
	else if (outcome == EVENT_PASSED_OVER)
		snprintf(what, size, "passed over: the schema does not name %.200s", type);
	else
		snprintf(what, size, "it would be a dead letter again: %.240s (--force sends it)",
			 error->message);
	return WEIR_OK;
}

static weir_status wait_while_full(struct handling *handling, struct weir_error *error)
{
	rd_kafka_poll(handling->client, 100);
	return handling->failure[0] == '\0' ? WEIR_OK
					    : err_set(error, WEIR_AWAY, "%s", handling->failure);
}

/* A null value stays null, an empty one empty: librdkafka tells them by the pointer. Takes the
 * headers over. */
static weir_status produce(struct handling *handling, struct sending *sending, const char *topic,
			   int32_t partition, const rd_kafka_message_t *content,
			   rd_kafka_headers_t *headers, struct weir_error *error)
{
	for (;;) {
		rd_kafka_resp_err_t failure = rd_kafka_producev(
			handling->client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
			RD_KAFKA_V_KEY(content->key, content->key_len),
			RD_KAFKA_V_VALUE(content->payload, content->len),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
			RD_KAFKA_V_OPAQUE(sending), RD_KAFKA_V_END);
		if (failure == RD_KAFKA_RESP_ERR_NO_ERROR)
			return WEIR_OK;
		weir_status status =
			failure == RD_KAFKA_RESP_ERR__QUEUE_FULL
				? wait_while_full(handling, error)
				: err_set(error, WEIR_AWAY, "a message was not taken: %s",
					  rd_kafka_err2str(failure));
		if (status != WEIR_OK) {
			rd_kafka_headers_destroy(headers);
			return status;
		}
	}
}

/* Waits for all that is on its way. */
static weir_status flush(struct handling *handling, struct weir_error *error)
{
	while (rd_kafka_flush(handling->client, 500) == RD_KAFKA_RESP_ERR__TIMED_OUT)
		;
	return handling->failure[0] == '\0'
		       ? WEIR_OK
		       : err_set(error, WEIR_AWAY,
				 "Kafka does not take them: %s; run it again when it does, what "
				 "was done is marked",
				 handling->failure);
}

/* In the letter's own partition: so the log never lets go of it before the letter. */
static weir_status send_mark(struct handling *handling, struct sending *sending,
			     struct weir_error *error)
{
	const struct letter *letter = sending->letter;
	const char *state =
		letter_state_names[handling->drops ? LETTER_DROPPED : LETTER_REPLAYED_ON];
	char key[HASH128_TEXT_LENGTH], address[ADDRESS_SIZE], to[ADDRESS_SIZE] = "";
	char line[3 * ADDRESS_SIZE];
	rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
	hash128_text(letter->identity, key);
	letter_address(handling->dlq, letter, address, sizeof(address));
	rd_kafka_header_add(headers, LETTER_HANDLED, -1, state, -1);
	rd_kafka_header_add(headers, LETTER_HANDLED_BY, -1, handling->by, -1);
	if (!handling->drops) {
		if (sending->sent_to.offset >= 0)
			snprintf(to, sizeof(to), "%s/%" PRId32 "/%" PRId64, sending->sent_to.topic,
				 sending->sent_to.partition, sending->sent_to.offset);
		rd_kafka_header_add(headers, LETTER_SENT_TO, -1, to, -1);
	}
	int length = snprintf(line, sizeof(line), "%s was %s by %s%s%s", address, state,
			      handling->by, to[0] != '\0' ? " to " : "", to);
	const rd_kafka_message_t content = {
		.key = key, .key_len = sizeof(key), .payload = line, .len = (size_t)length};
	return produce(handling, sending, handling->dlq->topic, letter->partition, &content,
		       headers, error);
}

/* Marks what Kafka has, and forgets the portion. */
static weir_status end_portion(struct handling *handling, struct weir_error *error)
{
	weir_status status = flush(handling, error), second = WEIR_OK;
	struct weir_error other;
	command_point("sent");
	for (size_t i = 0; i < handling->portion_count && second == WEIR_OK; i++)
		if (handling->portion[i].sent)
			second = send_mark(handling, &handling->portion[i], &other);
	handling->failure[0] = '\0';
	if (second == WEIR_OK)
		second = flush(handling, &other);
	for (size_t i = 0; i < handling->portion_count; i++)
		handling->done += handling->portion[i].marked;
	handling->portion_count = 0;
	if (status == WEIR_OK && second != WEIR_OK)
		return err_set(error, second, "%s", other.message);
	return status;
}

static struct sending *add_sending(struct handling *handling, const struct letter *letter)
{
	struct sending *sending = &handling->portion[handling->portion_count++];
	*sending = (struct sending){.letter = letter, .handling = handling};
	return sending;
}

/* original: with the whole value. */
static weir_status send_message(struct handling *handling, const struct letter *letter,
				const rd_kafka_message_t *original, struct weir_error *error)
{
	const struct place *origin = &letter->origin;
	int partitions = count_partitions(handling, origin->topic);
	char what[600], address[ADDRESS_SIZE];
	bool readable;
	if (partitions == 0)
		return refuse(handling, letter, "its topic is no more", error);
	if (!in_schema(handling, origin->topic) && !handling->options->force)
		return refuse(handling, letter,
			      "its topic is none of the schema's (--force sends it)", error);
	rd_kafka_headers_t *headers = make_headers(handling, letter, original);
	weir_status status =
		foresee(handling, letter, original, headers, &readable, what, sizeof(what), error);
	if (status == WEIR_OK && !readable && !handling->options->force) {
		rd_kafka_headers_destroy(headers);
		return refuse(handling, letter, what, error);
	}
	if (status == WEIR_OK && handling->options->dry_run) {
		letter_address(handling->dlq, letter, address, sizeof(address));
		command_say("%s would go to %s: %s", address, origin->topic, what);
		handling->done++;
	}
	if (status != WEIR_OK || handling->options->dry_run) {
		rd_kafka_headers_destroy(headers);
		return status;
	}
	/* Where it was: there its event's other messages are. */
	int32_t partition =
		origin->partition < partitions ? origin->partition : RD_KAFKA_PARTITION_UA;
	struct sending *sending = add_sending(handling, letter);
	sending->sent_to = (struct place){origin->topic, partition, -1};
	status = produce(handling, sending, origin->topic, partition, original, headers, error);
	if (status == WEIR_OK && handling->portion_count == PORTION)
		status = end_portion(handling, error);
	return status;
}

struct completing {
	struct handling *handling;
	const rd_kafka_message_t *cut;
	bool other;
};

/* What stands at the origin's place must be the message that the letter is of. */
static weir_status send_origin(void *context, const struct letter *letter,
			       const rd_kafka_message_t *message, struct weir_error *error)
{
	struct completing *completing = context;
	const rd_kafka_message_t *cut = completing->cut;
	char timestamp[32] = "";
	rd_kafka_timestamp_type_t type;
	letter_header(cut, LETTER_TIMESTAMP, timestamp, sizeof(timestamp));
	completing->other =
		(int64_t)message->len != letter->full_length || cut->len > message->len ||
		strtoll(timestamp, NULL, 10) != rd_kafka_message_timestamp(message, &type) ||
		(cut->len > 0 && memcmp(cut->payload, message->payload, cut->len) != 0);
	return completing->other ? WEIR_OK
				 : send_message(completing->handling, letter, message, error);
}

static weir_status replay(void *context, const struct letter *letter,
			  const rd_kafka_message_t *message, struct weir_error *error)
{
	struct handling *handling = context;
	struct completing completing = {handling, message, false};
	char line[400];
	if (letter->full_length < 0)
		return send_message(handling, letter, message, error);
	weir_status status = dlq_fetch(handling->dlq->config, &letter->origin, letter, send_origin,
				       &completing, error);
	if (status == WEIR_NOT_FOUND || (status == WEIR_OK && completing.other)) {
		snprintf(line, sizeof(line), "it was cut, and %s%.300s",
			 completing.other ? "another message is now where it was" : "its message ",
			 completing.other ? "" : error->message);
		return refuse(handling, letter, line, error);
	}
	return status;
}

/* What was handled before and given by its address, is left as it is. */
static weir_status pass_over_handled(struct handling *handling, struct weir_error *error)
{
	struct dlq *dlq = handling->dlq;
	for (size_t i = 0; i < dlq->count; i++) {
		struct letter *letter = &dlq->letters[i];
		if (!letter->wanted || letter->state == LETTER_OPEN || handling->options->again)
			continue;
		letter->wanted = false;
		weir_status status =
			refuse(handling, letter,
			       letter->state == LETTER_DROPPED ? "it was dropped before (--again)"
							       : "it was replayed before (--again)",
			       error);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

static weir_status drop_all(struct handling *handling, struct weir_error *error)
{
	const struct dlq *dlq = handling->dlq;
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < dlq->count && status == WEIR_OK; i++) {
		if (!dlq->letters[i].wanted)
			continue;
		add_sending(handling, &dlq->letters[i])->sent = true;
		if (handling->portion_count == PORTION)
			status = end_portion(handling, error);
	}
	return status == WEIR_OK ? end_portion(handling, error) : status;
}

static weir_status replay_all(struct handling *handling, struct weir_error *error)
{
	weir_status status = settings_schema(handling->dlq->config, &handling->schema, error);
	if (status == WEIR_OK) {
		handling->decoder = event_decoder_create(handling->schema);
		if (handling->decoder == NULL)
			status = err_no_memory(error);
	}
	if (status == WEIR_OK)
		status = dlq_visit(handling->dlq, replay, handling, error);
	struct weir_error second;
	/* What is on its way is marked, whatever ended the run. */
	weir_status ended = end_portion(handling, &second);
	if (status == WEIR_OK && ended != WEIR_OK)
		return err_set(error, ended, "%s", second.message);
	return status;
}

static void name_operator(char *by, size_t size)
{
	char host[100] = "";
	const struct passwd *user = getpwuid(getuid());
	gethostname(host, sizeof(host) - 1);
	snprintf(by, size, "%.80s@%s", user != NULL ? user->pw_name : "somebody", host);
}

static const char *verb_of(const struct handling *handling)
{
	return handling->drops		    ? "dropped"
	       : handling->options->dry_run ? "wouldBeReplayed"
					    : "replayed";
}

static weir_status print_json(const struct handling *handling, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer body = BUFFER_INIT;
	struct jsonout json = JSONOUT_INIT(&body);
	jsonout_begin(&json, '{');
	jsonout_name(&json, verb_of(handling));
	jsonout_integer(&json, (int64_t)handling->done);
	jsonout_name(&json, "refused");
	jsonout_begin(&json, '[');
	for (size_t i = 0; i < handling->refused; i++) {
		jsonout_begin(&json, '{');
		jsonout_name(&json, "address");
		jsonout_text(&json, handling->refusals[i].address);
		jsonout_name(&json, "reason");
		jsonout_text(&json, handling->refusals[i].reason);
		jsonout_end(&json, '}');
	}
	jsonout_end(&json, ']');
	jsonout_end(&json, '}');
	if (buffer_failed(&body))
		return err_no_memory(error);
	printf("%s\n", body.data);
	return WEIR_OK;
}

static void print_text(const struct handling *handling)
{
	for (size_t i = 0; i < handling->refused && i < TOLD_LIMIT; i++)
		command_say("%s: %s", handling->refusals[i].address, handling->refusals[i].reason);
	if (handling->refused > TOLD_LIMIT)
		command_say("and %zu more (--json has them all)", handling->refused - TOLD_LIMIT);
	printf("%zu %s%s", handling->done, handling->options->dry_run ? "would be " : "",
	       handling->drops ? "dropped" : "replayed");
	if (handling->refused > 0)
		printf(", %zu refused", handling->refused);
	printf("\n");
}

int dlq_handle(struct dlq *dlq, const struct dlq_options *options, bool drops)
{
	/* Too large for the stack of some. */
	struct handling *handling = calloc(1, sizeof(*handling));
	struct weir_error error;
	if (handling == NULL)
		return command_fail("dlq", err_no_memory(&error), &error);
	handling->dlq = dlq;
	handling->options = options;
	handling->drops = drops;
	name_operator(handling->by, sizeof(handling->by));
	weir_status status = connect_brokers(handling, &error);
	if (status == WEIR_OK)
		status = pass_over_handled(handling, &error);
	if (status == WEIR_OK)
		status = (drops ? drop_all : replay_all)(handling, &error);
	if (options->json || !isatty(STDOUT_FILENO)) {
		struct weir_error second;
		if (print_json(handling, &second) != WEIR_OK && status == WEIR_OK)
			status = err_set(&error, WEIR_NO_MEMORY, "%s", second.message);
	} else {
		print_text(handling);
	}
	int exit_status = status != WEIR_OK	  ? command_fail("dlq", status, &error)
			  : handling->refused > 0 ? STATUS_NO
						  : STATUS_DONE;
	handling_finish(handling);
	free(handling);
	return exit_status;
}
