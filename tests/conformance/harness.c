/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <dlfcn.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "plugin.h"

#define ITEM_FIELDS FIELD_COUNT

static const struct weir_field fields[FIELD_COUNT] = {
	{"title", WEIR_TYPE_TEXT, WEIR_FIELD_SEARCH | WEIR_FIELD_SORT, 3, "en"},
	{"body", WEIR_TYPE_TEXT, WEIR_FIELD_SEARCH, 1, "en"},
	{"place", WEIR_TYPE_TEXT, WEIR_FIELD_SEARCH, 1, NULL},
	{"tag", WEIR_TYPE_KEYWORD, WEIR_FIELD_SEARCH | WEIR_FIELD_FILTER | WEIR_FIELD_SORT, 2,
	 NULL},
	{"code", WEIR_TYPE_KEYWORD, WEIR_FIELD_FILTER, 1, NULL},
	{"price", WEIR_TYPE_NUMBER, WEIR_FIELD_FILTER | WEIR_FIELD_SORT, 1, NULL},
	{"day", WEIR_TYPE_DATE, WEIR_FIELD_FILTER | WEIR_FIELD_SORT, 1, NULL},
	{"free", WEIR_TYPE_BOOLEAN, WEIR_FIELD_FILTER | WEIR_FIELD_SORT, 1, NULL},
};
static const struct weir_field *const field_pointers[FIELD_COUNT] = {
	&fields[0], &fields[1], &fields[2], &fields[3],
	&fields[4], &fields[5], &fields[6], &fields[7],
};
const struct weir_schema collection = {"things", "c0ffee01", field_pointers, FIELD_COUNT};

const struct weir_operations *backend;
const struct weir_manifest *manifest;
static int host_cancels_at;
static int host_asked;
static char folder[64];

static void host_log(void *context, uint32_t level, const char *line)
{
	(void)context;
	(void)level;
	(void)line;
}

static int host_cancelled(void *context)
{
	(void)context;
	host_asked++;
	return host_cancels_at > 0 && host_asked >= host_cancels_at;
}

static int64_t host_clock(void *context)
{
	(void)context;
	return INT64_C(1700000000000000);
}

struct weir_host host;

void host_cancel_at(int asking)
{
	host_cancels_at = asking;
	host_asked = 0;
}

void harness_load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	weir_manifest_function function;
	*(void **)&function = dlsym(library, WEIR_MANIFEST_SYMBOL);
	if (function == NULL) {
		fprintf(stderr, "%s: no %s\n", path, WEIR_MANIFEST_SYMBOL);
		exit(1);
	}
	manifest = function();
	backend = manifest->operations;
	host = plugin_default_host; /* its words are everybody's */
	host.log = host_log;
	host.cancelled = host_cancelled;
	host.clock = host_clock;
}

bool harness_can(uint64_t capability)
{
	return (manifest->capabilities & capability) != 0;
}

