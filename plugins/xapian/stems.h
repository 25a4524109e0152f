/* SPDX-License-Identifier: MIT
 * stems.h - stemmers of the schema's languages, with what they said before: stemming is costly, and
 * words come again. */
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
/* Forgets what was said: every word is new again. */
void stems_forget(struct stems *stems);

struct stem {
	const char *language;
	const char *text; /* lives until the next call */
	size_t length;
	bool is_new; /* not seen since the last stems_forget, or forgotten for lack of room */
};
/* The stem of a folded word of the field. False: words of this field are not stemmed. */
bool stems_find(struct stems *stems, size_t field, const char *word, size_t length,
		struct stem *stem);

#endif
