/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "place.h"
#include "plugin.h"

static void print_line(const char *before, const char *command, const char *format,
		       va_list arguments)
{
	struct weir_error line;
	err_write(&line, format, arguments);
	fprintf(stderr, "weir%s%s: %s\n", before, command, line.message);
}

void command_point(const char *name)
{
	const char *wanted = getenv("WEIR_TEST_KILL");
	if (wanted != NULL && strcmp(wanted, name) == 0)
		kill(getpid(), SIGKILL);
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

void setting_list_finish(struct setting_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free((void *)list->items);
	*list = (struct setting_list){0};
}

static bool add(struct setting_list *list, const char *format, ...) WEIR_PRINTF(2, 3);

static bool add(struct setting_list *list, const char *format, ...)
{
	char **items = realloc((void *)list->items, (list->count + 1) * sizeof(*items));
	if (items == NULL)
		return false;
	list->items = items;
	va_list arguments;
	va_start(arguments, format);
	int length = vasprintf(&items[list->count], format, arguments);
	va_end(arguments);
	list->count += length >= 0;
	return length >= 0;
}

weir_status settings_location(const struct config *config, const char *data, char **setting,
			      struct weir_error *error)
{
	struct plugin *plugin = NULL;
	*setting = NULL;
	weir_status status = plugin_load_configured(config, &plugin, error);
	if (status != WEIR_OK)
		return status;
	const struct weir_manifest *manifest = plugin->manifest;
	int number = plugin_location(plugin);
	if (number >= 0 && manifest->parameters[number]->type == WEIR_PARAMETER_PATH) {
		const char *name = manifest->parameters[number]->default_value;
		const char *slash = name != NULL ? strrchr(name, '/') : NULL;
		if (asprintf(setting, "backend.%s.path=%s/%s", manifest->name, data,
			     slash != NULL  ? slash + 1
			     : name != NULL ? name
					    : "index") < 0) {
			*setting = NULL;
			status = err_no_memory(error);
		}
	}
	plugin_destroy(plugin);
	return status;
}

/* DIR/running: what a weir up that runs says of itself, a setting a line. */
static bool add_running(const char *data, struct setting_list *list)
{
	WEIR_FREE char *path = NULL;
	char line[400];
	if (asprintf(&path, "%s/running", data) < 0) {
		path = NULL;
		return false;
	}
	FILE *file = fopen(path, "re");
	bool good = true;
	while (good && file != NULL && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		good = line[0] == '\0' || add(list, "%s", line);
	}
	if (file != NULL)
		fclose(file);
	return good;
}

/* What weir up decides for its daemons. */
static weir_status add_data(const struct settings *settings, struct setting_list *list,
			    struct weir_error *error)
{
	struct settings without = *settings;
	CONFIG_SCOPED struct config *config = NULL;
	WEIR_FREE char *location = NULL;
	without.data = NULL;
	weir_status status = settings_load(&without, &config, error);
	if (status == WEIR_OK)
		status = settings_location(config, settings->data, &location, error);
	if (status != WEIR_OK)
		return status;
	bool good = add(list, "eventd.database=%s/events.db", settings->data) &&
		    add(list, "backend.catalog_dir=%s", settings->data) &&
		    (location == NULL || add(list, "%s", location)) &&
		    add_running(settings->data, list);
	return good ? WEIR_OK : err_no_memory(error);
}

weir_status settings_collect(const struct settings *settings, struct setting_list *list,
			     struct weir_error *error)
{
	struct setting_list made = {0};
	weir_status status = settings->data != NULL ? add_data(settings, &made, error) : WEIR_OK;
	bool good = settings->plugin == NULL || add(&made, "backend.plugin=%s", settings->plugin);
	for (size_t i = 0; good && i < settings->sets.count; i++)
		good = add(&made, "%s", settings->sets.items[i]);
	good = good &&
	       (settings->brokers == NULL || add(&made, "kafka.brokers=%s", settings->brokers));
	if (status == WEIR_OK && !good)
		status = err_no_memory(error);
	if (status != WEIR_OK) {
		setting_list_finish(&made);
		return status;
	}
	*list = made;
	return WEIR_OK;
}

weir_status settings_load(const struct settings *settings, struct config **config,
			  struct weir_error *error)
{
	struct setting_list list = {0};
	weir_status status = settings_collect(settings, &list, error);
	if (status == WEIR_OK)
		status = config_load(settings->file, (const char *const *)list.items, list.count,
				     config, error);
	setting_list_finish(&list);
	return status;
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
