/* SPDX-License-Identifier: MIT
 * The parts that the xapian plug-in's files are made of, each by itself: its objects are linked in.
 */
#include <fcntl.h>
#include <unistd.h>

#include "arena.h"
#include "file.h"
#include "ids.h"
#include "log.h"
#include "manifest.h"
#include "names.h"
#include "parts.h"
#include "record.h"
#include "rows.h"
#include "sight.h"

START_TEST(test_many_ids)
{
	enum { COUNT = 100000 };
	struct ids ids = {0};
	for (uint32_t docid = 1; docid <= COUNT; docid++)
		ck_assert(ids_add(&ids, hash_bytes(0, &docid, sizeof(docid)), docid));
	for (uint32_t docid = 1; docid <= COUNT; docid++) {
		uint64_t hash = hash_bytes(0, &docid, sizeof(docid));
		size_t cursor = SIZE_MAX;
		uint32_t found;
		do
			found = ids_next(&ids, hash, &cursor);
		while (found != docid && found != 0);
		ck_assert_uint_eq(found, docid);
		if (docid % 3 == 0)
			ids_remove(&ids, hash, docid);
	}
	size_t bytes = 0, left = 0;
	for (size_t i = 0; i < IDS_PARTS; i++) {
		bytes += ids.parts[i].size * sizeof(uint64_t);
		left += ids.parts[i].count;
	}
	ck_assert_uint_eq(left, COUNT - COUNT / 3);
	ck_assert_uint_le(bytes, (size_t)COUNT * 13);
	ids_finish(&ids);
}
END_TEST

/* Few hashes, so that many docids share one. */
START_TEST(test_ids_against_a_list)
{
	enum { ROUNDS = 20000, HASHES = 97, DOCIDS = 4000 };
	static uint64_t hash_of[DOCIDS + 1]; /* 0: not there */
	struct ids ids = {0};
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t docid = 1 + next_number(DOCIDS), other = 1 + next_number(DOCIDS);
		uint64_t hash = (1 + next_number(HASHES)) * UINT64_C(0x9e3779b97f4a7c15);
		if (hash_of[docid] == 0) {
			ck_assert(ids_add(&ids, hash, docid));
			hash_of[docid] = hash;
		} else if (hash_of[other] == 0) {
			ids_change(&ids, hash_of[docid], docid, other);
			hash_of[other] = hash_of[docid];
			hash_of[docid] = 0;
		} else {
			ids_remove(&ids, hash_of[docid], docid);
			hash_of[docid] = 0;
		}
	}
	size_t there = 0, found = 0;
	for (uint32_t docid = 1; docid <= DOCIDS; docid++)
		there += hash_of[docid] != 0;
	for (uint64_t i = 1; i <= HASHES; i++) {
		uint64_t hash = i * UINT64_C(0x9e3779b97f4a7c15);
		size_t cursor = SIZE_MAX;
		for (uint32_t docid; (docid = ids_next(&ids, hash, &cursor)) != 0; found++)
			ck_assert(hash_of[docid] == hash);
	}
	ck_assert_uint_eq(found, there);
	for (size_t i = 0; i < IDS_PARTS; i++)
		there -= ids.parts[i].count;
	ck_assert_uint_eq(there, 0);
	ids_finish(&ids);
}
END_TEST

START_TEST(test_arena)
{
	struct arena arena = {0};
	for (int round = 0; round < 3; round++) {
		char *taken[500];
		size_t sizes[500];
		for (size_t i = 0; i < 500; i++) {
			sizes[i] = i % 50 == 7 ? 400000 : next_number(3000);
			taken[i] = arena_take(&arena, sizes[i]);
			ck_assert_ptr_nonnull(taken[i]);
			ck_assert_uint_eq((uintptr_t)taken[i] % sizeof(void *), 0);
			memset(taken[i], (int)i, sizes[i]);
		}
		size_t changed = 0;
		for (size_t i = 0; i < 500; i++)
			for (size_t j = 0; j < sizes[i]; j++)
				changed += taken[i][j] != (char)i;
		ck_assert_uint_eq(changed, 0);
		arena_reset(&arena);
	}
	arena_finish(&arena);
}
END_TEST

