/* SPDX-License-Identifier: MIT */
#include "supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "http_client.h"
#include "json.h"
#include "moment.h"

#define SECOND INT64_C(1000000)

static const int64_t pause_first = SECOND, pause_longest = 30 * SECOND;
static const int64_t settled_after = 60 * SECOND; /* a run this long starts the pauses anew */
static const int64_t say_every = 5 * SECOND;
/* One press of Ctrl-C comes twice when a wrapper (timeout, a script) passes it on. */
static const int64_t same_key = SECOND / 2;
enum {
	DEATHS_BEFORE_READY = 5, /* then it will not come up by itself */
	POLL_MS = 100,
	HEALTH_TIMEOUT_MS = 1000,
	KILLED = 130,
};

weir_status supervisor_init(struct supervisor *supervisor, struct weir_error *error)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
	sigset_t signals;
	*supervisor = (struct supervisor){.signal_fd = -1};
	sigemptyset(&signals);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&signals, numbers[i]);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0 ||
	    (supervisor->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return err_set(error, WEIR_SYSTEM, "signals cannot be collected: %s",
			       strerror(errno));
	return WEIR_OK;
}

void supervisor_finish(struct supervisor *supervisor)
{
	for (size_t i = 0; i < MEMBER_COUNT; i++) {
		child_finish(&supervisor->members[i].child);
		free(supervisor->members[i].ready_url);
	}
	if (supervisor->signal_fd >= 0)
		close(supervisor->signal_fd);
}

static void kill_all(struct supervisor *supervisor)
{
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		child_signal(&supervisor->members[i].child, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* The write side and the read side first; the indexer goes on until they have ended. */
static void stop(struct supervisor *supervisor, int exit_status)
{
	if (supervisor->stopping)
		return;
	supervisor->stopping = true;
	supervisor->exit_status = exit_status;
	supervisor->stopped_at = supervisor->stop_said_at = moment_monotonic();
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		if (i != MEMBER_INDEXER)
			child_signal(&supervisor->members[i].child, SIGTERM);
}

static void start(struct supervisor *supervisor, struct member_state *member)
{
	struct weir_error error;
	member->started_at = moment_monotonic();
	if (child_start(&member->child, &error) == WEIR_OK)
		return;
	command_say("%s", error.message);
	stop(supervisor, STATUS_AWAY);
}

static void tell_log(const struct member_state *member)
{
	char line[400];
	child_last_line(&member->child, line, sizeof(line));
	if (line[0] != '\0')
		command_say("%s said last: %s", member->child.name, line);
}

/* A daemon ended although nobody asked it to. */
static void plan_restart(struct supervisor *supervisor, struct member_state *member)
{
	char end[100];
	const char *name = member->child.name;
	int64_t now = moment_monotonic();
	child_describe_end(&member->child, end, sizeof(end));
	if (member->pause == 0 || now - member->started_at > settled_after)
		member->pause = pause_first;
	member->deaths = member->ready ? 1 : member->deaths + 1;
	member->ready = false;
	if (child_exit_status(&member->child) == STATUS_WRONG_USE) {
		tell_log(member);
		command_say("%s refuses its configuration: stopping everything", name);
		stop(supervisor, STATUS_WRONG_USE);
	} else if (!supervisor->all_ready && member->deaths == DEATHS_BEFORE_READY) {
		tell_log(member);
		command_say("%s %s, for the %uth time: stopping everything", name, end,
			    member->deaths);
		stop(supervisor, STATUS_AWAY);
	} else {
		command_say("%s %s; it is started again in %lld s", name, end,
			    (long long)(member->pause / SECOND));
		if (child_exit_status(&member->child) > 0)
			tell_log(member);
		member->restart_at = now + member->pause;
		member->pause =
			member->pause * 2 < pause_longest ? member->pause * 2 : pause_longest;
	}
}

static void on_end(struct supervisor *supervisor, enum member which, int wait_status)
{
	struct member_state *member = &supervisor->members[which];
	char end[100];
	member->child.pid = 0;
	member->child.wait_status = wait_status;
	member->restart_at = INT64_MAX;
	child_describe_end(&member->child, end, sizeof(end));
	if (which == MEMBER_LOADER) {
		if (wait_status != 0 && !supervisor->stopping)
			command_say("the load %s; the rest goes on", end);
	} else if (!supervisor->stopping) {
		plan_restart(supervisor, member);
	} else if (wait_status != 0) {
		command_say("%s %s while it was stopped", member->child.name, end);
	}
}

static void reap(struct supervisor *supervisor)
{
	int wait_status;
	pid_t pid;
	while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0)
		for (size_t i = 0; i < MEMBER_COUNT; i++)
			if (supervisor->members[i].child.pid == pid)
				on_end(supervisor, (enum member)i, wait_status);
}

/* Waits for a signal up to timeout_ms and takes it. False: a second one that says stop. */
static bool take_signals(struct supervisor *supervisor, int timeout_ms)
{
	struct pollfd fd = {.fd = supervisor->signal_fd, .events = POLLIN};
	struct signalfd_siginfo signal_info;
	if (poll(&fd, 1, timeout_ms) <= 0)
		return true;
	while (read(supervisor->signal_fd, &signal_info, sizeof(signal_info)) ==
	       (ssize_t)sizeof(signal_info)) {
		if (signal_info.ssi_signo == SIGCHLD)
			continue;
		if (supervisor->stopping) {
			if (moment_monotonic() - supervisor->stopped_at < same_key)
				continue;
			return false;
		}
		command_say("stopping; once more kills");
		stop(supervisor, STATUS_DONE);
	}
	return true;
}

/* The first reason of a /health/ready that says no. */
static void read_reason(const struct http_answer *answer, struct weir_error *reason)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	err_set(reason, WEIR_AWAY, "it is not ready");
	if (answer->body.data == NULL ||
	    jsondoc_parse(answer->body.data, answer->body.length, &document, NULL) != WEIR_OK)
		return;
	const json_t *first = json_array_get(json_object_get(jsondoc_root(document), "reasons"), 0);
	const char *text = json_string_value(json_object_get(first, "reason"));
	if (text != NULL)
		err_set(reason, WEIR_AWAY, "%s", text);
}

