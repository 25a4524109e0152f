/* SPDX-License-Identifier: MIT
 * target.h - the plug-in under test and its parameters, which name another index for each case. */
#ifndef TARGET_H
#define TARGET_H

#include "plugin.h"

/* As given on the command line; borrowed. */
struct target_options {
	const char *plugin;    /* a name or a path */
	const char *directory; /* of plug-ins, for names; or NULL */
	const char *config;    /* a file, or NULL */
	const char **sets;     /* section.key=value */
	size_t set_count;
	const char **parameters; /* key=value, with {case} in it */
	size_t parameter_count;
};

/* Loads the plug-in and checks the parameters. folder: of this run; run: a word that no other run
 * has. WEIR_INVALID: no plug-in, an unknown parameter or value, or no parameter that keeps the
 * indexes of the cases apart (path, index, or one with {case} in it). */
weir_status target_load(const struct target_options *options, const char *folder, const char *run,
			struct weir_error *error) WEIR_MUST_CHECK;
const struct plugin *target_plugin(void);
bool target_is_in_files(void); /* the index is at the parameter path, in the case's folder */

/* The parameters of the case of this number; until the next call. */
weir_status target_begin(size_t number, struct weir_error *error) WEIR_MUST_CHECK;
const struct plugin_parameters *target_parameters(void);
const char *target_folder(void); /* of the case; the cases make it */
const char *target_path(void);	 /* of its index; "" when it is not in files */

#endif
