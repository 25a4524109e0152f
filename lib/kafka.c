/* SPDX-License-Identifier: MIT
 *
 * Concurrency: librdkafka calls on_log and on_error from threads of its own; what they share is
 * `down`, `troubles` and `said`, behind `lock`. */
#include "kafka.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "moment.h"

#define SECOND INT64_C(1000000)
/* librdkafka keeps back an error that repeats itself for half a minute. */
#define CAUSE_HOLDS (60 * SECOND)
#define SAY_AGAIN_AFTER (60 * SECOND)
#define LINE_AGAIN_AFTER (10 * SECOND)

enum { FACILITY_LIMIT = 32, DESTROY_PATIENCE_SECONDS = 3, REASON_SIZE = 400 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_once down;

/* Why a connection fails: not let in, or not there. */
enum trouble_kind { TROUBLE_REFUSED, TROUBLE_UNREACHABLE, TROUBLE_KIND_COUNT };
static struct trouble {
	char reason[REASON_SIZE];
	int64_t at, said_at; /* moment_monotonic; 0: never */
} troubles[TROUBLE_KIND_COUNT];

/* librdkafka's own lines, by facility. */
static struct said {
	char facility[32];
	int64_t at; /* moment_monotonic */
	unsigned held_back;
} said[FACILITY_LIMIT];

/* A line of this facility may be written, *held_back others of it were not. */
static bool may_say(const char *facility, unsigned *held_back)
{
	int64_t now = moment_monotonic();
	bool may = true;
	*held_back = 0;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < FACILITY_LIMIT; i++) {
		struct said *each = &said[i];
		if (each->at != 0 &&
		    strncmp(each->facility, facility, sizeof(said->facility) - 1) != 0)
			continue;
		if (each->at == 0)
			snprintf(each->facility, sizeof(each->facility), "%s", facility);
		may = each->at == 0 || now - each->at >= LINE_AGAIN_AFTER;
		if (may) {
			*held_back = each->held_back;
			each->held_back = 0;
			each->at = now;
		} else {
			each->held_back++;
		}
		break;
	}
	pthread_mutex_unlock(&lock);
	return may;
}

/* librdkafka repeats connection failures for as long as they last; on_error says them once. It also
 * repeats that brokers without a newer Metadata call may make topics: the development broker. Of
 * the rest, each facility has a line in ten seconds. */
static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *line)
{
	(void)client;
	unsigned held_back = 0;
	bool repeated = strcmp(facility, "FAIL") == 0 || strcmp(facility, "ERROR") == 0 ||
			strcmp(facility, "AUTOCREATE") == 0 || strcmp(facility, "SSLCERTVRFY") == 0;
	uint32_t ours = level <= 3   ? WEIR_LOG_ERROR
			: level <= 5 ? WEIR_LOG_WARNING
				     : WEIR_LOG_DEBUG;
	if (repeated || (ours != WEIR_LOG_DEBUG && !may_say(facility, &held_back)))
		ours = WEIR_LOG_DEBUG;
	if (held_back > 0)
		log_line(ours, "kafka", "facility=%s held_back=%u line=%s", facility, held_back,
			 LOG_TEXT(line));
	else
		log_line(ours, "kafka", "facility=%s line=%s", facility, LOG_TEXT(line));
}

static bool kind_of(int code, enum trouble_kind *kind)
{
	*kind = code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL
			? TROUBLE_REFUSED
			: TROUBLE_UNREACHABLE;
	return *kind == TROUBLE_REFUSED || code == RD_KAFKA_RESP_ERR__RESOLVE ||
	       code == RD_KAFKA_RESP_ERR__TRANSPORT;
}

/* Without librdkafka's times and counts, which differ each time. */
static void copy_reason(char out[REASON_SIZE], const char *reason)
{
	snprintf(out, REASON_SIZE, "%s", reason);
	char *tail = strstr(out, " (after ");
	if (tail != NULL)
		*tail = '\0';
}

/* A broker that is away and one that does not let us in look the same to whoever waits for an
 * answer, so the reason is kept; it is said at once, and again every minute at most. */
