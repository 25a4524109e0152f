/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <stdio.h>

/* A few answers live beside each other, so that two may stand in one assertion. */
static char *next_answer(void)
{
	static _Thread_local char answers[8][65536];
	static _Thread_local unsigned next;
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
		REQUIRE(state_length == 0 && revision_length == 0);
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
	REQUIRE(copy != NULL);
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

int found_hit(void *context, const struct weir_hit *hit)
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
	MUST(backend->get(session, id, strlen(id), found_hit, answer, &error));
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
		REQUIRE(result.total == count_words(answer));
	return sorted(answer);
}

const char *matches(weir_session *session, const struct weir_query *query)
{
	return filtered(session, query, NULL);
}

size_t read_sort(const char *sort, struct weir_sort_key keys[8])
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
			if (strcmp(collection.fields[field]->name, word) == 0)
				key->field = field;
		REQUIRE(key->field != WEIR_FIELD_DEFAULT || strcmp(word, "relevance") == 0);
	}
	return count;
}

const char *ordered_filtered(weir_session *session, const struct weir_query *query,
			     const struct weir_query *filter, const char *sort, size_t offset,
			     size_t limit)
{
	char *answer = next_answer();
	struct weir_sort_key keys[8];
	const struct weir_sort_key *pointers[8];
	for (size_t i = 0; i < 8; i++)
		pointers[i] = &keys[i];
	struct weir_search search = {
		.query = query,
		.filter = filter,
		.sort = pointers,
		.sort_count = read_sort(sort, keys),
		.offset = offset,
		.limit = limit,
	};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, on_hit, answer, &result, &error));
	REQUIRE(count_words(answer) <= limit);
	return answer;
}

const char *ordered(weir_session *session, const struct weir_query *query, const char *sort,
		    size_t offset, size_t limit)
{
	return ordered_filtered(session, query, NULL, sort, offset, limit);
}
