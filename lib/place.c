/* SPDX-License-Identifier: MIT */
#include "place.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *place_executable_folder(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (length <= 0)
		return NULL;
	path[length] = '\0';
	char *slash = strrchr(path, '/');
	if (slash == NULL)
		return NULL;
	*slash = '\0';
	return strdup(path);
}

char *place_find(const char *const *candidates, size_t count)
{
	WEIR_FREE char *folder = place_executable_folder();
	for (size_t i = 0; folder != NULL && i < count; i++) {
		char *path;
		if (asprintf(&path, "%s/%s", folder, candidates[i]) < 0)
			return NULL;
		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

char *place_schema(void)
{
	static const char *const candidates[] = {
		"../share/weir/schema/events.json", "../schema/events.json",
		"../../schema/events.json", /* tests, one folder deeper in the build */
	};
	return place_find(candidates, sizeof(candidates) / sizeof(candidates[0]));
}
