/* SPDX-License-Identifier: MIT
 * plugin.h - finds, loads and checks index backends (weir/backend.h). */
#ifndef PLUGIN_H
#define PLUGIN_H

#include "config.h"
#include "err.h"
#include "weir/backend.h"

struct plugin {
	char *path; /* of the file that was loaded */
	const struct weir_manifest *manifest;
	struct weir_operations operations; /* the host's copy: what the plug-in lacks, or no
					      capability promises, is NULL */
};

/* name_or_path: with a slash it is a path; else <directory>/weir_<name>.so, where directory is
 * [backend] plugin_dir. Refusals (not found, not a library, missing symbol, wrong magic, major,
 * minor, missing operation, capability without its operation) are WEIR_INVALID; the message names
 * the file, what was expected and what was found. Loaded RTLD_NOW | RTLD_LOCAL, never unloaded. */
weir_status plugin_load(const char *name_or_path, const char *directory, struct plugin **plugin,
			struct weir_error *error) WEIR_MUST_CHECK;
void plugin_destroy(struct plugin *plugin); /* takes NULL; the library stays loaded */

/* Checks [backend.<name>] of the configuration against the plug-in's parameter table. The values
 * array has manifest->parameter_count elements; ends with plugin_parameters_destroy. */
struct plugin_parameters {
	struct weir_parameter_value **values;
	size_t count;
};
weir_status plugin_parameters_read(const struct plugin *plugin, const struct config *config,
				   struct plugin_parameters **parameters,
				   struct weir_error *error) WEIR_MUST_CHECK;
void plugin_parameters_destroy(struct plugin_parameters *parameters);

/* The one that [backend] plugin names. A path there counts from the folder of the configuration's
 * file. */
weir_status plugin_load_configured(const struct config *config, struct plugin **plugin,
				   struct weir_error *error) WEIR_MUST_CHECK;
/* Another index than the configured one, as the catalog (catalog.h) names it: its plug-in and where
 * it is. All other parameters are those of [backend.<plug-in>]. */
struct backend_place {
	const char *plugin;    /* as [backend] plugin would say it; a path is absolute */
	const char *parameter; /* of the plug-in: "path", "index"; NULL: as configured */
	const char *location;  /* its value; a path is absolute */
};
/* place: NULL is as configured. */
weir_status plugin_load_at(const struct config *config, const struct backend_place *place,
			   struct plugin **plugin, struct weir_error *error) WEIR_MUST_CHECK;
weir_status plugin_parameters_read_at(const struct plugin *plugin, const struct config *config,
				      const struct backend_place *place,
				      struct plugin_parameters **parameters,
				      struct weir_error *error) WEIR_MUST_CHECK;
/* The parameter that says where the index is: "path" or "index"; -1: the plug-in has none. */
int plugin_location(const struct plugin *plugin);

/* For --check-config: schema, plug-in and its parameters are read; no index is touched. */
weir_status plugin_check(const struct config *config, struct weir_error *error) WEIR_MUST_CHECK;

/* The whole way from [backend] plugin to an open instance. */
struct backend {
	struct plugin *plugin;
	struct plugin_parameters *parameters;
	weir_instance *instance;
};
weir_status backend_open(const struct config *config, const struct weir_schema *schema,
			 uint32_t mode, const struct weir_host *host, struct backend *backend,
			 struct weir_error *error) WEIR_MUST_CHECK;
weir_status backend_open_at(const struct config *config, const struct backend_place *place,
			    const struct weir_schema *schema, uint32_t mode,
			    const struct weir_host *host, struct backend *backend,
			    struct weir_error *error) WEIR_MUST_CHECK;
void backend_close(struct backend *backend);

/* A host whose log goes to lib/log, whose clock is moment_now and which is never cancelled. */
extern const struct weir_host plugin_default_host;

#endif
