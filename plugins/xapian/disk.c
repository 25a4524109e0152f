/* SPDX-License-Identifier: MIT */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "error.h"

#define BLOCK_BYTES 8192 /* Xapian's default; it never changes one in place */
#define SPARE_BYTES (1U << 20)
#define MEBIBYTE (1024.0 * 1024.0)

uint64_t disk_index_bytes(const char *path)
{
	uint64_t sum = 0;
	DIR *folder = opendir(path);
	if (folder == NULL)
		return 0;
	for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
		struct stat status;
		if (fstatat(dirfd(folder), entry->d_name, &status, 0) == 0 &&
		    S_ISREG(status.st_mode))
			sum += (uint64_t)status.st_size;
	}
	closedir(folder);
	return sum;
}

weir_status disk_check(const char *path, const struct disk_pending *pending,
		       struct weir_error *error)
{
	struct statvfs system;
	if (statvfs(path, &system) != 0)
		return error_set(error, WEIR_RETRY, "xapian: cannot see the disk at %s (%s)", path,
				 strerror(errno));
	uint64_t room = (uint64_t)system.f_bavail * system.f_frsize;
	/* At worst each changed block is written anew, and a block in a hundred above them. */
	uint64_t changed = pending->blocks * BLOCK_BYTES;
	uint64_t most = pending->bytes * 2 + SPARE_BYTES;
	if (room >= changed + changed / 64 + most)
		return WEIR_OK;
	uint64_t index = disk_index_bytes(path);
	if (index < changed)
		changed = index;
	uint64_t need = changed + changed / 64 + most;
	if (room >= need)
		return WEIR_OK;
	return error_set(error, WEIR_RETRY,
			 "xapian: the disk at %s has %.1f MiB left and a commit may need %.1f; "
			 "make room",
			 path, (double)room / MEBIBYTE, (double)need / MEBIBYTE);
}
