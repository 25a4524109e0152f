/* SPDX-License-Identifier: MIT
 *
 * Concurrency: signals are blocked before any thread is made, so every thread inherits that, and
 * come in through signalfd on the thread that calls daemon_wait. Health conditions are behind
 * health_lock; `stopping` is atomic. */
#include "daemon.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "json.h"
#include "log.h"
#include "stop_point.h"

#ifndef WEIR_VERSION
#error "WEIR_VERSION comes from meson"
#endif

enum { CONDITION_LIMIT = 32, FACT_LIMIT = 4 };

struct condition {
	char name[48];
	bool bad, noted;
	struct weir_error reason; /* or the note */
};

static pthread_mutex_t health_lock = PTHREAD_MUTEX_INITIALIZER;
static struct condition conditions[CONDITION_LIMIT];
static size_t condition_count;
static struct condition facts[FACT_LIMIT];
static size_t fact_count;
static _Atomic bool stopping;
static int stop_event = -1;

static void print_help(const char *process, const char *summary)
{
	printf("%s - %s\n\n"
	       "  --config FILE              configuration (INI); docs/options.md has the keys\n"
	       "  --set section.key=value    one key, stronger than file and environment\n"
	       "  --check-config             check configuration, schema and plug-in, and end\n"
	       "  --help, --version\n\nOptions of this process, with their defaults:\n",
	       process, summary);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		if (strcmp(option->section, "eventd") != 0 &&
		    strcmp(option->section, "indexer") != 0 &&
		    strcmp(option->section, "searchd") != 0)
			; /* shared by all */
		else if (strcmp(option->section, process) != 0)
			continue;
		printf("  %s.%s = %s\n      %s.\n", option->section, option->key,
		       option->default_value != NULL ? option->default_value : "(unset)",
		       option->help);
	}
	printf("\nEnvironment: WEIR_SECTION_KEY. Exit status: 0 done, 2 wrong use, 3 something "
	       "that "
	       "is needed is away.\n");
}

static bool wrong_use(const char *process, const char *what, int *exit_status)
{
	fprintf(stderr, "%s: %s; see %s --help\n", process, what, process);
	*exit_status = 2;
	return false;
}

/* Returns false when the process is to end with *exit_status. */
static bool parse_arguments(struct daemon *daemon, const char *summary, int argc, char **argv,
			    bool *check_only, int *exit_status)
{
	for (int i = 1; i < argc; i++) {
		const char *argument = argv[i];
		char what[200];
		if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
			print_help(daemon->process, summary);
			*exit_status = 0;
			return false;
		}
		if (strcmp(argument, "--version") == 0) {
			printf("%s %s\n", daemon->process, WEIR_VERSION);
			*exit_status = 0;
			return false;
		}
		if (strcmp(argument, "--check-config") == 0) {
			*check_only = true;
			continue;
		}
		bool file = strcmp(argument, "--config") == 0, set = strcmp(argument, "--set") == 0;
		if (!file && !set) {
			snprintf(what, sizeof(what), "unknown argument %.150s", argument);
			return wrong_use(daemon->process, what, exit_status);
		}
		if (++i == argc) {
			snprintf(what, sizeof(what), "%s needs a value", argument);
			return wrong_use(daemon->process, what, exit_status);
		}
		if (file)
			daemon->file = argv[i];
		else
			daemon->sets[daemon->set_count++] = argv[i];
	}
	return true;
}

static bool collect_signals(struct daemon *daemon)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0)
		return false;
	signal(SIGPIPE, SIG_IGN);
	daemon->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return daemon->signal_fd >= 0 && stop_event >= 0;
}

static weir_status load(struct daemon *daemon, uint32_t *level, struct config **config,
			struct weir_error *error)
{
	weir_status status =
		config_load(daemon->file, daemon->sets, daemon->set_count, config, error);
	if (status != WEIR_OK)
		return status;
	const char *name = config_text(*config, "log", "level");
	if (log_level_parse(name, level))
		return WEIR_OK;
	status = err_set(error, WEIR_INVALID,
			 "[log] level = %s: expected debug, info, warning or error", name);
	config_destroy(*config);
	*config = NULL;
	return status;
}

