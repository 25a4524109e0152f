/* SPDX-License-Identifier: MIT
 * The hand-over of batches between the reading and the indexing thread, over a consumer that is
 * made here: a log of numbers. What is read is read once and in order, whatever is held, committed
 * in parts, dropped and read again.
 *
 * Concurrency: the test is the indexing thread. The log's members without "atomic" are of whoever
 * owns the consumer (reader.h); ThreadSanitizer sees when that is not so. */
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "place.h"
#include "reader.h"
#include "suite.h"

struct consumer {
	int64_t next, end; /* offsets */
	unsigned seed;
	bool paused, at_end;
	bool news, group;
	_Atomic bool hidden; /* the log gives nothing */
	_Atomic int64_t polls;
	_Atomic size_t alive; /* messages that were not destroyed */
};

static struct consumer source;
static struct schema *schema;
static struct config *config;
static struct reader *reader;
static struct weir_error error;

rd_kafka_message_t *consumer_poll(struct consumer *consumer, int timeout_ms)
{
	atomic_fetch_add(&consumer->polls, 1);
	if (atomic_load(&consumer->hidden) || consumer->next == consumer->end ||
	    rand_r(&consumer->seed) % 50 == 0) {
		if (consumer->next == consumer->end)
			consumer->at_end = true;
		nanosleep(&(struct timespec){.tv_nsec = timeout_ms > 0 ? 100000 : 0}, NULL);
		return NULL;
	}
	rd_kafka_message_t *message = calloc(1, sizeof(*message));
	ck_assert_ptr_nonnull(message);
	message->offset = consumer->next++;
	message->len = 10;
	atomic_fetch_add(&consumer->alive, 1);
	return message;
}

/* In the place of librdkafka's. */
void rd_kafka_message_destroy(rd_kafka_message_t *message)
{
	atomic_fetch_sub(&source.alive, 1);
	free(message);
}

void consumer_pause(struct consumer *consumer, bool paused)
{
	consumer->paused = paused;
}

bool consumer_has_ends(const struct consumer *consumer)
{
	return consumer->at_end;
}

void consumer_take_ends(struct consumer *consumer, rd_kafka_topic_partition_list_t *ends)
{
	if (consumer->at_end)
		rd_kafka_topic_partition_list_add(ends, "t", 0)->offset = consumer->end;
	consumer->at_end = false;
}

bool consumer_has_news(const struct consumer *consumer)
{
	return consumer->news;
}

int64_t consumer_lag(const struct consumer *consumer)
{
	return consumer->end - consumer->next;
}

enum handover consumer_handover(const struct consumer *consumer)
{
	return consumer->group ? HANDOVER_REVOKED : HANDOVER_NONE;
}

weir_status batch_decode(struct batch *batch, struct type_log *log, size_t from, size_t to,
			 struct weir_error *reason)
{
	(void)log, (void)reason;
	for (size_t i = from; i < to; i++) {
		ck_assert(!batch->items[i].decoded);
		batch->items[i].decoded = true;
	}
	return WEIR_OK;
}

static void set_up_with(const char *count, const char *time)
{
	const char *const sets[] = {count, time};
	WEIR_FREE char *path = place_schema();
	memset(&source, 0, sizeof(source));
	source.seed = 3;
	ck_assert_int_eq(schema_load(path, &schema, &error), WEIR_OK);
	ck_assert_int_eq(config_load(NULL, sets, 2, &config, &error), WEIR_OK);
	struct reader_options options = {config, schema, &source, NULL};
	ck_assert_int_eq(reader_create(&options, &reader, &error), WEIR_OK);
}

static void tear_down(void)
{
	reader_hold(reader);
	reader_destroy(reader);
	config_destroy(config);
	schema_destroy(schema);
	ck_assert_uint_eq(atomic_load(&source.alive), 0);
}

/* All of a batch, or its first part: the numbers follow on one another. */
static void commit(struct batch *batch, size_t count, int64_t *position)
{
	for (size_t i = 0; i < count; i++) {
		ck_assert(batch->items[i].decoded);
		ck_assert_int_eq(batch->items[i].message->offset, (*position)++);
	}
	for (int i = 0; count == batch->count && i < batch->ends->cnt; i++)
		ck_assert_int_le(batch->ends->elems[i].offset, *position);
	batch_drop(batch, count);
}

static void commit_wholly(struct batch *batch, int64_t *position)
{
	commit(batch, batch->count, position);
	reader_give_back(reader, batch);
}

