/* SPDX-License-Identifier: MIT
 *
 * Concurrency: everything here runs on the relay's thread; delivery reports too, inside
 * rd_kafka_poll. */
#include <inttypes.h>
#include <string.h>

#include "message.h"
#include "moment.h"
#include "relay_internal.h"
#include "stop_point.h"

#define MILLISECOND INT64_C(1000)
#define BACKOFF_FIRST (100 * MILLISECOND)
#define BACKOFF_LAST (2000 * MILLISECOND)
#define SETTLE_WAIT (10 * MILLISECOND) /* for marks to reach the disk, which wakes nobody */
#define INFLIGHT_BYTES ((size_t)64 << 20)
#define OVERHEAD 200 /* bytes of key, headers and framing, about */

enum { METADATA_MS = 1000 };

/* A message in librdkafka's hands. */
struct sending {
	struct lane *lane;
	int64_t sequence;
	char id[STORE_ID_SIZE];
	size_t bytes;
	bool alone;
};

static void pause_lane(struct lane *lane, const char *reason)
{
	lane->backoff = lane->backoff == 0 ? BACKOFF_FIRST : 2 * lane->backoff;
	if (lane->backoff > BACKOFF_LAST)
		lane->backoff = BACKOFF_LAST;
	lane->retry_at = moment_monotonic() + lane->backoff;
	if (log_once_failing(&lane->trouble))
		log_warning("relay", "state=waits topic=%s reason=%s", lane->message->topic,
			    LOG_TEXT(reason));
}

static void lane_works(struct lane *lane)
{
	lane->backoff = 0;
	if (log_once_recovered(&lane->trouble))
		log_info("relay", "state=goes_on topic=%s", lane->message->topic);
}

void lane_reset(struct lane *lane)
{
	lane->topic = NULL;
	lane->last = 0;
	lane->inflight = 0;
	lane->verified = lane->drained = lane->has_ticket = false;
	lane->again = true; /* reports of the old client may still be on their way to disk */
}

/* Success without an offset means that the broker called the message a duplicate. It does so
 * wrongly when the first batch for a partition failed and the second, in flight already, was taken:
 * then the message is nowhere. Sent again, alone, the answer can be believed. */
static bool is_doubtful(const struct sending *sending, const rd_kafka_message_t *message)
{
	return message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset < 0 && !sending->alone;
}

static void send_again_alone(struct lane *lane, const struct sending *sending)
{
	lane->again = true;
	if (sending->sequence > lane->alone_until)
		lane->alone_until = sending->sequence;
}

/* Errors that one message brings on itself. A broker refuses the whole batch that it came in, so
 * its rows are sent again one at a time, to learn which it was. */