static int on_position(void *context, const struct weir_position *position)
{
	char *out = context;
	snprintf(out + strlen(out), 200 - strlen(out), "%s/%s/%s/%d=%lld ", position->cluster,
		 position->topic, position->topic_id, (int)position->partition,
		 (long long)position->next_offset);
	return 0;
}

START_TEST(test_positions_replace_their_own)
{
	struct bytes positions = {0};
	char out[200] = "";
	ck_assert(positions_set(&positions, &(struct weir_position){"c", "t", "id", 0, 5}));
	ck_assert(positions_set(&positions, &(struct weir_position){"c", "t", "id", 1, 6}));
	ck_assert(positions_set(&positions, &(struct weir_position){"c", "t", "longer id", 0, 7}));
	ck_assert(positions_set(&positions, &(struct weir_position){"ct", "", "", 1, -1}));
	MUST(positions_each(positions.data, positions.length, on_position, out, &error));
	ck_assert_str_eq(out, "c/t/id/1=6 c/t/longer id/0=7 ct///1=-1 ");
	struct weir_error failure;
	for (size_t length = 1; length < positions.length; length++) {
		char *cut = malloc(length); /* so that a sanitizer sees where it ends */
		ck_assert_ptr_nonnull(cut);
		memcpy(cut, positions.data, length);
		out[0] = '\0';
		weir_status status = positions_each(cut, length, on_position, out, &failure);
		ck_assert(status == WEIR_OK || status == WEIR_FATAL);
		free(cut);
	}
	bytes_finish(&positions);
}
END_TEST

static int count_words(void *context, const char *word, size_t length)
{
	char *out = context;
	snprintf(out + strlen(out), 100 - strlen(out), "%.*s ", (int)length, word);
	return 0;
}

static struct names *open_names(uint64_t length)
{
	struct names *names = NULL;
	MUST(names_create(scratch, 2, &names, &error));
	MUST(names_begin(names, length, &error));
	return names;
}

static uint32_t add_value(struct names *names, size_t field, const char *value)
{
	uint32_t ordinal = UINT32_MAX;
	MUST(names_add_value(names, field, value, strlen(value), &ordinal, &error));
	return ordinal;
}

static void keep(struct names *names)
{
	MUST(names_write(names, &error));
	names_keep(names);
}

START_TEST(test_names_come_back)
{
	struct names *names = open_names(0);
	char value[16], out[100] = "";
	for (uint32_t i = 0; i < 3000; i++) {
		snprintf(value, sizeof(value), "value%u", (unsigned)i);
		ck_assert_uint_eq(add_value(names, 1, value), i);
		ck_assert_uint_eq(add_value(names, 1, value), i);
	}
	ck_assert_uint_eq(add_value(names, 0, ""), 0);
	MUST(names_add_form(names, "en", "run", 3, "running", 7, &error));
	MUST(names_add_form(names, "en", "run", 3, "runs", 4, &error));
	MUST(names_add_form(names, "en", "run", 3, "running", 7, &error));
	MUST(names_add_form(names, "de", "run", 3, "runden", 6, &error));
	keep(names);
	uint64_t length = names_length(names);
	names_destroy(names);
	names = open_names(length);
	ck_assert_uint_eq(names_count(names, 0), 1);
	ck_assert_uint_eq(names_count(names, 1), 3000);
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t ordinal = 0;
		size_t size = 0;
		snprintf(value, sizeof(value), "value%u", (unsigned)i);
		ck_assert(names_ordinal(names, 1, value, strlen(value), &ordinal));
		ck_assert_uint_eq(ordinal, i);
		const char *text = names_value(names, 1, i, &size);
		ck_assert_uint_eq(size, strlen(value));
		ck_assert_int_eq(memcmp(text, value, size), 0);
	}
	names_each_form(names, "en", "run", 3, count_words, out);
	ck_assert_str_eq(out, "runs running ");
	ck_assert_ptr_null(names_value(names, 0, 1, &(size_t){0}));
	names_destroy(names);
}
END_TEST

