/* SPDX-License-Identifier: MIT
 * random.c - random documents, changes, commits, abandons and queries, against the oracle. The seed
 * is printed with the report; the same seed does the same again, whatever the engine. A query that
 * is answered wrongly is made smaller as long as it stays wrong. */
#include <stdio.h>

#include "buffer.h"
#include "oracle.h"
#include "suite.h"

enum { IDS = 600, STEPS = 3000, QUERIES_A_COMMIT = 10, LAST_QUERIES = 300, TEXT_LIMIT = 256 };

/* Forms of a few stems, accents, case, ideographs, scripts, and what is next to no word. */
static const char *const vocabulary[] = {
	"run",
	"running",
	"Runs",
	"runner",
	"concert",
	"concerts",
	"Konzert",
	"city",
	"cities",
	"wolf",
	"wolves",
	"fox",
	"foxglove",
	"foxes",
	"caf\u00e9",
	"cafe\u0301",
	"CAFE",
	"\u00dcber",
	"uber",
	"na\u00efve",
	"stra\u00dfe",
	"STRASSE",
	"\u6771\u4eac",
	"\u4eac",
	"\u6771",
	"\u6771\u4eac\u90fd",
	"\u041c\u043e\u0441\u043a\u0432\u0430",
	"\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
	"\u05e9\u05dc\u05d5\u05dd",
	"\u0645\u0631\u062d\u0628\u0627",
	"\ud55c\uad6d",
	"don't",
	"dont",
	"C++",
	"c",
	"wi-fi",
	"wi",
	"fi",
	"2026",
	"20",
	"&",
	"\U0001f389",
	"a",
	"the",
	"\ufb01nale",
	"e-mail",
};
enum { VOCABULARY = sizeof(vocabulary) / sizeof(vocabulary[0]) };

static const char *const days[] = {"-62135596800000000", "0", "86400000000", "1795000000000000",
				   "253402300799999999"};
static const char *const prices[] = {"-3", "0", "0.10", "0.1", "2.5", "7", "10", "1e3"};

static uint64_t dice_state;

static unsigned dice(unsigned sides)
{
	dice_state = dice_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)((dice_state >> 33) % sides);
}

static bool one_in(unsigned sides)
{
	return dice(sides) == 0;
}

/* Some words are more frequent than others. */
static const char *roll_word(void)
{
	unsigned one = dice(VOCABULARY), other = dice(VOCABULARY);
	return vocabulary[one < other ? one : other];
}

static const char *roll_words(unsigned count, char *text)
{
	text[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		size_t at = strlen(text);
		snprintf(text + at, TEXT_LIMIT - at, "%s%s", i > 0 ? " " : "", roll_word());
	}
	return text;
}

struct thing {
	struct item item;
	char id[16], texts[4][TEXT_LIMIT];
};

static void roll_thing(struct thing *thing)
{
	static int64_t version;
	const char **texts[] = {&thing->item.title, &thing->item.body, &thing->item.place,
				&thing->item.tag};
	snprintf(thing->id, sizeof(thing->id), "t%03u", dice(IDS));
	version++;
	thing->item = (struct item){.id = thing->id, .version = version, .hidden = one_in(6)};
	for (unsigned i = 0; i < 4; i++)
		if (!one_in(4))
			*texts[i] = roll_words(i == 3 ? 1 + dice(2) : dice(11), thing->texts[i]);
	if (!one_in(4))
		thing->item.price = prices[dice(8)];
	if (!one_in(4))
		thing->item.day = days[dice(5)];
	if (!one_in(3))
		thing->item.free = one_in(2) ? "1" : "0";
	if (one_in(2))
		thing->item.code = roll_word();
	if (!one_in(5))
		thing->item.label = one_in(3) ? roll_word() : vocabulary[dice(5)];
}

/* Texts of queries live until the query is done. */
static char query_texts[512][TEXT_LIMIT];
static unsigned query_text_count;

static char *next_text(void)
{
	REQUIRE(query_text_count < 512);
	return query_texts[query_text_count++];
}

static int32_t roll_field(void)
{
	return one_in(2) ? ANY : (int32_t)dice(5);
}

