/* SPDX-License-Identifier: MIT
 * session.c - opening, refreshing and closing sessions. */
#include "session.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "folder.h"

/* Folders go away while a reader opens what a manifest names; the next one names others. */
#define TRIES 8

weir_status instance_reader(weir_instance *instance, struct reader **out, struct weir_error *error)
{
	struct reader *reader = NULL;
	ino_t folder = 0;
	pthread_mutex_lock(&instance->reader_lock);
	weir_status status = reader_folder(instance->path, &folder, error);
	if (status == WEIR_OK && (instance->reader == NULL || instance->reader->folder != folder)) {
		status = reader_open(instance->path, &instance->fields, &reader, error);
		if (status == WEIR_OK) {
			reader_release(instance->reader);
			instance->reader = reader;
		}
	}
	if (status == WEIR_OK)
		*out = reader_keep(instance->reader);
	pthread_mutex_unlock(&instance->reader_lock);
	return status;
}

weir_status reader_stats(weir_instance *instance, weir_on_stat on_stat, void *context,
			 struct weir_error *error)
{
	struct reader *reader = NULL;
	struct head head;
	weir_status status = instance_reader(instance, &reader, error);
	if (status == WEIR_OK)
		status = head_read(&reader->head, &head, error);
	reader_release(reader);
	if (status == WEIR_OK && on_stat(context, "documents_live", (double)head.live) == 0 &&
	    on_stat(context, "documents_hidden", (double)head.hidden) == 0)
		on_stat(context, "bytes_on_disk", (double)folder_bytes(instance->path));
	return status;
}

static bool has_segment(const struct open_segment *segments, size_t count, uint32_t number)
{
	for (size_t i = 0; i < count; i++)
		if (segments[i].segment.number == number)
			return true;
	return false;
}

/* Closes the segments that are not among the others. */
static void close_segments(struct open_segment *segments, size_t count,
			   const struct open_segment *others, size_t other_count)
{
	for (size_t i = 0; i < count; i++)
		if (!has_segment(others, other_count, segments[i].segment.number)) {
			segment_reader_close(segments[i].reader);
			pairs_close(segments[i].pairs);
		}
	free(segments);
}

/* As it was open before, or opened. */
static weir_status open_segment(weir_session *session, const struct segment *segment,
				struct open_segment *out, struct weir_error *error)
{
	char path[PATH_MAX];
	*out = (struct open_segment){.segment = *segment,
				     .is_final = segment->state != SEGMENT_FRESH};
	for (size_t i = 0; i < session->segment_count; i++) {
		const struct open_segment *open = &session->segments[i];
		if (open->segment.number != segment->number)
			continue;
		out->reader = open->reader;
		out->pairs = open->pairs;
		out->has_asked = open->has_asked;
		if (open->is_measured && open->is_lasting) {
			out->is_measured = out->is_lasting = true;
			out->documents = open->documents;
			out->words = open->words;
		}
		return open->is_final && !segment_reader_is_doubtful(open->reader)
			       ? WEIR_OK
			       : segment_reader_reopen(open->reader, error);
	}
	snprintf(path, sizeof(path), "%s/s.%06u", session->reader->path, (unsigned)segment->number);
	return segment_reader_open(path, &out->reader, error);
}

static weir_status open_segments(weir_session *session, const struct manifest *manifest,
				 struct weir_error *error)
{
	struct open_segment *segments = calloc(manifest->segment_count + 1, sizeof(*segments));
	size_t count = 0;
	weir_status status = segments != NULL ? WEIR_OK : error_no_memory(error);
	while (status == WEIR_OK && count < manifest->segment_count) {
		status = open_segment(session, &manifest->segments[count], &segments[count], error);
		count += status == WEIR_OK;
	}
	if (status != WEIR_OK) {
		close_segments(segments, count, session->segments, session->segment_count);
		return status;
	}
	close_segments(session->segments, session->segment_count, segments, count);
	session->segments = segments;
	session->segment_count = count;
	session->manifest = manifest->number;
	return WEIR_OK;
}

/* The manifest may be newer than the head: its writer is about to write one, or was killed. What
 * it names has all that can be seen at the head's commit. */
static weir_status follow_manifest(weir_session *session, struct weir_error *error)
{
	struct manifest manifest = {0};
	weir_status status = reader_manifest(session->reader, &manifest, error);
	if (status != WEIR_OK)
		return status;
	status = open_segments(session, &manifest, error);
	manifest_finish(&manifest);
	return status;
}

static weir_status reopen_segments(weir_session *session, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < session->segment_count && status == WEIR_OK; i++) {
		struct open_segment *open = &session->segments[i];
		open->is_measured &= open->is_lasting;
		if (open->is_final && !segment_reader_is_doubtful(open->reader))
			continue;
		status = segment_reader_reopen(open->reader, error);
	}
	return status;
}

static weir_status follow_head(weir_session *session, const struct head *head,
			       struct weir_error *error)
{
	bool is_new = session->segments == NULL;
	weir_status status = reader_grow(session->reader, head, error);
	if (status != WEIR_OK)
		return status;
	status = is_new || head->manifest > session->manifest ? follow_manifest(session, error)
							      : reopen_segments(session, error);
	if (status == WEIR_OK)
		session->head = *head;
	return status;
}