/* What is forgotten is as if it had never been, also where tables grew meanwhile. */
START_TEST(test_names_that_are_forgotten)
{
	struct names *names = open_names(0);
	char value[16], out[100] = "";
	add_value(names, 0, "kept");
	MUST(names_add_form(names, "en", "run", 3, "runs", 4, &error));
	keep(names);
	uint64_t length = names_length(names);
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 500; i++) {
			snprintf(value, sizeof(value), "lost%u", (unsigned)i);
			ck_assert_uint_eq(add_value(names, 0, value), i + 1);
			MUST(names_add_form(names, "en", value, strlen(value), "word", 4, &error));
		}
		MUST(names_add_form(names, "en", "run", 3, "running", 7, &error));
		if (round == 1) /* a commit that failed behind it */
			MUST(names_write(names, &error));
		names_forget(names);
		ck_assert_uint_eq(names_count(names, 0), 1);
		ck_assert_uint_eq(names_length(names), length);
		ck_assert(!names_ordinal(names, 0, "lost7", 5, &(uint32_t){0}));
	}
	ck_assert_uint_eq(add_value(names, 0, "new"), 1);
	names_each_form(names, "en", "run", 3, count_words, out);
	names_each_form(names, "en", "lost7", 5, count_words, out);
	ck_assert_str_eq(out, "runs ");
	keep(names);
	length = names_length(names);
	names_destroy(names);
	names = open_names(length);
	ck_assert_uint_eq(names_count(names, 0), 2);
	names_destroy(names);
}
END_TEST

START_TEST(test_names_that_are_damaged)
{
	struct names *names = open_names(0);
	struct weir_error failure;
	add_value(names, 0, "a value of some length");
	add_value(names, 1, "another");
	keep(names);
	uint64_t length = names_length(names);
	names_destroy(names);
	for (uint64_t cut = 1; cut < length; cut++) {
		MUST(names_create(scratch, 2, &names, &error));
		weir_status status = names_read(names, cut, &failure);
		ck_assert(status == WEIR_FATAL || cut == 27);
		names_destroy(names);
	}
	MUST(names_create(scratch, 2, &names, &error));
	ck_assert_int_eq(names_read(names, length + 1, &failure), WEIR_FATAL);
	names_destroy(names);
}
END_TEST

/* A record with that docid, and length bytes of state. */
static void append_record(struct bytes *out, uint32_t docid, size_t length)
{
	struct record_head head = {.length = (uint32_t)(sizeof(head) + 2 + length),
				   .docid = docid,
				   .kind = RECORD_LIVE,
				   .id_length = 2};
	size_t start = out->length;
	char *state = malloc(length + 1);
	ck_assert_ptr_nonnull(state);
	memset(state, 's', length);
	ck_assert(bytes_append(out, &head, sizeof(head)) && bytes_append(out, "id", 2) &&
		  bytes_append(out, state, length));
	head.checksum = record_checksum(out->data + start, head.length);
	memcpy(out->data + start, &head, sizeof(head));
	free(state);
}

/* Blocks 1 to count, of two parts each; places: behind each. */
static void write_blocks(struct log *log, uint32_t count, size_t state, uint64_t *places)
{
	for (uint32_t commit = 1; commit <= count; commit++) {
		struct bytes records[2] = {{0}, {0}}, positions = {0}, names = {0};
		const uint32_t dead[] = {commit, 7};
		uint64_t place;
		append_record(&records[0], commit, state);
		append_record(&records[0], commit + 1, 0);
		append_record(&records[1], commit + 2, 100);
		ck_assert(bytes_append(&positions, "positions", 9) &&
			  bytes_append(&names, "names", 5));
		struct block block = {.head = {.commit = commit, .dead_count = 2},
				      .positions = &positions,
				      .names = &names,
				      .dead = dead,
				      .records = records,
				      .record_parts = 2};
		uint64_t expected = log_next_place(log);
		MUST(log_append(log, &block, &place, &error));
		ck_assert(place == expected);
		if (places != NULL)
			places[commit - 1] = log_end(log);
		bytes_finish(&records[0]);
		bytes_finish(&records[1]);
		bytes_finish(&positions);
		bytes_finish(&names);
	}
}

/* How many blocks are whole. */
static uint32_t count_blocks(struct log *log, uint64_t *place)
{
	uint64_t previous = 0;
	bool is_there = true;
	struct bytes block = {0};
	uint32_t count = 0;
	*place = 0;
	while (is_there) {
		MUST(log_next(log, place, count + 1, &previous, &block, &is_there, &error));
		count += is_there;
	}
	bytes_finish(&block);
	return count;
}

static struct log *open_log(bool is_writer)
{
	struct log *log = NULL;
	MUST(log_open(scratch, is_writer, &log, &error));
	return log;
}

