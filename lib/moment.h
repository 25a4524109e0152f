/* SPDX-License-Identifier: MIT
 * moment.h - points in time as int64_t microseconds since 1970-01-01T00:00:00Z (proleptic
 * Gregorian, years 1 to 9999; so values may be negative). */
#ifndef MOMENT_H
#define MOMENT_H

#include <pthread.h>
#include <stdbool.h>

#include "err.h"

int64_t moment_now(void); /* wall clock */
int64_t
moment_monotonic(void); /* microseconds of CLOCK_MONOTONIC; only differences mean anything */

/* A condition whose timed waits go by moment_monotonic, so that a clock that is set holds up
 * nobody. */
void moment_condition_init(pthread_cond_t *condition);

/* Reads every ISO 8601 / .NET form of a calendar date: date alone, date and time with T or a blank,
 * with dashes and colons or without ("20260101T100000Z"), seconds optional, up to 9 fraction digits
 * behind a point or a comma (beyond microseconds cut off), Z, +hh:mm, +hhmm, +hh or nothing (UTC),
 * and "/Date(ms)/". An offset that leads out of the years 1 to 9999 leads to their edge. date_only
 * (may be NULL) tells whether no time was given. False: it is no such text. */
bool moment_parse(const char *text, size_t length, int64_t *moment, bool *date_only);

/* Kafka's timestamps may be any number: those outside the years 1 to
 * 9999 are at their edge. */
int64_t moment_of_milliseconds(int64_t milliseconds);

#define MOMENT_TEXT_SIZE 32
/* RFC 3339 in UTC, "2026-01-01T10:00:00Z"; a fraction only when there is one, trailing zeros cut.
 * System.Text.Json writes a UTC DateTime the same way. */
void moment_format(int64_t moment, char text[MOMENT_TEXT_SIZE]);

#endif
