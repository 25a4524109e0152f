/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

weir_status file_failed(const char *verb, const char *path, int failure, struct weir_error *error)
{
	bool is_full = failure == ENOSPC || failure == EDQUOT;
	return error_set(error, WEIR_RETRY, "xapian: cannot %s %s (%s)%s", verb, path,
			 strerror(failure), is_full ? "; make room on the disk" : "");
}

char *file_path(const char *folder, const char *name)
{
	size_t size = strlen(folder) + strlen(name) + 2;
	char *path = malloc(size);
	if (path != NULL)
		snprintf(path, size, "%s/%s", folder, name);
	return path;
}

weir_status file_open(struct file *file, const char *folder, const char *name, int flags,
		      struct weir_error *error)
{
	struct file made = {-1, file_path(folder, name)};
	if (made.path == NULL)
		return error_no_memory(error);
	do
		made.descriptor = open(made.path, flags | O_CLOEXEC, 0666);
	while (made.descriptor < 0 && errno == EINTR);
	if (made.descriptor < 0) {
		weir_status status = file_failed("open", made.path, errno, error);
		free(made.path);
		return status;
	}
	*file = made;
	return WEIR_OK;
}

void file_close(struct file *file)
{
	if (file->descriptor >= 0)
		close(file->descriptor);
	free(file->path);
	*file = FILE_CLOSED;
}

weir_status file_read(const struct file *file, uint64_t offset, void *out, size_t capacity,
		      size_t *length, struct weir_error *error)
{
	size_t done = 0;
	while (done < capacity) {
		ssize_t got = pread(file->descriptor, (char *)out + done, capacity - done,
				    (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_failed("read", file->path, errno, error);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	*length = done;
	return WEIR_OK;
}

weir_status file_write(const struct file *file, uint64_t offset, const void *data, size_t length,
		       struct weir_error *error)
{
	struct iovec part = {(void *)data, length};
	return file_write_parts(file, offset, &part, 1, error);
}

/* Passes over what was written. */
static void advance(struct iovec **parts, size_t *count, size_t written)
{
	while (*count > 0 && written >= (*parts)->iov_len) {
		written -= (*parts)->iov_len;
		++*parts;
		--*count;
	}
	if (*count > 0) {
		(*parts)->iov_base = (char *)(*parts)->iov_base + written;
		(*parts)->iov_len -= written;
	}
}

weir_status file_write_parts(const struct file *file, uint64_t offset, struct iovec *parts,
			     size_t count, struct weir_error *error)
{
	advance(&parts, &count, 0);
	while (count > 0) {
		int here = count < IOV_MAX ? (int)count : IOV_MAX;
		ssize_t written = pwritev(file->descriptor, parts, here, (off_t)offset);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return file_failed("write", file->path, written < 0 ? errno : ENOSPC,
					   error);
		offset += (uint64_t)written;
		advance(&parts, &count, (size_t)written);
	}
	return WEIR_OK;
}

/* For file systems that cannot reserve. */
static weir_status write_zeros(const struct file *file, uint64_t offset, uint64_t length,
			       struct weir_error *error)
{
	static const char zeros[65536];
	weir_status status = WEIR_OK;
	for (uint64_t done = 0; done < length && status == WEIR_OK; done += sizeof(zeros)) {
		uint64_t left = length - done;
		status = file_write(file, offset + done, zeros,
				    left < sizeof(zeros) ? (size_t)left : sizeof(zeros), error);
	}
	return status;
}

weir_status file_reserve(const struct file *file, uint64_t offset, uint64_t length,
			 struct weir_error *error)
{
	int failure;
	do
		failure = fallocate(file->descriptor, 0, (off_t)offset, (off_t)length) == 0 ? 0
											    : errno;
	while (failure == EINTR);
	if (failure == 0)
		return WEIR_OK;
	if (failure != EOPNOTSUPP && failure != ENOSYS)
		return file_failed("enlarge", file->path, failure, error);
	uint64_t size = 0;
	weir_status status = file_size(file, &size, error);
	if (status == WEIR_OK && size < offset + length)
		status = write_zeros(file, size, offset + length - size, error);
	return status;
}

weir_status file_sync(const struct file *file, struct weir_error *error)
{
	return fdatasync(file->descriptor) == 0 ? WEIR_OK
						: file_failed("sync", file->path, errno, error);
}

weir_status file_truncate(const struct file *file, uint64_t size, struct weir_error *error)
{
	int result;
	do
		result = ftruncate(file->descriptor, (off_t)size);
	while (result != 0 && errno == EINTR);
	return result == 0 ? WEIR_OK : file_failed("cut", file->path, errno, error);
}

weir_status file_size(const struct file *file, uint64_t *size, struct weir_error *error)
{
	struct stat status;
	if (fstat(file->descriptor, &status) != 0)
		return file_failed("see", file->path, errno, error);
	*size = (uint64_t)status.st_size;
	return WEIR_OK;
}
