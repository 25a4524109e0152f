/* SPDX-License-Identifier: MIT
 * `weir dlq`: the command line, the filters, and the list. */
#include "dlq.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "moment.h"
#include "table.h"
#include "terminal.h"

enum { ADDRESS_SIZE = 320, LIST_LIMIT = 100, COLUMNS = 6 };

/* --since and --until: a date, or how long ago ("2h"). Milliseconds. */
static bool read_moment(const char *text, bool is_end, int64_t *moment)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	bool date_only;
	char *end;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (end != text && end[0] != '\0' && end[1] == '\0' && errno == 0 && number >= 0 &&
	    number < 1000000)
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (units[i].unit == end[0]) {
				*moment = moment_now() / 1000 - number * units[i].seconds * 1000;
				return true;
			}
	if (!moment_parse(text, strlen(text), moment, &date_only))
		return false;
	*moment = *moment / 1000 + (is_end && date_only ? INT64_C(86399999) : 0);
	return true;
}

/* Whole when it holds * or ?, else anywhere in it; case does not matter. */
static bool matches(const char *pattern, const char *text)
{
	if (strpbrk(pattern, "*?") != NULL)
		return fnmatch(pattern, text, FNM_CASEFOLD) == 0;
	return strcasestr(text, pattern) != NULL;
}

static bool has_key(const struct letter *letter, const char *key)
{
	char mine[EVENT_ID_LIMIT + 1], given[EVENT_ID_LIMIT + 1];
	size_t mine_length, given_length;
	if (letter->key == NULL)
		return false;
	if (letter->key_length == strlen(key) && memcmp(letter->key, key, strlen(key)) == 0)
		return true;
	return event_id_normalize(letter->key, letter->key_length, mine, &mine_length, NULL) &&
	       event_id_normalize(key, strlen(key), given, &given_length, NULL) &&
	       mine_length == given_length && memcmp(mine, given, mine_length) == 0;
}

static bool passes(const struct dlq *dlq, const struct letter *letter,
		   const struct dlq_options *options)
{
	const char *state = options->state;
	return (state == NULL || strcmp(state, letter_state_names[letter->state]) == 0) &&
	       (options->reason == NULL ||
		matches(options->reason, dlq->reasons[letter->reason].text)) &&
	       (options->topic == NULL || strcmp(options->topic, letter->origin.topic) == 0) &&
	       (options->since == NULL || letter->time >= options->since_ms) &&
	       (options->until == NULL || letter->time <= options->until_ms) &&
	       (options->key == NULL || has_key(letter, options->key));
}

/* "events.dlq/0/17", "0/17", or where the message was: "events.created/2/1042". */
static bool read_place(const struct dlq *dlq, const char *text, char *topic, size_t size,
		       struct place *place)
{
	int taken = 0;
	const char *last = strrchr(text, '/');
	const char *middle = last != NULL ? memrchr(text, '/', (size_t)(last - text)) : NULL;
	const char *numbers = middle != NULL ? middle + 1 : text;
	if (middle == NULL)
		snprintf(topic, size, "%s", dlq->topic);
	else
		snprintf(topic, size, "%.*s", (int)(middle - text), text);
	place->topic = topic;
	return sscanf(numbers, "%" SCNd32 "/%" SCNd64 "%n", &place->partition, &place->offset,
		      &taken) == 2 &&
	       numbers[taken] == '\0';
}

/* Of a message that is there several times, each place is its address. */
static weir_status want_address(struct dlq *dlq, const char *address, struct weir_error *error)
{
	char topic[256];
	struct place place;
	bool found = false;
	if (!read_place(dlq, address, topic, sizeof(topic), &place))
		return err_set(error, WEIR_INVALID,
			       "%s is no address: expected topic/partition/offset, of a dead "
			       "letter or of its message",
			       address);
	bool is_letter = strcmp(topic, dlq->topic) == 0;
	for (size_t i = 0; i < dlq->count; i++) {
		struct letter *letter = &dlq->letters[i];
		bool same = is_letter ? letter->partition == place.partition &&
						letter->offset == place.offset
				      : letter->origin.partition == place.partition &&
						letter->origin.offset == place.offset &&
						strcmp(letter->origin.topic, topic) == 0;
		letter->wanted = letter->wanted || same;
		found = found || same;
	}
	return found ? WEIR_OK
		     : err_set(error, WEIR_NOT_FOUND, "there is no dead letter %s", address);
}

