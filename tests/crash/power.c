/* SPDX-License-Identifier: MIT
 * Writes down, by LD_PRELOAD, what a process does to the files below a folder, so that a power loss
 * at any moment can be played afterwards (power.py): what was written and not synced may be gone
 * then.
 *
 * WEIR_POWER_FOLDER  the folder
 * WEIR_POWER_JOURNAL the file to append to; not below the folder
 * WEIR_POWER_SWALLOW set: syncs are neither done nor written down, as a program would be that
 * forgot them
 *
 * Beside the files it notes what leaves on sockets as an answer of HTTP (before it leaves), and the
 * offsets that are handed to rd_kafka_commit: what others were promised. What is written through
 * mmap is not seen.
 *
 * Concurrency: an operation and its record are one, under `lock`, so the journal has them in their
 * order. */
#include "preload.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum operation {
	CREATE = 'C',	/* path, file */
	WRITE = 'W',	/* file, offset, data */
	TRUNCATE = 'T', /* file, offset is the size */
	RENAME = 'R',	/* path, data is the new one */
	UNLINK = 'U',	/* path */
	LINK = 'L',	/* path, data is the new one, file */
	MKDIR = 'M',	/* path */
	RMDIR = 'D',	/* path */
	SYNC = 'S',	/* file */
	SYNCDIR = 'Y',	/* path */
	NAME = 'N',	/* path, file: so it is named now; before each SYNCDIR */
	ANSWER = 'A',	/* data: the beginning of an answer */
	GROUP = 'G',	/* data: topic partition offset, a line each */
};

