/* SPDX-License-Identifier: MIT
 * index.h - documents into terms, slots and data. */
#ifndef INDEX_H
#define INDEX_H

#include "fields.h"
#include "forms.h"
#include "xapian_c.h"

/* Memory for one document at a time. */
struct index_builder {
	struct bytes text;
	struct xapian_term *terms;
	size_t term_count, term_capacity;
	struct xapian_slot *slots;
	size_t slot_count, slot_capacity;
	struct bytes data;
	struct bytes sequence;
	struct forms forms; /* what the documents so far have brought; forms_write empties it */
};

void index_builder_finish(struct index_builder *builder);

/* *out points into builder and document. Fills verdict; WEIR_RETRY: no memory. */
weir_status index_document(struct index_builder *builder, const struct fields *fields,
			   const struct weir_host *host, const struct weir_document *document,
			   struct xapian_document *out, struct weir_verdict *verdict,
			   struct weir_error *error);

bool index_append_id(struct bytes *out, const char *id, size_t length); /* its term */

/* A document's data, read back. */
struct index_data {
	int64_t version;
	uint32_t kind;
	const char *id;
	size_t id_length;
	const char *state;
	size_t state_length;
};
/* False: it is not one of ours. */
bool index_data_read(const char *bytes, size_t length, struct index_data *data);

#endif