weir_status dlq_filter(struct dlq *dlq, const struct dlq_options *options,
		       const struct argument_list *addresses, struct weir_error *error)
{
	for (size_t i = 0; i < addresses->count; i++) {
		weir_status status = want_address(dlq, addresses->items[i], error);
		if (status != WEIR_OK)
			return status;
	}
	for (size_t i = 0; i < dlq->count; i++) {
		struct letter *letter = &dlq->letters[i];
		letter->wanted =
			(addresses->count == 0 || letter->wanted) && passes(dlq, letter, options);
		dlq->reasons[letter->reason].count += letter->wanted;
	}
	return WEIR_OK;
}

static int more_first(const void *left, const void *right)
{
	const struct reason *a = *(const struct reason *const *)left;
	const struct reason *b = *(const struct reason *const *)right;
	return a->count != b->count ? (a->count > b->count ? -1 : 1) : strcmp(a->text, b->text);
}

/* The reasons of the wanted letters, the most frequent first. */
static weir_status order_reasons(const struct dlq *dlq, const struct reason ***ordered,
				 size_t *count, struct weir_error *error)
{
	const struct reason **made = calloc(dlq->reason_count + 1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	*count = 0;
	for (size_t i = 0; i < dlq->reason_count; i++)
		if (dlq->reasons[i].count > 0)
			made[(*count)++] = &dlq->reasons[i];
	qsort((void *)made, *count, sizeof(*made), more_first);
	*ordered = made;
	return WEIR_OK;
}

struct totals {
	size_t by_state[LETTER_STATE_COUNT], wanted;
};

static struct totals count(const struct dlq *dlq)
{
	struct totals totals = {{0}, 0};
	for (size_t i = 0; i < dlq->count; i++) {
		totals.by_state[dlq->letters[i].state] += dlq->letters[i].wanted;
		totals.wanted += dlq->letters[i].wanted;
	}
	return totals;
}

static void add_text(struct table *table, const char *text)
{
	table_add(table, text, strlen(text));
}

static void add_row(struct table *table, const struct dlq *dlq, const struct letter *letter)
{
	char text[ADDRESS_SIZE], when[MOMENT_TEXT_SIZE];
	letter_address(dlq, letter, text, sizeof(text));
	add_text(table, text);
	moment_format(moment_of_milliseconds(letter->time / 1000 * 1000), when);
	add_text(table, when);
	add_text(table, letter_state_names[letter->state]);
	snprintf(text, sizeof(text), "%s/%" PRId32 "/%" PRId64, letter->origin.topic,
		 letter->origin.partition, letter->origin.offset);
	add_text(table, text);
	table_add(table, letter->key != NULL ? letter->key : "-",
		  letter->key != NULL ? letter->key_length : 1);
	const struct reason *reason = &dlq->reasons[letter->reason];
	table_add(table, reason->text, reason->length);
}

/* The newest, oldest first, so that the last stands above the prompt. */
static size_t first_shown(const struct dlq *dlq, int64_t limit)
{
	size_t at = dlq->count;
	for (int64_t shown = 0; at > 0 && (limit == 0 || shown < limit); at--)
		shown += dlq->letters[at - 1].wanted;
	return at;
}

static weir_status print_list(const struct dlq *dlq, const struct dlq_options *options,
			      const struct totals *totals, struct weir_error *error)
{
	static const char *const head[COLUMNS] = {"DEAD LETTER", "TIME", "STATE",
						  "MESSAGE",	 "KEY",	 "REASON"};
	WEIR_CLEANUP(table_finish) struct table table = {0};
	WEIR_CLEANUP(table_finish) struct table reasons = {0};
	WEIR_FREE const struct reason **ordered = NULL;
	size_t reason_count, shown = 0;
	char number[24];
	table_init(&table, COLUMNS);
	for (size_t i = 0; i < COLUMNS; i++)
		add_text(&table, head[i]);
	for (size_t i = first_shown(dlq, options->limit); i < dlq->count; i++)
		if (dlq->letters[i].wanted) {
			add_row(&table, dlq, &dlq->letters[i]);
			shown++;
		}
	weir_status status = order_reasons(dlq, &ordered, &reason_count, error);
	if (status == WEIR_OK && shown > 0)
		status = table_print(&table, terminal_width(STDOUT_FILENO), 0, stdout, error);
	if (status != WEIR_OK)
		return status;
	if (shown < totals->wanted)
		printf("and %zu older ones (--limit)\n", totals->wanted - shown);
	printf("%s%zu open, %zu replayed, %zu dropped\n", shown > 0 ? "\n" : "",
	       totals->by_state[LETTER_OPEN], totals->by_state[LETTER_REPLAYED_ON],
	       totals->by_state[LETTER_DROPPED]);
	if (dlq->foreign > 0)
		printf("and %zu records that are no dead letters of Weir\n", dlq->foreign);
	table_init(&reasons, 2);
	for (size_t i = 0; i < reason_count; i++) {
		snprintf(number, sizeof(number), "%zu", ordered[i]->count);
		add_text(&reasons, number);
		table_add(&reasons, ordered[i]->text, ordered[i]->length);
	}
	return reason_count > 0
		       ? table_print(&reasons, terminal_width(STDOUT_FILENO), 1, stdout, error)
		       : WEIR_OK;
}

static weir_status print_json(const struct dlq *dlq, const struct dlq_options *options,
			      const struct totals *totals, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer body = BUFFER_INIT;
	WEIR_FREE const struct reason **ordered = NULL;
	struct jsonout json = JSONOUT_INIT(&body);
	size_t reason_count;
	weir_status status = order_reasons(dlq, &ordered, &reason_count, error);
	if (status != WEIR_OK)
		return status;
	jsonout_begin(&json, '{');
	jsonout_name(&json, "letters");
	jsonout_begin(&json, '[');
	for (size_t i = first_shown(dlq, options->limit); i < dlq->count; i++) {
		if (!dlq->letters[i].wanted)
			continue;
		jsonout_begin(&json, '{');
		letter_write(dlq, &dlq->letters[i], &json);
		jsonout_end(&json, '}');
	}
	jsonout_end(&json, ']');
	for (size_t i = 0; i < LETTER_STATE_COUNT; i++) {
		jsonout_name(&json, letter_state_names[i]);
		jsonout_integer(&json, (int64_t)totals->by_state[i]);
	}
	jsonout_name(&json, "foreign");
	jsonout_integer(&json, (int64_t)dlq->foreign);
	jsonout_name(&json, "reasons");
	jsonout_begin(&json, '[');
	for (size_t i = 0; i < reason_count; i++) {
		jsonout_begin(&json, '{');
		jsonout_name(&json, "reason");
		jsonout_string(&json, ordered[i]->text, ordered[i]->length);
		jsonout_name(&json, "count");
		jsonout_integer(&json, (int64_t)ordered[i]->count);
		jsonout_end(&json, '}');
	}
	jsonout_end(&json, ']');
	jsonout_end(&json, '}');
	if (buffer_failed(&body))
		return err_no_memory(error);
	printf("%s\n", body.data);
	return WEIR_OK;
}

int dlq_list(struct dlq *dlq, const struct dlq_options *options)
{
	struct weir_error error = {""};
	struct totals totals = count(dlq);
	weir_status status = (options->json || !isatty(STDOUT_FILENO) ? print_json : print_list)(
		dlq, options, &totals, &error);
	if (status != WEIR_OK)
		return command_fail("dlq", status, &error);
	return totals.by_state[LETTER_OPEN] > 0 ? STATUS_NO : STATUS_DONE;
}

/* What does not fit together; false: the line about it was printed. */
static bool check(const char *verb, struct dlq_options *options, size_t addresses)
{
	bool replays = strcmp(verb, "replay") == 0, shows = strcmp(verb, "show") == 0;
	bool handles = replays || strcmp(verb, "drop") == 0;
	bool filtered = options->reason != NULL || options->topic != NULL ||
			options->since != NULL || options->until != NULL || options->key != NULL ||
			addresses > 0;
	const char *wrong = NULL;
	if (!handles && !shows && strcmp(verb, "list") != 0)
		return command_wrong_use("dlq", "there is no dlq %s: list, show, replay, drop",
					 verb) == 0;
	if (options->since != NULL && !read_moment(options->since, false, &options->since_ms))
		return command_wrong_use("dlq",
					 "--since %s: expected a date or, as 2h, how long "
					 "ago",
					 options->since) == 0;
	if (options->until != NULL && !read_moment(options->until, true, &options->until_ms))
		return command_wrong_use("dlq",
					 "--until %s: expected a date or, as 2h, how long "
					 "ago",
					 options->until) == 0;
	options->limit = LIST_LIMIT;
	if (options->limit_text != NULL &&
	    !arguments_number("dlq", "--limit", options->limit_text, 0, INT64_MAX, &options->limit))
		return false;
	if (shows && addresses != 1)
		wrong = "show takes one address; weir dlq list has them";
	else if (!replays && (options->dry_run || options->force))
		wrong = "--dry-run and --force are for replay";
	else if (!shows && options->raw)
		wrong = "--raw is for show";
	else if (handles && options->state != NULL)
		wrong = "--state is for list; --again takes those that were handled, too";
	else if (handles && !filtered && !options->all)
		wrong = "of all of them? Say --all, or which: an address, --reason, --topic, "
			"--key, --since, --until";
	if (options->state != NULL && strcmp(options->state, "open") != 0 &&
	    strcmp(options->state, "replayed") != 0 && strcmp(options->state, "dropped") != 0)
		wrong = "--state is one of open, replayed, dropped";
	return wrong == NULL || command_wrong_use("dlq", "%s", wrong) == 0;
}

static int run(struct dlq_options *options, struct argument_list *rest)
{
	CONFIG_SCOPED struct config *config = NULL;
	WEIR_CLEANUP(dlq_finish) struct dlq dlq = {0};
	struct weir_error error;
	const char *verb = rest->items[0];
	const struct argument_list addresses = {rest->items + 1, rest->count - 1};
	if (!check(verb, options, addresses.count))
		return STATUS_WRONG_USE;
	weir_status status = settings_load(&options->settings, &config, &error);
	if (status == WEIR_OK)
		status = dlq_read(&dlq, config, &error);
	/* What is open, unless somebody asks for what was handled. */
	bool every = (options->all && strcmp(verb, "list") == 0) || options->again ||
		     addresses.count > 0;
	if (options->state == NULL && !every)
		options->state = letter_state_names[LETTER_OPEN];
	if (status == WEIR_OK)
		status = dlq_filter(&dlq, options, &addresses, &error);
	if (status != WEIR_OK)
		return command_fail("dlq", status, &error);
	if (strcmp(verb, "list") == 0)
		return dlq_list(&dlq, options);
	if (strcmp(verb, "show") == 0)
		return dlq_show(&dlq, options);
	return dlq_handle(&dlq, options, strcmp(verb, "drop") == 0);
}

int command_dlq(int argc, char **argv)
{
	struct dlq_options options = {0};
	const struct argument arguments[] = {
		{.name = "--reason",
		 .value = "TEXT",
		 .text = &options.reason,
		 .help = "the reason holds it; with * or ? it is the whole"},
		{.name = "--topic",
		 .value = "TOPIC",
		 .text = &options.topic,
		 .help = "where the message was"},
		{.name = "--key", .value = "ID", .text = &options.key, .help = "the message's key"},
		{.name = "--since",
		 .value = "TIME",
		 .text = &options.since,
		 .help = "dead since: 2026-01-31, 2026-01-31T10:00:00Z, or 2h: ago"},
		{.name = "--until",
		 .value = "TIME",
		 .text = &options.until,
		 .help = "the same, the other end; both ends are included"},
		{.name = "--state",
		 .value = "STATE",
		 .text = &options.state,
		 .help = "list: open (what it shows), replayed or dropped"},
		{.name = "--all",
		 .flag = &options.all,
		 .help = "list: handled ones, too; replay, drop: all that are open"},
		{.name = "--limit",
		 .value = "N",
		 .text = &options.limit_text,
		 .help = "list: the newest N (100; 0: all)"},
		{.name = "--again",
		 .flag = &options.again,
		 .help = "replay, drop: also what was handled already"},
		{.name = "--dry-run",
		 .flag = &options.dry_run,
		 .help = "replay: say what would be sent, and send nothing"},
		{.name = "--force",
		 .flag = &options.force,
		 .help = "replay: also what this schema still cannot read"},
		{.name = "--raw", .flag = &options.raw, .help = "show: the value's bytes"},
		{.name = "--json", .flag = &options.json, .help = "JSON on a terminal, too"},
		SETTINGS_BROKERS_OPTION(options.settings),
		SETTINGS_DATA_OPTION(options.settings),
		SETTINGS_CONFIG_OPTION(options.settings),
		SETTINGS_SET_OPTION(options.settings),
	};
	const struct usage usage = {
		.command = "dlq",
		.positions = "list | show | replay | drop [ADDRESS...]",
		.summary = "The dead letters: messages that could not be indexed. list has status "
			   "1 while any is open;\nshow prints one whole; replay sends the messages "
			   "to their topics again; drop marks as handled.\nAn address is the dead "
			   "letter's or its message's: topic/partition/offset.",
		.options = arguments,
		.option_count = sizeof(arguments) / sizeof(arguments[0]),
		.minimum = 1,
		.maximum = 10000,
	};
	struct argument_list rest;
	int exit_status;
	if (arguments_read(&usage, argc, argv, &rest, &exit_status)) {
		exit_status = run(&options, &rest);
		argument_list_finish(&rest);
	}
	settings_finish(&options.settings);
	return exit_status;
}