static uint32_t count_again(uint64_t *end)
{
	struct log *log = open_log(false);
	uint32_t count = count_blocks(log, end);
	log_close(log);
	return count;
}

static int open_raw(const char *name)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	int file = open(path, O_RDWR);
	ck_assert_int_ge(file, 0);
	return file;
}

START_TEST(test_a_torn_log_ends_at_its_last_whole_block)
{
	uint64_t places[3], end;
	struct log *log = open_log(true);
	MUST(log_begin(log, 0, 0, &error));
	write_blocks(log, 3, 300, places);
	MUST(log_sync(log, &error));
	log_close(log);
	int file = open_raw("log.000001");
	uint64_t size = place_offset(places[2]);
	for (uint64_t cut = size; cut-- > 0;) {
		ck_assert_int_eq(ftruncate(file, (off_t)cut), 0);
		uint32_t whole = count_again(&end);
		ck_assert_uint_eq(whole, cut >= place_offset(places[1])	  ? 2
					 : cut >= place_offset(places[0]) ? 1
									  : 0);
	}
	close(file);
}
END_TEST

START_TEST(test_a_changed_byte_ends_the_log)
{
	uint64_t places[2], end;
	struct log *log = open_log(true);
	MUST(log_begin(log, 0, 0, &error));
	write_blocks(log, 2, 40, places);
	log_close(log);
	int file = open_raw("log.000001");
	for (off_t at = 0; at < (off_t)place_offset(places[1]); at++) {
		unsigned char byte, changed;
		ck_assert_int_eq(pread(file, &byte, 1, at), 1);
		changed = (unsigned char)(byte ^ 0x40);
		ck_assert_int_eq(pwrite(file, &changed, 1, at), 1);
		uint32_t whole = count_again(&end);
		ck_assert_msg(whole == (at >= (off_t)place_offset(places[0]) ? 1 : 0),
			      "byte %ld: %u blocks", (long)at, (unsigned)whole);
		ck_assert_int_eq(pwrite(file, &byte, 1, at), 1);
	}
	ck_assert_uint_eq(count_again(&end), 2);
	close(file);
}
END_TEST

/* A block that was written over an abandoned one does not lead on to what followed that. */
START_TEST(test_blocks_of_another_life)
{
	uint64_t places[3], end;
	struct log *log = open_log(true);
	MUST(log_begin(log, 0, 0, &error));
	write_blocks(log, 3, 100, places);
	uint64_t size = place_offset(places[2]);
	char *before = malloc(size);
	ck_assert_ptr_nonnull(before);
	int file = open_raw("log.000001");
	ck_assert_int_eq(pread(file, before, size, 0), (ssize_t)size);
	MUST(log_begin(log, (uint64_t)1 << LOG_OFFSET_BITS, 0, &error));
	write_blocks(log, 1, 99, NULL);
	write_blocks(log, 0, 0, NULL);
	uint64_t short_end = place_offset(log_end(log));
	/* what a power loss may leave: the file was not cut */
	ck_assert_int_eq(pwrite(file, before + short_end, size - short_end, (off_t)short_end),
			 (ssize_t)(size - short_end));
	ck_assert_uint_eq(count_again(&end), 1);
	ck_assert_uint_eq(place_offset(end), short_end);
	log_close(log);
	close(file);
	free(before);
}
END_TEST

START_TEST(test_the_log_goes_on_in_another_file)
{
	uint64_t places[4], end;
	struct log *log = open_log(true);
	MUST(log_begin(log, 0, 0, &error));
	write_blocks(log, 3, LOG_FILE_BYTES / 2 + 1, places);
	ck_assert_uint_eq(place_file(places[1]), 1);
	ck_assert_uint_eq(place_file(places[2]), 2);
	ck_assert_uint_eq(count_again(&end), 3);
	ck_assert(end == places[2]);
	/* a commit that failed takes its file back, too */
	MUST(log_begin(log, places[1], 0, &error));
	ck_assert_uint_eq(count_again(&end), 2);
	ck_assert(end == places[1]);
	log_close(log);
}
END_TEST

