/* SPDX-License-Identifier: MIT
 *
 * Concurrency: see progress.h; everything below `lock` is behind it, but for cluster, which is
 * atomic, and whose names stay. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "json.h"
#include "log.h"
#include "moment.h"
#include "progress_internal.h"

/* Members that were stopped are replaced long before. */
#define ORPHAN_AFTER (INT64_C(60) * 1000000)

/* Several messages may share a topic. */
static void add_topic(struct progress *progress, const char *name)
{
	for (size_t i = 0; i < progress->topic_count; i++) {
		assert(progress->topics[i].name != NULL);
		if (strcmp(name, progress->topics[i].name) == 0)
			return;
	}
	progress->topics[progress->topic_count++] = (struct topic){.name = name, .missing = true};
}

struct progress *progress_create(const struct schema *schema, int64_t ready_lag)
{
	struct progress *progress = calloc(1, sizeof(*progress));
	if (progress == NULL)
		return NULL;
	pthread_mutex_init(&progress->lock, NULL);
	progress->ready_lag = ready_lag;
	progress->moved = moment_monotonic();
	progress->topics = calloc(schema->message_count, sizeof(*progress->topics));
	if (progress->topics == NULL) {
		progress_destroy(progress);
		return NULL;
	}
	for (size_t i = 0; i < schema->message_count; i++)
		add_topic(progress, schema->messages[i].topic);
	return progress;
}

void progress_destroy(struct progress *progress)
{
	if (progress == NULL)
		return;
	for (size_t i = 0; i < progress->count; i++) {
		free(progress->partitions[i].cluster);
		free(progress->partitions[i].topic);
	}
	free(progress->partitions);
	free(progress->topics);
	free(progress->coming);
	while (progress->clusters != NULL) {
		struct cluster_name *name = progress->clusters;
		progress->clusters = name->before;
		free(name);
	}
	pthread_mutex_destroy(&progress->lock);
	free(progress);
}

struct partition *progress_partition(struct progress *progress, const char *cluster,
				     const char *topic, int32_t number)
{
	for (size_t i = 0; i < progress->count; i++) {
		struct partition *each = &progress->partitions[i];
		if (each->number == number && strcmp(each->topic, topic) == 0 &&
		    strcmp(each->cluster, cluster) == 0)
			return each;
	}
	if (progress->count == progress->capacity) {
		size_t capacity = progress->capacity == 0 ? 16 : 2 * progress->capacity;
		struct partition *partitions =
			realloc(progress->partitions, capacity * sizeof(*partitions));
		if (partitions == NULL)
			return NULL;
		progress->partitions = partitions;
		progress->capacity = capacity;
	}
	struct partition made = {.cluster = strdup(cluster),
				 .topic = strdup(topic),
				 .number = number,
				 .position = UNKNOWN,
				 .stored = UNKNOWN,
				 .moved = moment_monotonic(),
				 .begin = UNKNOWN,
				 .end = UNKNOWN,
				 .seen = UNKNOWN,
				 .marks = LOG_MARKS_NONE,
				 .stored_marks = LOG_MARKS_NONE,
				 .target = UNKNOWN,
				 .looked = INT64_MIN,
				 .whole = INT64_MIN};
	log_age_init(&made.age);
	if (made.cluster == NULL || made.topic == NULL) {
		free(made.cluster);
		free(made.topic);
		return NULL;
	}
	progress->partitions[progress->count] = made;
	return &progress->partitions[progress->count++];
}

bool progress_is_ours(const struct progress *progress, const struct partition *partition)
{
	return progress->group != NULL ? partition->owned : partition->in_log;
}

/* Nothing is read before its position was found to be one of this log, so that what is known of an
 * earlier log is not overwritten. In a group the others would wait: there it is found out later. */
static bool may_be_read(const struct progress *progress, const struct partition *partition)
{
	return progress_is_ours(progress, partition) &&
	       (progress->group != NULL || partition->verified);
}

