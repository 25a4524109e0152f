/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "metrics.h"

static char *written(void)
{
	struct buffer out = BUFFER_INIT;
	metrics_write(&out);
	char *text = buffer_take(&out, NULL);
	ck_assert_ptr_nonnull(text);
	return text;
}

static void expect(const char *wanted)
{
	WEIR_FREE char *text = written();
	ck_assert_msg(strstr(text, wanted) != NULL, "\n%s\nis not in\n%s", wanted, text);
}

START_TEST(one_series_for_one_name_and_labels)
{
	struct metric *applied =
		metric_get(METRIC_COUNTER, "weir_a_total", "outcome=\"applied\"", "What came.");
	ck_assert_ptr_eq(applied, metric_get(METRIC_COUNTER, "weir_a_total", "outcome=\"applied\"",
					     "Another help."));
	ck_assert_ptr_ne(applied,
			 metric_get(METRIC_COUNTER, "weir_a_total", "outcome=\"stale\"", ""));
	metric_add(applied, 2);
	metric_add(applied, 3);
	expect("# HELP weir_a_total What came.\n"
	       "# TYPE weir_a_total counter\n"
	       "weir_a_total{outcome=\"applied\"} 5\n"
	       "weir_a_total{outcome=\"stale\"} 0\n");
}
END_TEST

START_TEST(families_come_in_order_each_with_one_head)
{
	metric_add(metric_get(METRIC_COUNTER, "weir_z_total", NULL, "Z"), 1);
	metric_add(metric_get(METRIC_COUNTER, "weir_b_total", "x=\"2\"", "B"), 1);
	metric_add(metric_get(METRIC_COUNTER, "weir_b_total", "x=\"1\"", "B"), 1);
	WEIR_FREE char *text = written();
	ck_assert_str_eq(text, "# HELP weir_b_total B\n# TYPE weir_b_total counter\n"
			       "weir_b_total{x=\"1\"} 1\nweir_b_total{x=\"2\"} 1\n"
			       "# HELP weir_z_total Z\n# TYPE weir_z_total counter\n"
			       "weir_z_total 1\n");
}
END_TEST

START_TEST(a_gauge_keeps_its_digits)
{
	struct metric *gauge = metric_get(METRIC_GAUGE, "weir_g", NULL, "G");
	expect("weir_g 0\n");
	metric_set(gauge, 0.1);
	expect("weir_g 0.1\n");
	metric_set(gauge, 1.0 / 3);
	expect("weir_g 0.3333333333333333\n");
	metric_set(gauge, 1750000000123456.0);
	expect("weir_g 1750000000123456\n");
	metric_set(gauge, 10);
	metric_add(gauge, -12);
	expect("weir_g -2\n");
	metric_set(gauge, INFINITY);
	expect("weir_g +Inf\n");
	metric_set(gauge, NAN);
	expect("weir_g NaN\n");
}
END_TEST

START_TEST(help_is_escaped)
{
	metric_get(METRIC_GAUGE, "weir_h", NULL, "a \\ and\na line");
	expect("# HELP weir_h a \\\\ and\\na line\n# TYPE weir_h gauge\n");
}
END_TEST

START_TEST(seconds_have_buckets_from_a_tenth_of_a_millisecond)
{
	struct metric *metric =
		metric_get(METRIC_HISTOGRAM, "weir_x_seconds", "route=\"/\"", "Time.");
	metric_observe(metric, 0.0001); /* a bound belongs to its bucket */
	metric_observe(metric, 0.00015);
	metric_observe(metric, 0.5);
	metric_observe(metric, 1000);
	WEIR_FREE char *text = written();
	ck_assert_str_eq(text, "# HELP weir_x_seconds Time.\n# TYPE weir_x_seconds histogram\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.0001\"} 1\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.0002\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.0004\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.0008\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.0016\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.0032\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.0064\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.0128\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.0256\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.0512\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.1024\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.2048\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.4096\"} 2\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"0.8192\"} 3\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"1.6384\"} 3\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"3.2768\"} 3\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"6.5536\"} 3\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"13.1072\"} 3\n"
			       "weir_x_seconds_bucket{route=\"/\",le=\"+Inf\"} 4\n"
			       "weir_x_seconds_sum{route=\"/\"} 1000.50025\n"
			       "weir_x_seconds_count{route=\"/\"} 4\n");
}
END_TEST

START_TEST(other_histograms_count_by_powers_of_two)
{
	struct metric *metric = metric_get(METRIC_HISTOGRAM, "weir_batch", NULL, "Lines.");
	metric_observe(metric, 0);
	metric_observe(metric, 500);
	metric_observe(metric, 1048576);
	expect("weir_batch_bucket{le=\"1\"} 1\nweir_batch_bucket{le=\"2\"} 1\n");
	expect("weir_batch_bucket{le=\"256\"} 1\nweir_batch_bucket{le=\"512\"} 2\n");
	expect("weir_batch_bucket{le=\"524288\"} 2\nweir_batch_bucket{le=\"1048576\"} 3\n"
	       "weir_batch_bucket{le=\"+Inf\"} 3\nweir_batch_sum 1049076\nweir_batch_count 3\n");
}
END_TEST

static void *count(void *unused)
{
	(void)unused;
	for (int i = 0; i < 10000; i++) {
		metric_add(metric_get(METRIC_COUNTER, "weir_t_total", "by=\"all\"", "T"), 1);
		metric_add(metric_get(METRIC_GAUGE, "weir_t", NULL, "T"), i % 2 == 0 ? 1 : -1);
		metric_observe(metric_get(METRIC_HISTOGRAM, "weir_t_seconds", NULL, "T"), 0.5);
	}
	return NULL;
}

START_TEST(threads_lose_nothing)
{
	pthread_t threads[4];
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (int i = 0; i < 10; i++)
		free(written());
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	expect("weir_t_total{by=\"all\"} 40000\n");
	expect("weir_t 0\n");
	expect("weir_t_seconds_sum 20000\nweir_t_seconds_count 40000\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tests = tcase_create("metrics");
	tcase_add_test(tests, one_series_for_one_name_and_labels);
	tcase_add_test(tests, families_come_in_order_each_with_one_head);
	tcase_add_test(tests, a_gauge_keeps_its_digits);
	tcase_add_test(tests, help_is_escaped);
	tcase_add_test(tests, seconds_have_buckets_from_a_tenth_of_a_millisecond);
	tcase_add_test(tests, other_histograms_count_by_powers_of_two);
	tcase_add_test(tests, threads_lose_nothing);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
