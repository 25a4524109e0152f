/* SPDX-License-Identifier: MIT
 * random.c - random queries over random documents, against an oracle that reads the tree as the
 * header says it. The seed is fixed: every run asks the same. */
#include "harness.h"
#include "suite.h"

#include <stdio.h>

#define THING_COUNT 150
#define QUERY_COUNT 400
#define WORD_LIMIT 10

/* No two share a stem. */
static const char *const vocabulary[] = {"ada",	     "bob", "cid", "dot", "eve",  "fox",
					 "foxglove", "gus", "hal", "jim", "jimbo"};
#define VOCABULARY_COUNT 11

struct thing {
	char id[8];
	bool hidden;
	char texts[4][64]; /* title, body, place, tag; "" is absent */
	int price;	   /* -1: absent */
	int is_free;	   /* -1: absent */
};

static struct thing things[THING_COUNT];
static uint32_t dice_state;

static unsigned dice(unsigned sides)
{
	dice_state = dice_state * 1664525U + 1013904223U;
	return (dice_state >> 8) % sides;
}

static void roll_text(char *text, size_t size, unsigned longest)
{
	unsigned count = dice(longest + 1);
	text[0] = '\0';
	for (unsigned i = 0; i < count; i++)
		snprintf(text + strlen(text), size - strlen(text), "%s%s", i > 0 ? " " : "",
			 vocabulary[dice(VOCABULARY_COUNT)]);
}

static void put_thing(weir_instance *writer, struct thing *thing)
{
	char price[16], is_free[16];
	const char *texts[4];
	for (int i = 0; i < 4; i++)
		texts[i] = thing->texts[i][0] != '\0' ? thing->texts[i] : NULL;
	snprintf(price, sizeof(price), "%d", thing->price);
	snprintf(is_free, sizeof(is_free), "%d", thing->is_free);
	PUT(writer, .id = thing->id, .hidden = thing->hidden, .title = texts[0], .body = texts[1],
	    .place = texts[2], .tag = texts[3], .price = thing->price >= 0 ? price : NULL,
	    .free = thing->is_free >= 0 ? is_free : NULL);
}

static void roll_thing(struct thing *thing)
{
	thing->hidden = dice(8) == 0;
	for (unsigned i = 0; i < 4; i++)
		roll_text(thing->texts[i], sizeof(thing->texts[i]), i == 3 ? 2 : 7);
	thing->price = (int)dice(11) - 1;
	thing->is_free = (int)dice(3) - 1;
}

struct words {
	char text[64];
	const char *words[WORD_LIMIT];
	size_t count;
};

static void split(const char *text, size_t length, struct words *words)
{
	char *rest = NULL;
	snprintf(words->text, sizeof(words->text), "%.*s", (int)length, text);
	words->count = 0;
	for (char *word = strtok_r(words->text, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest))
		words->words[words->count++] = word;
}

/* Whether the places from first on, so many, hold all wanted words, each as often as wanted. */
static bool window_holds(const struct words *here, size_t first, size_t size,
			 const struct words *wanted)
{
	bool used[WORD_LIMIT] = {false};
	for (size_t i = 0; i < wanted->count; i++) {
		size_t place = first;
		while (place < here->count && place < first + size &&
		       (used[place] || strcmp(here->words[place], wanted->words[i]) != 0))
			place++;
		if (place >= here->count || place >= first + size)
			return false;
		used[place] = true;
	}
	return true;
}

static bool has_phrase(const struct words *here, const struct words *wanted, uint32_t distance)
{
	for (size_t first = 0; first < here->count; first++) {
		if (distance > 0) {
			if (window_holds(here, first, wanted->count + distance, wanted))
				return true;
			continue;
		}
		size_t same = 0;
		while (same < wanted->count && first + same < here->count &&
		       strcmp(here->words[first + same], wanted->words[same]) == 0)
			same++;
		if (same == wanted->count)
			return true;
	}
	return false;
}

static bool text_fits(const char *text, const struct weir_query *query)
{
	struct words here = {""}, wanted = {""};
	split(text, strlen(text), &here);
	split(query->text, query->text_length, &wanted);
	if (query->kind == WEIR_QUERY_PHRASE)
		return has_phrase(&here, &wanted, query->distance);
	for (size_t i = 0; i < here.count; i++)
		if (query->kind == WEIR_QUERY_TERM
			    ? strcmp(here.words[i], wanted.words[0]) == 0
			    : strncmp(here.words[i], wanted.words[0], strlen(wanted.words[0])) == 0)
			return true;
	return false;
}