static int on_position(void *context, const struct weir_position *position)
{
	struct progress *progress = context;
	pthread_mutex_lock(&progress->lock);
	struct partition *partition = progress_partition(progress, position->cluster,
							 position->topic, position->partition);
	if (partition != NULL) {
		partition->stored = position->next_offset;
		partition->stored_marks = log_marks_read(position->topic_id);
	}
	pthread_mutex_unlock(&progress->lock);
	return partition == NULL;
}

/* What others own moves by what they store. */
static void adopt_stored(struct progress *progress)
{
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->count; i++) {
		struct partition *each = &progress->partitions[i];
		if (each->owned || each->position == each->stored)
			continue;
		each->position = each->stored;
		each->marks = each->stored_marks;
		each->moved = moment_monotonic();
	}
	pthread_mutex_unlock(&progress->lock);
}

weir_status progress_load(struct progress *progress, const struct backend *backend,
			  struct weir_error *error)
{
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->count; i++) {
		progress->partitions[i].stored = UNKNOWN;
		progress->partitions[i].stored_marks = LOG_MARKS_NONE;
	}
	pthread_mutex_unlock(&progress->lock);
	/* Not behind the lock: the engine may be far away. */
	weir_status status = backend->plugin->operations.positions(backend->instance, on_position,
								   progress, error);
	if (status == WEIR_OK)
		adopt_stored(progress);
	return status;
}

void progress_share(struct progress *progress, const char *group)
{
	progress->group = group;
	progress->waiting = moment_monotonic();
}

weir_status progress_own(struct progress *progress, const rd_kafka_topic_partition_list_t *list,
			 struct weir_error *error)
{
	weir_status status = WEIR_OK;
	pthread_mutex_lock(&progress->lock);
	for (int i = 0; status == WEIR_OK && i < list->cnt; i++) {
		struct partition *partition =
			progress_partition(progress, progress->cluster, list->elems[i].topic,
					   list->elems[i].partition);
		if (partition == NULL)
			status = err_no_memory(error);
		else {
			partition->owned = true;
			partition->verified = false;
		}
	}
	progress->answered = progress->ever_answered = true;
	progress->group_trouble = NULL;
	progress->moved = moment_monotonic();
	pthread_mutex_unlock(&progress->lock);
	return status;
}

void progress_group_trouble(struct progress *progress, const char *reason)
{
	pthread_mutex_lock(&progress->lock);
	progress->group_trouble = reason;
	pthread_mutex_unlock(&progress->lock);
}

void progress_disown(struct progress *progress)
{
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->count; i++)
		progress->partitions[i].owned = false;
	progress->answered = false;
	progress->waiting = moment_monotonic();
	pthread_mutex_unlock(&progress->lock);
}

rd_kafka_topic_partition_list_t *progress_overwritten(struct progress *progress)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->count; i++) {
		const struct partition *each = &progress->partitions[i];
		if (each->owned && each->position != UNKNOWN && each->stored < each->position)
			rd_kafka_topic_partition_list_add(list, each->topic, each->number)->offset =
				each->position;
	}
	pthread_mutex_unlock(&progress->lock);
	return list;
}

weir_status progress_offer_cluster(struct progress *progress, const char *cluster,
				   struct weir_error *error)
{
	size_t size = strlen(cluster) + 1;
	struct cluster_name *name = malloc(sizeof(*name) + size);
	if (name == NULL)
		return err_no_memory(error);
	memcpy(name->text, cluster, size);
	pthread_mutex_lock(&progress->lock);
	free(progress->coming);
	progress->coming = name;
	pthread_mutex_unlock(&progress->lock);
	return WEIR_OK;
}

bool progress_has_offer(struct progress *progress)
{
	pthread_mutex_lock(&progress->lock);
	bool has = progress->coming != NULL;
	pthread_mutex_unlock(&progress->lock);
	return has;
}