static void note_trouble(enum trouble_kind kind, const char *reason)
{
	struct trouble *trouble = &troubles[kind];
	int64_t now = moment_monotonic();
	pthread_mutex_lock(&lock);
	copy_reason(trouble->reason, reason);
	trouble->at = now;
	bool say = trouble->said_at == 0 || now - trouble->said_at >= SAY_AGAIN_AFTER;
	if (say)
		trouble->said_at = now;
	struct trouble copy = *trouble;
	pthread_mutex_unlock(&lock);
	if (say)
		log_line(kind == TROUBLE_REFUSED ? WEIR_LOG_ERROR : WEIR_LOG_WARNING, "kafka",
			 "state=%s reason=%s",
			 kind == TROUBLE_REFUSED ? "not_let_in" : "no_connection",
			 LOG_TEXT(copy.reason));
}

/* What OpenSSL calls X509_V_ERR_*. */
static const char *certificate_fault(int code)
{
	switch (code) {
	case 9:
		return "is not valid yet";
	case 10:
		return "has expired";
	case 18:
	case 19:
	case 20:
	case 21:
		return "is of no CA that is known here (rdkafka.ssl.ca.location)";
	case 23:
		return "was revoked";
	case 62:
	case 64:
		return "is for another host name";
	default:
		return "is not accepted";
	}
}

/* librdkafka says of all of these that the CA may be missing. 1: go on. */
static int on_certificate(rd_kafka_t *client, const char *broker, int32_t broker_id,
			  int *x509_error, int depth, const char *certificate, size_t length,
			  char *reason, size_t size, void *opaque)
{
	(void)client;
	(void)broker_id;
	(void)depth;
	(void)certificate;
	(void)length;
	(void)opaque;
	char text[REASON_SIZE];
	if (*x509_error == 0)
		return 1;
	snprintf(text, sizeof(text), "%s: the broker's certificate %s (OpenSSL error %d)", broker,
		 certificate_fault(*x509_error), *x509_error);
	note_trouble(TROUBLE_REFUSED, text);
	snprintf(reason, size, "%s", text);
	return 0;
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
	(void)client;
	(void)opaque;
	enum trouble_kind kind;
	/* A connection that ended tells nothing yet: idle ones are ended, too. */
	bool told = strstr(reason, ": Disconnected") != NULL ||
		    (code == RD_KAFKA_RESP_ERR__SSL &&
		     strstr(reason, "certificate verify failed") != NULL);
	if (!told && kind_of(code, &kind))
		note_trouble(kind, reason);
	if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
		log_debug("kafka", "error=%s reason=%s", rd_kafka_err2name(code), LOG_TEXT(reason));
		return;
	}
	pthread_mutex_lock(&lock);
	bool first = log_once_failing(&down);
	pthread_mutex_unlock(&lock);
	if (first)
		log_warning("kafka", "state=away reason=%s", LOG_TEXT(reason));
}

/* The newer of the two, where there is one. */
static bool find_cause(char out[REASON_SIZE])
{
	const struct trouble *newest = NULL;
	int64_t now = moment_monotonic();
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < TROUBLE_KIND_COUNT; i++)
		if (troubles[i].at != 0 && now - troubles[i].at < CAUSE_HOLDS &&
		    (newest == NULL || troubles[i].at > newest->at))
			newest = &troubles[i];
	if (newest != NULL)
		memcpy(out, newest->reason, REASON_SIZE);
	pthread_mutex_unlock(&lock);
	return newest != NULL;
}

/* Of an answer that did not come: what the connections have to tell. */
static weir_status away(struct weir_error *error)
{
	char cause[REASON_SIZE], text[sizeof(error->message)];
	if (!find_cause(cause))
		return WEIR_AWAY;
	memcpy(text, error->message, sizeof(text));
	return err_set(error, WEIR_AWAY, "%.200s (%.250s)", text, cause);
}

bool kafka_reachable(void)
{
	pthread_mutex_lock(&lock);
	bool reachable = !down.failing;
	pthread_mutex_unlock(&lock);
	return reachable;
}

void kafka_note_reached(void)
{
	pthread_mutex_lock(&lock);
	int64_t since = down.since;
	bool first = log_once_recovered(&down);
	for (size_t i = 0; first && i < TROUBLE_KIND_COUNT; i++)
		troubles[i] = (struct trouble){0};
	pthread_mutex_unlock(&lock);
	if (first)
		log_info("kafka", "state=back after_ms=%lld",
			 (long long)((moment_now() - since) / 1000));
}

