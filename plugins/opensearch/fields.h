/* SPDX-License-Identifier: MIT
 * fields.h - the schema as the index keeps it. A document in the index is
 *
 *   id       its id (text_from_bytes), to find and to sort by
 *   kind     "live" or "hidden"; the head (head.h) is "head"
 *   version, applied_at (of a hidden one)
 *   state    base64, not indexed
 *   words.<field>   the words as typed, with spaces between
 *   stems.<field>   their stems, where the field has a language
 *   exact.<field>   a keyword's or boolean's value as one term
 *   long.<field>    a keyword to count whose term is a hash: the value, not indexed
 *   value.<field>   a number or date as a whole number, to filter by
 *   sort.<field>    what to sort by
 *
 * Of these the first five and long are kept as they came (_source); the others are only indexed. */
#ifndef FIELDS_H
#define FIELDS_H

#include <jansson.h>
#include <stdbool.h>

#include "text.h"
#include "weir/backend.h"

#define SORT_KEY_LIMIT 100 /* bytes of a text that count for its order; as the other backends */

struct field {
	char *name;
	char *language; /* NULL: words are not stemmed */
	uint32_t type, flags;
	double boost;
};

struct fields {
	struct field *fields;
	size_t count;
	char *collection;
	char *fingerprint;
};

/* Copies the schema. WEIR_RETRY: no memory. */
weir_status fields_init(struct fields *fields, const struct weir_schema *schema,
			struct weir_error *error);
void fields_finish(struct fields *fields); /* also half-made ones */

bool field_has_words(const struct field *field);
bool field_has_exact(const struct field *field);
bool field_has_facet(const struct field *field);
bool field_has_value(const struct field *field);
bool field_has_sort(const struct field *field);

/* The mapping of an index for these fields; NULL: no memory. */
json_t *fields_mapping(const struct fields *fields);

/* A document as one line of JSON. Scratch texts are kept from one document to the next. */
struct document_writer {
	struct text words, stems, exact, whole, value, sort; /* members of an object each */
	struct text scratch;
};
void document_writer_finish(struct document_writer *writer);
/* Why it can never be indexed; NULL: it can. */
const char *document_refusal(const struct fields *fields, const struct weir_document *document);
/* False: no memory. */
bool document_write(struct document_writer *writer, const struct fields *fields,
		    const struct weir_host *host, const struct weir_document *document,
		    struct text *out);

#endif