/* The group's word is about names, so it holds in the other cluster, and there alone. */
static void own_there(struct progress *progress, const char *before, const char *cluster)
{
	for (size_t i = 0; i < progress->count; i++) {
		const char *topic = progress->partitions[i].topic;
		if (!progress->partitions[i].owned ||
		    strcmp(progress->partitions[i].cluster, before) != 0)
			continue;
		progress->partitions[i].owned = false;
		struct partition *there = progress_partition(progress, cluster, topic,
							     progress->partitions[i].number);
		if (there != NULL)
			there->owned = true;
	}
}

void progress_take_offer(struct progress *progress)
{
	pthread_mutex_lock(&progress->lock);
	struct cluster_name *name = progress->coming;
	const char *before = progress->cluster;
	progress->coming = NULL;
	if (name != NULL) {
		name->before = progress->clusters;
		progress->clusters = name;
		for (size_t i = 0; i < progress->count; i++) {
			struct partition *each = &progress->partitions[i];
			each->in_log = each->verified = each->stuck = each->odd = false;
			each->end = each->begin = each->target = UNKNOWN;
		}
		if (before != NULL) {
			own_there(progress, before, name->text);
			progress->rewinds++;
		}
		progress->cluster = name->text;
		progress->generation++;
	}
	pthread_mutex_unlock(&progress->lock);
}

const char *progress_cluster(const struct progress *progress)
{
	return progress->cluster;
}

unsigned progress_generation(struct progress *progress)
{
	pthread_mutex_lock(&progress->lock);
	unsigned generation = progress->generation;
	pthread_mutex_unlock(&progress->lock);
	return generation;
}

rd_kafka_topic_partition_list_t *progress_assignment(struct progress *progress)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->count; i++) {
		const struct partition *each = &progress->partitions[i];
		if (!may_be_read(progress, each))
			continue;
		rd_kafka_topic_partition_list_add(list, each->topic, each->number)->offset =
			each->position != UNKNOWN ? each->position : RD_KAFKA_OFFSET_BEGINNING;
	}
	pthread_mutex_unlock(&progress->lock);
	return list;
}

bool progress_at_end(struct progress *progress, const char *topic, int32_t number, int64_t offset)
{
	bool behind = false;
	pthread_mutex_lock(&progress->lock);
	struct partition *partition =
		progress_partition(progress, progress->cluster, topic, number);
	if (partition != NULL)
		behind = partition->position < offset && offset > 0;
	pthread_mutex_unlock(&progress->lock);
	return behind;
}

void progress_committed(struct progress *progress, const char *topic, int32_t number,
			int64_t next_offset, const struct log_marks *marks)
{
	pthread_mutex_lock(&progress->lock);
	struct partition *partition =
		progress_partition(progress, progress->cluster, topic, number);
	if (partition != NULL) {
		partition->position = next_offset;
		partition->marks.last = marks->last;
		/* The watching thread may have found a newer one meanwhile. */
		if (partition->marks.anchor.offset < marks->anchor.offset)
			partition->marks.anchor = marks->anchor;
		partition->moved = moment_monotonic();
		log_age_reach(&partition->age, next_offset);
		/* The watching thread's look may be a second old. */
		if (partition->end != UNKNOWN && partition->end < next_offset)
			partition->end = next_offset;
	}
	progress->moved = moment_monotonic();
	pthread_mutex_unlock(&progress->lock);
}

struct log_marks progress_marks(struct progress *progress, const char *topic, int32_t number)
{
	struct log_marks marks = LOG_MARKS_NONE;
	pthread_mutex_lock(&progress->lock);
	struct partition *partition =
		progress_partition(progress, progress->cluster, topic, number);
	if (partition != NULL)
		marks = partition->marks;
	pthread_mutex_unlock(&progress->lock);
	return marks;
}

/* Messages of the log that the index does not hold; UNKNOWN when the log's end is. */
static int64_t lag_messages(const struct partition *partition)
{
	if (partition->end == UNKNOWN)
		return UNKNOWN;
	int64_t position = partition->position;
	if (position < partition->begin)
		position = partition->begin;
	return position < partition->end ? partition->end - position : 0;
}

