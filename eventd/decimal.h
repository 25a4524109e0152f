/* SPDX-License-Identifier: MIT
 * decimal.h - prices: numbers that a .NET decimal can hold, looked at without being converted. */
#ifndef DECIMAL_H
#define DECIMAL_H

#include <stddef.h>

#define DECIMAL_LENGTH_LIMIT 100 /* characters as written */

enum decimal_verdict { DECIMAL_GOOD, DECIMAL_NEGATIVE, DECIMAL_TOO_LARGE, DECIMAL_TOO_LONG };

/* text: a JSON number. -0 is not negative. */
enum decimal_verdict decimal_check(const char *text, size_t length);

#endif
