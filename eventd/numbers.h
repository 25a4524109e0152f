/* SPDX-License-Identifier: MIT
 * numbers.h - whole numbers in a query's arguments. */
#ifndef NUMBERS_H
#define NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

/* Digits, and a minus before them where the minimum allows it; nothing else. */
bool number_read(const char *text, int64_t minimum, int64_t maximum, int64_t *number);

#endif
