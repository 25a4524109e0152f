/* SPDX-License-Identifier: MIT
 * beside PLUGIN SEED KILLS: a writer that is killed again and again, and readers beside it whose
 * sessions stay open. Whatever a session shows is all of one batch: at least the one that was
 * committed before it was refreshed, and never an older one than before. An answer of WEIR_RETRY is
 * asked again.
 *
 * Concurrency: a process for the writer, one for each reader; they share `shared`. */
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "batches.h"
#include "log.h"

enum {
	READERS = 3,
	BATCHES = 25, /* that a writer does at least before it is killed */
	LOOKS = 20,   /* that each reader has done at least before the next kill */
	REOPEN = 40,  /* every so many looks another session */
};

static struct shared {
	struct progress progress;
	uint32_t looks[READERS], again[READERS];
	uint32_t parts[LOOK_PARTS];
} * shared;

static struct place place;
static char folder[PATH_MAX - 64];

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

static void make_place(const char *plugin, const struct plan *plan)
{
	struct plugin *loaded = NULL;
	struct config *config = NULL;
	char text[PATH_MAX + 64];
	const char *sets[] = {text};
	MUST(plugin_load(plugin, NULL, &loaded, error));
	snprintf(text, sizeof(text), "backend.%s.path=%s/index", loaded->manifest->name, folder);
	place = (struct place){loaded, NULL, *plan};
	MUST(config_load(NULL, sets, 1, &config, error));
	MUST(plugin_parameters_read(loaded, config, &place.parameters, error));
	config_destroy(config);
}

static pid_t start(void (*body)(unsigned), unsigned number)
{
	fflush(NULL);
	pid_t child = fork();
	DEMAND(child >= 0, "beside: fork: %s", strerror(errno));
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body(number);
		_exit(0);
	}
	return child;
}

static void write_batches(unsigned number)
{
	static struct model model;
	struct writing writing = {&place, NULL, &model, &shared->progress, false, NULL};
	struct bounds bounds = {shared->progress.committed, shared->progress.begun, false, false};
	(void)number;
	look_as_writer(&place, &bounds, &model, &writing.instance);
	for (;;)
		batch_do(&writing);
}

static void open_session(struct beside *beside)
{
	place.plugin->operations.session_close(beside->session);
	beside->session = NULL;
	MUST(place.plugin->operations.session_open(beside->instance, &plugin_default_host,
						   &beside->session, error));
}

static void read_beside(unsigned number)
{
	static struct beside beside;
	static jmp_buf again;
	static uint32_t look;
	beside.place = &place;
	look_again = &again;
	if (setjmp(again) != 0)
		__atomic_add_fetch(&shared->again[number], 1, __ATOMIC_RELAXED);
	if (beside.instance == NULL)
		MUST(place_open(&place, WEIR_MODE_READER, &beside.instance, error));
	if (beside.session == NULL)
		open_session(&beside);
	for (;;) {
		unsigned part = (look * READERS + number) % LOOK_PARTS;
		look_beside(&beside, part, &shared->progress.committed, &shared->progress.begun);
		__atomic_add_fetch(&shared->parts[part], 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&shared->looks[number], 1, __ATOMIC_RELEASE);
		look++;
		if (look % REOPEN == number)
			open_session(&beside);
	}
}

static void must_run(pid_t child, const char *what)
{
	int status;
	DEMAND(waitpid(child, &status, WNOHANG) == 0, "beside: the %s ended by itself", what);
}

static bool is_enough(uint32_t batch, const uint32_t *looks)
{
	if (__atomic_load_n(&shared->progress.committed, __ATOMIC_ACQUIRE) < batch)
		return false;
	for (unsigned i = 0; i < READERS; i++)
		if (__atomic_load_n(&shared->looks[i], __ATOMIC_ACQUIRE) < looks[i])
			return false;
	return true;
}

static void kill_child(pid_t child)
{
	int status;
	kill(child, SIGKILL);
	DEMAND(waitpid(child, &status, 0) == child, "beside: waitpid: %s", strerror(errno));
}

/* Lets them run until all have done something, and some batches more. */
static void run_once(const pid_t *readers, uint64_t random)
{
	uint32_t looks[READERS];
	uint32_t batch = shared->progress.committed + BATCHES + (uint32_t)(random % BATCHES);
	for (unsigned i = 0; i < READERS; i++)
		looks[i] = shared->looks[i] + LOOKS;
	pid_t writer = start(write_batches, 0);
	while (!is_enough(batch, looks)) {
		must_run(writer, "writer");
		for (unsigned i = 0; i < READERS; i++)
			must_run(readers[i], "reader");
		sched_yield();
	}
	kill_child(writer);
}

int main(int argc, char **argv)
{
	DEMAND(argc == 4, "usage: beside PLUGIN SEED KILLS");
	struct plan plan = {strtoull(argv[2], NULL, 10), 300, 12, 12};
	pid_t readers[READERS];
	log_open("beside", WEIR_LOG_ERROR);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	const char *above = getenv("TMPDIR");
	snprintf(folder, sizeof(folder), "%s/weir-beside-XXXXXX", above != NULL ? above : "/tmp");
	DEMAND(shared != MAP_FAILED && mkdtemp(folder) != NULL, "beside: no memory, or no folder");
	make_place(argv[1], &plan);
	for (unsigned i = 0; i < READERS; i++)
		readers[i] = start(read_beside, i);
	unsigned long kills = strtoul(argv[3], NULL, 10);
	for (unsigned long i = 0; i < kills; i++)
		run_once(readers, steps_random(plan.seed, i, 7));
	uint32_t looks = 0, again = 0;
	for (unsigned i = 0; i < READERS; i++) {
		looks += shared->looks[i];
		again += shared->again[i];
		kill_child(readers[i]);
	}
	for (unsigned i = 0; i < LOOK_PARTS; i++)
		DEMAND(shared->parts[i] > 0, "beside: part %u was never looked at", i);
	printf("seed %llu: %u batches, %lu kills, %u looks, %u asked again\n",
	       (unsigned long long)plan.seed, shared->progress.committed, kills, looks, again);
	nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
