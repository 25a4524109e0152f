/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include <string.h>
#include <time.h>

#include "compare_internal.h"
#include "moment.h"

/* A test makes them small. */
#ifndef COMPARE_RANGE
#define COMPARE_RANGE 1000    /* documents of the truth with one digest */
#define COMPARE_PART 2000     /* documents of each side in memory when a range is looked at */
#define COMPARE_SUSPECTS 200  /* what may be on its way, looked at together */
#define COMPARE_PENDING 10000 /* ids that wait to be looked at */
#endif
enum {
	RANGE = COMPARE_RANGE,
	PART = COMPARE_PART,
	SUSPECTS = COMPARE_SUSPECTS,
	PENDING = COMPARE_PENDING,
	PAUSE_MS = 20,
};

void compare_pause(void)
{
	nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
}

void compare_mark_finish(struct compare_mark *mark)
{
	for (size_t i = 0; i < mark->count; i++) {
		free(mark->positions[i].cluster);
		free(mark->positions[i].topic);
	}
	free(mark->positions);
	*mark = (struct compare_mark){0};
}

weir_status compare_mark_add(struct compare_mark *mark, const char *cluster, const char *topic,
			     int32_t partition, int64_t next_offset, struct weir_error *error)
{
	if (mark->count == mark->capacity) {
		size_t capacity = mark->capacity == 0 ? 16 : 2 * mark->capacity;
		struct compare_position *positions =
			realloc(mark->positions, capacity * sizeof(*positions));
		if (positions == NULL)
			return err_no_memory(error);
		mark->positions = positions;
		mark->capacity = capacity;
	}
	struct compare_position *made = &mark->positions[mark->count];
	*made = (struct compare_position){strdup(cluster), strdup(topic), partition, next_offset};
	mark->count++;
	return made->cluster != NULL && made->topic != NULL ? WEIR_OK : err_no_memory(error);
}

const struct compare_position *compare_mark_find(const struct compare_mark *mark,
						 const char *cluster, const char *topic,
						 int32_t partition)
{
	for (size_t i = 0; i < mark->count; i++) {
		const struct compare_position *each = &mark->positions[i];
		if (each->partition == partition && strcmp(each->topic, topic) == 0 &&
		    strcmp(each->cluster, cluster) == 0)
			return each;
	}
	return NULL;
}

void compare_source_destroy(struct compare_source *source)
{
	if (source != NULL)
		source->operations->destroy(source);
}

bool compare_is_shallow(const struct compare_options *options)
{
	return options->versions_only || !options->truth->has_states ||
	       !options->copy->has_states ||
	       strcmp(options->truth->fingerprint, options->copy->fingerprint) != 0;
}

bool compare_is_empty_store(const struct compare_source *source)
{
	return source->is_empty_store;
}

uint64_t compare_differences(const struct compare_result *result)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < COMPARE_KIND_COUNT; i++)
		sum += result->differences[i];
	return sum;
}

void compare_kept_finish(struct compare_kept *kept)
{
	buffer_finish(&kept->bytes);
	kept->there = false;
}

bool compare_keep(struct compare_kept *kept, const struct compare_document *document)
{
	buffer_clear(&kept->bytes);
	buffer_append(&kept->bytes, document->id, document->id_length + 1);
	if (document->state != NULL)
		buffer_append(&kept->bytes, document->state, document->state_length);
	if (buffer_failed(&kept->bytes))
		return false;
	kept->there = true;
	kept->document = *document;
	kept->document.id = kept->bytes.data;
	if (document->state != NULL)
		kept->document.state = kept->bytes.data + document->id_length + 1;
	return true;
}

static int keep_found(void *context, const struct compare_document *document)
{
	return !compare_keep(context, document);
}

