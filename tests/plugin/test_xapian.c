/* SPDX-License-Identifier: MIT
 * What is particular to the xapian plug-in, beside the conformance cases whose harness it borrows:
 * who holds the lock, indexes of another layout, what a kill leaves, damage, a full disk. Argument:
 * the plug-in. */
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "particular.h"

static const char *in_index(const char *name)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", target_path(), name);
	return path;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

/* A copy of the index, as a kill would leave it at this moment. */

static int copied_from;

static int copy_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)walk;
	char to[PATH_MAX];
	snprintf(to, sizeof(to), "%s.copy%s", target_path(), path + copied_from);
	if (type == FTW_D)
		return mkdir(to, 0700);
	char *bytes = malloc((size_t)status->st_size + 1);
	ck_assert_ptr_nonnull(bytes);
	FILE *in = fopen(path, "rb"), *out = fopen(to, "wb");
	ck_assert(in != NULL && out != NULL);
	size_t length = fread(bytes, 1, (size_t)status->st_size, in);
	ck_assert_uint_eq(fwrite(bytes, 1, length, out), length);
	fclose(in);
	ck_assert_int_eq(fclose(out), 0);
	free(bytes);
	return 0;
}

static void copy_index(void)
{
	copied_from = (int)strlen(target_path());
	ck_assert_int_eq(nftw(target_path(), copy_entry, 16, FTW_PHYS), 0);
}

/* The copy in place of the index, which nobody has open. */
static void take_copy(void)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s.copy", target_path());
	harness_remove(target_path());
	ck_assert_int_eq(rename(copy, target_path()), 0);
}

static void kill_writer(weir_instance *writer)
{
	copy_index();
	backend->close(writer);
	take_copy();
}

enum { BATCH = 6000 };

/* Documents first to end - 1; each has its number's word. */
static void put_numbers(weir_instance *writer, int first, int end)
{
	static struct item items[BATCH];
	static char ids[BATCH][16], titles[BATCH][32];
	uint32_t kinds[BATCH];
	for (int at = first; at < end; at += BATCH) {
		int count = end - at < BATCH ? end - at : BATCH;
		for (int i = 0; i < count; i++) {
			snprintf(ids[i], sizeof(ids[i]), "id%05d", at + i);
			snprintf(titles[i], sizeof(titles[i]), "counted number%d", at + i);
			items[i] = (struct item){.id = ids[i],
						 .title = titles[i],
						 .tag = (at + i) % 2 == 0 ? "even" : "odd"};
		}
		put_items(writer, items, (size_t)count, kinds);
		for (int i = 0; i < count; i++)
			ck_assert_uint_eq(kinds[i], WEIR_ACCEPTED);
	}
}

static void expect_numbers(int count)
{
	char word[32];
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_uint_eq(count_matches(session, term(ANY, "counted")), (uint64_t)count);
	ck_assert_uint_eq(count_matches(session, exact(TAG, "even")), (uint64_t)(count + 1) / 2);
	snprintf(word, sizeof(word), "number%d", count - 1);
	ck_assert_uint_eq(count_matches(session, term(ANY, word)), count > 0);
	snprintf(word, sizeof(word), "number%d", count);
	ck_assert_uint_eq(count_matches(session, term(ANY, word)), 0);
	backend->session_close(session);
	backend->close(reader);
}

START_TEST(test_a_second_writer_is_told_who_has_it)
{
	char process[64];
	weir_instance *first = open_writer(), *second = NULL;
	snprintf(process, sizeof(process), "process %ld", (long)getpid());
	EXPECT(WEIR_RETRY, try_open(WEIR_MODE_WRITER, &collection, &second, &error), target_path(),
	       process);
	backend->close(first);
}
END_TEST

START_TEST(test_indexes_of_another_layout)
{
	static const uint32_t modes[] = {WEIR_MODE_READER, WEIR_MODE_WRITER};
	make_parents();
	ck_assert_int_eq(mkdir(target_path(), 0700), 0);
	write_file(in_index("iamglass"), "of an older plug-in");
	write_file(in_index("postlist.glass"), "");
	for (size_t i = 0; i < 2; i++) {
		weir_instance *instance = NULL;
		EXPECT(WEIR_FATAL, try_open(modes[i], &collection, &instance, &error),
		       target_path(), "older version", "weir rebuild");
	}
	ck_assert_int_eq(access(in_index("manifest"), F_OK), -1);
}
END_TEST

