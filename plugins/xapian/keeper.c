/* SPDX-License-Identifier: MIT
 * Concurrency: two threads take tasks, the first seals and small merges, the second merges, large
 * ones first; so neither a checkpoint nor the many small merges wait for a large one. `lock` guards
 * all of struct keeper that changes; a task that a thread has taken is that thread's until it is
 * done. `posted` wakes the threads, `done` the caller. */
#include "keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "compact.h"
#include "error.h"
#include "file.h"
#include "log.h"
#include "pairs.h"

enum {
	THREADS = 2,
	NICENESS = 5, /* above that of the process */
	NICE_LIMIT = 19,
	SPARE_BYTES = 8 << 20, /* that a merge leaves on the disk */
};

enum stage { WAITING, RUNNING, DONE };

struct entry {
	struct keeper_task task;
	enum stage stage;
	struct entry *next;
};

struct lane {
	struct keeper *keeper;
	int number;
	pthread_t thread;
};

struct keeper {
	char *folder;
	const struct rows *rows;
	struct lane lanes[THREADS];
	int started;
	pthread_mutex_t lock;
	pthread_cond_t posted, done;
	bool ends;
	struct entry *entries; /* oldest first */
	size_t count;
};

void segment_name(uint32_t number, char out[SEGMENT_NAME_SIZE])
{
	snprintf(out, SEGMENT_NAME_SIZE, "s.%06u", (unsigned)number);
}

static char *segment_path(const struct keeper *keeper, uint32_t number)
{
	char name[SEGMENT_NAME_SIZE];
	segment_name(number, name);
	return file_path(keeper->folder, name);
}

/* Syncs a folder's files and the folder; adds up what they hold. */
static weir_status sync_folder(const char *path, bool syncs, uint64_t *bytes,
			       struct weir_error *error)
{
	DIR *folder = opendir(path);
	if (folder == NULL)
		return file_failed("open", path, errno, error);
	weir_status status = WEIR_OK;
	for (struct dirent *entry; status == WEIR_OK && (entry = readdir(folder)) != NULL;) {
		struct stat found;
		int file = openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC);
		if (file >= 0 && fstat(file, &found) == 0 && S_ISREG(found.st_mode)) {
			*bytes += (uint64_t)found.st_size;
			if (syncs && fdatasync(file) != 0)
				status = file_failed("sync", path, errno, error);
		}
		if (file >= 0)
			close(file);
	}
	if (status == WEIR_OK && syncs && fsync(dirfd(folder)) != 0)
		status = file_failed("sync", path, errno, error);
	closedir(folder);
	return status;
}

static weir_status sync_segment(const struct keeper *keeper, uint32_t number,
				struct weir_error *error)
{
	uint64_t bytes = 0;
	char *path = segment_path(keeper, number);
	weir_status status =
		path == NULL ? error_no_memory(error) : sync_folder(path, true, &bytes, error);
	free(path);
	return status;
}

/* The folders' names. */
static weir_status sync_names(const struct keeper *keeper, struct weir_error *error)
{
	int folder = open(keeper->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	weir_status status = folder >= 0 && fsync(folder) == 0
				     ? WEIR_OK
				     : file_failed("sync", keeper->folder, errno, error);
	if (folder >= 0)
		close(folder);
	return status;
}

/* Of the index's folder. A file that is gone needs no syncing. */
static weir_status sync_file(const struct keeper *keeper, const char *name,
			     struct weir_error *error)
{
	char *path = file_path(keeper->folder, name);
	if (path == NULL)
		return error_no_memory(error);
	int file = open(path, O_RDWR | O_CLOEXEC);
	bool good = file >= 0 ? fdatasync(file) == 0 : errno == ENOENT;
	weir_status status = good ? WEIR_OK : file_failed("sync", path, errno, error);
	if (file >= 0)
		close(file);
	free(path);
	return status;
}

/* With a log of its own: what the writer removes would be closed under it. */
static weir_status make_pairs(const struct keeper *keeper, uint32_t number, uint32_t first_chunk,
			      uint32_t last_chunk, char *const *inputs, size_t count,
			      struct weir_error *error)
{
	struct pairs_source source = {.rows = keeper->rows};
	char *path = segment_path(keeper, number);
	weir_status status = path == NULL ? error_no_memory(error)
					  : log_open(keeper->folder, false, &source.log, error);
	if (status == WEIR_OK)
		status = pairs_make(&source, path, first_chunk, last_chunk, inputs, count, error);
	log_close(source.log);
	free(path);
	return status;
}

static weir_status seal(const struct keeper *keeper, struct keeper_task *task,
			struct weir_error *error)
{
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < task->segment_count && status == WEIR_OK; i++) {
		/* Sealing makes room, and this needs some: it can be done without, until it is
		 * merged. */
		task->without_pairs += make_pairs(keeper, task->segments[i], task->first_chunks[i],
						  task->first_chunks[i], NULL, 0, error) != WEIR_OK;
		status = sync_segment(keeper, task->segments[i], error);
	}
	if (status == WEIR_OK)
		status = sync_file(keeper, "rows", error);
	if (status == WEIR_OK)
		status = sync_file(keeper, "names", error);
	for (uint32_t file = task->log_first; file <= task->log_last && status == WEIR_OK; file++) {
		char name[32];
		snprintf(name, sizeof(name), LOG_PREFIX "%06u", (unsigned)file);
		status = sync_file(keeper, name, error);
	}
	return status == WEIR_OK ? sync_names(keeper, error) : status;
}

