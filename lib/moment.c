/* SPDX-License-Identifier: MIT
 *
 * Days from civil dates and back: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
#include "moment.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define FIRST (-62135596800 * SECOND)	 /* 0001-01-01T00:00:00Z */
#define LAST (253402300800 * SECOND - 1) /* 9999-12-31T23:59:59.999999Z */

static int64_t clock_microseconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return now.tv_sec * SECOND + now.tv_nsec / 1000;
}

int64_t moment_now(void)
{
	return clock_microseconds(CLOCK_REALTIME);
}

int64_t moment_monotonic(void)
{
	return clock_microseconds(CLOCK_MONOTONIC);
}

void moment_condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

static int64_t days_from_civil(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * day_of_year + 2) / 153;
	*day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
	*month = (int)(shifted_month + (shifted_month < 10 ? 3 : -9));
	*year = year_of_era + era * 400 + (*month <= 2);
}

/* A cursor over the text; every take_ function moves it only when it finds what it wants. */
struct cursor {
	const char *at, *end;
};

static bool take_char(struct cursor *cursor, char wanted)
{
	if (cursor->at == cursor->end || *cursor->at != wanted)
		return false;
	cursor->at++;
	return true;
}

static bool next_is_digit(const struct cursor *cursor)
{
	return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

static bool take_digits(struct cursor *cursor, int count, int *value)
{
	if (cursor->end - cursor->at < count)
		return false;
	int result = 0;
	for (int i = 0; i < count; i++) {
		if (cursor->at[i] < '0' || cursor->at[i] > '9')
			return false;
		result = result * 10 + (cursor->at[i] - '0');
	}
	cursor->at += count;
	*value = result;
	return true;
}

static bool take_date(struct cursor *cursor, int64_t *days)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day;
	if (!take_digits(cursor, 4, &year))
		return false;
	bool dashes = take_char(cursor, '-');
	if (!take_digits(cursor, 2, &month) || (dashes && !take_char(cursor, '-')) ||
	    !take_digits(cursor, 2, &day))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1)
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (day > lengths[month - 1] + (month == 2 && leap))
		return false;
	*days = days_from_civil(year, month, day);
	return true;
}

static bool take_fraction(struct cursor *cursor, int64_t *microseconds)
{
	int digits = 0;
	int64_t value = 0;
	for (; next_is_digit(cursor); cursor->at++) {
		if (digits < 6)
			value = value * 10 + (*cursor->at - '0');
		if (++digits > 9)
			return false;
	}
	for (int i = digits; i < 6; i++)
		value *= 10;
	*microseconds = value;
	return digits > 0;
}

static bool take_time(struct cursor *cursor, int64_t *microseconds)
{
	int hour, minute, second = 0;
	int64_t fraction = 0;
	if (!take_digits(cursor, 2, &hour))
		return false;
	bool colons = take_char(cursor, ':');
	if (!take_digits(cursor, 2, &minute))
		return false;
	if (colons ? take_char(cursor, ':') : next_is_digit(cursor)) {
		if (!take_digits(cursor, 2, &second))
			return false;
		if ((take_char(cursor, '.') || take_char(cursor, ',')) &&
		    !take_fraction(cursor, &fraction))
			return false;
	}
	bool midnight = hour == 24 && minute == 0 && second == 0 && fraction == 0;
	/* A leap second (60) counts as the first of the next minute. */
	if ((hour > 23 && !midnight) || minute > 59 || second > 60)
		return false;
	*microseconds = ((hour * 60 + minute) * INT64_C(60) + second) * SECOND + fraction;
	return true;
}

static bool take_zone(struct cursor *cursor, int64_t *offset)
{
	int hours, minutes = 0;
	if (cursor->at == cursor->end || take_char(cursor, 'Z') || take_char(cursor, 'z'))
		return true;
	take_char(cursor, ' ');
	bool negative = take_char(cursor, '-');
	if (!negative && !take_char(cursor, '+'))
		return false;
	if (!take_digits(cursor, 2, &hours))
		return false;
	if (cursor->at < cursor->end) {
		take_char(cursor, ':');
		if (!take_digits(cursor, 2, &minutes))
			return false;
	}
	if (hours > 23 || minutes > 59)
		return false;
	*offset = (hours * 60 + minutes) * 60 * SECOND * (negative ? -1 : 1);
	return true;
}