bool daemon_start(struct daemon *daemon, const char *process, const char *summary,
		  daemon_check check, int argc, char **argv, int *exit_status)
{
	*daemon = (struct daemon){.process = process, .signal_fd = -1};
	bool check_only = false;
	struct weir_error error;
	uint32_t level = WEIR_LOG_INFO;
	daemon->sets = calloc((size_t)argc + 1, sizeof(*daemon->sets));
	if (daemon->sets == NULL) {
		*exit_status = 3;
		return false;
	}
	if (!parse_arguments(daemon, summary, argc, argv, &check_only, exit_status))
		goto end;
	if (load(daemon, &level, &daemon->config, &error) != WEIR_OK ||
	    (check_only && check != NULL && check(daemon->config, &error) != WEIR_OK)) {
		fprintf(stderr, "%s: %s\n", process, error.message);
		*exit_status = 2;
		goto end;
	}
	if (check_only) {
		printf("%s: the configuration is good\n", process);
		*exit_status = 0;
		goto end;
	}
	log_open(process, level);
	if (stop_point_arm(&error) != WEIR_OK) {
		fprintf(stderr, "%s: %s\n", process, error.message);
		*exit_status = 2;
		goto end;
	}
	if (!collect_signals(daemon)) {
		fprintf(stderr, "%s: signals cannot be collected: %s\n", process, strerror(errno));
		*exit_status = 3;
		goto end;
	}
	return true;
end:
	daemon_finish(daemon);
	return false;
}

void daemon_finish(struct daemon *daemon)
{
	config_destroy(daemon->config);
	free(daemon->sets);
	if (daemon->signal_fd >= 0)
		close(daemon->signal_fd);
	if (stop_event >= 0)
		close(stop_event);
	stop_event = -1;
	*daemon = (struct daemon){.signal_fd = -1};
}

/* Only the log level is reloadable, and it takes effect here; other processes need no part in it.
 * A configuration that is wrong now leaves everything as it was. */
static void reload(struct daemon *daemon)
{
	struct config *config = NULL;
	struct weir_error error;
	uint32_t level;
	if (load(daemon, &level, &config, &error) != WEIR_OK) {
		log_error("reload", "result=refused reason=%s", LOG_TEXT(error.message));
		return;
	}
	log_set_level(level);
	log_info("reload", "log_level=%s", config_text(config, "log", "level"));
	config_destroy(config);
}

static enum daemon_wake on_signal(struct daemon *daemon)
{
	struct signalfd_siginfo signal_info;
	if (read(daemon->signal_fd, &signal_info, sizeof(signal_info)) !=
	    (ssize_t)sizeof(signal_info))
		return DAEMON_TIMEOUT;
	if (signal_info.ssi_signo == SIGHUP) {
		reload(daemon);
		return DAEMON_RELOAD;
	}
	if (daemon_stopping()) {
		log_warning("stop", "reason=%s", LOG_TEXT("second signal: leaving at once"));
		_exit(130);
	}
	log_info("stop", "signal=%s", signal_info.ssi_signo == SIGTERM ? "TERM" : "INT");
	atomic_store(&stopping, true);
	return DAEMON_STOP;
}

enum daemon_wake daemon_wait(struct daemon *daemon, int timeout_ms)
{
	struct pollfd fds[] = {{.fd = daemon->signal_fd, .events = POLLIN},
			       {.fd = stop_event, .events = POLLIN}};
	int ready = poll(fds, 2, timeout_ms);
	if (ready <= 0)
		return DAEMON_TIMEOUT;
	if (fds[0].revents != 0)
		return on_signal(daemon);
	uint64_t count;
	ssize_t got = read(stop_event, &count, sizeof(count));
	(void)got;
	return daemon_stopping() ? DAEMON_STOP : DAEMON_TIMEOUT;
}

bool daemon_stopping(void)
{
	return atomic_load(&stopping);
}

void daemon_stop(void)
{
	atomic_store(&stopping, true);
	uint64_t one = 1;
	ssize_t written = write(stop_event, &one, sizeof(one));
	(void)written;
}

