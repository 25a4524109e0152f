/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "catalog.h"
#include "command.h"
#include "compare.h"
#include "moment.h"
#include "republisher.h"
#include "terminal.h"
#include "verify_report.h"

enum { LIMIT_DEFAULT = 20, LIMIT_MAXIMUM = 100000, IDS_LIMIT = 100000, SECONDS_MAXIMUM = 86400 };
#define SECOND INT64_C(1000000)

struct verify {
	struct settings settings;
	const char *url, *limit_text, *patience_text;
	bool as_json, quiet, repairs;
	int64_t limit, patience, began;

	struct config *config;
	struct schema *schema;
	struct catalog *catalog;
	struct catalog_choice *choice;
	struct backend backend;
	struct compare_source *store, *index;
	struct compare_options options;
	struct bar bar;
	struct verify_report report, rest; /* rest: what repairing did not help */
	struct compare_result found, left;

	struct republisher *republisher;
	struct buffer ids; /* of what was sent again, each with its NUL */
	size_t id_count, refused;
	bool too_many; /* ids: all is compared again */
	bool checks;   /* after the repair */

	weir_status status; /* of what a callback did */
	struct weir_error *error;
};

static void finish(struct verify *verify)
{
	bar_clear(&verify->bar);
	compare_source_destroy(verify->store);
	compare_source_destroy(verify->index);
	backend_close(&verify->backend);
	catalog_choice_destroy(verify->choice);
	catalog_destroy(verify->catalog);
	republisher_destroy(verify->republisher);
	verify_report_finish(&verify->report);
	verify_report_finish(&verify->rest);
	buffer_finish(&verify->ids);
	schema_destroy(verify->schema);
	config_destroy(verify->config);
	settings_finish(&verify->settings);
}

/* Indexes let go of deletes when they are old enough by the indexer's clock; it and eventd's may
 * differ a little. */
static int64_t tombstones_before(const struct config *config)
{
	int64_t retention = config_duration(config, "indexer", "tombstone_retention");
	int64_t margin = retention / 100 < 60 * SECOND ? retention / 100 : 60 * SECOND;
	return moment_now() - retention + margin;
}

/* Before it is opened, so that it is known to be wrong use. */
static weir_status check_plugin(struct verify *verify, const struct backend_place *place,
				struct weir_error *error)
{
	struct plugin *plugin = NULL;
	weir_status status = plugin_load_at(verify->config, place, &plugin, error);
	if (status == WEIR_OK && (plugin->manifest->capabilities & WEIR_CAN_SEARCH) == 0)
		status =
			err_set(error, WEIR_INVALID, "the plug-in %s keeps no documents to compare",
				plugin->manifest->name);
	plugin_destroy(plugin);
	return status;
}

static weir_status open_index(struct verify *verify, struct weir_error *error)
{
	weir_status status = catalog_read(verify->config, verify->schema, &verify->catalog, error);
	if (status == WEIR_OK)
		status = catalog_choose(verify->catalog, CATALOG_NEXT, &verify->choice, error);
	if (status != WEIR_OK)
		return status;
	const struct catalog_index *chosen = verify->choice->index;
	struct backend_place place = {0};
	if (chosen != NULL)
		place = catalog_place(chosen);
	status = check_plugin(verify, chosen != NULL ? &place : NULL, error);
	if (status == WEIR_OK)
		status = backend_open_at(verify->config, chosen != NULL ? &place : NULL,
					 verify->choice->schema->abi, WEIR_MODE_READER,
					 &plugin_default_host, &verify->backend, error);
	if (status != WEIR_OK)
		return status;
	struct compare_index index = {
		.plugin = verify->backend.plugin,
		.instance = verify->backend.instance,
		.schema = verify->choice->schema,
		.name = "the index",
		.patience = verify->patience,
	};
	return compare_open_index(&index, &verify->index, error);
}

