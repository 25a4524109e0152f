/* SPDX-License-Identifier: MIT
 * Kills a writer at each of its steps, and looks at what it leaves.
 *
 *   segments walk PLUGIN SEED KILLS     one index: it is written to, its writer is killed at some
 *                                       call, it is looked at, its next writer goes on
 *   segments each PLUGIN SEED BATCH SPAN STRIDE  an index at a batch, and from there its writer
 *                                       killed at call 1, 1 + STRIDE, ... of the next SPAN batches
 *   segments fail PLUGIN SEED TIMES     calls that fail, as on a full disk
 *   segments run PLUGIN SEED BATCHES FOLDER   just does it; FOLDER/progress gets what was synced
 *   segments check PLUGIN SEED          for each line "FOLDER AT_LEAST AT_MOST" of its input: looks
 *                                       at the index after a power loss
 *
 * The first three need kill_at.so in LD_PRELOAD. Looking is done in processes of their own, so each
 * begins with nothing. */
#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "batches.h"
#include "log.h"

static struct plan plan;
static const char *plugin_path;
static struct plugin *plugin;
static struct progress *progress;
static char work[PATH_MAX - 64];

static void (*kill_at_arm)(long n, int half);
static void (*kill_at_fail)(long n, long how_many, int error);
static long (*kill_at_count)(void);
static void (*kill_at_disarm)(void);

static void find_killer(void)
{
	*(void **)&kill_at_arm = dlsym(RTLD_DEFAULT, "kill_at_arm");
	*(void **)&kill_at_fail = dlsym(RTLD_DEFAULT, "kill_at_fail");
	*(void **)&kill_at_count = dlsym(RTLD_DEFAULT, "kill_at_count");
	*(void **)&kill_at_disarm = dlsym(RTLD_DEFAULT, "kill_at_disarm");
	DEMAND(kill_at_arm != NULL && kill_at_fail != NULL && kill_at_disarm != NULL,
	       "segments: kill_at.so is not in LD_PRELOAD");
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

static void remove_all(const char *folder)
{
	nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The index is in the folder's `index`. */
static struct place place_in(const char *folder)
{
	struct place place = {plugin, NULL, plan};
	struct config *config = NULL;
	char text[PATH_MAX + 64];
	const char *sets[] = {text};
	snprintf(text, sizeof(text), "backend.%s.path=%s/index", plugin->manifest->name, folder);
	MUST(config_load(NULL, sets, 1, &config, error));
	MUST(plugin_parameters_read(plugin, config, &place.parameters, error));
	config_destroy(config);
	return place;
}

/* What a child does; it may end by FAIL, or by being killed. */
struct task {
	const char *folder;
	uint32_t batches; /* to do at most; UINT32_MAX: until killed */
	long kill_at;	  /* 0: not */
	int half;
	struct bounds bounds;
};

static void write_until_killed(const struct task *task)
{
	static struct model model;
	struct place place = place_in(task->folder);
	struct writing writing = {&place, NULL, &model, progress, false, NULL};
	kill_at_arm(task->kill_at, task->half);
	look_as_writer(&place, &task->bounds, &model, &writing.instance);
	for (uint32_t i = 0; i < task->batches; i++)
		batch_do(&writing);
	place.plugin->operations.close(writing.instance);
}

/* As reader, as writer, which goes on for two batches, and as reader. */
static void look(const struct task *task)
{
	static struct model model;
	struct place place = place_in(task->folder);
	struct bounds bounds = task->bounds;
	struct writing writing = {&place, NULL, &model, progress, false, NULL};
	uint32_t seen = look_as_reader(&place, &bounds);
	if (!bounds.may_refuse)
		bounds.at_least = seen > bounds.at_least ? seen : bounds.at_least;
	bounds.at_least = look_as_writer(&place, &bounds, &model, &writing.instance);
	place.plugin->operations.close(writing.instance);
	bounds.at_most = bounds.at_least;
	bounds.may_refuse = bounds.may_be_missing = false;
	look_as_reader(&place, &bounds);
	look_as_writer(&place, &bounds, &model, &writing.instance);
	batch_do(&writing);
	batch_do(&writing);
	place.plugin->operations.close(writing.instance);
	bounds.at_least = bounds.at_most = model.batch;
	look_as_reader(&place, &bounds);
}

/* 0: done; SIGKILL: killed. Ends the program when the child found something. */
static int in_child(void (*body)(const struct task *), const struct task *task)
{
	int status;
	fflush(NULL);
	pid_t child = fork();
	DEMAND(child >= 0, "segments: fork: %s", strerror(errno));
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body(task);
		_exit(0);
	}
	DEMAND(waitpid(child, &status, 0) == child, "segments: waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return SIGKILL;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	fprintf(stderr,
		"segments: seed %llu, kill at call %ld%s, batches %u to %u: %s %d; it is in %s\n",
		(unsigned long long)plan.seed, task->kill_at, task->half ? " (half)" : "",
		task->bounds.at_least, task->bounds.at_most,
		WIFSIGNALED(status) ? "signal" : "exit",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), task->folder);
	exit(1);
}