static const char *roll_beginning(void)
{
	char *text = next_text();
	snprintf(text, TEXT_LIMIT, "%s", roll_word());
	/* in the middle of a character is the beginning of none: cut behind one */
	size_t length = strlen(text), cut = 1 + dice((unsigned)length);
	while (cut < length && ((unsigned char)text[cut] & 0xC0) == 0x80)
		cut++;
	text[cut] = '\0';
	return text;
}

static const struct weir_query *roll_range(void)
{
	static const char *const shapes[] = {"[%s %s]", "(%s %s)", "[%s %s)", "(%s %s]"};
	char ends[128];
	bool of_prices = one_in(2);
	const char *const *values = of_prices ? prices : days;
	unsigned count = of_prices ? 8 : 5;
	const char *lower = one_in(4) ? "*" : values[dice(count)];
	const char *upper = one_in(4) ? "*" : values[dice(count)];
	snprintf(ends, sizeof(ends), shapes[dice(4)], lower, upper);
	return range(of_prices ? PRICE : DAY, ends);
}

static const struct weir_query *roll_leaf(void)
{
	switch (dice(12)) {
	case 0:
	case 1:
	case 2:
		return term(roll_field(), roll_words(one_in(8) ? 2 : 1, next_text()));
	case 3:
	case 4:
		return phrase(roll_field(), roll_words(1 + dice(3), next_text()));
	case 5:
		return near(roll_field(), roll_words(1 + dice(3), next_text()),
			    one_in(8) ? UINT32_MAX : 1 + dice(4));
	case 6:
		return prefix(roll_field(), roll_beginning());
	case 7:
	case 8:
		return roll_range();
	case 9:
		return exact(one_in(2) ? TAG : CODE, roll_words(1 + dice(2), next_text()));
	case 10:
		return is(FREE, (int)dice(2));
	default:
		return one_in(2) ? all() : one_in(2) ? none() : term(ANY, "&");
	}
}

static const struct weir_query *roll_query(unsigned depth)
{
	static const double boosts[] = {0, 0.5, 1, 3.25, 100};
	if (depth == 0 || one_in(6))
		return roll_leaf();
	switch (dice(6)) {
	case 0:
		return AND(roll_query(depth - 1), roll_query(depth - 1));
	case 1:
		return AND(roll_query(depth - 1), NOT(roll_query(depth - 1)), roll_leaf());
	case 2:
		return OR(roll_query(depth - 1), roll_query(depth - 1));
	case 3:
		return OR(roll_leaf(), roll_query(depth - 1), NOT(roll_leaf()));
	case 4:
		return NOT(roll_query(depth - 1));
	default:
		return boosted(roll_query(depth - 1), boosts[dice(5)]);
	}
}

static void write_query(const struct weir_query *query, struct buffer *out)
{
	static const struct {
		uint32_t kind;
		const char *name;
	} names[] = {{WEIR_QUERY_ALL, "ALL"},	    {WEIR_QUERY_NONE, "NONE"},
		     {WEIR_QUERY_TERM, "TERM"},	    {WEIR_QUERY_PHRASE, "PHRASE"},
		     {WEIR_QUERY_PREFIX, "PREFIX"}, {WEIR_QUERY_EXACT, "EXACT"},
		     {WEIR_QUERY_RANGE, "RANGE"},   {WEIR_QUERY_AND, "AND"},
		     {WEIR_QUERY_OR, "OR"},	    {WEIR_QUERY_NOT, "NOT"},
		     {WEIR_QUERY_BOOST, "BOOST"}};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].kind == query->kind)
			buffer_append_text(out, names[i].name);
	buffer_append_char(out, '(');
	if (query->text_length > 0 || query->kind == WEIR_QUERY_EXACT ||
	    query->kind == WEIR_QUERY_RANGE)
		buffer_printf(out, "%s",
			      query->field == ANY ? "any" : collection.fields[query->field]->name);
	if (query->text_length > 0)
		buffer_printf(out, " \"%.*s\"", (int)query->text_length, query->text);
	if (query->distance > 0)
		buffer_printf(out, " ~%u", query->distance);
	if (query->kind == WEIR_QUERY_EXACT && query->field == FREE)
		buffer_printf(out, " %d", (int)query->lower.integer);
	else if (query->kind == WEIR_QUERY_EXACT)
		buffer_printf(out, " \"%.*s\"", (int)query->lower.text_length, query->lower.text);
	if (query->kind == WEIR_QUERY_RANGE)
		buffer_printf(out, " %s %s flags %x",
			      query->range_flags & WEIR_RANGE_HAS_LOWER ? query->lower.text : "*",
			      query->range_flags & WEIR_RANGE_HAS_UPPER ? query->upper.text : "*",
			      query->range_flags);
	for (size_t i = 0; i < query->child_count; i++) {
		buffer_append_text(out, i > 0 ? ", " : "");
		write_query(query->children[i], out);
	}
	buffer_append_char(out, ')');
}

