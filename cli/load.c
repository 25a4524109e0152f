/* SPDX-License-Identifier: MIT
 * `weir load`: the command, its progress and its summary. */
#include "load.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "http_client.h"
#include "json.h"
#include "moment.h"

#define SECOND INT64_C(1000000)
enum { BAD_LINES_SHOWN = 10, WAIT_MS = 200, ANSWER_MS = 5000 };
static const int64_t standstill = 60 * SECOND;

uint64_t load_allowed(const struct load *load)
{
	if (load->rate == 0)
		return UINT64_MAX;
	double seconds = (double)(moment_monotonic() - load->started_at) / (double)SECOND;
	uint64_t due = (uint64_t)(seconds * (double)load->rate) + 1;
	return due > load->taken ? due - load->taken : 0;
}

void load_report_bad(struct load *load, uint64_t number, const char *reason)
{
	load->bad++;
	if (load->bad > BAD_LINES_SHOWN)
		return;
	bar_clear(&load->bar);
	fprintf(stderr, "weir load: %s line %" PRIu64 ": %s\n", load->path, number, reason);
	if (load->bad == BAD_LINES_SHOWN)
		fprintf(stderr, "weir load: more bad lines are counted, not shown\n");
}

void load_draw(struct load *load)
{
	bar_draw(&load->bar, "loading", load_source_fraction(load->source),
		 load->created + load->there, "events");
}

enum load_line load_take(struct load *load, struct buffer *event, char id[LOAD_ID_SIZE],
			 uint64_t *number, struct weir_error *error)
{
	for (;;) {
		enum load_line kind = load_source_next(load->source, event, id, number, error);
		if (kind != LOAD_BAD) {
			load->taken += kind == LOAD_EVENT ? 1 : 0;
			return kind;
		}
		load_report_bad(load, *number, error->message);
	}
}

/* What searchd counts; false: it does not say. */
static bool ask_total(const char *url, uint64_t *total)
{
	HTTP_ANSWER_SCOPED struct http_answer answer = {0};
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	struct weir_error error;
	size_t length;
	if (http_client_get_json(url, ANSWER_MS, &answer, &error) != WEIR_OK ||
	    jsondoc_parse(answer.body.data != NULL ? answer.body.data : "", answer.body.length,
			  &document, &error) != WEIR_OK)
		return false;
	const json_t *node = json_object_get(jsondoc_root(document), "total");
	if (!json_is_integer(node))
		return false;
	*total = strtoull(jsondoc_number(document, node, &length), NULL, 10);
	return true;
}

/* Until the index holds as many events as were made. */
static weir_status wait_for_index(struct load *load, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer url = BUFFER_INIT;
	uint64_t total = 0, last = 0;
	int64_t moved_at = moment_monotonic();
	http_client_url(&url, load->wait_for, "/api/search/events?limit=0");
	if (buffer_failed(&url))
		return err_no_memory(error);
	while (!ask_total(url.data, &total) || total < load->created) {
		int64_t now = moment_monotonic();
		if (total != last)
			moved_at = now;
		last = total;
		if (now - moved_at > standstill)
			return err_set(error, WEIR_AWAY,
				       "%s finds %" PRIu64 " of %" PRIu64
				       " events and that has not changed for %lld s: see weir lag",
				       load->wait_for, total, load->created,
				       (long long)(standstill / SECOND));
		bar_draw(&load->bar, "indexing", (double)total / (double)load->created, total,
			 "events");
		poll(NULL, 0, WAIT_MS);
	}
	return WEIR_OK;
}

static void print_summary(struct load *load)
{
	WEIR_CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;
	double seconds = (double)(moment_monotonic() - load->started_at) / (double)SECOND;
	uint64_t sent = load->created + load->there;
	buffer_printf(&line, "%" PRIu64 " events %s in %.1f s (%.0f/s)", load->created,
		      load->kafka ? "produced" : "loaded", seconds,
		      (double)sent / (seconds > 0.001 ? seconds : 0.001));
	if (load->there > 0)
		buffer_printf(&line, ", %" PRIu64 " already there", load->there);
	if (load->bad > 0)
		buffer_printf(&line, ", %" PRIu64 " bad lines", load->bad);
	size_t before = line.length;
	buffer_append_text(&line, "; fields left out: ");
	size_t behind = line.length;
	load_source_left_out(load->source, &line);
	if (line.length == behind)
		line.length = before;
	if (!buffer_failed(&line))
		fprintf(stderr, "weir load: %.*s\n", (int)line.length, line.data);
}

static int run(struct load *load)
{
	struct weir_error error;
	weir_status status = load_source_open(load->path, &load->source, &error);
	if (status != WEIR_OK)
		return command_fail("load", status, &error);
	bar_init(&load->bar, load->quiet);
	load->started_at = load->bar.started_at;
	status = load->kafka ? load_to_kafka(load, &error) : load_to_eventd(load, &error);
	if (status == WEIR_OK && load->wait_for != NULL && load->created > 0)
		status = wait_for_index(load, &error);
	bar_clear(&load->bar);
	if (status == WEIR_OK ? !load->quiet : load->taken + load->bad > 0)
		print_summary(load);
	if (status != WEIR_OK)
		return command_fail("load", status, &error);
	return load->bad > 0 ? STATUS_NO : STATUS_DONE;
}

int command_load(int argc, char **argv)
{
	const char *rate = NULL;
	struct load load = {.url = "http://127.0.0.1:8080"};
	const struct argument options[] = {
		{.name = "--url",
		 .value = "URL",
		 .text = &load.url,
		 .help = "eventd (default http://127.0.0.1:8080)"},
		{.name = "--wait-for",
		 .value = "URL",
		 .text = &load.wait_for,
		 .help = "searchd: end only when it finds as many events"},
		{.name = "--kafka",
		 .flag = &load.kafka,
		 .help = "produce the messages itself, past eventd"},
		SETTINGS_BROKERS_OPTION(load.settings),
		SETTINGS_CONFIG_OPTION(load.settings),
		SETTINGS_SET_OPTION(load.settings),
		{.name = "--rate", .value = "N", .text = &rate, .help = "events a second at most"},
		{.name = "--quiet", .flag = &load.quiet, .help = "no progress, no summary"},
	};
	const struct usage usage = {
		.command = "load",
		.positions = "FILE",
		.summary =
			"Sends events, one JSON object a line (plain or .gz; - reads stdin), to "
			"eventd's batch call\nor to Kafka. Fields that an event does not have are "
			"left out; an id that is no GUID becomes\none made from it, so loading a "
			"file twice changes nothing.",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
		.minimum = 1,
		.maximum = 1,
	};
	struct argument_list rest;
	int exit_status = STATUS_WRONG_USE;
	if (arguments_read(&usage, argc, argv, &rest, &exit_status)) {
		load.path = rest.items[0];
		if (load.kafka || load.settings.brokers == NULL)
			exit_status = rate == NULL || arguments_number("load", "--rate", rate, 1,
								       100000000, &load.rate)
					      ? run(&load)
					      : STATUS_WRONG_USE;
		else
			exit_status = command_wrong_use("load", "--brokers goes with --kafka");
		argument_list_finish(&rest);
	}
	load_source_destroy(load.source);
	settings_finish(&load.settings);
	return exit_status;
}
