/* SPDX-License-Identifier: MIT */
#include "plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "moment.h"
#include "place.h"
#include "schema.h"
#include "stems.h"
#include "words.h"

static void host_log(void *context, uint32_t level, const char *line)
{
	(void)context;
	log_line(level, "backend", "line=%s", LOG_TEXT(line));
}

static int host_cancelled(void *context)
{
	(void)context;
	return 0;
}

static int64_t host_clock(void *context)
{
	(void)context;
	return moment_now();
}

struct split {
	struct stemmer *stemmer; /* NULL: a word is its own stem */
	weir_on_word on_word;
	void *context;
	int answer;
};

static bool stem_word(void *context, const char *word, size_t length)
{
	struct split *split = context;
	const char *stem = word;
	size_t stem_length = length;
	if (split->stemmer != NULL)
		stem = stems_find(split->stemmer, word, length, &stem_length);
	split->answer = split->on_word(split->context, word, length, stem, stem_length);
	return split->answer == 0;
}

static int host_split(void *context, const char *text, size_t length, const char *language,
		      weir_on_word on_word, void *word_context)
{
	(void)context;
	struct split split = {.on_word = on_word, .context = word_context};
	if (language != NULL && stems_know(language) &&
	    (split.stemmer = stems_of(language)) == NULL)
		return -1;
	words_split(text, length, stem_word, &split);
	return split.answer;
}

static size_t host_sort_key(void *context, const char *text, size_t length, char *out, size_t limit)
{
	(void)context;
	return words_sort_key(text, length, out, limit);
}

const struct weir_host plugin_default_host = {
	.size = sizeof(struct weir_host),
	.log = host_log,
	.cancelled = host_cancelled,
	.clock = host_clock,
	.split = host_split,
	.sort_key = host_sort_key,
};

/* Where an operation stands in the table, and the capability that asks for it (0: always). */
#define OPERATION(member, bit)                                                                     \
	{                                                                                          \
#member, offsetof(struct weir_operations, member), bit                             \
	}
static const struct {
	const char *name;
	size_t offset;
	uint64_t capability;
} needed_operations[] = {
	OPERATION(open, 0),
	OPERATION(close, 0),
	OPERATION(fetch, 0),
	OPERATION(apply, 0),
	OPERATION(commit, 0),
	OPERATION(abandon, 0),
	OPERATION(positions, 0),
	OPERATION(expire, 0),
	OPERATION(stats, 0),
	OPERATION(sync, WEIR_CAN_SYNC),
	OPERATION(maintain, WEIR_CAN_MAINTAIN),
	OPERATION(session_open, WEIR_CAN_SEARCH),
	OPERATION(session_close, WEIR_CAN_SEARCH),
	OPERATION(refresh, WEIR_CAN_SEARCH),
	OPERATION(search, WEIR_CAN_SEARCH),
	OPERATION(get, WEIR_CAN_SEARCH),
	OPERATION(scan, WEIR_CAN_SEARCH),
	OPERATION(session_positions, WEIR_CAN_SEARCH),
	OPERATION(suggest, WEIR_CAN_SUGGEST),
	OPERATION(scan_states, WEIR_CAN_SCAN_STATES),
	OPERATION(facets, WEIR_CAN_FACET),
};

static const struct {
	const char *name;
	uint64_t bit;
} capability_names[] = {
	{"WEIR_CAN_SYNC", WEIR_CAN_SYNC},
	{"WEIR_CAN_MAINTAIN", WEIR_CAN_MAINTAIN},
	{"WEIR_CAN_SEARCH", WEIR_CAN_SEARCH},
	{"WEIR_CAN_SUGGEST", WEIR_CAN_SUGGEST},
	{"WEIR_CAN_SCAN_STATES", WEIR_CAN_SCAN_STATES},
	{"WEIR_CAN_FACET", WEIR_CAN_FACET},
};

static const char *capability_name(uint64_t bit)
{
	for (size_t i = 0; i < sizeof(capability_names) / sizeof(capability_names[0]); i++)
		if (capability_names[i].bit == bit)
			return capability_names[i].name;
	return "";
}

void plugin_destroy(struct plugin *plugin)
{
	if (plugin == NULL)
		return;
	free(plugin->path);
	free(plugin);
}

static void plugin_destroy_pointer(struct plugin **plugin)
{
	plugin_destroy(*plugin);
}

/* Paths and sections are made of names. */
#define NAME_LIMIT 60
#define NAME_RULE "a name of a-z, 0-9 and -, at most 60"

