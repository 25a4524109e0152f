/* SPDX-License-Identifier: MIT
 * `test_config --print sample|reference` writes what docs/weir.conf and docs/options.md have to
 * hold. */
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "config.h"
#include "suite.h"

static char folder[] = "/tmp/weir-config-XXXXXX";
static struct weir_error error;
static struct config *config;

static void set_up(void)
{
	extern char **environ;
	char name[256];
	for (char **variable = environ; *variable != NULL;) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*variable, "="), *variable);
		if (strncmp(name, "WEIR_", 5) == 0 && strcmp(name, "WEIR_DOCS") != 0)
			unsetenv(name);
		else
			variable++;
	}
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

static void tear_down(void)
{
	config_destroy(config);
	ck_assert_int_eq(chdir("/"), 0);
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_bytes(const char *path, const char *text, size_t length)
{
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, length, file), length);
	ck_assert_int_eq(fclose(file), 0);
}

static void write_file(const char *path, const char *text)
{
	write_bytes(path, text, strlen(text));
}

static weir_status load(const char *file, const char *set)
{
	config_destroy(config);
	config = NULL;
	error.message[0] = '\0';
	weir_status status = config_load(file, &set, set != NULL ? 1 : 0, &config, &error);
	ck_assert_int_eq(status == WEIR_OK, config != NULL);
	ck_assert_int_eq(status == WEIR_OK, error.message[0] == '\0');
	return status;
}

static void load_good(const char *file, const char *set)
{
	weir_status status = load(file, set);
	ck_assert_msg(status == WEIR_OK, "%s", error.message);
}

static weir_status load_text(const char *text)
{
	write_file("weir.conf", text);
	return load("weir.conf", NULL);
}

/* The whole message, or how it begins. */
static void expect_refused(weir_status status, const char *wanted)
{
	ck_assert_int_eq(status, WEIR_INVALID);
	ck_assert_msg(strncmp(error.message, wanted, strlen(wanted)) == 0, "gives  %s\nwanted %s",
		      error.message, wanted);
}

START_TEST(without_anything_the_defaults_hold)
{
	load_good(NULL, NULL);
	ck_assert_str_eq(config_text(config, "kafka", "brokers"), "127.0.0.1:9092");
	ck_assert_ptr_null(config_text(config, "kafka", "cluster"));
	ck_assert_int_eq(config_integer(config, "eventd", "port"), 8080);
	ck_assert_int_eq(config_duration(config, "indexer", "tombstone_retention"),
			 INT64_C(7) * 86400 * 1000000);
	ck_assert_int_eq(config_size(config, "indexer", "batch_bytes"), 4 << 20);
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/weir-data/events.db", folder);
	ck_assert_str_eq(config_text(config, "eventd", "database"), path);
}
END_TEST

START_TEST(every_default_is_within_its_bounds)
{
	load_good(NULL, NULL);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		if (option->type == CONFIG_TEXT || option->type == CONFIG_PATH)
			ck_assert_int_eq(option->minimum, option->maximum);
		else
			ck_assert_ptr_nonnull(option->default_value);
		/* One sentence, without the full stop that the pages put. */
		ck_assert_uint_gt(strlen(option->help), 0);
		ck_assert_int_ne(option->help[strlen(option->help) - 1], '.');
		ck_assert_ptr_null(strpbrk(option->help, "|\n"));
		for (size_t other = 0; other < i; other++)
			ck_assert(strcmp(config_options[other].section, option->section) != 0 ||
				  strcmp(config_options[other].key, option->key) != 0);
	}
}
END_TEST