/* How old the oldest message is, at most, that the index does not hold. UNKNOWN until the index has
 * come to an end of the log that this process has seen. */
static int64_t lag_milliseconds(const struct partition *partition, int64_t messages)
{
	if (messages == 0 || messages == UNKNOWN)
		return messages;
	return log_age_ms(&partition->age, moment_monotonic());
}

int64_t progress_all_read(struct progress *progress)
{
	int64_t oldest = INT64_MAX;
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->topic_count; i++)
		if (progress->topics[i].missing)
			oldest = INT64_MIN;
	for (size_t i = 0; i < progress->count; i++) {
		const struct partition *each = &progress->partitions[i];
		if (each->in_log && each->whole < oldest)
			oldest = each->whole;
	}
	pthread_mutex_unlock(&progress->lock);
	return oldest == INT64_MAX ? INT64_MIN : oldest;
}

int64_t progress_lag(struct progress *progress)
{
	int64_t sum = 0;
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->count; i++) {
		const struct partition *each = &progress->partitions[i];
		int64_t messages = progress_is_ours(progress, each) ? lag_messages(each) : UNKNOWN;
		sum += messages != UNKNOWN ? messages : 0;
	}
	pthread_mutex_unlock(&progress->lock);
	return sum;
}

static void write_known(struct jsonout *json, const char *name, int64_t value)
{
	jsonout_name(json, name);
	if (value == UNKNOWN)
		jsonout_null(json);
	else
		jsonout_integer(json, value);
}

bool progress_is_empty(struct progress *progress)
{
	bool empty = true;
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->count; i++)
		empty = empty && progress->partitions[i].position == UNKNOWN;
	pthread_mutex_unlock(&progress->lock);
	return empty;
}

void progress_write(struct progress *progress, struct jsonout *json)
{
	jsonout_name(json, "positions");
	jsonout_begin(json, '[');
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < progress->count; i++) {
		const struct partition *each = &progress->partitions[i];
		int64_t messages = lag_messages(each);
		jsonout_begin(json, '{');
		jsonout_name(json, "cluster");
		jsonout_text(json, each->cluster);
		jsonout_name(json, "topic");
		jsonout_text(json, each->topic);
		jsonout_name(json, "partition");
		jsonout_integer(json, each->number);
		jsonout_name(json, "assigned");
		jsonout_boolean(json, progress_is_ours(progress, each));
		write_known(json, "position", each->position);
		write_known(json, "end", each->end);
		write_known(json, "lagMessages", messages);
		write_known(json, "lagMs", lag_milliseconds(each, messages));
		jsonout_end(json, '}');
	}
	pthread_mutex_unlock(&progress->lock);
	jsonout_end(json, ']');
}

/* The names of topics that are missing, or "". told: as the brokers say; else: who said nothing
 * yet. */
static void name_missing(const struct progress *progress, bool told, char *names, size_t size)
{
	size_t length = 0;
	names[0] = '\0';
	for (size_t i = 0; i < progress->topic_count && length < size; i++)
		if (progress->topics[i].missing && progress->topics[i].told == told)
			length +=
				(size_t)snprintf(names + length, size - length, "%s%s",
						 length > 0 ? ", " : "", progress->topics[i].name);
}

struct survey {
	int64_t sum; /* of lags */
	int64_t worst_ms;
	bool unknown;
	size_t ours;
	const struct partition *orphan; /* another indexer's, and does not move */
};

static void survey_ours(const struct partition *partition, int64_t messages, struct survey *survey)
{
	int64_t age = lag_milliseconds(partition, messages);
	survey->ours++;
	if (messages == UNKNOWN)
		survey->unknown = true;
	else
		survey->sum += messages;
	if (messages > 0 && age == UNKNOWN) /* nothing was read yet: it may be any age */
		age = INT64_MAX;
	if (age > survey->worst_ms)
		survey->worst_ms = age;
}