static bool good_name(const char *name)
{
	if (name == NULL || name[0] == '\0' || strnlen(name, NAME_LIMIT + 1) > NAME_LIMIT)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

/* "x_file = PATH" is how the configuration gives the value of x, so no key may look like that; and
 * environment names know no capitals. */
static bool good_key(const char *key)
{
	size_t length = strlen(key);
	return length > 0 && length <= NAME_LIMIT &&
	       strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == length &&
	       (length < 5 || strcmp(key + length - 5, "_file") != 0);
}

static weir_status check_operations(struct plugin *plugin, struct weir_error *error)
{
	const struct weir_manifest *manifest = plugin->manifest;
	const struct weir_operations *theirs = manifest->operations;
	if (theirs == NULL)
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected an operations table, found none",
			       plugin->path);
	if (theirs->size < sizeof(size_t) || theirs->size % sizeof(void (*)(void)) != 0)
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected an operations table with its size, found the "
			       "size %zu",
			       plugin->path, theirs->size);
	size_t size = theirs->size < sizeof(plugin->operations) ? theirs->size
								: sizeof(plugin->operations);
	memcpy(&plugin->operations, theirs, size);
	for (size_t i = 0; i < sizeof(needed_operations) / sizeof(needed_operations[0]); i++) {
		void (*function)(void);
		uint64_t capability = needed_operations[i].capability;
		memcpy(&function, (char *)&plugin->operations + needed_operations[i].offset,
		       sizeof(function));
		if ((manifest->capabilities & capability) != capability) {
			/* Not promised, so nobody is to call it. */
			memset((char *)&plugin->operations + needed_operations[i].offset, 0,
			       sizeof(function));
			continue;
		}
		if (function != NULL)
			continue;
		if (capability == 0)
			return err_set(error, WEIR_INVALID,
				       "plug-in %s: expected the operation %s, found none",
				       plugin->path, needed_operations[i].name);
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected the operation %s for the capability %s, "
			       "found none",
			       plugin->path, needed_operations[i].name,
			       capability_name(capability));
	}
	return WEIR_OK;
}

static weir_status check_parameters(const struct plugin *plugin, struct weir_error *error)
{
	const struct weir_manifest *manifest = plugin->manifest;
	if (manifest->parameters == NULL && manifest->parameter_count > 0)
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected a table of %zu parameters, found NULL",
			       plugin->path, manifest->parameter_count);
	for (size_t i = 0; i < manifest->parameter_count; i++) {
		const struct weir_parameter *parameter = manifest->parameters[i];
		if (parameter == NULL || parameter->key == NULL || parameter->help == NULL ||
		    parameter->type < WEIR_PARAMETER_TEXT ||
		    parameter->type > WEIR_PARAMETER_SECRET || parameter->type % 10 != 0)
			return err_set(error, WEIR_INVALID,
				       "plug-in %s: expected key, type and help of parameter %zu, "
				       "found one that is missing or unknown",
				       plugin->path, i);
		if (!good_key(parameter->key))
			return err_set(error, WEIR_INVALID,
				       "plug-in %s: expected a key of a-z, 0-9 and _, at most 60, "
				       "that does not end in _file, found \"%s\"",
				       plugin->path, parameter->key);
	}
	return WEIR_OK;
}

/* The magic first: of something that is no manifest nothing else may be read. */
static weir_status check_manifest(struct plugin *plugin, struct weir_error *error)
{
	const struct weir_manifest *manifest = plugin->manifest;
	if (manifest == NULL)
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected a manifest from " WEIR_MANIFEST_SYMBOL
			       ", found NULL",
			       plugin->path);
	if (manifest->magic != WEIR_BACKEND_MAGIC)
		return err_set(
			error, WEIR_INVALID,
			"plug-in %s: expected magic %016llx, found %016llx: it is no plug-in "
			"of Weir",
			plugin->path, (unsigned long long)WEIR_BACKEND_MAGIC,
			(unsigned long long)manifest->magic);
	if (manifest->abi_major != WEIR_ABI_MAJOR || manifest->abi_minor > WEIR_ABI_MINOR)
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected ABI %u.0 to %u.%u, found %u.%u: build it "
			       "against this Weir's weir/backend.h",
			       plugin->path, WEIR_ABI_MAJOR, WEIR_ABI_MAJOR, WEIR_ABI_MINOR,
			       manifest->abi_major, manifest->abi_minor);
	if (!good_name(manifest->name))
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected " NAME_RULE ", found \"%s\"", plugin->path,
			       manifest->name != NULL ? manifest->name : "");
	if (manifest->version == NULL || manifest->license == NULL || manifest->description == NULL)
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected version, license and description, found one "
			       "that is NULL",
			       plugin->path);
	if (manifest->thread_model != WEIR_THREADS_SERIAL &&
	    manifest->thread_model != WEIR_THREADS_PER_SESSION &&
	    manifest->thread_model != WEIR_THREADS_PARALLEL)
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected thread model 10, 20 or 30, found %u",
			       plugin->path, manifest->thread_model);
	weir_status status = check_operations(plugin, error);
	return status == WEIR_OK ? check_parameters(plugin, error) : status;
}