START_TEST(the_command_line_is_before_environment_before_file)
{
	write_file("weir.conf", "[eventd]\nport = 1\naddress = a\nreaders = 4\n");
	ck_assert_int_eq(setenv("WEIR_EVENTD_PORT", "2", 1), 0);
	ck_assert_int_eq(setenv("WEIR_EVENTD_ADDRESS", "b", 1), 0);
	load_good("weir.conf", "eventd.port=3");
	ck_assert_int_eq(config_integer(config, "eventd", "port"), 3);
	ck_assert_str_eq(config_text(config, "eventd", "address"), "b");
	ck_assert_int_eq(config_integer(config, "eventd", "readers"), 4);
	const char *const sets[] = {"eventd.port=3", "eventd.port=4", "kafka.cluster=x=y"};
	config_destroy(config);
	ck_assert_int_eq(config_load(NULL, sets, 3, &config, &error), WEIR_OK);
	ck_assert_int_eq(config_integer(config, "eventd", "port"), 4);
	ck_assert_str_eq(config_text(config, "kafka", "cluster"), "x=y");
	/* A weaker source that is wrong is no matter once a stronger one says something else. */
	write_file("weir.conf", "[eventd]\nport = x\n");
	load_good("weir.conf", "eventd.port=3");
}
END_TEST

static const struct {
	const char *text, *wanted; /* wanted NULL: it is taken */
} files[] = {
	{"", NULL},
	{"\xEF\xBB\xBF[eventd]\nport = 1\n", NULL},
	{"# a comment\n; another\n[eventd]\r\nport = 1\r\n\r\naddress=::1\n", NULL},
	{"[eventd]\nport = 1 ; in the line\n", NULL},
	{"[eventd]\n  port = 1\n\taddress = ::1\n  # a comment\n", NULL},
	{"[backend.xapian]\nanything = goes\n", NULL},
	{"[kafka]\nrdkafka.any.thing = goes\nrdkafka.x = \n", NULL},
	/* unknown keys and sections, the nearest, the line; the first of several */
	{"[eventd]\nprot = 1\n", "weir.conf:2: [eventd] has no key prot; did you mean port?"},
	{"[eventd]\nPort = 1\n", "weir.conf:2: [eventd] has no key Port; did you mean port?"},
	{"[eventd]\nprot = 1\nport = 1\naddres = x\n",
	 "weir.conf:2: [eventd] has no key prot; did you mean port?"},
	{"[indexer]\n\nbatch-count = 5\n",
	 "weir.conf:3: [indexer] has no key batch-count; did you mean batch_count?"},
	{"[searchd]\nsomething_else_entirely = 5\n",
	 "weir.conf:2: [searchd] has no key something_else_entirely"},
	{"[event]\nport = 1\n", "weir.conf:2: there is no section [event]; did you mean [eventd]?"},
	{"[what is this]\nport = 1\n", "weir.conf:2: there is no section [what is this]"},
	{"port = 1\n", "weir.conf:1: there is no section []"},
	{"[backend.]\nport = 1\n", "weir.conf:2: there is no section [backend.]"},
	{"[kafka]\nrdkafka. = 1\n", "weir.conf:2: [kafka] has no key rdkafka."},
	{"[kafka]\nsecurity.protocol = SASL_SSL\n",
	 "weir.conf:2: [kafka] has no key security.protocol"},
	{"[eventd]\nport_file = x\n", "weir.conf:2: [eventd] has no key port_file; did you mean"},
	/* what is no line of an INI file */
	{"[eventd\nport = 1\n", "weir.conf:1: expected [section], key = value or a comment"},
	{"[eventd]\nport\n", "weir.conf:2: expected [section], key = value or a comment"},
	/* an indented line does not take the place of the value before it */
	{"[kafka]\nbrokers = a:1,\n  b:2\n", "weir.conf:3: [kafka] has no key b"},
	{"[kafka]\nbrokers = a:1\n  grup = x\n",
	 "weir.conf:3: [kafka] has no key grup; did you mean group?"},
	/* values */
	{"[eventd]\nport = http\n", "weir.conf:2: [eventd] port = http: expected an integer"},
	{"[eventd]\nport =\n", "weir.conf:2: [eventd] port = : expected an integer"},
	{"[eventd]\nport = 8080x\n", "weir.conf:2: [eventd] port = 8080x: expected an integer"},
	{"[eventd]\nport = 65536\n", "weir.conf:2: [eventd] port = 65536: allowed is 0 to 65535"},
	{"[eventd]\nport = -1\n", "weir.conf:2: [eventd] port = -1: allowed is 0 to 65535"},
	{"[eventd]\nreaders = 0\n", "weir.conf:2: [eventd] readers = 0: allowed is 1 to 64"},
	{"[eventd]\ndeadline = 10\n",
	 "weir.conf:2: [eventd] deadline = 10: expected a duration such as 250ms"},
	{"[eventd]\ndeadline = 1us\n",
	 "weir.conf:2: [eventd] deadline = 1us: allowed is 1000 to 86400000000 microseconds"},
	{"[indexer]\nbatch_bytes = 8MB\n",
	 "weir.conf:2: [indexer] batch_bytes = 8MB: expected a size such as 65536"},
};

