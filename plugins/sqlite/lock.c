/* SPDX-License-Identifier: MIT */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "error.h"

static weir_status held(int lock, const char *path, const char *beside, struct weir_error *error)
{
	char holder[32] = "";
	ssize_t length = pread(lock, holder, sizeof(holder) - 1, 0);
	holder[length > 0 ? length : 0] = '\0';
	holder[strspn(holder, "0123456789")] = '\0';
	return error_set(error, WEIR_RETRY,
			 "sqlite: the index at %s is locked by another writer (%s%s; see %s); end "
			 "that indexer, or wait until it ends",
			 path, holder[0] != '\0' ? "process " : "an indexer or a rebuild", holder,
			 beside);
}

weir_status lock_take(const char *path, int *lock, struct weir_error *error)
{
	char beside[PATH_MAX];
	if ((size_t)snprintf(beside, sizeof(beside), "%s-lock", path) >= sizeof(beside))
		return error_set(error, WEIR_FATAL, "sqlite: the path %.100s... is too long", path);
	int file = open(beside, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (file < 0)
		return error_set(error, errno == ENOSPC ? WEIR_RETRY : WEIR_FATAL,
				 "sqlite: cannot create %s (%s); look at the folder's permissions",
				 beside, strerror(errno));
	weir_status status = WEIR_OK;
	if (flock(file, LOCK_EX | LOCK_NB) != 0)
		status = errno == EWOULDBLOCK
				 ? held(file, path, beside, error)
				 : error_set(error, WEIR_RETRY, "sqlite: cannot lock %s (%s)",
					     beside, strerror(errno));
	if (status != WEIR_OK) {
		close(file);
		return status;
	}
	/* For people; nothing depends on it, so a full disk does not matter. */
	if (ftruncate(file, 0) == 0)
		dprintf(file, "%ld\n", (long)getpid());
	*lock = file;
	return WEIR_OK;
}

void lock_release(int lock)
{
	if (lock >= 0)
		close(lock);
}