static void ask_health(struct member_state *member, struct weir_error *reason)
{
	HTTP_ANSWER_SCOPED struct http_answer answer = {0};
	if (member->child.pid == 0) {
		err_set(reason, WEIR_AWAY, "it does not run");
	} else if (http_client_get(member->ready_url, HEALTH_TIMEOUT_MS, &answer, reason) ==
		   WEIR_OK) {
		member->ready = answer.status == 200;
		if (!member->ready)
			read_reason(&answer, reason);
	}
}

static void wait_for_ready(struct supervisor *supervisor)
{
	int64_t now = moment_monotonic();
	bool say = now - supervisor->wait_said_at >= say_every, all = true;
	for (size_t i = 0; i < DAEMON_COUNT; i++) {
		struct member_state *member = &supervisor->members[i];
		struct weir_error reason;
		if (!member->ready)
			ask_health(member, &reason);
		all = all && member->ready;
		if (!member->ready && say) {
			command_say("waiting for %s: %s", member->child.name, reason.message);
			supervisor->wait_said_at = now;
		}
	}
	if (!all)
		return;
	supervisor->all_ready = true;
	if (!supervisor->on_ready(supervisor, supervisor->context))
		stop(supervisor, STATUS_AWAY);
	else if (supervisor->members[MEMBER_LOADER].wanted)
		start(supervisor, &supervisor->members[MEMBER_LOADER]);
}

static void restart_due(struct supervisor *supervisor)
{
	for (size_t i = 0; i < DAEMON_COUNT; i++) {
		struct member_state *member = &supervisor->members[i];
		if (member->child.pid == 0 && member->restart_at <= moment_monotonic())
			start(supervisor, member);
	}
}

/* True once nothing runs any more. */
static bool go_on_stopping(struct supervisor *supervisor)
{
	size_t running = 0;
	const char *name = NULL;
	for (size_t i = 0; i < MEMBER_COUNT; i++) {
		if (supervisor->members[i].child.pid == 0 ||
		    (i == MEMBER_INDEXER && !supervisor->indexer_told))
			continue;
		running++;
		name = supervisor->members[i].child.name;
	}
	int64_t now = moment_monotonic();
	if (running > 0 && now - supervisor->stop_said_at >= say_every) {
		supervisor->stop_said_at = now;
		command_say("waiting for %s to drain and end; Ctrl-C once more kills", name);
	}
	if (running > 0)
		return false;
	if (supervisor->indexer_told)
		return true;
	supervisor->indexer_told = true;
	child_signal(&supervisor->members[MEMBER_INDEXER].child, SIGTERM);
	return supervisor->members[MEMBER_INDEXER].child.pid == 0;
}

int supervisor_run(struct supervisor *supervisor)
{
	supervisor->wait_said_at = moment_monotonic();
	for (size_t i = 0; i < DAEMON_COUNT; i++)
		start(supervisor, &supervisor->members[i]);
	for (;;) {
		if (!take_signals(supervisor, POLL_MS)) {
			kill_all(supervisor);
			return KILLED;
		}
		reap(supervisor);
		if (supervisor->stopping) {
			if (go_on_stopping(supervisor))
				return supervisor->exit_status;
			continue;
		}
		restart_due(supervisor);
		if (!supervisor->all_ready)
			wait_for_ready(supervisor);
	}
}
