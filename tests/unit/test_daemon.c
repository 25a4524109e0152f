/* SPDX-License-Identifier: MIT
 * A daemon is a child process here: its words come through a pipe, and the test waits for them. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"
#include "json.h"
#include "log.h"
#include "suite.h"

static char config_path[] = "/tmp/weir-daemon-XXXXXX";
static FILE *words; /* of the child: both its standard outputs */
static pid_t child;

static void write_config(const char *text)
{
	FILE *file = fopen(config_path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void set_up(void)
{
	int file = mkstemp(config_path);
	ck_assert_int_ge(file, 0);
	close(file);
}

static void tear_down(void)
{
	unlink(config_path);
	if (words != NULL)
		fclose(words);
}

static weir_status refuse_port_one(const struct config *config, struct weir_error *error)
{
	if (config_integer(config, "indexer", "port") != 1)
		return WEIR_OK;
	return err_set(error, WEIR_INVALID, "the plug-in does not like port 1");
}

/* What a main does: says what it was woken for, until it is to stop twice. */
static int child_main(int argc, char **argv)
{
	struct daemon daemon;
	int status = 99;
	setvbuf(stdout, NULL, _IONBF, 0);
	if (!daemon_start(&daemon, "indexer", "reads the log", refuse_port_one, argc, argv,
			  &status))
		return status;
	printf("started port %d stopping %d\n",
	       (int)config_integer(daemon.config, "indexer", "port"), daemon_stopping());
	if (argc > 1 && strcmp(argv[argc - 1], "log.level=error") == 0) {
		daemon_stop();
		printf("wake %d stopping %d\n", daemon_wait(&daemon, -1), daemon_stopping());
		printf("wake %d\n", daemon_wait(&daemon, 0));
		daemon_finish(&daemon);
		return 0;
	}
	for (;;) {
		enum daemon_wake wake = daemon_wait(&daemon, -1);
		log_debug("seen", "n=%d", 1);
		printf("wake %s stopping %d\n",
		       wake == DAEMON_STOP     ? "stop"
		       : wake == DAEMON_RELOAD ? "reload"
					       : "timeout",
		       daemon_stopping());
	}
}

static void start(const char *const *arguments)
{
	const char *argv[16] = {"indexer"};
	int ends[2], argc = 1;
	for (; arguments[argc - 1] != NULL; argc++)
		argv[argc] = arguments[argc - 1];
	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		int status = child_main(argc, (char **)argv);
		fflush(stdout);
		_exit(status);
	}
	close(ends[1]);
	if (words != NULL)
		fclose(words);
	words = fdopen(ends[0], "r");
	ck_assert_ptr_nonnull(words);
}

#define START(...) start((const char *[]){__VA_ARGS__, NULL})

/* The child's next line has part in it. */
static void expect_line(const char *part)
{
	char line[4096] = "";
	ck_assert_msg(fgets(line, sizeof(line), words) != NULL, "nothing more, wanted %s", part);
	ck_assert_msg(strstr(line, part) != NULL, "says   %swanted %s", line, part);
}

static void expect_end(int wanted)
{
	char line[4096];
	int status = 0;
	while (fgets(line, sizeof(line), words) != NULL)
		;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), wanted);
}

START_TEST(the_first_signal_stops_and_the_second_ends)
{
	static const int signals[][2] = {{SIGTERM, SIGTERM}, {SIGINT, SIGINT}, {SIGTERM, SIGINT}};
	START("--set", "indexer.port=7");
	expect_line("started port 7 stopping 0");
	ck_assert_int_eq(kill(child, signals[_i][0]), 0);
	expect_line(signals[_i][0] == SIGTERM ? "level=info process=indexer event=stop signal=TERM"
					      : "event=stop signal=INT");
	expect_line("wake stop stopping 1");
	ck_assert_int_eq(kill(child, signals[_i][1]), 0);
	expect_line("event=stop reason=\"second signal: leaving at once\"");
	expect_end(130);
}
END_TEST

START_TEST(hup_reads_again_what_can_be_read_again)
{
	write_config("[log]\nlevel = info\n");
	START("--config", config_path);
	expect_line("started");
	write_config("[log]\nlevel = debug\n[indexer]\nport = 5\n");
	ck_assert_int_eq(kill(child, SIGHUP), 0);
	expect_line("level=info process=indexer event=reload log_level=debug");
	expect_line("level=debug process=indexer event=seen");
	expect_line("wake reload stopping 0");
	/* what is wrong now changes nothing */
	write_config("[log]\nlevel = loud\n");
	ck_assert_int_eq(kill(child, SIGHUP), 0);
	expect_line("event=reload result=refused reason=\"[log] level = loud: expected debug, "
		    "info, warning or error\"");
	expect_line("level=debug process=indexer event=seen");
	expect_line("wake reload stopping 0");
	ck_assert_int_eq(unlink(config_path), 0);
	ck_assert_int_eq(kill(child, SIGHUP), 0);
	expect_line("event=reload result=refused");
	expect_line("event=seen");
	expect_line("wake reload");
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	expect_line("event=stop");
	expect_line("event=seen");
	expect_line("wake stop stopping 1");
	ck_assert_int_eq(kill(child, SIGHUP), 0); /* while it drains */
	expect_line("event=reload result=refused");
	expect_line("event=seen");
	expect_line("wake reload stopping 1");
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	expect_end(130);
}
END_TEST

START_TEST(a_worker_may_stop_it)
{
	START("--set", "log.level=error");
	expect_line("started");
	expect_line("wake 1 stopping 1");
	expect_line("wake 0");
	expect_end(0);
}
END_TEST