static void copy(const char *from, const char *to)
{
	char command[3 * PATH_MAX];
	remove_all(to);
	snprintf(command, sizeof(command), "cp -a '%s' '%s'", from, to);
	DEMAND(system(command) == 0, "segments: cannot copy %s", from);
}

/* Looks at what a killed writer has left; in a third of the cases another one has been killed while
 * it mended that. Returns the batch it is at, after look() went on for two. */
static uint32_t look_after_kill(struct task *task, uint64_t random)
{
	for (int times = 0; random % 3 == 0 && times < 3; times++) {
		struct task mending = *task;
		random /= 3;
		mending.batches = 1;
		mending.kill_at = 1 + (long)(random >> 8) % 60;
		mending.half = random >> 32 & 1;
		in_child(write_until_killed, &mending);
		task->bounds.at_least = progress->committed;
		task->bounds.at_most = progress->begun > progress->committed ? progress->begun
									     : progress->committed;
	}
	in_child(look, task);
	return progress->committed;
}

static void forget_progress(uint32_t batch)
{
	*progress = (struct progress){batch, batch, batch, 0};
}

static void walk(unsigned long kills)
{
	char folder[PATH_MAX];
	snprintf(folder, sizeof(folder), "%s/walk", work);
	mkdir(folder, 0700);
	forget_progress(0);
	for (unsigned long i = 0; i < kills; i++) {
		uint64_t random = steps_random(plan.seed, i, 77);
		struct task task = {
			.folder = folder,
			.batches = UINT32_MAX,
			.kill_at = 1 + (long)(random % (random % 5 == 0 ? 3000 : 500)),
			.half = random >> 40 & 1,
			.bounds = {progress->committed, progress->committed, true, false}};
		DEMAND(in_child(write_until_killed, &task) == SIGKILL,
		       "segments: nobody was killed");
		task.bounds.at_least = progress->committed;
		task.bounds.at_most = progress->begun;
		look_after_kill(&task, random >> 16);
	}
	printf("%lu kills on the way to batch %u\n", kills, progress->committed);
}

static void each(uint32_t batch, uint32_t span, long stride)
{
	char start[PATH_MAX], folder[PATH_MAX];
	snprintf(start, sizeof(start), "%s/start", work);
	snprintf(folder, sizeof(folder), "%s/each", work);
	mkdir(start, 0700);
	forget_progress(0);
	struct task task = {.folder = start, .batches = batch};
	if (batch > 0)
		in_child(write_until_killed, &task);
	long kills = 0;
	for (long n = 1 + (long)(plan.seed % (uint64_t)stride);; n += stride) {
		uint64_t random = steps_random(plan.seed, (uint64_t)n, 78);
		copy(start, folder);
		forget_progress(batch);
		task = (struct task){folder, span, n, random & 1, {batch, batch, true, false}};
		if (in_child(write_until_killed, &task) == 0)
			break;
		kills++;
		task.bounds.at_least = progress->committed;
		task.bounds.at_most = progress->begun;
		look_after_kill(&task, random >> 16);
	}
	printf("%ld kills in batches %u to %u\n", kills, batch + 1, batch + span);
}

