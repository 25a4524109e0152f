/* SPDX-License-Identifier: MIT
 *
 * Concurrency: `lock` guards changes of which index is current (readers look at it without), how
 * many readers each has, and the reasons.
 * One thread looks (index_look): it alone opens the index that comes, makes it current and closes
 * those that nobody reads any more. Requests never wait for any of that. */
#include "index_internal.h"

#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "moment.h"
#include "positions.h"

/* Microseconds. */
enum { LOOK_DEADLINE = 1000000, LEFT_AFTER = 3000000 };

bool index_note(struct index *index, struct reason *reason, const char *text)
{
	pthread_mutex_lock(&index->lock);
	bool is_new = strcmp(reason->text, text) != 0;
	snprintf(reason->text, sizeof(reason->text), "%s", text);
	pthread_mutex_unlock(&index->lock);
	return is_new;
}

/* Says what differs between the configuration and the index that is chosen. */
static void tell_notice(const struct catalog_choice *choice)
{
	if (choice->notice.message[0] != '\0')
		log_warning("catalog", "reason=%s", LOG_TEXT(choice->notice.message));
}

static weir_status choose_live(struct index *index, struct weir_error *error)
{
	struct catalog_choice *choice = NULL;
	weir_status status = catalog_choose(index->catalog, CATALOG_LIVE, &choice, error);
	if (status != WEIR_OK)
		return status;
	tell_notice(choice);
	struct served *served = NULL;
	status = served_create(index->config, choice, &served, error);
	index->current = served;
	return status;
}

/* *served: NULL when it is the current one. */
static weir_status choose_next(struct index *index, struct served **served,
			       struct weir_error *error)
{
	struct catalog_choice *choice = NULL;
	weir_status status = catalog_choose(index->catalog, CATALOG_NEXT, &choice, error);
	if (status != WEIR_OK)
		return status;
	if (served_is(index->current, choice)) {
		catalog_choice_destroy(choice);
		*served = NULL;
		return WEIR_OK;
	}
	return served_create(index->config, choice, served, error);
}

static void show(struct served *served)
{
	metric_set(served->shown, 1);
	health_set_fact("index", "%s", served->name);
}

weir_status index_create(const struct config *config, struct schema *schema, struct index **index,
			 struct weir_error *error)
{
	struct index *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->config = config;
	made->schema = schema;
	pthread_mutex_init(&made->lock, NULL);
	weir_status status = catalog_read(config, schema, &made->catalog, error);
	if (status == WEIR_OK)
		status = choose_live(made, error);
	if (status != WEIR_OK) {
		index_destroy(made);
		return status;
	}
	show(made->current);
	/* A switch under way is gone on with. Should it fail here, the next look says so. */
	struct weir_error later;
	if (choose_next(made, &made->coming, &later) != WEIR_OK)
		log_warning("catalog", "reason=%s", LOG_TEXT(later.message));
	made->refresh = config_duration(config, "searchd", "refresh");
	reader_init(&made->watcher, made);
	made->refreshes = metric_get(METRIC_COUNTER, "weir_searchd_refreshes_total", NULL,
				     "Sessions moved to the newest commit.");
	made->reruns = metric_get(METRIC_COUNTER, "weir_searchd_reruns_total", NULL,
				  "Searches run again because the index moved under them.");
	made->generations = metric_get(METRIC_COUNTER, "weir_searchd_generations_total", NULL,
				       "Refreshes that found a newer commit.");
	health_set_bad("index", "it was not looked for yet");
	*index = made;
	return WEIR_OK;
}

void index_destroy(struct index *index)
{
	if (index == NULL)
		return;
	reader_finish(&index->watcher);
	for (struct served *each = index->retired, *next; each != NULL; each = next) {
		next = each->next;
		served_destroy(each);
	}
	served_destroy(index->coming);
	positions_finish(&index->found);
	served_destroy(index->current);
	catalog_destroy(index->catalog);
	pthread_mutex_destroy(&index->lock);
	free(index);
}

