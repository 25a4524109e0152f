/* SPDX-License-Identifier: MIT
 * variant.c - one small plug-in that is broken in as many ways as there are -D options (see
 * meson.build). Without any it is good. Its manifest is filled in by hand, because the macro
 * WEIR_BACKEND would not let anything be wrong. */
#include <stdlib.h>

#include "weir/backend.h"

#ifndef MAGIC
#define MAGIC WEIR_BACKEND_MAGIC
#endif
#ifndef MAJOR
#define MAJOR WEIR_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR WEIR_ABI_MINOR
#endif
#ifndef THREAD_MODEL
#define THREAD_MODEL WEIR_THREADS_SERIAL
#endif
#ifndef NAME
#define NAME "variant"
#endif
#ifndef VERSION
#define VERSION "1"
#endif
#ifndef CAPABILITIES
#define CAPABILITIES 0
#endif
#ifndef OPERATIONS_SIZE
#define OPERATIONS_SIZE sizeof(struct table)
#endif
#ifndef SYMBOL
#define SYMBOL weir_backend_manifest
#endif

/* What was handed to open, for the tests: the text of every parameter and its number. */
struct weir_instance {
	const struct weir_parameter_value *const *values;
	size_t count;
};

static weir_status variant_open(const struct weir_parameter_value *const *values, size_t count,
				const struct weir_schema *schema, uint32_t mode,
				const struct weir_host *host, weir_instance **instance,
				struct weir_error *error)
{
	(void)schema, (void)mode, (void)host;
#ifdef OPEN_ANSWER
	(void)values, (void)count, (void)instance;
	for (size_t i = 0; i < sizeof(error->message); i++)
		error->message[i] = i % 10 == 9 ? '\n' : 'x'; /* no NUL, and not one line */
	return OPEN_ANSWER;
#else
	(void)error;
	weir_instance *opened = calloc(1, sizeof(*opened));
	if (opened == NULL)
		return WEIR_RETRY;
	opened->values = values;
	opened->count = count;
	*instance = opened;
	return WEIR_OK;
#endif
}

static void variant_close(weir_instance *instance)
{
	free(instance);
}

static weir_status variant_fetch(weir_instance *instance, const char *const *ids,
				 const size_t *id_lengths, size_t count, weir_on_state on_state,
				 void *context, struct weir_error *error)
{
	(void)instance, (void)ids, (void)id_lengths, (void)count, (void)on_state, (void)context;
	(void)error;
	return WEIR_OK;
}

#ifndef WITHOUT_APPLY
static weir_status variant_apply(weir_instance *instance,
				 const struct weir_document *const *documents, size_t count,
				 struct weir_verdict *const *verdicts, struct weir_error *error)
{
	(void)instance, (void)documents, (void)count, (void)verdicts, (void)error;
	return WEIR_OK;
}
#endif

static weir_status variant_commit(weir_instance *instance,
				  const struct weir_position *const *positions, size_t count,
				  struct weir_error *error)
{
	(void)instance, (void)positions, (void)count, (void)error;
	return WEIR_OK;
}

static weir_status variant_abandon(weir_instance *instance, struct weir_error *error)
{
	(void)instance, (void)error;
	return WEIR_OK;
}

static weir_status variant_positions(weir_instance *instance, weir_on_position on_position,
				     void *context, struct weir_error *error)
{
	(void)instance, (void)on_position, (void)context, (void)error;
	return WEIR_OK;
}

static weir_status variant_expire(weir_instance *instance, int64_t before, uint64_t *removed,
				  struct weir_error *error)
{
	(void)instance, (void)before, (void)error;
	*removed = 0;
	return WEIR_OK;
}

static weir_status variant_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
				 struct weir_error *error)
{
	(void)instance, (void)on_stat, (void)context, (void)error;
#ifdef UNDEFINED_SYMBOL
	weir_status weir_function_of_no_host(void);
	return weir_function_of_no_host();
#else
	return WEIR_OK;
#endif
}

#ifdef MORE_THAN_PROMISED
static weir_status variant_facets(weir_session *session, const struct weir_facets *wanted,
				  weir_on_facet on_facet, void *context, struct weir_error *error)
{
	(void)session, (void)wanted, (void)on_facet, (void)context, (void)error;
	return WEIR_OK;
}
#endif

/* A table of a later minor version: longer by an operation that this host does not know. */
static struct table {
	struct weir_operations known;
#ifdef LONGER
	void (*later)(weir_instance *instance);
#endif
} operations = {
	{
		.size = OPERATIONS_SIZE,
		.open = variant_open,
		.close = variant_close,
		.fetch = variant_fetch,
#ifndef WITHOUT_APPLY
		.apply = variant_apply,
#endif
		.commit = variant_commit,
		.abandon = variant_abandon,
		.positions = variant_positions,
		.expire = variant_expire,
		.stats = variant_stats,
#ifdef MORE_THAN_PROMISED
		/* of no capability, or behind the size that the table claims */
		.session_close = (void (*)(weir_session *))variant_close,
		.facets = variant_facets,
#endif
	},
#ifdef LONGER
	variant_close,
#endif
};

#ifdef PARAMETER_KEY
static const struct weir_parameter only = {PARAMETER_KEY, PARAMETER_TYPE, "", 0, 0, PARAMETER_HELP};
static const struct weir_parameter *const parameters[] = {&only};
#else
static const struct weir_parameter folder = {"folder", WEIR_PARAMETER_PATH,    "data/index", 0,
					     0,	       "Where it keeps files."};
static const struct weir_parameter size = {"buffer_size", WEIR_PARAMETER_INTEGER,     "64", 1,
					   1000,	  "Documents kept in memory."};
static const struct weir_parameter free_number = {"offset", WEIR_PARAMETER_INTEGER,    "-5", 0,
						  0,	    "A number without bounds."};
static const struct weir_parameter flag = {"compress", WEIR_PARAMETER_BOOLEAN, "false", 0,
					   0,	       "Makes files smaller."};
static const struct weir_parameter secret = {"password", WEIR_PARAMETER_SECRET,	     "", 0,
					     0,		 "What the engine asks for."};
static const struct weir_parameter text = {"label", WEIR_PARAMETER_TEXT, NULL, 0,
					   0,	    "What it is called."};
static const struct weir_parameter *const parameters[] = {&folder, &size,   &free_number,
							  &flag,   &secret, &text};
#endif

static const struct weir_manifest manifest = {
	.magic = MAGIC,
	.abi_major = MAJOR,
	.abi_minor = MINOR,
	.thread_model = THREAD_MODEL,
	.capabilities = CAPABILITIES,
	.name = NAME,
	.version = VERSION,
	.license = "MIT",
	.description = "For tests",
#ifdef PARAMETERS_MISSING
	.parameters = NULL,
#else
	.parameters = parameters,
#endif
	.parameter_count = sizeof(parameters) / sizeof(parameters[0]),
#ifdef NO_OPERATIONS
	.operations = NULL,
#else
	.operations = &operations.known,
#endif
};

WEIR_EXPORT const struct weir_manifest *SYMBOL(void);
WEIR_EXPORT const struct weir_manifest *SYMBOL(void)
{
#ifdef NO_MANIFEST
	(void)manifest;
	return NULL;
#else
	return &manifest;
#endif
}
