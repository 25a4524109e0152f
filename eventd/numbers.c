/* SPDX-License-Identifier: MIT */
#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

bool number_read(const char *text, int64_t minimum, int64_t maximum, int64_t *number)
{
	const char *digits = *text == '-' ? text + 1 : text;
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (*digits < '0' || *digits > '9' || *end != '\0' || errno != 0 || value < minimum ||
	    value > maximum)
		return false;
	*number = value;
	return true;
}
