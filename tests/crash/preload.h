/* SPDX-License-Identifier: MIT
 * preload.h - what libraries for LD_PRELOAD share that stand between a program and its files. Each
 * includes it first and once. */
#ifndef PRELOAD_H
#define PRELOAD_H

#undef _FILE_OFFSET_BITS /* it makes open and open64 one name; here both are needed */
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>

#define EXPORT __attribute__((visibility("default")))

static bool is_regular_file(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

static mode_t mode_of(int flags, va_list arguments)
{
	return (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name, opened)                                                                         \
	EXPORT int name(const char *path, int flags, ...)                                          \
	{                                                                                          \
		va_list arguments;                                                                 \
		va_start(arguments, flags);                                                        \
		mode_t mode = mode_of(flags, arguments);                                           \
		va_end(arguments);                                                                 \
		return opened(AT_FDCWD, path, flags, mode);                                        \
	}
#define OPENAT(name, opened)                                                                       \
	EXPORT int name(int at, const char *path, int flags, ...)                                  \
	{                                                                                          \
		va_list arguments;                                                                 \
		va_start(arguments, flags);                                                        \
		mode_t mode = mode_of(flags, arguments);                                           \
		va_end(arguments);                                                                 \
		return opened(at, path, flags, mode);                                              \
	}
/* All the names by which files are opened, each by opened(int at, const char *path, int flags,
 * mode_t). */
#define EXPORT_OPENS(opened)                                                                       \
	OPEN(open, opened) OPEN(open64, opened) OPENAT(openat, opened) OPENAT(openat64, opened)

#endif