/* The place of a condition; made when it is new. NULL: there are too many (our bug, and harmless).
 */
static struct condition *condition_find(const char *name)
{
	for (size_t i = 0; i < condition_count; i++)
		if (strncmp(conditions[i].name, name, sizeof(conditions[i].name) - 1) == 0)
			return &conditions[i];
	if (condition_count == CONDITION_LIMIT)
		return NULL;
	struct condition *made = &conditions[condition_count++];
	snprintf(made->name, sizeof(made->name), "%s", name);
	return made;
}

void health_set_bad(const char *condition, const char *reason, ...)
{
	struct weir_error line;
	va_list arguments;
	va_start(arguments, reason);
	err_write(&line, reason, arguments);
	va_end(arguments);
	pthread_mutex_lock(&health_lock);
	struct condition *found = condition_find(condition);
	if (found != NULL) {
		found->bad = true;
		found->noted = false;
		found->reason = line;
	}
	pthread_mutex_unlock(&health_lock);
}

void health_set_good(const char *condition)
{
	pthread_mutex_lock(&health_lock);
	struct condition *found = condition_find(condition);
	if (found != NULL)
		found->bad = found->noted = false;
	pthread_mutex_unlock(&health_lock);
}

void health_set_note(const char *condition, const char *note, ...)
{
	struct weir_error line;
	va_list arguments;
	va_start(arguments, note);
	err_write(&line, note, arguments);
	va_end(arguments);
	pthread_mutex_lock(&health_lock);
	struct condition *found = condition_find(condition);
	if (found != NULL) {
		found->bad = false;
		found->noted = true;
		found->reason = line;
	}
	pthread_mutex_unlock(&health_lock);
}

void health_set_fact(const char *name, const char *fact, ...)
{
	struct weir_error line;
	va_list arguments;
	va_start(arguments, fact);
	err_write(&line, fact, arguments);
	va_end(arguments);
	pthread_mutex_lock(&health_lock);
	size_t i = 0;
	while (i < fact_count && strcmp(facts[i].name, name) != 0)
		i++;
	if (i < FACT_LIMIT) {
		snprintf(facts[i].name, sizeof(facts[i].name), "%s", name);
		facts[i].reason = line;
		fact_count = i == fact_count ? i + 1 : fact_count;
	}
	pthread_mutex_unlock(&health_lock);
}

static bool all_good(void)
{
	for (size_t i = 0; i < condition_count; i++)
		if (conditions[i].bad)
			return false;
	return true;
}

bool health_ready(void)
{
	pthread_mutex_lock(&health_lock);
	bool ready = all_good();
	pthread_mutex_unlock(&health_lock);
	return ready;
}

static bool any_noted(void)
{
	for (size_t i = 0; i < condition_count; i++)
		if (conditions[i].noted)
			return true;
	return false;
}

static void write_conditions(struct jsonout *json, const char *list, const char *text, bool bad)
{
	jsonout_name(json, list);
	jsonout_begin(json, '[');
	for (size_t i = 0; i < condition_count; i++) {
		if (bad ? !conditions[i].bad : !conditions[i].noted)
			continue;
		jsonout_begin(json, '{');
		jsonout_name(json, "condition");
		jsonout_text(json, conditions[i].name);
		jsonout_name(json, text);
		jsonout_text(json, conditions[i].reason.message);
		jsonout_end(json, '}');
	}
	jsonout_end(json, ']');
}

bool health_write(struct buffer *out)
{
	struct jsonout json = JSONOUT_INIT(out);
	pthread_mutex_lock(&health_lock);
	bool ready = all_good();
	jsonout_begin(&json, '{');
	jsonout_name(&json, "status");
	jsonout_text(&json, ready ? "ready" : "not ready");
	for (size_t i = 0; i < fact_count; i++) {
		jsonout_name(&json, facts[i].name);
		jsonout_text(&json, facts[i].reason.message);
	}
	if (!ready)
		write_conditions(&json, "reasons", "reason", true);
	if (any_noted())
		write_conditions(&json, "notes", "note", false);
	jsonout_end(&json, '}');
	pthread_mutex_unlock(&health_lock);
	return ready;
}
