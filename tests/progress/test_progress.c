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
	ck_assert_int_eq(progress_set_cluster(progress, "a", &error), WEIR_OK);
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

int main(void)
{
	TCase *cases = tcase_create("progress");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, all_is_read_as_of_the_look);
	tcase_add_test(cases, what_was_not_looked_at_is_not_read);
	tcase_add_test(cases, one_partition_behind_keeps_all_behind);
	return suite_run(cases, "progress");
}
