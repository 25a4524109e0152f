/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <stdio.h>
#include <unistd.h>

#include "place.h"

static void print_line(const char *before, const char *command, const char *format,
		       va_list arguments)
{
	struct weir_error line;
	err_write(&line, format, arguments);
	fprintf(stderr, "weir%s%s: %s\n", before, command, line.message);
}

int command_fail(const char *command, weir_status status, const struct weir_error *error)
{
	fprintf(stderr, "weir %s: %s\n", command, error->message);
	switch (status) {
	case WEIR_INVALID:
		return STATUS_WRONG_USE;
	case WEIR_NOT_FOUND:
		return STATUS_NO;
	default:
		return STATUS_AWAY;
	}
}

int command_wrong_use(const char *command, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print_line(" ", command, format, arguments);
	va_end(arguments);
	return STATUS_WRONG_USE;
}

void command_say(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print_line("", "", format, arguments);
	va_end(arguments);
}

weir_status settings_load(const struct settings *settings, struct config **config,
			  struct weir_error *error)
{
	size_t count = 0;
	WEIR_FREE char *brokers = NULL, *plugin = NULL;
	if (settings->brokers != NULL &&
	    asprintf(&brokers, "kafka.brokers=%s", settings->brokers) < 0)
		return err_no_memory(error);
	if (settings->plugin != NULL &&
	    asprintf(&plugin, "backend.plugin=%s", settings->plugin) < 0)
		return err_no_memory(error);
	WEIR_FREE const char **sets = calloc(settings->sets.count + 2, sizeof(*sets));
	if (sets == NULL)
		return err_no_memory(error);
	if (plugin != NULL)
		sets[count++] = plugin;
	for (size_t i = 0; i < settings->sets.count; i++)
		sets[count++] = settings->sets.items[i];
	if (brokers != NULL)
		sets[count++] = brokers;
	return config_load(settings->file, sets, count, config, error);
}

void settings_finish(struct settings *settings)
{
	argument_list_finish(&settings->sets);
}

weir_status settings_schema(const struct config *config, struct schema **schema,
			    struct weir_error *error)
{
	const char *given = config_text(config, "schema", "file");
	WEIR_FREE char *found = given == NULL ? place_schema() : NULL;
	if (given == NULL && found == NULL)
		return err_set(error, WEIR_INVALID,
			       "no schema was installed with Weir: set [schema] file");
	return schema_load(given != NULL ? given : found, schema, error);
}