static bool price_fits(int price, const struct weir_query *query)
{
	bool lower_open = (query->range_flags & WEIR_RANGE_LOWER_OPEN) != 0;
	bool upper_open = (query->range_flags & WEIR_RANGE_UPPER_OPEN) != 0;
	if (price < 0)
		return false;
	if ((query->range_flags & WEIR_RANGE_HAS_LOWER) != 0 &&
	    (lower_open ? price <= query->lower.number : price < query->lower.number))
		return false;
	return (query->range_flags & WEIR_RANGE_HAS_UPPER) == 0 ||
	       (upper_open ? price < query->upper.number : price <= query->upper.number);
}

static bool fits(const struct thing *thing, const struct weir_query *query)
{
	size_t fitting = 0;
	for (size_t i = 0; i < query->child_count; i++)
		fitting += fits(thing, query->children[i]);
	switch (query->kind) {
	case WEIR_QUERY_ALL:
		return true;
	case WEIR_QUERY_AND:
		return fitting == query->child_count;
	case WEIR_QUERY_OR:
		return fitting > 0;
	case WEIR_QUERY_NOT:
		return fitting == 0;
	case WEIR_QUERY_BOOST:
		return fitting == 1;
	case WEIR_QUERY_RANGE:
		return price_fits(thing->price, query);
	case WEIR_QUERY_EXACT:
		if (query->field == FREE)
			return thing->is_free == query->lower.integer;
		return thing->texts[3][0] != '\0' &&
		       strcmp(thing->texts[3], query->lower.text) == 0;
	default:
		break;
	}
	for (int field = 0; field < 4; field++)
		if ((query->field == ANY || query->field == field) &&
		    text_fits(thing->texts[field], query))
			return true;
	return false;
}

static const char *roll_words(unsigned count)
{
	static char texts[64][64];
	static unsigned next;
	char *text = texts[next++ % 64];
	text[0] = '\0';
	for (unsigned i = 0; i < count; i++)
		snprintf(text + strlen(text), 64 - strlen(text), "%s%s", i > 0 ? " " : "",
			 vocabulary[dice(VOCABULARY_COUNT)]);
	return text;
}

static const struct weir_query *roll_leaf(void)
{
	static const char *const ranges[] = {"[2 6]", "(2 6)", "[* 4)", "(7 *]", "[* *]", "[5 5]"};
	static const char *const beginnings[] = {"f", "fo", "fox", "foxg", "j", "jim", "z"};
	int32_t field = dice(2) == 0 ? ANY : (int32_t)dice(4);
	switch (dice(9)) {
	case 0:
	case 1:
		return term(field, roll_words(1));
	case 2:
		return phrase(field, roll_words(1 + dice(3)));
	case 3:
		return near(field, roll_words(2 + dice(2)), 1 + dice(3));
	case 4:
		return prefix(field, beginnings[dice(7)]);
	case 5:
		return range(PRICE, ranges[dice(6)]);
	case 6:
		return exact(TAG, roll_words(1 + dice(2)));
	case 7:
		return is(FREE, (int)dice(2));
	default:
		return all();
	}
}

static const struct weir_query *roll_query(unsigned depth)
{
	if (depth == 0)
		return roll_leaf();
	const struct weir_query *first = roll_query(depth - 1);
	switch (dice(6)) {
	case 0:
		return AND(first, roll_query(depth - 1));
	case 1:
		return AND(first, roll_query(depth - 1), roll_leaf());
	case 2:
		return OR(first, roll_query(depth - 1));
	case 3:
		return NOT(first);
	case 4:
		return AND(first, NOT(roll_query(depth - 1)));
	default:
		return boosted(first, 2);
	}
}

static void check_query(weir_session *session, unsigned number)
{
	char expected[8192] = "";
	const struct weir_query *query = roll_query(number % 4);
	for (size_t i = 0; i < THING_COUNT; i++) {
		if (things[i].hidden || !fits(&things[i], query))
			continue;
		if (expected[0] != '\0')
			strcat(expected, " ");
		strcat(expected, things[i].id);
	}
	const char *answer =
		number % 3 == 0 ? filtered(session, all(), query) : matches(session, query);
	ck_assert_msg(strcmp(answer, expected) == 0, "query %u: expected \"%s\", got \"%s\"",
		      number, expected, answer);
	queries_free();
}

START_TEST(test_random_queries)
{
	weir_instance *writer = open_writer();
	dice_state = 20261124;
	for (int round = 0; round < 2; round++)
		for (unsigned i = 0; i < THING_COUNT; i++) {
			snprintf(things[i].id, sizeof(things[i].id), "t%03u", i);
			if (round == 0 || dice(3) == 0) {
				roll_thing(&things[i]);
				put_thing(writer, &things[i]);
			}
			if (dice(20) == 0)
				commit(writer);
		}
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	for (unsigned number = 0; number < QUERY_COUNT; number++)
		check_query(session, number);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

void add_random_cases(void)
{
	suite_area("random", NULL, NULL);
	suite_add(test_random_queries, WEIR_CAN_SEARCH);
}
