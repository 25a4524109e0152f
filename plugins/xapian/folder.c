/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

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
