/* SPDX-License-Identifier: MIT
 *
 * Concurrency: workers park requests in `arrived`; one thread takes them over and alone touches
 * those in `parked`. `lock` guards `arrived`, `count` and `stopping`; `wake` tells of both. The
 * thread has a reader of its own and looks at the index only while somebody waits. */
#include "waits.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "metrics.h"
#include "moment.h"

enum {
	LOOK_EVERY = 20000,   /* microseconds */
	LOOK_BUDGET = 250000, /* one look takes no longer; the next goes on where it ended */
	LOOK_DEADLINE = 1000000,
	IDLE_LOOK = 1000000,  /* until a reader without work leaves an old index */
	LOOK_AGAIN = 1000000, /* also where nothing seems to have moved */
	EXPLAINED_MOST = 10,
};

struct waiter {
	struct waiter *next;
	struct http_request *request;
	int64_t until;
	struct tokens missing;
	bool is_new; /* not looked for yet */
};

struct waits {
	struct http_queue *queue;
	size_t limit;
	struct metric *depth, *reached, *late, *full;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct waiter *arrived;
	size_t count;
	bool stopping;
	/* The thread's own from here on. */
	struct waiter *parked;
	struct reader reader;
	struct state state;
	int64_t looked; /* moment_monotonic of the last look at all of them; 0: look at all now */
	uint64_t looked_generation;
	bool unfinished;
	char next_id[EVENT_ID_LIMIT + 1]; /* where the next look begins */
};

static void destroy_waiter(struct waiter *waiter)
{
	tokens_finish(&waiter->missing);
	free(waiter);
}

static struct waiter *make_waiter(struct http_request *request, int64_t until,
				  const struct tokens *missing)
{
	struct weir_error error;
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	if (waiter == NULL)
		return NULL;
	*waiter = (struct waiter){.request = request, .until = until, .is_new = true};
	if (tokens_copy_missing(missing, &waiter->missing, &error) == WEIR_OK)
		return waiter;
	destroy_waiter(waiter);
	return NULL;
}

static void refuse(struct http_request *request, const char *detail)
{
	http_reply_header(request, "Retry-After", "1");
	http_problem(request, 503, detail, NULL, 0);
}

void waits_park(struct waits *waits, struct http_request *request, int64_t until,
		const struct tokens *missing)
{
	struct waiter *waiter = make_waiter(request, until, missing);
	if (waiter == NULL) {
		refuse(request, "out of memory: try again later");
		return;
	}
	pthread_mutex_lock(&waits->lock);
	bool stopping = waits->stopping, full = waits->count >= waits->limit;
	if (!stopping && !full) {
		waiter->next = waits->arrived;
		waits->arrived = waiter;
		metric_set(waits->depth, (double)++waits->count);
		pthread_cond_signal(&waits->wake);
		waiter = NULL;
	}
	pthread_mutex_unlock(&waits->lock);
	if (waiter == NULL)
		return;
	destroy_waiter(waiter);
	if (!stopping)
		metric_add(waits->full, 1);
	refuse(request, stopping ? "the service is stopping: try again later"
				 : "too many requests wait for the index ([searchd] waiting): try "
				   "again later");
}

void waits_give_up(struct waits *waits, struct http_request *request, const struct tokens *missing)
{
	char texts[EXPLAINED_MOST][EVENT_ID_LIMIT + 100], detail[400];
	struct http_field_error errors[EXPLAINED_MOST];
	size_t count = 0, all = 0;
	for (size_t i = 0; i < missing->count; i++) {
		if (missing->items[i].place == TOKEN_REACHED)
			continue;
		all++;
		if (count == EXPLAINED_MOST)
			continue;
		token_explain(&missing->items[i], texts[count], sizeof(texts[count]));
		errors[count] = (struct http_field_error){"waitFor", texts[count]};
		count++;
	}
	metric_add(waits->late, 1);
	char others[40] = "";
	if (all > 1)
		snprintf(others, sizeof(others), ", and %zu more", all - 1);
	snprintf(detail, sizeof(detail), "not reached within waitMs: %s%s",
		 count > 0 ? texts[0] : "the index cannot be read", others);
	http_problem(request, 504, detail, errors, count);
}