weir_status compare_find(struct compare_source *source, const char *id, struct compare_kept *kept,
			 struct weir_error *error)
{
	struct compare_scope scope = {.tombstones_before = INT64_MIN};
	kept->there = false;
	weir_status status =
		source->operations->find(source, &scope, &id, 1, keep_found, kept, error);
	return status == WEIR_OK && buffer_failed(&kept->bytes) ? err_no_memory(error) : status;
}

/* Documents of one side, in order of id. */
struct part {
	struct compare_kept items[PART];
	size_t count;
	bool more; /* there are others behind the last */
	bool failed;
};

/* Something that may be on its way: read again on both sides, with what it takes to be sure. */
struct suspect {
	struct buffer id;
	struct compare_kept before, copy, after;
};

struct comparison {
	const struct compare_options *options;
	struct compare_scope scope;
	struct compare_result result;
	int64_t began; /* moment_monotonic */
	/* The copy holds every change of the truth up to this one, if the truth counts them. */
	int64_t reached;
	int64_t listed; /* `reached`, when the copy's part was read */
	bool ended;	/* on_difference said so */
	struct part truths, copies;
	struct suspect suspects[SUSPECTS];
	size_t suspect_count;
	struct buffer pending, moving; /* ids, each with its NUL; moving: that do not stand still */
	size_t pending_count, moving_count;
	struct state left, right;
	struct weir_error *error;
};

static void destroy(struct comparison *comparison)
{
	for (size_t i = 0; i < PART; i++) {
		buffer_finish(&comparison->truths.items[i].bytes);
		buffer_finish(&comparison->copies.items[i].bytes);
	}
	for (size_t i = 0; i < SUSPECTS; i++) {
		struct suspect *suspect = &comparison->suspects[i];
		buffer_finish(&suspect->id);
		buffer_finish(&suspect->before.bytes);
		buffer_finish(&suspect->copy.bytes);
		buffer_finish(&suspect->after.bytes);
	}
	buffer_finish(&comparison->pending);
	buffer_finish(&comparison->moving);
	state_finish(&comparison->left);
	state_finish(&comparison->right);
	free(comparison);
}

/* Time goes on while we compare, and tombstones go with it. */
static int64_t tombstones_before(const struct comparison *comparison)
{
	int64_t before = comparison->scope.tombstones_before;
	int64_t passed = moment_monotonic() - comparison->began;
	return before == INT64_MIN || before > INT64_MAX - passed ? before : before + passed;
}

static weir_status read_state(struct comparison *comparison, struct state *state,
			      const struct compare_document *document)
{
	return state_read(state, document->state, document->state_length, comparison->error);
}

/* Whether an index may have let go of it. */
static weir_status is_old_tombstone(struct comparison *comparison,
				    const struct compare_document *document, bool *is)
{
	int64_t at = document->changed_at != INT64_MIN ? document->changed_at : document->version;
	struct state *state = document->state != NULL ? &comparison->left : NULL;
	weir_status status = state != NULL ? read_state(comparison, state, document) : WEIR_OK;
	*is = digest_leaves_out(at, document->kind, state, tombstones_before(comparison));
	return status;
}

static weir_status report(struct comparison *comparison, const struct compare_document *truth,
			  const struct compare_document *copy)
{
	struct compare_difference difference = {COMPARE_DIFFERENT, truth, copy};
	bool is_gone = false;
	weir_status status = WEIR_OK;
	if (truth != NULL && truth->kind == WEIR_KIND_HIDDEN) {
		/* Hidden without a state to tell: most likely it was deleted. */
		is_gone = truth->state == NULL;
		if (!is_gone)
			status = read_state(comparison, &comparison->left, truth);
		is_gone = is_gone || comparison->left.deleted;
	}
	if (truth == NULL)
		difference.kind = COMPARE_EXTRA;
	else if (is_gone)
		difference.kind = COMPARE_TOMBSTONE;
	else if (copy == NULL)
		difference.kind = COMPARE_MISSING;
	if (status != WEIR_OK)
		return status;
	comparison->result.differences[difference.kind]++;
	const struct compare_options *options = comparison->options;
	if (options->on_difference != NULL)
		comparison->ended = options->on_difference(options->context, &difference) != 0;
	return WEIR_OK;
}

