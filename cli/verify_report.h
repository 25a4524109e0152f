/* SPDX-License-Identifier: MIT
 * verify_report.h - what weir verify found, for people and for programs. */
#ifndef VERIFY_REPORT_H
#define VERIFY_REPORT_H

#include "compare.h"
#include "json.h"
#include "table.h"

struct verify_report {
	const struct schema *schema;
	size_t limit, listed;
	struct table table;
	struct buffer list; /* objects of a JSON array */
	struct jsonout json;
};

void verify_report_init(struct verify_report *report, const struct schema *schema, size_t limit);
void verify_report_finish(struct verify_report *report);

/* Lists a difference, unless enough are. truth, copy: NULL, or as compare_find gave them. */
weir_status verify_report_add(struct verify_report *report, enum compare_kind kind,
			      const struct compare_document *truth,
			      const struct compare_document *copy,
			      struct weir_error *error) WEIR_MUST_CHECK;

/* "not deleted", "notDeleted" */
const char *verify_kind_words(enum compare_kind kind);
const char *verify_kind_name(enum compare_kind kind);

#endif