START_TEST(test_a_record_at_its_location)
{
	struct log *log = open_log(true);
	struct bytes out = {0};
	struct record record;
	struct weir_error failure;
	MUST(log_begin(log, 0, 0, &error));
	write_blocks(log, 1, 9000, NULL);
	uint64_t first = ((uint64_t)1 << LOG_OFFSET_BITS) + sizeof(struct block_head) + 9 + 5 + 8;
	MUST(log_record(log, first | LOCATION_HIDDEN, &out, &error));
	ck_assert(record_read(out.data, out.length, true, &record));
	ck_assert_uint_eq(record.head.docid, 1);
	ck_assert_uint_eq(record.state_length, 9000);
	ck_assert_int_eq(log_record(log, first + 1, &out, &failure), WEIR_FATAL);
	ck_assert_int_eq(log_record(log, (uint64_t)9 << LOG_OFFSET_BITS, &out, &failure),
			 WEIR_RETRY);
	bytes_finish(&out);
	log_close(log);
}
END_TEST

START_TEST(test_a_record_that_is_cut)
{
	struct bytes whole = {0};
	struct record record;
	append_record(&whole, 3, 50);
	for (size_t length = 0; length < whole.length; length++) {
		char *cut = malloc(length + 1);
		ck_assert_ptr_nonnull(cut);
		memcpy(cut, whole.data, length);
		char *exact = realloc(cut, length > 0 ? length : 1);
		ck_assert_ptr_nonnull(exact);
		ck_assert(!record_read(exact, length, true, &record));
		record_read(exact, length, false, &record);
		free(exact);
	}
	ck_assert(record_read(whole.data, whole.length, true, &record));
	for (size_t i = 0; i < whole.length; i++) {
		whole.data[i] ^= 0x10;
		ck_assert(!record_read(whole.data, whole.length, true, &record));
		whole.data[i] ^= 0x10;
	}
	bytes_finish(&whole);
}
END_TEST

START_TEST(test_the_newest_good_head_counts)
{
	struct file file = FILE_CLOSED;
	struct head head = {.commit = 1}, read;
	struct weir_error failure;
	MUST(file_open(&file, scratch, HEAD_NAME, O_RDWR | O_CREAT, &error));
	ck_assert_int_eq(head_read(&file, &read, &failure), WEIR_RETRY);
	for (uint64_t i = 1; i <= 5; i++) {
		head.sequence = i;
		head.commit = (uint32_t)i * 10;
		MUST(head_write(&file, &head, &error));
		MUST(head_read(&file, &read, &error));
		ck_assert_uint_eq(read.commit, i * 10);
	}
	/* torn while it was written: the one before counts */
	MUST(file_write(&file, 5 % 2 * HEAD_SLOT_BYTES + 20, "torn", 4, &error));
	MUST(head_read(&file, &read, &error));
	ck_assert_uint_eq(read.commit, 40);
	MUST(file_write(&file, 4 % 2 * HEAD_SLOT_BYTES + 20, "torn", 4, &error));
	ck_assert_int_eq(head_read(&file, &read, &failure), WEIR_RETRY);
	file_close(&file);
}
END_TEST

START_TEST(test_a_manifest_comes_back)
{
	struct manifest made = {.number = 7,
				.checkpoint = 9,
				.is_clean = true,
				.log_place = 11,
				.block = 3,
				.log_checksum = UINT64_MAX,
				.next_segment = 5,
				.live = 100,
				.hidden = 1,
				.docid_limit = 4097},
			read = {0};
	snprintf(made.uuid, sizeof(made.uuid), "%032d", 1);
	snprintf(made.fingerprint, sizeof(made.fingerprint), "c0ffee");
	ck_assert(manifest_add(&made, &(struct segment){4, SEGMENT_FILLED, 3, 3}));
	ck_assert(manifest_add(&made, &(struct segment){2, SEGMENT_SEALED, 0, 2}));
	ck_assert(positions_set(&made.positions, &(struct weir_position){"c\n", "t", "", 0, -5}));
	MUST(manifest_write(&made, scratch, &error));
	MUST(manifest_read(&read, scratch, &error));
	ck_assert_uint_eq(read.number, 7);
	ck_assert(read.is_clean && read.log_checksum == UINT64_MAX && read.live == 100);
	ck_assert_uint_eq(read.segment_count, 2);
	ck_assert_uint_eq(read.segments[0].number, 2);
	ck_assert_uint_eq(read.segments[0].last_chunk, 2);
	ck_assert_int_eq(read.segments[1].state, SEGMENT_FILLED);
	ck_assert_uint_eq(read.positions.length, made.positions.length);
	ck_assert_str_eq(read.boot_id, "");
	manifest_finish(&read);
	manifest_finish(&made);
	int file = open_raw("manifest");
	struct weir_error failure;
	off_t size = lseek(file, 0, SEEK_END);
	for (off_t at = 0; at < size; at++) {
		char byte, changed;
		ck_assert_int_eq(pread(file, &byte, 1, at), 1);
		changed = (char)(byte ^ 1);
		ck_assert_int_eq(pwrite(file, &changed, 1, at), 1);
		ck_assert_int_eq(manifest_read(&read, scratch, &failure), WEIR_FATAL);
		ck_assert_int_eq(pwrite(file, &byte, 1, at), 1);
	}
	for (off_t cut = size; cut-- > 0;) {
		ck_assert_int_eq(ftruncate(file, cut), 0);
		ck_assert_int_eq(manifest_read(&read, scratch, &failure), WEIR_FATAL);
	}
	close(file);
}
END_TEST

