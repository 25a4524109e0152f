/* SPDX-License-Identifier: MIT
 * fields.h - the schema as the index keeps it: which columns a field has.
 *
 *   documents  number, id, live, version, applied_at; of field n, where it has them:
 *              x<n>  the keyword or boolean to filter by and to count, byte for byte
 *              v<n>  the number, date or boolean to compare and sort by
 *              s<n>  the text to sort by, as the host folds it
 *   contents   number, state, words: the words of every field as they were given to the index
 *   words      the full-text index (FTS5), one column w<n> for each field with words
 *   positions, meta
 *
 * `words` keeps no text of its own; to take a document out of it one must say again what was put
 * in, which is what contents.words is for. */
#ifndef FIELDS_H
#define FIELDS_H

#include <stdbool.h>

#include "weir/backend.h"

#define FIELD_LIMIT 500 /* SQLite has at most 2,000 columns a table */

struct field {
	char *name;
	char *language; /* NULL: words are not stemmed */
	uint32_t type, flags;
	double boost;
	int column; /* of the words; -1: none */
};

struct fields {
	struct field *fields;
	size_t count;
	size_t column_count; /* that have words */
	char *collection;
	char *fingerprint;
};

/* Copies the schema. WEIR_FATAL: it has too many fields; WEIR_RETRY: no memory. */
weir_status fields_init(struct fields *fields, const struct weir_schema *schema,
			struct weir_error *error);
void fields_finish(struct fields *fields); /* also half-made ones */

bool field_has_words(const struct field *field);
bool field_has_exact(const struct field *field);
bool field_has_facet(const struct field *field);
bool field_has_number(const struct field *field);
bool field_has_sort_text(const struct field *field);
/* The column to sort by: 'v', 's', or 0: it cannot be sorted by. */
char field_sort_column(const struct field *field);

#endif
