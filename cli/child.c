/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "place.h"

/* What a shell says of a command that cannot be executed. */
enum { STATUS_NOT_EXECUTED = 127 };

weir_status child_init(struct child *child, const char *name, struct weir_error *error)
{
	*child = (struct child){.name = name};
	char installed[64], built[128];
	snprintf(installed, sizeof(installed), "%.60s", name);
	snprintf(built, sizeof(built), "../%.50s/%.50s", name, name);
	const char *const candidates[] = {built, installed};
	child->executable = place_find(candidates, 2);
	if (child->executable == NULL)
		return err_set(error, WEIR_SYSTEM,
			       "%s is not beside weir: build it (ninja -C build) or install it",
			       name);
	return child_argument(child, "%s", child->executable) ? WEIR_OK : err_no_memory(error);
}

void child_finish(struct child *child)
{
	for (size_t i = 0; i < child->argument_count; i++)
		free(child->arguments[i]);
	free(child->executable);
	free(child->log_path);
	*child = (struct child){0};
}

bool child_argument(struct child *child, const char *format, ...)
{
	if (child->argument_count + 1 == CHILD_ARGUMENT_LIMIT)
		return false;
	char *text;
	va_list arguments;
	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		return false;
	child->arguments[child->argument_count++] = text;
	return true;
}

bool child_set(struct child *child, const char *key, const char *value)
{
	return child_argument(child, "--set") && child_argument(child, "%s=%s", key, value);
}

/* Between fork and exec only what is safe in a copy of one thread. */
static void become(const struct child *child, pid_t parent, int log)
{
	static const char failure[] = "cannot be executed\n";
	sigset_t none;
	sigemptyset(&none);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(STATUS_NOT_EXECUTED); /* the parent died before prctl */
	setpgid(0, 0);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (log >= 0) {
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
	}
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(child->executable, child->arguments);
	ssize_t written = write(STDERR_FILENO, failure, sizeof(failure) - 1);
	(void)written;
	_exit(STATUS_NOT_EXECUTED);
}

weir_status child_start(struct child *child, struct weir_error *error)
{
	int log = -1;
	if (child->log_path != NULL) {
		log = open(child->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (log < 0)
			return err_set(error, WEIR_SYSTEM, "%s cannot be written: %s",
				       child->log_path, strerror(errno));
	}
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		become(child, parent, log);
	int failure = errno;
	if (log >= 0)
		close(log);
	if (pid < 0)
		return err_set(error, WEIR_SYSTEM, "%s cannot be started: %s", child->name,
			       strerror(failure));
	child->pid = pid;
	return WEIR_OK;
}

void child_signal(const struct child *child, int number)
{
	if (child->pid > 0)
		kill(child->pid, number);
}

void child_describe_end(const struct child *child, char *text, size_t size)
{
	if (WIFSIGNALED(child->wait_status))
		snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(child->wait_status),
			 strsignal(WTERMSIG(child->wait_status)));
	else
		snprintf(text, size, "ended with status %d", WEXITSTATUS(child->wait_status));
}

int child_exit_status(const struct child *child)
{
	return WIFEXITED(child->wait_status) ? WEXITSTATUS(child->wait_status) : -1;
}

void child_last_line(const struct child *child, char *line, size_t size)
{
	char tail[4096];
	line[0] = '\0';
	int file = child->log_path != NULL ? open(child->log_path, O_RDONLY | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	off_t end = lseek(file, 0, SEEK_END);
	off_t from = end > (off_t)sizeof(tail) - 1 ? end - ((off_t)sizeof(tail) - 1) : 0;
	ssize_t length = pread(file, tail, sizeof(tail) - 1, from);
	close(file);
	while (length > 0 && tail[length - 1] == '\n')
		length--;
	if (length <= 0)
		return;
	tail[length] = '\0';
	const char *start = strrchr(tail, '\n');
	snprintf(line, size, "%s", start != NULL ? start + 1 : tail);
}