void harness_setup(void)
{
	host_cancel_at(0);
	snprintf(folder, sizeof(folder), "/tmp/weir-conformance-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

void harness_teardown(void)
{
	queries_free();
	nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct weir_parameter_value value_of(const struct weir_parameter *parameter,
					    const char *path)
{
	const char *text = parameter->default_value != NULL ? parameter->default_value : "";
	struct weir_parameter_value value = {text, 0};
	if (parameter->type == WEIR_PARAMETER_PATH)
		value.text = path;
	else if (parameter->type == WEIR_PARAMETER_INTEGER)
		value.integer = strtoll(text, NULL, 10);
	else if (parameter->type == WEIR_PARAMETER_BOOLEAN)
		value.integer = strcmp(text, "true") == 0;
	return value;
}

weir_status try_open(uint32_t mode, const struct weir_schema *schema, weir_instance **instance,
		     struct weir_error *error)
{
	struct weir_parameter_value values[32];
	const struct weir_parameter_value *pointers[32];
	char path[96];
	snprintf(path, sizeof(path), "%s/deep/index", folder);
	ck_assert_uint_le(manifest->parameter_count, 32);
	for (size_t i = 0; i < manifest->parameter_count; i++) {
		values[i] = value_of(manifest->parameters[i], path);
		pointers[i] = &values[i];
	}
	return backend->open(pointers, manifest->parameter_count, schema, mode, &host, instance,
			     error);
}

weir_instance *open_writer(void)
{
	weir_instance *instance = NULL;
	MUST(try_open(WEIR_MODE_WRITER, &collection, &instance, &error));
	return instance;
}

weir_instance *open_reader(void)
{
	weir_instance *instance = NULL;
	MUST(try_open(WEIR_MODE_READER, &collection, &instance, &error));
	return instance;
}

weir_session *open_session(weir_instance *instance)
{
	weir_session *session = NULL;
	MUST(backend->session_open(instance, &host, &session, &error));
	return session;
}

static size_t length_of(const char *text, size_t length)
{
	return length != 0 ? length : strlen(text);
}

/* The item's values; returns how many. */
static size_t values_of(const struct item *item, struct weir_value values[ITEM_FIELDS])
{
	const char *texts[] = {item->title, item->body,	 item->place, item->tag,
			       item->code,  item->price, item->day,   item->free};
	size_t count = 0;
	for (int field = 0; field < FIELD_COUNT; field++) {
		if (texts[field] == NULL)
			continue;
		size_t given = field == TAG ? item->tag_length : 0;
		values[count++] = (struct weir_value){
			.field = field,
			.type = fields[field].type,
			.text = texts[field],
			.text_length = length_of(texts[field], given),
			.number = field == PRICE ? strtod(texts[field], NULL) : 0,
			.integer = field >= DAY ? strtoll(texts[field], NULL, 10) : 0,
		};
	}
	return count;
}

uint32_t put_item(weir_instance *writer, const struct item *item)
{
	struct weir_value values[ITEM_FIELDS];
	const struct weir_value *pointers[ITEM_FIELDS];
	const char *state = item->state != NULL ? item->state : item->id;
	struct weir_document document = {
		.id = item->id,
		.id_length = length_of(item->id, item->id_length),
		.kind = item->hidden ? WEIR_KIND_HIDDEN : WEIR_KIND_LIVE,
		.version = item->version,
		.applied_at = item->applied_at,
		.state = state,
		.state_length = strlen(state),
		.values = pointers,
		.value_count = item->hidden ? 0 : values_of(item, values),
	};
	for (size_t i = 0; i < document.value_count; i++)
		pointers[i] = &values[i];
	const struct weir_document *documents[] = {&document};
	struct weir_verdict verdict = {0};
	struct weir_verdict *const verdicts[] = {&verdict};
	MUST(backend->apply(writer, documents, 1, verdicts, &error));
	if (verdict.kind == WEIR_REJECTED)
		ck_assert_str_ne(verdict.reason, "");
	return verdict.kind;
}

void commit(weir_instance *writer)
{
	MUST(backend->commit(writer, NULL, 0, &error));
}

void commit_at(weir_instance *writer, const char *topic, int32_t partition, int64_t next_offset)
{
	struct weir_position position = {"cluster", topic, "topic-id", partition, next_offset};
	const struct weir_position *pointers[] = {&position};
	MUST(backend->commit(writer, pointers, 1, &error));
}

uint64_t refresh(weir_session *session)
{
	uint64_t generation = 0;
	MUST(backend->refresh(session, &generation, &error));
	return generation;
}

/* A few answers live beside each other, so that two may stand in one assertion. */
static char *next_answer(void)
{
	static char answers[8][65536];
	static unsigned next;
	char *answer = answers[next++ % 8];
	answer[0] = '\0';
	return answer;
}

static void append(char *answer, const char *text, size_t length)
{
	size_t at = strlen(answer);
	snprintf(answer + at, 65536 - at, "%s%.*s", at > 0 ? " " : "", (int)length, text);
}

static int on_state(void *context, size_t index, int is_found, const void *state,
		    size_t state_length, const void *revision, size_t revision_length)
{
	(void)index;
	(void)revision;
	if (is_found == 0)
		ck_assert(state_length == 0 && revision_length == 0);
	append(context, is_found ? state : "-", is_found ? state_length : 1);
	return 0;
}

const char *fetched(weir_instance *writer, const char *id)
{
	char *answer = next_answer();
	size_t length = strlen(id);
	MUST(backend->fetch(writer, &id, &length, 1, on_state, answer, &error));
	return answer;
}

static int on_position(void *context, const struct weir_position *position)
{
	char line[1024];
	int length =
		snprintf(line, sizeof(line), "%s/%s/%d=%lld", position->cluster, position->topic,
			 (int)position->partition, (long long)position->next_offset);
	append(context, line, (size_t)length);
	return 0;
}

static int compare_words(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Sorts the words of an answer. */
static const char *sorted(const char *answer)
{
	char *copy = strdup(answer), *sorted_answer = next_answer();
	char *words[4096] = {NULL}, *rest = NULL;
	size_t count = 0;
	ck_assert_ptr_nonnull(copy);
	for (char *word = strtok_r(copy, " ", &rest); word != NULL && count < 4096;
	     word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	qsort(words, count, sizeof(words[0]), compare_words);
	for (size_t i = 0; i < count; i++)
		append(sorted_answer, words[i], strlen(words[i]));
	free(copy);
	return sorted_answer;
}

const char *positions(weir_instance *writer)
{
	char *answer = next_answer();
	MUST(backend->positions(writer, on_position, answer, &error));
	return sorted(answer);
}

const char *session_places(weir_session *session)
{
	char *answer = next_answer();
	MUST(backend->session_positions(session, on_position, answer, &error));
	return sorted(answer);
}

static int on_found(void *context, const struct weir_hit *hit)
{
	char line[512];
	int length = snprintf(line, sizeof(line), "%.*s@%lld", (int)hit->state_length,
			      (const char *)hit->state, (long long)hit->version);
	append(context, line, (size_t)length);
	return 0;
}

const char *found(weir_session *session, const char *id)
{
	char *answer = next_answer();
	MUST(backend->get(session, id, strlen(id), on_found, answer, &error));
	return answer[0] != '\0' ? answer : "-";
}

static int on_scan(void *context, const char *id, size_t id_length, int64_t version, uint32_t kind)
{
	char line[512];
	int length = snprintf(line, sizeof(line), "%.*s@%lld%s", (int)id_length, id,
			      (long long)version, kind == WEIR_KIND_HIDDEN ? "h" : "");
	append(context, line, (size_t)length);
	return 0;
}

const char *scanned(weir_session *session, const char *from)
{
	char *answer = next_answer();
	MUST(backend->scan(session, from, strlen(from), on_scan, answer, &error));
	return answer;
}

struct wanted_stat {
	const char *name;
	double value;
	bool seen;
};

static int on_stat(void *context, const char *name, double value)
{
	struct wanted_stat *wanted = context;
	if (strcmp(name, wanted->name) == 0) {
		wanted->value = value;
		wanted->seen = true;
	}
	return 0;
}

double stat_of(weir_instance *writer, const char *name)
{
	struct wanted_stat wanted = {name, 0, false};
	MUST(backend->stats(writer, on_stat, &wanted, &error));
	ck_assert_msg(wanted.seen, "no statistic %s", name);
	return wanted.value;
}

static int on_hit(void *context, const struct weir_hit *hit)
{
	append(context, hit->id, hit->id_length);
	return 0;
}

static size_t count_words(const char *answer)
{
	size_t count = answer[0] != '\0';
	for (; *answer != '\0'; answer++)
		count += *answer == ' ';
	return count;
}

const char *filtered(weir_session *session, const struct weir_query *query,
		     const struct weir_query *filter)
{
	char *answer = next_answer();
	struct weir_search search = {.query = query, .filter = filter, .limit = 4000};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, on_hit, answer, &result, &error));
	if (result.total_is_lower_bound == 0)
		ck_assert_uint_eq(result.total, count_words(answer));
	return sorted(answer);
}

const char *matches(weir_session *session, const struct weir_query *query)
{
	return filtered(session, query, NULL);
}

/* Reads "price -tag relevance" into keys; returns how many. */
static size_t read_sort(const char *sort, struct weir_sort_key keys[8])
{
	char copy[256], *rest = NULL;
	size_t count = 0;
	snprintf(copy, sizeof(copy), "%s", sort);
	for (char *word = strtok_r(copy, " ", &rest); word != NULL && count < 8;
	     word = strtok_r(NULL, " ", &rest)) {
		struct weir_sort_key *key = &keys[count++];
		key->descending = *word == '-';
		word += key->descending;
		key->field = WEIR_FIELD_DEFAULT;
		for (int field = 0; field < FIELD_COUNT; field++)
			if (strcmp(fields[field].name, word) == 0)
				key->field = field;
		ck_assert(key->field != WEIR_FIELD_DEFAULT || strcmp(word, "relevance") == 0);
	}
	return count;
}

const char *ordered(weir_session *session, const struct weir_query *query, const char *sort,
		    size_t offset, size_t limit)
{
	char *answer = next_answer();
	struct weir_sort_key keys[8];
	const struct weir_sort_key *pointers[8];
	for (size_t i = 0; i < 8; i++)
		pointers[i] = &keys[i];
	struct weir_search search = {
		.query = query,
		.sort = pointers,
		.sort_count = read_sort(sort, keys),
		.offset = offset,
		.limit = limit,
	};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, on_hit, answer, &result, &error));
	ck_assert_uint_le(count_words(answer), limit);
	return answer;
}