/* Looks at every partition of the log. */
static void survey_all(struct progress *progress, struct survey *survey)
{
	for (size_t i = 0; i < progress->count; i++) {
		struct partition *each = &progress->partitions[i];
		if (!each->in_log)
			continue;
		int64_t messages = lag_messages(each);
		bool ours = progress_is_ours(progress, each);
		if (messages == 0)
			each->whole = each->looked;
		if (ours)
			survey_ours(each, messages, survey);
		else if (messages > 0 && moment_monotonic() - each->moved > ORPHAN_AFTER)
			survey->orphan = each;
		metric_set(each->lag_gauge, (double)(!ours || messages == UNKNOWN ? 0 : messages));
		metric_set(each->position_gauge,
			   (double)(each->position == UNKNOWN ? 0 : each->position));
	}
}

static void warn_of_orphan(struct progress *progress, const struct partition *orphan)
{
	if (orphan != NULL && progress->answered && !progress->orphan_told)
		log_warning(
			"orphan", "topic=%s partition=%d position=%lld end=%lld reason=%s",
			orphan->topic, orphan->number, (long long)orphan->position,
			(long long)orphan->end,
			LOG_TEXT("the group gave it to another member, and this index does not "
				 "get it: does that member feed another index? Each index needs "
				 "a [kafka] group of its own"));
	progress->orphan_told = orphan != NULL && progress->answered;
}

/* Partitions move within a second or two, which is no reason to be not ready. */
static void report_group(const struct progress *progress, bool answered, const char *trouble,
			 int64_t waited, size_t ours)
{
	if (progress->group == NULL)
		health_set_good("group");
	else if (!answered && (!progress->ever_answered || waited > progress->ready_lag))
		health_set_bad("group", "waiting for the group %s to give partitions%s%s",
			       progress->group, trouble != NULL ? ": " : "",
			       trouble != NULL ? trouble : "");
	else if (answered && ours == 0)
		health_set_note("group",
				"no partitions: the other members of the group %s have "
				"them all",
				progress->group);
	else
		health_set_good("group");
}

void progress_report(struct progress *progress)
{
	char missing[300], unknown[300];
	struct survey survey = {0};
	pthread_mutex_lock(&progress->lock);
	name_missing(progress, true, missing, sizeof(missing));
	name_missing(progress, false, unknown, sizeof(unknown));
	survey_all(progress, &survey);
	warn_of_orphan(progress, survey.orphan);
	int64_t sum = survey.sum, worst_ms = survey.worst_ms, now = moment_monotonic();
	if (sum == 0)
		progress->moved = now;
	int64_t still = now - progress->moved, waited = now - progress->waiting;
	bool answered = progress->answered;
	const char *trouble = progress->group_trouble;
	pthread_mutex_unlock(&progress->lock);
	if (missing[0] != '\0')
		health_set_bad("topics", "waiting for topics that do not exist yet: %s", missing);
	else if (unknown[0] != '\0')
		health_set_bad("topics", "the brokers did not tell of: %s", unknown);
	else
		health_set_good("topics");
	report_group(progress, answered, trouble, waited, survey.ours);
	if (survey.unknown)
		health_set_bad("lag", "the end of the log is not known yet");
	else if (sum > 0 && still > progress->ready_lag)
		health_set_bad("lag", "%lld messages behind, and nothing was indexed for %lld ms",
			       (long long)sum, (long long)(still / 1000));
	else if (sum > 0 && worst_ms == INT64_MAX)
		health_set_bad("lag", "catching up: %lld messages behind", (long long)sum);
	else if (sum > 0 && worst_ms > progress->ready_lag / 1000)
		health_set_bad("lag", "catching up: %lld messages behind, the oldest %lld ms old",
			       (long long)sum, (long long)worst_ms);
	else
		health_set_good("lag");
}