START_TEST(help_and_version)
{
	START("--help");
	expect_line("indexer - reads the log");
	bool own = false, shared = false, other = false;
	char line[4096];
	while (fgets(line, sizeof(line), words) != NULL) {
		own = own || strcmp(line, "  indexer.port = 8082\n") == 0;
		shared = shared || strcmp(line, "  kafka.brokers = 127.0.0.1:9092\n") == 0;
		other = other || strstr(line, "searchd.port") != NULL;
	}
	ck_assert(own && shared && !other);
	expect_end(0);
	START("--version");
	expect_line("indexer " WEIR_VERSION "\n");
	expect_end(0);
}
END_TEST

START_TEST(check_config_says_and_ends)
{
	START("--check-config");
	expect_line("indexer: the configuration is good");
	expect_end(0);
	START("--check-config", "--set", "indexer.port=1");
	expect_line("indexer: the plug-in does not like port 1");
	expect_end(2);
	write_config("[indexer]\nprot = 1\n");
	START("--config", config_path, "--check-config");
	expect_line(":2: [indexer] has no key prot; did you mean port?");
	expect_end(2);
}
END_TEST

START_TEST(wrong_use_is_told)
{
	static const char *const cases[][4] = {
		{"--frobnicate", NULL, NULL, "indexer: unknown argument --frobnicate; see "},
		{"file", NULL, NULL, "indexer: unknown argument file; see indexer --help"},
		{"--config", NULL, NULL, "indexer: --config needs a value"},
		{"--set", NULL, NULL, "indexer: --set needs a value"},
		{"--set", "indexer.port", NULL, "indexer: --set indexer.port: expected section."},
		{"--set", "log.level=loud", NULL, "indexer: [log] level = loud: expected debug"},
		{"--config", "/nowhere/weir.conf", NULL,
		 "indexer: configuration /nowhere/weir.conf: No such file or directory"},
	};
	START(cases[_i][0], cases[_i][1]);
	expect_line(cases[_i][3]);
	expect_end(2);
}
END_TEST

/* Appends what health says, ready or not. */
static void expect_health(const char *wanted)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	bool ready = health_write(&out);
	ck_assert_str_eq(out.data, wanted);
	ck_assert_int_eq(ready, strncmp(wanted, "{\"status\":\"ready\"", 17) == 0);
	ck_assert_int_eq(ready, health_ready());
}

START_TEST(health_is_a_set_of_conditions)
{
	expect_health("{\"status\":\"ready\"}");
	health_set_good("kafka");
	expect_health("{\"status\":\"ready\"}");
	health_set_bad("kafka", "%s: %d", "the \"brokers\" do not\nanswer", 7);
	expect_health("{\"status\":\"not ready\",\"reasons\":[{\"condition\":\"kafka\","
		      "\"reason\":\"the \\\"brokers\\\" do not answer: 7\"}]}");
	health_set_bad("lag", "behind");
	health_set_bad("kafka", "away");
	expect_health("{\"status\":\"not ready\",\"reasons\":["
		      "{\"condition\":\"kafka\",\"reason\":\"away\"},"
		      "{\"condition\":\"lag\",\"reason\":\"behind\"}]}");
	health_set_good("kafka");
	expect_health("{\"status\":\"not ready\",\"reasons\":["
		      "{\"condition\":\"lag\",\"reason\":\"behind\"}]}");
	health_set_good("lag");
	expect_health("{\"status\":\"ready\"}");
	/* bad without a reason is bad */
	health_set_note("group", "%d partitions", 0);
	expect_health("{\"status\":\"ready\",\"notes\":[{\"condition\":\"group\","
		      "\"note\":\"0 partitions\"}]}");
	health_set_bad("group", "waiting");
	expect_health("{\"status\":\"not ready\",\"reasons\":[{\"condition\":\"group\","
		      "\"reason\":\"waiting\"}]}");
	health_set_note("group", "again");
	health_set_good("group");
	health_set_bad("lag", "%s", "");
	expect_health("{\"status\":\"not ready\",\"reasons\":["
		      "{\"condition\":\"lag\",\"reason\":\"\"}]}");
}
END_TEST

START_TEST(a_long_reason_is_still_text)
{
	char reason[2000];
	for (size_t i = 0; i + 2 < sizeof(reason); i += 2)
		memcpy(reason + i, "\xC3\xA4", 3);
	for (int before = 0; before < 2; before++) {
		WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
		JSONDOC_SCOPED struct jsondoc *document = NULL;
		struct weir_error error;
		health_set_bad("a condition with a name that is longer than its place has room for",
			       "%s%s", before ? "x" : "", reason);
		ck_assert(!health_write(&out));
		weir_status status = jsondoc_parse(out.data, out.length, &document, &error);
		ck_assert_msg(status == WEIR_OK, "%s", error.message);
		ck_assert_uint_gt(out.length, 500);
		ck_assert_uint_lt(out.length, 700);
	}
	health_set_good("a condition with a name that is longer than its place has room for");
	ck_assert(health_ready());
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("daemon");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_loop_test(cases, the_first_signal_stops_and_the_second_ends, 0, 3);
	tcase_add_test(cases, hup_reads_again_what_can_be_read_again);
	tcase_add_test(cases, a_worker_may_stop_it);
	tcase_add_test(cases, help_and_version);
	tcase_add_test(cases, check_config_says_and_ends);
	tcase_add_loop_test(cases, wrong_use_is_told, 0, 7);
	tcase_add_test(cases, health_is_a_set_of_conditions);
	tcase_add_test(cases, a_long_reason_is_still_text);
	return suite_run(cases, "daemon");
}
