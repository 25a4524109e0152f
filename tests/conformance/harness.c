/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "suite.h"
#include "target.h"

static const struct weir_field fields[FIELD_COUNT] = {
	{"title", WEIR_TYPE_TEXT, WEIR_FIELD_SEARCH | WEIR_FIELD_SORT | WEIR_FIELD_SUGGEST, 3,
	 "en"},
	{"body", WEIR_TYPE_TEXT, WEIR_FIELD_SEARCH, 1, "en"},
	{"place", WEIR_TYPE_TEXT, WEIR_FIELD_SEARCH, 1, NULL},
	{"tag", WEIR_TYPE_KEYWORD,
	 WEIR_FIELD_SEARCH | WEIR_FIELD_FILTER | WEIR_FIELD_SORT | WEIR_FIELD_FACET, 2, NULL},
	{"code", WEIR_TYPE_KEYWORD, WEIR_FIELD_FILTER, 1, NULL},
	{"price", WEIR_TYPE_NUMBER, WEIR_FIELD_FILTER | WEIR_FIELD_SORT, 1, NULL},
	{"day", WEIR_TYPE_DATE, WEIR_FIELD_FILTER | WEIR_FIELD_SORT, 1, NULL},
	{"free", WEIR_TYPE_BOOLEAN, WEIR_FIELD_FILTER | WEIR_FIELD_SORT | WEIR_FIELD_FACET, 1,
	 NULL},
	{"label", WEIR_TYPE_KEYWORD, WEIR_FIELD_FACET, 1, NULL},
};
static const struct weir_field *const field_pointers[FIELD_COUNT] = {
	&fields[0], &fields[1], &fields[2], &fields[3], &fields[4],
	&fields[5], &fields[6], &fields[7], &fields[8],
};
const struct weir_schema collection = {"things", "c0ffee01", field_pointers, FIELD_COUNT};

const struct weir_operations *backend;
const struct weir_manifest *manifest;
unsigned harness_seed;
static atomic_int host_cancels_at, host_asked; /* sessions of several threads ask */

static void host_log(void *context, uint32_t level, const char *line)
{
	(void)context;
	(void)level;
	(void)line;
}

static int host_cancelled(void *context)
{
	(void)context;
	int asked = atomic_fetch_add(&host_asked, 1) + 1, at = atomic_load(&host_cancels_at);
	return at > 0 && asked >= at;
}

static int64_t host_clock(void *context)
{
	(void)context;
	return INT64_C(1700000000000000);
}

struct weir_host host;

void host_cancel_at(int asking)
{
	host_cancels_at = asking;
	host_asked = 0;
}

void harness_use(const struct plugin *plugin, unsigned seed)
{
	manifest = plugin->manifest;
	backend = &plugin->operations;
	harness_seed = seed;
	host = plugin_default_host; /* its words are everybody's */
	host.log = host_log;
	host.cancelled = host_cancelled;
	host.clock = host_clock;
}

bool harness_can(uint64_t capability)
{
	return (manifest->capabilities & capability) == capability;
}

uint64_t harness_offered(void)
{
	return manifest->capabilities | (target_is_in_files() ? NEEDS_PATH : 0) |
	       (manifest->thread_model != WEIR_THREADS_SERIAL ? NEEDS_THREADS : 0) |
	       (manifest->thread_model == WEIR_THREADS_PARALLEL ? NEEDS_PARALLEL : 0) |
	       (harness_can(WEIR_CAN_SHARE) ? 0 : NEEDS_LOCK);
}

void harness_setup(void)
{
	host_cancel_at(0);
	ck_assert_int_eq(mkdir(target_folder(), 0700), 0);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

void harness_remove(const char *folder)
{
	nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void harness_teardown(void)
{
	queries_free();
	harness_remove(target_folder());
}

weir_status try_open(uint32_t mode, const struct weir_schema *schema, weir_instance **instance,
		     struct weir_error *error)
{
	const struct plugin_parameters *parameters = target_parameters();
	return backend->open((const struct weir_parameter_value *const *)parameters->values,
			     parameters->count, schema, mode, &host, instance, error);
}

weir_instance *open_writer(void)
{
	weir_instance *instance = NULL;
	MUST(try_open(WEIR_MODE_WRITER, &collection, &instance, &error));
	return instance;
}

weir_instance *open_reader(void)
{
	weir_instance *instance = NULL;
	MUST(try_open(WEIR_MODE_READER, &collection, &instance, &error));
	return instance;
}

weir_session *open_session(weir_instance *instance)
{
	weir_session *session = NULL;
	MUST(backend->session_open(instance, &host, &session, &error));
	return session;
}
