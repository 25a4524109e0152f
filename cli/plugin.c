/* SPDX-License-Identifier: MIT */
#include "plugin.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "place.h"
#include "table.h"

enum { COLUMNS = 5 };

static const struct {
	uint64_t bit;
	const char *word;
} abilities[] = {
	{WEIR_CAN_COMMIT_POSITIONS, "commit-positions"},
	{WEIR_CAN_SYNC, "sync"},
	{WEIR_CAN_MAINTAIN, "maintain"},
	{WEIR_CAN_SEARCH, "search"},
	{WEIR_CAN_SUGGEST, "suggest"},
	{WEIR_CAN_FUZZY, "fuzzy"},
	{WEIR_CAN_SHARE, "share"},
	{WEIR_CAN_SCAN_STATES, "scan-states"},
	{WEIR_CAN_FACET, "facets"},
};

static void write_abilities(uint64_t capabilities, struct buffer *out)
{
	bool any = false;
	for (size_t i = 0; i < sizeof(abilities) / sizeof(abilities[0]); i++) {
		if ((capabilities & abilities[i].bit) == 0)
			continue;
		buffer_append_text(out, any ? "," : "");
		buffer_append_text(out, abilities[i].word);
		any = true;
	}
	if (!any)
		buffer_append_char(out, '-');
}

/* The patterns of files that may be plug-ins: [backend] plugin_dir, else where the installation and
 * the build put them. */
static weir_status find_files(const struct config *config, glob_t *files, struct weir_error *error)
{
	const char *directory = config_text(config, "backend", "plugin_dir");
	WEIR_FREE char *folder = place_executable_folder();
	WEIR_FREE char *first = NULL, *second = NULL;
	if (folder == NULL)
		return err_no_memory(error);
	int length = directory != NULL && directory[0] != '\0'
			     ? asprintf(&first, "%s/weir_*.so", directory)
			     : asprintf(&first, "%s/../" WEIR_LIBDIR "/weir/weir_*.so", folder);
	if (length < 0 || asprintf(&second, "%s/../plugins/*/weir_*.so", folder) < 0)
		return err_no_memory(error);
	int code = glob(first, 0, NULL, files);
	if (code == GLOB_NOMATCH && (directory == NULL || directory[0] == '\0'))
		code = glob(second, 0, NULL, files);
	if (code == GLOB_NOMATCH)
		return err_set(error, WEIR_NOT_FOUND, "there is no weir_*.so in %s",
			       directory != NULL && directory[0] != '\0' ? directory
									 : "the plug-ins' folder");
	return code == 0 ? WEIR_OK : err_no_memory(error);
}

static void add_row(struct table *table, const struct plugin *plugin)
{
	WEIR_CLEANUP(buffer_finish) struct buffer can = BUFFER_INIT;
	WEIR_FREE char *path = realpath(plugin->path, NULL);
	const struct weir_manifest *manifest = plugin->manifest;
	write_abilities(manifest->capabilities, &can);
	const char *const cells[COLUMNS] = {manifest->name, manifest->version, manifest->license,
					    can.data, path != NULL ? path : plugin->path};
	table->failed = table->failed || buffer_failed(&can);
	for (size_t i = 0; i < COLUMNS && !table->failed; i++)
		table_add(table, cells[i], strlen(cells[i]));
}

static int list(const struct config *config)
{
	static const char *const head[COLUMNS] = {"NAME", "VERSION", "LICENCE", "CAN", "FILE"};
	WEIR_CLEANUP(table_finish) struct table table = {0};
	glob_t files = {0};
	struct weir_error error;
	int exit_status = STATUS_DONE;
	weir_status status = find_files(config, &files, &error);
	if (status != WEIR_OK)
		return command_fail("plugin", status, &error);
	table_init(&table, COLUMNS);
	for (size_t i = 0; i < COLUMNS; i++)
		table_add(&table, head[i], strlen(head[i]));
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct plugin *plugin;
		if (plugin_load(files.gl_pathv[i], NULL, &plugin, &error) != WEIR_OK) {
			command_say("%s", error.message);
			exit_status = STATUS_NO;
			continue;
		}
		add_row(&table, plugin);
		plugin_destroy(plugin);
	}
	globfree(&files);
	status = table_print(&table, 0, 0, stdout, &error);
	return status == WEIR_OK ? exit_status : command_fail("plugin", status, &error);
}

static const char *type_name(uint32_t type)
{
	switch (type) {
	case WEIR_PARAMETER_INTEGER:
		return "integer";
	case WEIR_PARAMETER_BOOLEAN:
		return "boolean";
	case WEIR_PARAMETER_PATH:
		return "path";
	case WEIR_PARAMETER_SECRET:
		return "secret";
	default:
		return "text";
	}
}

static const char *threads_name(uint32_t model)
{
	return model == WEIR_THREADS_PARALLEL	   ? "parallel"
	       : model == WEIR_THREADS_PER_SESSION ? "per session"
						   : "serial";
}

static void print_parameters(const struct weir_manifest *manifest)
{
	printf("\n[backend.%s]\n", manifest->name);
	for (size_t i = 0; i < manifest->parameter_count; i++) {
		const struct weir_parameter *parameter = manifest->parameters[i];
		printf("  %s (%s, ", parameter->key, type_name(parameter->type));
		if (parameter->default_value == NULL)
			printf("required");
		else if (parameter->default_value[0] == '\0')
			printf("default empty");
		else
			printf("default %s", parameter->default_value);
		if (parameter->type == WEIR_PARAMETER_INTEGER &&
		    parameter->minimum != parameter->maximum)
			printf(", %lld to %lld", (long long)parameter->minimum,
			       (long long)parameter->maximum);
		printf(")\n      %s\n", parameter->help);
	}
}

