/* SPDX-License-Identifier: MIT
 * What an engine's writer costs, without Kafka: fetch, apply and commit of real events, in batches
 * as the indexer makes them.
 *
 *   zcat data/events-sample.jsonl.gz | write_cost PLUGIN.so FOLDER SCHEMA COUNT [UPDATES [COMMIT]]
 *
 * FOLDER has to be empty. COUNT documents: the events again and again, their words turned by some,
 * one in sixteen taken from another event, a new word in each fifth. UPDATES: per cent of documents
 * that replace an earlier one; 0. COMMIT: documents of a commit; 500. Says processor time of the
 * whole process (user and system) in microseconds a document, without what making the documents
 * took, and how long commits took. The figures do not hold for a machine that is busy otherwise. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "plugin.h"
#include "schema.h"

enum { BATCH = 128, TEXT_LIMIT = 16384, VALUES = 12 };

static struct weir_error error;
static struct backend backend;
static struct schema *schema;
static json_t **events;
static size_t event_count;
static uint64_t random_state = 88172645463325252U;

static void check(weir_status status, const char *what)
{
	if (status == WEIR_OK)
		return;
	fprintf(stderr, "write_cost: %s: %s\n", what, error.message);
	exit(1);
}

static double clock_of(clockid_t id)
{
	struct timespec now;
	clock_gettime(id, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t random_below(size_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)(random_state >> 20) % limit;
}

static void read_events(void)
{
	char *line = NULL;
	size_t size = 0, capacity = 0;
	while (getline(&line, &size, stdin) > 0) {
		json_t *event = json_loads(line, 0, NULL);
		if (event == NULL)
			continue;
		if (event_count == capacity) {
			capacity = capacity == 0 ? 1024 : capacity * 2;
			events = realloc(events, capacity * sizeof(json_t *));
			if (events == NULL)
				exit(1);
		}
		events[event_count++] = event;
	}
	free(line);
	if (event_count == 0) {
		fputs("write_cost: no events on standard input: see the head of the file\n",
		      stderr);
		exit(1);
	}
}

static const char *text_of(const json_t *event, const char *name)
{
	const char *text = json_string_value(json_object_get(event, name));
	return text != NULL ? text : "";
}

/* Where the word number index begins; its length. */
static const char *find_word(const char *text, size_t index, size_t *length)
{
	for (;; index--) {
		text += strspn(text, " \n");
		*length = strcspn(text, " \n");
		if (index == 0 || text[*length] == '\0')
			return text;
		text += *length;
	}
}

static size_t append_word(char *out, size_t length, const char *word, size_t word_length)
{
	if (length + word_length + 1 >= TEXT_LIMIT)
		return length;
	memcpy(out + length, word, word_length);
	out[length + word_length] = ' ';
	return length + word_length + 1;
}

/* The event's description, changed as the head says. */
static size_t make_text(char *out, size_t number)
{
	const char *text = text_of(events[number % event_count], "description");
	size_t turn = strlen(text) > 0 ? number / event_count * 37 % strlen(text) : 0, length = 0;
	while (text[turn] != '\0' && text[turn] != ' ' && text[turn] != '\n')
		turn++;
	for (int half = 0; half < 2; half++) {
		const char *at = half == 0 ? text + turn : text, *end = text + turn;
		for (;;) {
			at += strspn(at, " \n");
			size_t word = strcspn(at, " \n"), other_word;
			if (*at == '\0' || (half == 1 && at >= end))
				break;
			const char *other =
				text_of(events[random_below(event_count)], "description");
			other = find_word(other, random_below(30), &other_word);
			bool is_changed = number >= event_count && random_below(16) == 0;
			length = is_changed ? append_word(out, length, other, other_word)
					    : append_word(out, length, at, word);
			at += word;
		}
	}
	if (number % 5 == 0 && length + 32 < TEXT_LIMIT)
		length += (size_t)sprintf(out + length, "rare%zx", number * 2654435761U);
	return length;
}

static int64_t time_of(const char *text)
{
	struct tm parts = {0};
	return strptime(text, "%Y-%m-%d", &parts) != NULL ? (int64_t)timegm(&parts) * 1000000 : 0;
}

/* A document and all that it points to. */
struct made {
	struct weir_document document;
	struct weir_verdict verdict;
	struct weir_value values[VALUES];
	const struct weir_value *pointers[VALUES];
	size_t number;
	char id[40];
	char text[TEXT_LIMIT];
	char state[TEXT_LIMIT + 1024];
};

static void add_value(struct made *made, size_t field, const json_t *event)
{
	const struct weir_field *given = schema->abi->fields[field];
	struct weir_value *value = &made->values[made->document.value_count];
	const char *text = text_of(event, given->name);
	*value = (struct weir_value){.field = (int32_t)field, .type = given->type, .text = text};
	if (given->type == WEIR_TYPE_NUMBER)
		value->number = (double)random_below(500);
	else if (given->type == WEIR_TYPE_DATE)
		value->integer = time_of(text) + (int64_t)(made->number % 86400) * 1000000;
	else if (strcmp(given->name, "description") == 0)
		value->text = made->text;
	else if (text[0] == '\0')
		return;
	value->text_length = value->text == made->text ? make_text(made->text, made->number)
						       : strlen(value->text);
	made->pointers[made->document.value_count++] = value;
}

