/* SPDX-License-Identifier: MIT
 * clock_shift.c - for tests, with LD_PRELOAD: another wall clock for one process. The file named by
 * CLOCK_SHIFT_FILE holds how many microseconds it is ahead, as an int64_t; it may change at any
 * time. The monotonic clock is left alone, as in an adjustment of the wall clock. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

__attribute__((constructor)) static void open_file(void)
{
	const char *path = getenv("CLOCK_SHIFT_FILE");
	int file = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	void *mapped = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, file, 0);
	if (mapped != MAP_FAILED)
		shift = mapped;
	close(file);
}

static int64_t wall(void)
{
	struct timespec now;
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000 + (shift != NULL ? *shift : 0);
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *out)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
		return (int)syscall(SYS_clock_gettime, clock, out);
	int64_t now = wall();
	*out = (struct timespec){now / 1000000, now % 1000000 * 1000};
	return 0;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict out,
							void *restrict zone)
{
	int64_t now = wall();
	(void)zone;
	*out = (struct timeval){now / 1000000, now % 1000000};
	return 0;
}

__attribute__((visibility("default"))) time_t time(time_t *out)
{
	time_t now = wall() / 1000000;
	if (out != NULL)
		*out = now;
	return now;
}
