/* SPDX-License-Identifier: MIT
 * table.h - rows of text in columns, fitted into the width of a terminal. */
#ifndef TABLE_H
#define TABLE_H

#include <stdio.h>

#include "buffer.h"

enum { TABLE_COLUMN_LIMIT = 16 };

struct table {
	size_t columns;
	struct buffer text; /* all cells, one behind the other */
	size_t *ends;	    /* of each cell in text */
	size_t count, capacity;
	bool failed;
};

void table_init(struct table *table, size_t columns);
void table_finish(struct table *table);
/* Cells come row by row; the first row is the head. */
void table_add(struct table *table, const char *text, size_t length);
/* width 0: as wide as it needs. right: a bit for each column that is set to the right (numbers). */
weir_status table_print(const struct table *table, size_t width, unsigned int right, FILE *out,
			struct weir_error *error) WEIR_MUST_CHECK;

#endif
