/* SPDX-License-Identifier: MIT
 * fields.h - the schema as the index keeps it: which terms a field has.
 *
 *   Q<id>            the document of the id
 *   W<group><word>   a word as it stands in any of a group's fields; which of them, and how often,
 *                    is in its postings (tally.h)
 *   E<field><value>  a keyword or boolean that may be filtered by, byte for byte
 *
 * A group is up to 8 fields with words, in the schema's order: so a search of all fields looks one
 * list of postings up.
 *
 * There are no terms for stems: the index keeps, for each stem, the words that come to it
 * (names.h), and a query asks for those. That halves the postings to write. */
#ifndef FIELDS_H
#define FIELDS_H

#include <stdbool.h>

#include "bytes.h"
#include "tally.h"
#include "weir/backend.h"

#define TERM_ID 'Q'
#define TERM_WORD 'W'
#define TERM_EXACT 'E'
#define TERM_PREFIX_LENGTH 2  /* kind, and field or group */
#define TERM_FIELD_FIRST 0x21 /* the byte of number 0 */
#define FIELD_LIMIT 200	      /* a field's number is one byte of a term, and not NUL */

#define ID_LIMIT 244 /* bytes of an id in its term, each NUL counted twice: Xapian escapes it */

struct field {
	char *name;
	char *language; /* NULL: words are not stemmed */
	uint32_t type, flags;
	double boost;
	size_t place; /* of one with words: among those */
};

struct fields {
	struct field *fields;
	size_t count;
	size_t *worded; /* numbers of the fields with words */
	size_t worded_count;
	char *collection;
	char *fingerprint;
};

/* Copies the schema. WEIR_FATAL: it has too many fields; WEIR_RETRY: no memory. */
weir_status fields_init(struct fields *fields, const struct weir_schema *schema,
			struct weir_error *error);
void fields_finish(struct fields *fields); /* also half-made ones */

bool field_has_words(const struct field *field);
bool field_has_exact(const struct field *field);
bool field_has_slot(const struct field *field);

/* number: of the field, or of the group. False: no memory. */
bool term_append(struct bytes *out, char kind, size_t number, const char *text, size_t length);
/* A keyword's term: the value, or its beginning and a hash where it is too long. */
bool term_append_exact(struct bytes *out, size_t field, const char *value, size_t length);

#endif
