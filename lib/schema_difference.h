/* SPDX-License-Identifier: MIT
 * schema_difference.h - what changed between two schemas, as far as an index depends on it, in
 * words. */
#ifndef SCHEMA_DIFFERENCE_H
#define SCHEMA_DIFFERENCE_H

#include "buffer.h"
#include "schema.h"

/* Appends "field price: sort was added; field city: is gone; …"; nothing when an index of the one
 * serves the other (equal fingerprints). */
void schema_difference(const struct schema *was, const struct schema *is, struct buffer *out);

#endif
