/* SPDX-License-Identifier: MIT
 * null.c - the smallest backend: it counts what it is given and forgets it. For measuring the way
 * to an index without one, and for reading before writing a plug-in of one's own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/backend.h"

/* The host knows this name only as a pointer: an instance is whatever the plug-in needs. */
struct weir_instance {
	double applied, committed; /* documents */
	struct weir_position *positions;
	size_t position_count;
};

static weir_status fail(struct weir_error *error, weir_status status, const char *line)
{
	snprintf(error->message, sizeof(error->message), "null: %s", line);
	return status;
}

static void null_close(weir_instance *instance)
{
	if (instance == NULL)
		return;
	for (size_t i = 0; i < instance->position_count; i++) {
		free((char *)instance->positions[i].cluster);
		free((char *)instance->positions[i].topic);
		free((char *)instance->positions[i].topic_id);
	}
	free(instance->positions);
	free(instance);
}

static weir_status null_open(const struct weir_parameter_value *const *values, size_t value_count,
			     const struct weir_schema *schema, uint32_t mode,
			     const struct weir_host *host, weir_instance **instance,
			     struct weir_error *error)
{
	(void)values, (void)value_count, (void)schema, (void)host;
	if (mode != WEIR_MODE_WRITER)
		return fail(error, WEIR_FATAL,
			    "keeps no documents to read; set [backend] plugin to one that does");
	weir_instance *opened = calloc(1, sizeof(*opened));
	if (opened == NULL)
		return fail(error, WEIR_RETRY, "out of memory");
	*instance = opened; /* outputs are set only when nothing can fail any more */
	return WEIR_OK;
}

static weir_status null_fetch(weir_instance *instance, const char *const *ids,
			      const size_t *id_lengths, size_t count, weir_on_state on_state,
			      void *context, struct weir_error *error)
{
	(void)instance, (void)ids, (void)id_lengths, (void)error;
	for (size_t i = 0; i < count; i++)
		if (on_state(context, i, 0, NULL, 0, NULL, 0) != 0)
			break; /* the host has seen enough: that is no failure */
	return WEIR_OK;
}

static weir_status null_apply(weir_instance *instance, const struct weir_document *const *documents,
			      size_t count, struct weir_verdict *const *verdicts,
			      struct weir_error *error)
{
	(void)documents, (void)error;
	for (size_t i = 0; i < count; i++)
		verdicts[i]->kind = WEIR_ACCEPTED; /* each document gets its own verdict */
	instance->applied += (double)count;
	return WEIR_OK;
}

/* Inputs are borrowed for the call, so what is kept is copied. */
static weir_status remember(weir_instance *instance, const struct weir_position *position,
			    struct weir_error *error)
{
	for (size_t i = 0; i < instance->position_count; i++) {
		struct weir_position *known = &instance->positions[i];
		if (known->partition == position->partition &&
		    strcmp(known->cluster, position->cluster) == 0 &&
		    strcmp(known->topic, position->topic) == 0) {
			known->next_offset = position->next_offset;
			return WEIR_OK;
		}
	}
	struct weir_position *grown =
		realloc(instance->positions, (instance->position_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return fail(error, WEIR_RETRY, "out of memory");
	instance->positions = grown;
	struct weir_position *added = &grown[instance->position_count++];
	*added = *position;
	added->cluster = strdup(position->cluster);
	added->topic = strdup(position->topic);
	added->topic_id = strdup(position->topic_id);
	if (added->cluster != NULL && added->topic != NULL && added->topic_id != NULL)
		return WEIR_OK;
	free((char *)added->cluster);
	free((char *)added->topic);
	free((char *)added->topic_id);
	instance->position_count--;
	return fail(error, WEIR_RETRY, "out of memory");
}

static weir_status null_commit(weir_instance *instance,
			       const struct weir_position *const *positions, size_t count,
			       struct weir_error *error)
{
	for (size_t i = 0; i < count; i++) {
		weir_status status = remember(instance, positions[i], error);
		if (status != WEIR_OK)
			return status;
	}
	instance->committed = instance->applied;
	return WEIR_OK;
}

static weir_status null_abandon(weir_instance *instance, struct weir_error *error)
{
	(void)error;
	instance->applied = instance->committed;
	return WEIR_OK;
}

static weir_status null_positions(weir_instance *instance, weir_on_position on_position,
				  void *context, struct weir_error *error)
{
	(void)error;
	for (size_t i = 0; i < instance->position_count; i++)
		if (on_position(context, &instance->positions[i]) != 0)
			break;
	return WEIR_OK;
}

static weir_status null_expire(weir_instance *instance, int64_t before, uint64_t *removed,
			       struct weir_error *error)
{
	(void)instance, (void)before, (void)error;
	*removed = 0;
	return WEIR_OK;
}

static weir_status null_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
			      struct weir_error *error)
{
	(void)error;
	if (on_stat(context, "documents_live", 0) == 0 &&
	    on_stat(context, "documents_hidden", 0) == 0 &&
	    on_stat(context, "bytes_on_disk", 0) == 0)
		on_stat(context, "documents_forgotten_total", instance->committed);
	return WEIR_OK;
}

/* It has no parameters, but C has no arrays without elements. */
static const struct weir_parameter label = {
	.key = "label",
	.type = WEIR_PARAMETER_TEXT,
	.default_value = "",
	.help = "Anything; it is not used.",
};

static const struct weir_parameter *const parameters[] = {&label};

/* The reading side is left out: the capabilities do not promise it. */
static struct weir_operations operations = {
	.open = null_open,
	.close = null_close,
	.fetch = null_fetch,
	.apply = null_apply,
	.commit = null_commit,
	.abandon = null_abandon,
	.positions = null_positions,
	.expire = null_expire,
	.stats = null_stats,
};

WEIR_BACKEND("null", "0.1.0", "MIT", "Counts documents and forgets them", WEIR_THREADS_SERIAL, 0,
	     parameters, operations)
