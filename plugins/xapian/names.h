/* SPDX-License-Identifier: MIT
 * names.h - texts that many documents share, each written once: the file `names`, append-only.
 *
 * Two kinds: the values of a field with ordinals, numbered from 0 in the order of their coming; and
 * forms: for a language and a stem, the words that come to it.
 *
 * Concurrency: names_read (a reader taking in what was appended) and names_add by one thread at a
 * time; lookups by any thread beside it. What a lookup gives lives until names_finish. */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "weir/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

struct names;

/* The file of the folder, not read yet. */
weir_status names_create(const char *folder, size_t field_count, struct names **names,
			 struct weir_error *error);
void names_destroy(struct names *names);
/* Takes in the file up to length (which head and manifest tell). WEIR_FATAL: damaged. */
weir_status names_read(struct names *names, uint64_t length, struct weir_error *error);

/* Writer. What was added is in memory at once, and in the file after names_write; then either
 * names_keep or names_forget, which drops it. The numbers of what was dropped are given again. */

/* For writing: makes the file, and takes it in up to length. */
weir_status names_begin(struct names *names, uint64_t length, struct weir_error *error);
weir_status names_add_value(struct names *names, size_t field, const char *value, size_t length,
			    uint32_t *ordinal, struct weir_error *error);
weir_status names_add_form(struct names *names, const char *language, const char *stem,
			   size_t stem_length, const char *word, size_t word_length,
			   struct weir_error *error);
/* What names_write would append: for the block in the log. */
const struct bytes *names_pending(const struct names *names);
/* Adds what a block has of names_pending: for the replay. */
weir_status names_add_pending(struct names *names, const char *bytes, size_t length,
			      struct weir_error *error);
weir_status names_write(struct names *names, struct weir_error *error);
void names_keep(struct names *names);
void names_forget(struct names *names);
uint64_t names_length(const struct names *names); /* of the file, without what is pending */
weir_status names_sync(struct names *names, struct weir_error *error);

/* False: there is none. */
bool names_ordinal(const struct names *names, size_t field, const char *value, size_t length,
		   uint32_t *ordinal);
/* The value of the ordinal; NULL: it has none. */
const char *names_value(const struct names *names, size_t field, uint32_t ordinal, size_t *length);
uint32_t names_count(const struct names *names, size_t field);

/* Returns 0 to go on. */
typedef int names_on_word(void *context, const char *word, size_t length);
void names_each_form(const struct names *names, const char *language, const char *stem,
		     size_t stem_length, names_on_word *on_word, void *context);

#ifdef __cplusplus
}
#endif

#endif