/* Held: as when partitions are taken away, and given again at the index's position. */
static void drop_all(struct batch *batch, int64_t position)
{
	if (batch != NULL) {
		batch_drop(batch, batch->count);
		reader_give_back(reader, batch);
	}
	reader_drop(reader);
	source.next = position;
	source.at_end = false;
}

static void hold(unsigned *seed, struct batch *batch, int64_t *position)
{
	reader_hold(reader);
	int64_t polls = atomic_load(&source.polls);
	bool drop = rand_r(seed) % 2 == 0;
	if (drop || batch == NULL) {
		drop_all(batch, *position);
	} else {
		commit_wholly(batch, position);
		while ((batch = reader_take(reader, 0)) != NULL)
			commit_wholly(batch, position);
		ck_assert_uint_eq(reader_collected(reader), 0);
	}
	ck_assert_int_eq(atomic_load(&source.polls), polls);
	if (rand_r(seed) % 4 == 0) {
		reader_wait(reader, 1);
		ck_assert(source.paused);
		ck_assert_uint_le(reader_collected(reader), 1);
	}
	source.news = source.group = false;
	reader_release(reader);
}

START_TEST(what_is_read_is_read_once_and_in_order)
{
	enum { END = 60000 };
	unsigned seed = 11;
	int64_t position = 0;
	set_up_with("indexer.batch_count=300", "indexer.batch_time=2ms");
	source.end = END;
	reader_release(reader);
	while (position < END) {
		struct batch *batch = reader_take(reader, 50);
		if (batch == NULL)
			continue;
		ck_assert_uint_le(batch->count, 301);
		if (batch->count > 0 && rand_r(&seed) % 4 == 0)
			commit(batch, (unsigned)rand_r(&seed) % batch->count, &position);
		if (rand_r(&seed) % 8 == 0)
			hold(&seed, batch, &position);
		else
			commit_wholly(batch, &position);
	}
	ck_assert_int_eq(position, END);
	tear_down();
}
END_TEST

/* While a batch is committed the next one fills, and no more than that. */
START_TEST(one_batch_is_collected_ahead)
{
	int64_t position = 0;
	set_up_with("indexer.batch_count=100", "indexer.batch_time=60s");
	source.end = 1000;
	reader_release(reader);
	struct batch *first = NULL, *second;
	while (first == NULL)
		first = reader_take(reader, 1000);
	ck_assert_uint_eq(first->count, 100);
	while (atomic_load(&source.alive) < 200)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	reader_hold(reader);
	ck_assert_uint_eq(reader_collected(reader), 100);
	reader_release(reader);
	commit_wholly(first, &position);
	second = reader_take(reader, 60000);
	ck_assert_ptr_nonnull(second);
	commit_wholly(second, &position);
	ck_assert_int_eq(position, 200);
	tear_down();
}
END_TEST

/* Without a batch's time being over: who waits for a batch, or waits for anything, is told. */
START_TEST(news_end_the_waiting)
{
	set_up_with("indexer.batch_count=100", "indexer.batch_time=60s");
	atomic_store(&source.hidden, true);
	source.end = 1;
	source.news = source.group = true; /* held still */
	reader_release(reader);
	ck_assert(reader_has_news(reader) && reader_group_waits(reader));
	ck_assert_ptr_null(reader_take(reader, 3600000));
	reader_wait(reader, 3600000);
	reader_hold(reader);
	source.news = source.group = false;
	reader_release(reader);
	ck_assert(!reader_has_news(reader) && !reader_group_waits(reader));
	tear_down();
}
END_TEST

/* Of batches that fill before their time is over the next may be larger: a quarter of the lag, and
 * batch_count at most. */
START_TEST(batches_grow_while_the_index_is_behind)
{
	/* Each is measured by what is behind the one before it. */
	static const size_t counts[] = {1024, 5000, 4744, 3558, 2668, 2001, 1501, 1126, 1024};
	int64_t position = 0;
	set_up_with("indexer.batch_count=5000", "indexer.batch_time=60s");
	source.end = 25000;
	reader_release(reader);
	for (size_t i = 0; i < COUNT(counts); i++) {
		struct batch *batch = NULL;
		while (batch == NULL)
			batch = reader_take(reader, 1000);
		ck_assert_uint_eq(batch->count, counts[i]);
		commit_wholly(batch, &position);
	}
	tear_down();
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("reader");
	tcase_set_timeout(cases, 120);
	tcase_add_test(cases, what_is_read_is_read_once_and_in_order);
	tcase_add_test(cases, one_batch_is_collected_ahead);
	tcase_add_test(cases, news_end_the_waiting);
	tcase_add_test(cases, batches_grow_while_the_index_is_behind);
	return suite_run(cases, "reader");
}
