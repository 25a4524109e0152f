/* SPDX-License-Identifier: MIT
 * `weir up`: everything on one machine in the foreground. This file prepares; supervisor.c runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address.h"
#include "broker.h"
#include "catalog.h"
#include "command.h"
#include "http_client.h"
#include "json.h"
#include "supervisor.h"

enum { ANSWER_MS = 10000 };

static const char *const daemon_names[DAEMON_COUNT] = {
	[MEMBER_INDEXER] = "indexer", [MEMBER_EVENTD] = "eventd", [MEMBER_SEARCHD] = "searchd"};

struct up {
	const char *data, *load;
	bool verbose;
	struct settings settings; /* with what the user gave, --brokers included */
	struct config *config;
	struct schema *schema;
	struct broker *broker; /* NULL with --brokers */
	char life[32];	       /* names this broker's life */
	char *location;	       /* "backend.xapian.path=DATA/index"; NULL: the engine is elsewhere */
	int lock;
	struct address addresses[DAEMON_COUNT];
	struct supervisor supervisor;
};

static const char *brokers_of(const struct up *up)
{
	return up->broker != NULL ? broker_address(up->broker) : up->settings.brokers;
}

/* The folder, and a lock on it that ends with this process. */
static weir_status lock_data(struct up *up, struct weir_error *error)
{
	char holder[32] = "";
	WEIR_FREE char *path = NULL;
	if (mkdir(up->data, 0777) != 0 && errno != EEXIST)
		return err_set(error, WEIR_INVALID, "--data %s: the folder cannot be made: %s",
			       up->data, strerror(errno));
	if (asprintf(&path, "%s/lock", up->data) < 0)
		return err_no_memory(error);
	up->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (up->lock < 0)
		return err_set(error, WEIR_INVALID, "--data %s: %s cannot be opened: %s", up->data,
			       path, strerror(errno));
	if (flock(up->lock, LOCK_EX | LOCK_NB) == 0) {
		if (ftruncate(up->lock, 0) == 0)
			dprintf(up->lock, "%ld\n", (long)getpid());
		return WEIR_OK;
	}
	ssize_t length = pread(up->lock, holder, sizeof(holder) - 1, 0);
	holder[length > 0 ? strspn(holder, "0123456789") : 0] = '\0';
	return err_set(error, WEIR_AWAY,
		       "another weir up%s%s%s works on %s: stop it, or choose another folder with "
		       "--data",
		       holder[0] != '\0' ? " (process " : "", holder, holder[0] != '\0' ? ")" : "",
		       up->data);
}

static weir_status find_addresses(struct up *up, struct weir_error *error)
{
	for (int i = 0; i < DAEMON_COUNT; i++) {
		weir_status status =
			address_find(up->config, daemon_names[i], &up->addresses[i], error);
		if (status != WEIR_OK)
			return status;
		for (int j = 0; j < i; j++)
			if (up->addresses[j].port == up->addresses[i].port)
				return err_set(error, WEIR_INVALID,
					       "%s and %s have the same port %u", daemon_names[j],
					       daemon_names[i],
					       (unsigned int)up->addresses[i].port);
	}
	return WEIR_OK;
}

/* The mock's offsets begin at 0 each time, so each of its lives gets a name of its own. */
static weir_status name_life(struct up *up, struct weir_error *error)
{
	unsigned char bytes[8];
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_set(error, WEIR_SYSTEM, "the system gives no random bytes: %s",
			       strerror(errno));
	size_t length = (size_t)snprintf(up->life, sizeof(up->life), "dev-");
	for (size_t i = 0; i < sizeof(bytes); i++, length += 2)
		snprintf(up->life + length, sizeof(up->life) - length, "%02x", bytes[i]);
	return WEIR_OK;
}

/* What `weir up` decides comes before what the user set: the last one counts. */
static bool add_settings(const struct up *up, struct child *child)
{
	bool good = up->settings.file == NULL || (child_argument(child, "--config") &&
						  child_argument(child, "%s", up->settings.file));
	good = good && child_argument(child, "--set") &&
	       child_argument(child, "eventd.database=%s/events.db", up->data) &&
	       child_set(child, "backend.catalog_dir", up->data) &&
	       child_set(child, "kafka.brokers", brokers_of(up));
	if (good && up->location != NULL)
		good = child_argument(child, "--set") && child_argument(child, "%s", up->location);
	if (good && up->broker != NULL)
		good = child_set(child, "kafka.cluster", up->life) &&
		       child_set(child, "eventd.follow", up->addresses[MEMBER_INDEXER].url);
	if (good && up->settings.plugin != NULL)
		good = child_set(child, "backend.plugin", up->settings.plugin);
	for (size_t i = 0; good && i < up->settings.sets.count; i++)
		good = child_argument(child, "--set") &&
		       child_argument(child, "%s", up->settings.sets.items[i]);
	return good;
}

