/* SPDX-License-Identifier: MIT
 * Faults planted into an eventd that is right, by LD_PRELOAD, to see that the torture finds them.
 *
 * WEIR_FAULT=answer-early: COMMIT only says that it was done, and is done a moment later, so that
 * clients have their answer before their write is on disk.
 *
 * WEIR_FAULT=mark-early: a message counts as delivered when it was given to librdkafka, and is
 * marked as sent before Kafka has it.
 *
 * Concurrency: the writer's thread alone commits, or, when it is idle, a thread of ours, both under
 * `lock`; the relay's thread alone produces. */
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_fault(const char *name)
{
	const char *fault = getenv("WEIR_FAULT");
	return fault != NULL && strcmp(fault, name) == 0;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sqlite3 *uncommitted;
static bool committing; /* by us */
static int commits;	/* the first may be that of the tables, and is done at once */

/* Under the lock. */
static void commit_late(void)
{
	committing = true;
	if (uncommitted != NULL)
		sqlite3_exec(uncommitted, "COMMIT", NULL, NULL, NULL);
	committing = false;
	uncommitted = NULL;
}

static void *commit_when_idle(void *context)
{
	for (;;) {
		usleep(50000);
		pthread_mutex_lock(&lock);
		commit_late();
		pthread_mutex_unlock(&lock);
	}
	return context;
}

__attribute__((visibility("default"))) int sqlite3_step(sqlite3_stmt *statement)
{
	int (*step)(sqlite3_stmt *) = (int (*)(sqlite3_stmt *))dlsym(RTLD_NEXT, "sqlite3_step");
	const char *sql = sqlite3_sql(statement);
	if (committing || sql == NULL || !has_fault("answer-early"))
		return step(statement);
	bool commit = strcmp(sql, "COMMIT") == 0, begin = strcmp(sql, "BEGIN IMMEDIATE") == 0;
	if (commit && commits++ == 0) {
		pthread_t thread;
		pthread_create(&thread, NULL, commit_when_idle, NULL);
		return step(statement);
	}
	if (!commit && !begin)
		return step(statement);
	pthread_mutex_lock(&lock);
	if (begin)
		commit_late();
	else
		uncommitted = sqlite3_db_handle(statement);
	pthread_mutex_unlock(&lock);
	return commit ? SQLITE_DONE : step(statement);
}

typedef void (*report_function)(rd_kafka_t *, const rd_kafka_message_t *, void *);
static report_function report;

static void ignore_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
	(void)client;
	(void)message;
	(void)opaque;
}

static rd_kafka_resp_err_t on_send(rd_kafka_t *client, rd_kafka_message_t *message, void *context)
{
	rd_kafka_message_t delivered = *message;
	(void)context;
	delivered.offset = 0; /* as if the broker had told one */
	delivered.partition = 0;
	report(client, &delivered, rd_kafka_opaque(client));
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *client, const rd_kafka_conf_t *conf, void *context,
				  char *reason, size_t size)
{
	(void)conf;
	(void)reason;
	(void)size;
	return rd_kafka_interceptor_add_on_send(client, "mark-early", on_send, context);
}

__attribute__((visibility("default"))) void rd_kafka_conf_set_dr_msg_cb(rd_kafka_conf_t *conf,
									report_function wanted)
{
	void (*set)(rd_kafka_conf_t *, report_function) =
		(void (*)(rd_kafka_conf_t *, report_function))dlsym(RTLD_NEXT,
								    "rd_kafka_conf_set_dr_msg_cb");
	if (has_fault("mark-early")) {
		report = wanted;
		rd_kafka_conf_interceptor_add_on_new(conf, "mark-early", on_new, NULL);
	}
	set(conf, has_fault("mark-early") ? ignore_report : wanted);
}