/* A merge that fails half way costs the library's memory, so what cannot fit is not begun. */
static weir_status check_room(const struct keeper *keeper, char *const *inputs, size_t count,
			      struct weir_error *error)
{
	struct statvfs system;
	uint64_t bytes = 0;
	weir_status status = WEIR_OK;
	for (size_t i = 0; i < count && status == WEIR_OK; i++)
		status = sync_folder(inputs[i], false, &bytes, error);
	if (status != WEIR_OK)
		return status;
	if (statvfs(keeper->folder, &system) != 0)
		return file_failed("see the disk at", keeper->folder, errno, error);
	if ((uint64_t)system.f_bavail * system.f_frsize >= bytes + bytes / 8 + SPARE_BYTES)
		return WEIR_OK;
	return file_failed("merge segments in", keeper->folder, ENOSPC, error);
}

static weir_status merge_into(const struct keeper *keeper, const struct keeper_task *task,
			      char *const *inputs, const char *output, struct weir_error *error)
{
	weir_status status = check_room(keeper, inputs, task->segment_count, error);
	if (status == WEIR_OK)
		status = compact((const char *const *)inputs, task->segment_count, output, error);
	if (status == WEIR_OK)
		status = make_pairs(keeper, task->output, task->first_chunks[0], task->last_chunk,
				    inputs, task->segment_count, error);
	if (status == WEIR_OK)
		status = sync_segment(keeper, task->output, error);
	if (status == WEIR_OK)
		status = sync_names(keeper, error);
	return status;
}

static weir_status merge(const struct keeper *keeper, const struct keeper_task *task,
			 struct weir_error *error)
{
	char *inputs[KEEPER_TASK_SEGMENTS] = {NULL};
	char *output = segment_path(keeper, task->output);
	bool has_paths = output != NULL;
	for (size_t i = 0; i < task->segment_count; i++) {
		inputs[i] = segment_path(keeper, task->segments[i]);
		has_paths = has_paths && inputs[i] != NULL;
	}
	weir_status status = has_paths ? merge_into(keeper, task, inputs, output, error)
				       : error_no_memory(error);
	for (size_t i = 0; i < task->segment_count; i++)
		free(inputs[i]);
	free(output);
	return status;
}

/* How gladly the lane takes the task; 0: not at all. */
static int liking(int lane, const struct keeper_task *task)
{
	if (task->kind == KEEPER_SEAL)
		return lane == 0 ? 2 : 0;
	if (task->is_large)
		return lane == 1 ? 2 : 0;
	return 1;
}

static struct entry *next_for(const struct keeper *keeper, int lane)
{
	struct entry *best = NULL;
	for (struct entry *entry = keeper->entries; entry != NULL; entry = entry->next)
		if (entry->stage == WAITING && liking(lane, &entry->task) > 0 &&
		    (best == NULL || liking(lane, &entry->task) > liking(lane, &best->task)))
			best = entry;
	return best;
}

static void do_task(const struct keeper *keeper, struct keeper_task *task)
{
	task->error.message[0] = '\0';
	task->status = task->kind == KEEPER_SEAL ? seal(keeper, task, &task->error)
						 : merge(keeper, task, &task->error);
}

/* Of this thread alone, as Linux has it; where that is refused it works on as it is. */
static void step_back(void)
{
	id_t thread = (id_t)syscall(SYS_gettid);
	errno = 0;
	int nice = getpriority(PRIO_PROCESS, thread);
	if (errno == 0)
		setpriority(PRIO_PROCESS, thread,
			    nice + NICENESS < NICE_LIMIT ? nice + NICENESS : NICE_LIMIT);
}