static bool is_wrong(weir_session *session, const struct weir_query *query)
{
	return strcmp(oracle_matches(query, NULL), matches(session, query)) != 0;
}

/* A part of it, or it without a part, that is wrong as well; NULL: every smaller one is right. */
static const struct weir_query *smaller(weir_session *session, const struct weir_query *query)
{
	for (size_t i = 0; i < query->child_count; i++)
		if (is_wrong(session, query->children[i]))
			return query->children[i];
	bool many = query->kind == WEIR_QUERY_AND || query->kind == WEIR_QUERY_OR;
	for (size_t i = 0; many && query->child_count > 1 && i < query->child_count; i++) {
		struct weir_query *made = (struct weir_query *)combine(query->kind, NO_MORE);
		const struct weir_query **children = (const struct weir_query **)made->children;
		for (size_t j = 0; j < query->child_count; j++)
			if (j != i)
				children[made->child_count++] = query->children[j];
		if (is_wrong(session, made))
			return made;
	}
	return NULL;
}

/* The words of one that are not in the other, a few of them. */
static void write_difference(const char *one, const char *other, struct buffer *out)
{
	char *copy = strdup(one), *rest = NULL, spaced[16];
	char *all_others = NULL;
	REQUIRE(copy != NULL && asprintf(&all_others, " %s ", other) > 0);
	int written = 0;
	for (char *id = strtok_r(copy, " ", &rest); id != NULL && written < 5;
	     id = strtok_r(NULL, " ", &rest)) {
		snprintf(spaced, sizeof(spaced), " %s ", id);
		if (strstr(all_others, spaced) == NULL && ++written > 0)
			buffer_printf(out, " %s", id);
	}
	buffer_append_text(out, written == 0 ? " none" : "");
	free(copy);
	free(all_others);
}

static void fail_smallest(weir_session *session, const struct weir_query *query)
{
	struct buffer out = BUFFER_INIT;
	for (const struct weir_query *next = query; next != NULL; next = smaller(session, query))
		query = next;
	char *expected = strdup(oracle_matches(query, NULL));
	const char *got = matches(session, query);
	REQUIRE(expected != NULL);
	write_query(query, &out);
	buffer_append_text(&out, ": should be found and are not:");
	write_difference(expected, got, &out);
	buffer_append_text(&out, "; are found and should not be:");
	write_difference(got, expected, &out);
	ck_abort_msg("seed %u: %s", harness_seed, out.data);
}

static void check_sorted(weir_session *session, const struct weir_query *query)
{
	static const char *const sorts[] = {
		"price", "-price",	 "day -price", "-day tag",	  "tag",   "-tag price",
		"title", "-title -free", "free -day",  "free title -tag", "-free",
	};
	const struct weir_query *filter = one_in(2) ? roll_query(1) : NULL;
	const char *sort = sorts[dice(11)];
	size_t page = 1 + dice(9), offset = dice(30);
	for (int i = 0; i < 3; i++, offset += page) {
		const char *expected = oracle_ordered(query, filter, sort, offset, page);
		const char *got = ordered_filtered(session, query, filter, sort, offset, page);
		if (strcmp(expected, got) == 0)
			continue;
		struct buffer out = BUFFER_INIT;
		write_query(query, &out);
		if (filter != NULL) {
			buffer_append_text(&out, " filter ");
			write_query(filter, &out);
		}
		ck_abort_msg("seed %u: %s sorted by \"%s\" from %zu: expected \"%s\", got \"%s\"",
			     harness_seed, out.data, sort, offset, expected, got);
	}
}