/* A file of DATA appears whole or not at all. */
static bool write_file(const struct up *up, const char *name, const char *text)
{
	WEIR_FREE char *path = NULL, *part = NULL;
	if (asprintf(&path, "%s/%s", up->data, name) < 0 || asprintf(&part, "%s.part", path) < 0)
		return false;
	FILE *file = fopen(part, "we");
	bool good = file != NULL && fputs(text, file) >= 0;
	if (file != NULL && fclose(file) != 0)
		good = false;
	if (good && rename(part, path) == 0)
		return true;
	command_say("%s cannot be written: %s", path, strerror(errno));
	return false;
}

/* For people, and for the commands that take --data. */
static bool write_running(const struct up *up)
{
	WEIR_CLEANUP(buffer_finish) struct buffer brokers = BUFFER_INIT, settings = BUFFER_INIT;
	buffer_printf(&brokers, "%s\n", brokers_of(up));
	buffer_printf(&settings, "kafka.brokers=%s\n", brokers_of(up));
	if (up->broker != NULL)
		buffer_printf(&settings, "kafka.cluster=%s\n", up->life);
	for (size_t i = 0; i < DAEMON_COUNT; i++)
		buffer_printf(&settings, "%s.port=%u\n", daemon_names[i],
			      (unsigned int)up->addresses[i].port);
	return !buffer_failed(&brokers) && !buffer_failed(&settings) &&
	       write_file(up, "brokers", brokers.data) && write_file(up, "running", settings.data);
}

/* An address that nobody has any more is worse than none. */
static void remove_running(const struct up *up)
{
	static const char *const names[] = {"brokers", "running"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		WEIR_FREE char *path = NULL;
		if (asprintf(&path, "%s/%s", up->data, names[i]) > 0)
			unlink(path);
	}
}

/* The index that is there goes on being used, whatever --plugin says now: say so. */
static weir_status tell_catalog(const struct up *up, struct weir_error *error)
{
	struct settings settings = up->settings;
	CONFIG_SCOPED struct config *config = NULL;
	CATALOG_SCOPED struct catalog *catalog = NULL;
	struct catalog_choice *choice = NULL;
	settings.data = up->data;
	weir_status status = settings_load(&settings, &config, error);
	if (status == WEIR_OK)
		status = catalog_read(config, up->schema, &catalog, error);
	if (status == WEIR_OK)
		status = catalog_choose(catalog, CATALOG_WRITER, &choice, error);
	if (status == WEIR_OK && choice->notice.message[0] != '\0')
		command_say("%s", choice->notice.message);
	catalog_choice_destroy(choice);
	return status;
}

static weir_status prepare_daemon(struct up *up, enum member which, struct weir_error *error)
{
	struct member_state *member = &up->supervisor.members[which];
	struct child *child = &member->child;
	weir_status status = child_init(child, daemon_names[which], error);
	if (status != WEIR_OK)
		return status;
	bool good = add_settings(up, child) && child_argument(child, "--set") &&
		    child_argument(child, "%s.port=%u", child->name,
				   (unsigned int)up->addresses[which].port);
	if (good && !up->verbose)
		good = asprintf(&child->log_path, "%s/%s.log", up->data, child->name) > 0;
	good = good &&
	       asprintf(&member->ready_url, "%s/health/ready", up->addresses[which].url) > 0;
	return good ? WEIR_OK : err_no_memory(error);
}

static weir_status prepare_loader(struct up *up, struct weir_error *error)
{
	struct child *child = &up->supervisor.members[MEMBER_LOADER].child;
	weir_status status = child_init(child, "weir", error);
	if (status != WEIR_OK)
		return status;
	bool good = child_argument(child, "load") && child_argument(child, "--url") &&
		    child_argument(child, "%s", up->addresses[MEMBER_EVENTD].url) &&
		    child_argument(child, "--wait-for") &&
		    child_argument(child, "%s", up->addresses[MEMBER_SEARCHD].url) &&
		    child_argument(child, "--") && child_argument(child, "%s", up->load);
	return good ? WEIR_OK : err_no_memory(error);
}

static weir_status prepare(struct up *up, struct weir_error *error)
{
	for (size_t i = 0; i < up->settings.sets.count; i++)
		if (strncmp(up->settings.sets.items[i], "kafka.brokers=", 14) == 0)
			return err_set(
				error, WEIR_INVALID,
				"a broker is given with --brokers HOST:PORT, not with --set");
	if (up->load != NULL && access(up->load, R_OK) != 0)
		return err_set(error, WEIR_INVALID, "--load %s: %s", up->load, strerror(errno));
	weir_status status = settings_load(&up->settings, &up->config, error);
	if (status == WEIR_OK)
		status = settings_schema(up->config, &up->schema, error);
	if (status == WEIR_OK)
		status = settings_location(up->config, up->data, &up->location, error);
	if (status == WEIR_OK)
		status = lock_data(up, error);
	if (status == WEIR_OK) {
		remove_running(up); /* of a run that was killed */
		status = tell_catalog(up, error);
	}
	if (status == WEIR_OK)
		status = find_addresses(up, error);
	if (status == WEIR_OK)
		status = supervisor_init(&up->supervisor, error);
	if (status == WEIR_OK)
		status = name_life(up, error);
	if (status == WEIR_OK && up->settings.brokers == NULL)
		status = broker_start(up->schema,
				      config_text(up->config, "kafka", "dead_letter_topic"),
				      &up->broker, error);
	for (int i = 0; status == WEIR_OK && i < DAEMON_COUNT; i++)
		status = prepare_daemon(up, (enum member)i, error);
	if (status == WEIR_OK && up->load != NULL)
		status = prepare_loader(up, error);
	return status;
}