/* A name is looked up in directory or, without one, where installation and build put plug-ins. */
static char *find_path(const char *name_or_path, const char *directory)
{
	char *path = NULL;
	if (strchr(name_or_path, '/') != NULL)
		return strdup(name_or_path);
	if (directory != NULL && directory[0] != '\0')
		return asprintf(&path, "%s/weir_%s.so", directory, name_or_path) < 0 ? NULL : path;
	char installed[300], executed[300], built[300], tested[300];
	const char *const candidates[] = {installed, executed, built, tested};
	snprintf(installed, sizeof(installed), "../" WEIR_LIBDIR "/weir/weir_%.60s.so",
		 name_or_path);
	/* of weir-conformance, which lies in libexec/weir */
	snprintf(executed, sizeof(executed), "../../" WEIR_LIBDIR "/weir/weir_%.60s.so",
		 name_or_path);
	snprintf(built, sizeof(built), "../plugins/%.60s/weir_%.60s.so", name_or_path,
		 name_or_path);
	snprintf(tested, sizeof(tested), "../../plugins/%.60s/weir_%.60s.so", name_or_path,
		 name_or_path);
	path = place_find(candidates, sizeof(candidates) / sizeof(candidates[0]));
	if (path != NULL)
		return path;
	/* For the message; absolute, so that nothing is ever loaded from the working directory. */
	WEIR_FREE char *folder = place_executable_folder();
	return asprintf(&path, "%s/%s", folder != NULL ? folder : "", installed) < 0 ? NULL : path;
}

weir_status plugin_load(const char *name_or_path, const char *directory, struct plugin **plugin,
			struct weir_error *error)
{
	if (strchr(name_or_path, '/') == NULL && !good_name(name_or_path))
		return err_set(error, WEIR_INVALID,
			       "plug-in \"%s\": expected " NAME_RULE ", or a path with a slash",
			       name_or_path);
	WEIR_CLEANUP(plugin_destroy_pointer) struct plugin *made = calloc(1, sizeof(*made));
	if (made == NULL || (made->path = find_path(name_or_path, directory)) == NULL)
		return err_no_memory(error);
	if (access(made->path, R_OK) != 0)
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected a shared object, found nothing that can be "
			       "read: %s",
			       made->path, strerror(errno));
	void *library = dlopen(made->path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected a shared object that loads: %s", made->path,
			       dlerror());
	weir_manifest_function function;
	void *symbol = dlsym(library, WEIR_MANIFEST_SYMBOL);
	if (symbol == NULL)
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected the symbol " WEIR_MANIFEST_SYMBOL
			       ", found none: it is no plug-in of Weir",
			       made->path);
	memcpy(&function, &symbol, sizeof(function));
	made->manifest = function();
	weir_status status = check_manifest(made, error);
	if (status != WEIR_OK)
		return status;
	*plugin = made;
	made = NULL;
	return WEIR_OK;
}

void plugin_parameters_destroy(struct plugin_parameters *parameters)
{
	if (parameters == NULL)
		return;
	for (size_t i = 0; parameters->values != NULL && i < parameters->count; i++) {
		if (parameters->values[i] != NULL)
			free((void *)parameters->values[i]->text);
		free(parameters->values[i]);
	}
	free((void *)parameters->values);
	free(parameters);
}

static void parameters_destroy_pointer(struct plugin_parameters **parameters)
{
	plugin_parameters_destroy(*parameters);
}

/* What config_each calls: looks for one key, or for keys that the plug-in does not know. */
struct lookup {
	const struct weir_manifest *manifest;
	const char *key;   /* wanted; NULL: check only */
	const char *value; /* found */
	const char *origin;
};