weir_status kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value,
		      struct weir_error *error)
{
	char reason[300];
	if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) == RD_KAFKA_CONF_OK)
		return WEIR_OK;
	return err_set(error, WEIR_INVALID, "librdkafka: %s", reason);
}

static weir_status pass_through(void *context, const char *key, const char *value,
				const char *origin, struct weir_error *error)
{
	weir_status status = kafka_set(context, key + strlen("rdkafka."), value, error);
	if (status != WEIR_OK)
		return err_set(error, status, "%s: [kafka] %s: %s", origin, key, error->message);
	return WEIR_OK;
}

static weir_status is_given(void *context, const char *key, const char *value, const char *origin,
			    struct weir_error *error)
{
	(void)value;
	(void)origin;
	(void)error;
	const char **name = context;
	if (*name != NULL && strcmp(key + strlen("rdkafka."), *name) == 0)
		*name = NULL;
	return WEIR_OK;
}

weir_status kafka_set_default(const struct config *config, rd_kafka_conf_t *conf, const char *name,
			      const char *value, struct weir_error *error)
{
	const char *wanted = name;
	weir_status status = config_each(config, "kafka", "rdkafka.", is_given, &wanted, error);
	if (status != WEIR_OK || wanted == NULL)
		return status;
	return kafka_set(conf, name, value, error);
}

weir_status kafka_configure(const struct config *config, const char *process,
			    rd_kafka_conf_t **conf, struct weir_error *error)
{
	rd_kafka_conf_t *made = rd_kafka_conf_new();
	char client_id[64];
	snprintf(client_id, sizeof(client_id), "weir-%s", process);
	rd_kafka_conf_set_log_cb(made, on_log);
	rd_kafka_conf_set_error_cb(made, on_error);
	rd_kafka_conf_set_ssl_cert_verify_cb(made, on_certificate);
	weir_status status = kafka_set(made, "bootstrap.servers",
				       config_text(config, "kafka", "brokers"), error);
	if (status == WEIR_OK)
		status = kafka_set(made, "client.id", client_id, error);
	if (status == WEIR_OK)
		status = config_each(config, "kafka", "rdkafka.", pass_through, made, error);
	if (status != WEIR_OK) {
		rd_kafka_conf_destroy(made);
		return status;
	}
	*conf = made;
	return WEIR_OK;
}

weir_status kafka_cluster_id(rd_kafka_t *client, const struct config *config, int timeout_ms,
			     char **cluster, struct weir_error *error)
{
	const char *given = config_text(config, "kafka", "cluster");
	if (given != NULL && given[0] != '\0') {
		*cluster = strdup(given);
		return *cluster != NULL ? WEIR_OK : err_no_memory(error);
	}
	char *id = rd_kafka_clusterid(client, timeout_ms);
	if (id == NULL) {
		err_set(error, WEIR_AWAY, "no broker of %s told its cluster id",
			config_text(config, "kafka", "brokers"));
		return away(error);
	}
	*cluster = strdup(id);
	rd_kafka_mem_free(client, id);
	return *cluster != NULL ? WEIR_OK : err_no_memory(error);
}

void kafka_cluster_changed(rd_kafka_t *client, const struct config *config, const char *cluster,
			   char **changed)
{
	const char *given = config_text(config, "kafka", "cluster");
	*changed = NULL;
	if (given != NULL && given[0] != '\0')
		return;
	char *id = rd_kafka_clusterid(client, 0);
	if (id == NULL)
		return;
	if (strcmp(id, cluster) != 0)
		*changed = strdup(id);
	rd_kafka_mem_free(client, id);
}

