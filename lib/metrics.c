/* SPDX-License-Identifier: MIT
 *
 * Concurrency: the registry's lists grow under one mutex and never shrink; values are atomics, so
 * that whoever holds a series counts without a lock. */
#include "metrics.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SECONDS_BUCKETS 18 /* 0.0001 to 13.1072 */
#define COUNT_BUCKETS 21   /* 1 to 1,048,576 */
#define TABLE_SIZE 512

struct family {
	struct family *next; /* in order of name */
	enum metric_kind kind;
	bool seconds;
	char *name, *help;
	struct metric *series; /* in order of labels */
};

struct metric {
	struct metric *next;	/* of the family */
	struct metric *chained; /* in the table */
	struct family *family;
	char *labels;
	atomic_int_fast64_t count;    /* counter */
	_Atomic double value;	      /* gauge; of a histogram the sum */
	atomic_int_fast64_t *buckets; /* histogram: one more than there are bounds, for +Inf */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct family *families;
static struct metric *table[TABLE_SIZE];

/* What metric_get answers without memory: counted, never printed. */
static struct family spare_families[] = {
	{.kind = METRIC_COUNTER},
	{.kind = METRIC_GAUGE},
	{.kind = METRIC_HISTOGRAM},
};
static atomic_int_fast64_t spare_buckets[COUNT_BUCKETS + 1];
static struct metric spares[] = {
	{.family = &spare_families[METRIC_COUNTER]},
	{.family = &spare_families[METRIC_GAUGE]},
	{.family = &spare_families[METRIC_HISTOGRAM], .buckets = spare_buckets},
};

static size_t bucket_count(const struct family *family)
{
	return family->seconds ? SECONDS_BUCKETS : COUNT_BUCKETS;
}

static double bucket_bound(const struct family *family, size_t bucket)
{
	return ldexp(family->seconds ? 0.0001 : 1.0, (int)bucket);
}

/* FNV-1a over name and labels. */
static size_t slot_of(const char *name, const char *labels)
{
	uint32_t hash = 2166136261U;
	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	hash = (hash ^ '{') * 16777619U;
	for (; *labels != '\0'; labels++)
		hash = (hash ^ (unsigned char)*labels) * 16777619U;
	return hash % TABLE_SIZE;
}

static struct family *make_family(enum metric_kind kind, const char *name, const char *help)
{
	struct family *family = calloc(1, sizeof(*family));
	if (family == NULL)
		return NULL;
	static const char suffix[] = "_seconds";
	size_t length = strlen(name);
	family->kind = kind;
	family->seconds = length >= sizeof(suffix) - 1 &&
			  strcmp(name + length - (sizeof(suffix) - 1), suffix) == 0;
	family->name = strdup(name);
	family->help = strdup(help != NULL ? help : "");
	if (family->name == NULL || family->help == NULL) {
		free(family->name);
		free(family->help);
		free(family);
		return NULL;
	}
	return family;
}

static struct family *find_family(enum metric_kind kind, const char *name, const char *help)
{
	struct family **place = &families;
	while (*place != NULL && strcmp((*place)->name, name) < 0)
		place = &(*place)->next;
	if (*place != NULL && strcmp((*place)->name, name) == 0) {
		assert((*place)->kind == kind);
		return *place;
	}
	struct family *family = make_family(kind, name, help);
	if (family != NULL) {
		family->next = *place;
		*place = family;
	}
	return family;
}

static struct metric *make_series(struct family *family, const char *labels)
{
	struct metric *metric = calloc(1, sizeof(*metric));
	if (metric == NULL)
		return NULL;
	metric->family = family;
	metric->labels = strdup(labels);
	if (family->kind == METRIC_HISTOGRAM)
		metric->buckets = calloc(bucket_count(family) + 1, sizeof(*metric->buckets));
	if (metric->labels == NULL ||
	    (family->kind == METRIC_HISTOGRAM && metric->buckets == NULL)) {
		free(metric->labels);
		free(metric->buckets);
		free(metric);
		return NULL;
	}
	struct metric **place = &family->series;
	while (*place != NULL && strcmp((*place)->labels, labels) < 0)
		place = &(*place)->next;
	metric->next = *place;
	*place = metric;
	return metric;
}

struct metric *metric_get(enum metric_kind kind, const char *name, const char *labels,
			  const char *help)
{
	if (labels == NULL)
		labels = "";
	size_t slot = slot_of(name, labels);
	pthread_mutex_lock(&lock);
	struct metric *metric = table[slot];
	while (metric != NULL &&
	       (strcmp(metric->family->name, name) != 0 || strcmp(metric->labels, labels) != 0))
		metric = metric->chained;
	if (metric == NULL) {
		struct family *family = find_family(kind, name, help);
		if (family != NULL)
			metric = make_series(family, labels);
		if (metric != NULL) {
			metric->chained = table[slot];
			table[slot] = metric;
		}
	}
	pthread_mutex_unlock(&lock);
	assert(metric == NULL || metric->family->kind == kind);
	return metric != NULL ? metric : &spares[kind];
}

static void add_double(_Atomic double *value, double amount)
{
	double seen = atomic_load_explicit(value, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(value, &seen, seen + amount,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

void metric_add(struct metric *metric, int64_t amount)
{
	assert(metric->family->kind != METRIC_HISTOGRAM);
	if (metric->family->kind == METRIC_GAUGE)
		add_double(&metric->value, (double)amount);
	else
		atomic_fetch_add_explicit(&metric->count, amount, memory_order_relaxed);
}

void metric_set(struct metric *metric, double value)
{
	assert(metric->family->kind == METRIC_GAUGE);
	atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metric_observe(struct metric *metric, double value)
{
	assert(metric->family->kind == METRIC_HISTOGRAM);
	size_t bucket = 0, count = bucket_count(metric->family);
	/* Not (value <= bound), so that NaN falls into +Inf. */
	while (bucket < count && !(value <= bucket_bound(metric->family, bucket)))
		bucket++;
	atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
	add_double(&metric->value, value);
}

/* The shortest of the forms that read back as the same value. */
static void write_double(struct buffer *out, double value)
{
	if (isnan(value)) {
		buffer_append_text(out, "NaN");
	} else if (isinf(value)) {
		buffer_append_text(out, value > 0 ? "+Inf" : "-Inf");
	} else {
		char text[40];
		for (int digits = 15; digits <= 17; digits++) {
			snprintf(text, sizeof(text), "%.*g", digits, value);
			if (strtod(text, NULL) == value)
				break;
		}
		buffer_append_text(out, text);
	}
}

static void write_name(struct buffer *out, const struct metric *metric, const char *suffix)
{
	buffer_append_text(out, metric->family->name);
	buffer_append_text(out, suffix);
	if (metric->labels[0] != '\0')
		buffer_printf(out, "{%s}", metric->labels);
	buffer_append_char(out, ' ');
}

static void write_bucket(struct buffer *out, const struct metric *metric, size_t bucket,
			 int64_t total)
{
	buffer_printf(out, "%s_bucket{%s%sle=\"", metric->family->name, metric->labels,
		      metric->labels[0] != '\0' ? "," : "");
	if (bucket == bucket_count(metric->family))
		buffer_append_text(out, "+Inf");
	else
		buffer_printf(out, "%.10g", bucket_bound(metric->family, bucket));
	buffer_printf(out, "\"} %lld\n", (long long)total);
}

static void write_histogram(struct buffer *out, struct metric *metric)
{
	int64_t total = 0;
	for (size_t bucket = 0; bucket <= bucket_count(metric->family); bucket++) {
		total += atomic_load_explicit(&metric->buckets[bucket], memory_order_relaxed);
		write_bucket(out, metric, bucket, total);
	}
	write_name(out, metric, "_sum");
	write_double(out, atomic_load_explicit(&metric->value, memory_order_relaxed));
	buffer_append_char(out, '\n');
	write_name(out, metric, "_count");
	buffer_printf(out, "%lld\n", (long long)total);
}

static void write_series(struct buffer *out, struct metric *metric)
{
	if (metric->family->kind == METRIC_HISTOGRAM) {
		write_histogram(out, metric);
		return;
	}
	write_name(out, metric, "");
	if (metric->family->kind == METRIC_COUNTER)
		buffer_printf(
			out, "%lld\n",
			(long long)atomic_load_explicit(&metric->count, memory_order_relaxed));
	else {
		write_double(out, atomic_load_explicit(&metric->value, memory_order_relaxed));
		buffer_append_char(out, '\n');
	}
}

static void write_head(struct buffer *out, const struct family *family)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};
	buffer_printf(out, "# HELP %s ", family->name);
	for (const char *at = family->help; *at != '\0'; at++) {
		if (*at == '\\')
			buffer_append_text(out, "\\\\");
		else if (*at == '\n')
			buffer_append_text(out, "\\n");
		else
			buffer_append_char(out, *at);
	}
	buffer_printf(out, "\n# TYPE %s %s\n", family->name, kinds[family->kind]);
}

void metrics_write(struct buffer *out)
{
	pthread_mutex_lock(&lock);
	for (const struct family *family = families; family != NULL; family = family->next) {
		if (family->series == NULL)
			continue;
		write_head(out, family);
		for (struct metric *metric = family->series; metric != NULL; metric = metric->next)
			write_series(out, metric);
	}
	pthread_mutex_unlock(&lock);
}
