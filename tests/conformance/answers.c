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

void check_total(const struct weir_search_result *result, size_t limit, uint64_t count)
{
	if (result->total_is_lower_bound == 0)
		ck_assert_uint_eq(result->total, count);
	else
		ck_assert_msg(limit > 0 && result->total >= WEIR_TOTAL_EXACT &&
				      result->total <= count,
			      "a total of at least %llu, of %llu matches with limit %zu",
			      (unsigned long long)result->total, (unsigned long long)count, limit);
}

const char *filtered(weir_session *session, const struct weir_query *query,
		     const struct weir_query *filter)
{
	char *answer = next_answer();
	struct weir_search search = {.query = query, .filter = filter, .limit = 4000};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, on_hit, answer, &result, &error));
	check_total(&result, search.limit, count_words(answer));
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
	REQUIRE(result.total_is_lower_bound == 0 || result.total >= WEIR_TOTAL_EXACT);
	return answer;
}

void write_value(char *out, const char *value, size_t length)
{
	size_t at = 0;
	for (size_t i = 0; i < length && at + 4 < 65536; i++) {
		unsigned char byte = (unsigned char)value[i];
		bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
			     (byte >= 'a' && byte <= 'z');
		at += (size_t)sprintf(out + at, plain ? "%c" : "%%%02X", byte);
	}
	out[at] = '\0';
}

/* What an answer of facets is checked against while it comes. */
struct facet_check {
	char *answer;
	const int32_t *fields;
	size_t field_count, limit;
	size_t index, handed_out; /* of the field that is handed out */
	uint64_t count;
	char *value;
	size_t length;
};

static void begin_facet(struct facet_check *check, size_t index)
{
	char name[64];
	size_t at = strlen(check->answer);
	snprintf(name, sizeof(name), "%s:", collection.fields[check->fields[index]]->name);
	if (at > 0)
		snprintf(check->answer + at, 65536 - at, ";");
	append(check->answer, name, strlen(name));
	check->index = index;
	check->handed_out = 0;
}

static bool is_behind(const struct facet_check *check, const char *value, size_t length,
		      uint64_t count)
{
	size_t shorter = length < check->length ? length : check->length;
	int order = memcmp(check->value, value, shorter);
	if (count != check->count)
		return count < check->count;
	return order < 0 || (order == 0 && check->length < length);
}

static int on_facet(void *context, size_t index, const char *value, size_t length, uint64_t count)
{
	struct facet_check *check = context;
	static char text[65536];
	char number[32];
	bool first = check->answer[0] == '\0';
	ck_assert_uint_lt(index, check->field_count);
	ck_assert_uint_gt(count, 0);
	if (first || index != check->index) {
		ck_assert_msg(first || index > check->index, "the fields are out of order");
		begin_facet(check, index);
	} else {
		ck_assert_msg(is_behind(check, value, length, count),
			      "the values are out of order");
	}
	ck_assert_uint_lt(check->handed_out++, check->limit);
	free(check->value);
	check->value = malloc(length + 1);
	REQUIRE(check->value != NULL);
	memcpy(check->value, value, length);
	check->length = length;
	check->count = count;
	write_value(text, value, length);
	append(check->answer, text, strlen(text));
	snprintf(number, sizeof(number), "=%llu", (unsigned long long)count);
	strncat(check->answer, number, 65535 - strlen(check->answer));
	return 0;
}

const char *counted_filtered(weir_session *session, const struct weir_query *query,
			     const struct weir_query *filter, const int32_t *fields,
			     size_t field_count, size_t limit)
{
	struct facet_check check = {next_answer(), fields, field_count, limit, 0, 0, 0, NULL, 0};
	struct weir_facets wanted = {query, filter, fields, field_count, limit};
	MUST(backend->facets(session, &wanted, on_facet, &check, &error));
	free(check.value);
	return check.answer;
}

const char *counted(weir_session *session, const struct weir_query *query, int32_t field,
		    size_t limit)
{
	return counted_filtered(session, query, NULL, &field, 1, limit);
}

const char *ordered(weir_session *session, const struct weir_query *query, const char *sort,
		    size_t offset, size_t limit)
{
	return ordered_filtered(session, query, NULL, sort, offset, limit);
}