static weir_status prepare(struct verify *verify, struct weir_error *error)
{
	weir_status status = settings_load(&verify->settings, &verify->config, error);
	if (status == WEIR_OK)
		status = settings_schema(verify->config, &verify->schema, error);
	if (status == WEIR_OK)
		status = open_index(verify, error);
	if (status != WEIR_OK)
		return status;
	struct compare_store store = {
		.url = verify->url,
		.config = verify->config,
		.schema = verify->choice->schema,
		.patience = verify->patience,
	};
	status = compare_open_store(&store, &verify->store, error);
	if (status == WEIR_OK && verify->repairs)
		status = republisher_create(verify->url, &verify->republisher, error);
	if (status != WEIR_OK)
		return status;
	/* An eventd that never held anything is most likely not the one that this index is of. */
	if (verify->repairs && compare_is_empty_store(verify->store))
		return err_set(error, WEIR_INVALID,
			       "eventd at %s never held an event: to repair would be to delete all "
			       "that the index holds; is it the right one?",
			       verify->url);
	return WEIR_OK;
}

static weir_status list(struct verify *verify, struct verify_report *report,
			const struct compare_difference *difference)
{
	const char *id = difference->truth != NULL ? difference->truth->id : difference->copy->id;
	COMPARE_KEPT_SCOPED struct compare_kept truth = {0}, copy = {0};
	weir_status status = compare_find(verify->store, id, &truth, verify->error);
	if (status == WEIR_OK)
		status = compare_find(verify->index, id, &copy, verify->error);
	if (status == WEIR_OK)
		status = verify_report_add(report, difference->kind,
					   truth.there ? &truth.document : NULL,
					   copy.there ? &copy.document : NULL, verify->error);
	return status;
}

static weir_status repair(struct verify *verify, const struct compare_difference *difference)
{
	const char *id = difference->truth != NULL ? difference->truth->id : difference->copy->id;
	int64_t above =
		difference->copy != NULL ? difference->copy->version : difference->truth->version;
	bool refused = false;
	weir_status status =
		republisher_send(verify->republisher, id, above, &refused, verify->error);
	if (status != WEIR_OK)
		return status;
	verify->refused += refused;
	verify->too_many = verify->too_many || verify->id_count == IDS_LIMIT;
	if (verify->too_many)
		return WEIR_OK;
	buffer_append(&verify->ids, id, strlen(id) + 1);
	verify->id_count++;
	return buffer_failed(&verify->ids) ? err_no_memory(verify->error) : WEIR_OK;
}

static int on_difference(void *context, const struct compare_difference *difference)
{
	struct verify *verify = context;
	struct verify_report *report = verify->checks ? &verify->rest : &verify->report;
	if (report->listed < report->limit)
		verify->status = list(verify, report, difference);
	if (verify->status == WEIR_OK && verify->repairs && !verify->checks)
		verify->status = repair(verify, difference);
	return verify->status != WEIR_OK;
}

/* Ids are spread evenly, by their first digits; below 0: this one is not. */
static double fraction_of(const char *id)
{
	char digits[9], *end;
	if (id[0] == '\0')
		return 1;
	snprintf(digits, sizeof(digits), "%s", id);
	unsigned long value = strtoul(digits, &end, 16);
	return *end == '\0' && strlen(digits) == 8 ? (double)value / 4294967296.0 : -1;
}

static void on_range(void *context, const struct compare_result *so_far, const char *to)
{
	struct verify *verify = context;
	bar_draw(&verify->bar, verify->checks ? "comparing again" : "comparing", fraction_of(to),
		 so_far->truths, "events");
}

static weir_status compare(struct verify *verify, struct compare_result *result)
{
	weir_status status = compare_run(&verify->options, result, verify->error);
	return status == WEIR_OK ? verify->status : status;
}

/* What was sent again, or everything when that is too much to remember. Waits until the index has
 * read it. */
static weir_status compare_again(struct verify *verify)
{
	verify->checks = true;
	if (verify->too_many)
		return compare(verify, &verify->left);
	WEIR_FREE const char **ids = calloc(verify->id_count + 1, sizeof(*ids));
	if (ids == NULL)
		return err_no_memory(verify->error);
	const char *at = verify->ids.data;
	for (size_t i = 0; i < verify->id_count; i++) {
		ids[i] = at;
		at += strlen(at) + 1;
	}
	weir_status status =
		compare_ids(&verify->options, ids, verify->id_count, &verify->left, verify->error);
	return status == WEIR_OK ? verify->status : status;
}