enum { SIGHT_CHUNKS = 4, SIGHT_LIMIT = SIGHT_CHUNKS * CHUNK_DOCIDS - 99 };

/* Births and deaths of commits 1 to 8, and none; in chunk 1 all are born in 1 and live, in chunk 2
 * one of them dies in 5. */
static void write_lives(struct rows *rows, uint32_t docid)
{
	uint32_t chunk = (docid - 1) / CHUNK_DOCIDS;
	uint32_t born = next_number(9), dead = next_number(2) * (born + next_number(4));
	if (chunk == 1 || chunk == 2) {
		born = 1;
		dead = docid == 2 * CHUNK_DOCIDS + 77 ? 5 : 0;
	}
	MUST(rows_write(rows, COLUMN_BORN, docid, &born, 1, &error));
	MUST(rows_write(rows, COLUMN_DEAD, docid, &dead, 1, &error));
}

static void check_sight(struct sight *sight, const struct rows *rows, uint32_t commit)
{
	static const uint32_t shares[] = {2000, 3, 1}; /* one in so many is asked for */
	for (uint32_t i = 0; i < 3 * SIGHT_CHUNKS; i++) {
		uint64_t bits[BITS_WORDS] = {0}, expected[BITS_WORDS] = {0};
		uint32_t base = next_number(SIGHT_CHUNKS) * CHUNK_DOCIDS + 1;
		for (uint32_t at = 0; at < CHUNK_DOCIDS; at++) {
			if (next_number(shares[i % 3]) > 0)
				continue;
			bit_set(bits, at);
			if (rows_visible(rows, base + at, commit))
				bit_set(expected, at);
		}
		sight_mask(sight, rows, base, bits);
		ck_assert_mem_eq(bits, expected, sizeof(bits));
	}
}

START_TEST(test_what_can_be_seen)
{
	struct fields none = {0};
	struct rows_layout layout;
	struct rows rows = {0};
	struct sight sight = {0};
	MUST(rows_layout_init(&layout, &none, &error));
	MUST(rows_create(&rows, scratch, &layout, &error));
	for (uint32_t chunk = 0; chunk < SIGHT_CHUNKS; chunk++)
		MUST(rows_reserve(&rows, chunk, &error));
	MUST(rows_map(&rows, SIGHT_CHUNKS * CHUNK_DOCIDS + 1, &error));
	for (uint32_t docid = 1; docid <= SIGHT_CHUNKS * CHUNK_DOCIDS; docid++)
		write_lives(&rows, docid);
	for (uint32_t round = 0; round < 30; round++) {
		uint32_t commit = next_number(10), later = commit + 1, docid;
		MUST(sight_move(&sight, UINT64_C(7) << 32 | commit, commit, SIGHT_LIMIT, &error));
		check_sight(&sight, &rows, commit);
		/* what comes meanwhile is of a later commit */
		docid = 1 + next_number(SIGHT_CHUNKS * CHUNK_DOCIDS);
		if (rows_visible(&rows, docid, commit))
			MUST(rows_write(&rows, COLUMN_DEAD, docid, &later, 1, &error));
		check_sight(&sight, &rows, commit);
	}
	sight_finish(&sight);
	rows_close(&rows);
	rows_layout_finish(&layout);
}
END_TEST

