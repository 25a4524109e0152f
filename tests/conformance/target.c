/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"

#define CASE_MARK "{case}"
#define NOBODYS_INDEX "weir-check-" CASE_MARK

static struct target_options given;
static const char *run_folder, *run_word;
static struct plugin *plugin;
static struct plugin_parameters *parameters;
static char case_folder[PATH_MAX], case_path[PATH_MAX + 64];

const struct plugin *target_plugin(void)
{
	return plugin;
}

const struct plugin_parameters *target_parameters(void)
{
	return parameters;
}

const char *target_folder(void)
{
	return case_folder;
}

const char *target_path(void)
{
	return target_is_in_files() ? case_path : "";
}

static const struct weir_parameter *find_parameter(const char *key)
{
	for (size_t i = 0; i < plugin->manifest->parameter_count; i++)
		if (strcmp(plugin->manifest->parameters[i]->key, key) == 0)
			return plugin->manifest->parameters[i];
	return NULL;
}

static bool is_given(const char *key)
{
	size_t length = strlen(key);
	for (size_t i = 0; i < given.parameter_count; i++)
		if (strncmp(given.parameters[i], key, length) == 0 &&
		    given.parameters[i][length] == '=')
			return true;
	return false;
}

bool target_is_in_files(void)
{
	const struct weir_parameter *path = find_parameter("path");
	return path != NULL && path->type == WEIR_PARAMETER_PATH && !is_given("path");
}

static bool has_own_index(void)
{
	const struct weir_parameter *index = find_parameter("index");
	return index != NULL && index->type == WEIR_PARAMETER_TEXT && !is_given("index");
}

static bool is_apart(void)
{
	if ((plugin->manifest->capabilities & WEIR_CAN_SEARCH) == 0 || target_is_in_files() ||
	    has_own_index())
		return true;
	for (size_t i = 0; i < given.parameter_count; i++)
		if (strstr(given.parameters[i], CASE_MARK) != NULL)
			return true;
	return false;
}

/* "backend.<name>.key=value", with the case's word for every {case}. */
static char *write_set(const char *parameter, size_t number)
{
	struct buffer out = BUFFER_INIT;
	buffer_printf(&out, "backend.%s.", plugin->manifest->name);
	for (const char *mark; (mark = strstr(parameter, CASE_MARK)) != NULL;
	     parameter = mark + strlen(CASE_MARK)) {
		buffer_append(&out, parameter, (size_t)(mark - parameter));
		buffer_printf(&out, "%s-%zu", run_word, number);
	}
	buffer_append_text(&out, parameter);
	return buffer_take(&out, NULL);
}

static weir_status read_parameters(const char *const *sets, size_t count, struct weir_error *error)
{
	struct config *config = NULL;
	struct plugin_parameters *read = NULL;
	weir_status status = config_load(given.config, sets, count, &config, error);
	if (status == WEIR_OK)
		status = plugin_parameters_read(plugin, config, &read, error);
	config_destroy(config);
	if (status != WEIR_OK)
		return status;
	plugin_parameters_destroy(parameters);
	parameters = read;
	return WEIR_OK;
}

weir_status target_begin(size_t number, struct weir_error *error)
{
	size_t count = given.set_count, made = count;
	const char **sets = calloc(count + given.parameter_count + 2, sizeof(*sets));
	if (sets == NULL)
		return err_no_memory(error);
	if (count > 0)
		memcpy(sets, given.sets, count * sizeof(*sets));
	snprintf(case_folder, sizeof(case_folder), "%s/%zu", run_folder, number);
	snprintf(case_path, sizeof(case_path), "%s/deep/index", case_folder);
	char path[sizeof(case_path) + 8];
	snprintf(path, sizeof(path), "path=%s", case_path);
	if (target_is_in_files())
		sets[count++] = write_set(path, number);
	if (has_own_index())
		sets[count++] = write_set("index=" NOBODYS_INDEX, number);
	for (size_t i = 0; i < given.parameter_count; i++)
		sets[count++] = write_set(given.parameters[i], number);
	weir_status status = WEIR_OK;
	for (size_t i = made; i < count; i++)
		if (sets[i] == NULL)
			status = err_no_memory(error);
	if (status == WEIR_OK)
		status = read_parameters(sets, count, error);
	for (; made < count; made++)
		free((void *)sets[made]);
	free((void *)sets);
	return status;
}

weir_status target_load(const struct target_options *options, const char *folder, const char *run,
			struct weir_error *error)
{
	given = *options;
	run_folder = folder;
	run_word = run;
	weir_status status = plugin_load(given.plugin, given.directory, &plugin, error);
	if (status != WEIR_OK)
		return status;
	if (!is_apart())
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: the cases would share one index: give the parameter "
			       "that names it with {case} in its value (--param KEY=check-{case})",
			       plugin->path);
	return target_begin(0, error);
}
