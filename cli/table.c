/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <assert.h>
#include <string.h>

#include "terminal.h"

enum { GAP = 2, COLUMN_LEAST = 8 };

void table_init(struct table *table, size_t columns)
{
	assert(columns > 0 && columns <= TABLE_COLUMN_LIMIT);
	*table = (struct table){.columns = columns};
}

void table_finish(struct table *table)
{
	buffer_finish(&table->text);
	free(table->ends);
}

void table_add(struct table *table, const char *text, size_t length)
{
	if (table->count == table->capacity) {
		size_t capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
		size_t *ends = realloc(table->ends, capacity * sizeof(*ends));
		if (ends == NULL) {
			table->failed = true;
			return;
		}
		table->ends = ends;
		table->capacity = capacity;
	}
	/* Made safe and measured here, so that printing only has to fill and cut. */
	terminal_cell(&table->text, text, length, 0);
	table->ends[table->count++] = table->text.length;
}

static const char *cell(const struct table *table, size_t index, size_t *length)
{
	size_t start = index == 0 ? 0 : table->ends[index - 1];
	*length = table->ends[index] - start;
	return table->text.data != NULL ? table->text.data + start : "";
}

/* Widths that the cells want; then the widest gives until the row fits. */
static void fit(const struct table *table, size_t width, size_t widths[TABLE_COLUMN_LIMIT])
{
	size_t sum = GAP * (table->columns - 1), length;
	memset(widths, 0, TABLE_COLUMN_LIMIT * sizeof(*widths));
	for (size_t i = 0; i < table->count; i++) {
		const char *text = cell(table, i, &length);
		size_t columns = terminal_columns(text, length);
		if (columns > widths[i % table->columns])
			widths[i % table->columns] = columns;
	}
	for (size_t i = 0; i < table->columns; i++)
		sum += widths[i];
	while (width > 0 && sum > width) {
		size_t widest = 0;
		for (size_t i = 1; i < table->columns; i++)
			if (widths[i] > widths[widest])
				widest = i;
		if (widths[widest] <= COLUMN_LEAST)
			break;
		widths[widest]--;
		sum--;
	}
}

weir_status table_print(const struct table *table, size_t width, unsigned int right, FILE *out,
			struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;
	size_t widths[TABLE_COLUMN_LIMIT], length;
	if (table->failed || buffer_failed(&table->text))
		return err_no_memory(error);
	fit(table, width, widths);
	for (size_t i = 0; i < table->count; i++) {
		size_t column = i % table->columns;
		const char *text = cell(table, i, &length);
		size_t columns = terminal_columns(text, length);
		if ((right >> column & 1) != 0)
			for (size_t j = columns; j < widths[column]; j++)
				buffer_append_char(&line, ' ');
		bool fills = (right >> column & 1) == 0 || columns > widths[column];
		terminal_cell(&line, text, length, fills ? widths[column] : 0);
		if (column + 1 < table->columns) {
			buffer_append(&line, "  ", GAP);
			continue;
		}
		while (line.length > 0 && line.data[line.length - 1] == ' ')
			line.length--;
		buffer_append_char(&line, '\n');
	}
	if (buffer_failed(&line))
		return err_no_memory(error);
	fwrite(line.data != NULL ? line.data : "", 1, line.length, out);
	return WEIR_OK;
}