static void *work(void *context)
{
	struct lane *lane = context;
	struct keeper *keeper = lane->keeper;
	step_back();
	pthread_mutex_lock(&keeper->lock);
	while (!keeper->ends) {
		struct entry *entry = next_for(keeper, lane->number);
		if (entry == NULL) {
			pthread_cond_wait(&keeper->posted, &keeper->lock);
			continue;
		}
		entry->stage = RUNNING;
		pthread_mutex_unlock(&keeper->lock);
		do_task(keeper, &entry->task);
		pthread_mutex_lock(&keeper->lock);
		entry->stage = DONE;
		pthread_cond_broadcast(&keeper->done);
	}
	pthread_mutex_unlock(&keeper->lock);
	return NULL;
}

static int start_threads(struct keeper *keeper)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failure = 0;
	for (int i = 0; i < THREADS && failure == 0; i++) {
		keeper->lanes[i] = (struct lane){.keeper = keeper, .number = i};
		failure = pthread_create(&keeper->lanes[i].thread, NULL, work, &keeper->lanes[i]);
		keeper->started += failure == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failure;
}

weir_status keeper_create(const char *folder, const struct rows *rows, struct keeper **out,
			  struct weir_error *error)
{
	pthread_condattr_t monotonic;
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	char *copy = strdup(folder);
	if (keeper == NULL || copy == NULL) {
		free(keeper);
		free(copy);
		return error_no_memory(error);
	}
	keeper->folder = copy;
	keeper->rows = rows;
	pthread_mutex_init(&keeper->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&keeper->posted, NULL);
	pthread_cond_init(&keeper->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int failure = start_threads(keeper);
	if (failure != 0) {
		keeper_destroy(keeper);
		return error_set(error, WEIR_RETRY, "xapian: cannot start a thread (%s)",
				 strerror(failure));
	}
	*out = keeper;
	return WEIR_OK;
}

void keeper_destroy(struct keeper *keeper)
{
	if (keeper == NULL)
		return;
	pthread_mutex_lock(&keeper->lock);
	keeper->ends = true;
	pthread_cond_broadcast(&keeper->posted);
	pthread_mutex_unlock(&keeper->lock);
	for (int i = 0; i < keeper->started; i++)
		pthread_join(keeper->lanes[i].thread, NULL);
	while (keeper->entries != NULL) {
		struct entry *entry = keeper->entries;
		keeper->entries = entry->next;
		free(entry);
	}
	pthread_cond_destroy(&keeper->posted);
	pthread_cond_destroy(&keeper->done);
	pthread_mutex_destroy(&keeper->lock);
	free(keeper->folder);
	free(keeper);
}

weir_status keeper_submit(struct keeper *keeper, const struct keeper_task *task,
			  struct weir_error *error)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return error_no_memory(error);
	entry->task = *task;
	pthread_mutex_lock(&keeper->lock);
	struct entry **last = &keeper->entries;
	while (*last != NULL)
		last = &(*last)->next;
	*last = entry;
	keeper->count++;
	pthread_cond_broadcast(&keeper->posted);
	pthread_mutex_unlock(&keeper->lock);
	return WEIR_OK;
}

bool keeper_take(struct keeper *keeper, struct keeper_task *done)
{
	struct entry *found = NULL;
	pthread_mutex_lock(&keeper->lock);
	for (struct entry **entry = &keeper->entries; *entry != NULL; entry = &(*entry)->next) {
		if ((*entry)->stage != DONE)
			continue;
		found = *entry;
		*entry = found->next;
		keeper->count--;
		break;
	}
	pthread_mutex_unlock(&keeper->lock);
	if (found == NULL)
		return false;
	*done = found->task;
	free(found);
	return true;
}

size_t keeper_pending(const struct keeper *keeper)
{
	/* Only the caller's thread changes it. */
	return keeper->count;
}

static bool has_done(const struct keeper *keeper)
{
	for (const struct entry *entry = keeper->entries; entry != NULL; entry = entry->next)
		if (entry->stage == DONE)
			return true;
	return false;
}

void keeper_wait(struct keeper *keeper, unsigned milliseconds)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += milliseconds / 1000;
	until.tv_nsec += (long)(milliseconds % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&keeper->lock);
	while (keeper->count > 0 && !has_done(keeper) &&
	       pthread_cond_timedwait(&keeper->done, &keeper->lock, &until) == 0)
		;
	pthread_mutex_unlock(&keeper->lock);
}