static void write_with_failures(const struct task *task)
{
	static struct model model;
	struct place place = place_in(task->folder);
	struct writing writing = {&place, NULL, &model, progress, true, NULL};
	look_as_writer(&place, &task->bounds, &model, &writing.instance);
	kill_at_fail(task->kill_at, 1 + task->half, task->half & 1 ? ENOSPC : EIO);
	for (uint32_t i = 0; i < task->batches; i++)
		batch_do(&writing);
	kill_at_disarm();
	place.plugin->operations.close(writing.instance);
}

static void fail(unsigned long times)
{
	char folder[PATH_MAX];
	unsigned long failures = 0;
	snprintf(folder, sizeof(folder), "%s/fail", work);
	mkdir(folder, 0700);
	forget_progress(0);
	for (unsigned long i = 0; i < times; i++) {
		uint64_t random = steps_random(plan.seed, i, 79);
		struct task task = {
			.folder = folder,
			.batches = 8,
			.kill_at = 1 + (long)(random % 300),
			.half = (int)(random >> 32) % 30,
			.bounds = {progress->committed, progress->committed, true, false}};
		progress->failures = 0;
		in_child(write_with_failures, &task);
		failures += progress->failures;
		task.bounds.at_least = task.bounds.at_most = progress->committed;
		in_child(look, &task);
	}
	printf("%lu operations failed on the way to batch %u\n", failures, progress->committed);
}

static FILE *synced;

static void tell_sync(struct writing *writing)
{
	fprintf(synced, "%u\n", writing->progress->synced);
	fflush(synced);
}

static void run(uint32_t batches, const char *folder)
{
	static struct model model;
	char path[PATH_MAX];
	struct place place = place_in(folder);
	struct bounds bounds = {0, 0, true, false};
	struct writing writing = {&place, NULL, &model, progress, false, tell_sync};
	snprintf(path, sizeof(path), "%s/progress", folder);
	synced = fopen(path, "w");
	DEMAND(synced != NULL, "segments: cannot write %s", path);
	look_as_writer(&place, &bounds, &model, &writing.instance);
	for (uint32_t i = 0; i < batches; i++)
		batch_do(&writing);
	place.plugin->operations.close(writing.instance);
}

static void check(void)
{
	char folder[PATH_MAX];
	unsigned at_least, at_most, count = 0;
	while (scanf("%4000s %u %u", folder, &at_least, &at_most) == 3) {
		struct task task = {.folder = folder, .bounds = {at_least, at_most, true, true}};
		in_child(look, &task);
		count++;
	}
	printf("%u indexes\n", count);
}

static unsigned long number(char **argv, int at)
{
	DEMAND(argv[at] != NULL, "segments: an argument is missing");
	return strtoul(argv[at], NULL, 10);
}

int main(int argc, char **argv)
{
	DEMAND(argc > 3, "usage: segments walk|each|fail|run|check PLUGIN SEED ...");
	const char *mode = argv[1];
	plugin_path = argv[2];
	plan = (struct plan){number(argv, 3), 300, 12, 12};
	log_open("segments", WEIR_LOG_ERROR);
	MUST(plugin_load(plugin_path, NULL, &plugin, error));
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	const char *above = getenv("TMPDIR");
	snprintf(work, sizeof(work), "%s/weir-segments-XXXXXX", above != NULL ? above : "/tmp");
	DEMAND(progress != MAP_FAILED && mkdtemp(work) != NULL,
	       "segments: no memory, or no folder");
	printf("seed %llu\n", (unsigned long long)plan.seed);
	if (strcmp(mode, "run") == 0)
		run((uint32_t)number(argv, 4), argv[5]);
	else if (strcmp(mode, "check") == 0)
		check();
	else {
		find_killer();
		if (strcmp(mode, "walk") == 0)
			walk(number(argv, 4));
		else if (strcmp(mode, "each") == 0)
			each((uint32_t)number(argv, 4), (uint32_t)number(argv, 5),
			     (long)number(argv, 6));
		else
			fail(number(argv, 4));
	}
	remove_all(work);
	return 0;
}
