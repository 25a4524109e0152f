/* SPDX-License-Identifier: MIT
 * command.h - what the commands of `weir` share: their entry points, exit statuses, and the
 * configuration that those with Kafka load. */
#ifndef COMMAND_H
#define COMMAND_H

#include "arguments.h"
#include "config.h"
#include "err.h"
#include "schema.h"

enum exit_status {
	STATUS_DONE = 0,
	STATUS_NO = 1, /* the answer is "no": not found, lines that were refused */
	STATUS_WRONG_USE = 2,
	STATUS_AWAY = 3, /* something that is needed is away */
};

/* Each gets the arguments behind its name and answers an exit status. */
int command_up(int argc, char **argv);
int command_load(int argc, char **argv);
int command_search(int argc, char **argv);
int command_lag(int argc, char **argv);
int command_tail(int argc, char **argv);
int command_dlq(int argc, char **argv);
int command_topics(int argc, char **argv);
int command_plugin(int argc, char **argv);
int command_config(int argc, char **argv);
int command_rebuild(int argc, char **argv);
int command_verify(int argc, char **argv);

/* For tests: ends this process as kill -9 does where WEIR_TEST_KILL names the point. */
void command_point(const char *name);

/* Prints "weir <command>: <message>" on stderr and answers the exit status that belongs to status.
 */
int command_fail(const char *command, weir_status status, const struct weir_error *error);
/* The same with a message of its own, for wrong use: answers STATUS_WRONG_USE. */
int command_wrong_use(const char *command, const char *format, ...) WEIR_PRINTF(2, 3);
/* "weir: ..." on stderr, one line. */
void command_say(const char *format, ...) WEIR_PRINTF(1, 2);

/* --config, --set, --brokers, --plugin and --data, in the words of lib/config. */
struct settings {
	const char *file;
	const char *data; /* the folder of a weir up: what it decides for its daemons */
	const char *brokers;
	const char *plugin; /* --set backend.plugin is stronger */
	struct argument_list sets;
};

#define SETTINGS_CONFIG_OPTION(settings)                                                           \
	{                                                                                          \
		.name = "--config", .value = "FILE", .help = "configuration (INI)",                \
		.text = &(settings).file                                                           \
	}
#define SETTINGS_SET_OPTION(settings)                                                              \
	{                                                                                          \
		.name = "--set", .value = "SECTION.KEY=VALUE",                                     \
		.help = "one key, stronger than file and environment", .list = &(settings).sets    \
	}
#define SETTINGS_BROKERS_OPTION(settings)                                                          \
	{                                                                                          \
		.name = "--brokers", .value = "HOST:PORT",                                         \
		.help = "Kafka; else [kafka] brokers of the configuration",                        \
		.text = &(settings).brokers                                                        \
	}

#define SETTINGS_DATA_OPTION(settings)                                                             \
	{                                                                                          \
		.name = "--data", .value = "DIR",                                                  \
		.help = "the folder of a weir up, running or not: its index, store and broker",    \
		.text = &(settings).data                                                           \
	}

/* Every "section.key=value" that counts beside the file, the weakest first. */
struct setting_list {
	char **items;
	size_t count;
};
weir_status settings_collect(const struct settings *settings, struct setting_list *list,
			     struct weir_error *error) WEIR_MUST_CHECK;
void setting_list_finish(struct setting_list *list);
/* "backend.xapian.path=DIR/index": an engine with files keeps them in that folder, under the name
 * that they have by default. NULL: the engine is elsewhere. */
weir_status settings_location(const struct config *config, const char *data, char **setting,
			      struct weir_error *error) WEIR_MUST_CHECK;

weir_status settings_load(const struct settings *settings, struct config **config,
			  struct weir_error *error) WEIR_MUST_CHECK;
void settings_finish(struct settings *settings);
/* [schema] file, else the one that came with Weir. */
weir_status settings_schema(const struct config *config, struct schema **schema,
			    struct weir_error *error) WEIR_MUST_CHECK;

static inline void command_config_destroy(struct config **config)
{
	config_destroy(*config);
}
static inline void command_schema_destroy(struct schema **schema)
{
	schema_destroy(*schema);
}
#define CONFIG_SCOPED WEIR_CLEANUP(command_config_destroy)
#define SCHEMA_SCOPED WEIR_CLEANUP(command_schema_destroy)

#endif
