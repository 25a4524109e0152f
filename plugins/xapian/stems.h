/* SPDX-License-Identifier: MIT
 * stems.h - stemmers of the schema's languages, with what they said before: stemming is the
 * costliest part of cutting a text into terms, and words come again. */
#ifndef STEMS_H
#define STEMS_H

#include <stdbool.h>

#include "fields.h"

/* Longer words are their own stems. */
#define STEM_LIMIT 64

struct stems;

weir_status stems_create(const struct fields *fields, struct stems **stems,
			 struct weir_error *error);
void stems_destroy(struct stems *stems); /* takes NULL */

/* The stem of a folded word of the field; it lives until the next call. False: words of this field
 * are not stemmed. */
bool stems_find(struct stems *stems, size_t field, const char *word, size_t length,
		const char **stem, size_t *stem_length);

#endif
