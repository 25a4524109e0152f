/* SPDX-License-Identifier: MIT
 *
 * Concurrency: `armed_name` and `wanted` are set before there are threads; `met` is atomic. */
#include "stop_point.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

/* The first word is the process (catalog: the indexer, when it enters its index). One a line: tests
 * read them here. */
const char *const stop_point_names[] = {
	"eventd.open.before",
	"eventd.open.journal",
	"eventd.open.after",
	"eventd.begin.after",
	"eventd.event.after",
	"eventd.outbox.after",
	"eventd.commit.before",
	"eventd.commit.after",
	"eventd.answer.after",
	"eventd.register.before",
	"eventd.register.after",
	"eventd.read.before",
	"eventd.read.after",
	"eventd.produce.after",
	"eventd.report.before",
	"eventd.report.after",
	"eventd.mark.before",
	"eventd.mark.after",
	"eventd.marked",
	"indexer.open.before",
	"indexer.open.after",
	"catalog.written",
	"catalog.renamed",
	"indexer.assign.after",
	"indexer.decode.before",
	"indexer.decode.after",
	"indexer.fetch.after",
	"indexer.merge.after",
	"indexer.apply.after",
	"indexer.letters.before",
	"indexer.letters.produced",
	"indexer.letters.acknowledged",
	"indexer.commit.before",
	"indexer.commit.after",
	"indexer.sync.before",
	"indexer.sync.after",
	"indexer.group.after",
	"indexer.expire.before",
	"indexer.expire.after",
	"indexer.expire.committed",
	"indexer.switch.before",
	"indexer.switch.opened",
	"indexer.switch.left",
	"indexer.switch.after",
	"searchd.refresh.before",
	"searchd.refresh.after",
	"searchd.search.after",
	NULL,
};

bool stop_point_armed;
static const char *armed_name;
static long wanted;
static _Atomic long met;

weir_status stop_point_arm(struct weir_error *error)
{
	const char *text = getenv("WEIR_STOP_AT");
	if (text == NULL || text[0] == '\0')
		return WEIR_OK;
	size_t length = strcspn(text, ":");
	long count = 1;
	if (text[length] == ':') {
		char *end;
		count = strtol(text + length + 1, &end, 10);
		if (*end != '\0' || count < 1)
			return err_set(error, WEIR_INVALID,
				       "WEIR_STOP_AT=%s: expected name or name:n, with n from 1",
				       text);
	}
	for (size_t i = 0; stop_point_names[i] != NULL; i++) {
		const char *name = stop_point_names[i];
		if (strlen(name) != length || memcmp(name, text, length) != 0)
			continue;
		armed_name = name;
		wanted = count;
		stop_point_armed = true;
		return WEIR_OK;
	}
	return err_set(error, WEIR_INVALID, "WEIR_STOP_AT=%s: there is no such stop point", text);
}

void stop_point_meet(const char *name)
{
	if (strcmp(name, armed_name) != 0 || atomic_fetch_add(&met, 1) + 1 != wanted)
		return;
	log_warning("stop_point", "name=%s", name);
	raise(SIGSTOP); /* this thread does not return from here before SIGCONT; all others stop too
			 */
}
