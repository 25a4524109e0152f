/* SPDX-License-Identifier: MIT */
#include "disk.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

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
