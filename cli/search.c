/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "http_client.h"
#include "json.h"
#include "table.h"
#include "terminal.h"

enum { ANSWER_MS = 30000 };

struct search {
	const char *url, *sort, *limit, *offset, *fields, *facets, *facet_limit, *wait_for,
		*wait_ms;
	struct argument_list filters;
	bool json;
};

static const char default_fields[] = "title,category,city,startDate,price";

/* The words of the query as one, with blanks, as they would stand in the search page. */
static bool join(const struct argument_list *words, struct buffer *query)
{
	for (size_t i = 0; i < words->count; i++) {
		buffer_append_text(query, i > 0 ? " " : "");
		buffer_append_text(query, words->items[i]);
	}
	return !buffer_failed(query);
}

static weir_status build_url(const struct search *search, const struct argument_list *words,
			     struct buffer *url, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer query = BUFFER_INIT;
	const char *const arguments[][2] = {
		{"sort", search->sort},	       {"limit", search->limit},
		{"offset", search->offset},    {"fields", search->fields},
		{"facets", search->facets},    {"facetLimit", search->facet_limit},
		{"waitFor", search->wait_for}, {"waitMs", search->wait_ms},
	};
	http_client_url(url, search->url, "/api/search/events");
	if (!join(words, &query))
		return err_no_memory(error);
	if (query.length > 0)
		http_client_argument(url, "q", 1, query.data);
	for (size_t i = 0; i < search->filters.count; i++) {
		const char *filter = search->filters.items[i];
		const char *equals = strchr(filter, '=');
		if (equals == NULL || equals == filter)
			return err_set(error, WEIR_INVALID, "--filter %s: expected name=value",
				       filter);
		http_client_argument(url, filter, (size_t)(equals - filter), equals + 1);
	}
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
		if (arguments[i][1] != NULL)
			http_client_argument(url, arguments[i][0], strlen(arguments[i][0]),
					     arguments[i][1]);
	return buffer_failed(url) ? err_no_memory(error) : WEIR_OK;
}

static void add_cell(struct table *table, const struct jsondoc *document, const json_t *value)
{
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	size_t length;
	if (json_is_string(value)) {
		table_add(table, json_string_value(value), json_string_length(value));
	} else if (json_is_integer(value)) {
		const char *digits = jsondoc_number(document, value, &length);
		table_add(table, digits, length);
	} else if (value == NULL || json_is_null(value)) {
		table_add(table, "", 0);
	} else {
		jsondoc_canonical(document, value, &text);
		table_add(table, text.data != NULL ? text.data : "", text.length);
	}
}

/* Splits "a,b" in place. */
static size_t split(char *text, const char *names[TABLE_COLUMN_LIMIT])
{
	size_t count = 0;
	char *rest = NULL;
	for (char *name = strtok_r(text, ",", &rest); name != NULL && count < TABLE_COLUMN_LIMIT;
	     name = strtok_r(NULL, ",", &rest))
		names[count++] = name;
	return count;
}

static weir_status print_table(const struct search *search, const struct jsondoc *document,
			       struct weir_error *error)
{
	WEIR_CLEANUP(table_finish) struct table table = {0};
	char fields[TABLE_COLUMN_LIMIT * SCHEMA_NAME_LIMIT];
	const char *names[TABLE_COLUMN_LIMIT];
	snprintf(fields, sizeof(fields), "%s",
		 search->fields != NULL ? search->fields : default_fields);
	size_t count = split(fields, names), index;
	unsigned int right = 0;
	const json_t *hits = json_object_get(jsondoc_root(document), "hits"), *hit;
	if (count == 0 || json_array_size(hits) == 0)
		return WEIR_OK;
	table_init(&table, count);
	for (size_t i = 0; i < count; i++) {
		table_add(&table, names[i], strlen(names[i]));
		right |= strcmp(names[i], "price") == 0 ? 1U << i : 0;
	}
	json_array_foreach(hits, index, hit)
	{
		const json_t *event = json_object_get(hit, "event");
		for (size_t i = 0; i < count; i++) {
			const json_t *value = strcmp(names[i], "id") == 0
						      ? json_object_get(hit, "id")
						      : json_object_get(event, names[i]);
			add_cell(&table, document, value);
		}
	}
	return table_print(&table, terminal_width(STDOUT_FILENO), right, stdout, error);
}

/* The values of the fields that were asked for, and how many matches have them. */
static weir_status print_facets(const struct jsondoc *document, struct weir_error *error)
{
	static const char *const heads[] = {"facet", "value", "events"};
	WEIR_CLEANUP(table_finish) struct table table = {0};
	json_t *facets = json_object_get(jsondoc_root(document), "facets"), *values, *each;
	const char *name;
	size_t index;
	if (json_object_size(facets) == 0)
		return WEIR_OK;
	table_init(&table, 3);
	for (size_t i = 0; i < 3; i++)
		table_add(&table, heads[i], strlen(heads[i]));
	json_object_foreach(facets, name, values)
	{
		json_array_foreach(values, index, each)
		{
			table_add(&table, index == 0 ? name : "", index == 0 ? strlen(name) : 0);
			add_cell(&table, document, json_object_get(each, "value"));
			add_cell(&table, document, json_object_get(each, "count"));
		}
	}
	printf("\n");
	return table_print(&table, terminal_width(STDOUT_FILENO), 1U << 2, stdout, error);
}