/* 64 KiB are enough for any manifest here. */
static void change_manifest(const char *from, const char *to)
{
	char text[65536], changed[65536];
	FILE *file = fopen(in_index("manifest"), "r");
	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	char *found = strstr(text, from);
	ck_assert_ptr_nonnull(found);
	snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(found - text), text, to,
		 found + strlen(from));
	write_file(in_index("manifest"), changed);
}

START_TEST(test_a_manifest_that_is_not_right)
{
	weir_instance *instance = NULL, *writer = open_writer();
	put_numbers(writer, 0, 10);
	commit(writer);
	backend->close(writer);
	change_manifest("clean 1", "clean 0");
	EXPECT(WEIR_FATAL, try_open(WEIR_MODE_WRITER, &collection, &instance, &error),
	       target_path(), "damaged", "weir rebuild");
	EXPECT(WEIR_FATAL, try_open(WEIR_MODE_READER, &collection, &instance, &error),
	       target_path(), "damaged", "weir rebuild");
	change_manifest("clean 0", "clean 1");
	expect_numbers(10);
	ck_assert_int_eq(unlink(in_index("manifest")), 0);
	EXPECT(WEIR_FATAL, try_open(WEIR_MODE_WRITER, &collection, &instance, &error),
	       target_path(), "lost its manifest", "weir rebuild");
}
END_TEST

/* Several chunks of documents in one commit and in many, with the writer gone at each place. */
START_TEST(test_what_a_kill_leaves)
{
	static const int ends[] = {3, 300, 9000, 9001, 12000, 17000};
	int first = 0;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		weir_instance *writer = open_writer();
		put_numbers(writer, first, ends[i]);
		commit_at(writer, "created", 0, ends[i]);
		put_numbers(writer, ends[i], ends[i] + 700 * (int)i);
		kill_writer(writer);
		writer = open_writer();
		expect_numbers(ends[i]);
		ck_assert_double_eq(stat_of(writer, "documents_live"), ends[i]);
		backend->close(writer);
		first = ends[i];
	}
}
END_TEST

/* Each byte that the log may have been cut at. */
START_TEST(test_a_cut_log_is_an_earlier_commit)
{
	char log[PATH_MAX];
	struct stat before, behind;
	weir_instance *writer = open_writer();
	snprintf(log, sizeof(log), "%s", in_index("log.000001"));
	put_numbers(writer, 0, 4);
	commit_at(writer, "created", 0, 1);
	ck_assert_int_eq(stat(log, &before), 0);
	put_numbers(writer, 4, 6);
	PUT(writer, .id = "id00000", .title = "changed", .tag = "even");
	commit_at(writer, "created", 0, 2);
	ck_assert_int_eq(stat(log, &behind), 0);
	for (off_t cut = behind.st_size - 1; cut >= before.st_size; cut -= 37) {
		copy_index();
		ck_assert_int_eq(truncate(log, cut), 0);
		/* the first writer still has the index open: its place is taken by the copy */
		char aside[PATH_MAX];
		snprintf(aside, sizeof(aside), "%s.aside", target_path());
		ck_assert_int_eq(rename(target_path(), aside), 0);
		ck_assert_int_eq(mkdir(target_path(), 0700), 0);
		take_copy();
		ck_assert_int_eq(truncate(log, cut), 0);
		weir_instance *other = open_writer();
		ck_assert_str_eq(positions(other), "cluster/created/0=1");
		ck_assert_double_eq(stat_of(other, "documents_live"), 4);
		expect_numbers(4);
		backend->close(other);
		harness_remove(target_path());
		ck_assert_int_eq(rename(aside, target_path()), 0);
		ck_assert_int_eq(truncate(log, behind.st_size), 0);
	}
	backend->close(writer);
}
END_TEST

