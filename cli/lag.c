/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "http_client.h"
#include "json.h"
#include "table.h"
#include "terminal.h"

enum { ANSWER_MS = 10000, COLUMNS = 6 };

static void add_number(struct table *table, const struct jsondoc *document, const json_t *node)
{
	size_t length;
	if (!json_is_integer(node)) {
		table_add(table, "-", 1);
		return;
	}
	const char *digits = jsondoc_number(document, node, &length);
	table_add(table, digits, length);
}

static void add_row(struct table *table, const struct jsondoc *document, const json_t *row)
{
	static const char *const numbers[] = {"partition", "position", "end", "lagMessages",
					      "lagMs"};
	const json_t *topic = json_object_get(row, "topic");
	table_add(table, json_is_string(topic) ? json_string_value(topic) : "?",
		  json_is_string(topic) ? json_string_length(topic) : 1);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		add_number(table, document, json_object_get(row, numbers[i]));
}

/* Positions of clusters that are no more (earlier lives of the development broker) have no end. */
static bool is_past(const json_t *row, bool any_end)
{
	return any_end && json_is_null(json_object_get(row, "end"));
}

static weir_status print_table(const struct jsondoc *document, const char *group,
			       struct weir_error *error)
{
	static const char *const head[COLUMNS] = {"TOPIC", "PARTITION", "POSITION",
						  "END",   "LAG",	"LAG MS"};
	WEIR_CLEANUP(table_finish) struct table table = {0};
	const json_t *rows = json_object_get(jsondoc_root(document), "positions"), *row;
	size_t index, past = 0;
	bool any_end = false;
	if (!json_is_array(rows))
		return err_set(error, WEIR_AWAY, "the answer has no positions: is it the indexer?");
	table_init(&table, COLUMNS);
	for (size_t i = 0; i < COLUMNS; i++)
		table_add(&table, head[i], strlen(head[i]));
	json_array_foreach(rows, index, row)
	{
		any_end = any_end || json_is_integer(json_object_get(row, "end"));
	}
	json_array_foreach(rows, index, row)
	{
		if (is_past(row, any_end))
			past++;
		else
			add_row(&table, document, row);
	}
	printf("group %s\n", group);
	weir_status status = table_print(&table, 0, 0x3E, stdout, error);
	if (status == WEIR_OK && past > 0)
		printf("and %zu positions of partitions that are not in this log (--json)\n", past);
	return status;
}

static int run(const char *base, bool as_json, const struct settings *settings)
{
	HTTP_ANSWER_SCOPED struct http_answer answer = {0};
	WEIR_CLEANUP(buffer_finish) struct buffer url = BUFFER_INIT;
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	CONFIG_SCOPED struct config *config = NULL;
	struct weir_error error;
	weir_status status = settings_load(settings, &config, &error);
	if (status != WEIR_OK)
		return command_fail("lag", status, &error);
	http_client_url(&url, base, "/api/ingest/positions");
	status = buffer_failed(&url) ? err_no_memory(&error)
				     : http_client_get_json(url.data, ANSWER_MS, &answer, &error);
	if (status != WEIR_OK) {
		err_set(&error, status, "the indexer at %s: %s; is it running (weir up)?", base,
			error.message);
		return command_fail("lag", WEIR_AWAY, &error);
	}
	status = jsondoc_parse(answer.body.data != NULL ? answer.body.data : "", answer.body.length,
			       &document, &error);
	if (status == WEIR_OK && as_json)
		printf("%.*s\n", (int)answer.body.length, answer.body.data);
	else if (status == WEIR_OK)
		status = print_table(document, config_text(config, "kafka", "group"), &error);
	return status == WEIR_OK ? STATUS_DONE : command_fail("lag", WEIR_AWAY, &error);
}

int command_lag(int argc, char **argv)
{
	const char *url = "http://127.0.0.1:8082";
	bool as_json = false;
	struct settings settings = {0};
	const struct argument options[] = {
		{.name = "--url",
		 .value = "URL",
		 .text = &url,
		 .help = "the indexer (default http://127.0.0.1:8082)"},
		{.name = "--json", .flag = &as_json, .help = "the answer as it came"},
		SETTINGS_CONFIG_OPTION(settings),
		SETTINGS_SET_OPTION(settings),
	};
	const struct usage usage = {
		.command = "lag",
		.positions = "",
		.summary = "A line per partition: the index's position, the log's end, and the lag "
			   "in messages and in\nmilliseconds. What is not known is -.",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
	};
	struct argument_list rest;
	int exit_status;
	if (arguments_read(&usage, argc, argv, &rest, &exit_status)) {
		exit_status = run(url, as_json, &settings);
		argument_list_finish(&rest);
	}
	settings_finish(&settings);
	return exit_status;
}
