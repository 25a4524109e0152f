/* SPDX-License-Identifier: MIT
 * decode.h - the messages of a batch into changes of events.
 *
 * Concurrency: a batch belongs to one thread at a time (reader.h); the list of unknown types is
 * behind a lock of its own, because two batches may be decoded beside each other. */
#ifndef DECODE_H
#define DECODE_H

#include "batch.h"

/* Types of messages that the schema does not know, each to be logged once. */
struct type_log;
struct type_log *type_log_create(void);	       /* NULL: no memory */
void type_log_destroy(struct type_log *types); /* takes NULL */

/* Decodes those items of [from, to) that are not yet. The changes live in the batch's memory until
 * batch_forget_changes, or until its last item is dropped; they point into the messages. What
 * cannot be read becomes a dead letter. WEIR_NO_MEMORY: items up to the one that it was too much
 * for are decoded. */
weir_status batch_decode(struct batch *batch, struct type_log *types, size_t from, size_t to,
			 struct weir_error *error) WEIR_MUST_CHECK;

/* Makes a dead letter of an item; the next run of it delivers it and goes past it. */
weir_status item_reject(struct item *item, const char *reason,
			struct weir_error *error) WEIR_MUST_CHECK;

#endif