/* A document that is met twice in one commit leaves nothing behind, nor does an abandoned one. */
START_TEST(test_abandoned_again_and_again)
{
	weir_instance *writer = open_writer();
	put_numbers(writer, 0, 5);
	commit(writer);
	for (int round = 0; round < 30; round++) {
		put_numbers(writer, 2, 1000);
		put_numbers(writer, 900, 1100);
		MUST(backend->abandon(writer, &error));
	}
	ck_assert_double_eq(stat_of(writer, "segments"), 2);
	put_numbers(writer, 5, 8);
	commit(writer);
	expect_numbers(8);
	kill_writer(writer);
	writer = open_writer();
	expect_numbers(8);
	ck_assert_str_eq(fetched(writer, "id00900"), "-");
	backend->close(writer);
}
END_TEST

/* A power loss left rows of a commit that did not come to be, in a part of a chunk. */
START_TEST(test_rows_of_a_chunk_that_was_cut)
{
	enum { CHUNK = 4096, BORN = 2 * 8 * CHUNK };
	static uint32_t born[CHUNK];
	struct stat status;
	weir_instance *writer = open_writer();
	put_numbers(writer, 0, 10);
	commit(writer);
	backend->close(writer);
	int file = open(in_index("rows"), O_RDWR);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(fstat(file, &status), 0);
	for (uint32_t i = 0; i < CHUNK; i++)
		born[i] = 2;
	ck_assert_int_eq(pwrite(file, born, sizeof(born), status.st_size + BORN), sizeof(born));
	close(file);
	writer = open_writer();
	put_numbers(writer, 10, 10000);
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	ck_assert_uint_eq(count_matches(session, all()), 10000);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
	backend->close(open_writer()); /* its rows are counted */
	expect_numbers(10000);
}
END_TEST

/* How many segments this process has open for writing. */
static int count_open_segments(void)
{
	char link[64], path[PATH_MAX];
	int count = 0;
	for (int file = 0; file < 256; file++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
		ssize_t length = readlink(link, path, sizeof(path) - 1);
		path[length > 0 ? length : 0] = '\0';
		count += strstr(path, "/s.") != NULL && strstr(path, "postlist.glass") != NULL &&
			 (fcntl(file, F_GETFL) & O_ACCMODE) != O_RDONLY;
	}
	return count;
}

/* What was to fill a segment and was abandoned leaves it to be filled. */
START_TEST(test_abandoned_while_segments_fill)
{
	weir_instance *writer = open_writer();
	put_numbers(writer, 0, 4000);
	commit(writer);
	for (int round = 0; round < 3; round++) {
		put_numbers(writer, 4000, 9900);
		MUST(backend->abandon(writer, &error));
		ck_assert_int_le(count_open_segments(), 2);
		ck_assert_double_eq(stat_of(writer, "segments"), 2);
	}
	put_numbers(writer, 4000, 9900);
	commit(writer);
	ck_assert_int_le(count_open_segments(), 2);
	expect_numbers(9900);
	kill_writer(writer);
	backend->close(open_writer());
	expect_numbers(9900);
}
END_TEST

/* Each document has two texts of these words in some order. */
static void put_orders(weir_instance *writer, int count)
{
	static struct item items[BATCH];
	static char ids[BATCH][16], texts[BATCH][2][128];
	uint32_t kinds[BATCH], state = 1;
	for (int at = 0; at < count; at += BATCH) {
		int here = count - at < BATCH ? count - at : BATCH;
		for (int i = 0; i < here; i++) {
			snprintf(ids[i], sizeof(ids[i]), "id%05d", at + i);
			for (int j = 0, length = 0; j < 12; j++, length *= j != 6) {
				state = state * 1103515245U + 12345U;
				length += snprintf(texts[i][j / 6] + length, 20, "order%u ",
						   state >> 16 & 15);
			}
			items[i] = (struct item){
				.id = ids[i], .title = texts[i][0], .body = texts[i][1]};
		}
		put_items(writer, items, (size_t)here, kinds);
	}
}

static const char *segments_pairs(int segment)
{
	char name[32];
	snprintf(name, sizeof(name), "s.%06d/pairs", segment);
	return in_index(name);
}

enum { ORDERS = 96 };

static void count_orders(uint64_t *counts)
{
	char text[48];
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	for (int i = 0; i < ORDERS; i++) {
		int32_t field = i % 3 == 0 ? ANY : i % 3 == 1 ? TITLE : BODY;
		snprintf(text, sizeof(text),
			 i % 4 == 0 ? "order%d order%d order%d" : "order%d order%d", i % 16,
			 i * 5 % 16, i * 3 % 16);
		counts[i] = count_matches(session,
					  i % 8 == 7 ? near(field, text, 2) : phrase(field, text));
	}
	backend->session_close(session);
	backend->close(reader);
}

