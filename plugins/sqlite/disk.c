/* SPDX-License-Identifier: MIT */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static uint64_t file_bytes(const char *path, const char *end)
{
	char name[PATH_MAX + 8];
	struct stat status;
	if ((size_t)snprintf(name, sizeof(name), "%s%s", path, end) >= sizeof(name) ||
	    stat(name, &status) != 0)
		return 0;
	return (uint64_t)status.st_size;
}

uint64_t disk_log_bytes(const char *path)
{
	return file_bytes(path, "-wal");
}

uint64_t disk_index_bytes(const char *path)
{
	return file_bytes(path, "") + file_bytes(path, "-wal") + file_bytes(path, "-shm");
}

bool disk_has_room(const char *path, uint64_t bytes)
{
	struct statvfs system;
	return statvfs(path, &system) != 0 || (uint64_t)system.f_bavail * system.f_frsize >= bytes;
}

bool disk_sync_name(const char *path)
{
	char above[PATH_MAX] = ".";
	const char *slash = strrchr(path, '/');
	if (slash != NULL)
		snprintf(above, sizeof(above), "%.*s", slash == path ? 1 : (int)(slash - path),
			 path);
	int folder = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = folder >= 0 && fsync(folder) == 0;
	int failure = errno;
	if (folder >= 0)
		close(folder);
	errno = failure;
	return good;
}
