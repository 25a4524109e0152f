/* SPDX-License-Identifier: MIT
 * Ends the process, by LD_PRELOAD, at one of its calls that change files: so each step of a commit,
 * a merge or a clean-up can be the last one. Or lets a few of them fail, as on a full disk.
 *
 * The program finds kill_at_* with dlsym. Calls count from any thread, and for any regular file.
 *
 * WEIR_BOOT_ID  a file to be read in place of the kernel's boot_id, as after a power loss
 *
 * Concurrency: the counters are atomic; kill_at_arm is called while no other thread runs. */
#include "preload.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls, doomed, fails_left, fails_from;
static atomic_bool counts, halves;
static atomic_int failure;

/* From now on the n-th call is the last: it is not done, or when it writes, half of it. 0: none. */
EXPORT void kill_at_arm(long n, int half)
{
	calls = 0;
	doomed = n;
	halves = half != 0;
	fails_left = 0;
	counts = true;
}

/* From the n-th call on, so many of those that need room fail with the error. */
EXPORT void kill_at_fail(long n, long how_many, int error)
{
	calls = 0;
	doomed = 0;
	fails_from = n;
	fails_left = how_many;
	failure = error;
	counts = true;
}

EXPORT long kill_at_count(void)
{
	return calls;
}

EXPORT void kill_at_disarm(void)
{
	counts = false;
	fails_left = 0;
}

static _Noreturn void end(void)
{
	for (;;)
		syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* Counts a call. True: it is the doomed one, and the caller does half of it. */
static bool is_last(bool can_be_half)
{
	if (!counts)
		return false;
	long number = atomic_fetch_add(&calls, 1) + 1;
	if (doomed == 0 || number < doomed)
		return false;
	if (number > doomed) /* another thread is dying of it */
		for (;;)
			pause();
	if (can_be_half && halves)
		return true;
	end();
}

/* Whether a call that needs room is to fail; sets errno. */
static bool fails(void)
{
	if (!counts || atomic_load(&fails_left) <= 0 || calls < fails_from)
		return false;
	if (atomic_fetch_sub(&fails_left, 1) <= 0)
		return false;
	errno = failure;
	return true;
}

static bool is_counted(int fd)
{
	return counts && is_regular_file(fd);
}

static const char *in_place_of(const char *path)
{
	const char *boot_id = getenv("WEIR_BOOT_ID");
	return boot_id != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0 ? boot_id
										       : path;
}

static int open_counted(int at, const char *path, int flags, mode_t mode)
{
	path = in_place_of(path);
	if ((flags & (O_CREAT | O_TRUNC)) != 0 && (flags & O_ACCMODE) != O_RDONLY) {
		is_last(false);
		if (fails())
			return -1;
	}
	return (int)syscall(SYS_openat, at, path, flags, mode);
}

EXPORT_OPENS(open_counted)

EXPORT ssize_t write(int fd, const void *data, size_t length)
{
	if (is_counted(fd)) {
		if (is_last(true)) {
			syscall(SYS_write, fd, data, length / 2);
			end();
		}
		if (fails())
			return -1;
	}
	return syscall(SYS_write, fd, data, length);
}

static ssize_t pwrite_counted(int fd, const void *data, size_t length, off_t position)
{
	if (is_counted(fd)) {
		if (is_last(true)) {
			syscall(SYS_pwrite64, fd, data, length / 2, position);
			end();
		}
		if (fails())
			return -1;
	}
	return syscall(SYS_pwrite64, fd, data, length, position);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t length, off_t position)
{
	return pwrite_counted(fd, data, length, position);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t length, off64_t position)
{
	return pwrite_counted(fd, data, length, position);
}

static void write_half(int fd, const struct iovec *parts, int count, off_t position)
{
	size_t left = 0;
	for (int i = 0; i < count; i++)
		left += parts[i].iov_len;
	left /= 2;
	for (int i = 0; i < count && left > 0; i++) {
		size_t here = parts[i].iov_len < left ? parts[i].iov_len : left;
		syscall(SYS_pwrite64, fd, parts[i].iov_base, here, position);
		position += (off_t)here;
		left -= here;
	}
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	if (is_counted(fd)) {
		if (is_last(true)) {
			write_half(fd, parts, count, lseek(fd, 0, SEEK_CUR));
			end();
		}
		if (fails())
			return -1;
	}
	return syscall(SYS_writev, fd, parts, count);
}

static ssize_t pwritev_counted(int fd, const struct iovec *parts, int count, off_t position)
{
	if (is_counted(fd)) {
		if (is_last(true)) {
			write_half(fd, parts, count, position);
			end();
		}
		if (fails())
			return -1;
	}
	return syscall(SYS_pwritev, fd, parts, count, position, 0);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t position)
{
	return pwritev_counted(fd, parts, count, position);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t position)
{
	return pwritev_counted(fd, parts, count, position);
}

/* A counted call that is done whole or not at all. */
#define COUNTED(result, arguments, number, ...)                                                    \
	EXPORT result arguments                                                                    \
	{                                                                                          \
		is_last(false);                                                                    \
		return (result)syscall(number, __VA_ARGS__);                                       \
	}
COUNTED(int, ftruncate(int fd, off_t size), SYS_ftruncate, fd, size)
COUNTED(int, ftruncate64(int fd, off64_t size), SYS_ftruncate, fd, size)
COUNTED(int, fsync(int fd), SYS_fsync, fd)
COUNTED(int, fdatasync(int fd), SYS_fdatasync, fd)
COUNTED(int, rename(const char *from, const char *to), SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to,
	0)
COUNTED(int, unlink(const char *path), SYS_unlinkat, AT_FDCWD, path, 0)
COUNTED(int, unlinkat(int at, const char *path, int flags), SYS_unlinkat, at, path, flags)
COUNTED(int, rmdir(const char *path), SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR)
COUNTED(int, mkdir(const char *path, mode_t mode), SYS_mkdirat, AT_FDCWD, path, mode)
COUNTED(int, mkdirat(int at, const char *path, mode_t mode), SYS_mkdirat, at, path, mode)

static int allocate_counted(int fd, int mode, off_t offset, off_t length)
{
	is_last(false);
	return fails() ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t length)
{
	return allocate_counted(fd, mode, offset, length);
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
	return allocate_counted(fd, mode, offset, length);
}

EXPORT int posix_fallocate(int fd, off_t offset, off_t length)
{
	return allocate_counted(fd, 0, offset, length) == 0 ? 0 : errno;
}

EXPORT int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
	return allocate_counted(fd, 0, offset, length) == 0 ? 0 : errno;
}