/* Phrases have the same matches with tables of neighbouring words, with such that are damaged, and
 * without; each sealed segment has them. */
START_TEST(test_phrases_with_and_without_pairs)
{
	uint64_t with[ORDERS], without[ORDERS], sum = 0;
	weir_instance *writer = open_writer();
	put_orders(writer, 9500);
	commit(writer);
	for (int i = 0;
	     i < 1000 && access(segments_pairs(1), F_OK) + access(segments_pairs(2), F_OK) < 0; i++)
		MUST(backend->maintain(writer, 20, &error));
	while (stat_of(writer, "background_tasks") > 0)
		MUST(backend->maintain(writer, 20, &error));
	ck_assert_int_eq(access(segments_pairs(1), F_OK), 0);
	ck_assert_int_eq(access(segments_pairs(2), F_OK), 0);
	ck_assert_int_ne(access(segments_pairs(3), F_OK), 0);
	count_orders(with);
	ck_assert_int_eq(truncate(segments_pairs(1), 60000), 0);
	count_orders(without);
	ck_assert_mem_eq(with, without, sizeof(with));
	ck_assert_int_eq(unlink(segments_pairs(1)), 0);
	write_file(segments_pairs(2), "pears");
	count_orders(without);
	ck_assert_mem_eq(with, without, sizeof(with));
	for (int i = 0; i < ORDERS; i++)
		sum += with[i];
	ck_assert_uint_gt(sum, 1000);
	backend->close(writer);
}
END_TEST