/* Reads a catalog that was replaced and prepares for the index that it names now. */
static void read_catalog(struct index *index)
{
	struct catalog *catalog = NULL;
	struct served *coming = NULL;
	struct weir_error error;
	if (!catalog_changed(index->catalog))
		return;
	weir_status status = catalog_read(index->config, index->schema, &catalog, &error);
	if (status == WEIR_OK) {
		catalog_destroy(index->catalog);
		index->catalog = catalog;
		status = choose_next(index, &coming, &error);
	}
	/* What is served goes on being served. */
	if (status != WEIR_OK) {
		if (index_note(index, &index->unreadable, error.message))
			log_error("catalog", "reason=%s", LOG_TEXT(error.message));
		return;
	}
	index_note(index, &index->unreadable, "");
	served_destroy(index->coming); /* nobody but this thread ever read from it */
	index->coming = coming;
	index->found_at = 0;
	if (coming != NULL)
		log_info("index", "state=coming index=%s", LOG_TEXT(coming->name));
}

static weir_status work_positions(void *context, const struct weir_operations *operations,
				  weir_session *session, struct weir_error *error)
{
	struct positions *positions = context;
	positions_finish(positions); /* of a try before */
	weir_status status =
		operations->session_positions(session, positions_add, positions, error);
	return status == WEIR_OK && positions->failed ? err_no_memory(error) : status;
}

/* A session of its own on the index that comes. */
static weir_status positions_of_coming(struct index *index, struct positions *positions,
				       struct weir_error *error)
{
	const struct weir_operations *operations = &index->coming->backend.plugin->operations;
	weir_session *session = NULL;
	uint64_t generation;
	weir_status status = operations->session_open(index->coming->backend.instance,
						      &plugin_default_host, &session, error);
	if (status != WEIR_OK)
		return status;
	status = operations->refresh(session, &generation, error);
	if (status == WEIR_OK)
		status = work_positions(positions, operations, session, error);
	operations->session_close(session);
	return status;
}

static bool is_live(const struct index *index)
{
	const struct catalog_index *live = index->catalog->live;
	return live != NULL && index->coming->choice->index != NULL &&
	       catalog_index_equal(live, index->coming->choice->index);
}

/* Whether the current index is one that nobody writes to any more: weir rebuild saw that; or the
 * one that comes, which stood still when it was named, is written to, and an indexer leaves one
 * before it writes to the other; or there is nothing to write. */
static bool is_left(const struct index *index, const struct positions *coming)
{
	const struct schema *schema = index->coming->choice->schema;
	return is_live(index) || positions_behind(&index->found, coming, schema) != NULL ||
	       moment_monotonic() - index->found_at > LEFT_AFTER;
}

static weir_status find_coming(struct index *index, struct positions *coming,
			       struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (index->found_at == 0) {
		status = positions_of_coming(index, &index->found, error);
		index->found_at = status == WEIR_OK ? moment_monotonic() : 0;
	}
	return status == WEIR_OK ? positions_of_coming(index, coming, error) : status;
}

/* WEIR_OK: the index that comes holds everything that the current one does, and goes on doing so.
 * Whether the current one was left is asked before how far it is, so that this is final. */
static weir_status is_as_far(struct index *index, struct weir_error *error)
{
	WEIR_CLEANUP(positions_finish)
	struct positions now = POSITIONS_INIT, coming = POSITIONS_INIT;
	weir_status held = find_coming(index, &coming, error);
	bool left = held == WEIR_OK && is_left(index, &coming);
	reader_follow(&index->watcher);
	reader_renew(&index->watcher);
	struct weir_error reason;
	weir_status status = reader_try(&index->watcher, moment_monotonic() + LOOK_DEADLINE,
					work_positions, &now, &reason);
	if (status == WEIR_FATAL)
		return WEIR_OK; /* nothing can be read from it, so nobody can see less */
	if (held != WEIR_OK)
		return held;
	if (status != WEIR_OK) {
		*error = reason;
		return status;
	}
	const struct positions_entry *behind =
		positions_behind(&coming, &now, index->coming->choice->schema);
	if (behind == NULL)
		return left ? WEIR_OK
			    : err_set(error, WEIR_RETRY,
				      "the indexer may still be writing to the current index");
	const struct positions_entry *at =
		positions_find(&coming, behind->cluster, behind->topic, behind->partition);
	return err_set(error, WEIR_RETRY,
		       "topic %s, partition %d: it is at %lld, the current at %lld", behind->topic,
		       behind->partition, (long long)(at != NULL ? at->next_offset : 0),
		       (long long)behind->next_offset);
}

