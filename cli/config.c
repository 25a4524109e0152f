/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "command.h"
#include "plugin.h"

/* What every daemon checks with --check-config: options, schema, plug-in and its parameters. */
static weir_status check(const struct settings *settings, struct weir_error *error)
{
	CONFIG_SCOPED struct config *config = NULL;
	SCHEMA_SCOPED struct schema *schema = NULL;
	struct plugin *plugin = NULL;
	struct plugin_parameters *parameters = NULL;
	weir_status status = settings_load(settings, &config, error);
	if (status == WEIR_OK)
		status = settings_schema(config, &schema, error);
	if (status == WEIR_OK)
		status = plugin_load(config_text(config, "backend", "plugin"),
				     config_text(config, "backend", "plugin_dir"), &plugin, error);
	if (status == WEIR_OK)
		status = plugin_parameters_read(plugin, config, &parameters, error);
	plugin_parameters_destroy(parameters);
	plugin_destroy(plugin);
	return status;
}

static int run(const char *verb, const struct settings *settings)
{
	struct weir_error error;
	if (strcmp(verb, "sample") == 0) {
		config_print_sample(stdout);
		return STATUS_DONE;
	}
	if (strcmp(verb, "reference") == 0) {
		config_print_reference(stdout);
		return STATUS_DONE;
	}
	if (strcmp(verb, "check") != 0)
		return command_wrong_use("config",
					 "there is no config %s: sample, reference, check", verb);
	weir_status status = check(settings, &error);
	if (status != WEIR_OK)
		return command_fail("config", status, &error);
	printf("the configuration is good\n");
	return STATUS_DONE;
}

int command_config(int argc, char **argv)
{
	struct settings settings = {0};
	const struct argument options[] = {SETTINGS_CONFIG_OPTION(settings),
					   SETTINGS_SET_OPTION(settings)};
	const struct usage usage = {
		.command = "config",
		.positions = "sample | reference | check",
		.summary = "sample prints weir.conf with every default, reference the page of all "
			   "options;\ncheck reads configuration, schema and plug-in.",
		.options = options,
		.option_count = 2,
		.minimum = 1,
		.maximum = 1,
	};
	struct argument_list rest;
	int exit_status;
	if (arguments_read(&usage, argc, argv, &rest, &exit_status)) {
		exit_status = run(rest.items[0], &settings);
		argument_list_finish(&rest);
	}
	settings_finish(&settings);
	return exit_status;
}