static weir_status look_at(void *context, const char *key, const char *value, const char *origin,
			   struct weir_error *error)
{
	struct lookup *lookup = context;
	if (lookup->key != NULL) {
		if (strcmp(lookup->key, key) == 0) {
			lookup->value = value;
			lookup->origin = origin;
		}
		return WEIR_OK;
	}
	const char *names[64];
	size_t count = 0;
	for (size_t i = 0; i < lookup->manifest->parameter_count; i++) {
		if (strcmp(lookup->manifest->parameters[i]->key, key) == 0)
			return WEIR_OK;
		if (count < 64)
			names[count++] = lookup->manifest->parameters[i]->key;
	}
	const char *nearest = config_nearest(key, names, count);
	return err_set(error, WEIR_INVALID, "%s: [backend.%s] has no key %s%s%s%s", origin,
		       lookup->manifest->name, key, nearest != NULL ? "; did you mean " : "",
		       nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
}

static weir_status read_parameter(const struct config *config, const char *section,
				  const struct weir_parameter *parameter,
				  struct weir_parameter_value *value, struct weir_error *error)
{
	struct lookup lookup = {.key = parameter->key, .origin = "default"};
	weir_status status = config_each(config, section, parameter->key, look_at, &lookup, error);
	if (status != WEIR_OK)
		return status;
	const char *text = lookup.value != NULL ? lookup.value : parameter->default_value;
	char what[512];
	snprintf(what, sizeof(what), "%.300s: [%s] %s", lookup.origin, section, parameter->key);
	if (text == NULL)
		return err_set(error, WEIR_INVALID, "[%s] %s is needed: %s", section,
			       parameter->key, parameter->help);
	enum config_type type = parameter->type == WEIR_PARAMETER_INTEGER   ? CONFIG_INTEGER
				: parameter->type == WEIR_PARAMETER_BOOLEAN ? CONFIG_BOOLEAN
									    : CONFIG_TEXT;
	status = config_parse_value(type, text, parameter->minimum, parameter->maximum, what,
				    &value->integer, error);
	if (status != WEIR_OK)
		return status;
	/* An empty path is none. */
	value->text = parameter->type == WEIR_PARAMETER_PATH && text[0] != '\0'
			      ? config_absolute(config, section, parameter->key, text)
			      : strdup(text);
	return value->text != NULL ? WEIR_OK : err_no_memory(error);
}

/* The value that stands in the place instead of the configuration. */
static weir_status take_place(const struct backend_place *place, const char *key, bool *taken,
			      struct weir_parameter_value *value, struct weir_error *error)
{
	*taken = place != NULL && place->parameter != NULL && strcmp(place->parameter, key) == 0;
	if (!*taken)
		return WEIR_OK;
	value->text = strdup(place->location);
	return value->text != NULL ? WEIR_OK : err_no_memory(error);
}

weir_status plugin_parameters_read_at(const struct plugin *plugin, const struct config *config,
				      const struct backend_place *place,
				      struct plugin_parameters **parameters,
				      struct weir_error *error)
{
	bool placed = place == NULL || place->parameter == NULL;
	const struct weir_manifest *manifest = plugin->manifest;
	char section[128];
	snprintf(section, sizeof(section), "backend.%.100s", manifest->name);
	WEIR_CLEANUP(parameters_destroy_pointer)
	struct plugin_parameters *made = calloc(1, sizeof(*made));
	if (made == NULL || (made->values = calloc(manifest->parameter_count + 1,
						   sizeof(struct weir_parameter_value *))) == NULL)
		return err_no_memory(error);
	struct lookup unknown = {.manifest = manifest};
	weir_status status = config_each(config, section, "", look_at, &unknown, error);
	if (status != WEIR_OK)
		return status;
	for (size_t i = 0; i < manifest->parameter_count; i++) {
		made->values[i] = calloc(1, sizeof(struct weir_parameter_value));
		made->count = i + 1;
		if (made->values[i] == NULL)
			return err_no_memory(error);
		bool taken;
		status = take_place(place, manifest->parameters[i]->key, &taken, made->values[i],
				    error);
		placed = placed || taken;
		if (status == WEIR_OK && !taken)
			status = read_parameter(config, section, manifest->parameters[i],
						made->values[i], error);
		if (status != WEIR_OK)
			return status;
	}
	if (!placed)
		return err_set(error, WEIR_INVALID,
			       "plug-in %s: expected the parameter %s, found none", plugin->path,
			       place->parameter);
	*parameters = made;
	made = NULL;
	return WEIR_OK;
}

weir_status plugin_parameters_read(const struct plugin *plugin, const struct config *config,
				   struct plugin_parameters **parameters, struct weir_error *error)
{
	return plugin_parameters_read_at(plugin, config, NULL, parameters, error);
}

int plugin_location(const struct plugin *plugin)
{
	const struct weir_manifest *manifest = plugin->manifest;
	for (size_t i = 0; i < manifest->parameter_count; i++) {
		const struct weir_parameter *parameter = manifest->parameters[i];
		if ((parameter->type == WEIR_PARAMETER_PATH &&
		     strcmp(parameter->key, "path") == 0) ||
		    (parameter->type == WEIR_PARAMETER_TEXT &&
		     strcmp(parameter->key, "index") == 0))
			return (int)i;
	}
	return -1;
}

/* A path in the configuration's file counts from its folder, as every path there. */
weir_status plugin_load_configured(const struct config *config, struct plugin **plugin,
				   struct weir_error *error)
{
	const char *given = config_text(config, "backend", "plugin");
	WEIR_FREE char *path = NULL;
	if (strchr(given, '/') != NULL &&
	    (path = config_absolute(config, "backend", "plugin", given)) == NULL)
		return err_no_memory(error);
	return plugin_load(path != NULL ? path : given,
			   config_text(config, "backend", "plugin_dir"), plugin, error);
}

weir_status plugin_load_at(const struct config *config, const struct backend_place *place,
			   struct plugin **plugin, struct weir_error *error)
{
	return place == NULL
		       ? plugin_load_configured(config, plugin, error)
		       : plugin_load(place->plugin, config_text(config, "backend", "plugin_dir"),
				     plugin, error);
}

/* What a plug-in answers is not taken on trust: status and message are made what they should be. */
static weir_status open_instance(struct backend *backend, const struct weir_schema *schema,
				 uint32_t mode, const struct weir_host *host,
				 struct weir_error *error)
{
	struct weir_error theirs = {"no reason given"};
	weir_status status = backend->plugin->operations.open(
		(const struct weir_parameter_value *const *)backend->parameters->values,
		backend->parameters->count, schema, mode, host, &backend->instance, &theirs);
	if (status == WEIR_OK)
		return WEIR_OK;
	if (status != WEIR_RETRY && status != WEIR_FATAL)
		return err_set(error, WEIR_FATAL,
			       "plug-in %s: expected the status 0, 10 or 20 of open, found %d",
			       backend->plugin->path, status);
	theirs.message[sizeof(theirs.message) - 1] = '\0';
	return err_set(error, status, "%s", theirs.message);
}

weir_status plugin_check(const struct config *config, struct weir_error *error)
{
	struct schema *schema = NULL;
	struct plugin *plugin = NULL;
	struct plugin_parameters *parameters = NULL;
	weir_status status = schema_load_configured(config, &schema, error);
	if (status == WEIR_OK)
		status = plugin_load_configured(config, &plugin, error);
	if (status == WEIR_OK)
		status = plugin_parameters_read(plugin, config, &parameters, error);
	plugin_parameters_destroy(parameters);
	plugin_destroy(plugin);
	schema_destroy(schema);
	return status;
}

weir_status backend_open_at(const struct config *config, const struct backend_place *place,
			    const struct weir_schema *schema, uint32_t mode,
			    const struct weir_host *host, struct backend *backend,
			    struct weir_error *error)
{
	struct backend made = {0};
	weir_status status = plugin_load_at(config, place, &made.plugin, error);
	if (status == WEIR_OK)
		status = plugin_parameters_read_at(made.plugin, config, place, &made.parameters,
						   error);
	if (status == WEIR_OK)
		status = open_instance(&made, schema, mode, host, error);
	if (status != WEIR_OK) {
		plugin_parameters_destroy(made.parameters);
		plugin_destroy(made.plugin);
		return status;
	}
	*backend = made;
	return WEIR_OK;
}

weir_status backend_open(const struct config *config, const struct weir_schema *schema,
			 uint32_t mode, const struct weir_host *host, struct backend *backend,
			 struct weir_error *error)
{
	return backend_open_at(config, NULL, schema, mode, host, backend, error);
}

void backend_close(struct backend *backend)
{
	if (backend->plugin != NULL)
		backend->plugin->operations.close(backend->instance);
	plugin_parameters_destroy(backend->parameters);
	plugin_destroy(backend->plugin);
	*backend = (struct backend){0};
}
