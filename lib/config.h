/* SPDX-License-Identifier: MIT
 * config.h - the configuration: INI file, environment, command line, over one table of options.
 *
 * Precedence: command line (--set section.key=value), environment (WEIR_SECTION_KEY, dots and
 * dashes as underscores), file, default. A key that no table knows is WEIR_INVALID and the message
 * names the nearest one that is known, with file and line; of the environment that holds for
 * variables that begin with a section's name. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "err.h"

enum config_type {
	CONFIG_TEXT,
	CONFIG_INTEGER,
	CONFIG_BOOLEAN,	 /* true/false, yes/no, on/off, 1/0 */
	CONFIG_DURATION, /* "250ms", "2s", "5m", "3h", "7d"; read as microseconds */
	CONFIG_SIZE,	 /* "64KiB", "1MiB", "2GiB", or bytes */
	CONFIG_PATH, /* made absolute: of a file's line against the file's folder, else against the
			working directory */
	CONFIG_SECRET, /* text; never printed; "<key>_file = PATH" reads it from a file */
};

struct config_option {
	const char *section;
	const char *key; /* "rdkafka.*": any key with that beginning, passed through as text */
	enum config_type type;
	const char *default_value; /* as it would stand in the file; NULL: none, config_text gives
				      NULL */
	int64_t minimum, maximum;  /* in the unit it is read as; equal: no bounds */
	const char *help;	   /* one sentence */
	bool reloadable;	   /* HUP re-reads it */
};

/* The options of all processes, options.c; one list, so that every process knows every key. */
extern const struct config_option config_options[];
extern const size_t config_option_count;

struct config;

/* file may be NULL. sets: count strings "section.key=value". Sections [backend.<name>] are kept as
 * they are and checked with the plug-in's own table (plugin.h) by the processes that load one. */
weir_status config_load(const char *file, const char *const *sets, size_t count,
			struct config **config, struct weir_error *error) WEIR_MUST_CHECK;
void config_destroy(struct config *config); /* takes NULL */

/* Asking for what no table has is our bug: assert. Strings are borrowed from the configuration. */
const char *config_text(const struct config *config, const char *section, const char *key);
int64_t config_integer(const struct config *config, const char *section, const char *key);
bool config_boolean(const struct config *config, const char *section, const char *key);
#define config_duration config_integer /* microseconds */
#define config_size config_integer     /* bytes */

/* Calls each for every key given in a section whose name begins with prefix ("" for all), in file
 * order, later sources replacing earlier ones; origin says where it came from ("weir.conf:12"). */
typedef weir_status (*config_each_function)(void *context, const char *key, const char *value,
					    const char *origin, struct weir_error *error);
weir_status config_each(const struct config *config, const char *section, const char *prefix,
			config_each_function each, void *context,
			struct weir_error *error) WEIR_MUST_CHECK;

/* The same for one key in every section whose name begins with prefix; the section's name stands in
 * the place of the key's. */
weir_status config_each_section(const struct config *config, const char *prefix, const char *key,
				config_each_function each, void *context,
				struct weir_error *error) WEIR_MUST_CHECK;

/* path made absolute by the rule of CONFIG_PATH, as if it were the value of that key; free() it.
 * NULL: no memory. */
char *config_absolute(const struct config *config, const char *section, const char *key,
		      const char *path);

/* Text to value by type and bounds; used for the file and for a plug-in's parameter table. what is
 * named in the message ("weir.conf:12: [indexer] batch_count"). */
weir_status config_parse_value(enum config_type type, const char *text, int64_t minimum,
			       int64_t maximum, const char *what, int64_t *value,
			       struct weir_error *error) WEIR_MUST_CHECK;
/* The nearest of count names by edit distance, or NULL when none is near. */
const char *config_nearest(const char *name, const char *const *names, size_t count);

/* The sample file and the options page, generated from the table; docs/ holds their output. */
void config_print_sample(FILE *out);
void config_print_reference(FILE *out); /* Markdown */

#endif