START_TEST(files_are_read_or_refused_with_their_line)
{
	weir_status status = load_text(files[_i].text);
	if (files[_i].wanted == NULL)
		ck_assert_msg(status == WEIR_OK, "%s", error.message);
	else
		expect_refused(status, files[_i].wanted);
}
END_TEST

START_TEST(indented_keys_are_keys)
{
	ck_assert_int_eq(load_text("[kafka]\n  brokers = a:1\n  group = g\n"), WEIR_OK);
	ck_assert_str_eq(config_text(config, "kafka", "brokers"), "a:1");
	ck_assert_str_eq(config_text(config, "kafka", "group"), "g");
}
END_TEST

/* inih holds 199 bytes of a line, the newline among them. A longer line is never cut. */
START_TEST(a_line_is_whole_or_refused)
{
	static const char head[] = "[kafka]\ncluster = ";
	for (size_t length = 180; length < 450; length += length == 195 ? 180 : 1) {
		for (int newline = 0; newline < 2; newline++) {
			char text[600], value[500];
			memset(value, 'x', length);
			value[length - 1] = 'y';
			value[length] = '\0';
			snprintf(text, sizeof(text), "%s%s%s", head, value, newline ? "\n" : "");
			size_t line = strlen("cluster = ") + length + (size_t)newline;
			weir_status status = load_text(text);
			ck_assert_int_eq(status, line <= 199 ? WEIR_OK : WEIR_INVALID);
			if (status == WEIR_OK)
				ck_assert_str_eq(config_text(config, "kafka", "cluster"), value);
			else
				ck_assert_str_eq(error.message,
						 "weir.conf:2: the line is too long; a long value "
						 "can stand in a file: <key>_file = PATH");
		}
	}
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
	expect_refused(load("none.conf", NULL), "configuration none.conf: No such file");
	ck_assert_int_eq(mkdir("dir.conf", 0700), 0);
	expect_refused(load("dir.conf", NULL), "configuration dir.conf cannot be read");
}
END_TEST

static const struct {
	const char *set, *wanted;
} sets[] = {
	{"eventd.port=1", NULL},
	{"kafka.cluster=", NULL},
	{"kafka.rdkafka.security.protocol=SASL_SSL", NULL},
	{"backend.plugin=/a/b.so", NULL},
	{"backend.xapian.path=/a.b=c", NULL},
	{"eventd.port", "--set eventd.port: expected section.key=value"},
	{"eventd=1", "--set eventd=1: expected section.key=value"},
	{"eventd.=1", "--set eventd.=1: expected section.key=value"},
	{".port=1", "--set .port=1: expected section.key=value"},
	{"", "--set : expected section.key=value"},
	{"eventd.prot=1", "--set: [eventd] has no key prot; did you mean port?"},
	{"evntd.port=1", "--set: there is no section [evntd]; did you mean [eventd]?"},
	{"backend.plugn=x", "--set: [backend] has no key plugn; did you mean plugin?"},
	{"eventd.port=x", "--set: [eventd] port = x: expected an integer"},
};

START_TEST(sets_are_taken_or_refused)
{
	weir_status status = load(NULL, sets[_i].set);
	if (sets[_i].wanted == NULL)
		ck_assert_msg(status == WEIR_OK, "%s", error.message);
	else
		expect_refused(status, sets[_i].wanted);
}
END_TEST