/* Whether smaller <= greater: merging it in changes nothing. */
static weir_status is_below(struct comparison *comparison, const struct compare_document *smaller,
			    const struct compare_document *greater, bool *is)
{
	struct state *left = &comparison->left, *right = &comparison->right;
	if (comparison->scope.versions_only || smaller->state == NULL || greater->state == NULL) {
		*is = smaller->version <= greater->version;
		return WEIR_OK;
	}
	weir_status status = read_state(comparison, left, smaller);
	if (status == WEIR_OK)
		status = read_state(comparison, right, greater);
	if (status != WEIR_OK)
		return status;
	hash128 wanted = digest_document(0, 0, right);
	status = state_join(right, left, comparison->error);
	*is = digest_document(0, 0, right) == wanted;
	return status;
}

/* The engine's record of a document says what its state says. Without a schema here, kinds are not
 * looked at but where the state has nothing to show. */
static weir_status is_sound(struct comparison *comparison, const struct compare_document *document,
			    bool *is)
{
	*is = true;
	if (document->state == NULL)
		return WEIR_OK;
	weir_status status = read_state(comparison, &comparison->left, document);
	*is = document->version == state_version(&comparison->left);
	return status;
}

/* The copy has it, and the truth had it before: is that what it may be? */
static weir_status judge_both(struct comparison *comparison, const struct suspect *suspect,
			      bool *right)
{
	const struct compare_document *copy = &suspect->copy.document;
	weir_status status = is_sound(comparison, copy, right);
	if (status == WEIR_OK && *right && suspect->before.there)
		status = is_below(comparison, &suspect->before.document, copy, right);
	if (status != WEIR_OK || !*right || comparison->options->copy_may_be_ahead)
		return status;
	if (!suspect->after.there)
		return is_old_tombstone(comparison, copy, right);
	const struct compare_document *after = &suspect->after.document;
	status = is_below(comparison, copy, after, right);
	/* Nothing was on its way, so they are the same to the last bit. */
	if (*right && suspect->before.there && suspect->before.document.digest == after->digest)
		*right = copy->digest == after->digest;
	return status;
}

static weir_status judge(struct comparison *comparison, const struct suspect *suspect)
{
	bool right = true;
	weir_status status = WEIR_OK;
	if (suspect->copy.there)
		status = judge_both(comparison, suspect, &right);
	else if (suspect->before.there)
		status = is_old_tombstone(comparison,
					  suspect->after.there ? &suspect->after.document
							       : &suspect->before.document,
					  &right);
	if (status != WEIR_OK)
		return status;
	if (right) {
		comparison->result.in_flight++;
		return WEIR_OK;
	}
	const struct compare_kept *truth =
		suspect->after.there ? &suspect->after : &suspect->before;
	return report(comparison, truth->there ? &truth->document : NULL,
		      suspect->copy.there ? &suspect->copy.document : NULL);
}

enum side { BEFORE, COPY, AFTER };

struct gathering {
	struct comparison *comparison;
	enum side side;
	bool failed;
};

static int order_suspects(const void *left, const void *right)
{
	const struct suspect *one = left, *two = right;
	return strcmp(one->id.data, two->id.data);
}

static int gather(void *context, const struct compare_document *document)
{
	struct gathering *gathering = context;
	struct comparison *comparison = gathering->comparison;
	struct suspect wanted = {.id.data = (char *)document->id};
	struct suspect *suspect = bsearch(&wanted, comparison->suspects, comparison->suspect_count,
					  sizeof(*suspect), order_suspects);
	if (suspect == NULL)
		return 0;
	struct compare_kept *kept = gathering->side == BEFORE ? &suspect->before
				    : gathering->side == COPY ? &suspect->copy
							      : &suspect->after;
	gathering->failed = !compare_keep(kept, document);
	return gathering->failed;
}

