/* SPDX-License-Identifier: MIT
 * `weir rebuild`: nothing that the live index holds may be missing in the new one. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compare.h"
#include "moment.h"
#include "rebuild.h"

enum { EXAMPLES = 3 };

struct check {
	struct rebuild *rebuild;
	const char *verb;
	bool only_missing;
	uint64_t lost;
	char examples[400];
	size_t named;
};

static int on_difference(void *context, const struct compare_difference *difference)
{
	static const char *const words[COMPARE_KIND_COUNT] = {
		[COMPARE_MISSING] = "missing",
		[COMPARE_EXTRA] = "only there",
		[COMPARE_TOMBSTONE] = "deleted, and that is not known there",
		[COMPARE_DIFFERENT] = "different",
	};
	struct check *check = context;
	const struct compare_document *document =
		difference->truth != NULL ? difference->truth : difference->copy;
	if (difference->kind == COMPARE_EXTRA ||
	    (check->only_missing && difference->kind != COMPARE_MISSING))
		return 0;
	check->lost++;
	if (check->named < EXAMPLES) {
		size_t length = strlen(check->examples);
		snprintf(check->examples + length, sizeof(check->examples) - length, "%s%s (%s)",
			 check->named > 0 ? ", " : "", document->id, words[difference->kind]);
		check->named++;
	}
	return 0;
}

static void on_range(void *context, const struct compare_result *so_far, const char *to)
{
	struct check *check = context;
	(void)to;
	bar_draw(&check->rebuild->bar, check->verb, -1, so_far->truths, "events");
}

/* By the truth's clock, which is at most so old in the message. */
static int64_t tombstones_before(const struct rebuild *rebuild)
{
	return moment_now() - config_duration(rebuild->config, "indexer", "tombstone_retention");
}

static weir_status compare(struct rebuild *rebuild, struct compare_source *truth,
			   struct compare_source *copy, bool ahead, struct check *check,
			   struct weir_error *error)
{
	struct compare_result result;
	struct compare_options options = {
		.truth = truth,
		.copy = copy,
		.tombstones_before = tombstones_before(rebuild),
		.copy_may_be_ahead = ahead,
		.on_difference = on_difference,
		.on_range = on_range,
		.context = check,
	};
	bool shallow = compare_is_shallow(&options);
	weir_status status = compare_run(&options, &result, error);
	bar_clear(&rebuild->bar);
	if (status == WEIR_OK && check->lost == 0)
		command_say("%s: %" PRIu64 " events, none is missing%s", check->verb, result.truths,
			    shallow ? " (by their versions: the schemas differ)" : "");
	return status;
}

static weir_status open_index_source(const struct side *side, struct compare_source **source,
				     struct weir_error *error)
{
	struct compare_index index = {.plugin = side->backend.plugin,
				      .instance = side->backend.instance,
				      .schema = side->schema,
				      .name = side->name};
	return compare_open_index(&index, source, error);
}

static weir_status check_store(struct rebuild *rebuild, struct compare_source *copy,
			       struct check *check, struct weir_error *error)
{
	COMPARE_SOURCE_SCOPED struct compare_source *store = NULL;
	struct compare_store options = {.url = rebuild->eventd_url,
					.config = rebuild->config,
					.schema = rebuild->target.schema};
	weir_status status = compare_open_store(&options, &store, error);
	check->verb = "comparing with the store";
	return status == WEIR_OK ? compare(rebuild, store, copy, false, check, error) : status;
}

static weir_status check_old(struct rebuild *rebuild, struct compare_source *copy,
			     struct check *check, struct weir_error *error)
{
	COMPARE_SOURCE_SCOPED struct compare_source *old = NULL;
	weir_status status = open_index_source(&rebuild->old, &old, error);
	check->verb = "comparing with the live index";
	return status == WEIR_OK ? compare(rebuild, old, copy, true, check, error) : status;
}

/* Why the log may not hold all, for people. */
static weir_status refuse(const struct rebuild *rebuild, const struct check *check,
			  struct weir_error *error)
{
	static const struct positions nothing = POSITIONS_INIT;
	const struct positions_entry *cut = log_ends_lost(&rebuild->log, &nothing);
	char why[200] = "";
	if (!rebuild->from_store && !rebuild->rollback && cut != NULL)
		snprintf(why, sizeof(why), "; the log of %s/%d begins at %lld", cut->topic,
			 (int)cut->partition, (long long)cut->next_offset);
	return err_set(
		error, WEIR_NOT_FOUND,
		"%" PRIu64 " events would be lost: %s%s; nothing was changed. %s", check->lost,
		check->examples, why,
		rebuild->from_store || rebuild->rollback
			? "--force changes the index all the same"
			: "weir rebuild --from-store takes what the log no longer holds from "
			  "eventd's store");
}

/* Without a live index that can be read, only the log itself can tell whether it is whole. */
static weir_status check_alone(const struct rebuild *rebuild, struct weir_error *error)
{
	static const struct positions nothing = POSITIONS_INIT;
	const struct positions_entry *cut = log_ends_lost(&rebuild->log, &nothing);
	if (rebuild->old.index == NULL || rebuild->from_store || cut == NULL || rebuild->force)
		return WEIR_OK;
	return err_set(
		error, WEIR_NOT_FOUND,
		"the live index cannot be read, and the log of %s/%d begins at %lld: nothing "
		"says whether events would be lost, and nothing was changed; take --from-store, "
		"or --force",
		cut->topic, (int)cut->partition, (long long)cut->next_offset);
}

weir_status rebuild_check(struct rebuild *rebuild, struct weir_error *error)
{
	struct check check = {.rebuild = rebuild};
	COMPARE_SOURCE_SCOPED struct compare_source *copy = NULL;
	weir_status status = open_index_source(&rebuild->target, &copy, error);
	if (status == WEIR_OK && rebuild->from_store && !rebuild->rollback) {
		status = check_store(rebuild, copy, &check, error);
		/* What the store says was just found; other producers' events are in no store. */
		check.only_missing = true;
	}
	if (status == WEIR_OK && check.lost == 0 && rebuild->old.session != NULL)
		status = check_old(rebuild, copy, &check, error);
	else if (status == WEIR_OK && check.lost == 0)
		status = check_alone(rebuild, error);
	if (status != WEIR_OK)
		return status;
	if (check.lost > 0 && !rebuild->force)
		return refuse(rebuild, &check, error);
	if (check.lost > 0)
		command_say("%" PRIu64 " events are lost, as --force allows: %s", check.lost,
			    check.examples);
	return WEIR_OK;
}