/* Those whose time is over, or whose tokens were all seen, leave. */
static void let_go(struct waits *waits)
{
	int64_t now = moment_monotonic();
	struct waiter **link = &waits->parked;
	size_t left = 0;
	while (*link != NULL) {
		struct waiter *waiter = *link;
		bool reached = tokens_reached(&waiter->missing);
		if (!reached && waiter->until > now) {
			link = &waiter->next;
			continue;
		}
		*link = waiter->next;
		left++;
		if (!reached)
			waits_give_up(waits, waiter->request, &waiter->missing);
		else if (http_queue_again(waits->queue, waiter->request))
			metric_add(waits->reached, 1);
		else
			refuse(waiter->request, "the service is stopping: try again later");
		destroy_waiter(waiter);
	}
	pthread_mutex_lock(&waits->lock);
	waits->count -= left;
	metric_set(waits->depth, (double)waits->count);
	pthread_mutex_unlock(&waits->lock);
}

/* What one look is about: the tokens that are not reached, in order of id. */
struct looking {
	struct waits *waits;
	struct token **wanted;
	size_t count;
};

static int compare_tokens(const void *left, const void *right)
{
	const struct token *const *a = left, *const *b = right;
	return strcmp((*a)->id, (*b)->id);
}

/* only_new: the others were looked for in this generation. */
static bool collect(struct looking *looking, bool only_new)
{
	const struct waiter *first = looking->waits->parked;
	size_t count = 0;
	for (const struct waiter *waiter = first; waiter != NULL; waiter = waiter->next)
		count += waiter->missing.count;
	looking->wanted = calloc(count + 1, sizeof(struct token *));
	if (looking->wanted == NULL)
		return false;
	for (const struct waiter *waiter = first; waiter != NULL; waiter = waiter->next)
		for (size_t i = 0; (waiter->is_new || !only_new) && i < waiter->missing.count; i++)
			if (waiter->missing.items[i].place != TOKEN_REACHED)
				looking->wanted[looking->count++] = &waiter->missing.items[i];
	qsort(looking->wanted, looking->count, sizeof(struct token *), compare_tokens);
	return true;
}

/* Looks once for all that want the same id. Answers how many those are. */
static size_t look_for(struct looking *looking, size_t first,
		       const struct weir_operations *operations, weir_session *session,
		       weir_status *status, struct weir_error *error)
{
	struct waits *waits = looking->waits;
	size_t next = first;
	while (next < looking->count &&
	       strcmp(looking->wanted[next]->id, looking->wanted[first]->id) == 0)
		next++;
	for (size_t i = first; i < next && *status == WEIR_OK; i++)
		*status = token_look(looking->wanted[i], operations, session,
				     reader_capabilities(&waits->reader), &waits->state, error);
	return next - first;
}

static weir_status work_look(void *context, const struct weir_operations *operations,
			     weir_session *session, struct weir_error *error)
{
	struct waits *waits = context;
	WEIR_FREE struct token **wanted = NULL;
	struct looking looking = {.waits = waits};
	int64_t until = moment_monotonic() + LOOK_BUDGET;
	weir_status status = WEIR_OK;
	bool same = waits->looked_generation == waits->reader.generation && !waits->unfinished &&
		    waits->looked + LOOK_AGAIN > moment_monotonic();
	if (!collect(&looking, same))
		return err_no_memory(error);
	wanted = looking.wanted;
	size_t first = 0, done = 0;
	while (first < looking.count && strcmp(wanted[first]->id, waits->next_id) < 0)
		first++;
	while (done < looking.count && status == WEIR_OK && moment_monotonic() < until) {
		first = first < looking.count ? first : 0;
		size_t count = look_for(&looking, first, operations, session, &status, error);
		first += count;
		done += count;
	}
	if (status != WEIR_OK)
		return status;
	waits->looked = same ? waits->looked : moment_monotonic();
	waits->looked_generation = waits->reader.generation;
	waits->unfinished = done < looking.count;
	snprintf(waits->next_id, sizeof(waits->next_id), "%s",
		 waits->unfinished && first < looking.count ? wanted[first]->id : "");
	for (struct waiter *waiter = waits->parked; waiter != NULL && !waits->unfinished;
	     waiter = waiter->next)
		waiter->is_new = false;
	return WEIR_OK;
}

