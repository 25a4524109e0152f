/* SPDX-License-Identifier: MIT */
#include "log_age.h"

void log_age_init(struct log_age *age)
{
	age->count = 0;
	age->spacing = 0;
	age->position = 0;
	age->held = INT64_MIN;
}

/* The longer the index is behind, the less a second matters. */
static void thin(struct log_age *age)
{
	int64_t span = age->marks[age->count - 1].at - age->marks[0].at;
	age->spacing = 2 * span / LOG_AGE_MARKS;
	size_t kept = 0;
	for (size_t i = 1; i < age->count; i += 2)
		age->marks[kept++] = age->marks[i];
	age->count = kept;
}

void log_age_see(struct log_age *age, int64_t end, int64_t at)
{
	while (age->count > 0 && age->marks[age->count - 1].end >= end)
		age->count--; /* the same, seen later; or the log was cut off */
	if (age->count == 0)
		age->spacing = 0;
	if (age->count > 1 &&
	    age->marks[age->count - 1].at - age->marks[age->count - 2].at < age->spacing)
		age->count--;
	if (age->count == LOG_AGE_MARKS)
		thin(age);
	age->marks[age->count].end = end;
	age->marks[age->count++].at = at;
}

void log_age_reach(struct log_age *age, int64_t position)
{
	size_t passed = 0;
	if (position < age->position)
		age->held = INT64_MIN; /* another index, or another log */
	age->position = position;
	while (passed < age->count && age->marks[passed].end <= position)
		passed++;
	if (passed == 0)
		return;
	if (age->marks[passed - 1].at > age->held)
		age->held = age->marks[passed - 1].at;
	for (size_t i = passed; i < age->count; i++)
		age->marks[i - passed] = age->marks[i];
	age->count -= passed;
}

int64_t log_age_ms(const struct log_age *age, int64_t now)
{
	if (age->held == INT64_MIN)
		return LOG_AGE_UNKNOWN;
	return now > age->held ? (now - age->held) / 1000 : 0;
}