static const struct {
	const char *name, *value, *wanted; /* wanted NULL: it is taken */
} variables[] = {
	{"WEIR_INDEXER_BATCH_COUNT", "5", NULL},
	{"WEIR_LOG_LEVEL", "debug", NULL},
	{"WEIR_BUILD", "x", NULL},
	{"WEIR_SCHEMA", "x", NULL},
	{"WEIR_INDEXERS", "x", NULL},
	{"WEIRD_EVENTD_PORT", "x", NULL},
	{"WEIR_EVENTD_PORT", "x", "WEIR_EVENTD_PORT: [eventd] port = x: expected an integer"},
	{"WEIR_EVENTD_PROT", "1", "WEIR_EVENTD_PROT: [eventd] has no key prot; did you mean port?"},
	{"WEIR_INDEXER_BATCHCOUNT", "1",
	 "WEIR_INDEXER_BATCHCOUNT: [indexer] has no key batchcount; did you mean batch_count?"},
	{"WEIR_KAFKA_RDKAFKA_", "1", "WEIR_KAFKA_RDKAFKA_: [kafka] has no key rdkafka_"},
	{"WEIR_BACKEND_PLUGN", "1",
	 "WEIR_BACKEND_PLUGN: [backend] has no key plugn; did you mean plugin?"},
};

START_TEST(variables_are_taken_or_refused)
{
	ck_assert_int_eq(setenv(variables[_i].name, variables[_i].value, 1), 0);
	weir_status status = load(NULL, NULL);
	if (variables[_i].wanted == NULL)
		ck_assert_msg(status == WEIR_OK, "%s", error.message);
	else
		expect_refused(status, variables[_i].wanted);
}
END_TEST

START_TEST(a_variable_with_a_long_name_is_refused)
{
	char name[400] = "WEIR_BACKEND_";
	memset(name + strlen(name), 'X', 300);
	ck_assert_int_eq(setenv(name, "1", 1), 0);
	expect_refused(load(NULL, NULL), "WEIR_BACKEND_XXX");
}
END_TEST

/* Every option can be set by the name that docs/options.md gives it. */
START_TEST(every_option_has_its_variable)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		char name[128], set[256];
		if (strchr(option->key, '*') != NULL)
			continue;
		snprintf(name, sizeof(name), "WEIR_%s_%s", option->section, option->key);
		for (char *byte = name; *byte != '\0'; byte++)
			if (*byte >= 'a' && *byte <= 'z')
				*byte = (char)(*byte - 'a' + 'A');
		const char *value = option->default_value != NULL ? option->default_value : "x";
		ck_assert_int_eq(setenv(name, value, 1), 0);
		snprintf(set, sizeof(set), "%s.%s=%s", option->section, option->key, value);
		load_good(NULL, set);
		if (option->type == CONFIG_TEXT)
			ck_assert_str_eq(config_text(config, option->section, option->key), value);
	}
	load_good(NULL, NULL);
}
END_TEST

static weir_status gather(void *context, const char *key, const char *value, const char *origin,
			  struct weir_error *problem)
{
	(void)problem;
	buffer_printf(context, "%s=%s (%s)\n", key, value, origin);
	return strcmp(value, "stop") == 0 ? WEIR_AWAY : WEIR_OK;
}

static void expect_each(const char *section, const char *prefix, const char *wanted)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	buffer_append_text(&out, "");
	weir_status status = config_each(config, section, prefix, gather, &out, &error);
	ck_assert_int_eq(status, WEIR_OK);
	ck_assert_str_eq(out.data, wanted);
}

START_TEST(families_and_plugin_sections_are_passed_on)
{
	write_file("weir.conf",
		   "[kafka]\nrdkafka.security.protocol = PLAINTEXT\n"
		   "rdkafka.client.id = a b\nbrokers = x:1\n"
		   "[backend.xapian]\npath = data\nwriters = 2\n[backend.null]\nx = y\n");
	ck_assert_int_eq(setenv("WEIR_KAFKA_RDKAFKA_SECURITY_PROTOCOL", "SASL_SSL", 1), 0);
	ck_assert_int_eq(setenv("WEIR_KAFKA_RDKAFKA_LINGER_MS", "5", 1), 0);
	ck_assert_int_eq(setenv("WEIR_BACKEND_XAPIAN_BUFFER_SIZE", "7", 1), 0);
	load_good("weir.conf", "backend.xapian.writers=3");
	expect_each("kafka", "rdkafka.",
		    "rdkafka.security.protocol=SASL_SSL (WEIR_KAFKA_RDKAFKA_SECURITY_PROTOCOL)\n"
		    "rdkafka.client.id=a b (weir.conf:3)\n"
		    "rdkafka.linger.ms=5 (WEIR_KAFKA_RDKAFKA_LINGER_MS)\n");
	expect_each("backend.xapian", "",
		    "path=data (weir.conf:6)\nwriters=3 (--set)\n"
		    "buffer_size=7 (WEIR_BACKEND_XAPIAN_BUFFER_SIZE)\n");
	expect_each("backend.null", "", "x=y (weir.conf:9)\n");
	expect_each("backend.other", "", "");
	load_good(NULL, "backend.xapian.path=stop");
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	ck_assert_int_eq(config_each(config, "backend.xapian", "", gather, &out, &error),
			 WEIR_AWAY);
}
END_TEST