/* What stands beneath the table: how many there are in all. */
static void print_count(const struct jsondoc *document)
{
	const json_t *root = jsondoc_root(document);
	const json_t *total = json_object_get(root, "total");
	const json_t *took = json_object_get(root, "tookMs");
	const char *relation = json_string_value(json_object_get(root, "totalRelation"));
	size_t length, shown = json_array_size(json_object_get(root, "hits"));
	printf("%s%zu of %s%s", shown > 0 ? "\n" : "", shown,
	       relation != NULL && strcmp(relation, "gte") == 0 ? "at least " : "",
	       json_is_integer(total) ? jsondoc_number(document, total, &length) : "?");
	if (json_is_integer(took))
		printf(", %s ms", jsondoc_number(document, took, &length));
	printf("\n");
}

static bool found_some(const struct jsondoc *document)
{
	size_t length;
	const json_t *total = json_object_get(jsondoc_root(document), "total");
	return json_is_integer(total) && strcmp(jsondoc_number(document, total, &length), "0") != 0;
}

static weir_status ask(const struct search *search, const struct argument_list *words,
		       struct http_answer *answer, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer url = BUFFER_INIT;
	weir_status status = build_url(search, words, &url, error);
	if (status == WEIR_OK)
		status = http_client_get_json(url.data, ANSWER_MS, answer, error);
	if (status == WEIR_AWAY)
		return err_set(error, status, "searchd at %s: %s; is it running (weir up)?",
			       search->url, error->message);
	return status;
}

static int run(const struct search *search, const struct argument_list *words)
{
	HTTP_ANSWER_SCOPED struct http_answer answer = {0};
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	struct weir_error error;
	weir_status status = ask(search, words, &answer, &error);
	if (status != WEIR_OK)
		return command_fail("search", status, &error);
	if (jsondoc_parse(answer.body.data != NULL ? answer.body.data : "", answer.body.length,
			  &document, &error) != WEIR_OK) {
		err_set(&error, WEIR_AWAY, "%s answers something that is not JSON: is it searchd?",
			search->url);
		return command_fail("search", WEIR_AWAY, &error);
	}
	if (search->json || !isatty(STDOUT_FILENO)) {
		fwrite(answer.body.data, 1, answer.body.length, stdout);
		if (answer.body.data[answer.body.length - 1] != '\n')
			putchar('\n');
	} else {
		status = print_table(search, document, &error);
		if (status == WEIR_OK) {
			print_count(document);
			status = print_facets(document, &error);
		}
		if (status != WEIR_OK)
			return command_fail("search", status, &error);
	}
	return found_some(document) ? STATUS_DONE : STATUS_NO;
}

int command_search(int argc, char **argv)
{
	struct search search = {.url = "http://127.0.0.1:8081"};
	const struct argument options[] = {
		{.name = "--filter",
		 .value = "NAME=VALUE",
		 .list = &search.filters,
		 .help = "category=Music, price=10..50, startDate=2026-01-01..; repeatable"},
		{.name = "--sort",
		 .value = "FIELDS",
		 .text = &search.sort,
		 .help = "relevance, or startDate,-price"},
		{.name = "--limit", .value = "N", .text = &search.limit, .help = "hits (20)"},
		{.name = "--offset", .value = "N", .text = &search.offset, .help = "hits to skip"},
		{.name = "--fields",
		 .value = "A,B",
		 .text = &search.fields,
		 .help = "which fields, and so which columns"},
		{.name = "--facets",
		 .value = "A,B",
		 .text = &search.facets,
		 .help = "fields whose values are counted over all matches"},
		{.name = "--facet-limit",
		 .value = "N",
		 .text = &search.facet_limit,
		 .help = "values of each of them (10)"},
		{.name = "--wait-for",
		 .value = "TOKENS",
		 .text = &search.wait_for,
		 .help = "search an index that holds these: <id>@<version>, by comma"},
		{.name = "--wait-ms",
		 .value = "N",
		 .text = &search.wait_ms,
		 .help = "for how long to wait for them (1000, at most 10000)"},
		{.name = "--json",
		 .flag = &search.json,
		 .help = "the answer as it came; so it is when stdout is no terminal"},
		{.name = "--url",
		 .value = "URL",
		 .text = &search.url,
		 .help = "searchd (default http://127.0.0.1:8081)"},
	};
	const struct usage usage = {
		.command = "search",
		.positions = "[QUERY...]",
		.summary = "Searches; docs/query.md has the language. Without a query: everything. "
			   "Exit status 1 when\nnothing is found.",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
		.maximum = 1000,
	};
	struct argument_list rest;
	int exit_status;
	if (arguments_read(&usage, argc, argv, &rest, &exit_status)) {
		exit_status = run(&search, &rest);
		argument_list_finish(&rest);
	}
	argument_list_finish(&search.filters);
	return exit_status;
}