static weir_status gather_all(struct comparison *comparison, enum side side)
{
	const char *ids[SUSPECTS];
	struct compare_source *source =
		side == COPY ? comparison->options->copy : comparison->options->truth;
	struct gathering gathering = {.comparison = comparison, .side = side};
	for (size_t i = 0; i < comparison->suspect_count; i++) {
		struct suspect *suspect = &comparison->suspects[i];
		ids[i] = suspect->id.data;
		(side == BEFORE ? &suspect->before
		 : side == COPY ? &suspect->copy
				: &suspect->after)
			->there = false;
	}
	weir_status status =
		source->operations->find(source, &comparison->scope, ids, comparison->suspect_count,
					 gather, &gathering, comparison->error);
	return status == WEIR_OK && gathering.failed ? err_no_memory(comparison->error) : status;
}

/* Reads the truth, waits until the copy has got as far, reads the copy, waits until the truth has
 * all that the copy has, and reads the truth again. */
static weir_status read_suspects(struct comparison *comparison)
{
	struct compare_source *truth = comparison->options->truth;
	struct compare_source *copy = comparison->options->copy;
	struct weir_error *error = comparison->error;
	WEIR_CLEANUP(compare_mark_finish) struct compare_mark sent = {0}, read = {0};
	weir_status status = gather_all(comparison, BEFORE);
	if (status == WEIR_OK)
		status = truth->operations->mark(truth, &sent, error);
	if (status == WEIR_OK)
		status = copy->operations->reach(copy, &sent, error);
	if (status == WEIR_OK)
		status = gather_all(comparison, COPY);
	if (status != WEIR_OK)
		return status;
	if (sent.sequence > comparison->reached)
		comparison->reached = sent.sequence;
	if (comparison->options->copy_may_be_ahead)
		return WEIR_OK;
	status = copy->operations->mark(copy, &read, error);
	if (status == WEIR_OK)
		status = truth->operations->reach(truth, &read, error);
	return status == WEIR_OK ? gather_all(comparison, AFTER) : status;
}

/* In order of id, each once. */
static void sort_suspects(struct comparison *comparison)
{
	struct suspect *suspects = comparison->suspects;
	size_t kept = 1;
	qsort(suspects, comparison->suspect_count, sizeof(*suspects), order_suspects);
	for (size_t i = 1; i < comparison->suspect_count; i++) {
		if (order_suspects(&suspects[kept - 1], &suspects[i]) == 0)
			continue;
		struct suspect swapped = suspects[kept];
		suspects[kept++] = suspects[i];
		if (i >= kept)
			suspects[i] = swapped;
	}
	comparison->suspect_count = kept;
}

static weir_status settle(struct comparison *comparison)
{
	if (comparison->suspect_count == 0)
		return WEIR_OK;
	sort_suspects(comparison);
	weir_status status = read_suspects(comparison);
	for (size_t i = 0; i < comparison->suspect_count && status == WEIR_OK && !comparison->ended;
	     i++)
		status = judge(comparison, &comparison->suspects[i]);
	comparison->suspect_count = 0;
	return status;
}

/* NULL: no memory. */
static const char **split_ids(const struct buffer *ids, size_t count)
{
	const char **made = calloc(count + 1, sizeof(*made));
	const char *at = ids->data;
	for (size_t i = 0; made != NULL && i < count; i++) {
		made[i] = at;
		at += strlen(at) + 1;
	}
	return made;
}

static bool add_suspect(struct comparison *comparison, const char *id)
{
	struct suspect *made = &comparison->suspects[comparison->suspect_count];
	buffer_clear(&made->id);
	buffer_append(&made->id, id, strlen(id) + 1);
	made->before.there = made->copy.there = made->after.there = false;
	comparison->suspect_count += !buffer_failed(&made->id);
	return !buffer_failed(&made->id);
}

