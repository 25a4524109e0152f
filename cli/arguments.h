/* SPDX-License-Identifier: MIT
 * arguments.h - command lines of `weir`: one table a command drives parser and --help. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct argument_list {
	const char **items; /* texts are borrowed from argv */
	size_t count;
};
void argument_list_finish(struct argument_list *list);

/* One option; exactly one of text, flag and list says where it goes. */
struct argument {
	const char *name;  /* "--url" */
	const char *value; /* what stands for its value in --help; NULL: a flag */
	const char *help;
	const char **text;
	bool *flag;
	struct argument_list *list;
};

struct usage {
	const char *command;   /* "load" */
	const char *positions; /* "FILE" */
	const char *summary;   /* lines of text */
	const struct argument *options;
	size_t option_count;
	size_t minimum, maximum; /* arguments that are no options */
};

/* `--name value`, `--name=value`, `--` ends the options; what begins with one dash is no option,
 * so that a query may say -word. False: the command ends with *exit_status (help was printed, or
 * one line that says what is wrong). rest ends with argument_list_finish, as do the lists. */
bool arguments_read(const struct usage *usage, int argc, char **argv, struct argument_list *rest,
		    int *exit_status) WEIR_MUST_CHECK;

/* A whole number from minimum to maximum; false: the line about it was printed. */
bool arguments_number(const char *command, const char *option, const char *text, int64_t minimum,
		      int64_t maximum, int64_t *number) WEIR_MUST_CHECK;

#endif
