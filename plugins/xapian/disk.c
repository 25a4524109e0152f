/* SPDX-License-Identifier: MIT */
#include "disk.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "error.h"

#define SPARE_BYTES (2U << 20)
#define DOCUMENT_BYTES 1024 /* of its row and its record, and of short terms */
#define WORDS_SHARE 6	    /* a text stands in the record, and its terms in blocks half full */
#define MEBIBYTE (1024.0 * 1024.0)

weir_status disk_check(const char *path, const struct disk_pending *pending,
		       struct weir_error *error)
{
	struct statvfs system;
	if (statvfs(path, &system) != 0)
		return error_set(error, WEIR_RETRY, "xapian: cannot see the disk at %s (%s)", path,
				 strerror(errno));
	uint64_t room = (uint64_t)system.f_bavail * system.f_frsize;
	/* At worst each block of a fresh segment is written anew. */
	uint64_t need = SPARE_BYTES + pending->fresh + pending->bytes +
			pending->words * WORDS_SHARE + pending->documents * DOCUMENT_BYTES;
	if (room >= need)
		return WEIR_OK;
	return error_set(error, WEIR_RETRY,
			 "xapian: the disk at %s has %.1f MiB left and a commit may need %.1f; "
			 "make room",
			 path, (double)room / MEBIBYTE, (double)need / MEBIBYTE);
}
