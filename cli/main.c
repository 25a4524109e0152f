/* SPDX-License-Identifier: MIT
 * weir - the command line: everything on one machine, loads, searches, looks. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "log.h"

static const struct {
	const char *name, *summary;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"up", "everything on one machine in the foreground: broker, eventd, indexer, searchd",
	 command_up},
	{"load", "sends events (NDJSON, also .gz) to eventd or to Kafka", command_load},
	{"search", "asks searchd: a table on a terminal, else JSON", command_search},
	{"lag", "how far the index is behind the log, a line per partition", command_lag},
	{"tail", "follows the topics, one line per message", command_tail},
	{"dlq", "list, show, replay, drop: messages that could not be indexed", command_dlq},
	{"topics", "create, list: the topics that Weir uses", command_topics},
	{"verify", "compares the store with the index, and repairs the index", command_verify},
	{"rebuild",
	 "another engine or schema: a second index beside the live one, then in its place",
	 command_rebuild},
	{"plugin", "list, info, check: the plug-ins, their parameters, the conformance suite",
	 command_plugin},
	{"config", "sample, reference, check: the configuration", command_config},
};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void print_commands(FILE *out)
{
	fprintf(out, "weir <command> [options]\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "\nweir <command> --help says more about one; weir --version.\n"
		     "Exit status: 0 done, 1 the answer is no, 2 wrong use, 3 something that is "
		     "needed is away.\n");
}

static int run(const char *name, int argc, char **argv)
{
	const char *names[COMMAND_COUNT];
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		names[i] = commands[i].name;
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc, argv);
	}
	const char *nearest = config_nearest(name, names, COMMAND_COUNT);
	command_say("there is no command %s%s%s%s", name, nearest != NULL ? "; did you mean " : "",
		    nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
	print_commands(stderr);
	return STATUS_WRONG_USE;
}

/* `weir help load` is `weir load --help`. */
static int help(int argc, char **argv)
{
	static char option[] = "--help";
	char *arguments[] = {option, NULL};
	if (argc > 0)
		return run(argv[0], 1, arguments);
	print_commands(stdout);
	return STATUS_DONE;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		command_say("a command is missing");
		print_commands(stderr);
		return STATUS_WRONG_USE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("weir %s\n", WEIR_VERSION);
		return STATUS_DONE;
	}
	/* What lib/ tells a daemon's log is no business of somebody who typed a command. */
	log_open("weir", WEIR_LOG_ERROR);
	int status;
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "-h") == 0) {
		status = help(argc - 2, argv + 2);
	} else {
		curl_global_init(CURL_GLOBAL_DEFAULT);
		status = run(argv[1], argc - 2, argv + 2);
		curl_global_cleanup();
	}
	/* A reader that had enough (weir tail | head) is no failure. */
	if (fflush(stdout) != 0 && errno != EPIPE && status == STATUS_DONE) {
		command_say("the output could not be written");
		return STATUS_AWAY;
	}
	return status;
}
