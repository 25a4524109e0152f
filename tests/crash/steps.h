/* SPDX-License-Identifier: MIT
 * steps.h - what a writer is made to do, batch by batch, and what an index holds after each of
 * them: both follow from a seed alone. The position that is committed with a batch is its number,
 * so an index tells by itself how far it is. */
#ifndef STEPS_H
#define STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "weir/backend.h"

enum {
	ID_LIMIT = 4096,
	WORD_COUNT = 14, /* "word0" ... in titles */
	TAG_COUNT = 5,
	FIELD_TITLE = 0, /* text, en, searched, sorted */
	FIELD_TAG,	 /* keyword, all flags */
	FIELD_PRICE,	 /* number, filtered, sorted */
	FIELD_DAY,	 /* date, filtered, sorted */
	FIELD_FREE,	 /* boolean, filtered, with facets */
	FIELDS,
};

extern const struct weir_schema steps_schema;

/* How a run goes; the same for a seed. */
struct plan {
	uint64_t seed;
	unsigned ids;	     /* how many different ones; at most ID_LIMIT */
	unsigned batch_size; /* most operations of a batch */
	unsigned text_words; /* most words of a title */
};

/* What is there of an id. */
struct entry {
	bool exists, is_hidden;
	uint32_t version;
	int64_t applied_at;
};

struct model {
	struct plan plan;
	uint32_t batch; /* done */
	struct entry entries[ID_LIMIT];
};

void model_start(struct model *model, const struct plan *plan);
/* Does the next batch in the model only. */
void model_step(struct model *model);
void model_counts(const struct model *model, uint64_t *live, uint64_t *hidden);

/* What a batch does beside its documents; all follow from seed and number. */
struct extras {
	bool abandons; /* applies something else before and abandons it */
	bool expires, syncs, maintains, reopens;
	int64_t expire_before;
};
struct extras steps_extras(const struct plan *plan, uint32_t batch);

/* The operations of the batch that comes next in the model. */
struct operation {
	unsigned id;
	struct entry entry; /* what it is afterwards */
};
unsigned steps_operations(const struct model *model, struct operation *operations);

/* A document as it is handed to the plug-in; points into itself. */
struct document {
	struct weir_document document;
	struct weir_value values[FIELDS];
	const struct weir_value *pointers[FIELDS];
	char id[16], title[1024], state[1100], tag[16], price[24];
	unsigned words[64], word_count; /* of the title, in order */
	unsigned tag_number;		/* TAG_COUNT: it has none */
	int price_number;		/* -1: it has none */
	bool has_flag, flag;
};
void steps_document(const struct plan *plan, unsigned id, const struct entry *entry,
		    struct document *document);

/* A number that follows from three. */
uint64_t steps_random(uint64_t seed, uint64_t a, uint64_t b);

#endif