/* Generations of two indexes cannot be compared. */
static void follow(struct waits *waits)
{
	const struct served *before = waits->reader.served;
	reader_follow(&waits->reader);
	if (waits->reader.served != before)
		waits->looked = 0;
}

static void look(struct waits *waits)
{
	struct weir_error ignored; /* reader_run tells of it; requests wait on */
	follow(waits);
	reader_renew(&waits->reader);
	weir_status status = reader_run(&waits->reader, moment_monotonic() + LOOK_DEADLINE,
					work_look, waits, &ignored);
	if (status != WEIR_OK)
		waits->looked = 0;
}

/* Under the lock. */
static void wait_until(struct waits *waits, int64_t until)
{
	struct timespec when = {until / 1000000, until % 1000000 * 1000};
	pthread_cond_timedwait(&waits->wake, &waits->lock, &when);
}

/* Under the lock. */
static void take_arrived(struct waits *waits)
{
	while (waits->arrived != NULL) {
		struct waiter *waiter = waits->arrived;
		waits->arrived = waiter->next;
		waiter->next = waits->parked;
		waits->parked = waiter;
	}
}

static void *run(void *context)
{
	struct waits *waits = context;
	int64_t next = 0;
	pthread_mutex_lock(&waits->lock);
	while (!waits->stopping) {
		int64_t now = moment_monotonic();
		if (waits->count == 0 || now < next) {
			wait_until(waits, waits->count == 0 ? now + IDLE_LOOK : next);
			if (waits->count == 0) {
				pthread_mutex_unlock(&waits->lock);
				follow(waits);
				pthread_mutex_lock(&waits->lock);
			}
			continue;
		}
		take_arrived(waits);
		pthread_mutex_unlock(&waits->lock);
		look(waits);
		let_go(waits);
		next = moment_monotonic() + LOOK_EVERY;
		pthread_mutex_lock(&waits->lock);
	}
	take_arrived(waits);
	pthread_mutex_unlock(&waits->lock);
	while (waits->parked != NULL) {
		struct waiter *waiter = waits->parked;
		waits->parked = waiter->next;
		refuse(waiter->request, "the service is stopping: try again later");
		destroy_waiter(waiter);
	}
	return NULL;
}

static struct metric *counter(const char *result)
{
	char labels[60];
	snprintf(labels, sizeof(labels), "result=\"%s\"", result);
	return metric_get(METRIC_COUNTER, "weir_searchd_waits_total", labels,
			  "Requests that waited for the index (waitFor), by how that ended.");
}

weir_status waits_start(const struct config *config, struct index *index, struct http_queue *queue,
			struct waits **waits, struct weir_error *error)
{
	struct waits *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->queue = queue;
	made->limit = (size_t)config_integer(config, "searchd", "waiting");
	made->depth = metric_get(METRIC_GAUGE, "weir_searchd_waiting", NULL,
				 "Requests that wait for the index (waitFor).");
	made->reached = counter("reached");
	made->late = counter("timeout");
	made->full = counter("full");
	pthread_mutex_init(&made->lock, NULL);
	moment_condition_init(&made->wake);
	reader_init(&made->reader, index);
	int failure = pthread_create(&made->thread, NULL, run, made);
	if (failure != 0) {
		waits_destroy(made);
		return err_set(error, WEIR_SYSTEM, "a thread cannot be made: %s",
			       strerror(failure));
	}
	made->has_thread = true;
	*waits = made;
	return WEIR_OK;
}

void waits_stop(struct waits *waits)
{
	if (waits == NULL || !waits->has_thread)
		return;
	pthread_mutex_lock(&waits->lock);
	waits->stopping = true;
	pthread_cond_signal(&waits->wake);
	pthread_mutex_unlock(&waits->lock);
	pthread_join(waits->thread, NULL);
	waits->has_thread = false;
}

void waits_destroy(struct waits *waits)
{
	if (waits == NULL)
		return;
	waits_stop(waits);
	reader_finish(&waits->reader);
	state_finish(&waits->state);
	pthread_cond_destroy(&waits->wake);
	pthread_mutex_destroy(&waits->lock);
	free(waits);
}
