/* SPDX-License-Identifier: MIT
 * The null backend with moods, for what the indexer does about an engine that will not: a document
 * that says "reject" gets that verdict, one that says "conflict" is in conflict the first time, and
 * one that says "poison" makes the commit fail. */
#include "../../plugins/null/null.c"

static int poisoned, quarrels;

static int says(const struct weir_document *document, const char *word)
{
	return memmem(document->state, document->state_length, word, strlen(word)) != NULL;
}

static weir_status moody_apply(weir_instance *instance,
			       const struct weir_document *const *documents, size_t count,
			       struct weir_verdict *const *verdicts, struct weir_error *error)
{
	weir_status status = null_apply(instance, documents, count, verdicts, error);
	for (size_t i = 0; i < count; i++) {
		if (says(documents[i], "poison"))
			poisoned = 1;
		if (says(documents[i], "conflict") && quarrels++ == 0)
			verdicts[i]->kind = WEIR_CONFLICT;
		if (!says(documents[i], "reject"))
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
	if (poisoned)
		return fail(error, WEIR_RETRY, "something in it is poison");
	return null_commit(instance, positions, count, error);
}

static weir_status moody_abandon(weir_instance *instance, struct weir_error *error)
{
	poisoned = 0;
	return null_abandon(instance, error);
}

__attribute__((constructor)) static void change_operations(void)
{
	operations.apply = moody_apply;
	operations.commit = moody_commit;
	operations.abandon = moody_abandon;
}
