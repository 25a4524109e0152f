/* SPDX-License-Identifier: MIT
 *
 * Concurrency: one thread, with a witness and its client of its own; it shares progress
 * (locked). A condition variable wakes it to end. */
#include "watch.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
#include "kafka.h"
#include "log.h"
#include "moment.h"

enum { PERIOD_MS = 1000, HASTY_PERIOD_MS = 100, ANSWER_TIMEOUT_MS = 3000 };
/* A leader is elected anew in less. */
#define TROUBLE_LASTS (INT64_C(3) * 1000000)

struct watch {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	const struct config *config;
	const struct schema *schema;
	struct progress *progress;
	struct witness *witness;
	struct log_once cluster_away, trouble;
	int64_t trouble_since; /* moment_monotonic; 0: there is none */
};

static void find_cluster(struct watch *watch)
{
	struct weir_error error;
	WEIR_FREE char *cluster = NULL;
	weir_status status = kafka_cluster_id(witness_client(watch->witness), watch->config,
					      ANSWER_TIMEOUT_MS, &cluster, &error);
	if (status == WEIR_OK)
		status = progress_offer_cluster(watch->progress, cluster, &error);
	if (status != WEIR_OK) {
		health_set_bad("kafka", "%s", error.message);
		if (log_once_failing(&watch->cluster_away))
			log_warning("kafka", "state=waiting reason=%s", LOG_TEXT(error.message));
		return;
	}
	log_info("kafka", "cluster=%s", cluster);
}

/* Another cluster at the same address has positions of its own, or none yet. False: the indexing
 * thread has not taken it. */
static bool follow_cluster(struct watch *watch)
{
	struct weir_error error;
	WEIR_FREE char *changed = NULL;
	if (progress_has_offer(watch->progress))
		return false;
	const char *cluster = progress_cluster(watch->progress);
	if (cluster == NULL) {
		find_cluster(watch);
		return false;
	}
	kafka_cluster_changed(witness_client(watch->witness), watch->config, cluster, &changed);
	if (changed == NULL)
		return true;
	if (progress_offer_cluster(watch->progress, changed, &error) == WEIR_OK)
		log_warning("kafka", "cluster=%s was=%s reason=%s", changed, cluster,
			    LOG_TEXT("another cluster answers at this address: it has positions of "
				     "its own in the index"));
	return false;
}

static void on_partition(void *context, const char *topic, int32_t partition, int64_t begin,
			 int64_t end)
{
	progress_set_log(context, topic, partition, begin, end);
}

static void judge_doubts(struct watch *watch)
{
	struct log_place place;
	while (progress_next_doubt(watch->progress, &place)) {
		bool last_seen = false;
		enum log_verdict verdict =
			witness_judge(watch->witness, &place, ANSWER_TIMEOUT_MS, &last_seen);
		progress_judged(watch->progress, &place, verdict, last_seen);
		if (verdict == LOG_AWAY && !kafka_reachable())
			break;
	}
}

/* What the brokers answered. That all are away lib/kafka.c says; what lasts and is something else
 * (a topic that may not be read, a leader that is missing or cannot be reached) is said here. */
static void note_look(struct watch *watch, weir_status status, const struct weir_error *error)
{
	if (status == WEIR_OK) {
		kafka_note_reached();
		health_set_good("kafka");
		watch->trouble_since = 0;
		if (log_once_recovered(&watch->trouble))
			log_info("kafka", "state=goes_on");
		return;
	}
	health_set_bad("kafka", "the brokers %s do not answer: %s",
		       config_text(watch->config, "kafka", "brokers"), error->message);
	if (watch->trouble_since == 0)
		watch->trouble_since = moment_monotonic();
	if (kafka_reachable() && moment_monotonic() - watch->trouble_since > TROUBLE_LASTS &&
	    log_once_failing(&watch->trouble))
		log_warning("kafka", "state=waits reason=%s", LOG_TEXT(error->message));
}

static void look(struct watch *watch)
{
	witness_serve(watch->witness);
	if (!follow_cluster(watch))
		return;
	struct weir_error error;
	weir_status status = WEIR_OK;
	progress_look_begins(watch->progress);
	for (size_t i = 0; i < watch->schema->message_count; i++) {
		const char *topic = watch->schema->messages[i].topic;
		int32_t partitions = 0;
		/* One topic without a leader does not keep the others waiting; brokers that are all
		 * away would, for each topic anew. */
		if (status != WEIR_OK && !kafka_reachable())
			break;
		weir_status one =
			kafka_topic_ends(witness_client(watch->witness), topic, ANSWER_TIMEOUT_MS,
					 on_partition, watch->progress, &partitions, &error);
		if (one == WEIR_OK)
			progress_set_partitions(watch->progress, topic, partitions);
		else
			status = one;
	}
	judge_doubts(watch);
	note_look(watch, status, &error);
	progress_report(watch->progress);
}

static void *run(void *context)
{
	struct watch *watch = context;
	pthread_mutex_lock(&watch->lock);
	while (!watch->stopping) {
		pthread_mutex_unlock(&watch->lock);
		look(watch);
		/* While not ready, changes for the better should be seen soon. */
		int period = health_ready() ? PERIOD_MS : HASTY_PERIOD_MS;
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += (long)period % 1000 * 1000000;
		until.tv_sec += period / 1000 + until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&watch->lock);
		if (!watch->stopping)
			pthread_cond_timedwait(&watch->wake, &watch->lock, &until);
	}
	pthread_mutex_unlock(&watch->lock);
	return NULL;
}

weir_status watch_start(const struct config *config, const struct schema *schema,
			struct progress *progress, struct watch **watch, struct weir_error *error)
{
	struct watch *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->config = config;
	made->schema = schema;
	made->progress = progress;
	weir_status status = witness_create(config, "indexer-witness", &made->witness, error);
	if (status != WEIR_OK) {
		free(made);
		return status;
	}
	pthread_mutex_init(&made->lock, NULL);
	moment_condition_init(&made->wake);
	int failure = pthread_create(&made->thread, NULL, run, made);
	if (failure != 0) {
		witness_destroy(made->witness);
		free(made);
		return err_set(error, WEIR_SYSTEM, "a thread cannot be made: %s",
			       strerror(failure));
	}
	*watch = made;
	return WEIR_OK;
}

void watch_stop(struct watch *watch)
{
	if (watch == NULL)
		return;
	pthread_mutex_lock(&watch->lock);
	watch->stopping = true;
	pthread_cond_signal(&watch->wake);
	pthread_mutex_unlock(&watch->lock);
	pthread_join(watch->thread, NULL);
	pthread_cond_destroy(&watch->wake);
	pthread_mutex_destroy(&watch->lock);
	witness_destroy(watch->witness);
	free(watch);
}