/* What was not changed since the copy got as far as `reached` is decided; the others move. */
static weir_status decide_still(struct comparison *comparison)
{
	if (comparison->suspect_count == 0)
		return WEIR_OK;
	sort_suspects(comparison);
	weir_status status = gather_all(comparison, COPY);
	if (status == WEIR_OK)
		status = gather_all(comparison, AFTER);
	for (size_t i = 0; i < comparison->suspect_count && status == WEIR_OK && !comparison->ended;
	     i++) {
		struct suspect *suspect = &comparison->suspects[i];
		const struct compare_document *after = &suspect->after.document;
		if (suspect->after.there && after->sequence > comparison->reached) {
			buffer_append(&comparison->moving, suspect->id.data, suspect->id.length);
			comparison->moving_count++;
			continue;
		}
		if (suspect->after.there && !compare_keep(&suspect->before, after))
			return err_no_memory(comparison->error);
		status = judge(comparison, suspect);
	}
	comparison->suspect_count = 0;
	return status == WEIR_OK && buffer_failed(&comparison->moving)
		       ? err_no_memory(comparison->error)
		       : status;
}

typedef weir_status (*decider)(struct comparison *comparison);

static weir_status decide_all(struct comparison *comparison, const struct buffer *ids, size_t count,
			      decider decide)
{
	WEIR_FREE const char **split = split_ids(ids, count);
	weir_status status = split != NULL ? WEIR_OK : err_no_memory(comparison->error);
	for (size_t i = 0; i < count && status == WEIR_OK && !comparison->ended; i++) {
		if (!add_suspect(comparison, split[i]))
			return err_no_memory(comparison->error);
		if (comparison->suspect_count == SUSPECTS)
			status = decide(comparison);
	}
	return status == WEIR_OK && !comparison->ended ? decide(comparison) : status;
}

/* Waits once for the copy, however many there are; what is changed meanwhile is read three times.
 */
static weir_status decide_pending(struct comparison *comparison)
{
	struct compare_source *truth = comparison->options->truth;
	struct compare_source *copy = comparison->options->copy;
	WEIR_CLEANUP(compare_mark_finish) struct compare_mark sent = {0};
	weir_status status = truth->operations->mark(truth, &sent, comparison->error);
	if (status == WEIR_OK)
		status = copy->operations->reach(copy, &sent, comparison->error);
	if (status != WEIR_OK)
		return status;
	if (sent.sequence > comparison->reached)
		comparison->reached = sent.sequence;
	buffer_clear(&comparison->moving);
	comparison->moving_count = 0;
	status = decide_all(comparison, &comparison->pending, comparison->pending_count,
			    decide_still);
	if (status == WEIR_OK && !comparison->ended)
		status = decide_all(comparison, &comparison->moving, comparison->moving_count,
				    settle);
	return status;
}

static weir_status resolve(struct comparison *comparison)
{
	if (comparison->pending_count == 0)
		return WEIR_OK;
	bool counts = comparison->options->truth->counts_changes;
	weir_status status = counts ? decide_pending(comparison)
				    : decide_all(comparison, &comparison->pending,
						 comparison->pending_count, settle);
	buffer_clear(&comparison->pending);
	comparison->pending_count = 0;
	return status;
}

/* The first are looked at soon: then it is known how far the copy is. */
static weir_status suspect(struct comparison *comparison, const char *id)
{
	buffer_append(&comparison->pending, id, strlen(id) + 1);
	if (buffer_failed(&comparison->pending))
		return err_no_memory(comparison->error);
	size_t limit = comparison->reached == INT64_MIN ? SUSPECTS : PENDING;
	return ++comparison->pending_count >= limit ? resolve(comparison) : WEIR_OK;
}

/* The copy's part was read after it had everything up to `listed`, and the truth's after the
 * copy's. So what was not changed since then cannot be on its way. */
