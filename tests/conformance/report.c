/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "suite.h"

static const enum result columns[] = {RESULT_PASSED, RESULT_FAILED, RESULT_NOT_OFFERED,
				      RESULT_SKIPPED};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(columns[0]) };

/* With --only most are not. */
static bool was_run(const struct area *area)
{
	size_t count = 0;
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		count += suite_results(area, columns[i]);
	return count > 0;
}

static void print_row(const char *name, const struct area *area)
{
	printf("%-32s", name);
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		printf("  %11zu", suite_results(area, columns[i]));
	printf("\n");
}

static void print_reasons(enum result result)
{
	for (size_t i = 0; i < suite_count(); i++) {
		const struct test_case *one = suite_at(i);
		if (one->result == result)
			printf("%s: %s: %s: %s\n", result_names[result], one->area->name,
			       suite_case_name(one), one->reason);
	}
}

void report_table(const struct plugin *plugin, unsigned seed)
{
	printf("%s %s, ABI %u.%u, seed %u\n\n%-32s", plugin->manifest->name,
	       plugin->manifest->version, plugin->manifest->abi_major, plugin->manifest->abi_minor,
	       seed, "capability");
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		printf("  %11s", result_names[columns[i]]);
	printf("\n");
	for (size_t i = 0; i < suite_area_count(); i++)
		if (was_run(suite_area_at(i)))
			print_row(suite_area_at(i)->name, suite_area_at(i));
	print_row("all", NULL);
	print_reasons(RESULT_SKIPPED);
	print_reasons(RESULT_FAILED);
}

static void write_counts(struct jsonout *json, const struct area *area)
{
	jsonout_name(json, "passed");
	jsonout_integer(json, (int64_t)suite_results(area, RESULT_PASSED));
	jsonout_name(json, "failed");
	jsonout_integer(json, (int64_t)suite_results(area, RESULT_FAILED));
	jsonout_name(json, "notOffered");
	jsonout_integer(json, (int64_t)suite_results(area, RESULT_NOT_OFFERED));
	jsonout_name(json, "skipped");
	jsonout_integer(json, (int64_t)suite_results(area, RESULT_SKIPPED));
}

static void write_field(struct jsonout *json, const char *name, const char *text)
{
	jsonout_name(json, name);
	jsonout_text(json, text);
}

static void write_areas(struct jsonout *json)
{
	jsonout_name(json, "areas");
	jsonout_begin(json, '[');
	for (size_t i = 0; i < suite_area_count(); i++) {
		if (!was_run(suite_area_at(i)))
			continue;
		jsonout_begin(json, '{');
		write_field(json, "area", suite_area_at(i)->name);
		write_counts(json, suite_area_at(i));
		jsonout_end(json, '}');
	}
	jsonout_end(json, ']');
}

static void write_cases(struct jsonout *json)
{
	jsonout_name(json, "cases");
	jsonout_begin(json, '[');
	for (size_t i = 0; i < suite_count(); i++) {
		const struct test_case *one = suite_at(i);
		if (one->result == RESULT_NOT_RUN)
			continue;
		jsonout_begin(json, '{');
		write_field(json, "area", one->area->name);
		write_field(json, "case", suite_case_name(one));
		write_field(json, "result", result_names[one->result]);
		write_field(json, "reason", one->reason[0] != '\0' ? one->reason : NULL);
		jsonout_name(json, "seconds");
		jsonout_double(json, one->seconds, 3);
		jsonout_end(json, '}');
	}
	jsonout_end(json, ']');
}

void report_json(const struct plugin *plugin, unsigned seed)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	struct jsonout json = JSONOUT_INIT(&out);
	char abi[32];
	snprintf(abi, sizeof(abi), "%u.%u", plugin->manifest->abi_major,
		 plugin->manifest->abi_minor);
	jsonout_begin(&json, '{');
	write_field(&json, "plugin", plugin->manifest->name);
	write_field(&json, "version", plugin->manifest->version);
	write_field(&json, "abi", abi);
	jsonout_name(&json, "seed");
	jsonout_integer(&json, seed);
	write_counts(&json, NULL);
	write_areas(&json);
	write_cases(&json);
	jsonout_end(&json, '}');
	if (!buffer_failed(&out))
		printf("%s\n", out.data);
}

void report_list(void)
{
	for (size_t i = 0; i < suite_count(); i++)
		printf("%s: %s\n", suite_at(i)->area->name, suite_case_name(suite_at(i)));
}