/* .NET's least and greatest times come with offsets too, "0001-01-01T00:00:00+01:00", and would
 * fall out of what can be written. They stay at the edge. */
static bool within_range(int64_t *moment)
{
	if (*moment < FIRST - DAY || *moment > LAST + DAY)
		return false;
	if (*moment < FIRST)
		*moment = FIRST;
	if (*moment > LAST)
		*moment = LAST;
	return true;
}

/* "/Date(1700000000000)/" or with an offset, which says nothing about the moment: "+0100)/". */
static bool parse_ticks(const char *text, size_t length, int64_t *moment)
{
	static const char head[] = "/Date(";
	if (length < sizeof(head) + 2 || memcmp(text, head, sizeof(head) - 1) != 0 ||
	    memcmp(text + length - 2, ")/", 2) != 0)
		return false;
	const char *at = text + sizeof(head) - 1, *end = text + length - 2;
	bool negative = *at == '-';
	at += negative;
	int64_t value = 0;
	int digits = 0;
	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		if (++digits > 15)
			return false;
		value = value * 10 + (*at - '0');
	}
	struct cursor zone = {at, end};
	int64_t ignored = 0;
	if (digits == 0 || !take_zone(&zone, &ignored) || zone.at != end)
		return false;
	value *= negative ? -1000 : 1000;
	if (!within_range(&value))
		return false;
	*moment = value;
	return true;
}

bool moment_parse(const char *text, size_t length, int64_t *moment, bool *date_only)
{
	struct cursor cursor = {text, text + length};
	int64_t days, time_of_day = 0, offset = 0;
	bool no_time = false;
	if (parse_ticks(text, length, moment)) {
		if (date_only != NULL)
			*date_only = false;
		return true;
	}
	if (!take_date(&cursor, &days))
		return false;
	if (cursor.at == cursor.end)
		no_time = true;
	else if (!(take_char(&cursor, 'T') || take_char(&cursor, 't') || take_char(&cursor, ' ')) ||
		 !take_time(&cursor, &time_of_day) || !take_zone(&cursor, &offset) ||
		 cursor.at != cursor.end)
		return false;
	int64_t parsed = days * DAY + time_of_day - offset;
	if (!within_range(&parsed))
		return false;
	*moment = parsed;
	if (date_only != NULL)
		*date_only = no_time;
	return true;
}

int64_t moment_of_milliseconds(int64_t milliseconds)
{
	if (milliseconds > LAST / 1000)
		return LAST;
	return milliseconds < FIRST / 1000 ? FIRST : milliseconds * 1000;
}

static char *put_digits(char *to, unsigned number, int count)
{
	for (int i = count - 1; i >= 0; i--, number /= 10)
		to[i] = (char)('0' + number % 10);
	return to + count;
}

void moment_format(int64_t moment, char text[MOMENT_TEXT_SIZE])
{
	int64_t days = moment / DAY, rest = moment % DAY, year;
	int month, day;
	if (rest < 0) {
		rest += DAY;
		days--;
	}
	civil_from_days(days, &year, &month, &day);
	unsigned seconds = (unsigned)(rest / SECOND), fraction = (unsigned)(rest % SECOND);
	/* The farthest years, of which there are no moments to read, have six digits and a sign. */
	char *to = year >= 0 && year <= 9999 ? put_digits(text, (unsigned)year, 4)
					     : text + snprintf(text, 8, "%04d", (int)year);
	*to++ = '-';
	to = put_digits(to, (unsigned)month, 2);
	*to++ = '-';
	to = put_digits(to, (unsigned)day, 2);
	*to++ = 'T';
	to = put_digits(to, seconds / 3600, 2);
	*to++ = ':';
	to = put_digits(to, seconds / 60 % 60, 2);
	*to++ = ':';
	to = put_digits(to, seconds % 60, 2);
	if (fraction != 0) {
		*to++ = '.';
		to = put_digits(to, fraction, 6);
		while (to[-1] == '0')
			to--;
	}
	*to++ = 'Z';
	*to = '\0';
}
