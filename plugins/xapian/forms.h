/* SPDX-License-Identifier: MIT
 * forms.h - which words of the index come to a stem. Kept as Xapian's metadata, so they are of the
 * same commit as the documents. A word that is its own stem is not written down. */
#ifndef FORMS_H
#define FORMS_H

#include <stdbool.h>

#include "bytes.h"
#include "xapian_c.h"

/* Words that are yet to be written down, and those that were since the last forms_forget. */
struct forms {
	struct bytes text;
	struct form {
		const char *language;
		size_t stem_offset, stem_length, word_offset, word_length;
	} * forms;
	size_t count, capacity;
	struct form_seen *seen; /* open addressing, at most half full */
	size_t seen_count;
	struct bytes seen_words;
};

void forms_finish(struct forms *forms);
/* Notes a word that is not its own stem, once. language lives as long as forms. False: no memory.
 */
bool forms_note(struct forms *forms, const char *language, const char *word, size_t length,
		const char *stem, size_t stem_length);
/* Drops what was noted; every word is new again. */
void forms_forget(struct forms *forms);
/* Writes down what was noted and is not there yet. */
weir_status forms_write(struct forms *forms, struct xapian_database *database,
			struct weir_error *error);

/* Appends to *out the words that come to the stem, each with a NUL behind it. */
weir_status forms_read(struct xapian_database *database, const char *language, const char *stem,
		       size_t length, struct bytes *out, struct weir_error *error);

#endif
