/* SPDX-License-Identifier: MIT
 * When every partition was read to its end, as tombstones need it: what was in the log at that
 * moment is in the index, whatever was not looked at since. */
#include "moment.h"
#include "place.h"
#include "progress.h"
#include "suite.h"

static struct schema *schema;
static struct progress *progress;
static struct weir_error error;

static void set_up(void)
{
	WEIR_FREE char *path = place_schema();
	ck_assert_int_eq(schema_load(path, &schema, &error), WEIR_OK);
	progress = progress_create(schema, 1000000);
	ck_assert_ptr_nonnull(progress);
	ck_assert_int_eq(progress_offer_cluster(progress, "a", &error), WEIR_OK);
	progress_take_offer(progress);
}

static void tear_down(void)
{
	progress_destroy(progress);
	schema_destroy(schema);
}

/* A look of the watching thread, at one partition a topic. */
static void look(int64_t end)
{
	progress_look_begins(progress);
	for (size_t i = 0; i < schema->message_count; i++) {
		progress_set_log(progress, schema->messages[i].topic, 0, 0, end);
		progress_set_partitions(progress, schema->messages[i].topic, 1);
	}
	progress_report(progress);
}

static void read_all(int64_t position)
{
	const struct log_marks marks = LOG_MARKS_NONE;
	for (size_t i = 0; i < schema->message_count; i++)
		progress_committed(progress, schema->messages[i].topic, 0, position, &marks);
}

START_TEST(all_is_read_as_of_the_look)
{
	ck_assert_int_eq(progress_all_read(progress), INT64_MIN);
	look(5);
	ck_assert_int_eq(progress_all_read(progress), INT64_MIN);
	int64_t before = moment_now();
	look(5);
	int64_t after = moment_now();
	read_all(5);
	progress_report(progress);
	ck_assert_int_ge(progress_all_read(progress), before);
	ck_assert_int_le(progress_all_read(progress), after);
}
END_TEST

/* The brokers are away, or slow: what came to the log since nobody knows. */
START_TEST(what_was_not_looked_at_is_not_read)
{
	look(5);
	read_all(5);
	progress_report(progress);
	int64_t read = progress_all_read(progress);
	ck_assert_int_ne(read, INT64_MIN);
	while (moment_now() <= read + 1000)
		;
	progress_report(progress);
	ck_assert_int_eq(progress_all_read(progress), read);
	/* One partition's broker alone does not answer. */
	progress_look_begins(progress);
	progress_set_log(progress, schema->messages[0].topic, 0, 0, 5);
	progress_report(progress);
	ck_assert_int_eq(progress_all_read(progress), read);
	look(5);
	ck_assert_int_gt(progress_all_read(progress), read);
}
END_TEST

START_TEST(one_partition_behind_keeps_all_behind)
{
	look(5);
	read_all(5);
	progress_report(progress);
	int64_t read = progress_all_read(progress);
	progress_look_begins(progress);
	progress_set_log(progress, schema->messages[0].topic, 0, 0, 6);
	progress_set_log(progress, schema->messages[1].topic, 0, 0, 5);
	progress_report(progress);
	ck_assert_int_eq(progress_all_read(progress), read);
	progress_set_partitions(progress, schema->messages[0].topic, 0);
	ck_assert_int_eq(progress_all_read(progress), INT64_MIN);
}
END_TEST

static int64_t starts_at(const char *topic)
{
	rd_kafka_topic_partition_list_t *list = progress_assignment(progress);
	const rd_kafka_topic_partition_t *place =
		rd_kafka_topic_partition_list_find(list, topic, 0);
	int64_t offset = place != NULL ? place->offset : INT64_MIN;
	rd_kafka_topic_partition_list_destroy(list);
	return offset;
}

static void judge(void)
{
	struct log_place place;
	while (progress_next_doubt(progress, &place))
		progress_judged(progress, &place, LOG_SAME, false);
}

/* What is on its way when another cluster answers may be of either: it must not become a position
 * of the new one, whose first messages would never be read. */
START_TEST(another_cluster_counts_when_it_is_taken)
{
	const char *topic = schema->messages[0].topic;
	look(5);
	read_all(3);
	judge();
	ck_assert_int_eq(starts_at(topic), 3);
	ck_assert_int_eq(progress_offer_cluster(progress, "b", &error), WEIR_OK);
	ck_assert(progress_has_offer(progress));
	read_all(4);
	ck_assert_str_eq(progress_cluster(progress), "a");
	progress_take_offer(progress);
	ck_assert(!progress_has_offer(progress));
	ck_assert_str_eq(progress_cluster(progress), "b");
	ck_assert_int_eq(starts_at(topic), INT64_MIN);
	look(5);
	judge();
	ck_assert_int_eq(starts_at(topic), RD_KAFKA_OFFSET_BEGINNING);
	ck_assert_int_eq(progress_offer_cluster(progress, "a", &error), WEIR_OK);
	progress_take_offer(progress);
	look(5);
	judge();
	ck_assert_int_eq(starts_at(topic), 4);
}
END_TEST

START_TEST(what_the_group_gave_is_owned_in_another_cluster_too)
{
	const char *topic = schema->messages[0].topic;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, 0);
	progress_share(progress, "group");
	ck_assert_int_eq(progress_own(progress, list, &error), WEIR_OK);
	rd_kafka_topic_partition_list_destroy(list);
	read_all(3);
	ck_assert_int_eq(starts_at(topic), 3);
	unsigned rewinds = progress_rewinds(progress);
	ck_assert_int_eq(progress_offer_cluster(progress, "b", &error), WEIR_OK);
	progress_take_offer(progress);
	ck_assert_int_eq(starts_at(topic), RD_KAFKA_OFFSET_BEGINNING);
	ck_assert_uint_ne(progress_rewinds(progress), rewinds);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("progress");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, all_is_read_as_of_the_look);
	tcase_add_test(cases, what_was_not_looked_at_is_not_read);
	tcase_add_test(cases, one_partition_behind_keeps_all_behind);
	tcase_add_test(cases, another_cluster_counts_when_it_is_taken);
	tcase_add_test(cases, what_the_group_gave_is_owned_in_another_cluster_too);
	return suite_run(cases, "progress");
}