static void print_kinds(const struct compare_result *result)
{
	bool any = false;
	for (size_t i = 0; i < COMPARE_KIND_COUNT; i++) {
		if (result->differences[i] == 0)
			continue;
		printf("%s%" PRIu64 " %s", any ? ", " : " (", result->differences[i],
		       verify_kind_words((enum compare_kind)i));
		any = true;
	}
	printf("%s", any ? ")" : "");
}

static weir_status print_list(const struct verify_report *report, uint64_t count,
			      struct weir_error *error)
{
	if (report->listed == 0)
		return WEIR_OK;
	bool terminal = isatty(STDOUT_FILENO);
	weir_status status = table_print(
		&report->table, terminal ? terminal_width(STDOUT_FILENO) : 0, 0xC, stdout, error);
	if (status == WEIR_OK && report->listed < count)
		printf("and %" PRIu64 " more (--limit)\n", count - report->listed);
	return status;
}

static weir_status print_human(struct verify *verify, struct weir_error *error)
{
	uint64_t count = compare_differences(&verify->found);
	uint64_t rest = compare_differences(&verify->left);
	weir_status status = print_list(&verify->report, count, error);
	if (status != WEIR_OK)
		return status;
	printf("%" PRIu64 " in the store, %" PRIu64 " in the index: ", verify->found.truths,
	       verify->found.copies);
	if (count == 0)
		printf("the same");
	else
		printf("%" PRIu64 " difference%s", count, count == 1 ? "" : "s");
	print_kinds(&verify->found);
	printf(", %.1f s\n", (double)(moment_monotonic() - verify->began) / 1e6);
	if (compare_is_shallow(&verify->options))
		printf("Versions alone were compared, not what the fields hold: %s.\n",
		       verify->backend.plugin->operations.scan_states == NULL
			       ? "the plug-in tells no states"
			       : "eventd and the index have schemas that differ");
	if (!verify->repairs || count == 0)
		return WEIR_OK;
	printf("%" PRIu64 " sent again; ", count - verify->refused);
	if (rest == 0) {
		printf("the index agrees\n");
		return WEIR_OK;
	}
	printf("%" PRIu64 " still differ%s:\n", rest, rest == 1 ? "s" : "");
	return print_list(&verify->rest, rest, error);
}

static void write_counts(struct jsonout *json, const char *name,
			 const struct compare_result *result, const struct verify_report *report)
{
	jsonout_name(json, name);
	jsonout_begin(json, '{');
	for (size_t i = 0; i < COMPARE_KIND_COUNT; i++) {
		jsonout_name(json, verify_kind_name((enum compare_kind)i));
		jsonout_integer(json, (int64_t)result->differences[i]);
	}
	jsonout_name(json, "listed");
	jsonout_begin(json, '[');
	if (report->list.length > 0)
		jsonout_raw(json, report->list.data, report->list.length);
	jsonout_end(json, ']');
	jsonout_end(json, '}');
}

static weir_status print_json(struct verify *verify, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	struct jsonout json = JSONOUT_INIT(&out);
	uint64_t count = compare_differences(&verify->found);
	uint64_t rest = compare_differences(&verify->left);
	jsonout_begin(&json, '{');
	jsonout_name(&json, "same");
	jsonout_boolean(&json, verify->repairs ? rest == 0 : count == 0);
	jsonout_name(&json, "store");
	jsonout_integer(&json, (int64_t)verify->found.truths);
	jsonout_name(&json, "index");
	jsonout_integer(&json, (int64_t)verify->found.copies);
	jsonout_name(&json, "compared");
	jsonout_text(&json, compare_is_shallow(&verify->options) ? "versions" : "states");
	write_counts(&json, "differences", &verify->found, &verify->report);
	if (verify->repairs) {
		jsonout_name(&json, "sentAgain");
		jsonout_integer(&json, (int64_t)(count - verify->refused));
		write_counts(&json, "stillDifferent", &verify->left, &verify->rest);
	}
	jsonout_name(&json, "inFlight");
	jsonout_integer(&json, (int64_t)verify->found.in_flight);
	jsonout_name(&json, "tookMs");
	jsonout_integer(&json, (moment_monotonic() - verify->began) / 1000);
	jsonout_end(&json, '}');
	if (buffer_failed(&out))
		return err_no_memory(error);
	printf("%s\n", out.data);
	return WEIR_OK;
}

