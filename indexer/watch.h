/* SPDX-License-Identifier: MIT
 * watch.h - a thread that asks the brokers once a second which partitions there are and where they
 * end, so that nobody else ever waits for such an answer. */
#ifndef WATCH_H
#define WATCH_H

#include "config.h"
#include "progress.h"

struct watch;

weir_status watch_start(const struct config *config, const struct schema *schema,
			struct progress *progress, struct watch **watch,
			struct weir_error *error) WEIR_MUST_CHECK;
void watch_stop(struct watch *watch); /* takes NULL; joins the thread */

#endif
