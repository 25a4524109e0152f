/* SPDX-License-Identifier: MIT */
#include "fixture.h"

weir_instance *writer, *reader;
weir_session *session;

void fixture_setup(void)
{
	writer = open_writer();
	reader = NULL;
	session = NULL;
}

void fixture_teardown(void)
{
	if (backend->session_close != NULL)
		backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}

void look(void)
{
	commit(writer);
	if (session != NULL) {
		refresh(session);
		return;
	}
	reader = open_reader();
	session = open_session(reader);
}

static int count_hit(void *context, const struct weir_hit *hit)
{
	(void)hit;
	++*(uint64_t *)context;
	return 0;
}

uint64_t count_of(const struct weir_query *query)
{
	struct weir_search search = {.query = query};
	struct weir_search_result result = {0};
	uint64_t hits = 0;
	MUST(backend->search(session, &search, count_hit, &hits, &result, &error));
	ck_assert_uint_eq(hits, 0);
	ck_assert_uint_eq(result.total_is_lower_bound, 0); /* who asks for no hit wants the count */
	return result.total;
}