static weir_status look(struct verify *verify, struct weir_error *error)
{
	verify_report_init(&verify->report, verify->choice->schema, (size_t)verify->limit);
	verify_report_init(&verify->rest, verify->choice->schema, (size_t)verify->limit);
	verify->error = error;
	verify->options = (struct compare_options){
		.truth = verify->store,
		.copy = verify->index,
		.tombstones_before = tombstones_before(verify->config),
		.on_difference = on_difference,
		.on_range = on_range,
		.context = verify,
	};
	weir_status status = compare(verify, &verify->found);
	if (status == WEIR_OK && verify->repairs && compare_differences(&verify->found) > 0)
		status = compare_again(verify);
	bar_clear(&verify->bar);
	return status;
}

static int run(struct verify *verify)
{
	struct weir_error error;
	verify->limit = LIMIT_DEFAULT;
	if ((verify->limit_text != NULL &&
	     !arguments_number("verify", "--limit", verify->limit_text, 0, LIMIT_MAXIMUM,
			       &verify->limit)) ||
	    (verify->patience_text != NULL &&
	     !arguments_number("verify", "--patience", verify->patience_text, 1, SECONDS_MAXIMUM,
			       &verify->patience)))
		return STATUS_WRONG_USE;
	verify->patience *= SECOND;
	verify->began = moment_monotonic();
	bar_init(&verify->bar, verify->quiet);
	weir_status status = prepare(verify, &error);
	if (status != WEIR_OK)
		return command_fail("verify", status, &error);
	status = look(verify, &error);
	if (status == WEIR_OK)
		status = verify->as_json ? print_json(verify, &error) : print_human(verify, &error);
	if (status != WEIR_OK)
		return command_fail("verify", status == WEIR_INVALID ? WEIR_AWAY : status, &error);
	const struct compare_result *result = verify->repairs ? &verify->left : &verify->found;
	return compare_differences(result) == 0 ? STATUS_DONE : STATUS_NO;
}

int command_verify(int argc, char **argv)
{
	struct verify verify = {.url = "http://127.0.0.1:8080"};
	const struct argument options[] = {
		{.name = "--url",
		 .value = "URL",
		 .text = &verify.url,
		 .help = "eventd (default http://127.0.0.1:8080)"},
		{.name = "--repair",
		 .flag = &verify.repairs,
		 .help = "sends again what differs, and waits until the index agrees"},
		{.name = "--json", .flag = &verify.as_json, .help = "the result as JSON"},
		{.name = "--limit",
		 .value = "N",
		 .text = &verify.limit_text,
		 .help = "differences that are listed (20); all are counted"},
		{.name = "--patience",
		 .value = "SECONDS",
		 .text = &verify.patience_text,
		 .help = "how long nothing may move on the way to the index (30)"},
		{.name = "--quiet", .flag = &verify.quiet, .help = "no progress on a terminal"},
		SETTINGS_DATA_OPTION(verify.settings),
		SETTINGS_BROKERS_OPTION(verify.settings),
		SETTINGS_CONFIG_OPTION(verify.settings),
		SETTINGS_SET_OPTION(verify.settings),
	};
	const struct usage usage = {
		.command = "verify",
		.positions = "",
		.summary =
			"Compares the store with the index, both ways, while writes go on. What is "
			"still on its way is\nno difference. Exit status 1: there are differences "
			"(with --repair: some are left).\nThe configuration says where the index "
			"and Kafka are; it is that of the indexer.\nBeside weir up: weir verify "
			"--data "
			"DIR.",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
	};
	struct argument_list rest;
	int exit_status;
	if (arguments_read(&usage, argc, argv, &rest, &exit_status)) {
		exit_status = run(&verify);
		argument_list_finish(&rest);
	}
	finish(&verify);
	return exit_status;
}
