/* SPDX-License-Identifier: MIT
 * The xapian plug-in's tables of words next to each other, against the documents that they are made
 * from: its objects are linked in. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairs.h"
#include "parts.h"
#include "record.h"

enum { CHUNKS = 3, WORDS = 60, LONGEST = 14, FIELDS = 2, WORD_SIZE = 16 };
#define DOCIDS (CHUNKS * CHUNK_DOCIDS)
#define BITS ((CHUNK_DOCIDS + 63) / 64)

/* What a document has: in each field, numbers of words. Docid 1 is the first. */
static struct text {
	unsigned char count, words[LONGEST];
} documents[DOCIDS][FIELDS];

static struct rows_layout layout;
static struct rows rows;
static struct pairs_source source = {.rows = &rows};

static const char *in_scratch(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	return path;
}

static size_t name_word(unsigned word, char out[WORD_SIZE])
{
	return (size_t)snprintf(out, WORD_SIZE, "w%u", word);
}

static void append_field(struct bytes *words, const struct text *text, size_t field)
{
	char name[WORD_SIZE], head = (char)field;
	size_t start = words->length;
	uint32_t length = 0;
	if (text->count < 2) /* those stand elsewhere */
		return;
	ck_assert(bytes_append(words, &head, 1) && bytes_append(words, &length, sizeof(length)) &&
		  bytes_append(words, "", 1));
	for (unsigned i = 0; i < text->count; i++)
		ck_assert(bytes_append(words, name, name_word(text->words[i], name)) &&
			  bytes_append(words, "", 1));
	length = (uint32_t)(words->length - start - 1 - sizeof(length));
	memcpy(words->data + start + 1, &length, sizeof(length));
}

static void append_record(struct bytes *out, uint32_t docid)
{
	struct bytes words = {0};
	for (size_t field = 0; field < FIELDS; field++)
		append_field(&words, &documents[docid - 1][field], field);
	struct record_head head = {.docid = docid, .kind = RECORD_LIVE, .id_length = 2};
	head.words_length = (uint32_t)words.length;
	head.length = (uint32_t)(sizeof(head) + 2 + words.length);
	ck_assert(bytes_append(out, &head, sizeof(head)) && bytes_append(out, "id", 2) &&
		  bytes_append(out, words.data, words.length));
	bytes_finish(&words);
}

static void make_text(struct text *text)
{
	text->count = (unsigned char)next_number(LONGEST + 1);
	for (unsigned i = 0; i < text->count; i++)
		text->words[i] = (unsigned char)next_number(i % 3 == 0 ? 4 : WORDS);
}