static void switch_over(struct index *index)
{
	struct served *before = index->current;
	show(index->coming);
	metric_set(before->shown, 0);
	pthread_mutex_lock(&index->lock);
	index->current = index->coming;
	pthread_mutex_unlock(&index->lock);
	index->coming = NULL;
	before->next = index->retired;
	index->retired = before;
	log_info("index", "state=switched from=%s to=%s", LOG_TEXT(before->name),
		 LOG_TEXT(index->current->name));
	tell_notice(index->current->choice);
}

/* Without an index that is open, or with one that is gone, there is nothing to fall behind. */
static bool nothing_is_served(struct index *index)
{
	const struct catalog_index *entry = index->current->choice->index;
	struct weir_error error;
	if (atomic_load(&index->current->open))
		return false;
	return (entry != NULL && !catalog_index_is_there(entry)) ||
	       served_open(index->current, index->config, &error) == WEIR_FATAL;
}

/* Goes on with a switch. */
static void bring_over(struct index *index)
{
	struct weir_error error;
	if (index->coming == NULL)
		return;
	weir_status status = served_open(index->coming, index->config, &error);
	if (status == WEIR_OK && !nothing_is_served(index))
		status = is_as_far(index, &error);
	if (status == WEIR_OK) {
		index_note(index, &index->trouble, "");
		switch_over(index);
	} else if (index_note(index, &index->trouble,
			      status == WEIR_RETRY ? "behind" : error.message)) {
		log_line(status == WEIR_RETRY ? WEIR_LOG_INFO : WEIR_LOG_ERROR, "index",
			 "state=waiting index=%s reason=%s", LOG_TEXT(index->coming->name),
			 LOG_TEXT(error.message));
	}
}

static void close_left(struct index *index)
{
	struct served **link = &index->retired;
	while (*link != NULL) {
		struct served *each = *link;
		pthread_mutex_lock(&index->lock);
		bool left = each->users == 0;
		pthread_mutex_unlock(&index->lock);
		if (!left) {
			link = &each->next;
			continue;
		}
		*link = each->next;
		log_info("index", "state=closed index=%s", LOG_TEXT(each->name));
		served_destroy(each);
	}
}

static weir_status work_nothing(void *context, const struct weir_operations *operations,
				weir_session *session, struct weir_error *error)
{
	(void)context;
	(void)operations;
	(void)session;
	(void)error;
	return WEIR_OK;
}

weir_status index_look(struct index *index, struct weir_error *error)
{
	read_catalog(index);
	bring_over(index);
	close_left(index);
	reader_follow(&index->watcher);
	weir_status status = served_open(index->current, index->config, error);
	if (status == WEIR_OK)
		status = reader_try(&index->watcher, moment_monotonic() + LOOK_DEADLINE,
				    work_nothing, NULL, error);
	bool is_new =
		index_note(index, &index->missing, status == WEIR_OK ? "open" : error->message);
	if (status == WEIR_OK)
		health_set_good("index");
	else
		health_set_bad("index", "%s", error->message);
	if (is_new && status == WEIR_OK)
		log_info("index", "state=open");
	else if (is_new)
		log_line(status == WEIR_RETRY ? WEIR_LOG_INFO : WEIR_LOG_ERROR, "index",
			 "state=waiting reason=%s", LOG_TEXT(error->message));
	return status;
}
