/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

void argument_list_finish(struct argument_list *list)
{
	free((void *)list->items);
	*list = (struct argument_list){0};
}

static bool append(struct argument_list *list, int argc, const char *item)
{
	if (list->items == NULL)
		list->items = calloc((size_t)argc + 1, sizeof(*list->items));
	if (list->items == NULL)
		return false;
	list->items[list->count++] = item;
	return true;
}

static void print_help(const struct usage *usage)
{
	printf("weir %s%s%s%s\n\n%s\n\n", usage->command,
	       usage->option_count > 0 ? " [options]" : "", usage->positions[0] != '\0' ? " " : "",
	       usage->positions, usage->summary);
	for (size_t i = 0; i < usage->option_count; i++) {
		char left[64];
		const struct argument *option = &usage->options[i];
		snprintf(left, sizeof(left), "%s %s", option->name,
			 option->value != NULL ? option->value : "");
		printf("  %-26s %s\n", left, option->help);
	}
	printf("  %-26s %s\n", "--help", "this text");
}

/* argument is "--name" or "--name=value"; *inline_value is what stands behind "=". */
static const struct argument *find(const struct usage *usage, const char *argument,
				   const char **inline_value)
{
	size_t length = strcspn(argument, "=");
	*inline_value = argument[length] == '=' ? argument + length + 1 : NULL;
	for (size_t i = 0; i < usage->option_count; i++)
		if (strlen(usage->options[i].name) == length &&
		    strncmp(usage->options[i].name, argument, length) == 0)
			return &usage->options[i];
	return NULL;
}

static int unknown(const struct usage *usage, const char *argument)
{
	const char *names[32];
	size_t count = 0;
	for (; count < usage->option_count && count < 32; count++)
		names[count] = usage->options[count].name;
	const char *nearest = config_nearest(argument, names, count);
	return command_wrong_use(usage->command, "unknown option %s%s%s; see weir %s --help",
				 argument, nearest != NULL ? ", did you mean " : "",
				 nearest != NULL ? nearest : "", usage->command);
}

/* Takes the option at argv[*at], and its value behind it. False: *exit_status. */
static bool take_option(const struct usage *usage, int argc, char **argv, int *at, int *exit_status)
{
	const char *value;
	const struct argument *option = find(usage, argv[*at], &value);
	*exit_status = STATUS_WRONG_USE;
	if (option == NULL) {
		*exit_status = unknown(usage, argv[*at]);
		return false;
	}
	if (option->flag != NULL) {
		if (value != NULL) {
			command_wrong_use(usage->command, "%s takes no value", option->name);
			return false;
		}
		*option->flag = true;
		return true;
	}
	if (value == NULL && *at + 1 < argc)
		value = argv[++*at];
	if (value == NULL) {
		command_wrong_use(usage->command, "%s needs a value: %s %s", option->name,
				  option->name, option->value);
		return false;
	}
	if (option->text != NULL) {
		*option->text = value;
		return true;
	}
	*exit_status = STATUS_AWAY;
	return append(option->list, argc, value);
}

static bool check_count(const struct usage *usage, size_t count, int *exit_status)
{
	if (count >= usage->minimum && count <= usage->maximum)
		return true;
	*exit_status = command_wrong_use(usage->command, "%s; usage: weir %s %s",
					 count < usage->minimum ? "something is missing"
								: "too many arguments",
					 usage->command, usage->positions);
	return false;
}

bool arguments_read(const struct usage *usage, int argc, char **argv, struct argument_list *rest,
		    int *exit_status)
{
	bool options_ended = false;
	*rest = (struct argument_list){0};
	for (int at = 0; at < argc; at++) {
		const char *argument = argv[at];
		if (options_ended || strncmp(argument, "--", 2) != 0) {
			if (!options_ended && strcmp(argument, "-h") == 0) {
				print_help(usage);
				*exit_status = STATUS_DONE;
				goto end;
			}
			if (!append(rest, argc, argument)) {
				*exit_status = STATUS_AWAY;
				goto end;
			}
		} else if (argument[2] == '\0') {
			options_ended = true;
		} else if (strcmp(argument, "--help") == 0) {
			print_help(usage);
			*exit_status = STATUS_DONE;
			goto end;
		} else if (!take_option(usage, argc, argv, &at, exit_status)) {
			goto end;
		}
	}
	if (check_count(usage, rest->count, exit_status))
		return true;
end:
	argument_list_finish(rest);
	return false;
}

bool arguments_number(const char *command, const char *option, const char *text, int64_t minimum,
		      int64_t maximum, int64_t *number)
{
	char *end;
	errno = 0;
	long long read = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || read < minimum || read > maximum) {
		command_wrong_use(command, "%s %s: expected a whole number from %lld to %lld",
				  option, text, (long long)minimum, (long long)maximum);
		return false;
	}
	*number = read;
	return true;
}
