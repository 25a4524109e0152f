/* SPDX-License-Identifier: MIT
 * The null backend with moods, for what the indexer does about an engine that will not: a document
 * that says "reject" gets that verdict, one that says "conflict" is in conflict the first time, and
 * one that says "poison" makes the commit fail. From the environment:
 *
 *   WEIR_MOODY_POISON   words, by comma: a document that says one of them is poison too
 *   WEIR_MOODY_FOLDER   a folder: "commits" there gets a line for each commit with documents
 *                       ("good 12", "failed 12"); while it holds "away" nothing can be committed,
 *                       while it holds "slow" each apply takes a second */
#include <time.h>
#include <unistd.h>

#include "../../plugins/null/null.c"

static int poisoned, quarrels;
static size_t waiting; /* documents since the last commit */

static int says(const struct weir_document *document, const char *word, size_t length)
{
	return memmem(document->state, document->state_length, word, length) != NULL;
}

static int is_poison(const struct weir_document *document)
{
	const char *word = getenv("WEIR_MOODY_POISON");
	while (word != NULL && *word != '\0') {
		size_t length = strcspn(word, ",");
		if (says(document, word, length))
			return 1;
		word += length + (word[length] == ',');
	}
	return says(document, "poison", 6);
}

static int folder_has(const char *name)
{
	char path[4096];
	const char *folder = getenv("WEIR_MOODY_FOLDER");
	if (folder == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void write_down(const char *what)
{
	char path[4096];
	const char *folder = getenv("WEIR_MOODY_FOLDER");
	if (folder == NULL || waiting == 0)
		return;
	snprintf(path, sizeof(path), "%s/commits", folder);
	FILE *file = fopen(path, "ae");
	if (file == NULL)
		abort();
	fprintf(file, "%s %zu\n", what, waiting);
	fclose(file);
}

static weir_status moody_apply(weir_instance *instance,
			       const struct weir_document *const *documents, size_t count,
			       struct weir_verdict *const *verdicts, struct weir_error *error)
{
	weir_status status = null_apply(instance, documents, count, verdicts, error);
	waiting += count;
	if (folder_has("slow"))
		nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
	for (size_t i = 0; i < count; i++) {
		if (is_poison(documents[i]))
			poisoned = 1;
		if (says(documents[i], "conflict", 8) && quarrels++ == 0)
			verdicts[i]->kind = WEIR_CONFLICT;
		if (!says(documents[i], "reject", 6))
			continue;
		verdicts[i]->kind = WEIR_REJECTED;
		snprintf(verdicts[i]->reason, sizeof(verdicts[i]->reason), "it says so itself");
	}
	return status;
}

static weir_status moody_commit(weir_instance *instance,
				const struct weir_position *const *positions, size_t count,
				struct weir_error *error)
{
	if (poisoned || folder_has("away")) {
		write_down("failed");
		return fail(error, WEIR_RETRY,
			    poisoned ? "something in it is poison" : "the engine is away");
	}
	write_down("good");
	waiting = 0;
	return null_commit(instance, positions, count, error);
}

static weir_status moody_abandon(weir_instance *instance, struct weir_error *error)
{
	poisoned = 0;
	waiting = 0;
	return null_abandon(instance, error);
}

__attribute__((constructor)) static void change_operations(void)
{
	operations.apply = moody_apply;
	operations.commit = moody_commit;
	operations.abandon = moody_abandon;
}