struct record {
	uint32_t operation, path_length, data_length, reserved;
	uint64_t file, offset; /* file: its inode */
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char folder[PATH_MAX];
static size_t folder_length;
static int journal = -1;
static bool swallow;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("WEIR_POWER_FOLDER"), *file = getenv("WEIR_POWER_JOURNAL");
	if (path == NULL || file == NULL || realpath(path, folder) == NULL)
		return;
	folder_length = strlen(folder);
	swallow = getenv("WEIR_POWER_SWALLOW") != NULL;
	journal = (int)syscall(SYS_openat, AT_FDCWD, file,
			       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static void note(enum operation operation, const char *path, uint64_t file, uint64_t offset,
		 const void *data, size_t length)
{
	struct record record = {(uint32_t)operation,
				path != NULL ? (uint32_t)strlen(path) : 0,
				(uint32_t)length,
				0,
				file,
				offset};
	struct iovec parts[] = {{&record, sizeof(record)},
				{(void *)path, record.path_length},
				{(void *)data, length}};
	size_t size = sizeof(record) + record.path_length + length;
	if (syscall(SYS_writev, journal, parts, 3) != (long)size)
		abort(); /* a journal with holes would prove nothing */
}

/* The path below the folder; NULL: it is not below it. buffer has PATH_MAX bytes. */
static const char *below(const char *absolute, char *buffer)
{
	if (strncmp(absolute, folder, folder_length) != 0 ||
	    (absolute[folder_length] != '/' && absolute[folder_length] != '\0'))
		return NULL;
	snprintf(buffer, PATH_MAX, "%s", absolute + folder_length);
	return buffer;
}

static const char *of_file(int fd, char *buffer)
{
	char link[64], absolute[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = journal < 0 ? -1 : readlink(link, absolute, sizeof(absolute) - 1);
	if (length <= 0)
		return NULL;
	absolute[length] = '\0';
	return below(absolute, buffer);
}

/* path may be relative to the folder of at. */
static const char *of_path(int at, const char *path, char *buffer)
{
	char absolute[2 * PATH_MAX], start[PATH_MAX];
	if (journal < 0 || path == NULL)
		return NULL;
	if (path[0] == '/')
		return below(path, buffer);
	char link[64];
	snprintf(link, sizeof(link), at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
	ssize_t length = readlink(link, start, sizeof(start) - 1);
	if (length <= 0)
		return NULL;
	start[length] = '\0';
	snprintf(absolute, sizeof(absolute), "%s/%s", start, path);
	return strlen(absolute) < PATH_MAX ? below(absolute, buffer) : NULL;
}

static uint64_t inode(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 ? (uint64_t)status.st_ino : 0;
}

static bool is_file(int fd)
{
	return journal >= 0 && is_regular_file(fd);
}

static void lock_all(void)
{
	pthread_mutex_lock(&lock);
}

/* Keeps errno. */
static void unlock_all(void)
{
	int kept = errno;
	pthread_mutex_unlock(&lock);
	errno = kept;
}

static int open_noted(int at, const char *path, int flags, mode_t mode)
{
	char buffer[PATH_MAX];
	const char *name = of_path(at, path, buffer);
	if (name == NULL)
		return (int)syscall(SYS_openat, at, path, flags, mode);
	lock_all();
	struct stat status;
	bool was_there = fstatat(at, path, &status, 0) == 0;
	int fd = (int)syscall(SYS_openat, at, path, flags, mode);
	if (fd >= 0 && !was_there && is_file(fd))
		note(CREATE, name, inode(fd), 0, NULL, 0);
	else if (fd >= 0 && (flags & O_TRUNC) != 0 && status.st_size > 0)
		note(TRUNCATE, NULL, inode(fd), 0, NULL, 0);
	unlock_all();
	return fd;
}

EXPORT_OPENS(open_noted)

EXPORT int creat(const char *path, mode_t mode)
{
	return open_noted(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

static bool is_socket(int fd)
{
	struct stat status;
	return journal >= 0 && fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* The beginning of what an HTTP server sends. Before it is sent: from then on it is promised. */
static void note_answer(int fd, const void *data, size_t length)
{
	if (length < 9 || memcmp(data, "HTTP/1.1 ", 9) != 0 || !is_socket(fd))
		return;
	lock_all();
	note(ANSWER, NULL, 0, 0, data, length < 2000 ? length : 2000);
	unlock_all();
}

/* position: -1: where the file stands, behind what was written. */
static void note_write(int fd, const void *data, ssize_t written, off_t position)
{
	if (written <= 0)
		return;
	if (position < 0)
		position = lseek(fd, 0, SEEK_CUR) - written;
	note(WRITE, NULL, inode(fd), (uint64_t)position, data, (size_t)written);
}

EXPORT ssize_t write(int fd, const void *data, size_t length)
{
	char buffer[PATH_MAX];
	if (!is_file(fd) || of_file(fd, buffer) == NULL) {
		note_answer(fd, data, length);
		return syscall(SYS_write, fd, data, length);
	}
	lock_all();
	ssize_t written = syscall(SYS_write, fd, data, length);
	note_write(fd, data, written, -1);
	unlock_all();
	return written;
}

static ssize_t pwrite_noted(int fd, const void *data, size_t length, off_t position)
{
	char buffer[PATH_MAX];
	if (!is_file(fd) || of_file(fd, buffer) == NULL)
		return syscall(SYS_pwrite64, fd, data, length, position);
	lock_all();
	ssize_t written = syscall(SYS_pwrite64, fd, data, length, position);
	note_write(fd, data, written, position);
	unlock_all();
	return written;
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t length, off_t position)
{
	return pwrite_noted(fd, data, length, position);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t length, off64_t position)
{
	return pwrite_noted(fd, data, length, position);
}

/* position -1: where the file stands. */
static ssize_t writev_noted(int fd, const struct iovec *parts, int count, off_t position)
{
	ssize_t sum = 0;
	for (int i = 0; i < count; i++) {
		const void *data = parts[i].iov_base;
		size_t length = parts[i].iov_len;
		ssize_t written = position < 0 ? write(fd, data, length)
					       : pwrite_noted(fd, data, length, position + sum);
		if (written < 0)
			return sum > 0 ? sum : written;
		sum += written;
		if ((size_t)written < length)
			break;
	}
	return sum;
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	char buffer[PATH_MAX];
	if (is_file(fd) && of_file(fd, buffer) != NULL)
		return writev_noted(fd, parts, count, -1);
	if (count > 0)
		note_answer(fd, parts[0].iov_base, parts[0].iov_len);
	return syscall(SYS_writev, fd, parts, count);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t position)
{
	return writev_noted(fd, parts, count, position);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t position)
{
	return writev_noted(fd, parts, count, position);
}

EXPORT ssize_t send(int fd, const void *data, size_t length, int flags)
{
	note_answer(fd, data, length);
	return syscall(SYS_sendto, fd, data, length, flags, NULL, 0);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (message->msg_iovlen > 0)
		note_answer(fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
	return syscall(SYS_sendmsg, fd, message, flags);
}

static int truncate_noted(int fd, off_t size)
{
	char buffer[PATH_MAX];
	bool noted = is_file(fd) && of_file(fd, buffer) != NULL;
	lock_all();
	int result = (int)syscall(SYS_ftruncate, fd, size);
	if (result == 0 && noted)
		note(TRUNCATE, NULL, inode(fd), (uint64_t)size, NULL, 0);
	unlock_all();
	return result;
}

EXPORT int ftruncate(int fd, off_t size)
{
	return truncate_noted(fd, size);
}

EXPORT int ftruncate64(int fd, off64_t size)
{
	return truncate_noted(fd, size);
}

/* Room is a matter of speed: where it grows the file, that is a change of its size. */
static int allocate_noted(int fd, int mode, off_t offset, off_t length)
{
	char buffer[PATH_MAX];
	struct stat status;
	bool noted = is_file(fd) && of_file(fd, buffer) != NULL;
	lock_all();
	int result = (int)syscall(SYS_fallocate, fd, mode, offset, length);
	if (result == 0 && noted && fstat(fd, &status) == 0)
		note(TRUNCATE, NULL, (uint64_t)status.st_ino, (uint64_t)status.st_size, NULL, 0);
	unlock_all();
	return result;
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t length)
{
	return allocate_noted(fd, mode, offset, length);
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
	return allocate_noted(fd, mode, offset, length);
}

EXPORT int posix_fallocate(int fd, off_t offset, off_t length)
{
	return allocate_noted(fd, 0, offset, length) == 0 ? 0 : errno;
}

EXPORT int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
	return allocate_noted(fd, 0, offset, length) == 0 ? 0 : errno;
}

static int rename_noted(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
	char old_buffer[PATH_MAX], new_buffer[PATH_MAX];
	const char *old_name = of_path(from_at, from, old_buffer),
		   *new_name = of_path(to_at, to, new_buffer);
	lock_all();
	int result = (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
	if (result == 0 && old_name != NULL && new_name != NULL)
		note(RENAME, old_name, 0, 0, new_name, strlen(new_name));
	unlock_all();
	return result;
}

EXPORT int rename(const char *from, const char *to)
{
	return rename_noted(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int renameat(int from_at, const char *from, int to_at, const char *to)
{
	return rename_noted(from_at, from, to_at, to, 0);
}

EXPORT int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
	return rename_noted(from_at, from, to_at, to, flags);
}

EXPORT int link(const char *from, const char *to)
{
	char old_buffer[PATH_MAX], new_buffer[PATH_MAX];
	const char *old_name = of_path(AT_FDCWD, from, old_buffer),
		   *new_name = of_path(AT_FDCWD, to, new_buffer);
	lock_all();
	int result = (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
	if (result == 0 && old_name != NULL && new_name != NULL)
		note(LINK, old_name, 0, 0, new_name, strlen(new_name));
	unlock_all();
	return result;
}

static int unlink_noted(int at, const char *path, int flags)
{
	char buffer[PATH_MAX];
	const char *name = of_path(at, path, buffer);
	lock_all();
	int result = (int)syscall(SYS_unlinkat, at, path, flags);
	if (result == 0 && name != NULL)
		note((flags & AT_REMOVEDIR) != 0 ? RMDIR : UNLINK, name, 0, 0, NULL, 0);
	unlock_all();
	return result;
}

EXPORT int unlink(const char *path)
{
	return unlink_noted(AT_FDCWD, path, 0);
}

EXPORT int unlinkat(int at, const char *path, int flags)
{
	return unlink_noted(at, path, flags);
}

EXPORT int rmdir(const char *path)
{
	return unlink_noted(AT_FDCWD, path, AT_REMOVEDIR);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	char buffer[PATH_MAX];
	const char *name = of_path(AT_FDCWD, path, buffer);
	lock_all();
	int result = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
	if (result == 0 && name != NULL)
		note(MKDIR, name, 0, 0, NULL, 0);
	unlock_all();
	return result;
}

/* Rust's tempfile renames without the C library; at the latest here it is seen. */
static void note_names(int fd, const char *path)
{
	DIR *names =
		fdopendir((int)syscall(SYS_openat, fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (names == NULL)
		return;
	for (struct dirent *entry = readdir(names); entry != NULL; entry = readdir(names)) {
		char name[2 * PATH_MAX];
		if (entry->d_type != DT_REG)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		note(NAME, name, (uint64_t)entry->d_ino, 0, NULL, 0);
	}
	closedir(names);
}

/* The disk itself need not be waited for: only the journal counts. */
static int sync_noted(int fd, long call)
{
	char buffer[PATH_MAX];
	struct stat status;
	const char *name = of_file(fd, buffer);
	if (name == NULL || fstat(fd, &status) != 0)
		return (int)syscall(call, fd);
	if (swallow)
		return 0;
	lock_all();
	if (S_ISDIR(status.st_mode)) {
		note_names(fd, name);
		note(SYNCDIR, name, 0, 0, NULL, 0);
	} else {
		note(SYNC, name, (uint64_t)status.st_ino, 0, NULL, 0);
	}
	unlock_all();
	return 0;
}

EXPORT int fsync(int fd)
{
	return sync_noted(fd, SYS_fsync);
}

EXPORT int fdatasync(int fd)
{
	return sync_noted(fd, SYS_fdatasync);
}

/* What the group is told that the index holds. */
EXPORT rd_kafka_resp_err_t rd_kafka_commit(rd_kafka_t *client,
					   const rd_kafka_topic_partition_list_t *offsets,
					   int async)
{
	rd_kafka_resp_err_t (*commit)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *, int);
	char lines[8192] = "";
	size_t length = 0;
	*(void **)&commit = dlsym(RTLD_NEXT, "rd_kafka_commit");
	for (int i = 0; offsets != NULL && i < offsets->cnt && length < sizeof(lines) - 300; i++)
		length += (size_t)snprintf(lines + length, sizeof(lines) - length, "%s %d %lld\n",
					   offsets->elems[i].topic, offsets->elems[i].partition,
					   (long long)offsets->elems[i].offset);
	lock_all();
	if (journal >= 0)
		note(GROUP, NULL, 0, 0, lines, length);
	unlock_all();
	return commit(client, offsets, async);
}
