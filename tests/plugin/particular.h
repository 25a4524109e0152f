/* SPDX-License-Identifier: MIT
 * particular.h - what the tests of single plug-ins share, beside the conformance suite's harness.
 */
#ifndef PARTICULAR_H
#define PARTICULAR_H

#include "../conformance/harness.h"
#include "../conformance/target.h"

/* The call answers with the status and one line that has each of the texts. */
#define EXPECT(status, call, ...)                                                                  \
	do {                                                                                       \
		struct weir_error error = {""};                                                    \
		ck_assert_int_eq((call), (status));                                                \
		check_line(&error, (const char *const[]){__VA_ARGS__, NULL});                      \
	} while (0)
/* parts: ended by NULL. */
void check_line(const struct weir_error *error, const char *const *parts);

/* How many live documents match. */
uint64_t count_matches(weir_session *session, const struct weir_query *query);

/* The folders above the index. */
void make_parents(void);

/* Ten documents that have the word "filled" and some 20 KB each, from id number first on, and the
 * position behind them. */
weir_status commit_ten(weir_instance *writer, int first, struct weir_error *error);

/* A writer on a disk of its own that becomes full waits, refuses an empty commit too, loses nothing
 * and goes on. size: of the disk, as tmpfs takes it; ballast: bytes of it that become free again;
 * said: what the line has to tell. Skips loudly where no disk can be mounted. */
void check_full_disk(const char *size, long ballast, const char *said);

/* Loads the plug-in that the arguments name, runs the case, an index of its own for each test, and
 * answers what main is to. */
int particular_main(int count, char **arguments, const char *engine, TCase *cases);

#endif