static bool is_messages_fault(rd_kafka_resp_err_t code)
{
	return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
	       code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
	       code == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

static bool is_topics_fault(rd_kafka_resp_err_t code)
{
	return code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
	       code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
	       code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
	       code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

/* The row stays in the outbox, set aside. */
static void refuse_row(struct relay *relay, const struct lane *lane, int64_t sequence,
		       const char *id, const char *reason)
{
	struct outbox_mark mark = {.sequence = sequence, .state = OUTBOX_REFUSED};
	marks_add(relay->options.marks, &mark);
	metric_add(lane->failures, 1);
	log_error("relay", "state=refused topic=%s change=%" PRId64 " id=%s reason=%s",
		  lane->message->topic, sequence, id, LOG_TEXT(reason));
}

static void on_delivered(struct relay *relay, struct lane *lane, const struct sending *sending,
			 const rd_kafka_message_t *message)
{
	struct outbox_mark mark = {sending->sequence, OUTBOX_SENT, lane->stream, message->partition,
				   message->offset};
	marks_add(relay->options.marks, &mark);
	metric_add(lane->relayed, 1);
	kafka_note_reached();
	lane_works(lane);
	if (relay->follow != NULL)
		follow_delivered(relay->follow, lane->message->topic, message->partition,
				 message->offset, sending->bytes);
}

static void on_failed(struct relay *relay, struct lane *lane, const struct sending *sending,
		      rd_kafka_resp_err_t code)
{
	if (is_messages_fault(code) && sending->alone) {
		refuse_row(relay, lane, sending->sequence, sending->id, rd_kafka_err2str(code));
		return;
	}
	marks_forget(relay->options.marks);
	lane->again = true;
	if (is_messages_fault(code)) {
		send_again_alone(lane, sending);
		return;
	}
	if (code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
		return; /* we are leaving */
	metric_add(lane->failures, 1);
	if (is_topics_fault(code))
		lane->verified = false;
	if (lane->retry_at <= moment_monotonic()) /* once for all that fail together */
		pause_lane(lane, rd_kafka_err2str(code));
}

void lane_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
	struct relay *relay = opaque;
	struct sending *sending = message->_private;
	struct lane *lane = sending->lane;
	(void)client;
	stop_point("eventd.report.before");
	lane->inflight--;
	relay->inflight--;
	relay->inflight_bytes -= sending->bytes;
	if (is_doubtful(sending, message)) {
		log_warning("relay", "state=doubtful topic=%s change=%" PRId64 " id=%s reason=%s",
			    lane->message->topic, sending->sequence, sending->id,
			    LOG_TEXT("acknowledged without an offset; it is sent again"));
		marks_forget(relay->options.marks);
		send_again_alone(lane, sending);
	} else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		on_delivered(relay, lane, sending, message);
	else
		on_failed(relay, lane, sending, message->err);
	stop_point("eventd.report.after");
	free(sending);
}

/* Asks for the topic: only this makes librdkafka look again for one that was not there. */
static bool verify(struct relay *relay, struct lane *lane)
{
	const struct rd_kafka_metadata *metadata = NULL;
	if (lane->topic == NULL)
		lane->topic = rd_kafka_topic_new(relay->client, lane->message->topic, NULL);
	if (lane->topic == NULL) {
		pause_lane(lane, rd_kafka_err2str(rd_kafka_last_error()));
		return false;
	}
	rd_kafka_resp_err_t code =
		rd_kafka_metadata(relay->client, 0, lane->topic, &metadata, METADATA_MS);
	bool away = code != RD_KAFKA_RESP_ERR_NO_ERROR;
	if (!away) {
		kafka_note_reached();
		code = metadata->topic_cnt != 1 ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
						: metadata->topics[0].err;
		lane->verified =
			code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topics[0].partition_cnt > 0;
		rd_kafka_metadata_destroy(metadata);
	}
	if (lane->verified)
		lane_works(lane);
	else if (away) /* lib/kafka.c has said that the brokers are */
		lane->retry_at = moment_monotonic() + BACKOFF_FIRST;
	else
		pause_lane(lane, rd_kafka_err2str(code));
	return lane->verified;
}

/* One message may always be in flight, however large. */
static bool has_room(const struct relay *relay, size_t bytes)
{
	if (relay->inflight == 0 && (relay->follow == NULL || !follow_waits(relay->follow)))
		return true;
	return relay->inflight_bytes + bytes <= INFLIGHT_BYTES &&
	       (relay->follow == NULL ||
		bytes <= follow_room(relay->follow, relay->inflight_bytes));
}

static rd_kafka_resp_err_t produce(struct relay *relay, struct lane *lane,
				   const struct store_change *change, struct buffer *value,
				   struct sending *sending)
{
	rd_kafka_headers_t *headers = message_headers(lane->message, change);
	rd_kafka_resp_err_t code = rd_kafka_producev(relay->client, RD_KAFKA_V_RKT(lane->topic),
						     RD_KAFKA_V_KEY(change->id, strlen(change->id)),
						     RD_KAFKA_V_VALUE(value->data, value->length),
						     RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
						     RD_KAFKA_V_HEADERS(headers),
						     RD_KAFKA_V_OPAQUE(sending), RD_KAFKA_V_END);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_headers_destroy(headers);
	return code;
}

/* Microseconds to wait before this row; 0: it is gone, or set aside. */
static int64_t not_produced(struct relay *relay, struct lane *lane,
			    const struct store_change *change, rd_kafka_resp_err_t code)
{
	if (is_messages_fault(code)) {
		refuse_row(relay, lane, change->sequence, change->id, rd_kafka_err2str(code));
		return 0;
	}
	marks_forget(relay->options.marks);
	if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		return SETTLE_WAIT;
	if (is_topics_fault(code))
		lane->verified = false;
	pause_lane(lane, rd_kafka_err2str(code));
	return lane->backoff;
}

/* What librdkafka hands back with the report. NULL: no memory. */
static struct sending *make_sending(struct lane *lane, const struct store_change *change,
				    size_t bytes, bool alone)
{
	struct sending *sending = calloc(1, sizeof(*sending));
	if (sending == NULL)
		return NULL;
	*sending = (struct sending){.lane = lane,
				    .sequence = change->sequence,
				    .bytes = bytes + OVERHEAD,
				    .alone = alone};
	memcpy(sending->id, change->id, STORE_ID_SIZE);
	return sending;
}

/* Microseconds to wait before this row is tried again; 0: the next one may go. */
static int64_t send_row(struct relay *relay, struct lane *lane, const struct store_change *change,
			bool alone)
{
	WEIR_CLEANUP(buffer_finish) struct buffer value = BUFFER_INIT;
	struct weir_error error;
	weir_status status =
		message_value(relay->options.schema, change, &relay->arena, &value, &error);
	if (status == WEIR_INVALID) {
		marks_expect(relay->options.marks);
		refuse_row(relay, lane, change->sequence, change->id, error.message);
		return 0;
	}
	if (status == WEIR_OK && !has_room(relay, value.length + OVERHEAD))
		return SETTLE_WAIT;
	struct sending *sending =
		status == WEIR_OK ? make_sending(lane, change, value.length, alone) : NULL;
	if (sending == NULL) {
		pause_lane(lane, "out of memory");
		return lane->backoff;
	}
	marks_expect(relay->options.marks);
	size_t bytes = sending->bytes;
	rd_kafka_resp_err_t code = produce(relay, lane, change, &value, sending);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
		free(sending);
		return not_produced(relay, lane, change, code);
	}
	lane->inflight++;
	relay->inflight++;
	relay->inflight_bytes += bytes;
	stop_point("eventd.produce.after");
	return 0; /* NOLINT(clang-analyzer-unix.Malloc): librdkafka has it until lane_report */
}

/* False: the lane has to wait until what it sent is settled. */
static bool settle(struct relay *relay, struct lane *lane)
{
	if (lane->inflight > 0)
		return false;
	if (!lane->has_ticket) {
		lane->ticket = marks_ticket(relay->options.marks);
		lane->has_ticket = true;
	}
	if (!marks_reached(relay->options.marks, lane->ticket))
		return false;
	lane->again = lane->has_ticket = lane->drained = false;
	lane->last = 0;
	return true;
}

static size_t room_for(const struct relay *relay)
{
	size_t used = relay->inflight + marks_pending(relay->options.marks);
	size_t room = used < relay->limit ? relay->limit - used : 0;
	return room < LANE_PAGE ? room : LANE_PAGE;
}

/* Reads rows and sends them. */
static int64_t send_page(struct relay *relay, struct lane *lane, size_t limit, bool alone)
{
	struct weir_error error;
	size_t count = 0;
	lane->seen = atomic_load(&relay->commits);
	arena_reset(&relay->arena);
	stop_point("eventd.read.before");
	weir_status status = outbox_waiting(relay->store, lane->message->operation, lane->last,
					    limit, &relay->arena, relay->changes, &count, &error);
	if (status != WEIR_OK) {
		pause_lane(lane, error.message);
		return lane->backoff;
	}
	lane->drained = count < limit;
	if (count > 0)
		stop_point("eventd.read.after");
	for (size_t i = 0; i < count; i++) {
		int64_t wait = send_row(relay, lane, &relay->changes[i], alone);
		if (wait > 0) {
			lane->drained = false;
			return wait;
		}
		lane->last = relay->changes[i].sequence;
	}
	return lane->drained ? LANE_IDLE : 0;
}

int64_t lane_step(struct relay *relay, struct lane *lane)
{
	int64_t now = moment_monotonic();
	if (now < lane->retry_at)
		return lane->retry_at - now;
	if (lane->again && !settle(relay, lane))
		return SETTLE_WAIT;
	if (!lane->verified && !verify(relay, lane))
		return BACKOFF_FIRST;
	if (lane->drained && lane->seen == atomic_load(&relay->commits))
		return LANE_IDLE;
	bool alone = lane->last < lane->alone_until;
	if (alone && lane->inflight > 0)
		return LANE_IDLE; /* its report wakes us */
	size_t limit = alone ? 1 : room_for(relay);
	return limit > 0 ? send_page(relay, lane, limit, alone) : SETTLE_WAIT;
}