/* Where enough are counted, the best hits are still found. */
START_TEST(test_a_phrase_behind_many)
{
	static struct item items[BATCH];
	static char ids[BATCH][16];
	uint32_t kinds[BATCH];
	weir_instance *writer = open_writer();
	for (int batch = 0; batch < 3; batch++) {
		for (int i = 0; i < BATCH; i++) {
			snprintf(ids[i], sizeof(ids[i]), "id%05d", batch * BATCH + i);
			items[i] = (struct item){.id = ids[i], .body = "the quick brown fox"};
		}
		put_items(writer, items, BATCH, kinds);
	}
	PUT(writer, .id = "turned", .title = "brown quick", .body = "a quick brown fox");
	PUT(writer, .id = "best", .title = "quick brown", .body = "some other fox");
	commit(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	for (int again = 0; again < 3; again++)
		ck_assert_str_eq(ordered(session, phrase(ANY, "quick brown"), "", 0, 1), "best");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

/* A schema with more fields of words than share a list of postings, in several languages. */

enum { MANY = 20 };

static struct weir_field many_fields[MANY];
static const struct weir_field *many_pointers[MANY];
static struct weir_schema many;

static void make_many(void)
{
	static const char *const languages[] = {"en", NULL, "de"};
	static char names[MANY][8];
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		many_fields[i] = (struct weir_field){.name = names[i],
						     .type = WEIR_TYPE_TEXT,
						     .language = languages[i % 3],
						     .boost = 1,
						     .flags = WEIR_FIELD_SEARCH};
		many_pointers[i] = &many_fields[i];
	}
	many = (struct weir_schema){.name = "many",
				    .fingerprint = "many",
				    .fields = many_pointers,
				    .field_count = MANY};
}

/* texts: by field, up to the last one; NULL: none. */
static void put_many(weir_instance *writer, const char *id, const char *const *texts, size_t count)
{
	struct weir_value values[MANY];
	const struct weir_value *pointers[MANY];
	struct weir_document document = {.id = id,
					 .id_length = strlen(id),
					 .kind = WEIR_KIND_LIVE,
					 .version = 1,
					 .applied_at = INT64_MAX,
					 .state = "",
					 .values = pointers};
	struct weir_verdict verdict, *verdicts[] = {&verdict};
	for (size_t i = 0; i < count; i++) {
		if (texts[i] == NULL)
			continue;
		values[i] = (struct weir_value){.field = (int32_t)i,
						.type = WEIR_TYPE_TEXT,
						.text = texts[i],
						.text_length = strlen(texts[i])};
		pointers[document.value_count++] = &values[i];
	}
	MUST(backend->apply(writer, (const struct weir_document *const[]){&document}, 1, verdicts,
			    &error));
	ck_assert_uint_eq(verdict.kind, WEIR_ACCEPTED);
}

START_TEST(test_words_of_many_fields)
{
	weir_instance *writer = NULL, *reader = NULL;
	make_many();
	MUST(try_open(WEIR_MODE_WRITER, &many, &writer, &error));
	for (size_t i = 0; i < MANY; i++) {
		const char *texts[MANY] = {0};
		char id[16];
		snprintf(id, sizeof(id), "d%02zu", i);
		texts[i] = "old houses";
		texts[(i + 1) % MANY] = "old";
		texts[(i + 2) % MANY] = "houses";
		put_many(writer, id, texts, MANY);
	}
	put_many(writer, "once", (const char *[]){"tango and jazz and polka"}, 1);
	put_many(writer, "often", (const char *[]){"tango and tango and tango"}, 1);
	commit(writer);
	MUST(try_open(WEIR_MODE_READER, &many, &reader, &error));
	weir_session *session = open_session(reader);
	ck_assert_uint_eq(count_matches(session, term(ANY, "old")), MANY);
	for (int32_t i = 0; i < MANY; i++) {
		char wanted[16];
		snprintf(wanted, sizeof(wanted), "d%02d", (int)i);
		ck_assert_uint_eq(count_matches(session, term(i, "old")), 2);
		ck_assert_uint_eq(count_matches(session, prefix(i, "hou")), 2);
		/* every third field has no language */
		ck_assert_uint_eq(count_matches(session, term(i, "house")), i % 3 == 1 ? 0 : 2);
		ck_assert_str_eq(matches(session, phrase(i, "old houses")), wanted);
		ck_assert_str_eq(matches(session, phrase(i, "houses old")), "");
		ck_assert_str_eq(matches(session, near(i, "houses old", 1)), wanted);
	}
	ck_assert_uint_eq(count_matches(session, phrase(ANY, "old houses")), MANY);
	ck_assert_uint_eq(count_matches(session, term(ANY, "house")), MANY - 1);
	ck_assert_str_eq(ordered(session, term(ANY, "tango"), "", 0, 9), "often once");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

/* More than the 32 bits that Xapian adds a document's tallies up in. */
START_TEST(test_a_document_of_very_many_words)
{
	enum { WORDS = 70000, EACH = 8 };
	weir_instance *writer = NULL, *reader = NULL;
	char *text = malloc(2 * WORDS * EACH + 1);
	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < 2 * WORDS; i++)
		sprintf(text + i * EACH, "w%06zu ", i % WORDS);
	const char *texts[] = {text, text, text, text, text, text, text, text};
	make_many();
	MUST(try_open(WEIR_MODE_WRITER, &many, &writer, &error));
	put_many(writer, "long", texts, 8);
	put_many(writer, "short", (const char *[]){"w000001"}, 1);
	commit(writer);
	MUST(try_open(WEIR_MODE_READER, &many, &reader, &error));
	weir_session *session = open_session(reader);
	ck_assert_str_eq(matches(session, term(ANY, "w000001")), "long short");
	ck_assert_str_eq(matches(session, term(7, "w069999")), "long");
	ck_assert_str_eq(matches(session, phrase(ANY, "w069999 w000000")), "long");
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
	free(text);
}
END_TEST

START_TEST(test_a_full_disk_is_waited_out)
{
	check_full_disk("12m", 4 << 20, "make room");
}
END_TEST

enum { QUESTIONS = 30 };

/* Questions of the same texts, values and parts that are not the same. */
static void make_questions(const struct weir_query *out[QUESTIONS])
{
	const struct weir_query *made[QUESTIONS] = {
		all(),
		none(),
		term(ANY, "one"),
		term(ANY, "two"),
		term(TITLE, "one"),
		term(BODY, "one"),
		prefix(ANY, "one"),
		prefix(ANY, "on"),
		phrase(ANY, "one two"),
		phrase(ANY, "two one"),
		near(ANY, "one two", 1),
		near(ANY, "one two", 2),
		exact(TAG, "one"),
		exact(LABEL, "one"),
		exact(TAG, "two"),
		is(FREE, 0),
		is(FREE, 1),
		range(PRICE, "[1 3]"),
		range(PRICE, "(1 3]"),
		range(PRICE, "[1 3)"),
		range(PRICE, "[1 *"),
		range(PRICE, "[* 1]"),
		range(PRICE, "[1 4]"),
		AND(term(ANY, "one"), term(ANY, "two")),
		OR(term(ANY, "one"), term(ANY, "two")),
		NOT(term(ANY, "one")),
		AND(term(ANY, "one"), NOT(term(ANY, "two"))),
		AND(NOT(AND(term(ANY, "one"), term(ANY, "two")))),
		OR(AND(term(ANY, "one"), term(ANY, "two")), term(ANY, "three")),
		OR(AND(term(ANY, "one")), term(ANY, "two"), term(ANY, "three")),
	};
	memcpy(out, made, sizeof(made));
}

static const char *count_tags(weir_session *session, const struct weir_query *query,
			      const struct weir_query *filter)
{
	static const int32_t fields[] = {TAG, FREE, LABEL};
	return counted_filtered(session, query, filter, fields, 3, 10);
}

static void put_some(weir_instance *writer, int first, int end)
{
	static const char *const words[] = {
		"one",	 "two", "three", "one two", "two one", "one of two", "one or three two",
		"online"};
	static const char *const values[] = {"one", "two", "three"};
	for (int i = first; i < end; i++) {
		char id[16], price[16];
		snprintf(id, sizeof(id), "id%d", i % 200);
		snprintf(price, sizeof(price), "%d", i / 3 % 6);
		LATER(writer, .id = id, .title = words[i % 8], .body = words[i / 8 % 8],
		      .tag = values[i % 3], .label = values[i / 7 % 3], .version = i,
		      .free = i % 5 < 2 ? "1" : "0", .price = price);
	}
	commit(writer);
}

/* What a search has found serves to count the values of the same question, and of no other. */
START_TEST(test_facets_behind_any_search)
{
	const struct weir_query *questions[QUESTIONS];
	char *expected[QUESTIONS];
	weir_instance *writer = open_writer(), *reader = NULL;
	put_some(writer, 0, 200);
	reader = open_reader();
	weir_session *session = open_session(reader), *fresh = open_session(reader);
	make_questions(questions);
	for (int i = 0; i < QUESTIONS; i++) {
		expected[i] = strdup(count_tags(fresh, questions[i], NULL));
		ck_assert_ptr_nonnull(expected[i]);
	}
	for (int i = 0; i < QUESTIONS; i++)
		for (int j = 0; j < QUESTIONS; j++) {
			matches(session, questions[i]);
			ck_assert_str_eq(count_tags(session, questions[j], NULL), expected[j]);
			ck_assert_str_eq(count_tags(session, questions[i], NULL), expected[i]);
			ordered_filtered(session, questions[i], questions[j], "", 0, 10);
			ck_assert_str_eq(count_tags(session, questions[j], NULL), expected[j]);
			ck_assert_str_eq(count_tags(session, questions[i], questions[j]),
					 count_tags(fresh, questions[i], questions[j]));
		}
	/* the same question of another commit */
	matches(session, questions[2]);
	put_some(writer, 201, 250);
	ck_assert_str_eq(count_tags(session, questions[2], NULL), expected[2]);
	refresh(session);
	refresh(fresh);
	ck_assert_str_ne(count_tags(fresh, questions[2], NULL), expected[2]);
	ck_assert_str_eq(count_tags(session, questions[2], NULL),
			 count_tags(fresh, questions[2], NULL));
	for (int i = 0; i < QUESTIONS; i++)
		free(expected[i]);
	backend->session_close(fresh);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

enum { SCORED = 12000 };

struct scored {
	size_t count;
	char ids[SCORED][8];
	double scores[SCORED];
};

static int keep_scored(void *context, const struct weir_hit *hit)
{
	struct scored *scored = context;
	ck_assert_uint_lt(scored->count, SCORED);
	snprintf(scored->ids[scored->count], sizeof(scored->ids[0]), "%.*s", (int)hit->id_length,
		 hit->id);
	scored->scores[scored->count++] = hit->score;
	return 0;
}

static void search_scored(weir_session *session, const struct weir_query *query, size_t offset,
			  size_t limit, struct scored *out)
{
	struct weir_search search = {.query = query, .offset = offset, .limit = limit};
	struct weir_search_result result = {0};
	out->count = 0;
	MUST(backend->search(session, &search, keep_scored, out, &result, &error));
}

/* Words so few and texts so short that many scores are equal. */
static void put_scored(weir_instance *writer)
{
	static const char *const words[] = {"one", "two", "one two", "three", "two one one", ""};
	uint32_t state = 7;
	for (int i = 0; i < SCORED; i++) {
		char id[16], title[64], body[64];
		state = state * 1664525 + 1013904223;
		uint32_t rolled = state >> 8;
		snprintf(id, sizeof(id), "%05d", i * 7919 % SCORED);
		snprintf(title, sizeof(title), "%s common", words[rolled % 6]);
		snprintf(body, sizeof(body), "%s %s", words[rolled / 6 % 6],
			 rolled / 36 % 16 == 0 ? "one two" : "some more words");
		LATER(writer, .id = id, .title = title, .body = body);
		if (i % 5000 == 0)
			commit(writer);
	}
	commit(writer);
}

/* To pass over what cannot reach the page changes no page. */
START_TEST(test_pages_are_those_of_all)
{
	static struct scored every, page;
	weir_instance *writer = open_writer();
	put_scored(writer);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	const struct weir_query *queries[] = {
		term(ANY, "common"),
		term(ANY, "one"),
		OR(term(ANY, "common"), term(ANY, "one")),
		OR(term(ANY, "one"), term(ANY, "two"), term(ANY, "three")),
		AND(term(ANY, "one"), term(ANY, "two")),
		AND(term(ANY, "common"), OR(boosted(term(ANY, "two"), 3), term(ANY, "three"))),
		OR(term(ANY, "common"), phrase(ANY, "one two")),
		AND(term(ANY, "common"), OR(phrase(ANY, "two one"), term(BODY, "more"))),
		OR(term(ANY, "common"), AND(prefix(ANY, "tw"), NOT(term(TITLE, "one")))),
	};
	static const size_t limits[] = {1, 10, 33}, offsets[] = {0, 1, 100};
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		search_scored(session, queries[i], 0, SCORED, &every);
		for (size_t j = 0; j < 9; j++) {
			size_t from = offsets[j / 3];
			search_scored(session, queries[i], from, limits[j % 3], &page);
			ck_assert_uint_eq(page.count, limits[j % 3]);
			for (size_t k = 0; k < page.count; k++) {
				ck_assert_msg(strcmp(page.ids[k], every.ids[from + k]) == 0,
					      "%zu/%zu/%zu: %s %.9g, not %s %.9g", i, j, k,
					      page.ids[k], page.scores[k], every.ids[from + k],
					      every.scores[from + k]);
				ck_assert_double_eq(page.scores[k], every.scores[from + k]);
			}
		}
	}
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}
END_TEST

int main(int count, char **arguments)
{
	TCase *cases = tcase_create("xapian");
	tcase_add_test(cases, test_a_second_writer_is_told_who_has_it);
	tcase_add_test(cases, test_indexes_of_another_layout);
	tcase_add_test(cases, test_a_manifest_that_is_not_right);
	tcase_add_test(cases, test_what_a_kill_leaves);
	tcase_add_test(cases, test_a_cut_log_is_an_earlier_commit);
	tcase_add_test(cases, test_abandoned_again_and_again);
	tcase_add_test(cases, test_rows_of_a_chunk_that_was_cut);
	tcase_add_test(cases, test_abandoned_while_segments_fill);
	tcase_add_test(cases, test_phrases_with_and_without_pairs);
	tcase_add_test(cases, test_facets_behind_any_search);
	tcase_add_test(cases, test_pages_are_those_of_all);
	tcase_add_test(cases, test_a_phrase_behind_many);
	tcase_add_test(cases, test_words_of_many_fields);
	tcase_add_test(cases, test_a_document_of_very_many_words);
	tcase_add_test(cases, test_a_full_disk_is_waited_out);
	return particular_main(count, arguments, "xapian", cases);
}
