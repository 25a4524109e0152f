/* SPDX-License-Identifier: MIT
 * log_age.h - how old the oldest message of a partition is that an index does not hold, by one
 * clock alone: by when the log's ends were seen that the index has come to since. Timestamps of
 * messages are of other machines' clocks and take no part. */
#ifndef LOG_AGE_H
#define LOG_AGE_H

#include <stddef.h>
#include <stdint.h>

#define LOG_AGE_MARKS 64
#define LOG_AGE_UNKNOWN (-1)

struct log_age {
	struct {
		int64_t end, at;
	} marks[LOG_AGE_MARKS]; /* ends seen and not come to yet, both in ascending order */
	size_t count;
	int64_t spacing; /* from one mark to the next */
	int64_t position;
	int64_t held; /* everything from before this moment is in the index; INT64_MIN: not known */
};

void log_age_init(struct log_age *age);
/* The end that the log was seen to have; at: moment_monotonic from before it was asked for. */
void log_age_see(struct log_age *age, int64_t end, int64_t at);
/* Where the index is. */
void log_age_reach(struct log_age *age, int64_t position);
/* Milliseconds, at most so old: it came no earlier than the last end that was reached. now:
 * moment_monotonic. LOG_AGE_UNKNOWN: no end that was seen is reached yet. */
int64_t log_age_ms(const struct log_age *age, int64_t now);

#endif
