/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

static bool begins(const char *name, const char *beginning)
{
	return strncmp(name, beginning, strlen(beginning)) == 0;
}

/* An index's own files, and what a fresh file system has. */
static bool is_expected(const char *name)
{
	static const char *const names[] = {"lost+found", "lock",  "manifest", "manifest.new",
					    "head",	  "names", "rows"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return name[0] == '.' || begins(name, "log.") || begins(name, "s.");
}

static weir_status check_entry(const char *path, const char *name, struct weir_error *error)
{
	if (is_expected(name))
		return WEIR_OK;
	if (begins(name, "iamglass"))
		return error_set(error, WEIR_FATAL,
				 "xapian: the index at %s has the format of an older version of "
				 "this plug-in; weir rebuild makes a new one",
				 path);
	return error_set(error, WEIR_FATAL,
			 "xapian: the folder %s is not an index of Xapian: it holds %s; weir "
			 "rebuild makes one beside it, or set another path",
			 path, name);
}

weir_status folder_check(const char *path, struct weir_error *error)
{
	DIR *folder = opendir(path);
	if (folder == NULL && errno == ENOENT)
		return WEIR_OK;
	if (folder == NULL) { /* without descriptors or memory it says nothing of the folder */
		bool is_short = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
		return error_set(error, is_short ? WEIR_RETRY : WEIR_FATAL,
				 "xapian: cannot open the folder %s (%s)", path, strerror(errno));
	}
	struct weir_error other;
	weir_status status = WEIR_OK;
	bool is_old = false;
	for (struct dirent *entry = readdir(folder); entry != NULL && !is_old;
	     entry = readdir(folder)) {
		is_old = begins(entry->d_name, "iamglass");
		if (check_entry(path, entry->d_name, &other) == WEIR_OK)
			continue;
		status = WEIR_FATAL;
		*error = other;
	}
	closedir(folder);
	return status;
}

weir_status folder_make(const char *path, struct weir_error *error)
{
	char part[PATH_MAX];
	size_t length = strlen(path);
	if (length >= sizeof(part))
		return error_set(error, WEIR_FATAL, "xapian: the path %.100s... is too long", path);
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		bool made = mkdir(part, 0777) == 0;
		if (!made && errno != EEXIST)
			return error_set(error, errno == ENOSPC ? WEIR_RETRY : WEIR_FATAL,
					 "xapian: cannot create the folder %s (%s); create it or "
					 "set another path",
					 part, strerror(errno));
		weir_status status = made ? folder_sync_above(part, error) : WEIR_OK;
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

weir_status folder_lock(const char *path, struct file *lock, struct weir_error *error)
{
	char holder[32] = "";
	size_t length = 0;
	weir_status status = file_open(lock, path, "lock", O_RDWR | O_CREAT, error);
	if (status != WEIR_OK)
		return status;
	int result;
	do
		result = flock(lock->descriptor, LOCK_EX | LOCK_NB);
	while (result != 0 && errno == EINTR);
	if (result == 0) {
		snprintf(holder, sizeof(holder), "%ld\n", (long)getpid());
		/* It only helps to find the holder: a full disk is no reason not to go on. */
		struct weir_error ignored;
		(void)file_truncate(lock, 0, &ignored);
		(void)file_write(lock, 0, holder, strlen(holder), &ignored);
		return WEIR_OK;
	}
	if (errno != EWOULDBLOCK) {
		status = file_failed("lock", lock->path, errno, error);
	} else {
		(void)file_read(lock, 0, holder, sizeof(holder) - 1, &length, error);
		holder[strspn(holder, "0123456789")] = '\0';
		status = error_set(error, WEIR_RETRY,
				   "xapian: the index at %s is locked by another indexer (process "
				   "%s); stop it, or give this one another path",
				   path, holder);
	}
	file_close(lock);
	return status;
}

/* Calls visit with the path of each entry. */
static bool each_entry(const char *path, bool (*visit)(const char *path, void *context),
		       void *context)
{
	DIR *folder = opendir(path);
	bool good = folder != NULL;
	for (struct dirent *entry = good ? readdir(folder) : NULL; entry != NULL;
	     entry = readdir(folder)) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		char *whole = file_path(path, entry->d_name);
		good = whole != NULL && visit(whole, context) && good;
		free(whole);
	}
	if (folder != NULL)
		closedir(folder);
	return good;
}

static bool sync_file(const char *path, void *context)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	bool good = descriptor >= 0 && fsync(descriptor) == 0;
	if (!good)
		*(int *)context = errno;
	if (descriptor >= 0)
		close(descriptor);
	return good;
}

weir_status folder_sync_all(const char *path, struct weir_error *error)
{
	int failure = ENOENT;
	if (!each_entry(path, sync_file, &failure))
		return file_failed("sync", path, failure, error);
	return folder_sync(path, error);
}

static bool remove_file(const char *path, void *context)
{
	(void)context;
	return unlink(path) == 0;
}

void folder_remove(const char *path)
{
	(void)each_entry(path, remove_file, NULL);
	(void)rmdir(path);
}

static bool add_bytes(const char *path, void *context)
{
	struct stat status;
	if (lstat(path, &status) != 0)
		return false;
	if (S_ISREG(status.st_mode))
		*(uint64_t *)context += (uint64_t)status.st_size;
	else if (S_ISDIR(status.st_mode))
		*(uint64_t *)context += folder_bytes(path);
	return true;
}

uint64_t folder_bytes(const char *path)
{
	uint64_t sum = 0;
	(void)each_entry(path, add_bytes, &sum);
	return sum;
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