START_TEST(test_rows_are_what_was_written)
{
	struct field list[] = {
		{.type = WEIR_TYPE_NUMBER, .flags = WEIR_FIELD_SORT},
		{.type = WEIR_TYPE_TEXT},
		{.type = WEIR_TYPE_KEYWORD, .flags = WEIR_FIELD_FACET},
	};
	struct fields fields = {.fields = list, .count = 3};
	struct rows_layout layout;
	struct rows writer = {0}, reader = {0};
	MUST(rows_layout_init(&layout, &fields, &error));
	ck_assert_int_eq(layout.kinds[0], COLUMN_ORDER);
	ck_assert_int_eq(layout.kinds[1], COLUMN_NONE);
	ck_assert_int_eq(layout.kinds[2], COLUMN_ORDINAL);
	MUST(rows_create(&writer, scratch, &layout, &error));
	MUST(rows_reserve(&writer, 0, &error));
	MUST(rows_reserve(&writer, 1, &error));
	size_t columns = rows_columns(&layout);
	uint64_t values[3][8];
	for (size_t i = 0; i < 3; i++)
		for (size_t column = 0; column < columns; column++)
			values[i][column] = column == COLUMN_FIELDS + 1 ? 0 : i * 100 + column + 1;
	ck_assert_uint_eq(columns, 8);
	MUST(rows_write_all(&writer, CHUNK_DOCIDS + 1, &values[0][0], 3, &error));
	MUST(rows_open(&reader, scratch, &layout, &error));
	ck_assert(!rows_visible(&reader, CHUNK_DOCIDS + 1, 1000));
	MUST(rows_map(&reader, 2 * CHUNK_DOCIDS + 1, &error));
	for (uint32_t i = 0; i < 3; i++)
		ck_assert(rows_equal(&reader, CHUNK_DOCIDS + 1 + i, values[i]));
	values[1][COLUMN_DEAD]++;
	ck_assert(!rows_equal(&reader, CHUNK_DOCIDS + 2, values[1]));
	ck_assert_uint_eq(rows_u32(&reader, COLUMN_BORN, CHUNK_DOCIDS), 0);
	/* used again, it is empty */
	MUST(rows_reserve(&writer, 1, &error));
	ck_assert_uint_eq(rows_u32(&reader, COLUMN_BORN, CHUNK_DOCIDS + 1), COLUMN_BORN + 1);
	MUST(rows_clear(&writer, 1, &error));
	ck_assert_uint_eq(rows_u32(&reader, COLUMN_BORN, CHUNK_DOCIDS + 1), 0);
	uint32_t chunks = 0;
	MUST(rows_chunks(&writer, &chunks, &error));
	ck_assert_uint_eq(chunks, 2);
	struct weir_error failure;
	ck_assert_int_eq(rows_map(&reader, 3 * CHUNK_DOCIDS, &failure), WEIR_FATAL);
	rows_close(&reader);
	rows_close(&writer);
	rows_layout_finish(&layout);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("parts");
	tcase_add_checked_fixture(cases, make_scratch, remove_scratch);
	tcase_add_test(cases, test_ids_against_a_list);
	tcase_add_test(cases, test_many_ids);
	tcase_add_test(cases, test_arena);
	tcase_add_test(cases, test_positions_replace_their_own);
	tcase_add_test(cases, test_names_come_back);
	tcase_add_test(cases, test_names_that_are_forgotten);
	tcase_add_test(cases, test_names_that_are_damaged);
	tcase_add_test(cases, test_a_torn_log_ends_at_its_last_whole_block);
	tcase_add_test(cases, test_a_changed_byte_ends_the_log);
	tcase_add_test(cases, test_blocks_of_another_life);
	tcase_add_test(cases, test_the_log_goes_on_in_another_file);
	tcase_add_test(cases, test_a_record_at_its_location);
	tcase_add_test(cases, test_a_record_that_is_cut);
	tcase_add_test(cases, test_the_newest_good_head_counts);
	tcase_add_test(cases, test_a_manifest_comes_back);
	tcase_add_test(cases, test_rows_are_what_was_written);
	tcase_add_test(cases, test_what_can_be_seen);
	return suite_run(cases, "xapian parts");
}