/* Documents in a log, and rows that lead to them; one in eight was never born. */
static void make_documents(void)
{
	static uint64_t written[CHUNK_DOCIDS][COLUMN_FIELDS];
	struct bytes log = {0};
	struct fields none = {0};
	MUST(rows_layout_init(&layout, &none, &error));
	MUST(rows_create(&rows, scratch, &layout, &error));
	for (uint32_t chunk = 0; chunk < CHUNKS; chunk++)
		MUST(rows_reserve(&rows, chunk, &error));
	MUST(rows_map(&rows, DOCIDS + 1, &error));
	for (uint32_t docid = 1; docid <= DOCIDS; docid++) {
		uint64_t *row = written[(docid - 1) % CHUNK_DOCIDS];
		memset(row, 0, sizeof(written[0]));
		memset(documents[docid - 1], 0, sizeof(documents[0]));
		bool is_born = next_number(8) != 0;
		for (size_t field = 0; field < FIELDS && is_born; field++)
			make_text(&documents[docid - 1][field]);
		row[COLUMN_LOCATION] = (UINT64_C(1) << LOG_OFFSET_BITS) | log.length |
				       (docid % 50 == 0 ? LOCATION_HIDDEN : 0);
		row[COLUMN_BORN] = is_born;
		append_record(&log, docid);
		if (docid % CHUNK_DOCIDS == 0)
			MUST(rows_write_all(&rows, docid - CHUNK_DOCIDS + 1, written[0],
					    CHUNK_DOCIDS, &error));
	}
	int file = open(in_scratch("log.000001"), O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(write(file, log.data, log.length), (ssize_t)log.length);
	close(file);
	bytes_finish(&log);
	MUST(log_open(scratch, false, &source.log, &error));
}

static void setup(void)
{
	make_scratch();
	make_documents();
	ck_assert_int_eq(mkdir(in_scratch("one"), 0700), 0);
	ck_assert_int_eq(mkdir(in_scratch("all"), 0700), 0);
}

static void teardown(void)
{
	log_close(source.log);
	rows_close(&rows);
	rows_layout_finish(&layout);
	remove_scratch();
}

static uint64_t pair_of(unsigned left, unsigned right)
{
	char name[WORD_SIZE];
	uint64_t first = pairs_of_word(name, name_word(left, name));
	return pairs_join(first, pairs_of_word(name, name_word(right, name)));
}

static bool has_pair(uint32_t docid, unsigned left, unsigned right)
{
	for (size_t field = 0; field < FIELDS; field++) {
		const struct text *text = &documents[docid - 1][field];
		for (unsigned i = 0; i + 1 < text->count; i++)
			if (text->words[i] == left && text->words[i + 1] == right)
				return true;
	}
	return false;
}

/* Asks for a pair. Every document that has it is named; returns how many others are. */
static unsigned ask(struct pairs *pairs, uint32_t chunk, bool *is_known)
{
	uint64_t bits[BITS],
		among = next_number(2) == 0 ? UINT64_MAX : UINT64_C(0xF0F0F0F0F0F0F0F0);
	unsigned left = next_number(WORDS), right = next_number(WORDS), others = 0;
	for (size_t i = 0; i < BITS; i++)
		bits[i] = among;
	*is_known = pairs_keep(pairs, chunk, pair_of(left, right), bits);
	for (uint32_t i = 0; i < CHUNK_DOCIDS; i++) {
		bool is_named = bits[i / 64] >> i % 64 & 1, is_asked = among >> i % 64 & 1;
		bool has = has_pair(chunk * CHUNK_DOCIDS + 1 + i, left, right);
		/* each assertion is a write to a file */
		bool good = is_asked ? is_named || (*is_known && !has) : !is_named;
		if (!good)
			ck_abort_msg("w%u w%u: document %u of chunk %u", left, right, i, chunk);
		others += is_named && !has;
	}
	return others;
}

static struct pairs *open_made(const char *name)
{
	struct pairs *pairs = pairs_open(in_scratch(name));
	ck_assert_ptr_nonnull(pairs);
	return pairs;
}

static void make(const char *name, uint32_t first, uint32_t last, const char *input)
{
	char path[128], from[128];
	snprintf(path, sizeof(path), "%s", in_scratch(name));
	snprintf(from, sizeof(from), "%s", in_scratch(input != NULL ? input : ""));
	char *inputs[] = {from};
	MUST(pairs_make(&source, path, first, last, inputs, input != NULL, &error));
}

START_TEST(test_all_that_have_a_pair_are_named)
{
	unsigned others = 0;
	bool is_known;
	make("one", 1, 1, NULL);
	struct pairs *pairs = open_made("one");
	for (int i = 0; i < 200; i++) {
		others += ask(pairs, 1, &is_known);
		ck_assert(is_known);
	}
	ck_assert_uint_lt(others, 200 * 8); /* of 4,096: it tells something */
	ask(pairs, 0, &is_known);
	ck_assert(!is_known);
	ask(pairs, 2, &is_known);
	ck_assert(!is_known);
	pairs_close(pairs);
}
END_TEST

/* What is there is taken over, even when the log has gone; the rest is made. */
START_TEST(test_tables_are_merged)
{
	bool is_known;
	make("one", 1, 1, NULL);
	make("all", 0, 2, "one");
	struct pairs *pairs = open_made("all");
	for (int i = 0; i < 100; i++) {
		ask(pairs, (uint32_t)i % CHUNKS, &is_known);
		ck_assert(is_known);
	}
	pairs_close(pairs);
	log_close(source.log);
	ck_assert_int_eq(unlink(in_scratch("log.000001")), 0);
	MUST(log_open(scratch, false, &source.log, &error));
	make("all", 0, 2, "one");
	pairs = open_made("all");
	for (int i = 0; i < 30; i++) {
		ask(pairs, (uint32_t)i % CHUNKS, &is_known);
		ck_assert(is_known == (i % CHUNKS == 1));
	}
	pairs_close(pairs);
}
END_TEST

/* A record that is another one's, so that the rows cannot be right. */
START_TEST(test_no_table_of_what_cannot_be_read)
{
	bool is_known;
	uint64_t location = rows_u64(&rows, COLUMN_LOCATION, 1);
	uint32_t born = 1;
	MUST(rows_write(&rows, COLUMN_LOCATION, 2, &location, 1, &error));
	MUST(rows_write(&rows, COLUMN_BORN, 2, &born, 1, &error));
	make("one", 0, 1, NULL);
	struct pairs *pairs = open_made("one");
	ask(pairs, 0, &is_known);
	ck_assert(!is_known);
	ask(pairs, 1, &is_known);
	ck_assert(is_known);
	pairs_close(pairs);
}
END_TEST

/* A changed byte, or an end too early, makes no document be overlooked. */
START_TEST(test_damage_is_noticed)
{
	struct stat status;
	bool is_known;
	unsigned refused = 0, unknown = 0;
	make("one", 0, 1, NULL);
	int file = open(in_scratch("one/pairs"), O_RDWR);
	ck_assert(file >= 0 && fstat(file, &status) == 0);
	for (int i = 0; i < 200; i++) {
		unsigned char byte, changed;
		off_t place = next_number(i % 4 == 0 ? 48 : (uint32_t)status.st_size);
		ck_assert_int_eq(pread(file, &byte, 1, place), 1);
		changed = byte ^ (unsigned char)(1U << next_number(8));
		ck_assert_int_eq(pwrite(file, &changed, 1, place), 1);
		struct pairs *pairs = pairs_open(in_scratch("one"));
		refused += pairs == NULL;
		for (int j = 0; j < 5 && pairs != NULL; j++) {
			ask(pairs, next_number(2), &is_known);
			unknown += !is_known;
		}
		pairs_close(pairs);
		ck_assert_int_eq(pwrite(file, &byte, 1, place), 1);
	}
	ck_assert_uint_gt(refused, 25);
	for (int i = 0; i < 30; i++) {
		ck_assert_int_eq(ftruncate(file, status.st_size - next_number(150000)), 0);
		struct pairs *pairs = pairs_open(in_scratch("one"));
		for (int j = 0; j < 5 && pairs != NULL; j++) {
			ask(pairs, next_number(2), &is_known);
			unknown += !is_known;
		}
		pairs_close(pairs);
	}
	ck_assert_uint_gt(unknown, 0);
	close(file);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("pairs");
	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, test_all_that_have_a_pair_are_named);
	tcase_add_test(cases, test_tables_are_merged);
	tcase_add_test(cases, test_no_table_of_what_cannot_be_read);
	tcase_add_test(cases, test_damage_is_noticed);
	return suite_run(cases, "xapian pairs");
}
