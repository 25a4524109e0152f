/* SPDX-License-Identifier: MIT
 * relay_internal.h - what relay.c and lane.c share. */
#ifndef RELAY_INTERNAL_H
#define RELAY_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "follow.h"
#include "kafka.h"
#include "log.h"
#include "metrics.h"
#include "relay.h"

enum { LANE_COUNT = 3, LANE_PAGE = 500 };

#define LANE_IDLE INT64_MAX /* nothing to do until something happens */

struct lane {
	const struct schema_message *message;
	rd_kafka_topic_t *topic; /* of relay->client */
	int64_t stream;		 /* outbox_stream of this cluster and topic */
	int64_t last;		 /* sequence up to which rows were produced */
	int64_t alone_until;	 /* rows up to it go one at a time: see is_messages_fault */
	size_t inflight;
	bool verified; /* the topic is there */
	bool drained;  /* there was no row behind last, as of commit number `seen` */
	unsigned seen;
	bool again;	 /* begin at the oldest waiting row once all is settled */
	bool has_ticket; /* nothing is in flight; waits for marks up to ticket */
	uint64_t ticket;
	int64_t backoff, retry_at; /* microseconds; moment_monotonic */
	struct log_once trouble;
	struct metric *relayed, *failures;
};

struct relay {
	struct relay_options options;
	struct writer *writer;
	pthread_t thread;
	bool started;
	atomic_bool stopping;
	atomic_uint commits; /* counts relay_notify */
	int wake_fd;	     /* relay_notify and librdkafka's events */
	size_t limit;	     /* messages in flight */

	/* the thread's own */
	struct store *store;
	rd_kafka_t *client;
	rd_kafka_queue_t *events;
	char *cluster;	/* NULL: not known */
	bool connected; /* cluster and streams are known */
	bool reset;	/* refused rows were taken up again, once per start */
	int64_t connect_at, measured_at, followed_at, cluster_at;
	struct log_once trouble, follow_trouble, store_trouble;
	struct lane lanes[LANE_COUNT];
	size_t inflight, inflight_bytes;
	struct follow *follow; /* NULL: not asked for */
	struct arena arena;
	struct store_change changes[LANE_PAGE];
	struct metric *inflight_gauge, *oldest_gauge;
};

/* Produces what the lane may. Microseconds until it wants to be called again, 0: at once. */
int64_t lane_step(struct relay *relay, struct lane *lane);
/* librdkafka's delivery report; opaque is the relay. On the thread that polls. */
void lane_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque);
/* The client is a new one: everything in flight is gone. */
void lane_reset(struct lane *lane);

#endif
