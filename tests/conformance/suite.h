/* SPDX-License-Identifier: MIT
 * suite.h - the cases by area, run one after the other, each in a process of its own. */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a case may need beside the capabilities of weir/backend.h. */
#define NEEDS_PATH (UINT64_C(1) << 62)	   /* the index is a file or folder of this machine */
#define NEEDS_THREADS (UINT64_C(1) << 61)  /* sessions may run beside each other */
#define NEEDS_PARALLEL (UINT64_C(1) << 59) /* any calls may run beside each other */
#define NEEDS_LOCK (UINT64_C(1) << 60)	   /* one writer: not WEIR_CAN_SHARE */

enum result { RESULT_NOT_RUN, RESULT_PASSED, RESULT_FAILED, RESULT_NOT_OFFERED, RESULT_SKIPPED };
enum { RESULT_COUNT = RESULT_SKIPPED + 1 };
extern const char *const result_names[RESULT_COUNT];

struct area { /* a line of the report */
	const char *name;
	SFun setup, teardown; /* beside the harness's; NULL: none */
};

struct test_case {
	const struct area *area;
	const TTest *test;
	uint64_t needs;
	bool has_no_fixture;
	double limit; /* seconds; 0: as long as any case */
	enum result result;
	double seconds;
	char reason[512]; /* one line; FAILED and SKIPPED */
};

/* Registration: an area, then its cases. */
void suite_area(const char *name, SFun setup, SFun teardown);
void suite_add(const TTest *test, uint64_t needs);
void suite_has_no_fixture(void);     /* that one does without its area's */
void suite_may_take(double seconds); /* the case that was added last */

size_t suite_area_count(void);
const struct area *suite_area_at(size_t index);
size_t suite_count(void);
const struct test_case *suite_at(size_t index);
const char *suite_case_name(const struct test_case *one); /* without "test_" */
/* How many cases of the area (NULL: of all) ended so. */
size_t suite_results(const struct area *area, enum result result);

/* Runs those whose "area: name" holds the text (NULL: all). before gets the number of the case in
 * the process that runs the cases. Returns how many failed. */
size_t suite_run(const char *only, uint64_t offered, void (*before)(size_t number));

/* Every file of cases. */
void add_manifest_cases(void);
void add_lifecycle_cases(void);
void add_writing_cases(void);
void add_poison_cases(void);
void add_atomicity_cases(void);
void add_durability_cases(void);
void add_sharing_cases(void);
void add_reading_cases(void);
void add_threads_cases(void);
void add_matching_cases(void);
void add_fuzzy_cases(void);
void add_facet_cases(void);
void add_total_cases(void);
void add_unicode_cases(void);
void add_syntax_cases(void);
void add_ordering_cases(void);
void add_limits_cases(void);
void add_random_cases(void);

#endif