static void check_counts(weir_session *session, const struct weir_query *query,
			 const struct weir_query *filter)
{
	static const int32_t orders[][3] = {
		{TAG, FREE, LABEL}, {LABEL, TAG, FREE}, {FREE, LABEL, TAG}};
	static const size_t limits[] = {1, 3, 10, 1000};
	const int32_t *fields = orders[dice(3)];
	size_t count = 1 + dice(3), limit = limits[dice(4)];
	const char *expected = oracle_counted(query, filter, fields, count, limit);
	const char *got = counted_filtered(session, query, filter, fields, count, limit);
	if (strcmp(expected, got) == 0)
		return;
	struct buffer out = BUFFER_INIT;
	write_query(query, &out);
	if (filter != NULL) {
		buffer_append_text(&out, " filter ");
		write_query(filter, &out);
	}
	ck_abort_msg("seed %u: facets of %s, at most %zu: expected \"%s\", got \"%s\"",
		     harness_seed, out.data, limit, expected, got);
}

static void check_query(weir_session *session)
{
	const struct weir_query *query = roll_query(dice(5));
	if (is_wrong(session, query))
		fail_smallest(session, query);
	const struct weir_query *filter = roll_query(dice(3));
	const char *expected = oracle_matches(query, filter);
	const char *got = filtered(session, query, filter);
	if (strcmp(expected, got) != 0) {
		/* the filter alone, or a fault of joining the two */
		if (is_wrong(session, filter))
			fail_smallest(session, filter);
		struct buffer out = BUFFER_INIT;
		write_query(query, &out);
		buffer_append_text(&out, " filter ");
		write_query(filter, &out);
		ck_abort_msg("seed %u: %s: expected \"%s\", got \"%s\"", harness_seed, out.data,
			     expected, got);
	}
	check_sorted(session, query);
	if (harness_can(WEIR_CAN_FACET))
		check_counts(session, query, one_in(2) ? filter : NULL);
	queries_free();
	query_text_count = 0;
}

struct world {
	weir_instance *writer, *reader;
	weir_session *session;
	int commits;
};

static void world_open(struct world *world)
{
	world->writer = open_writer();
	world->reader = open_reader();
	world->session = open_session(world->reader);
}

static void world_close(struct world *world)
{
	backend->session_close(world->session);
	backend->close(world->reader);
	backend->close(world->writer);
}

static void commit_and_ask(struct world *world)
{
	commit_at(world->writer, "created", 0, ++world->commits);
	oracle_commit();
	refresh(world->session);
	char *expected = strdup(oracle_scan());
	REQUIRE(expected != NULL);
	ck_assert_msg(strcmp(expected, scanned(world->session, "")) == 0,
		      "seed %u: commit %d: the scan has other documents", harness_seed,
		      world->commits);
	free(expected);
	for (int i = 0; i < QUERIES_A_COMMIT; i++)
		check_query(world->session);
}

/* What is abandoned, closed without a commit or expired; engines without atomic commits may keep
 * what they were given, so there nothing is given up. */
static void interrupt(struct world *world)
{
	uint64_t removed;
	switch (dice(4)) {
	case 0:
		if (!harness_can(WEIR_CAN_COMMIT_POSITIONS))
			return;
		flush_later(world->writer);
		MUST(backend->abandon(world->writer, &error));
		oracle_abandon();
		return;
	case 1:
		if (backend->maintain != NULL)
			MUST(backend->maintain(world->writer, 5, &error));
		return;
	case 2:
		MUST(backend->expire(world->writer, INT64_MIN, &removed, &error));
		REQUIRE(removed == 0);
		return;
	default:
		commit_and_ask(world);
		world_close(world);
		world_open(world);
		return;
	}
}

START_TEST(test_random_documents_and_queries)
{
	struct world world = {0};
	struct thing thing;
	dice_state = harness_seed;
	world_open(&world);
	for (int step = 0; step < STEPS; step++) {
		roll_thing(&thing);
		put_later(world.writer, &thing.item);
		oracle_put(&thing.item);
		if (one_in(60))
			commit_and_ask(&world);
		if (one_in(200))
			interrupt(&world);
	}
	commit_and_ask(&world);
	for (int i = 0; i < LAST_QUERIES; i++)
		check_query(world.session);
	world_close(&world);
	oracle_clear();
}
END_TEST

void add_random_cases(void)
{
	suite_area("random documents and queries", NULL, NULL);
	suite_add(test_random_documents_and_queries, WEIR_CAN_SEARCH);
	suite_may_take(900); /* thousands of questions, to a server */
}