static bool is_settled(const struct comparison *comparison, const struct compare_document *truth)
{
	return comparison->listed != INT64_MIN &&
	       (truth == NULL || truth->sequence <= comparison->listed);
}

/* NULL: not there. */
static weir_status compare_two(struct comparison *comparison, const struct compare_document *truth,
			       const struct compare_document *copy)
{
	bool is_old = false;
	if (truth != NULL && copy != NULL && truth->digest == copy->digest)
		return WEIR_OK;
	const struct compare_document *either = truth != NULL ? truth : copy;
	/* A copy that may be ahead lacks nothing where the truth has nothing. */
	if (either == NULL || (truth == NULL && comparison->options->copy_may_be_ahead))
		return WEIR_OK;
	const char *id = either->id;
	if (!is_settled(comparison, truth))
		return suspect(comparison, id);
	/* Left out by version already; now by the time at which it was made. */
	if (copy == NULL && either->kind == WEIR_KIND_HIDDEN) {
		weir_status status = is_old_tombstone(comparison, either, &is_old);
		if (status != WEIR_OK)
			return status;
	}
	/* Its state will tell whether it is one. */
	return is_old ? suspect(comparison, id) : report(comparison, truth, copy);
}

static int add_to_part(void *context, const struct compare_document *document)
{
	struct part *part = context;
	part->more = part->count == PART;
	if (part->more)
		return 1;
	part->failed = !compare_keep(&part->items[part->count], document);
	part->count += !part->failed;
	return part->failed;
}

static weir_status read_part(struct comparison *comparison, struct compare_source *source,
			     const char *after, const char *upto, struct part *part)
{
	part->count = 0;
	part->more = part->failed = false;
	weir_status status = source->operations->list(source, &comparison->scope, after, upto,
						      add_to_part, part, comparison->error);
	return status == WEIR_OK && part->failed ? err_no_memory(comparison->error) : status;
}

static const char *last_id(const struct part *part)
{
	return part->items[part->count - 1].document.id;
}

/* Both parts, up to where both were read. */
static weir_status merge_parts(struct comparison *comparison, const char *upto)
{
	struct part *truths = &comparison->truths, *copies = &comparison->copies;
	weir_status status = WEIR_OK;
	size_t left = 0, right = 0;
	while (status == WEIR_OK && !comparison->ended) {
		const struct compare_document *truth =
			left < truths->count ? &truths->items[left].document : NULL;
		const struct compare_document *copy =
			right < copies->count ? &copies->items[right].document : NULL;
		if (truth == NULL && copy == NULL)
			break;
		int order = truth == NULL ? 1 : copy == NULL ? -1 : strcmp(truth->id, copy->id);
		const char *id = order <= 0 ? truth->id : copy->id;
		if (upto != NULL && strcmp(id, upto) > 0)
			break;
		left += order <= 0;
		right += order >= 0;
		status = compare_two(comparison, order <= 0 ? truth : NULL,
				     order >= 0 ? copy : NULL);
	}
	return status;
}

/* A range whose digests differ, in parts that fit into memory. The copy is read first: see
 * is_settled. */
static weir_status look_into(struct comparison *comparison, const char *after, const char *upto)
{
	char from[EVENT_ID_LIMIT + 1], cut[EVENT_ID_LIMIT + 1];
	memcpy(from, after, strlen(after) + 1);
	for (;;) {
		const char *end = upto;
		comparison->listed = comparison->reached;
		weir_status status = read_part(comparison, comparison->options->copy, from, end,
					       &comparison->copies);
		if (status == WEIR_OK && comparison->copies.more)
			end = last_id(&comparison->copies);
		if (status == WEIR_OK)
			status = read_part(comparison, comparison->options->truth, from, end,
					   &comparison->truths);
		if (status == WEIR_OK && comparison->truths.more)
			end = last_id(&comparison->truths);
		bool more = comparison->copies.more || comparison->truths.more;
		if (more)
			memcpy(cut, end, strlen(end) + 1);
		if (status == WEIR_OK)
			status = merge_parts(comparison, more ? cut : NULL);
		if (status != WEIR_OK || !more || comparison->ended)
			return status;
		memcpy(from, cut, sizeof(from));
	}
}