START_TEST(paths_count_from_where_they_stand)
{
	char wanted[PATH_MAX];
	ck_assert_int_eq(mkdir("etc", 0700), 0);
	write_file("etc/weir.conf",
		   "[eventd]\ndatabase = data/events.db\n[schema]\nfile = /a/b.json\n"
		   "[backend.xapian]\npath = index\n");
	load_good("etc/weir.conf", NULL);
	snprintf(wanted, sizeof(wanted), "%s/etc/data/events.db", folder);
	ck_assert_str_eq(config_text(config, "eventd", "database"), wanted);
	ck_assert_str_eq(config_text(config, "schema", "file"), "/a/b.json");
	WEIR_FREE char *index = config_absolute(config, "backend.xapian", "path", "index");
	snprintf(wanted, sizeof(wanted), "%s/etc/index", folder);
	ck_assert_str_eq(index, wanted);
	WEIR_FREE char *other = config_absolute(config, "backend.xapian", "unset", "index");
	snprintf(wanted, sizeof(wanted), "%s/index", folder);
	ck_assert_str_eq(other, wanted);
	char rooted[PATH_MAX];
	snprintf(rooted, sizeof(rooted), "%s/etc/weir.conf", folder);
	load_good(rooted, NULL);
	snprintf(wanted, sizeof(wanted), "%s/etc/data/events.db", folder);
	ck_assert_str_eq(config_text(config, "eventd", "database"), wanted);
	load_good("etc/weir.conf", "eventd.database=data/events.db");
	snprintf(wanted, sizeof(wanted), "%s/data/events.db", folder);
	ck_assert_str_eq(config_text(config, "eventd", "database"), wanted);
}
END_TEST

START_TEST(secrets_come_from_files)
{
	char text[4200];
	ck_assert_int_eq(mkdir("etc", 0700), 0);
	write_file("etc/weir.conf", "[kafka]\nrdkafka.sasl.password_file = secret\n");
	write_file("etc/secret", "s3cr=t;  x\r\n\n");
	write_file("here", "from here");
	load_good("etc/weir.conf", NULL);
	expect_each("kafka", "rdkafka.", "rdkafka.sasl.password=s3cr=t;  x (etc/weir.conf:2)\n");
	load_good("etc/weir.conf", "kafka.rdkafka.sasl.password_file=here");
	expect_each("kafka", "rdkafka.", "rdkafka.sasl.password=from here (--set)\n");
	ck_assert_int_eq(setenv("WEIR_KAFKA_RDKAFKA_SASL_PASSWORD_FILE", "here", 1), 0);
	load_good("etc/weir.conf", NULL);
	expect_each("kafka", "rdkafka.",
		    "rdkafka.sasl.password=from here (WEIR_KAFKA_RDKAFKA_SASL_PASSWORD_FILE)\n");
	ck_assert_int_eq(unsetenv("WEIR_KAFKA_RDKAFKA_SASL_PASSWORD_FILE"), 0);
	load_good(NULL, "backend.remote.token_file=here");
	expect_each("backend.remote", "", "token=from here (--set)\n");
	memset(text, 'x', sizeof(text));
	write_bytes("here", text, 4095);
	load_good(NULL, "kafka.rdkafka.x_file=here");
	write_bytes("here", text, 4096);
	expect_refused(load(NULL, "kafka.rdkafka.x_file=here"), "--set: ");
	ck_assert_ptr_nonnull(strstr(error.message, "at most 4095 bytes"));
	write_bytes("here", "a\0b", 3);
	expect_refused(load(NULL, "kafka.rdkafka.x_file=here"), "--set: ");
	expect_refused(load(NULL, "kafka.rdkafka.x_file=etc"), "--set: ");
	expect_refused(load(NULL, "kafka.rdkafka.x_file=none"), "--set: cannot read ");
}
END_TEST

