/* SPDX-License-Identifier: MIT
 * fixture.h - for areas whose cases put documents and then ask one session. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "harness.h"

extern weir_instance *writer, *reader;
extern weir_session *session;

void fixture_setup(void); /* opens the writer */
void fixture_teardown(void);
void look(void); /* commits; opens reader and session, or refreshes the session */
/* How many documents match, without asking for hits. */
uint64_t count_of(const struct weir_query *query);

#endif
