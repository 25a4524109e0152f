/* SPDX-License-Identifier: MIT
 * A commit that is shown to readers before it is in the log. The kill test must find that. */
#include "log.h"
#include "manifest.h"

static struct log *late_log;
static struct block *late_block;

static weir_status append_later(struct log *log, struct block *block, uint64_t *place,
				struct weir_error *error)
{
	(void)error;
	late_log = log;
	late_block = block;
	*place = log_next_place(log);
	return WEIR_OK;
}

/* As it will be. */
static uint64_t end_early(const struct log *log)
{
	if (late_block == NULL)
		return log_end(log);
	const struct block *block = late_block;
	uint64_t end = log_next_place(log) + block_records_offset(&block->head);
	for (size_t i = 0; i < block->record_parts; i++)
		end += block->records[i].length;
	return end;
}

static weir_status write_early(const struct file *file, const struct head *head,
			       struct weir_error *error)
{
	uint64_t place;
	struct block *block = late_block;
	weir_status status = head_write(file, head, error);
	late_block = NULL;
	return status == WEIR_OK && block != NULL ? log_append(late_log, block, &place, error)
						  : status;
}

#define log_append append_later
#define log_end(log) end_early(log)
#define head_write write_early
#include "../../plugins/xapian/commit.c"