static weir_status compare_range(struct comparison *comparison, const char *after,
				 struct compare_range *range)
{
	const struct compare_options *options = comparison->options;
	struct compare_range other;
	weir_status status =
		options->truth->operations->range(options->truth, &comparison->scope, after,
						  options->to, RANGE, range, comparison->error);
	if (status != WEIR_OK)
		return status;
	const char *upto = range->more ? range->to : options->to;
	status = options->copy->operations->range(options->copy, &comparison->scope, after, upto, 0,
						  &other, comparison->error);
	if (status != WEIR_OK)
		return status;
	comparison->result.truths += range->count;
	comparison->result.copies += other.count;
	comparison->result.ranges++;
	if (range->count == other.count && range->digest == other.digest)
		return WEIR_OK;
	return look_into(comparison, after, upto);
}

/* The copy is read at least as far as the truth from here on, so that of what is written meanwhile
 * hardly anything looks like a difference. */
static weir_status let_copy_lead(const struct compare_options *options, struct weir_error *error)
{
	WEIR_CLEANUP(compare_mark_finish) struct compare_mark sent = {0};
	weir_status status = options->truth->operations->mark(options->truth, &sent, error);
	return status == WEIR_OK ? options->copy->operations->reach(options->copy, &sent, error)
				 : status;
}

static weir_status run(struct comparison *comparison)
{
	const struct compare_options *options = comparison->options;
	struct compare_range range = {.more = true};
	char after[EVENT_ID_LIMIT + 1] = "";
	weir_status status = WEIR_OK;
	if (options->from != NULL)
		memcpy(after, options->from, strlen(options->from) + 1);
	if (options->copy_may_be_ahead)
		status = let_copy_lead(options, comparison->error);
	while (status == WEIR_OK && range.more && !comparison->ended) {
		status = compare_range(comparison, after, &range);
		if (status == WEIR_OK && options->on_range != NULL)
			options->on_range(options->context, &comparison->result,
					  range.more ? range.to : "");
		memcpy(after, range.to, sizeof(after));
	}
	if (status == WEIR_OK && !comparison->ended)
		status = resolve(comparison);
	return status;
}

static weir_status run_ids(struct comparison *comparison, const char *const *ids, size_t count)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < count && status == WEIR_OK && !comparison->ended; i++)
		status = suspect(comparison, ids[i]);
	return status == WEIR_OK && !comparison->ended ? resolve(comparison) : status;
}

static struct comparison *create(const struct compare_options *options, struct weir_error *error)
{
	struct comparison *comparison = calloc(1, sizeof(*comparison));
	if (comparison == NULL)
		return NULL;
	comparison->options = options;
	comparison->scope =
		(struct compare_scope){options->tombstones_before, compare_is_shallow(options)};
	comparison->began = moment_monotonic();
	comparison->reached = INT64_MIN;
	comparison->error = error;
	return comparison;
}

weir_status compare_run(const struct compare_options *options, struct compare_result *result,
			struct weir_error *error)
{
	struct comparison *comparison = create(options, error);
	if (comparison == NULL)
		return err_no_memory(error);
	weir_status status = run(comparison);
	if (status == WEIR_OK)
		*result = comparison->result;
	destroy(comparison);
	return status;
}

weir_status compare_ids(const struct compare_options *options, const char *const *ids, size_t count,
			struct compare_result *result, struct weir_error *error)
{
	struct comparison *comparison = create(options, error);
	if (comparison == NULL)
		return err_no_memory(error);
	weir_status status = run_ids(comparison, ids, count);
	if (status == WEIR_OK)
		*result = comparison->result;
	destroy(comparison);
	return status;
}
