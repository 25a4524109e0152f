/* SPDX-License-Identifier: MIT
 *
 * Concurrency: one thread owns the client, the lanes and a connection that reads. Other threads
 * count `commits` up and write to wake_fd; librdkafka writes to it too. Whatever the relay has to
 * write, the writer writes (marks, writer_run). */
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon.h"
#include "message.h"
#include "moment.h"
#include "relay_internal.h"
#include "stop_point.h"

#define SECOND INT64_C(1000000)
#define RETRY SECOND
#define MEASURE_INTERVAL SECOND
#define CLUSTER_INTERVAL (5 * SECOND)
#define FOLLOW_INTERVAL (SECOND / 20)
#define FOLLOW_RETRY (SECOND / 2)
#define STOP_PATIENCE (5 * SECOND)

enum { ANSWER_MS = 1000 };

static const uint64_t one = 1;

/* What the promises rest on is not for the configuration to change; the rest is a default. One
 * request in flight per broker, because a broker that has no state of a producer takes its second
 * batch even when the first one failed; requests are large enough for that not to matter. */
static const struct {
	const char *name, *value;
} enforced[] = {{"enable.idempotence", "true"},
		{"acks", "all"},
		{"message.timeout.ms", "0"},
		{"max.in.flight.requests.per.connection", "1"}},
  defaults[] = {{"linger.ms", "5"},
		{"compression.codec", "lz4"},
		{"message.max.bytes", "8000000"},
		{"queue.buffering.max.messages", "0"},
		{"reconnect.backoff.max.ms", "1000"},
		{"topic.metadata.propagation.max.ms", "5000"}};

static weir_status configure(const struct config *config, rd_kafka_conf_t **conf,
			     struct weir_error *error)
{
	weir_status status = kafka_configure(config, "eventd", conf, error);
	if (status != WEIR_OK)
		return status;
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]) && status == WEIR_OK; i++)
		status = kafka_set_default(config, *conf, defaults[i].name, defaults[i].value,
					   error);
	for (size_t i = 0; i < sizeof(enforced) / sizeof(enforced[0]) && status == WEIR_OK; i++)
		status = kafka_set(*conf, enforced[i].name, enforced[i].value, error);
	if (status != WEIR_OK)
		rd_kafka_conf_destroy(*conf);
	return status;
}

static weir_status make_client(struct relay *relay, struct weir_error *error)
{
	rd_kafka_conf_t *conf;
	char reason[300];
	weir_status status = configure(relay->options.config, &conf, error);
	if (status != WEIR_OK)
		return status;
	rd_kafka_conf_set_dr_msg_cb(conf, lane_report);
	rd_kafka_conf_set_opaque(conf, relay);
	relay->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
	if (relay->client == NULL) {
		rd_kafka_conf_destroy(conf);
		return err_set(error, WEIR_INVALID, "the Kafka producer could not be made: %s",
			       reason);
	}
	relay->events = rd_kafka_queue_get_main(relay->client);
	rd_kafka_queue_io_event_enable(relay->events, relay->wake_fd, &one, sizeof(one));
	return WEIR_OK;
}

