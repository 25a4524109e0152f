/* SPDX-License-Identifier: MIT */
#include "etag.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void etag_write(int64_t version, char tag[ETAG_SIZE])
{
	snprintf(tag, ETAG_SIZE, "\"%" PRId64 "\"", version);
}

bool etag_matches(const char *list, int64_t version, bool strong)
{
	char tag[ETAG_SIZE];
	etag_write(version, tag);
	size_t length = strlen(tag);
	const char *at = list + strspn(list, " \t");
	if (*at == '*')
		return at[1 + strspn(at + 1, " \t")] == '\0';
	while (*at != '\0') {
		at += strspn(at, " \t,");
		bool weak = strncmp(at, "W/", 2) == 0;
		at += weak ? 2 : 0;
		const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
		if (end == NULL)
			return false;
		end++;
		if ((size_t)(end - at) == length && memcmp(at, tag, length) == 0 &&
		    !(weak && strong))
			return true;
		at = end;
	}
	return false;
}