static void make_document(struct made *made, size_t number)
{
	const json_t *event = events[number % event_count];
	made->number = number;
	made->document = (struct weir_document){
		.id = made->id,
		.id_length = (size_t)sprintf(made->id, "%08zx-0000-4000-8000-%012zx",
					     number * 2654435761U & 0xFFFFFFFF, number),
		.kind = WEIR_KIND_LIVE,
		.version = (int64_t)number,
		.applied_at = INT64_MAX,
		.state = made->state,
		.values = made->pointers,
	};
	for (size_t i = 0; i < schema->abi->field_count && made->document.value_count < VALUES; i++)
		add_value(made, i, event);
	made->document.state_length =
		(size_t)snprintf(made->state, sizeof(made->state),
				 "{\"title\":[\"%s\",%zu],\"description\":[\"%s\",%zu]}",
				 text_of(event, "title"), number, made->text, number);
}

static int pass_over(void *context, size_t index, int found, const void *state, size_t length,
		     const void *revision, size_t revision_length)
{
	(void)context, (void)index, (void)found, (void)state, (void)length, (void)revision;
	(void)revision_length;
	return 0;
}

static void apply(struct made *all, size_t count)
{
	const struct weir_operations *operations = &backend.plugin->operations;
	const struct weir_document *documents[BATCH];
	struct weir_verdict *verdicts[BATCH];
	const char *ids[BATCH];
	size_t lengths[BATCH];
	for (size_t i = 0; i < count; i++) {
		documents[i] = &all[i].document;
		verdicts[i] = &all[i].verdict;
		ids[i] = all[i].id;
		lengths[i] = all[i].document.id_length;
	}
	check(operations->fetch(backend.instance, ids, lengths, count, pass_over, NULL, &error),
	      "fetch");
	check(operations->apply(backend.instance, documents, count, verdicts, &error), "apply");
	for (size_t i = 0; i < count; i++)
		if (verdicts[i]->kind != WEIR_ACCEPTED) {
			fprintf(stderr, "write_cost: rejected: %s\n", verdicts[i]->reason);
			exit(1);
		}
}

static bool is_there(const struct made *all, size_t count, size_t number)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].number == number)
			return true;
	return false;
}

/* Returns the processor time that this took. */
static double make_batch(struct made *all, size_t first, size_t count, size_t updates)
{
	double begin = clock_of(CLOCK_THREAD_CPUTIME_ID);
	for (size_t i = 0; i < count; i++) {
		size_t number = first + i;
		if (random_below(100) < updates && first > BATCH) {
			size_t old = random_below(first);
			number = is_there(all, i, old) ? number : old;
		}
		make_document(&all[i], number);
	}
	return clock_of(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static double commit(int64_t next)
{
	struct weir_position position = {"cluster", "events.created", "", 0, next};
	const struct weir_position *positions[] = {&position};
	double begin = clock_of(CLOCK_MONOTONIC);
	check(backend.plugin->operations.commit(backend.instance, positions, 1, &error), "commit");
	return clock_of(CLOCK_MONOTONIC) - begin;
}

static int by_size(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

static void write_all(size_t count, size_t updates, size_t of_commit)
{
	struct made *all = calloc(BATCH, sizeof(*all));
	double *commits = calloc(count / of_commit + 2, sizeof(*commits)), making = 0;
	size_t commit_count = 0, since = 0;
	if (all == NULL || commits == NULL)
		exit(1);
	double cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID), wall = clock_of(CLOCK_MONOTONIC);
	for (size_t first = 0; first < count;) {
		size_t here = count - first < BATCH ? count - first : BATCH;
		making += make_batch(all, first, here, updates);
		apply(all, here);
		first += here;
		since += here;
		if (since < of_commit && first < count)
			continue;
		commits[commit_count++] = commit((int64_t)first);
		since = 0;
	}
	cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu - making;
	wall = clock_of(CLOCK_MONOTONIC) - wall;
	qsort(commits, commit_count, sizeof(*commits), by_size);
	printf("documents=%zu cpu_us_per_document=%.1f wall_s=%.1f making_us_per_document=%.1f "
	       "commit_ms_p50=%.1f commit_ms_p99=%.1f\n",
	       count, cpu * 1e6 / (double)count, wall, making * 1e6 / (double)count,
	       commits[commit_count / 2] * 1e3, commits[commit_count * 99 / 100] * 1e3);
	free(all);
	free(commits);
}

int main(int count, char **arguments)
{
	if (count < 5) {
		fputs("usage: write_cost PLUGIN.so FOLDER SCHEMA COUNT [UPDATES [COMMIT]] < "
		      "EVENTS\n",
		      stderr);
		return 2;
	}
	char plugin[4200], path[4200];
	struct config *config = NULL;
	read_events();
	check(schema_load(arguments[3], &schema, &error), "schema");
	const char *name =
		strrchr(arguments[1], '/') != NULL ? strrchr(arguments[1], '/') + 1 : arguments[1];
	name += strncmp(name, "weir_", 5) == 0 ? 5 : 0;
	snprintf(plugin, sizeof(plugin), "backend.plugin=%s", arguments[1]);
	snprintf(path, sizeof(path), "backend.%.*s.path=%s", (int)strcspn(name, "."), name,
		 arguments[2]);
	check(config_load(NULL, (const char *const[]){plugin, path}, 2, &config, &error),
	      "configuration");
	check(backend_open(config, schema->abi, WEIR_MODE_WRITER, &plugin_default_host, &backend,
			   &error),
	      "open");
	write_all(strtoull(arguments[4], NULL, 10),
		  count > 5 ? strtoull(arguments[5], NULL, 10) : 0,
		  count > 6 ? strtoull(arguments[6], NULL, 10) : 500);
	backend_close(&backend);
	schema_destroy(schema);
	config_destroy(config);
	return 0;
}