static bool is_doubtful(const weir_session *session)
{
	bool is = false;
	for (size_t i = 0; i < session->segment_count; i++)
		is |= segment_reader_is_doubtful(session->segments[i].reader);
	return is;
}

/* Moves to the newest commit of the session's folder. */
static weir_status follow(weir_session *session, struct weir_error *error)
{
	struct head head;
	weir_status status = WEIR_RETRY;
	for (int i = 0; i < TRIES && status == WEIR_RETRY; i++) {
		status = head_read(&session->reader->head, &head, error);
		if (status != WEIR_OK)
			return status;
		if (session->segments != NULL && head.sequence == session->head.sequence &&
		    !is_doubtful(session))
			return WEIR_OK;
		status = follow_head(session, &head, error);
	}
	return status;
}

/* A rebuilt index is another folder at the same path. */
static weir_status change_folder(weir_session *session, struct weir_error *error)
{
	weir_session fresh = {.instance = session->instance, .host = session->host};
	weir_status status = instance_reader(session->instance, &fresh.reader, error);
	if (status == WEIR_OK)
		status = follow(&fresh, error);
	if (status != WEIR_OK) {
		close_segments(fresh.segments, fresh.segment_count, NULL, 0);
		reader_release(fresh.reader);
		return status;
	}
	close_segments(session->segments, session->segment_count, NULL, 0);
	reader_release(session->reader);
	session->reader = fresh.reader;
	session->head = fresh.head;
	session->manifest = fresh.manifest;
	session->segments = fresh.segments;
	session->segment_count = fresh.segment_count;
	return WEIR_OK;
}

void session_close(weir_session *session)
{
	if (session == NULL)
		return;
	order_finish(&session->order);
	found_finish(&session->found);
	match_finish(&session->match);
	plan_finish(&session->query);
	plan_finish(&session->filter);
	close_segments(session->segments, session->segment_count, NULL, 0);
	reader_release(session->reader);
	bytes_finish(&session->record);
	free(session);
}

weir_status session_open(weir_instance *instance, const struct weir_host *host, weir_session **out,
			 struct weir_error *error)
{
	weir_session *session = calloc(1, sizeof(*session));
	if (session == NULL)
		return error_no_memory(error);
	session->instance = instance;
	session->host = host;
	weir_status status = change_folder(session, error);
	if (status != WEIR_OK) {
		session_close(session);
		return status;
	}
	*out = session;
	return WEIR_OK;
}

static bool is_same_folder(const weir_session *session)
{
	struct stat status;
	return stat(session->instance->path, &status) == 0 &&
	       status.st_ino == session->reader->folder;
}

weir_status session_refresh(weir_session *session, uint64_t *generation, struct weir_error *error)
{
	weir_status status =
		is_same_folder(session) ? follow(session, error) : change_folder(session, error);
	if (status == WEIR_OK)
		*generation = session->reader->mark | session->head.commit;
	return status;
}

void session_match(weir_session *session)
{
	struct match *match = &session->match;
	match->reader = session->reader;
	match->head = &session->head;
	match->segments = session->segments;
	match->segment_count = session->segment_count;
	match->host = session->host;
}

weir_status session_prepare(weir_session *session, const struct weir_query *query,
			    const struct weir_query *filter, bool is_scored,
			    struct weir_error *error)
{
	struct query_context context = {&session->instance->fields, &session->reader->layout,
					session->reader->names, session->host, !is_scored};
	weir_status status = plan_build(&session->query, &context, query, error);
	context.is_filter = true;
	if (status == WEIR_OK && filter != NULL)
		status = plan_build(&session->filter, &context, filter, error);
	if (status != WEIR_OK)
		return status;
	session_match(session);
	return match_begin(&session->match, &session->query,
			   filter != NULL ? &session->filter : NULL, is_scored, error);
}

struct question session_question(const weir_session *session, const struct weir_query *query,
				 const struct weir_query *filter)
{
	return (struct question){session->reader->mark | session->head.commit,
				 &session->instance->fields, query, filter};
}

weir_status session_check(const weir_session *session, weir_status status, struct weir_error *error)
{
	struct head head;
	struct weir_error reason;
	if (status == WEIR_RETRY)
		return status;
	weir_status found = head_read(&session->reader->head, &head, &reason);
	if (found == WEIR_OK && session->head.commit >= head.oldest_readable)
		return status;
	if (found == WEIR_OK)
		return error_set(
			error, WEIR_RETRY,
			"xapian: the index at %s moved on meanwhile; refresh and ask again",
			session->reader->path);
	if (status == WEIR_OK)
		*error = reason;
	return status == WEIR_OK ? found : status;
}

weir_status session_positions(weir_session *session, weir_on_position on_position, void *context,
			      struct weir_error *error)
{
	struct manifest manifest = {0};
	struct bytes positions = {0};
	weir_status status;
	if (session->head.block != 0) {
		status =
			log_positions(session->reader->log, session->head.block, &positions, error);
	} else {
		status = reader_manifest(session->reader, &manifest, error);
		positions = manifest.positions;
		manifest.positions = (struct bytes){0};
		manifest_finish(&manifest);
	}
	if (status == WEIR_OK)
		status = positions_each(positions.data, positions.length, on_position, context,
					error);
	bytes_finish(&positions);
	return status;
}
