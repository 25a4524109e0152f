/* SPDX-License-Identifier: MIT
 * metrics.h - counters, gauges and histograms, written as Prometheus text format 0.0.4.
 *
 * Concurrency: everything may be called from any thread; counting is an atomic addition. */
#ifndef METRICS_H
#define METRICS_H

#include "buffer.h"

struct metric; /* one time series; never freed: a process has a fixed set of them */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* Finds or makes the series. name: [a-z_]+, labels as they stand between the braces, already
 * escaped ("topic=\"events.created\",outcome=\"applied\""), or NULL. One name has one kind and one
 * help text (the first given). Never NULL: without memory it answers a series that is not printed.
 */
struct metric *metric_get(enum metric_kind kind, const char *name, const char *labels,
			  const char *help);
void metric_add(struct metric *metric, int64_t amount);	  /* counter, gauge */
void metric_set(struct metric *metric, double value);	  /* gauge */
void metric_observe(struct metric *metric, double value); /* histogram: seconds, bytes or a count */
/* Buckets for histograms: powers of two from 0.0001 s up to 13 s when the name ends in _seconds,
 * else powers of two from 1 to 1,048,576. */
void metrics_write(struct buffer *out);

#endif
