/* SPDX-License-Identifier: MIT
 * etag.h - entity tags: an event's is its version in quotes. */
#ifndef ETAG_H
#define ETAG_H

#include <stdbool.h>
#include <stdint.h>

#define ETAG_SIZE 24
void etag_write(int64_t version, char tag[ETAG_SIZE]);

/* Whether a list of tags ("1", W/"2", *) names the version. strong: weak tags name nothing
 * (If-Match); else they do (If-None-Match). What is no list names nothing. */
bool etag_matches(const char *list, int64_t version, bool strong);

#endif
