/* SPDX-License-Identifier: MIT
 * weir-conformance - the cases that every backend must pass, over one plug-in. `weir plugin check`
 * executes it.
 *
 * Two processes: the second one loads the plug-in and runs the cases (each in a process of its
 * own); the first waits for it, passes signals on to it, and removes the folder of the run whatever
 * became of the second. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "log.h"
#include "report.h"
#include "suite.h"
#include "target.h"

enum {
	STATUS_PASSED = 0,
	STATUS_FAILED = 1,
	STATUS_WRONG_USE = 2,
	STATUS_AWAY = 3,
	ARGUMENT_LIMIT = 64,
};

static struct {
	struct target_options target;
	const char *only;
	bool json, list, seeded;
	unsigned seed;
} options;

static const char usage[] =
	"usage: weir-conformance [--param KEY=VALUE]... [--seed N] [--only TEXT] [--json]\n"
	"                        [--config FILE] [--set SECTION.KEY=VALUE]... [--plugin-dir "
	"FOLDER]\n"
	"                        NAME or FILE.so\n"
	"       weir-conformance --list\n";

static void add_all_cases(void)
{
	add_manifest_cases();
	add_lifecycle_cases();
	add_writing_cases();
	add_poison_cases();
	add_atomicity_cases();
	add_durability_cases();
	add_sharing_cases();
	add_reading_cases();
	add_threads_cases();
	add_matching_cases();
	add_fuzzy_cases();
	add_facet_cases();
	add_unicode_cases();
	add_syntax_cases();
	add_ordering_cases();
	add_total_cases();
	add_limits_cases();
	add_random_cases();
}

static int say(int status, const char *line)
{
	fprintf(stderr, "weir plugin check: %s\n", line);
	return status;
}

static bool read_seed(const char *text)
{
	char *end;
	errno = 0;
	unsigned long seed = strtoul(text, &end, 10);
	options.seed = (unsigned)seed;
	options.seeded = true;
	return errno == 0 && end != text && *end == '\0' && text[0] != '-' && seed <= UINT32_MAX;
}

/* STATUS_PASSED: go on. */
static int read_options(int count, char **arguments)
{
	static const struct option known[] = {
		{"param", required_argument, NULL, 'p'},
		{"seed", required_argument, NULL, 's'},
		{"only", required_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'},
		{"list", no_argument, NULL, 'l'},
		{"config", required_argument, NULL, 'c'},
		{"set", required_argument, NULL, 't'},
		{"plugin-dir", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	static const char *parameters[ARGUMENT_LIMIT], *sets[ARGUMENT_LIMIT];
	struct target_options *target = &options.target;
	target->parameters = parameters;
	target->sets = sets;
	for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) {
		if (target->parameter_count == ARGUMENT_LIMIT ||
		    target->set_count == ARGUMENT_LIMIT)
			return say(STATUS_WRONG_USE, "too many arguments");
		if (option == 'p' && strchr(optarg, '=') == NULL)
			return say(STATUS_WRONG_USE, "expected --param KEY=VALUE");
		if (option == 's' && !read_seed(optarg))
			return say(STATUS_WRONG_USE, "expected --seed 0 to 4294967295");
		if (option == 'p')
			parameters[target->parameter_count++] = optarg;
		else if (option == 't')
			sets[target->set_count++] = optarg;
		else if (option == 'o')
			options.only = optarg;
		else if (option == 'c')
			target->config = optarg;
		else if (option == 'd')
			target->directory = optarg;
		else if (option == 'j')
			options.json = true;
		else if (option == 'l')
			options.list = true;
		else if (option == '?')
			return STATUS_WRONG_USE;
	}
	if (!options.list && optind + 1 != count) {
		fputs(usage, stderr);
		return STATUS_WRONG_USE;
	}
	target->plugin = arguments[optind];
	return STATUS_PASSED;
}

static void begin_case(size_t number)
{
	struct weir_error error;
	if (target_begin(number, &error) != WEIR_OK)
		exit(say(STATUS_AWAY, error.message));
}

/* Whether there is anything to test: a writer that cannot open a new index waits for something. */
static int try_engine(void)
{
	struct weir_error error = {"no reason given"};
	weir_instance *instance = NULL;
	begin_case(suite_count());
	weir_status status = try_open(WEIR_MODE_WRITER, &collection, &instance, &error);
	if (status == WEIR_OK)
		backend->close(instance);
	harness_remove(target_folder());
	if (status == WEIR_OK)
		return STATUS_PASSED;
	return say(status == WEIR_RETRY ? STATUS_AWAY : STATUS_FAILED, error.message);
}

/* In a process of its own, as every case: engines may start threads, which no fork takes along. */
static int try_engine_apart(void)
{
	int status;
	pid_t process = fork();
	if (process == 0)
		_exit(try_engine());
	if (process < 0 || waitpid(process, &status, 0) != process)
		return say(STATUS_AWAY, strerror(errno));
	/* what kills it here will be a failed case */
	return WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_PASSED;
}

static int run(const char *folder)
{
	struct weir_error error;
	char run_word[32];
	snprintf(run_word, sizeof(run_word), "%lx%lx", (unsigned long)time(NULL) & 0xffffffff,
		 (unsigned long)getpid());
	log_open("weir", WEIR_LOG_ERROR);
	weir_status status = target_load(&options.target, folder, run_word, &error);
	if (status != WEIR_OK)
		return say(status == WEIR_INVALID ? STATUS_WRONG_USE : STATUS_AWAY, error.message);
	harness_use(target_plugin(), options.seed);
	int tried = try_engine_apart();
	if (tried != STATUS_PASSED)
		return tried;
	setenv("CK_DEFAULT_TIMEOUT", "120", 0);
	size_t failed = suite_run(options.only, harness_offered(), begin_case);
	if (suite_results(NULL, RESULT_NOT_RUN) == suite_count())
		return say(STATUS_WRONG_USE, "no case has that name: see --list");
	(options.json ? report_json : report_table)(target_plugin(), options.seed);
	return failed == 0 ? STATUS_PASSED : STATUS_FAILED;
}

static volatile pid_t running;

static void pass_on(int number)
{
	if (running > 0)
		kill(running, number);
}

static int wait_for(pid_t process)
{
	int status;
	char line[128];
	struct sigaction passing = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
	running = process;
	sigaction(SIGTERM, &passing, NULL);
	sigaction(SIGINT, &passing, NULL);
	sigaction(SIGHUP, &passing, NULL);
	while (waitpid(process, &status, 0) != process)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	snprintf(line, sizeof(line), "the run was ended by signal %d (%s)", WTERMSIG(status),
		 strsignal(WTERMSIG(status)));
	return say(STATUS_FAILED, line);
}

/* One of our children; 0: there is none. */
static int find_child(void)
{
	char path[64];
	int child = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	FILE *children = fopen(path, "r");
	if (children == NULL || fscanf(children, "%d", &child) != 1)
		child = 0;
	if (children != NULL)
		fclose(children);
	return child;
}

/* A case that was told to end may outlive the run for a moment, and make files in its folder: its
 * processes are ours then. */
static void end_left(void)
{
	for (int child; (child = find_child()) != 0;) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
}

int main(int count, char **arguments)
{
	options.seed = (unsigned)time(NULL);
	int status = read_options(count, arguments);
	if (status != STATUS_PASSED)
		return status;
	add_all_cases();
	if (options.list) {
		report_list();
		return STATUS_PASSED;
	}
	const char *temporary = getenv("TMPDIR");
	char folder[PATH_MAX];
	snprintf(folder, sizeof(folder), "%s/weir-conformance-XXXXXX",
		 temporary != NULL && temporary[0] == '/' ? temporary : "/tmp");
	if (mkdtemp(folder) == NULL) {
		fprintf(stderr, "weir plugin check: no folder %s: %s\n", folder, strerror(errno));
		return STATUS_AWAY;
	}
	/* A group of its own: check passes a signal on to a group, and between two cases to its
	 * own. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t parent = getpid(), process = fork();
	setpgid(process, process);
	if (process == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		exit(getppid() == parent ? run(folder) : STATUS_AWAY);
	}
	status = process > 0 ? wait_for(process) : say(STATUS_AWAY, strerror(errno));
	end_left();
	harness_remove(folder);
	return status;
}
