/* SPDX-License-Identifier: MIT */
#include "decimal.h"

#include <stdbool.h>
#include <stdlib.h>

static const char largest[] = "79228162514264337593543950335";

enum { LARGEST_DIGITS = sizeof(largest) - 1, EXPONENT_LIMIT = 100000 };

/* The digits without leading zeros, and how many of them stand before the point once the exponent
 * is applied. */
struct digits {
	char text[DECIMAL_LENGTH_LIMIT + 1];
	size_t length;
	long whole;
};

static void take_apart(const char *text, size_t length, struct digits *digits)
{
	bool point = false;
	*digits = (struct digits){0};
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '.') {
			point = true;
		} else if (text[i] == 'e' || text[i] == 'E') {
			long exponent = strtol(text + i + 1, NULL, 10);
			if (exponent > EXPONENT_LIMIT)
				exponent = EXPONENT_LIMIT;
			digits->whole += exponent < -EXPONENT_LIMIT ? -EXPONENT_LIMIT : exponent;
			break;
		} else if (text[i] >= '0' && text[i] <= '9') {
			bool leading = digits->length == 0 && text[i] == '0';
			if (!leading)
				digits->text[digits->length++] = text[i];
			if (!point && !leading)
				digits->whole++;
			else if (point && leading)
				digits->whole--;
		}
	}
}

enum decimal_verdict decimal_check(const char *text, size_t length)
{
	if (length > DECIMAL_LENGTH_LIMIT)
		return DECIMAL_TOO_LONG;
	struct digits digits;
	take_apart(text, length, &digits);
	if (digits.length == 0)
		return DECIMAL_GOOD;
	if (text[0] == '-')
		return DECIMAL_NEGATIVE;
	if (digits.whole < LARGEST_DIGITS)
		return DECIMAL_GOOD;
	if (digits.whole > LARGEST_DIGITS)
		return DECIMAL_TOO_LARGE;
	for (size_t i = 0; i < LARGEST_DIGITS; i++) {
		char digit = i < digits.length ? digits.text[i] : '0';
		if (digit != largest[i])
			return digit < largest[i] ? DECIMAL_GOOD : DECIMAL_TOO_LARGE;
	}
	/* Its 29 digits are all taken: only zeros may follow. */
	for (size_t i = LARGEST_DIGITS; i < digits.length; i++)
		if (digits.text[i] != '0')
			return DECIMAL_TOO_LARGE;
	return DECIMAL_GOOD;
}