/* What is in flight is reported as failed and stays in the outbox. */
static void drop_client(struct relay *relay)
{
	if (relay->client == NULL)
		return;
	rd_kafka_purge(relay->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	for (int i = 0; relay->inflight > 0 && i < 100; i++)
		rd_kafka_poll(relay->client, 10);
	for (size_t i = 0; i < LANE_COUNT; i++) {
		if (relay->lanes[i].topic != NULL)
			rd_kafka_topic_destroy(relay->lanes[i].topic);
		lane_reset(&relay->lanes[i]);
	}
	rd_kafka_queue_destroy(relay->events);
	kafka_destroy(relay->client);
	relay->client = NULL;
	relay->events = NULL;
	relay->inflight = relay->inflight_bytes = 0;
	free(relay->cluster);
	relay->cluster = NULL;
	relay->connected = false;
}

/* Some services answer metadata and have no cluster id; their deliveries are noted under "". */
static weir_status find_cluster(struct relay *relay, struct weir_error *error)
{
	const struct rd_kafka_metadata *metadata = NULL;
	weir_status status = kafka_cluster_id(relay->client, relay->options.config, ANSWER_MS,
					      &relay->cluster, error);
	if (status != WEIR_AWAY || relay->follow != NULL ||
	    rd_kafka_metadata(relay->client, 0, NULL, &metadata, ANSWER_MS) !=
		    RD_KAFKA_RESP_ERR_NO_ERROR)
		return status;
	rd_kafka_metadata_destroy(metadata);
	status = kafka_cluster_id(relay->client, relay->options.config, ANSWER_MS, &relay->cluster,
				  error);
	if (status != WEIR_AWAY)
		return status;
	log_warning("relay", "reason=%s", LOG_TEXT("the brokers have no cluster id"));
	relay->cluster = strdup("");
	return relay->cluster != NULL ? WEIR_OK : err_no_memory(error);
}

static void note_unread(void *context, enum schema_operation operation, int32_t partition,
			int64_t offset, size_t bytes)
{
	struct relay *relay = context;
	for (size_t i = 0; i < LANE_COUNT; i++)
		if (relay->lanes[i].message->operation == operation)
			follow_delivered(relay->follow, relay->lanes[i].message->topic, partition,
					 offset, bytes);
}

/* A writer_job; the relay's thread waits for it, so it may fill the relay. */
static weir_status register_cluster(struct store *store, void *context, struct weir_error *error)
{
	struct relay *relay = context;
	weir_status status = WEIR_OK;
	int64_t again = 0;
	for (size_t i = 0; i < LANE_COUNT && status == WEIR_OK; i++)
		status = outbox_stream(store, relay->cluster, relay->lanes[i].message->topic,
				       &relay->lanes[i].stream, error);
	if (status == WEIR_OK && !relay->reset)
		status = outbox_retry_refused(store, error);
	if (status != WEIR_OK || relay->follow == NULL)
		return status;
	size_t count;
	const struct outbox_position *positions = follow_positions(relay->follow, &count);
	status = outbox_send_again(store, relay->cluster, positions, count, &again, error);
	if (status == WEIR_OK && !relay->reset)
		status = outbox_unread(store, relay->cluster, note_unread, relay, error);
	if (status == WEIR_OK && again > 0)
		log_info("relay", "state=sends_again changes=%lld reason=%s", (long long)again,
			 LOG_TEXT("this cluster does not have them and the index neither"));
	return status;
}

static bool fetch_positions(struct relay *relay)
{
	struct weir_error error;
	if (follow_fetch(relay->follow, relay->cluster, &error) == WEIR_OK) {
		if (log_once_recovered(&relay->follow_trouble))
			log_info("follow", "state=works");
		relay->followed_at = moment_monotonic();
		return true;
	}
	if (log_once_failing(&relay->follow_trouble))
		log_warning("follow", "state=waits reason=%s", LOG_TEXT(error.message));
	relay->followed_at = moment_monotonic() + FOLLOW_RETRY;
	return false;
}

static weir_status try_connect(struct relay *relay, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (relay->client == NULL)
		status = make_client(relay, error);
	if (status == WEIR_OK && relay->cluster == NULL)
		status = find_cluster(relay, error);
	if (status == WEIR_OK && relay->follow != NULL && !fetch_positions(relay))
		return WEIR_AWAY;
	stop_point("eventd.register.before");
	if (status == WEIR_OK)
		status = writer_run(relay->writer, register_cluster, relay, error);
	stop_point("eventd.register.after");
	return status;
}

/* False: not now; relay->connect_at says when to try again. */
static bool connect_cluster(struct relay *relay)
{
	struct weir_error error = {0};
	if (relay->connected)
		return true;
	if (moment_monotonic() < relay->connect_at)
		return false;
	if (try_connect(relay, &error) == WEIR_OK) {
		relay->connected = relay->reset = true;
		kafka_note_reached();
		log_once_recovered(&relay->trouble);
		log_info("relay", "state=connected cluster=%s", LOG_TEXT(relay->cluster));
		return true;
	}
	/* That the brokers are away lib/kafka.c says. */
	if (error.message[0] != '\0' && kafka_reachable() && log_once_failing(&relay->trouble))
		log_warning("relay", "state=waits reason=%s", LOG_TEXT(error.message));
	relay->connect_at = moment_monotonic() + (relay->follow != NULL ? FOLLOW_RETRY : RETRY);
	return false;
}

/* An idempotent producer that cannot keep its promise says so and does nothing more. */
static void replace_broken_client(struct relay *relay)
{
	char reason[300];
	if (relay->client == NULL || rd_kafka_fatal_error(relay->client, reason, sizeof(reason)) ==
					     RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	log_error("relay", "state=new_producer reason=%s", LOG_TEXT(reason));
	drop_client(relay);
	relay->connect_at = moment_monotonic() + RETRY;
}

/* Deliveries are noted under the cluster's name, so another one at the same address is connected to
 * anew. What the one before had acknowledged is not sent again. */
static void follow_cluster(struct relay *relay)
{
	char *changed = NULL;
	if (!relay->connected)
		return;
	/* A producer that knows its leaders does not ask by itself for minutes. */
	if (kafka_reachable() && moment_monotonic() - relay->cluster_at > CLUSTER_INTERVAL) {
		const struct rd_kafka_metadata *metadata = NULL;
		relay->cluster_at = moment_monotonic();
		if (relay->lanes[0].topic != NULL &&
		    rd_kafka_metadata(relay->client, 0, relay->lanes[0].topic, &metadata,
				      ANSWER_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
			rd_kafka_metadata_destroy(metadata);
	}
	kafka_cluster_changed(relay->client, relay->options.config, relay->cluster, &changed);
	if (changed == NULL)
		return;
	log_warning("relay", "state=another_cluster cluster=%s was=%s", changed, relay->cluster);
	free(changed);
	drop_client(relay);
	relay->connect_at = 0;
}

static void measure(struct relay *relay)
{
	int64_t now = moment_now(), oldest = now;
	metric_set(relay->inflight_gauge, (double)relay->inflight);
	if (moment_monotonic() - relay->measured_at < MEASURE_INTERVAL)
		return;
	relay->measured_at = moment_monotonic();
	for (size_t i = 0; i < LANE_COUNT; i++) {
		int64_t at = STORE_NEVER;
		if (outbox_oldest(relay->store, relay->lanes[i].message->operation, &at, NULL) ==
			    WEIR_OK &&
		    at != STORE_NEVER && at < oldest)
			oldest = at;
	}
	metric_set(relay->oldest_gauge, (double)(now - oldest) / 1e6);
}

/* One round; microseconds until the next, unless something wakes us. */
static int64_t step(struct relay *relay)
{
	int64_t wait = MEASURE_INTERVAL;
	if (relay->client != NULL)
		rd_kafka_poll(relay->client, 0);
	replace_broken_client(relay);
	follow_cluster(relay);
	measure(relay);
	if (!connect_cluster(relay)) {
		int64_t until = relay->connect_at - moment_monotonic();
		return until < 0 ? 0 : until < wait ? until : wait;
	}
	if (relay->follow != NULL && follow_waits(relay->follow)) {
		if (moment_monotonic() - relay->followed_at >= FOLLOW_INTERVAL)
			fetch_positions(relay);
		wait = FOLLOW_INTERVAL;
	}
	for (size_t i = 0; i < LANE_COUNT; i++) {
		int64_t lane_wait = lane_step(relay, &relay->lanes[i]);
		if (lane_wait < wait)
			wait = lane_wait;
	}
	return wait;
}

/* Whether going on would still bring something to Kafka. */
static bool worth_going_on(const struct relay *relay)
{
	if (!relay->connected || !kafka_reachable())
		return false;
	if (relay->inflight > 0)
		return true;
	for (size_t i = 0; i < LANE_COUNT && relay->follow == NULL; i++) {
		const struct lane *lane = &relay->lanes[i];
		bool done = lane->drained && lane->seen == atomic_load(&relay->commits);
		if (!done && !lane->trouble.failing)
			return true;
	}
	return false;
}

static void *run(void *argument)
{
	struct relay *relay = argument;
	int64_t deadline = 0;
	for (;;) {
		uint64_t count;
		ssize_t got = read(relay->wake_fd, &count, sizeof(count));
		(void)got;
		int64_t wait = step(relay);
		if (atomic_load(&relay->stopping)) {
			if (deadline == 0)
				deadline = moment_monotonic() + STOP_PATIENCE;
			if (!worth_going_on(relay) || moment_monotonic() > deadline)
				break;
		}
		struct pollfd wake = {.fd = relay->wake_fd, .events = POLLIN};
		if (wait > 0)
			poll(&wake, 1, (int)((wait + 999) / 1000));
	}
	if (relay->inflight > 0)
		log_warning("relay", "state=leaves in_flight=%zu reason=%s", relay->inflight,
			    LOG_TEXT("Kafka did not acknowledge in time; they stay in the outbox"));
	drop_client(relay);
	return NULL;
}

static const enum schema_operation operations[LANE_COUNT] = {SCHEMA_CREATED, SCHEMA_UPDATED,
							     SCHEMA_DELETED};

weir_status relay_check(const struct config *config, const struct schema *schema,
			struct weir_error *error)
{
	static const char *const names[LANE_COUNT] = {"created", "updated", "deleted"};
	for (size_t i = 0; i < LANE_COUNT; i++)
		if (message_of(schema, operations[i]) == NULL)
			return err_set(error, WEIR_INVALID,
				       "the schema has no message with operation \"%s\": eventd "
				       "needs all three",
				       names[i]);
	rd_kafka_conf_t *conf;
	weir_status status = configure(config, &conf, error);
	if (status == WEIR_OK)
		rd_kafka_conf_destroy(conf);
	return status;
}

static void make_lanes(struct relay *relay)
{
	for (size_t i = 0; i < LANE_COUNT; i++) {
		struct lane *lane = &relay->lanes[i];
		char labels[300];
		lane->message = message_of(relay->options.schema, operations[i]);
		snprintf(labels, sizeof(labels), "topic=\"%.200s\"", lane->message->topic);
		lane->relayed = metric_get(METRIC_COUNTER, "weir_eventd_relayed_total", labels,
					   "Messages that Kafka acknowledged.");
		lane->failures =
			metric_get(METRIC_COUNTER, "weir_eventd_relay_failures_total", labels,
				   "Messages that came back from Kafka; they stay in the outbox.");
	}
	relay->inflight_gauge = metric_get(METRIC_GAUGE, "weir_eventd_relay_inflight", NULL,
					   "Messages given to Kafka and not yet acknowledged.");
	relay->oldest_gauge = metric_get(METRIC_GAUGE, "weir_eventd_outbox_oldest_seconds", NULL,
					 "Age of the oldest change that Kafka has not "
					 "acknowledged; 0: there is none.");
}

weir_status relay_create(const struct relay_options *options, struct relay **relay,
			 struct weir_error *error)
{
	weir_status status = relay_check(options->config, options->schema, error);
	if (status != WEIR_OK)
		return status;
	struct relay *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	const struct config *config = options->config;
	const char *url = config_text(config, "eventd", "follow");
	made->options = *options;
	made->limit = (size_t)config_integer(config, "eventd", "relay_inflight");
	made->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	make_lanes(made);
	if (url != NULL && url[0] != '\0') {
		made->follow =
			follow_create(url, (size_t)config_size(config, "eventd", "follow_bytes"));
		if (made->follow == NULL)
			status = err_no_memory(error);
	}
	if (made->wake_fd < 0)
		status = err_set(error, WEIR_SYSTEM, "eventfd: %s", strerror(errno));
	if (status == WEIR_OK)
		status = store_open(config_text(config, "eventd", "database"), STORE_READ,
				    &made->store, error);
	if (status == WEIR_OK)
		status = make_client(made, error);
	if (status != WEIR_OK) {
		relay_destroy(made);
		return status;
	}
	*relay = made;
	return WEIR_OK;
}

weir_status relay_start(struct relay *relay, struct writer *writer, struct weir_error *error)
{
	relay->writer = writer;
	relay->started = pthread_create(&relay->thread, NULL, run, relay) == 0;
	if (!relay->started)
		return err_set(error, WEIR_SYSTEM, "the relay's thread could not be started");
	return WEIR_OK;
}

void relay_notify(void *context)
{
	struct relay *relay = context;
	atomic_fetch_add(&relay->commits, 1);
	ssize_t written = write(relay->wake_fd, &one, sizeof(one));
	(void)written;
}

void relay_stop(struct relay *relay)
{
	if (!relay->started)
		return;
	atomic_store(&relay->stopping, true);
	relay_notify(relay);
	pthread_join(relay->thread, NULL);
	relay->started = false;
}

void relay_destroy(struct relay *relay)
{
	if (relay == NULL)
		return;
	drop_client(relay);
	follow_destroy(relay->follow);
	store_close(relay->store);
	arena_finish(&relay->arena);
	if (relay->wake_fd >= 0)
		close(relay->wake_fd);
	free(relay);
}