static bool store_is_empty(const struct up *up)
{
	HTTP_ANSWER_SCOPED struct http_answer answer = {0};
	WEIR_CLEANUP(buffer_finish) struct buffer url = BUFFER_INIT;
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	const json_t *events = NULL;
	http_client_url(&url, up->addresses[MEMBER_EVENTD].url, "/api/v1/events?limit=1");
	if (!buffer_failed(&url) &&
	    http_client_get_json(url.data, ANSWER_MS, &answer, NULL) == WEIR_OK &&
	    answer.body.data != NULL &&
	    jsondoc_parse(answer.body.data, answer.body.length, &document, NULL) == WEIR_OK)
		events = json_object_get(jsondoc_root(document), "events");
	if (!json_is_array(events)) {
		command_say("eventd does not say whether it has events: %s is not loaded",
			    up->load);
		return false;
	}
	if (json_array_size(events) == 0) {
		command_say("loading %s", up->load);
		return true;
	}
	command_say("%s has events already: %s is not loaded", up->data, up->load);
	return false;
}

static bool on_ready(struct supervisor *supervisor, void *context)
{
	struct up *up = context;
	if (!write_running(up))
		return false;
	printf("\n"
	       "  search page  %s/\n"
	       "  search       %s/api/search/events?q=\n"
	       "  events       %s/api/v1/events\n"
	       "  indexer      %s/api/ingest/positions\n"
	       "  broker       %s%s\n\n"
	       "Ctrl-C stops all of it.\n",
	       up->addresses[MEMBER_SEARCHD].url, up->addresses[MEMBER_SEARCHD].url,
	       up->addresses[MEMBER_EVENTD].url, up->addresses[MEMBER_INDEXER].url, brokers_of(up),
	       up->broker != NULL ? " (in memory; forgets when this ends)" : "");
	fflush(stdout);
	supervisor->members[MEMBER_LOADER].wanted = up->load != NULL && store_is_empty(up);
	return true;
}

static int run(struct up *up)
{
	struct weir_error error;
	weir_status status = prepare(up, &error);
	if (status != WEIR_OK)
		return command_fail("up", status, &error);
	if (up->verbose)
		command_say("starting on %s", up->data);
	else
		command_say("starting on %s; logs are appended to eventd.log, indexer.log and "
			    "searchd.log there",
			    up->data);
	up->supervisor.on_ready = on_ready;
	up->supervisor.context = up;
	int exit_status = supervisor_run(&up->supervisor);
	remove_running(up);
	if (exit_status == STATUS_DONE)
		command_say("stopped");
	return exit_status;
}

int command_up(int argc, char **argv)
{
	struct up up = {.data = "./weir-data", .lock = -1, .supervisor = {.signal_fd = -1}};
	const struct argument options[] = {
		{.name = "--data",
		 .value = "DIR",
		 .text = &up.data,
		 .help = "store, index, logs (default ./weir-data); it starts again on them"},
		{.name = "--brokers",
		 .value = "HOST:PORT",
		 .text = &up.settings.brokers,
		 .help = "a real Kafka instead of the development broker"},
		{.name = "--load",
		 .value = "FILE",
		 .text = &up.load,
		 .help = "events to load when the store is empty, as weir load does"},
		{.name = "--plugin",
		 .value = "NAME",
		 .text = &up.settings.plugin,
		 .help = "the engine: [backend] plugin"},
		SETTINGS_CONFIG_OPTION(up.settings),
		SETTINGS_SET_OPTION(up.settings),
		{.name = "--verbose",
		 .flag = &up.verbose,
		 .help = "the daemons' logs on stderr instead of files"},
	};
	const struct usage usage = {
		.command = "up",
		.positions = "",
		.summary =
			"Runs eventd, indexer, searchd and a development broker in memory (or "
			"--brokers) as\nchildren until Ctrl-C, starts again what dies, and prints "
			"the URLs once all is ready.\nThe broker's address stands in DIR/brokers.",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
	};
	struct argument_list rest;
	int exit_status;
	if (arguments_read(&usage, argc, argv, &rest, &exit_status)) {
		exit_status = run(&up);
		argument_list_finish(&rest);
	}
	supervisor_finish(&up.supervisor);
	broker_destroy(up.broker);
	schema_destroy(up.schema);
	config_destroy(up.config);
	settings_finish(&up.settings);
	free(up.location);
	if (up.lock >= 0)
		close(up.lock);
	return exit_status;
}