/* "weir_x.so" in the working folder is a file, as people type it. NULL: no such name. free() it. */
static char *path_of(const char *name)
{
	char *path = NULL;
	size_t length = strlen(name);
	bool bare =
		strchr(name, '/') == NULL && length > 3 && strcmp(name + length - 3, ".so") == 0;
	return bare && asprintf(&path, "./%s", name) >= 0 ? path : NULL;
}

static int info(const struct config *config, const char *name)
{
	WEIR_FREE char *path = path_of(name);
	struct plugin *plugin;
	struct weir_error error;
	weir_status status =
		plugin_load(path != NULL ? path : name,
			    config_text(config, "backend", "plugin_dir"), &plugin, &error);
	if (status != WEIR_OK)
		return command_fail("plugin", status, &error);
	const struct weir_manifest *manifest = plugin->manifest;
	WEIR_CLEANUP(buffer_finish) struct buffer can = BUFFER_INIT;
	write_abilities(manifest->capabilities, &can);
	printf("%s %s: %s\n\n  file     %s\n  licence  %s\n  ABI      %u.%u\n  threads  %s\n"
	       "  can      %s\n",
	       manifest->name, manifest->version, manifest->description, plugin->path,
	       manifest->license, manifest->abi_major, manifest->abi_minor,
	       threads_name(manifest->thread_model), can.data != NULL ? can.data : "");
	print_parameters(manifest);
	plugin_destroy(plugin);
	return STATUS_DONE;
}

static struct {
	struct settings settings;
	struct argument_list parameters;
	const char *seed, *only;
	bool json;
} options;

struct command_line {
	const char *words[4096];
	size_t count;
};

static void add_option(struct command_line *line, const char *name, const char *value)
{
	enum { ROOM = sizeof(line->words) / sizeof(line->words[0]) };
	if (value == NULL || line->count + 3 > ROOM)
		return;
	line->words[line->count++] = name;
	line->words[line->count++] = value;
}

/* Becomes the conformance suite, which loads the plug-in itself. */
static int check(const struct config *config, const char *name)
{
	static const char *const candidates[] = {
		"../" WEIR_LIBEXECDIR "/weir/weir-conformance",
		"../tests/conformance/weir-conformance",
	};
	static struct command_line line;
	WEIR_FREE char *suite = place_find(candidates, 2);
	if (suite == NULL) {
		command_say("weir-conformance is not beside weir: build it (ninja -C build) or "
			    "install it");
		return STATUS_AWAY;
	}
	WEIR_FREE char *path = path_of(name);
	line.words[line.count++] = suite;
	add_option(&line, "--config", options.settings.file);
	for (size_t i = 0; i < options.settings.sets.count; i++)
		add_option(&line, "--set", options.settings.sets.items[i]);
	for (size_t i = 0; i < options.parameters.count; i++)
		add_option(&line, "--param", options.parameters.items[i]);
	add_option(&line, "--seed", options.seed);
	add_option(&line, "--only", options.only);
	add_option(&line, "--plugin-dir", config_text(config, "backend", "plugin_dir"));
	if (options.json)
		line.words[line.count++] = "--json";
	line.words[line.count++] = path != NULL ? path : name;
	execv(suite, (char **)line.words);
	command_say("%s cannot be executed: %s", suite, strerror(errno));
	return STATUS_AWAY;
}

static int run(const struct argument_list *rest)
{
	CONFIG_SCOPED struct config *config = NULL;
	struct weir_error error;
	const char *verb = rest->items[0];
	weir_status status = settings_load(&options.settings, &config, &error);
	if (status != WEIR_OK)
		return command_fail("plugin", status, &error);
	if (strcmp(verb, "list") == 0 && rest->count == 1)
		return list(config);
	if (strcmp(verb, "info") == 0 && rest->count == 2)
		return info(config, rest->items[1]);
	if (strcmp(verb, "check") == 0 && rest->count == 2)
		return check(config, rest->items[1]);
	return command_wrong_use("plugin",
				 "usage: weir plugin list | info or check NAME or FILE.so");
}

int command_plugin(int argc, char **argv)
{
	const struct argument arguments[] = {
		SETTINGS_CONFIG_OPTION(options.settings),
		SETTINGS_SET_OPTION(options.settings),
		{.name = "--param",
		 .value = "KEY=VALUE",
		 .help = "check: a parameter of the plug-in; {case} in it is another word a case",
		 .list = &options.parameters},
		{.name = "--seed",
		 .value = "N",
		 .help = "check: of the random cases, as an earlier run printed it",
		 .text = &options.seed},
		{.name = "--only",
		 .value = "TEXT",
		 .help = "check: only cases with this in \"capability: name\"",
		 .text = &options.only},
		{.name = "--json", .help = "check: the report as JSON", .flag = &options.json},
	};
	const struct usage usage = {
		.command = "plugin",
		.positions = "list | info or check NAME or FILE.so",
		.summary =
			"list shows the plug-ins that are found (backend.plugin_dir, else those "
			"that came with\nWeir); info shows one, with its parameters and their "
			"defaults; check runs the\nconformance suite on one, with an index of its "
			"own for each case, and ends with 0 when\nall passed, 1 when something "
			"failed, 2 when it is no plug-in or has no such parameter,\n3 when "
			"something that it needs is away.",
		.options = arguments,
		.option_count = sizeof(arguments) / sizeof(arguments[0]),
		.minimum = 1,
		.maximum = 2,
	};
	struct argument_list rest;
	int exit_status;
	if (arguments_read(&usage, argc, argv, &rest, &exit_status)) {
		exit_status = run(&rest);
		argument_list_finish(&rest);
	}
	argument_list_finish(&options.parameters);
	settings_finish(&options.settings);
	return exit_status;
}
