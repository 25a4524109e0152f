/* SPDX-License-Identifier: MIT
 * Makes, by LD_PRELOAD, a right eventd wrong: a message counts as delivered when it was given to
 * librdkafka, and is marked as sent before Kafka has it. The torture must find that. */
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>

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
	report = wanted;
	rd_kafka_conf_interceptor_add_on_new(conf, "mark-early", on_new, NULL);
	set(conf, ignore_report);
}
