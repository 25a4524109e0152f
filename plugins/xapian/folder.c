/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

/* Xapian's own files, and what a fresh file system has. */
static bool is_expected(const char *name)
{
	size_t length = strlen(name);
	return name[0] == '.' || strcmp(name, "lost+found") == 0 ||
	       strcmp(name, "flintlock") == 0 || strncmp(name, "iamglass", 8) == 0 ||
	       strncmp(name, "v.tmp", 5) == 0 ||
	       (length > 6 && strcmp(name + length - 6, ".glass") == 0);
}

weir_status folder_check(const char *path, struct weir_error *error)
{
	DIR *folder = opendir(path);
	if (folder == NULL && errno == ENOENT)
		return WEIR_OK;
	if (folder == NULL)
		return error_set(error, WEIR_FATAL, "xapian: cannot open the folder %s (%s)", path,
				 strerror(errno));
	weir_status status = WEIR_OK;
	for (struct dirent *entry = readdir(folder); entry != NULL && status == WEIR_OK;
	     entry = readdir(folder))
		if (!is_expected(entry->d_name))
			status = error_set(
				error, WEIR_FATAL,
				"xapian: the folder %s is not an index of Xapian: it "
				"holds %s; weir rebuild makes one beside it, or set another path",
				path, entry->d_name);
	closedir(folder);
	return status;
}

weir_status folder_sync(const char *path, struct weir_error *error)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = folder >= 0 && fsync(folder) == 0;
	int failure = errno;
	if (folder >= 0)
		close(folder);
	return good ? WEIR_OK
		    : error_set(error, WEIR_RETRY, "xapian: cannot sync the folder %s (%s)", path,
				strerror(failure));
}

weir_status folder_sync_above(const char *path, struct weir_error *error)
{
	char above[PATH_MAX];
	snprintf(above, sizeof(above), "%s", path);
	char *slash = strrchr(above, '/');
	if (slash == NULL)
		return folder_sync(".", error);
	slash[slash == above ? 1 : 0] = '\0';
	return folder_sync(above, error);
}