START_TEST(values_have_units)
{
	static const struct {
		enum config_type type;
		const char *text;
		int64_t wanted; /* -1: refused */
	} cases[] = {
		{CONFIG_INTEGER, "0", 0},
		{CONFIG_INTEGER, "007", 7},
		{CONFIG_INTEGER, "9223372036854775807", INT64_MAX},
		{CONFIG_INTEGER, "9223372036854775808", -1},
		{CONFIG_INTEGER, "", -1},
		{CONFIG_INTEGER, " 1", -1},
		{CONFIG_INTEGER, "1.0", -1},
		{CONFIG_INTEGER, "0x10", -1},
		{CONFIG_INTEGER, "1k", -1},
		{CONFIG_BOOLEAN, "true", 1},
		{CONFIG_BOOLEAN, "TRUE", 1},
		{CONFIG_BOOLEAN, "yes", 1},
		{CONFIG_BOOLEAN, "On", 1},
		{CONFIG_BOOLEAN, "1", 1},
		{CONFIG_BOOLEAN, "false", 0},
		{CONFIG_BOOLEAN, "no", 0},
		{CONFIG_BOOLEAN, "off", 0},
		{CONFIG_BOOLEAN, "0", 0},
		{CONFIG_BOOLEAN, "", -1},
		{CONFIG_BOOLEAN, "2", -1},
		{CONFIG_DURATION, "5us", 5},
		{CONFIG_DURATION, "250ms", 250000},
		{CONFIG_DURATION, "2s", 2000000},
		{CONFIG_DURATION, "2 s", 2000000},
		{CONFIG_DURATION, "5m", 300000000},
		{CONFIG_DURATION, "3h", INT64_C(10800000000)},
		{CONFIG_DURATION, "7d", INT64_C(604800000000)},
		{CONFIG_DURATION, "0", 0},
		{CONFIG_DURATION, "5", -1},
		{CONFIG_DURATION, "1.5s", -1},
		{CONFIG_DURATION, "2S", -1},
		{CONFIG_DURATION, "2sec", -1},
		{CONFIG_DURATION, "2s 3ms", -1},
		{CONFIG_DURATION, "ms", -1},
		{CONFIG_DURATION, "9223372036854775807d", -1},
		{CONFIG_SIZE, "65536", 65536},
		{CONFIG_SIZE, "10B", 10},
		{CONFIG_SIZE, "64KiB", 65536},
		{CONFIG_SIZE, "8 MiB", 8 << 20},
		{CONFIG_SIZE, "2GiB", INT64_C(2) << 30},
		{CONFIG_SIZE, "64KB", -1},
		{CONFIG_SIZE, "64k", -1},
		{CONFIG_SIZE, "9223372036854775807GiB", -1},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t value = 42;
		weir_status status = config_parse_value(cases[i].type, cases[i].text, 0, 0, "what",
							&value, &error);
		ck_assert_msg((status == WEIR_OK) == (cases[i].wanted != -1), "%s", cases[i].text);
		ck_assert_int_eq(value, status == WEIR_OK ? cases[i].wanted : 42);
		if (status != WEIR_OK)
			ck_assert_ptr_nonnull(strstr(error.message, "what = "));
	}
}
END_TEST

