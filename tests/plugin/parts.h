/* SPDX-License-Identifier: MIT
 * parts.h - what the tests of the xapian plug-in's parts share: numbers, and a folder for each
 * test. */
#ifndef PARTS_H
#define PARTS_H

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/suite.h"
#include "weir/backend.h"

#define MUST(call)                                                                                 \
	do {                                                                                       \
		struct weir_error error = {""};                                                    \
		weir_status status = (call);                                                       \
		ck_assert_msg(status == WEIR_OK, "%s: %s", #call, error.message);                  \
	} while (0)

/* The same ones in each run: xorshift (G. Marsaglia, Xorshift RNGs, 2003). */
static inline uint32_t next_number(uint32_t below)
{
	static uint64_t state = 88172645463325252;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % below;
}

#define SCRATCH "/tmp/weir-xapian-XXXXXX"
static char scratch[sizeof(SCRATCH)] __attribute__((unused));

static inline void make_scratch(void)
{
	memcpy(scratch, SCRATCH, sizeof(SCRATCH));
	ck_assert_ptr_nonnull(mkdtemp(scratch));
}

static inline int remove_entry(const char *path, const struct stat *status, int type,
			       struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

static inline void remove_scratch(void)
{
	nftw(scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
