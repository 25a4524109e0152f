/* SPDX-License-Identifier: MIT
 * build.h - documents into records. */
#ifndef XAPIAN_BUILD_H
#define XAPIAN_BUILD_H

#include "arena.h"
#include "bytes.h"
#include "fields.h"
#include "rows.h"
#include "weir/backend.h"

/* A document that is to be written, in memory of the store's arena. */
struct input {
	uint32_t docid, kind;
	const char *id;
	size_t id_length;
	int64_t version, applied_at;
	const char *state;
	size_t state_length;
	const struct weir_value *values;
	const uint32_t *ordinals; /* of each value: plus 1; 0: its field has none */
	size_t value_count;
	/* Instead of all that but docid: a record whose terms and state are the document's. */
	const char *record;
	size_t record_length;
};

/* Why the document can never be indexed; NULL: it can. */
const char *build_refusal(const struct fields *fields, const struct weir_document *document);

/* A word and the stem that its forms come to, which the index did not have from this builder yet.
 */
struct form {
	const char *language;
	size_t offset; /* in form_text: stem, word */
	uint32_t stem_length, word_length;
};

/* Memory for one document at a time, and the forms that documents have brought. */
struct builder {
	const struct fields *fields; /* borrowed, as all of these */
	const struct rows_layout *layout;
	const struct weir_host *host;
	struct bytes words, single, exact, columns, keys;
	struct bytes form_text;
	struct form *forms;
	size_t form_count, form_capacity;
	struct form_seen *seen; /* open addressing, at most half full */
	size_t seen_count;
	struct bytes seen_words;
};

void builder_finish(struct builder *builder);
/* Appends the record to out. WEIR_RETRY: no memory, and out is as it was. */
weir_status builder_append(struct builder *builder, const struct input *input, struct bytes *out,
			   struct weir_error *error);
/* The forms were written down. */
void builder_forget_forms(struct builder *builder);
/* They were not, and never will be: each word is new again. */
void builder_drop_forms(struct builder *builder);

#endif