static weir_status count_partitions(rd_kafka_t *client, const char *name, int timeout_ms,
				    int32_t *partitions, struct weir_error *error)
{
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
	if (topic == NULL)
		return err_no_memory(error);
	rd_kafka_resp_err_t failure = rd_kafka_metadata(client, 0, topic, &metadata, timeout_ms);
	rd_kafka_topic_destroy(topic);
	if (failure != RD_KAFKA_RESP_ERR_NO_ERROR) {
		err_set(error, WEIR_AWAY, "topic %s: %s", name, rd_kafka_err2str(failure));
		return away(error);
	}
	failure = metadata->topic_cnt == 1 ? metadata->topics[0].err
					   : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	int32_t count =
		failure == RD_KAFKA_RESP_ERR_NO_ERROR ? metadata->topics[0].partition_cnt : 0;
	rd_kafka_metadata_destroy(metadata);
	/* Not allowed to see it, or no leader just now: that is not "there is none". */
	if (failure != RD_KAFKA_RESP_ERR_NO_ERROR &&
	    failure != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
	    failure != RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
		return err_set(error, WEIR_AWAY, "topic %s: %s", name, rd_kafka_err2str(failure));
	*partitions = count;
	return WEIR_OK;
}

/* Where every partition begins (RD_KAFKA_OFFSET_BEGINNING) or ends, into list. Not
 * rd_kafka_query_watermark_offsets: librdkafka 2.0.2 tries for as long as the broker is away,
 * whatever the timeout, when the connection breaks under the question. */
static weir_status ask_offsets(rd_kafka_t *client, rd_kafka_topic_partition_list_t *list,
			       int64_t which, int64_t until, struct weir_error *error)
{
	int64_t left = (until - moment_monotonic()) / 1000;
	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = which;
	rd_kafka_resp_err_t failure =
		rd_kafka_offsets_for_times(client, list, left > 1 ? (int)left : 1);
	if (failure != RD_KAFKA_RESP_ERR_NO_ERROR) {
		err_set(error, WEIR_AWAY, "topic %s: %s", list->elems[0].topic,
			rd_kafka_err2str(failure));
		return away(error);
	}
	for (int i = 0; i < list->cnt; i++)
		if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR || list->elems[i].offset < 0) {
			err_set(error, WEIR_AWAY, "topic %s partition %d: %s", list->elems[i].topic,
				list->elems[i].partition, rd_kafka_err2str(list->elems[i].err));
			return away(error);
		}
	return WEIR_OK;
}

static weir_status ask_ends(rd_kafka_t *client, rd_kafka_topic_partition_list_t *begins,
			    rd_kafka_topic_partition_list_t *ends, int64_t until,
			    struct weir_error *error)
{
	weir_status status = ask_offsets(client, begins, RD_KAFKA_OFFSET_BEGINNING, until, error);
	return status == WEIR_OK ? ask_offsets(client, ends, RD_KAFKA_OFFSET_END, until, error)
				 : status;
}

weir_status kafka_topic_ends(rd_kafka_t *client, const char *topic, int timeout_ms,
			     kafka_on_partition on_partition, void *context, int32_t *partitions,
			     struct weir_error *error)
{
	int32_t count = 0;
	int64_t until = moment_monotonic() + (int64_t)timeout_ms * 1000;
	weir_status status = count_partitions(client, topic, timeout_ms, &count, error);
	if (status != WEIR_OK)
		return status;
	rd_kafka_topic_partition_list_t *begins = rd_kafka_topic_partition_list_new(count + 1);
	rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_new(count + 1);
	rd_kafka_topic_partition_list_add_range(begins, topic, 0, count - 1);
	rd_kafka_topic_partition_list_add_range(ends, topic, 0, count - 1);
	if (count > 0)
		status = ask_ends(client, begins, ends, until, error);
	for (int32_t i = 0; status == WEIR_OK && i < count; i++)
		on_partition(context, topic, i,
			     rd_kafka_topic_partition_list_find(begins, topic, i)->offset,
			     rd_kafka_topic_partition_list_find(ends, topic, i)->offset);
	rd_kafka_topic_partition_list_destroy(begins);
	rd_kafka_topic_partition_list_destroy(ends);
	if (status == WEIR_OK)
		*partitions = count;
	return status;
}

static void *destroy(void *client)
{
	rd_kafka_destroy(client);
	return NULL;
}

/* exit() would take away under the threads that are left what they use. */
static void leave(int status, void *context)
{
	(void)context;
	_exit(status);
}

void kafka_destroy(rd_kafka_t *client)
{
	pthread_t thread;
	struct timespec until;
	if (client == NULL)
		return;
	if (pthread_create(&thread, NULL, destroy, client) != 0) {
		rd_kafka_destroy(client);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DESTROY_PATIENCE_SECONDS;
	if (pthread_timedjoin_np(thread, NULL, &until) == 0)
		return;
	pthread_detach(thread);
	on_exit(leave, NULL);
	log_warning("kafka", "state=left reason=%s",
		    LOG_TEXT("the Kafka client does not end, as when a topic was made anew with "
			     "fewer partitions, and is not waited for"));
}