START_TEST(the_nearest_name)
{
	static const char *const names[] = {"port", "address", "batch_count", "batch_bytes"};
	static const char *const cases[][2] = {
		{"prot", "port"},
		{"PORT", "port"},
		{"adress", "address"},
		{"batch_cnt", "batch_count"},
		{"batchbytes", "batch_bytes"},
		{"batch-count", "batch_count"},
		{"colour", NULL},
		{"zzzzzzzz", NULL},
		{"", NULL},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *nearest = config_nearest(cases[i][0], names, COUNT(names));
		ck_assert_pstr_eq(nearest, cases[i][1]);
	}
	char longer[300];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_ptr_null(config_nearest(longer, names, COUNT(names)));
	ck_assert_ptr_null(config_nearest("port", NULL, 0));
}
END_TEST

static void print_page(const char *name, FILE *out)
{
	if (strcmp(name, "sample") == 0)
		config_print_sample(out);
	else
		config_print_reference(out);
}

static char *printed(const char *name)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	ck_assert_ptr_nonnull(out);
	print_page(name, out);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

START_TEST(the_pages_in_docs_are_the_printed_ones)
{
	static const char *const pages[][2] = {{"sample", "weir.conf"},
					       {"reference", "options.md"}};
	ck_assert_msg(getenv("WEIR_DOCS") != NULL, "WEIR_DOCS has to name the folder docs");
	for (size_t i = 0; i < COUNT(pages); i++) {
		char path[PATH_MAX], page[65536];
		WEIR_FREE char *wanted = printed(pages[i][0]);
		snprintf(path, sizeof(path), "%s/%s", getenv("WEIR_DOCS"), pages[i][1]);
		FILE *file = fopen(path, "r");
		ck_assert_msg(file != NULL, "there is no %s", path);
		size_t length = fread(page, 1, sizeof(page) - 1, file);
		fclose(file);
		page[length] = '\0';
		ck_assert_msg(strcmp(page, wanted) == 0,
			      "docs/%s is not what the table says; write it anew: "
			      "build/tests/unit/test_config --print %s > docs/%s",
			      pages[i][1], pages[i][0], pages[i][1]);
	}
}
END_TEST

START_TEST(the_sample_is_a_configuration_of_defaults)
{
	WEIR_FREE char *sample = printed("sample");
	write_file("weir.conf", sample);
	struct config *defaults = NULL;
	ck_assert_int_eq(config_load(NULL, NULL, 0, &defaults, &error), WEIR_OK);
	load_good("weir.conf", NULL);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		if (strchr(option->key, '*') != NULL)
			continue;
		ck_assert_pstr_eq(config_text(config, option->section, option->key),
				  config_text(defaults, option->section, option->key));
		char line[300];
		snprintf(line, sizeof(line), "\n%s%s =", option->default_value ? "" : "# ",
			 option->key);
		ck_assert_msg(strstr(sample, line) != NULL, "%s is not in the sample", option->key);
	}
	config_destroy(defaults);
}
END_TEST

static TCase *make_cases(void)
{
	TCase *cases = tcase_create("config");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, without_anything_the_defaults_hold);
	tcase_add_test(cases, every_default_is_within_its_bounds);
	tcase_add_test(cases, the_command_line_is_before_environment_before_file);
	tcase_add_loop_test(cases, files_are_read_or_refused_with_their_line, 0, (int)COUNT(files));
	tcase_add_test(cases, indented_keys_are_keys);
	tcase_add_test(cases, a_line_is_whole_or_refused);
	tcase_add_test(cases, files_that_cannot_be_read);
	tcase_add_loop_test(cases, sets_are_taken_or_refused, 0, (int)COUNT(sets));
	tcase_add_loop_test(cases, variables_are_taken_or_refused, 0, (int)COUNT(variables));
	tcase_add_test(cases, a_variable_with_a_long_name_is_refused);
	tcase_add_test(cases, every_option_has_its_variable);
	tcase_add_test(cases, families_and_plugin_sections_are_passed_on);
	tcase_add_test(cases, paths_count_from_where_they_stand);
	tcase_add_test(cases, secrets_come_from_files);
	tcase_add_test(cases, values_have_units);
	tcase_add_test(cases, the_nearest_name);
	tcase_add_test(cases, the_pages_in_docs_are_the_printed_ones);
	tcase_add_test(cases, the_sample_is_a_configuration_of_defaults);
	return cases;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--print") == 0) {
		print_page(argv[2], stdout);
		return 0;
	}
	return suite_run(make_cases(), "config");
}
